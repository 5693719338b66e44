//! How far a replica is with a dataset, and what it takes in next.

use std::{collections::BTreeMap, time::Duration};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    Change, Conflict, Merge, Operation, Rule, Shown, Stamp, State, Vector, Write,
    conflict::{LONGEST_WORD, cut},
    dots::Entry,
    state::Horizon,
};

/// How far behind the region's last beat, or ahead of its clock, a request's stamp may be. Another one is not kept, and the write gets the
/// region's own. So a removed value can be forgotten at some time: no later operation can be older than it. A beat claims no more than this
/// beyond what the others have said, so that a region whose clock has jumped and come back goes on to keep stamps.
const WINDOW_MS: u64 = 60 * 60 * 1000;
/// How long an owner is silent at most, if its `tend` is called: tombstones are forgotten by what owners say.
pub(crate) const SILENCE: Duration = Duration::from_secs(10 * 60);
/// How many conflicts one answer tells; of the others how many.
pub(crate) const TOLD: usize = 8;

/// How far a replica is with a dataset: the source of `Homing-Position` and `Homing-Clock`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// What it has applied of each owner's log.
    pub at: Vector,
    /// The latest stamp that it has applied, of any owner; not one that is more than an hour ahead of the region's clock, for it would drag
    /// all others along.
    pub clock: Option<Stamp>,
    /// The rows that hold up their owners' logs here, as `catch_up` has met them (PostgreSQL). Show them to an operator
    /// ([`Application::health`](crate::Application::health)): the logs wait until somebody mends that.
    pub unreadable: Vec<Unreadable>,
}

/// A row of an owner's log that this version cannot read: a later version's, or damaged. The owner's log waits there, and no other's. Start the
/// version that can read it, or correct the row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Unreadable {
    /// Whose log.
    pub owner: String,
    /// The row's number in it.
    pub number: u64,
    /// Why it cannot be read.
    pub why: String,
}

/// What came of operations that were taken in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TakenIn {
    /// How many were new.
    pub applied: u64,
    /// How many were here already.
    pub known: u64,
    /// How many are of a dataset or an owner that is not declared.
    pub passed_over: u64,
    /// Where an owner's log has to be read again from: what came lies beyond what is missing, and was not applied.
    pub gaps: Vec<Gap>,
    /// The rows of `homing_ops` that cannot be read and hold up their owners' logs.
    pub unreadable: Vec<Unreadable>,
    /// How many conflicts they resolved.
    pub conflicts: u64,
}

impl TakenIn {
    pub(crate) fn gap(&mut self, op: &Operation, have: u64) {
        let gap = Gap { dataset: op.dataset.clone(), owner: op.owner.clone(), have };
        if !self.gaps.contains(&gap) {
            self.gaps.push(gap);
        }
    }
}

/// A hole in an owner's log, as it came here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gap {
    /// The dataset.
    pub dataset: String,
    /// Whose log.
    pub owner: String,
    /// The last number that is here.
    pub have: u64,
}

/// What a replica keeps of a dataset beside its states.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Ledger {
    rows: BTreeMap<String, OwnerRow>,
    clock: Option<Stamp>,
    /// What was shown by keys of which nothing is left: every owner has it.
    pub(crate) dropped: Vector,
    /// Up to which key the last compaction has looked: those that have to wait do not keep the others waiting.
    pub(crate) looked: String,
    /// Conflicts that this region has to tell in its next answer to a write.
    untold: Vec<Conflict>,
    more: u64,
    /// How much of this region's own log another owner has said that it has.
    heard: u64,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
struct OwnerRow {
    /// The last that was applied.
    number: u64,
    /// The last of those that wrote something.
    written: u64,
    /// What the owner had applied by its last beat, and when that was, by its clock.
    seen: Vector,
    at: u64,
}

/// Whether an operation is the next of its owner's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reach {
    Next,
    Known,
    Gap,
}

impl Ledger {
    pub(crate) fn progress(&self) -> Progress {
        Progress { at: self.vector(), clock: self.clock.clone(), unreadable: Vec::new() }
    }

    pub(crate) fn vector(&self) -> Vector {
        self.rows.iter().map(|(owner, row)| (owner, row.number)).collect()
    }

