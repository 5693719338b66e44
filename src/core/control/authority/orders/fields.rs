//! The fields of an order, or of a list of homes, as they are read from JSON: what was found, what was expected, what to do.

use std::time::Duration;

use serde_json::{Map, Value};

use super::command::{Command, DrillOrder, OrderRefusal};
use crate::{
    model::{
        ids::{DatasetId, RegionId},
        subject::{ID_LENGTH, SubjectId, SubjectKind},
        time::{Timestamp, millis},
    },
    state::{drill::DrillKind, published::RegionState},
    topology::{
        Topology,
        dataset::{MAX_PAUSE, Rule},
        units::{self, Share},
    },
};

/// The longest request id, actor or reason.
const LONGEST_TEXT: usize = 200;
/// The least share of a drill, and its limit where none is named, in hundredths of a percent.
const LEAST_SHARE: u16 = 10;
const LIMIT: u64 = 100;

/// The fields of an order.
pub(crate) struct OrderFields<'a> {
    pub(crate) order: &'a Map<String, Value>,
    pub(crate) topology: &'a Topology,
}

impl<'a> OrderFields<'a> {
    pub(crate) fn command(&self, now: Timestamp) -> Result<Command, OrderRefusal> {
        match self.text("command")? {
            "state" => Ok(Command::State(self.region("region")?, self.state()?, self.until(now)?)),
            "promote" => Ok(Command::Promote(self.dataset()?, self.region("to")?)),
            "promote-region" => {
                let (from, to) = (self.region("region")?, self.region("to")?);
                if from == to {
                    let detail = "region and to name the same region. Name another one in to.";
                    return Err(OrderRefusal::conflict(detail));
                }
                Ok(Command::PromoteRegion(from, to))
            }
            "move" => {
                let (kind, to) = (self.kind()?, self.region("to")?);
                if !self.topology.residency(kind).contains(to) {
                    let to = &self.topology.region(to).name;
                    let detail =
                        format!("to is {to:?}, where such a subject may not live. Name a region of its datasets.");
                    return Err(OrderRefusal::conflict(detail));
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

    pub(crate) fn text(&self, key: &str) -> Result<&'a str, OrderRefusal> {
        match self.order.get(key) {
            Some(Value::String(text)) if text.chars().any(char::is_control) => {
                let detail = format!("{key} is {text:?}; expected a text without control characters. Remove them.");
                Err(OrderRefusal::malformed(detail))
            }
            Some(Value::String(text)) if !text.is_empty() && text.len() <= LONGEST_TEXT => Ok(text),
            found => {
                let found = found.map_or("nothing".to_owned(), Value::to_string);
                let detail = format!("{key} is {found:.80}; expected a text of 1 to {LONGEST_TEXT} bytes. Add it.");
                Err(OrderRefusal::malformed(detail))
            }
        }
    }

    pub(crate) fn flag(&self, key: &str) -> Result<bool, OrderRefusal> {
        match self.order.get(key) {
            None => Ok(false),
            Some(Value::Bool(flag)) => Ok(*flag),
            Some(found) => Err(OrderRefusal::malformed(format!("{key} is {found}; expected true or false."))),
        }
    }

    pub(crate) fn version(&self) -> Result<Option<u64>, OrderRefusal> {
        match self.order.get("version") {
            None => Ok(None),
            Some(found) => found.as_u64().map(Some).ok_or_else(|| {
                let expected = "the number that was shown as the authority's version";
                OrderRefusal::malformed(format!(
                    "version is {found}; expected {expected}. Leave it out to skip this check."
                ))
            }),
        }
    }

    pub(crate) fn max_pause(&self) -> Result<Option<u64>, OrderRefusal> {
        if !self.order.contains_key("max_pause") {
            return Ok(None);
        }
        let text = self.text("max_pause")?;
        let (least, most) = (Duration::from_secs(MAX_PAUSE.0), Duration::from_secs(MAX_PAUSE.1));
        let span = units::duration(text).filter(|span| (least..=most).contains(span));
        span.map(|span| Some(millis(span))).ok_or_else(|| wrong("max_pause", text, "a time such as \"5s\", 1s to 60s"))
    }

    pub(crate) fn region(&self, key: &str) -> Result<RegionId, OrderRefusal> {
        self.region_named(key, self.text(key)?)
    }

    pub(crate) fn region_named(&self, key: &str, name: &str) -> Result<RegionId, OrderRefusal> {
        let names = || self.topology.regions().map(|(_, region)| format!("{:?}", region.name)).collect::<Vec<_>>();
        self.topology.region_named(name).ok_or_else(|| wrong(key, name, &format!("a region: {}", names().join(", "))))
    }

    fn dataset(&self) -> Result<DatasetId, OrderRefusal> {
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

    pub(crate) fn kind(&self) -> Result<SubjectKind, OrderRefusal> {
        let text = self.text("kind")?;
        SubjectKind::parse(text).ok_or_else(|| wrong("kind", text, "\"user\" or \"tenant\""))
    }

    fn subject(&self) -> Result<SubjectId, OrderRefusal> {
        let text = self.text("subject")?;
        SubjectId::parse(text).ok_or_else(|| wrong("subject", text, &format!("an id of {ID_LENGTH} letters")))
    }

    fn state(&self) -> Result<RegionState, OrderRefusal> {
        let text = self.text("state")?;
        let names = || RegionState::ALL.map(RegionState::token).join(", ");
        RegionState::parse(text).ok_or_else(|| wrong("state", text, &format!("one of {}", names())))
    }

    /// When the state ends; nothing but `active` is for ever.
    fn until(&self, now: Timestamp) -> Result<Timestamp, OrderRefusal> {
        if self.state()? == RegionState::Active {
            return Ok(now);
        }
        let text = self.text("for")?;
        let span = units::duration(text).ok_or_else(|| wrong("for", text, "a time such as \"30m\", 72h at most"))?;
        Ok(now.after(span))
    }
}

impl OrderFields<'_> {
    /// Reads the order of a drill.
    pub(crate) fn drill(&self) -> Result<DrillOrder, OrderRefusal> {
        let kind = self.text("kind")?;
        let kind = DrillKind::parse(kind).ok_or_else(|| wrong("kind", kind, "\"isolate\" or \"lose\""))?;
        let span = self.text("for")?;
        let span = units::duration(span).ok_or_else(|| wrong("for", span, "a time such as \"10m\", 72h at most"))?;
        Ok(DrillOrder { kind, region: self.region("region")?, share: self.share()?, span, limit: self.limit()? })
    }

    fn share(&self) -> Result<Share, OrderRefusal> {
        let found = match self.order.get("percent") {
            Some(Value::String(text)) => text.clone(),
            found => found.map_or_else(|| "nothing".to_owned(), Value::to_string),
        };
        Share::parse(&format!("{}%", found.strip_suffix('%').unwrap_or(&found)))
            .filter(|share| share.hundredths() >= LEAST_SHARE)
            .ok_or_else(|| wrong("percent", &found, "a number from 0.1 to 100, with two decimals at most"))
    }

    fn limit(&self) -> Result<Option<Share>, OrderRefusal> {
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

/// A field that is not as it must be.
pub(crate) fn wrong(key: &str, found: &str, expected: &str) -> OrderRefusal {
    OrderRefusal::malformed(format!("{key} is {found:?}; expected {expected}."))
}
