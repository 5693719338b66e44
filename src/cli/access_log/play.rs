//! Playing the lines of an access log through the core, in a world in which every region is healthy.

use std::{collections::HashMap, rc::Rc};

use super::{
    clients::{Clients, Spread, client, hash},
    line::Line,
};
use crate::drive::{Driver, MADE_UP_KEY, assigned, drive, incoming, made_up, stored};
use homing_core::{
    Answer, Event, Found, Framing, Headers, Key, Outcome, Probed, Problem, RegionId, Settings, Settlement, Step,
    SubjectId, SubjectKind, Timestamp,
    config::{Topology, identity::IdentitySource},
    operate::is_gateway_failure,
    plan::{LIFETIME, Memory, Pinned, Session, seal},
};

/// The host of a request whose log names none.
const HOST: &str = "example.com";
/// What a client without cookies sends until it has a session.
const NO_SESSION: &str = "-";

/// Plays lines, one after the other, and remembers what the world would: homes, and the sessions of clients.
pub(super) struct Player<'t> {
    topology: &'t Topology,
    settings: Rc<Settings>,
    clients: Clients,
    /// The homes of subjects, by hashes of their ids.
    pub(super) homes: HashMap<u64, RegionId>,
    /// The home that the last request was given, if it was.
    pub(super) given: Option<(u64, RegionId)>,
    /// How often the store was asked for a home, and how often the directory gave one.
    asked: (u64, u64),
}

impl<'t> Player<'t> {
    pub(super) fn new(topology: &'t Topology, spread: Spread) -> Result<Self, String> {
        let key = Key::new(MADE_UP_KEY).map_err(|short| format!("the made-up key has {} characters", short.length))?;
        let settings = Rc::new(made_up(topology, key));
        let (clients, homes) = (Clients::new(spread), HashMap::new());
        Ok(Self { topology, settings, clients, homes, given: None, asked: (0, 0) })
    }

    /// How often a home was looked up in the store, and how many subjects got one that they did not have.
    pub(super) fn asked(&self) -> (u64, u64) {
        self.asked
    }

    /// Plays the request of the line of that number.
    pub(super) fn play(&mut self, line: &Line, number: u64) -> Result<Box<Settlement>, Problem> {
        let client = client(line, number);
        let now = self.clients.time(line, client);
        let carried = self.clients.session(client, now).map(str::to_owned);
        let session = carried.unwrap_or_else(|| self.introduced(line, now));
        let topology = self.topology;
        let near = self.clients.near(line, number).map(|id| topology.region(id).name.as_str());
        let fields: Vec<_> = fields(line, topology).collect();
        let mut headers = vec![("accept-encoding", "gzip"), ("homing-session", session.as_str())];
        headers.extend(fields.iter().map(|(name, value)| (*name, value.as_str())));
        let url = format!("https://{}{}", line.host.as_deref().unwrap_or(HOST), line.target);
        let incoming = incoming(now, (&line.method, &url), headers, near);
        let mut world = Healthy::new(self.topology, &mut self.homes, line);
        // Each at an isolate of its own: nobody knows how many serve the log, and so the homes are looked up that might be.
        let settlement = drive(&self.settings, Memory::default(), &incoming, &mut world)?;
        let (lookups, assigned) = world.asked;
        self.given = world.given;
        self.asked = (self.asked.0 + lookups, self.asked.1 + assigned);
        self.carry(client, &settlement, now);
        Ok(settlement)
    }

    /// The session of somebody whom the application has named at login, or of nobody.
    fn introduced(&self, line: &Line, now: Timestamp) -> String {
        let at_login = |kind| matches!(self.topology.identity().source(kind), Some(IdentitySource::ResponseHeader(_)));
        let mut session = Session { issued: now, expires: now.after(LIFETIME), ..Session::default() };
        for (kind, name) in [(SubjectKind::User, &line.user), (SubjectKind::Tenant, &line.tenant)] {
            let subject = name.as_ref().filter(|_| at_login(kind)).map(|name| SubjectId::of(kind, name));
            session.subjects.sign(kind, subject);
        }
        if session.subjects.all().next().is_none() {
            return NO_SESSION.to_owned();
        }
        seal(&session, &self.settings.session_keys)
    }

