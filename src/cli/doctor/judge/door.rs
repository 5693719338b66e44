//! What can be seen from outside, and why a deployment does not say more.

use std::time::Duration;

use serde_json::Value;

use super::finding::{Finding, span};
use homing_core::millis;

/// Whether there is a router, by its answer at `/_homing/healthz`: status and body, or why there was none.
#[must_use]
pub fn answers(url: &str, health: &Result<(u16, String), String>, took: Duration) -> Finding {
    const CHECK: &str = "router";
    let read = |body: &str| serde_json::from_str::<Value>(body).ok();
    let remedy = "correct it: `homing doctor URL`, or HOMING_URL";
    match health {
        Ok((200, body)) if read(body).is_some_and(|body| body.get("status") == Some(&Value::from("ok"))) => {
            Finding::pass(CHECK, "", format!("{url} answers in {}", span(millis(took))))
        }
        // What it serves then is said where it may be: to who has the token, and in its log.
        Ok((500, body)) if read(body).is_some_and(|body| body.get("reason") == Some(&Value::from("internal"))) => {
            let says = format!("{url} serves no requests: its configuration has errors, or the router failed");
            Finding::fail(
                CHECK,
                "",
                says,
                "see the configuration's line, `homing check` or the log (`npx wrangler tail`)",
            )
        }
        Ok((404, body)) if read(body).is_some_and(|body| body.get("detail").is_some()) => {
            let says = format!("{url} is a router, but its operators use another host");
            Finding::fail(CHECK, "", says, "run this against the host in ADMIN_HOST")
        }
        Ok((status, _)) => {
            Finding::fail(CHECK, "", format!("{url} answers {status}, but not like a Homing router"), remedy)
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
            let says = "it requires its ADMIN_TOKEN and got none or a wrong one, so no other check ran";
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
            "the deployed version is too old for `homing doctor`",
            "deploy this version, and run this again",
        ),
        404 => Finding::fail(
            CHECK,
            "",
            "there is no operators' API at this host",
            "run this against the host in ADMIN_HOST",
        ),
        429 => {
            let says = "this token is wrong, and too many wrong tokens came within a minute";
            Finding::fail(CHECK, "", says, "set HOMING_TOKEN to the ADMIN_TOKEN of this deployment")
        }
        500 => {
            let remedy = "see its log (`npx wrangler tail`)";
            Finding::fail(CHECK, "", "it could not report its state: the router failed", remedy)
        }
        _ => {
            let says = format!("it answers {status} to the request for its state, without the router's own text");
            Finding::fail(CHECK, "", says, "check what is in front of it: Access, a firewall rule, another Worker")
        }
    }
}

/// It answers, but not that.
#[must_use]
pub fn silent(why: &str) -> Finding {
    Finding::fail(
        "token",
        "",
        format!("it does not report its state: {why}"),
        "run it again, and check its log (`npx wrangler tail`)",
    )
}

/// What it says cannot be read.
#[must_use]
pub fn unreadable(why: &str) -> Finding {
    let remedy = "use the same version for the command and the deployment";
    Finding::fail("version", "", format!("its report cannot be read: {why}"), remedy)
}

/// Whether the command knows what this version should be like.
#[must_use]
pub fn versions(deployed: &str, own: &str) -> Finding {
    const CHECK: &str = "version";
    if deployed == own {
        return Finding::pass(CHECK, "", format!("{own}, the same as this command"));
    }
    let says = format!("{deployed} is deployed, but this command is {own}");
    Finding::warn(CHECK, "", says, "deploy this version, or use the command of the deployed version")
}

/// Whether who has no token is let in: the status of the snapshot without one.
#[must_use]
pub fn stranger(status: u16) -> Finding {
    const CHECK: &str = "strangers";
    if status < 400 {
        let says = format!("the operators' API answers {status} without a token: anyone may give orders");
        return Finding::fail(CHECK, "", says, "set ADMIN_TOKEN and remove DEV now");
    }
    Finding::pass(CHECK, "", format!("the operators' API answers {status} without a token"))
}

/// What it costs, in dollars a month at so many requests a second, if the file that says so is at hand: that is no question to the
/// deployment.
#[must_use]
pub fn cost(known: Option<(f64, f64)>) -> Finding {
    const PARTS: &str = "run `homing check --cost` for the parts, other loads, and when each quota ends";
    match known {
        None => Finding::pass("cost", "", format!("not known without wrangler.toml; {PARTS}")),
        Some((requests, dollars)) => {
            let says =
                format!("about ${dollars:.0} a month at {requests} requests a second, by the wrangler.toml here");
            Finding::pass("cost", "", format!("{says}; {PARTS}"))
        }
    }
}
