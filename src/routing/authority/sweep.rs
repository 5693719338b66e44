//! A whole region's share goes to another one: every single-writer dataset that it is the home of, and every subject that lives
//! there. Each of them is a change of its own, so what was moved stays moved if the rest is given up.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{
    change::{Change, Phase},
    command::{Order, Refusal},
    effect::{self, text},
    turn::{Turn, UNANSWERED},
};
use crate::routing::{
    subject::SubjectId,
    topology::{RegionId, Rule, SubjectKind},
};

/// How many subjects move at a time.
const AT_ONCE: usize = 8;
/// How many subjects the directory is asked for at once.
const PAGE: u64 = 64;
/// The most sweeps that are remembered.
const MOST_KEPT: usize = 20;

/// A region's share on its way.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Sweep {
    /// Its name.
    pub id: String,
    /// Whose share.
    pub from: String,
    /// Who gets it.
    pub to: String,
    /// Without the old owner's help.
    pub forced: bool,
    /// Only the preflight.
    pub dry_run: bool,
    /// Who wants it.
    pub actor: String,
    /// Why.
    pub reason: String,
    /// When it began, in Unix milliseconds.
    pub began: u64,
    /// Whether the directory has yet to answer.
    pub asking: bool,
    /// When it was asked last.
    pub asked: u64,
    /// Counts what was asked for.
    pub step: u32,
    /// How many subjects live in the region: the preflight.
    pub subjects: Option<u64>,
    /// The subject after which the directory is asked for more.
    pub after: String,
    /// Whether the directory has named them all.
    pub listed: bool,
    /// Subjects that are known and wait for their turn: id and kind.
    pub waiting: Vec<(String, String)>,
    /// Changes that are under way.
    pub running: Vec<String>,
    /// How many changes are done.
    pub done: u64,
    /// How many were given up: those stay where they were.
    pub failed: u64,
    /// How many subjects may not live in the new region.
    pub stays: u64,
    /// No more changes begin.
    pub stopped: bool,
    /// When it was over.
    pub ended: Option<u64>,
    /// What it came to.
    pub says: String,
}

impl Sweep {
    /// Whether it is still going on.
    #[must_use]
    pub fn is_on(&self) -> bool {
        self.ended.is_none()
    }

    /// To whom the directory's word belongs.
    fn tag(&self) -> Value {
        json!({ "sweep": self.id, "step": self.step })
    }
}

