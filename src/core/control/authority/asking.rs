//! What each phase of a change asks for.

use serde_json::Value;

use super::{
    effect::{self, ADDRESS, after, call, tag, within},
    ledger::change::{Change, ChangePhase},
    turn::AuthorityTurn,
};
use crate::http::percent;

/// How long a grant is waited for before it is asked again, in milliseconds.
const GRANT: u64 = 2_000;

impl AuthorityTurn<'_> {
    /// Asks for what the change's phase needs.
    pub(super) fn ask(&mut self, id: &str) {
        let now = self.now.0;
        let Some(change) = self.ledger.changes.iter_mut().find(|change| change.id == id) else { return };
        change.asked = now;
        if change.phase == ChangePhase::Pausing && change.is_too_late(now) {
            let says = format!(
                "{} does not answer, and writers may be refused for {} ms at most",
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
                self.effects.push(effect::find(change.subject().unwrap_or(""), &tag(&change, "directory")))
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
                let left = self.lapsed_at(&change).map_or(0, |until| until.saturating_sub(now));
                self.effects.push(after(left, &tag(&change, "time")));
            }
            ChangePhase::Granting => {
                let lease = self.first_lease(&change.unit);
                let target = format!("{ADDRESS}?op=grant&unit={}@{}{lease}", change.unit, change.epoch + 1);
                self.command(new, &target, &change);
            }
            ChangePhase::Recording => self.effects.push(effect::record(&change, &tag(&change, "directory"))),
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
                let asked = call(self.settings, region, ("GET", &target), &tag(change, &slot), self.now);
                self.effects.push(asked);
            }
        }
    }

    /// Has the new owner's copy come as far as the old one's log was at the pause? Where no position is reported, time must do.
    pub(super) fn compare(&mut self, change: &Change) {
        let Some((dataset, position)) = change.waiting.first() else {
            let waited = self.now.0.saturating_sub(change.since);
            self.effects.push(after(change.needed().saturating_sub(waited), &tag(change, "time")));
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
        let asked = call(self.settings, region, ("GET", &target), &tag(change, dataset), self.now);
        self.effects.push(within(asked, change.patience()));
    }

    fn command(&mut self, region: &str, target: &str, change: &Change) {
        let Some(region) = self.region(region) else { return };
        let asked = call(self.settings, region, ("POST", target), &tag(change, "command"), self.now);
        // A grant may take its time: there a standby becomes a primary. Nothing else does.
        self.effects.push(if change.phase.is_paused() {
            within(asked, change.patience())
        } else {
            within(asked, GRANT)
        });
    }
}

/// A position is an origin's own word: in a query it must not mean anything else (RFC 3986 section 2.3).
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    percent::encode(&mut out, text, percent::QUERY_VALUE);
    out
}
