//! The router: the real core, driven by the protocol of calls of [`Router`], as the edge drives it. Nothing is decided here.
//!
//! Left out for every strategy: the edge cache. Left out for the router: drills, promotions and moves.

use std::{collections::HashMap, rc::Rc};

use homing_core::{
    Answer as Heard, Attempt, Client, Content, Edit, Entropy, Event, FlowId, Found, Framing, Headers, IncomingRequest,
    Location, Logging, Outcome, Probed, Router, Secrets, Settings, Settlement, Step, Timestamp, Turn, config::secrets,
    plan::HomeRecord,
};
use serde_json::json;

use crate::{
    MILLI, MINUTE, SECOND,
    chance::Dice,
    data::{Data, Seen},
    earth::{CITIES, PLACES, REGIONS, US},
    probers::Probers,
    strategy::{Answer, Asked, Back, Job, Next, Send, Strategy},
    trace::{Trace, user_of},
    trouble::Trouble,
};

/// Midnight UTC of the simulated day.
const MIDNIGHT: u64 = 1_767_225_600_000;
/// Isolates that serve a city.
const ISOLATES: usize = 2;
/// An isolate reads the view and the probers' reports again after this (`src/core/topology/pace.rs`, `VIEW`).
const READS_AGAIN: u64 = 30 * SECOND;
/// What reading the home store takes where the value is cached, estimated.
const STORE_TAKES: u64 = 10 * MILLI;
/// When everybody has signed in: some time before midnight, for the day begins with sessions and without pins.
const SIGN_IN: u64 = MIDNIGHT - 60 * MINUTE / MILLI;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Origins report no position: after a write, a session reads at home for a time.
    Windows,
    /// Origins report positions.
    Positions,
}

struct Isolate {
    router: Router,
    read: Option<u64>,
}

/// A request at its edge.
struct Flow {
    isolate: usize,
    id: FlowId,
    /// Where it was sent last.
    region: usize,
}

pub struct Homing {
    kind: Kind,
    settings: Rc<Settings>,
    seed: u64,
    /// By city, [`ISOLATES`] of each.
    isolates: Vec<Isolate>,
    probers: Probers,
    /// Where each user lives.
    homes: Vec<usize>,
    /// The cookie of each client.
    cookies: Vec<String>,
    flows: HashMap<u32, Flow>,
}

/// What somebody who has such an application writes into `wrangler.toml`.
fn topology(kind: Kind) -> String {
    let region = |at: usize| {
        let (_, lat, lon) = PLACES[at];
        let origin = format!("https://{}.example.com", REGIONS[at]);
        (REGIONS[at].to_owned(), json!({ "origin": origin, "location": { "lat": lat, "lon": lon } }))
    };
    let mut regions: serde_json::Map<_, _> = (0..3).map(region).collect();
    regions["us"]["default_home"] = json!(true);
    let mut catalog = json!({ "ownership": "single-writer", "home": "us" });
    let mut cart = json!({ "ownership": "geo-partitioned", "subject": "user", "regions": REGIONS });
    if kind == Kind::Positions {
        catalog["position"] = json!("counter");
        cart["position"] = json!("counter");
    }
    let route = |path: &str, dataset: &str| {
        json!({
            "match": path, "dataset": dataset, "read_after_write": "session", "on_home_down": "stale",
            "cache": false, "deadline": "2s",
        })
    };
    json!({
        "REGIONS": regions,
        "DATASETS": { "catalog": catalog, "cart": cart },
        "ROUTES": [
            { "match": "/login", "access": "read", "cache": false },
            route("/catalog/*", "catalog"),
            route("/cart/*", "cart"),
        ],
        "IDENTITY": { "user": { "response_header": "Homing-Subject" } },
    })
    .to_string()
}

fn settings(kind: Kind) -> Settings {
    let key = "the key that the planet's sessions are signed with";
    let secrets = Secrets { session_key: key, session_key_old: "", origin_key: "" };
    secrets::read(&topology(kind), &secrets, "", || None).unwrap()
}

fn timestamp(now: u64) -> Timestamp {
    Timestamp(MIDNIGHT + now / MILLI)
}

impl Homing {
    /// Everybody has signed in; nobody has written anything.
    #[must_use]
    pub fn new(kind: Kind, trace: &Trace) -> Self {
        let settings = Rc::new(settings(kind));
        let isolate = |number: usize| {
            let node = u32::try_from(number).unwrap();
            let entropy = Entropy::of([trace.seed, node.into()]);
            let router = Router::new(Rc::clone(&settings), Logging::Off, node, entropy);
            let view = json!({ "version": 1, "datasets": { "catalog": { "home": "us", "epoch": 1 } } });
            assert!(router.observe_view(&view.to_string(), Timestamp(SIGN_IN)).is_whole);
            Isolate { router, read: None }
        };
        let isolates = (0..CITIES.len() * ISOLATES).map(isolate).collect();
        let mut all = Self {
            kind,
            seed: trace.seed,
            isolates,
            probers: Probers::new(Rc::clone(&settings)),
            settings,
            homes: Vec::new(),
            cookies: Vec::new(),
            flows: HashMap::new(),
        };
        for (client, city) in (0..).zip(&trace.clients) {
            all.sign_in(client, *city);
        }
        all
    }

