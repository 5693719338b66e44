//! `ROUTES`, `ROUTES_2` and on.

use std::time::Duration;

use crate::topology::parse::names::{Names, name_of};
use crate::topology::parse::table::KeyTable;
use crate::{
    http::{
        believed::{Fate, fate, overrides_method},
        method::access_of,
        syntax::is_token,
    },
    model::{access::Access, ids::DatasetId, ranked::ranked},
    topology::{
        dataset::{Dataset, Rule},
        error::{Complaints, KeyPath},
        identity::{Identity, IdentitySource},
        pattern::RoutePattern,
        raw::Raw,
        route::{OnHomeDown, ReadAfterWrite, Route, Spelling},
    },
};

const KEYS: [&str; 18] = [
    "match",
    "dataset",
    "read_after_write",
    "on_home_down",
    "access",
    "idempotent",
    "cache",
    "cache_up_to",
    "cache_set_cookie",
    "deadline",
    "wait",
    "body_idle",
    "repair",
    "spelling",
    "rewrite_location",
    "max_cross_region",
    "max_conflict_rate",
    "allow_request_fields",
];

pub(super) fn read(
    vars: &Raw,
    at: &KeyPath,
    (datasets, names): (&[Dataset], &Names),
    identity: &Identity,
    log: &mut Complaints,
) -> Vec<Route> {
    let mut routes: Vec<Route> = Vec::new();
    let mut places: Vec<KeyPath> = Vec::new();
    for name in list_names(vars, at, log) {
        let path = at.key(&name);
        let Some(raw) = vars.get(&name) else { continue };
        let Raw::List(members) = raw else {
            log.error(&path, raw.describe(), "a list of routes", format!("write each as [[{path}]]"));
            continue;
        };
        for (place, raw) in members.iter().enumerate() {
            let path = path.at(place);
            let Some(table) = KeyTable::of(raw, &path, log) else { continue };
            if let Some(route) = route(&table, (datasets, names), identity, log) {
                let mut earlier = routes.iter().zip(&places);
                if let Some((_, shadow)) = earlier.find(|(earlier, _)| earlier.pattern.covers(&route.pattern)) {
                    let expected = "a route that at least one request reaches";
                    let found = format!("a route that {shadow} hides: it takes every request first");
                    log.warn(&path.key("match"), found, expected, "move it up, or remove it");
                }
                routes.push(route);
                places.push(path);
            }
        }
    }
    routes
}

/// `ROUTES`, then `ROUTES_2`, `ROUTES_3`…; a gap would cut off what is behind it.
fn list_names(vars: &Raw, at: &KeyPath, log: &mut Complaints) -> Vec<String> {
    let Raw::Table(entries) = vars else { return Vec::new() };
    let mut more: Vec<usize> = Vec::new();
    for (name, digits) in entries.iter().filter_map(|(name, _)| Some((name, name.strip_prefix("ROUTES_")?))) {
        match digits.parse::<usize>() {
            Ok(number) if number.to_string() == digits => more.push(number),
            _ => {
                let expected = "ROUTES_2, ROUTES_3 and so on";
                log.error(
                    &at.key(name),
                    format!("the var {name:?}"),
                    expected,
                    "rename it: the router would not read it",
                );
            }
        }
    }
    let more = ranked(more, |one, other| one < other);
    if let (Some(first), None) = (more.first(), vars.get("ROUTES")) {
        let remedy = format!("rename ROUTES_{first} to ROUTES");
        log.error(&at.key("ROUTES"), "nothing", "the routes that the others continue", remedy);
    }
    for (expected, found) in (2..).zip(&more) {
        if expected != *found {
            let path = at.key(&format!("ROUTES_{found}"));
            log.error(
                &path,
                format!("ROUTES_{found}"),
                format!("ROUTES_{expected} next"),
                "number them without gaps from 2",
            );
            break;
        }
    }
    std::iter::once("ROUTES".to_owned()).chain(more.into_iter().map(|n| format!("ROUTES_{n}"))).collect()
}

