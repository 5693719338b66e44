//! What the platform makes of origins that cannot be asked, as a Worker sees it there, beside what the router takes that for. Cloudflare
//! documents its statuses for its own proxy; what a Worker's subrequest sees is seen here, and nowhere else.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{
    fields,
    finding::{Finding, span},
    heard::HeardAnswer,
};
use homing_core::{Answer as Head, Framing, Headers, Outcome, config::Origin, operate::taken_for};

/// What the probe, a Worker of its own, has told.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default)]
pub struct Probed {
    /// What came of asking each kind of origin (see [`CASES`]), by the kind's name.
    pub origins: BTreeMap<String, HeardAnswer>,
    /// The header fields with which an origin was asked that the probe is itself; names in lower case.
    pub arrived: Option<BTreeMap<String, String>>,
    /// What the router's way of asking made of something that any cache may keep: two answers, one behind the other.
    pub kept: Vec<HeardAnswer>,
    /// An answer that said when it was made: on [`DATED`].
    pub dated: Option<HeardAnswer>,
}

/// A date that no clock shows any more, as the probe says it.
pub const DATED: &str = "Sun, 06 Nov 1994 08:49:37 GMT";

/// What is true of a request to an origin of some kind, whatever is said of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Truth {
    /// No connection came about: nothing was sent.
    NotSent,
    /// Nobody is there to say so: nothing was sent, and it takes as long as somebody waits.
    NobodyThere,
    /// It was sent, and may have been done.
    Sent,
    /// It cannot be asked for by an address without a name; `homing check` refuses that.
    Nameless,
}

/// A kind of origin that cannot be asked.
#[derive(Clone, Copy, Debug)]
pub struct Case {
    /// The kind.
    pub name: &'static str,
    /// It in words.
    pub what: &'static str,
    /// What is true of it.
    pub truth: Truth,
    /// One of that kind, for anybody to ask; none if the probe is it itself.
    pub url: &'static str,
    /// How long it is waited for, in milliseconds: the platform gives a connection up after 19 s (522).
    pub patience: u64,
}

/// Every kind.
pub const CASES: [Case; 7] = [
    Case {
        name: "refused",
        what: "an origin whose port is closed",
        truth: Truth::NotSent,
        // Whose owner lets it be asked for such things.
        url: "http://scanme.nmap.org:81/",
        patience: 10_000,
    },
    Case {
        name: "nameless",
        what: "an origin whose name does not resolve",
        truth: Truth::NotSent,
        // RFC 6761 section 6.4.
        url: "https://nonexistent.invalid/",
        patience: 10_000,
    },
    Case {
        name: "broken-tls",
        what: "an origin with an expired certificate",
        truth: Truth::NotSent,
        url: "https://expired.badssl.com/",
        patience: 10_000,
    },
    Case {
        name: "black-hole",
        what: "an origin with no machine at its address",
        truth: Truth::NobodyThere,
        // A name of 192.0.2.1, which leads nowhere (RFC 5737).
        url: "http://192-0-2-1.sslip.io/",
        patience: 25_000,
    },
    Case {
        name: "hanging",
        what: "an origin that accepts a request and does not answer",
        truth: Truth::Sent,
        url: "",
        patience: 5_000,
    },
    Case {
        name: "no-http",
        what: "an origin whose answer is not HTTP",
        truth: Truth::Sent,
        url: "http://scanme.nmap.org:22/",
        patience: 10_000,
    },
    Case {
        name: "address",
        what: "an origin by its IP address",
        truth: Truth::Nameless,
        url: "http://192.0.2.1/",
        patience: 10_000,
    },
];

/// What the router takes an answer for.
pub(super) fn meant(answer: &HeardAnswer) -> Outcome<'_> {
    let status = match answer.status {
        Some(status) if answer.failed.is_none() => status,
        _ if answer.timed_out => return Outcome::TimedOut,
        _ => return Outcome::Broken,
    };
    let fields = answer.fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let head = Head { status, headers: Headers(fields), framing: Framing::Delimited };
    // Which one is no matter: only whether the platform's network is on the way.
    let origin = if answer.service { Origin::Service(String::new()) } else { Origin::Url(String::new()) };
    taken_for(head, &origin)
}

/// What is to be said of the platform by what the probe has told.
#[must_use]
pub fn findings(probed: &Probed) -> Vec<Finding> {
    let cases = CASES.iter().filter_map(|case| Some(judge(case, probed.origins.get(case.name)?)));
    let mut found: Vec<Finding> = cases.collect();
    found.extend(probed.arrived.as_ref().map_or_else(Vec::new, fields::findings));
    found.extend(kept(&probed.kept));
    found.extend(probed.dated.as_ref().map(dated));
    found
}