    pub(crate) fn number(&self, owner: &str) -> u64 {
        self.rows.get(owner).map_or(0, |row| row.number)
    }

    /// This region's operation of a write, next in its log. `held` is what would overrule it by a later stamp, `asked` the request's stamp,
    /// `context` what its session has seen. Nobody has seen more of this region's log than there is: an operation that said so would
    /// overrule later ones.
    pub(crate) fn compose(
        &self,
        merge: &Merge,
        write: &Write<'_>,
        held: Option<&Entry>,
        (asked, context): (Option<&str>, &Vector),
        now: u64,
    ) -> Operation {
        let known = context.iter().filter(|(owner, _)| merge.is_owner(owner) && **owner != *merge.region);
        Operation {
            owner: merge.region.to_string(),
            number: self.number(&merge.region) + 1,
            dataset: write.dataset.to_owned(),
            key: write.key.to_owned(),
            stamp: self.stamp(merge, asked, held, now),
            seen: self.vector().joined(&known.collect()),
            at: now,
            who: write.who.map(|who| cut(who, LONGEST_WORD)),
            what: write.what.map(|what| cut(what, LONGEST_WORD)),
            change: write.change.clone(),
            repeat: write.repeat.map(|kept| kept.to_json()),
        }
    }

    /// Whether others have more of this region's log than it has itself: it was restored from an older copy, or begins again under its old
    /// name. What it wrote now would get numbers that they know, and they would pass it over. Beats tell it: their context is exactly what
    /// was applied, while a write's has what its session says.
    pub(crate) fn lacks_own(&self, merge: &Merge) -> bool {
        self.heard > self.number(&merge.region)
    }

    /// The request's stamp if it is in its window, else one later than all that this replica has applied. In any case one later than what
    /// it takes the place of: causality goes before clocks, as a hybrid logical clock has it, so that nothing that this region has applied
    /// overrules what it writes then (Kulkarni et al. 2014, "receive event").
    fn stamp(&self, merge: &Merge, asked: Option<&str>, held: Option<&Entry>, now: u64) -> Stamp {
        let promised = self.promised(merge);
        let latest = now.max(promised) + WINDOW_MS;
        let is_kept = |stamp: &Stamp| stamp.millis() + WINDOW_MS >= promised && stamp.millis() <= latest;
        let own = || {
            let clock = self.clock.as_ref().filter(|clock| clock.millis() <= latest);
            Stamp::after(clock, now.max(promised.saturating_sub(WINDOW_MS)), &merge.region)
        };
        let stamp = asked.and_then(Stamp::parse).filter(is_kept).unwrap_or_else(own);
        let number = self.number(&merge.region) + 1;
        match held.filter(|held| held.order() > (&stamp, &*merge.region, number)) {
            Some(held) => Stamp::after(Some(&held.stamp), 0, &merge.region),
            None => stamp,
        }
    }

    /// The time of which this region has said that it takes no stamp an hour older. One that has said nothing yet goes by the others: what
    /// they have forgotten by then is not here.
    fn promised(&self, merge: &Merge) -> u64 {
        match self.rows.get(&*merge.region).map_or(0, |row| row.at) {
            0 => self.others_at(merge),
            own => own,
        }
    }

    /// The latest time that another owner has said.
    fn others_at(&self, merge: &Merge) -> u64 {
        let others = merge.owners.iter().filter(|owner| **owner != *merge.region);
        others.filter_map(|owner| self.rows.get(owner)).map(|row| row.at).max().unwrap_or(0)
    }

    /// The time that a beat says: this region's clock, at most a window beyond the latest time that another owner has said. As long as none
    /// has, at most a window beyond the latest stamp applied here and the last time said here; if there is neither, the clock alone.
    fn told_time(&self, merge: &Merge, now: u64) -> u64 {
        let own = self.rows.get(&*merge.region).map_or(0, |row| row.at);
        let known = match self.others_at(merge) {
            0 => own.max(self.clock.as_ref().map_or(0, Stamp::millis)),
            others => others,
        };
        let bounded = if known == 0 { now } else { now.min(known + WINDOW_MS) };
        bounded.max(self.promised(merge).min(now + WINDOW_MS)).max(own)
    }