fn route(
    table: &KeyTable<'_>,
    (datasets, names): (&[Dataset], &Names),
    identity: &Identity,
    log: &mut Complaints,
) -> Option<Route> {
    table.only(&KEYS, log);
    if !table.has("match") {
        table.missing("match", "which requests it takes", "add match = \"GET /api/*\"", log);
    }
    let dataset = table.text("dataset", log).and_then(|name| dataset(name, table, names, log));
    let promises =
        [("none", ReadAfterWrite::None), ("session", ReadAfterWrite::Session), ("home", ReadAfterWrite::Home)];
    let read_after_write = table.choice("read_after_write", &promises, log).unwrap_or_default();
    let on_home_down =
        table.choice("on_home_down", &[("stale", OnHomeDown::Stale), ("refuse", OnHomeDown::Refuse)], log);
    let access = table.choice("access", &[("read", Access::Read), ("write", Access::Write)], log);
    let rule = dataset.and_then(|id| datasets.get(id.index())).map(|dataset| &dataset.rule);
    if let (ReadAfterWrite::Home, Some(Rule::MultiWriter { .. }), Some(id)) = (read_after_write, rule, dataset) {
        let found = format!("\"home\" for the multi-writer dataset {:?}", name_of(datasets, id.index()));
        let expected = "\"none\" or \"session\": a multi-writer dataset has no one home";
        log.error(&table.path.key("read_after_write"), found, expected, "use \"session\"");
    }
    let cache = table.flag("cache", log);
    if cache == Some(true) && read_after_write == ReadAfterWrite::Home {
        let expected = "no cache: with read_after_write = \"home\" every read goes home";
        log.error(&table.path.key("cache"), "true", expected, "remove one of the two");
    }
    if let (Some(true), Some(rule)) = (cache, rule) {
        named_by_anybody(rule, identity, &table.path.key("cache"), log);
    }
    let cache_up_to = table.size("cache_up_to", log);
    if let (Some(false), Some(_)) = (cache, cache_up_to) {
        let expected = "cache_up_to only on a route that uses the edge cache";
        log.error(&table.path.key("cache_up_to"), "a bound beside cache = false", expected, "remove one of the two");
    }
    let cache_set_cookie = cache_set_cookie(table, (cache, read_after_write), rule, log);
    let (idempotent, deadline) = (table.flag("idempotent", log).unwrap_or(false), table.duration("deadline", log));
    let (repair, body_idle) = (table.flag("repair", log).unwrap_or(false), table.duration("body_idle", log));
    let max_cross_region = table.share("max_cross_region", log);
    let max_conflict_rate = table.share("max_conflict_rate", log);
    // What stands for no dataset, or for a broken one, has had its complaint.
    if !rule.is_some_and(Rule::is_multi_writer) && (rule.is_some() || !table.has("dataset")) {
        table.out_of_place("max_conflict_rate", "only a multi-writer dataset has conflicts", log);
    }
    let wait = wait(table, read_after_write, dataset.and_then(|id| datasets.get(id.index())), log);
    let text = table.text("match", log)?;
    let pattern = match RoutePattern::parse(text) {
        Ok(pattern) => pattern,
        Err(expected) => {
            log.error(&table.path.key("match"), format!("{text:?}"), expected, "correct the pattern");
            return None;
        }
    };
    let on_home_down = on_home_down.unwrap_or_default();
    let allow_request_fields = allowed(table, &pattern, access, log);
    let spelling = spelling(table, text, &pattern, log);
    let rewrite_location = table.flag("rewrite_location", log).unwrap_or(true);
    Some(Route {
        pattern,
        dataset,
        read_after_write,
        on_home_down,
        access,
        idempotent,
        cache,
        cache_up_to,
        cache_set_cookie,
        deadline,
        wait,
        body_idle,
        repair,
        spelling,
        rewrite_location,
        max_cross_region,
        max_conflict_rate,
        allow_request_fields,
    })
}

/// The longest that is worth waiting nearby: anything longer than a round trip to another continent is not.
const LONGEST_WAIT: Duration = Duration::from_secs(1);

/// How long a session's read may wait for a near replica, and whether there is anything to wait for.
fn wait(table: &KeyTable<'_>, promise: ReadAfterWrite, dataset: Option<&Dataset>, log: &mut Complaints) -> Duration {
    let Some(wait) = table.duration("wait", log) else { return Duration::ZERO };
    let path = table.path.key("wait");
    let found = table.get("wait").map_or_else(String::new, Raw::describe);
    if wait > LONGEST_WAIT {
        let expected = "at most \"1s\": after that, another continent would already have answered";
        log.error(&path, found, expected, "use some tens of milliseconds, such as \"50ms\"");
        return Duration::ZERO;
    }
    if promise != ReadAfterWrite::Session {
        let expected = "wait only with read_after_write = \"session\": no other read waits for a replica";
        log.error(&path, found, expected, "remove wait, or set read_after_write = \"session\"");
    } else if dataset.map_or(!table.has("dataset"), |dataset| dataset.position.is_none()) {
        let expected =
            "wait only on a dataset with positions: without them the router cannot tell when a replica has caught up";
        log.error(
            &path,
            found,
            expected,
            "set the position of the dataset, such as position = \"lsn\", or remove wait",
        );
    }
    wait
}

/// How the route's application reads paths, and whether its pattern fits to that.
fn spelling(table: &KeyTable<'_>, text: &str, pattern: &RoutePattern, log: &mut Complaints) -> Spelling {
    let spelling = table.choice("spelling", &[("any", Spelling::Any), ("exact", Spelling::Exact)], log);
    let spelling = spelling.unwrap_or_default();
    if spelling == Spelling::Any && pattern.path().is_spelled() {
        let expected = "a path that all servers read alike, or spelling = \"exact\"";
        let remedy =
            "write it without \"//\", \";\" and encoded borders; or say \"exact\" if your application reads it so";
        log.error(&table.path.key("match"), format!("{text:?}"), expected, remedy);
    }
    if spelling == Spelling::Exact && pattern.path().is_all() {
        let expected = "\"exact\" for a part of the paths";
        let remedy = "name the paths that need it: on all paths, unusual spellings get past your other routes";
        log.warn(&table.path.key("spelling"), format!("\"exact\" for {text:?}"), expected, remedy);
    }
    spelling
}

