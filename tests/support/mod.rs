//! A world for the core: it plays the client, the edge cache, the home store and the regions, and owns the clock.
#![allow(dead_code, reason = "each test file uses its own part")]

pub mod directory;
pub mod region;

use std::{collections::VecDeque, rc::Rc, time::Duration};

use homing_core::testing::{
    cache::{
        Probed,
        entry::{self, StoredFields, Variant},
        freshness::Reuse,
        key::CacheKey,
    },
    decide::attempt::Attempt,
    flow::step::{Assignment, Event, Found, Outcome, Step},
    http::{
        answer::{Answer, Framing},
        edits::Edit,
        headers::Headers,
        problem::Problem,
    },
    model::{
        epoch::Epoch,
        ids::RegionId,
        keys::{Key, SessionKeys},
        time::Timestamp,
    },
    ownership::{Ownership, evidence::Keeper},
    request::incoming::{Client, Content, IncomingRequest, Unsent},
    router::{Entropy, Logging, Router, Turn},
    session::Session,
    settle::Settlement,
    state::memory::{Memory, Observation},
    topology::{Topology, error::KeyPath, parse::parse, raw, settings::Settings},
};

pub const NOW: Timestamp = Timestamp(1_767_225_600_000);

thread_local! {
    static SETTINGS: Rc<Settings> = {
        let raw = raw::from_json(include_str!("topology.json")).unwrap();
        let topology = parse(&raw, &KeyPath::default().key("vars")).unwrap().0;
        Rc::new(Settings { topology, session_keys: keys(), origin_key: None, dev: true })
    };
}

/// The topology that the tests of the core share.
pub fn topology() -> Topology {
    settings().topology.clone()
}

pub fn keys() -> SessionKeys {
    SessionKeys::new(Key::new("the key that the tests sign with").unwrap(), None)
}

/// The same settings where subjects of that kind live in that region until somebody knows better.
pub fn living_in((kind, home): (&str, &str)) -> Rc<Settings> {
    let mut raw = raw::from_json(include_str!("topology.json")).unwrap();
    let raw::Raw::Table(vars) = &mut raw else { unreachable!() };
    for (_, value) in vars.iter_mut().filter(|(name, _)| name == "IDENTITY") {
        let raw::Raw::Table(kinds) = value else { unreachable!() };
        for (_, source) in kinds.iter_mut().filter(|(name, _)| name == kind) {
            let raw::Raw::Table(keys) = source else { unreachable!() };
            keys.push(("first_home".to_owned(), raw::Raw::Text(home.to_owned())));
        }
    }
    let topology = parse(&raw, &KeyPath::default().key("vars")).unwrap().0;
    Rc::new(Settings { topology, ..(*settings()).clone() })
}

pub fn settings() -> Rc<Settings> {
    SETTINGS.with(Rc::clone)
}

pub fn region(name: &str) -> RegionId {
    settings().topology.region_named(name).unwrap()
}

