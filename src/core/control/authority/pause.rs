//! How long writers may be refused while an owner changes, and when it is plain that the new one will not catch up in that time.
//!
//! The bound is kept by the old owner, whatever becomes of the authority and of its calls: it is asked to pause for no longer, and its pause
//! ends by itself. All else here only ends it sooner, or does not let it begin.

use serde_json::Value;

use super::{
    ledger::change::{CaughtUp, Change},
    said::{get, text},
    turn::AuthorityTurn,
};
use crate::model::{
    position::{Position, PositionKind},
    time::{Timestamp, millis},
};

/// How long writers may be refused where nobody says it, in milliseconds.
const MOST: u64 = 5_000;
/// This share of the time is kept for deposing the old owner.
const RESERVE: u64 = 5;
/// The new owner is waited for so long.
const WAIT: CatchUpBound = CatchUpBound { lags: 10, least: 2_000 };
/// A replica that has not moved for so long will not get there in time.
const STILL: CatchUpBound = CatchUpBound { lags: 2, least: 1_000 };
/// How long a call is waited for while writers are refused, in milliseconds. What was lost is asked for again.
const CALL: CallBounds = CallBounds { least: 250, most: 1_500 };

/// How long a replica is given: so many times its recent lag, and so many milliseconds at least.
struct CatchUpBound {
    lags: u64,
    least: u64,
}

impl CatchUpBound {
    fn for_lag(&self, lag: Option<u64>) -> u64 {
        lag.unwrap_or(0).saturating_mul(self.lags).max(self.least)
    }
}

/// Between which bounds the share of a pause that one call gets must lie.
struct CallBounds {
    least: u64,
    most: u64,
}

impl Change {
    /// How long writers may be refused, in milliseconds.
    #[must_use]
    pub fn most_paused(&self) -> u64 {
        if self.max_pause == 0 { MOST } else { self.max_pause }
    }

    /// How much of that the new owner may take to catch up.
    pub(super) fn most_waited(&self) -> u64 {
        self.most_paused() - self.most_paused() / RESERVE
    }

    /// How long the new owner's replica certainly needs, where it states no position: a guess by its recent lag.
    pub(super) fn needed(&self) -> u64 {
        WAIT.for_lag(self.lag)
    }

    /// How long the new owner is waited for.
    #[must_use]
    pub fn wait(&self) -> u64 {
        self.needed().min(self.most_waited())
    }

    /// Whether what is left of the pause does not suffice for more than to depose the old owner.
    pub(super) fn is_too_late(&self, now: Timestamp) -> bool {
        millis(now.since(self.paused.unwrap_or(now))) >= self.most_waited()
    }

    /// What is left of the pause, which is what the old owner is asked for: asked again, it pauses no longer than it would have.
    pub(super) fn left(&self, now: Timestamp) -> u64 {
        self.most_paused().saturating_sub(millis(now.since(self.paused.unwrap_or(now)))).max(1)
    }

    /// How long a call is waited for while writers are refused.
    pub(super) fn patience(&self) -> u64 {
        (self.most_paused() / 4).clamp(CALL.least, CALL.most)
    }

    /// Takes in where the new owner's replica is. Why it will not reach the position in time, if that is plain.
    pub(super) fn stands_still(&mut self, body: &Value, now: Timestamp) -> Option<String> {
        let at = get(body, "position").as_str().unwrap_or_default();
        if at.is_empty() {
            return None;
        }
        let wanted = self.waiting.first().map(|(_, wanted)| wanted.clone()).unwrap_or_default();
        let seen = match self.seen.take() {
            Some(seen) if seen.position == at => seen,
            before => {
                let first = before.map_or_else(|| (at.to_owned(), now), |before| before.first);
                CaughtUp { position: at.to_owned(), since: now, first }
            }
        };
        let seen = self.seen.insert(seen);
        let enough = STILL.for_lag(self.lag);
        if millis(now.since(seen.since)) >= enough {
            return Some(format!("{}'s replica does not advance", self.to));
        }
        let (began, watched) = (&seen.first, millis(now.since(seen.first.1)));
        let (from, at, to) = (number(&began.0)?, number(at)?, number(&wanted)?);
        if watched < enough || at <= from {
            return None;
        }
        let needs = u128::from(watched) * (to.saturating_sub(at)) / (at - from);
        let left = self.wait().saturating_sub(millis(now.since(self.since)));
        // Twice, since replication goes by fits and starts.
        (needs > u128::from(left) * 2)
            .then(|| format!("{}'s replica advances too slowly and needs {needs} ms more", self.to))
    }
}