/// The fields of `allow_request_fields`, in lower case.
fn allowed(table: &KeyTable<'_>, pattern: &RoutePattern, access: Option<Access>, log: &mut Complaints) -> Vec<String> {
    if !table.has("allow_request_fields") {
        return Vec::new();
    }
    let by_method = || match pattern.methods() {
        [] => true,
        methods => methods.iter().any(|method| access_of(method) == Access::Read),
    };
    let reads = access.map_or_else(by_method, |access| access == Access::Read);
    let mut allowed = Vec::new();
    for (text, path) in table.texts("allow_request_fields", log).unwrap_or_default() {
        let name = text.to_ascii_lowercase();
        let legal = !name.is_empty() && name.bytes().all(is_token);
        let found = format!("{text:?}");
        match fate(&name) {
            _ if !legal => {
                let expected = "the name of a request field, such as \"x-http-method-override\"";
                log.error(&path, found, expected, "use letters, digits and hyphens");
            }
            Fate::OfConnection => {
                let expected = "no connection field: proxies never forward these (RFC 9110 section 7.6.1)";
                log.error(&path, found, expected, "remove it");
            }
            Fate::Ours => {
                let expected = "a field that the router does not set itself";
                log.error(&path, found, expected, "remove it: with it, a client could impersonate the router");
            }
            Fate::Passes => {
                let expected = "a field that is removed unless a route allows it";
                log.error(&path, found, expected, "remove it: this field always reaches the region");
            }
            Fate::Believed if reads && overrides_method(&name) => {
                let found = format!("{found} on a route that reads");
                let expected = "a route that only writes: this field could turn a read into a write";
                log.error(&path, found, expected, "add access = \"write\", or match only methods that write");
            }
            Fate::Believed => allowed.push(name),
        }
    }
    allowed
}

/// Personal data is cached only where the signed session identifies its subject: a client can forge a path, host, cookie or header.
fn named_by_anybody(rule: &Rule, identity: &Identity, path: &KeyPath, log: &mut Complaints) {
    let Rule::GeoPartitioned { subject, .. } = rule else { return };
    let source = match identity.source(*subject) {
        None | Some(IdentitySource::ResponseHeader(_)) => return,
        Some(IdentitySource::Header(_)) => "header",
        Some(IdentitySource::Cookie(_)) => "cookie",
        Some(IdentitySource::Path(_)) => "path",
        Some(IdentitySource::Host { .. }) => "host",
    };
    let subject = subject.token();
    let found = format!("true for data of a {subject} identified by the request's {source}");
    let expected =
        format!("cache only where the signed session identifies the {subject}: a client can forge anything else");
    let remedy = format!(
        "remove cache, or let the application name who signed in: {subject} = {{ response_header = \"Homing-Subject\" }}"
    );
    log.error(path, found, expected, remedy);
}

/// Whether what sets a cookie is stored, which gives one visitor's cookie to all: for those of a test, a language or a campaign.
fn cache_set_cookie(
    table: &KeyTable<'_>,
    (cache, promise): (Option<bool>, ReadAfterWrite),
    rule: Option<&Rule>,
    log: &mut Complaints,
) -> bool {
    let asked = table.flag("cache_set_cookie", log).unwrap_or(false);
    if !asked {
        return false;
    }
    let path = table.path.key("cache_set_cookie");
    let expected = "shared cookies only where no cookie identifies a visitor";
    if cache == Some(false) || promise == ReadAfterWrite::Home {
        let expected = "cache_set_cookie only on a route that uses the edge cache";
        log.error(&path, "true on a route that stores nothing", expected, "remove it");
    } else if let Some(Rule::GeoPartitioned { subject, .. }) = rule {
        let found = format!("true for data of a {}", subject.token());
        log.warn(
            &path,
            found,
            expected,
            "remove it: a visitor who gets another visitor's session cookie is signed in as them",
        );
    } else if promise == ReadAfterWrite::Session {
        let found = "true beside read_after_write = \"session\"";
        log.warn(
            &path,
            found,
            expected,
            "remove it, unless no response of this route sets a cookie that identifies a visitor",
        );
    }
    asked
}

fn dataset(name: &str, table: &KeyTable<'_>, names: &Names, log: &mut Complaints) -> Option<DatasetId> {
    let place = names.place(name, "dataset", &table.path.key("dataset"), log);
    place.and_then(|at| u16::try_from(at).ok()).map(DatasetId)
}
