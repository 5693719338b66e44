//! The control plane: the authority, the probers, the door of the operators.

pub mod admin;
pub mod authority;
pub mod doctor;
pub mod prober;
