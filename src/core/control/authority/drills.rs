//! Isolation drills: how one begins and ends, and what was counted of it. One is on at a time, and it always has an end.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{
    command::{Fields, Order, Refusal, wrong},
    effect,
    ledger::Ledger,
    turn::{Turn, problem},
};
use crate::state::published::RegionState;
use crate::{
    model::{
        ids::RegionId,
        time::{Timestamp, millis},
    },
    observe::tally::{Row, add_to, has_failed, total},
    state::drill::Kind,
    topology::units::{self, Share},
};

/// The least share, and the limit where none is named, in hundredths of a percent.
const LEAST_SHARE: u16 = 10;
const LIMIT: u64 = 100;
/// The most drills that are kept.
const MOST_KEPT: usize = 8;

/// A drill as it is ordered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    kind: Kind,
    region: RegionId,
    share: Share,
    span: Duration,
    limit: Option<Share>,
}

impl Fields<'_> {
    /// Reads the order of a drill.
    pub(super) fn drill(&self) -> Result<Wanted, Refusal> {
        let kind = self.text("kind")?;
        let kind = Kind::parse(kind).ok_or_else(|| wrong("kind", kind, "\"isolate\" or \"lose\""))?;
        let span = self.text("for")?;
        let span = units::duration(span).ok_or_else(|| wrong("for", span, "a time such as \"10m\", 72h at most"))?;
        Ok(Wanted { kind, region: self.region("region")?, share: self.share()?, span, limit: self.limit()? })
    }

    fn share(&self) -> Result<Share, Refusal> {
        let found = match self.order.get("percent") {
            Some(Value::String(text)) => text.clone(),
            found => found.map_or_else(|| "nothing".to_owned(), Value::to_string),
        };
        Share::parse(&format!("{}%", found.strip_suffix('%').unwrap_or(&found)))
            .filter(|share| share.hundredths() >= LEAST_SHARE)
            .ok_or_else(|| wrong("percent", &found, "a number from 0.1 to 100, with two decimals at most"))
    }

    fn limit(&self) -> Result<Option<Share>, Refusal> {
        if self.order.get("abort_if").is_none_or(Value::is_null) {
            return Ok(Share::new(LIMIT));
        }
        let text = self.text("abort_if")?;
        let plain: String = text.chars().filter(|each| !each.is_whitespace()).collect();
        if plain == "none" {
            return Ok(None);
        }
        let share = plain.strip_prefix("errors>").and_then(Share::parse);
        share.map(Some).ok_or_else(|| {
            wrong("abort_if", text, "\"errors>1%\", in quotes since a shell takes > for a file, or \"none\"")
        })
    }
}

/// A drill, as the ledger keeps it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DrillRecord {
    /// Its name.
    pub id: String,
    /// `isolate` or `lose`.
    pub kind: String,
    /// The region it is about.
    pub region: String,
    /// How many of the subjects take part, in hundredths of a percent.
    pub share: u16,
    /// The most that may go wrong, in hundredths of a percent.
    pub limit: Option<u16>,
    /// When it began, in Unix milliseconds.
    pub began: u64,
    /// When it ends at the latest.
    pub until: u64,
    /// When it ended.
    pub ended: Option<u64>,
    /// How it stands, in a sentence.
    pub says: String,
    /// Who has ordered it.
    pub actor: String,
    /// Why.
    pub reason: String,
    /// What the edges have counted.
    pub rows: Vec<Row>,
}

impl DrillRecord {
    /// What the edges need to know of it.
    pub(super) fn published(&self) -> Value {
        let Self { id, kind, region, share, limit, until, .. } = self;
        json!({ "id": id, "kind": kind, "region": region, "share": share, "limit": limit, "until": until })
    }

    /// The same without its figures, for operators.
    fn briefly(&self) -> Value {
        let percent = |hundredths: u16| Share::new(hundredths.into()).map(Share::percent);
        let Self { id, kind, region, began, until, ended, says, actor, reason, .. } = self;
        json!({
            "id": id, "kind": kind, "region": region, "percent": percent(self.share),
            "abort_if_errors_over_percent": self.limit.and_then(percent), "began": began, "until": until, "ended": ended,
            "says": says, "actor": actor, "reason": reason,
        })
    }

