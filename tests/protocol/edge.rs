//! The edges of the model: the real flow of a write, with whatever was ever published or told as its belief, since a view may be as
//! old as it likes. A write is one step: what could come in between is a staler belief of another one.

use std::{cell::RefCell, collections::HashMap, rc::Rc};

use homing::routing::{
    Event, Facts, Flow, Memory, Settings, Step, View, admit,
    answer::{Answer, Framing},
    attempt::Attempt,
    authority::{self, Published},
    cache::Probed,
    clock::Clock,
    facts::{Client, Content},
    flow::{Found, Outcome},
    health::Health,
    memory::Lesson,
    ownership::Ownership,
};
use serde_json::Value;

use crate::{
    ledger::NOW,
    scope::Unit,
    support::{
        self,
        region::{Owned, Written},
    },
};

/// What comes back to an edge.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Reply {
    /// What the home store holds.
    Stored(Option<Owned>),
    /// The directory's word.
    Assigned(Owned),
    /// A region's.
    Wrote(Written),
}

/// What an edge does next.
#[derive(Clone, Debug)]
pub enum Next {
    LookUp,
    /// The directory is asked, and that region proposed.
    Assign(String),
    /// The write is sent to the home of that claim.
    Send(Owned),
    /// The client has its answer; what the isolate has learned of ownerships.
    End(Vec<Owned>),
}

type Asked = (usize, &'static str, Option<Owned>, Vec<Reply>);

/// All edges: they differ in what they believe and what is near.
pub struct Edges {
    settings: Rc<Settings>,
    known: RefCell<HashMap<Asked, Next>>,
}

impl Edges {
    pub fn new(settings: Rc<Settings>) -> Self {
        Self { settings, known: RefCell::default() }
    }

    /// What an edge does with a write, after all that came back to it.
    pub fn next(&self, at: usize, unit: Unit, near: &'static str, belief: Option<&Owned>, replies: &[Reply]) -> Next {
        let asked = (at, near, belief.cloned(), replies.to_vec());
        if let Some(next) = self.known.borrow().get(&asked) {
            return next.clone();
        }
        let next = self.play(unit, near, belief, replies);
        self.known.borrow_mut().insert(asked, next.clone());
        next
    }

    fn play(&self, unit: Unit, near: &str, belief: Option<&Owned>, replies: &[Reply]) -> Next {
        let url = format!("https://example.com{}", unit.path());
        let facts = Facts {
            now: NOW,
            method: "POST",
            url: &url,
            headers: homing::routing::headers::Headers(Vec::new()),
            content: Content::Length(10),
            client: Client { beside: Some(near), ..Client::default() },
            entropy: 7,
            node: 1,
        };
        let mut memory = Memory::default();
        if let (Unit::Dataset(name), Some((home, epoch))) = (unit, belief) {
            let owned = std::iter::once((name, home.as_str(), *epoch));
            let view = authority::write(1, std::iter::empty(), owned);
            memory.learn(Lesson::Published(Published::read(&view, &self.settings.topology).unwrap()), NOW);
        }
        let intent = admit(&facts, &self.settings, &mut Clock::new(1)).unwrap();
        let view = Rc::new(View::capture(&self.settings, &memory, NOW));
        let (mut flow, mut step) = Flow::start(intent, view, &memory, NOW);
        for reply in replies {
            step = self.on((&mut flow, memory.health()), step, reply);
        }
        self.told(past_the_cache(&mut flow, memory.health(), step))
    }

    fn on(&self, (flow, health): (&mut Flow, &Health), step: Step, reply: &Reply) -> Step {
        let step = past_the_cache(flow, health, step);
        match (step, reply) {
            (Step::LookUpHome(_), Reply::Stored(None)) => flow.on(Event::Home(Found::Absent), health, NOW),
            (Step::LookUpHome(_), Reply::Stored(Some(owned))) | (Step::AssignHome(_), Reply::Assigned(owned)) => {
                let text = format!(r#"{{"home":"{}","epoch":{}}}"#, owned.0, owned.1);
                flow.on(Event::Home(Found::Value(&text)), health, NOW)
            }
            (Step::Send(_), Reply::Wrote(written)) => {
                let (status, fields) = response(written);
                let answer = Answer { status, headers: support::borrowed(&fields), framing: Framing::Delimited };
                flow.on(Event::Origin(Outcome::Answered(answer)), health, NOW)
            }
            other => panic!("nobody asked for that: {other:?}"),
        }
    }

    fn told(&self, step: Step) -> Next {
        match step {
            Step::LookUpHome(_) => Next::LookUp,
            Step::AssignHome(assignment) => Next::Assign(assignment.proposed),
            Step::Send(attempt) => Next::Send(claim(&attempt)),
            Step::Finish(end) => {
                let name =
                    |owned: Ownership| (self.settings.topology.region(owned.home()).name.clone(), owned.epoch().0);
                let learned = end.lessons.iter().filter_map(|lesson| match lesson {
                    Lesson::Moved(_, owned) | Lesson::Home(_, owned) => Some(name(*owned)),
                    _ => None,
                });
                let published = end.publish.iter().filter_map(|publish| read_owned(&publish.value));
                Next::End(learned.chain(published).collect())
            }
            other => panic!("a write needs no such step: {other:?}"),
        }
    }
}

fn past_the_cache(flow: &mut Flow, health: &Health, step: Step) -> Step {
    match step {
        Step::ProbeCache(_) => flow.on(Event::Cache(Probed { entry: None, lengths: "", waited: false }), health, NOW),
        other => other,
    }
}

fn claim(attempt: &Attempt) -> Owned {
    let told = |name: &str| support::told(attempt, name).unwrap().to_owned();
    (told("homing-home"), told("homing-epoch").parse().unwrap())
}

fn response(written: &Written) -> (u16, support::Fields) {
    let field = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    match written {
        Written::Accepted(_) => (200, vec![field("homing-wrote", "1")]),
        Written::Misdirected((home, epoch)) => {
            let epoch = epoch.to_string();
            (421, vec![field("homing-home", home), field("homing-epoch", &epoch), field("homing-wrote", "0")])
        }
        Written::Paused => (503, vec![field("homing-wrote", "0"), field("retry-after", "1")]),
    }
}

/// An ownership as the home store and the view hold it.
pub fn read_owned(text: &str) -> Option<Owned> {
    let value: Value = serde_json::from_str(text).ok()?;
    Some((value["home"].as_str()?.to_owned(), value["epoch"].as_u64()?))
}
