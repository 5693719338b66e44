//! The clients of an access log: where they are, what time it is for them, and the sessions that they carry.

use std::{
    collections::HashMap,
    hash::{DefaultHasher, Hash, Hasher},
    time::Duration,
};

use super::line::Line;
use crate::world::{named, pair};
use homing_core::{RegionId, Timestamp, config::Topology};

/// When a log without times begins.
const START: Timestamp = Timestamp(1_767_225_600_000);
/// How long a client of such a log waits between two requests.
const PACE: Duration = Duration::from_secs(1);
/// Ended sessions are swept out when there are so many, or twice as many as the last sweep left.
const SWEEP: usize = 100_000;

/// How clients are spread over the regions, where the log does not say it.
#[derive(Clone, Debug)]
pub(super) struct Spread<P = RegionId> {
    /// The weights, added up.
    places: Vec<(P, u64)>,
    whole: u64,
}

impl Spread {
    /// The same weight for every region.
    pub(super) fn even(topology: &Topology) -> Self {
        Self::of(topology.regions().map(|(id, _)| (id, 1)))
    }

    /// Reads `us=60,eu=30,ap=10`; a region that is not named has nobody.
    pub(super) fn read(text: &str, topology: &Topology) -> Result<Self, String> {
        let example = "us=60,eu=30,ap=10";
        let weight = |part: &str| {
            let (name, weight) = pair(part.trim(), "--near", example)?;
            let weight: u32 = weight
                .trim()
                .parse()
                .map_err(|_| format!("--near is {part:?}, expected whole numbers, such as {example}"))?;
            Ok((named(topology, name.trim())?, u64::from(weight)))
        };
        let spread = Self::of(text.split(',').map(weight).collect::<Result<Vec<_>, String>>()?);
        if spread.whole == 0 {
            return Err(format!(
                "--near is {text:?}, which gives every region 0 shares; expected a value such as {example}"
            ));
        }
        Ok(spread)
    }
}

impl<P: Clone> Spread<P> {
    /// These weights.
    pub(super) fn of(weights: impl IntoIterator<Item = (P, u64)>) -> Self {
        let mut whole = 0;
        let added = weights.into_iter().map(|(place, weight)| {
            whole += weight;
            (place, whole)
        });
        let places = added.collect();
        Self { places, whole }
    }

    /// Always the same for one number.
    pub(super) fn place(&self, number: u64) -> Option<P> {
        let at = number % self.whole.max(1);
        self.places.iter().find(|(_, until)| at < *until).map(|(place, _)| place.clone())
    }
}

/// A session that still pins something.
struct Carried {
    sealed: String,
    until: Timestamp,
}

/// What is known of the clients.
pub(super) struct Clients {
    spread: Spread,
    sessions: HashMap<u64, Carried>,
    sweep_at: usize,
    /// How many requests without a time each has made.
    paces: HashMap<u64, u32>,
}

impl Clients {
    pub(super) fn new(spread: Spread) -> Self {
        Self { spread, sessions: HashMap::new(), sweep_at: SWEEP, paces: HashMap::new() }
    }

    /// The region beside which the client of the line is: always the same for one address.
    pub(super) fn near(&self, line: &Line, number: u64) -> Option<RegionId> {
        line.near.or_else(|| self.spread.place(line.client.as_ref().map_or_else(|| hash(&number), hash)))
    }

    /// When the request came. In a log without times each client asks once a second.
    pub(super) fn time(&mut self, line: &Line, client: u64) -> Timestamp {
        if is_nobody(line) {
            return line.time.unwrap_or(START);
        }
        line.time.unwrap_or_else(|| {
            let before = self.paces.entry(client).or_default();
            *before += 1;
            START.after(PACE * (*before - 1))
        })
    }

    /// The session that the client carries, unless all that it pins is over.
    pub(super) fn session(&self, client: u64, now: Timestamp) -> Option<&str> {
        self.sessions.get(&client).filter(|carried| carried.until > now).map(|carried| carried.sealed.as_str())
    }

    /// The client was given a session, which pins something until then at most, if this request is what pinned it.
    pub(super) fn carry(&mut self, client: u64, sealed: &str, pinned: Option<Timestamp>, now: Timestamp) {
        let held = self.sessions.get(&client).map(|carried| carried.until);
        let Some(until) = pinned.max(held).filter(|until| *until > now) else { return };
        if self.sessions.len() >= self.sweep_at {
            self.sessions.retain(|_, carried| carried.until > now);
            self.sweep_at = (self.sessions.len() * 2).max(SWEEP);
        }
        self.sessions.insert(client, Carried { sealed: sealed.to_owned(), until });
    }
}

/// Who carries a session: an address and a user; where the log names neither, each line is somebody else.
pub(super) fn client(line: &Line, number: u64) -> u64 {
    if is_nobody(line) { hash(&number) } else { hash(&(&line.client, &line.user)) }
}

fn is_nobody(line: &Line) -> bool {
    line.client.is_none() && line.user.is_none()
}

/// The same for the same, in every run: its keys are fixed.
pub(super) fn hash(what: &(impl Hash + ?Sized)) -> u64 {
    let mut hasher = DefaultHasher::new();
    what.hash(&mut hasher);
    hasher.finish()
}
