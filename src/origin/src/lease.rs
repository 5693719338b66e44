//! The lease: an owner that hears nothing from the authority for too long stops writing by itself.
//!
//! It is kept in this process, by a clock that only goes forward, and is lost with the process: who was away cannot know
//! what was decided meanwhile.

use std::{
    collections::HashMap,
    fmt,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

use crate::{Refusal, Unit, layer::now};

type Which = Box<dyn Fn(&Unit) -> bool + Send + Sync>;

/// The leases that this process holds.
#[derive(Default)]
pub(crate) struct Leases {
    which: Option<Which>,
    held: Mutex<HashMap<Unit, Lease>>,
}

struct Lease {
    epoch: u64,
    asked: u64,
    until: Instant,
    /// The same by the clock of the wall: the other one stands still while a machine is suspended.
    until_wall: u64,
}

impl Leases {
    pub(crate) fn of(which: Which) -> Self {
        Self { which: Some(which), held: Mutex::default() }
    }

    /// Whether that unit may be written by that epoch without a lease, or with the one that is held.
    pub(crate) fn hold(&self, unit: &Unit, epoch: u64) -> Result<(), Refusal> {
        match self.left(unit, epoch) {
            Some(left) if left.is_zero() => Err(Refusal::NoLease),
            _ => Ok(()),
        }
    }

    /// How long the lease holds yet; none if the unit needs no lease.
    pub(crate) fn left(&self, unit: &Unit, epoch: u64) -> Option<Duration> {
        self.which.as_ref().filter(|needs| needs(unit))?;
        let left = |lease: &Lease| {
            let by_wall = Duration::from_millis(lease.until_wall.saturating_sub(now()));
            lease.until.saturating_duration_since(Instant::now()).min(by_wall)
        };
        Some(self.held().get(unit).filter(|lease| lease.epoch == epoch).map_or(Duration::ZERO, left))
    }

    /// Renews a lease by what was asked at that Unix time, in milliseconds; what was asked before that and comes after it is of
    /// no interest.
    pub(crate) fn renew(&self, unit: &Unit, epoch: u64, time: Duration, asked: u64) {
        let until = Instant::now() + time;
        let mut held = self.held();
        let overtaken = held.get(unit).is_some_and(|lease| lease.epoch > epoch || lease.asked > asked);
        if !overtaken {
            let until_wall = now().saturating_add(u64::try_from(time.as_millis()).unwrap_or(u64::MAX));
            held.insert(unit.clone(), Lease { epoch, asked, until, until_wall });
        }
    }

    fn held(&self) -> MutexGuard<'_, HashMap<Unit, Lease>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Leases {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Leases").finish_non_exhaustive()
    }
}
