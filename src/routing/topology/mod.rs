//! The topology: what `wrangler.toml` says, after it was found free of errors.
//!
//! Every type here is the parsed twin of something in [`raw`]; holding one is proof that the rules of [`parse`] hold.
//! Regions and datasets are named by small indices, so that a decision copies bytes and never strings.

pub mod error;
pub mod geo;
pub mod parse;
pub mod pattern;
pub mod raw;
pub mod units;

use std::time::Duration;

pub use error::{Complaint, Complaints, KeyPath, Severity};
pub use geo::{Location, UnitVector};
pub use parse::parse;
pub use pattern::RoutePattern;

/// The most regions a topology may name; [`RegionSet`] is one machine word.
pub const MAX_REGIONS: usize = 32;

/// A region's place in the configured order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RegionId(pub(crate) u8);

impl RegionId {
    /// The region's place in the configured order, from 0.
    #[must_use]
    pub fn index(self) -> usize {
        usize::from(self.0)
    }
}

/// A dataset's place in the configured order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DatasetId(pub(crate) u16);

impl DatasetId {
    /// The dataset's place in the configured order, from 0.
    #[must_use]
    pub fn index(self) -> usize {
        usize::from(self.0)
    }
}

/// A set of regions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RegionSet(u32);

impl RegionSet {
    /// No region.
    pub const EMPTY: Self = Self(0);

    /// This set and one region more.
    #[must_use]
    pub fn with(self, region: RegionId) -> Self {
        Self(self.0 | (1 << u32::from(region.0).min(31)))
    }

    /// Whether the region is in the set.
    #[must_use]
    pub fn contains(self, region: RegionId) -> bool {
        self.0 & (1 << u32::from(region.0).min(31)) != 0
    }

    /// The regions of both sets.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Whether no region is in the set.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The regions of the set, in configured order.
    pub fn iter(self) -> impl Iterator<Item = RegionId> {
        (0..32u8).map(RegionId).filter(move |region| self.contains(*region))
    }
}

/// A validated topology: at least one region, every name resolved.
#[derive(Clone, Debug)]
pub struct Topology {
    /// The region named first; its being outside of `rest` is what makes [`Topology::region`] total.
    pub(crate) first: Region,
    pub(crate) rest: Vec<Region>,
    pub(crate) datasets: Vec<Dataset>,
    pub(crate) routes: Vec<Route>,
    pub(crate) identity: Identity,
    pub(crate) default_home: RegionId,
}

impl Topology {
    /// The region of that index. Indices come from this topology only, so the fallback is never seen.
    #[must_use]
    pub fn region(&self, id: RegionId) -> &Region {
        id.index().checked_sub(1).and_then(|at| self.rest.get(at)).unwrap_or(&self.first)
    }

    /// Every region with its index, in configured order.
    pub fn regions(&self) -> impl Iterator<Item = (RegionId, &Region)> {
        (0u8..).map(RegionId).zip(std::iter::once(&self.first).chain(&self.rest))
    }

    /// Every region as a set.
    #[must_use]
    pub fn all_regions(&self) -> RegionSet {
        self.regions().fold(RegionSet::EMPTY, |set, (id, _)| set.with(id))
    }

    /// The region of that name.
    #[must_use]
    pub fn region_named(&self, name: &str) -> Option<RegionId> {
        self.regions().find(|(_, region)| region.name == name).map(|(id, _)| id)
    }

    /// The dataset of that index.
    #[must_use]
    pub fn dataset(&self, id: DatasetId) -> Option<&Dataset> {
        self.datasets.get(id.index())
    }

    /// The dataset of that name.
    #[must_use]
    pub fn dataset_named(&self, name: &str) -> Option<DatasetId> {
        self.datasets().find(|(_, dataset)| dataset.name == name).map(|(id, _)| id)
    }

    /// Every dataset with its index, in configured order.
    pub fn datasets(&self) -> impl Iterator<Item = (DatasetId, &Dataset)> {
        (0u16..).map(DatasetId).zip(&self.datasets)
    }

    /// The routes, in the order in which they are tried.
    #[must_use]
    pub fn routes(&self) -> &[Route] {
        &self.routes
    }

    /// Where subjects are read from.
    #[must_use]
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// The home of writes that no dataset claims, and of subjects nobody has identified.
    #[must_use]
    pub fn default_home(&self) -> RegionId {
        self.default_home
    }

    /// Where subjects of this kind may live: the regions common to all datasets that are split by it
    /// (the linter refuses a topology where that is none). All regions, if no dataset is split by it.
    #[must_use]
    pub fn residency(&self, kind: SubjectKind) -> RegionSet {
        self.datasets
            .iter()
            .filter_map(|dataset| match dataset.rule {
                Rule::GeoPartitioned { subject, regions } if subject == kind => Some(regions),
                _ => None,
            })
            .fold(self.all_regions(), RegionSet::and)
    }
}

