//! The edges: two isolates each, with a memory of their own, and one store of copies.

use std::{collections::HashMap, rc::Rc};

use homing::routing::{
    Memory, Settings,
    clock::Clock,
    headers::{Edit, Headers},
    keys::{Key, SessionKeys},
    topology::{KeyPath, parse::parse, raw},
};

use crate::data::Id;

pub const EDGES: usize = 4;
/// The region beside each edge.
pub const NEAR: [&str; EDGES] = ["us", "eu", "ap", "eu"];
pub const ISOLATES: usize = 2;

pub type Fields = Vec<(String, String)>;

/// A response: what an origin made, or what a store holds. Nobody here looks at what the core has stored beside it.
#[derive(Clone, Debug)]
pub struct Response {
    pub status: u16,
    pub fields: Fields,
    pub body: Vec<Id>,
}

impl Response {
    pub fn get(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(field, _)| field == name).map(|(_, value)| value.as_str())
    }

    pub fn edited<'e>(mut self, edits: impl IntoIterator<Item = &'e Edit>) -> Self {
        for edit in edits {
            match edit {
                Edit::Remove(name) => self.fields.retain(|(field, _)| field != name),
                Edit::Set(name, value) => {
                    self.fields.retain(|(field, _)| field != name);
                    self.fields.push(((*name).to_owned(), value.clone()));
                }
                Edit::Append(name, value) => self.fields.push(((*name).to_owned(), value.clone())),
            }
        }
        self
    }
}

pub fn borrowed(fields: &Fields) -> Headers<'_> {
    Headers(fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect())
}

/// One location of the router.
pub struct Edge {
    pub memories: [Memory; ISOLATES],
    pub clocks: [Clock; ISOLATES],
    pub store: HashMap<String, Response>,
    /// What this location reads from the home store.
    pub homes: HashMap<String, String>,
}

impl Edge {
    pub fn new(at: usize) -> Self {
        let node = u32::try_from(at * ISOLATES).unwrap();
        Self {
            memories: Default::default(),
            clocks: [Clock::new(node), Clock::new(node + 1)],
            store: HashMap::new(),
            homes: HashMap::new(),
        }
    }
}

thread_local! {
    static SETTINGS: Rc<Settings> = {
        let raw = raw::from_json(include_str!("topology.json")).unwrap();
        let (topology, _) = parse(&raw, &KeyPath::default().key("vars")).unwrap_or_else(|all| panic!("{all}"));
        Rc::new(Settings { topology, session_keys: keys(), origin_key: None, dev: true })
    };
}

pub fn settings() -> Rc<Settings> {
    SETTINGS.with(Rc::clone)
}

pub fn keys() -> SessionKeys {
    SessionKeys::new(Key::new("the key that the simulation signs with").unwrap(), None)
}
