//! `wrangler.toml`'s vars: whatever stands there is read without harm, and what is accepted is whole.

use arbitrary::{Result, Unstructured};
use homing_core::testing::topology::{
    Topology,
    dataset::Rule,
    error::KeyPath,
    parse,
    raw::{self, Raw},
};

use crate::made::text;

const KEYS: [&str; 48] = [
    "REGIONS",
    "DATASETS",
    "ROUTES",
    "ROUTES_2",
    "ROUTES_3",
    "IDENTITY",
    "us",
    "eu",
    "ap",
    "cart",
    "likes",
    "origin",
    "service",
    "location",
    "lat",
    "lon",
    "health",
    "deadline",
    "ceiling",
    "default_home",
    "ownership",
    "home",
    "subject",
    "regions",
    "staleness",
    "position",
    "conflicts",
    "rule",
    "merge",
    "per",
    "minimum",
    "explain",
    "match",
    "dataset",
    "read_after_write",
    "on_home_down",
    "access",
    "idempotent",
    "cache",
    "max_cross_region",
    "max_conflict_rate",
    "allow_request_fields",
    "user",
    "tenant",
    "response_header",
    "cookie",
    "header",
    "hosts",
];
const TEXTS: [&str; 40] = [
    "us",
    "eu",
    "ap",
    "cart",
    "likes",
    "user",
    "tenant",
    "single-writer",
    "geo-partitioned",
    "multi-writer",
    "merge",
    "last-write-wins",
    "session",
    "home",
    "stale",
    "read",
    "write",
    "30s",
    "5%",
    "counter",
    "set",
    "field",
    "https://eu.example.com",
    "REGION_EU",
    "GET /api/*",
    "POST ",
    "*.example.com/{id}",
    "/t/{tenant}/*",
    "{user}.example.com",
    "Homing-Subject",
    "x-http-method-override",
    "X_Forwarded_Host",
    "",
    " ",
    "/",
    "{",
    "}",
    "%2e",
    "*",
    "é",
];

/// The target.
pub fn whatever(bytes: &[u8]) {
    let _ = holds(bytes);
}

fn holds(bytes: &[u8]) -> Result<()> {
    let u = &mut Unstructured::new(bytes);
    if let Ok(vars) =
        raw::from_json(&text(u, &["{", "}", "[", "]", ":", ",", "\"REGIONS\"", "\"us\"", "1e9", "null"], 12)?)
    {
        check(&vars);
    }
    // A sound one that is struck at some places.
    let mut vars = raw::from_json(include_str!("../../support/topology.json")).unwrap();
    for _ in 0..u.int_in_range(0..=4)? {
        strike(&mut vars, u, 0)?;
    }
    check(&vars);
    let whole = tree(u, 5)?;
    check(&whole);
    Ok(())
}

fn check(vars: &Raw) {
    match parse(vars, &KeyPath::default().key("vars")) {
        Ok((topology, warnings)) => {
            assert!(!warnings.has_errors());
            whole(&topology);
        }
        Err(complaints) => {
            assert!(complaints.has_errors());
            for complaint in &complaints.0 {
                let parts = [&complaint.found, &complaint.expected, &complaint.remedy];
                assert!(parts.iter().all(|part| !part.is_empty()), "{complaint}");
            }
        }
    }
}

fn whole(topology: &Topology) {
    let all = topology.all_regions();
    assert!(all.contains(topology.default_home()));
    for (_, dataset) in topology.datasets() {
        match &dataset.rule {
            Rule::SingleWriter { home } => assert!(all.contains(*home)),
            Rule::GeoPartitioned { subject, regions } => {
                assert!(!regions.is_empty() && !topology.residency(*subject).is_empty());
                assert!(topology.identity().source(*subject).is_some());
            }
            Rule::MultiWriter { regions, conflicts } => {
                assert!(!regions.is_empty() && !conflicts.explain.trim().is_empty());
            }
        }
    }
    for route in topology.routes() {
        assert!(route.dataset.is_none_or(|id| topology.dataset(id).is_some()));
    }
    for path in ["/", "/api/x", "/t/acme/notes", "//", "/%2F"] {
        let _ = topology.route("GET", "a.example.com", path);
    }
}

fn leaf(u: &mut Unstructured<'_>) -> Result<Raw> {
    Ok(match u.int_in_range(0..=9)? {
        0 => Raw::Null,
        1 => Raw::Bool(u.arbitrary()?),
        2 => Raw::Number(u.arbitrary()?),
        3 => Raw::Text(text(u, &TEXTS, 4)?),
        _ => Raw::Text((*u.choose(&TEXTS)?).to_owned()),
    })
}

fn key(u: &mut Unstructured<'_>) -> Result<String> {
    if u.ratio(1, 16)? { u.arbitrary() } else { Ok((*u.choose(&KEYS)?).to_owned()) }
}

fn tree(u: &mut Unstructured<'_>, depth: usize) -> Result<Raw> {
    if depth == 0 || u.ratio(1, 4)? {
        return leaf(u);
    }
    let count = u.int_in_range(0..=4)?;
    if u.ratio(1, 4)? {
        return Ok(Raw::List((0..count).map(|_| tree(u, depth - 1)).collect::<Result<_>>()?));
    }
    Ok(Raw::Table((0..count).map(|_| Ok((key(u)?, tree(u, depth - 1)?))).collect::<Result<_>>()?))
}

fn strike(here: &mut Raw, u: &mut Unstructured<'_>, depth: usize) -> Result<()> {
    let deeper = depth < 5 && u.ratio(4, 5)?;
    match here {
        Raw::Table(entries) if !entries.is_empty() && deeper => {
            let at = u.choose_index(entries.len())?;
            strike(&mut entries[at].1, u, depth + 1)?;
        }
        Raw::List(members) if !members.is_empty() && deeper => {
            let at = u.choose_index(members.len())?;
            strike(&mut members[at], u, depth + 1)?;
        }
        Raw::Table(entries) if u.arbitrary()? => {
            if entries.is_empty() || u.arbitrary()? {
                entries.push((key(u)?, tree(u, 2)?));
            } else {
                entries.remove(u.choose_index(entries.len())?);
            }
        }
        place => *place = tree(u, 2)?,
    }
    Ok(())
}
