//! The control plane: the authority, the probers, the door of the operators, and what is told of conflicts.

pub mod admin;
pub mod authority;
pub mod conflicts;
pub mod doctor;
pub mod prober;
