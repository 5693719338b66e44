//! One turn of the authority: something comes in, the ledger changes, and effects go out. Whoever drives it stores the ledger before
//! it does any of them; each may be done again, and its outcome comes in as another turn.

use serde_json::{Value, json};

use super::{
    change::{Change, Phase},
    command::{self, Command, Order, Refusal},
    effect,
    ledger::{Ledger, SLOW_TICK, Unreadable},
};
use crate::state::published;
use crate::{
    model::{
        formats,
        ids::{DatasetId, RegionId},
        subject::SubjectId,
        time::Timestamp,
    },
    state::view::Settings,
    topology::dataset::{Rule, SubjectKind},
};

/// How long an effect may be unanswered before it is asked for again, in milliseconds.
pub(super) const UNANSWERED: u64 = 8_000;

/// A turn.
pub struct Turn<'a> {
    pub(super) ledger: Ledger,
    pub(super) settings: &'a Settings,
    pub(super) now: Timestamp,
    pub(super) effects: Vec<Value>,
}

/// What a turn comes to, as JSON: `ledger` (a text to store), `effects`, `reply` (status and body), and after how many
/// milliseconds a tick is due (`wake`; null if nothing is under way).
///
/// # Errors
/// If the ledger or the input cannot be read: nothing is decided then.
pub fn turn(ledger: &str, input: &str, settings: &Settings, now: Timestamp) -> Result<String, String> {
    let held = ledger;
    let ledger = match Ledger::read(held) {
        Ok(ledger) => ledger,
        Err(Unreadable::Later(format)) => return Ok(stand_aside(held, format)),
        Err(Unreadable::Broken(error)) => return Err(format!("the ledger cannot be read: {error}")),
    };
    let input: Value = serde_json::from_str(input).map_err(|error| format!("the input is no JSON: {error}"))?;
    let mut turn = Turn { ledger, settings, now, effects: Vec::new() };
    let reply = turn.take(&input);
    let ledger = serde_json::to_string(&turn.ledger).map_err(|error| error.to_string())?;
    let wake = [turn.ledger.wake(), turn.next_renewal(), turn.ledger.drill_ends(now)].into_iter().flatten().min();
    let reply = reply.map(|(status, body)| json!({ "status": status, "body": body }));
    Ok(json!({ "ledger": ledger, "effects": turn.effects, "reply": reply, "wake": wake }).to_string())
}

/// What a version does that meets the ledger of a later one, as while that one is deployed or rolled back: nothing, and it says so. It
/// looks again, for whatever is under way must not stand still once the later version is back.
fn stand_aside(ledger: &str, format: u64) -> String {
    let known = formats::LEDGER;
    let detail = format!(
        "The authority's ledger is of format {format}, and this version knows {known} at most, so it changes nothing in it. \
         Requests go on by the last view. Deploy the version that has written it, or a later one, for all traffic; then order again."
    );
    let reply = json!({ "status": 503, "body": problem(503, &detail) });
    json!({ "ledger": ledger, "effects": [], "reply": reply, "wake": SLOW_TICK }).to_string()
}

