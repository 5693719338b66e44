//! The intent: a request as admitted, with everything decided that needs no look at the world.

use std::{rc::Rc, time::Duration};

use super::{
    cache::Coding,
    facts::Replay,
    headers::Edits,
    reason::Reason,
    session::Opened,
    subject::SubjectId,
    time::Timestamp,
    topology::{Access, DatasetId, OnHomeDown, ReadAfterWrite, RegionId},
};

/// An admitted request.
#[derive(Clone, Debug)]
pub struct Intent {
    /// When it came.
    pub came: Timestamp,
    /// The raw method.
    pub method: String,
    /// `http` or `https`.
    pub scheme: String,
    /// Host and port that the client asked for.
    pub authority: String,
    /// Normal path, with the query.
    pub target: String,
    /// Length of the path in `target`.
    pub path_length: usize,
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
    /// The session it carries.
    pub session: Opened,
    /// Pins came along from another host, so the client's session must be issued anew.
    pub carried: bool,
    /// How the session travels.
    pub carrier: Carrier,
    /// How often its body can be sent.
    pub replay: Replay,
    /// The regions, nearest first.
    pub near: Vec<RegionId>,
    /// Changes to its headers that every attempt needs.
    pub edits: Rc<Edits>,
    /// What the edge cache has to do with it.
    pub cache: CacheUse,
    /// The write may be repeated at its home: the route says so and the client sent an `Idempotency-Key`.
    pub repeatable: bool,
    /// Stamp of a multi-writer write.
    pub clock: Option<String>,
    /// A number nobody can guess.
    pub entropy: u64,
}

impl Intent {
    /// The path without the query; it is what logs may show.
    #[must_use]
    pub fn path(&self) -> &str {
        self.target.get(..self.path_length).unwrap_or(&self.target)
    }
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
    /// Nothing, and why.
    Bypass(Reason),
    /// It may answer, and may store the answer.
    Use(Lookup),
}

/// How the cache is asked.
#[derive(Clone, Debug)]
pub struct Lookup {
    /// What the client can decode.
    pub coding: Coding,
    /// A stored copy may answer; `Cache-Control: no-cache` of the client forbids it.
    pub read: bool,
    /// The answer may be stored; `no-store` of the client forbids it.
    pub store: bool,
    /// A copy or nothing (504).
    pub only_if_cached: bool,
    /// The request carries `Authorization`.
    pub authorized: bool,
    /// `If-None-Match` of the client.
    pub if_none_match: Option<String>,
    /// The data is personal: the copy is stored for its subject alone.
    pub personal: bool,
}