    /// The report.
    fn shown(&self) -> Value {
        let mut shown = self.briefly();
        if let Value::Object(fields) = &mut shown {
            fields.insert("total".to_owned(), json!(total(&self.rows)));
            fields.insert("routes".to_owned(), json!(self.rows));
        }
        shown
    }

    /// Whether too much goes wrong, and how much that is.
    fn goes_wrong(&self) -> Option<String> {
        let limit = self.limit.and_then(|limit| Share::new(limit.into()))?;
        let counts = total(&self.rows);
        if !has_failed(&counts, Some(limit)) {
            return None;
        }
        let (wrong, all) = (counts.refused.saturating_add(counts.failed), counts.requests);
        Some(format!("aborted: {wrong} of {all} requests were refused or failed, and {limit} of them were allowed"))
    }
}

impl Ledger {
    /// The drill that is on.
    pub(super) fn drill(&self) -> Option<&DrillRecord> {
        self.drills.iter().find(|drill| drill.ended.is_none())
    }

    /// The same for operators, without its figures.
    pub(super) fn drill_briefly(&self) -> Option<Value> {
        self.drill().map(DrillRecord::briefly)
    }

    /// After how many milliseconds the drill that is on ends.
    pub(super) fn drill_ends(&self, now: Timestamp) -> Option<u64> {
        self.drill().map(|drill| drill.until.saturating_sub(now.0).max(1))
    }

    /// All drills that are kept, the latest first, or the one of that name.
    pub(super) fn shown_drills(&self, id: &str) -> (u16, Value) {
        if id.is_empty() {
            return (200, json!({ "drills": self.drills.iter().rev().map(DrillRecord::shown).collect::<Vec<_>>() }));
        }
        match self.drills.iter().find(|drill| drill.id == id) {
            Some(drill) => (200, drill.shown()),
            None => (404, problem(404, &format!("There is no drill {id:?}: only the last {MOST_KEPT} are kept."))),
        }
    }

    fn end_drill(&mut self, now: Timestamp, says: String) -> Option<DrillRecord> {
        let drill = self.drills.iter_mut().find(|drill| drill.ended.is_none())?;
        (drill.ended, drill.says) = (Some(now.0.min(drill.until)), says);
        self.version += 1;
        Some(drill.clone())
    }
}

