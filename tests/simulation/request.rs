//! A request, from its client to its edge, where the core takes it on.

use std::rc::Rc;

use history::Status;
use homing::routing::{
    Facts, Flow, Step, View, admit,
    facts::{Client as Where, Content},
    session::{COOKIE, Claim, seal},
};

use crate::{
    bugs::Bug,
    client::{Action, Client, Deed},
    edge::{ISOLATES, NEAR, Stored},
    response::{Fields, Response, borrowed},
    settings::{keys, settings},
    world::World,
};

/// A request on its way.
pub struct Request {
    pub client: usize,
    pub action: Action,
    pub began: u64,
    /// Whether it carried a session.
    pub had_session: bool,
    /// Whether that has seen something of its dataset.
    pub pinned: bool,
    pub isolate: usize,
    pub flow: Option<Flow>,
    pub attempt: u32,
    /// What its edge holds.
    pub held: Stored,
    /// Whether its client has its answer, or will have it.
    pub settled: bool,
    /// The last answer of a region.
    pub origin: Option<Response>,
    /// By what rules it was decided.
    pub trace: String,
    pub answered: Option<Response>,
}

impl Request {
    pub fn new(client: usize, action: Action, began: u64) -> Self {
        Self {
            client,
            action,
            began,
            had_session: false,
            pinned: false,
            isolate: 0,
            flow: None,
            attempt: 0,
            held: Stored::new(),
            settled: false,
            origin: None,
            trace: String::new(),
            answered: None,
        }
    }

    pub fn told(&self, answer: Option<&Response>, status: Status) -> String {
        let Action { deed, place, edge, .. } = self.action;
        let shown = answer.map(|answer| format!("{} {:?}", answer.status, answer.body));
        let region = answer.and_then(|answer| answer.get("homing-region")).unwrap_or("nobody");
        format!(
            "s{} {deed:?} {place:?} at edge {edge}.{} since {}: {} {} from {region} by {}",
            self.client,
            self.isolate,
            self.began,
            status.token(),
            shown.unwrap_or_default(),
            self.trace
        )
    }
}

impl World {
    /// A request is at its edge.
    pub fn arrive(&mut self, at: usize) {
        let isolate = self.random.index(ISOLATES);
        let (client, action) = (self.requests[at].client, self.requests[at].action);
        let sealed = self.carried(client, action, isolate);
        let now = self.timestamp();
        if let Some(sealed) = &sealed {
            let session = Client::open(sealed, now);
            let name = self.datasets[action.place.dataset].name;
            if session.pins.iter().any(|pin| matches!(pin.claim, Claim::Until(until) if until <= now)) {
                self.count("requests after a window had ended");
            }
            self.requests[at].pinned = session.pins.iter().any(|pin| pin.dataset == name);
        }
        self.requests[at].had_session = sealed.is_some();
        self.requests[at].isolate = isolate;
        let is_read = action.deed == Deed::Read;
        if is_read && self.habits.bug == Some(Bug::CopiesForEverybody) && self.shown_to_everybody(at) {
            return;
        }
        let (flow, step) = self.start(at, sealed);
        self.requests[at].flow = Some(flow);
        self.advance(at, step);
    }

    /// The core takes a request on.
    pub fn start(&mut self, at: usize, sealed: Option<String>) -> (Flow, Step) {
        let Request { client, action, isolate, .. } = self.requests[at];
        let url = format!("https://example.com{}", action.path(&self.datasets));
        let fields = self.fields(client, action, sealed);
        let now = self.timestamp();
        let facts = Facts {
            now,
            method: action.method(),
            url: &url,
            headers: borrowed(&fields),
            content: if action.deed == Deed::Read { Content::Empty } else { Content::Length(10) },
            client: Where { beside: Some(NEAR[action.edge]), ..Where::default() },
            entropy: self.random.number(),
            node: u32::try_from(action.edge * ISOLATES + isolate).unwrap(),
        };
        let settings = settings();
        let edge = &mut self.edges[action.edge];
        let intent = admit(&facts, &settings, &mut edge.clocks[isolate]).unwrap();
        let memory = &edge.memories[isolate];
        Flow::start(intent, Rc::new(View::capture(&settings, memory, now)), memory, now)
    }

    fn fields(&self, client: usize, action: Action, sealed: Option<String>) -> Fields {
        let mut fields = Vec::new();
        if let Some(sealed) = sealed {
            fields.push(match self.clients[client].headers {
                true => ("homing-session".to_owned(), sealed),
                false => ("cookie".to_owned(), format!("{COOKIE}={sealed}")),
            });
            // What its origin knows the client by: without that nobody is shown personal data from a copy.
            fields.push(("cookie".to_owned(), "a=b".to_owned()));
        }
        if action.repeatable && action.deed != Deed::Read {
            fields.push(("idempotency-key".to_owned(), "1".to_owned()));
        }
        fields
    }

    /// The session that the client carries.
    fn carried(&self, client: usize, action: Action, isolate: usize) -> Option<String> {
        let sealed = self.clients[client].sealed.clone()?;
        if self.habits.bug != Some(Bug::TokenWithoutEpoch) {
            return Some(sealed);
        }
        let settings = settings();
        let view = View::capture(&settings, &self.edges[action.edge].memories[isolate], self.timestamp());
        let mut session = Client::open(&sealed, self.timestamp());
        for pin in &mut session.pins {
            let dataset = settings.topology.dataset_named(&pin.dataset);
            if let (Some(owned), Claim::AtLeast(mark)) =
                (dataset.and_then(|dataset| view.dataset_ownership(dataset)), &mut pin.claim)
            {
                mark.epoch = owned.epoch();
                pin.region.clone_from(&settings.topology.region(owned.home()).name);
            }
        }
        Some(seal(&session, &keys()))
    }
}
