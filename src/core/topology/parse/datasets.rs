//! `DATASETS`.

use std::time::Duration;

use crate::topology::parse::conflicts::{self, MoreOfRule};
use crate::topology::parse::names::{Names, check_name};
use crate::topology::parse::table::KeyTable;
use crate::{
    model::{
        ids::{RegionId, RegionSet},
        position::PositionKind,
        subject::SubjectKind,
    },
    topology::{
        dataset::{Dataset, MAX_PAUSE, Rule},
        error::{Complaints, KeyPath},
        raw::Raw,
    },
};

const KEYS: [&str; 9] =
    ["ownership", "home", "subject", "regions", "staleness", "position", "lease", "max_pause", "conflicts"];

/// The least and the most that a lease may last, in seconds: several renewals must fit into it, and origins take no longer one.
const LEASE: (u64, u64) = (3, 600);

#[derive(Clone, Copy)]
enum RuleKind {
    SingleWriter,
    GeoPartitioned,
    MultiWriter,
}

const OWNERSHIPS: [(&str, RuleKind); 3] = [
    ("single-writer", RuleKind::SingleWriter),
    ("geo-partitioned", RuleKind::GeoPartitioned),
    ("multi-writer", RuleKind::MultiWriter),
];

pub(super) fn read(
    raw: Option<&Raw>,
    path: &KeyPath,
    regions: &Names,
    identity: Option<&Raw>,
    more: MoreOfRule,
    log: &mut Complaints,
) -> Vec<Dataset> {
    let Some(table) = raw.and_then(|raw| KeyTable::of(raw, path, log)) else { return Vec::new() };
    let mut datasets = Vec::new();
    for (name, raw) in table.entries() {
        let path = path.key(name);
        check_name(name, "dataset", &path, log);
        let Some(table) = KeyTable::of(raw, &path, log) else { continue };
        table.only(&KEYS, log);
        let rule = rule(&table, regions, identity, more, log);
        let staleness = table.duration("staleness", log);
        let position = rule.as_ref().and_then(|rule| position(&table, rule, log));
        let lease = rule.as_ref().and_then(|rule| lease(&table, rule, log));
        let max_pause = rule.as_ref().and_then(|rule| max_pause(&table, rule, log));
        datasets.extend(rule.map(|rule| Dataset {
            name: name.to_owned(),
            rule,
            staleness,
            position,
            lease,
            max_pause,
        }));
    }
    for kind in [SubjectKind::User, SubjectKind::Tenant] {
        residency(&datasets, kind, path, regions, log);
    }
    datasets
}

fn rule(
    table: &KeyTable<'_>,
    regions: &Names,
    identity: Option<&Raw>,
    more: MoreOfRule,
    log: &mut Complaints,
) -> Option<Rule> {
    if !table.has("ownership") {
        let expected = "\"single-writer\", \"geo-partitioned\" or \"multi-writer\"";
        table.missing("ownership", expected, "say who may write this data", log);
    }
    match table.choice("ownership", &OWNERSHIPS, log)? {
        RuleKind::SingleWriter => single_writer(table, regions, log),
        RuleKind::GeoPartitioned => geo_partitioned(table, regions, identity, log),
        RuleKind::MultiWriter => multi_writer(table, regions, more, log),
    }
}

/// How positions are written. Of several owners each counts its own log, or all by one clock; numbers of PostgreSQL's log are of neither,
/// since a replica has the owners' writes in a log of its own.
fn position(table: &KeyTable<'_>, rule: &Rule, log: &mut Complaints) -> Option<PositionKind> {
    let kind = table.choice("position", &PositionKind::ALL, log)?;
    if rule.is_multi_writer() && kind == PositionKind::Lsn {
        let expected = "\"counter\", \"hlc\" or \"timestamp\" for a multi-writer dataset, whose owners have a log each";
        let remedy = "number each owner's writes and report how far each owner's log is applied, or remove it";
        log.error(&table.path.key("position"), "\"lsn\"", expected, remedy);
        return None;
    }
    Some(kind)
}

/// A lease is renewed for each home that needs one, which for one home of each subject would be without end.
fn lease(table: &KeyTable<'_>, rule: &Rule, log: &mut Complaints) -> Option<Duration> {
    if !matches!(rule, Rule::SingleWriter { .. }) {
        table.out_of_place("lease", "only a single-writer dataset has one home that could hold it", log);
        return None;
    }
    let remedy = "choose how long the home may accept writes without hearing from the authority; a forced promotion waits as long";
    within(table, "lease", LEASE, remedy, log)
}

fn max_pause(table: &KeyTable<'_>, rule: &Rule, log: &mut Complaints) -> Option<Duration> {
    if rule.is_multi_writer() {
        table.out_of_place("max_pause", "several regions take writes, so no home ever moves", log);
        return None;
    }
    let remedy = "choose how long writes may be refused while a home moves; after that the move is aborted";
    within(table, "max_pause", MAX_PAUSE, remedy, log)
}