    /// What the region says of how far it is, if it has anything to say: something was written since it last did, or that is long ago.
    pub(crate) fn beat(&self, merge: &Merge, dataset: &str, now: u64) -> Option<Operation> {
        if self.lacks_own(merge) {
            return None;
        }
        let own = self.rows.get(&*merge.region).cloned().unwrap_or_default();
        let is_news = self.rows.iter().any(|(owner, row)| !own.seen.has(owner, row.written));
        let at = self.told_time(merge, now);
        let is_long = !self.rows.is_empty() && at >= own.at + SILENCE.as_millis() as u64;
        let write = Write::new(dataset, "", Change(Value::Null));
        let beat = || Operation { at, ..self.compose(merge, &write, None, (None, &Vector::default()), at) };
        (is_news || is_long).then(beat)
    }

    pub(crate) fn reach(&self, op: &Operation) -> Reach {
        match self.number(&op.owner) + 1 {
            next if op.number == next => Reach::Next,
            next if op.number < next => Reach::Known,
            _ => Reach::Gap,
        }
    }

    /// Notes an operation that is being applied: the next of its owner's. A beat writes nothing, so its stamp tells nothing.
    pub(crate) fn note(&mut self, merge: &Merge, op: &Operation) {
        let latest = merge.now().max(self.promised(merge)) + WINDOW_MS;
        let row = self.rows.entry(op.owner.clone()).or_default();
        row.number = op.number;
        if op.is_beat() {
            (row.seen, row.at) = (op.seen.clone(), op.at);
            self.heard = self.heard.max(op.seen.get(&merge.region));
            return;
        }
        row.written = op.number;
        let is_believed = |stamp: &Stamp| stamp.millis() <= latest;
        self.clock = self.clock.take().filter(is_believed).max(Some(op.stamp.clone()).filter(is_believed));
    }

    /// For forgetting: what is here, what every owner is known to have, and the time before which none of them takes a stamp any more.
    pub(crate) fn horizon(&self, merge: &Merge) -> Horizon {
        let here = self.vector();
        let rows: Vec<OwnerRow> =
            merge.owners.iter().map(|of| self.rows.get(of).cloned().unwrap_or_default()).collect();
        let has = |(owner, row): (&String, &OwnerRow), of: &str| {
            if *owner == *merge.region {
                here.get(of)
            } else {
                row.seen.get(of).max(if *owner == of { row.number } else { 0 })
            }
        };
        let everywhere: Vector = self
            .rows
            .keys()
            .map(|of| {
                let least = merge.owners.iter().zip(&rows).map(|row| has(row, of)).min();
                (of, least.unwrap_or(0))
            })
            .collect();
        let floor = rows.iter().map(|row| row.at).min().unwrap_or(0);
        Horizon { here, everywhere, floor: floor.saturating_sub(WINDOW_MS) }
    }

    /// Keeps conflicts of operations of this region to be told. So each is told by one region: the one whose write was overruled.
    pub(crate) fn hold(&mut self, region: &str, found: &[Conflict]) {
        for conflict in found.iter().filter(|conflict| conflict.lost.region == region) {
            if self.untold.len() < TOLD {
                self.untold.push(conflict.clone());
            } else {
                self.more += 1;
            }
        }
    }

    /// What the answer to this region's write tells: what it found itself, and what was held for it; and how many more there are.
    pub(crate) fn tell(&mut self, found: Vec<Conflict>) -> (Vec<Conflict>, u64) {
        let mut all = found;
        all.append(&mut self.untold);
        let over = all.split_off(all.len().min(TOLD)).len() as u64;
        (all, over + std::mem::take(&mut self.more))
    }

    /// What a key shows of which nothing is here: nobody has written it, or all of it is forgotten.
    pub(crate) fn shown_of_nothing(self, rule: Option<&Rule>) -> Shown {
        let value = rule.map(|rule| State::new(rule).shown().value).unwrap_or_default();
        Shown { value, shows: self.dropped }
    }

    /// As another region begins with it.
    pub(crate) fn for_another(mut self) -> Self {
        (self.untold, self.more, self.heard) = (Vec::new(), 0, 0);
        self
    }
}
