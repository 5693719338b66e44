//! What wrangler.toml says of the deployment: addresses, logs, modules, and the classes of Durable Objects.

use std::collections::BTreeMap;

use super::{KeyPlace, elsewhere, members, texts};
use homing_core::config::{
    error::{Complaints, KeyPath},
    raw::Raw,
    units,
};

pub(super) fn lint(place: &KeyPlace<'_>, log: &mut Complaints) {
    caches(place, log);
    addresses(place, log);
    logs(place, log);
    modules(place, log);
    classes(place, log);
    leases(place, log);
}

fn is_on(table: &Raw, key: &str) -> bool {
    table.get(key) == Some(&Raw::Bool(true))
}

/// Workers Caching, in both of its spellings.
fn caches(place: &KeyPlace<'_>, log: &mut Complaints) {
    let of_entrypoint = ["exports", "default", "cache"];
    for keys in [&["cache"][..], &of_entrypoint] {
        let found = keys.iter().try_fold(place.table, |table, key| table.get(key));
        if found.is_some_and(|cache| is_on(cache, "enabled")) {
            let at = keys.iter().fold(place.at.clone(), |at, key| at.key(key)).key("enabled");
            let expected = "no cache before the Worker: it answers without the router and ignores pins";
            log.error(&at, "true", expected, "remove it: the router has its own cache");
        }
    }
}

/// Where the Worker is reached, which decides whether the edge cache works. Of a demo on this machine nobody needs to hear that.
fn addresses(place: &KeyPlace<'_>, log: &mut Complaints) {
    if elsewhere(place.table).is_none() {
        return;
    }
    const NO_CACHE: &str = "on workers.dev and behind Cloudflare Access, the edge cache stores nothing";
    let add = "add routes = [{ pattern = \"app.example.com\", custom_domain = true }] and workers_dev = false above the first table";
    let routes = [place.inherited("routes"), place.inherited("route")];
    let has_routes =
        routes.iter().flatten().any(|(routes, _)| !matches!(routes, Raw::List(members) if members.is_empty()));
    let workers_dev = place.inherited("workers_dev");
    let said = |value: bool| workers_dev.as_ref().is_some_and(|(said, _)| **said == Raw::Bool(value));
    if !has_routes && said(false) {
        let expected = "an address in \"routes\" or \"route\", because the Worker cannot be reached";
        log.warn(&place.at.key("routes"), "nothing, and workers_dev = false", expected, add);
    } else if !has_routes {
        let expected = format!("an address in your own zone, in \"routes\" or \"route\": {NO_CACHE}");
        log.warn(&place.at.key("routes"), "nothing", expected, add);
    } else if let Some((_, at)) = workers_dev.as_ref().filter(|_| said(true)) {
        let expected = format!("false with routes: {NO_CACHE}, and your zone's rules do not apply there");
        log.warn(at, "true", expected, "write workers_dev = false");
    }
}

/// What the platform adds to logs: the whole URL to each line, and a line of its own for each request.
fn logs(place: &KeyPlace<'_>, log: &mut Complaints) {
    let Some(observability) = place.table.get("observability") else { return };
    let logs = observability.get("logs");
    if !is_on(observability, "enabled") && !logs.is_some_and(|logs| is_on(logs, "enabled")) {
        return;
    }
    let at = place.at.key("observability");
    if !is_on(observability, "redact_query_string") {
        log.warn(
            &at,
            "logs with queries",
            "redact_query_string = true: the platform logs each request's full URL, and a redirect can carry a session in the query",
            "add it under [observability]",
        );
    }
    if logs.and_then(|logs| logs.get("invocation_logs")) != Some(&Raw::Bool(false)) {
        log.warn(
            &at,
            "logs with an extra line from the platform for each request",
            "invocation_logs = false: that line repeats the router's own line and costs as much",
            "add it under [observability.logs]",
        );
    }
}

/// Wrangler has rules of its own for these modules, and says at every deploy that ours stands in their way.
fn modules(place: &KeyPlace<'_>, log: &mut Complaints) {
    for (index, rule) in members(place.table, "rules").iter().enumerate() {
        let builtin =
            ["Text", "Data", "CompiledWasm"].iter().any(|kind| rule.get("type").and_then(Raw::text) == Some(kind));
        if builtin && rule.get("fallthrough").is_none() {
            log.warn(
                &place.at.key("rules").at(index),
                "no \"fallthrough\"",
                "fallthrough, because wrangler warns about it at each deploy",
                "add fallthrough = false",
            );
        }
    }
}

