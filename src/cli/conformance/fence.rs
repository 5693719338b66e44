//! Who may write, who says so, and how far the replica is.

use super::{
    ConformanceReport,
    client::{Seal, TrialAnswer},
    position::{far_beyond, reaches},
    report::must,
    trial::{ELSEWHERE, Trial, TrialPlace},
};

const POSITIONS: [&str; 6] =
    ["position", "position-owner", "position-grows", "read-your-write", "behind", "position-epoch"];

impl Trial {
    /// Makes this region the owner, by a later epoch than any that it knows.
    pub(super) fn take(
        &mut self,
        report: &mut ConformanceReport,
        place: &TrialPlace,
        known: Option<u64>,
    ) -> Result<(), String> {
        let (epoch, leased) = self.look(place).unwrap_or_default();
        self.leased = leased;
        self.epoch = epoch.max(known.unwrap_or(0)).max(1) + 1;
        let mut answer = self.write(place, &self.here, self.epoch)?;
        if answer.status == 503 {
            // It may be leased; of what nobody owned yet, that is seen only now.
            self.leased = self.look(place).is_some_and(|(_, leased)| leased);
            self.renew(place)?;
            answer = self.write(place, &self.here, self.epoch)?;
        }
        let found = must(answer.is_ok(), || {
            let hint = match answer.status {
                403 if !self.origin.is_signed() => "; does it need a --key?",
                403 => "; is that its key?",
                404 | 405 => "; does the path accept this --method?",
                400..500 => "; does it need another --body or a --header?",
                _ => "",
            };
            format!("by {}, epoch {}, it got {}{hint}", self.here, self.epoch, answer.status)
        });
        report.note("later-epoch", found.clone());
        found.map_err(|_| "later-epoch is broken: no write is possible".to_owned())?;
        let again = self.must_write(place);
        report.note("owner", again.as_ref().map(|_| ()).map_err(Clone::clone));
        again.map(|_| ())
    }

    pub(super) fn fence(&mut self, report: &mut ConformanceReport, place: &TrialPlace) -> Result<(), String> {
        let here = self.here.clone();
        let lower = self.write(place, &here, self.epoch - 1)?;
        report.note("lower-epoch", misdirected(&lower, &here, self.epoch));
        nothing_written(report, &lower);
        let other = self.write(place, ELSEWHERE, self.epoch + 1)?;
        report.note("other-home", misdirected(&other, ELSEWHERE, self.epoch + 1));
        nothing_written(report, &other);
        let deposed = self.write(place, &here, self.epoch)?;
        report.note("deposed", misdirected(&deposed, ELSEWHERE, self.epoch + 1));
        nothing_written(report, &deposed);
        self.no_subject(report, place, "owned by another known region")?;
        self.epoch += 2;
        let back = self.write(place, &here, self.epoch)?;
        // One that is leased says 503 until it is.
        report.note("later-epoch", must(back.is_ok() || self.leased, || format!("back again, it got {}", back.status)));
        self.must_write(place)?;
        self.other_subject(report, place)
    }

    pub(super) fn signatures(&mut self, report: &mut ConformanceReport, place: &TrialPlace) -> Result<(), String> {
        if !self.origin.is_signed() {
            report.skip(&["unsigned", "forged", "stale", "unsigned-claim"], "there is no --key");
            return Ok(());
        }
        let here = self.here.clone();
        let refused =
            |answer: TrialAnswer, how: &str| must(answer.status == 403, || format!("{how}, it got {}", answer.status));
        for (rule, seal, how) in [
            ("unsigned", Seal::Missing, "not signed"),
            ("forged", Seal::OtherKey, "signed with another key"),
            ("forged", Seal::OtherTarget, "signed for another target"),
            ("stale", Seal::Stale, "signed two minutes ago"),
        ] {
            report.note(rule, refused(self.sealed_write(place, &here, self.epoch, seal)?, how));
        }
        self.sealed_write(place, ELSEWHERE, self.epoch + 1, Seal::Missing)?;
        let after = self.write(place, &here, self.epoch)?;
        report.note(
            "unsigned-claim",
            must(after.is_ok(), || format!("after one, the owner's write got {}", after.status)),
        );
        if !after.is_ok() {
            self.epoch += 2;
        }
        self.must_write(place).map(|_| ())
    }

    pub(super) fn positions(&mut self, report: &mut ConformanceReport, place: &TrialPlace) -> Result<(), String> {
        let (first, second) = (self.must_write(place)?, self.must_write(place)?);
        if first.header("homing-position").is_none() {
            report.skip(&POSITIONS, "its writes report no Homing-Position");
            return Ok(());
        }
        let (one, two) = match (Self::said(place, &first), Self::said(place, &second)) {
            (Ok(Some(one)), Ok(Some(two))) => (one.position, two.position),
            (Err(why), _) | (_, Err(why)) => {
                report.note("position", Err(why));
                report.skip(&POSITIONS, "its positions cannot be read");
                return Ok(());
            }
            _ => {
                report.note("position", Err("one write reports a position, another does not".to_owned()));
                return Ok(());
            }
        };
        let owner = (Some(self.here.as_str()), Some(self.epoch));
        report.note("position", Ok(()));
        report.note(
            "position-owner",
            must(second.owner() == owner, || format!("it names {:?}, expected {owner:?}", second.owner())),
        );
        report.note("position-grows", must(reaches(&two, &one) && one != two, || format!("after {one} came {two}")));

        let own = self.read(place, Some((&two, self.epoch)))?;
        report.note("read-your-write", self.shows(place, &own, &two));
        report.note("position", Self::said(place, &own).map(|_| ()));
        let beyond = self.read(place, Some((&far_beyond(&two), self.epoch)))?;
        report.note("behind", behind(&beyond, &format!("{} of it", far_beyond(&two))));
        let later = self.read(place, Some((&two, self.epoch + 5)))?;
        report.note("position-epoch", behind(&later, &format!("{two} of epoch {}", self.epoch + 5)));
        // It may have believed the read's epoch.
        if !self.write(place, &self.here, self.epoch)?.is_ok() {
            self.epoch += 6;
        }
        self.must_write(place).map(|_| ())
    }

    fn shows(&self, place: &TrialPlace, answer: &TrialAnswer, wanted: &str) -> Result<(), String> {
        must(answer.is_ok(), || format!("at home, a read that demands {wanted} gets {}", answer.status))?;
        let said = Self::said(place, answer)?;
        must(said.as_ref().is_none_or(|said| reaches(&said.position, wanted)), || {
            format!("a read that demands {wanted} gets an answer that says {said:?}")
        })
    }
}

fn misdirected(answer: &TrialAnswer, home: &str, epoch: u64) -> Result<(), String> {
    must(answer.status == 421, || format!("it got {}", answer.status))?;
    must(answer.owner() == (Some(home), Some(epoch)), || {
        format!("it names {:?}, expected {home} and {epoch}", answer.owner())
    })
}

/// Of what is refused.
pub(super) fn nothing_written(report: &mut ConformanceReport, answer: &TrialAnswer) {
    if !answer.is_ok() {
        let said = answer.header("homing-wrote");
        report.note(
            "wrote-nothing",
            must(said == Some("0"), || format!("a {} says Homing-Wrote: {said:?}", answer.status)),
        );
    }
}

fn behind(answer: &TrialAnswer, wanted: &str) -> Result<(), String> {
    must(answer.status == 503 && answer.header("homing-behind") == Some("1"), || {
        format!(
            "a read that demands {wanted} gets {}, Homing-Behind: {:?}",
            answer.status,
            answer.header("homing-behind")
        )
    })
}