    /// The application names the user, and the directory gives them a home: the region nearest to where they sign in.
    fn sign_in(&mut self, client: u32, city: usize) {
        let isolate = city * ISOLATES;
        let user = name(client);
        let mut home = None;
        let fields = [("cf-connecting-ip".to_owned(), address(client))];
        let mut turn = self.begin(isolate, city, "POST", "/login", &fields, Timestamp(SIGN_IN));
        let settlement = loop {
            let record;
            let event = match turn.step {
                Step::Finish(settlement) => break settlement,
                Step::Answer(..) => Event::GoOn,
                Step::ProbeCache(_) => Event::Cache(Probed::default()),
                Step::LookUpHome(_) => Event::Home(Found::Absent),
                Step::AssignHome(assignment) => {
                    let proposed = assignment.proposed.unwrap();
                    home = REGIONS.iter().position(|region| **region == proposed);
                    record = HomeRecord::new(proposed, 1).text();
                    Event::Home(Found::Value(&record))
                }
                Step::Send(_) => {
                    let headers = Headers(vec![("homing-subject", user.as_str())]);
                    Event::Origin(Outcome::Answered(Heard { status: 200, headers, framing: Framing::Delimited }))
                }
            };
            turn = self.isolates[isolate].router.resume(turn.id, event, Timestamp(SIGN_IN)).unwrap();
        };
        assert_eq!(settlement.status, 200);
        self.homes.push(home.unwrap());
        self.cookies.push(cookie_of(&settlement).unwrap());
    }

    fn begin(
        &self,
        isolate: usize,
        city: usize,
        method: &str,
        path: &str,
        fields: &[(String, String)],
        now: Timestamp,
    ) -> Turn {
        let place = &CITIES[city];
        let headers = Headers(fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect());
        let incoming = IncomingRequest {
            now,
            method,
            url: &format!("https://shop.example.com{path}"),
            headers,
            content: if method == "GET" { Content::Empty } else { Content::Length(64) },
            client: Client { location: Location::new(place.lat, place.lon), continent: None, beside: None },
        };
        self.isolates[isolate].router.begin(&incoming).unwrap()
    }

    /// Does what the core says until something takes time.
    fn advance(&mut self, asked: &Asked, isolate: usize, mut turn: Turn) -> Next {
        loop {
            let id = turn.id;
            let event = match turn.step {
                Step::Finish(settlement) => return Next::Answer(self.settle(asked, &settlement)),
                Step::Answer(..) => Event::GoOn,
                Step::ProbeCache(_) => Event::Cache(Probed::default()),
                Step::LookUpHome(_) | Step::AssignHome(_) => {
                    self.flows.insert(asked.client, Flow { isolate, id, region: US });
                    return Next::Wait(STORE_TAKES + 1000 * CITIES[asked.city].to[US]);
                }
                Step::Send(attempt) => {
                    let send = self.send(asked, &attempt);
                    self.flows.insert(asked.client, Flow { isolate, id, region: send.region });
                    return Next::Send(send);
                }
            };
            turn = self.isolates[isolate].router.resume(id, event, timestamp(asked.now)).unwrap();
        }
    }

    fn send(&self, asked: &Asked, attempt: &Attempt) -> Send {
        let region = &self.settings.topology.region(attempt.region).name;
        let region = REGIONS.iter().position(|name| name == region).unwrap();
        let told = attempt.own.set_to("homing-min-position");
        let told = told.and_then(|value| value.rsplit_once('=')?.1.parse().ok());
        let [delay, timeout] = [attempt.delay, attempt.timeout].map(|time| u64::try_from(time.as_micros()).unwrap());
        let job = Job::Serve { log: self.log(asked.key), least: told.unwrap_or(0), patience: 0, forward: None };
        Send { region, delay, timeout, connect: timeout, job }
    }

    fn settle(&mut self, asked: &Asked, settlement: &Settlement) -> Answer {
        if let Some(cookie) = cookie_of(settlement) {
            self.cookies[asked.client as usize] = cookie;
        }
        let says_stale = settlement.edits.set_to("homing-consistency").is_some();
        // What it shows is put in where the origin's answer came.
        Answer { seen: (settlement.status == 200).then(Seen::default), says_stale }
    }