/// A named failure domain with a full application stack.
#[derive(Clone, Debug)]
pub struct Region {
    /// Lower-case letters, digits and hyphens, at most 32.
    pub name: String,
    /// Where its requests go.
    pub origin: Origin,
    /// Where it stands, if configured.
    pub location: Option<Location>,
    /// Path of its health address.
    pub health: String,
    /// Time to headers for one attempt, where it differs from the route's and the default.
    pub deadline: Option<Duration>,
}

/// A region's HTTP endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// `scheme://authority` without a trailing slash, path or query.
    Url(String),
    /// The name of a service binding.
    Service(String),
}

/// A class of data with one ownership rule.
#[derive(Clone, Debug)]
pub struct Dataset {
    /// Lower-case letters, digits and hyphens, at most 32.
    pub name: String,
    /// Who owns its parts.
    pub rule: Rule,
    /// The most that a nearest read may lag, if bounded.
    pub staleness: Option<Duration>,
}

/// The ownership rule of a dataset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rule {
    /// One region takes every write.
    SingleWriter {
        /// That region.
        home: RegionId,
    },
    /// Each subject's part has a home of its own.
    GeoPartitioned {
        /// What it is split by.
        subject: SubjectKind,
        /// Where a subject may live.
        regions: RegionSet,
    },
    /// Several regions take writes; conflicts are resolved by a rule that users can be told.
    MultiWriter {
        /// The owners.
        regions: RegionSet,
        /// How conflicts end.
        conflicts: Conflicts,
    },
}

impl Rule {
    /// The rule's name in the configuration.
    #[must_use]
    pub fn token(&self) -> &'static str {
        match self {
            Self::SingleWriter { .. } => "single-writer",
            Self::GeoPartitioned { .. } => "geo-partitioned",
            Self::MultiWriter { .. } => "multi-writer",
        }
    }
}

/// What a geo-partitioned dataset is split by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SubjectKind {
    /// The person.
    User,
    /// The customer organisation.
    Tenant,
}

impl SubjectKind {
    /// The kind's name in the configuration.
    #[must_use]
    pub fn token(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Tenant => "tenant",
        }
    }
}

/// How conflicting writes of a multi-writer dataset are resolved, and how that is told to users.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conflicts {
    /// The rule.
    pub rule: ConflictRule,
    /// A sentence for users; never empty.
    pub explain: String,
}

/// The rules there are for conflicts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConflictRule {
    /// The greater `Homing-Clock` wins.
    LastWriteWins,
    /// Values merge without loss.
    Merge,
    /// The application decides.
    Application,
}

impl ConflictRule {
    /// The rule's name in the configuration.
    #[must_use]
    pub fn token(self) -> &'static str {
        match self {
            Self::LastWriteWins => "last-write-wins",
            Self::Merge => "merge",
            Self::Application => "application",
        }
    }
}

/// A line of `ROUTES`.
#[derive(Clone, Debug)]
pub struct Route {
    /// Which requests it takes.
    pub pattern: RoutePattern,
    /// What they concern; none for requests that no dataset claims.
    pub dataset: Option<DatasetId>,
    /// What a read sees of the reader's own writes.
    pub read_after_write: ReadAfterWrite,
    /// What a read gets that should go home while home is down.
    pub on_home_down: OnHomeDown,
    /// Overrides what the method says about reading and writing.
    pub access: Option<Access>,
    /// Writes may be repeated when they carry an `Idempotency-Key`.
    pub idempotent: bool,
    /// Whether the edge cache may hold its responses; where it is not said, ownership decides.
    pub cache: Option<bool>,
    /// Time to headers for one attempt.
    pub deadline: Option<Duration>,
}

/// What a read must see of the session's own writes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ReadAfterWrite {
    /// Nothing is promised.
    #[default]
    None,
    /// A session reads its own writes.
    Session,
    /// Every read goes home.
    Home,
}

/// What happens to a read that should go home while home is down.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnHomeDown {
    /// It is answered from elsewhere and says so.
    Stale,
    /// It is refused with 503.
    #[default]
    Refuse,
}

/// Whether a request changes anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// It does not.
    Read,
    /// It may.
    Write,
}

impl Access {
    /// The word used in headers and logs.
    #[must_use]
    pub fn token(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
        }
    }
}

/// Where subjects are read from.
#[derive(Clone, Debug, Default)]
pub struct Identity {
    /// The person.
    pub user: Option<IdentitySource>,
    /// The customer organisation.
    pub tenant: Option<IdentitySource>,
}

impl Identity {
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
#[derive(Clone, Debug)]
pub enum IdentitySource {
    /// The application names the subject in this response header (lower case), at login; the session carries it on.
    ResponseHeader(String),
    /// A request header (lower case) that a trusted hop before the router sets.
    Header(String),
    /// A cookie of that name.
    Cookie(String),
    /// `{user}` or `{tenant}` in a path pattern.
    Path(pattern::PathPattern),
    /// The host with `{tenant}` (or `{user}`) for one label: text before it, text after it.
    Host {
        /// What stands before the subject.
        prefix: String,
        /// What stands after it.
        suffix: String,
    },
}
