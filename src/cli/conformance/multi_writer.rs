//! What several regions write: stamps, positions for each owner, conflicts. One region is tried, so what peers send is not.

use super::{
    ConformanceReport,
    client::{Ask, Seal, TrialAnswer, now},
    report::must,
    trial::{ELSEWHERE, Trial, TrialPlace},
};
use homing_core::operate::conflicts::{ADDRESS as CONFLICTS, LONGEST_ANSWER};

/// How far ahead an isolate follows a stamp that an origin tells, in milliseconds.
const BELIEVED: u64 = 60_000;

/// Those rules, in the order of the report.
pub(super) const RULES: [&str; 10] = [
    "stamp-accepted",
    "later-wins",
    "repeat-harmless",
    "owner-position",
    "owner-shows",
    "owner-behind",
    "write-context",
    "conflict-told",
    "conflict-counted",
    "conflicts",
];

/// Another body than the usual one, and stamps that rise.
struct Writer<'a> {
    trial: &'a Trial,
    place: &'a TrialPlace,
    base: u64,
}

impl Writer<'_> {
    /// Later stamps for greater numbers.
    fn stamp(&self, number: u64) -> String {
        format!("{:012x}-{number:04x}-00000c0f", self.base)
    }

    fn contract(&self, intent: &str, marks: Option<String>) -> Vec<(&'static str, String)> {
        let mut contract = self.trial.about(self.place, intent);
        contract.extend(marks.map(|marks| ("min-position", marks)));
        contract
    }

    fn write(&self, body: &str, stamp: u64, marks: Option<String>) -> Result<TrialAnswer, String> {
        let mut contract = self.contract("write", marks);
        contract.push(("clock", self.stamp(stamp)));
        let place = TrialPlace { body: body.to_owned(), ..self.place.clone() };
        let answer = self.trial.write_saying(&place, contract, Seal::Right)?;
        must(answer.is_ok(), || format!("{} {} with a stamp gets {}", place.method, place.path, answer.status))?;
        Ok(answer)
    }

    fn read(&self, marks: Option<String>) -> Result<TrialAnswer, String> {
        let (target, headers, contract) = (self.place.path.as_str(), &self.trial.headers, self.contract("read", marks));
        self.trial.origin.send(Ask { method: "GET", target, contract, headers, body: None, seal: Seal::Right })
    }

    fn mark(&self, owner: &str, number: u64) -> Option<String> {
        Some(format!("{}@{owner}={number}", self.place.dataset))
    }
}

/// When a stamp is: Unix time in milliseconds.
fn millis(stamp: &str) -> u64 {
    stamp.get(..12).and_then(|time| u64::from_str_radix(time, 16).ok()).unwrap_or(0)
}

/// What an answer says of one owner.
#[derive(Debug, PartialEq)]
struct Member {
    owner: String,
    at: u64,
    least: Option<u64>,
    shows: Option<u64>,
}

/// `likes@us=17; least=17; shows=12, likes@eu=4`.
fn members(field: &str, dataset: &str) -> Result<Vec<Member>, String> {
    let member = |text: &str| {
        let mut parts = text.split(';').map(str::trim);
        let (name, at) = parts.next()?.split_once('=')?;
        let owner = name.strip_prefix(dataset)?.strip_prefix('@')?.to_owned();
        let mut member = Member { owner, at: at.parse().ok()?, least: None, shows: None };
        for (name, value) in parts.filter_map(|part| part.split_once('=')) {
            match name {
                "least" => member.least = Some(value.parse().ok()?),
                "shows" => member.shows = Some(value.parse().ok()?),
                _ => {}
            }
        }
        Some(member)
    };
    let read: Option<Vec<_>> = field.split(',').map(member).collect();
    read.ok_or_else(|| format!("it says {field:?}; expected {dataset}@OWNER=NUMBER for each owner"))
}

impl Trial {
    /// All rules of a dataset that several regions write.
    pub(super) fn multi_writer(&self, report: &mut ConformanceReport, place: &TrialPlace) -> Result<(), String> {
        let writer = Writer { trial: self, place, base: now() };
        let answer = writer.write(&place.body, 1, None)?;
        let stamp = writer.stamp(1);
        match answer.header("homing-clock") {
            Some(clock) if clock.len() == stamp.len() && clock >= stamp.as_str() => {
                let ahead = millis(clock).saturating_sub(writer.base);
                if ahead > BELIEVED {
                    let why = format!("its Homing-Clock is {} s ahead, and isolates follow one for 60 s", ahead / 1000);
                    report.advise("stamp-accepted", why);
                } else {
                    report.note("stamp-accepted", Ok(()));
                }
            }
            said => {
                let found = Err(format!("a write with {stamp} is answered with Homing-Clock {said:?}"));
                report.note("stamp-accepted", found);
            }
        }
        self.unsigned(report, &writer)?;
        self.later_wins(report, &writer)?;
        self.owners(report, &writer)
    }

