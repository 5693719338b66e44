//! The view: the versioned snapshot by which a request is decided. One is captured per request.

use std::{rc::Rc, time::Duration};

use crate::{
    model::{
        access::Access,
        ids::{DatasetId, RegionId, RegionSet},
        reasons::Exclusion,
        time::Timestamp,
    },
    ownership::Ownership,
    state::{
        drill::Drill,
        health::{Asking, Condition, Health, breaker::Gate},
        matrix::{LinkState, Matrix, SESSIONS_LEAVE},
        memory::{
            Memory,
            lag::{LONGEST, Lags, PinWindow, SHORTEST, UNMEASURED},
            replicas::{AppliedPositions, Known, ReplicaId},
        },
        published::{Published, RegionState},
    },
    topology::{Topology, settings::Settings},
};

/// The snapshot: settings, and what this isolate has seen of the regions when the request came.
#[derive(Clone, Debug)]
pub struct View {
    settings: Rc<Settings>,
    /// Nothing where all is well.
    conditions: Vec<Condition>,
    taken: Timestamp,
    lags: Rc<Lags>,
    reached: Rc<AppliedPositions>,
    published: Rc<Published>,
    matrix: Rc<Matrix>,
    /// The regions of which the vantage points agree that they do not answer.
    unreachable: RegionSet,
    moved: Vec<(DatasetId, Ownership)>,
    drill: Option<Rc<Drill>>,
    /// The regions that count as unreachable for this request.
    away: RegionSet,
}

impl View {
    /// The view at this moment.
    #[must_use]
    pub fn capture(settings: &Rc<Settings>, memory: &Memory, now: Timestamp) -> Self {
        let matrix = memory.matrix();
        Self {
            unreachable: matrix.unreachable(&settings.topology, now),
            matrix: Rc::clone(matrix),
            conditions: memory.health().conditions(&settings.topology, Asking::default(), now),
            taken: now,
            lags: Rc::clone(memory.lags()),
            reached: Rc::clone(memory.reached()),
            published: Rc::clone(memory.published()),
            moved: memory.moved_datasets().to_vec(),
            drill: memory.drill(now).cloned(),
            away: RegionSet::EMPTY,
            settings: Rc::clone(settings),
        }
    }

    /// Takes in how the regions fare by now, for such a request; nothing else of a view changes while a request is decided.
    pub fn look_again(&mut self, health: &Health, asking: Asking, now: Timestamp) {
        self.conditions = health.conditions(&self.settings.topology, asking, now);
    }

    /// The topology.
    #[must_use]
    pub fn topology(&self) -> &Topology {
        &self.settings.topology
    }

    /// The settings.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// What an operator has said of the region.
    #[must_use]
    pub fn state(&self, region: RegionId) -> RegionState {
        self.published.state(region, self.taken)
    }

    /// When what an operator has said of the region ends.
    #[must_use]
    pub fn state_ends(&self, region: RegionId) -> Option<Timestamp> {
        self.published.said(region, self.taken).map(|(_, until)| until)
    }

    /// The version of the authority's view by which this one goes; 0 if nothing was published.
    #[must_use]
    pub fn version(&self) -> u64 {
        self.published.version
    }

    /// The drill that is on.
    #[must_use]
    pub fn drill(&self) -> Option<&Rc<Drill>> {
        self.drill.as_ref()
    }

    /// Lets regions count as unreachable, for a request that takes part in the drill.
    pub fn exclude(&mut self, away: RegionSet) {
        self.away = away;
    }

    /// Whether the region counts as unreachable for this request, because of a drill.
    #[must_use]
    pub fn is_excluded(&self, region: RegionId) -> bool {
        self.away.contains(region)
    }

    /// How the region fares with what this isolate sends it.
    #[must_use]
    pub fn condition(&self, region: RegionId) -> Condition {
        self.conditions.get(region.index()).copied().unwrap_or_default()
    }

    /// Whether this read may be sent there while another region would do as well. A region that has recovered gets reads back little by
    /// little, and `entropy` decides which. Writes, and reads that must go home, return at once.
    #[must_use]
    pub fn admits_read(&self, region: RegionId, entropy: u64) -> bool {
        self.condition(region).read.admits(entropy) && !self.is_unreachable(region)
    }

    /// Whether the region's breaker for such requests is open.
    #[must_use]
    pub fn is_open(&self, region: RegionId, access: Access) -> bool {
        let condition = self.condition(region);
        let gate = if access == Access::Read { condition.read } else { condition.write };
        matches!(gate, Gate::Open(_))
    }

    /// When it was captured.
    #[must_use]
    pub fn taken(&self) -> Timestamp {
        self.taken
    }

    /// Why a read is not admitted there.
    #[must_use]
    pub fn closed_because(&self, region: RegionId) -> Exclusion {
        match self.condition(region).read {
            Gate::Ramp(_) => Exclusion::BreakerRamp,
            Gate::Closed | Gate::Probe => Exclusion::RegionUnreachable,
            Gate::Open(_) => Exclusion::BreakerOpen,
        }
    }

