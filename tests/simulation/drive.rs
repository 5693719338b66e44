//! Driving the core: a request from its edge to regions, copies and the home store, and back.

use std::rc::Rc;

use history::Status;
use homing::routing::{
    Event as CoreEvent, Facts, Flow, Settlement, Step, View, admit,
    answer::Answer,
    facts::{Client as Where, Content},
    flow::{Found, Outcome},
    session::{COOKIE, Claim, seal},
    settle::Source,
};

use crate::{
    bugs::Bug,
    client::{Action, Client, Deed},
    data::REGIONS,
    edge::{Fields, ISOLATES, NEAR, Response, borrowed, keys, settings},
    origin::{Next, Visit},
    world::{Event, World},
};

/// A request on its way.
pub struct Request {
    pub client: usize,
    pub action: Action,
    pub began: u64,
    /// Whether it carried a session.
    pub had_session: bool,
    /// Whether that has seen something of its dataset.
    pinned: bool,
    isolate: usize,
    flow: Option<Flow>,
    attempt: u32,
    copy: Option<Response>,
    origin: Option<Response>,
    /// By what rules it was decided.
    trace: String,
    pub answered: Option<Response>,
}

/// What comes back to an edge.
pub enum Back {
    Home(Option<String>),
    NoHome,
    Answered(Response),
    TimedOut,
    Refused,
    Broken,
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
            copy: None,
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
            self.requests[at].pinned = session.pins.iter().any(|pin| pin.dataset == name);
        }
        self.requests[at].had_session = sealed.is_some();
        self.requests[at].isolate = isolate;
        if self.habits.bug == Some(Bug::CopiesForEverybody) && self.shown_to_everybody(at) {
            return;
        }
        let (flow, step) = self.start(at, sealed);
        self.requests[at].flow = Some(flow);
        self.advance(at, step);
    }

    fn start(&mut self, at: usize, sealed: Option<String>) -> (Flow, Step) {
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
            client: Where::default(),
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
        let mut fields = vec![("homing-dev-near".to_owned(), NEAR[action.edge].to_owned())];
        if let Some(sealed) = sealed {
            fields.push(match self.clients[client].headers {
                true => ("homing-session".to_owned(), sealed),
                false => ("cookie".to_owned(), format!("a=b; {COOKIE}={sealed}")),
            });
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
                mark.epoch = owned.epoch;
                pin.region.clone_from(&settings.topology.region(owned.home).name);
            }
        }
        Some(seal(&session, &keys()))
    }

    /// Does what the core says until something takes time.
    fn advance(&mut self, at: usize, mut step: Step) {
        loop {
            step = match step {
                Step::Finish(settlement) => return self.finish(at, *settlement),
                Step::ProbeCache(key) => {
                    let edge = self.requests[at].action.edge;
                    let copy = self.edges[edge].store.get(key.as_str()).cloned();
                    self.requests[at].copy.clone_from(&copy);
                    self.tell(|world| {
                        let request = &world.requests[at];
                        let session = world.clients[request.client].sealed.as_deref().unwrap_or("none");
                        let copy = copy.as_ref().map(|copy| copy.fields.clone());
                        format!("s{} probes {} with {session}: {copy:?}", request.client, key.as_str())
                    });
                    let now = self.timestamp();
                    let copy =
                        copy.as_ref().map(|copy| Answer { status: copy.status, headers: borrowed(&copy.fields) });
                    self.requests[at].flow.as_mut().unwrap().on(CoreEvent::Cache(copy), now)
                }
                Step::LookUpHome(subject) => {
                    let edge = self.requests[at].action.edge;
                    let fails = !self.calm && (self.network.no_store || self.random.chance(20));
                    let home = self.edges[edge].homes.get(subject.as_str()).cloned();
                    let millis = if fails { 250 } else { self.random.within(1, 30) };
                    let attempt = self.requests[at].attempt;
                    return self
                        .after(millis, Event::Back(at, attempt, if fails { Back::NoHome } else { Back::Home(home) }));
                }
                Step::Send(attempt) => return self.send_to_region(at, &attempt),
            };
        }
    }

    fn send_to_region(&mut self, at: usize, attempt: &homing::routing::attempt::Attempt) {
        let request = &mut self.requests[at];
        request.attempt += 1;
        let Request { client, action, attempt: number, .. } = *request;
        let repeatable = action.repeatable && action.place.dataset == 0 && !action.stale;
        let visit = Visit::new(attempt, action.deed, action.place, repeatable, self.clients[client].user);
        let (delay, timeout) = (millis(attempt.delay), millis(attempt.timeout));
        self.after(delay + timeout, Event::Back(at, number, Back::TimedOut));
        if !self.calm && self.random.chance(2 + self.network.lossy / 2) {
            if self.random.chance(500) {
                self.after(delay + 20, Event::Back(at, number, Back::Broken));
            }
            return;
        }
        let near = REGIONS[visit.region] == NEAR[action.edge];
        let hop = self.network.hop(near, &mut self.random);
        self.after(delay + hop, Event::Visit(at, number, visit));
    }

    /// A request is at a region, or goes on there.
    pub fn visit(&mut self, at: usize, attempt: u32, visit: Visit) {
        let region = visit.region;
        if self.network.dead[region] {
            // A dead region is silent, or its machines refuse in its place; what was under way breaks off.
            let back = if visit.arrives_only_now() { Back::Refused } else { Back::Broken };
            if self.random.chance(500) {
                self.after(5, Event::Back(at, attempt, back));
            }
            return;
        }
        let next = visit.go_on(&mut self.datasets, &self.habits);
        let visit = match next {
            Next::Later(visit) => visit,
            Next::Committed(visit, message) => {
                self.replicate(message);
                visit
            }
            Next::Answer(answer) => return self.leaves(at, attempt, region, answer),
        };
        let takes = if self.random.chance(100) { self.random.below(100) } else { self.random.below(4) };
        self.after(takes, Event::Visit(at, attempt, visit));
    }

    /// An answer leaves a region; some are lost.
    fn leaves(&mut self, at: usize, attempt: u32, region: usize, answer: Response) {
        if answer.get("homing-behind").is_some() {
            self.count("answers from copies that are behind");
        }
        if answer.status == 421 {
            self.count("misdirected answers");
        }
        if !self.calm && self.random.chance(2 + self.network.lossy / 2) {
            self.count("answers lost on their way to the edge");
            if self.random.chance(500) {
                self.after(20, Event::Back(at, attempt, Back::Broken));
            }
            return;
        }
        let near = REGIONS[region] == NEAR[self.requests[at].action.edge];
        let hop = self.network.hop(near, &mut self.random);
        self.after(hop, Event::Back(at, attempt, Back::Answered(answer)));
    }

    /// Something comes back; what belongs to an attempt that is over is of no interest.
    pub fn back(&mut self, at: usize, attempt: u32, back: Back) {
        if self.requests[at].attempt != attempt || self.requests[at].flow.is_none() {
            return;
        }
        let now = self.timestamp();
        // Whatever else this attempt brings comes too late.
        if !matches!(back, Back::Home(_) | Back::NoHome) {
            self.requests[at].attempt += 1;
        }
        let request = &mut self.requests[at];
        let flow = request.flow.as_mut().unwrap();
        let step = match back {
            Back::Home(Some(home)) => flow.on(CoreEvent::Home(Found::Value(&home)), now),
            Back::Home(None) => flow.on(CoreEvent::Home(Found::Absent), now),
            Back::NoHome => flow.on(CoreEvent::Home(Found::Failed), now),
            Back::TimedOut => flow.on(CoreEvent::Origin(Outcome::TimedOut), now),
            Back::Refused => flow.on(CoreEvent::Origin(Outcome::Refused), now),
            Back::Broken => flow.on(CoreEvent::Origin(Outcome::Broken), now),
            Back::Answered(answer) => {
                let head = Answer { status: answer.status, headers: borrowed(&answer.fields) };
                let step = flow.on(CoreEvent::Origin(Outcome::Answered(head)), now);
                request.origin = Some(answer);
                step
            }
        };
        self.advance(at, step);
    }

    /// The core has decided: the edge does what is left.
    fn finish(&mut self, at: usize, mut settlement: Settlement) {
        let Request { action, isolate, .. } = self.requests[at];
        let now = self.timestamp();
        let memory = &mut self.edges[action.edge].memories[isolate];
        std::mem::take(&mut settlement.lessons).into_iter().for_each(|lesson| memory.learn(lesson, now));
        let request = &mut self.requests[at];
        request.flow = None;
        let (origin, copy) = (request.origin.take(), request.copy.take());
        if let Some(key) = &settlement.invalidate {
            self.edges[action.edge].store.remove(key.as_str());
        }
        if let (Some(store), Some(origin)) = (&settlement.store, &origin) {
            let late = self.random.below(30);
            let kept = origin.clone().edited(&store.edits);
            self.after(late, Event::Keep(action.edge, store.key.as_str().to_owned(), kept));
        }
        for publish in &settlement.publish {
            self.publish(publish.subject.as_str(), &publish.value);
        }
        self.note(at, &settlement);
        let nothing = Response { status: settlement.status, fields: Vec::new(), body: Vec::new() };
        let made = match settlement.source {
            Source::Origin => origin.unwrap(),
            Source::Copy => copy.unwrap(),
            Source::CopyHead | Source::Own(_) => nothing,
        };
        let answer = Response { status: settlement.status, ..made }.edited(&settlement.edits);
        self.answer(at, answer);
    }

    fn note(&mut self, at: usize, settlement: &Settlement) {
        let Request { pinned, action, .. } = self.requests[at];
        let record = &settlement.record;
        let rules = record.trace.rules();
        let region = record.region.map(|region| settings().topology.region(region).name.clone());
        let near = region.as_deref() == Some(NEAR[action.edge]);
        let of_home =
            region.as_deref() == Some(REGIONS[self.datasets[action.place.dataset].owners[action.place.subject].home]);
        let is_read = action.deed == Deed::Read && settlement.status == 200;
        if is_read && pinned && settlement.source == Source::Origin && near && !of_home {
            self.count("pinned reads answered beside the client");
        }
        if is_read && pinned && settlement.source == Source::Copy {
            self.count("copies shown to pinned sessions");
        }
        if is_read && !pinned && settlement.source == Source::Copy {
            self.count("copies shown to others");
        }
        if rules.iter().any(|rule| rule.reason.token().starts_with("failover")) && is_read {
            self.count("reads that failed over");
        }
        if rules.iter().any(|rule| rule.reason.token() == "misdirected") && settlement.status == 200 {
            self.count("requests that followed a misdirection");
        }
        let settings = settings();
        let trace: Vec<_> = record.trace.lines(&settings.topology).collect();
        self.requests[at].trace = trace.join(", ");
    }

    /// The client takes over the session that an answer brings.
    pub fn take_session(&mut self, at: usize, answer: Response) -> Response {
        let Request { client, action, .. } = self.requests[at];
        let now = self.timestamp();
        let brought = Client::session_in(&answer);
        let taken = match (self.habits.bug, action.deed) {
            (Some(Bug::NoPin), Deed::Write(_)) | (Some(Bug::ReadsDoNotMove), Deed::Read) => None,
            _ => brought,
        };
        let client = &mut self.clients[client];
        client.sealed = taken.or(client.sealed.take());
        let reached = answer.status == 200 && action.deed == Deed::Read && answer.get("homing-consistency").is_none();
        if self.habits.bug == Some(Bug::ClearedOnceReached) && reached && answer.get("age").is_none() {
            client.sealed = client.sealed.take().map(|sealed| {
                let mut session = Client::open(&sealed, now);
                let name = self.datasets[action.place.dataset].name;
                session.pins.retain(|pin| pin.dataset != name || matches!(pin.claim, Claim::Until(_)));
                seal(&session, &keys())
            });
        }
        answer
    }

    /// Planted: a copy is shown as if nobody had a session.
    fn shown_to_everybody(&mut self, at: usize) -> bool {
        let Action { deed, edge, .. } = self.requests[at].action;
        if deed != Deed::Read {
            return false;
        }
        let (mut flow, step) = self.start(at, None);
        let Step::ProbeCache(key) = step else { return false };
        let Some(copy) = self.edges[edge].store.get(key.as_str()).cloned() else { return false };
        let head = Answer { status: copy.status, headers: borrowed(&copy.fields) };
        let step = flow.on(CoreEvent::Cache(Some(head)), self.timestamp());
        let Step::Finish(settlement) = step else { return false };
        if settlement.source != Source::Copy {
            return false;
        }
        self.requests[at].copy = Some(copy);
        self.finish(at, *settlement);
        true
    }
}

fn millis(span: std::time::Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap()
}
