//! The regions, as this deployment reaches them: whether they answer, what their clocks say, and what can be seen of the contract
//! without writing anything. `homing conformance` tries all of its rules, at a test system.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{
    finding::{Finding, span},
    heard::{Heard, HeardAnswer, Secret},
    platform::meant,
};
use homing_core::operate::doctor::{AGAIN, CLIENT, HEALTH, OWNER, STRANGER};
use homing_core::{Outcome, http_date};

/// The dashboard waits for so long, and a prober for twice that.
const SLOW: u64 = 1000;
/// A clock that is wrong by this is worth a look, in milliseconds: `Date` itself has seconds (RFC 9110 section 6.6.1).
const OFF: u64 = 1000;
/// A signature counts for a minute; a clock that is wrong by half of that leaves too little.
const FAR_OFF: u64 = 30_000;

type Answers = BTreeMap<String, HeardAnswer>;

pub(super) fn findings(heard: &Heard) -> Vec<Finding> {
    heard.regions.iter().flat_map(|(name, answers)| region(name, answers, heard)).collect()
}

fn region(name: &str, answers: &Answers, heard: &Heard) -> Vec<Finding> {
    let Some(health) = answers.get(HEALTH) else { return Vec::new() };
    let there = reached(name, health);
    let answered = health.status.is_some_and(|status| status < 500) && there.says.starts_with("answers");
    let mut found = vec![there];
    if answered {
        found.extend(clock(name, answers));
        found.push(contract(name, health, answers, heard));
    }
    found
}

/// Whether its health address answers, as itself.
fn reached(name: &str, health: &HeardAnswer) -> Finding {
    const CHECK: &str = "region";
    const REMEDY: &str = "check that the region is up, and that its origin in REGIONS is right and reachable from Workers \
                          (docs/doctor.md). Until then reads go elsewhere and its writes wait";
    let took = span(health.ms());
    let status = match (health.status, &health.failed) {
        (Some(status), None) => status,
        _ if health.timed_out => return Finding::fail(CHECK, name, format!("no answer within {took}"), REMEDY),
        (_, failed) => {
            let why = failed.as_deref().unwrap_or("it does not say why");
            return Finding::fail(CHECK, name, format!("cannot be reached: {why}"), REMEDY);
        }
    };
    let page = health.field("cf-error-type");
    let has_page = !page.is_empty() || health.text.starts_with("error code: ");
    if !health.service && (has_page || !matches!(meant(health), Outcome::Answered(_))) {
        let more = [page, health.text.as_str()].into_iter().find(|text| !text.is_empty());
        let more = more.map_or_else(String::new, |more| format!(" ({})", more.trim_end()));
        return Finding::fail(CHECK, name, format!("the platform answers instead of it: {status}{more}"), REMEDY);
    }
    if status >= 500 {
        return Finding::fail(CHECK, name, format!("its health address answers {status}"), REMEDY);
    }
    if let Some(other) = health.json.get("region").and_then(Value::as_str).filter(|other| *other != name) {
        let says = format!("another region answers there: {other}");
        let remedy = "correct the origins in REGIONS. Writes would go to a region that does not own the data";
        return Finding::fail(CHECK, name, says, remedy);
    }
    if let Some(cached) = health.cached() {
        let says = format!("its answers come from a cache (cf-cache-status: {cached})");
        let remedy =
            "exclude the region's host from the Cache Rule that stores them. No read from there can be trusted";
        return Finding::fail(CHECK, name, says, remedy);
    }
    if status != 200 || !health.json.is_object() {
        let says = format!("answers in {took} with {status} and no health: its lag and positions are unknown");
        let remedy = "serve the health address (docs/contract.md), or set `health` to it";
        return Finding::warn(CHECK, name, says, remedy);
    }
    if health.ms() > SLOW {
        let says = format!("answers in {took}; a prober waits at most 2 s");
        return Finding::warn(CHECK, name, says, "remove slow calls from the health address");
    }
    Finding::pass(CHECK, name, format!("answers in {took}"))
}

