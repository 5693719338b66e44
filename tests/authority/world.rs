//! A world for the authority: it plays the object that drives it, the regions and the directory, and owns the clock. What was sent
//! may be lost, late or done twice.

use std::{
    collections::{BTreeMap, BTreeSet},
    rc::Rc,
};

use homing::routing::{Settings, Timestamp, authority::turn};
use serde_json::{Value, json};

use crate::support;

/// Who owns a unit, as somebody knows it.
pub type Owned = (String, u64);

/// A region that keeps the contract of docs/ownership.md.
#[derive(Clone, Debug, Default)]
pub struct Region {
    pub owned: BTreeMap<String, Owned>,
    /// The last pause of a unit: its number, and when it ends.
    pub pauses: BTreeMap<String, (u64, u64)>,
    /// Accepted writes, in order, by unit: the log that its peers follow.
    pub log: BTreeMap<String, Vec<u64>>,
    /// How many writes of each region's log it has applied, by unit and region.
    pub applied: BTreeMap<(String, String), usize>,
    pub is_down: bool,
    /// Whether it says how far its log is.
    pub positions: bool,
    /// How often it was asked for what.
    pub asked: Vec<String>,
}

impl Region {
    fn pause(&self, unit: &str, now: u64) -> Option<u64> {
        self.pauses.get(unit).filter(|(_, until)| *until > now).map(|(id, _)| *id)
    }
}

#[derive(Clone)]
pub struct World {
    pub settings: Rc<Settings>,
    pub ledger: String,
    pub now: u64,
    pub regions: BTreeMap<String, Region>,
    pub directory: BTreeMap<String, (String, Owned)>,
    pub directory_is_down: bool,
    pub effects: Vec<Value>,
    pub published: BTreeMap<String, String>,
    pub audit: Vec<Value>,
    /// What every region has accepted: unit, epoch, region, write.
    pub accepted: Vec<(String, u64, String, u64)>,
    next_write: u64,
    requests: u64,
}

impl World {
    pub fn new() -> Self {
        let settings = support::settings();
        let owned =
            BTreeMap::from([("catalog".to_owned(), ("us".to_owned(), 1)), ("orders".to_owned(), ("us".to_owned(), 1))]);
        let region = || Region { owned: owned.clone(), positions: true, ..Region::default() };
        Self {
            regions: settings.topology.regions().map(|(_, each)| (each.name.clone(), region())).collect(),
            settings,
            ledger: String::new(),
            now: support::NOW.0,
            directory: BTreeMap::new(),
            directory_is_down: false,
            effects: Vec::new(),
            published: BTreeMap::new(),
            audit: Vec::new(),
            accepted: Vec::new(),
            next_write: 0,
            requests: 0,
        }
    }

    pub fn region(&mut self, name: &str) -> &mut Region {
        self.regions.get_mut(name).unwrap()
    }

    /// One turn of the authority.
    pub fn turn(&mut self, input: &Value) -> Value {
        let text = turn(&self.ledger, &input.to_string(), &self.settings, Timestamp(self.now)).unwrap();
        let outcome: Value = serde_json::from_str(&text).unwrap();
        outcome["ledger"].as_str().unwrap().clone_into(&mut self.ledger);
        self.effects.extend(outcome["effects"].as_array().unwrap().iter().cloned());
        outcome["reply"].clone()
    }

    /// An order, with a request id, an actor and a reason of its own unless it names them.
    pub fn order(&mut self, command: Value) -> (u64, Value) {
        self.requests += 1;
        let mut order = json!({ "request": format!("r{}", self.requests), "actor": "ada", "reason": "a test" });
        for (key, value) in command.as_object().unwrap() {
            order[key] = value.clone();
        }
        let reply = self.turn(&json!({ "do": "order", "order": order.to_string() }));
        (reply["status"].as_u64().unwrap(), reply["body"].clone())
    }

    pub fn show(&mut self) -> Value {
        self.turn(&json!({ "do": "show" }))["body"].clone()
    }

    pub fn change(&mut self, id: &str) -> Value {
        self.turn(&json!({ "do": "change", "id": id }))["body"].clone()
    }

    /// Does one effect and tells what came of it, which may be lost on the way.
    pub fn do_effect(&mut self, at: usize, answer_is_lost: bool) {
        let effect = self.effects.remove(at);
        if let Some(outcome) = self.outcome(&effect)
            && !answer_is_lost
        {
            let mut input = json!({ "do": "heard", "tag": effect["tag"] });
            for (key, value) in outcome.as_object().unwrap() {
                input[key] = value.clone();
            }
            self.turn(&input);
        }
    }

