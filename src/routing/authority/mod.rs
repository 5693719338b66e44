//! The authority: who owns what, and what operators have said of the regions. One object keeps it, the edges read what it
//! publishes, and no request waits for it.

mod published;

pub use published::{KEY, Published, RegionState, write};
