//! The deployment itself: where it was asked, its configuration, bindings, secrets, cache.

use super::{
    finding::Finding,
    heard::{Cache, Heard, Secret},
};

/// So many bytes of header fields an entry of the cache may have; the router stores no more.
const ENTRY_FIELDS: u64 = 24 * 1024;

pub(super) fn findings(heard: &Heard) -> Vec<Finding> {
    let mut found = vec![configuration(heard)];
    found.extend(secrets(heard));
    if !heard.configuration.is_empty() {
        return found;
    }
    found.extend(bindings(heard));
    found.extend(development(heard));
    found.extend(address(heard));
    found.push(cache(heard));
    let warned = |says: &String| {
        Finding::warn("settings", "", says.trim_end_matches('.'), "follow this message; docs/doctor.md explains it")
    };
    found.extend(heard.warnings.iter().map(warned));
    found
}

fn configuration(heard: &Heard) -> Finding {
    const CHECK: &str = "configuration";
    if heard.configuration.is_empty() {
        return Finding::pass(CHECK, "", format!("version {}, with a valid configuration", heard.version));
    }
    let complaints = heard.configuration.lines().collect::<Vec<_>>().join("; ");
    let remedy = "fix it (`homing check` shows where), deploy, and run this again. Until then every request gets 500";
    Finding::fail(CHECK, "", format!("it is invalid: {complaints}"), remedy)
}

/// What is bound, and what for: the router does without the last two.
const BINDINGS: [(&str, &str); 5] = [
    ("HOMES", "the KV namespace: no edge gets the view, and every home is looked up in the directory"),
    ("DIRECTORY", "the Durable Objects that assign subjects their homes: new users cannot write"),
    ("AUTHORITY", "the Durable Object that takes the operators' orders: nothing can be promoted, moved or drained"),
    (
        "PROBERS",
        "the Durable Objects that ask the regions for their health: each edge detects failures by its own failed requests",
    ),
    ("ASSETS", "the dashboard's files: there is no dashboard"),
];

fn bindings(heard: &Heard) -> Vec<Finding> {
    const CHECK: &str = "binding";
    let is_missing = |name: &str| heard.bindings.get(name) == Some(&false);
    let mut found = Vec::new();
    for (name, what) in BINDINGS.iter().filter(|(name, _)| is_missing(name)) {
        let says = format!("missing: {what}");
        let remedy = format!("bind {name} as the shipped wrangler.toml does, and deploy");
        found.push(match *name {
            "PROBERS" if heard.probes_every == 0 => continue,
            "PROBERS" | "ASSETS" => Finding::warn(CHECK, name, says, remedy),
            _ => Finding::fail(CHECK, name, says, remedy),
        });
    }
    let services = heard.bindings.keys().filter(|name| !BINDINGS.iter().any(|(known, _)| known == name));
    for name in services.filter(|name| is_missing(name)) {
        let remedy = format!("add [[services]] with binding = {name:?}, and deploy");
        found.push(Finding::fail(CHECK, name, "missing: a region is reached through it", remedy));
    }
    if found.is_empty() {
        let names: Vec<&str> = heard.bindings.iter().filter(|(_, there)| **there).map(|(name, _)| &**name).collect();
        found.push(Finding::pass(CHECK, "", format!("{} are bound", names.join(", "))));
    }
    found
}

