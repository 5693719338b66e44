//! The authority: who owns what, and what operators have said of the regions. One object keeps it, the edges read what it
//! publishes, and no request waits for it.
//!
//! It is a state machine like a request's flow: `turn` takes what comes in (an order, what came of an effect, a tick) and
//! says what to do. The driver stores the ledger first, and may die at any point: what is under way is asked for again.

mod abort;
mod asking;
mod begin;
mod drills;
pub mod effect;
mod evacuation;
mod firsts;
mod guards;
pub mod homes;
mod lease;
pub mod ledger;
mod notify;
mod on_reply;
pub mod orders;
mod pause;
mod preflight;
mod problem;
mod turn;

use serde_json::{Value, json};

pub use self::{
    effect::{ADDRESS, nonced},
    ledger::{
        Ledger, Owned, Unreadable,
        change::{Change, ChangePhase},
        evacuation::Evacuation,
        notice::PendingNotice,
    },
    orders::command::OrderRefusal,
};
use self::{
    ledger::SLOW_TICK,
    orders::command::{Command, Order},
    problem::problem,
    turn::{AuthorityTurn, UNANSWERED},
};
use crate::{
    model::{formats, time::Timestamp},
    topology::settings::Settings,
};

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
    let mut turn = AuthorityTurn { ledger, settings, now, effects: Vec::new() };
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

impl AuthorityTurn<'_> {
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
        let read = orders::read(text, &self.settings.topology, self.now);
        let replied = read.and_then(|order| Ok((self.ledger.replies.given(&order)?, order)));
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
                self.ledger.replies.keep(&order, status, &body);
                (status, body)
            }
            Err(refusal) => {
                self.note(&order, &refusal.detail);
                (refusal.status, problem(refusal.status, &refusal.detail))
            }
        }
    }

    fn carry_out(&mut self, order: &Order) -> Result<(u16, Value), OrderRefusal> {
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
            Command::PromoteRegion(from, to) => self.evacuate(order, *from, *to),
            Command::Abort(id) => self.abort(order, id),
            Command::Drill(wanted) => self.drill(order, wanted),
            Command::StopDrill(id) => self.stop_drill(order, id),
        }
    }

    /// Asks again for what was not answered: the driver may have died in between.
    fn tick(&mut self) {
        self.note_firsts();
        let late = |change: &&Change| !change.phase.is_over() && self.now.0.saturating_sub(change.asked) > UNANSWERED;
        let ids: Vec<String> = self.ledger.changes.iter().filter(late).map(|change| change.id.clone()).collect();
        for id in ids {
            self.ask(&id);
        }
        self.go_on_evacuating();
        self.renew();
        self.tell();
        if self.ledger.stored != self.ledger.version {
            self.publish();
        }
    }
}
