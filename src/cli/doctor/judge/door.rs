//! What can be seen from outside, and why a deployment does not say more.

use std::time::Duration;

use serde_json::Value;

use super::finding::{Finding, span};
use homing_core::model::time::millis;

/// Whether there is a router, by its answer at `/_homing/healthz`: status and body, or why there was none.
#[must_use]
pub fn answers(url: &str, health: &Result<(u16, String), String>, took: Duration) -> Finding {
    const CHECK: &str = "router";
    let read = |body: &str| serde_json::from_str::<Value>(body).ok();
    let remedy = "name it right: `homing doctor URL`, or HOMING_URL";
    match health {
        Ok((200, body)) if read(body).is_some_and(|body| body.get("status") == Some(&Value::from("ok"))) => {
            Finding::pass(CHECK, "", format!("{url} answers in {}", span(millis(took))))
        }
        // What it serves then is said where it may be: to who has the token, and in its log.
        Ok((500, body)) if read(body).is_some_and(|body| body.get("reason") == Some(&Value::from("internal"))) => {
            let says = format!("{url} serves nothing: its configuration has errors, or it is at fault itself");
            Finding::fail(
                CHECK,
                "",
                says,
                "the line of the configuration has them, `homing check` too, and so has the log (`npx wrangler tail`)",
            )
        }
        Ok((404, body)) if read(body).is_some_and(|body| body.get("detail").is_some()) => {
            let says = format!("{url} is a router whose operators have another host");
            Finding::fail(CHECK, "", says, "ask at the host of ADMIN_HOST")
        }
        Ok((status, _)) => {
            Finding::fail(CHECK, "", format!("{url} answers {status}, and not as a Homing router does"), remedy)
        }
        Err(says) => Finding::fail(CHECK, "", says.as_str(), remedy),
    }
}

/// Why it does not tell what was asked: its answer at `/_homing/api/doctor`.
#[must_use]
pub fn turned_away(status: u16, body: &str) -> Finding {
    const CHECK: &str = "token";
    let read = serde_json::from_str::<Value>(body).unwrap_or_default();
    let detail = read.get("detail").and_then(Value::as_str).unwrap_or("");
    match status {
        401 => {
            let says = "it wants its ADMIN_TOKEN, and got none or another one, so that nothing else could be asked";
            Finding::fail(CHECK, "", says, "set HOMING_TOKEN to the ADMIN_TOKEN of this deployment")
        }
        // Its own words: what there is, then what to do.
        403 if !detail.is_empty() => {
            let (says, remedy) = detail.split_once(". ").unwrap_or((detail, "set another ADMIN_TOKEN"));
            Finding::fail(CHECK, "", says.trim_end_matches('.'), remedy)
        }
        404 if detail.contains("/_homing/api/doctor") => Finding::fail(
            CHECK,
            "",
            "it knows no doctor: an earlier version is deployed",
            "deploy this version, and ask again",
        ),
        404 => Finding::fail(CHECK, "", "there is no operators' API at this host", "ask at the host of ADMIN_HOST"),
        429 => {
            let says = "too many wrong tokens have come within a minute, and this is another one";
            Finding::fail(CHECK, "", says, "set HOMING_TOKEN to the ADMIN_TOKEN of this deployment")
        }
        500 => {
            let remedy = "see its log (`npx wrangler tail`)";
            Finding::fail(CHECK, "", "it could not say how it is: the router is at fault itself", remedy)
        }
        _ => {
            let says = format!("it answers {status} to the question how it is, and no word of its own");
            Finding::fail(CHECK, "", says, "look at what stands before it: Access, a firewall rule, another Worker")
        }
    }
}

/// It answers, but not that.
#[must_use]
pub fn silent(why: &str) -> Finding {
    Finding::fail(
        "token",
        "",
        format!("it does not say how it is: {why}"),
        "ask again; see its log (`npx wrangler tail`)",
    )
}

/// What it says cannot be read.
#[must_use]
pub fn unreadable(why: &str) -> Finding {
    let remedy = "let the command and the deployment be of one version";
    Finding::fail("version", "", format!("what it says of itself cannot be read: {why}"), remedy)
}

/// Whether the command knows what this version should be like.
#[must_use]
pub fn versions(deployed: &str, own: &str) -> Finding {
    const CHECK: &str = "version";
    if deployed == own {
        return Finding::pass(CHECK, "", format!("{own}, as this command's"));
    }
    let says = format!("{deployed} is deployed, and this command is of {own}");
    Finding::warn(CHECK, "", says, "deploy this version, or ask with the command of that one")
}

/// Whether who has no token is let in: the status of the snapshot without one.
#[must_use]
pub fn stranger(status: u16) -> Finding {
    const CHECK: &str = "strangers";
    if status < 400 {
        let says = format!("the operators' API answers {status} to who has no token: anybody may give orders");
        return Finding::fail(CHECK, "", says, "set ADMIN_TOKEN, and remove DEV, at once");
    }
    Finding::pass(CHECK, "", format!("the operators' API answers {status} to who has no token"))
}

/// What it costs, in dollars a month at so many requests a second, if the file that says so is at hand: that is no question to the
/// deployment.
#[must_use]
pub fn cost(known: Option<(f64, f64)>) -> Finding {
    const PARTS: &str = "`homing check --cost` has the parts, other loads, and which quota ends when";
    match known {
        None => Finding::pass("cost", "", format!("not known without wrangler.toml; {PARTS}")),
        Some((requests, dollars)) => {
            let says =
                format!("about ${dollars:.0} a month at {requests} requests a second, by the wrangler.toml here");
            Finding::pass("cost", "", format!("{says}; {PARTS}"))
        }
    }
}