/// A position as a number, of the kinds that one can be counted with.
fn number(position: &str) -> Option<u128> {
    [PositionKind::Counter, PositionKind::Lsn].into_iter().find_map(|kind| kind.read(position)).map(Position::number)
}

impl AuthorityTurn<'_> {
    /// How long writers of that unit may be refused: as was ordered, else the least that is configured for what it is part of.
    pub(super) fn max_pause(&self, datasets: &[String], ordered: Option<u64>) -> u64 {
        let topology = &self.settings.topology;
        let of = |name: &String| topology.dataset(topology.dataset_named(name)?)?.max_pause.map(millis);
        ordered.or_else(|| datasets.iter().filter_map(of).min()).unwrap_or(MOST)
    }

    /// Whether the preflight shows that the new owner cannot catch up while writers may be refused: then nobody is.
    pub(super) fn cannot_catch_up(&self, change: &Change) -> Result<(), String> {
        let (from, to) = (&change.from, &change.to);
        let health = change.found.get("to-health").unwrap_or(&Value::Null);
        if get(get(health, "reachable"), from) == &Value::Bool(false) {
            return Err(format!(
                "{to} cannot reach {from}, so it cannot catch up. Repair the link, then repeat the order"
            ));
        }
        let (lag, most) = (catching_up(change), change.most_waited());
        if lag > most {
            return Err(format!(
                "{to} is {lag} ms behind {from}, but writers may be refused for at most {} ms. Wait until it has caught up, \
                 or raise max_pause",
                change.most_paused()
            ));
        }
        Ok(())
    }
}

/// How far behind each dataset the new owner's replica was at the preflight, of those of which both say it.
pub(super) fn behind(change: &Change) -> Vec<(String, u64)> {
    let said = |slot: &str| change.found.get(slot).unwrap_or(&Value::Null);
    let place = |slot: &str, dataset: &str| match get(get(said(slot), "position"), dataset) {
        Value::Number(place) => place.as_u64().map(u128::from),
        Value::String(place) => number(place),
        _ => None,
    };
    let behind = |name: &String| {
        let behind = place("from-health", name)?.saturating_sub(place("to-health", name)?);
        Some((name.clone(), u64::try_from(behind).unwrap_or(u64::MAX)))
    };
    change.datasets.iter().filter_map(behind).collect()
}

/// How long the new owner's replica will take: its lag, but for one that has everything already.
fn catching_up(change: &Change) -> u64 {
    let behind = behind(change);
    let has_everything = behind.len() == change.datasets.len() && behind.iter().all(|(_, behind)| *behind == 0);
    if has_everything { 0 } else { change.lag.unwrap_or(0) }
}

/// How long writers will be refused, in milliseconds: what the replica takes to catch up, and the calls, each of which is made once, to the
/// old owner to pause and to depose it, to the new one to ask how far it is and to grant.
pub(super) fn expected(change: &Change) -> u64 {
    let trip = |slot: &str| change.found.get(slot).and_then(Value::as_u64).unwrap_or(0);
    catching_up(change) + 2 * (trip("from-ms") + trip("to-ms"))
}

