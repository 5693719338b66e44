//! A whole region's share goes to another one: every single-writer dataset that it is the home of, and every subject that lives
//! there. Each of them is a change of its own, so what was moved stays moved if the rest is given up.
//!
//! Subjects get the old region as their home behind the place that the sweep has come to, so it lists from the start until a whole
//! list brings nobody new; and once more when every home that was tentative then has gone or been kept for good.

use std::time::Duration;

use serde_json::{Value, json};

use super::{
    effect::{AuditLine, Effect, Tag},
    ledger::{
        change::{Change, ChangePhase},
        evacuation::Evacuation,
    },
    orders::command::{Order, OrderRefusal},
    outcome::Reply,
    said::text,
    turn::{AuthorityTurn, UNANSWERED},
};
use crate::{
    model::{
        ids::RegionId,
        subject::{SubjectId, SubjectKind},
        time::millis,
    },
    state::published::RegionState,
    topology::dataset::Rule,
};

/// How many subjects move at a time.
const AT_ONCE: usize = 8;
/// How many subjects the directory is asked for at once.
const PAGE: u64 = 64;
/// The most sweeps that are remembered.
const MOST_KEPT: usize = 20;
/// After how long it lists once more: a home is tentative for ten minutes (`TENTATIVE_MS` of the directory), and
/// edges may be a minute late to hear of a drain.
const LOOKS_AGAIN: Duration = Duration::from_secs(660);

/// To whom the directory's word belongs.
fn tag(sweep: &Evacuation) -> Tag {
    Tag::Evacuation { sweep: sweep.id.clone(), step: sweep.step }
}

