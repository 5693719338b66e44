//! Writes: one owner. A write is repeated only if the origin refused it before acting and named a later owner, or if the
//! client and the route both say that repeating it is harmless; it is never sent to a region that does not own the data.

use std::time::Duration;

use super::{
    context::Context,
    misdirected::{Declined, NamedSubject},
    next::{Next, NotWritten, Phase, Writing},
    send::Ended,
    step::Outcome,
};
use crate::{
    decide::reach::Least,
    http::{answer::Answer, problem::Problem},
    model::{
        access::Replay,
        ids::RegionId,
        reasons::{Choice, Exclusion, Failure, Refusal},
    },
    ownership::{Owner, Ownership},
    request::incoming::Unsent,
    settle::record::WriteOutcome,
    state::{
        health::{Health, breaker::Gate},
        published::RegionState,
        trace::{Decision, TraceEvent},
    },
};

/// The first send to that owner, unless it would fail or do harm there.
pub(super) fn first(cx: &mut Context, owner: Owner, choice: Choice) -> Next<'static> {
    let region = owner.region();
    // It begins a second time only where an origin has said whose it is, or that the data is elsewhere.
    let choice = match cx.attempts {
        _ if cx.is_corrected => Choice::Misdirected,
        0 => choice,
        _ => Choice::SubjectNamed,
    };
    cx.note_missed_owner(owner);
    if cx.view.is_excluded(region) {
        return put_off(cx, region, Refusal::DrillUnreachable, None);
    }
    match cx.view.state(region) {
        RegionState::ReadOnly => return put_off(cx, region, Refusal::RegionReadOnly, None),
        RegionState::Down => return put_off(cx, region, Refusal::RegionDown, None),
        RegionState::Active | RegionState::Draining | RegionState::Isolated => {}
    }
    let condition = cx.view.condition(region);
    if condition.full {
        return put_off(cx, region, Refusal::RegionFull, None);
    }
    if let Gate::Open(until) = condition.write {
        return put_off(cx, region, Refusal::BreakerOpen, Some(until.since(cx.now)));
    }
    send(cx, Duration::ZERO, Writing { owner, choice })
}

/// A write of which nobody can say who owns what it concerns.
pub(super) fn homeless(cx: &mut Context) -> Next<'static> {
    cx.join_drill(None);
    Next::Refuse(Refusal::HomeUnknown)
}

fn send(cx: &mut Context, delay: Duration, writing: Writing) -> Next<'static> {
    let region = writing.owner.region();
    cx.note_choice(region, writing.choice);
    // What the session has seen is the context in which it writes: a removal takes away what it has seen, though this owner has not got
    // that yet (Bieniusa et al., "An optimized conflict-free replicated set", 2012). It is no reason to refuse.
    let context = cx.is_of_several().then(|| cx.least_of(writing.owner.ownership()));
    let step = cx.send(region, Some(writing.owner), context.unwrap_or_default(), delay);
    Next::Wait(step, Phase::Writing(writing))
}

/// What came of a send.
pub(super) fn on_outcome<'a>(cx: &mut Context, writing: Writing, outcome: Outcome<'a>, health: &Health) -> Next<'a> {
    let region = writing.owner.region();
    let closed = cx.was_turned_off(region, &outcome);
    let (failure, outcome_unknown) = match outcome {
        Outcome::Answered(_) if closed => (Failure::Broken, true),
        Outcome::Answered(answer) => return on_answer(cx, writing, answer),
        Outcome::TimedOut => (Failure::Timeout, true),
        Outcome::Refused => (Failure::Connect, false),
        Outcome::Lost | Outcome::Broken => (Failure::Broken, true),
        Outcome::Unsent(unsent) => return cut_short(cx, unsent, region),
        // The latter never: no write asks about a stored response.
        Outcome::NotFinal | Outcome::Unreadable => return not_final(cx, writing.owner),
    };
    if outcome_unknown {
        cx.outcome_unknown = Some(writing.owner.ownership());
    }
    cx.note_failure(region, failure);
    let backoff = cx.backoff();
    if cx.request.repeatable && cx.can_repeat() && cx.has_time_at(cx.now.after(backoff)) && cx.may_repeat(health) {
        return send(cx, backoff, Writing { choice: Choice::Retried, ..writing });
    }
    match cx.outcome_unknown {
        Some(owned) => unknown(cx, owned),
        None => {
            cx.note(TraceEvent::Refused(Refusal::WriteNotSent, Some(region)));
            not_written(Refusal::WriteNotSent, WriteOutcome::NotSent, None)
        }
    }
}