fn within(
    table: &KeyTable<'_>,
    key: &str,
    (least, most): (u64, u64),
    remedy: &str,
    log: &mut Complaints,
) -> Option<Duration> {
    let span = table.duration(key, log)?;
    if (Duration::from_secs(least)..=Duration::from_secs(most)).contains(&span) {
        return Some(span);
    }
    let found = table.get(key).map_or_else(String::new, Raw::describe);
    log.error(&table.path.key(key), found, format!("{least}s to {most}s"), remedy);
    None
}

fn single_writer(table: &KeyTable<'_>, regions: &Names, log: &mut Complaints) -> Option<Rule> {
    for key in ["subject", "regions", "conflicts"] {
        table.out_of_place(key, "a single-writer dataset has one home and no conflicts", log);
    }
    if !table.has("home") {
        table.missing("home", "the region that takes every write", "add home = \"REGION\"", log);
    }
    let home = regions.region(table.text("home", log)?, &table.path.key("home"), log)?;
    Some(Rule::SingleWriter { home })
}

fn geo_partitioned(
    table: &KeyTable<'_>,
    regions: &Names,
    identity: Option<&Raw>,
    log: &mut Complaints,
) -> Option<Rule> {
    table.out_of_place("home", "each subject has a home of its own", log);
    table.out_of_place("conflicts", "each subject's part has one home, where nothing conflicts", log);
    for (key, expected, remedy) in [
        ("subject", "what it is split by: \"user\" or \"tenant\"", "add subject = \"user\""),
        ("regions", "the regions where a subject may live", "add regions = [\"REGION\", …]"),
    ] {
        if !table.has(key) {
            table.missing(key, expected, remedy, log);
        }
    }
    let kinds = [("user", SubjectKind::User), ("tenant", SubjectKind::Tenant)];
    let subject = table.choice("subject", &kinds, log);
    let set = region_set(table, regions, log);
    let subject = subject?;
    let kind = subject.token();
    // One that stands there but is broken has had its complaint.
    if identity.and_then(|identity| identity.get(kind)).is_none() {
        let remedy = format!("add {kind} = {{ … }} to IDENTITY");
        let expected = format!("a place where the router learns who the {kind} is");
        log.error(&table.path.key("subject"), format!("{kind:?}"), expected, remedy);
    }
    Some(Rule::GeoPartitioned { subject, regions: set? })
}

fn multi_writer(table: &KeyTable<'_>, regions: &Names, more: MoreOfRule, log: &mut Complaints) -> Option<Rule> {
    table.out_of_place("home", "every owner takes writes", log);
    table.out_of_place("subject", "every owner holds all of it", log);
    let set = if table.has("regions") { region_set(table, regions, log) } else { Some(regions.all()) };
    let Some(raw) = table.get("conflicts") else {
        let expected = "a rule and an explanation of how conflicts end";
        let remedy =
            "add [conflicts] with rule and explain: a conflict that cannot be explained to users is not accepted";
        table.missing("conflicts", expected, remedy, log);
        return None;
    };
    let conflicts = KeyTable::of(raw, &table.path.key("conflicts"), log)?;
    let conflicts = conflicts::read(&conflicts, more, log);
    Some(Rule::MultiWriter { regions: set?, conflicts: conflicts? })
}

fn region_set(table: &KeyTable<'_>, regions: &Names, log: &mut Complaints) -> Option<RegionSet> {
    let names = table.texts("regions", log)?;
    if names.is_empty() {
        log.error(&table.path.key("regions"), "an empty list", "at least one region", "name one");
        return None;
    }
    let found: Vec<Option<RegionId>> = names.iter().map(|(name, path)| regions.region(name, path, log)).collect();
    found.into_iter().collect::<Option<Vec<_>>>().map(|ids| ids.into_iter().fold(RegionSet::EMPTY, RegionSet::with))
}

/// A subject has one home for all datasets that are split by it, so these must have a region in common.
fn residency(datasets: &[Dataset], kind: SubjectKind, path: &KeyPath, regions: &Names, log: &mut Complaints) {
    let split: Vec<(&Dataset, RegionSet)> = datasets
        .iter()
        .filter_map(|dataset| match dataset.rule {
            Rule::GeoPartitioned { subject, regions } if subject == kind => Some((dataset, regions)),
            _ => None,
        })
        .collect();
    let common = split.iter().fold(regions.all(), |set, (_, regions)| set.and(*regions));
    if common.is_empty()
        && let Some((last, _)) = split.last()
    {
        let kind = kind.token();
        let expected = format!("a region that all datasets split by {kind:?} have in common");
        let remedy = format!("a {kind} has one home: give these datasets a common region");
        log.error(&path.key(&last.name).key("regions"), "no common region", expected, remedy);
    }
}
