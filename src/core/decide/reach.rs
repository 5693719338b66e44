//! Whether a region's replica has come as far as what a session has seen, or will have in a moment.
//!
//! A try that is wrong costs a round trip to somewhere near, for its origin checks the position itself; going home without need costs one
//! to another continent. So a replica is tried as soon as it probably has what the session saw: once as much time has gone by as a write
//! usually takes to get there. One that was found short then is slower than that, and is tried again when as much time has gone by
//! once more, a second at most: who has waited long looks seldom, and who has waited little looks soon.

use std::time::Duration;

use crate::{
    model::{
        epoch::Epoch,
        ids::{DatasetId, RegionId},
        position::{Mark, Position},
        reasons::{Choice, Exclusion},
    },
    ownership::stated::Log,
    request::Request,
    session::Pin,
    state::{memory::replicas::ReplicaId, view::View},
    topology::{Topology, dataset::Rule},
};

/// The longest that a replica which was found short is left alone.
const SHORT_FOR: Duration = Duration::from_secs(1);

/// What a session has seen, and by whose log a replica must have it.
#[derive(Clone, Copy, Debug)]
pub struct PositionDemand<'p> {
    pin: &'p Pin,
    /// The present owner's log.
    pub log: Log,
    /// How far a replica of that log must be.
    pub least: Mark,
    /// Whether what the session has seen is of an earlier owner than the present one.
    pub of_earlier: bool,
}

/// What is known of a region's replica.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// It is the owner's own.
    Home,
    /// It has reached it, or should have by now.
    There(Choice),
    /// It should have after this time, which the route allows to wait and which is less than going home takes.
    Soon(Duration),
    /// It has not.
    Not(Exclusion),
}

impl<'p> PositionDemand<'p> {
    /// What the pin demands of replicas of that owner's log. None where it cannot be held against that: it is of another owner of the
    /// same epoch, of a later one, or of a region that is no more.
    ///
    /// A mark of an earlier epoch is met by any replica of the present one's log. Its beginning is all that the present owner had when it
    /// became that, and comes with the log. So whatever is left of what the session saw is in every replica that has the beginning, and
    /// what is not in it is not at home either.
    #[must_use]
    pub fn of(pin: &'p Pin, mark: Mark, counts_by: Option<Log>, present: Log) -> Option<Self> {
        let counts_by = counts_by?;
        let of_earlier = counts_by.epoch < present.epoch;
        let beginning = Mark { epoch: present.epoch, position: Position::default() };
        let least = if of_earlier { beginning } else { mark };
        (of_earlier || counts_by == present).then_some(Self { pin, log: present, least, of_earlier })
    }

    /// Why home is asked.
    #[must_use]
    pub fn at_home(&self) -> Choice {
        if self.of_earlier { Choice::PositionOfOldEpoch } else { Choice::PinnedHome }
    }

    /// Whether any replica of the present owner's log will do.
    fn is_beginning(&self) -> bool {
        self.least.position == Position::default()
    }

    /// What is known of that region's replica.
    #[must_use]
    pub fn reach(&self, request: &Request, view: &View, region: RegionId) -> Reach {
        let home = self.log.home;
        if region == home {
            return Reach::Home;
        }
        let Some(dataset) = request.dataset else { return Reach::Not(Exclusion::PositionNotReached) };
        let known = view.known(replica_of(dataset, region, self.log, view.topology()));
        let there = known.is_some_and(|known| known.place.is_some_and(|place| place >= self.least.position));
        if there && !(self.is_beginning() && is_split(dataset, view.topology())) {
            return Reach::There(Choice::PositionReached);
        }
        if let Some(why) = view.too_far_behind(region, home) {
            return Reach::Not(why);
        }
        match self.due(request, view, region) {
            Some(Duration::ZERO) => Reach::There(Choice::PositionExpected),
            Some(left) if left <= request.promise.wait && beats_home(view, region, home, left) => Reach::Soon(left),
            _ => Reach::Not(Exclusion::PositionNotReached),
        }
    }

    /// How long it takes from now on until the region's replica should have reached it; none if nobody can say.
    #[must_use]
    pub fn due(&self, request: &Request, view: &View, region: RegionId) -> Option<Duration> {
        let dataset = request.dataset?;
        let seen = self.pin.since;
        let short = view.known(replica_of(dataset, region, self.log, view.topology())).and_then(|known| known.short);
        let again = short.filter(|short| *short > seen).map(|short| short.after(short.since(seen).min(SHORT_FOR)));
        let usual = match self.is_beginning() {
            // Nobody here knows when the owner changed; only who says positions is asked for the beginning.
            true => view.says_positions(region, dataset).then_some(seen)?,
            false => seen.after(view.takes(region, self.log.home)),
        };
        Some(again.map_or(usual, |again| again.max(usual)).since(request.came))
    }
}

/// Whether waiting there for so long is quicker than going home from there. Where nobody has measured that, the route has said so.
fn beats_home(view: &View, region: RegionId, home: RegionId, wait: Duration) -> bool {
    view.between(region, home).is_none_or(|away| wait < away)
}

/// By what a replica is known: positions of a multi-writer dataset are of a clock that all owners share, and those of a split one are of
/// its home's log, whatever epochs the subjects who live there have.
#[must_use]
pub fn replica_of(dataset: DatasetId, region: RegionId, log: Log, topology: &Topology) -> ReplicaId {
    let Log { home, epoch } = log;
    match topology.dataset(dataset).map(|dataset| &dataset.rule) {
        Some(Rule::MultiWriter { .. }) => ReplicaId { region, dataset, home: topology.default_home(), epoch },
        Some(Rule::GeoPartitioned { .. }) => ReplicaId { region, dataset, home, epoch: Epoch::NONE },
        _ => ReplicaId { region, dataset, home, epoch },
    }
}

/// Whether one log holds what was written by several epochs.
fn is_split(dataset: DatasetId, topology: &Topology) -> bool {
    topology.dataset(dataset).is_some_and(|dataset| dataset.rule.split_by().is_some())
}
