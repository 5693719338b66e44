//! Plans: which regions may see a request, decided before the first is asked. Never more than two.

use std::time::Duration;

use crate::{
    decide::{
        rank::{candidates, reachable},
        reach::{PositionDemand, Reach},
    },
    model::{
        access::Access,
        ids::{RegionId, RegionSet},
        position::Mark,
        token::Token,
    },
    ownership::{Owner, Ownership},
    request::Request,
    session::Pin,
    state::{published::RegionState, trace::Trace, view::View},
    topology::{
        dataset::Rule,
        route::{OnHomeDown, ReadAfterWrite},
    },
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
    /// A copy that has reached the session's mark.
    AtLeast(Pin, Mark),
    /// The home's own, because the route says so.
    Home,
}

impl Freshness {
    /// What the request's read demands.
    #[must_use]
    pub fn of(request: &Request, view: &View) -> Self {
        let dataset = request.dataset.and_then(|id| view.topology().dataset(id));
        let name = dataset.map_or("", |dataset| dataset.name.as_str());
        let session = &request.session.session;
        match request.promise.read_after_write {
            ReadAfterWrite::Home => return Self::Home,
            // What it has written or seen is not known, and home has all of it.
            ReadAfterWrite::Session if request.session.verdict == Token::SessionLater => return Self::Home,
            ReadAfterWrite::Session => {
                if let Some(pin) = session.window(name, request.subject.as_ref(), request.came) {
                    return Self::Pinned(pin.clone());
                }
                if dataset.is_some_and(|dataset| dataset.position.is_some())
                    && let Some((pin, mark)) = session.mark(name, request.subject.as_ref())
                {
                    return Self::AtLeast(pin.clone(), mark);
                }
                if let Some(pin) = session.window_over_everything(request.came) {
                    return Self::Pinned(pin.clone());
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

    /// Whether something was promised that an older copy would break.
    #[must_use]
    pub fn is_promised(&self) -> bool {
        self.needs_home() || matches!(self, Self::AtLeast(..))
    }
}

/// A target and why it is one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlannedRegion {
    /// The region.
    pub region: RegionId,
    /// Why.
    pub reason: Token,
    /// What it answers may be older than what was demanded, and the response must say so.
    pub stale: bool,
}

/// The regions that a read may be sent to: one, and one other if it fails.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReadPlan {
    /// The first; none if no region may answer.
    pub first: Option<PlannedRegion>,
    /// How long it is waited before the first is asked, where its copy has most likely come so far by then.
    pub after: Duration,
    /// The other.
    pub fallback: Option<PlannedRegion>,
}

impl ReadPlan {
    /// Plans a read that any near enough copy may answer.
    #[must_use]
    pub fn near(request: &Request, view: &View, freshness: &Freshness, trace: &mut Trace) -> Self {
        let bound = if let Freshness::Within(bound) = freshness { Some(*bound) } else { None };
        let all = candidates(request, view, (bound, None), trace);
        let mut targets = reachable(all, view, trace);
        let reason = |region| if view.is_open(region, Access::Read) { Token::LastResort } else { Token::Nearest };
        let mut next = || targets.next().map(|region| PlannedRegion { region, reason: reason(region), stale: false });
        Self { first: next(), fallback: next(), ..Self::default() }
    }

    /// Plans a read that only a copy at the mark or further satisfies, counted by the log of that owner: the nearest that is
    /// known or expected to be so far, and home, which always is.
    #[must_use]
    pub fn at_least(request: &Request, view: &View, demand: &PositionDemand<'_>, trace: &mut Trace) -> Self {
        let home = demand.log.home;
        let bound = request.dataset.and_then(|id| view.topology().dataset(id)?.staleness);
        let mut targets: Vec<PlannedRegion> = Vec::new();
        let mut after = Duration::ZERO;
        for region in candidates(request, view, (bound, Some(home)), trace) {
            match demand.reach(request, view, region) {
                Reach::Not(why) if targets.is_empty() => trace.note(why, region),
                Reach::Not(_) => {}
                _ if view.is_excluded(region) => {
                    if targets.is_empty() {
                        trace.note(Token::DrillUnreachable, region);
                    }
                }
                Reach::Home if targets.is_empty() && request.near.first() == Some(&region) && !demand.of_earlier => {
                    targets.push(PlannedRegion { region, reason: Token::Nearest, stale: false });
                }
                Reach::Home => targets.push(PlannedRegion { region, reason: demand.at_home(), stale: false }),
                Reach::There(reason) => targets.push(PlannedRegion { region, reason, stale: false }),
                // In the place of another that has failed nothing is waited for.
                Reach::Soon(time) if targets.is_empty() => {
                    after = time;
                    targets.push(PlannedRegion { region, reason: Token::PositionAwaited, stale: false });
                }
                Reach::Soon(_) => {}
            }
        }
        let first = targets.first().copied();
        let of_home = targets.iter().find(|target| target.region == home).copied();
        let fallback = match first {
            Some(target) if target.region == home => {
                targets.get(1).copied().or_else(|| stale_elsewhere(request, view, home, trace))
            }
            Some(_) => of_home,
            // Home cannot be asked, and nobody else is so far.
            None => return Self { first: stale_elsewhere(request, view, home, trace), ..Self::default() },
        };
        Self { first, fallback, after }
    }

    /// Plans a read that only the home's own copy satisfies; what happens when home is down is the route's to say.
    #[must_use]
    pub fn home(request: &Request, view: &View, home: RegionId, reason: Token, trace: &mut Trace) -> Self {
        let down = view.state(home) == RegionState::Down;
        if view.is_excluded(home) {
            trace.note(Token::DrillUnreachable, home);
            return Self { first: stale_elsewhere(request, view, home, trace), ..Self::default() };
        }
        if down || view.condition(home).full {
            if request.promise.on_home_down == OnHomeDown::Refuse {
                trace.note(if down { Token::RegionDown } else { Token::RegionFull }, home);
            }
            return Self { first: stale_elsewhere(request, view, home, trace), ..Self::default() };
        }
        let first = Some(PlannedRegion { region: home, reason, stale: false });
        let elsewhere = stale_elsewhere(request, view, home, trace);
        match elsewhere {
            // Another copy is quick and says that it is stale; home would most likely fail.
            Some(other) if view.is_open(home, Access::Read) => {
                Self { first: Some(other), fallback: first, ..Self::default() }
            }
            _ => Self { first, fallback: elsewhere, ..Self::default() },
        }
    }

    /// Plans a read whose home nobody could find out.
    #[must_use]
    pub fn homeless(request: &Request, view: &View, trace: &mut Trace) -> Self {
        if request.promise.on_home_down == OnHomeDown::Refuse {
            return Self::default();
        }
        let stale = |region| PlannedRegion { region, reason: Token::HomeUnknownNearest, stale: true };
        let all = candidates(request, view, (None, None), trace);
        let mut targets = reachable(all, view, trace);
        Self { first: targets.next().map(stale), fallback: targets.next().map(stale), ..Self::default() }
    }
}

/// Where a read goes when home is down, if its route allows it.
fn stale_elsewhere(request: &Request, view: &View, home: RegionId, trace: &mut Trace) -> Option<PlannedRegion> {
    let mut others = (request.promise.on_home_down == OnHomeDown::Stale).then(|| {
        candidates(request, view, (None, Some(home)), trace)
            .filter(|region| *region != home && !view.is_excluded(*region))
    })?;
    others.next().map(|region| PlannedRegion { region, reason: Token::HomeDownStale, stale: true })
}

/// Who owns what a request concerns, as far as it follows from the view alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WriteTarget {
    /// This owner, for this reason.
    Owned(Owner, Token),
    /// It depends on the subject's home, which must be found.
    BySubject,
    /// The authority has given it to a region that this topology does not know: nobody here may take the region's place.
    Unknown,
}

/// Who owns what the request concerns.
#[must_use]
pub fn standing(request: &Request, view: &View) -> WriteTarget {
    let topology = view.topology();
    let rule = request.dataset.and_then(|id| topology.dataset(id)).map(|dataset| &dataset.rule);
    let owned = match (request.dataset, rule) {
        (Some(id), Some(Rule::SingleWriter { .. })) => match view.dataset_ownership(id) {
            Some(owned) => Some((owned, Token::Home)),
            None => return WriteTarget::Unknown,
        },
        (Some(_), Some(Rule::GeoPartitioned { .. })) if request.subject.is_some() => return WriteTarget::BySubject,
        (Some(id), Some(Rule::MultiWriter { regions, .. })) => {
            let reachable = nearest_owner(request, view, *regions, |region| !view.is_excluded(region));
            let home = reachable.or_else(|| nearest_owner(request, view, *regions, |_| true));
            home.and_then(|home| Ownership::among_several(topology, id, home)).map(|owned| (owned, Token::NearestOwner))
        }
        _ => None,
    };
    let (owned, reason) = owned.unwrap_or_else(|| {
        let reason = if rule.is_some() { Token::Unidentified } else { Token::DefaultHome };
        (Ownership::unclaimed(topology, request.dataset), reason)
    });
    WriteTarget::Owned(Owner::of(owned), reason)
}

/// The owner of a multi-writer dataset that would take a write if no drill were on.
#[must_use]
pub fn undrilled_owner(request: &Request, view: &View) -> Option<RegionId> {
    match view.topology().dataset(request.dataset?)?.rule {
        Rule::MultiWriter { regions, .. } => nearest_owner(request, view, regions, |_| true),
        Rule::SingleWriter { .. } | Rule::GeoPartitioned { .. } => None,
    }
}

/// The nearest of several owners, a healthy one before others, one that may be written before the rest.
fn nearest_owner(
    request: &Request,
    view: &View,
    regions: RegionSet,
    is_there: impl Fn(RegionId) -> bool,
) -> Option<RegionId> {
    let owners = || request.near.iter().copied().filter(|region| regions.contains(*region) && is_there(*region));
    let healthy = owners().find(|region| !view.is_unwelcome(*region));
    let writable = || owners().find(|region| view.state(*region).is_writable());
    healthy.or_else(writable).or_else(|| owners().next())
}
