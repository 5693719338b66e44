//! A small world for the core: what `homing explain` and the expectations drive a flow against.

use std::rc::Rc;

use super::drive::{Driver, ENTROPY, MADE_UP_KEY, NODE, assigned, drive, incoming, made_up, stored};
use homing_core::{
    Access, Answer, Choice, Entropy, Epoch, Event, Exclusion, Found, Framing, Headers, Key, Outcome, Probed, Problem,
    RegionId, RegionSet, Settings, Settlement, Step, SubjectId, SubjectKind, Timestamp,
    config::{
        Topology,
        dataset::{Dataset, Rule},
        units,
    },
    millis,
    plan::{
        COOKIE, Claim, Freshness, HomeRecord, Keeper, LIFETIME, Log, Mark, Memory, Observation, Ownership, Pin,
        PositionDemand, Reach, Request, Session, StampClock, UNMEASURED, View, WriteTarget, admit, holds, replica_of,
        seal, standing,
    },
};

/// A moment; the world stands still but for what a step takes.
const NOW: Timestamp = Timestamp(1_767_225_600_000);

/// What there is.
#[derive(Clone, Debug, Default)]
pub(super) struct World {
    /// The request line: method and path.
    pub(super) request: String,
    /// The region nearest to the client.
    pub(super) near: Option<String>,
    /// Where the home store says that the subject lives; it says "absent" otherwise.
    pub(super) home: Option<String>,
    /// Regions that refuse connections.
    pub(super) down: Vec<String>,
    /// How far regions are behind the others: `eu=800ms`.
    pub(super) lag: Vec<String>,
    /// How far regions' replicas are known to be: `eu=42`.
    pub(super) reached: Vec<String>,
    /// The session: `user=ada,home=eu,pin=cart,pin=catalog@42`, or a real one.
    pub(super) session: Option<String>,
    /// More header fields.
    pub(super) headers: Vec<(String, String)>,
}

