//! A request, from its client to its edge, where the core takes it on.

use std::rc::Rc;

use history::Status;
use homing_core::testing::{
    http::cookies::COOKIE,
    model::subject::{SubjectId, SubjectKind},
    request::incoming::{Client as Where, Content, IncomingRequest},
    router::{FlowId, Router, Turn},
    session::{Claim, codec::seal},
    state::view::View,
};

use crate::{
    bugs::Bug,
    client::{Action, Client, Reply, USERS},
    data::DATASETS,
    edge::{ISOLATES, NEAR, Stored},
    hostile::Trick,
    response::{Fields, Response, borrowed},
    settings::{keys, settings},
    world::World,
};

/// A request on its way.
pub struct InFlight {
    pub client: usize,
    pub action: Action,
    pub began: u64,
    /// How often its client had lost its session by then.
    pub life: u32,
    /// What was done to it.
    pub trick: Option<Trick>,
    /// Whether it carried a session.
    pub had_session: bool,
    /// Whether that has seen something of its dataset.
    pub pinned: bool,
    /// How many marks it has on that.
    pub marks: usize,
    /// Its write's stamp must be later than this.
    pub floor: Option<String>,
    /// Its write's stamp.
    pub stamp: Option<String>,
    /// Whether it was answered from the store, and no region has confirmed that.
    pub is_copy: bool,
    pub isolate: usize,
    /// Until it is over: by which isolate it was begun, and what that calls it.
    pub flow: Option<(Rc<Router>, FlowId)>,
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

impl InFlight {
    pub fn new((client, life): (usize, u32), action: Action, began: u64, trick: Option<Trick>) -> Self {
        Self {
            client,
            action,
            began,
            life,
            trick,
            had_session: false,
            pinned: false,
            marks: 0,
            floor: None,
            stamp: None,
            is_copy: false,
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
            "s{} {deed:?} {place:?} ({:?}) at edge {edge}.{} since {}: {} {} from {region} by {}",
            self.client,
            self.trick,
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
        let action = self.requests[at].action;
        let sealed = self.carried(at, isolate);
        let now = self.clock(action.edge);
        self.requests[at].floor = self.latest_stamp_of(at);
        if let Some(sealed) = &sealed {
            let session = Client::open(sealed, now);
            let name = DATASETS[action.place.dataset].name;
            if session.pins.iter().any(|pin| matches!(pin.claim, Claim::Until(until) if until <= now)) {
                self.count("requests after a window had ended");
            }
            self.requests[at].pinned = session.pins.iter().any(|pin| pin.dataset == name);
            let marks = session.pins.iter().filter(|pin| pin.dataset == name && matches!(pin.claim, Claim::AtLeast(_)));
            self.requests[at].marks = marks.count();
        }
        let names = sealed.as_ref().is_some_and(|sealed| self.names_its_user(at, sealed));
        let takes_away = self.requests[at].trick.as_ref().is_some_and(|trick| !trick.leaves_session());
        self.requests[at].had_session = names && !takes_away;
        self.requests[at].isolate = isolate;
        self.refresh(action.edge, isolate);
        let is_read = action.deed == Reply::Read;
        if is_read && self.habits.bug == Some(Bug::CopiesForEverybody) && self.shown_to_everybody(at) {
            return;
        }
        let turn = self.start(at, sealed);
        self.advance(at, turn);
    }

    /// Whether the session says whose the data is, where it is a user's: to who has a login and no session nothing is promised.
    fn names_its_user(&self, at: usize, sealed: &str) -> bool {
        let InFlight { client, action, .. } = self.requests[at];
        let user = SubjectId::of(SubjectKind::User, USERS[self.clients[client].user]);
        !matches!(action.place.dataset, 2 | 5) || Client::open(sealed, self.clock(action.edge)).subjects.has(&user)
    }

    /// The core takes a request on.
    pub fn start(&mut self, at: usize, sealed: Option<String>) -> Turn {
        let InFlight { client, action, isolate, ref trick, .. } = self.requests[at];
        let query = trick.as_ref().and_then(Trick::query).unwrap_or_default();
        let sealed = match (self.habits.bug, trick) {
            (Some(Bug::LinksBelieved), Some(Trick::Link(brought))) => sealed.map(|own| joined(&own, brought)),
            _ => sealed,
        };
        let url = format!("https://example.com{}{query}", action.path());
        let mut fields = self.fields(client, action, sealed);
        trick.iter().for_each(|trick| trick.play(&mut fields));
        if self.habits.bug == Some(Bug::BlanksTrimmed) {
            fields.iter_mut().for_each(|(_, value)| *value = value.replace('\u{2000}', ""));
        }
        let now = self.clock(action.edge);
        let incoming = IncomingRequest {
            now,
            method: action.method(),
            url: &url,
            headers: borrowed(&fields),
            content: if action.deed == Reply::Read { Content::Empty } else { Content::Length(10) },
            client: Where { beside: Some(NEAR[action.edge]), ..Where::default() },
        };
        let isolate = Rc::clone(&self.edges[action.edge].isolates[isolate]);
        let turn = isolate.begin(&incoming).unwrap();
        self.requests[at].flow = Some((isolate, turn.id));
        turn
    }

    fn fields(&self, client: usize, action: Action, sealed: Option<String>) -> Fields {
        let mut fields = vec![("cf-connecting-ip".to_owned(), format!("192.0.2.{client}"))];
        let Client { user, headers, signed_in, .. } = &self.clients[client];
        let login = if *signed_in { format!("login={}", USERS[*user]) } else { "a=b".to_owned() };
        fields.extend(match (*headers, sealed) {
            (true, Some(sealed)) => vec![("cookie".to_owned(), login), ("homing-session".to_owned(), sealed)],
            (false, Some(sealed)) => vec![("cookie".to_owned(), format!("{login}; {COOKIE}={sealed}"))],
            (_, None) => vec![("cookie".to_owned(), login)],
        });
        if let (true, Reply::Write(id)) = (action.repeatable, action.deed) {
            fields.push(("idempotency-key".to_owned(), id.to_string()));
        }
        fields
    }

    /// The session that the client carries.
    fn carried(&self, at: usize, isolate: usize) -> Option<String> {
        let sealed = match &self.requests[at].trick {
            Some(Trick::Bare) => return None,
            Some(Trick::Replayed(sealed)) => sealed.clone(),
            _ => self.clients[self.requests[at].client].sealed.clone()?,
        };
        let InFlight { action, .. } = self.requests[at];
        if self.habits.bug != Some(Bug::TokenWithoutEpoch) {
            return Some(sealed);
        }
        let settings = settings();
        let view =
            View::capture(&settings, &self.edges[action.edge].isolates[isolate].memory(), self.clock(action.edge));
        let mut session = Client::open(&sealed, self.clock(action.edge));
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

/// Planted: a session with the pins of another, as if both were about the same subject.
fn joined(own: &str, brought: &str) -> String {
    let now = homing_core::testing::model::time::Timestamp(crate::world::START);
    let (mut own, brought) = (Client::open(own, now), Client::open(brought, now));
    own.pins.retain(|pin| {
        !brought.pins.iter().any(|other| (&other.dataset, &other.subject) == (&pin.dataset, &pin.subject))
    });
    own.pins.extend(brought.pins);
    own.pins.truncate(8);
    seal(&own, &keys())
}
