//! What a search is about: which regions and units there are, what operators order, and how many writes there are.

use std::rc::Rc;

use homing_core::testing::{
    model::subject::{SubjectId, SubjectKind},
    topology::{error::KeyPath, parse::parse, raw, settings::Settings},
};
use serde_json::{Value, json};

use crate::{bugs::Bug, support};

/// What has one owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Unit {
    /// A single-writer dataset, at home in `us`.
    Dataset(&'static str),
    /// A tenant, who has no home yet.
    Tenant(&'static str),
    /// A user, who has none either, and whom a session names.
    User(&'static str),
}

impl Unit {
    pub fn id(self) -> SubjectId {
        match self {
            Self::Dataset(_) => panic!("a dataset has no subject"),
            Self::Tenant(name) => SubjectId::of(SubjectKind::Tenant, name),
            Self::User(name) => SubjectId::of(SubjectKind::User, name),
        }
    }

    /// By which kind its dataset is split.
    pub fn kind(self) -> &'static str {
        match self {
            Self::Dataset(_) => panic!("a dataset has no subject"),
            Self::Tenant(_) => "tenant",
            Self::User(_) => "user",
        }
    }

    /// Its name between the authority and regions.
    pub fn name(self) -> String {
        match self {
            Self::Dataset(name) => name.to_owned(),
            Self::Tenant(_) | Self::User(_) => format!("~{}", self.id().as_str()),
        }
    }

    /// Where clients write it.
    pub fn path(self) -> String {
        match self {
            Self::Dataset(name) => format!("/{name}/1"),
            Self::Tenant(name) => format!("/t/{name}/notes/1"),
            Self::User(_) => "/cart/1".to_owned(),
        }
    }
}

/// A search.
#[derive(Clone, Debug)]
pub struct Scope {
    pub name: &'static str,
    pub regions: &'static [&'static str],
    pub units: Vec<Unit>,
    /// Orders that operators give, each of them at any moment.
    pub orders: Vec<Value>,
    /// How often the same order may come.
    pub repeats: u8,
    /// How many writes are accepted.
    pub writes: u8,
    /// What must have happened for its promises to have been tried.
    pub sometimes: &'static [&'static str],
    /// Whether operators may give up what a region alone has, outside of `orders`.
    pub gives_up: bool,
    /// How much more than elsewhere a state costs.
    pub weight: usize,
    /// Whether there are clients that mean harm.
    pub hostile: bool,
    pub bug: Option<Bug>,
}

impl Scope {
    pub fn new(name: &'static str, regions: &'static [&'static str], units: &[Unit]) -> Self {
        Self {
            name,
            regions,
            units: units.to_vec(),
            orders: Vec::new(),
            repeats: 1,
            writes: 2,
            sometimes: &[],
            gives_up: false,
            weight: 1,
            hostile: false,
            bug: None,
        }
    }

    pub fn order(mut self, order: Value) -> Self {
        self.orders.push(numbered(order, &format!("r{}", self.orders.len() + 1)));
        self
    }

    pub fn repeats(self, repeats: u8) -> Self {
        Self { repeats, ..self }
    }

    pub fn writes(self, writes: u8) -> Self {
        Self { writes, ..self }
    }

    pub fn sees(self, sometimes: &'static [&'static str]) -> Self {
        Self { sometimes, ..self }
    }

    pub fn weighs(self, weight: usize) -> Self {
        Self { weight, ..self }
    }

    pub fn hostile(self) -> Self {
        Self { hostile: true, ..self }
    }

    pub fn with(self, bug: Bug) -> Self {
        Self { bug: Some(bug), ..self }
    }

    /// Whether somebody orders that what is lost be lost.
    pub fn may_lose(&self) -> bool {
        self.gives_up || self.orders.iter().any(|order| order["accept_loss"] == true)
    }

    pub fn settings(&self) -> Rc<Settings> {
        let region = |name: &&str| ((*name).to_owned(), json!({ "origin": format!("https://{name}.example.com") }));
        let regions: serde_json::Map<_, _> = self.regions.iter().map(region).collect();
        let (mut datasets, mut routes) = (serde_json::Map::new(), Vec::new());
        for unit in &self.units {
            let (name, rule, path) = match unit {
                Unit::Dataset(name) => {
                    (*name, json!({ "ownership": "single-writer", "home": "us" }), format!("/{name}/*"))
                }
                Unit::Tenant(_) => (
                    "notes",
                    json!({ "ownership": "geo-partitioned", "subject": "tenant", "regions": self.regions }),
                    "/t/{tenant}/notes/*".to_owned(),
                ),
                Unit::User(_) => (
                    "cart",
                    json!({ "ownership": "geo-partitioned", "subject": "user", "regions": self.regions }),
                    "/cart/*".to_owned(),
                ),
            };
            datasets.insert(name.to_owned(), rule);
            datasets[name]["position"] = json!("counter");
            routes.push(json!({ "match": path, "dataset": name, "read_after_write": "session" }));
        }
        let vars = json!({
            "REGIONS": regions, "DATASETS": datasets, "ROUTES": routes,
            "IDENTITY": { "tenant": { "path": "/t/{tenant}/*" }, "user": { "response_header": "Homing-Subject" } },
        });
        let raw = raw::from_json(&vars.to_string()).unwrap();
        let (topology, _) = parse(&raw, &KeyPath::default().key("vars")).unwrap_or_else(|all| panic!("{all}"));
        Rc::new(Settings { topology, session_keys: support::keys(), origin_key: None, dev: true })
    }
}

