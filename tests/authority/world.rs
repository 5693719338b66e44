//! A world for the authority: it plays the object that drives it, the regions and the directory, and owns the clock. What was sent
//! may be lost, late or done twice.

use std::{collections::BTreeMap, rc::Rc};

use homing_core::testing::{
    control::authority::turn,
    model::time::Timestamp,
    topology::{error::KeyPath, parse::parse, raw, settings::Settings},
};
use serde_json::{Value, json};

use crate::support::{
    self,
    directory::Directory,
    region::{Command, Owned, Region, Written},
};

#[derive(Clone)]
pub struct World {
    pub settings: Rc<Settings>,
    pub ledger: String,
    pub now: u64,
    pub regions: BTreeMap<String, Region>,
    /// Regions that do not answer.
    pub down: Vec<&'static str>,
    /// Regions that do what they are asked, and whose answers are lost.
    pub mute: Vec<&'static str>,
    pub directory: Directory,
    pub directory_is_down: bool,
    /// How long a call takes, in milliseconds.
    pub trip: u64,
    /// What the home store refuses to take, so many times.
    pub failing_puts: u32,
    pub effects: Vec<Value>,
    pub published: BTreeMap<String, String>,
    pub audit: Vec<Value>,
    /// After how many milliseconds the authority wants to be woken.
    pub wake: Option<u64>,
    next_write: u64,
    requests: u64,
}

impl World {
    pub fn new() -> Self {
        let settings = support::settings();
        // Without positions, the subjects' data moves by time.
        let silent = ["cart", "mail", "notes"];
        let region = |name| Region::new(name, &[("catalog", "us"), ("orders", "us")]).silent(&silent);
        Self {
            regions: settings.topology.regions().map(|(_, each)| (each.name.clone(), region(&each.name))).collect(),
            settings,
            ledger: String::new(),
            now: support::NOW.0,
            down: Vec::new(),
            mute: Vec::new(),
            directory: Directory::default(),
            directory_is_down: false,
            trip: 0,
            failing_puts: 0,
            effects: Vec::new(),
            published: BTreeMap::new(),
            audit: Vec::new(),
            wake: None,
            next_write: 0,
            requests: 0,
        }
    }

    /// The same, but `orders` is written only while a lease of ten seconds holds.
    pub fn leased() -> Self {
        let text = include_str!("../support/topology.json").replace(
            r#""home": "us", "position": "counter" }"#,
            r#""home": "us", "position": "counter", "lease": "10s" }"#,
        );
        Self::of(&text)
    }

    /// The same, with another topology.
    pub fn of(text: &str) -> Self {
        let raw = raw::from_json(text).unwrap();
        let topology = parse(&raw, &KeyPath::default().key("vars")).unwrap().0;
        Self { settings: Rc::new(Settings { topology, ..(*support::settings()).clone() }), ..Self::new() }
    }

    /// The same, once edges have asked, so that first homes are noted and published.
    pub fn noted() -> Self {
        let mut world = Self::new();
        world.turn(&json!({ "do": "view" }));
        world.settle();
        world.audit.clear();
        world
    }

    /// The same authority, by the topology of another version.
    pub fn deploy(&mut self, change: impl Fn(String) -> String) {
        self.settings = Self::of(&change(include_str!("../support/topology.json").to_owned())).settings;
    }

    /// The calls that are waiting to be made and whose address has this in it.
    pub fn calls(&self, part: &str) -> Vec<String> {
        let urls = self.effects.iter().filter_map(|effect| effect["url"].as_str());
        urls.filter(|url| url.contains(part)).map(str::to_owned).collect()
    }

    pub fn region(&mut self, name: &str) -> &mut Region {
        self.regions.get_mut(name).unwrap()
    }

    /// One turn of the authority.
    pub fn turn(&mut self, input: &Value) -> Value {
        let text = turn(&self.ledger, &input.to_string(), &self.settings, Timestamp(self.now)).unwrap();
        let outcome: Value = serde_json::from_str(&text).unwrap();
        outcome["ledger"].as_str().unwrap().clone_into(&mut self.ledger);
        for mut effect in outcome["effects"].as_array().unwrap().iter().cloned() {
            // Several changes wait at the same time, and not one behind the other.
            if let Some(millis) = effect["millis"].as_u64() {
                effect["due"] = json!(self.now + millis);
            }
            self.effects.push(effect);
        }
        self.wake = outcome["wake"].as_u64();
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
            "call" => {
                let command = Command::read(&text("method"), &text("url"));
                // That a preflight takes its time, nobody waits for.
                let patience = effect["timeout"].as_u64().unwrap_or(0);
                if self.down.contains(&command.region.as_str()) {
                    self.now += patience;
                    return Some(json!({ "failed": "no answer" }));
                }
                let (status, body) = self.regions.get_mut(&command.region).unwrap().command(&command, self.now);
                if self.mute.contains(&command.region.as_str()) {
                    self.now += patience;
                    return Some(json!({ "failed": "the answer is lost" }));
                }
                self.now += self.trip;
                Some(json!({ "status": status, "body": body }))
            }
            "after" => {
                self.now = self.now.max(effect["due"].as_u64().unwrap());
                Some(json!({}))
            }
            "audit" => {
                self.audit.push(effect["line"].clone());
                None
            }
            "publish" if self.failing_puts > 0 => {
                self.failing_puts -= 1;
                Some(json!({ "failed": "too many requests" }))
            }
            "publish" => {
                self.published.insert(text("key"), text("value"));
                Some(json!({ "status": 200, "body": null }))
            }
            _ if self.directory_is_down => Some(json!({ "failed": "no answer" })),
            other => {
                let body = self.directory.answer(effect).unwrap_or_else(|| panic!("an unknown effect: {other}"));
                Some(json!({ "status": 200, "body": body }))
            }
        }
    }

    /// A client's write at a region by that claim, as the edge sends it. True if it was accepted.
    pub fn write(&mut self, unit: &str, at: &str, claim: &Owned) -> bool {
        if self.down.contains(&at) {
            return false;
        }
        let (now, write) = (self.now, self.next_write);
        self.next_write += 1;
        matches!(self.region(at).write(unit, Some(claim), write, now), Written::Accepted(_))
    }

    /// A region follows another one's log to its end.
    pub fn replicate(&mut self, unit: &str, from: &str, to: &str) {
        let source = self.regions[from].clone();
        self.region(to).follow(unit, &source);
    }

    /// The owner that the region itself knows.
    pub fn owner_at(&self, region: &str, unit: &str) -> Owned {
        self.regions[region].unit(unit).owned
    }
}