    /// Whether it is worse than others for something new: writes failed there a moment ago, it has enough to do, or it is not to
    /// be given work.
    #[must_use]
    pub fn is_unwelcome(&self, region: RegionId) -> bool {
        let condition = self.condition(region);
        let open = self.is_open(region, Access::Read) || self.is_open(region, Access::Write);
        open || condition.wary
            || condition.full
            || self.is_unreachable(region)
            || self.state(region) != RegionState::Active
    }

    /// Whether the vantage points agree that the region does not answer.
    #[must_use]
    pub fn is_unreachable(&self, region: RegionId) -> bool {
        self.unreachable.contains(region)
    }

    /// How far the region's replica is behind that source, or behind the one that it is furthest behind, where measured: by the
    /// origins' answers to this isolate, or by the vantage points, whichever is more.
    #[must_use]
    pub fn lag(&self, region: RegionId, source: Option<RegionId>) -> Option<Duration> {
        match source {
            Some(source) => {
                let measured = self.pair(region, source).and_then(|pair| pair.lag);
                self.lags.latest(region, source, self.taken).max(measured)
            }
            None => self.lags.worst(region, self.taken),
        }
    }

    /// What the region's replica is to that source, as the vantage points have measured it.
    #[must_use]
    pub fn pair(&self, region: RegionId, source: RegionId) -> Option<LinkState> {
        self.matrix.pair(region, source, self.taken)
    }

    /// Why a session that has written or seen something should not be read at the region's replica of that source; none if nothing
    /// is known against it. A replica that is cut off from its source stands still, and so does one that is stalled.
    #[must_use]
    pub fn too_far_behind(&self, region: RegionId, source: RegionId) -> Option<Exclusion> {
        match self.pair(region, source) {
            Some(LinkState { reachable: Some(false), .. }) => Some(Exclusion::PeerUnreachable),
            Some(LinkState { stalled: true, .. }) => Some(Exclusion::LagStalled),
            _ => {
                self.lag(region, Some(source)).filter(|lag| *lag > SESSIONS_LEAVE).map(|_| Exclusion::SessionLagTooHigh)
            }
        }
    }

    /// What the vantage points have found.
    #[must_use]
    pub fn matrix(&self) -> &Matrix {
        &self.matrix
    }

    /// How long a write at the source may be missing from the region's replica: by what this isolate or the vantage points have
    /// measured, whichever is more.
    #[must_use]
    pub fn window(&self, region: RegionId, source: RegionId) -> PinWindow {
        let own = self.lags.window(region, source);
        let p99 = self.pair(region, source).and_then(|pair| pair.p99);
        match (own.p99, p99) {
            (_, None) => own,
            (Some(seen), Some(measured)) if seen >= measured => own,
            (_, Some(measured)) => {
                // What this isolate has not measured is no reason to wait longer than the vantage points say.
                let known = own.p99.is_some() || own.length > UNMEASURED;
                let least = if known { own.length } else { SHORTEST };
                PinWindow {
                    length: measured.saturating_mul(2).clamp(least, LONGEST.max(least)),
                    p99: Some(measured),
                    ..own
                }
            }
        }
    }

    /// How long a write at the source usually takes to get into the region's replica: as this isolate has measured it, else the vantage
    /// points, else as long as a window is while nobody has.
    #[must_use]
    pub fn takes(&self, region: RegionId, source: RegionId) -> Duration {
        let measured = || self.pair(region, source).and_then(|pair| pair.p99.max(pair.lag));
        self.lags.usual(region, source, self.taken).or_else(measured).unwrap_or(UNMEASURED)
    }

    /// How long it takes from that region to the other and back, as the prober beside it has measured it.
    #[must_use]
    pub fn between(&self, region: RegionId, other: RegionId) -> Option<Duration> {
        self.matrix.took(region, other, self.taken)
    }

    /// Whether that region's origin says how far its replica of the dataset is.
    #[must_use]
    pub fn says_positions(&self, region: RegionId, dataset: DatasetId) -> bool {
        self.reached.says(region, dataset)
    }

    /// How far a replica is known to be.
    #[must_use]
    pub fn known(&self, copy: ReplicaId) -> Option<Known> {
        self.reached.of(copy)
    }

    /// Who owns a single-writer dataset now: what the authority has published or an origin has said, whichever has the later epoch.
    /// What the topology says counts only where the authority has said nothing: another version may say something else by the same
    /// epoch. None if the owner is a region that this topology does not know: its own guess would be a second owner.
    #[must_use]
    pub fn dataset_ownership(&self, dataset: DatasetId) -> Option<Ownership> {
        let configured = Ownership::configured(self.topology(), dataset)?;
        let moved = self.moved.iter().find(|(id, _)| *id == dataset).map(|(_, ownership)| *ownership);
        let published = self.published.ownership(dataset);
        let said = published.or((!self.published.names(dataset)).then_some(configured));
        said.map_or(moved, |said| Some(moved.map_or(said, |moved| said.or_later(moved))))
    }
}
