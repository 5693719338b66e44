//! First homes. The vars of `wrangler.toml` are part of a version, and two versions run side by side while one is deployed: were the
//! `home` that stands there the owner, the version before an edit and the one after it would send writes to two regions by one
//! epoch. So the authority notes the first configured home of each dataset, for good. From then on an edit moves nothing; an order
//! (`promote`) does, with all that makes it safe. Elsewhere this is how a replicated store bootstraps: what a node's flags say of the
//! cluster counts at its first start only (etcd, `--initial-cluster`).

use serde_json::{Value, json};

use super::{effect, ledger::Owned, turn::Turn};
use crate::routing::topology::DatasetId;

impl Turn<'_> {
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
            self.effects.push(effect::audit(&json!({ "at": self.now.0, "actor": "wrangler.toml", "what": what })));
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

    /// The view, for an edge that has not found one in the home store, or one that does not name each of its datasets.
    pub(super) fn view(&mut self) -> (u16, Value) {
        self.note_firsts();
        (200, json!({ "view": self.ledger.published() }))
    }
}
