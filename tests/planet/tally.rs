//! What is counted of a run.

use crate::{
    MILLI, SECOND,
    earth::{CITIES, Continent},
    judge::{Judge, Stale},
    strategy::{Answer, Asked},
    trouble::{Span, Trouble},
};

/// A request that is over.
pub struct Told {
    pub asked: Asked,
    pub began: u64,
    pub now: u64,
    pub answer: Answer,
    /// How often something left for a region other than the nearest.
    pub calls: u32,
    pub crossed: bool,
}

/// Reads have recovered when of those that begin in the next half minute so many of a hundred are answered within a second.
const RECOVERED: (u64, usize, u64) = (30 * SECOND, 95, SECOND);

#[derive(Clone, Debug)]
pub struct Tally {
    /// What counts.
    span: Span,
    trouble: Trouble,
    judge: Judge,
    /// Reads and writes that were answered, by continent, in microseconds.
    reads: [Vec<u32>; 5],
    writes: [Vec<u32>; 5],
    /// When each read began, and whether it was answered in time.
    read_at: Vec<(u64, bool)>,
    pub requests: usize,
    pub local: usize,
    pub calls: u64,
    pub own_writes_missing: usize,
    pub went_back: usize,
    pub said_stale: usize,
    pub all_reads: usize,
    pub all_writes: usize,
    pub reads_failed: usize,
    pub writes_failed: usize,
    /// Writes that were acknowledged and are gone.
    pub lost: usize,
}

fn place(continent: Continent) -> usize {
    Continent::ALL.iter().position(|of| *of == continent).unwrap()
}

impl Tally {
    #[must_use]
    pub fn new(trouble: Trouble) -> Self {
        let (_, span) = trouble.played();
        Self {
            span,
            trouble,
            judge: Judge::default(),
            reads: Default::default(),
            writes: Default::default(),
            read_at: Vec::new(),
            requests: 0,
            local: 0,
            calls: 0,
            own_writes_missing: 0,
            went_back: 0,
            said_stale: 0,
            all_reads: 0,
            all_writes: 0,
            reads_failed: 0,
            writes_failed: 0,
            lost: 0,
        }
    }

    pub fn tell(&mut self, told: &Told) {
        let Told { asked, answer, .. } = told;
        // What a session has seen counts from when it saw it, also before what is counted.
        let version = answer.seen.map(|seen| seen.version);
        let stale = match version {
            Some(version) if asked.write => {
                self.judge.wrote(asked.client, asked.key, version);
                None
            }
            Some(version) => self.judge.read(asked.client, asked.key, version),
            None => None,
        };
        // Until a minute after trouble, or what it leaves behind would not be seen.
        let after = if self.trouble == Trouble::Healthy { 0 } else { 60 * SECOND };
        if !(self.span.from..self.span.until + after).contains(&told.began) {
            return;
        }
        match (answer.says_stale, stale) {
            (true, _) => self.said_stale += 1,
            (_, Some(Stale::OwnWrite)) => self.own_writes_missing += 1,
            (_, Some(Stale::WentBack)) => self.went_back += 1,
            _ => {}
        }
        let took = told.now - told.began;
        if !asked.write {
            self.read_at.push((told.began, version.is_some() && took <= RECOVERED.2));
        }
        if self.span.has(told.began) {
            self.count(told, u32::try_from(took).unwrap(), version.is_some());
        }
    }

    fn count(&mut self, told: &Told, took: u32, is_answered: bool) {
        let Told { asked, calls, crossed, .. } = told;
        self.requests += 1;
        self.calls += u64::from(*calls);
        self.local += usize::from(!crossed && is_answered);
        let continent = place(CITIES[asked.city].continent);
        let (all, failed, took_all) = match asked.write {
            true => (&mut self.all_writes, &mut self.writes_failed, &mut self.writes[continent]),
            false => (&mut self.all_reads, &mut self.reads_failed, &mut self.reads[continent]),
        };
        *all += 1;
        if is_answered { took_all.push(took) } else { *failed += 1 }
    }

    /// A percentile of the time that answered requests took, in milliseconds: of all of them, or of a continent's.
    #[must_use]
    pub fn percentile(&self, of: usize, continent: Option<Continent>) -> u64 {
        self.of_all(of, continent, |tally, at| [&tally.reads[at], &tally.writes[at]])
    }

    /// The same, of writes alone.
    #[must_use]
    pub fn percentile_of_writes(&self, of: usize, continent: Option<Continent>) -> u64 {
        self.of_all(of, continent, |tally, at| [&tally.writes[at], &tally.writes[at]])
    }

    /// The same, of reads alone.
    #[must_use]
    pub fn percentile_of_reads(&self, of: usize, continent: Option<Continent>) -> u64 {
        self.of_all(of, continent, |tally, at| [&tally.reads[at], &tally.reads[at]])
    }

    fn of_all(&self, of: usize, continent: Option<Continent>, lists: impl Fn(&Self, usize) -> [&Vec<u32>; 2]) -> u64 {
        let places = continent.map_or(0..5, |continent| place(continent)..place(continent) + 1);
        let mut all: Vec<u32> = places.flat_map(|at| lists(self, at)).flatten().copied().collect();
        all.sort_unstable();
        let at = (all.len() * of).div_ceil(100).saturating_sub(1);
        all.get(at).map_or(0, |micros| (u64::from(*micros) + MILLI / 2) / MILLI)
    }

    #[must_use]
    pub fn stale(&self) -> usize {
        self.own_writes_missing + self.went_back
    }

    /// Seconds from the loss of a region until reads have recovered.
    #[must_use]
    pub fn recovers(&self) -> Option<u64> {
        let (within, percent, _) = RECOVERED;
        let mut reads = self.read_at.clone();
        reads.sort_unstable();
        let from = self.span.from;
        (0..(self.span.until - from) / SECOND + 60).find(|second| {
            let begins = from + second * SECOND;
            let window = reads.iter().filter(|(at, _)| (begins..begins + within).contains(at));
            let (mut all, mut well) = (0, 0);
            for (_, is_well) in window {
                all += 1;
                well += usize::from(*is_well);
            }
            all > 0 && well * 100 >= all * percent
        })
    }
}
