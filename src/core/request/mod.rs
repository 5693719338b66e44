//! A request as it comes, is admitted, and is decided on.

pub mod admit;
pub mod facts;
pub mod intent;
pub mod near;