/// The home and epoch of a subject as the directory says it.
pub fn owned(home: &str, epoch: u64) -> Ownership {
    let (text, topology) = (format!(r#"{{"home":"{home}","epoch":{epoch}}}"#), topology());
    Ownership::kept(&text, Keeper::Directory, &topology, topology.all_regions()).unwrap().ownership
}

/// A session with the pins on split data that name nobody on the part of its own subject.
pub fn with_own_parts(mut session: Session) -> Session {
    let topology = topology();
    for pin in &mut session.pins {
        let dataset = topology.dataset_named(&pin.dataset).and_then(|id| topology.dataset(id));
        let own = dataset.and_then(|dataset| session.subjects.subject(dataset.rule.split_by()?).cloned());
        pin.subject = pin.subject.take().or(own);
    }
    session
}

/// A sealed session in which its user lives in that region, which the topology may not have: as another deployment made it.
pub fn at_home(sealed: &str, home: &str, epoch: u64) -> String {
    let (text, _) = sealed.rsplit_once('.').unwrap();
    let mut fields: Vec<String> = text.split('.').map(str::to_owned).collect();
    let user = fields.get_mut(2).unwrap();
    if user != "-" {
        *user = format!("{}:{home}:{epoch}", user.split(':').next().unwrap());
    }
    let text = fields.join(".");
    format!("{text}.{}", keys().current().sign(&text))
}

pub type Fields = Vec<(String, String)>;

pub fn borrowed(fields: &Fields) -> Headers<'_> {
    Headers(fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect())
}

/// What a region does with a send.
#[derive(Clone, Debug)]
pub enum Reply {
    Answers(u16, Fields),
    Hangs,
    Refuses,
    /// The connection is lost before an answer comes.
    Loses,
    Breaks,
    Unsent(Unsent),
    /// It confirms the copy, and the store cannot hand that out.
    LosesStored,
}

/// A request and its world.
#[derive(Clone, Debug)]
pub struct World {
    pub method: String,
    pub path: String,
    pub fields: Fields,
    pub content: Content,
    pub near: Option<String>,
    /// What the edge holds under the request's key: nothing, or an entry with these variants, the newest first.
    pub cache: Vec<Variant<'static>>,
    /// The lengths of its bodies, where they are not [`BODY`] and those of the parts.
    pub lengths: Option<String>,
    /// What the home store says: a text, nothing (`Some(None)`), or it fails (`None`).
    pub store: Option<Option<String>>,
    /// What the directory says: a text, or it assigns what is proposed (`Some(None)`), or it fails (`None`).
    pub directory: Option<Option<String>>,
    /// What each send meets, in order; the last goes on.
    pub deeds: Vec<Reply>,
    /// What each deed of a region takes, in milliseconds.
    pub takes: u64,
    pub memory: Memory,
    /// Whether the look into the edge cache waited for another request.
    pub waited: bool,
    /// The number by which chance decides.
    pub entropy: u64,
    /// When the request comes.
    pub now: Timestamp,
}

/// The length of every stored body.
pub const BODY: u64 = 10;

impl World {
    pub fn new(request: &str) -> Self {
        let (method, path) = request.split_once(' ').unwrap();
        Self {
            method: method.to_owned(),
            path: path.to_owned(),
            fields: Vec::new(),
            content: Content::Empty,
            near: None,
            cache: Vec::new(),
            lengths: None,
            store: Some(None),
            directory: Some(None),
            deeds: vec![Reply::Answers(200, Vec::new())],
            takes: 0,
            memory: Memory::default(),
            waited: false,
            entropy: 7,
            now: NOW,
        }
    }

    pub fn field(mut self, name: &str, value: &str) -> Self {
        self.fields.push((name.to_owned(), value.to_owned()));
        self
    }

    pub fn near(mut self, region: &str) -> Self {
        self.near = Some(region.to_owned());
        self
    }

    pub fn deeds(mut self, deeds: &[Reply]) -> Self {
        self.deeds = deeds.to_vec();
        self
    }

    pub fn play(&self, settings: &Rc<Settings>) -> Result<Story, Problem> {
        let url = format!("https://example.com{}", self.path);
        let headers = borrowed(&self.fields);
        let incoming = IncomingRequest {
            now: self.now,
            method: &self.method,
            url: &url,
            headers,
            content: self.content,
            client: Client { beside: self.near.as_deref(), ..Client::default() },
        };
        let router = Router::new(Rc::clone(settings), Logging::Off, 1, Entropy::Fixed(self.entropy));
        let router = router.with_memory(self.memory.clone()).with_journal();
        let turn = router.begin(&incoming).map_err(|rejection| rejection.problem)?;
        let story = self.drive(&router, turn);
        Ok(Story { memory: router.memory(), ..story })
    }

    /// The entry that the cache holds, and the lengths of its bodies.
    fn held(&self) -> (Option<String>, String) {
        let all = |others: &[_]| (0..others.len()).collect::<Vec<_>>();
        let text = self.cache.split_first().map(|(first, others)| entry::write(first, others, &all(others)).0);
        let lengths = self.cache.iter().map(|variant| variant.part.map_or(BODY, |part| part.length).to_string());
        (text, self.lengths.clone().unwrap_or_else(|| lengths.collect::<Vec<_>>().join(",")))
    }

    fn drive(&self, router: &Router, mut turn: Turn) -> Story {
        let mut now = self.now;
        let mut deeds: VecDeque<Reply> = self.deeds.iter().cloned().collect();
        let mut story = Story::default();
        loop {
            story.steps += 1;
            assert!(story.steps <= 16, "the flow does not end");
            let id = turn.id;
            turn = match turn.step {
                Step::Finish(end) => {
                    story.observations.extend(router.journal());
                    story.took = now.since(self.now);
                    story.end = Some(*end);
                    return story;
                }
                Step::Answer(answer, _) => {
                    story.observations = router.journal();
                    story.answered = Some(*answer);
                    router.resume(id, Event::GoOn, now)
                }
                Step::ProbeCache(probe) => {
                    story.probed = Some(probe.key);
                    story.would_wait |= probe.wait.is_some();
                    let (text, lengths) = self.held();
                    let probed = Probed { entry: text.as_deref(), lengths: &lengths, waited: self.waited };
                    router.resume(id, Event::Cache(probed), now)
                }
                Step::LookUpHome(_) => {
                    story.lookups += 1;
                    let found = match &self.store {
                        None => Found::Failed,
                        Some(None) => Found::Absent,
                        Some(Some(text)) => Found::Value(text),
                    };
                    // A look-up that fails may take as long as a look-up may.
                    now = now.after(Duration::from_millis(if self.store.is_none() { 250 } else { 1 }));
                    router.resume(id, Event::Home(found), now)
                }
                Step::AssignHome(assignment) => {
                    story.asked_directory += 1;
                    story.assigned.push(assignment.clone());
                    let assigned;
                    let found = match (&self.directory, &assignment.proposed) {
                        (None, _) => Found::Failed,
                        (Some(None), None) => Found::Absent,
                        (Some(None), Some(proposed)) => {
                            let epoch = assignment.instead_of.as_ref().map_or(1, |(_, epoch)| epoch + 1);
                            let new = assignment.instead_of.is_none();
                            assigned = format!(r#"{{"home":"{proposed}","epoch":{epoch},"new":{new}}}"#);
                            Found::Value(&assigned)
                        }
                        (Some(Some(text)), _) => Found::Value(text),
                    };
                    now = now.after(Duration::from_millis(if found == Found::Failed { 1000 } else { 2 }));
                    router.resume(id, Event::Home(found), now)
                }
                Step::Send(attempt) => {
                    let deed = if deeds.len() > 1 { deeds.pop_front() } else { deeds.front().cloned() }.unwrap();
                    let late = Duration::from_millis(self.takes) >= attempt.timeout;
                    let hangs = late || matches!(deed, Reply::Hangs);
                    let spent = if hangs { attempt.timeout } else { Duration::from_millis(self.takes) };
                    now = now.after(attempt.delay).after(spent);
                    story.sent.push(*attempt);
                    let outcome = if hangs { Outcome::TimedOut } else { outcome(&deed) };
                    router.resume(id, Event::Origin(outcome), now)
                }
            }
            .unwrap();
        }
    }
}

fn outcome(deed: &Reply) -> Outcome<'_> {
    match deed {
        Reply::Hangs => Outcome::TimedOut,
        Reply::Answers(status, fields) => Outcome::Answered(answer(*status, fields)),
        Reply::Refuses => Outcome::Refused,
        Reply::Loses => Outcome::Lost,
        Reply::Breaks => Outcome::Broken,
        Reply::LosesStored => Outcome::Unreadable,
        Reply::Unsent(unsent) => Outcome::Unsent(*unsent),
    }
}

fn answer(status: u16, fields: &Fields) -> Answer<'_> {
    Answer { status, headers: borrowed(fields), framing: Framing::Delimited }
}

