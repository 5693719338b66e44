//! A home that moves, and datasets that get another ownership rule. Each of the six ways has its own order.

use serde_json::json;

use super::{
    By, Draft, Drafting, Edit, Step, listed,
    places::{Round, evacuated},
    rest::look_who_owns,
};
use crate::plan::{
    change::Rule,
    difference::{dataset, first_home, homes_in, rule, span},
};
use homing_core::config::SubjectKind;

/// A home moves: by an order, and in the file afterwards.
pub(super) fn moved(draft: &mut Draft, cx: &Drafting<'_>, name: &str, (from, to): (&str, &str)) {
    draft.carried.push(Edit::set(format!("DATASETS.{name}.home"), to));
    if cx.recorded(name).is_some_and(|recorded| recorded.home == to) {
        return;
    }
    let pause = dataset(cx.new, name).and_then(|dataset| dataset.max_pause).map_or_else(|| "5s".to_owned(), span);
    let order = format!("homing promote {name} --to {to}");
    draft.moves.push(Step {
        title: format!("Move the home of {name} from {from} to {to}"),
        by: By::Operator,
        commands: vec![
            format!("{order} --dry-run"),
            format!("{order} --reason \"homing plan: its home moves from {from} to {to}\""),
        ],
        deploys: None,
        why: format!(
            "The file moves nothing: the authority keeps the home that it has recorded. If {} were deployed first, edges without a view \
             would send writes to {to} by the file.",
            cx.files.new
        ),
        router: format!(
            "Writes of {name} wait for {pause} at most and get 503 with Retry-After. When {to} has every write, the router sends writes \
             there by the next epoch. No acknowledged write is lost."
        ),
        done: format!("`homing status` shows {to} as the home of {name}."),
        check: vec!["homing status".to_owned()],
        repeat: format!("Safe: if {to} is the home already, nothing happens."),
        back: format!("`homing promote {name} --to {from}`, as long as {from} stands in the deployed file."),
        one_way: false,
    });
}

/// A dataset gets another ownership rule.
pub(super) fn changed(draft: &mut Draft, cx: &Drafting<'_>, name: &str, (from, to): (&Rule, &Rule)) {
    match (from, to) {
        (Rule::SingleWriter { home }, Rule::MultiWriter { regions }) => {
            merged_first(draft, cx, name, (&format!("{home} alone"), regions));
        }
        (Rule::GeoPartitioned { subject, .. }, Rule::MultiWriter { regions }) => {
            merged_first(draft, cx, name, (&format!("each {subject}'s home"), regions));
        }
        (Rule::MultiWriter { regions }, Rule::SingleWriter { home }) => {
            // By the epoch that the authority has, so it is looked at first.
            let unit = |epoch: &str| {
                format!("Homing::learn(&Unit::dataset(\"{name}\"), &Ownership::new(\"{home}\", {epoch}))")
            };
            let unit = match cx.recorded(name) {
                Some(recorded) => unit(&recorded.epoch.to_string()),
                None => format!("{} with the epoch that `homing status` shows", unit("EPOCH")),
            };
            recorded_home(draft, cx, name, home);
            fenced_last(draft, cx, (name, regions), home, &unit);
        }
        (Rule::MultiWriter { regions }, Rule::GeoPartitioned { subject, .. }) => {
            let home = format!("each {subject}'s home");
            fenced_last(draft, cx, (name, regions), &home, "Asked::admit with the subject's unit in each write");
        }
        (Rule::SingleWriter { home }, Rule::GeoPartitioned { subject, .. }) => split(draft, cx, (name, subject), home),
        (Rule::GeoPartitioned { subject, .. }, Rule::SingleWriter { home }) => joined(draft, cx, (name, subject), home),
        // The same rule with other regions is another change.
        (Rule::SingleWriter { .. }, Rule::SingleWriter { .. })
        | (Rule::GeoPartitioned { .. }, Rule::GeoPartitioned { .. })
        | (Rule::MultiWriter { .. }, Rule::MultiWriter { .. }) => {}
    }
}

/// To multi-writer: the application merges before the router sends writes to several regions.
fn merged_first(draft: &mut Draft, cx: &Drafting<'_>, name: &str, (before, owners): (&str, &[String])) {
    let (all, old, new) = (listed(owners), cx.files.old, cx.files.new);
    draft.first.push(Step {
        title: format!("Release the application that merges {name}, in every region"),
        by: By::Application,
        commands: Vec::new(),
        deploys: None,
        why: format!(
            "With {new} {all} all take writes of {name}, by epoch 1, while old edges send theirs to {before}. A fence would refuse one of \
             them. So accept writes of {name} without fence and lease, log each as an operation, and merge by the rule in {new}. Stamp \
             a write without Homing-Clock yourself: it comes from an old edge. Each region logs the data that it owns as operations \
             too, once, with a stamp before all others."
        ),
        router: format!("It still sends every write to {before}, so nothing is merged yet."),
        done: format!("A record that is written in any of {all} shows in all of them, and no region answers 421 for {name}."),
        check: Vec::new(),
        repeat: "Safe, if the data that there is was logged once.".to_owned(),
        back: format!("The release before, as long as {old} is deployed: {before} has every write."),
        one_way: false,
    });
    let old_region = |name: &&String| cx.old.region_named(name).is_some();
    draft.after.push(Step {
        title: format!("Leave the fence of {name} off, and watch its conflicts"),
        by: By::Application,
        commands: Vec::new(),
        deploys: None,
        why: format!(
            "{} take writes now. If the fence of {name} comes back, the regions refuse each other's writes.",
            listed(&owners.iter().filter(old_region).collect::<Vec<_>>())
        ),
        router: "It sends a write to the nearest owner, with a stamp in Homing-Clock.".to_owned(),
        done: "All owners show the same: compare a record in each of them.".to_owned(),
        check: Vec::new(),
        repeat: "Safe.".to_owned(),
        back: format!(
            "Other regions have written, so {old} alone does not bring back one owner. Carry out `{}`.",
            cx.files.back()
        ),
        one_way: true,
    });
}

