//! What the rest is said in: names, times, epochs, positions, reasons. Uses nothing.

pub mod access;
pub mod backoff;
pub mod clock;
pub mod epoch;
pub mod formats;
pub mod geo;
pub mod ids;
pub mod keys;
pub mod mix;
pub mod object;
pub mod per_region;
pub mod position;
pub mod ranked;
pub mod reasons;
pub mod subject;
pub mod text;
pub mod time;
pub mod token;
