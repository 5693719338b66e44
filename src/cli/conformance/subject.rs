//! Whose data a write is: what the router was not told, or was told otherwise, is not written on nobody's word.

use super::{
    ConformanceReport,
    client::{Seal, TrialAnswer},
    fence::nothing_written,
    report::must,
    trial::{Subject, Trial, TrialPlace},
};

/// The id of a subject that there is not: nobody is signed in as this one.
const NOBODY: &str = "homing-conformance-not";

const RULES: [&str; 2] = ["no-subject", "other-subject"];

impl Trial {
    /// Before this region has been told of the subject, if it has not: a client who leaves the session out may come first.
    pub(super) fn untold(&self, report: &mut ConformanceReport, place: &TrialPlace) -> Result<(), String> {
        if place.subject.is_none() {
            report.skip(&RULES, "there is no --subject, so the dataset has one owner");
        } else if self.look(place).is_some_and(|(epoch, _)| epoch == 0) {
            self.no_subject(report, place, "with no known owner")?;
        }
        Ok(())
    }

    /// A write that names no subject, and no owner.
    pub(super) fn no_subject(
        &self,
        report: &mut ConformanceReport,
        place: &TrialPlace,
        when: &str,
    ) -> Result<(), String> {
        let Some(subject) = &place.subject else { return Ok(()) };
        let mut contract = self.about(place, "write");
        contract.retain(|(name, _)| *name != "subject");
        let answer = self.write_saying(place, contract, Seal::Right)?;
        report.note("no-subject", names(&answer, subject, &format!("{when}, it")));
        nothing_written(report, &answer);
        Ok(())
    }

    /// A write about another subject, who is at home here.
    pub(super) fn other_subject(&self, report: &mut ConformanceReport, place: &TrialPlace) -> Result<(), String> {
        let Some(subject) = &place.subject else { return Ok(()) };
        let mut contract = self.about(place, "write");
        contract.retain(|(name, _)| *name != "subject");
        let claim = [("home", self.here.clone()), ("epoch", "1".to_owned())];
        contract.extend([("subject", NOBODY.to_owned())].into_iter().chain(claim));
        let answer = self.write_saying(place, contract, Seal::Right)?;
        report.note("other-subject", names(&answer, subject, "it"));
        nothing_written(report, &answer);
        Ok(())
    }
}

/// That it was refused, and names the subject: as at sign-in, or by `~` and its id.
fn names(answer: &TrialAnswer, subject: &Subject, it: &str) -> Result<(), String> {
    must(answer.status == 421, || format!("{it} got {}, expected 421", answer.status))?;
    let said = answer.header("homing-subject").unwrap_or_default();
    let id = format!("~{}", subject.id);
    // By its id alone, nobody knows its name.
    let named = said == id || subject.name.as_deref().map_or(!said.is_empty(), |name| said == name);
    must(named, || format!("{it} says Homing-Subject: {said:?}, expected {id}"))
}
