//! The ledger as the model keeps it: of its times only as much as a decision can depend on, and of its words nothing. The
//! authority asks how long something has lasted and never when it was, so its clock can stand still, and what happened moves into
//! the past instead. That makes the states finite, however long it goes on.

use homing_core::testing::{
    control::authority::{
        ChangePhase,
        ledger::{Ledger, Owned},
    },
    model::time::Timestamp,
    topology::settings::Settings,
};
use serde_json::Value;

use crate::support;

pub const NOW: Timestamp = support::NOW;
const NEVER: Timestamp = Timestamp(0);

fn ago(millis: u64) -> Timestamp {
    Timestamp(NOW.0 - millis)
}

/// Time that passes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Passes {
    Nothing,
    /// Longer than a new owner is waited for, and shorter than anything else.
    AMoment,
    /// Longer than anything.
    Long,
}

const MOMENT: u64 = 3_000;
const LONG: u64 = 31_000;

/// A moment of the past, so much later: it was just now, a moment ago, or long ago. Where a moment decides nothing, it is no time.
fn aged(Timestamp(at): &mut Timestamp, passes: Passes, moments_count: bool) {
    let age = NOW.0.saturating_sub(*at);
    *at = match passes {
        // Never.
        _ if *at == 0 => 0,
        Passes::Long => NOW.0 - LONG,
        _ if age >= LONG => NOW.0 - LONG,
        Passes::AMoment if moments_count => NOW.0 - MOMENT,
        _ if age > 0 => NOW.0 - MOMENT,
        _ => NOW.0,
    };
}

/// The ledger in its normal form, when so much time has passed.
pub fn normal(text: &str, passes: Passes) -> String {
    let mut ledger = Ledger::read(text).unwrap();
    for change in &mut ledger.changes {
        (change.began, change.paused_for) = (NEVER, None);
        change.says.clear();
        // How long calls took is told, and decides nothing.
        change.found.retain(|slot, _| change.phase == ChangePhase::Checking && !slot.ends_with("-ms"));
        match &mut change.paused {
            Some(paused) if matches!(change.phase, ChangePhase::Pausing | ChangePhase::Waiting) => {
                aged(paused, passes, false)
            }
            paused => *paused = None,
        }
        if change.phase.is_over() {
            (change.since, change.asked, change.step, change.ended) = (NEVER, NEVER, 0, Some(NEVER));
            change.waiting.clear();
        }
        if !matches!(change.phase, ChangePhase::Pausing | ChangePhase::Waiting | ChangePhase::Resuming) {
            change.since = NEVER;
        }
        aged(&mut change.since, passes, change.phase == ChangePhase::Waiting);
        aged(&mut change.asked, passes, false);
    }
    for sweep in &mut ledger.sweeps {
        sweep.began = NEVER;
        sweep.ended = sweep.ended.map(|_| NEVER);
        // The next tick is the late one.
        sweep.looks_again = sweep.looks_again.map(|_| NEVER);
        sweep.says.clear();
        aged(&mut sweep.asked, passes, false);
    }
    for untold in &mut ledger.untold {
        untold.until = Timestamp(NOW.0 + 1_000_000_000);
        aged(&mut untold.told, passes, false);
    }
    for replied in &mut ledger.replies.0 {
        replied.body = Value::Null;
    }
    serde_json::to_string(&ledger).unwrap()
}

/// The same ledger in another form: where [`normal`] leaves something out, it has something. Nothing may be decided by that.
pub fn noisy(text: &str) -> String {
    let mut ledger = Ledger::read(text).unwrap();
    for change in &mut ledger.changes {
        let is_timed = matches!(change.phase, ChangePhase::Pausing | ChangePhase::Waiting | ChangePhase::Resuming);
        change.since = if is_timed { change.since } else { ago(12_345) };
        change.began = ago(54_321);
        change.paused = change.paused.or(Some(ago(5_000)));
        "noise".clone_into(&mut change.says);
        if !matches!(change.phase, ChangePhase::Locating | ChangePhase::Checking) {
            change.found.insert("to".to_owned(), Value::Bool(true));
        }
        if change.phase.is_over() {
            (change.asked, change.step) = (ago(31_000), 7);
            change.waiting.push(("orders".to_owned(), "7".to_owned()));
        }
    }
    for sweep in &mut ledger.sweeps {
        sweep.began = ago(54_321);
        "noise".clone_into(&mut sweep.says);
    }
    for replied in &mut ledger.replies.0 {
        replied.body = Value::Bool(true);
    }
    serde_json::to_string(&ledger).unwrap()
}

/// What the model itself has to know of a ledger.
#[derive(Clone, Debug)]
pub struct IncomingRequest {
    pub changes: Vec<Doing>,
    pub sweeping: bool,
    /// Whether somebody has to look again later.
    pub wakes: bool,
    /// What should be published, once anything should.
    pub published: Option<String>,
    pub owners: Vec<(String, Owned)>,
}

/// A change, as the ledger has it.
#[derive(Clone, Debug)]
pub struct Doing {
    pub id: String,
    pub unit: String,
    pub to: String,
    /// The epoch that it ends with.
    pub next: u64,
    pub forced: bool,
    pub phase: ChangePhase,
    pub step: u64,
}

impl IncomingRequest {
    pub fn read(text: &str, settings: &Settings) -> Self {
        let ledger = Ledger::read(text).unwrap();
        let doing = ledger.changes.iter().map(|change| Doing {
            id: change.id.clone(),
            unit: change.unit.clone(),
            to: change.to.clone(),
            next: change.epoch + 1,
            forced: change.forced,
            phase: change.phase,
            step: change.step.into(),
        });
        let datasets = settings.topology.datasets();
        Self {
            changes: doing.collect(),
            sweeping: ledger.sweeps.iter().any(|sweep| sweep.is_on()),
            wakes: ledger.wake().is_some(),
            published: (ledger.version > 0).then(|| ledger.published()),
            owners: datasets
                .filter_map(|(id, dataset)| Some((dataset.name.clone(), ledger.owner(id, &settings.topology)?)))
                .collect(),
        }
    }

    pub fn under_way(&self) -> impl Iterator<Item = &Doing> {
        self.changes.iter().filter(|change| !change.phase.is_over())
    }

    /// Whether the outcome of that step of that change is still waited for.
    pub fn waits_for(&self, change: &str, step: u64) -> bool {
        self.under_way().any(|doing| doing.id == change && doing.step == step)
    }
}