impl Turn<'_> {
    /// Begins a drill.
    pub(super) fn drill(&mut self, order: &Order, wanted: &Wanted) -> Result<(u16, Value), Refusal> {
        self.may_drill(wanted)?;
        let region = self.settings.topology.region(wanted.region).name.clone();
        let (what, until) = (said(wanted, &region), self.now.after(wanted.span).0);
        if order.dry_run {
            return Ok((200, json!({ "says": what, "until": until, "dry_run": true, "version": self.ledger.version })));
        }
        if self.ledger.drills.len() >= MOST_KEPT {
            self.ledger.drills.remove(0);
        }
        let id = self.ledger.name("drill");
        let says = format!("{id}: {what}");
        self.ledger.drills.push(DrillRecord {
            id,
            kind: wanted.kind.token().to_owned(),
            region,
            share: wanted.share.hundredths(),
            limit: wanted.limit.map(Share::hundredths),
            began: self.now.0,
            until,
            ended: None,
            says: what,
            actor: order.actor.clone(),
            reason: order.reason.clone(),
            rows: Vec::new(),
        });
        self.ledger.version += 1;
        self.publish();
        self.note(order, &format!("{says}, for {} s", millis(wanted.span) / 1000));
        let (drill, version) = (self.ledger.drill_briefly(), self.ledger.version);
        Ok((200, json!({ "says": says, "until": until, "drill": drill, "dry_run": false, "version": version })))
    }

    /// Ends the drill that is on.
    pub(super) fn stop_drill(&mut self, order: &Order, id: &str) -> Result<(u16, Value), Refusal> {
        let body = |says: String| Ok((200, json!({ "says": says, "dry_run": order.dry_run })));
        let Some(drill) = self.ledger.drill().filter(|drill| id == "all" || drill.id == id) else {
            return match self.ledger.drills.iter().find(|drill| drill.id == id) {
                Some(over) => body(format!("{id} is over already: {}", over.says)),
                None if id == "all" => body("no drill is on".to_owned()),
                None => {
                    let detail = format!("There is no drill {id:?}. Say \"all\" to stop whatever is on.");
                    Err(Refusal { status: 404, detail })
                }
            };
        };
        let says = format!("{} is stopped", drill.id);
        if !order.dry_run {
            self.ledger.end_drill(self.now, format!("stopped by {}", order.actor));
            self.publish();
            self.note(order, &says);
        }
        body(says)
    }

    /// Takes in what an edge has counted, and says whether the drill is over.
    pub(super) fn drilled(&mut self, id: &str, rows: &Value) -> (u16, Value) {
        let rows: Vec<Row> = serde_json::from_value(rows.clone()).unwrap_or_default();
        let Some(drill) = self.ledger.drills.iter_mut().find(|drill| drill.id == id) else {
            return (200, json!({ "over": true }));
        };
        rows.into_iter().for_each(|row| add_to(&mut drill.rows, row));
        if drill.ended.is_none()
            && let Some(says) = drill.goes_wrong()
        {
            self.drill_over(says);
        }
        (200, json!({ "over": self.ledger.drill().is_none_or(|drill| drill.id != id) }))
    }

    /// Ends the drill whose time is up.
    pub(super) fn end_drill(&mut self) {
        if self.ledger.drill().is_some_and(|drill| drill.until <= self.now.0) {
            self.drill_over("ended: its time was up".to_owned());
        }
    }

    fn drill_over(&mut self, says: String) {
        let Some(DrillRecord { id, region, says, reason, .. }) = self.ledger.end_drill(self.now, says) else { return };
        self.publish();
        self.effects.push(effect::audit(&json!({
            "at": self.now.0, "drill": id, "actor": "the authority", "reason": reason, "what": format!("{id} {says}"),
            "region": region, "version": self.ledger.version,
        })));
    }

    /// Whether the drill would show what it is meant to: no other is on, and whoever is left takes part in full.
    fn may_drill(&self, wanted: &Wanted) -> Result<(), Refusal> {
        let topology = &self.settings.topology;
        let name = &topology.region(wanted.region).name;
        if let Some(on) = self.ledger.drill() {
            let detail = format!("{} is on: {}. Wait for its end, or stop it: homing drill stop {0}.", on.id, on.says);
            return Err(Refusal::conflict(detail));
        }
        let others = || topology.regions().map(|(_, other)| &other.name).filter(|other| *other != name);
        let active = |region: &String| self.ledger.state(region, self.now) == RegionState::Active;
        if others().next().is_none() {
            return Err(Refusal::conflict(format!("{name:?} is the only region: there is nobody to be without.")));
        }
        match wanted.kind {
            Kind::Isolate if !active(name) => {
                let state = self.ledger.state(name, self.now).token();
                Err(Refusal::conflict(format!("{name:?} is {state}, and cannot serve alone. Make it active first.")))
            }
            Kind::Lose if !others().any(active) => {
                Err(Refusal::conflict(format!("No region but {name:?} is active. Make another one active first.")))
            }
            Kind::Isolate | Kind::Lose => Ok(()),
        }
    }
}

/// What a drill does, in a sentence without its end.
fn said(wanted: &Wanted, region: &str) -> String {
    let share = wanted.share;
    match wanted.kind {
        Kind::Isolate => format!("all regions but {region} count as unreachable for {share} of {region}'s subjects"),
        Kind::Lose => format!("{region} counts as unreachable for {share} of all subjects"),
    }
}
