//! What the outcomes of a change's steps mean.

use serde_json::{Value, json};

use super::{
    effect::{self, after, get, tag, text},
    firsts::FIRST,
    ledger::{
        Owned,
        change::{Change, ChangePhase},
    },
    pause::positions,
    turn::AuthorityTurn,
};
use crate::{model::subject::SubjectKind, ownership::record::HomeRecord};

/// How long to wait before the new owner is asked again how far it is, in milliseconds.
const NOT_YET: u64 = 40;
/// How long to wait before somebody who did not answer is asked again, in milliseconds.
const AGAIN: u64 = 200;

/// What came of an effect.
enum Heard<'a> {
    /// An answer.
    Said(u64, &'a Value),
    /// None, for this reason.
    Nothing(&'a str),
    /// The time is over.
    Elapsed,
}

impl AuthorityTurn<'_> {
    /// Takes in what came of an effect; of an earlier step, it is of no interest.
    pub(super) fn heard(&mut self, input: &Value) {
        let tag = get(input, "tag");
        let status = get(input, "status").as_u64();
        if let Some(sweep) = get(tag, "sweep").as_str() {
            let body = status.filter(|status| *status == 200).map(|_| get(input, "body"));
            return self.directory_said(sweep, get(tag, "step").as_u64().unwrap_or(0), body);
        }
        if let Some(region) = get(tag, "told").as_str() {
            let (unit, epoch) = (text(tag, "unit"), get(tag, "epoch").as_u64().unwrap_or(0));
            match status {
                Some(status) if *get(tag, "asks") == Value::Bool(true) => {
                    self.later_was_asked(region, unit, (status, get(input, "body")));
                }
                Some(status) if epoch == FIRST => self.first_was_told(region, unit, (status, get(input, "body"))),
                Some(200) => self.was_told(region, unit, epoch),
                _ => {}
            }
            return;
        }
        if let Some(version) = get(tag, "view").as_u64() {
            // Were two puts under way and the earlier one came last, the next version mends it.
            self.ledger.stored = if status == Some(200) { version } else { self.ledger.stored };
            return;
        }
        let (id, slot) = (text(tag, "change"), text(tag, "slot"));
        let heard = match (status, get(input, "failed").as_str()) {
            (Some(status), _) => Heard::Said(status, get(input, "body")),
            (None, Some(why)) => Heard::Nothing(why),
            (None, None) => Heard::Elapsed,
        };
        let Some(at) = self.ledger.changes.iter().position(|change| change.id == id) else { return };
        let Some(mut change) = self.ledger.changes.get(at).cloned() else { return };
        if change.phase.is_over() || get(tag, "step").as_u64() != Some(change.step.into()) {
            return;
        }
        let (before, step) = (change.phase, change.step);
        self.step(&mut change, slot, &heard);
        let moved = change.step != step;
        let over = change.phase.is_over();
        if let Some(place) = self.ledger.changes.get_mut(at) {
            *place = change.clone();
        }
        if over {
            self.over(&change);
        } else if moved || (before == change.phase && matches!(heard, Heard::Elapsed)) {
            self.ask(id);
        }
    }

    fn step(&mut self, change: &mut Change, slot: &str, heard: &Heard<'_>) {
        match change.phase {
            ChangePhase::Locating => self.located(change, heard),
            ChangePhase::Checking => {
                let said = if let Heard::Said(200, body) = heard { (*body).clone() } else { Value::Null };
                self.judged(change, slot, said);
            }
            ChangePhase::Pausing => self.pausing(change, heard),
            ChangePhase::Waiting => self.waiting(change, slot, heard),
            ChangePhase::Revoking => self.deposing(change, heard),
            ChangePhase::AwaitingLeaseExpiry => self.force(change, format!("without {}, as was ordered", change.from)),
            ChangePhase::Granting => self.granting(change, heard),
            ChangePhase::Recording => self.recording(change, heard),
            ChangePhase::Resuming => self.resuming(change, heard),
            ChangePhase::Done | ChangePhase::Aborted => {}
        }
    }

    fn located(&mut self, change: &mut Change, heard: &Heard<'_>) {
        let now = self.now.0;
        match heard {
            Heard::Said(200, Value::Null) => self.homeless(change),
            Heard::Said(200, owned) => {
                text(owned, "home").clone_into(&mut change.from);
                change.epoch = effect::epoch(owned).unwrap_or(0);
                let kind = text(owned, "kind");
                if !kind.is_empty() && kind != change.kind {
                    change.enter(ChangePhase::Aborted, format!("the subject is a {kind}, not a {}", change.kind), now);
                } else if change.from == change.to {
                    change.enter(ChangePhase::Done, "it is there already", now);
                } else if self.region(&change.from).is_none() && !change.forced {
                    let says = format!(
                        "its home is {:?}, which this topology does not know; if it is gone for good, say accept_loss: true",
                        change.from
                    );
                    change.enter(ChangePhase::Aborted, says, now);
                } else {
                    change.enter(ChangePhase::Checking, "preflight", now);
                }
            }
            Heard::Said(..) | Heard::Nothing(_) | Heard::Elapsed => {
                change.enter(ChangePhase::Aborted, "the directory does not answer; try again", now);
            }
        }
    }

    /// Nobody has asked for its home yet. Where its data is already, the topology may know: then that is its home first.
    fn homeless(&mut self, change: &mut Change) {
        let now = self.now.0;
        let topology = &self.settings.topology;
        let first = SubjectKind::parse(&change.kind).and_then(|kind| topology.identity().first_home(kind));
        match first.map(|home| topology.region(home).name.clone()).filter(|home| *home != change.to) {
            Some(home) if change.dry_run => {
                change.enter(ChangePhase::Done, format!("the subject has no home yet; its first one is {home}"), now);
            }
            Some(home) => {
                let subject = change.subject().unwrap_or("");
                let assign = effect::assign((subject, &change.kind), &home, &effect::tag(change, "directory"));
                self.effects.push(assign);
            }
            None if change.dry_run => change.enter(ChangePhase::Done, "the subject has no home yet", now),
            None => change.enter(ChangePhase::Recording, "the subject has no home yet", now),
        }
    }

    fn pausing(&mut self, change: &mut Change, heard: &Heard<'_>) {
        let now = self.now.0;
        match heard {
            Heard::Said(200, body) => {
                change.waiting = positions(change, body);
                change.silent = change.waiting.len() < change.datasets.len();
                if change.silent && change.needed() > change.most_waited() {
                    let (needed, most) = (change.needed(), change.most_paused());
                    let says = format!(
                        "not all positions are reported, so {needed} ms must pass, and writers may be refused for {most} ms at most"
                    );
                    return change.enter(ChangePhase::Resuming, says, now);
                }
                let says = format!("writes at {} wait until {} has caught up", change.from, change.to);
                change.enter(ChangePhase::Waiting, says, now);
            }
            Heard::Said(409, body) => {
                change.enter(ChangePhase::Aborted, format!("{} refuses to pause: {}", change.from, brief(body)), now)
            }
            other => self.again(change, other),
        }
    }

    fn waiting(&mut self, change: &mut Change, slot: &str, heard: &Heard<'_>) {
        let now = self.now.0;
        // An answer about the dataset before may come twice.
        let slot_is_next = change.waiting.first().is_some_and(|(dataset, _)| dataset == slot);
        let waited = now.saturating_sub(change.since);
        match heard {
            Heard::Said(200, body) if slot_is_next && *get(body, "reached") == Value::Bool(true) => {
                change.waiting.remove(0);
                change.seen = None;
                if !change.waiting.is_empty() || (change.silent && waited < change.needed()) {
                    self.compare(change);
                } else {
                    change.enter(ChangePhase::Revoking, format!("{} has caught up", change.to), now);
                }
            }
            Heard::Elapsed if change.waiting.is_empty() && waited >= change.needed() => {
                change.enter(
                    ChangePhase::Revoking,
                    "not all positions are reported; ten times the lag has passed",
                    now,
                );
            }
            _ if waited >= change.wait() || change.is_too_late(now) => {
                let says = format!("{} did not catch up within {waited} ms", change.to);
                change.enter(ChangePhase::Resuming, says, now);
            }
            // Whoever waits for what will not come is kept waiting for nothing.
            Heard::Said(200, body) if slot_is_next => match change.stands_still(body, now) {
                Some(says) => change.enter(ChangePhase::Resuming, says, now),
                None => self.effects.push(after(NOT_YET, &tag(change, "time"))),
            },
            Heard::Said(200, _) => self.effects.push(after(NOT_YET, &tag(change, "time"))),
            other => self.again(change, other),
        }
    }

    fn deposing(&mut self, change: &mut Change, heard: &Heard<'_>) {
        let now = self.now.0;
        match heard {
            Heard::Said(200, _) => change.enter(ChangePhase::Granting, format!("{} owns it no more", change.from), now),
            Heard::Said(409, body) if text(body, "state") == "not-paused" => {
                let says = format!("the pause ran out before {} could be deposed; it serves on", change.from);
                change.enter(ChangePhase::Aborted, says, now);
            }
            Heard::Said(409, body) => {
                change.enter(
                    ChangePhase::Aborted,
                    format!("{} refuses to be deposed: {}", change.from, brief(body)),
                    now,
                );
            }
            other => self.again(change, other),
        }
    }

    fn granting(&mut self, change: &mut Change, heard: &Heard<'_>) {
        let now = self.now.0;
        let says = format!("{} owns it by epoch {}", change.to, change.epoch + 1);
        match heard {
            Heard::Said(200, _) if change.subject().is_some() => change.enter(ChangePhase::Recording, says, now),
            Heard::Said(200, _) => {
                let owned = Owned { home: change.to.clone(), epoch: change.epoch + 1 };
                self.ledger.datasets.insert(change.unit.clone(), owned);
                self.ledger.version += 1;
                self.publish();
                change.enter(ChangePhase::Done, says, now);
            }
            Heard::Said(409, body) => {
                change.enter(ChangePhase::Aborted, format!("{} knows a later owner: {}", change.to, brief(body)), now)
            }
            other => self.again(change, other),
        }
    }

    fn recording(&mut self, change: &mut Change, heard: &Heard<'_>) {
        match heard {
            Heard::Said(200, owned) if text(owned, "home") != change.to => {
                let says = format!("the directory knows a later home: {}", brief(owned));
                change.enter(ChangePhase::Aborted, says, self.now.0);
            }
            Heard::Said(200, owned) => {
                // Of somebody whom it did not know the directory says by which epoch.
                let epoch = effect::epoch(owned).unwrap_or(change.epoch + 1);
                if let Some(subject) = change.subject() {
                    let home = HomeRecord::new(&change.to, epoch).text();
                    self.effects.push(effect::publish(&format!("home:{subject}"), &home, &Value::Null));
                }
                let says = format!("{} owns it by epoch {epoch}", change.to);
                change.enter(ChangePhase::Done, says, self.now.0);
            }
            other => self.again(change, other),
        }
    }

    fn resuming(&mut self, change: &mut Change, heard: &Heard<'_>) {
        let now = self.now.0;
        let says = format!("{}; {} serves on", change.says, change.from);
        match heard {
            Heard::Said(200, _) => change.enter(ChangePhase::Aborted, says, now),
            // By now the pause has ended by itself.
            _ if now.saturating_sub(change.since) > change.most_paused() => {
                change.enter(ChangePhase::Aborted, says, now)
            }
            other => self.again(change, other),
        }
    }

    /// Nobody answered, or not as one should: the same again, a little later. When that time is over, [`AuthorityTurn::heard`] asks.
    fn again(&mut self, change: &mut Change, heard: &Heard<'_>) {
        match heard {
            Heard::Said(status, _) => {
                change.says = format!("{:?} was answered with {status}; trying again", change.phase)
            }
            Heard::Nothing(why) => change.says = format!("{:?}: {why}; trying again", change.phase),
            Heard::Elapsed => return,
        }
        self.effects.push(after(AGAIN, &tag(change, "time")));
    }

    /// A change is over: it is noted, and if it is to be undone, the way back begins.
    pub(super) fn over(&mut self, change: &Change) {
        self.effects.push(effect::audit(&json!({
            "at": self.now.0, "change": change.id, "actor": change.actor, "what": change.says, "unit": change.unit,
            "from": change.from, "to": change.to, "phase": change.phase, "paused_ms": change.paused_for,
            "version": self.ledger.version,
        })));
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
                reason: format!("{} was aborted too late to stop it, so it is undone", change.id),
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