/// Does the router draw the right conclusion?
fn judge(case: &Case, answer: &HeardAnswer) -> Finding {
    const CHECK: &str = "origin";
    const REPORT: &str = "report it, with the output of --json: the router must handle it";
    let seen = seen(answer);
    let (meant, taken) = (meant(answer), |for_what: &str| format!("{}: {seen}, {for_what}", case.what));
    match (case.truth, &meant) {
        (Truth::Nameless, Outcome::Answered(_)) if answer.status == Some(403) => {
            Finding::pass(CHECK, case.name, taken("so it cannot be fetched, and `homing check` reports it"))
        }
        (Truth::Nameless, Outcome::Answered(head)) => {
            let status = head.status;
            let remedy = if status < 300 {
                "nothing: `homing check` refuses this, although it can be fetched here"
            } else {
                REPORT
            };
            Finding::warn(CHECK, case.name, taken("where 403 with error code 1003 is expected"), remedy)
        }
        (Truth::Nameless, _) => {
            Finding::pass(CHECK, case.name, taken("so the router skips it, and `homing check` refuses it"))
        }
        (_, Outcome::Answered(_)) => {
            let says = taken(
                "which the router takes for the application's answer: clients get it, and no other region is asked",
            );
            Finding::fail(CHECK, case.name, says, REPORT)
        }
        (Truth::Sent, Outcome::Refused) => {
            let says = taken("which the router takes for a refusal: a write that may have been done gets not-sent");
            Finding::fail(CHECK, case.name, says, REPORT)
        }
        (Truth::NotSent, Outcome::Refused) => {
            Finding::pass(CHECK, case.name, taken("so a write correctly gets not-sent"))
        }
        (Truth::NotSent, _) => {
            let says =
                taken("which does not prove that nothing was sent: a write gets unknown, although it is not-sent");
            let remedy = "nothing: reads go elsewhere, and unknown is the safe outcome (workerd always reports this)";
            Finding::warn(CHECK, case.name, says, remedy)
        }
        (Truth::NobodyThere | Truth::Sent, _) => {
            Finding::pass(CHECK, case.name, taken("so reads go elsewhere, and a write gets unknown"))
        }
    }
}

/// What a Worker sees.
fn seen(answer: &HeardAnswer) -> String {
    let took = span(answer.ms());
    let Some(status) = answer.status.filter(|_| answer.failed.is_none()) else {
        return match &answer.failed {
            _ if answer.timed_out => format!("no answer within {took}"),
            Some(failed) => format!("an exception after {took} ({failed})"),
            None => format!("nothing after {took}"),
        };
    };
    let kind = answer.field("cf-error-type");
    let kind = if kind.is_empty() { String::new() } else { format!(", cf-error-type {kind}") };
    let first = answer.text.lines().next().unwrap_or("").trim();
    let first: String = first.chars().take(40).collect();
    let first = if first.is_empty() { String::new() } else { format!(" ({first:?})") };
    format!("{status}{kind}{first} after {took}")
}

/// Whether the router's way of asking keeps the platform's cache out.
fn kept(answers: &[HeardAnswer]) -> Option<Finding> {
    const CHECK: &str = "fetch cache";
    let [first, second] = answers else { return None };
    let said = second.cached();
    let same = !first.text.is_empty() && first.text == second.text;
    Some(if same || said.is_some() {
        let said = said.map_or_else(String::new, |said| format!(" (cf-cache-status: {said})"));
        let says = format!("cacheTtl: -1 does not bypass it: the second answer was the first one{said}");
        let remedy =
            "remove Cache Rules for the regions' hosts. A read after a write could get an answer from before it";
        Finding::fail(CHECK, "", says, remedy)
    } else {
        let said = second.field("cf-cache-status");
        let said = if said.is_empty() { "no cf-cache-status".to_owned() } else { format!("cf-cache-status: {said}") };
        Finding::pass(CHECK, "", format!("cacheTtl: -1 bypasses it ({said})"))
    })
}

/// Whether `Date` is the origin's own: if not, what is said of the regions' clocks is said of the platform's.
fn dated(answer: &HeardAnswer) -> Finding {
    const CHECK: &str = "date";
    match answer.field("date") {
        DATED => {
            Finding::pass(CHECK, "", "an origin's Date arrives unchanged, so the clock lines show the regions' clocks")
        }
        other => {
            let says = format!(
                "an origin's Date is replaced on the way (by {other:?}), so the clock lines do not show the regions' clocks"
            );
            Finding::warn(CHECK, "", says, "check the clocks in the regions themselves")
        }
    }
}
