//! A checker of session guarantees over recorded histories of concurrent clients.
//!
//! Every write appends a unique id to the list of its key, and every read returns such a list; so what a read saw can be
//! read off its answer, and no model of the data is needed (the idea of list-append histories: Kingsbury and Alvaro,
//! "Elle", VLDB 2020). The guarantees are those of Terry et al., "Session Guarantees for Weakly Consistent Replicated
//! Data", 1994. `README.md` beside this crate says what a line of a recording holds and what each violation means.
//!
//! The way of a recording: [`record`] reads its lines, [`history`] joins them to a [`History`], [`check()`] judges it.

// Every index here was made by this crate when it numbered keys, ids, sessions and operations; none comes from the input.
#![allow(clippy::indexing_slicing, reason = "indices are numbers that this crate gave out itself")]

mod causal;
mod finals;
pub mod history;
mod lists;
mod marks;
pub mod record;
mod sessions;
mod staleness;
pub mod violation;

pub use history::{History, Recording};
pub use record::{Action, Complaint, Operation, Record, Status, read};
pub use staleness::Staleness;
pub use violation::{Guarantee, Violation};

/// What a history comes to.
#[derive(Clone, Debug)]
pub struct Verdict {
    /// Every violation, by guarantee and then in the order of the recording.
    pub violations: Vec<Violation>,
    /// How old the answers of reads were; none if there was no read.
    pub staleness: Option<Staleness>,
}

impl Verdict {
    /// Whether a violation of that guarantee was found.
    #[must_use]
    pub fn has(&self, guarantee: Guarantee) -> bool {
        self.violations.iter().any(|violation| violation.guarantee == guarantee)
    }
}

/// Judges a history.
#[must_use]
pub fn check(history: &History) -> Verdict {
    let mut found = Vec::new();
    let lists = lists::clean(history, &mut found);
    let orders = lists::version_orders(history, &lists, &mut found);
    sessions::reads(history, &lists, &mut found);
    sessions::writes(history, &lists, &orders, &mut found);
    causal::check(history, &lists, &orders, &mut found);
    finals::check(history, &lists, &mut found);
    found.sort_by_key(|violation| (violation.guarantee, violation.operations.first().copied()));
    Verdict { violations: found, staleness: staleness::measure(history, &lists) }
}
