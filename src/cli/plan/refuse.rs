//! Plans that would make two owners, and what makes each of them safe. A plan is refused where no order of steps helps that the two files
//! and the deployed router show.

use serde::Serialize;

use super::{
    change::{Change, Rule},
    deployed::{Deployed, Recorded},
    difference::{Difference, first_home, homes_in, may_live, origin, region_names, rule},
    steps::listed,
};
use homing_core::config::{SubjectKind, Topology};

/// Why there is no plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Refusal {
    /// What it is about.
    pub(super) about: String,
    /// What would happen.
    pub(super) why: String,
    /// What to do instead.
    pub(super) remedy: String,
}

/// Everything that refuses the plan.
pub(super) fn all(
    old: &Topology,
    new: &Topology,
    difference: &Difference,
    deployed: Option<&Deployed>,
) -> Vec<Refusal> {
    let judge = Judge { old, new, difference };
    let mut refusals: Vec<Refusal> = deployed.into_iter().flat_map(|deployed| judge.deployed(deployed)).collect();
    refusals.extend(judge.renamed());
    for change in &difference.changes {
        refusals.extend(judge.change(change));
    }
    refusals
}

struct Judge<'a> {
    old: &'a Topology,
    new: &'a Topology,
    difference: &'a Difference,
}

fn refusal(about: impl Into<String>, why: impl Into<String>, remedy: impl Into<String>) -> Refusal {
    Refusal { about: about.into(), why: why.into(), remedy: remedy.into() }
}