    /// Does everything in order until nothing is left to do.
    pub fn settle(&mut self) {
        for _ in 0..100_000 {
            if !self.effects.is_empty() {
                self.do_effect(0, false);
                continue;
            }
            if !self.is_busy() {
                return;
            }
            self.now += 5_000;
            self.turn(&json!({ "do": "tick" }));
        }
        panic!("it does not come to an end: {}", self.ledger);
    }

    pub fn is_busy(&self) -> bool {
        let ledger: Value = serde_json::from_str(&self.ledger).unwrap();
        let over = |change: &Value| change["phase"] == "done" || change["phase"] == "aborted";
        let changes = ledger["changes"].as_array().unwrap();
        changes.iter().any(|change| !over(change))
            || ledger["sweeps"].as_array().unwrap().iter().any(|sweep| sweep["ended"].is_null())
    }

    fn outcome(&mut self, effect: &Value) -> Option<Value> {
        let text = |key: &str| effect[key].as_str().unwrap_or_default().to_owned();
        match effect["do"].as_str().unwrap() {
            "call" => Some(match self.call(&text("method"), &text("url")) {
                Some((status, body)) => json!({ "status": status, "body": body }),
                None => json!({ "failed": "no answer" }),
            }),
            "after" => {
                self.now += effect["millis"].as_u64().unwrap();
                Some(json!({}))
            }
            "audit" => {
                self.audit.push(effect["line"].clone());
                None
            }
            "publish" => {
                self.published.insert(text("key"), text("value"));
                None
            }
            _ if self.directory_is_down => Some(json!({ "failed": "no answer" })),
            "find" => {
                let found = self.directory.get(&text("subject"));
                Some(
                    json!({ "status": 200, "body": found.map(|(_, (home, epoch))| json!({ "home": home, "epoch": epoch })) }),
                )
            }
            "record" => {
                let later = (text("home"), effect["epoch"].as_u64().unwrap());
                let held = self.directory.entry(text("subject")).or_insert_with(|| (text("kind"), (String::new(), 0)));
                if later.1 > held.1.1 {
                    held.1 = later;
                }
                let (home, epoch) = &held.1;
                Some(json!({ "status": 200, "body": { "home": home, "epoch": epoch } }))
            }
            "count" => {
                let count = self.directory.values().filter(|(_, (home, _))| *home == text("home")).count();
                Some(json!({ "status": 200, "body": count }))
            }
            "list" => {
                let (home, after) = (text("home"), text("after"));
                let page = self.directory.iter().filter(|(id, (_, (lives, _)))| *lives == home && **id > after);
                let page: Vec<_> = page.take(3).map(|(id, (kind, _))| json!({ "subject": id, "kind": kind })).collect();
                Some(json!({ "status": 200, "body": page }))
            }
            other => panic!("an unknown effect: {other}"),
        }
    }

