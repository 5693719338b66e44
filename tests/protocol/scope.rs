//! What a search is about: which regions and units there are, what operators order, and how many writes there are.

use std::rc::Rc;

use homing::routing::{
    Settings,
    subject::SubjectId,
    topology::{KeyPath, SubjectKind, parse::parse, raw},
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
}

impl Unit {
    pub fn id(self) -> SubjectId {
        let Self::Tenant(name) = self else { panic!("a dataset has no subject") };
        SubjectId::of(SubjectKind::Tenant, name)
    }

    /// Its name between the authority and regions.
    pub fn name(self) -> String {
        match self {
            Self::Dataset(name) => name.to_owned(),
            Self::Tenant(_) => format!("~{}", self.id().as_str()),
        }
    }

    /// Where clients write it.
    pub fn path(self) -> String {
        match self {
            Self::Dataset(name) => format!("/{name}/1"),
            Self::Tenant(name) => format!("/t/{name}/notes/1"),
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
    pub bug: Option<Bug>,
}

impl Scope {
    pub fn new(name: &'static str, regions: &'static [&'static str], units: &[Unit]) -> Self {
        Self { name, regions, units: units.to_vec(), orders: Vec::new(), repeats: 1, writes: 2, bug: None }
    }

    pub fn order(mut self, mut order: Value) -> Self {
        order["request"] = json!(format!("r{}", self.orders.len() + 1));
        (order["actor"], order["reason"]) = (json!("ada"), json!("a test"));
        self.orders.push(order);
        self
    }

    pub fn repeats(self, repeats: u8) -> Self {
        Self { repeats, ..self }
    }

    pub fn writes(self, writes: u8) -> Self {
        Self { writes, ..self }
    }

    pub fn with(self, bug: Bug) -> Self {
        Self { bug: Some(bug), ..self }
    }

    /// Whether somebody orders that what is lost be lost.
    pub fn may_lose(&self) -> bool {
        self.orders.iter().any(|order| order["accept_loss"] == true)
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
            };
            datasets.insert(name.to_owned(), rule);
            datasets[name]["position"] = json!("counter");
            routes.push(json!({ "match": path, "dataset": name, "read_after_write": "session" }));
        }
        let vars = json!({
            "REGIONS": regions, "DATASETS": datasets, "ROUTES": routes,
            "IDENTITY": { "tenant": { "path": "/t/{tenant}/*" } },
        });
        let raw = raw::from_json(&vars.to_string()).unwrap();
        let (topology, _) = parse(&raw, &KeyPath::default().key("vars")).unwrap_or_else(|all| panic!("{all}"));
        Rc::new(Settings { topology, session_keys: support::keys(), origin_key: None, dev: true })
    }
}
