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
        Finding::warn("settings", "", says.trim_end_matches('.'), "follow what it says; docs/doctor.md has the line")
    };
    found.extend(heard.warnings.iter().map(warned));
    found
}

fn configuration(heard: &Heard) -> Finding {
    const CHECK: &str = "configuration";
    if heard.configuration.is_empty() {
        return Finding::pass(CHECK, "", format!("version {}, and its configuration is served", heard.version));
    }
    let complaints = heard.configuration.lines().collect::<Vec<_>>().join("; ");
    let remedy = "mend it (`homing check` says where), deploy, and ask again: until then every request gets 500";
    Finding::fail(CHECK, "", format!("it is not served: {complaints}"), remedy)
}

/// What is bound, and what for: the router does without the last two.
const BINDINGS: [(&str, &str); 5] = [
    ("HOMES", "the KV namespace: nobody hears of the view, and every home is looked up in the directory"),
    ("DIRECTORY", "the Durable Objects that assign subjects their homes: new users cannot write"),
    ("AUTHORITY", "the Durable Object that takes the operators' orders: nothing can be promoted, moved or drained"),
    ("PROBERS", "the Durable Objects that ask the regions how they are: each edge finds out for itself, by failing"),
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
        found.push(Finding::fail(CHECK, name, "missing: a region is reached by it", remedy));
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
                Finding::fail(CHECK, name, "shorter than 32 characters, so it is not taken", put(name))
            }
            ("SESSION_KEY", Secret::None) if heard.dev => Finding::warn(
                CHECK,
                name,
                "not set; in development each isolate makes one up, and sessions end with it",
                format!("{} before production", put(name)),
            ),
            ("SESSION_KEY", Secret::None) => {
                Finding::fail(CHECK, name, "not set: no session can be signed, and nothing is served", put(name))
            }
            ("ADMIN_TOKEN", Secret::None) => Finding::warn(
                CHECK,
                name,
                "not set: the operators' API is open to this machine in development, and closed otherwise",
                put(name),
            ),
            // The settings' own warning says what it means, where it means something.
            ("ORIGIN_KEY", Secret::None) => {
                Finding::pass(CHECK, name, "not set: what is sent to the regions is not signed")
            }
            (_, Secret::None) => continue,
            (_, Secret::Set) => Finding::pass(CHECK, name, "set"),
        });
    }
    found
}

fn development(heard: &Heard) -> Option<Finding> {
    let here = heard.host.starts_with("localhost") || heard.host.starts_with("127.") || heard.host.starts_with("[::1]");
    let says = "DEV is on: clients at this machine choose their region, and a SESSION_KEY is made up where none is set";
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
        let says = format!("it was asked at {host}, where the edge cache has no effect");
        let remedy =
            "give it a custom domain (routes with custom_domain = true), set workers_dev = false, and ask it there";
        return Some(Finding::warn(CHECK, "", says, remedy));
    }
    heard.access.then(|| {
        let says = format!("{host} is behind Cloudflare Access, where the edge cache has no effect");
        let remedy = "put Access before /_homing/ alone, or let the operators have a host of their own (ADMIN_HOST)";
        Finding::warn(CHECK, "", says, remedy)
    })
}

fn cache(heard: &Heard) -> Finding {
    const CHECK: &str = "cache";
    const REMEDY: &str = "ask at a host of your own zone, not workers.dev and not behind Access, with Development Mode off and without \
                          a Cache Rule that bypasses it; until then every read goes to a region";
    let Some(Cache { failed, hit, query_ignored, deleted, fields }) = &heard.cache else {
        return Finding::warn(CHECK, "", "it does not say", "deploy this version, and ask again");
    };
    let at = heard.colo.as_deref().map_or_else(String::new, |colo| format!(" in {colo}"));
    if let Some(failed) = failed {
        return Finding::fail(CHECK, "", format!("the edge cache fails: {failed}"), REMEDY);
    }
    if !hit {
        return Finding::fail(CHECK, "", "without effect: what was stored did not come back", REMEDY);
    }
    if *query_ignored {
        let remedy = "take /_homing/ out of rules about cache keys: copies that are mixed up count for nothing";
        return Finding::fail(CHECK, "", "what was stored came back under another query", remedy);
    }
    if !deleted {
        let remedy = "look for a Cache Rule on the host: a write would not make the copies useless that it outdates";
        return Finding::fail(CHECK, "", "what was deleted came back", remedy);
    }
    if *fields < ENTRY_FIELDS {
        let says = format!("effective{at}, but with no more than {} of header fields", kilobytes(*fields));
        let remedy = format!(
            "have the regions send fewer: answers with {} and more are asked for anew each time",
            kilobytes(ENTRY_FIELDS)
        );
        return Finding::warn(CHECK, "", says, remedy);
    }
    Finding::pass(CHECK, "", format!("effective{at}, with {} of header fields", kilobytes(*fields)))
}

fn kilobytes(bytes: u64) -> String {
    format!("{} KiB", bytes / 1024)
}
