//! The Durable Objects: authority, directory, probers. Whether they answer, how fast, and where they stand.

use super::{
    finding::{Finding, span},
    heard::{Directory, Heard, Object},
};

/// The directory is given up after a second (`ASSIGN`); half of that is too near to it.
const SLOW: u64 = 500;
/// An alarm may be late by this.
const LATE: u64 = 60_000;

const STATUS: &str =
    "look at the platform's status and at the log of the Worker; a deploy resets objects for some seconds";

pub(super) fn findings(heard: &Heard) -> Vec<Finding> {
    let mut found = Vec::new();
    if let Some(authority) = &heard.authority {
        found.push(object("authority", "", authority, "nothing can be promoted, moved or drained"));
    }
    found.extend(heard.directory.as_ref().map(directory));
    if heard.probes_every > 0 {
        found.extend(heard.probers.iter().map(|(region, seen)| prober(region, seen, heard)));
    } else {
        let remedy =
            "write PROBES = \"10s\" unless the cost forbids it: without probers each edge finds out by failing";
        found.push(Finding::warn("prober", "", "switched off (PROBES)", remedy));
    }
    found
}

fn stands(colo: Option<&str>) -> String {
    colo.map_or_else(String::new, |colo| format!(", and stands in {colo}"))
}

fn object(check: &'static str, about: &str, seen: &Object, without: &str) -> Finding {
    if let Some(failed) = &seen.failed {
        return Finding::fail(check, about, format!("does not answer: {failed}; {without}"), STATUS);
    }
    Finding::pass(check, about, format!("answers in {}{}", span(seen.ms), stands(seen.colo.as_deref())))
}

fn directory(directory: &Directory) -> Finding {
    const CHECK: &str = "directory";
    let Directory { shards, ms, failed, colos } = directory;
    if let Some((shard, why)) = failed.iter().next() {
        let says = format!(
            "{} of {shards} shards do not answer ({shard}: {why}): new users of theirs cannot write",
            failed.len()
        );
        return Finding::fail(CHECK, "", says, STATUS);
    }
    let places: Vec<String> = colos.iter().map(|(colo, count)| format!("{count} in {colo}")).collect();
    let places = if places.is_empty() { String::new() } else { format!(" ({})", places.join(", ")) };
    let says = format!("all {shards} shards answer{places}, the slowest in {}", span(*ms));
    if *ms > SLOW {
        let remedy = "ask again; an object wakes with its first question. One that stays slow was first asked for from far away, and does \
                      not move: see docs/doctor.md";
        return Finding::warn(CHECK, "", format!("{says}; an assignment waits a second at most"), remedy);
    }
    Finding::pass(CHECK, "", says)
}

fn prober(region: &str, seen: &Object, heard: &Heard) -> Finding {
    const CHECK: &str = "prober";
    let answers = object(CHECK, region, seen, "what it would see is not seen");
    if seen.failed.is_some() {
        return answers;
    }
    let again =
        "send a request through the router, which begins the probers, and ask again in a minute; then look at the log";
    match seen.alarm {
        None => Finding::fail(CHECK, region, "it does not go round: no alarm is set", again),
        Some(alarm) if alarm + LATE < heard.at => {
            let says = format!("its round is late by {}", span(heard.at - alarm));
            Finding::fail(CHECK, region, says, again)
        }
        Some(_) => answers,
    }
}
