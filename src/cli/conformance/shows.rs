//! What answers show, apart from how far their replica is: never beyond that, never less than what they hold.

use super::{
    ConformanceReport,
    client::TrialAnswer,
    position::reaches,
    report::must,
    trial::{Trial, TrialPlace},
};

const ALL: [&str; 3] = ["shows", "shows-gone", "shows-still"];

impl Trial {
    pub(super) fn what_is_shown(&self, report: &mut ConformanceReport, place: &TrialPlace) -> Result<(), String> {
        let Some(before) = self.written_at(place)? else {
            report.skip(&ALL, "its writes report no Homing-Position");
            return Ok(());
        };
        let written = self.must_write(place)?;
        let read = self.read(place, None)?;
        if of(place, &written).is_none() && of(place, &read).is_none() {
            let why = "its answers have no shows=, so each reader must see every write of the dataset";
            report.skip(&ALL, why);
            return Ok(());
        }
        for (answer, what) in [(&written, "a write"), (&read, "the read after it")] {
            report.note("shows", shown(place, answer, &before, what));
        }
        self.gone(report, place)?;
        self.still(report, place)
    }

    /// A deletion is a write, though nothing of it is left to be read.
    fn gone(&self, report: &mut ConformanceReport, place: &TrialPlace) -> Result<(), String> {
        if !self.deletes {
            report.skip(&["shows-gone"], "--delete is not set");
            return Ok(());
        }
        let before = self.written_at(place)?.unwrap_or_default();
        let deleted = self.write(&place.deleted(), &self.here, self.epoch)?;
        if deleted.is_ok() {
            let read = self.read(place, None)?;
            report.note("shows-gone", shown(place, &read, &before, "a read of deleted data"));
        } else {
            report.skip(&["shows-gone"], &format!("DELETE {} gets {}", place.path, deleted.status));
        }
        self.must_write(place).map(|_| ())
    }

    /// Advice: it is right to show more, and costs reads that go home.
    fn still(&self, report: &mut ConformanceReport, place: &TrialPlace) -> Result<(), String> {
        let Some(beside) = &self.beside else {
            report.skip(&["shows-still"], "there is no --beside");
            return Ok(());
        };
        let first = self.read(place, None)?;
        self.must_write(&place.at(beside))?;
        let second = self.read(place, None)?;
        let (first, second) = (of(place, &first), of(place, &second));
        if first == second {
            report.note("shows-still", Ok(()));
        } else {
            let [first, second] = [first, second].map(|shows| shows.unwrap_or_else(|| "nothing".to_owned()));
            report.advise("shows-still", format!("after a write to {beside} it says {second}, before it {first}"));
        }
        Ok(())
    }

    /// Writes, and says how far the log is then.
    fn written_at(&self, place: &TrialPlace) -> Result<Option<String>, String> {
        let answer = self.must_write(place)?;
        Ok(Self::said(place, &answer).ok().flatten().map(|said| said.position))
    }
}

/// What an answer says that it shows; none where it says nothing of it.
fn of(place: &TrialPlace, answer: &TrialAnswer) -> Option<String> {
    Trial::said(place, answer).ok().flatten()?.shows
}

/// That an answer shows what was written behind that place in the log, and nothing that its replica has not.
fn shown(place: &TrialPlace, answer: &TrialAnswer, before: &str, what: &str) -> Result<(), String> {
    let Some(said) = Trial::said(place, answer)? else { return Ok(()) };
    let Some(shows) = said.shows else { return Ok(()) };
    must(reaches(&said.position, &shows), || format!("{what} shows {shows}, but its replica is at {}", said.position))?;
    must(reaches(&shows, before) && shows != before, || {
        format!("{what} shows {shows}, but the write came after {before}")
    })
}