/// From multi-writer: the application merges until no old edge runs, and has a fence afterwards.
fn fenced_last(draft: &mut Draft, cx: &Drafting<'_>, (name, owners): (&str, &[String]), home: &str, unit: &str) {
    draft.first.push(Step {
        title: format!("Keep the merge of {name} on"),
        by: By::Application,
        commands: Vec::new(),
        deploys: None,
        why: format!(
            "Old edges still send writes to {}. A region that refuses or overwrites them now loses them.",
            listed(owners)
        ),
        router: String::new(),
        done: format!("Every region accepts writes of {name}, and has no fence for it."),
        check: Vec::new(),
        repeat: "Safe.".to_owned(),
        back: "Nothing has changed.".to_owned(),
        one_way: false,
    });
    draft.after.push(Step {
        title: format!("Wait until {home} has all operations of {name}, then turn its fence on"),
        by: By::Application,
        commands: Vec::new(),
        deploys: None,
        why: format!(
            "The deployment is complete, so writes go to {home} alone. Writes that other owners took before are still on their way. The kit's \
             fence: {unit}, in every region."
        ),
        router: format!("It sends every write of {name} to {home}, with its home and epoch."),
        done: format!(
            "Each region has applied the whole log of {}, and a write that is sent past the router to a wrong region gets 421.",
            listed(owners)
        ),
        check: Vec::new(),
        repeat: "Safe.".to_owned(),
        back: format!("Turn the fence off and the merge on first. Then carry out `{}`.", cx.files.back()),
        one_way: false,
    });
}

/// The authority may remember a home of earlier.
fn recorded_home(draft: &mut Draft, cx: &Drafting<'_>, name: &str, home: &str) {
    let why = match cx.recorded(name) {
        Some(recorded) => format!(
            "{name} was single-writer before: the authority has {} as its home by epoch {}. That counts, and not the file.",
            recorded.home, recorded.epoch
        ),
        None => format!(
            "If {name} was single-writer before, the authority still has its home of then. That one counts, not the file."
        ),
    };
    let router = format!("It records {home} as the home of {name} with the first request, if it has recorded none.");
    draft.after.push(look_who_owns(name, home, why, router));
}

/// From one home to one for each subject: all begin where the data is.
fn split(draft: &mut Draft, cx: &Drafting<'_>, (name, subject): (&str, &str), home: &str) {
    let (old, new) = (cx.files.old, cx.files.new);
    draft.first.push(Step {
        title: format!("Release the application that splits {name} by {subject}, in every region"),
        by: By::Application,
        commands: Vec::new(),
        deploys: None,
        why: format!(
            "Old edges write {name} as one unit, new ones each {subject}'s part; both at {home}. So {home} accepts both, every other \
             region accepts neither. In the kit: Settings::with_first_home({home:?}), and the fence by the {subject}'s unit. The \
             application names the {subject} in Homing-Subject if IDENTITY says so."
        ),
        router: String::new(),
        done: format!("A request with a {subject} that nobody knows is refused with 421 and Homing-Home: {home} by every other region."),
        check: Vec::new(),
        repeat: "Safe.".to_owned(),
        back: format!("The release before, as long as {old} is deployed."),
        one_way: false,
    });
    let key = format!("IDENTITY.{subject}.first_home");
    let is_late = SubjectKind::parse(subject).is_none_or(|kind| cx.new.identity().first_home(kind).is_none());
    let import = Step {
        title: format!("Import the {subject}s that there are"),
        by: By::Operator,
        commands: vec![
            format!("homing import {subject}s.txt --home {home} --dry-run"),
            format!("homing import {subject}s.txt --home {home}"),
        ],
        deploys: None,
        why: format!(
            "Once first_home is gone, a {subject} whom the directory does not know gets the nearest region as its home."
        ),
        router: format!("Every {subject} lives in {home} from the first write on. The directory keeps it."),
        done: "A dry run adds none, and lists none that lives elsewhere.".to_owned(),
        check: vec![format!("homing import {subject}s.txt --home {home} --dry-run")],
        repeat: "Safe: a subject that has a home keeps it.".to_owned(),
        back: "An import moves nobody. Nothing has to be undone.".to_owned(),
        one_way: false,
    };
    if is_late {
        draft.late.push(Edit::set(key, home));
        draft.late_for.push(format!("Every {subject} whom nobody knows lives in {home}, where the data is."));
        draft.last.push(import);
    } else {
        draft.after.push(import);
    }
    draft.after.push(Step {
        title: format!("Let {subject}s live elsewhere"),
        by: By::Application,
        commands: Vec::new(),
        deploys: None,
        why: format!(
            "No edge writes {name} as one unit any more: take away what lets {home} accept that, and with_first_home. Then move whom you \
             want: `homing move {subject}:NAME --to REGION`."
        ),
        router: format!("New {subject}s live in the nearest region, unless first_home stands in {new}."),
        done: format!("{home} refuses a write of {name} without a {subject}."),
        check: Vec::new(),
        repeat: "Safe.".to_owned(),
        back: format!(
            "As soon as one {subject} lives elsewhere, {old} is no way back. Carry out `{}`.",
            cx.files.back()
        ),
        one_way: true,
    });
}

