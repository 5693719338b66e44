//! What no order may bring about: no region active, a home that nobody may write, work for a region that takes none, and what was
//! meant for another state of things.

use super::{
    ledger::{Ledger, RegionRecord},
    orders::command::{Order, OrderRefusal},
};
use crate::{
    model::{ids::RegionId, time::Timestamp},
    state::published::RegionState,
    topology::{
        Topology,
        dataset::{Dataset, Rule},
    },
};

impl Ledger {
    /// Says something of a region.
    ///
    /// # Errors
    /// If that would leave no region active, or a dataset without writes.
    pub(super) fn say(
        &mut self,
        order: &Order,
        (region, state, until): (RegionId, RegionState, Timestamp),
        topology: &Topology,
        now: Timestamp,
    ) -> Result<(), OrderRefusal> {
        let name = &topology.region(region).name;
        if state != RegionState::Active {
            self.stays_active_without(name, topology, now)?;
            if !state.is_writable() && !order.accept_loss {
                self.owns_nothing(name, topology, state)?;
            }
        }
        if !order.dry_run {
            let (actor, reason) = (order.actor.clone(), order.reason.clone());
            self.regions.insert(name.clone(), RegionRecord { state: state.token().to_owned(), until, actor, reason });
            self.version += 1;
        }
        Ok(())
    }

    /// Whether a region may be given anything new.
    ///
    /// # Errors
    /// If an operator has said that it takes no work.
    pub(super) fn takes_over(&self, region: &str, now: Timestamp) -> Result<(), OrderRefusal> {
        match self.state(region, now) {
            RegionState::Active => Ok(()),
            state => {
                let state = state.token();
                let detail = format!("{region:?} is {state} and cannot take over anything. Make it active first.");
                Err(OrderRefusal::conflict(detail))
            }
        }
    }

    /// Holds an order against the version that it wants.
    ///
    /// # Errors
    /// If something has changed since.
    pub(super) fn is_as_expected(&self, order: &Order) -> Result<(), OrderRefusal> {
        match order.version {
            Some(version) if version != self.version => Err(OrderRefusal::conflict(format!(
                "The order is for version {version} of the view, but the current version is {}. Check `homing status`, then order again.",
                self.version
            ))),
            _ => Ok(()),
        }
    }

    fn stays_active_without(&self, region: &str, topology: &Topology, now: Timestamp) -> Result<(), OrderRefusal> {
        let mut others = topology.regions().map(|(_, other)| other.name.as_str()).filter(|other| *other != region);
        if others.any(|other| self.state(other, now) == RegionState::Active) {
            return Ok(());
        }
        Err(OrderRefusal::conflict(format!("{region:?} is the only active region. Make another one active first.")))
    }

    fn owns_nothing(&self, region: &str, topology: &Topology, state: RegionState) -> Result<(), OrderRefusal> {
        // Whose subjects live there the directory alone knows; that some may is enough.
        let is_home = |id, dataset: &Dataset| match dataset.rule {
            Rule::SingleWriter { .. } => self.owner(id, topology).is_some_and(|owned| owned.home == region),
            Rule::GeoPartitioned { regions, .. } => {
                topology.region_named(region).is_some_and(|region| regions.contains(region))
            }
            Rule::MultiWriter { .. } => false,
        };
        let homes = topology.datasets().filter(|(id, dataset)| is_home(*id, dataset));
        let names = homes.map(|(_, dataset)| format!("{:?}", dataset.name)).collect::<Vec<_>>().join(", ");
        if names.is_empty() {
            return Ok(());
        }
        let state = state.token();
        let remedy =
            "Promote the region's share first; then, or to accept that, repeat the order with accept_loss: true";
        Err(OrderRefusal::conflict(format!(
            "{region:?} is a home of {names}, whose writes there would be refused while it is {state}. {remedy}."
        )))
    }
}
