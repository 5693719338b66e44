//! Subjects: the user or tenant that a geo-partitioned dataset is split by, never by name outside of the application.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use sha2::{Digest, Sha256};

/// Length of a subject's id in characters: 132 bits of a hash, so that ids never collide and names never show.
pub const ID_LENGTH: usize = 22;

/// The hashed name of a subject: the first 22 characters of base64url(SHA-256("user:ada")).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SubjectId(String);

impl SubjectId {
    /// The id of the subject of that kind and name.
    #[must_use]
    pub fn of(kind: SubjectKind, name: &str) -> Self {
        let mut hash = Sha256::new();
        hash.update(kind.token());
        hash.update(":");
        hash.update(name);
        let mut id = URL_SAFE_NO_PAD.encode(hash.finalize());
        id.truncate(ID_LENGTH);
        Self(id)
    }

    /// The subject that an origin names in a 421: `~` and an id, as units are written, or the name by which it knows its user.
    /// None of an empty one.
    #[must_use]
    pub fn named(kind: SubjectKind, text: &str) -> Option<Self> {
        let id = text.strip_prefix('~').and_then(Self::parse);
        id.or_else(|| (!text.is_empty()).then(|| Self::of(kind, text)))
    }

    /// Reads an id back.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let legal = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        (text.len() == ID_LENGTH && text.bytes().all(legal)).then(|| Self(text.to_owned()))
    }

    /// The id's text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What a geo-partitioned dataset is split by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub enum SubjectKind {
    /// The person.
    User,
    /// The customer organisation.
    Tenant,
}

impl SubjectKind {
    /// Every kind.
    pub const ALL: [Self; 2] = [Self::User, Self::Tenant];

    /// The kind's name in the configuration.
    #[must_use]
    pub fn token(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Tenant => "tenant",
        }
    }

    /// The kind of that name.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.token() == text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_what_an_origin_computes_from_its_own_user() {
        let id = SubjectId::of(SubjectKind::User, "ada");
        assert_eq!(id.as_str().len(), ID_LENGTH);
        assert_eq!(SubjectId::parse(id.as_str()), Some(id.clone()));
        assert_ne!(id, SubjectId::of(SubjectKind::Tenant, "ada"));
        assert_eq!(SubjectId::parse("ada"), None);
        let named = |text: &str| SubjectId::named(SubjectKind::User, text);
        assert_eq!((named("ada"), named(&format!("~{}", id.as_str()))), (Some(id.clone()), Some(id)));
        assert_eq!(named(""), None);
        assert_eq!(named("~ada"), Some(SubjectId::of(SubjectKind::User, "~ada")), "a name may begin like that");
    }
}
