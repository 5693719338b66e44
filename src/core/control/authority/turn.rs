//! One turn of the authority: something comes in, the ledger changes, and effects go out. Its driver stores the ledger before
//! it does any of them; each may be done again, and its outcome comes in as another turn.

use super::{
    effect::{AuditLine, Effect, RegionCall, Tag},
    ledger::Ledger,
    orders::command::Order,
};
use crate::{
    model::{ids::RegionId, time::Timestamp},
    state::published,
    topology::settings::Settings,
};

/// How long an effect may be unanswered before it is asked for again, in milliseconds.
pub(super) const UNANSWERED: u64 = 8_000;

/// A turn: the ledger as it becomes, and what is to be done.
pub(super) struct AuthorityTurn<'a> {
    pub(super) ledger: Ledger,
    pub(super) settings: &'a Settings,
    pub(super) now: Timestamp,
    pub(super) effects: Vec<Effect>,
}

impl AuthorityTurn<'_> {
    /// Puts the view into the home store, which may not take it: it is put there again until it is known to be there.
    pub(super) fn publish(&mut self) {
        let (key, tag) = (published::KEY.to_owned(), Tag::View { view: self.ledger.version });
        self.effects.push(Effect::Publish { key, value: self.ledger.published(), tag });
    }

    /// Notes in the audit log what came of an order.
    pub(super) fn note(&mut self, order: &Order, what: &str) {
        let line = AuditLine::Order {
            at: self.now,
            request: order.request.clone(),
            actor: order.actor.clone(),
            reason: order.reason.clone(),
            dry_run: order.dry_run,
            accept_loss: order.accept_loss,
            command: order.command.text(&self.settings.topology),
            what: what.to_owned(),
            version: self.ledger.version,
        };
        self.audit(line);
    }

    /// Notes in the audit log what nobody has ordered.
    pub(super) fn notice(&mut self, actor: &str, what: String) {
        self.audit(AuditLine::Noted { at: self.now, actor: actor.to_owned(), what });
    }

    pub(super) fn audit(&mut self, line: AuditLine) {
        self.effects.push(Effect::Audit { line });
    }

    /// Calls a region: method and target.
    pub(super) fn call(&mut self, region: RegionId, (method, target): (&'static str, &str), tag: Tag) {
        let call = RegionCall::new(self.settings, region, (method, target), tag, self.now);
        self.effects.push(Effect::Call(call));
    }

    /// The same, given up after so many milliseconds.
    pub(super) fn call_within(&mut self, region: RegionId, what: (&'static str, &str), tag: Tag, millis: u64) {
        let call = RegionCall::new(self.settings, region, what, tag, self.now).within(millis);
        self.effects.push(Effect::Call(call));
    }

    /// The region of that name.
    pub(super) fn region(&self, name: &str) -> Option<RegionId> {
        self.settings.topology.region_named(name)
    }
}
