//! Plans: which regions may see a request, decided before the first is asked. Never more than two.

use std::time::Duration;

use super::{
    intent::Intent,
    ownership::{Epoch, Owner, Ownership},
    reason::Reason,
    session::Pin,
    time::millis,
    topology::{DatasetId, OnHomeDown, ReadAfterWrite, RegionId, Rule},
    trace::Trace,
    view::View,
};

/// What a read demands of the copy that answers it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Freshness {
    /// Any copy will do.
    Any,
    /// A copy that lags no more than this.
    Within(Duration),
    /// The home's own, because the session wrote: a cached copy counts if it was made there after the write.
    Pinned(Pin),
    /// The home's own, because the route says so.
    Home,
}

impl Freshness {
    /// What the request's read demands.
    #[must_use]
    pub fn of(intent: &Intent, view: &View) -> Self {
        let dataset = intent.dataset.and_then(|id| view.topology().dataset(id));
        let name = dataset.map_or("", |dataset| dataset.name.as_str());
        let pin = || intent.session.session.pin(name, intent.came).cloned();
        match intent.promise.read_after_write {
            ReadAfterWrite::Home => return Self::Home,
            ReadAfterWrite::Session => {
                if let Some(pin) = pin() {
                    return Self::Pinned(pin);
                }
            }
            ReadAfterWrite::None => {}
        }
        dataset.and_then(|dataset| dataset.staleness).map_or(Self::Any, Self::Within)
    }

    /// Whether only the home's own copy will do.
    #[must_use]
    pub fn needs_home(&self) -> bool {
        matches!(self, Self::Pinned(_) | Self::Home)
    }
}

/// A target and why it is one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Target {
    /// The region.
    pub region: RegionId,
    /// Why.
    pub reason: Reason,
    /// What it answers may be older than what was demanded, and the response must say so.
    pub stale: bool,
}

/// The regions that a read may be sent to: one, and one other if it fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReadPlan {
    /// The first; none if no region may answer.
    pub first: Option<Target>,
    /// The other.
    pub fallback: Option<Target>,
}

impl ReadPlan {
    /// Plans a read that any near enough copy may answer.
    #[must_use]
    pub fn near(intent: &Intent, view: &View, freshness: &Freshness, trace: &mut Trace) -> Self {
        let mut targets = candidates(intent, view, freshness, trace);
        let first = targets.next().map(|region| Target { region, reason: Reason::Nearest, stale: false });
        let fallback = targets.next().map(|region| Target { region, reason: Reason::Nearest, stale: false });
        Self { first, fallback }
    }

    /// Plans a read that only the home's own copy satisfies; what happens when home is down is the route's to say.
    #[must_use]
    pub fn home(intent: &Intent, view: &View, home: RegionId, reason: Reason, trace: &mut Trace) -> Self {
        let first = Some(Target { region: home, reason, stale: false });
        let fallback = (intent.promise.on_home_down == OnHomeDown::Stale)
            .then(|| candidates(intent, view, &Freshness::Any, trace).find(|region| *region != home))
            .flatten()
            .map(|region| Target { region, reason: Reason::HomeDownStale, stale: true });
        Self { first, fallback }
    }

    /// Plans a read whose home nobody could find out.
    #[must_use]
    pub fn homeless(intent: &Intent, view: &View, trace: &mut Trace) -> Self {
        if intent.promise.on_home_down == OnHomeDown::Refuse {
            return Self { first: None, fallback: None };
        }
        let stale = |region| Target { region, reason: Reason::HomeUnknownNearest, stale: true };
        let mut targets = candidates(intent, view, &Freshness::Any, trace);
        Self { first: targets.next().map(stale), fallback: targets.next().map(stale) }
    }
}

/// The regions that hold the data and lag within the bound, nearest first, suspect ones last.
fn candidates(
    intent: &Intent,
    view: &View,
    freshness: &Freshness,
    trace: &mut Trace,
) -> impl Iterator<Item = RegionId> + use<> {
    let source = intent.dataset.and_then(|dataset| view.dataset_ownership(dataset)).map(|ownership| ownership.home);
    let mut good = Vec::new();
    let mut suspect = Vec::new();
    for region in intent.near.iter().copied().filter(|region| holds(intent.dataset, view, *region)) {
        // The home of a single-writer dataset is where its data comes from: it cannot lag.
        let over = match freshness {
            Freshness::Within(bound) if Some(region) != source => {
                view.lag(region).is_some_and(|lag| lag > millis(*bound))
            }
            _ => false,
        };
        if over {
            trace.note(Reason::LagOverBound, region);
        } else if view.is_suspect(region) {
            trace.note(Reason::RegionSuspect, region);
            suspect.push(region);
        } else {
            good.push(region);
        }
    }
    good.extend(suspect);
    good.into_iter()
}

/// Whether the region may hold the dataset at all: a geo-partitioned one lives only where its residency says.
fn holds(dataset: Option<DatasetId>, view: &View, region: RegionId) -> bool {
    match dataset.and_then(|id| view.topology().dataset(id)).map(|dataset| &dataset.rule) {
        Some(Rule::GeoPartitioned { regions, .. }) => regions.contains(region),
        _ => true,
    }
}

/// Who owns what a request concerns, as far as it follows from the view alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// This owner, for this reason.
    Owned(Owner, Reason),
    /// It depends on the subject's home, which must be found.
    BySubject,
}

/// Who owns what the request concerns.
#[must_use]
pub fn standing(intent: &Intent, view: &View) -> Standing {
    let topology = view.topology();
    let unclaimed = |home, reason| Standing::Owned(Owner::of(Ownership { home, epoch: Epoch::NONE }), reason);
    let Some(id) = intent.dataset else {
        return unclaimed(topology.default_home(), Reason::DefaultHome);
    };
    match topology.dataset(id).map(|dataset| &dataset.rule) {
        None => unclaimed(topology.default_home(), Reason::DefaultHome),
        Some(Rule::SingleWriter { home }) => {
            let configured = Ownership { home: *home, epoch: Epoch::FIRST };
            Standing::Owned(Owner::of(view.dataset_ownership(id).unwrap_or(configured)), Reason::Home)
        }
        Some(Rule::GeoPartitioned { .. }) if intent.subject.is_some() => Standing::BySubject,
        Some(Rule::GeoPartitioned { regions, .. }) => {
            // Everything of nobody in particular has one home, so that it too has one owner.
            let default = topology.default_home();
            let home = if regions.contains(default) { Some(default) } else { regions.iter().next() };
            unclaimed(home.unwrap_or(default), Reason::Unidentified)
        }
        Some(Rule::MultiWriter { regions, .. }) => {
            let owners = || intent.near.iter().copied().filter(|region| regions.contains(*region));
            let healthy = owners().find(|region| !view.is_suspect(*region));
            let home = healthy.or_else(|| owners().next()).unwrap_or(topology.default_home());
            Standing::Owned(Owner::of(Ownership { home, epoch: Epoch::FIRST }), Reason::NearestOwner)
        }
    }
}
