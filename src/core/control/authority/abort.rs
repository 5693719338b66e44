//! How a change of owner is given up.

use serde_json::json;

use super::{
    ledger::change::ChangePhase,
    orders::command::{Order, OrderRefusal},
    outcome::Reply,
    turn::AuthorityTurn,
};

impl AuthorityTurn<'_> {
    /// Aborts a change. Once the old owner may have been deposed, the only way back is a change in the other direction. If one of the two
    /// is gone by then, the operator may force ownership to the other one: writes known only to the lost region are lost. No third region
    /// may get it, because the old owner may already send its clients on to the new one by the next epoch.
    pub(super) fn abort(&mut self, order: &Order, id: &str) -> Result<Reply, OrderRefusal> {
        let now = self.now;
        if let Some(reply) = self.abort_evacuation(order, id) {
            return reply;
        }
        let Some(at) = self.ledger.changes.iter().position(|change| change.id == id) else {
            return Err(OrderRefusal { status: 404, detail: format!("There is no change {id:?}.") });
        };
        let Some(mut change) = self.ledger.changes.get(at).cloned().filter(|change| !change.phase.is_over()) else {
            let says = self.ledger.changes.get(at).map_or("", |change| change.says.as_str());
            return Err(OrderRefusal::conflict(format!("{id} has already ended: {says}")));
        };
        if order.dry_run {
            let says = format!("{id} would be aborted; now: {}", change.says);
            return Ok(Reply::done(json!({ "says": says, "dry_run": true })));
        }
        let why = format!("aborted by {}", order.actor);
        match change.phase {
            ChangePhase::Locating | ChangePhase::Checking => change.enter(ChangePhase::Aborted, why, now),
            ChangePhase::AwaitingLeaseExpiry if !change.committed => change.enter(ChangePhase::Aborted, why, now),
            phase if phase.is_revocable() => change.enter(ChangePhase::Resuming, why, now),
            ChangePhase::Revoking if order.accept_loss => {
                (change.forced, change.back) = (true, false);
                let says = format!("{why}; {} becomes the owner without {}", change.to, change.from);
                self.force(&mut change, says);
            }
            ChangePhase::Granting if order.accept_loss && !change.from.is_empty() => {
                change.epoch += 1;
                std::mem::swap(&mut change.from, &mut change.to);
                (change.forced, change.back) = (true, false);
                let says = format!("{why}; {} becomes the owner again", change.to);
                self.force(&mut change, says);
            }
            _ => change.back = true,
        }
        let body = json!({ "change": change });
        if let Some(place) = self.ledger.changes.get_mut(at) {
            *place = change.clone();
        }
        self.note(order, &format!("abort of {id} begins"));
        if change.phase.is_over() {
            self.over(&change);
        } else {
            self.ask(id);
        }
        Ok(Reply::begun(body))
    }
}
