//! What each phase of a change asks for.

use serde_json::Value;

use super::{
    effect::{ADDRESS, Effect, Tag},
    ledger::change::{Change, ChangePhase},
    turn::AuthorityTurn,
};
use crate::{http::percent, model::time::millis};

/// How long a grant is waited for before it is asked again, in milliseconds.
const GRANT: u64 = 2_000;

impl AuthorityTurn<'_> {
    /// Asks for what the change's phase needs.
    pub(super) fn ask(&mut self, id: &str) {
        let now = self.now;
        let Some(change) = self.ledger.changes.iter_mut().find(|change| change.id == id) else { return };
        change.asked = now;
        if change.phase == ChangePhase::Pausing && change.is_too_late(now) {
            let says = format!(
                "{} does not answer, and writers may be refused for at most {} ms",
                change.from,
                change.most_paused()
            );
            change.enter(ChangePhase::Resuming, says, now);
        }
        // An old owner that is not configured any more does not answer.
        if change.phase == ChangePhase::Checking && self.settings.topology.region_named(&change.from).is_none() {
            change.found.extend(["from", "from-health"].map(|slot| (slot.to_owned(), Value::Null)));
        }
        let change = change.clone();
        let (old, new) = (change.from.as_str(), change.to.as_str());
        let unit = format!("unit={}@{}", change.unit, change.epoch);
        match change.phase {
            ChangePhase::Locating => {
                let subject = change.subject().unwrap_or("").to_owned();
                self.effects.push(Effect::Find { subject, tag: Tag::of(&change, "directory") });
            }
            ChangePhase::Checking => self.check(&change),
            ChangePhase::Pausing => {
                let target = format!("{ADDRESS}?op=pause&id={}&for_ms={}&{unit}", change.number, change.left(now));
                self.command(old, &target, &change);
            }
            ChangePhase::Waiting => self.compare(&change),
            ChangePhase::Revoking => {
                self.command(old, &format!("{ADDRESS}?op=depose&id={}&to={new}&{unit}", change.number), &change)
            }
            ChangePhase::AwaitingLeaseExpiry => {
                let left = self.lapsed_at(&change).map_or(0, |until| millis(until.since(now)));
                self.effects.push(Effect::after(left, Tag::of(&change, "time")));
            }
            ChangePhase::Granting => {
                let lease = self.first_lease(&change.unit);
                let target = format!("{ADDRESS}?op=grant&unit={}@{}{lease}", change.unit, change.epoch + 1);
                self.command(new, &target, &change);
            }
            ChangePhase::Recording => self.effects.push(Effect::record(&change, Tag::of(&change, "directory"))),
            // With the unit, since the pause itself may still be on its way: that one is over too.
            ChangePhase::Resuming => {
                self.command(old, &format!("{ADDRESS}?op=resume&id={}&{unit}", change.number), &change)
            }
            ChangePhase::Done | ChangePhase::Aborted => {}
        }
    }

    /// The preflight: who owns it by the regions' own word, and how they are.
    fn check(&mut self, change: &Change) {
        for (slot, name) in [("from", change.from.as_str()), ("to", change.to.as_str())] {
            let Some(region) = self.region(name) else { continue };
            let target = format!("{ADDRESS}?unit={}", change.unit);
            let health = self.settings.topology.region(region).health.clone();
            for (slot, target) in [(slot.to_owned(), target), (format!("{slot}-health"), health)] {
                self.call(region, ("GET", &target), Tag::of(change, &slot));
            }
        }
    }

    /// Has the new owner's replica come as far as the old one's log was at the pause? Where no position is reported, time must do.
    pub(super) fn compare(&mut self, change: &Change) {
        let Some((dataset, position)) = change.waiting.first() else {
            let waited = millis(self.now.since(change.since));
            self.effects.push(Effect::after(change.needed().saturating_sub(waited), Tag::of(change, "time")));
            return;
        };
        let Some(region) = self.region(&change.to) else { return };
        let target = format!(
            "{ADDRESS}?reached={dataset}&of={}&epoch={}&position={}&unit={}",
            change.from,
            change.epoch,
            escaped(position),
            change.unit
        );
        self.call_within(region, ("GET", &target), Tag::of(change, dataset), change.patience());
    }

    fn command(&mut self, region: &str, target: &str, change: &Change) {
        let Some(region) = self.region(region) else { return };
        // A grant may take its time: there a standby becomes a primary. Nothing else does.
        let patience = if change.phase.is_paused() { change.patience() } else { GRANT };
        self.call_within(region, ("POST", target), Tag::of(change, "command"), patience);
    }
}

/// A position is an origin's own word: in a query it must not mean anything else (RFC 3986 section 2.3).
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    percent::encode(&mut out, text, percent::QUERY_VALUE);
    out
}
