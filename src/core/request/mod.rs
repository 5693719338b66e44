//! A request as it comes ([`incoming`]), is admitted ([`mod@admit`]), and is decided on: [`Request`], with everything decided that needs no
//! look at the world.

pub mod admit;
pub mod incoming;
pub(crate) mod near;

use std::{borrow::Cow, cell::OnceCell, rc::Rc, time::Duration};

use crate::{
    cache::{key::CacheKey, lookup::Lookup, state::CacheState},
    http::{edits::RequestEdits, target::Target},
    model::{
        access::{Access, Replay},
        clock::Stamp,
        ids::{DatasetId, RegionId},
        subject::SubjectId,
        time::Timestamp,
    },
    ownership::{Ownership, own::Own},
    session::{Marks, Opened},
    state::{
        drill::SamplingKey,
        health::{Asking, evidence::By},
    },
    topology::{
        Topology,
        dataset::Dataset,
        route::{OnHomeDown, ReadAfterWrite},
    },
};

/// An admitted request.
#[derive(Clone, Debug)]
pub struct Request {
    /// When it came.
    pub came: Timestamp,
    /// The raw method.
    pub method: Cow<'static, str>,
    /// Whether the method itself is safe (RFC 9110 section 9.2.1): whatever its route says, it invalidates no stored response.
    pub safe: bool,
    /// What it asks for, without what is the router's own in the query.
    pub target: Rc<Target>,
    /// How that stands in cache keys, once one was made.
    pub(crate) in_keys: OnceCell<Rc<str>>,
    /// The key of its stored response, once it was made.
    pub(crate) key: OnceCell<CacheKey>,
    /// The index of the route that takes it.
    pub route: Option<usize>,
    /// What it concerns.
    pub dataset: Option<DatasetId>,
    /// Whether it may change anything.
    pub access: Access,
    /// Whether it asks for another protocol on the connection (WebSocket).
    pub upgrade: bool,
    /// What its route promises.
    pub promise: Promise,
    /// Whose data it concerns, where the dataset is split and somebody has said so.
    pub subject: Option<SubjectId>,
    /// The client by its address, where that is known: who takes part in a drill, if it has no subject.
    pub visitor: Option<SamplingKey>,
    /// The session it carries.
    pub session: Opened,
    /// What came along in the address from another host of the application, if anything did.
    pub carried: Option<CameAlong>,
    /// An origin has said meanwhile that the request is another subject's, so the client's session must be issued anew, whatever
    /// becomes of it.
    pub begun: bool,
    /// How the session travels.
    pub carrier: Carrier,
    /// How often its body can be sent.
    pub replay: Replay,
    /// The regions, nearest first.
    pub near: Vec<RegionId>,
    /// Changes to its headers that every attempt needs.
    pub edits: Rc<RequestEdits>,
    /// What the edge cache has to do with it.
    pub cache: CacheUse,
    /// The write may be repeated at its home: the route says so and the client sent an `Idempotency-Key`.
    pub repeatable: bool,
    /// Stamp of a multi-writer write.
    pub clock: Option<Stamp>,
    /// A number for what chance decides; it is told to nobody.
    pub entropy: u64,
}

impl Request {
    /// The dataset that it concerns, if its route names one.
    #[must_use]
    pub fn dataset_in<'t>(&self, topology: &'t Topology) -> Option<&'t Dataset> {
        topology.dataset(self.dataset?)
    }

    /// What the session has seen of the dataset, where its origins report positions.
    #[must_use]
    pub fn marks(&self, topology: &Topology) -> Option<Marks<'_>> {
        let dataset = self.dataset_in(topology).filter(|dataset| dataset.position.is_some())?;
        self.session.session.marks(dataset, self.subject.as_ref())
    }

    /// Where the session says that the request's subject lives, if it is its own.
    #[must_use]
    pub fn home_in_session(&self, topology: &Topology) -> Option<Ownership> {
        let kind = self.dataset_in(topology)?.rule.split_by()?;
        let subject = (kind, self.subject.as_ref()?);
        Ownership::in_session(&self.session.session.subjects, subject, topology, topology.residency(kind))
    }

    /// Who makes the request, as a drill tells its participants apart; none, if it neither has a subject nor comes from a known address.
    #[must_use]
    pub fn sampling_key(&self) -> Option<SamplingKey> {
        let own = self.session.session.subjects.all().map(Own::subject).next();
        self.subject.as_ref().or(own).map(SamplingKey::of).or(self.visitor)
    }

    /// What of it matters to the health of the region that is asked. By whom it is goes by address: clients can name any subject.
    #[must_use]
    pub fn asking(&self) -> Asking {
        Asking { by: By::new(self.visitor, self.route), streams: self.replay == Replay::Stream }
    }

    /// Whether pins came along, so that the client's session must be issued anew.
    #[must_use]
    pub fn has_carried(&self) -> bool {
        self.carried.is_some_and(|came| came.believed)
    }
}

/// What came along in the address from another host of the application.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CameAlong {
    /// Whether it could be believed.
    pub believed: bool,
    /// Whether the client shows its address to people, and is sent on to the one without it.
    pub is_shown: bool,
}

/// What a route promises and allows.
#[derive(Clone, Copy, Debug, Default)]
pub struct Promise {
    /// What a read sees of the session's writes.
    pub read_after_write: ReadAfterWrite,
    /// What a read that should go home gets while home is down.
    pub on_home_down: OnHomeDown,
    /// Time to headers for one attempt, where the route says so.
    pub deadline: Option<Duration>,
    /// The longest that a read waits until a near replica should have what its session has seen.
    pub wait: Duration,
    /// The largest body that the edge cache keeps, in bytes, where the route says so.
    pub cache_up_to: Option<u64>,
    /// Whether the edge cache stores what sets a cookie, and gives that cookie to everybody.
    pub cache_set_cookie: bool,
    /// How long an answer's body may stand still, where the route says so.
    pub body_idle: Option<Duration>,
    /// Whether a break in a small body is repaired elsewhere, whatever it costs.
    pub repair: bool,
    /// Whether a write leaves a pin: some read of the same dataset is promised to see it.
    pub pins: bool,
}

/// How a session travels: browsers have cookies, other clients may use a header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Carrier {
    /// `Cookie` and `Set-Cookie`.
    Cookie,
    /// `Homing-Session` both ways.
    Header,
}

/// What the edge cache has to do with a request.
#[derive(Clone, Debug)]
pub enum CacheUse {
    /// Nothing; the state says why.
    Bypass(CacheState),
    /// It may answer, and may store the answer.
    Use(Lookup),
    /// It cannot answer, but may store the answer as that of a later GET (RFC 9110 section 9.3.3).
    Fill(Lookup),
}