/// What came of it.
pub(super) struct Story {
    /// The steps, a line each, with what came of them.
    pub(super) steps: Vec<String>,
    /// What the session has seen, and what is known of each replica of it; nothing where that decides nothing.
    pub(super) mark: Vec<String>,
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
        if let Some(near) = &self.near {
            named(topology, near)?;
        }
        let session = self.session(topology, &settings)?;
        let cookie = session.map(|session| format!("{COOKIE}={session}"));
        let mut headers = vec![("accept-encoding", "gzip")];
        headers.extend(cookie.iter().map(|cookie| ("cookie", cookie.as_str())));
        headers.extend(self.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())));
        let (host, path) = target.find('/').map_or((target, "/"), |at| target.split_at(at));
        let url = format!("https://{}{path}", if host.is_empty() { "example.com" } else { host });
        let incoming = incoming(NOW, (method, &url), headers, self.near.as_deref());
        let mut memory = Memory::default();
        // What the isolate remembers depends on what is asked for.
        let mark = match admit(&incoming, &settings, &mut StampClock::new(NODE), &mut Entropy::Fixed(ENTROPY)) {
            Err(_) => Vec::new(),
            Ok(request) => {
                self.teach(&mut memory, &request, topology)?;
                self.standing_of_each(&request, &View::capture(&settings, &memory, NOW))
            }
        };
        let said = self.home.as_deref();
        let stored = said.map(stored);
        let mut told = Narrator { topology, down, said, stored, directory: String::new(), steps: Vec::new() };
        let end = drive(&settings, memory, &incoming, &mut told);
        Ok(Story { steps: told.steps, mark, end })
    }

    /// What the session has seen of what the request reads, and how far each replica is.
    fn standing_of_each(&self, request: &Request, view: &View) -> Vec<String> {
        let topology = view.topology();
        let dataset = request.dataset_in(topology);
        let (Freshness::AtLeast, Some(Dataset { name, position: Some(kind), .. }), Access::Read, Some(marks)) =
            (Freshness::of(request, view), dataset, request.access, request.marks(topology))
        else {
            return Vec::new();
        };
        let owner = |(pin, _): &(&Pin, Mark)| {
            Ownership::among_several(topology, request.dataset?, topology.region_named(&pin.region)?)
        };
        let several = marks.all().iter().find_map(owner);
        let owned = several.or_else(|| match standing(request, view) {
            WriteTarget::Owned(owner, _) => Some(owner.ownership()),
            WriteTarget::Unknown => None,
            WriteTarget::BySubject => {
                let said = || first_home(topology, self.home.as_deref()?).ok();
                request.home_in_session(topology).or_else(said)
            }
        });
        let demand = owned.and_then(|owned| PositionDemand::of(&marks, request, topology, owned.log()));
        let seen = |(pin, mark): &(&Pin, Mark)| {
            let (seen, ago) = (kind.write(mark.position), millis(NOW.since(pin.since)));
            match mark.epoch {
                Epoch::OF_EACH_OWNER if several.is_some() => format!("{name}@{} {seen}; {ago} ms ago", pin.region),
                Epoch(epoch) => format!("{name} {seen} of {}, epoch {epoch}; {ago} ms ago", pin.region),
            }
        };
        let mut lines: Vec<_> = marks.all().iter().map(seen).collect();
        let Some(demand) = demand else { return lines };
        let copies = request.near.iter().filter(|region| holds(request.dataset, view, **region));
        lines.extend(copies.map(|region| standing_of(&demand, request, view, *region)));
        lines
    }

    /// What the isolate would have learned by now.
    fn teach(&self, memory: &mut Memory, request: &Request, topology: &Topology) -> Result<(), String> {
        for lag in &self.lag {
            let (region, span) = pair(lag, "--lag", "eu=800ms")?;
            let region = named(topology, region)?;
            let span =
                units::duration(span).ok_or_else(|| format!("--lag is {lag:?}, expected a value such as eu=800ms"))?;
            let sources = topology.regions().map(|(id, _)| id).filter(|id| *id != region);
            for source in sources {
                // Often enough to count as measured.
                (0..100).for_each(|_| memory.observe(Observation::Lag { region, source, lag: span }, NOW));
            }
        }
        for reached in &self.reached {
            let (region, position) = pair(reached, "--reached", "eu=42")?;
            let region = named(topology, region)?;
            let dataset = request.dataset.and_then(|id| Some((id, topology.dataset(id)?)));
            let Some((id, Dataset { position: Some(kind), rule, .. })) = dataset else {
                return Err("--reached needs a route whose dataset has a `position`".to_owned());
            };
            let (owner, position) = of_one_owner(position, topology)?;
            let position = kind.read(position).ok_or_else(|| {
                format!("--reached is {reached:?}, expected REGION=POSITION, in the format that the dataset's `position` names")
            })?;
            let home = match (rule, &self.home) {
                (Rule::SingleWriter { home }, _) => *home,
                (Rule::GeoPartitioned { .. }, Some(home)) => named(topology, home)?,
                _ => topology.default_home(),
            };
            let log = owner.map_or(Log { home, epoch: Epoch::FIRST }, Log::of_one_owner);
            memory.observe(Observation::Applied(replica_of(id, region, log, topology), position), NOW);
        }
        Ok(())
    }

    fn down(&self, topology: &Topology) -> Result<RegionSet, String> {
        self.down.iter().try_fold(RegionSet::EMPTY, |set, name| Ok(set.with(named(topology, name)?)))
    }

    fn settings(&self, topology: &Topology) -> Result<Settings, String> {
        let real = self.session.as_ref().is_some_and(|session| is_real(session));
        let secret = match std::env::var("SESSION_KEY") {
            Ok(secret) if real => secret,
            _ if real => return Err("a real session needs its key. Set SESSION_KEY in the environment".to_owned()),
            _ => MADE_UP_KEY.to_owned(),
        };
        let key = Key::new(&secret)
            .map_err(|short| format!("SESSION_KEY has {} characters, expected 32 or more", short.length))?;
        Ok(made_up(topology, key))
    }

    /// The session that the request carries. Where a home is given but nobody to have it, somebody is signed in.
    fn session(&self, topology: &Topology, settings: &Settings) -> Result<Option<String>, String> {
        let spec = match &self.session {
            Some(real) if is_real(real) => return Ok(Some(real.clone())),
            Some(spec) => spec.as_str(),
            None if self.home.is_some() => "user=somebody",
            None => return Ok(None),
        };
        if let Some(home) = &self.home {
            named(topology, home)?;
        }
        let mut session = Session { issued: NOW, expires: NOW.after(LIFETIME), ..Session::default() };
        let mut home = None;
        for claim in spec.split(',').filter(|claim| !claim.is_empty()) {
            let (what, value) = claim.split_once('=').unwrap_or((claim, ""));
            match what {
                "user" => session.subjects.sign(SubjectKind::User, Some(SubjectId::of(SubjectKind::User, value))),
                "tenant" => session.subjects.sign(SubjectKind::Tenant, Some(SubjectId::of(SubjectKind::Tenant, value))),
                "home" => home = Some(first_home(topology, value)?),
                "pin" => session.add_pin(self.pin(value, topology)?, topology, NOW),
                _ => {
                    return Err(format!(
                        "the session says {claim:?}, expected user=NAME, tenant=NAME, home=REGION, pin=DATASET, pin=DATASET@POSITION or pin=DATASET@OWNER=POSITION"
                    ));
                }
            }
        }
        for kind in SubjectKind::ALL {
            home.into_iter().for_each(|home| {
                session.subjects.settle(kind, home, topology);
            });
        }
        let Session { subjects, pins, .. } = &mut session;
        for pin in pins {
            let dataset = topology.dataset_named(&pin.dataset).and_then(|id| topology.dataset(id));
            pin.subject = match dataset.map(|dataset| &dataset.rule) {
                Some(Rule::GeoPartitioned { subject, .. }) => subjects.subject(*subject).cloned(),
                _ => None,
            };
        }
        Ok(Some(seal(&session, &settings.session_keys)))
    }

    /// A pin on a dataset that was written just now: `cart`, or `cart@42` where its position was reported, `likes@us=17` of one of several
    /// owners.
    fn pin(&self, text: &str, topology: &Topology) -> Result<Pin, String> {
        let (name, position) = text.split_once('@').map_or((text, None), |(name, position)| (name, Some(position)));
        let dataset = topology.datasets().map(|(_, dataset)| dataset).find(|dataset| dataset.name == name);
        let (owner, position) = match position.map(|position| of_one_owner(position, topology)).transpose()? {
            Some((owner, position)) => (owner, Some(position)),
            None => (None, None),
        };
        let epoch = if owner.is_some() { Epoch::OF_EACH_OWNER } else { Epoch::FIRST };
        let home = match (owner, dataset.map(|dataset| &dataset.rule)) {
            (Some(owner), _) => Some(topology.region(owner).name.clone()),
            (None, Some(Rule::SingleWriter { home })) => Some(topology.region(*home).name.clone()),
            _ => self.home.clone().or_else(|| self.near.clone()),
        };
        let claim = match (position, dataset.and_then(|dataset| dataset.position)) {
            (None, _) => Claim::Until(NOW.after(UNMEASURED)),
            (Some(_), None) => return Err(format!("the session pins {text:?}, but {name:?} has no `position`")),
            (Some(position), Some(kind)) => {
                let read = kind.read(position);
                let position =
                    read.ok_or_else(|| format!("the session pins {text:?}, which is not a position of {name:?}"))?;
                Claim::AtLeast(Mark { epoch, position })
            }
        };
        Ok(Pin { dataset: name.to_owned(), subject: None, region: home.unwrap_or_default(), since: NOW, claim })
    }
}

