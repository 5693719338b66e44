//! Who is signed in: one subject of each kind, and where its data lives.

use crate::{
    model::{
        epoch::Epoch,
        subject::{SubjectId, SubjectKind},
    },
    ownership::Ownership,
    topology::Topology,
};

/// A subject that the application has named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Own {
    /// Who.
    pub(crate) subject: SubjectId,
    /// Where its data lives, if anybody could say.
    pub(crate) home: Option<Home>,
}

/// The home of a session's own subject, by name: a session outlives a change of the configuration. It is made from an
/// [`Ownership`], or read from a session that is ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Home {
    pub(crate) name: String,
    pub(crate) epoch: Epoch,
}

impl Home {
    /// The region's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Since when.
    #[must_use]
    pub fn epoch(&self) -> Epoch {
        self.epoch
    }
}

/// The subjects of a session, at most one of each kind.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Subjects {
    pub(crate) user: Option<Own>,
    pub(crate) tenant: Option<Own>,
}

impl Subjects {
    fn of(&self, kind: SubjectKind) -> Option<&Own> {
        match kind {
            SubjectKind::User => self.user.as_ref(),
            SubjectKind::Tenant => self.tenant.as_ref(),
        }
    }

    pub(crate) fn of_mut(&mut self, kind: SubjectKind) -> &mut Option<Own> {
        match kind {
            SubjectKind::User => &mut self.user,
            SubjectKind::Tenant => &mut self.tenant,
        }
    }

    /// Who of that kind is signed in.
    #[must_use]
    pub fn subject(&self, kind: SubjectKind) -> Option<&SubjectId> {
        self.of(kind).map(|own| &own.subject)
    }

    /// Where the data of that subject lives.
    #[must_use]
    pub fn home(&self, kind: SubjectKind) -> Option<&Home> {
        self.of(kind)?.home.as_ref()
    }

    /// Those who are signed in, the user first.
    pub fn all(&self) -> impl Iterator<Item = &Own> {
        self.user.iter().chain(&self.tenant)
    }

    /// Whether that subject is among them.
    #[must_use]
    pub fn has(&self, subject: &SubjectId) -> bool {
        self.all().any(|own| own.subject == *subject)
    }

    /// Signs a subject in, in place of another of its kind, or that kind out.
    pub fn sign(&mut self, kind: SubjectKind, subject: Option<SubjectId>) {
        *self.of_mut(kind) = subject.map(|subject| Own { subject, home: None });
    }

    /// Takes over where the subject of that kind lives, unless something later is known; true if that changes anything.
    pub fn settle(&mut self, kind: SubjectKind, owned: Ownership, topology: &Topology) -> bool {
        let Some(own) = self.of_mut(kind) else { return false };
        let later = own.home.as_ref().is_none_or(|home| owned.epoch() > home.epoch) && owned.epoch() > Epoch::NONE;
        if later {
            own.home = Some(Home { name: topology.region(owned.home()).name.clone(), epoch: owned.epoch() });
        }
        later
    }
}

impl Own {
    /// Who.
    #[must_use]
    pub fn subject(&self) -> &SubjectId {
        &self.subject
    }

    /// Where its data lives, if anybody could say.
    #[must_use]
    pub fn home(&self) -> Option<&Home> {
        self.home.as_ref()
    }
}
