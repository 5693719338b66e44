//! Telling regions of an ownership that they have no part in making: above all a former owner that was not there when it was
//! deposed, and would go on as if nothing had been (a zombie primary).

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{
    change::Change,
    effect::{ADDRESS, call},
    turn::Turn,
};

/// How long a region is told again and again, and how often, in milliseconds.
const FOR: u64 = 72 * 3_600_000;
const AGAIN: u64 = 30_000;
/// The most that is kept: what is older is learned from the next write that comes.
const MOST: usize = 200;

/// A region that has yet to hear of an ownership.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Untold {
    /// The region.
    pub region: String,
    /// What is owned.
    pub unit: String,
    /// Who owns it.
    pub home: String,
    /// By which epoch.
    pub epoch: u64,
    /// When it was told last, and until when it is told.
    pub told: u64,
    /// See `told`.
    pub until: u64,
}

impl Turn<'_> {
    /// From now on everybody but the new owner is told.
    pub(super) fn spread(&mut self, change: &Change) {
        // In a planned move of a subject the old owner has taken part, and the others hear of it in the log.
        if change.subject().is_some() && !change.forced {
            return;
        }
        self.ledger.untold.retain(|untold| untold.unit != change.unit);
        let others = self.settings.topology.regions().filter(|(_, region)| region.name != change.to);
        let untold = others.map(|(_, region)| Untold {
            region: region.name.clone(),
            unit: change.unit.clone(),
            home: change.to.clone(),
            epoch: change.epoch + 1,
            told: 0,
            until: self.now.0 + FOR,
        });
        self.ledger.untold.extend(untold);
        let surplus = self.ledger.untold.len().saturating_sub(MOST);
        self.ledger.untold.drain(..surplus);
        self.tell();
    }

    /// Tells whom it is time to tell.
    pub(super) fn tell(&mut self) {
        let now = self.now;
        self.ledger.untold.retain(|untold| untold.until > now.0);
        for untold in &mut self.ledger.untold {
            let Some(region) = self.settings.topology.region_named(&untold.region) else { continue };
            if untold.told != 0 && now.0.saturating_sub(untold.told) < AGAIN {
                continue;
            }
            untold.told = now.0;
            let (unit, epoch, home) = (&untold.unit, untold.epoch, &untold.home);
            let target = format!("{ADDRESS}?op=learn&home={home}&unit={unit}@{epoch}");
            let tag = json!({ "told": untold.region, "unit": unit, "epoch": epoch });
            self.effects.push(call(self.settings, region, ("POST", &target), &tag, now));
        }
    }

    /// A region has heard.
    pub(super) fn was_told(&mut self, region: &str, unit: &str, epoch: u64) {
        self.ledger.untold.retain(|untold| !(untold.region == region && untold.unit == unit && untold.epoch == epoch));
    }
}
