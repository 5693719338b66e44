//! One turn of the authority: something comes in, the ledger changes, and effects go out. Whoever drives it stores the ledger before
//! it does any of them; each may be done again, and its outcome comes in as another turn.

use serde_json::{Value, json};

use super::{effect, ledger::Ledger, orders::command::Order};
use crate::{
    model::{ids::RegionId, time::Timestamp},
    state::published,
    topology::settings::Settings,
};

/// How long an effect may be unanswered before it is asked for again, in milliseconds.
pub(super) const UNANSWERED: u64 = 8_000;

/// A turn.
pub struct AuthorityTurn<'a> {
    pub(super) ledger: Ledger,
    pub(super) settings: &'a Settings,
    pub(super) now: Timestamp,
    pub(super) effects: Vec<Value>,
}

impl AuthorityTurn<'_> {
    /// Puts the view into the home store, which may not take it: it is put there again until it is known to be there.
    pub(super) fn publish(&mut self) {
        let tag = json!({ "view": self.ledger.version });
        self.effects.push(effect::publish(published::KEY, &self.ledger.published(), &tag));
    }

    pub(super) fn note(&mut self, order: &Order, what: &str) {
        let Order { request, actor, reason, dry_run, accept_loss, command, .. } = order;
        self.effects.push(effect::audit(&json!({
            "at": self.now.0, "request": request, "actor": actor, "reason": reason, "dry_run": dry_run,
            "accept_loss": accept_loss, "command": format!("{command:?}"), "what": what, "version": self.ledger.version,
        })));
    }

    /// The region of that name.
    pub(super) fn region(&self, name: &str) -> Option<RegionId> {
        self.settings.topology.region_named(name)
    }
}
