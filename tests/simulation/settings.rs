//! What every isolate is set up with.

use std::rc::Rc;

use homing_core::testing::{
    model::keys::{Key, SessionKeys},
    topology::{error::KeyPath, parse::parse, raw, settings::Settings},
};

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
