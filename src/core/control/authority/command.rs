//! What an operator may ask of the authority, as it is read from JSON.

use std::time::Duration;

use serde_json::{Map, Value};

use super::drills::Wanted;
use crate::state::published::RegionState;
use crate::{
    model::{
        ids::{DatasetId, RegionId},
        subject::{ID_LENGTH, SubjectId},
        time::{Timestamp, millis},
    },
    topology::{
        Topology,
        dataset::{MAX_PAUSE, Rule, SubjectKind},
        units,
    },
};

/// The longest request id, actor or reason.
const LONGEST_TEXT: usize = 200;

/// One order of an operator.
#[derive(Clone, Debug)]
pub struct Order {
    /// The id of the request: the same one again is the same order, and is carried out once.
    pub request: String,
    /// Who.
    pub actor: String,
    /// Why.
    pub reason: String,
    /// Only say what would be done.
    pub dry_run: bool,
    /// Carry it out only if the ledger still has this version: nothing has changed since it was looked at.
    pub version: Option<u64>,
    /// How long writers may be refused, in milliseconds, where it is not as configured.
    pub max_pause: Option<u64>,
    /// Go on although acknowledged writes may be lost, or a home be without writes.
    pub accept_loss: bool,
    /// What.
    pub command: Command,
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// A region takes part in another way for some time.
    State(RegionId, RegionState, Timestamp),
    /// A dataset gets another home.
    Promote(DatasetId, RegionId),
    /// All that has its home in one region gets it in another.
    PromoteRegion(RegionId, RegionId),
    /// A subject gets another home.
    Move(SubjectKind, SubjectId, RegionId),
    /// A change that is under way is given up.
    Abort(String),
    /// An isolation drill begins.
    Drill(Wanted),
    /// The drill of that name ends, or whichever is on (`all`).
    StopDrill(String),
}

/// Why an order is not carried out: status, and what was found, what was expected and what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The HTTP status.
    pub status: u16,
    /// The sentence.
    pub detail: String,
}

impl Refusal {
    /// It as problem details (RFC 9457).
    #[must_use]
    pub fn body(&self) -> Value {
        super::turn::problem(self.status, &self.detail)
    }

    /// The order itself cannot be understood.
    pub(super) fn malformed(detail: impl Into<String>) -> Self {
        Self { status: 400, detail: detail.into() }
    }

    /// It is understood and goes against a rule, or what is the case.
    pub(super) fn conflict(detail: impl Into<String>) -> Self {
        Self { status: 409, detail: detail.into() }
    }
}

/// Reads an order.
///
/// # Errors
/// With the first thing in it that is not as it must be.
pub fn read(text: &str, topology: &Topology, now: Timestamp) -> Result<Order, Refusal> {
    let order: Value = serde_json::from_str(text)
        .map_err(|error| Refusal::malformed(format!("The order is no JSON: {error}. Send an object.")))?;
    let Value::Object(order) = order else {
        return Err(Refusal::malformed("The order is JSON, but no object. Send {\"command\": …}."));
    };
    let fields = Fields { order: &order, topology };
    Ok(Order {
        request: fields.text("request")?.to_owned(),
        actor: fields.text("actor")?.to_owned(),
        reason: fields.text("reason")?.to_owned(),
        dry_run: fields.flag("dry_run")?,
        version: fields.version()?,
        max_pause: fields.max_pause()?,
        accept_loss: fields.flag("accept_loss")?,
        command: fields.command(now)?,
    })
}

/// The fields of an order.
pub(super) struct Fields<'a> {
    pub(super) order: &'a Map<String, Value>,
    pub(super) topology: &'a Topology,
}

impl<'a> Fields<'a> {
    fn command(&self, now: Timestamp) -> Result<Command, Refusal> {
        match self.text("command")? {
            "state" => Ok(Command::State(self.region("region")?, self.state()?, self.until(now)?)),
            "promote" => Ok(Command::Promote(self.dataset()?, self.region("to")?)),
            "promote-region" => {
                let (from, to) = (self.region("region")?, self.region("to")?);
                if from == to {
                    let detail = "region and to are the same region. Name another one in to.";
                    return Err(Refusal::conflict(detail));
                }
                Ok(Command::PromoteRegion(from, to))
            }
            "move" => {
                let (kind, to) = (self.kind()?, self.region("to")?);
                if !self.topology.residency(kind).contains(to) {
                    let to = &self.topology.region(to).name;
                    let detail =
                        format!("to is {to:?}, where such a subject may not live. Name a region of its datasets.");
                    return Err(Refusal::conflict(detail));
                }
                Ok(Command::Move(kind, self.subject()?, to))
            }
            "abort" => Ok(Command::Abort(self.text("change")?.to_owned())),
            "drill" => Ok(Command::Drill(self.drill()?)),
            "stop-drill" => Ok(Command::StopDrill(self.text("drill")?.to_owned())),
            other => {
                let known =
                    "\"state\", \"promote\", \"promote-region\", \"move\", \"abort\", \"drill\" or \"stop-drill\"";
                Err(wrong("command", other, known))
            }
        }
    }