    /// Hands the client the session that the answer carries.
    fn carry(&mut self, client: u64, settlement: &Settlement, now: Timestamp) {
        let sealed = settlement.edits.set_to("homing-session");
        let pinned = settlement.record.pinned.as_ref().map(|pinned| match pinned {
            Pinned::Window(window) => now.after(window.length),
            Pinned::Position(_) => now.after(LIFETIME),
        });
        if let Some(sealed) = sealed {
            self.clients.carry(client, sealed, pinned, now);
        }
    }
}

/// The header fields by which the request itself says whose it is.
fn fields<'t>(line: &Line, topology: &'t Topology) -> impl Iterator<Item = (&'t str, String)> {
    let said = [(SubjectKind::User, &line.user), (SubjectKind::Tenant, &line.tenant)];
    said.into_iter().filter_map(|(kind, value)| match topology.identity().source(kind)? {
        IdentitySource::Header(name) => Some((name.as_str(), value.clone()?)),
        IdentitySource::Cookie(name) => Some(("cookie", format!("{name}={}", value.as_ref()?))),
        IdentitySource::ResponseHeader(_) | IdentitySource::Path(_) | IdentitySource::Host { .. } => None,
    })
}

/// A world in which all is well: regions answer, the home store knows what was assigned, the cache holds nothing.
struct Healthy<'a> {
    topology: &'a Topology,
    homes: &'a mut HashMap<u64, RegionId>,
    /// Where the log says that the subject lived.
    home: Option<RegionId>,
    status: u16,
    said: String,
    /// See [`Player::asked`].
    asked: (u64, u64),
    /// See [`Player::given`].
    given: Option<(u64, RegionId)>,
}

impl<'a> Healthy<'a> {
    fn new(topology: &'a Topology, homes: &'a mut HashMap<u64, RegionId>, line: &Line) -> Self {
        // A failure of then is none of the region's in this world, and without a stored response nobody is told "not modified".
        let is_usable = |status: &u16| *status >= 200 && *status != 304 && !is_gateway_failure(*status);
        let status = line.status.filter(is_usable).unwrap_or(200);
        Self { topology, homes, home: line.home, status, said: String::new(), asked: (0, 0), given: None }
    }
}

impl Driver for Healthy<'_> {
    fn meet(&mut self, step: &Step) -> Event<'_> {
        match step {
            // The driver ends with these.
            Step::Answer(..) | Step::Finish(_) => Event::GoOn,
            Step::ProbeCache(_) => Event::Cache(Probed::default()),
            Step::LookUpHome(look_up) => {
                self.asked.0 += 1;
                let key = hash(look_up.subject.as_str());
                if let Some(home) = self.home {
                    self.homes.insert(key, home);
                }
                let Some(home) = self.homes.get(&key) else { return Event::Home(Found::Absent) };
                self.said = stored(&self.topology.region(*home).name);
                Event::Home(Found::Value(&self.said))
            }
            Step::AssignHome(assignment) => {
                let Some(proposed) = &assignment.proposed else { return Event::Home(Found::Absent) };
                let home = self.topology.region_named(proposed);
                self.asked.1 += 1;
                self.given = home.map(|home| (hash(assignment.subject.as_str()), home));
                self.homes.extend(self.given);
                self.said = assigned(proposed);
                Event::Home(Found::Value(&self.said))
            }
            Step::Send(_) => Event::Origin(Outcome::Answered(Answer {
                status: self.status,
                headers: Headers(Vec::new()),
                framing: Framing::Delimited,
            })),
        }
    }
}
