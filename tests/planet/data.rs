//! The truth: each owner's log, and how far every region has applied it.

use std::collections::HashMap;

use crate::trouble::Trouble;

/// A write that was committed.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    pub key: u32,
    pub committed: u64,
    /// When each region has it.
    pub applied: [u64; 3],
}

#[derive(Clone, Debug, Default)]
pub struct Log {
    entries: Vec<Entry>,
    /// How many entries each region is known to have applied.
    reached: [usize; 3],
    /// When each region applies the last of them: the order is kept.
    last: [u64; 3],
}

/// One version of a key: of all writes, which; and its place in its log, from 1.
#[derive(Clone, Copy, Debug)]
struct Version {
    number: u32,
    log: usize,
    place: usize,
}

pub struct Data {
    trouble: Trouble,
    seed: u64,
    logs: [Log; 3],
    keys: HashMap<u32, Vec<Version>>,
    next: u32,
}

/// What a read finds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// The version, 0 if the key was never written.
    pub version: u32,
    /// Its place in the log.
    pub shows: usize,
    /// How far the region has applied the log.
    pub position: usize,
}

impl Log {
    /// How many entries the region has applied by now. Time does not go back.
    fn position(&mut self, region: usize, now: u64) -> usize {
        let reached = &mut self.reached[region];
        while self.entries.get(*reached).is_some_and(|entry| entry.applied[region] <= now) {
            *reached += 1;
        }
        *reached
    }
}

impl Data {
    #[must_use]
    pub fn new(trouble: Trouble, seed: u64) -> Self {
        Self { trouble, seed, logs: Default::default(), keys: HashMap::new(), next: 1 }
    }

    pub fn read(&mut self, log: usize, key: u32, region: usize, now: u64) -> Seen {
        let position = self.logs[log].position(region, now);
        let found = self.keys.get(&key).and_then(|all| all.iter().rev().find(|version| version.place <= position));
        let (version, shows) = found.map_or((0, 0), |found| (found.number, found.place));
        Seen { version, shows, position }
    }

    pub fn position(&mut self, log: usize, region: usize, now: u64) -> usize {
        self.logs[log].position(region, now)
    }

    /// When the region reaches that place, if it stands in the log.
    #[must_use]
    pub fn reaches(&self, log: usize, region: usize, place: usize) -> Option<u64> {
        Some(self.logs[log].entries.get(place.checked_sub(1)?)?.applied[region])
    }

    /// Commits a write of a log at a region.
    pub fn commit(&mut self, log: usize, key: u32, region: usize, now: u64) -> Seen {
        let Self { trouble, seed, .. } = *self;
        let number = self.next;
        self.next += 1;
        let of = &mut self.logs[log];
        let mut applied = [now; 3];
        for (to, at) in applied.iter_mut().enumerate().filter(|(to, _)| *to != region) {
            *at = trouble.replicated(region, to, now, seed).max(of.last[to]);
        }
        of.last = applied;
        of.entries.push(Entry { key, committed: now, applied });
        let place = of.entries.len();
        self.keys.entry(key).or_default().push(Version { number, log, place });
        Seen { version: number, shows: place, position: place }
    }

    /// How far the region is behind the log: the time that the last write took which it has applied, or the age of the oldest that it
    /// lacks (PostgreSQL's `replay_lag`).
    pub fn lag(&mut self, log: usize, region: usize, now: u64) -> Option<u64> {
        let reached = self.position(log, region, now);
        let entries = &self.logs[log].entries;
        let took = reached
            .checked_sub(1)
            .and_then(|last| entries.get(last))
            .map(|entry| entry.applied[region] - entry.committed);
        let lacks = entries.get(reached).map(|entry| now - entry.committed);
        took.max(lacks)
    }

    /// The region goes on with the log from what it has. What it lacks is lost; that many writes.
    pub fn cut(&mut self, log: usize, region: usize, now: u64) -> usize {
        let kept = self.position(log, region, now);
        let of = &mut self.logs[log];
        let lost = of.entries.split_off(kept);
        of.reached.iter_mut().for_each(|reached| *reached = (*reached).min(kept));
        of.last = of.entries.last().map_or([0; 3], |last| last.applied);
        for Entry { key, .. } in &lost {
            self.keys.entry(*key).or_default().retain(|version| version.log != log || version.place <= kept);
        }
        lost.len()
    }
}
