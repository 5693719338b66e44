//! The Durable Objects: authority, directory, probers. Whether they answer, how fast, and where they stand.

use super::{
    finding::{Finding, span},
    heard::{Directory, Heard, Object},
};

/// The directory is given up after a second (`ASSIGN`); half of that is too near to it.
const SLOW: u64 = 500;
/// An alarm may be late by this.
const LATE: u64 = 60_000;

const STATUS: &str = "check the platform's status and the Worker's log. A deploy resets objects for some seconds";

pub(super) fn findings(heard: &Heard) -> Vec<Finding> {
    let mut found = Vec::new();
    if let Some(authority) = &heard.authority {
        found.push(object("authority", "", authority, "nothing can be promoted, moved or drained"));
    }
    found.extend(heard.directory.as_ref().map(directory));
    if heard.probes_every > 0 {
        found.extend(heard.probers.iter().map(|(region, seen)| prober(region, seen, heard)));
    } else {
        let remedy = "write PROBES = \"10s\" unless the cost forbids it. Without probers each edge detects a failed region by its own failed requests";
        found.push(Finding::warn("prober", "", "switched off (PROBES)", remedy));
    }
    found
}

fn stands(colo: Option<&str>) -> String {
    colo.map_or_else(String::new, |colo| format!(", in {colo}"))
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
        let says =
            format!("{} of {shards} shards do not answer ({shard}: {why}): their new users cannot write", failed.len());
        return Finding::fail(CHECK, "", says, STATUS);
    }
    let places: Vec<String> = colos.iter().map(|(colo, count)| format!("{count} in {colo}")).collect();
    let places = if places.is_empty() { String::new() } else { format!(" ({})", places.join(", ")) };
    let says = format!("all {shards} shards answer{places}, the slowest in {}", span(*ms));
    if *ms > SLOW {
        let remedy = "run it again: an object wakes with its first request. One that stays slow was created far away and does \
                      not move (docs/doctor.md)";
        return Finding::warn(CHECK, "", format!("{says}; an assignment waits at most 1 s"), remedy);
    }
    Finding::pass(CHECK, "", says)
}

fn prober(region: &str, seen: &Object, heard: &Heard) -> Finding {
    const CHECK: &str = "prober";
    let answers = object(CHECK, region, seen, "its observations are missing");
    if seen.failed.is_some() {
        return answers;
    }
    let again =
        "send a request through the router to start the probers, and run this again in a minute. Then check the log";
    match seen.alarm {
        None => Finding::fail(CHECK, region, "it is not running: no alarm is set", again),
        Some(alarm) if alarm + LATE < heard.at => {
            let says = format!("its round is late by {}", span(heard.at - alarm));
            Finding::fail(CHECK, region, says, again)
        }
        Some(_) => answers,
    }
}
