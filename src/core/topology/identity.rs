//! Identity: where the router learns who a request is about.

use super::pattern::{HostPattern, PathPattern};
use crate::model::ids::RegionId;
use crate::model::subject::SubjectKind;

/// Where subjects are read from.
#[derive(Clone, Debug, Default, serde::Serialize, serde::Deserialize)]
pub struct Identity {
    /// The person.
    pub user: Option<IdentitySource>,
    /// The customer organisation.
    pub tenant: Option<IdentitySource>,
    /// The hosts that this router serves for one application: a redirect among them carries the session's pins along.
    pub hosts: Vec<HostPattern>,
    /// Where those live whom nobody knows.
    pub first_homes: Vec<(SubjectKind, RegionId)>,
}

impl Identity {
    /// Whether a redirect to that host may carry pins along.
    #[must_use]
    pub fn shares_sessions(&self, host: &str) -> bool {
        self.hosts.iter().any(|pattern| pattern.matches(host))
    }

    /// The request fields by which a trusted hop before the router names subjects.
    #[must_use]
    pub fn request_fields(&self) -> [Option<&str>; 2] {
        self.names(|source| if let IdentitySource::Header(name) = source { Some(name) } else { None })
    }

    /// The cookies that name subjects.
    #[must_use]
    pub fn cookies(&self) -> [Option<&str>; 2] {
        self.names(|source| if let IdentitySource::Cookie(name) = source { Some(name) } else { None })
    }

    fn names<'s>(&'s self, of: impl Fn(&'s IdentitySource) -> Option<&'s str>) -> [Option<&'s str>; 2] {
        [&self.user, &self.tenant].map(|source| source.as_ref().and_then(&of))
    }

    /// Whether the application names subjects of that kind in its answers, so that the session carries them on.
    #[must_use]
    pub fn is_named_by_answers(&self, kind: SubjectKind) -> bool {
        matches!(self.source(kind), Some(IdentitySource::ResponseHeader(_)))
    }

    /// Where subjects of that kind live until somebody knows better: their data is there already. None: the nearest region.
    #[must_use]
    pub fn first_home(&self, kind: SubjectKind) -> Option<RegionId> {
        self.first_homes.iter().find(|(of, _)| *of == kind).map(|(_, region)| *region)
    }

    /// The source of that kind of subject.
    #[must_use]
    pub fn source(&self, kind: SubjectKind) -> Option<&IdentitySource> {
        match kind {
            SubjectKind::User => self.user.as_ref(),
            SubjectKind::Tenant => self.tenant.as_ref(),
        }
    }
}

/// One place a subject may be read from.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
pub enum IdentitySource {
    /// The application names the subject in this response header (lower case), at login; the session carries it on.
    ResponseHeader(String),
    /// A request header (lower case) that a trusted hop before the router sets.
    Header(String),
    /// A cookie of that name.
    Cookie(String),
    /// `{user}` or `{tenant}` in a path pattern.
    Path(PathPattern),
    /// The host with `{tenant}` (or `{user}`) for one label: text before it, text after it.
    Host {
        /// What stands before the subject.
        prefix: String,
        /// What stands after it.
        suffix: String,
    },
}
