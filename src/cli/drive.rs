//! Driving the core in surroundings that are made up.

use std::rc::Rc;

use homing_core::{
    Client, Content, Entropy, Epoch, Event, Headers, IncomingRequest, Key, Logging, Problem, Rejection, Router,
    SessionKeys, Settings, Settlement, Step, Timestamp,
    config::Topology,
    plan::{HomeRecord, Memory},
};

/// What sessions are signed with in a world that is made up.
pub(super) const MADE_UP_KEY: &str = "a key for a world that is made up";

/// The isolate's name in a made-up world.
pub(super) const NODE: u32 = 1;
/// The number by which chance decides in one.
pub(super) const ENTROPY: u64 = 1;

/// A request without a body, of a client who stands beside that region, or of whom only its fields tell anything.
pub(super) fn incoming<'a>(
    now: Timestamp,
    (method, url): (&'a str, &'a str),
    headers: Vec<(&'a str, &'a str)>,
    beside: Option<&'a str>,
) -> IncomingRequest<'a> {
    let (content, client) = (Content::Empty, Client { beside, ..Client::default() });
    IncomingRequest { now, method, url, headers: Headers(headers), content, client }
}

/// What answers the steps of a flow.
pub(super) trait Driver {
    /// What comes of a step that is not the last.
    fn meet(&mut self, step: &Step) -> Event<'_>;
}

/// Drives a request to its answer, at an isolate that remembers this. What would go on behind an answer is not driven: nothing is stored
/// in these worlds.
///
/// # Errors
/// If it is refused at the door.
pub(super) fn drive(
    settings: &Rc<Settings>,
    memory: Memory,
    incoming: &IncomingRequest<'_>,
    around: &mut impl Driver,
) -> Result<Box<Settlement>, Problem> {
    let router = Router::new(Rc::clone(settings), Logging::Off, NODE, Entropy::Fixed(ENTROPY)).with_memory(memory);
    let problem = |rejection: Box<Rejection>| rejection.problem;
    let mut turn = router.begin(incoming).map_err(problem)?;
    loop {
        turn = match turn.step {
            Step::Answer(settlement, _) | Step::Finish(settlement) => return Ok(settlement),
            step => router.resume(turn.id, around.meet(&step), incoming.now).map_err(problem)?,
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
