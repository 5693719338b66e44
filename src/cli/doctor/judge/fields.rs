//! Which header fields arrive at an origin, beside those with which the router asks.

use std::collections::BTreeMap;

use super::finding::Finding;
use homing_core::operate::CONTRACT;

/// What becomes of the router's promises where a field does not arrive as it was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stake {
    /// Writes are refused, or done by somebody else's word.
    Contract,
    /// What the client said is lost.
    Client,
    /// Applications do not learn what they could.
    Convenience,
}

/// Fields like those of the router, as the probe sends them to itself.
pub const SENT: [(&str, &str); 17] = [
    ("homing-region", "probe"),
    ("homing-home", "probe"),
    ("homing-epoch", "7"),
    ("homing-dataset", "doctor"),
    ("homing-intent", "read"),
    ("homing-signature", "t=1;v=doctor"),
    ("authorization", "Bearer doctor"),
    ("cookie", "a=1; b=2"),
    ("idempotency-key", "\"doctor\""),
    ("if-none-match", "\"doctor\""),
    ("range", "bytes=0-9"),
    ("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
    ("forwarded", "for=192.0.2.7;host=\"doctor.example\";proto=https"),
    ("x-forwarded-for", "192.0.2.7"),
    ("x-forwarded-host", "doctor.example"),
    ("x-forwarded-proto", "https"),
    ("x-real-ip", "192.0.2.7"),
];
/// What it says of the way that a request has come.
pub const LOOP: (&str, &str) = ("cdn-loop", "homing");
/// The same in another field.
pub const VIA: (&str, &str) = ("via", "1.1 homing");
/// The codings that it asks for.
pub const CODINGS: (&str, &str) = ("accept-encoding", "br");

const REPORT: &str = "report it, with the output of --json";

/// What is to be said of the fields that arrived.
pub(super) fn findings(arrived: &BTreeMap<String, String>) -> Vec<Finding> {
    let mut found = Vec::new();
    found.extend(changed(arrived, Stake::Contract));
    found.extend(changed(arrived, Stake::Client));
    found.extend(changed(arrived, Stake::Convenience));
    if found.is_empty() {
        found.push(Finding::pass(
            "fields",
            "",
            "the fields of the contract, the client and the proxies arrive unchanged",
        ));
    }
    found.push(way(arrived));
    found.push(codings(arrived));
    found.push(address(arrived));
    found.push(others(arrived));
    found
}

fn stake(name: &str) -> Stake {
    match name {
        "authorization" | "cookie" | "idempotency-key" | "if-none-match" | "range" => Stake::Client,
        _ if name.starts_with(CONTRACT) => Stake::Contract,
        _ => Stake::Convenience,
    }
}

/// Whether a field that the platform adds to has ours in it.
fn holds(arrived: &str, sent: &str) -> bool {
    arrived == sent || arrived.split(',').any(|member| member.trim() == sent)
}

fn changed(arrived: &BTreeMap<String, String>, of: Stake) -> Option<Finding> {
    let lost = SENT
        .iter()
        .filter(|(name, sent)| stake(name) == of && !arrived.get(*name).is_some_and(|arrived| holds(arrived, sent)));
    let lost: Vec<&str> = lost.map(|(name, _)| *name).collect();
    if lost.is_empty() {
        return None;
    }
    let which = lost.join(", ");
    Some(match of {
        Stake::Contract => {
            let says = format!("{which}: not as the router sends it, so regions misread the request");
            Finding::fail("fields", "", says, REPORT)
        }
        Stake::Client => {
            Finding::fail("fields", "", format!("{which}: fields of the client that arrive changed"), REPORT)
        }
        Stake::Convenience => {
            let says = format!("{which}: not as the router sends it");
            let remedy = "let applications read other fields (Forwarded has client, host and scheme). If none is left, report it";
            Finding::warn("fields", "", says, remedy)
        }
    })
}

/// By what a loop is noticed: either is enough, since the router looks for itself in both.
fn way(arrived: &BTreeMap<String, String>) -> Finding {
    const CHECK: &str = "loops";
    let there = |(name, sent): (&str, &str)| arrived.get(name).is_some_and(|arrived| holds(arrived, sent));
    match (there(LOOP), there(VIA)) {
        (true, true) => Finding::pass(CHECK, "", "CDN-Loop and Via arrive with the router's name, so a loop ends"),
        (true, false) => Finding::warn(CHECK, "", "Via does not arrive with the router's name; CDN-Loop does", REPORT),
        (false, true) => {
            let remedy = "check that this version looks for itself in Via (0.1.0 and later do), and report it";
            Finding::warn(CHECK, "", "CDN-Loop does not arrive with the router's name; Via does", remedy)
        }
        (false, false) => {
            let says =
                "neither CDN-Loop nor Via arrives with the router's name, so a region that points at the router loops";
            Finding::fail(CHECK, "", says, "check that no region's origin is a host of the router, and report it")
        }
    }
}

/// Whether origins are asked for the codings by which the cache keys their answers.
fn codings(arrived: &BTreeMap<String, String>) -> Finding {
    const CHECK: &str = "codings";
    let (name, sent) = CODINGS;
    match arrived.get(name).map(String::as_str) {
        Some(same) if same == sent => Finding::pass(CHECK, "", "Accept-Encoding arrives unchanged"),
        other => {
            let other = other.map_or_else(|| "removed".to_owned(), |other| format!("as {other:?}"));
            let says = format!("Accept-Encoding arrives changed: {other}");
            let remedy = "nothing: answers are correct, but regions may use another compression than clients asked for";
            Finding::warn(CHECK, "", says, remedy)
        }
    }
}

/// Whom origins take for the client where they read the platform's own field.
fn address(arrived: &BTreeMap<String, String>) -> Finding {
    const CHECK: &str = "client address";
    match arrived.get("cf-connecting-ip").map(String::as_str) {
        Some("192.0.2.7") => Finding::pass(CHECK, "", "CF-Connecting-IP is the client's address at an origin"),
        None => {
            Finding::pass(CHECK, "", "CF-Connecting-IP is missing at an origin: Forwarded has the client's address")
        }
        Some(other) => {
            let says = format!("CF-Connecting-IP is {other} at an origin, for every client");
            Finding::warn(
                CHECK,
                "",
                says,
                "let applications read the client's address from Forwarded or X-Forwarded-For",
            )
        }
    }
}

/// What the platform adds.
fn others(arrived: &BTreeMap<String, String>) -> Finding {
    let known = |name: &str| {
        let own = [LOOP.0, VIA.0, CODINGS.0, "host", "homing-doctor-token"];
        own.contains(&name) || SENT.iter().any(|(sent, _)| *sent == name)
    };
    let more: Vec<&str> = arrived.keys().map(String::as_str).filter(|name| !known(name)).collect();
    let says = if more.is_empty() { "none".to_owned() } else { more.join(", ") };
    Finding::pass("fields added", "", format!("by the platform: {says}"))
}
