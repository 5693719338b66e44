//! From raw to parsed: every rule of the configuration, and all complaints at once.

pub(crate) mod conflicts;
pub(crate) mod datasets;
pub(crate) mod identity;
mod names;
pub(crate) mod regions;
pub(crate) mod routes;
pub(crate) mod table;

use super::{
    Topology,
    error::{Complaints, KeyPath, quoted},
    raw::Raw,
};
use crate::model::ids::RegionId;
use crate::topology::parse::conflicts::MoreOfRule;
use crate::topology::parse::table::{KeyTable, nearest};
use crate::{
    http::{method::ROUTER, syntax::is_token},
    topology::{RouteTable, parse::names::Names},
};

/// The names of the vars that together are the topology, besides `ROUTES_2` and on.
pub const VARS: [&str; 4] = ["REGIONS", "DATASETS", "ROUTES", "IDENTITY"];

/// The topology of a `[vars]` table, and what should be looked at though it may ship. Vars that are not the topology's are
/// left alone.
///
/// # Errors
/// With all complaints, if any of them is an error.
pub fn parse(vars: &Raw, at: &KeyPath) -> Result<(Topology, Complaints), Complaints> {
    parse_with(vars, at, conflicts::in_full)
}

/// The same for what serves requests: what only tools and origins go by is not read.
///
/// # Errors
/// With all complaints, if any of them is an error.
pub(crate) fn parse_to_serve(vars: &Raw, at: &KeyPath) -> Result<(Topology, Complaints), Complaints> {
    parse_with(vars, at, conflicts::as_it_is)
}

fn parse_with(vars: &Raw, at: &KeyPath, more: MoreOfRule) -> Result<(Topology, Complaints), Complaints> {
    let mut log = Complaints::default();
    if KeyTable::of(vars, at, &mut log).is_none() {
        return Err(log);
    }
    let (raw_regions, raw_datasets, raw_identity) = (vars.get("REGIONS"), vars.get("DATASETS"), vars.get("IDENTITY"));
    let found = regions::read(raw_regions, &at.key("REGIONS"), &mut log);
    let mut identity = identity::read(raw_identity, &at.key("IDENTITY"), &mut log);
    let regions = Names::of(found.regions.iter().map(|region| region.name.clone()), raw_regions);
    let datasets = datasets::read(raw_datasets, &at.key("DATASETS"), &regions, raw_identity, more, &mut log);
    identity.first_homes = identity::first_homes(raw_identity, &at.key("IDENTITY"), (&regions, &datasets), &mut log);
    let dataset_names = Names::of(datasets.iter().map(|dataset| dataset.name.clone()), raw_datasets);
    let routes = routes::read(vars, at, (&datasets, &dataset_names), &identity, &mut log);
    let edge_name = edge_name(vars.get("EDGE_NAME"), &at.key("EDGE_NAME"), &mut log);
    misnamed(vars, at, &mut log);
    let mut all = found.regions.into_iter();
    match all.next() {
        Some(first) if !log.has_errors() => {
            let default_home = found.default_home.unwrap_or(RegionId(0));
            let routes = RouteTable::new(routes);
            let topology = Topology { first, rest: all.collect(), datasets, routes, identity, default_home, edge_name };
            Ok((topology, log))
        }
        _ => Err(log),
    }
}

/// The name in `Cache-Status` and `Proxy-Status`: a token of RFC 9651 section 3.3.4, so that it stands there as it is.
fn edge_name(raw: Option<&Raw>, path: &KeyPath, log: &mut Complaints) -> String {
    let Some(raw) = raw else { return ROUTER.to_owned() };
    let is_name = |name: &&str| {
        let legal = |byte: u8| is_token(byte) || matches!(byte, b':' | b'/');
        name.len() <= 64 && name.starts_with(|first: char| first.is_ascii_alphabetic()) && name.bytes().all(legal)
    };
    let name = raw.text().filter(is_name);
    if name.is_none() {
        let expected = "a letter, then at most 63 letters, digits and any of . - _ : /";
        log.error(path, raw.describe(), expected, "write the host of this deployment, such as \"shop.example.com\"");
    }
    name.unwrap_or(ROUTER).to_owned()
}

/// A table or list whose name is almost one of ours is a typing error, and would be passed over in silence.
fn misnamed(vars: &Raw, at: &KeyPath, log: &mut Complaints) {
    let Raw::Table(entries) = vars else { return };
    for (name, value) in entries {
        let ours = VARS.contains(&name.as_str()) || name.starts_with("ROUTES_");
        let shaped = matches!(value, Raw::Table(_) | Raw::List(_));
        if let (false, true, Some(near)) = (ours, shaped, nearest(&name.to_ascii_uppercase(), &VARS)) {
            let expected = format!("one of {}", quoted(VARS));
            log.warn(&at.key(name), format!("the unknown var {name:?}"), expected, format!("did you mean {near:?}?"));
        }
    }
}
