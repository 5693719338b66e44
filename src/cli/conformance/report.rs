//! The rules, and what was found of each.

use std::collections::BTreeMap;

use serde_json::{Value, json};

/// Every rule: its name, and what it says. The order is that of the report.
pub(super) const RULES: [(&str, &str); 45] = [
    ("health", "the health address answers 200 within a second, with JSON that names the region"),
    (
        "no-store",
        "what the health address and the ownership address answer says Cache-Control: no-store, and comes from no cache",
    ),
    (
        "any-parameter",
        "both take no notice of a parameter that they do not know (n), by which the router asks what no cache has an answer to",
    ),
    ("not-for-clients", "the health address answers 404 to what came through the router (homing in CDN-Loop)"),
    ("later-epoch", "a write by a later epoch that names this region is accepted"),
    ("owner", "a write by the ownership that counts is accepted"),
    ("lower-epoch", "a write by an earlier epoch is answered with 421, and the owner and its epoch"),
    ("other-home", "a write by a later epoch that names another region is answered with 421, and that owner"),
    ("deposed", "a region that has heard of a later owner answers its own old epoch with 421"),
    (
        "no-subject",
        "of split data, a write that names no subject is answered with 421 and Homing-Subject where the subject's owner is \
         not known to be this region",
    ),
    (
        "other-subject",
        "a write that names another subject than the one who is signed in is answered with 421 and Homing-Subject",
    ),
    ("wrote-nothing", "what is refused by the fence or a pause says Homing-Wrote: 0"),
    ("unsigned", "a write that is not signed is refused with 403"),
    ("forged", "a write signed with another key, or for another target, is refused with 403"),
    ("stale", "a write that was signed more than a minute ago is refused with 403"),
    ("unsigned-claim", "a claim that is not signed is not believed"),
    ("position", "Homing-Position is DATASET=POSITION, with a least that is not beyond it"),
    ("position-owner", "a position says by which ownership it counts"),
    ("position-grows", "a later write has a later position"),
    ("read-your-write", "a read that demands a write's position is answered, by a copy that is as far"),
    ("behind", "a read that demands more than the copy has is answered with 503 and Homing-Behind: 1"),
    ("position-epoch", "a position of a later epoch is not reached by the length of an earlier log"),
    (
        "position-told",
        "a copy that was told of an owner, and has nothing of its log, states no position of that owner's and has reached none",
    ),
    (
        "shows",
        "what an answer shows is not beyond its copy; of a write, and of a read behind it, not before that write",
    ),
    ("shows-gone", "a read of what was deleted shows the deletion"),
    ("shows-still", "what a read shows does not rise with what is written elsewhere (advice)"),
    ("key-once", "a write that is repeated with its Idempotency-Key is done once, and gets the same answer"),
    ("key-wrote", "such a repeat does not say Homing-Wrote: 0: the session that repeats a write has to see it"),
    ("key-body", "a key that comes with another body than before is refused with 422, and nothing is done"),
    ("key-moved", "a repeat is known when the home has moved away and back"),
    ("key-others", "a key that one user has used does another user's own write, and shows nothing of the first one's"),
    ("look", "the ownership address says who owns a unit"),
    (
        "authority-only",
        "the ownership address answers no client that comes through the router, and nobody without a key",
    ),
    ("reached", "it says whether the copy has reached a position, and by which epoch"),
    ("pause", "a pause answers with positions, and writes get 503 with Retry-After until it ends; reads go on"),
    ("pause-drains", "a pause answers when the writes in flight have ended, and its positions hold them"),
    ("pause-number", "a pause is repeated by its number, refuses others while it holds, and is not taken again"),
    ("pause-owner", "a pause by another epoch than the one that counts is answered with 409 not-owner"),
    ("resume", "a pause is ended by its number, again and again, and one that nobody knows too"),
    ("pause-ends", "a pause ends by itself"),
    ("depose-paused", "a unit is given away only while its pause holds"),
    ("depose", "what is given away is so at once and stays so: 421 by the old epoch"),
    ("grant", "a grant makes this region the owner, and may be repeated"),
    ("grant-later", "a grant by an epoch that is over is answered with 409 later"),
    ("lease", "a lease is renewed by the owner alone; when it has run out, writes get 503 until it is renewed"),
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
