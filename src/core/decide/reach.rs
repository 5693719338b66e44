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
        time::Timestamp,
    },
    ownership::stated::Log,
    request::Request,
    session::{Marks, Pin},
    state::{memory::replicas::ReplicaId, view::View},
    topology::{Topology, dataset::Rule},
};

/// The longest that a replica which was found short is left alone.
const SHORT_FOR: Duration = Duration::from_secs(1);

/// What a session has seen, and by whose log a replica must have it: a mark, or one of each of several owners.
#[derive(Clone, Debug)]
pub struct PositionDemand {
    /// The latest first.
    marks: Vec<DemandedMark>,
    /// The log of the owner that is asked where no other replica has it all.
    pub log: Log,
    /// Whether what the session has seen is of an earlier owner than the present one.
    pub of_earlier: bool,
    /// What a region is told of it.
    pub least: Least,
}

/// What a session has seen of one owner's log.
#[derive(Clone, Copy, Debug)]
struct DemandedMark {
    since: Timestamp,
    log: Log,
    /// How far a replica of that log must be.
    least: Mark,
}

/// What a region is told that its answer must show at least.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Least {
    /// Nothing.
    #[default]
    Nothing,
    /// This, of its owner's log.
    Mark(Mark),
    /// All that the session has seen of several owners' logs ([`Request::marks`]).
    Marks,
}

/// What is known of a region's replica, what speaks for it first.
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

impl Reach {
    /// How much it speaks against the region.
    fn weight(&self) -> (u8, Duration) {
        match self {
            Self::Home => (0, Duration::ZERO),
            Self::There(Choice::PositionReached) => (1, Duration::ZERO),
            Self::There(_) => (2, Duration::ZERO),
            Self::Soon(wait) => (3, *wait),
            Self::Not(_) => (4, Duration::ZERO),
        }
    }
}

impl PositionDemand {
    /// What the marks demand of replicas, where that is the present owner; of several owners, the one that is asked where nobody else has
    /// it all. None where it cannot be held against that: it is of another owner of the same epoch, of a later one, or of a region that is
    /// no more.
    ///
    /// A mark of an earlier epoch is met by any replica of the present one's log. Its beginning is all that the present owner had when it
    /// became that, and comes with the log. So whatever is left of what the session saw is in every replica that has the beginning, and
    /// what is not in it is not at home either.
    #[must_use]
    pub fn of(marks: &Marks<'_>, request: &Request, topology: &Topology, present: Log) -> Option<Self> {
        let (pin, mark) = marks.latest()?;
        if request.dataset_in(topology)?.rule.is_multi_writer() {
            let mut demanded = Vec::new();
            let mut least = Least::Mark(mark);
            for (pin, mark) in marks.all() {
                let Some(log) = log_of(pin, *mark, request, topology) else { continue };
                if log.epoch == Epoch::OF_EACH_OWNER {
                    least = Least::Marks;
                }
                demanded.push(DemandedMark { since: pin.since, log, least: *mark });
            }
            let log = Log { home: present.home, epoch: demanded.first()?.log.epoch };
            return Some(Self { marks: demanded, log, of_earlier: false, least });
        }
        let counts_by = log_of(pin, mark, request, topology)?;
        let of_earlier = counts_by.epoch < present.epoch;
        let beginning = Mark { epoch: present.epoch, position: Position::default() };
        let least = if of_earlier { beginning } else { mark };
        let marks = vec![DemandedMark { since: pin.since, log: present, least }];
        let counts = of_earlier || counts_by == present;
        counts.then_some(Self { marks, log: present, of_earlier, least: Least::Mark(least) })
    }

    /// The several owners of what the session has seen, that of the latest first: each has what is in its own log.
    #[must_use]
    pub fn owners(&self) -> Vec<RegionId> {
        let mut owners = Vec::new();
        if self.least == Least::Marks {
            owners.push(self.log.home);
            owners.extend(self.marks.iter().map(|mark| mark.log.home));
        }
        owners
    }

    /// Why the owner is asked.
    #[must_use]
    pub fn at_home(&self) -> Choice {
        if self.of_earlier { Choice::PositionOfOldEpoch } else { Choice::PinnedHome }
    }

