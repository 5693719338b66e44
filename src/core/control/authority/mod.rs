//! The authority: who owns what, and what operators have said of the regions. One object keeps it, the edges read what it
//! publishes, and no request waits for it.
//!
//! It is a state machine like a request's flow: `turn` takes what comes in (an order, what came of an effect, a tick) and
//! says what to do. The driver stores the ledger first, and may die at any point: what is under way is asked for again.

pub mod asking;
pub mod change;
pub mod command;
pub mod drills;
pub mod effect;
pub mod firsts;
pub mod guards;
pub mod homes;
pub mod lease;
pub mod ledger;
pub mod notify;
pub mod on_reply;
pub mod pause;
pub mod preflight;
pub mod sweep;
pub mod turn;

pub use crate::control::authority::change::{Change, Phase};
pub use crate::control::authority::command::Refusal;
pub use crate::control::authority::effect::{ADDRESS, nonced};
pub use crate::control::authority::ledger::{Ledger, Owned, Unreadable};
pub use crate::control::authority::notify::PendingNotice;
pub use crate::control::authority::sweep::Sweep;
pub use crate::control::authority::turn::turn;
pub use crate::state::published::{KEY, Published, RegionState, write, write_with};
