//! The edges: two isolates each, with a memory of their own, and one store of copies. Nothing else in the simulation knows how
//! copies are asked for, kept and shown; and nobody here looks at what the core has stored beside them.

use std::collections::HashMap;

use homing::routing::{
    Event as CoreEvent, Memory, Settlement, Step, answer::Answer, cache::CacheKey, clock::Clock, settle::Source,
};

use crate::{
    response::{Response, borrowed},
    world::{Event, World},
};

pub const EDGES: usize = 4;
/// The region beside each edge.
pub const NEAR: [&str; EDGES] = ["us", "eu", "ap", "eu"];
pub const ISOLATES: usize = 2;

/// What is stored under a key.
pub type Stored = Response;

/// One location of the router.
pub struct Edge {
    pub memories: [Memory; ISOLATES],
    pub clocks: [Clock; ISOLATES],
    pub store: HashMap<String, Stored>,
    /// What this location reads from the home store.
    pub homes: HashMap<String, String>,
}

impl Edge {
    pub fn new(at: usize) -> Self {
        let node = u32::try_from(at * ISOLATES).unwrap();
        Self {
            memories: Default::default(),
            clocks: [Clock::new(node), Clock::new(node + 1)],
            store: HashMap::new(),
            homes: HashMap::new(),
        }
    }
}

/// Whether the client is shown a stored copy.
pub fn shows_copy(settlement: &Settlement) -> bool {
    settlement.source == Source::Copy
}

impl World {
    /// Looks whether the edge holds a copy, and goes on with what it finds.
    pub fn probe(&mut self, at: usize, key: &CacheKey) -> Step {
        let edge = self.requests[at].action.edge;
        let copy = self.edges[edge].store.get(key.as_str()).cloned();
        self.tell(|world| {
            let request = &world.requests[at];
            let session = world.clients[request.client].sealed.as_deref().unwrap_or("none");
            let copy = copy.as_ref().map(|copy| copy.fields.clone());
            format!("s{} probes {} with {session}: {copy:?}", request.client, key.as_str())
        });
        let now = self.timestamp();
        let head = copy.as_ref().map(|copy| Answer { status: copy.status, headers: borrowed(&copy.fields) });
        let step = self.requests[at].flow.as_mut().unwrap().on(CoreEvent::Cache(head), now);
        self.requests[at].copy = copy;
        step
    }

    /// Forgets and keeps what the settlement says, and makes the answer's head and body of what it says.
    pub fn store(&mut self, at: usize, settlement: &Settlement) -> Response {
        let edge = self.requests[at].action.edge;
        let (origin, copy) = (self.requests[at].origin.take(), self.requests[at].copy.take());
        if let Some(key) = &settlement.invalidate {
            self.edges[edge].store.remove(key.as_str());
        }
        if let (Some(store), Some(origin)) = (&settlement.store, &origin) {
            let late = self.random.below(30);
            let kept = origin.clone().edited(&store.edits);
            self.after(late, Event::Keep(edge, store.key.as_str().to_owned(), kept));
        }
        match settlement.source {
            Source::Origin => origin.unwrap(),
            Source::Copy => copy.unwrap(),
            Source::CopyHead | Source::Own(_) => Response::default(),
        }
    }

    /// Planted: a copy is shown as if nobody had a session.
    pub fn shown_to_everybody(&mut self, at: usize) -> bool {
        let (flow, step) = self.start(at, None);
        let Step::ProbeCache(key) = step else { return false };
        self.requests[at].flow = Some(flow);
        match self.probe(at, &key) {
            Step::Finish(settlement) if shows_copy(&settlement) => {
                self.finish(at, *settlement);
                true
            }
            _ => false,
        }
    }
}