    /// What is known of that region's replica; of several logs the one that speaks most against it counts.
    #[must_use]
    pub fn reach(&self, request: &Request, view: &View, region: RegionId) -> Reach {
        let each = self.marks.iter().map(|mark| self.reach_of(mark, request, view, region));
        each.max_by_key(Reach::weight).unwrap_or(Reach::Home)
    }

    fn reach_of(&self, mark: &DemandedMark, request: &Request, view: &View, region: RegionId) -> Reach {
        let home = mark.log.home;
        if region == home {
            return Reach::Home;
        }
        let Some(dataset) = request.dataset else { return Reach::Not(Exclusion::PositionNotReached) };
        if mark.is_there(dataset, view, region) && !(mark.is_beginning() && is_split(dataset, view.topology())) {
            return Reach::There(Choice::PositionReached);
        }
        if let Some(why) = view.too_far_behind(region, home) {
            return Reach::Not(why);
        }
        match mark.due(request, view, region) {
            Some(Duration::ZERO) => Reach::There(Choice::PositionExpected),
            Some(left) if left <= request.promise.wait && beats_home(view, region, self.log.home, left) => {
                Reach::Soon(left)
            }
            _ => Reach::Not(Exclusion::PositionNotReached),
        }
    }

    /// How long it takes from now on until the region's replica should have reached it; none if nobody can say.
    #[must_use]
    pub fn due(&self, request: &Request, view: &View, region: RegionId) -> Option<Duration> {
        let mut longest = Duration::ZERO;
        for mark in self.marks.iter().filter(|mark| mark.log.home != region) {
            longest = longest.max(mark.due(request, view, region)?);
        }
        Some(longest)
    }
}

impl DemandedMark {
    /// Whether any replica of the present owner's log will do.
    fn is_beginning(&self) -> bool {
        self.least.position == Position::default()
    }

    /// Whether that region's replica is known to have come so far.
    fn is_there(&self, dataset: DatasetId, view: &View, region: RegionId) -> bool {
        let known = view.known(replica_of(dataset, region, self.log, view.topology()));
        known.is_some_and(|known| known.place.is_some_and(|place| place >= self.least.position))
    }

    fn due(&self, request: &Request, view: &View, region: RegionId) -> Option<Duration> {
        let dataset = request.dataset?;
        let seen = self.since;
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

/// By whose log a mark counts, if the topology still knows that region, and the data may be there.
#[must_use]
pub fn log_of(pin: &Pin, mark: Mark, request: &Request, topology: &Topology) -> Option<Log> {
    let home = topology.region_named(&pin.region)?;
    let kind = request.dataset_in(topology).and_then(|dataset| dataset.rule.split_by());
    let may_be_there = kind.is_none_or(|kind| topology.residency(kind).contains(home));
    may_be_there.then_some(Log { home, epoch: mark.epoch })
}

/// Whether waiting there for so long is quicker than going home from there. Where nobody has measured that, the route has said so.
fn beats_home(view: &View, region: RegionId, home: RegionId, wait: Duration) -> bool {
    view.between(region, home).is_none_or(|away| wait < away)
}

/// By what a replica is known: positions of a multi-writer dataset are of one owner's log, or of a clock that all owners share; those of a
/// split one are of its home's log, whatever epochs the subjects who live there have.
#[must_use]
pub fn replica_of(dataset: DatasetId, region: RegionId, log: Log, topology: &Topology) -> ReplicaId {
    let Log { home, epoch } = log;
    match topology.dataset(dataset).map(|dataset| &dataset.rule) {
        Some(Rule::MultiWriter { .. }) if epoch != Epoch::OF_EACH_OWNER => {
            ReplicaId { region, dataset, home: topology.default_home(), epoch }
        }
        Some(Rule::GeoPartitioned { .. }) => ReplicaId { region, dataset, home, epoch: Epoch::NONE },
        _ => ReplicaId { region, dataset, home, epoch },
    }
}

/// Whether one log holds what was written by several epochs.
fn is_split(dataset: DatasetId, topology: &Topology) -> bool {
    topology.dataset(dataset).is_some_and(|dataset| dataset.rule.split_by().is_some())
}
