//! The topology: what `wrangler.toml` says, after it was found free of errors.
//!
//! Every type here is the parsed twin of something in [`raw`]; holding one is proof that the rules of [`mod@parse`] hold.
//! Regions and datasets are named by small indices, so that a decision copies bytes and never strings.

pub mod build;
mod compiled;
pub mod dataset;
pub mod digest;
pub mod error;
pub mod identity;
pub mod pace;
pub mod parse;
pub(crate) mod pattern;
pub mod raw;
pub mod route;
pub mod secrets;
pub mod settings;
mod table;
pub mod units;
pub mod warnings;

use std::time::Duration;

use crate::http::target::Target;
pub use crate::model::geo::{Location, UnitVector};
pub use crate::model::ids::{DatasetId, MAX_REGIONS, RegionId, RegionSet};
pub use crate::topology::error::{Complaint, Complaints, KeyPath, Severity};
pub use crate::topology::identity::{Identity, IdentitySource};
pub use crate::topology::parse::parse;
pub use crate::topology::pattern::RoutePattern;
pub use crate::topology::route::{OnHomeDown, ReadAfterWrite, Route, Spelling};
pub(crate) use crate::topology::table::RouteTable;
pub use crate::topology::units::Share;
pub use crate::{
    model::subject::SubjectKind,
    topology::dataset::{ConflictRule, Conflicts, Dataset, MAX_PAUSE, MergeKind, Rule, WinsPer},
};

/// A validated topology: at least one region, every name resolved.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
pub struct Topology {
    /// The region named first; its being outside of `rest` is what makes [`Topology::region`] total.
    pub(crate) first: Region,
    pub(crate) rest: Vec<Region>,
    pub(crate) datasets: Vec<Dataset>,
    pub(crate) routes: RouteTable,
    pub(crate) identity: Identity,
    pub(crate) default_home: RegionId,
    pub(crate) edge_name: String,
}

impl Topology {
    /// The region of that index. Indices come from this topology only, so the fallback is never seen.
    #[must_use]
    pub fn region(&self, id: RegionId) -> &Region {
        id.index().checked_sub(1).and_then(|at| self.rest.get(at)).unwrap_or(&self.first)
    }

    /// How `Cache-Status` and `Proxy-Status` name this deployment (RFC 9211 section 2, RFC 9209 section 2).
    #[must_use]
    pub fn edge_name(&self) -> &str {
        &self.edge_name
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
        self.routes.all()
    }

    /// The first route that takes such a request, and its index; the path in its final form (or a reading of it), the host without a port.
    #[must_use]
    pub fn route(&self, method: &str, host: &str, path: &str) -> Option<(usize, &Route)> {
        self.routes.may_take(path).find(|(_, route)| route.pattern.matches(method, host, path))
    }

    /// The first route that would take it if upper and lower case of paths were one, as some applications have it.
    #[must_use]
    pub fn route_in_any_case(&self, method: &str, host: &str, path: &str) -> Option<&Route> {
        let mut routes = self.routes.may_take(path).map(|(_, route)| route);
        routes.find(|route| route.pattern.matches_in_any_case(method, host, path))
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
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
pub struct Region {
    /// A lower-case letter, then lower-case letters, digits and hyphens; at most 32 in all.
    pub name: String,
    /// Where its requests go.
    pub origin: Origin,
    /// Where it stands, if configured.
    pub location: Option<Location>,
    /// Path of its health address.
    pub health: String,
    /// Time to headers for one attempt, where it differs from the route's and the default.
    pub deadline: Option<Duration>,
    /// The most requests that one isolate has under way to it, as far as the head of the answer.
    pub ceiling: Option<u32>,
}

/// A region's HTTP endpoint.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum Origin {
    /// `scheme://authority` without a trailing slash, path or query.
    Url(String),
    /// The name of a service binding.
    Service(String),
}

impl Origin {
    /// What to fetch for that path there: the service binding, if it is one, and the URL. A binding's name is its host: the platform
    /// takes any.
    #[must_use]
    pub fn url(&self, path: &str) -> (Option<&str>, String) {
        match self {
            Self::Url(url) => (None, [url, path].concat()),
            Self::Service(name) => (Some(name), ["https://", name, path].concat()),
        }
    }

    /// The same for a client's request, but that a service binding sees the host that the client has asked for.
    #[must_use]
    pub fn url_of(&self, target: &Target) -> (Option<&str>, String) {
        match self {
            Self::Url(_) => self.url(target.path_and_query()),
            Self::Service(name) => (Some(name), target.as_str().to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_of_an_origin_has_one_url() {
        let url = Origin::Url("https://eu.example.com:8443".to_owned());
        assert_eq!(url.url("/healthz?n=1"), (None, "https://eu.example.com:8443/healthz?n=1".to_owned()));
        let service = Origin::Service("REGION_EU".to_owned());
        assert_eq!(service.url("/healthz"), (Some("REGION_EU"), "https://REGION_EU/healthz".to_owned()));
    }

    /// What stands behind a service binding is a Worker of the same account, which may tell hosts apart.
    #[test]
    fn a_service_is_asked_by_the_clients_own_address_and_a_url_by_its_own() {
        let target = Target::read("https://shop.example/a?b=c").unwrap();
        let url = Origin::Url("https://eu.example.com:8443".to_owned());
        assert_eq!(url.url_of(&target), (None, "https://eu.example.com:8443/a?b=c".to_owned()));
        let service = Origin::Service("REGION_EU".to_owned());
        assert_eq!(service.url_of(&target), (Some("REGION_EU"), "https://shop.example/a?b=c".to_owned()));
    }
}