    fn unsigned(&self, report: &mut ConformanceReport, writer: &Writer<'_>) -> Result<(), String> {
        if !self.origin.is_signed() {
            report.skip(&["unsigned"], "there is no --key");
            return Ok(());
        }
        let mut contract = writer.contract("write", None);
        contract.push(("clock", writer.stamp(2)));
        let answer = self.write_saying(writer.place, contract, Seal::Missing)?;
        report.note("unsigned", must(answer.status == 403, || format!("it answered {}", answer.status)));
        Ok(())
    }

    /// With two bodies that show: only then it can be seen which write counts. An origin may let the one that comes last count, as long as
    /// it says a later stamp for it.
    fn later_wins(&self, report: &mut ConformanceReport, writer: &Writer<'_>) -> Result<(), String> {
        let rules = ["later-wins", "repeat-harmless", "conflict-told", "conflict-counted", "conflicts"];
        let Some(other) = &self.other_body else {
            report.skip(&rules, "there is no --other-body, so whether the later write wins cannot be seen");
            return Ok(());
        };
        let first = writer.read(None)?.text;
        let before = self.conflicts(writer, 1, Seal::Right)?.said("/total").as_u64();
        writer.write(other, 9, None)?;
        let later = writer.read(None)?.text;
        if first == later {
            report
                .skip(&rules, "--body and --other-body show the same, so whether the later write wins cannot be seen");
            return Ok(());
        }
        writer.write(other, 9, None)?;
        let again = writer.read(None)?.text;
        report.note("repeat-harmless", must(again == later, || format!("it shows {again:?} after {later:?}")));
        let answer = writer.write(&writer.place.body, 5, None)?;
        let shown = writer.read(None)?.text;
        // It was written here, where the later one was applied: the origin may count that as seen, and then says a later stamp.
        let clock = answer.header("homing-clock").unwrap_or_default();
        let is_after = shown == first && clock > writer.stamp(9).as_str();
        report.note(
            "later-wins",
            must(shown == later || is_after, || {
                format!("after an earlier stamp it shows {shown:?}, not {later:?}, and says Homing-Clock {clock:?}")
            }),
        );
        if is_after {
            let rules = ["conflict-told", "conflict-counted"];
            report.skip(&rules, "what its region has applied overrules no write, so nothing was overruled");
        } else {
            let told = answer.header("homing-conflict").unwrap_or_default();
            let fits = ["dataset=", "rule=", "kept=", "lost="].iter().all(|part| told.contains(part));
            report.note(
                "conflict-told",
                must(fits || told == "last-write-wins", || {
                    format!("the answer of the overruled write has Homing-Conflict {told:?}")
                }),
            );
        }
        self.conflicts_address(report, writer, before.filter(|_| !is_after))?;
        let beyond = writer.write(&writer.place.body, 12, writer.mark(&self.here, 1_000_000_000));
        if beyond.is_err() {
            report.note("write-context", beyond.map(|_| ()));
            return Ok(());
        }
        writer.write(other, 13, None)?;
        let shown = writer.read(None)?.text;
        let is_there = must(shown == later, || {
            format!("after a write whose context was beyond its log, a later one does not show, but {shown:?}")
        });
        report.note("write-context", is_there);
        Ok(())
    }

    /// The conflicts address; `before` is what it counted before a write that was overruled, none if it told no total or none was overruled.
    fn conflicts_address(
        &self,
        report: &mut ConformanceReport,
        writer: &Writer<'_>,
        before: Option<u64>,
    ) -> Result<(), String> {
        let came = [("CDN-Loop".to_owned(), "other; hops=1, homing".to_owned())];
        let ask = Ask {
            method: "GET",
            target: CONFLICTS,
            contract: Vec::new(),
            headers: &came,
            body: None,
            seal: Seal::Right,
        };
        let client = self.origin.send(ask)?;
        let is_closed = must(client.status == 404, || format!("a client gets {}", client.status));
        let all = self.conflicts(writer, 1000, Seal::Right)?;
        let Some(total) = all.said("/total").as_u64().filter(|_| all.status == 200) else {
            report.note("conflicts", is_closed);
            report.skip(&["conflict-counted"], "its conflicts address tells no total");
            report.advise("conflicts", format!("{CONFLICTS} does not answer with a total, so no story can be told"));
            return Ok(());
        };
        if let Some(before) = before {
            report.note("conflict-counted", must(total > before, || format!("the total is {total}, and was {before}")));
        }
        report.skip(&["conflict-counted"], "it told no total before the write that was overruled");
        let fits = must(all.text.len() <= LONGEST_ANSWER, || format!("an answer has {} bytes", all.text.len()));
        let one = self.conflicts(writer, 1, Seal::Right)?;
        let count = one.said("/conflicts").as_array().map_or(0, Vec::len);
        let is_one = must(count <= 1, || format!("with limit=1 it tells {count}"));
        let unsigned = self.conflicts(writer, 1, Seal::Missing)?;
        let is_signed = must(!self.origin.is_signed() || unsigned.status == 403, || {
            format!("it answers {} without a signature", unsigned.status)
        });
        let names = |side: &str| one.said(&format!("/conflicts/0/{side}/who")).is_string();
        if !self.origin.is_signed() && (names("kept") || names("lost")) {
            report.advise("conflicts", "it names who wrote to anybody who asks. Give it a key".to_owned());
        }
        let found = is_closed.and(fits).and(is_one).and(is_signed);
        if found.is_err() || !report.has("conflicts") {
            report.note("conflicts", found);
        }
        Ok(())
    }

