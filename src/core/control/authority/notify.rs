//! Telling regions of an ownership that they have no part in making: above all a former owner that was not there when it was
//! deposed, and would go on as if nothing had been (a zombie primary). And asking one whom another has named as a later owner.

use std::{collections::BTreeMap, time::Duration};

use super::{
    effect::{ADDRESS, Effect, RegionCall, Tag},
    ledger::{change::Change, notice::PendingNotice},
    turn::AuthorityTurn,
};
use crate::model::time::Timestamp;

/// How long a region is told again and again, and how often.
const FOR: Duration = Duration::from_secs(72 * 3600);
const AGAIN: Duration = Duration::from_secs(30);
/// The most that is kept.
const MOST: usize = 4_000;
/// How many calls to one region are under way at a time: the others of the authority need connections too.
const AT_ONCE: usize = 2;

impl AuthorityTurn<'_> {
    /// From now on those are told who can hear of it in no other way. In a planned change that is nobody: the old owner has taken part,
    /// and the others hear of it in the log, with the data. Told apart from that, a replica that lacks the data could pass for one of the
    /// new epoch (REPLICATION, rule 4: a label that travels apart from the data breaks the order of reads). In a forced one
    /// somebody may still take the old owner for the owner, and above all that one itself.
    pub(super) fn spread(&mut self, change: &Change) {
        if !change.forced {
            return;
        }
        self.ledger.untold.retain(|untold| untold.unit != change.unit);
        // Of a subject the others hear in the log of the new owner.
        let is_told = |name: &str| name != change.to && (change.subject().is_none() || name == change.from);
        let others = self.settings.topology.regions().filter(|(_, region)| is_told(&region.name));
        let untold = others.map(|(_, region)| PendingNotice {
            region: region.name.clone(),
            unit: change.unit.clone(),
            home: change.to.clone(),
            epoch: change.epoch + 1,
            told: Timestamp::default(),
            until: self.now.after(FOR),
            asks: false,
        });
        self.ledger.untold.extend(untold);
        let surplus = self.ledger.untold.len().saturating_sub(MOST);
        self.ledger.untold.drain(..surplus);
        self.tell();
    }

    /// Tells whom it is time to tell.
    pub(super) fn tell(&mut self) {
        let now = self.now;
        self.ledger.untold.retain(|untold| untold.until > now);
        let is_waited_for =
            |untold: &PendingNotice| untold.told != Timestamp::default() && now.since(untold.told) < AGAIN;
        let mut under_way = BTreeMap::new();
        for untold in self.ledger.untold.iter().filter(|untold| is_waited_for(untold)) {
            *under_way.entry(untold.region.clone()).or_insert(0) += 1;
        }
        for untold in &mut self.ledger.untold {
            let Some(region) = self.settings.topology.region_named(&untold.region) else { continue };
            let under_way = under_way.entry(untold.region.clone()).or_insert(0);
            if is_waited_for(untold) || *under_way >= AT_ONCE {
                continue;
            }
            *under_way += 1;
            untold.told = now;
            let (unit, epoch, home) = (&untold.unit, untold.epoch, &untold.home);
            let learn = format!("{ADDRESS}?op=learn&home={home}&unit={unit}@{epoch}");
            let status = format!("{ADDRESS}?unit={unit}");
            let question = if untold.asks { ("GET", status.as_str()) } else { ("POST", learn.as_str()) };
            let tag = Tag::Notice { told: untold.region.clone(), unit: unit.clone(), epoch, asks: untold.asks };
            self.effects.push(Effect::Call(RegionCall::new(self.settings, region, question, tag, now)));
        }
    }

    /// Another region says that this one is a later owner: it is asked itself, until it answers. One that has yet to be told of a
    /// first owner says it then.
    pub(super) fn ask_named(&mut self, home: &str, unit: &str) {
        let until = self.now.after(FOR);
        if let Some(held) = self.ledger.untold.iter_mut().find(|held| held.region == home && held.unit == unit) {
            held.until = until;
            return;
        }
        let (region, unit) = (home.to_owned(), unit.to_owned());
        self.ledger.untold.push(PendingNotice { region, unit, until, asks: true, ..PendingNotice::default() });
        self.tell();
    }

    /// A region has heard; there may be more for it.
    pub(super) fn was_told(&mut self, region: &str, unit: &str, epoch: u64) {
        let is_it = |untold: &PendingNotice| untold.region == region && untold.unit == unit && untold.epoch == epoch;
        self.ledger.untold.retain(|untold| !is_it(untold));
        self.tell();
    }
}
