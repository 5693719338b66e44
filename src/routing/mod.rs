//! The pure core: every decision, with its reason. In the order of a request: [`facts`], [`admit`], [`view`], [`flow`],
//! [`settle`]; beside them what they are made of.

pub mod admin;
pub mod admit;
pub mod answer;
pub mod attempt;
pub mod authority;
pub mod cache;
pub mod candidates;
pub mod clock;
pub mod copies;
pub mod drill;
pub mod facts;
pub mod flow;
pub mod headers;
pub mod health;
pub mod intent;
pub mod keys;
pub mod locality;
pub mod matrix;
pub mod memory;
pub mod near;
pub mod ownership;
pub mod plan;
pub mod position;
pub mod problem;
pub mod reason;
pub mod report;
pub mod session;
pub mod settle;
pub mod subject;
pub mod suggest;
pub mod text;
pub mod time;
pub mod topology;
pub mod trace;
pub mod view;

pub use admit::admit;
pub use facts::Facts;
pub use flow::{Event, Flow, Step};
pub use intent::Intent;
pub use memory::Memory;
pub use problem::Problem;
pub use reason::Reason;
pub use settle::Settlement;
pub use time::Timestamp;
pub use view::{Settings, View};
