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
//!
//! The folders are private. A driver needs this page; [`config`], [`operate`] and [`plan`] are for tools, and `testing` is for tests.

// Without the feature `testing` nobody outside can name what only tests use.
#![cfg_attr(feature = "testing", warn(unreachable_pub))]
#![cfg_attr(not(feature = "testing"), allow(dead_code, unused_imports))]
// The documentation is built with its private items (`.github/workflows/test.yml`), so these links lead somewhere.
#![allow(rustdoc::private_intra_doc_links)]

// A line uses only what stands above it (`tests/layers.rs`); the blank lines keep rustfmt from sorting them.
mod model;

mod http;

mod topology;

mod ownership;

mod session;

mod cache;

mod state;

mod request;

mod decide;

mod settle;

mod flow;

mod observe;

mod control;

mod router;

// The front page: what a driver needs, in the order of a request, and the words in which it is said.
pub use crate::{
    cache::{Offered, Probed, is_coded},
    decide::attempt::Attempt,
    flow::{Assignment, Event, Found, LookUp, Outcome, Probe, Step},
    http::{
        answer::{Answer, Framing},
        edits::{Edit, Edits},
        headers::Headers,
        http_date,
        problem::Problem,
        url::Url,
    },
    model::{
        access::{Access, Replay},
        entropy::Entropy,
        epoch::Epoch,
        geo::Location,
        ids::{DatasetId, RegionId, RegionSet},
        keys::{Key, SessionKeys},
        reasons::{Choice, Exclusion, Refusal},
        subject::{ID_LENGTH, SubjectId, SubjectKind},
        text,
        time::{Timestamp, millis, timestamp},
        token::Token,
    },
    request::incoming::{Client, Content, IncomingRequest, Unsent},
    router::{FlowId, Logging, MemoId, Rejection, Router, Turn, Vantage, ViewTaken},
    settle::{Base, Publish, Settlement, Source, Store},
    topology::{secrets::Secrets, settings::Settings},
};

/// What reads `wrangler.toml`, checks it and prices it.
pub mod config {
    pub use crate::{
        http::local::is_local_url,
        model::{formats, position::PositionKind},
        state::matrix::hint::may_lie_in,
        topology::*,
    };
}

/// What operators do and are shown: the door, the authority, the probers, the stories of conflicts, the questions of `homing doctor`, the
/// report and the snapshot.
pub mod operate {
    pub use crate::{
        control::{admin, authority, conflicts, doctor, prober},
        flow::taken_for,
        http::{
            answer::{is_gateway_failure, is_stored},
            believed::CONTRACT,
            problem_details,
            signature::Signed,
        },
        observe::{locality, report, snapshot, suggest},
        state::published::Published,
    };
}

/// What a request would meet: for a tool that explains or plays requests instead of serving them.
pub mod plan {
    pub use crate::{
        decide::{
            plan::{Freshness, WriteTarget, standing},
            rank::holds,
            reach::{PositionDemand, Reach, replica_of},
        },
        model::{clock::StampClock, position::Mark},
        ownership::{Ownership, evidence::Keeper, record::HomeRecord, stated::Log},
        request::{
            Request,
            admit::{access, admit},
        },
        session::{COOKIE, Claim, LIFETIME, Pin, Session, seal},
        settle::record::Pinned,
        state::{
            memory::{Memory, Observation, lag::UNMEASURED},
            view::View,
        },
    };
}

/// Everything, by its folder: for the tests of this repository, and for nothing else.
#[cfg(feature = "testing")]
#[allow(missing_docs)]
pub mod testing {
    pub mod model {
        pub use crate::model::*;
    }
    pub mod http {
        pub use crate::http::*;
    }
    pub mod topology {
        pub use crate::topology::*;
    }
    pub mod ownership {
        pub use crate::ownership::*;
    }
    pub mod session {
        pub use crate::session::*;
    }
    pub mod cache {
        pub use crate::cache::*;
    }
    pub mod state {
        pub use crate::state::*;
    }
    pub mod request {
        pub use crate::request::*;
    }
    pub mod decide {
        pub use crate::decide::*;
    }
    pub mod settle {
        pub use crate::settle::*;
    }
    pub mod flow {
        pub use crate::flow::*;
    }
    pub mod observe {
        pub use crate::observe::*;
    }
    pub mod control {
        pub use crate::control::*;
    }
    pub mod router {
        pub use crate::router::*;
    }
}
