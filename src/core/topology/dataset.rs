//! Datasets: who owns what, and how conflicts end.

use std::time::Duration;

use crate::model::position::PositionKind;
use crate::model::{
    ids::{RegionId, RegionSet},
    subject::SubjectKind,
};

/// The least and the most that writers may be refused while a home moves, in seconds, where somebody says it.
pub const MAX_PAUSE: (u64, u64) = (1, 60);

/// A class of data with one ownership rule.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
pub struct Dataset {
    /// A lower-case letter, then lower-case letters, digits and hyphens; at most 32 in all.
    pub name: String,
    /// Who owns its parts.
    pub rule: Rule,
    /// The most that a nearest read may lag, if bounded.
    pub staleness: Option<Duration>,
    /// How its origins write positions, if they report any.
    pub position: Option<PositionKind>,
    /// How long its home may accept writes without hearing from the authority, if that is bounded; single-writer only.
    pub lease: Option<Duration>,
    /// How long its writers may be refused at most while a home moves, if that is said; not of a multi-writer one.
    pub max_pause: Option<Duration>,
}

/// The ownership rule of a dataset.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
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
    /// By which kind of subject the data is split, if it is.
    #[must_use]
    pub fn split_by(&self) -> Option<SubjectKind> {
        match self {
            Self::GeoPartitioned { subject, .. } => Some(*subject),
            Self::SingleWriter { .. } | Self::MultiWriter { .. } => None,
        }
    }

    /// Whether the data is of one subject each, and nobody else's to see.
    #[must_use]
    pub fn is_personal(&self) -> bool {
        matches!(self, Self::GeoPartitioned { .. })
    }

    /// Whether it has several owners, whose writes are ordered by their stamps.
    #[must_use]
    pub fn is_multi_writer(&self) -> bool {
        matches!(self, Self::MultiWriter { .. })
    }

    /// How conflicts end, if it has several owners.
    #[must_use]
    pub fn conflicts(&self) -> Option<&Conflicts> {
        match self {
            Self::MultiWriter { conflicts, .. } => Some(conflicts),
            _ => None,
        }
    }

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

/// How conflicting writes of a multi-writer dataset are resolved, and how that is told to users.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Conflicts {
    /// The rule.
    pub rule: ConflictRule,
    /// A sentence for users; never empty.
    pub explain: String,
}

/// The rules there are for conflicts. The origins carry them out; the router counts and tells what came of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum ConflictRule {
    /// The greater `Homing-Clock` wins.
    LastWriteWins(WinsPer),
    /// Values merge without loss; none where the file does not say how.
    Merge(Option<MergeKind>),
    /// The application decides.
    Application,
}

/// What the last write wins as a whole.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum WinsPer {
    /// The record: of two writes one is gone.
    #[default]
    Record,
    /// Each field: two writes of different fields both stay.
    Field,
}

/// How values merge (Shapiro et al., "A comprehensive study of Convergent and Commutative Replicated Data Types", 2011).
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum MergeKind {
    /// Increments and decrements add up.
    Counter {
        /// What it should not fall below, if that is said. No merge can keep it: two regions may take the last one at once.
        minimum: Option<i64>,
    },
    /// Of an addition and a removal at once, the addition stays.
    Set,
    /// Both of two values at once stay, for the application to show.
    Register,
    /// Fields, each with a rule of its own that the application declares.
    Map,
}

impl ConflictRule {
    /// What headers, health addresses and counts may call a rule.
    pub const WORDS: [&str; 7] = ["last-write-wins", "counter", "set", "register", "map", "application", "merge"];

    /// The rule's name in the configuration.
    #[must_use]
    pub fn token(self) -> &'static str {
        match self {
            Self::LastWriteWins(_) => "last-write-wins",
            Self::Merge(_) => "merge",
            Self::Application => "application",
        }
    }

    /// What headers, health addresses and counts call it: a merge by its kind, where the file names one.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Merge(Some(MergeKind::Counter { .. })) => "counter",
            Self::Merge(Some(MergeKind::Set)) => "set",
            Self::Merge(Some(MergeKind::Register)) => "register",
            Self::Merge(Some(MergeKind::Map)) => "map",
            other => other.token(),
        }
    }

    /// The word for a rule that a text is; none of any other text.
    #[must_use]
    pub fn known(text: &str) -> Option<&'static str> {
        Self::WORDS.into_iter().find(|word| *word == text)
    }
}
