//! Whose data a request concerns, as an origin says it: the router asked about nobody (the session is lost, or never was), or
//! about another subject than the one who is signed in. The origin has refused that before acting, with 421 and
//! `Homing-Subject`. The subject's home is looked up, and the request goes on there, once, as that subject's; so does the session.
//!
//! A name is no ownership: whatever owner the same answer names is that of what was asked about, and not of this subject. Only where
//! that was nobody, `Homing-Home` says where the subject lives, and the directory is told so if it knows of no home.

use super::{Flow, context::Context, step::Step};
use crate::{
    decide::plan::Freshness,
    http::{answer::Answer, problem::Problem},
    model::{
        reasons::Refusal,
        subject::{SubjectId, SubjectKind},
        time::Timestamp,
        token::Token,
    },
    ownership::evidence::lives_in,
    request::CacheUse,
    settle::{self, record::WriteOutcome, session::SignIn},
};

impl Context {
    /// The subject whom a 421 names, if the data is split by its kind and it is another one than was asked about.
    pub(super) fn named_subject(&self, answer: &Answer<'_>) -> Option<(SubjectId, SubjectKind)> {
        let kind = self.split_by().filter(|_| answer.status == 421)?;
        let named = SubjectId::named(kind, answer.headers.get("homing-subject")?.trim())?;
        (self.request.subject.as_ref() != Some(&named)).then_some((named, kind))
    }

    /// Whether the application's answers say who is signed in; subjects of other kinds stand in each request.
    pub(super) fn is_told_by_answers(&self, kind: SubjectKind) -> bool {
        self.view.topology().identity().is_named_by_answers(kind)
    }
}

impl Flow {
    /// The same request as that subject's: the one send more that it may have, after a look-up of its own.
    pub(super) fn ask_as(
        &mut self,
        (subject, kind): (SubjectId, SubjectKind),
        answer: &Answer<'_>,
        now: Timestamp,
    ) -> Step {
        let asked_of_nobody = self.cx.request.subject.is_none();
        self.cx.lives = lives_in(answer, self.cx.view.topology(), self.cx.residency()).filter(|_| asked_of_nobody);
        if !self.cx.can_repeat() || !self.cx.has_time(now) {
            return self.named_in_vain((subject, kind), now);
        }
        self.cx.trace.note(Token::SubjectNamed, None);
        if self.cx.is_told_by_answers(kind) {
            self.cx.request.session.session = settle::begun(&self.cx.request, &self.cx.view, (&subject, kind), now);
            self.cx.request.begun = true;
        }
        self.cx.request.subject = Some(subject);
        // All of this was of whom it was taken for.
        self.cx.request.cache = CacheUse::Bypass(Token::CacheBypass);
        (self.cx.remembered, self.cx.last_known, self.cx.held) = (None, None, None);
        self.cx.freshness = Freshness::of(&self.cx.request, &self.cx.view);
        self.resolve(now)
    }

    /// It cannot be sent once more: a body that streams is gone, or two regions have seen it. Nothing was done, and the session
    /// becomes that subject's, so that the client's own repeat finds its way.
    fn named_in_vain(&mut self, (subject, kind): (SubjectId, SubjectKind), now: Timestamp) -> Step {
        let refusal = Refusal::SubjectNamedInVain;
        if self.cx.request.begun || self.cx.outcome_unknown.is_some() || !self.cx.is_told_by_answers(kind) {
            return if self.cx.is_read() { self.refuse(refusal, now) } else { self.refuse_write(refusal, now) };
        }
        self.cx.trace.note(refusal.token(), None);
        let session = settle::begun(&self.cx.request, &self.cx.view, (&subject, kind), now);
        let (settling, problem) = (self.cx.settling(None, refusal.token(), now), Problem::of(refusal));
        let settlement = if settling.is_of_read() {
            settling.problem(&problem)
        } else {
            settling.failed_write(&problem, WriteOutcome::Refused, None)
        };
        self.settled((settlement, Some(SignIn::of(session, kind, subject, self.cx.lives))), now)
    }
}