impl AuthorityTurn<'_> {
    /// Begins one.
    pub(super) fn evacuate(&mut self, order: &Order, from: RegionId, to: RegionId) -> Result<Reply, OrderRefusal> {
        let topology = &self.settings.topology;
        let (from, to) = (topology.region(from).name.clone(), topology.region(to).name.clone());
        self.ledger.takes_over(&to, self.now)?;
        if let Some(other) = self.ledger.sweeps.iter().find(|sweep| sweep.is_on()) {
            let detail = format!("{} is under way. Wait for it, or abort it.", other.id);
            return Err(OrderRefusal::conflict(detail));
        }
        // Two that look again would send a subject there and back.
        self.ledger.sweeps.iter_mut().filter(|_| !order.dry_run).for_each(|sweep| sweep.looks_again = None);
        if self.ledger.sweeps.len() >= MOST_KEPT {
            self.ledger.sweeps.remove(0);
        }
        let sweep = Evacuation {
            id: self.ledger.name("sweep"),
            forced: order.accept_loss,
            dry_run: order.dry_run,
            max_pause: order.max_pause,
            actor: order.actor.clone(),
            reason: order.reason.clone(),
            began: self.now,
            says: format!("the directory is asked who lives in {from}"),
            drained: self.ledger.state(&from, self.now) != RegionState::Active,
            from,
            to,
            ..Evacuation::default()
        };
        self.note(order, &format!("{} begins: all of {} to {}", sweep.id, sweep.from, sweep.to));
        let sweep = self.with_datasets(sweep);
        self.ask_directory(sweep.clone());
        Ok(Reply::begun(json!({ "sweep": sweep })))
    }

    fn with_datasets(&mut self, mut sweep: Evacuation) -> Evacuation {
        let topology = &self.settings.topology;
        let changes = topology.datasets().filter_map(|(id, _)| self.promotion(id, &sweep.to).ok());
        let owned: Vec<_> = changes.filter(|change| change.from == sweep.from).collect();
        for change in owned {
            self.begin_part(&mut sweep, change);
        }
        sweep
    }

    fn begin_part(&mut self, sweep: &mut Evacuation, change: Change) {
        // It may move already by an order of its own.
        if self.ledger.is_moving(&change.unit) {
            sweep.given_up(change.subject().is_some());
            return;
        }
        let (forced, dry_run) = (sweep.forced, sweep.dry_run);
        let (actor, reason, of) = (sweep.actor.clone(), sweep.reason.clone(), sweep.id.clone());
        let max_pause = self.max_pause(&change.datasets, sweep.max_pause);
        let id = self.ledger.add(Change { forced, dry_run, max_pause, actor, reason, sweep: of, ..change }, self.now);
        self.ask(&id);
        sweep.running.push(id);
    }

    /// Asks the directory for what the sweep needs next, and keeps it.
    fn ask_directory(&mut self, mut sweep: Evacuation) {
        sweep.step += 1;
        sweep.asking = true;
        sweep.asked = self.now;
        let (home, tag) = (sweep.from.clone(), tag(&sweep));
        self.effects.push(if sweep.subjects.is_none() {
            Effect::Count { home, tag }
        } else {
            Effect::List { home, after: sweep.after.clone(), most: PAGE, tag }
        });
        self.put(sweep);
    }

    fn put(&mut self, sweep: Evacuation) {
        match self.ledger.sweeps.iter_mut().find(|held| held.id == sweep.id) {
            Some(held) => *held = sweep,
            None => self.ledger.sweeps.push(sweep),
        }
    }

    /// The directory has answered, or not: then a tick asks again.
    pub(super) fn directory_said(&mut self, id: &str, step: u32, body: Option<&Value>) {
        let Some(mut sweep) = self.ledger.sweeps.iter().find(|sweep| sweep.id == id && sweep.is_on()).cloned() else {
            return;
        };
        let Some(body) = body.filter(|_| sweep.step == step) else { return };
        sweep.asking = false;
        if sweep.subjects.is_none() {
            sweep.subjects = Some(body.as_u64().unwrap_or(0));
            sweep.listed = sweep.dry_run;
        } else {
            let page = body.as_array().map_or(&[][..], Vec::as_slice);
            sweep.listed = page.is_empty();
            sweep.lists = sweep.lists.max(1);
            for entry in page {
                let (subject, kind) = (text(entry, "subject"), text(entry, "kind"));
                subject.clone_into(&mut sweep.after);
                sweep.waiting.push((subject.to_owned(), kind.to_owned()));
            }
        }
        self.go_on(sweep);
    }

    /// A part of it is over.
    pub(super) fn part_is_over(&mut self, change: &Change) {
        let Some(mut sweep) = self.ledger.sweeps.iter().find(|sweep| sweep.id == change.sweep).cloned() else { return };
        sweep.running.retain(|id| *id != change.id);
        if change.phase == ChangePhase::Done {
            sweep.done += 1;
            sweep.moved += u64::from(change.subject().is_some() && !change.dry_run);
        } else {
            sweep.given_up(change.subject().is_some());
        }
        self.go_on(sweep);
    }

    fn go_on(&mut self, mut sweep: Evacuation) {
        // It may have been drained meanwhile.
        sweep.stopped |= self.ledger.takes_over(&sweep.to, self.now).is_err();
        while !sweep.stopped && sweep.running.len() < AT_ONCE {
            let Some((subject, kind)) = sweep.waiting.pop() else { break };
            match self.part(&sweep, &subject, &kind) {
                Some(change) => self.begin_part(&mut sweep, change),
                None => sweep.stays += 1,
            }
        }
        let (done, failed, stays) = (sweep.done, sweep.failed, sweep.stays);
        sweep.says = format!("{done} done, {failed} given up, {stays} may not live in {}", sweep.to);
        let asked_for_all = sweep.stopped || (sweep.listed && sweep.waiting.is_empty());
        if asked_for_all && sweep.running.is_empty() {
            if sweep.is_worth_another_list() {
                sweep.list_again();
                return self.ask_directory(sweep);
            }
            sweep.ended = Some(self.now);
            sweep.looks_again =
                Some(self.now.after(LOOKS_AGAIN)).filter(|_| !sweep.late && !sweep.stopped && !sweep.dry_run);
            self.audit(AuditLine::Evacuation {
                at: self.now,
                change: sweep.id.clone(),
                actor: sweep.actor.clone(),
                what: sweep.says.clone(),
                from: sweep.from.clone(),
                to: sweep.to.clone(),
                version: self.ledger.version,
            });
            return self.put(sweep);
        }
        if !asked_for_all && sweep.waiting.is_empty() && !sweep.asking {
            return self.ask_directory(sweep);
        }
        self.put(sweep);
    }

    /// The move of one subject; none if it may not live in the new region.
    fn part(&self, sweep: &Evacuation, subject: &str, kind: &str) -> Option<Change> {
        let topology = &self.settings.topology;
        let to = topology.region_named(&sweep.to)?;
        let kind = SubjectKind::parse(kind)?;
        let is_split = |rule: &Rule| matches!(rule, Rule::GeoPartitioned { subject, .. } if *subject == kind);
        let exists = topology.datasets().any(|(_, dataset)| is_split(&dataset.rule));
        if !exists || !topology.residency(kind).contains(to) {
            return None;
        }
        Some(self.moving(kind, &SubjectId::parse(subject)?, to))
    }

    /// Asks again for what the directory did not answer, and looks for those who came late.
    pub(super) fn go_on_evacuating(&mut self) {
        let due = |sweep: &&Evacuation| sweep.looks_again.is_some_and(|at| at <= self.now);
        let due: Vec<_> = self.ledger.sweeps.iter().filter(due).cloned().collect();
        for mut sweep in due {
            sweep.looks_again = None;
            // Whoever is new there by now is meant to be.
            if sweep.drained && self.ledger.state(&sweep.from, self.now) == RegionState::Active {
                self.put(sweep);
                continue;
            }
            (sweep.late, sweep.ended) = (true, None);
            sweep.list_again();
            self.ask_directory(sweep);
        }
        let late = |sweep: &&Evacuation| {
            sweep.is_on() && sweep.asking && !sweep.stopped && millis(self.now.since(sweep.asked)) > UNANSWERED
        };
        let late: Vec<_> = self.ledger.sweeps.iter().filter(late).cloned().collect();
        for sweep in late {
            self.ask_directory(sweep);
        }
    }

    /// Stops a sweep, if that is what the id names: changes that are under way come to their end.
    pub(super) fn abort_evacuation(&mut self, order: &Order, id: &str) -> Option<Result<Reply, OrderRefusal>> {
        let mut sweep = self.ledger.sweeps.iter().find(|sweep| sweep.id == id).cloned()?;
        if sweep.looks_again.is_some() && !order.dry_run {
            sweep.looks_again = None;
            self.note(order, &format!("{id} will not look for late subjects"));
            self.put(sweep);
            return Some(Ok(Reply::begun(json!({ "sweep": self.ledger.shown(id) }))));
        }
        if !sweep.is_on() {
            return Some(Err(OrderRefusal::conflict(format!("{id} has already ended: {}", sweep.says))));
        }
        if order.dry_run {
            let says = format!("{id} would be stopped");
            return Some(Ok(Reply::done(json!({ "says": says, "dry_run": true }))));
        }
        sweep.stopped = true;
        self.note(order, &format!("{id} is stopped"));
        self.go_on(sweep);
        Some(Ok(Reply::begun(json!({ "sweep": self.ledger.shown(id) }))))
    }
}
