//! What a 421 says besides who the owner is: whose the request is, or that the region was never the home that it was given.

use super::{
    context::Context,
    step::{ASSIGN, Assignment},
};
use crate::{
    http::answer::Answer,
    model::{
        ids::RegionId,
        subject::{SubjectId, SubjectKind},
    },
    ownership::{Owner, Ownership, evidence::lives_in},
};

/// The subject that an origin names, and it is another one than was asked about.
#[derive(Clone, Debug)]
pub(super) struct NamedSubject {
    /// Whose the request is.
    pub(super) subject: SubjectId,
    /// By that the data is split.
    pub(super) kind: SubjectKind,
    /// Where the origin says that the subject lives. A name is no ownership: whatever owner the answer names is that of what was asked
    /// about. Only where that was nobody is it the subject's.
    pub(super) lives: Option<RegionId>,
}

impl NamedSubject {
    /// The subject whom a 421 names, if the data is split by its kind and it is another one than was asked about.
    pub(super) fn by(cx: &Context, answer: &Answer<'_>) -> Option<Self> {
        let kind = cx.split_by().filter(|_| answer.status == 421)?;
        let subject = SubjectId::named(kind, answer.headers.get("homing-subject")?.trim())?;
        if cx.request.subject.as_ref() == Some(&subject) {
            return None;
        }
        let asked_of_nobody = cx.request.subject.is_none();
        let lives = lives_in(answer, cx.view.topology(), cx.residency()).filter(|_| asked_of_nobody);
        Some(Self { subject, kind, lives })
    }
}

/// A region was asked as the owner, and says that it owns nothing of this, and where the data is.
#[derive(Clone, Debug)]
pub(super) struct Declined {
    /// By which it was asked.
    pub(super) by: Ownership,
    /// What the directory is asked to make of it.
    pub(super) assignment: Assignment,
}

impl Declined {
    /// What that owner declines, where its answer says what the home should be; once in a request.
    pub(super) fn by(cx: &mut Context, declined: Owner, answer: &Answer<'_>) -> Option<Self> {
        let (subject, kind) = (cx.request.subject.clone()?, cx.split_by()?);
        let home = lives_in(answer, cx.view.topology(), cx.residency())?;
        if cx.is_corrected || home == declined.region() || !cx.may_propose(home) {
            return None;
        }
        let name = |region| cx.view.topology().region(region).name.clone();
        let instead_of = Some((name(declined.region()), declined.epoch().0));
        let proposed = Some(name(home));
        // To decline somebody whom a client has made up is no yes.
        let named = cx.request.session.session.subject(kind) == Some(&subject);
        let assignment = Assignment { subject, kind, proposed, named, instead_of, timeout: cx.patience(ASSIGN) };
        Some(Self { by: declined.ownership(), assignment })
    }
}
