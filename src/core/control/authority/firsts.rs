//! First homes. The vars of `wrangler.toml` are part of a version, and two versions run side by side while one is deployed: were the
//! `home` that stands there the owner, the version before an edit and the one after it would send writes to two regions by one
//! epoch. So the authority notes the first configured home of each dataset, for good. From then on an edit moves nothing; an order
//! (`promote`) does, with all that makes it safe. Elsewhere this is how a replicated store bootstraps: what a node's flags say of the
//! cluster counts at its first start only (etcd, `--initial-cluster`).
//!
//! The regions are told, too, so that their fence holds against an edge that goes by an edited file before it has a view. What they
//! answer may be news: that they know a later owner, since this ledger began after them.

use std::time::Duration;

use serde_json::{Value, json};

use super::{
    ledger::{Owned, notice::PendingNotice},
    outcome::Reply,
    said::{epoch, first_unit, text},
    turn::AuthorityTurn,
};
use crate::model::{epoch::Epoch, ids::DatasetId, time::Timestamp};

/// The epoch of a first owner.
pub(super) const FIRST: u64 = Epoch::FIRST.0;
/// For how long a region is told that does not answer.
const TOLD_FOR: Duration = Duration::from_secs(600);

impl AuthorityTurn<'_> {
    /// Notes the first owner of each dataset that has none yet.
    pub(super) fn note_firsts(&mut self) {
        let topology = &self.settings.topology;
        let new = topology.datasets().filter(|(_, dataset)| !self.ledger.datasets.contains_key(&dataset.name));
        let firsts: Vec<(String, Owned)> =
            new.filter_map(|(id, dataset)| Some((dataset.name.clone(), self.first(id, &dataset.name)?))).collect();
        if firsts.is_empty() {
            return;
        }
        for (name, owned) in firsts {
            let what = format!("{} is the home of {name} by epoch {}, as configured", owned.home, owned.epoch);
            self.notice("wrangler.toml", what);
            self.ledger.datasets.insert(name, owned);
        }
        self.ledger.version += 1;
        self.publish();
    }

    /// The owner as it was when this authority first had to do with the dataset: a change that was begun before says so.
    fn first(&self, id: DatasetId, name: &str) -> Option<Owned> {
        let begun = self.ledger.changes.iter().rev().find(|change| change.unit == name && !change.from.is_empty());
        let begun = begun.map(|change| Owned { home: change.from.clone(), epoch: change.epoch });
        let configured = self.ledger.owner(id, &self.settings.topology)?;
        Some(begun.unwrap_or(configured))
    }

    /// The other regions are told of first owners, once; one that does not take it within a while never will.
    fn tell_firsts(&mut self) {
        let topology = &self.settings.topology;
        let ledger = &mut self.ledger;
        let untold = ledger.datasets.iter().filter(|(name, owned)| {
            owned.epoch == FIRST && topology.dataset_named(name).is_some() && !ledger.firsts_told.contains(name)
        });
        let untold: Vec<(String, Owned)> = untold.map(|(name, owned)| (name.clone(), owned.clone())).collect();
        for (name, owned) in untold {
            let others = topology.regions().filter(|(_, region)| region.name != owned.home);
            ledger.untold.extend(others.map(|(_, region)| PendingNotice {
                region: region.name.clone(),
                unit: name.clone(),
                home: owned.home.clone(),
                epoch: owned.epoch,
                told: Timestamp::default(),
                until: self.now.after(TOLD_FOR),
                asks: false,
            }));
            ledger.firsts_told.push(name);
        }
        self.tell();
    }

    /// What a region knows that was told of a first owner. An origin that does not keep the contract has no such address. While the
    /// owner changes, the new one may name itself before that counts (it can still be undone): it is told again later.
    pub(super) fn first_was_told(&mut self, region: &str, unit: &str, (status, body): (u16, &Value)) {
        if self.ledger.is_moving(unit) {
            return;
        }
        if status < 500 {
            self.was_told(region, unit, FIRST);
        }
        let (home, epoch) = (text(body, "home"), epoch(body).unwrap_or(0));
        if status != 200 || epoch < FIRST || self.region(home).is_none() {
            return;
        }
        if epoch > FIRST {
            return self.later_owner(region, unit, home, epoch);
        }
        let Some(owned) = self.ledger.datasets.get(unit).filter(|owned| owned.epoch == FIRST && owned.home != home)
        else {
            return;
        };
        let noted = &owned.home;
        let what = format!(
            "{region} takes {home} for the first home of {unit}, but the authority has noted {noted}. If both accepted writes, their \
             data differs. Compare them, then run `homing promote {unit}`, which informs both"
        );
        self.notice(region, what);
    }

    /// What the one says whom another has named. Were it asked about a third one in turn, two could send the authority to and fro.
    pub(super) fn later_was_asked(&mut self, region: &str, unit: &str, (status, body): (u16, &Value)) {
        if self.ledger.is_moving(unit) {
            return;
        }
        if status < 500 {
            self.was_told(region, unit, 0);
        }
        let said = first_unit(body);
        if let (200, Some(epoch)) = (status, epoch(said))
            && text(said, "home") == region
        {
            self.later_owner(region, unit, region, epoch);
        }
    }

    /// A region says that there is a later owner than this ledger knows. Only that one's own word is taken: the other may have been
    /// restored from a backup, or belong to another deployment, and what the ledger takes in counts for all at once.
    fn later_owner(&mut self, region: &str, unit: &str, home: &str, epoch: u64) {
        if self.ledger.datasets.get(unit).is_some_and(|owned| owned.epoch >= epoch) {
            return;
        }
        let says = format!("{region} reports that {home} is the home of {unit} by epoch {epoch}");
        let what = if home == region {
            "the authority has adopted that"
        } else {
            "the authority is asking that region itself"
        };
        let what = format!("{says}; {what}");
        self.notice(region, what);
        if home != region {
            return self.ask_named(home, unit);
        }
        self.ledger.datasets.insert(unit.to_owned(), Owned { home: home.to_owned(), epoch });
        self.ledger.version += 1;
        self.publish();
    }

    /// The view, for an edge that has not found one in the home store, or one that does not name each of its datasets.
    pub(super) fn view(&mut self) -> Reply {
        self.note_firsts();
        self.tell_firsts();
        Reply::done(json!({ "view": self.ledger.published() }))
    }
}