/// Whose log a position is in, where several owners have one each: `us=17`.
fn of_one_owner<'t>(text: &'t str, topology: &Topology) -> Result<(Option<RegionId>, &'t str), String> {
    match text.split_once('=') {
        Some((owner, position)) => Ok((Some(named(topology, owner)?), position)),
        None => Ok((None, text)),
    }
}

/// How a region's replica stands to what a session has seen.
fn standing_of(demand: &PositionDemand, request: &Request, view: &View, region: RegionId) -> String {
    let name = &view.topology().region(region).name;
    let takes = || {
        let takes = millis(view.takes(region, demand.log.home));
        format!("a write usually takes {takes} ms to arrive")
    };
    let left = demand.due(request, view, region).map(millis);
    match (demand.reach(request, view, region), left) {
        (Reach::Home, _) => format!("{name}: the home, which has it"),
        (Reach::There(Choice::PositionReached), _) => format!("{name}: has it, by its reported position"),
        (Reach::There(_), _) if demand.of_earlier => {
            format!("{name}: should have what the later owner's log kept of it")
        }
        (Reach::There(_), _) => format!("{name}: should have it; {}", takes()),
        (Reach::Soon(wait), _) => {
            format!("{name}: should have it in {} ms, and the route waits that long; {}", millis(wait), takes())
        }
        (Reach::Not(Exclusion::PositionNotReached), Some(left)) => {
            format!("{name}: should not have it for another {left} ms; {}", takes())
        }
        (Reach::Not(Exclusion::PositionNotReached), None) => format!("{name}: has reported no position"),
        (Reach::Not(why), _) => format!("{name}: {}", why.sentence()),
    }
}

