//! The authority: who owns what, and what operators have said of the regions. One object keeps it, the edges read what it
//! publishes, and no request waits for it.
//!
//! It is a state machine like a request's flow: `turn` takes what comes in (an order, what came of an effect, a tick) and
//! says what to do. The driver stores the ledger first, and may die at any point: what is under way is asked for again.

mod asking;
mod change;
mod command;
mod drills;
mod effect;
mod firsts;
mod hearing;
pub mod homes;
mod lease;
mod ledger;
mod pause;
mod preflight;
mod published;
mod safety;
mod sweep;
mod telling;
mod turn;

pub use change::{Change, Phase};
pub use command::Refusal;
pub(super) use effect::call;
pub use effect::{ADDRESS, nonced};
pub use ledger::{Ledger, Owned, Unreadable};
pub use published::{KEY, Published, RegionState, write, write_with};
pub use sweep::Sweep;
pub use telling::Untold;
pub use turn::turn;