impl Turn<'_> {
    /// Begins one.
    pub(super) fn sweep(&mut self, order: &Order, from: RegionId, to: RegionId) -> Result<(u16, Value), Refusal> {
        let topology = &self.settings.topology;
        let (from, to) = (topology.region(from).name.clone(), topology.region(to).name.clone());
        self.ledger.takes_over(&to, self.now)?;
        if let Some(other) = self.ledger.sweeps.iter().find(|sweep| sweep.is_on()) {
            let detail = format!("{} is under way. Wait for it, or abort it.", other.id);
            return Err(Refusal::conflict(detail));
        }
        if self.ledger.sweeps.len() >= MOST_KEPT {
            self.ledger.sweeps.remove(0);
        }
        let sweep = Sweep {
            id: self.ledger.name("sweep"),
            forced: order.accept_loss,
            dry_run: order.dry_run,
            actor: order.actor.clone(),
            reason: order.reason.clone(),
            began: self.now.0,
            says: format!("the directory is asked who lives in {from}"),
            from,
            to,
            ..Sweep::default()
        };
        self.note(order, &format!("{} begins: all of {} to {}", sweep.id, sweep.from, sweep.to));
        let sweep = self.with_datasets(sweep);
        self.ask_directory(sweep.clone());
        Ok((202, json!({ "sweep": sweep })))
    }

    fn with_datasets(&mut self, mut sweep: Sweep) -> Sweep {
        let topology = &self.settings.topology;
        let changes = topology.datasets().filter_map(|(id, _)| self.promotion(id, &sweep.to).ok());
        let owned: Vec<_> = changes.filter(|change| change.from == sweep.from).collect();
        for change in owned {
            self.begin_part(&mut sweep, change);
        }
        sweep
    }

    fn begin_part(&mut self, sweep: &mut Sweep, change: Change) {
        // It may move already by an order of its own.
        if self.ledger.is_moving(&change.unit) {
            sweep.failed += 1;
            return;
        }
        let (forced, dry_run) = (sweep.forced, sweep.dry_run);
        let (actor, reason, of) = (sweep.actor.clone(), sweep.reason.clone(), sweep.id.clone());
        let id = self.ledger.add(Change { forced, dry_run, actor, reason, sweep: of, ..change }, self.now);
        self.ask(&id);
        sweep.running.push(id);
    }

    /// Asks the directory for what the sweep needs next, and keeps it.
    fn ask_directory(&mut self, mut sweep: Sweep) {
        sweep.step += 1;
        sweep.asking = true;
        sweep.asked = self.now.0;
        self.effects.push(if sweep.subjects.is_none() {
            json!({ "do": "count", "home": sweep.from, "tag": sweep.tag() })
        } else {
            json!({ "do": "list", "home": sweep.from, "after": sweep.after, "most": PAGE, "tag": sweep.tag() })
        });
        self.put(sweep);
    }

    fn put(&mut self, sweep: Sweep) {
        match self.ledger.sweeps.iter_mut().find(|held| held.id == sweep.id) {
            Some(held) => *held = sweep,
            None => self.ledger.sweeps.push(sweep),
        }
    }

    /// The directory has answered, or not: then a tick asks again.
    pub(super) fn directory_said(&mut self, id: &str, step: u64, body: Option<&Value>) {
        let Some(mut sweep) = self.ledger.sweeps.iter().find(|sweep| sweep.id == id && sweep.is_on()).cloned() else {
            return;
        };
        let Some(body) = body.filter(|_| u64::from(sweep.step) == step) else { return };
        sweep.asking = false;
        if sweep.subjects.is_none() {
            sweep.subjects = Some(body.as_u64().unwrap_or(0));
            sweep.listed = sweep.dry_run;
        } else {
            let page = body.as_array().map_or(&[][..], Vec::as_slice);
            sweep.listed = page.is_empty();
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
        if change.phase == Phase::Done {
            sweep.done += 1;
        } else {
            sweep.failed += 1;
        }
        self.go_on(sweep);
    }

    fn go_on(&mut self, mut sweep: Sweep) {
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
            sweep.ended = Some(self.now.0);
            self.effects.push(effect::audit(&json!({
                "at": self.now.0, "change": sweep.id, "actor": sweep.actor, "what": sweep.says, "from": sweep.from,
                "to": sweep.to, "version": self.ledger.version,
            })));
            return self.put(sweep);
        }
        if !asked_for_all && sweep.waiting.is_empty() && !sweep.asking {
            return self.ask_directory(sweep);
        }
        self.put(sweep);
    }

    /// The move of one subject; none if it may not live in the new region.
    fn part(&self, sweep: &Sweep, subject: &str, kind: &str) -> Option<Change> {
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

    /// Asks again for what the directory did not answer.
    pub(super) fn go_on_sweeping(&mut self) {
        let late = |sweep: &&Sweep| {
            sweep.is_on() && sweep.asking && !sweep.stopped && self.now.0.saturating_sub(sweep.asked) > UNANSWERED
        };
        let late: Vec<_> = self.ledger.sweeps.iter().filter(late).cloned().collect();
        for sweep in late {
            self.ask_directory(sweep);
        }
    }

    /// Stops a sweep, if that is what the id names: changes that are under way come to their end.
    pub(super) fn abort_sweep(&mut self, order: &Order, id: &str) -> Option<Result<(u16, Value), Refusal>> {
        let mut sweep = self.ledger.sweeps.iter().find(|sweep| sweep.id == id).cloned()?;
        if !sweep.is_on() {
            return Some(Err(Refusal::conflict(format!("{id} is over: {}", sweep.says))));
        }
        if order.dry_run {
            return Some(Ok((200, json!({ "says": format!("{id} would be stopped"), "dry_run": true }))));
        }
        sweep.stopped = true;
        self.note(order, &format!("{id} is stopped"));
        self.go_on(sweep);
        Some(Ok((202, json!({ "sweep": self.ledger.shown(id) }))))
    }
}
