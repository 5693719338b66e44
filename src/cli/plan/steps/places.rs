//! Regions that come and go: in the file, as homes of subjects, and as owners.

use serde_json::json;

use super::{By, Draft, Drafting, Edit, Step, listed};
use crate::plan::{
    change::{Change, Rule},
    difference::{dataset, homes_in, may_live, region_names},
};
use homing_core::config::SubjectKind;

/// How long a drain lasts that a plan orders; at most 72 h are possible.
const DRAIN: &str = "24h";

/// A region is added: its stack first, then the region, then what it may own.
pub(super) fn added(draft: &mut Draft, cx: &Drafting<'_>, region: &str) {
    let origin =
        cx.new.region_named(region).map(|id| crate::plan::difference::origin(cx.new.region(id))).unwrap_or_default();
    let look = origin.starts_with("http").then(|| format!("curl -s {origin}/.well-known/homing"));
    draft.first.push(Step {
        title: format!("Start the stack of {region}, with a replica of all data"),
        by: By::Application,
        commands: Vec::new(),
        deploys: None,
        why: format!(
            "Edges near {region} read there as soon as they know it. Give it the same release, ORIGIN_KEY and contract as the other \
             regions, and let it replicate with all of them, both ways."
        ),
        router: String::new(),
        done: format!("Its health address names {region:?}, and \"lag_ms\" has every other region with a small number."),
        check: look.into_iter().collect(),
        repeat: "Safe.".to_owned(),
        back: "Stop it. Nothing uses it yet.".to_owned(),
        one_way: false,
    });
    let takes_part = |rule: &Rule| match rule {
        Rule::SingleWriter { home } => home == region,
        Rule::GeoPartitioned { regions, .. } | Rule::MultiWriter { regions } => {
            regions.iter().any(|name| name == region)
        }
    };
    let owns = cx.new.datasets().any(|(_, dataset)| takes_part(&Rule::of(&dataset.rule, cx.new)));
    if !owns {
        return;
    }
    if let Some(table) = (cx.region)(region) {
        draft.prepare.push(Edit::set(format!("REGIONS.{region}"), table));
        draft.prepare_for.push(format!(
            "It knows {region} and gives it nothing yet. You see {region} answer reads first, and from this file it can be evacuated again."
        ));
    }
    // If the file names no owners, every region is one. The file between the two must not add an owner.
    for (_, before) in cx.old.datasets() {
        if let Rule::MultiWriter { regions } = Rule::of(&before.rule, cx.old) {
            let edit = Edit::set(format!("DATASETS.{}.regions", before.name), json!(regions));
            if !draft.prepare.contains(&edit) {
                draft.prepare.push(edit);
            }
        }
    }
    let gets_subjects = cx.new.datasets().any(|(_, dataset)| {
        matches!(Rule::of(&dataset.rule, cx.new), rule @ (Rule::GeoPartitioned { .. } | Rule::MultiWriter { .. }) if takes_part(&rule))
    });
    if gets_subjects {
        held_back(draft, cx, region);
    }
}

/// New edges give a new region nothing before the old edges are gone.
fn held_back(draft: &mut Draft, cx: &Drafting<'_>, region: &str) {
    draft.before.push(Step {
        title: format!("Drain {region} until the deployment is complete"),
        by: By::Operator,
        commands: vec![format!("homing drain {region} --for {DRAIN} --reason \"homing plan: {region} is new\"")],
        deploys: None,
        why: format!(
            "A new edge could place a subject in {region} while old edges run. They would refuse its writes with 503 home-unknown."
        ),
        router: "A drained region is read last and gets no new subjects. Edges learn it within a minute.".to_owned(),
        done: format!("`homing status` shows {region} as draining."),
        check: vec!["homing status".to_owned()],
        repeat: "Safe: the drain begins again.".to_owned(),
        back: format!("`homing undrain {region}`."),
        one_way: false,
    });
    draft.after.push(Step {
        title: format!("Let {region} take work"),
        by: By::Operator,
        commands: vec![format!("homing undrain {region}")],
        deploys: None,
        why: "No old edge runs any more, so nobody refuses what it owns.".to_owned(),
        router: "New subjects near it get it as their home. Subjects that have a home stay where they are.".to_owned(),
        done: format!("`homing status` shows {region} as active."),
        check: vec!["homing status".to_owned()],
        repeat: "Safe.".to_owned(),
        back: format!(
            "Subjects live in {region} from now on. Before you deploy an earlier file: drain {region}, then `homing promote --region \
             {region} --to {}` until a dry run says 0 subjects.",
            cx.old.regions().next().map_or("REGION", |(_, region)| region.name.as_str())
        ),
        one_way: true,
    });
}