    /// What the region tells of its conflicts.
    fn conflicts(&self, writer: &Writer<'_>, limit: u32, seal: Seal) -> Result<TrialAnswer, String> {
        self.bare("GET", &format!("{CONFLICTS}?dataset={}&limit={limit}", writer.place.dataset), seal)
    }

    fn owners(&self, report: &mut ConformanceReport, writer: &Writer<'_>) -> Result<(), String> {
        let (place, here) = (writer.place, &self.here);
        let first = writer.write(&place.body, 20, None)?;
        let Some(first) = first.header("homing-position") else {
            report.skip(&RULES, "its answers have no Homing-Position, so reads after writes go by time");
            return Ok(());
        };
        let second = writer.write(&place.body, 21, None)?;
        let second = second.header("homing-position").unwrap_or_default().to_owned();
        let answer = writer.read(None)?;
        let read = answer.header("homing-position").unwrap_or_default().to_owned();
        if first.starts_with(&format!("{}=", place.dataset)) {
            report.skip(&RULES, "its positions are of all owners together, in one log");
            return Ok(());
        }
        let all = [first, second.as_str(), read.as_str()].map(|field| members(field, &place.dataset));
        let [first, second, read] = match all {
            [Ok(first), Ok(second), Ok(read)] => [first, second, read],
            [first, second, read] => {
                report.note("owner-position", first.and(second).and(read).map(|_| ()));
                return Ok(());
            }
        };
        let own =
            |members: &[Member]| members.iter().find(|member| member.owner == *here).map_or(0, |member| member.at);
        let (was, is, seen) = (own(&first), own(&second), own(&read));
        let rises =
            must(was < is && is <= seen, || format!("at {here} it says {was}, then {is}, and {seen} to a read"));
        let least =
            must(read.iter().all(|member| member.least.is_none_or(|least| least <= member.at)), || format!("{read:?}"));
        report.note("owner-position", rises.and(least));
        let too_far = read.iter().find(|member| member.shows.is_some_and(|shows| shows > member.at));
        report.note("owner-shows", must(too_far.is_none(), || format!("it shows what it has not: {too_far:?}")));
        let shows = read.iter().find(|member| member.owner == *here).and_then(|member| member.shows);
        report.note(
            "owner-shows",
            must(shows.is_none_or(|shows| shows >= is), || format!("after {is} a read shows {shows:?}")),
        );
        let reached = writer.read(writer.mark(here, is))?;
        report.note(
            "owner-behind",
            must(reached.is_ok(), || format!("a read that demands {is} gets {}", reached.status)),
        );
        for (owner, number) in [(here.as_str(), seen + 1_000_000), (ELSEWHERE, 1)] {
            let behind = writer.read(writer.mark(owner, number))?;
            let is_behind = behind.status == 503 && behind.header("homing-behind") == Some("1");
            report.note(
                "owner-behind",
                must(is_behind, || format!("a read that demands {number} of {owner} gets {}", behind.status)),
            );
        }
        let written = writer.write(&place.body, 22, writer.mark(ELSEWHERE, 1));
        report.note("write-context", written.map(|_| ()));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_of_owners_are_read() {
        let member = |owner: &str, at, least, shows| Member { owner: owner.to_owned(), at, least, shows };
        let read = members("likes@us=17; least=17; shows=12, likes@eu=4", "likes");
        assert_eq!(read, Ok(vec![member("us", 17, Some(17), Some(12)), member("eu", 4, None, None)]));
        for bad in ["likes=17", "likes@us", "cart@us=1", "likes@us=x", "likes@us=1,"] {
            assert!(members(bad, "likes").is_err(), "{bad}");
        }
    }
}
