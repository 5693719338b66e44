//! What a drill shows, route by route: who was served by what was left, and who needed what was not.

use std::collections::{BTreeMap, HashSet};

use serde::{Deserialize, Serialize};

use crate::state::drill::{Drill, DrillOutcome, Drilled, Need, SamplingKey};
use crate::{
    cache::state::CacheState,
    model::reasons::Refusal,
    settle::record::Record,
    state::trace::Decision,
    topology::{Topology, units::Share},
};

/// So many requests at least decide that a drill goes wrong; of fewer a single one would say too much.
pub(crate) const LEAST_DECIDING: u64 = 50;
/// So many visitors at least must be refused or see something fail: one can make any number of requests that fail.
pub(crate) const LEAST_WRONG: u64 = 3;
/// Of the most visitors an isolate knows that they count already; beyond it each error counts.
const MOST_VISITORS: usize = 4096;
/// The most rows that are kept of a drill; what comes beyond them is counted in one.
const MOST_ROWS: usize = 64;
/// The name of what no route takes, and of the row for what is beyond the most.
const NO_ROUTE: &str = "(no route)";
const OTHERS: &str = "(others)";

/// How many requests ended how.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Counts {
    /// All that took part.
    pub requests: u64,
    /// Answered by a region that was left.
    pub alone: u64,
    /// Answered by a stored response.
    pub cache: u64,
    /// Answered by what may be too old.
    pub stale: u64,
    /// Refused by the drill.
    pub refused: u64,
    /// Failed otherwise.
    pub failed: u64,
    /// Visitors for whom something was refused or failed, each once in an isolate: by this it is judged whether too much goes wrong.
    pub wrong: u64,
    /// How often each region was needed as the home.
    pub home: BTreeMap<String, u64>,
    /// How often each region's replica would have been read.
    pub copy: BTreeMap<String, u64>,
}

impl Counts {
    /// Takes other counts in.
    pub fn add(&mut self, other: &Self) {
        let sums = [
            (&mut self.requests, other.requests),
            (&mut self.alone, other.alone),
            (&mut self.cache, other.cache),
            (&mut self.stale, other.stale),
            (&mut self.refused, other.refused),
            (&mut self.failed, other.failed),
            (&mut self.wrong, other.wrong),
        ];
        sums.into_iter().for_each(|(sum, more)| *sum = sum.saturating_add(more));
        for (held, more) in [(&mut self.home, &other.home), (&mut self.copy, &other.copy)] {
            for (region, times) in more {
                let sum = held.entry(region.clone()).or_default();
                *sum = sum.saturating_add(*times);
            }
        }
    }

    fn of(drilled: &Drilled, topology: &Topology) -> Self {
        let mut counts = Self { requests: 1, ..Self::default() };
        *match drilled.ending {
            DrillOutcome::Alone => &mut counts.alone,
            DrillOutcome::Cache => &mut counts.cache,
            DrillOutcome::Stale => &mut counts.stale,
            DrillOutcome::Refused => &mut counts.refused,
            DrillOutcome::Failed => &mut counts.failed,
        } = 1;
        if let Some((region, need)) = drilled.needed {
            let needs = if need == Need::Home { &mut counts.home } else { &mut counts.copy };
            needs.insert(topology.region(region).name.clone(), 1);
        }
        counts
    }
}

/// A line of the report: the reads or the writes of a route.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DrillRow {
    /// The route's pattern.
    pub route: String,
    /// `read` or `write`.
    pub access: String,
    /// The dataset, if it has one.
    pub dataset: Option<String>,
    /// How its requests ended.
    #[serde(flatten)]
    pub counts: Counts,
}

/// The line that one request is.
#[must_use]
pub(crate) fn row_of(record: &Record, drilled: &Drilled, topology: &Topology) -> DrillRow {
    let route = record.route.and_then(|index| topology.routes().get(index));
    DrillRow {
        route: route.map_or_else(|| NO_ROUTE.to_owned(), |route| route.pattern.to_string()),
        access: record.access.token().to_owned(),
        dataset: record.dataset.and_then(|id| topology.dataset(id)).map(|dataset| dataset.name.clone()),
        counts: Counts::of(drilled, topology),
    }
}

/// Takes a line in.
pub(crate) fn add_to(rows: &mut Vec<DrillRow>, row: DrillRow) {
    let same =
        |held: &&mut DrillRow| held.route == row.route && held.access == row.access && held.dataset == row.dataset;
    if let Some(held) = rows.iter_mut().find(same) {
        return held.counts.add(&row.counts);
    }
    if rows.len() + 1 >= MOST_ROWS && row.route != OTHERS {
        return add_to(rows, DrillRow { route: OTHERS.to_owned(), dataset: None, ..row });
    }
    rows.push(row);
}

/// All lines in one.
#[must_use]
pub(crate) fn total(rows: &[DrillRow]) -> Counts {
    rows.iter().fold(Counts::default(), |mut sum, row| {
        sum.add(&row.counts);
        sum
    })
}

