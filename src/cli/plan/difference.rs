//! The difference of two topologies. Regions and datasets are the same ones if they have the same name.

use std::{collections::BTreeSet, time::Duration};

use super::{
    change::{Change, Rule},
    requests,
};
use homing_core::{
    config::{Conflicts, Dataset, IdentitySource, Origin, PositionKind, Region, SubjectKind, Topology},
    millis,
};

/// What differs.
#[derive(Debug, Default)]
pub(super) struct Difference {
    /// What has a consequence for who may write, or for what sessions and stored responses mean.
    pub(super) changes: Vec<Change>,
    /// What changes no ownership, a line each.
    pub(super) others: Vec<String>,
}

/// What differs between the two.
pub(super) fn of(old: &Topology, new: &Topology) -> Difference {
    let mut found = Difference::default();
    found.regions(old, new);
    found.default_home(old, new);
    found.datasets(old, new);
    found.identity(old, new);
    found.routes(old, new);
    found
}

/// The names of all regions, in configured order.
pub(super) fn region_names(topology: &Topology) -> Vec<String> {
    topology.regions().map(|(_, region)| region.name.clone()).collect()
}

/// The dataset of that name.
pub(super) fn dataset<'t>(topology: &'t Topology, name: &str) -> Option<&'t Dataset> {
    topology.dataset(topology.dataset_named(name)?)
}

/// The rule of the dataset of that name.
pub(super) fn rule(topology: &Topology, name: &str) -> Option<Rule> {
    dataset(topology, name).map(|dataset| Rule::of(&dataset.rule, topology))
}

/// The single-writer datasets with that home by the file.
pub(super) fn homes_in(topology: &Topology, region: &str) -> Vec<String> {
    let is_home = |name: &str| matches!(rule(topology, name), Some(Rule::SingleWriter { home }) if home == region);
    topology.datasets().filter(|(_, dataset)| is_home(&dataset.name)).map(|(_, dataset)| dataset.name.clone()).collect()
}

/// Whether subjects of that kind may live in the region of that name; false if there is none.
pub(super) fn may_live(topology: &Topology, kind: SubjectKind, region: &str) -> bool {
    topology.region_named(region).is_some_and(|id| topology.residency(kind).contains(id))
}

/// The first home of subjects of that kind, if the file names one.
pub(super) fn first_home(topology: &Topology, kind: SubjectKind) -> Option<&str> {
    topology.identity().first_home(kind).map(|home| topology.region(home).name.as_str())
}

/// An origin as it is written.
pub(super) fn origin(region: &Region) -> String {
    match &region.origin {
        Origin::Url(url) => url.clone(),
        Origin::Service(name) => format!("the service {name}"),
    }
}

impl Difference {
    fn regions(&mut self, old: &Topology, new: &Topology) {
        for (_, region) in new.regions() {
            let Some(before) = old.region_named(&region.name).map(|id| old.region(id)) else {
                self.changes.push(Change::RegionAdded { region: region.name.clone() });
                continue;
            };
            if before.origin != region.origin {
                let (from, to) = (origin(before), origin(region));
                self.changes.push(Change::OriginChanged { region: region.name.clone(), from, to });
            }
            // All of its fields, so that a new one is compared too. The same holds for a dataset, and for a route (`requests.rs`).
            let Region { name, origin: _, location, health, deadline, ceiling } = region;
            self.other(format!("region {name}: location"), &before.location, location);
            self.other(format!("region {name}: health"), &before.health, health);
            self.other(format!("region {name}: deadline"), &before.deadline, deadline);
            self.other(format!("region {name}: ceiling"), &before.ceiling, ceiling);
        }
        for (_, region) in old.regions().filter(|(_, region)| new.region_named(&region.name).is_none()) {
            self.changes.push(Change::RegionRemoved { region: region.name.clone() });
        }
        let common = |of: &Topology, other: &Topology| -> Vec<String> {
            region_names(of).into_iter().filter(|name| other.region_named(name).is_some()).collect()
        };
        if common(old, new) != common(new, old) {
            self.others
                .push("the order of the regions, which counts where nothing is known of a client's place".to_owned());
        }
    }

    fn default_home(&mut self, old: &Topology, new: &Topology) {
        let home = |topology: &Topology| topology.region(topology.default_home()).name.clone();
        let (from, to) = (home(old), home(new));
        if from != to {
            self.changes.push(Change::DefaultHomeMoved { from, to });
        }
        self.other("EDGE_NAME".to_owned(), &old.edge_name(), &new.edge_name());
    }

    fn datasets(&mut self, old: &Topology, new: &Topology) {
        for (_, after) in new.datasets() {
            match dataset(old, &after.name) {
                None => {
                    let (dataset, ownership) = (after.name.clone(), after.rule.token());
                    self.changes.push(Change::DatasetAdded { dataset, ownership });
                }
                Some(before) => self.dataset((before, old), (after, new)),
            }
        }
        for (_, before) in old.datasets().filter(|(_, before)| dataset(new, &before.name).is_none()) {
            let (dataset, ownership) = (before.name.clone(), before.rule.token());
            self.changes.push(Change::DatasetRemoved { dataset, ownership });
        }
    }

