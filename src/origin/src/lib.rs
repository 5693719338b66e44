//! The contract between [Homing](../../README.md), an active-active edge router, and an application behind it, as a
//! [`tower_layer::Layer`] for axum or any other service over [`http::Request`].
//!
//! [`Homing`] holds together who owns what ([`EpochStore`]), what the application knows of its data ([`Application`]), and
//! how this region keeps the contract ([`Settings`]). [`Homing::layer`] then sees to
//!
//! * the signature of the router, and the fence: a write goes through only where this region owns what it writes, by the
//!   epoch that it claims, while no pause holds and the lease has not run out; else the application is not asked;
//! * positions: a read that this copy may not answer is turned away, and every answer says how far the copy is;
//! * the health address `/.well-known/homing`, and the ownership address `/.well-known/homing/ownership`, by which the
//!   router's authority moves what is owned.
//!
//! Handlers find [`Asked`] in the request's extensions, and say the rest with [`say`]. `README.md` has an example to copy.
//!
//! **A handler that writes passes the fence once more, in the transaction that writes**: `store::sqlite::fence`,
//! `store::postgres::fence`, or [`Asked::admit`] over what its own store says. The layer counts the writes of its own
//! process, and counts a write no longer whose client has gone; only the database knows of all of them.
//!
//! **A write that a client may repeat** (`Idempotency-Key`) is done by `store::sqlite::once` or `store::postgres::once`: the fence, the
//! look for an earlier answer, the write, and the keeping of its answer in one transaction.
#![warn(unreachable_pub)]

mod address;
mod application;
mod asked;
#[cfg(feature = "axum")]
mod axum;
mod gate;
mod health;
mod homing;
mod key;
mod layer;
mod lease;
#[cfg(feature = "merge")]
pub mod merge;
mod multi_writer;
mod ownership;
pub mod position;
mod refusal;
pub mod say;
mod settings;
mod signature;
pub mod store;
mod unread;

pub use application::{Application, Failure, Mark, Part, Peer};
pub use asked::{Asked, Intent};
pub use gate::Permit;
pub use homing::Homing;
pub use key::{Answer, KEPT_FOR, Kept, Key, LONGEST_ANSWER};
pub use layer::{Contract, HomingLayer};
pub use ownership::{Denied, Ownership, Pause, Standing, Unit, subject_id};
pub use refusal::Refusal;
pub use settings::{Settings, ShortKey};
pub use signature::sign;
pub use store::EpochStore;
