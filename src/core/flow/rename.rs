//! Whose data a request concerns, as an origin says it: the router asked about nobody (the session is lost, or never was), or
//! about another subject than the one who is signed in. The origin has refused that before acting, with 421 and
//! `Homing-Subject`. The subject's home is looked up, and the request goes on there, once, as that subject's; so does the session.
//!
//! A name is no ownership: whatever owner the same answer names is that of what was asked about, and not of this subject. Only where
//! that was nobody, `Homing-Home` says where the subject lives, and the directory is told so if it knows of no home.

use std::cell::OnceCell;

use super::{context::Context, misdirected::NamedSubject, next::Next};
use crate::{
    cache::state::CacheState,
    decide::plan::Freshness,
    http::problem::Problem,
    model::{
        reasons::{Note, Refusal},
        subject::SubjectKind,
    },
    request::CacheUse,
    settle::{self, record::WriteOutcome, session::SignIn},
    state::trace::{Decision, TraceEvent},
};

/// The same request as that subject's: the one send more that it may have, after a look-up of its own.
pub(super) fn first(cx: &mut Context, named: NamedSubject) -> Next<'static> {
    cx.lives = named.lives;
    if !cx.may_send_again() {
        return in_vain(cx, named);
    }
    let NamedSubject { subject, kind, .. } = named;
    cx.note(TraceEvent::Noted(Note::SubjectNamed, None));
    if is_told_by_answers(cx, kind) {
        cx.request.session.session = settle::begun(&cx.request, &cx.view, (&subject, kind), cx.now);
        cx.request.begun = true;
    }
    cx.request.subject = Some(subject);
    // All of this was of whom it was taken for.
    cx.request.key = OnceCell::new();
    cx.request.cache = CacheUse::Bypass(CacheState::Bypass);
    (cx.remembered, cx.last_known, cx.held) = (None, None, None);
    cx.freshness = Freshness::of(&cx.request, &cx.view);
    Next::Route
}

/// It cannot be sent once more: a body that streams is gone, or two regions have seen it. Nothing was done, and the session
/// becomes that subject's, so that the client's own repeat finds its way.
fn in_vain(cx: &mut Context, named: NamedSubject) -> Next<'static> {
    let NamedSubject { subject, kind, lives } = named;
    let refusal = Refusal::SubjectNamedInVain;
    if cx.request.begun || cx.outcome_unknown.is_some() || !is_told_by_answers(cx, kind) {
        return Next::Refuse(refusal);
    }
    cx.note(TraceEvent::Refused(refusal, None));
    let session = settle::begun(&cx.request, &cx.view, (&subject, kind), cx.now);
    let (settling, problem) = (cx.settling(None, Decision::Refused(refusal)), Problem::of(refusal));
    let settlement = if settling.is_of_read() {
        settling.problem(&problem)
    } else {
        settling.failed_write(&problem, WriteOutcome::Refused, None)
    };
    Next::from((settlement, Some(SignIn::of(session, kind, subject, lives))))
}

/// Whether the application's answers say who is signed in; subjects of other kinds stand in each request.
fn is_told_by_answers(cx: &Context, kind: SubjectKind) -> bool {
    cx.view.topology().identity().is_named_by_answers(kind)
}
