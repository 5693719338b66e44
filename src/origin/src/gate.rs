//! Writes in flight, counted by unit, so that a pause can wait until they have ended.

#[cfg(not(loom))]
use std::sync::{Mutex, MutexGuard};
use std::{
    collections::HashMap,
    sync::{Arc, PoisonError},
};

// tests/loom tries this file in every order of its threads, with parts that can do so.
#[cfg(loom)]
use loom::sync::{Mutex, MutexGuard};
#[cfg(not(loom))]
use tokio::sync::Notify;

#[cfg(loom)]
use crate::Notify;
use crate::Unit;

/// The count of this process.
#[derive(Debug, Default)]
pub(crate) struct Gate {
    writes: Mutex<HashMap<Unit, usize>>,
    ended: Notify,
}

/// A write in flight; it ends when this is dropped.
#[derive(Debug)]
#[must_use = "the write has ended when this is dropped"]
pub struct Permit {
    gate: Arc<Gate>,
    unit: Unit,
}

impl Gate {
    /// Counts a write. It is counted before it looks whether it may: so a pause that it does not see will wait for it.
    pub(crate) fn enter(self: &Arc<Self>, unit: &Unit) -> Permit {
        *self.writes().entry(unit.clone()).or_default() += 1;
        Permit { gate: Arc::clone(self), unit: unit.clone() }
    }

    /// Waits until no write of the unit is in flight.
    pub(crate) async fn drained(&self, unit: &Unit) {
        loop {
            // Made before the look: it hears of every end from now on.
            let ended = self.ended.notified();
            if !self.writes().contains_key(unit) {
                return;
            }
            ended.await;
        }
    }

    fn writes(&self) -> MutexGuard<'_, HashMap<Unit, usize>> {
        self.writes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut writes = self.gate.writes();
        if let Some(count) = writes.get_mut(&self.unit) {
            *count -= 1;
            if *count == 0 {
                writes.remove(&self.unit);
                self.gate.ended.notify_waiters();
            }
        }
    }
}
