//! The edges of the model: the real flow of a write, with whatever was ever published or told as its belief, since a view may be as
//! old as it likes. A write is one step: what could come in between is a staler belief of another one.

use std::{cell::RefCell, collections::HashMap, rc::Rc};

use homing_core::testing::{
    cache::Probed,
    decide::attempt::Attempt,
    flow::step::{Event, Found, Outcome, Step},
    http::{
        answer::{Answer, Framing},
        cookies::COOKIE,
        edits::Edit,
    },
    model::{
        epoch::Epoch,
        position::{Mark, Position},
        subject::SubjectKind,
    },
    ownership::{Ownership, evidence::Keeper},
    request::incoming::{Client as Place, Content, IncomingRequest},
    router::{Entropy, Logging, Router, Turn},
    session::{self, Claim, Pin, Session},
    settle::Settlement,
    state::{
        memory::{Memory, Observation},
        published::{self, Published},
    },
    topology::settings::Settings,
};
use serde_json::Value;

use crate::{
    ledger::NOW,
    scope::Unit,
    support::{
        self,
        region::{Owned, Read, Written},
    },
};

/// What comes back to an edge.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Reply {
    /// What the home store holds.
    Stored(Option<Owned>),
    /// The directory's word.
    Assigned(Owned),
    /// A region's, of a write.
    Wrote(Written),
    /// A region's, of a read.
    Read(Read),
}

impl Reply {
    /// Whether it says that this is the owner.
    pub fn names(&self, owned: &Owned) -> bool {
        match self {
            Self::Stored(said) => said.as_ref() == Some(owned),
            Self::Assigned(said) | Self::Read(Read::Shown(said, _) | Read::Misdirected(said)) => said == owned,
            Self::Wrote(_) => false,
        }
    }
}

/// What an edge does next.
#[derive(Clone, Debug)]
pub enum Next {
    LookUp,
    /// The directory is asked, and that region proposed.
    Assign(String),
    /// It is sent to that region, by that claim.
    Send(String, Option<Owned>),
    /// The client has its answer; what the isolate has learned of ownerships.
    End(Vec<Owned>),
}

/// Who asks.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Client {
    pub near: &'static str,
    /// What its edge believes of the owner; of a user, the session says it.
    pub belief: Option<Owned>,
    /// What was slipped into its session: a position of that owner. It reads; without one it writes.
    pub mark: Option<Owned>,
    /// It has no session.
    pub bare: bool,
}

type Asked = (usize, Client, Vec<Reply>);

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
    pub fn next(&self, at: usize, unit: Unit, client: &Client, replies: &[Reply]) -> Next {
        let asked = (at, client.clone(), replies.to_vec());
        if let Some(next) = self.known.borrow().get(&asked) {
            return next.clone();
        }
        let next = self.play(unit, client, replies);
        self.known.borrow_mut().insert(asked, next.clone());
        next
    }

    fn play(&self, unit: Unit, client: &Client, replies: &[Reply]) -> Next {
        let belief = client.belief.as_ref();
        let session = match unit {
            Unit::User(_) if !client.bare => Some(format!("{COOKIE}={}", self.sealed(unit, client))),
            _ => None,
        };
        let mut fields = Vec::new();
        fields.extend(session.iter().map(|session| ("cookie", session.as_str())));
        let url = format!("https://example.com{}", unit.path());
        let incoming = IncomingRequest {
            now: NOW,
            method: if client.mark.is_some() { "GET" } else { "POST" },
            url: &url,
            headers: homing_core::testing::http::headers::Headers(fields),
            content: if client.mark.is_some() { Content::Empty } else { Content::Length(10) },
            client: Place { beside: Some(client.near), ..Place::default() },
        };
        let mut memory = Memory::default();
        if let (Unit::Dataset(name), Some((home, epoch))) = (unit, belief) {
            let owned = std::iter::once((name, home.as_str(), *epoch));
            let view = published::write(1, std::iter::empty(), owned, None);
            memory.observe(Observation::Published(Published::read(&view, &self.settings.topology).unwrap()), NOW);
        }
        let router = Router::new(Rc::clone(&self.settings), Logging::Off, 1, Entropy::Fixed(7)).with_memory(memory);
        let router = router.with_journal();
        let mut turn = router.begin(&incoming).unwrap();
        for reply in replies {
            turn = resume(&router, turn, (unit, reply));
        }
        let step = past_the_cache(&router, turn).step;
        self.told(step, &router.journal())
    }

    /// The session of a user, with what was slipped into it.
    fn sealed(&self, unit: Unit, client: &Client) -> String {
        let topology = &self.settings.topology;
        let mut session = Session { issued: NOW, expires: NOW.after(session::LIFETIME), ..Session::default() };
        session.subjects.sign(SubjectKind::User, Some(unit.id()));
        if let Some((home, epoch)) = &client.belief {
            let text = format!(r#"{{"home":"{home}","epoch":{epoch}}}"#);
            let kept = Ownership::kept(&text, Keeper::Directory, topology, topology.all_regions()).unwrap();
            session.subjects.settle(SubjectKind::User, kept.ownership, topology);
        }
        let pin = |(region, epoch): &Owned| Pin {
            dataset: "cart".to_owned(),
            subject: Some(unit.id()),
            region: region.clone(),
            since: NOW,
            claim: Claim::AtLeast(Mark { epoch: Epoch(*epoch), position: Position::new(1) }),
        };
        session.pins = client.mark.iter().map(pin).collect();
        session::seal(&session, &support::keys())
    }

    fn told(&self, step: Step, observations: &[Observation]) -> Next {
        match step {
            Step::LookUpHome(_) => Next::LookUp,
            Step::AssignHome(assignment) => Next::Assign(assignment.proposed.unwrap()),
            Step::Send(attempt) => {
                Next::Send(support::told(&attempt, "homing-region").unwrap().to_owned(), claim(&attempt))
            }
            Step::Finish(end) => {
                let name =
                    |owned: Ownership| (self.settings.topology.region(owned.home()).name.clone(), owned.epoch().0);
                let learned = observations.iter().filter_map(|observation| match observation {
                    Observation::Moved(_, owned) | Observation::Home(_, owned) => Some(name(*owned)),
                    _ => None,
                });
                let published = end.publish.iter().filter_map(|publish| read_owned(&publish.value));
                Next::End(learned.chain(published).chain(in_session(&end)).collect())
            }
            other => panic!("a write needs no such step: {other:?}"),
        }
    }
}

