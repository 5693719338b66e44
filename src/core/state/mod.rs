//! What an isolate knows between requests, and the view of it by which one request is decided.

pub mod drill;
pub mod health;
pub mod matrix;
pub mod memory;
pub mod published;
pub mod trace;
pub mod view;