/// From one home for each subject to one for all: all must live there first.
fn joined(draft: &mut Draft, cx: &Drafting<'_>, (name, subject): (&str, &str), home: &str) {
    let new = cx.files.new;
    let Some(kind) = SubjectKind::parse(subject) else { return };
    // By the epoch that the authority has, so it is looked at first. `homing status` itself lists the homes of single-writer datasets alone.
    let (epoch, looks) = match (cx.recorded(name), cx.recorded) {
        (Some(recorded), _) => (recorded.epoch.to_string(), ""),
        (None, Some(_)) => ("1".to_owned(), ""),
        (None, None) => (
            "EPOCH".to_owned(),
            " Look first: EPOCH is the epoch that `homing status --json` shows for it under \"recorded\", or 1 if nothing stands there.",
        ),
    };
    draft.first.push(Step {
        title: format!("Release the application that writes {name} whole at {home}, in every region"),
        by: By::Application,
        commands: Vec::new(),
        deploys: None,
        why: format!(
            "New edges write {name} as one unit, old ones each {subject}'s part. {home} must accept both: the unit {name} by epoch {epoch}, \
             and each {subject}'s by its own. Every other region refuses the unit {name} and names {home}.{looks}"
        ),
        router: String::new(),
        done: format!("`curl -s REGION/.well-known/homing/ownership?unit={name}` says {home} and epoch {epoch}, in every region."),
        check: Vec::new(),
        repeat: "Safe.".to_owned(),
        back: format!("The release before, as long as {new} is not deployed."),
        one_way: false,
    });
    if first_home(cx.old, kind) != Some(home) {
        draft.prepare.push(Edit::set(format!("IDENTITY.{subject}.first_home"), home));
        draft.prepare_for.push(format!(
            "A {subject} whom nobody knows lives in {home} from now on. Without that the evacuations never end."
        ));
    }
    let lived: Vec<String> = cx
        .old
        .regions()
        .filter(|(id, region)| region.name != home && cx.old.residency(kind).contains(*id))
        .map(|(_, region)| region.name.clone())
        .collect();
    draft.moves.extend(lived.iter().map(|region| evacuated(cx, region, home, Round::First)));
    draft.narrow.push(Edit::set(format!("DATASETS.{name}.regions"), json!([home])));
    draft
        .narrow_for
        .push(format!("No {subject} may live anywhere but in {home}, and a late one can still be moved there."));
    draft.settle.extend(lived.iter().map(|region| evacuated(cx, region, home, Round::Again)));
    recorded_home(draft, cx, name, home);
    for region in lived.iter().filter(|region| cx.new.region_named(region).is_some()) {
        taken_along(draft, cx, name, region);
    }
    if let Some(step) = draft.after.last_mut() {
        step.back = format!(
            "Carry out `{}`. Each {subject} that has moved to {home} stays there until you move it back.",
            cx.files.back()
        );
        step.one_way = true;
    }
}

/// An evacuation takes along all that a region owns.
fn taken_along(draft: &mut Draft, cx: &Drafting<'_>, name: &str, region: &str) {
    let own: Vec<String> =
        homes_in(cx.new, region).into_iter().filter(|own| rule(cx.old, own) == rule(cx.new, own)).collect();
    if own.is_empty() {
        return;
    }
    let order = |own: &String| format!("homing promote {own} --to {region} --reason \"homing plan: back\"");
    draft.after.push(Step {
        title: format!("Give {region} back the home of {}", listed(&own)),
        by: By::Operator,
        commands: own.iter().map(order).collect(),
        deploys: None,
        why: format!("Evacuating {region} for {name} took that along."),
        router: "Writes wait for 5 s at most, and none that was acknowledged is lost.".to_owned(),
        done: format!("`homing status` shows {region} as the home of {}.", listed(&own)),
        check: vec!["homing status".to_owned()],
        repeat: "Safe.".to_owned(),
        back: "Leave it where it is, and write that home in the file.".to_owned(),
        one_way: false,
    });
}
