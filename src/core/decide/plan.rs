//! Plans: which regions may see a request, decided before the first is asked. Never more than two.

use std::time::Duration;

use crate::{
    decide::{
        rank::{Judged, Ranking, rank},
        reach::{Least, PositionDemand, Reach},
    },
    model::{
        access::Access,
        ids::{RegionId, RegionSet},
        reasons::{Choice, Exclusion, Verdict},
    },
    ownership::{Owner, Ownership, stated::Log},
    request::Request,
    session::Pin,
    state::{published::RegionState, view::View},
    topology::{
        dataset::Rule,
        route::{OnHomeDown, ReadAfterWrite},
    },
};

/// What a read demands of the replica that answers it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Freshness {
    /// Any replica will do.
    Any,
    /// A replica that lags no more than this.
    Within(Duration),
    /// The home's own, because the session wrote: a stored response counts if it was made there after the write.
    Pinned(Pin),
    /// A replica that has reached the session's mark, or each of its marks on several owners' logs ([`Request::marks`]).
    AtLeast,
    /// The home's own, because the route says so.
    Home,
}

impl Freshness {
    /// What the request's read demands.
    #[must_use]
    pub fn of(request: &Request, view: &View) -> Self {
        let dataset = request.dataset_in(view.topology());
        let name = dataset.map_or("", |dataset| dataset.name.as_str());
        let session = &request.session.session;
        match request.promise.read_after_write {
            ReadAfterWrite::Home => return Self::Home,
            // What it has written or seen is not known, and home has all of it.
            ReadAfterWrite::Session if request.session.verdict == Verdict::Later => return Self::Home,
            ReadAfterWrite::Session => {
                if let Some(pin) = session.window(name, request.subject.as_ref(), request.came) {
                    return Self::Pinned(pin.clone());
                }
                let gave_way = session.window_over_everything(request.came);
                // What is left of a session's marks on several owners' data is no longer all of them if one gave way.
                let is_shared = dataset.is_some_and(|dataset| dataset.rule.is_multi_writer());
                let complete = !(is_shared && gave_way.is_some_and(Pin::has_a_place));
                if complete && request.marks(view.topology()).is_some() {
                    return Self::AtLeast;
                }
                if let Some(pin) = gave_way {
                    return Self::Pinned(pin.clone());
                }
            }
            ReadAfterWrite::None => {}
        }
        dataset.and_then(|dataset| dataset.staleness).map_or(Self::Any, Self::Within)
    }

    /// Whether only the home's own replica will do.
    #[must_use]
    pub fn needs_home(&self) -> bool {
        matches!(self, Self::Pinned(_) | Self::Home)
    }

    /// Whether something was promised that an older replica would break.
    #[must_use]
    pub fn is_promised(&self) -> bool {
        self.needs_home() || matches!(self, Self::AtLeast)
    }
}

/// A target and why it is one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlannedRegion {
    /// The region.
    pub region: RegionId,
    /// Why.
    pub choice: Choice,
    /// What it answers may be older than what was demanded, and the response must say so.
    pub stale: bool,
}

/// The regions that a read may be sent to: one, and one other if it fails.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReadPlan {
    /// The first; none if no region may answer.
    pub first: Option<PlannedRegion>,
    /// How long it is waited before the first is asked, where its replica has most likely come so far by then.
    pub after: Duration,
    /// The other.
    pub fallback: Option<PlannedRegion>,
    /// What speaks against regions, as it was found.
    pub excluded: Vec<(RegionId, Exclusion)>,
}

impl ReadPlan {
    /// Plans a read that any near enough replica may answer.
    #[must_use]
    pub fn near(request: &Request, view: &View, freshness: &Freshness) -> Self {
        let bound = if let Freshness::Within(bound) = freshness { Some(*bound) } else { None };
        let ranking = rank(request, view, Judged { bound, home: None }).reachable(view);
        let choice = |region| if view.is_open(region, Access::Read) { Choice::LastResort } else { Choice::Nearest };
        let mut targets =
            ranking.order.into_iter().map(|region| PlannedRegion { region, choice: choice(region), stale: false });
        Self { first: targets.next(), fallback: targets.next(), excluded: ranking.excluded, ..Self::default() }
    }

