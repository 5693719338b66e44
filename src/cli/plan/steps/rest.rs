//! Changes that leave every owner in place, and still need an order.

use super::{By, Draft, Drafting, Edit, Files, Step};
use crate::{
    plan::{
        change::Rule,
        difference::{dataset, rule},
        requests::{self, Request},
    },
    words::quoted,
};
use homing_core::config::{IdentitySource, SubjectKind, Topology};

/// A step of the application, which undoes itself by the release before.
fn release(title: String, why: String, done: String) -> Step {
    Step {
        title,
        by: By::Application,
        commands: Vec::new(),
        deploys: None,
        why,
        router: String::new(),
        done,
        check: Vec::new(),
        repeat: "Safe.".to_owned(),
        back: "The release before.".to_owned(),
        one_way: false,
    }
}

/// All copies must fold the same operations to the same value.
pub(super) fn conflicts(draft: &mut Draft, name: &str, (from, to): (&str, &str)) {
    let why = format!(
        "The regions merge, not the router. While one region merges by {from} and another by {to}, their values differ. Release to all \
         regions at once, and fold each value again from its operations."
    );
    let done = format!("A record of {name} that was written at two regions at once shows the same in all of them.");
    draft.first.push(Step {
        back: format!("The release before, if the operations still say all that {from} needs."),
        one_way: true,
        ..release(format!("Merge {name} by {to} in every region"), why, done)
    });
}

/// A position is a number to the router; two kinds must not meet.
pub(super) fn position(draft: &mut Draft, name: &str, (from, to): (Option<&str>, Option<&str>)) {
    let key = format!("DATASETS.{name}.position");
    match (from, to) {
        (Some(from), Some(to)) => {
            draft.prepare.push(Edit::remove(key));
            draft.prepare_for.push(format!("It compares no positions of {name}, so their kind can change."));
            let why = format!(
                "The router compares positions as numbers. A session's mark of the kind {from} means nothing beside one of the kind {to}. \
                 So none is compared while they change."
            );
            let done = format!("Homing-Position of {name} is a {to}, in every region.");
            let step = release(format!("Let every region report positions of {name} as {to}"), why, done);
            draft.moves.push(Step {
                router: "Sessions read at home after a write, for as long as a write may be missing elsewhere."
                    .to_owned(),
                ..step
            });
        }
        (None, Some(to)) => {
            let why = "Before an origin reports positions, a session's reads go by time as they do now.".to_owned();
            let done = format!("Answers about {name} carry Homing-Position, in every region.");
            draft.first.push(release(format!("Let every region report positions of {name} as {to}"), why, done));
        }
        _ => {}
    }
}

/// An origin with a lease accepts writes only while the authority renews it. So its origins turn the lease on after the authority, and off
/// before it.
pub(super) fn lease(draft: &mut Draft, name: &str, (was, is): (bool, bool)) {
    match (was, is) {
        (false, true) => {
            let why = "The authority renews the lease from this deployment on. Without a renewal the home would refuse every write."
                .to_owned();
            let done = format!("The health address shows the lease of {name}, and writes go through.");
            draft.after.push(release(format!("Turn with_lease on for {name} in every region"), why, done));
        }
        (true, false) => {
            let why = format!(
                "With the new file the authority does not renew the lease. The home would then refuse every write of {name}."
            );
            let done = format!("Writes of {name} go through in a region that has just started.");
            draft.first.push(release(format!("Turn with_lease off for {name} in every region"), why, done));
        }
        _ => {}
    }
}

/// The same subject must keep its id.
pub(super) fn identity(draft: &mut Draft, cx: &Drafting<'_>, subject: &str, (from, to): (Option<&str>, Option<&str>)) {
    let split: Vec<String> = cx
        .new
        .datasets()
        .filter(|(_, dataset)| matches!(Rule::of(&dataset.rule, cx.new), Rule::GeoPartitioned { subject: kind, .. } if kind == subject))
        .map(|(_, dataset)| dataset.name.clone())
        .filter(|name| dataset(cx.old, name).is_some())
        .collect();
    let (Some(from), Some(to), false) = (from, to, split.is_empty()) else { return };
    let asked = [(cx.old, cx.files.old), (cx.new, cx.files.new)];
    let asked = asked.map(|(topology, file)| asks_whose(topology, file, cx.files, (subject, &split)));
    let (check, done) = match asked {
        [Some(one), Some(other)] => {
            let with = if [&one, &other].iter().any(|command| command.contains(NAME)) {
                format!("Write some of your {subject}s for {NAME}, and a path of yours.")
            } else {
                format!("Write paths of some of your {subject}s.")
            };
            (vec![one, other], format!("Both commands show the same id after \"look up home:\". {with}"))
        }
        // One id alone is compared with nothing.
        _ => (
            Vec::new(),
            format!(
                "The text of some of your {subject}s is the same in both. No two commands show it, because a file has no route to {}.",
                super::listed(&split)
            ),
        ),
    };
    draft.first.push(Step {
        check,
        one_way: true,
        back: format!("Deploy {} again. A {subject} that got a second home under another name keeps both: move it back by hand.", cx.files.old),
        ..release(
            format!("Make sure that {from} and {to} name each {subject} by the very same text"),
            format!(
                "The id of a {subject} is made from that text. Another spelling is another {subject} with another home, and its data in {} \
                 would get a second owner.",
                super::listed(&split)
            ),
            done,
        )
    });
}

