//! Isolation drills: how one begins and ends, and what was counted of it. One is on at a time, and it always has an end.

use serde_json::json;

use super::{
    effect::AuditLine,
    ledger::{Ledger, drill_record::DrillRecord},
    orders::command::{DrillOrder, Order, OrderRefusal},
    outcome::Reply,
    turn::AuthorityTurn,
};
use crate::{
    model::time::millis,
    observe::tally::{DrillRow, add_to},
    state::{drill::DrillKind, published::RegionState},
    topology::units::Share,
};

/// The most drills that are kept.
const MOST_KEPT: usize = 8;

impl Ledger {
    /// All drills that are kept, the latest first, or the one of that name.
    pub(super) fn shown_drills(&self, id: &str) -> Reply {
        if id.is_empty() {
            let drills: Vec<_> = self.drills.iter().rev().map(DrillRecord::shown).collect();
            return Reply::done(json!({ "drills": drills }));
        }
        match self.drills.iter().find(|drill| drill.id == id) {
            Some(drill) => Reply::done(drill.shown()),
            None => Reply::problem(404, &format!("There is no drill {id:?}: only the last {MOST_KEPT} are kept.")),
        }
    }
}

impl AuthorityTurn<'_> {
    /// Begins a drill.
    pub(super) fn drill(&mut self, order: &Order, wanted: &DrillOrder) -> Result<Reply, OrderRefusal> {
        self.may_drill(wanted)?;
        let region = self.settings.topology.region(wanted.region).name.clone();
        let (what, until) = (said(wanted, &region), self.now.after(wanted.span));
        if order.dry_run {
            let version = self.ledger.version;
            return Ok(Reply::done(json!({ "says": what, "until": until, "dry_run": true, "version": version })));
        }
        if self.ledger.drills.len() >= MOST_KEPT {
            self.ledger.drills.remove(0);
        }
        let id = self.ledger.name("drill");
        let says = format!("{id}: {what}");
        self.ledger.drills.push(DrillRecord {
            id,
            kind: wanted.kind.token().to_owned(),
            region,
            share: wanted.share.hundredths(),
            limit: wanted.limit.map(Share::hundredths),
            began: self.now,
            until,
            ended: None,
            says: what,
            actor: order.actor.clone(),
            reason: order.reason.clone(),
            rows: Vec::new(),
        });
        self.ledger.version += 1;
        self.publish();
        self.note(order, &format!("{says}, for {} s", millis(wanted.span) / 1000));
        let (drill, version) = (self.ledger.drill_briefly(), self.ledger.version);
        let body = json!({ "says": says, "until": until, "drill": drill, "dry_run": false, "version": version });
        Ok(Reply::done(body))
    }

    /// Ends the drill that is on.
    pub(super) fn stop_drill(&mut self, order: &Order, id: &str) -> Result<Reply, OrderRefusal> {
        let body = |says: String| Ok(Reply::done(json!({ "says": says, "dry_run": order.dry_run })));
        let Some(drill) = self.ledger.drill().filter(|drill| id == "all" || drill.id == id) else {
            return match self.ledger.drills.iter().find(|drill| drill.id == id) {
                Some(over) => body(format!("{id} has already ended: {}", over.says)),
                None if id == "all" => body("no drill is running".to_owned()),
                None => {
                    let detail = format!("There is no drill {id:?}. Name \"all\" to stop the one that is running.");
                    Err(OrderRefusal { status: 404, detail })
                }
            };
        };
        let says = format!("{} is stopped", drill.id);
        if !order.dry_run {
            self.ledger.end_drill(self.now, format!("stopped by {}", order.actor));
            self.publish();
            self.note(order, &says);
        }
        body(says)
    }

    /// Takes in what an edge has counted, and says whether the drill is over.
    pub(super) fn drilled(&mut self, id: &str, rows: Vec<DrillRow>) -> Reply {
        let Some(drill) = self.ledger.drills.iter_mut().find(|drill| drill.id == id) else {
            return Reply::done(json!({ "over": true }));
        };
        rows.into_iter().for_each(|row| add_to(&mut drill.rows, row));
        if drill.ended.is_none()
            && let Some(says) = drill.goes_wrong()
        {
            self.drill_over(says);
        }
        Reply::done(json!({ "over": self.ledger.drill().is_none_or(|drill| drill.id != id) }))
    }

    /// Ends the drill whose time is up.
    pub(super) fn end_drill(&mut self) {
        if self.ledger.drill().is_some_and(|drill| drill.until <= self.now) {
            self.drill_over("ended: its time was up".to_owned());
        }
    }

    fn drill_over(&mut self, says: String) {
        let Some(DrillRecord { id, region, says, reason, .. }) = self.ledger.end_drill(self.now, says) else { return };
        self.publish();
        let what = format!("{id} {says}");
        self.audit(AuditLine::Drill {
            at: self.now,
            drill: id,
            actor: "the authority".to_owned(),
            reason,
            what,
            region,
            version: self.ledger.version,
        });
    }

    /// Whether the drill would show what it is meant to: no other is on, and whoever is left takes part in full.
    fn may_drill(&self, wanted: &DrillOrder) -> Result<(), OrderRefusal> {
        let topology = &self.settings.topology;
        let name = &topology.region(wanted.region).name;
        if let Some(on) = self.ledger.drill() {
            let detail =
                format!("{} is running: {}. Wait until it ends, or stop it: homing drill stop {0}.", on.id, on.says);
            return Err(OrderRefusal::conflict(detail));
        }
        let others = || topology.regions().map(|(_, other)| &other.name).filter(|other| *other != name);
        let active = |region: &String| self.ledger.state(region, self.now) == RegionState::Active;
        if others().next().is_none() {
            return Err(OrderRefusal::conflict(format!(
                "{name:?} is the only region, so a drill would leave no other. Add a region first."
            )));
        }
        match wanted.kind {
            DrillKind::Isolate if !active(name) => {
                let state = self.ledger.state(name, self.now).token();
                Err(OrderRefusal::conflict(format!(
                    "{name:?} is {state} and cannot serve alone. Make it active first."
                )))
            }
            DrillKind::Lose if !others().any(active) => Err(OrderRefusal::conflict(format!(
                "{name:?} is the only active region. Make another one active first."
            ))),
            DrillKind::Isolate | DrillKind::Lose => Ok(()),
        }
    }
}

/// What a drill does, in a sentence without its end.
fn said(wanted: &DrillOrder, region: &str) -> String {
    let share = wanted.share;
    match wanted.kind {
        DrillKind::Isolate => {
            format!("all regions but {region} count as unreachable for {share} of {region}'s subjects")
        }
        DrillKind::Lose => format!("{region} counts as unreachable for {share} of all subjects"),
    }
}
