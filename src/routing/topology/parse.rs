//! From raw to parsed: every rule of the configuration, and all complaints at once.

mod datasets;
mod identity;
mod regions;
mod routes;
mod table;

use super::{
    Dataset, RegionId, RegionSet, Topology,
    error::{Complaints, KeyPath, quoted},
    raw::Raw,
};
use table::Table;

/// The names of the vars that together are the topology, besides `ROUTES_2` and on.
pub const VARS: [&str; 4] = ["REGIONS", "DATASETS", "ROUTES", "IDENTITY"];

/// The topology of a `[vars]` table, and what should be looked at though it may ship. Vars that are not the topology's are
/// left alone.
///
/// # Errors
/// With all complaints, if any of them is an error.
pub fn parse(vars: &Raw, at: &KeyPath) -> Result<(Topology, Complaints), Complaints> {
    let mut log = Complaints::default();
    let names = regions::read(vars.get("REGIONS"), &at.key("REGIONS"), &mut log);
    let identity = identity::read(vars.get("IDENTITY"), &at.key("IDENTITY"), &mut log);
    let regions = Names::of(names.regions.iter().map(|region| region.name.clone()));
    let datasets = datasets::read(vars.get("DATASETS"), &at.key("DATASETS"), &regions, &identity, &mut log);
    let dataset_names = Names::of(datasets.iter().map(|dataset| dataset.name.clone()));
    let routes = routes::read(vars, at, &datasets, &dataset_names, &mut log);
    let mut all = names.regions.into_iter();
    match all.next() {
        Some(first) if !log.has_errors() => {
            let default_home = names.default_home.unwrap_or(RegionId(0));
            let topology = Topology { first, rest: all.collect(), datasets, routes, identity, default_home };
            Ok((topology, log))
        }
        _ => Err(log),
    }
}

/// Known names, by place.
struct Names(Vec<String>);

impl Names {
    fn of(names: impl Iterator<Item = String>) -> Self {
        Self(names.collect())
    }

    fn place(&self, name: &str) -> Option<usize> {
        self.0.iter().position(|known| known == name)
    }

    fn quoted(&self) -> String {
        quoted(self.0.iter().map(String::as_str))
    }

    fn all(&self) -> RegionSet {
        (0u8..).zip(&self.0).fold(RegionSet::EMPTY, |set, (at, _)| set.with(RegionId(at)))
    }

    /// The region of that name, or a complaint.
    fn region(&self, name: &str, path: &KeyPath, log: &mut Complaints) -> Option<RegionId> {
        let place = self.place(name).and_then(|at| u8::try_from(at).ok());
        if place.is_none() {
            let remedy = "name one of them, or add the region to [vars.REGIONS]";
            log.error(path, format!("{name:?}"), format!("a region: {}", self.quoted()), remedy);
        }
        place.map(RegionId)
    }
}

/// Whether a name may stand in headers, cookies and log lines as it is.
fn check_name(name: &str, what: &str, path: &KeyPath, log: &mut Complaints) {
    let legal = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    if name.is_empty() || name.len() > 32 || !name.bytes().all(legal) {
        let expected = "1 to 32 lower-case letters, digits or hyphens";
        log.error(path, format!("the name {name:?}"), expected, format!("rename the {what}"));
    }
}

/// A dataset's name for complaints of routes.
fn name_of(datasets: &[Dataset], at: usize) -> &str {
    datasets.get(at).map_or("", |dataset| dataset.name.as_str())
}
