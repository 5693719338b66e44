//! What the rest of wrangler.toml must say, so that the platform does not undo what the router promises.

mod deployed;
mod origins;

use homing_core::{
    config::{
        error::{Complaints, KeyPath},
        is_local_url,
        raw::Raw,
    },
    operate::{admin, prober},
};

/// The most bytes that one var may hold on the platform.
const MOST_VAR_BYTES: usize = 5 * 1024;
/// Every whole number below this is a number of its own in a 64-bit float: 2^53 (IEEE 754).
const MOST_EXACT: f64 = 9_007_199_254_740_992.0;

/// One environment of the file, and the top level that it inherits from.
struct KeyPlace<'a> {
    top: &'a Raw,
    table: &'a Raw,
    at: &'a KeyPath,
}

impl<'a> KeyPlace<'a> {
    /// What counts here of a setting that environments inherit, and where it stands.
    fn inherited(&self, key: &str) -> Option<(&'a Raw, KeyPath)> {
        let own = self.table.get(key).map(|own| (own, self.at.key(key)));
        own.or_else(|| self.top.get(key).map(|top| (top, KeyPath::default().key(key))))
    }
}

/// Checks one environment: the settings that stand in `table`, whose path is `at`, and of `top` those that it inherits.
pub(super) fn lint(top: &Raw, table: &Raw, at: &KeyPath, log: &mut Complaints) {
    let place = KeyPlace { top, table, at };
    if table.get("placement").is_some_and(|placement| placement.get("mode") != Some(&Raw::Text("off".to_owned()))) {
        let expected = "none: placement moves the Worker, and with it \"nearest\", away from the users";
        log.error(&at.key("placement"), "a placement", expected, "remove it, or write mode = \"off\"");
    }
    deployed::lint(&place, log);
    homes(table, at, log);
    objects(table, at, log);
    assets(table, at, log);
    if let Some(vars) = table.get("vars") {
        let path = at.key("vars");
        services(table, vars, &path, log);
        origins::lint(&place, &path, log);
        development(table, vars, &path, log);
        admin_host(vars, &path, log);
        probes(table, vars, (at, &path), log);
        sizes(vars, &path, log);
    }
}

fn members<'a>(table: &'a Raw, key: &str) -> &'a [Raw] {
    match table.get(key) {
        Some(Raw::List(members)) => members,
        _ => &[],
    }
}

/// The texts of a list.
fn texts(list: &Raw) -> Vec<&str> {
    match list {
        Raw::List(members) => members.iter().filter_map(Raw::text).collect(),
        _ => Vec::new(),
    }
}

fn binds(member: &Raw, name: &str) -> bool {
    member.get("binding") == Some(&Raw::Text(name.to_owned()))
}

fn homes(table: &Raw, at: &KeyPath, log: &mut Complaints) {
    if !members(table, "kv_namespaces").iter().any(|member| binds(member, "HOMES")) {
        let expected = "a KV namespace bound as HOMES, which stores the subjects' homes";
        log.error(
            &at.key("kv_namespaces"),
            "no binding \"HOMES\"",
            expected,
            "add [[kv_namespaces]] with binding = \"HOMES\"",
        );
    }
}

/// The Durable Objects that the router needs: binding, class, what it is.
const OBJECTS: [(&str, &str, &str); 2] = [
    ("DIRECTORY", "Directory", "which assigns subjects their homes"),
    ("AUTHORITY", "Authority", "which takes the operators' orders"),
];

fn objects(table: &Raw, at: &KeyPath, log: &mut Complaints) {
    let bindings = table.get("durable_objects").map_or(&[][..], |objects| members(objects, "bindings"));
    for (name, class, what) in OBJECTS {
        let said = |key: &str, value: &str, member: &Raw| member.get(key) == Some(&Raw::Text(value.to_owned()));
        if !bindings.iter().any(|member| said("name", name, member) && said("class_name", class, member)) {
            log.error(
                &at.key("durable_objects").key("bindings"),
                format!("no binding {name:?} of the class {class:?}"),
                format!("the Durable Object {what}"),
                format!("add [[durable_objects.bindings]] with name = {name:?} and class_name = {class:?}"),
            );
        }
    }
}

fn assets(table: &Raw, at: &KeyPath, log: &mut Complaints) {
    let Some(assets) = table.get("assets") else { return };
    if assets.get("run_worker_first") != Some(&Raw::Bool(true)) {
        let found = "assets that are served before the Worker";
        let expected = "run_worker_first = true, because a file otherwise hides a path of the application";
        log.error(&at.key("assets"), found, expected, "add run_worker_first = true");
    }
}

/// A region may name a service binding; it must exist.
fn services(table: &Raw, vars: &Raw, path: &KeyPath, log: &mut Complaints) {
    let Some(Raw::Table(regions)) = vars.get("REGIONS") else { return };
    for (name, region) in regions {
        let Some(Raw::Text(service)) = region.get("service") else { continue };
        if !members(table, "services").iter().any(|member| binds(member, service)) {
            let expected = format!("a binding {service:?} in [[services]]");
            log.error(
                &path.key("REGIONS").key(name).key("service"),
                format!("{service:?}"),
                expected,
                "add it, with the service's name",
            );
        }
    }
}