/// An answer: the client's, unless it is a 421 that says whose the request is, or who owns the data.
fn on_answer<'a>(cx: &mut Context, writing: Writing, answer: Answer<'a>) -> Next<'a> {
    let Writing { owner, choice } = writing;
    if let Some(named) = NamedSubject::by(cx, &answer) {
        return Next::Rename(named);
    }
    // A 421 without a name is the application's own business.
    if answer.status != 421 || !answer.headers.has("homing-home") {
        let ended = Ended {
            region: owner.region(),
            decision: Decision::Chosen(choice),
            owner: Some(owner),
            least: Least::Nothing,
            stale: false,
        };
        return Next::Answer(ended, answer);
    }
    let named = Ownership::named(&answer, cx.view.topology(), cx.residency());
    // What is split has no owner as a whole: this one is of somebody's part, and nobody has said whose.
    let named = named.filter(|_| cx.split_by().is_none() || cx.request.subject.is_some());
    match named.and_then(|named| owner.succeeded_by(named)) {
        Some(later) => match cx.go_on_at(later) {
            Ok(()) => send(cx, Duration::ZERO, Writing { owner: later, choice: Choice::Misdirected }),
            Err(refusal) => Next::Refuse(refusal),
        },
        None => match Declined::by(cx, owner, &answer) {
            Some(declined) => Next::Correct(declined),
            None => Next::Refuse(Refusal::MisdirectedInVain),
        },
    }
}

/// Ends a write that was refused; unless an earlier send of it may have been done, it certainly changed nothing.
pub(super) fn refused(cx: &mut Context, refusal: Refusal) -> Next<'static> {
    cx.note(TraceEvent::Refused(refusal, None));
    match cx.outcome_unknown {
        Some(owned) => unknown(cx, owned),
        None => not_written(refusal, nothing_done(cx), None),
    }
}

/// Ends a write that was not sent, since it would fail or do harm there.
fn put_off(cx: &mut Context, region: RegionId, refusal: Refusal, after: Option<Duration>) -> Next<'static> {
    match refusal {
        Refusal::DrillUnreachable => cx.note_against(region, Exclusion::Drill),
        _ => cx.note(TraceEvent::Refused(refusal, Some(region))),
    }
    let problem = after.map_or(Problem::of(refusal), |after| Problem::of(refusal).after(after));
    Next::NotWritten(NotWritten { problem, outcome: nothing_done(cx), owned: None })
}

/// Ends a write whose client did not send it whole: of a body that streams, the region may have part.
fn cut_short(cx: &mut Context, unsent: Unsent, region: RegionId) -> Next<'static> {
    let refusal = unsent.refusal();
    cx.note(TraceEvent::Refused(refusal, Some(region)));
    let outcome_unknown = cx.request.replay == Replay::Stream || cx.outcome_unknown.is_some();
    let outcome = if outcome_unknown { WriteOutcome::Unknown } else { WriteOutcome::NotSent };
    not_written(refusal, outcome, cx.outcome_unknown)
}

/// Ends a write to which there was no final answer: done or not, it is not sent again.
fn not_final(cx: &mut Context, owner: Owner) -> Next<'static> {
    cx.note(TraceEvent::Refused(Refusal::NotFinal, Some(owner.region())));
    not_written(Refusal::NotFinal, WriteOutcome::Unknown, Some(owner.ownership()))
}

/// Ends a write of which nobody knows whether it was done.
fn unknown(cx: &mut Context, owned: Ownership) -> Next<'static> {
    cx.note(TraceEvent::Refused(Refusal::WriteUnknown, Some(owned.home())));
    not_written(Refusal::WriteUnknown, WriteOutcome::Unknown, Some(owned))
}

fn not_written(refusal: Refusal, outcome: WriteOutcome, owned: Option<Ownership>) -> Next<'static> {
    Next::NotWritten(NotWritten { problem: Problem::of(refusal), outcome, owned })
}

/// The word for a write that has certainly changed nothing.
fn nothing_done(cx: &Context) -> WriteOutcome {
    if cx.attempts == 0 { WriteOutcome::NotSent } else { WriteOutcome::Refused }
}
