//! What the rest is said in: names, times, epochs, positions, reasons. Uses nothing.

pub mod access;
pub(crate) mod backoff;
pub mod clock;
pub mod entropy;
pub mod epoch;
pub mod formats;
pub mod geo;
pub mod ids;
pub mod keys;
pub mod mix;
pub(crate) mod object;
pub(crate) mod per_region;
pub mod position;
pub(crate) mod ranked;
pub mod reasons;
pub(crate) mod recent;
pub mod subject;
pub mod text;
pub mod time;
pub mod token;