/// A region is removed: nothing new, then everything away, then out of the lists, then out of the file.
pub(super) fn removed(draft: &mut Draft, cx: &Drafting<'_>, region: &str) {
    drained(draft, region, "it is to be removed");
    let targets = targets(cx, region);
    draft.moves.extend(targets.iter().map(|to| evacuated(cx, region, to, Round::First)));
    for (_, before) in cx.old.datasets() {
        let without = |regions: Vec<String>| regions.into_iter().filter(|name| name != region).collect::<Vec<_>>();
        match Rule::of(&before.rule, cx.old) {
            Rule::GeoPartitioned { regions, .. } | Rule::MultiWriter { regions }
                if regions.iter().any(|name| name == region) =>
            {
                let left = without(regions);
                if !left.is_empty() && dataset(cx.new, &before.name).is_some() {
                    let key = format!("DATASETS.{}.regions", before.name);
                    narrow(draft, &key, &left);
                    draft.narrow_for.push(format!(
                        "It gives {region} nothing any more, and still knows it: what is left there can be moved."
                    ));
                }
            }
            _ => {}
        }
    }
    draft.settle.extend(targets.iter().map(|to| evacuated(cx, region, to, Round::Again)));
    draft.after.push(Step {
        title: format!("Stop the stack of {region}"),
        by: By::Application,
        commands: Vec::new(),
        deploys: None,
        why: format!("No edge sends anything to {region}. Its log may still hold writes that a replica has to fetch."),
        router: String::new(),
        done: format!("Every other region has applied the whole log of {region}, and {region} gets no more requests."),
        check: Vec::new(),
        repeat: "Safe.".to_owned(),
        back: format!("Start it again. Keep its disk until you are sure: it is the last copy of {region}'s own log."),
        one_way: true,
    });
}

/// Several changes may take regions out of one list.
fn narrow(draft: &mut Draft, key: &str, left: &[String]) {
    match draft.narrow.iter_mut().find(|edit| edit.key == key) {
        Some(edit) => {
            let both = edit.value.as_ref().and_then(|value| value.as_array().cloned()).unwrap_or_default();
            let both: Vec<_> = both.into_iter().filter(|name| left.iter().any(|left| name == left)).collect();
            edit.value = Some(json!(both));
        }
        None => draft.narrow.push(Edit::set(key.to_owned(), json!(left))),
    }
}

/// A region gets no new subjects while it is emptied.
pub(super) fn drained(draft: &mut Draft, region: &str, because: &str) {
    draft.moves.push(Step {
        title: format!("Drain {region}"),
        by: By::Operator,
        commands: vec![format!("homing drain {region} --for {DRAIN} --reason \"homing plan: {because}\"")],
        deploys: None,
        why: format!("Without that, new subjects go on getting {region} as their home while it is evacuated."),
        router: format!("{region} is read last and gets no new subjects. It goes on serving what it owns."),
        done: format!("`homing status` shows {region} as draining. Wait another minute: edges learn it through KV."),
        check: vec!["homing status".to_owned()],
        repeat: format!(
            "Safe. It ends by itself after {DRAIN}: order it again if the next steps take longer (72h at most)."
        ),
        back: format!("`homing undrain {region}`."),
        one_way: false,
    });
}