/// Whether it is a session as clients carry them, and not what one should say.
fn is_real(session: &str) -> bool {
    session.starts_with("1.") || session.starts_with("2.")
}

/// What the directory says of a subject whose home is that region and was never moved.
fn first_home(topology: &Topology, region: &str) -> Result<Ownership, String> {
    let text = HomeRecord::new(region, Epoch::FIRST.0).text();
    named(topology, region)?;
    let kept = Ownership::kept(&text, Keeper::Directory, topology, topology.all_regions());
    kept.map(|kept| kept.ownership).ok_or_else(|| format!("{region:?} cannot be a home"))
}

/// Driver that tell what they are asked, a line for each step.
struct Narrator<'a> {
    topology: &'a Topology,
    down: RegionSet,
    said: Option<&'a str>,
    stored: Option<String>,
    directory: String,
    steps: Vec<String>,
}

impl Driver for Narrator<'_> {
    fn meet(&mut self, step: &Step) -> Event<'_> {
        match step {
            // The driver ends with these.
            Step::Answer(..) | Step::Finish(_) => Event::GoOn,
            Step::ProbeCache(_) => {
                self.steps.push("look up the edge cache: no stored response".to_owned());
                Event::Cache(Probed::default())
            }
            Step::LookUpHome(look_up) => {
                let said = self.said.unwrap_or("nothing");
                self.steps.push(format!("look up home:{}: {said}", look_up.subject.as_str()));
                Event::Home(self.stored.as_deref().map_or(Found::Absent, Found::Value))
            }
            Step::AssignHome(assignment) => {
                let subject = assignment.subject.as_str();
                let Some(home) = &assignment.proposed else {
                    self.steps.push(format!(
                        "ask the directory for the home of {subject}, without assigning one: it has none"
                    ));
                    return Event::Home(Found::Absent);
                };
                self.steps.push(format!(
                    "ask the directory for the home of {subject}, and assign {home} if it has none: done"
                ));
                self.directory = assigned(home);
                Event::Home(Found::Value(&self.directory))
            }
            Step::Send(attempt) => {
                let is_down = self.down.contains(attempt.region);
                let said = if is_down { "refuses the connection" } else { "answers 200" };
                let name = &self.topology.region(attempt.region).name;
                let (method, target, time) =
                    (&attempt.method, attempt.target.path_and_query(), millis(attempt.timeout));
                self.steps.push(format!("send {method} {target} to {name}, with a timeout of {time} ms: {said}"));
                let answer = Answer { status: 200, headers: Headers(Vec::new()), framing: Framing::Delimited };
                Event::Origin(if is_down { Outcome::Refused } else { Outcome::Answered(answer) })
            }
        }
    }
}

/// What stands before and after the equals sign.
pub(super) fn pair<'a>(text: &'a str, option: &str, example: &str) -> Result<(&'a str, &'a str), String> {
    text.split_once('=').ok_or_else(|| format!("{option} is {text:?}, expected a value such as {example}"))
}

/// The region of that name, or what there is instead.
pub(super) fn named(topology: &Topology, name: &str) -> Result<RegionId, String> {
    topology.region_named(name).ok_or_else(|| {
        let known: Vec<_> = topology.regions().map(|(_, region)| region.name.as_str()).collect();
        format!("there is no region {name:?}. The topology has {}", known.join(", "))
    })
}
