//! The edges: two isolates each, with a memory of their own, and one store of copies. Nothing else in the simulation knows how
//! copies are asked for, kept and shown; and nobody here looks at what the core has stored beside them.

use std::{collections::HashMap, rc::Rc};

use homing_core::testing::{
    cache::{Probed, entry::ENTRY, key::CacheKey},
    flow::step::{Event as CoreEvent, Step},
    router::{Entropy, Logging, Router, Turn},
    settle::{Base, Settlement, Source},
    state::trace::Decision,
};

use crate::{
    response::Response,
    settings::settings,
    world::{Event, World},
};

pub const EDGES: usize = 4;
/// The region beside each edge.
pub const NEAR: [&str; EDGES] = ["us", "eu", "ap", "eu"];
pub const ISOLATES: usize = 2;

/// What is stored under a key: variants, the newest first, which holds the text of the entry.
pub type Stored = Vec<Response>;

/// One location of the router.
pub struct Edge {
    pub isolates: [Rc<Router>; ISOLATES],
    pub store: HashMap<String, Stored>,
    /// What this location reads from the home store: values, and which put of all each is of.
    pub stored: HashMap<String, (u64, String)>,
    pub views: [Viewed; ISOLATES],
    /// How far its wall clock is ahead of the slowest, in milliseconds.
    pub ahead: u64,
    /// What chance comes from here.
    seed: u64,
    /// The name of the next isolate.
    next: u32,
}

/// When an isolate has read the published view, and when it will again.
#[derive(Clone, Copy, Debug, Default)]
pub struct Viewed {
    pub read: u64,
    pub due: u64,
}

impl Edge {
    pub fn new(at: usize, seed: u64) -> Self {
        let node = u32::try_from(at).unwrap() << 16;
        Self {
            isolates: [isolate(seed, node), isolate(seed, node + 1)],
            store: HashMap::new(),
            stored: HashMap::new(),
            views: Default::default(),
            ahead: 0,
            seed,
            next: node + 2,
        }
    }

    /// A new isolate in the place of that one, which knows nothing. The old one serves what it has begun.
    pub fn restart(&mut self, at: usize) {
        self.isolates[at] = isolate(self.seed, self.next);
        self.views[at] = Viewed::default();
        self.next += 1;
    }
}

fn isolate(seed: u64, node: u32) -> Rc<Router> {
    Rc::new(Router::new(settings(), Logging::Off, node, Entropy::of([seed, node.into()])))
}

/// Whether the client is shown a stored copy that no region has confirmed for it.
pub fn shows_copy(settlement: &Settlement) -> bool {
    matches!(settlement.record.decision, Decision::Stored(_))
}

impl World {
    /// Looks whether the edge holds a copy, and goes on with what it finds.
    pub fn probe(&mut self, at: usize, key: &CacheKey) -> Turn {
        let edge = self.requests[at].action.edge;
        let held = self.edges[edge].store.get(key.as_str()).cloned().unwrap_or_default();
        let entry = held.first().and_then(|first| first.get(ENTRY)).map(str::to_owned);
        self.tell(|world| {
            let request = &world.requests[at];
            let session = world.clients[request.client].sealed.as_deref().unwrap_or("none");
            format!("s{} probes {} with {session}: {entry:?}", request.client, key.as_str())
        });
        let now = self.clock(edge);
        let probed = Probed { entry: entry.as_deref(), lengths: "", waited: false };
        let turn = self.resume(at, CoreEvent::Cache(probed), now);
        self.requests[at].held = held;
        turn
    }

    /// Forgets and keeps what the settlement says, and makes the answer's head and body of what it says.
    pub fn store(&mut self, at: usize, settlement: &Settlement) -> Response {
        let edge = self.requests[at].action.edge;
        let origin = self.requests[at].origin.take();
        let held = &self.requests[at].held;
        let made = match settlement.source {
            Source::Origin => origin.clone().unwrap(),
            Source::Stored(place, _) => held[place].clone(),
            Source::StoredHead(_) | Source::Own(_) => Response::default(),
        };
        let kept = settlement.store.as_ref().map(|store| {
            let first = match store.base {
                Base::Origin => origin.clone().unwrap(),
                Base::Stored(place) => held[place].clone(),
            };
            let others = store.carried.iter().map(|place| held[*place].clone());
            let variants = std::iter::once(first.edited(&store.edits)).chain(others).collect();
            (store.key.as_str().to_owned(), variants)
        });
        for key in &settlement.invalidate {
            self.edges[edge].store.remove(key.as_str());
        }
        if settlement.store.as_ref().is_some_and(|store| matches!(store.base, Base::Stored(_))) {
            self.count("copies confirmed by a region");
        }
        if let Some((key, variants)) = kept {
            let late = self.random.below(30);
            self.after(late, Event::Keep(edge, key, variants));
        }
        made
    }

    /// Planted: a copy is shown as if nobody had a session.
    pub fn shown_to_everybody(&mut self, at: usize) -> bool {
        let turn = self.start(at, None);
        let Step::ProbeCache(probe) = turn.step else { return false };
        let turn = self.probe(at, &probe.key);
        match turn.step {
            Step::Finish(settlement) if shows_copy(&settlement) => {
                self.requests[at].flow = None;
                self.settle(at, *settlement, turn.view_is_outdated);
                true
            }
            _ => false,
        }
    }
}