/// Which time it is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Round {
    First,
    Again,
}

/// All that a region owns moves to another one.
pub(super) fn evacuated(cx: &Drafting<'_>, region: &str, to: &str, round: Round) -> Step {
    let order = format!("homing promote --region {region} --to {to}");
    let more = if homes_in(cx.old, region).is_empty() {
        String::new()
    } else {
        format!(" It moves the datasets whose home is {region} too, and subjects of every kind.")
    };
    let title = match round {
        Round::First => format!("Evacuate {region} to {to}"),
        Round::Again => format!("Evacuate {region} to {to} once more"),
    };
    let why = match round {
        Round::First => {
            format!("A subject that lives in {region} is refused by an edge that may not send it there.{more}")
        }
        Round::Again => format!("Edges may have placed a subject in {region} until the last deployment was complete."),
    };
    Step {
        title,
        by: By::Operator,
        commands: vec![
            format!("{order} --dry-run"),
            format!("{order} --reason \"homing plan: {region} is evacuated\""),
        ],
        deploys: None,
        why,
        router: "Each subject's writes wait for 5 s at most while it moves; then the router sends them to its new home by the next \
                 epoch. No acknowledged write is lost. Expect ten subjects a second."
            .to_owned(),
        done: "A dry run says 0 subjects, and `homing status` has no evacuation under way. Its last look comes after eleven minutes."
            .to_owned(),
        check: vec![format!("{order} --dry-run")],
        repeat: "Safe: what has moved stays where it is.".to_owned(),
        back: format!(
            "`homing promote --region {to} --to {region}` brings back all that {to} owns, not only what came. Nothing is lost by it."
        ),
        one_way: true,
    }
}

/// To which regions the share of a removed region goes: where subjects of all kinds may live, if there is one.
pub(super) fn targets(cx: &Drafting<'_>, region: &str) -> Vec<String> {
    let lives = |kind: SubjectKind| {
        let splits = cx.old.datasets().any(|(_, dataset)| dataset.rule.split_by() == Some(kind));
        splits && may_live(cx.old, kind, region)
    };
    let kinds: Vec<SubjectKind> = SubjectKind::ALL.into_iter().filter(|kind| lives(*kind)).collect();
    // By both: the order is given while the old file or one near it is deployed.
    let may_go =
        |kind: SubjectKind, name: &str| name != region && may_live(cx.old, kind, name) && may_live(cx.new, kind, name);
    let names = region_names(cx.new);
    if let Some(one) = names.iter().find(|name| kinds.iter().all(|kind| may_go(*kind, name))) {
        return if kinds.is_empty() { Vec::new() } else { vec![one.clone()] };
    }
    let mut found: Vec<String> = Vec::new();
    for kind in kinds {
        let next = names.iter().find(|name| may_go(kind, name)).filter(|name| !found.contains(name)).cloned();
        found.extend(next);
    }
    found
}

/// Subjects may live in other regions than before.
pub(super) fn residency(
    draft: &mut Draft,
    cx: &Drafting<'_>,
    (dataset, subject): (&str, &str),
    (added, removed): (&[String], &[String]),
) {
    let is_there = |name: &&String| cx.new.region_named(name).is_some() && cx.old.region_named(name).is_some();
    for region in added.iter().filter(is_there) {
        held_back(draft, cx, region);
    }
    for region in removed.iter().filter(is_there) {
        drained(draft, region, &format!("no {subject} may live there any more"));
        let targets = targets(cx, region);
        draft.moves.extend(targets.iter().map(|to| evacuated(cx, region, to, Round::First)));
        draft.after.extend(targets.iter().map(|to| evacuated(cx, region, to, Round::Again)));
        back_to_work(draft, cx, region, dataset);
    }
}