/// The first region that is not certainly on this very machine, and where it is instead.
fn elsewhere(table: &Raw) -> Option<(&str, &'static str)> {
    let Some(Raw::Table(regions)) = table.get("vars").and_then(|vars| vars.get("REGIONS")) else { return None };
    regions.iter().find_map(|(name, region)| {
        let said = |key: &str| region.get(key).and_then(Raw::text);
        match (said("service"), said("origin")) {
            (Some(_), _) => Some((name.as_str(), "another Worker, which may be anywhere")),
            (None, Some(origin)) if !is_local_url(origin) => Some((name.as_str(), "not on this machine")),
            (None, _) => None,
        }
    })
}

/// `DEV` opens what production must not have open, so it may stand only beside regions of this machine.
fn development(table: &Raw, vars: &Raw, path: &KeyPath, log: &mut Complaints) {
    let on = matches!(vars.get("DEV"), Some(Raw::Bool(true))) || vars.get("DEV") == Some(&Raw::Text("true".to_owned()));
    if let (true, Some((name, place))) = (on, elsewhere(table)) {
        let expected = "DEV only with regions on this machine (localhost, 127.0.0.0/8, [::1]): it opens the operators' API here, \
                        lets clients choose their region and generates a SESSION_KEY";
        let found = format!("true, but the region {name:?} is {place}");
        log.error(&path.key("DEV"), found, expected, "remove it; for `wrangler dev` write DEV=true into .dev.vars");
    }
}

/// The host of the operators, where they have one of their own: a bare name, for it is compared with the host of each request.
fn admin_host(vars: &Raw, path: &KeyPath, log: &mut Complaints) {
    let Some(said) = vars.get("ADMIN_HOST") else { return };
    if said.text().is_none_or(|host| !admin::is_host(host)) {
        let expected = "a host name without scheme, port or path";
        log.error(
            &path.key("ADMIN_HOST"),
            said.describe(),
            expected,
            "write a host name such as \"homing.example.com\", or remove it",
        );
    }
}

/// How often probers ask, and that there are any: without them each edge finds out for itself how the regions are.
fn probes(table: &Raw, vars: &Raw, (at, path): (&KeyPath, &KeyPath), log: &mut Complaints) {
    let said = vars.get("PROBES");
    let bindings = table.get("durable_objects").map_or(&[][..], |objects| members(objects, "bindings"));
    let bound = |member: &Raw| member.get("name").and_then(Raw::text) == Some("PROBERS");
    if said.and_then(Raw::text) != Some("off") && !bindings.iter().any(bound) {
        let found = "no binding \"PROBERS\" of the class \"Prober\"";
        let expected = "the Durable Objects that ask the regions for their health";
        let remedy = "add [[durable_objects.bindings]] with name = \"PROBERS\" and class_name = \"Prober\", or write PROBES = \"off\"";
        log.warn(&at.key("durable_objects").key("bindings"), found, expected, remedy);
    }
    let Some(said) = said else { return };
    if said.text().is_none_or(|said| said.is_empty() || prober::every(said).is_err()) {
        let expected = "\"off\" or a time from a second to 45 s, such as \"10s\"";
        log.error(&path.key("PROBES"), said.describe(), expected, "write one of them, or remove it to get 10s");
    }
}

fn sizes(vars: &Raw, path: &KeyPath, log: &mut Complaints) {
    let Raw::Table(entries) = vars else { return };
    for (name, value) in entries {
        let bytes = size(value);
        if bytes > MOST_VAR_BYTES {
            let remedy = "move the last routes to ROUTES_2, ROUTES_3 and so on: together they form one list";
            let remedy = if name.starts_with("ROUTES") { remedy } else { "shorten names and explanations" };
            log.error(
                &path.key(name),
                format!("{bytes} bytes"),
                format!("at most {MOST_VAR_BYTES} bytes, the limit of a var"),
                remedy,
            );
        }
    }
}

/// The bytes of a value as the platform keeps it: JSON, or bare text.
pub(super) fn size(value: &Raw) -> usize {
    match value {
        Raw::Text(text) => text.len(),
        other => json(other).to_string().len(),
    }
}

/// A raw value as JSON; a whole number is written as one, as the platform does.
pub(super) fn json(value: &Raw) -> serde_json::Value {
    match value {
        Raw::Null => serde_json::Value::Null,
        Raw::Bool(flag) => (*flag).into(),
        #[allow(clippy::cast_possible_truncation, reason = "a whole number of that size is exact in both types")]
        Raw::Number(number) if number.fract() == 0.0 && number.abs() < MOST_EXACT => (*number as i64).into(),
        Raw::Number(number) => serde_json::json!(number),
        Raw::Text(text) => text.as_str().into(),
        Raw::List(members) => members.iter().map(json).collect(),
        Raw::Table(entries) => entries.iter().map(|(key, value)| (key.clone(), json(value))).collect(),
    }
}