/// Whether more was refused or failed than the limit allows, once enough has been asked: each visitor counts once, and it takes
/// several, so that nobody ends a drill alone.
#[must_use]
pub(crate) fn has_failed(counts: &Counts, limit: Option<Share>) -> bool {
    let decides = counts.requests >= LEAST_DECIDING && counts.wrong >= LEAST_WRONG;
    decides && limit.is_some_and(|limit| limit.is_exceeded(counts.wrong, counts.requests))
}

impl DrillOutcome {
    /// How the request ended; `refused`, if whom it needs was not asked. None: by its client's own doing, which says nothing of regions.
    #[must_use]
    pub fn of(record: &Record, refused: bool) -> Option<Self> {
        if let Decision::Refused(Refusal::OnlyIfCached | Refusal::RequestIncomplete | Refusal::RequestBroken) =
            record.decision
        {
            return None;
        }
        Some(match (record.cache, record.region) {
            (CacheState::Stale, _) => Self::Stale,
            (CacheState::Hit | CacheState::Updating | CacheState::Tolerated, _) => Self::Cache,
            (_, Some(_)) if record.status >= 500 => Self::Failed,
            (_, Some(_)) if record.stale => Self::Stale,
            (_, Some(_)) => Self::Alone,
            (_, None) if refused => Self::Refused,
            (_, None) => Self::Failed,
        })
    }
}

/// What one isolate has counted of a drill.
#[derive(Clone, Debug, Default)]
pub(crate) struct DrillTally {
    drill: String,
    total: Counts,
    /// What the authority has not been told yet.
    untold: Vec<DrillRow>,
    /// For whom something went wrong.
    wrong: HashSet<SamplingKey>,
}

impl DrillTally {
    /// Counts a request. True if too many go wrong by now, so that the drill must end here.
    pub(crate) fn add(&mut self, drill: &Drill, mut row: DrillRow, by: SamplingKey) -> bool {
        if self.drill != drill.id {
            *self = Self { drill: drill.id.clone(), ..Self::default() };
        }
        if row.counts.refused > 0 || row.counts.failed > 0 {
            row.counts.wrong = u64::from(self.wrong.len() >= MOST_VISITORS || self.wrong.insert(by));
        }
        self.total.add(&row.counts);
        add_to(&mut self.untold, row);
        has_failed(&self.total, drill.limit)
    }

    /// What the authority is to be told, and which drill it is of; nothing if nothing is new.
    pub(crate) fn take(&mut self) -> Option<(String, Vec<DrillRow>)> {
        (!self.untold.is_empty()).then(|| (self.drill.clone(), std::mem::take(&mut self.untold)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::access::Access;
    use crate::model::ids::RegionId;

    fn row(route: &str, counts: Counts) -> DrillRow {
        DrillRow { route: route.to_owned(), access: Access::Read.token().to_owned(), dataset: None, counts }
    }

    fn refused() -> Counts {
        Counts { requests: 1, refused: 1, home: [("us".to_owned(), 1)].into(), ..Counts::default() }
    }

    #[test]
    fn rows_of_one_route_are_one_and_too_many_end_in_one() {
        let mut rows = Vec::new();
        (0..200).for_each(|n| add_to(&mut rows, row(&format!("/{}", n % 100), refused())));
        assert_eq!(rows.len(), MOST_ROWS);
        let all = total(&rows);
        assert_eq!((all.requests, all.refused, all.home["us"]), (200, 200, 200));
        assert_eq!(rows.last().unwrap().route, OTHERS);
    }

    #[test]
    fn fifty_decide_and_no_fewer() {
        let limit = Share::parse("1%");
        let counts = |requests, wrong| Counts { requests, refused: wrong, wrong, ..Counts::default() };
        assert!(!has_failed(&counts(49, 49), limit) && has_failed(&counts(50, 3), limit));
        assert!(!has_failed(&counts(300, 3), limit) && !has_failed(&counts(100, 100), None));
    }

    #[test]
    fn whoever_sends_requests_that_fail_ends_no_drill_alone() {
        let drill = Drill {
            id: "drill-1".to_owned(),
            kind: crate::state::drill::DrillKind::Lose,
            region: RegionId(0),
            share: Share::WHOLE,
            until: crate::model::time::Timestamp(1),
            limit: Share::parse("1%"),
        };
        let mut tally = DrillTally::default();
        let hostile = SamplingKey::at("192.0.2.66");
        assert!(!(0..1000).any(|_| tally.add(&drill, row("/", refused()), hostile)));
        assert_eq!((tally.total.refused, tally.total.wrong), (1000, 1), "they are in the report all the same");
        let ended = |n: u8| tally.add(&drill, row("/", refused()), SamplingKey::at(&format!("192.0.2.{n}")));
        assert_eq!((1..60).map(ended).filter(|ended| *ended).count(), 50, "ten of a thousand are one in a hundred");
    }
}