/// By how much a clock is certainly wrong, in milliseconds: ahead, or behind. `Date` is the second in which an answer was made, and it was
/// made between the question and its answer.
fn off(answer: &HeardAnswer) -> Option<(u64, &'static str)> {
    let date = http_date::read(answer.field("date"))?.0;
    let ahead = date.saturating_sub(answer.ended);
    let behind = answer.began.saturating_sub(date.saturating_add(999));
    Some(if ahead > 0 { (ahead, "ahead of") } else { (behind, "behind") })
}

fn clock(name: &str, answers: &Answers) -> Option<Finding> {
    const CHECK: &str = "clock";
    // The shorter the trip, the less is left open.
    let answer = [AGAIN, HEALTH].into_iter().filter_map(|of| answers.get(of));
    let answer = answer.filter(|answer| answer.status.is_some()).min_by_key(|answer| answer.ms())?;
    let Some((millis, side)) = off(answer) else {
        let says = "its answers have no Date, so its clock is unknown";
        return Some(Finding::warn(
            CHECK,
            name,
            says,
            "send Date (RFC 9110 section 6.6.1); most servers do by default",
        ));
    };
    let open = span(answer.ms().max(1000));
    if millis <= OFF {
        return Some(Finding::pass(CHECK, name, format!("right, to within {open}")));
    }
    let says = format!("at least {} {side} the router's", span(millis));
    let remedy =
        "set it by NTP. Signatures are valid for 1 min: with a clock further off, the region refuses every write";
    Some(if millis < FAR_OFF {
        Finding::warn(CHECK, name, says, remedy)
    } else {
        Finding::fail(CHECK, name, says, remedy)
    })
}

/// What can be seen of the contract without writing anything: the first rule that is broken, or that those are kept.
fn contract(name: &str, health: &HeardAnswer, answers: &Answers, heard: &Heard) -> Finding {
    const CHECK: &str = "contract";
    let status = |of: &str| answers.get(of).and_then(|answer| answer.status);
    let signed = heard.secrets.get("ORIGIN_KEY") == Some(&Secret::Set);
    if let Some(status @ (401 | 403)) = status(OWNER) {
        let says = format!("it refuses the router's signature: its ownership address answers {status}");
        let remedy = "give it the ORIGIN_KEY that is set here, and check its clock's line. It refuses writes, too";
        return Finding::fail(CHECK, name, says, remedy);
    }
    if status(OWNER) == Some(200) && status(STRANGER) == Some(200) {
        let says = "its ownership address answers without a signature: any caller can move what it owns";
        return Finding::fail(CHECK, name, says, "give it the ORIGIN_KEY that is set here");
    }
    if let Some(status @ 200..300) = status(CLIENT).filter(|_| health.json.get("region").is_some()) {
        let says = format!("clients can read its health through the router: its health address answers {status}");
        let remedy = "answer 404 to requests with `homing` in CDN-Loop (rule not-for-clients of `homing conformance`)";
        return Finding::warn(CHECK, name, says, remedy);
    }
    let kept = |of: &str| answers.get(of).is_some_and(|answer| answer.status == Some(200) && !no_store(answer));
    if let Some(of) = [HEALTH, OWNER].into_iter().find(|of| kept(of)) {
        let address = if of == HEALTH { "health" } else { "ownership" };
        let says = format!("its {address} address does not send Cache-Control: no-store");
        let remedy = "send it. A cached answer would count as a new one (rule no-store of `homing conformance`)";
        return Finding::warn(CHECK, name, says, remedy);
    }
    match status(OWNER) {
        None => Finding::pass(
            CHECK,
            name,
            "its health address meets it; no dataset has one owner, so no other check applies",
        ),
        Some(200) if signed => {
            Finding::pass(CHECK, name, "its health and ownership addresses meet it, and require a signature")
        }
        Some(200) => Finding::pass(CHECK, name, "its health and ownership addresses meet it"),
        Some(status) => {
            let says = format!("it has no ownership address ({status}), so no promotion from it is without loss");
            let remedy =
                "serve the contract (docs/ownership.md; the kit does), and run `homing conformance` on a test system";
            Finding::warn(CHECK, name, says, remedy)
        }
    }
}

fn no_store(answer: &HeardAnswer) -> bool {
    answer.field("cache-control").split(',').any(|directive| directive.trim().eq_ignore_ascii_case("no-store"))
}
