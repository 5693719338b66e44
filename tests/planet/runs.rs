//! All runs: each strategy in each trouble.

use std::sync::Mutex;

use crate::{
    homing::{Homing, Kind},
    peers::{cookie::Cookie, dns::Dns, one_region::OneRegion, txid::Txid},
    strategy::Strategy,
    tally::Tally,
    trace::{Size, Trace},
    trouble::Trouble,
    world::World,
};

/// The seed of what `docs/planet.md` shows, and how much a day has.
pub const SEED: u64 = 1;
/// See [`SEED`].
pub const DAY: Size = Size { clients: 15_000, visits: 40_000 };

/// A way of serving.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    OneRegion,
    Dns,
    Cookie,
    Txid,
    Windows,
    Positions,
}

impl Way {
    pub const ALL: [Self; 6] = [Self::OneRegion, Self::Dns, Self::Cookie, Self::Txid, Self::Windows, Self::Positions];

    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::OneRegion => "one region",
            Self::Dns => "DNS to the nearest",
            Self::Cookie => "cookie for 10 s (MediaWiki)",
            Self::Txid => "wait for the TXID (LiteFS)",
            Self::Windows => "Homing, windows",
            Self::Positions => "Homing, positions",
        }
    }

    #[must_use]
    pub fn is_homing(self) -> bool {
        matches!(self, Self::Windows | Self::Positions)
    }

    fn strategy(self, trace: &Trace, trouble: Trouble) -> Box<dyn Strategy> {
        match self {
            Self::OneRegion => Box::new(OneRegion),
            Self::Dns => Box::new(Dns { trouble, seed: trace.seed }),
            Self::Cookie => Box::new(Cookie::new(trouble)),
            Self::Txid => Box::new(Txid::new(trouble)),
            Self::Windows => Box::new(Homing::new(Kind::Windows, trace)),
            Self::Positions => Box::new(Homing::new(Kind::Positions, trace)),
        }
    }
}

/// Plays the trace once.
#[must_use]
pub fn play(trace: &Trace, way: Way, trouble: Trouble) -> Tally {
    let (played, _) = trouble.played();
    let trace = trace.within(played.from, played.until);
    World::new(&trace, trouble).run(way.strategy(&trace, trouble).as_mut())
}

/// What came of all runs.
pub struct Runs(Vec<(Way, Trouble, Tally)>);

impl Runs {
    #[must_use]
    pub fn of(&self, way: Way, trouble: Trouble) -> &Tally {
        let found = self.0.iter().find(|(of, during, _)| (*of, *during) == (way, trouble));
        &found.unwrap().2
    }

    /// Plays everything, on as many threads as there are processors.
    #[must_use]
    pub fn all(trace: &Trace) -> Self {
        let all: Vec<(Way, Trouble)> =
            Way::ALL.into_iter().flat_map(|way| Trouble::ALL.map(|trouble| (way, trouble))).collect();
        let left = Mutex::new(all.into_iter().enumerate().collect::<Vec<_>>());
        let done = Mutex::new(Vec::new());
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        std::thread::scope(|scope| {
            for _ in 0..threads {
                scope.spawn(|| {
                    loop {
                        let Some((at, (way, trouble))) = left.lock().unwrap().pop() else { return };
                        let tally = play(trace, way, trouble);
                        done.lock().unwrap().push((at, way, trouble, tally));
                    }
                });
            }
        });
        let mut done = done.into_inner().unwrap();
        done.sort_by_key(|(at, ..)| *at);
        Self(done.into_iter().map(|(_, way, trouble, tally)| (way, trouble, tally)).collect())
    }
}
