//! The home store, and what lies there: the view and the probers' reports.

use serde_json::Value;

use super::{
    finding::{Finding, span},
    heard::{Heard, Store},
};
use homing_core::{config::pace::REPORT_COUNTS, millis};

/// KV shows what was written after a minute at most, as a rule; twice that is no rule any more.
const SHOWN_AFTER: u64 = 120_000;
/// A look-up of a home is given up after this; a first read may be slower (see `flow` in the core).
const SLOW: u64 = 250;
/// A prober from which its own region is so much further away than another one is not beside it.
const APART: u64 = 50;

pub(super) fn findings(heard: &Heard) -> Vec<Finding> {
    const CHECK: &str = "home store";
    let Some(store) = &heard.store else { return Vec::new() };
    if let Some(failed) = &store.failed {
        let remedy =
            "check the platform's status, and that HOMES is the right namespace. Requests continue with the last view";
        return vec![Finding::fail(CHECK, "", format!("KV does not answer: {failed}"), remedy)];
    }
    let trip = format!("KV answers in {}", span(store.ms));
    let mut found = vec![if store.ms > SLOW {
        let says = format!("{trip}; a home lookup waits at most {}, then asks the directory", span(SLOW));
        Finding::warn(CHECK, "", says, "run it again: the first read in a data centre is slow, the next should not be")
    } else {
        Finding::pass(CHECK, "", trip)
    }];
    found.push(view(heard, store));
    if heard.probes_every > 0 {
        found.extend(store.reports.iter().flat_map(|(region, report)| reported(heard, region, report.as_deref())));
    }
    found
}

/// The view at this place, beside the authority's.
fn view(heard: &Heard, store: &Store) -> Finding {
    const CHECK: &str = "view";
    let read = |text: &String| serde_json::from_str::<Value>(text).ok()?.get("version")?.as_u64();
    let there = match &store.view {
        None => 0,
        Some(text) => match read(text) {
            Some(version) => version,
            None => {
                let remedy =
                    "publish it again by an order that changes nothing: `homing undrain REGION` for an active region";
                return Finding::fail(CHECK, "", "the value in KV cannot be read", remedy);
            }
        },
    };
    let authority = heard.authority.as_ref();
    let published = authority.and_then(|authority| authority.published.as_ref());
    if let Some(failed) = published.and_then(|published| published.failed.as_ref()) {
        let remedy = "check KV's quota and status. The authority tries again on its next turn";
        return Finding::fail(CHECK, "", format!("the authority could not publish it: {failed}"), remedy);
    }
    let Some(version) = authority.and_then(|authority| authority.version) else {
        let remedy = "fix the authority, and run this again";
        return Finding::warn(CHECK, "", format!("version {there}; it is not known to be the latest"), remedy);
    };
    let at = published.map(|published| heard.at.saturating_sub(published.at));
    if there >= version {
        let age = at.map_or_else(String::new, |at| format!(", published {} ago", span(at)));
        let says = if version == 0 {
            "no order was given yet, so the configuration applies".to_owned()
        } else {
            format!("version {there}, as the authority's{age}")
        };
        return Finding::pass(CHECK, "", says);
    }
    let says = format!("version {there} at this place, and the authority's is {version}");
    match at {
        Some(at) if at > SHOWN_AFTER => Finding::fail(
            CHECK,
            "",
            format!("{says}, published {} ago: orders do not reach this edge", span(at)),
            "check KV's status. Forced orders are unsafe while edges use an old view",
        ),
        _ => {
            Finding::warn(CHECK, "", says, "run it again in two minutes: KV takes about one minute to show a new value")
        }
    }
}

/// How old a report is, and whether its prober stands where it should.
fn reported(heard: &Heard, region: &str, report: Option<&str>) -> Vec<Finding> {
    const CHECK: &str = "report";
    let fresh = millis(REPORT_COUNTS);
    let read = |text: &str| serde_json::from_str::<Value>(text).ok();
    let Some(report) = report else {
        let says = "no report in KV: the router ignores what this region's prober sees";
        let remedy =
            "run it again in two minutes, because probers start with the first requests. Then see the prober's line";
        return vec![if is_new(heard) {
            Finding::warn(CHECK, region, says, remedy)
        } else {
            Finding::fail(CHECK, region, says, remedy)
        }];
    };
    let Some((report, at)) = read(report).and_then(|report| {
        let at = report.get("at")?.as_u64()?;
        Some((report, at))
    }) else {
        let remedy = "deploy one version everywhere. The next report replaces this one";
        return vec![Finding::fail(CHECK, region, "the value in KV cannot be read", remedy)];
    };
    let age = heard.at.saturating_sub(at);
    if age >= fresh {
        let says = format!("{} old; a report is valid for {}, so this one is ignored", span(age), span(fresh));
        let remedy = "see the prober's line, and check KV's quota (docs/doctor.md): probers write a report every 30 s";
        return vec![Finding::fail(CHECK, region, says, remedy)];
    }
    let mut found = vec![Finding::pass(CHECK, region, format!("{} old", span(age)))];
    found.extend(stands(region, &report));
    found
}

/// Whether the view was published just now, as by a deployment whose probers have had no time yet.
fn is_new(heard: &Heard) -> bool {
    let published = heard.authority.as_ref().and_then(|authority| authority.published.as_ref());
    published.is_some_and(|published| heard.at.saturating_sub(published.at) < SHOWN_AFTER)
}

/// Whether the prober beside a region is nearer to it than to others.
fn stands(region: &str, report: &Value) -> Option<Finding> {
    let took = |seen: &Value| seen.get("ms").and_then(Value::as_u64);
    let regions = report.get("regions")?.as_object()?;
    let own = took(regions.get(region)?)?;
    let others = regions.iter().filter(|(name, _)| *name != region);
    let (other, least) = others.filter_map(|(name, seen)| Some((name, took(seen)?))).min_by_key(|(_, ms)| *ms)?;
    (own > least + APART && own > 2 * least).then(|| {
        let says =
            format!("its prober is not near it: {region} takes {}, and {other} {}", span(own), span(least));
        let remedy =
            "nothing: location hints are best effort. The prober reports what its place sees, and only agreement between probers counts";
        Finding::warn("place", region, says, remedy)
    })
}
