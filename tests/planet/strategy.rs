//! What a way of serving is asked: what to do with a request that has come to an edge, and with what came back. The world carries it out.

use crate::{
    data::{Data, Seen},
    trouble::Trouble,
};

/// A request at the edge of its city.
#[derive(Clone, Copy, Debug)]
pub struct Asked {
    pub client: u32,
    pub city: usize,
    pub key: u32,
    pub write: bool,
    /// What the client does with it: the same in every run.
    pub step: u64,
    /// Which of all requests it is.
    pub number: u64,
    pub now: u64,
}

/// What the edge does next.
#[derive(Clone, Debug)]
pub enum Next {
    Send(Send),
    /// Waits so long, for a look-up or for something to change; then [`Back::Waited`].
    Wait(u64),
    /// The client gets an answer.
    Answer(Answer),
}

/// To a region.
#[derive(Clone, Copy, Debug)]
pub struct Send {
    pub region: usize,
    /// How long to wait before it.
    pub delay: u64,
    /// How long to wait for an answer.
    pub timeout: u64,
    /// How long to wait for a connection, if that is less.
    pub connect: u64,
    pub job: Job,
}

/// What a region is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Job {
    /// To read or to write, as the client asks.
    Serve {
        /// The log whose data it is.
        log: usize,
        /// The place that a read must have reached; else the region says that it is behind.
        least: usize,
        /// How long the region waits to reach it.
        patience: u64,
        /// A write that the region's application passes on to its database there.
        forward: Option<usize>,
    },
    /// Nothing: the region says where to ask instead.
    Redirect,
}

/// What came of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Back {
    /// What was read or written.
    Served(Seen),
    /// The region has not reached the place; how far it is.
    Behind(Seen),
    /// The region has waited for the place in vain.
    WaitedInVain,
    /// The region says to ask elsewhere.
    Redirected,
    /// Nothing came in time.
    TimedOut,
    Waited,
}

/// What the client gets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// What it shows or has written; nothing if it failed.
    pub seen: Option<Seen>,
    /// It says that it may be older than what was promised.
    pub says_stale: bool,
}

impl Answer {
    pub const FAILED: Self = Self { seen: None, says_stale: false };

    #[must_use]
    pub fn of(seen: Seen) -> Self {
        Self { seen: Some(seen), says_stale: false }
    }
}

/// A way of serving.
pub trait Strategy {
    /// The log in which a key is written.
    fn log(&self, key: u32) -> usize;
    /// A request is at its edge.
    fn arrive(&mut self, asked: &Asked, data: &mut Data) -> Next;
    /// Something came back to it.
    fn back(&mut self, asked: &Asked, back: Back, data: &mut Data) -> Next;
    /// The client has its answer, or has given up.
    fn done(&mut self, _asked: &Asked, _answer: &Answer) {}
    /// Every ten seconds.
    fn tick(&mut self, _now: u64, _trouble: Trouble, _data: &mut Data) {}
    /// Writes that were acknowledged and are gone.
    fn lost(&self) -> usize {
        0
    }
}
