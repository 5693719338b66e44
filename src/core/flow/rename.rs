//! Whose data a request concerns, as an origin says it: the router asked about nobody (the session is lost, or never was), or
//! about another subject than the one who is signed in. The origin has refused that before acting, with 421 and
//! `Homing-Subject`. The subject's home is looked up, and the request goes on there, once, as that subject's; so does the session.
//!
//! A name is no ownership: whatever owner the same answer names is that of what was asked about, and not of this subject. Only where
//! that was nobody, `Homing-Home` says where the subject lives, and the directory is told so if it knows of no home.

use super::{Flow, step::Step};
use crate::{
    decide::plan::Freshness,
    http::{answer::Answer, problem::Problem},
    model::{subject::SubjectId, time::Timestamp, token::Token},
    ownership::evidence::lives_in,
    request::CacheUse,
    settle::{self, record::WriteOutcome, session::SignIn},
    topology::dataset::SubjectKind,
};

impl Flow {
    /// The subject whom a 421 names, if the data is split by its kind and it is another one than was asked about.
    pub(super) fn named_subject(&self, answer: &Answer<'_>) -> Option<(SubjectId, SubjectKind)> {
        let kind = self.split_by().filter(|_| answer.status == 421)?;
        let named = SubjectId::named(kind, answer.headers.get("homing-subject")?.trim())?;
        (self.request.subject.as_ref() != Some(&named)).then_some((named, kind))
    }

    /// The same request as that subject's: the one send more that it may have, after a look-up of its own.
    pub(super) fn ask_as(
        &mut self,
        (subject, kind): (SubjectId, SubjectKind),
        answer: &Answer<'_>,
        now: Timestamp,
    ) -> Step {
        let asked_of_nobody = self.request.subject.is_none();
        self.lives = lives_in(answer, self.view.topology(), self.residency()).filter(|_| asked_of_nobody);
        if !self.can_repeat() || !self.has_time(now) {
            return self.named_in_vain((subject, kind), now);
        }
        self.trace.note(Token::SubjectNamed, None);
        if self.is_told_by_answers(kind) {
            self.request.session.session = settle::begun(&self.request, &self.view, (&subject, kind), now);
            self.request.begun = true;
        }
        self.request.subject = Some(subject);
        // All of this was of whom it was taken for.
        self.request.cache = CacheUse::Bypass(Token::CacheBypass);
        (self.remembered, self.last_known, self.held) = (None, None, None);
        self.freshness = Freshness::of(&self.request, &self.view);
        self.resolve(now)
    }

    /// It cannot be sent once more: a body that streams is gone, or two regions have seen it. Nothing was done, and the session
    /// becomes that subject's, so that the client's own repeat finds its way.
    fn named_in_vain(&mut self, (subject, kind): (SubjectId, SubjectKind), now: Timestamp) -> Step {
        let reason = Token::SubjectNamedInVain;
        if self.request.begun || self.outcome_unknown.is_some() || !self.is_told_by_answers(kind) {
            return if self.is_read() { self.refuse(reason, now) } else { self.refuse_write(reason, now) };
        }
        self.trace.note(reason, None);
        let session = settle::begun(&self.request, &self.view, (&subject, kind), now);
        let (settling, problem) = (self.settling(None, reason, now), Problem::of(reason));
        let settlement = if settling.is_of_read() {
            settling.problem(&problem)
        } else {
            settling.failed_write(&problem, WriteOutcome::Refused, None)
        };
        self.settled((settlement, Some(SignIn::of(session, kind, subject, self.lives))), now)
    }

    /// Whether the application's answers say who is signed in; subjects of other kinds stand in each request.
    fn is_told_by_answers(&self, kind: SubjectKind) -> bool {
        self.view.topology().identity().is_named_by_answers(kind)
    }
}