/// What the old owner has said of how far its log is.
pub(super) fn positions(change: &Change, body: &Value) -> Vec<(String, String)> {
    let positions = get(body, "positions");
    let said = |dataset: &String| {
        Some(text(positions, dataset)).filter(|at| !at.is_empty()).map(|at| (dataset.clone(), at.to_owned()))
    };
    change.datasets.iter().filter_map(said).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A change that waits for position 1000, with a pause of five seconds and no lag.
    fn waiting() -> Change {
        Change { to: "eu".to_owned(), waiting: vec![("orders".to_owned(), "1000".to_owned())], ..Change::default() }
    }

    /// What comes of looking at those times, in milliseconds, at a replica that is at those positions then.
    fn looked(change: &mut Change, looks: &[(u64, u64)]) -> Option<String> {
        let look = |(at, position): &(u64, u64)| {
            change.stands_still(&serde_json::json!({ "position": position.to_string() }), Timestamp(*at))
        };
        looks.iter().map(look).last().flatten()
    }

    #[test]
    fn a_replica_stands_still_once_it_has_not_moved_for_a_second_or_twice_its_lag() {
        let still = || Some("eu's replica does not advance".to_owned());
        for (lag, enough) in [(None, 1_000), (Some(500), 1_000), (Some(700), 1_400)] {
            let change = || Change { lag, max_pause: 60_000, ..waiting() };
            assert_eq!(looked(&mut change(), &[(0, 900), (enough - 1, 900)]), None, "{lag:?}");
            assert_eq!(looked(&mut change(), &[(0, 900), (enough, 900)]), still(), "{lag:?}");
            assert_eq!(looked(&mut change(), &[(0, 900), (1, 999), (enough, 999)]), None, "it has moved: {lag:?}");
        }
    }

    /// It is waited for 2 s where nobody says its lag. Twice what is left is not enough if it goes on as it went.
    #[test]
    fn a_replica_is_too_slow_once_it_needs_more_than_twice_what_is_left() {
        let slow = |millis: u64| Some(format!("eu's replica advances too slowly and needs {millis} ms more"));
        // A second for so many positions: 1,000 ms are left, so 2,000 ms are still enough.
        assert_eq!(looked(&mut waiting(), &[(0, 400), (1_000, 600)]), None);
        assert_eq!(looked(&mut waiting(), &[(0, 399), (1_000, 599)]), slow(2_005));
        // What has been watched for less than a second tells nothing.
        assert_eq!(looked(&mut waiting(), &[(0, 0), (999, 1)]), None);
        assert_eq!(looked(&mut waiting(), &[(0, 0), (1_000, 1)]), slow(999_000));
        // The first look counts, and not the last one.
        assert_eq!(looked(&mut waiting(), &[(0, 0), (900, 499), (1_000, 500)]), None);
        // One that has gone back has no pace.
        assert_eq!(looked(&mut waiting(), &[(0, 10), (1_000, 9)]), None);
        assert_eq!(looked(&mut waiting(), &[(0, 10), (500, 9), (1_000, 10)]), None);
        // What is left is counted from when the new owner was first waited for.
        let begun = Change { since: Timestamp(1_000), ..waiting() };
        assert_eq!(looked(&mut begun.clone(), &[(1_000, 0), (2_500, 500)]), slow(1_500));
    }

    #[test]
    fn of_positions_without_a_number_only_standing_still_shows() {
        let mut change = Change { waiting: vec![("orders".to_owned(), "gtid:7".to_owned())], ..waiting() };
        let look = |change: &mut Change, at: u64, position: &str| {
            change.stands_still(&serde_json::json!({ "position": position }), Timestamp(at))
        };
        assert_eq!(look(&mut change, 0, "gtid:1"), None);
        assert_eq!(look(&mut change, 999, "gtid:2"), None);
        assert_eq!(look(&mut change, 1_900, "gtid:3"), None);
        assert!(look(&mut change, 2_900, "gtid:3").is_some());
        assert_eq!(look(&mut waiting(), 9_000, ""), None, "it says nothing of where it is");
    }
}