const TWO: &[&str] = &["us", "eu"];
const THREE: &[&str] = &["us", "eu", "ap"];
const ORDERS: Unit = Unit::Dataset("orders");
const ADA: Unit = Unit::Tenant("ada");
const VICTIM: Unit = Unit::User("grace");
const MALLORY: Unit = Unit::User("mallory");

/// An order as an operator sends it.
pub fn numbered(mut order: Value, request: &str) -> Value {
    (order["request"], order["actor"], order["reason"]) = (json!(request), json!("ada"), json!("a test"));
    order
}

fn promote(to: &str) -> Value {
    json!({ "command": "promote", "dataset": "orders", "to": to })
}

pub fn forced(to: &str) -> Value {
    json!({ "command": "promote", "dataset": "orders", "to": to, "accept_loss": true })
}

fn abort(change: &str) -> Value {
    json!({ "command": "abort", "change": change })
}

pub fn abort_by_word(change: &str) -> Value {
    json!({ "command": "abort", "change": change, "accept_loss": true })
}

fn moved(to: &str) -> Value {
    json!({ "command": "move", "kind": "tenant", "subject": ADA.id().as_str(), "to": to })
}

/// Somebody hostile has moved, and so has seen a later epoch than the victim.
pub fn hostile() -> Scope {
    let order = json!({ "command": "move", "kind": "user", "subject": MALLORY.id().as_str(), "to": "eu" });
    Scope::new("somebody hostile", TWO, &[VICTIM, MALLORY]).order(order).writes(3).hostile().sees(&[
        "a planned change done",
        "a read with a false mark that was answered",
        "a write without a session that was sent on as its subject's",
        "a write without a session at a region that knows the owner",
    ])
}

/// A planned promotion, ordered twice by the same request.
pub fn promotion() -> Scope {
    Scope::new("a promotion", TWO, &[ORDERS]).order(promote("eu")).repeats(2).sees(&[
        "a planned change done",
        "a change that the preflight refused",
        "a change that the old owner refused",
        "a change that was given up",
        "a change whose pause was over too early",
        "a late pause that was refused",
        "a late deposition that was refused",
        "a pause that ended by itself",
        "a write that met a pause",
        "a write that was misdirected",
        "a region that hears of an owner from a write first",
        "an order that came again",
        "an authority that died while it checked",
        "an authority that died while it paused",
        "an authority that died while it waited",
        "an authority that died while it deposed",
        "an authority that died while it granted",
        "an authority that died while it resumed",
        "an authority that died while it told",
    ])
}

/// One that is aborted at any moment, and undone where it was too late for that.
pub fn aborted() -> Scope {
    let scope = Scope::new("a promotion that is aborted", TWO, &[ORDERS]).order(promote("eu")).order(abort("change-1"));
    scope.writes(1).sees(&["a planned change done", "a change that was given up", "a late grant that was refused"])
}

/// A planned promotion, and another one back.
pub fn there_and_back() -> Scope {
    let scope = Scope::new("a promotion there and back", TWO, &[ORDERS]).order(promote("eu")).order(promote("us"));
    scope.writes(1).sees(&["a planned change done", "a write that was misdirected twice"])
}

/// A forced one, with a third region that looks on.
pub fn forced_one() -> Scope {
    let scope = Scope::new("a forced promotion", THREE, &[ORDERS]).order(forced("eu"));
    scope.sees(&["a forced change done", "a write at a zombie", "a change that the preflight refused"])
}

/// A forced one, and then a planned one back to the region that had not heard of it.
pub fn forced_and_back() -> Scope {
    let scope = Scope::new("a forced promotion and back", TWO, &[ORDERS]).order(forced("eu")).order(promote("us"));
    scope.sees(&["a forced change done", "a planned change done", "a write at a zombie", "a change that was given up"])
}

/// A planned one, when one of the two dies in the middle and an operator gives up what only that one has.
pub fn by_word() -> Scope {
    let scope = Scope::new("a promotion taken back by word", TWO, &[ORDERS]).order(promote("eu"));
    scope.order(abort_by_word("change-1")).order(abort_by_word("change-1")).sees(&[
        "a planned change done",
        "a forced change done",
        "a change that was taken back by word",
        "a late grant that was refused",
        "a write at a zombie",
    ])
}

/// Two operators who do not agree.
pub fn two_orders() -> Scope {
    let scope = Scope::new("two promotions at once", THREE, &[ORDERS]).order(promote("eu")).order(promote("ap"));
    scope.writes(1).sees(&["a planned change done", "a write that was misdirected"])
}

/// A subject whom several edges meet at once.
pub fn assignment() -> Scope {
    Scope::new("a first home", THREE, &[ADA]).writes(3).sees(&["a subject whose home the directory was asked for"])
}

/// A subject who moves, perhaps before anybody has met it.
pub fn moving() -> Scope {
    Scope::new("a move", TWO, &[ADA]).order(moved("eu")).sees(&[
        "a planned change done",
        "a subject whose home the directory was asked for",
        "a write that met a pause",
        "an authority that died while it located",
        "an authority that died while it recorded",
    ])
}

/// The same by force.
pub fn forced_move() -> Scope {
    let order =
        json!({ "command": "move", "kind": "tenant", "subject": ADA.id().as_str(), "to": "eu", "accept_loss": true });
    Scope::new("a forced move", THREE, &[ADA]).order(order).sees(&["a forced change done", "a write at a zombie"])
}

/// A dataset and a subject leave a region.
pub fn whole_region() -> Scope {
    let order = json!({ "command": "promote-region", "region": "us", "to": "eu" });
    let scope = Scope::new("a region's share", TWO, &[ORDERS, ADA]).order(order).order(abort("sweep-1"));
    scope.weighs(4).sees(&["a planned change done", "a write that met a pause", "a change that was given up"])
}
