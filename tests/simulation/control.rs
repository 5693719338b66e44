//! The real authority, driven as `src/operators/authority.mjs` drives it: its ledger is stored before any effect is done, its calls to
//! regions are lost, late or answered too late like anybody's, and what it publishes is read at each edge when it gets there.

use std::collections::BTreeSet;

use homing_core::testing::{
    control::authority::turn,
    model::{
        subject::{SubjectId, SubjectKind},
        time::Timestamp,
    },
    settle::Publish,
    state::published::KEY,
};
use serde_json::{Value, json};

use crate::{
    client::{TENANTS, USERS},
    data::{DATASETS, Owner, REGIONS, Unit},
    edge::EDGES,
    region::{Command, number},
    settings::settings,
    world::{Event, START, World},
};

/// How long a region is waited for, in milliseconds.
const CALL_MS: u64 = 5000;
/// How long a pause waits for writes that are under way at most.
const DRAIN_MS: u64 = 10_000;
/// How often an isolate reads the view, and how soon after the last time where an origin knows more.
const VIEW_MS: u64 = 10_000;
const DOUBTED_MS: u64 = 1000;

/// The authority's object, and the home store that it and the edges write.
#[derive(Debug, Default)]
pub struct Control {
    ledger: String,
    /// When it wants to be woken.
    alarm: Option<u64>,
    orders: u64,
    puts: u64,
    calls: u64,
    /// Calls whose outcome has not been heard.
    open: BTreeSet<u64>,
    /// The change or sweep that was ordered last.
    pub latest: Option<String>,
}

/// A command at a region, and to whom its answer belongs.
#[derive(Debug)]
pub struct Call {
    number: u64,
    command: Command,
    tag: Value,
    /// After that nobody waits for it.
    until: u64,
    /// Since when it waits for writes that are under way.
    waits: Option<u64>,
}

/// A home that the directory is to keep.
#[derive(Clone, Debug)]
pub struct Confirm {
    pub kind: SubjectKind,
    pub subject: String,
    pub value: String,
}

/// What an operator wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// One unit goes to that region.
    Move(Unit, usize),
    /// All of a region's goes to another one.
    Sweep(usize, usize),
    /// The same without a region that is gone: whatever it alone has is lost.
    Force(Unit, usize),
    ForceAll(usize, usize),
    /// The last change is given up.
    Abort,
    /// The same by word: one of the two regions is gone.
    AbortByWord,
    /// A region takes no new work, or no writes, for so many seconds.
    Drain(usize, u64),
    ReadOnly(usize, u64),
    Down(usize, u64),
}

impl Order {
    fn command(self, latest: Option<&str>) -> Option<Value> {
        let promote = |unit: Unit, to: usize| match unit {
            Unit::Whole(dataset) => {
                json!({ "command": "promote", "dataset": DATASETS[dataset].name, "to": REGIONS[to] })
            }
            Unit::User(user) => moving(SubjectKind::User, USERS[user], to),
            Unit::Tenant(tenant) => moving(SubjectKind::Tenant, TENANTS[tenant], to),
        };
        let sweep =
            |from: usize, to: usize| json!({ "command": "promote-region", "region": REGIONS[from], "to": REGIONS[to] });
        let state = |region: usize, state: &str, seconds: u64| json!({ "command": "state", "region": REGIONS[region], "state": state, "for": format!("{seconds}s") });
        let by_word = |mut order: Value| {
            order["accept_loss"] = json!(true);
            order
        };
        let abort = || latest.map(|change| json!({ "command": "abort", "change": change }));
        Some(match self {
            Self::Move(unit, to) => promote(unit, to),
            Self::Sweep(from, to) => sweep(from, to),
            Self::Force(unit, to) => by_word(promote(unit, to)),
            Self::ForceAll(from, to) => by_word(sweep(from, to)),
            Self::Abort => abort()?,
            Self::AbortByWord => by_word(abort()?),
            Self::Drain(region, seconds) => state(region, "draining", seconds),
            Self::ReadOnly(region, seconds) => by_word(state(region, "read-only", seconds)),
            Self::Down(region, seconds) => by_word(state(region, "down", seconds)),
        })
    }
}

