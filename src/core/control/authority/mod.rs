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
pub(crate) mod input;
mod lease;
pub mod ledger;
mod notify;
mod on_reply;
pub(crate) mod orders;
pub(crate) mod outcome;
mod pause;
mod preflight;
mod said;
mod turn;

use serde_json::json;

pub use self::{
    effect::{ADDRESS, Effect, RegionCall, Tag, nonced},
    input::{EffectResult, Heard, Input},
    ledger::{
        Ledger, Owned, Unreadable,
        change::{Change, ChangePhase},
        evacuation::Evacuation,
        notice::PendingNotice,
    },
    orders::command::OrderRefusal,
    outcome::{Reply, TurnError, TurnOutcome},
};
use self::{
    ledger::SLOW_TICK,
    orders::command::{Command, Order},
    turn::{AuthorityTurn, UNANSWERED},
};
use crate::{
    model::{
        formats,
        time::{Timestamp, millis},
    },
    topology::settings::Settings,
};

/// One turn: what comes in, and what that comes to.
///
/// # Errors
/// If the ledger cannot be read: nothing is decided then.
pub fn take(ledger: &str, input: Input, settings: &Settings, now: Timestamp) -> Result<TurnOutcome, TurnError> {
    take_turn(ledger, || Ok(input), settings, now)
}

/// The same with the input as text.
///
/// # Errors
/// If the ledger or the input cannot be read: nothing is decided then.
pub fn take_text(ledger: &str, input: &str, settings: &Settings, now: Timestamp) -> Result<TurnOutcome, TurnError> {
    take_turn(ledger, || Input::parse(input), settings, now)
}

/// The same, all as text.
///
/// # Errors
/// If the ledger or the input cannot be read: nothing is decided then.
pub fn turn(ledger: &str, input: &str, settings: &Settings, now: Timestamp) -> Result<String, TurnError> {
    take_text(ledger, input, settings, now).map(|outcome| outcome.text())
}

/// The ledger is read first: before that of a later version this one stands aside, whatever comes in.
fn take_turn(
    held: &str,
    input: impl FnOnce() -> Result<Input, TurnError>,
    settings: &Settings,
    now: Timestamp,
) -> Result<TurnOutcome, TurnError> {
    let ledger = match Ledger::read(held) {
        Ok(ledger) => ledger,
        Err(Unreadable::Later(format)) => return Ok(stand_aside(held, format)),
        Err(Unreadable::Broken(error)) => return Err(TurnError::Ledger(error)),
    };
    let mut turn = AuthorityTurn { ledger, settings, now, effects: Vec::new() };
    let reply = turn.take(input()?);
    let ledger = serde_json::to_string(&turn.ledger).map_err(|error| TurnError::Unwritable(error.to_string()))?;
    let wake = [turn.ledger.wake(), turn.next_renewal(), turn.ledger.drill_ends(now)].into_iter().flatten().min();
    Ok(TurnOutcome { ledger, effects: turn.effects, reply, wake })
}

/// What a version does that meets the ledger of a later one, as while that one is deployed or rolled back: nothing, and it says so. It
/// looks again, for whatever is under way must not stand still once the later version is back.
fn stand_aside(ledger: &str, format: u64) -> TurnOutcome {
    let known = formats::LEDGER;
    let detail = format!(
        "The authority's ledger has format {format}; this version knows only up to {known}, so it changes nothing. \
         Requests continue with the last view. Deploy the version that wrote it, or a later one, for all traffic; then order again."
    );
    let reply = Some(Reply::problem(503, &detail));
    TurnOutcome { ledger: ledger.to_owned(), effects: Vec::new(), reply, wake: Some(SLOW_TICK) }
}

impl AuthorityTurn<'_> {
    fn take(&mut self, input: Input) -> Option<Reply> {
        self.end_drill();
        match input {
            Input::Order { order } => Some(self.order(&order)),
            Input::Show => Some(Reply::done(self.ledger.show(&self.settings.topology, self.now))),
            Input::View => Some(self.view()),
            Input::Change { id } => Some(match self.ledger.shown(&id) {
                Some(change) => Reply::done(change),
                None => Reply::problem(404, &format!("There is no change {id:?}.")),
            }),
            Input::Drills { id } => Some(self.ledger.shown_drills(&id)),
            Input::Drilled { drill, rows } => Some(self.drilled(&drill, rows)),
            Input::Heard(heard) => {
                self.heard(heard);
                None
            }
            Input::Tick => {
                self.tick();
                None
            }
        }
    }

    fn order(&mut self, text: &str) -> Reply {
        let order = match orders::read(text, &self.settings.topology, self.now) {
            Ok(order) => order,
            Err(refusal) => return Reply::from(&refusal),
        };
        match self.ledger.replies.given(&order, &self.settings.topology) {
            Ok(Some(before)) => return Reply { status: before.status, body: before.body.clone() },
            Ok(None) => {}
            Err(refusal) => return Reply::from(&refusal),
        }
        match self.carry_out(&order) {
            Ok(reply) => {
                self.ledger.replies.keep(&order, &self.settings.topology, (reply.status, &reply.body));
                reply
            }
            Err(refusal) => {
                self.note(&order, &refusal.detail);
                Reply::from(&refusal)
            }
        }
    }

    fn carry_out(&mut self, order: &Order) -> Result<Reply, OrderRefusal> {
        self.ledger.is_as_expected(order)?;
        let topology = &self.settings.topology;
        match &order.command {
            Command::State(region, state, until) => {
                self.ledger.say(order, (*region, *state, *until), topology, self.now)?;
                let says = format!("{} is {}", topology.region(*region).name, state.token());
                if !order.dry_run {
                    self.publish();
                    self.note(order, &says);
                }
                let version = self.ledger.version;
                Ok(Reply::done(json!({ "says": says, "until": until, "dry_run": order.dry_run, "version": version })))
            }
            Command::Promote(dataset, to) => {
                let to = topology.region(*to).name.clone();
                match self.promotion(*dataset, &to) {
                    Ok(change) => self.begin(order, change),
                    Err(says) => Ok(Reply::done(json!({ "says": says }))),
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
        let late = |change: &&Change| !change.phase.is_over() && millis(self.now.since(change.asked)) > UNANSWERED;
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