/// The secrets, and what it means that one is not there.
fn secrets(heard: &Heard) -> Vec<Finding> {
    const CHECK: &str = "secret";
    let put = |name: &str| format!("`openssl rand -base64 32 | npx wrangler secret put {name}`");
    let mut found = Vec::new();
    for (name, secret) in &heard.secrets {
        let name = name.as_str();
        found.push(match (name, secret) {
            (_, Secret::Short) => {
                Finding::fail(CHECK, name, "shorter than 32 characters, so it is not used", put(name))
            }
            ("SESSION_KEY", Secret::None) if heard.dev => Finding::warn(
                CHECK,
                name,
                "not set; in development each isolate generates one, and its sessions end with it",
                format!("{} before production", put(name)),
            ),
            ("SESSION_KEY", Secret::None) => {
                Finding::fail(CHECK, name, "not set: no session can be signed, and no request is served", put(name))
            }
            ("ADMIN_TOKEN", Secret::None) => Finding::warn(
                CHECK,
                name,
                "not set: the operators' API is open to this machine in development, and closed otherwise",
                put(name),
            ),
            // The settings' own warning says what it means, where it means something.
            ("ORIGIN_KEY", Secret::None) => {
                Finding::pass(CHECK, name, "not set: requests to the regions are not signed")
            }
            (_, Secret::None) => continue,
            (_, Secret::Set) => Finding::pass(CHECK, name, "set"),
        });
    }
    found
}

fn development(heard: &Heard) -> Option<Finding> {
    let here = heard.host.starts_with("localhost") || heard.host.starts_with("127.") || heard.host.starts_with("[::1]");
    let says = "DEV is on: clients on this machine choose their region, and a missing SESSION_KEY is generated";
    heard.dev.then(|| {
        if here {
            return Finding::pass("development", "", says);
        }
        Finding::fail("development", "", says, "remove DEV from [vars] (write DEV=true into .dev.vars), and deploy")
    })
}

/// Where it was asked. On workers.dev and behind Access operations of the Cache API have no effect (Workers documentation, Cache).
fn address(heard: &Heard) -> Option<Finding> {
    const CHECK: &str = "address";
    let host = heard.host.as_str();
    if host.ends_with(".workers.dev") {
        let says = format!("this ran against {host}, where the edge cache has no effect");
        let remedy =
            "give it a custom domain (routes with custom_domain = true), set workers_dev = false, and run this there";
        return Some(Finding::warn(CHECK, "", says, remedy));
    }
    heard.access.then(|| {
        let says = format!("{host} is behind Cloudflare Access, where the edge cache has no effect");
        let remedy = "put Access before /_homing/ only, or give the operators their own host (ADMIN_HOST)";
        Finding::warn(CHECK, "", says, remedy)
    })
}

fn cache(heard: &Heard) -> Finding {
    const CHECK: &str = "cache";
    const REMEDY: &str = "use a host in your own zone, not workers.dev and not behind Access. Turn Development Mode off, and remove any \
                          Cache Rule that bypasses the cache. Until then every read goes to a region";
    let Some(Cache { failed, hit, query_ignored, deleted, fields }) = &heard.cache else {
        return Finding::warn(
            CHECK,
            "",
            "unknown: this version does not report it",
            "deploy this version, and run this again",
        );
    };
    let at = heard.colo.as_deref().map_or_else(String::new, |colo| format!(" in {colo}"));
    if let Some(failed) = failed {
        return Finding::fail(CHECK, "", format!("the edge cache fails: {failed}"), REMEDY);
    }
    if !hit {
        return Finding::fail(CHECK, "", "no effect: a stored response did not come back", REMEDY);
    }
    if *query_ignored {
        let remedy = "exclude /_homing/ from Cache Rules about cache keys. The router ignores stored responses that are mixed up";
        return Finding::fail(CHECK, "", "a stored response came back for another query", remedy);
    }
    if !deleted {
        let remedy = "look for a Cache Rule on the host. A write could not invalidate stored responses";
        return Finding::fail(CHECK, "", "a deleted response came back", remedy);
    }
    if *fields < ENTRY_FIELDS {
        let says = format!("effective{at}, but only with header fields up to {}", kilobytes(*fields));
        let remedy = format!(
            "send fewer header fields from the regions. Answers with {} or more are never served from the cache",
            kilobytes(ENTRY_FIELDS)
        );
        return Finding::warn(CHECK, "", says, remedy);
    }
    Finding::pass(CHECK, "", format!("effective{at}, with header fields up to {}", kilobytes(*fields)))
}

fn kilobytes(bytes: u64) -> String {
    format!("{} KiB", bytes / 1024)
}