    fn dataset(&mut self, (before, old): (&Dataset, &Topology), (after, new): (&Dataset, &Topology)) {
        let Dataset { name, rule, staleness, position: kind, lease, max_pause } = after;
        self.rule(name, Rule::of(&before.rule, old), Rule::of(rule, new));
        self.conflicts(name, &before.rule, rule);
        if before.position != *kind {
            let (from, to) = (before.position.map(position), kind.map(position));
            self.changes.push(Change::PositionChanged { dataset: name.clone(), from, to });
        }
        if before.lease != *lease {
            let (from, to) = (before.lease.map(span), lease.map(span));
            self.changes.push(Change::LeaseChanged { dataset: name.clone(), from, to });
        }
        self.other(format!("dataset {name}: staleness"), &before.staleness, staleness);
        self.other(format!("dataset {name}: max_pause"), &before.max_pause, max_pause);
    }

    fn rule(&mut self, name: &str, from: Rule, to: Rule) {
        let dataset = name.to_owned();
        let change = match (from, to) {
            (from, to) if from == to => return,
            (Rule::SingleWriter { home: from }, Rule::SingleWriter { home: to }) => {
                Change::HomeMoved { dataset, from, to }
            }
            (
                Rule::GeoPartitioned { subject: from, regions: before },
                Rule::GeoPartitioned { subject: to, regions: after },
            ) => {
                if from != to {
                    self.changes.push(Change::SubjectChanged { dataset: dataset.clone(), from, to });
                }
                let (added, removed) = two_ways(&before, &after);
                if added.is_empty() && removed.is_empty() {
                    return;
                }
                Change::ResidencyChanged { dataset, subject: to, added, removed }
            }
            (Rule::MultiWriter { regions: before }, Rule::MultiWriter { regions: after }) => {
                let (added, removed) = two_ways(&before, &after);
                if added.is_empty() && removed.is_empty() {
                    return;
                }
                Change::OwnersChanged { dataset, added, removed }
            }
            (from, to) => Change::OwnershipChanged { dataset, from, to },
        };
        self.changes.push(change);
    }

    fn conflicts(&mut self, name: &str, before: &homing_core::config::Rule, after: &homing_core::config::Rule) {
        let (Some(before), Some(after)) = (before.conflicts(), after.conflicts()) else { return };
        // Every key but `explain` decides how conflicts end. That holds for keys that are yet to come, too.
        let bare = |conflicts: &Conflicts| Conflicts { explain: String::new(), ..conflicts.clone() };
        if bare(before) != bare(after) {
            let is_named = before.rule.word() != after.rule.word();
            let words = |of: &Conflicts| if is_named { of.rule.word().to_owned() } else { format!("{:?}", bare(of)) };
            let (from, to) = (words(before), words(after));
            self.changes.push(Change::ConflictsChanged { dataset: name.to_owned(), from, to });
        }
        self.other(format!("dataset {name}: conflicts.explain"), &before.explain, &after.explain);
    }

    fn identity(&mut self, old: &Topology, new: &Topology) {
        for kind in SubjectKind::ALL {
            let subject = kind.token();
            let from = |topology: &Topology| topology.identity().source(kind).map(source);
            let (before, after) = (from(old), from(new));
            if before != after {
                self.changes.push(Change::IdentityChanged { subject, from: before, to: after });
            }
            let first = |topology: &Topology| first_home(topology, kind).map(str::to_owned);
            let (before, after) = (first(old), first(new));
            if before != after {
                self.changes.push(Change::FirstHomeChanged { subject, from: before, to: after });
            }
        }
        let hosts = |topology: &Topology| format!("{:?}", topology.identity().hosts);
        self.other("IDENTITY.hosts".to_owned(), &hosts(old), &hosts(new));
    }

    fn routes(&mut self, old: &Topology, new: &Topology) {
        let mut seen = BTreeSet::new();
        for request in requests::of(old).into_iter().chain(requests::of(new)) {
            if seen.insert(request.says.clone()) {
                request.compare(old, new, self);
            }
        }
    }

    /// What changes no ownership.
    pub(super) fn other<T: PartialEq>(&mut self, what: String, before: &T, after: &T) {
        if before != after && !self.others.contains(&what) {
            self.others.push(what);
        }
    }
}

/// What one has and the other lacks: added, removed.
fn two_ways(before: &[String], after: &[String]) -> (Vec<String>, Vec<String>) {
    let lacks = |all: &[String], other: &[String]| all.iter().filter(|name| !other.contains(name)).cloned().collect();
    (lacks(after, before), lacks(before, after))
}

/// A kind of position by its name in the configuration.
pub(super) fn position(kind: PositionKind) -> &'static str {
    PositionKind::ALL.iter().find(|(_, known)| *known == kind).map_or("unknown", |(name, _)| *name)
}

/// A time as it is written in a configuration.
pub(super) fn span(time: Duration) -> String {
    match millis(time) {
        time if time % 1000 == 0 => format!("{}s", time / 1000),
        time => format!("{time}ms"),
    }
}

/// A source of subjects, in a few words.
fn source(source: &IdentitySource) -> String {
    match source {
        IdentitySource::ResponseHeader(name) => format!("the response header {name}"),
        IdentitySource::Header(name) => format!("the request header {name}"),
        IdentitySource::Cookie(name) => format!("the cookie {name}"),
        IdentitySource::Path(path) => format!("the path {path}"),
        IdentitySource::Host { prefix, suffix } => format!("the host {prefix}*{suffix}"),
    }
}
