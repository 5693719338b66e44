//! HTTP as a router needs it: fields, targets, answers, problems.

pub mod answer;
pub mod believed;
pub mod cookies;
pub mod edits;
pub mod headers;
pub mod http_date;
pub mod local;
pub(crate) mod method;
pub(crate) mod percent;
pub mod problem;
pub mod problem_details;
pub mod signature;
pub(crate) mod syntax;
pub mod target;
pub mod url;