/// What an evacuation has taken from a region that stays.
pub(super) fn back_to_work(draft: &mut Draft, cx: &Drafting<'_>, region: &str, dataset: &str) {
    let own = homes_in(cx.new, region).into_iter();
    let back = own.map(|own| format!("homing promote {own} --to {region} --reason \"homing plan: back\""));
    draft.after.push(Step {
        title: format!("Let {region} take work again"),
        by: By::Operator,
        commands: std::iter::once(format!("homing undrain {region}")).chain(back).collect(),
        deploys: None,
        why: format!("It was only drained so that {dataset} could leave it. The evacuation took all that it owned."),
        router:
            "New subjects that may live there get it as their home again. Subjects that have moved stay where they are."
                .to_owned(),
        done: format!("`homing status` shows {region} as active, and the homes as in the file."),
        check: vec!["homing status".to_owned()],
        repeat: "Safe.".to_owned(),
        back: format!("`homing drain {region} --for {DRAIN} --reason …`."),
        one_way: false,
    });
}

/// A multi-writer dataset has other owners.
pub(super) fn owners(draft: &mut Draft, cx: &Drafting<'_>, dataset: &str, (added, removed): (&[String], &[String])) {
    let stays = |name: &&String| cx.new.region_named(name).is_some() && cx.old.region_named(name).is_some();
    if !added.is_empty() {
        let added = listed(added);
        draft.first.push(Step {
            title: format!("Let the application in {added} take writes of {dataset}"),
            by: By::Application,
            commands: Vec::new(),
            deploys: None,
            why: "It must log each write as an operation, and merge the operations of all owners by the same rule as they do.".to_owned(),
            router: String::new(),
            done: format!("{added} holds all operations of the other owners, and they fetch its log."),
            check: Vec::new(),
            repeat: "Safe.".to_owned(),
            back: "Nothing uses it yet.".to_owned(),
            one_way: false,
        });
    }
    for region in removed.iter().filter(stays) {
        draft.after.push(last_operations(region, dataset));
    }
    let is_removed = |change: &&Change| matches!(change, Change::RegionRemoved { region } if removed.contains(region));
    for change in cx.difference.changes.iter().filter(is_removed) {
        if let Change::RegionRemoved { region } = change {
            draft.settle.push(last_operations(region, dataset));
        }
    }
}

/// An owner that takes no more writes still has some that others lack.
fn last_operations(region: &str, dataset: &str) -> Step {
    Step {
        title: format!("Wait for the last operations of {dataset} from {region}"),
        by: By::Application,
        commands: Vec::new(),
        deploys: None,
        why: format!(
            "{region} takes no more writes of {dataset}, but its log holds some that the other owners have yet to fetch."
        ),
        router: String::new(),
        done: format!(
            "Every other owner has applied the whole log of {region}: \"lag_ms\" for {region} is small at their health addresses."
        ),
        check: Vec::new(),
        repeat: "Safe.".to_owned(),
        back: format!("Add {region} to {dataset}.regions again."),
        one_way: false,
    }
}

/// A region has another address: it must be the same region behind it.
pub(super) fn origin(draft: &mut Draft, region: &str, from: &str, to: &str) {
    let look = |origin: &str| {
        let url = origin.starts_with("http").then(|| format!("curl -s {origin}/.well-known/homing"));
        url.unwrap_or_else(|| format!("# ask {origin} for /.well-known/homing"))
    };
    draft.first.push(Step {
        title: format!("Make sure that {from} and {to} are one region with one database"),
        by: By::Application,
        commands: Vec::new(),
        deploys: None,
        why: format!(
            "While old and new edges run, both addresses take writes of what {region} owns. With a database each they would be two owners \
             by one epoch. A stack of its own is a region of its own: give it another name."
        ),
        router: String::new(),
        done: format!("Both name {region:?}, with the same epochs and positions, after a write to either of them too."),
        check: vec![look(from), look(to)],
        repeat: "Safe.".to_owned(),
        back: format!("{from} must go on answering until the deployment is complete."),
        one_way: false,
    });
}