    fn call(&mut self, method: &str, url: &str) -> Option<(u16, Value)> {
        let (host, target) = url.split_once("://").unwrap().1.split_once('/').unwrap();
        let name = if host == "REGION_AP" { "ap" } else { host.split('.').next().unwrap() }.to_owned();
        let now = self.now;
        let region = self.regions.get_mut(&name).unwrap();
        region.asked.push(format!("{method} /{target}"));
        if region.is_down {
            return None;
        }
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let query: BTreeMap<&str, &str> = query.split('&').filter_map(|pair| pair.split_once('=')).collect();
        let q = |key: &str| query.get(key).copied().unwrap_or_default();
        let (unit, epoch) =
            q("unit").split_once('@').map_or((q("unit"), 0), |(unit, epoch)| (unit, epoch.parse().unwrap()));
        let owned = region.owned.get(unit).cloned().unwrap_or_default();
        let not_owner = || Some((409, json!({ "state": "not-owner", "home": owned.0, "epoch": owned.1 })));
        if path == ".well-known/homing" {
            let place = region.log.get("orders").map_or(0, Vec::len);
            return Some((
                200,
                json!({ "region": name, "position": { "orders": place }, "lag_ms": { "us": 10, "eu": 10, "ap": 10 } }),
            ));
        }
        match (method, q("op")) {
            ("GET", _) if !q("reached").is_empty() => {
                let place = region.applied.get(&(q("reached").to_owned(), q("of").to_owned())).copied().unwrap_or(0);
                Some((200, json!({ "reached": place >= q("position").parse().unwrap() })))
            }
            ("GET", _) => Some((200, json!({ "units": [{ "unit": unit, "home": owned.0, "epoch": owned.1 }] }))),
            ("POST", "pause") => {
                // Of a subject it may not have heard.
                if owned.1 < epoch {
                    region.owned.insert(unit.to_owned(), (name.clone(), epoch));
                } else if owned != (name.clone(), epoch) {
                    return not_owner();
                }
                let id: u64 = q("id").parse().unwrap();
                // What is late on its way pauses nobody anew.
                if region.pauses.get(unit).is_some_and(|(last, until)| id < *last || (id == *last && *until <= now)) {
                    return Some((409, json!({ "state": "over" })));
                }
                region.pauses.insert(unit.to_owned(), (id, now + q("for_ms").parse::<u64>().unwrap()));
                let place = region.log.get(unit).map_or(0, Vec::len).to_string();
                let positions =
                    if region.positions && !unit.starts_with('~') { json!({ unit: place }) } else { json!({}) };
                Some((200, json!({ "positions": positions })))
            }
            ("POST", "resume") => {
                let resumed: u64 = q("id").parse().unwrap();
                for (id, until) in region.pauses.values_mut() {
                    *until = if *id == resumed { 0 } else { *until };
                }
                Some((200, json!({})))
            }
            ("POST", "depose") => {
                let to = (q("to").to_owned(), epoch + 1);
                if owned == to {
                    return Some((200, json!({})));
                }
                if owned != (name.clone(), epoch) {
                    return not_owner();
                }
                if region.pause(unit, now) != Some(q("id").parse().unwrap()) {
                    return Some((409, json!({ "state": "not-paused" })));
                }
                region.owned.insert(unit.to_owned(), to);
                // A pause belongs to the ownership that it was asked for.
                region.pauses.entry(unit.to_owned()).and_modify(|(_, until)| *until = 0);
                Some((200, json!({})))
            }
            ("POST", "grant") => {
                if owned.1 >= epoch && owned != (name.clone(), epoch) {
                    return Some((409, json!({ "state": "later", "home": owned.0, "epoch": owned.1 })));
                }
                region.owned.insert(unit.to_owned(), (name.clone(), epoch));
                Some((200, json!({})))
            }
            ("POST", "learn") => {
                if epoch > owned.1 {
                    region.owned.insert(unit.to_owned(), (q("home").to_owned(), epoch));
                }
                Some((200, json!({})))
            }
            other => panic!("an unknown call: {other:?} {url}"),
        }
    }

    /// A client's write at a region by that claim, as the edge sends it. True if it was accepted.
    pub fn write(&mut self, unit: &str, at: &str, claim: &Owned) -> bool {
        let (now, write) = (self.now, self.next_write);
        let region = self.regions.get_mut(at).unwrap();
        let owned = region.owned.get(unit).cloned().unwrap_or_default();
        let owned = if claim.1 > owned.1 { claim.clone() } else { owned };
        if region.is_down {
            return false;
        }
        region.owned.insert(unit.to_owned(), owned.clone());
        if owned.0 != at || claim.1 < owned.1 || region.pause(unit, now).is_some() {
            return false;
        }
        self.next_write += 1;
        region.log.entry(unit.to_owned()).or_default().push(write);
        let length = region.log[unit].len();
        region.applied.insert((unit.to_owned(), at.to_owned()), length);
        self.accepted.push((unit.to_owned(), owned.1, at.to_owned(), write));
        true
    }

    /// A region follows another one's log to its end.
    pub fn replicate(&mut self, unit: &str, from: &str, to: &str) {
        let log = self.regions[from].log.get(unit).cloned().unwrap_or_default();
        let length = log.len();
        let region = self.region(to);
        region.applied.insert((unit.to_owned(), from.to_owned()), length);
        let own = region.log.entry(unit.to_owned()).or_default();
        let known: BTreeSet<u64> = own.iter().copied().collect();
        own.extend(log.into_iter().filter(|write| !known.contains(write)));
    }

    /// The owner that the region itself knows.
    pub fn owner_at(&self, region: &str, unit: &str) -> Owned {
        self.regions[region].owned.get(unit).cloned().unwrap_or_default()
    }
}
