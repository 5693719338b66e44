//! Driving a flow of the core in surroundings that are made up.

use homing_core::{
    flow::{
        Flow,
        step::{Event, Step},
    },
    http::headers::Headers,
    model::{
        epoch::Epoch,
        keys::{Key, SessionKeys},
        time::Timestamp,
    },
    ownership::record::HomeRecord,
    request::incoming::{Client, Content, IncomingRequest},
    settle::Settlement,
    state::health::Health,
    topology::{Topology, settings::Settings},
};

/// What sessions are signed with in a world that is made up.
pub(super) const MADE_UP_KEY: &str = "a key for a world that is made up";

/// A request without a body, of a client who stands beside that region, or of whom only its fields tell anything.
pub(super) fn incoming<'a>(
    now: Timestamp,
    (method, url): (&'a str, &'a str),
    headers: Vec<(&'a str, &'a str)>,
    beside: Option<&'a str>,
) -> IncomingRequest<'a> {
    let (content, client) = (Content::Empty, Client { beside, ..Client::default() });
    IncomingRequest { now, method, url, headers: Headers(headers), content, client, entropy: 1, node: 1 }
}

/// What answers the steps of a flow.
pub(super) trait Driver {
    /// What comes of a step that is not the last.
    fn meet(&mut self, step: &Step) -> Event<'_>;
}

/// Drives a flow to its answer. What would go on behind an answer is not driven: nothing is stored in these worlds.
pub(super) fn drive(
    mut flow: Flow,
    mut step: Step,
    around: &mut impl Driver,
    (health, now): (&Health, Timestamp),
) -> Box<Settlement> {
    loop {
        step = match step {
            Step::Answer(settlement, _) | Step::Finish(settlement) => return settlement,
            step => flow.on(around.meet(&step), health, now),
        };
    }
}

/// An ownership of the first epoch, as the home store keeps it.
pub(super) fn stored(home: &str) -> String {
    HomeRecord::new(home, Epoch::FIRST.0).text()
}

/// One that the directory has just made.
pub(super) fn assigned(home: &str) -> String {
    HomeRecord { new: true, ..HomeRecord::new(home, Epoch::FIRST.0) }.text()
}

/// The settings of a world in which clients choose where they are.
pub(super) fn made_up(topology: &Topology, key: Key) -> Settings {
    Settings { topology: topology.clone(), session_keys: SessionKeys::new(key, None), origin_key: None, dev: true }
}