/// What stands for a subject in a command.
const NAME: &str = "NAME";

/// The command that shows by which id a subject is known: a request of it to data that is split.
fn asks_whose(
    topology: &Topology,
    file: &str,
    files: &Files<'_>,
    (subject, split): (&str, &[String]),
) -> Option<String> {
    let at_host = |request: &Request, host: &str| {
        let dataset = topology.route(&request.method, host, &request.path).and_then(|(_, route)| route.dataset);
        dataset.and_then(|id| topology.dataset(id)).is_some_and(|dataset| split.contains(&dataset.name))
    };
    let of_split = |request: &Request| at_host(request, &request.host);
    let requests = requests::of(topology);
    let request = requests.iter().filter(|request| of_split(request)).max_by_key(|request| request.method == "PUT")?;
    let (mut host, mut path) = (request.named_host().to_owned(), request.path.clone());
    let whose = match topology.identity().source(SubjectKind::parse(subject)?)? {
        // The application says it at login, and the session carries it.
        IdentitySource::ResponseHeader(_) => format!(" --session {subject}={NAME}"),
        IdentitySource::Header(name) => format!(" --header '{name}: {NAME}'"),
        IdentitySource::Cookie(name) => format!(" --header 'cookie: {name}={NAME}'"),
        IdentitySource::Path(pattern) => {
            path = named_in(&path, &pattern.to_string(), subject);
            String::new()
        }
        IdentitySource::Host { prefix, suffix } => {
            // A route may ask for the host of one subject.
            if at_host(request, &format!("{prefix}{}{suffix}", requests::OPEN)) {
                host = format!("{prefix}{NAME}{suffix}");
            }
            String::new()
        }
    };
    let (method, target) = (&request.method, quoted(&format!("{host}{path}")));
    Some(format!("homing explain {method} {target} --config {}{}{whose}", quoted(file), files.env()))
}

/// The path with [`NAME`] where the pattern of the identity has the subject, as long as the route leaves that part open.
fn named_in(path: &str, pattern: &str, subject: &str) -> String {
    let subject = format!("{{{subject}}}");
    let at = pattern.split('/').position(|part| part == subject);
    let part = |(place, part)| if at == Some(place) && part == requests::OPEN { NAME } else { part };
    path.split('/').enumerate().map(part).collect::<Vec<_>>().join("/")
}

/// Subjects that nobody knows live elsewhere from now on.
pub(super) fn first_home(draft: &mut Draft, subject: &str, (from, to): (Option<&str>, Option<&str>)) {
    match (from, to) {
        (Some(from), None) => draft.first.push(Step {
            title: format!("Import every {subject} whose data is in {from}"),
            by: By::Operator,
            commands: vec![
                format!("homing import {subject}s.txt --home {from} --dry-run"),
                format!("homing import {subject}s.txt --home {from}"),
            ],
            deploys: None,
            why: format!(
                "Without first_home a {subject} whom the directory does not know gets the nearest region as its home."
            ),
            router: "A subject that has a home keeps it.".to_owned(),
            done: format!("A dry run adds none. Take with_first_home({from:?}) out of the origins, then go on."),
            check: vec![format!("homing import {subject}s.txt --home {from} --dry-run")],
            repeat: "Safe.".to_owned(),
            back: "An import moves nobody. Nothing has to be undone.".to_owned(),
            one_way: false,
        }),
        (None, Some(to)) => {
            let why = format!("The origins have the last word about a {subject} whom the directory does not know.");
            let done = format!(
                "`curl -s REGION/.well-known/homing/ownership?unit=~ID` says {to} and epoch 0 for an unknown {subject}."
            );
            draft.first.push(release(format!("Say with_first_home({to:?}) in every region"), why, done));
        }
        _ => {}
    }
}

/// What is sent as a read meets no fence.
pub(super) fn reads(draft: &mut Draft, request: &str) {
    let why = "New edges send it to the nearest region as a read, and the fence asks about writes alone. A write by it would be a second \
               owner's."
        .to_owned();
    let done = format!("{request} changes nothing in any region.");
    draft.first.push(release(format!("Make sure that {request} writes nothing"), why, done));
}

/// A dataset is new.
pub(super) fn dataset_added(draft: &mut Draft, cx: &Drafting<'_>, name: &str) {
    let Some(Rule::SingleWriter { home }) = rule(cx.new, name) else { return };
    let why = format!(
        "The authority records {home} with the first request. If it knows {name} from earlier, the home of then counts."
    );
    let router = format!("It tells the regions that {home} owns {name} by epoch 1.");
    draft.after.push(look_who_owns(name, &home, why, router));
}

/// A step that compares the authority's home of a dataset with the file's.
pub(super) fn look_who_owns(name: &str, home: &str, why: String, router: String) -> Step {
    Step {
        title: format!("Look who owns {name}"),
        by: By::Operator,
        commands: vec!["homing status".to_owned()],
        deploys: None,
        why,
        router,
        done: format!(
            "`homing status` shows {home} as the home of {name}. If it shows another region: `homing promote {name} --to {home}`."
        ),
        check: vec!["homing status".to_owned()],
        repeat: "Safe.".to_owned(),
        back: "It changes nothing.".to_owned(),
        one_way: false,
    }
}