fn moving(kind: SubjectKind, name: &str, to: usize) -> Value {
    json!({ "command": "move", "kind": kind.token(), "subject": SubjectId::of(kind, name).as_str(), "to": REGIONS[to] })
}

impl World {
    /// An operator gives an order; now and then twice, because no answer came.
    pub fn order(&mut self, order: Order) {
        let Some(mut command) = order.command(self.control.latest.as_deref()) else { return };
        self.control.orders += 1;
        command["request"] = json!(format!("r{}", self.control.orders));
        command["actor"] = json!("operator");
        command["reason"] = json!("the simulation");
        let times = if self.random.chance(100) { 2 } else { 1 };
        for _ in 0..times {
            let reply = self.turn(&json!({ "do": "order", "order": command.to_string() }));
            let body = &reply["body"];
            let name = body["change"]["id"].as_str().or(body["sweep"]["id"].as_str());
            if let Some(name) = name.filter(|_| reply["status"] == 202) {
                self.control.latest = Some(name.to_owned());
            }
            self.tell(|_| format!("{order:?}: {reply}"));
        }
    }

    /// One turn of the authority.
    pub fn turn(&mut self, input: &Value) -> Value {
        let text = turn(&self.control.ledger, &input.to_string(), &settings(), Timestamp(START + self.now)).unwrap();
        let mut outcome: Value = serde_json::from_str(&text).unwrap();
        outcome["ledger"].as_str().unwrap().clone_into(&mut self.control.ledger);
        let alarm = outcome["wake"].as_u64().map(|wake| self.now + wake);
        if let Some(at) = alarm.filter(|at| self.control.alarm.is_none_or(|alarm| alarm > *at)) {
            self.control.alarm = Some(at);
            self.after(at - self.now, Event::Alarm(at));
        }
        for effect in outcome["effects"].as_array().unwrap() {
            self.effect(effect);
        }
        outcome["reply"].take()
    }

    pub fn alarm(&mut self, at: u64) {
        if self.control.alarm == Some(at) {
            self.control.alarm = None;
            self.turn(&json!({ "do": "tick" }));
        }
    }

    fn effect(&mut self, effect: &Value) {
        let text = |key: &str| effect[key].as_str().unwrap_or_default();
        let tag = effect["tag"].clone();
        match text("do") {
            "audit" => self.audit(&effect["line"]),
            "call" => {
                let command = Command::read(text("method"), text("url"));
                self.control.calls += 1;
                let number = self.control.calls;
                self.control.open.insert(number);
                self.call(Call { number, command, tag, until: self.now + CALL_MS, waits: None });
            }
            "after" => {
                let millis = effect["millis"].as_u64().unwrap();
                self.after(millis, Event::Heard(0, heard(&tag, json!({}))));
            }
            "publish" => {
                let fails = !self.calm && (self.network.no_store || self.random.chance(20));
                if !fails {
                    self.put(text("key"), text("value"));
                }
                let said = if fails { json!({ "failed": "no answer" }) } else { json!({ "status": 200 }) };
                self.after(20, Event::Heard(0, heard(&tag, said)));
            }
            _ => {
                let fails = !self.calm && (self.network.no_store || self.random.chance(20));
                let now = self.now;
                let said = (!fails).then(|| self.directory.answer(effect, now).unwrap());
                if text("do") == "record" && !fails {
                    self.recorded(effect);
                }
                let outcome = said
                    .map_or_else(|| json!({ "failed": "no answer" }), |body| json!({ "status": 200, "body": body }));
                let millis = self.random.within(5, 100);
                self.after(millis, Event::Heard(0, heard(&tag, outcome)));
            }
        }
    }

    /// The directory has a later home by the authority's word: of somebody who had none it is the first.
    fn recorded(&mut self, effect: &Value) {
        self.count("homes that were recorded");
        let text = |key: &str| effect[key].as_str().unwrap();
        let owner = Owner { home: number(text("home")), epoch: effect["epoch"].as_u64().unwrap() };
        if let Some(unit) = Unit::named(&format!("~{}", text("subject"))) {
            self.data.owned(unit, owner);
        }
    }