fn resume(router: &Router, turn: Turn, (unit, reply): (Unit, &Reply)) -> Turn {
    let turn = past_the_cache(router, turn);
    let (text, fields);
    let event = match (turn.step, reply) {
        (Step::LookUpHome(_), Reply::Stored(None)) => Event::Home(Found::Absent),
        (Step::LookUpHome(_), Reply::Stored(Some(owned))) | (Step::AssignHome(_), Reply::Assigned(owned)) => {
            text = format!(r#"{{"home":"{}","epoch":{}}}"#, owned.0, owned.1);
            Event::Home(Found::Value(&text))
        }
        (Step::Send(_), Reply::Wrote(_) | Reply::Read(_)) => {
            let (status, said) = match reply {
                Reply::Wrote(written) => response(written, unit),
                Reply::Read(read) => shown(read),
                _ => unreachable!(),
            };
            fields = said;
            let answer = Answer { status, headers: support::borrowed(&fields), framing: Framing::Delimited };
            Event::Origin(Outcome::Answered(answer))
        }
        other => panic!("nobody asked for that: {other:?}"),
    };
    router.resume(turn.id, event, NOW).unwrap()
}

fn past_the_cache(router: &Router, turn: Turn) -> Turn {
    match turn.step {
        Step::ProbeCache(_) => router.resume(turn.id, Event::Cache(Probed::default()), NOW).unwrap(),
        _ => turn,
    }
}

fn claim(attempt: &Attempt) -> Option<Owned> {
    let told = |name: &str| support::told(attempt, name);
    Some((told("homing-home")?.to_owned(), told("homing-epoch")?.parse().unwrap()))
}

/// The home that the session believes in which an answer brings.
fn in_session(end: &Settlement) -> Option<Owned> {
    let issued = end.edits.iter().find_map(|edit| match edit {
        Edit::Add("set-cookie", line) => line.split(';').next()?.strip_prefix(COOKIE)?.strip_prefix('='),
        _ => None,
    });
    let session = session::open(issued?, &support::keys(), NOW).session;
    let home = session.subjects.home(SubjectKind::User)?;
    Some((home.name().to_owned(), home.epoch().0))
}

fn shown(read: &Read) -> (u16, support::Fields) {
    let field = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let (status, (home, epoch)) = match read {
        Read::Misdirected(owned) => (421, owned),
        // Nobody has told it of an owner, so it says nothing of its copy.
        Read::Shown((_, 0), _) => return (200, Vec::new()),
        Read::Shown(of, _) => (200, of),
    };
    let mut fields = vec![field("homing-home", home), field("homing-epoch", &epoch.to_string())];
    if let Read::Shown(_, length) = read {
        fields.push(field("homing-position", &format!("cart={length}; least={length}")));
    }
    (status, fields)
}

fn response(written: &Written, unit: Unit) -> (u16, support::Fields) {
    let field = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    match written {
        Written::Accepted(_) => (200, vec![field("homing-wrote", "1")]),
        Written::Misdirected((home, epoch)) => {
            let epoch = epoch.to_string();
            (421, vec![field("homing-home", home), field("homing-epoch", &epoch), field("homing-wrote", "0")])
        }
        Written::OfSubject => (421, vec![field("homing-subject", &unit.name()), field("homing-wrote", "0")]),
        Written::Paused => (503, vec![field("homing-wrote", "0"), field("retry-after", "1")]),
    }
}

/// An ownership as the home store and the view hold it.
pub fn read_owned(text: &str) -> Option<Owned> {
    let value: Value = serde_json::from_str(text).ok()?;
    Some((value["home"].as_str()?.to_owned(), value["epoch"].as_u64()?))
}
