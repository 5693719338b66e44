//! A small world for the core: what `homing explain` and the expectations drive a flow against.

use std::rc::Rc;

use crate::routing::{
    Event, Facts, Flow, Memory, Settings, Settlement, Step, Timestamp, View, admit,
    answer::Answer,
    clock::Clock,
    facts::{Client, Content},
    flow::{Found, Outcome},
    headers::Headers,
    keys::{Key, SessionKeys},
    problem::Problem,
    session::{self, LIFETIME, Pin, Session},
    subject::SubjectId,
    time::millis,
    topology::{RegionSet, SubjectKind, Topology},
};

/// A moment; the world stands still but for what a step takes.
const NOW: Timestamp = Timestamp(1_767_225_600_000);

/// What there is.
#[derive(Clone, Debug, Default)]
pub(super) struct World {
    /// The request line: method and path.
    pub(super) request: String,
    /// The region beside which the client is.
    pub(super) near: Option<String>,
    /// Where the home store says that the subject lives; it says "absent" otherwise.
    pub(super) home: Option<String>,
    /// Regions that refuse connections.
    pub(super) down: Vec<String>,
    /// The session: `user=ada,home=eu,pin=cart`, or a real one.
    pub(super) session: Option<String>,
    /// More header fields.
    pub(super) headers: Vec<(String, String)>,
}

/// What came of it.
pub(super) struct Story {
    /// The steps, a line each, with what came of them.
    pub(super) steps: Vec<String>,
    /// The end, or the refusal before anything began.
    pub(super) end: Result<Box<Settlement>, Problem>,
}

impl World {
    /// Plays the request through the core.
    pub(super) fn play(&self, topology: &Topology) -> Result<Story, String> {
        let (method, target) = self.request.split_once(' ').ok_or_else(|| {
            format!("the request is {:?}, expected a method and a path, such as \"GET /api/cart\"", self.request)
        })?;
        let down = self.down(topology)?;
        let settings = Rc::new(self.settings(topology)?);
        let near = self.near.clone();
        if let Some(near) = &near {
            named(topology, near)?;
        }
        let session = self.session(topology, &settings)?;
        let cookie = session.map(|session| format!("{}={session}", session::COOKIE));
        let mut headers = vec![("accept-encoding", "gzip")];
        headers.extend(near.iter().map(|near| ("homing-dev-near", near.as_str())));
        headers.extend(cookie.iter().map(|cookie| ("cookie", cookie.as_str())));
        headers.extend(self.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())));
        let (host, path) = target.find('/').map_or((target, "/"), |at| target.split_at(at));
        let url = format!("https://{}{path}", if host.is_empty() { "example.com" } else { host });
        let facts = Facts {
            now: NOW,
            method,
            url: &url,
            headers: Headers(headers),
            content: Content::Empty,
            client: Client::default(),
            entropy: 1,
            node: 1,
        };
        Ok(match admit(&facts, &settings, &mut Clock::new(1)) {
            Err(problem) => Story { steps: Vec::new(), end: Err(problem) },
            Ok(intent) => {
                let memory = Memory::default();
                let view = Rc::new(View::capture(&settings, &memory, NOW));
                let (flow, step) = Flow::start(intent, view, &memory, NOW);
                self.drive(flow, step, topology, down)
            }
        })
    }

    fn drive(&self, mut flow: Flow, mut step: Step, topology: &Topology, down: RegionSet) -> Story {
        let mut steps = Vec::new();
        let stored = self.home.as_ref().map(|home| serde_json::json!({ "home": home, "epoch": 1 }).to_string());
        loop {
            let event = match step {
                Step::Finish(settlement) => return Story { steps, end: Ok(settlement) },
                Step::ProbeCache(_) => {
                    steps.push("look into the edge cache: nothing there".to_owned());
                    Event::Cache(None)
                }
                Step::LookUpHome(subject) => {
                    let said = self.home.as_deref().unwrap_or("nothing");
                    steps.push(format!("look up home:{}: {said}", subject.as_str()));
                    Event::Home(stored.as_deref().map_or(Found::Absent, Found::Value))
                }
                Step::Send(attempt) => {
                    let is_down = down.contains(attempt.region);
                    let said = if is_down { "refuses the connection" } else { "answers 200" };
                    let name = &topology.region(attempt.region).name;
                    let (method, target, time) = (&attempt.method, &attempt.target, millis(attempt.timeout));
                    steps.push(format!("send {method} {target} to {name}, {time} ms at most: {said}"));
                    let answer = Answer { status: 200, headers: Headers(Vec::new()) };
                    Event::Origin(if is_down { Outcome::Refused } else { Outcome::Answered(answer) })
                }
            };
            step = flow.on(event, NOW);
        }
    }

    fn down(&self, topology: &Topology) -> Result<RegionSet, String> {
        self.down.iter().try_fold(RegionSet::EMPTY, |set, name| Ok(set.with(named(topology, name)?)))
    }

    fn settings(&self, topology: &Topology) -> Result<Settings, String> {
        let real = self.session.as_ref().is_some_and(|session| session.starts_with("1."));
        let secret = match std::env::var("SESSION_KEY") {
            Ok(secret) if real => secret,
            _ if real => return Err("a real session needs SESSION_KEY in the environment to be believed".to_owned()),
            _ => "a key for a world that is made up".to_owned(),
        };
        let key = Key::new(&secret)
            .map_err(|short| format!("SESSION_KEY has {} characters, expected 32 or more", short.length))?;
        Ok(Settings {
            topology: topology.clone(),
            session_keys: SessionKeys::new(key, None),
            origin_key: None,
            dev: true,
        })
    }

    /// The session that the request carries. Where a home is given but nobody to have it, somebody is signed in.
    fn session(&self, topology: &Topology, settings: &Settings) -> Result<Option<String>, String> {
        let spec = match &self.session {
            Some(real) if real.starts_with("1.") => return Ok(Some(real.clone())),
            Some(spec) => spec.as_str(),
            None if self.home.is_some() => "user=somebody",
            None => return Ok(None),
        };
        if let Some(home) = &self.home {
            named(topology, home)?;
        }
        let mut session = Session { issued: NOW, expires: NOW.after(LIFETIME), ..Session::default() };
        for claim in spec.split(',').filter(|claim| !claim.is_empty()) {
            let (what, value) = claim.split_once('=').unwrap_or((claim, ""));
            match what {
                "user" => session.subject = Some(SubjectId::of(SubjectKind::User, value)),
                "home" => {
                    named(topology, value)?;
                    session.home = Some((value.to_owned(), crate::routing::ownership::Epoch::FIRST));
                }
                "pin" => {
                    let region = self.home.clone().or_else(|| self.near.clone()).unwrap_or_default();
                    let until = NOW.after(std::time::Duration::from_secs(5));
                    session.add_pin(Pin { dataset: value.to_owned(), region, since: NOW, until }, NOW);
                }
                _ => return Err(format!("the session says {claim:?}, expected user=NAME, home=REGION or pin=DATASET")),
            }
        }
        Ok(Some(session::seal(&session, &settings.session_keys)))
    }
}

/// The region of that name, or what there is instead.
fn named(topology: &Topology, name: &str) -> Result<crate::routing::topology::RegionId, String> {
    topology.region_named(name).ok_or_else(|| {
        let known: Vec<_> = topology.regions().map(|(_, region)| region.name.as_str()).collect();
        format!("there is no region {name:?}; the topology has {}", known.join(", "))
    })
}