    pub(super) fn text(&self, key: &str) -> Result<&'a str, Refusal> {
        match self.order.get(key) {
            Some(Value::String(text)) if text.chars().any(char::is_control) => {
                let detail = format!("{key} is {text:?}; expected a text without control characters. Leave them out.");
                Err(Refusal::malformed(detail))
            }
            Some(Value::String(text)) if !text.is_empty() && text.len() <= LONGEST_TEXT => Ok(text),
            found => {
                let found = found.map_or("nothing".to_owned(), Value::to_string);
                let detail = format!("{key} is {found:.80}; expected a text of 1 to {LONGEST_TEXT} bytes. Add it.");
                Err(Refusal::malformed(detail))
            }
        }
    }

    pub(super) fn flag(&self, key: &str) -> Result<bool, Refusal> {
        match self.order.get(key) {
            None => Ok(false),
            Some(Value::Bool(flag)) => Ok(*flag),
            Some(found) => Err(Refusal::malformed(format!("{key} is {found}; expected true or false."))),
        }
    }

    fn version(&self) -> Result<Option<u64>, Refusal> {
        match self.order.get("version") {
            None => Ok(None),
            Some(found) => found.as_u64().map(Some).ok_or_else(|| {
                let expected = "the number that was shown as the authority's version";
                Refusal::malformed(format!(
                    "version is {found}; expected {expected}. Leave it out to go on in any case."
                ))
            }),
        }
    }

    fn max_pause(&self) -> Result<Option<u64>, Refusal> {
        if !self.order.contains_key("max_pause") {
            return Ok(None);
        }
        let text = self.text("max_pause")?;
        let (least, most) = (Duration::from_secs(MAX_PAUSE.0), Duration::from_secs(MAX_PAUSE.1));
        let span = units::duration(text).filter(|span| (least..=most).contains(span));
        span.map(|span| Some(millis(span))).ok_or_else(|| wrong("max_pause", text, "a time such as \"5s\", 1s to 60s"))
    }

    pub(super) fn region(&self, key: &str) -> Result<RegionId, Refusal> {
        self.region_named(key, self.text(key)?)
    }

    pub(super) fn region_named(&self, key: &str, name: &str) -> Result<RegionId, Refusal> {
        let names = || self.topology.regions().map(|(_, region)| format!("{:?}", region.name)).collect::<Vec<_>>();
        self.topology.region_named(name).ok_or_else(|| wrong(key, name, &format!("a region: {}", names().join(", "))))
    }

    fn dataset(&self) -> Result<DatasetId, Refusal> {
        let name = self.text("dataset")?;
        let single = |id: &DatasetId| {
            matches!(self.topology.dataset(*id).map(|dataset| &dataset.rule), Some(Rule::SingleWriter { .. }))
        };
        self.topology.dataset_named(name).filter(single).ok_or_else(|| {
            let names =
                self.topology.datasets().filter(|(id, _)| single(id)).map(|(_, dataset)| format!("{:?}", dataset.name));
            let expected = format!("a single-writer dataset: {}", names.collect::<Vec<_>>().join(", "));
            wrong("dataset", name, &expected)
        })
    }

    pub(super) fn kind(&self) -> Result<SubjectKind, Refusal> {
        let text = self.text("kind")?;
        SubjectKind::parse(text).ok_or_else(|| wrong("kind", text, "\"user\" or \"tenant\""))
    }

    fn subject(&self) -> Result<SubjectId, Refusal> {
        let text = self.text("subject")?;
        SubjectId::parse(text).ok_or_else(|| wrong("subject", text, &format!("an id of {ID_LENGTH} letters")))
    }

    fn state(&self) -> Result<RegionState, Refusal> {
        let text = self.text("state")?;
        let names = || RegionState::ALL.map(RegionState::token).join(", ");
        RegionState::parse(text).ok_or_else(|| wrong("state", text, &format!("one of {}", names())))
    }

    /// When the state ends; nothing but `active` is for ever.
    fn until(&self, now: Timestamp) -> Result<Timestamp, Refusal> {
        if self.state()? == RegionState::Active {
            return Ok(now);
        }
        let text = self.text("for")?;
        let span = units::duration(text).ok_or_else(|| wrong("for", text, "a time such as \"30m\", 72h at most"))?;
        Ok(now.after(span))
    }
}

/// A field that is not as it must be.
pub(super) fn wrong(key: &str, found: &str, expected: &str) -> Refusal {
    Refusal::malformed(format!("{key} is {found:?}; expected {expected}."))
}
