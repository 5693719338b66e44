//! The router's own answers: the fields of a problem, and a refusal at the door.

use std::time::Duration;

use super::{Settlement, Settling, Source, keep::StoreAction, record::WriteOutcome, session};
use crate::{
    decide::cache_keys,
    http::{edits::Edits, http_date, problem::Problem, problem_details},
    model::{access::Access, reasons::Refusal, text, time::Timestamp},
    ownership::Ownership,
};

/// The longest that a client is told to wait: things often mend sooner than anybody could promise.
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// Adds the header fields of a problem; the same for those that are found before a flow exists. None of them is `Cache-Status`, which
/// speaks of how the cache has handled a request (RFC 9211 section 2). `name` is the edge's.
pub fn problem_fields(problem: &Problem, name: &str, now: Timestamp, edits: &mut Edits) {
    edits.set_by("date", |field| http_date::write(field, now));
    edits.set("content-type", problem_details::MEDIA_TYPE);
    edits.set("cache-control", "no-store");
    // A script of another origin would be told of a network error, whatever became of its request; who sends credentials is all
    // the same, for only the application can say who may (Fetch, section 3.2).
    edits.set("access-control-allow-origin", "*");
    edits.set("access-control-expose-headers", "homing-reason, homing-write-outcome, retry-after");
    if let Some(after) = problem.retry_after {
        let seconds = after.max(Duration::from_secs(1)).min(LONGEST_WAIT).as_secs();
        edits.set_by("retry-after", |field| text::number(field, seconds));
    }
    if matches!(problem.refusal, Refusal::MethodNotAllowed | Refusal::MaxForwards) {
        // RFC 9110 section 15.5.6 wants the list. What an origin makes of a method is for it to say.
        edits.set("allow", "GET, HEAD, QUERY, POST, PUT, PATCH, DELETE, OPTIONS");
    }
    if let Some(error) = problem.error_type() {
        edits.set_by("proxy-status", |field| text::all(field, &[name, "; error=", error]));
    }
}

impl Settling<'_> {
    /// A problem of the router's own. Whom an origin has named meanwhile stays named.
    #[must_use]
    pub fn problem(self, problem: &Problem) -> Settlement {
        let (request, view, now) = (self.request, self.view, self.now);
        let mut settlement = self.plain_problem(problem);
        if request.begun {
            settlement.carry(&request.session.session, request, view, now);
        }
        settlement
    }

    fn plain_problem(self, problem: &Problem) -> Settlement {
        let mut edits = Edits::default();
        self.sign(&mut edits);
        let failure = self.failures.last().map(|(_, failure)| *failure);
        let problem = &problem.because(failure);
        problem_fields(problem, self.view.topology().edge_name(), self.now, &mut edits);
        self.settlement(problem.status(), Source::Own(problem.body()), edits)
    }

    /// A write that failed. One that an owner has perhaps done leaves a pin, and no stored response: who reads may read what became of it. A body
    /// that its client broke off leaves both as they were, for anybody could empty the cache so of what they may not write.
    #[must_use]
    pub fn failed_write(self, problem: &Problem, outcome: WriteOutcome, owned: Option<Ownership>) -> Settlement {
        let (request, view, now) = (self.request, self.view, self.now);
        let unknown = owned.filter(|_| outcome == WriteOutcome::Unknown);
        let pinned = unknown.filter(|_| !request.upgrade);
        let (session, pinned) = pinned.and_then(|owned| session::pinned(request, view, owned.home(), now)).unzip();
        let session = session.or_else(|| request.begun.then(|| request.session.session.clone()));
        let mut settlement = self.plain_problem(problem);
        settlement.edits.set("homing-write-outcome", outcome.token());
        settlement.record_mut().pinned = pinned;
        if let Some(owned) = unknown.filter(|_| !request.safe) {
            let useless = cache_keys::as_read(request, view).into_iter().collect();
            settlement.carry_out(StoreAction::default(), useless, Some(owned.home()));
        }
        if let Some(session) = session {
            settlement.carry(&session, request, view, now);
        }
        settlement
    }

    /// Sends a browser on to the same address without what a redirect from another host carried along in it: it is not to stay
    /// where people copy it from, or where the next page's `Referer` shows it. What was carried is in the session from now on.
    #[must_use]
    pub fn sent_on(self) -> Settlement {
        let (request, view, now) = (self.request, self.view, self.now);
        let mut edits = Edits::default();
        self.sign(&mut edits);
        // Absolute: a target that begins with two slashes would name another host.
        edits.set("location", request.target.as_str());
        edits.set("cache-control", "no-store");
        edits.set_by("date", |field| http_date::write(field, now));
        let mut settlement = self.settlement(303, Source::Own(String::new()), edits);
        if request.has_carried() {
            settlement.carry(&request.session.session, request, view, now);
        }
        settlement
    }
}

/// A request that was refused before it became a flow. A write among them was certainly not sent.
#[must_use]
pub fn refusal(problem: &Problem, access: Access, name: &str, now: Timestamp) -> (u16, Edits, String) {
    let mut edits = Edits::default();
    edits.set("homing-reason", problem.refusal.token().as_str());
    if access == Access::Write {
        edits.set("homing-write-outcome", WriteOutcome::NotSent.token());
    }
    problem_fields(problem, name, now, &mut edits);
    (problem.status(), edits, problem.body())
}
