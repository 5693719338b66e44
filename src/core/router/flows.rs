//! The table of flows: those that wait for what comes of a step. Some of them wait in vain, since nobody tells that their client has gone.

use std::{
    collections::HashMap,
    hash::{BuildHasherDefault, Hasher},
    time::Duration,
};

use crate::{flow::Flow, model::time::Timestamp};

/// The table is swept when it has grown to this, or to twice what the last sweep left; and so often in any case.
pub(super) const SWEEP: usize = 64;
const SWEEP_EVERY: Duration = Duration::from_secs(5);

/// What a flow is called by; no two in flight have the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FlowId(pub u32);

/// Flows of which nobody has told.
#[allow(clippy::vec_box, reason = "they lie boxed in the table, and are not moved to be counted")]
pub(super) type Forgotten = Vec<Box<Flow>>;

#[derive(Default)]
pub(super) struct FlowTable {
    /// Each with the time, as it passes here, at which it may be forgotten.
    flows: HashMap<FlowId, (Duration, Box<Flow>), BuildHasherDefault<InTurn>>,
    /// The time that has passed here, and the clock when that was looked at last. Between two looks no more than that between two sweeps
    /// counts: a clock that is set ahead ends nothing that is under way.
    passed: Duration,
    looked: Timestamp,
    /// At how many it is swept next, or when.
    sweep: usize,
    due: Duration,
}

impl FlowTable {
    pub(super) fn len(&self) -> usize {
        self.flows.len()
    }

    pub(super) fn take(&mut self, id: FlowId) -> Option<Box<Flow>> {
        self.flows.remove(&id).map(|(_, flow)| flow)
    }

    /// Keeps one. Those that are forgotten.
    pub(super) fn keep(&mut self, id: FlowId, flow: Box<Flow>, now: Timestamp) -> Forgotten {
        self.look(now);
        let is_due = self.flows.len() >= self.sweep.max(SWEEP) || self.due <= self.passed;
        let forgotten = if is_due { self.sweep(now) } else { Vec::new() };
        self.flows.insert(id, (self.passed.saturating_add(flow.lingers(now)), flow));
        forgotten
    }

    /// Takes out those of which nobody has told for longer than a request may take.
    pub(super) fn sweep(&mut self, now: Timestamp) -> Forgotten {
        self.look(now);
        self.due = self.passed.saturating_add(SWEEP_EVERY);
        let forgotten =
            self.flows.extract_if(|_, (until, _)| *until <= self.passed).map(|(_, (_, flow))| flow).collect();
        self.sweep = self.flows.len() * 2;
        forgotten
    }

    /// Looks at the clock.
    fn look(&mut self, now: Timestamp) {
        self.passed = self.passed.saturating_add(now.since(self.looked).min(SWEEP_EVERY));
        self.looked = now;
    }
}

/// Flows are numbered in turn, and nobody else chooses a number: to spread them over a table takes no secret.
#[derive(Default)]
struct InTurn(u64);

impl Hasher for InTurn {
    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.write_u32(u32::from(*byte)));
    }

    fn write_u32(&mut self, number: u32) {
        // The odd number next to 2^64 over the golden ratio spreads them in the upper bits, by which the table tells them apart, too.
        self.0 = (self.0 ^ u64::from(number)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }

    fn finish(&self) -> u64 {
        self.0
    }
}