    /// What an origin says of itself (`docs/contract.md`).
    fn said(&self, asked: &Asked, region: usize, seen: &Seen, data: &mut Data) -> Vec<(&'static str, String)> {
        let log = self.log(asked.key);
        let mut fields = vec![("cache-control", "no-store".to_owned())];
        let others = (0..3).filter(|source| *source != region);
        let lags: Vec<_> = others
            .filter_map(|source| {
                let lag = data.lag(source, region, asked.now)?;
                Some(format!("{}={}", REGIONS[source], lag / MILLI))
            })
            .collect();
        fields.extend((!lags.is_empty()).then(|| ("homing-lag", lags.join(", "))));
        if self.kind == Kind::Positions {
            let dataset = dataset(asked.key);
            let Seen { position, shows, .. } = seen;
            let least = if asked.write { String::new() } else { format!("; least={position}") };
            fields.push(("homing-position", format!("{dataset}={position}{least}; shows={shows}")));
            fields.push(("homing-home", REGIONS[log].to_owned()));
            fields.push(("homing-epoch", "1".to_owned()));
        }
        fields
    }

    /// Reads the probers' reports again, behind the request.
    fn look_around(&mut self, asked: &Asked, isolate: usize) {
        let read = self.isolates[isolate].read;
        if read.is_none_or(|read| read + READS_AGAIN <= asked.now) {
            self.isolates[isolate].read = Some(asked.now);
            for report in self.probers.reports(asked.city, asked.now) {
                self.isolates[isolate].router.observe_probes(&report, timestamp(asked.now));
            }
        }
    }
}

fn dataset(key: u32) -> &'static str {
    if user_of(key).is_some() { "cart" } else { "catalog" }
}

fn name(client: u32) -> String {
    format!("user-{client}")
}

fn address(client: u32) -> String {
    let [_, one, two, three] = client.to_be_bytes();
    format!("10.{one}.{two}.{three}")
}

/// The session that an answer brings.
fn cookie_of(settlement: &Settlement) -> Option<String> {
    settlement.edits.iter().find_map(|edit| match edit {
        Edit::Add("set-cookie", line) => {
            Some(line.split(';').next()?.to_owned()).filter(|pair| pair.starts_with("__Host-homing="))
        }
        _ => None,
    })
}

impl Strategy for Homing {
    fn log(&self, key: u32) -> usize {
        user_of(key).map_or(US, |user| self.homes[user as usize])
    }

    fn arrive(&mut self, asked: &Asked, _data: &mut Data) -> Next {
        let mut dice = Dice::new(self.seed, &[7, asked.step]);
        let isolate = asked.city * ISOLATES + dice.below(ISOLATES);
        let cookie = format!("login={}; {}", name(asked.client), self.cookies[asked.client as usize]);
        let fields = [("cf-connecting-ip".to_owned(), address(asked.client)), ("cookie".to_owned(), cookie)];
        let path = format!("/{}/{}", dataset(asked.key), asked.key);
        let method = if asked.write { "PUT" } else { "GET" };
        let turn = self.begin(isolate, asked.city, method, &path, &fields, timestamp(asked.now));
        self.look_around(asked, isolate);
        self.advance(asked, isolate, turn)
    }

    fn back(&mut self, asked: &Asked, back: Back, data: &mut Data) -> Next {
        let Flow { isolate, id, region } = self.flows.remove(&asked.client).unwrap();
        let now = timestamp(asked.now);
        let (seen, status, behind) = match back {
            Back::Served(seen) => (seen, 200, false),
            Back::Behind(seen) => (seen, 503, true),
            Back::Waited => {
                // Everybody's home is in the session; whoever asks all the same is told.
                let user = user_of(asked.key).unwrap();
                let record = HomeRecord::new(REGIONS[self.homes[user as usize]], 1).text();
                let event = Event::Home(Found::Value(&record));
                let turn = self.isolates[isolate].router.resume(id, event, now).unwrap();
                return self.advance(asked, isolate, turn);
            }
            _ => {
                let event = Event::Origin(Outcome::TimedOut);
                let turn = self.isolates[isolate].router.resume(id, event, now).unwrap();
                return self.advance(asked, isolate, turn);
            }
        };
        let mut said = self.said(asked, region, &seen, data);
        said.extend(behind.then(|| ("homing-behind", "1".to_owned())));
        let headers = Headers(said.iter().map(|(name, value)| (*name, value.as_str())).collect());
        let event = Event::Origin(Outcome::Answered(Heard { status, headers, framing: Framing::Delimited }));
        let turn = self.isolates[isolate].router.resume(id, event, now).unwrap();
        match self.advance(asked, isolate, turn) {
            Next::Answer(Answer { seen: Some(_), says_stale }) => Next::Answer(Answer { seen: Some(seen), says_stale }),
            other => other,
        }
    }

    fn done(&mut self, asked: &Asked, _answer: &Answer) {
        if let Some(Flow { isolate, id, .. }) = self.flows.remove(&asked.client) {
            self.isolates[isolate].router.abandon(id, timestamp(asked.now));
        }
    }

    fn tick(&mut self, now: u64, trouble: Trouble, data: &mut Data) {
        self.probers.round(now, timestamp(now), self.kind, trouble, data);
    }
}
