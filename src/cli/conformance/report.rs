//! The rules, and what was found of each.

use std::collections::BTreeMap;

use serde_json::{Value, json};

/// Every rule: its name, and what it says. The order is that of the report.
pub(super) const RULES: [(&str, &str); 55] = [
    ("health", "the health address answers 200 within a second, with JSON that names the region"),
    ("no-store", "answers of the health and ownership addresses have Cache-Control: no-store, and come from no cache"),
    ("any-parameter", "both ignore an unknown parameter (n), by which the router avoids caches"),
    ("not-for-clients", "the health address answers 404 to requests through the router (homing in CDN-Loop)"),
    ("later-epoch", "a write by a later epoch that names this region is accepted"),
    ("owner", "a write by the current ownership is accepted"),
    ("lower-epoch", "a write by an earlier epoch gets 421 with the owner and its epoch"),
    ("other-home", "a write by a later epoch that names another region gets 421 with that owner"),
    ("deposed", "a region that has learned of a later owner answers 421 to its own old epoch"),
    (
        "no-subject",
        "a write of split data that names no subject gets 421 with Homing-Subject, unless this region is known to own the \
         subject",
    ),
    ("other-subject", "a write that names another subject than the signed-in one gets 421 with Homing-Subject"),
    ("wrote-nothing", "a refusal by the fence or a pause has Homing-Wrote: 0"),
    ("unsigned", "an unsigned write gets 403"),
    ("forged", "a write signed with another key, or for another target, gets 403"),
    ("stale", "a write signed more than 1 min ago gets 403"),
    ("unsigned-claim", "an unsigned claim has no effect"),
    ("position", "Homing-Position is DATASET=POSITION, with a least that is not beyond it"),
    ("position-owner", "a position names its ownership"),
    ("position-grows", "a later write has a later position"),
    ("read-your-write", "a read that demands a write's position is answered by a replica that has reached it"),
    ("behind", "a read that demands more than the replica has gets 503 with Homing-Behind: 1"),
    ("position-epoch", "a position of a later epoch is not reached by the length of an earlier log"),
    (
        "position-told",
        "a replica that knows an owner but has nothing of its log reports no position of that owner and has reached none",
    ),
    (
        "shows",
        "what an answer shows is not beyond its replica. For a write and a read after it, it is not before that write",
    ),
    ("shows-gone", "a read of deleted data shows the deletion"),
    ("shows-still", "what a read shows does not rise with writes to other data (advice)"),
    ("key-once", "a write repeated with its Idempotency-Key is done once and gets the same answer"),
    ("key-wrote", "such a repeat has no Homing-Wrote: 0, because the session that repeats a write must see it"),
    ("key-body", "a used key with another body gets 422 and has no effect"),
    ("key-moved", "a repeat is recognised after the home has moved away and back"),
    ("key-others", "a key used by one user works for another user's own write, and reveals nothing about the first"),
    ("look", "the ownership address names the owner of a unit"),
    ("authority-only", "the ownership address answers no client through the router, and no request without a key"),
    ("reached", "it tells whether the replica has reached a position, and by which epoch"),
    ("pause", "a pause answers with positions. Writes get 503 with Retry-After until it ends; reads continue"),
    ("pause-drains", "a pause answers after the writes in flight have ended, and its positions include them"),
    ("pause-number", "a pause can be repeated by its number, refuses others while it holds, and is not taken twice"),
    ("pause-owner", "a pause by an epoch other than the current one gets 409 not-owner"),
    ("resume", "a resume by the pause's number can be repeated, and succeeds for an unknown number"),
    ("pause-ends", "a pause ends by itself"),
    ("depose-paused", "an ownership is revoked only while its pause holds"),
    ("depose", "a revoked ownership ends at once and for good: the old epoch gets 421"),
    ("grant", "a grant makes this region the owner, and may be repeated"),
    ("grant-later", "a grant by a past epoch gets 409 later"),
    ("lease", "only the owner renews a lease. After it expires, writes get 503 until it is renewed"),
    (
        "stamp-accepted",
        "multi-writer: a write with a stamp is accepted, and its answer has a Homing-Clock that is not before it",
    ),
    (
        "later-wins",
        "last-write-wins: a write with an earlier stamp than what its region has applied is overruled, or gets a later stamp",
    ),
    ("repeat-harmless", "last-write-wins: a write repeated with its stamp changes nothing"),
    (
        "owner-position",
        "Homing-Position names each owner (DATASET@OWNER=NUMBER), and rises at the region that was written",
    ),
    ("owner-shows", "what a read shows is not beyond its replica, and not before a write that it shows"),
    ("owner-behind", "a read that demands more of any owner than the replica has gets 503 with Homing-Behind: 1"),
    (
        "write-context",
        "a write with Homing-Min-Position is accepted, because there it is no demand, and overrules no later write",
    ),
    ("conflict-told", "a write that is overruled by a later one has Homing-Conflict in its answer"),
    ("conflict-counted", "the conflicts address counts a write that is overruled"),
    ("conflicts", "the conflicts address answers in at most 1 MiB, and with 404 to requests through the router"),
];