    /// What comes of a change is told once it is over.
    fn audit(&mut self, line: &Value) {
        self.tell(|_| format!("audit {line}"));
        let Some(phase) = line["phase"].as_str() else { return };
        let is_sweep = self.is_part_of_sweep(line["change"].as_str().unwrap_or_default());
        if let Some(paused) = line["paused_ms"].as_u64() {
            self.count_up("milliseconds that writers were paused", paused);
        }
        self.count(match phase {
            "done" if is_sweep => "moves of a sweep",
            "done" if line["unit"].as_str().unwrap_or_default().starts_with('~') => "planned moves of subjects",
            "done" => "promotions",
            _ => "changes that were given up",
        });
    }

    fn is_part_of_sweep(&self, id: &str) -> bool {
        let ledger: Value = serde_json::from_str(&self.control.ledger).unwrap();
        let of = ledger["changes"].as_array().unwrap().iter().find(|change| change["id"] == id);
        of.is_some_and(|change| change["sweep"] != "")
    }

    /// A call sets out to its region; some are lost, some are late.
    fn call(&mut self, call: Call) {
        let deaf = self.network.deaf[call.command.region];
        let failed = heard(&call.tag, json!({ "failed": "no answer" }));
        self.after(call.until - self.now, Event::Heard(call.number, failed));
        if deaf || (!self.calm && self.random.chance(5 + self.network.lossy / 2)) {
            return self.count("calls of the authority that were lost");
        }
        let hop = self.network.hop(false, &mut self.random);
        self.after(hop, Event::Call(call));
    }

    /// A command is at its region.
    pub fn called(&mut self, mut call: Call) {
        let region = call.command.region;
        if self.network.dead[region] {
            if self.random.chance(500) {
                self.after(5, Event::Heard(call.number, heard(&call.tag, json!({ "failed": "refused" }))));
            }
            return;
        }
        if call.until < self.now {
            self.count("commands that came when nobody waited for them");
        }
        if call.command.op() == "grant" {
            self.grants(&call.command);
        }
        let answer = self.data.command(&call.command, self.habits.by_data, self.now);
        self.replicate();
        let (status, body) = match answer {
            Some(answer) => answer,
            // Writes are under way, which are waited for.
            None if self.now - *call.waits.get_or_insert(self.now) < DRAIN_MS => {
                return self.after(5, Event::Call(call));
            }
            None => (503, json!({ "state": "busy" })),
        };
        self.tell(|_| format!("{} was asked {:?}: {status} {body}", REGIONS[region], call.command));
        if !self.calm && self.random.chance(5 + self.network.lossy / 2) {
            return self.count("answers to the authority that were lost");
        }
        let hop = self.network.hop(false, &mut self.random);
        if self.now + hop >= call.until {
            return self.count("answers to the authority that were too late");
        }
        self.after(hop, Event::Heard(call.number, heard(&call.tag, json!({ "status": status, "body": body }))));
    }

    /// Somebody else becomes the owner: whether by force is the authority's to say.
    fn grants(&mut self, command: &Command) {
        let Some((unit, epoch)) = command.unit() else { return };
        let ledger: Value = serde_json::from_str(&self.control.ledger).unwrap();
        let name = unit.name().as_str();
        let forced = ledger["changes"].as_array().unwrap().iter().any(|change| {
            change["unit"] == name && change["forced"] == true && change["epoch"].as_u64() == Some(epoch - 1)
        });
        if forced {
            self.data.give_up(unit, epoch);
            self.count("grants by force");
        }
    }

    /// An outcome gets back; of a call that was given up meanwhile nothing is heard.
    pub fn heard(&mut self, call: u64, input: &Value) {
        if call == 0 || self.control.open.remove(&call) {
            self.turn(input);
        }
    }