    /// Plans a read that only a replica at the marks or further satisfies: the nearest that is known or expected to be so far, and home,
    /// which always is. Of several owners home is that of the latest mark, and nobody may be known to have all of them: then that owner is
    /// asked, which has at least that one, and one more owner of the marks. Where the first one turns out to lack something, a region that is
    /// known to have all of them is asked before any owner.
    #[must_use]
    pub fn at_least(request: &Request, view: &View, demand: &PositionDemand) -> Self {
        let home = demand.log.home;
        let bound = request.dataset_in(view.topology()).and_then(|dataset| dataset.staleness);
        let mut targets: Vec<PlannedRegion> = Vec::new();
        let mut after = Duration::ZERO;
        let Ranking { order, mut excluded } = rank(request, view, Judged { bound, home: Some(home) });
        for region in order.iter().copied() {
            match demand.reach(request, view, region) {
                Reach::Not(why) if targets.is_empty() => excluded.push((region, why)),
                Reach::Not(_) => {}
                _ if view.is_excluded(region) => {
                    if targets.is_empty() {
                        excluded.push((region, Exclusion::Drill));
                    }
                }
                Reach::Home if targets.is_empty() && request.near.first() == Some(&region) && !demand.of_earlier => {
                    targets.push(PlannedRegion { region, choice: Choice::Nearest, stale: false });
                }
                Reach::Home => targets.push(PlannedRegion { region, choice: demand.at_home(), stale: false }),
                Reach::There(choice) => targets.push(PlannedRegion { region, choice, stale: false }),
                // In the place of another that has failed nothing is waited for.
                Reach::Soon(time) if targets.is_empty() => {
                    after = time;
                    targets.push(PlannedRegion { region, choice: Choice::PositionAwaited, stale: false });
                }
                Reach::Soon(_) => {}
            }
        }
        let certain = targets.len();
        for region in demand.owners() {
            if !order.contains(&region) || targets.iter().any(|target| target.region == region) {
                continue;
            }
            if !view.is_excluded(region) {
                targets.push(PlannedRegion { region, choice: demand.at_home(), stale: false });
            } else if targets.is_empty() && !excluded.contains(&(region, Exclusion::Drill)) {
                excluded.push((region, Exclusion::Drill));
            }
        }
        let first = targets.first().copied();
        // Of several owners home has its own log for certain; a region that is known to have all of them has more.
        let is_known =
            |target: &&PlannedRegion| demand.least == Least::Marks && target.choice == Choice::PositionReached;
        let known = targets.iter().skip(1).find(is_known).copied();
        let of_home = targets.iter().find(|target| target.region == home).or(targets.get(certain)).copied();
        let plan = Self { first, after, fallback: None, excluded };
        match first {
            Some(target) if target.region == home || certain == 0 => match known.or(targets.get(1).copied()) {
                None => plan.or_stale_elsewhere(request, view, home),
                other => Self { fallback: other, ..plan },
            },
            Some(_) => Self { fallback: known.or(of_home), ..plan },
            // Home cannot be asked, and nobody else is so far.
            None => Self { after: Duration::ZERO, ..plan }.or_stale_elsewhere(request, view, home),
        }
    }

    /// Plans a read that only the home's own replica satisfies; what happens when home is down is the route's to say.
    #[must_use]
    pub fn home(request: &Request, view: &View, home: RegionId, choice: Choice) -> Self {
        let down = view.state(home) == RegionState::Down;
        let refuses = request.promise.on_home_down == OnHomeDown::Refuse;
        let against = match (down, view.condition(home).full) {
            _ if view.is_excluded(home) => Some((Exclusion::Drill, true)),
            (true, _) => Some((Exclusion::RegionDown, refuses)),
            (false, true) => Some((Exclusion::RegionFull, refuses)),
            (false, false) => None,
        };
        if let Some((why, is_told)) = against {
            let excluded = is_told.then_some((home, why)).into_iter().collect();
            return Self { excluded, ..Self::default() }.or_stale_elsewhere(request, view, home);
        }
        let first = Some(PlannedRegion { region: home, choice, stale: false });
        Self { first, ..Self::default() }.or_stale_elsewhere(request, view, home)
    }

    /// Plans a read whose home nobody could find out.
    #[must_use]
    pub fn homeless(request: &Request, view: &View) -> Self {
        if request.promise.on_home_down == OnHomeDown::Refuse {
            return Self::default();
        }
        let stale = |region| PlannedRegion { region, choice: Choice::HomeUnknownNearest, stale: true };
        let ranking = rank(request, view, Judged::default()).reachable(view);
        let mut targets = ranking.order.into_iter().map(stale);
        Self { first: targets.next(), fallback: targets.next(), excluded: ranking.excluded, ..Self::default() }
    }