impl Turn<'_> {
    fn take(&mut self, input: &Value) -> Option<(u16, Value)> {
        let text = |key: &str| input.get(key).and_then(Value::as_str).unwrap_or("");
        self.end_drill();
        match text("do") {
            "order" => Some(self.order(text("order"))),
            "show" => Some((200, self.ledger.show(&self.settings.topology, self.now))),
            "view" => Some(self.view()),
            "change" => Some(match self.ledger.shown(text("id")) {
                Some(change) => (200, change),
                None => (404, problem(404, &format!("There is no change {:?}.", text("id")))),
            }),
            "drills" => Some(self.ledger.shown_drills(text("id"))),
            "drilled" => Some(self.drilled(text("drill"), effect::get(input, "rows"))),
            "heard" => {
                self.heard(input);
                None
            }
            _ => {
                self.tick();
                None
            }
        }
    }

    fn order(&mut self, text: &str) -> (u16, Value) {
        let read = command::read(text, &self.settings.topology, self.now);
        let replied = read.and_then(|order| Ok((self.ledger.replied(&order)?, order)));
        let (order, done) = match replied {
            Ok((Some(reply), _)) => return reply,
            Ok((None, order)) => {
                let done = self.carry_out(&order);
                (order, done)
            }
            Err(refusal) => return (refusal.status, problem(refusal.status, &refusal.detail)),
        };
        match done {
            Ok((status, body)) => {
                self.ledger.reply(&order, status, &body);
                (status, body)
            }
            Err(refusal) => {
                self.note(&order, &refusal.detail);
                (refusal.status, problem(refusal.status, &refusal.detail))
            }
        }
    }

    fn carry_out(&mut self, order: &Order) -> Result<(u16, Value), Refusal> {
        self.ledger.is_as_expected(order)?;
        let topology = &self.settings.topology;
        match &order.command {
            Command::State(region, state, until) => {
                self.ledger.say(order, (*region, *state, *until), topology, self.now)?;
                let said = format!("{} is {}", topology.region(*region).name, state.token());
                if !order.dry_run {
                    self.publish();
                    self.note(order, &said);
                }
                Ok((
                    200,
                    json!({ "says": said, "until": until.0, "dry_run": order.dry_run, "version": self.ledger.version }),
                ))
            }
            Command::Promote(dataset, to) => {
                let to = topology.region(*to).name.clone();
                match self.promotion(*dataset, &to) {
                    Ok(change) => self.begin(order, change),
                    Err(says) => Ok((200, json!({ "says": says }))),
                }
            }
            Command::Move(kind, subject, to) => self.begin(order, self.moving(*kind, subject, *to)),
            Command::PromoteRegion(from, to) => self.sweep(order, *from, *to),
            Command::Abort(id) => self.abort(order, id),
            Command::Drill(wanted) => self.drill(order, wanted),
            Command::StopDrill(id) => self.stop_drill(order, id),
        }
    }

    /// The change that makes a region the home of a single-writer dataset, or why none is needed.
    pub(super) fn promotion(&self, dataset: DatasetId, to: &str) -> Result<Change, String> {
        let topology = &self.settings.topology;
        let name = topology.dataset(dataset).map(|dataset| dataset.name.clone()).unwrap_or_default();
        let Some(owned) = self.ledger.owner(dataset, topology) else {
            return Err(format!("{name} has no single owner"));
        };
        if owned.home == to {
            return Err(format!("{to} is the home of {name} already, by epoch {}", owned.epoch));
        }
        let (unit, datasets, to) = (name.clone(), vec![name], to.to_owned());
        Ok(Change { unit, datasets, from: owned.home, epoch: owned.epoch, to, ..Change::default() })
    }

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
            phase: Phase::Locating,
            ..Change::default()
        }
    }

    fn begin(&mut self, order: &Order, change: Change) -> Result<(u16, Value), Refusal> {
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
        Ok((202, json!({ "change": self.ledger.shown(&id) })))
    }

    /// Gives a change up. Once the old owner may have been deposed, the only way back is a change in the other direction. If one of
    /// the two is gone by then, the operator may give it to the other one by word, since what only the one that is gone has is lost
    /// then. Nobody else may get it: the old owner may already send its clients on to the new one, by the next epoch.
    fn abort(&mut self, order: &Order, id: &str) -> Result<(u16, Value), Refusal> {
        let now = self.now.0;
        if let Some(reply) = self.abort_sweep(order, id) {
            return reply;
        }
        let Some(at) = self.ledger.changes.iter().position(|change| change.id == id) else {
            return Err(Refusal { status: 404, detail: format!("There is no change {id:?}.") });
        };
        let Some(mut change) = self.ledger.changes.get(at).cloned().filter(|change| !change.phase.is_over()) else {
            let says = self.ledger.changes.get(at).map_or("", |change| change.says.as_str());
            return Err(Refusal::conflict(format!("{id} is over: {says}")));
        };
        if order.dry_run {
            return Ok((
                200,
                json!({ "says": format!("{id} would be given up; it is {}", change.says), "dry_run": true }),
            ));
        }
        let why = format!("aborted by {}", order.actor);
        match change.phase {
            Phase::Locating | Phase::Checking => change.enter(Phase::Aborted, why, now),
            Phase::Lapsing if !change.committed => change.enter(Phase::Aborted, why, now),
            phase if phase.is_revocable() => change.enter(Phase::Resuming, why, now),
            Phase::Deposing if order.accept_loss => {
                (change.forced, change.back) = (true, false);
                let says = format!("{why}; {} gets it without {}", change.to, change.from);
                self.force(&mut change, says);
            }
            Phase::Granting if order.accept_loss && !change.from.is_empty() => {
                change.epoch += 1;
                std::mem::swap(&mut change.from, &mut change.to);
                (change.forced, change.back) = (true, false);
                let says = format!("{why}; {} gets it back", change.to);
                self.force(&mut change, says);
            }
            _ => change.back = true,
        }
        let body = json!({ "change": change });
        if let Some(place) = self.ledger.changes.get_mut(at) {
            *place = change.clone();
        }
        self.note(order, &format!("{id} is given up"));
        if change.phase.is_over() {
            self.over(&change);
        } else {
            self.ask(id);
        }
        Ok((202, body))
    }

    /// Asks again for what was not answered: the driver may have died in between.
    fn tick(&mut self) {
        self.note_firsts();
        let late = |change: &&Change| !change.phase.is_over() && self.now.0.saturating_sub(change.asked) > UNANSWERED;
        let ids: Vec<String> = self.ledger.changes.iter().filter(late).map(|change| change.id.clone()).collect();
        for id in ids {
            self.ask(&id);
        }
        self.go_on_sweeping();
        self.renew();
        self.tell();
        if self.ledger.stored != self.ledger.version {
            self.publish();
        }
    }

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
}

/// Problem details (RFC 9457).
pub(super) fn problem(status: u16, detail: &str) -> Value {
    let title = match status {
        400 => "Bad Request",
        404 => "Not Found",
        503 => "Service Unavailable",
        _ => "Conflict",
    };
    json!({ "type": "about:blank", "title": title, "status": status, "detail": detail })
}