    /// Writes into the home store, which each edge reads sooner or later.
    pub fn put(&mut self, key: &str, value: &str) {
        self.control.puts += 1;
        let put = self.control.puts;
        for edge in 0..EDGES {
            let late = match self.random.below(10) {
                0..=4 => self.random.below(200),
                5..=8 => self.random.below(15_000),
                _ => self.random.below(60_000),
            };
            self.after(late, Event::Publish(edge, key.to_owned(), put, value.to_owned()));
        }
    }

    /// An origin has said yes to whom only a client had named: the directory keeps that home, and the home store hears of it. It is
    /// tried three times.
    pub fn confirm(&mut self, confirm: &Confirm, tries: usize) {
        if !self.calm && (self.network.no_store || self.random.chance(20)) {
            self.count("homes that were not confirmed at once");
            if let Some(later) = [1000, 5000].get(tries) {
                self.after(*later, Event::Confirm(confirm.clone(), tries + 1));
            }
            return;
        }
        self.count("tentative homes that were confirmed");
        let said: Value = serde_json::from_str(&confirm.value).unwrap();
        let owner = Owner { home: number(said["home"].as_str().unwrap()), epoch: said["epoch"].as_u64().unwrap() };
        let kept = self.directory.confirm(&confirm.subject, confirm.kind.token(), owner, self.now);
        let value = json!({ "home": REGIONS[kept.home], "epoch": kept.epoch }).to_string();
        self.put(&format!("home:{}", confirm.subject), &value);
    }

    /// The directory hears whom an origin has named as the owner; nobody waits for that.
    pub fn tell_directory(&mut self, kind: &str, publish: &Publish) {
        if self.calm || !(self.network.no_store || self.random.chance(20)) {
            let said: Value = serde_json::from_str(&publish.value).unwrap();
            let owner = Owner { home: number(said["home"].as_str().unwrap()), epoch: said["epoch"].as_u64().unwrap() };
            self.directory.confirm(publish.subject.as_str(), kind, owner, self.now);
            self.count("owners of whom the directory was told");
        }
    }

    /// It can be read at that edge; what was put earlier and comes later cannot.
    pub fn published(&mut self, edge: usize, key: String, put: u64, value: String) {
        let stored = &mut self.edges[edge].stored;
        if stored.get(&key).is_none_or(|(earlier, _)| *earlier < put) {
            stored.insert(key, (put, value));
        }
    }

    /// Reads the view anew behind a request, if that was not done lately.
    pub fn refresh(&mut self, edge: usize, isolate: usize) {
        let now = self.now;
        let view = &mut self.edges[edge].views[isolate];
        if now < view.due {
            return;
        }
        (view.read, view.due) = (now, now + VIEW_MS);
        let fails = !self.calm && self.network.no_store;
        let text = self.edges[edge].stored.get(KEY).map(|(_, text)| text.clone());
        if let Some(text) = text.filter(|_| !fails) {
            let late = self.random.within(1, 30);
            self.after(late, Event::View(edge, isolate, text));
        }
    }

    pub fn view(&mut self, edge: usize, isolate: usize, text: &str) {
        let taken = self.edges[edge].isolates[isolate].observe_view(text, self.clock(edge));
        assert!(taken.is_readable, "{text}");
    }

    /// An origin knows more than this isolate.
    pub fn doubt(&mut self, edge: usize, isolate: usize) {
        let view = &mut self.edges[edge].views[isolate];
        view.due = view.due.min(view.read + DOUBTED_MS);
    }

    /// Whether the authority has nothing under way any more.
    pub fn is_settled(&self) -> bool {
        if self.control.ledger.is_empty() {
            return true;
        }
        let ledger: Value = serde_json::from_str(&self.control.ledger).unwrap();
        let is_over = |change: &Value| change["phase"] == "done" || change["phase"] == "aborted";
        ledger["changes"].as_array().unwrap().iter().all(is_over)
            && ledger["sweeps"].as_array().unwrap().iter().all(|sweep| !sweep["ended"].is_null())
            && ledger["untold"].as_array().unwrap().is_empty()
            && ledger["stored"] == ledger["version"]
    }
}

fn heard(tag: &Value, outcome: Value) -> Value {
    let mut input = outcome;
    input["do"] = json!("heard");
    input["tag"] = tag.clone();
    input
}
