//! What can differ between two topologies, each as a type of its own: the steps are made from these, and never from text.

use serde::Serialize;

use homing_core::config::Topology;

/// What differs and has a consequence for who may write, or for what sessions and stored responses mean.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "what", rename_all = "kebab-case")]
pub(super) enum Change {
    /// A region joins.
    RegionAdded { region: String },
    /// A region leaves.
    RegionRemoved { region: String },
    /// A region has another address.
    OriginChanged { region: String, from: String, to: String },
    /// Writes that no dataset claims go to another region.
    DefaultHomeMoved { from: String, to: String },
    /// A dataset joins.
    DatasetAdded { dataset: String, ownership: &'static str },
    /// A dataset leaves.
    DatasetRemoved { dataset: String, ownership: &'static str },
    /// A single-writer dataset has another home.
    HomeMoved { dataset: String, from: String, to: String },
    /// A dataset has another ownership rule.
    OwnershipChanged { dataset: String, from: Rule, to: Rule },
    /// A dataset is split by another kind of subject.
    SubjectChanged { dataset: String, from: &'static str, to: &'static str },
    /// A dataset's subjects may live elsewhere than before.
    ResidencyChanged { dataset: String, subject: &'static str, added: Vec<String>, removed: Vec<String> },
    /// A multi-writer dataset has other owners.
    OwnersChanged { dataset: String, added: Vec<String>, removed: Vec<String> },
    /// Conflicts end by another rule.
    ConflictsChanged { dataset: String, from: String, to: String },
    /// Origins write positions in another way.
    PositionChanged { dataset: String, from: Option<&'static str>, to: Option<&'static str> },
    /// A lease begins, ends or has another length.
    LeaseChanged { dataset: String, from: Option<String>, to: Option<String> },
    /// Subjects are read from elsewhere.
    IdentityChanged { subject: &'static str, from: Option<String>, to: Option<String> },
    /// Subjects that nobody knows live elsewhere.
    FirstHomeChanged { subject: &'static str, from: Option<String>, to: Option<String> },
    /// A kind of request belongs to another dataset.
    RouteMoved {
        request: String,
        from: Option<String>,
        to: Option<String>,
        /// Whether it is a write by either file.
        writes: bool,
    },
    /// A kind of request is promised something else.
    PromiseChanged {
        request: String,
        key: &'static str,
        from: String,
        to: String,
        /// Whether the old file sends it as a write and the new one as a read.
        #[serde(skip)]
        becomes_read: bool,
    },
}

/// An ownership rule by names, so that rules of two topologies can be compared.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "ownership", rename_all = "kebab-case")]
pub(super) enum Rule {
    /// One region takes every write.
    SingleWriter { home: String },
    /// Each subject has a home among these regions.
    GeoPartitioned { subject: &'static str, regions: Vec<String> },
    /// Each of these regions takes writes.
    MultiWriter { regions: Vec<String> },
}

impl Rule {
    /// The rule of a dataset.
    pub(super) fn of(rule: &homing_core::config::Rule, topology: &Topology) -> Self {
        use homing_core::config::Rule as Core;
        let names = |regions: homing_core::config::RegionSet| {
            topology.regions().filter(|(id, _)| regions.contains(*id)).map(|(_, region)| region.name.clone()).collect()
        };
        match rule {
            Core::SingleWriter { home } => Self::SingleWriter { home: topology.region(*home).name.clone() },
            Core::GeoPartitioned { subject, regions } => {
                Self::GeoPartitioned { subject: subject.token(), regions: names(*regions) }
            }
            Core::MultiWriter { regions, .. } => Self::MultiWriter { regions: names(*regions) },
        }
    }

    /// In a few words.
    pub(super) fn words(&self) -> String {
        match self {
            Self::SingleWriter { home } => format!("single-writer at {home}"),
            Self::GeoPartitioned { subject, regions } => {
                format!("geo-partitioned by {subject} among {}", regions.join(", "))
            }
            Self::MultiWriter { regions } => format!("multi-writer at {}", regions.join(", ")),
        }
    }
}

impl Change {
    /// What differs, as a line under "What changes".
    pub(super) fn says(&self) -> String {
        let or_none = |text: &Option<String>| text.clone().unwrap_or_else(|| "none".to_owned());
        match self {
            Self::RegionAdded { region } => format!("region {region} is added"),
            Self::RegionRemoved { region } => format!("region {region} is removed"),
            Self::OriginChanged { region, from, to } => format!("region {region}: its origin is {to}, and was {from}"),
            Self::DefaultHomeMoved { from, to } => {
                format!("the default home moves from {from} to {to}: it takes the writes that no dataset claims")
            }
            Self::DatasetAdded { dataset, ownership } => format!("dataset {dataset} is added, {ownership}"),
            Self::DatasetRemoved { dataset, ownership } => format!("dataset {dataset} is removed, {ownership}"),
            Self::HomeMoved { dataset, from, to } => format!("dataset {dataset}: its home moves from {from} to {to}"),
            Self::OwnershipChanged { dataset, from, to } => {
                format!("dataset {dataset}: {}, and was {}", to.words(), from.words())
            }
            Self::SubjectChanged { dataset, from, to } => {
                format!("dataset {dataset}: split by {to}, and was by {from}")
            }
            Self::ResidencyChanged { dataset, subject, added, removed } => {
                format!("dataset {dataset}: a {subject} {}", gained_and_lost("may live", added, removed))
            }
            Self::OwnersChanged { dataset, added, removed } => {
                format!("dataset {dataset}: its owners: {}", joined_and_left(added, removed))
            }
            Self::ConflictsChanged { dataset, from, to } => {
                format!("dataset {dataset}: conflicts end by {to}, and did by {from}")
            }
            Self::PositionChanged { dataset, from, to } => {
                let of = |kind: &Option<&'static str>| kind.unwrap_or("left out");
                format!("dataset {dataset}: its position is {}, and was {}", of(to), of(from))
            }
            Self::LeaseChanged { dataset, from, to } => {
                format!("dataset {dataset}: its lease is {}, and was {}", or_none(to), or_none(from))
            }
            Self::IdentityChanged { subject, from, to } => {
                format!("a {subject} is read from {}, and was from {}", or_none(to), or_none(from))
            }
            Self::FirstHomeChanged { subject, from, to } => {
                format!("the first home of a {subject} is {}, and was {}", or_none(to), or_none(from))
            }
            Self::RouteMoved { request, from, to, .. } => {
                format!("{request}: belongs to {}, and did to {}", or_none(to), or_none(from))
            }
            Self::PromiseChanged { request, key, from, to, .. } => format!("{request}: {key} is {to}, and was {from}"),
        }
    }
}

fn gained_and_lost(may: &str, added: &[String], removed: &[String]) -> String {
    let gained = (!added.is_empty()).then(|| format!("{may} in {} too", added.join(", ")));
    let lost = (!removed.is_empty()).then(|| format!("{may} in {} no more", removed.join(", ")));
    gained.into_iter().chain(lost).collect::<Vec<_>>().join(", and ")
}

fn joined_and_left(added: &[String], removed: &[String]) -> String {
    let joined = (!added.is_empty()).then(|| format!("{} joins", added.join(", ")));
    let left = (!removed.is_empty()).then(|| format!("{} leaves", removed.join(", ")));
    joined.into_iter().chain(left).collect::<Vec<_>>().join(", ")
}
