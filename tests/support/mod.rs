//! A world for the core: it plays the client, the edge cache, the home store and the regions, and owns the clock.
#![allow(dead_code, reason = "each test file uses its own part")]

use std::{collections::VecDeque, rc::Rc, time::Duration};

use homing::routing::{
    Event, Facts, Flow, Memory, Problem, Settings, Settlement, Step, Timestamp, View, admit,
    answer::Answer,
    attempt::Attempt,
    cache::CacheKey,
    clock::Clock,
    facts::{Client, Content},
    flow::{Found, Outcome},
    headers::{Edit, Headers},
    keys::{Key, SessionKeys},
    topology::{KeyPath, RegionId, Topology, parse::parse, raw},
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

pub fn settings() -> Rc<Settings> {
    SETTINGS.with(Rc::clone)
}

pub fn region(name: &str) -> RegionId {
    settings().topology.region_named(name).unwrap()
}

pub type Fields = Vec<(String, String)>;

pub fn borrowed(fields: &Fields) -> Headers<'_> {
    Headers(fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect())
}

/// What a region does with a send.
#[derive(Clone, Debug)]
pub enum Deed {
    Answers(u16, Fields),
    Hangs,
    Refuses,
    Breaks,
    Unsent,
}

/// A request and its world.
#[derive(Clone, Debug)]
pub struct World {
    pub method: String,
    pub path: String,
    pub fields: Fields,
    pub content: Content,
    pub near: Option<String>,
    /// The stored response, if the edge holds one.
    pub cache: Option<(u16, Fields)>,
    /// What the home store says: a text, nothing (`Some(None)`), or it fails (`None`).
    pub store: Option<Option<String>>,
    /// What each send meets, in order; the last goes on.
    pub deeds: Vec<Deed>,
    /// What each deed of a region takes, in milliseconds.
    pub takes: u64,
    pub memory: Memory,
}

impl World {
    pub fn new(request: &str) -> Self {
        let (method, path) = request.split_once(' ').unwrap();
        Self {
            method: method.to_owned(),
            path: path.to_owned(),
            fields: Vec::new(),
            content: Content::Empty,
            near: None,
            cache: None,
            store: Some(None),
            deeds: vec![Deed::Answers(200, Vec::new())],
            takes: 0,
            memory: Memory::default(),
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

    pub fn deeds(mut self, deeds: &[Deed]) -> Self {
        self.deeds = deeds.to_vec();
        self
    }

    pub fn play(&self, settings: &Rc<Settings>) -> Result<Story, Problem> {
        let url = format!("https://example.com{}", self.path);
        let mut headers = borrowed(&self.fields);
        headers.0.extend(self.near.iter().map(|near| ("homing-dev-near", near.as_str())));
        let facts = Facts {
            now: NOW,
            method: &self.method,
            url: &url,
            headers,
            content: self.content,
            client: Client::default(),
            entropy: 7,
            node: 1,
        };
        let intent = admit(&facts, settings, &mut Clock::new(1))?;
        let view = Rc::new(View::capture(settings, &self.memory, NOW));
        let (flow, step) = Flow::start(intent, view, &self.memory, NOW);
        Ok(self.drive(flow, step))
    }

    fn drive(&self, mut flow: Flow, mut step: Step) -> Story {
        let mut now = NOW;
        let mut deeds: VecDeque<Deed> = self.deeds.iter().cloned().collect();
        let mut story = Story { probed: None, lookups: 0, sent: Vec::new(), steps: 0, took: Duration::ZERO, end: None };
        loop {
            story.steps += 1;
            assert!(story.steps <= 16, "the flow does not end");
            step = match step {
                Step::Finish(end) => {
                    story.took = now.since(NOW);
                    story.end = Some(*end);
                    return story;
                }
                Step::ProbeCache(key) => {
                    story.probed = Some(key);
                    let held = self.cache.as_ref();
                    flow.on(Event::Cache(held.map(|(status, fields)| answer(*status, fields))), now)
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
                    flow.on(Event::Home(found), now)
                }
                Step::Send(attempt) => {
                    let deed = if deeds.len() > 1 { deeds.pop_front() } else { deeds.front().cloned() }.unwrap();
                    let late = Duration::from_millis(self.takes) >= attempt.timeout;
                    let hangs = late || matches!(deed, Deed::Hangs);
                    let spent = if hangs { attempt.timeout } else { Duration::from_millis(self.takes) };
                    now = now.after(attempt.delay).after(spent);
                    story.sent.push(*attempt);
                    let outcome = match &deed {
                        _ if hangs => Outcome::TimedOut,
                        Deed::Hangs => Outcome::TimedOut,
                        Deed::Answers(status, fields) => Outcome::Answered(answer(*status, fields)),
                        Deed::Refuses => Outcome::Refused,
                        Deed::Breaks => Outcome::Broken,
                        Deed::Unsent => Outcome::Unsent,
                    };
                    flow.on(Event::Origin(outcome), now)
                }
            };
        }
    }
}

fn answer(status: u16, fields: &Fields) -> Answer<'_> {
    Answer { status, headers: borrowed(fields) }
}

/// What came of a request.
#[derive(Debug)]
pub struct Story {
    pub probed: Option<CacheKey>,
    pub lookups: usize,
    pub sent: Vec<Attempt>,
    pub steps: usize,
    pub took: Duration,
    pub end: Option<Settlement>,
}

impl Story {
    pub fn end(&self) -> &Settlement {
        self.end.as_ref().unwrap()
    }

    /// The value that an edit of the answer sets.
    pub fn says(&self, name: &str) -> Option<&str> {
        self.end().edits.iter().rev().find_map(|edit| match edit {
            Edit::Set(set, value) | Edit::Append(set, value) if *set == name => Some(value.as_str()),
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
    attempt.own.iter().find_map(|edit| match edit {
        Edit::Set(set, value) if *set == name => Some(value.as_str()),
        _ => None,
    })
}