/// What came of a request.
#[derive(Debug, Default)]
pub struct Story {
    pub probed: Option<CacheKey>,
    /// Whether it would have waited for another request of the same address.
    pub would_wait: bool,
    pub lookups: usize,
    pub asked_directory: usize,
    /// What the directory was asked, in order.
    pub assigned: Vec<Assignment>,
    pub sent: Vec<Attempt>,
    pub steps: usize,
    pub took: Duration,
    /// The answer of an expired copy, while a new one is fetched behind it.
    pub answered: Option<Settlement>,
    pub end: Option<Settlement>,
    /// What the isolate has observed by it.
    pub observations: Vec<Observation>,
    /// What the isolate remembers after it.
    pub memory: Rc<Memory>,
}

impl Story {
    /// What the client gets.
    pub fn end(&self) -> &Settlement {
        self.answered.as_ref().or(self.end.as_ref()).unwrap()
    }

    /// What happens behind the client's answer.
    pub fn behind(&self) -> Option<&Settlement> {
        self.end.as_ref().filter(|_| self.answered.is_some())
    }

    /// The value that an edit of the answer sets.
    pub fn says(&self, name: &str) -> Option<&str> {
        self.end().edits.iter().rev().find_map(|edit| match edit {
            Edit::Set(set, value) | Edit::Add(set, value) if set == name => Some(value),
            _ => None,
        })
    }

    /// The regions that were asked, in order.
    pub fn regions(&self) -> Vec<RegionId> {
        self.sent.iter().map(|attempt| attempt.region).collect()
    }
}

/// The value that a send's own header has.
pub fn told<'a>(attempt: &'a Attempt, name: &str) -> Option<&'a str> {
    attempt.own.set_to(name)
}

/// A stored response without fields, which may be shown for so long after it has expired when every region fails.
pub fn stored(region: &str, made: Timestamp, fresh: Duration, grace: Duration) -> Variant<'static> {
    Variant {
        selecting: "".into(),
        status: 200,
        part: None,
        made,
        came: made,
        age: Duration::ZERO,
        fresh,
        while_revalidate: Duration::ZERO,
        if_error: Some(grace),
        reuse: Reuse::Allowed,
        region: region.to_owned().into(),
        epoch: Epoch::FIRST,
        shows: Vec::new(),
        kept: StoredFields::default(),
        cookies: "".into(),
    }
}