/// Every class that is bound here must be declared, once, by `[[migrations]]` or by `[exports]`; and with SQLite, which the router's
/// objects store in.
fn classes(place: &KeyPlace<'_>, log: &mut Complaints) {
    let declared = declared(place);
    let exported = |export: &Raw| export.get("type").and_then(Raw::text) == Some("durable-object");
    let both = match (place.inherited("migrations"), place.inherited("exports")) {
        (Some((Raw::List(steps), _)), Some((Raw::Table(exports), at))) => {
            (!steps.is_empty() && exports.iter().any(|(_, export)| exported(export))).then_some(at)
        }
        _ => None,
    };
    if let Some(at) = both {
        let expected = "one of the two, because wrangler refuses a file with both";
        log.error(
            &at,
            "Durable Objects beside [[migrations]]",
            expected,
            "remove [[migrations]] after you have exported the classes that it created",
        );
    }
    let bindings = place.table.get("durable_objects").map_or(&[][..], |objects| members(objects, "bindings"));
    for class in ["Directory", "Authority", "Prober"] {
        let bound = |member: &Raw| {
            member.get("class_name").and_then(Raw::text) == Some(class) && member.get("script_name").is_none()
        };
        if !bindings.iter().any(bound) || declared.get(class) == Some(&true) {
            continue;
        }
        let found =
            if declared.contains_key(class) { "without SQLite" } else { "by neither [[migrations]] nor [exports]" };
        log.error(
            &place.at.key("durable_objects").key("bindings"),
            format!("the class {class:?}, declared {found}"),
            "a declaration with SQLite, because the deploy is refused without it",
            format!("add [[migrations]] with a tag and new_sqlite_classes = [{class:?}], or [exports.{class}] with type = \"durable-object\" and storage = \"sqlite\""),
        );
    }
}

/// The classes that there are after all migrations, and those that are exported; each with whether it stores in SQLite.
fn declared<'a>(place: &KeyPlace<'a>) -> BTreeMap<&'a str, bool> {
    let mut all = BTreeMap::new();
    let steps = place.inherited("migrations").map_or(&[][..], |(steps, _)| match steps {
        Raw::List(steps) => steps,
        _ => &[],
    });
    for step in steps {
        for (key, sqlite) in [("new_classes", false), ("new_sqlite_classes", true)] {
            all.extend(step.get(key).map(texts).unwrap_or_default().into_iter().map(|class| (class, sqlite)));
        }
        for key in ["renamed_classes", "transferred_classes"] {
            for renamed in members(step, key) {
                // A class of another script keeps the storage that it has there; nothing here says which.
                let before = renamed.get("from").and_then(Raw::text).and_then(|from| all.remove(from)).unwrap_or(true);
                all.extend(renamed.get("to").and_then(Raw::text).map(|to| (to, before)));
            }
        }
        for gone in step.get("deleted_classes").map(texts).unwrap_or_default() {
            all.remove(gone);
        }
    }
    if let Some((Raw::Table(exports), _)) = place.inherited("exports") {
        for (class, export) in exports {
            let says = |key: &str| export.get(key).and_then(Raw::text);
            let lives = matches!(says("state"), None | Some("created" | "expecting-transfer"));
            if says("type") == Some("durable-object") && lives {
                all.insert(class, says("storage") == Some("sqlite"));
            }
        }
    }
    all
}

/// The shortest lease that the platform bears well, in seconds: the authority is one object, and each deploy and each hiccup of its
/// data centre makes it late.
const LEASE_SECONDS: u64 = 30;
/// A lease is renewed so many times while it lasts.
const RENEWALS: u64 = 3;
const DAY_SECONDS: u64 = 86_400;

fn leases(place: &KeyPlace<'_>, log: &mut Complaints) {
    let Some(Raw::Table(datasets)) = place.table.get("vars").and_then(|vars| vars.get("DATASETS")) else { return };
    for (name, dataset) in datasets {
        let Some(text) = dataset.get("lease").and_then(Raw::text) else { continue };
        let Some(seconds) = units::duration(text).map(|lease| lease.as_secs()) else { continue };
        if (1..LEASE_SECONDS).contains(&seconds) {
            let renewals = DAY_SECONDS * RENEWALS / seconds;
            let expected = format!(
                "{LEASE_SECONDS}s or more: the authority renews it {renewals} times a day, and each renewal is billed. Writes \
                 stop whenever a deploy or the platform delays it longer"
            );
            let at: KeyPath = place.at.key("vars").key("DATASETS").key(name).key("lease");
            log.warn(
                &at,
                format!("{text:?}"),
                expected,
                "write \"60s\" or more, unless a forced promotion must be faster",
            );
        }
    }
}
