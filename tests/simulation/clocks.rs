//! Edges whose wall clocks are minutes apart, and are set now and then; origins that keep the stamps of what several regions write, and tell
//! the latest (hybrid logical clocks: Kulkarni et al., "Logical Physical Clocks", 2014). What must hold of stamps is noted here.

use homing_core::testing::{
    decide::attempt::Attempt,
    model::{
        clock::HybridTime,
        time::{Timestamp, millis},
    },
};

use crate::{
    bugs::Bug,
    client::Reply,
    data::is_shared,
    edge::EDGES,
    faults::Fault,
    origin::told,
    request::InFlight,
    response::Response,
    world::{Event, START, World},
};

/// How far the clocks of two edges lie apart at most, in milliseconds: what a session is told may be five minutes ahead, and a minute of
/// that is for what an isolate's stamps may run ahead of its clock.
const APART: u64 = 4 * 60_000;
/// So far a stamp may be beyond the fastest clock, since each write is a step later than what its session has seen.
const STEPS: u64 = 1000;

impl World {
    /// One whose edges do not agree on the time.
    pub fn skewed(seed: u64, bug: Option<Bug>, tells: bool) -> Self {
        let mut world = Self::new(seed, bug, tells);
        world.habits.tells_stamps = true;
        world.skewed = true;
        for edge in 0..EDGES {
            world.edges[edge].ahead = world.random.below(APART);
        }
        for _ in 0..world.random.below(6) {
            let (edge, ahead, at) = (world.random.index(EDGES), world.random.below(APART), world.random.below(50_000));
            world.after(at, Event::Fault(Fault::SetClock(edge, ahead)));
        }
        world
    }

    /// What time it is by the wall clock of that edge.
    pub fn clock(&self, edge: usize) -> Timestamp {
        Timestamp(START + self.now + self.edges[edge].ahead)
    }

    /// What the client's session has written and seen last.
    pub fn latest_stamp_of(&self, at: usize) -> Option<String> {
        let InFlight { client, life, .. } = self.requests[at];
        let (of, latest) = &self.clients[client].latest;
        Some(latest.clone()).filter(|latest| *of == life && !latest.is_empty())
    }

    /// Law: a session's write is later than all that it has written and seen, at whatever edges; no stamp is given twice; and none is further
    /// ahead than the fastest clock has ever been.
    pub fn weigh_stamp(&mut self, at: usize, attempt: &Attempt) {
        let Some(stamp) = told(attempt, "homing-clock") else { return };
        if self.requests[at].stamp.replace(stamp.to_owned()).is_some_and(|before| before != stamp) {
            self.foul(format!("a write has two stamps, one of them {stamp}"));
        }
        let floor = self.requests[at].floor.clone().unwrap_or_default();
        if stamp <= floor.as_str() {
            let by = &self.clients[self.requests[at].client].name;
            let line = format!("{by} writes at {stamp} after it has written or seen {floor}");
            self.foul(line);
        }
        if self.stamps.insert(stamp.to_owned(), at).is_some_and(|other| other != at) {
            self.foul(format!("{stamp} was given twice"));
        }
        let time = HybridTime::read(stamp).unwrap();
        let fastest = Timestamp(START + self.now);
        if time.is_ahead(fastest, std::time::Duration::from_millis(APART + STEPS)) {
            self.foul(format!("{stamp} is ahead of every clock"));
        }
        let edge = self.requests[at].action.edge;
        if time > HybridTime::at(Timestamp(self.clock(edge).0 + millis(std::time::Duration::from_secs(1)))) {
            self.count("writes later than the clock of their edge");
        }
    }

    /// What the client has heard: its session is later than that from now on.
    pub fn learn_stamps(&mut self, at: usize, answer: Option<&Response>) {
        let InFlight { client, action, life, had_session, is_copy, .. } = self.requests[at];
        let Some(answer) = answer.filter(|answer| answer.status == 200 && is_shared(action.place.dataset)) else {
            return;
        };
        let heard = match action.deed {
            Reply::Write(_) => self.requests[at].stamp.clone(),
            Reply::Read if had_session && !is_copy => {
                let stamps = answer.body.iter().filter_map(|id| self.data.stamp_of(action.place, *id));
                stamps.max().map(str::to_owned)
            }
            _ => None,
        };
        let client = &mut self.clients[client];
        let has_session = client.sealed.is_some() && client.lives == life && self.habits.tells_stamps;
        let Some(heard) = heard.filter(|_| has_session) else { return };
        let (of, latest) = &mut client.latest;
        *latest = if *of == life { heard.max(std::mem::take(latest)) } else { heard };
        *of = life;
    }
}
