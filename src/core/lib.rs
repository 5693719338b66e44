//! The pure core of Homing, an active-active edge router: every decision, with its reason. No async, no clock, no randomness, no platform
//! types: `now` and chance are handed in.
//!
//! In the order of a request:
//!
//! 1. [`topology`] is what `wrangler.toml` says, validated once per isolate.
//! 2. [`request`] is what the edge knows of a request before anything is decided, and what admits it, or refuses it.
//! 3. [`flow`] decides step by step: probe the cache, look up the home, send, finish. The edge does what a step says and reports back; so
//!    do the simulator and `homing explain`.
//! 4. [`settle`] is the end: status, header edits, session, cache write, what the isolate learns, the record.
//! 5. [`router`] is one isolate: the flows in flight, what it remembers and reports. Every driver calls it, and it alone.

#![warn(unreachable_pub)]
// The documentation is built with its private items (`.github/workflows/test.yml`), so these links lead somewhere.
#![allow(rustdoc::private_intra_doc_links)]

// A line uses only what stands above it (`tests/layers.rs`); the blank lines keep rustfmt from sorting them.
pub mod model;

pub mod http;

pub mod topology;

pub mod ownership;

pub mod session;

pub mod cache;

pub mod state;

pub mod request;

pub mod decide;

pub mod settle;

pub mod flow;

pub mod observe;

pub mod control;

pub mod router;

// The front page: what a driver needs, in the order of a request.
pub use crate::{
    decide::attempt::Attempt,
    flow::{Assignment, Event, Found, LookUp, Outcome, Probe, Step},
    http::{
        answer::{Answer, Framing},
        headers::{Edit, Headers},
    },
    model::{
        reasons::{Choice, Refusal},
        time::Timestamp,
        token::Token,
    },
    request::incoming::{Client, Content, IncomingRequest},
    router::{Entropy, FlowId, Logging, Rejection, Router, Turn},
    settle::{Settlement, Source, Store},
    topology::{secrets::Secrets, settings::Settings},
};