    /// The same, with where the read goes when home is down, if its route allows it, as the next one to ask; as the first where the first would
    /// most likely fail and that one not: another replica is quick, and says that it is stale. The probers' word alone breaks no promise, since
    /// it may be wrong or late: this isolate must have seen the region fail as well.
    fn or_stale_elsewhere(mut self, request: &Request, view: &View, home: RegionId) -> Self {
        if request.promise.on_home_down != OnHomeDown::Stale {
            return self;
        }
        let Ranking { order, excluded } = rank(request, view, Judged { bound: None, home: Some(home) });
        self.excluded.extend(excluded);
        let is_open = |region| view.is_open(region, Access::Read);
        let would_fail = |region| is_open(region) || (view.is_unreachable(region) && view.condition(region).suspect);
        let may_fail = |region| is_open(region) || view.is_unreachable(region);
        let first = self.first.map(|first| first.region);
        let is_another = |region: &RegionId| *region != home && Some(*region) != first && !view.is_excluded(*region);
        let elsewhere = order.into_iter().find(is_another);
        let stale = elsewhere.map(|region| PlannedRegion { region, choice: Choice::HomeDownStale, stale: true });
        match first {
            None => Self { first: stale, ..self },
            Some(first) if would_fail(first) && elsewhere.is_some_and(|region| !may_fail(region)) => {
                Self { first: stale, after: Duration::ZERO, fallback: self.first, ..self }
            }
            Some(_) => Self { fallback: stale, ..self },
        }
    }
}

/// Who owns what a request concerns, as far as it follows from the view alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WriteTarget {
    /// This owner, for this reason.
    Owned(Owner, Choice),
    /// It depends on the subject's home, which must be found.
    BySubject,
    /// The authority has given it to a region that this topology does not know: nobody here may take the region's place.
    Unknown,
}

/// Who owns what the request concerns.
#[must_use]
pub fn standing(request: &Request, view: &View) -> WriteTarget {
    let topology = view.topology();
    let rule = request.dataset_in(topology).map(|dataset| &dataset.rule);
    let owned = match (request.dataset, rule) {
        (Some(id), Some(Rule::SingleWriter { .. })) => match view.dataset_ownership(id) {
            Some(owned) => Some((owned, Choice::Home)),
            None => return WriteTarget::Unknown,
        },
        (Some(_), Some(Rule::GeoPartitioned { .. })) if request.subject.is_some() => return WriteTarget::BySubject,
        (Some(id), Some(Rule::MultiWriter { regions, .. })) => {
            let reachable = one_of_several(request, view, *regions, true);
            let home = reachable.or_else(|| one_of_several(request, view, *regions, false));
            home.and_then(|(home, choice)| Some((Ownership::among_several(topology, id, home)?, choice)))
        }
        _ => None,
    };
    let (owned, reason) = owned.unwrap_or_else(|| {
        let reason = if rule.is_some() { Choice::Unidentified } else { Choice::DefaultHome };
        (Ownership::unclaimed(topology, request.dataset), reason)
    });
    WriteTarget::Owned(Owner::of(owned), reason)
}

/// The owner of a multi-writer dataset that would take a write if no drill were on.
#[must_use]
pub fn undrilled_owner(request: &Request, view: &View) -> Option<RegionId> {
    match request.dataset_in(view.topology())?.rule {
        Rule::MultiWriter { regions, .. } => one_of_several(request, view, regions, false).map(|(owner, _)| owner),
        Rule::SingleWriter { .. } | Rule::GeoPartitioned { .. } => None,
    }
}

/// The nearest of several owners; for a write of a session that has seen what that one may lack, the owner that has this for certain, while
/// it is healthy: so one owner has all that the session has written and seen, and its next read need not look for it at two.
fn one_of_several(
    request: &Request,
    view: &View,
    regions: RegionSet,
    within_drill: bool,
) -> Option<(RegionId, Choice)> {
    let is_there = |region: &RegionId| regions.contains(*region) && !(within_drill && view.is_excluded(*region));
    let owners: Vec<_> = request.near.iter().copied().filter(is_there).collect();
    let nearest = nearest_owner(view, &owners)?;
    let own = own_writes_owner(request, view, nearest);
    let own = own.filter(|own| owners.contains(own) && !view.is_unwelcome(*own));
    Some(own.map_or((nearest, Choice::NearestOwner), |own| (own, Choice::OwnWritesOwner)))
}

/// The owner of the session's latest mark on a multi-writer dataset, for a write whose nearest owner may lack what the session has seen.
fn own_writes_owner(request: &Request, view: &View, nearest: RegionId) -> Option<RegionId> {
    if request.access != Access::Write || !request.promise.pins {
        return None;
    }
    let topology = view.topology();
    let marks = request.marks(topology)?;
    let demand = PositionDemand::of(&marks, request, topology, Log::of_one_owner(nearest))?;
    let lacks =
        demand.least == Least::Marks && matches!(demand.reach(request, view, nearest), Reach::Soon(_) | Reach::Not(_));
    topology.region_named(&marks.latest()?.0.region).filter(|owner| lacks && *owner != nearest)
}

/// The nearest of several owners, a healthy one before others, one that may be written before the rest.
fn nearest_owner(view: &View, owners: &[RegionId]) -> Option<RegionId> {
    let healthy = owners.iter().find(|region| !view.is_unwelcome(**region));
    let writable = || owners.iter().find(|region| view.state(**region).is_writable());
    healthy.or_else(writable).or(owners.first()).copied()
}