impl Judge<'_> {
    /// What the router that runs says against it.
    fn deployed(&self, deployed: &Deployed) -> Vec<Refusal> {
        let mut refusals = Vec::new();
        if deployed.says_no_vars {
            refusals.push(refusal(
                "the deployed router",
                "It does not say by which vars it runs: its version is too old. Nobody can tell whether it runs the old file, and it records \
                 no first homes.",
                "Deploy the old file with this version first. Then plan again.",
            ));
        }
        let alone = self.become_single_writer();
        if deployed.says_no_records && !deployed.says_no_vars && !alone.is_empty() {
            refusals.push(refusal(
                "the deployed router",
                format!(
                    "It does not say whether {} was single-writer before: its authority is an earlier version. A home of then would count \
                     again, beside the file's.",
                    listed(&alone)
                ),
                "Deploy the old file with this version first. Then plan again.",
            ));
        }
        if !deployed.two_versions.is_empty() {
            refusals.push(refusal(
                "the deployed router",
                format!(
                    "Two versions are deployed at once: they differ in {}. A third one beside them could make a third owner.",
                    deployed.two_versions.join(", ")
                ),
                "Complete that deployment, or roll it back. Then plan again.",
            ));
        }
        if !deployed.not_old.is_empty() {
            refusals.push(refusal(
                "the deployed router",
                format!(
                    "It does not run the old file: {} differs. A plan from another file has the wrong steps.",
                    listed(&deployed.not_old)
                ),
                "Give the file that is deployed as OLD.toml, for instance from the commit of the last deployment.",
            ));
        }
        refusals.extend(deployed.homes.iter().filter_map(|recorded| self.recorded(recorded)));
        refusals
    }

    /// The datasets that are single-writer by the new file, and not by the old one.
    fn become_single_writer(&self) -> Vec<String> {
        let is_single = |topology, name: &str| matches!(rule(topology, name), Some(Rule::SingleWriter { .. }));
        let names = self.new.datasets().map(|(_, dataset)| dataset.name.clone());
        names.filter(|name| is_single(self.new, name) && !is_single(self.old, name)).collect()
    }

    /// The authority's own record of a home counts, and not the file's `home`, wherever the new file asks for a single one.
    fn recorded(&self, Recorded { dataset, home, epoch }: &Recorded) -> Option<Refusal> {
        let gone = if self.new.region_named(home).is_none() { ", which the new file removes" } else { "" };
        let about = format!("dataset {dataset}");
        match (rule(self.old, dataset), rule(self.new, dataset)?) {
            (Some(Rule::SingleWriter { home: from }), to) => {
                let wanted = if let Rule::SingleWriter { home } = to { home } else { from.clone() };
                (*home != from && *home != wanted).then(|| {
                    refusal(
                        about,
                        format!(
                            "Its home is {home} by epoch {epoch}{gone}. The old file says {from} and the new one {wanted}: an edge without a \
                             view would send writes there, beside {home}."
                        ),
                        format!(
                            "Run `homing promote {dataset} --to {wanted}`, or write home = {home:?} in both files. Then plan again."
                        ),
                    )
                })
            }
            (_, Rule::SingleWriter { home: wanted }) => (*home != wanted).then(|| {
                let remedy = if self.new.region_named(home).is_some() {
                    format!(
                        "Write home = {home:?} in the new file, and plan that. When it is deployed, plan a move of its home to {wanted}."
                    )
                } else {
                    format!("Add the region {home} to both files first, or give the dataset another name.")
                };
                refusal(
                    about,
                    format!(
                        "The authority still has {home} as its home by epoch {epoch}, from when it was single-writer. New edges would send \
                         writes to {home}, and those without a view to {wanted}: it would have two owners."
                    ),
                    remedy,
                )
            }),
            _ => None,
        }
    }

    /// A region is its name: the fence, the sessions and the directory know it by nothing else.
    fn renamed(&self) -> Vec<Refusal> {
        let mut refusals = Vec::new();
        for (_, after) in self.new.regions() {
            let same =
                |before: &homing_core::config::Region| before.origin == after.origin && before.name != after.name;
            let Some((_, before)) = self.old.regions().find(|(_, before)| same(before)) else { continue };
            // One address under two names was there before.
            if self.old.region_named(&after.name).is_some_and(|id| self.old.region(id).origin == after.origin) {
                continue;
            }
            let (is, was) = (&after.name, &before.name);
            refusals.push(refusal(
                format!("region {is}"),
                format!(
                    "{} was the origin of {was}. Old edges send what {was} owns there, new edges what {is} owns: one stack would be two \
                     owners.",
                    origin(after)
                ),
                format!(
                    "Keep the name {was}: it is the region's identity. To replace it, add {is} with a stack of its own, and remove {was} \
                     by a plan of its own."
                ),
            ));
        }
        refusals
    }

    fn change(&self, change: &Change) -> Option<Refusal> {
        match change {
            Change::DefaultHomeMoved { from, to } => Some(self.default_home(from, to)),
            Change::SubjectChanged { dataset, from, to } => Some(refusal(
                format!("dataset {dataset}"),
                format!(
                    "Old edges write a record at its {from}'s home and new edges at its {to}'s, both with a valid epoch. So it would have \
                     two owners."
                ),
                format!(
                    "Go over one home: first plan a file where {dataset} is single-writer. From there plan the new file, with first_home of the \
                     {to} at that home."
                ),
            )),
            Change::OwnershipChanged { dataset, from, to } => self.ownership(dataset, from, to),
            Change::ResidencyChanged { dataset, subject, added, removed } => {
                self.residency(dataset, subject, added, removed)
            }
            Change::OwnersChanged { dataset, .. } => self.owners(dataset),
            Change::FirstHomeChanged { subject, from: Some(from), to: Some(to) } => Some(refusal(
                format!("IDENTITY.{subject}.first_home"),
                format!(
                    "The data of a {subject} whom the directory does not know is in {from}. With {to} as the first home its writes would \
                     go to {to}."
                ),
                format!(
                    "Import who is there: `homing import {subject}s.txt --home {from}`. Take first_home out, deploy, and only then name {to}."
                ),
            )),
            Change::RouteMoved { request, from, to, writes: true } => {
                self.route(request, from.as_deref(), to.as_deref())
            }
            Change::RegionRemoved { region } => self.removed(region),
            _ => None,
        }
    }

    fn default_home(&self, from: &str, to: &str) -> Refusal {
        let explicit = self.new.region_named(from).is_some();
        let remedy = if explicit {
            format!(
                "Write default_home = true under REGIONS.{from}. To move such writes, give their paths a single-writer dataset with home \
                 = {from:?}, deploy that, and plan a move of its home to {to}."
            )
        } else {
            format!(
                "Keep {from} for now. Give the paths that no dataset claims a single-writer dataset with home = {from:?}, deploy that, and \
                 plan a move of its home to {to}. Then remove {from}."
            )
        };
        refusal(
            "the default home",
            format!(
                "A write that no dataset claims has no epoch and no fence. While two versions run, {from} and {to} would both accept such \
                 writes."
            ),
            remedy,
        )
    }

    fn ownership(&self, dataset: &str, from: &Rule, to: &Rule) -> Option<Refusal> {
        let about = format!("dataset {dataset}");
        match (from, to) {
            (Rule::SingleWriter { home }, Rule::GeoPartitioned { subject, regions }) => {
                self.split(dataset, home, (subject, regions))
            }
            (Rule::GeoPartitioned { subject, regions }, Rule::SingleWriter { home }) => {
                self.joined(dataset, (subject, regions), home)
            }
            (Rule::MultiWriter { regions }, Rule::SingleWriter { home }) => (!regions.contains(home)).then(|| {
                refusal(
                    about,
                    format!("{home} is none of its owners ({}), so it may lack operations that it would have to own.", listed(regions)),
                    format!("Make {home} one of its owners first, or choose one of them as the home and promote {home} later."),
                )
            }),
            (Rule::MultiWriter { regions: owners }, Rule::GeoPartitioned { subject, regions }) => {
                let lacking: Vec<&String> = regions.iter().filter(|region| !owners.contains(region)).collect();
                (!lacking.is_empty()).then(|| {
                    refusal(
                        about,
                        format!("A {subject} could live in {}, which is none of its owners and may lack operations.", listed(&lacking)),
                        format!("Make {} one of its owners first, or leave it out of its regions.", listed(&lacking)),
                    )
                })
            }
            _ => None,
        }
    }

    /// From one home to one for each subject: everybody must begin where the data is.
    fn split(&self, dataset: &str, home: &String, (subject, regions): (&str, &[String])) -> Option<Refusal> {
        let about = format!("dataset {dataset}");
        let kind = SubjectKind::parse(subject)?;
        let others = self.split_by(self.old, kind, dataset);
        let lives_elsewhere = !others.is_empty() && !self.lives_only_in(self.old, kind, home);
        if !may_live(self.new, kind, home) {
            let of = if regions.contains(home) {
                format!("the regions of all datasets that are split by {subject}")
            } else {
                "its regions".to_owned()
            };
            return Some(refusal(
                about,
                format!(
                    "All its data is in {home}, where no {subject} may live by the new file. New edges would write it elsewhere."
                ),
                format!("Add {home:?} to {of} first. When the {subject}s have moved, take it out by another plan."),
            ));
        }
        let elsewhere =
            self.split_by(self.new, kind, dataset).into_iter().find_map(|other| match rule(self.old, &other)? {
                Rule::SingleWriter { home: there } => (there != *home).then_some((other, there)),
                _ => None,
            });
        if let Some((other, there)) = elsewhere {
            return Some(refusal(
                about,
                format!(
                    "Its data is in {home} and that of {other} in {there}, but a {subject} has one home for both. New edges would write one of them elsewhere."
                ),
                format!(
                    "Move the home of {dataset} to {there}, or that of {other} to {home}, by a plan of its own before."
                ),
            ));
        }
        if lives_elsewhere {
            return Some(refusal(
                about,
                format!(
                    "Its data is in {home}, but {subject}s have homes already, by {}. New edges would write it at each {subject}'s home \
                     while old edges write it at {home}.",
                    listed(&others)
                ),
                format!(
                    "Let every {subject} live in {home} first: plan a file where {} may live in {home} alone. Then plan from that file.",
                    listed(&others)
                ),
            ));
        }
        first_home(self.new, kind).filter(|first| *first != home).map(|first| {
            refusal(
                about,
                format!("Its data is in {home}, but the first home of a {subject} is {first}: new edges would write it there."),
                format!("Write first_home = {home:?}, or move the home of {dataset} to {first} by a plan of its own before."),
            )
        })
    }

    /// From one home for each subject to one for all: everybody must be able to move there first.
    fn joined(&self, dataset: &str, (subject, regions): (&str, &[String]), home: &str) -> Option<Refusal> {
        let about = format!("dataset {dataset}");
        let kind = SubjectKind::parse(subject)?;
        let may = may_live(self.old, kind, home);
        if let Some(first) = first_home(self.old, kind).filter(|first| may && *first != home) {
            return Some(refusal(
                about,
                format!(
                    "The data of a {subject} whom the directory does not know is in {first}. Nobody moves it to {home}, where new \
                     edges would write it."
                ),
                format!(
                    "Import who is there: `homing import {subject}s.txt --home {first}`. Take first_home out and deploy that. Then plan \
                     again."
                ),
            ));
        }
        (!may).then(|| {
            refusal(
                about,
                format!(
                    "No {subject} may live in {home} by the old file, so they cannot move there first. New edges would write at {home} \
                     while old edges write in {}.",
                    listed(regions)
                ),
                format!(
                    "Choose a home where every {subject} may live, or let them live in {home} first: add it to the regions of all datasets \
                     that are split by {subject}."
                ),
            )
        })
    }

    /// The other datasets that are split by that kind.
    fn split_by(&self, topology: &Topology, kind: SubjectKind, but: &str) -> Vec<String> {
        let split =
            topology.datasets().filter(|(_, dataset)| dataset.rule.split_by() == Some(kind) && dataset.name != but);
        split.map(|(_, dataset)| dataset.name.clone()).collect()
    }

    fn lives_only_in(&self, topology: &Topology, kind: SubjectKind, home: &str) -> bool {
        topology.regions().all(|(id, region)| !topology.residency(kind).contains(id) || region.name == home)
    }

    fn residency(&self, dataset: &str, subject: &str, added: &[String], removed: &[String]) -> Option<Refusal> {
        let kind = SubjectKind::parse(subject)?;
        let stays = self
            .old
            .regions()
            .any(|(id, region)| self.old.residency(kind).contains(id) && may_live(self.new, kind, &region.name));
        let moves_all = !removed.is_empty() && !added.is_empty() && !stays;
        moves_all.then(|| {
            refusal(
                format!("dataset {dataset}"),
                format!(
                    "No region is left where a {subject} may live by both files, so nobody can move before the deployment. Until then new \
                     edges refuse them, and place unknown ones elsewhere."
                ),
                format!("Plan in two files: first one that adds {}, then one that takes {} away.", listed(added), listed(removed)),
            )
        })
    }

    fn owners(&self, dataset: &str) -> Option<Refusal> {
        let (Some(Rule::MultiWriter { regions: before }), Some(Rule::MultiWriter { regions: after })) =
            (rule(self.old, dataset), rule(self.new, dataset))
        else {
            return None;
        };
        let shared = before.iter().any(|region| after.contains(region));
        (!shared).then(|| {
            refusal(
                format!("dataset {dataset}"),
                format!(
                    "None of its owners stays: {} before, {} after. The new ones may lack operations that the old ones accept until no old edge \
                     runs.",
                    listed(&before),
                    listed(&after)
                ),
                format!("Plan in two files: first one with the owners {} as well, then the new file.", listed(&after)),
            )
        })
    }

    /// A path that is written and whose records change the dataset gets that one's owner.
    fn route(&self, request: &str, from: Option<&str>, to: Option<&str>) -> Option<Refusal> {
        let owner = |topology: &Topology, name: Option<&str>| match name.and_then(|name| rule(topology, name)) {
            Some(rule) => rule.words(),
            None => format!("the default home, {}", topology.region(topology.default_home()).name),
        };
        let (before, after) = (owner(self.old, from), owner(self.new, to));
        if before == after {
            return None;
        }
        // A dataset that takes over what the default home had, at that very region, begins by what is there.
        let home = self.old.region(self.old.default_home()).name.clone();
        if from.is_none() && after == (Rule::SingleWriter { home }).words() {
            return None;
        }
        let home = self.new.region(self.new.default_home()).name.clone();
        if to.is_none() && before == (Rule::SingleWriter { home }).words() {
            return None;
        }
        let named = |name: Option<&str>| name.map_or_else(|| "no dataset".to_owned(), |name| format!("dataset {name}"));
        Some(refusal(
            request,
            format!(
                "Its records move from {} ({before}) to {} ({after}), and no epoch connects the two. While two versions run, both owners \
                 accept writes of the same records.",
                named(from),
                named(to)
            ),
            format!(
                "Give {} the same ownership and home as {} first, and deploy that. Then change the owner by a plan of its own.",
                named(to),
                named(from)
            ),
        ))
    }

    fn removed(&self, region: &str) -> Option<Refusal> {
        let left = region_names(self.new);
        for kind in SubjectKind::ALL {
            let split = self.split_by(self.old, kind, "");
            let anywhere = left.iter().any(|name| may_live(self.old, kind, name) && may_live(self.new, kind, name));
            if !split.is_empty() && may_live(self.old, kind, region) && !anywhere {
                let subject = kind.token();
                return Some(refusal(
                    format!("region {region}"),
                    format!(
                        "{subject}s live there, by {}, and no other region may have them by both files.",
                        listed(&split)
                    ),
                    format!(
                        "Let a {subject} live in another region first, by a plan of its own. Then remove {region}."
                    ),
                ));
            }
        }
        let promoted = self
            .difference
            .changes
            .iter()
            .any(|change| matches!(change, Change::HomeMoved { from, .. } if from == region));
        let dropped: Vec<String> = homes_in(self.old, region)
            .into_iter()
            .filter(|name| rule(self.new, name).is_some_and(|rule| !matches!(rule, Rule::SingleWriter { .. })))
            .collect();
        (!dropped.is_empty() && !promoted).then(|| {
            refusal(
                format!("region {region}"),
                format!("It is still the home of {}, whose ownership changes in the same step.", listed(&dropped)),
                format!("Plan in two files: first move that home away from {region} and remove it, then change the ownership."),
            )
        })
    }
}
