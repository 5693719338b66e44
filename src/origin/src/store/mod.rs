//! Where ownership is kept.

mod memory;
#[cfg(feature = "postgres")]
pub mod postgres;
#[cfg(feature = "sqlite")]
pub mod sqlite;

use std::future::Future;

pub use memory::Memory;

use crate::{Ownership, Standing, Unit};

/// Keeps each unit's standing. It should be as durable as the data, and best stands in the same database.
///
/// A store decides nothing: it reads, and it changes in one step, so that nobody comes between the reading and the writing.
/// Times are counted by the store's own clock.
pub trait EpochStore: Send + Sync + 'static {
    /// What can go wrong.
    type Error: std::error::Error + Send + Sync + 'static;

    /// A unit's standing; the default of which nobody has told anything.
    fn standing(&self, unit: &Unit) -> impl Future<Output = Result<Standing, Self::Error>> + Send;

    /// Changes a unit's standing in one step, and says what `decide` said. It may be called more than once, if somebody
    /// else was quicker. An owner, once there, never goes away.
    fn change<T: Send>(
        &self,
        unit: &Unit,
        decide: impl Fn(&mut Standing) -> T + Send + Sync,
    ) -> impl Future<Output = Result<T, Self::Error>> + Send;

    /// The units that this pause holds.
    fn paused_by(&self, id: u64) -> impl Future<Output = Result<Vec<Unit>, Self::Error>> + Send;

    /// Takes in an ownership that the log itself has brought, or this region's own: see [`Standing::announced`]. Says which one
    /// counts now.
    fn announced(&self, unit: &Unit, to: &Ownership) -> impl Future<Output = Result<Ownership, Self::Error>> + Send {
        self.change(unit, |standing| {
            standing.announced(to);
            standing.owner.clone().unwrap_or_else(|| to.clone())
        })
    }

    /// Takes in an ownership that somebody has told of, if it is later than what is known: see [`Standing::advance`]. Says which one
    /// counts now.
    fn advance(&self, unit: &Unit, to: &Ownership) -> impl Future<Output = Result<Ownership, Self::Error>> + Send {
        self.change(unit, |standing| {
            standing.advance(to);
            standing.owner.clone().unwrap_or_else(|| to.clone())
        })
    }
}
