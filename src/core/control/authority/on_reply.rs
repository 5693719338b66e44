//! What the outcomes of a change's steps mean.

use serde_json::Value;

use super::{
    effect::{AuditLine, Effect, Tag},
    firsts::FIRST,
    input::{
        EffectResult::{self, Answered, Elapsed, Failed},
        Heard,
    },
    ledger::{
        Owned,
        change::{Change, ChangePhase},
    },
    pause::positions,
    said::{epoch, get, text},
    turn::AuthorityTurn,
};
use crate::{
    model::{subject::SubjectKind, time::millis},
    ownership::record::HomeRecord,
};

/// How long to wait before the new owner is asked again how far it is, in milliseconds.
const NOT_YET: u64 = 40;
/// How long to wait before somebody who did not answer is asked again, in milliseconds.
const AGAIN: u64 = 200;

impl AuthorityTurn<'_> {
    /// Takes in what came of an effect.
    pub(super) fn heard(&mut self, heard: Heard) {
        let Heard { tag, result } = heard;
        match tag {
            Tag::Evacuation { sweep, step } => self.directory_said(&sweep, step, result.ok()),
            Tag::Notice { told, unit, epoch, asks } => {
                if let EffectResult::Answered { status, body } = &result {
                    self.noticed((&told, &unit), epoch, asks, (*status, body));
                }
            }
            Tag::View { view } => {
                // Were two puts under way and the earlier one came last, the next version mends it.
                self.ledger.stored = if result.ok().is_some() { view } else { self.ledger.stored };
            }
            Tag::Change { change, step, slot } => self.went_on(&change, step, &slot, &result),
            // A lease counts as renewed from when it was sent.
            Tag::Lease { .. } | Tag::Nobody => {}
        }
    }

    /// A region that was told of an ownership, or asked about one, has answered.
    fn noticed(&mut self, (region, unit): (&str, &str), epoch: u64, asks: bool, (status, body): (u16, &Value)) {
        if asks {
            self.later_was_asked(region, unit, (status, body));
        } else if epoch == FIRST {
            self.first_was_told(region, unit, (status, body));
        } else if status == 200 {
            self.was_told(region, unit, epoch);
        }
    }

    /// What came of a step of a change; of an earlier step, it is of no interest.
    fn went_on(&mut self, id: &str, asked: u32, slot: &str, result: &EffectResult) {
        let Some(at) = self.ledger.changes.iter().position(|change| change.id == id) else { return };
        let Some(mut change) = self.ledger.changes.get(at).cloned() else { return };
        if change.phase.is_over() || asked != change.step {
            return;
        }
        let (before, step) = (change.phase, change.step);
        self.step(&mut change, slot, result);
        let moved = change.step != step;
        let over = change.phase.is_over();
        if let Some(place) = self.ledger.changes.get_mut(at) {
            *place = change.clone();
        }
        if over {
            self.over(&change);
        } else if moved || (before == change.phase && *result == Elapsed) {
            self.ask(id);
        }
    }

    fn step(&mut self, change: &mut Change, slot: &str, result: &EffectResult) {
        match change.phase {
            ChangePhase::Locating => self.located(change, result),
            ChangePhase::Checking => {
                let said = result.ok().cloned().unwrap_or(Value::Null);
                self.judged(change, slot, said);
            }
            ChangePhase::Pausing => self.pausing(change, result),
            ChangePhase::Waiting => self.waiting(change, slot, result),
            ChangePhase::Revoking => self.revoking(change, result),
            ChangePhase::AwaitingLeaseExpiry => self.force(change, format!("forced, without {}", change.from)),
            ChangePhase::Granting => self.granting(change, result),
            ChangePhase::Recording => self.recording(change, result),
            ChangePhase::Resuming => self.resuming(change, result),
            ChangePhase::Done | ChangePhase::Aborted => {}
        }
    }

    fn located(&mut self, change: &mut Change, result: &EffectResult) {
        let now = self.now;
        match result {
            Answered { status: 200, body: Value::Null } => self.homeless(change),
            Answered { status: 200, body: owned } => {
                text(owned, "home").clone_into(&mut change.from);
                change.epoch = epoch(owned).unwrap_or(0);
                let kind = text(owned, "kind");
                if !kind.is_empty() && kind != change.kind {
                    change.enter(ChangePhase::Aborted, format!("the subject is a {kind}, not a {}", change.kind), now);
                } else if change.from == change.to {
                    change.enter(ChangePhase::Done, "it is there already", now);
                } else if self.region(&change.from).is_none() && !change.forced {
                    let says = format!(
                        "its home {:?} is not in this topology. If that region is gone for good, repeat the order with accept_loss: true",
                        change.from
                    );
                    change.enter(ChangePhase::Aborted, says, now);
                } else {
                    change.enter(ChangePhase::Checking, "preflight", now);
                }
            }
            Answered { .. } | Failed(_) | Elapsed => {
                change.enter(ChangePhase::Aborted, "the directory does not answer; try again", now);
            }
        }
    }

    /// Nobody has asked for its home yet. Where its data is already, the topology may know: then that is its home first.
    fn homeless(&mut self, change: &mut Change) {
        let now = self.now;
        let topology = &self.settings.topology;
        let first = SubjectKind::parse(&change.kind).and_then(|kind| topology.identity().first_home(kind));
        match first.map(|home| topology.region(home).name.clone()).filter(|home| *home != change.to) {
            Some(home) if change.dry_run => {
                change.enter(
                    ChangePhase::Done,
                    format!("the subject has no home yet; its first home would be {home}"),
                    now,
                );
            }
            Some(home) => {
                self.effects.push(Effect::assign(change, &home, Tag::of(change, "directory")));
            }
            None if change.dry_run => change.enter(ChangePhase::Done, "the subject has no home yet", now),
            None => change.enter(ChangePhase::Recording, "the subject has no home yet", now),
        }
    }

    fn pausing(&mut self, change: &mut Change, result: &EffectResult) {
        let now = self.now;
        match result {
            Answered { status: 200, body } => {
                change.waiting = positions(change, body);
                change.silent = change.waiting.len() < change.datasets.len();
                if change.silent && change.needed() > change.most_waited() {
                    let (needed, most) = (change.needed(), change.most_paused());
                    let says = format!(
                        "not every position is reported, so the pause would take {needed} ms; writers may be refused for at most {most} ms"
                    );
                    return change.enter(ChangePhase::Resuming, says, now);
                }
                let says = format!("writes at {} are paused until {} has caught up", change.from, change.to);
                change.enter(ChangePhase::Waiting, says, now);
            }
            Answered { status: 409, body } => {
                change.enter(ChangePhase::Aborted, format!("{} refuses to pause: {}", change.from, brief(body)), now)
            }
            other => self.again(change, other),
        }
    }

    fn waiting(&mut self, change: &mut Change, slot: &str, result: &EffectResult) {
        let now = self.now;
        // An answer about the dataset before may come twice.
        let slot_is_next = change.waiting.first().is_some_and(|(dataset, _)| dataset == slot);
        let waited = millis(now.since(change.since));
        match result {
            Answered { status: 200, body } if slot_is_next && *get(body, "reached") == Value::Bool(true) => {
                change.waiting.remove(0);
                change.seen = None;
                if !change.waiting.is_empty() || (change.silent && waited < change.needed()) {
                    self.compare(change);
                } else {
                    change.enter(ChangePhase::Revoking, format!("{} has caught up", change.to), now);
                }
            }
            Elapsed if change.waiting.is_empty() && waited >= change.needed() => {
                change.enter(
                    ChangePhase::Revoking,
                    "not every position is reported; ten times the lag has passed",
                    now,
                );
            }
            _ if waited >= change.wait() || change.is_too_late(now) => {
                let says = format!("{} did not catch up within {waited} ms", change.to);
                change.enter(ChangePhase::Resuming, says, now);
            }
            // Whoever waits for what will not come is kept waiting for nothing.
            Answered { status: 200, body } if slot_is_next => match change.stands_still(body, now) {
                Some(says) => change.enter(ChangePhase::Resuming, says, now),
                None => self.effects.push(Effect::after(NOT_YET, Tag::of(change, "time"))),
            },
            Answered { status: 200, .. } => self.effects.push(Effect::after(NOT_YET, Tag::of(change, "time"))),
            other => self.again(change, other),
        }
    }

    fn revoking(&mut self, change: &mut Change, result: &EffectResult) {
        let now = self.now;
        match result {
            Answered { status: 200, .. } => {
                change.enter(ChangePhase::Granting, format!("{} has given up its ownership", change.from), now)
            }
            Answered { status: 409, body } if text(body, "state") == "not-paused" => {
                let says =
                    format!("the pause of {} ended before its ownership was revoked; it keeps serving", change.from);
                change.enter(ChangePhase::Aborted, says, now);
            }
            Answered { status: 409, body } => {
                change.enter(
                    ChangePhase::Aborted,
                    format!("{} refuses to give up its ownership: {}", change.from, brief(body)),
                    now,
                );
            }
            other => self.again(change, other),
        }
    }

    fn granting(&mut self, change: &mut Change, result: &EffectResult) {
        let now = self.now;
        let says = format!("{} owns it by epoch {}", change.to, change.epoch + 1);
        match result {
            Answered { status: 200, .. } if change.subject().is_some() => {
                change.enter(ChangePhase::Recording, says, now)
            }
            Answered { status: 200, .. } => {
                let owned = Owned { home: change.to.clone(), epoch: change.epoch + 1 };
                self.ledger.datasets.insert(change.unit.clone(), owned);
                self.ledger.version += 1;
                self.publish();
                change.enter(ChangePhase::Done, says, now);
            }
            Answered { status: 409, body } => {
                change.enter(ChangePhase::Aborted, format!("{} knows a later owner: {}", change.to, brief(body)), now)
            }
            other => self.again(change, other),
        }
    }

    fn recording(&mut self, change: &mut Change, result: &EffectResult) {
        match result {
            Answered { status: 200, body: owned } if text(owned, "home") != change.to => {
                let says = format!("the directory knows a later home: {}", brief(owned));
                change.enter(ChangePhase::Aborted, says, self.now);
            }
            Answered { status: 200, body: owned } => {
                // Of somebody whom it did not know the directory says by which epoch.
                let epoch = epoch(owned).unwrap_or(change.epoch + 1);
                if let Some(subject) = change.subject() {
                    let (key, value) = (format!("home:{subject}"), HomeRecord::new(&change.to, epoch).text());
                    self.effects.push(Effect::Publish { key, value, tag: Tag::Nobody });
                }
                let says = format!("{} owns it by epoch {epoch}", change.to);
                change.enter(ChangePhase::Done, says, self.now);
            }
            other => self.again(change, other),
        }
    }

    fn resuming(&mut self, change: &mut Change, result: &EffectResult) {
        let now = self.now;
        let says = format!("{}; {} keeps serving", change.says, change.from);
        match result {
            Answered { status: 200, .. } => change.enter(ChangePhase::Aborted, says, now),
            // By now the pause has ended by itself.
            _ if millis(now.since(change.since)) > change.most_paused() => {
                change.enter(ChangePhase::Aborted, says, now)
            }
            other => self.again(change, other),
        }
    }

    /// Nobody answered, or not as one should: the same again, a little later. When that time is over, `went_on` asks.
    fn again(&mut self, change: &mut Change, result: &EffectResult) {
        match result {
            Answered { status, .. } => {
                change.says = format!("{} failed with status {status}; trying again", change.phase.activity())
            }
            Failed(why) => change.says = format!("{} failed: {why}; trying again", change.phase.activity()),
            Elapsed => return,
        }
        self.effects.push(Effect::after(AGAIN, Tag::of(change, "time")));
    }

    /// A change is over: it is noted, and if it is to be undone, the way back begins.
    pub(super) fn over(&mut self, change: &Change) {
        self.audit(AuditLine::Change {
            at: self.now,
            change: change.id.clone(),
            actor: change.actor.clone(),
            what: change.says.clone(),
            unit: change.unit.clone(),
            from: change.from.clone(),
            to: change.to.clone(),
            phase: change.phase,
            paused_ms: change.paused_for,
            version: self.ledger.version,
        });
        if change.phase == ChangePhase::Done && !change.dry_run && change.from != change.to {
            self.spread(change);
        }
        if !change.sweep.is_empty() {
            self.part_is_over(change);
        }
        if change.phase != ChangePhase::Done || !change.back || change.from.is_empty() {
            return;
        }
        let id = self.ledger.add(
            Change {
                unit: change.unit.clone(),
                kind: change.kind.clone(),
                datasets: change.datasets.clone(),
                from: change.to.clone(),
                to: change.from.clone(),
                epoch: change.epoch + 1,
                max_pause: change.max_pause,
                actor: change.actor.clone(),
                reason: format!("the abort of {} came too late to stop it, so it is undone", change.id),
                ..Change::default()
            },
            self.now,
        );
        self.ask(&id);
    }
}

/// An answer as people read it, and no more of it than they would.
fn brief(body: &Value) -> String {
    body.to_string().chars().take(200).collect()
}