/// What was found of a rule.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum RuleResult {
    /// It is kept.
    Pass,
    /// It is broken, and how.
    Fail(String),
    /// It is kept, and could be kept better.
    Advice(String),
    /// It could not be tried, and why.
    NotApplicable(String),
}

/// What was found.
#[derive(Default)]
pub(super) struct ConformanceReport {
    found: BTreeMap<&'static str, RuleResult>,
    /// Why what was not tried was not.
    pub(super) untried: String,
}

impl ConformanceReport {
    /// Notes what was found. A rule that was broken once stays broken.
    pub(super) fn note(&mut self, rule: &'static str, found: Result<(), String>) {
        debug_assert!(RULES.iter().any(|(name, _)| *name == rule), "{rule}");
        if !matches!(self.found.get(rule), Some(RuleResult::Fail(_))) {
            self.found.insert(rule, found.map_or_else(RuleResult::Fail, |()| RuleResult::Pass));
        }
    }

    /// Notes what would be better, and is no fault.
    pub(super) fn advise(&mut self, rule: &'static str, why: String) {
        self.found.entry(rule).or_insert(RuleResult::Advice(why));
    }

    /// Notes that rules say nothing here.
    pub(super) fn skip(&mut self, rules: &[&'static str], why: &str) {
        for rule in rules {
            self.found.entry(rule).or_insert_with(|| RuleResult::NotApplicable(why.to_owned()));
        }
    }

    pub(super) fn has(&self, rule: &str) -> bool {
        self.found.contains_key(rule)
    }

    pub(super) fn has_failed(&self) -> bool {
        self.found.values().any(|found| matches!(found, RuleResult::Fail(_)))
    }

    pub(super) fn text(&self) -> String {
        let mut text = String::new();
        for (name, says) in RULES {
            text += &match self.of(name) {
                RuleResult::Pass => format!("pass  {name:16} {says}\n"),
                RuleResult::Fail(why) => format!("FAIL  {name:16} {says}\n      {:16} but: {why}\n", ""),
                RuleResult::Advice(why) => format!("hint  {name:16} {says}\n      {:16} but: {why}\n", ""),
                RuleResult::NotApplicable(why) => format!("n/a   {name:16} {why}\n"),
            };
        }
        let count = |wanted: fn(&RuleResult) -> bool| RULES.iter().filter(|(name, _)| wanted(&self.of(name))).count();
        let passed = count(|found| matches!(found, RuleResult::Pass | RuleResult::Advice(_)));
        let failed = count(|found| matches!(found, RuleResult::Fail(_)));
        text + &format!("{passed} kept, {failed} broken, {} not applicable\n", RULES.len() - passed - failed)
    }

    pub(super) fn json(&self) -> Value {
        let rule = |(name, says): &(&str, &str)| {
            let (finding, why) = match self.of(name) {
                RuleResult::Pass => ("pass", Value::Null),
                RuleResult::Fail(why) => ("fail", why.into()),
                RuleResult::Advice(why) => ("advice", why.into()),
                RuleResult::NotApplicable(why) => ("not-applicable", why.into()),
            };
            json!({ "rule": name, "says": says, "finding": finding, "why": why })
        };
        json!({ "conforms": !self.has_failed(), "rules": RULES.iter().map(rule).collect::<Vec<_>>() })
    }

    fn of(&self, rule: &str) -> RuleResult {
        self.found.get(rule).cloned().unwrap_or_else(|| RuleResult::NotApplicable(self.untried.clone()))
    }
}

/// That something is so, or a sentence about what is instead.
pub(super) fn must(so: bool, instead: impl FnOnce() -> String) -> Result<(), String> {
    if so { Ok(()) } else { Err(instead()) }
}
