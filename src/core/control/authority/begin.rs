//! How a change of owner begins.

use serde_json::json;

use super::{
    ledger::{
        Ledger,
        change::{Change, ChangePhase},
    },
    orders::command::{Order, OrderRefusal},
    outcome::Reply,
    turn::AuthorityTurn,
};
use crate::{
    model::{
        ids::{DatasetId, RegionId},
        subject::{SubjectId, SubjectKind},
        time::Timestamp,
    },
    topology::dataset::Rule,
};

impl AuthorityTurn<'_> {
    /// The change that makes a region the home of a single-writer dataset, or why none is needed.
    pub(super) fn promotion(&self, dataset: DatasetId, to: &str) -> Result<Change, String> {
        let topology = &self.settings.topology;
        let name = topology.dataset(dataset).map(|dataset| dataset.name.clone()).unwrap_or_default();
        let Some(owned) = self.ledger.owner(dataset, topology) else {
            return Err(format!("{name} has no single owner"));
        };
        if owned.home == to {
            return Err(format!("{to} is already the home of {name}, by epoch {}", owned.epoch));
        }
        let (unit, datasets, to) = (name.clone(), vec![name], to.to_owned());
        Ok(Change { unit, datasets, from: owned.home, epoch: owned.epoch, to, ..Change::default() })
    }

    /// The change that makes a region the home of a subject, wherever that lives now.
    pub(super) fn moving(&self, kind: SubjectKind, subject: &SubjectId, to: RegionId) -> Change {
        let topology = &self.settings.topology;
        let of_kind = topology
            .datasets()
            .filter(|(_, dataset)| matches!(dataset.rule, Rule::GeoPartitioned { subject, .. } if subject == kind));
        Change {
            unit: format!("~{}", subject.as_str()),
            kind: kind.token().to_owned(),
            datasets: of_kind.map(|(_, dataset)| dataset.name.clone()).collect(),
            to: topology.region(to).name.clone(),
            phase: ChangePhase::Locating,
            ..Change::default()
        }
    }

    /// Begins a change.
    pub(super) fn begin(&mut self, order: &Order, change: Change) -> Result<Reply, OrderRefusal> {
        let max_pause = self.max_pause(&change.datasets, order.max_pause);
        let change = Change { forced: order.accept_loss, dry_run: order.dry_run, max_pause, ..change };
        let what = format!("{} to {}", change.unit, change.to);
        let (to, dry_run) = (change.to.clone(), change.dry_run);
        let id = self.ledger.begin(order, change, self.now)?;
        // A late look would undo a later order.
        let undone = self.ledger.sweeps.iter_mut().filter(|sweep| sweep.from == to && !dry_run);
        undone.for_each(|sweep| sweep.looks_again = None);
        self.note(order, &format!("{id} begins: {what}"));
        self.ask(&id);
        Ok(Reply::begun(json!({ "change": self.ledger.shown(&id) })))
    }
}

impl Ledger {
    /// Begins a change of owner. One that is there already is none.
    ///
    /// # Errors
    /// If the new owner takes no new work, or another change of the same unit is under way.
    pub(super) fn begin(&mut self, order: &Order, change: Change, now: Timestamp) -> Result<String, OrderRefusal> {
        self.takes_over(&change.to, now)?;
        let same = |other: &&Change| other.unit == change.unit && !other.phase.is_over();
        if let Some(other) = self.changes.iter().find(same) {
            let detail = format!("{} already changes the owner of {}. Wait for it, or abort it.", other.id, other.unit);
            return Err(OrderRefusal::conflict(detail));
        }
        let (actor, reason) = (order.actor.clone(), order.reason.clone());
        Ok(self.add(Change { actor, reason, ..change }, now))
    }
}
