//! Leases: an owner that hears nothing from the authority for too long stops accepting writes by itself, so that a forced promotion
//! need not believe that it is gone (a zombie primary). The authority renews them while it can, and never while it takes a unit
//! away by force.

use std::time::Duration;

use super::{
    effect::{ADDRESS, Tag},
    ledger::{
        Renewal,
        change::{Change, ChangePhase},
    },
    turn::AuthorityTurn,
};
use crate::{
    model::time::{Timestamp, millis},
    topology::pace::RENEWALS,
};

/// How far the clocks of the authority and an origin may be apart: so much longer a lapse is waited for.
const SKEW: Duration = Duration::from_secs(5);
/// A lease is renewed so many times while it lasts.
const TIMES: u64 = RENEWALS as u64;

impl AuthorityTurn<'_> {
    /// Renews what is due.
    pub(super) fn renew(&mut self) {
        let topology = &self.settings.topology;
        let leased = topology.datasets().filter_map(|(id, dataset)| Some((id, &dataset.name, millis(dataset.lease?))));
        for (id, name, lease) in leased {
            let last = self.ledger.renewed.get(name).copied();
            let is_due = last.is_none_or(|last| millis(self.now.since(last.at())) >= lease / TIMES);
            if !is_due || self.is_taken_away(name) {
                continue;
            }
            let Some(owned) = self.ledger.owner(id, topology) else { continue };
            let Some(region) = topology.region_named(&owned.home) else { continue };
            self.ledger.renewed.insert(name.clone(), self.renewal(last, lease));
            let target = format!("{ADDRESS}?op=renew&unit={name}@{}&{}", owned.epoch, self.term(lease));
            self.call(region, ("POST", &target), Tag::Lease { lease: name.clone() });
        }
    }

    /// The query by which a grant brings the new owner's first lease; nothing where none is needed.
    pub(super) fn first_lease(&mut self, unit: &str) -> String {
        let Some(lease) = self.lease_of(unit) else { return String::new() };
        let last = self.ledger.renewed.get(unit).copied();
        self.ledger.renewed.insert(unit.to_owned(), self.renewal(last, millis(lease)));
        format!("&{}", self.term(millis(lease)))
    }

    /// A shorter lease does not end a longer one that was given before.
    fn renewal(&self, last: Option<Renewal>, lease: u64) -> Renewal {
        let until = self.now.after(Duration::from_millis(lease));
        Renewal(self.now, last.map_or(until, |last| until.max(last.until())))
    }

    /// From when on it lasts, too: one that is late on its way must not last longer.
    fn term(&self, lease: u64) -> String {
        format!("for_ms={lease}&at={}", self.now.0)
    }

    /// When the old owner has certainly stopped accepting writes, if it does so by itself.
    pub(super) fn lapsed_at(&self, change: &Change) -> Option<Timestamp> {
        self.ledger.renewed.get(&change.unit).map(|renewal| renewal.until().after(SKEW))
    }

    /// Goes on with a change without the old owner: at once, or when its lease has run out.
    pub(super) fn force(&self, change: &mut Change, says: String) {
        let now = self.now;
        match self.lapsed_at(change).filter(|until| *until > now) {
            Some(until) => {
                let says = format!("{says}; its lease expires in at most {} ms", millis(until.since(now)));
                change.enter(ChangePhase::AwaitingLeaseExpiry, says, now);
            }
            None => change.enter(ChangePhase::Granting, says, now),
        }
    }

    /// How soon a lease is to be looked at, in milliseconds.
    pub(super) fn next_renewal(&self) -> Option<u64> {
        let leases = self.settings.topology.datasets().filter_map(|(_, dataset)| dataset.lease);
        leases.map(|lease| millis(lease) / TIMES).min()
    }

    fn lease_of(&self, unit: &str) -> Option<Duration> {
        let topology = &self.settings.topology;
        topology.dataset(topology.dataset_named(unit)?)?.lease
    }

    fn is_taken_away(&self, unit: &str) -> bool {
        self.ledger.changes.iter().any(|change| change.unit == unit && change.forced && !change.phase.is_over())
    }
}
