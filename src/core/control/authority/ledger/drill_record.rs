//! The record of an isolation drill.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::{
    model::time::Timestamp,
    observe::tally::{DrillRow, has_failed, total},
    topology::units::Share,
};

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
    /// When it began.
    pub began: Timestamp,
    /// When it ends at the latest.
    pub until: Timestamp,
    /// When it ended.
    pub ended: Option<Timestamp>,
    /// How it stands, in a sentence.
    pub says: String,
    /// Who has ordered it.
    pub actor: String,
    /// Why.
    pub reason: String,
    /// What the edges have counted.
    pub rows: Vec<DrillRow>,
}

impl DrillRecord {
    /// What the edges need to know of it.
    pub(crate) fn published(&self) -> Value {
        let Self { id, kind, region, share, limit, until, .. } = self;
        json!({ "id": id, "kind": kind, "region": region, "share": share, "limit": limit, "until": until })
    }

    /// The same without its figures, for operators.
    pub(crate) fn briefly(&self) -> Value {
        let percent = |hundredths: u16| Share::new(hundredths.into()).map(Share::percent);
        let Self { id, kind, region, began, until, ended, says, actor, reason, .. } = self;
        json!({
            "id": id, "kind": kind, "region": region, "percent": percent(self.share),
            "abort_if_errors_over_percent": self.limit.and_then(percent), "began": began, "until": until, "ended": ended,
            "says": says, "actor": actor, "reason": reason,
        })
    }

    /// The report.
    pub(crate) fn shown(&self) -> Value {
        let mut shown = self.briefly();
        if let Value::Object(fields) = &mut shown {
            fields.insert("total".to_owned(), json!(total(&self.rows)));
            fields.insert("routes".to_owned(), json!(self.rows));
        }
        shown
    }

    /// Whether too much goes wrong, and how much that is.
    pub(crate) fn goes_wrong(&self) -> Option<String> {
        let limit = self.limit.and_then(|limit| Share::new(limit.into()))?;
        let counts = total(&self.rows);
        if !has_failed(&counts, Some(limit)) {
            return None;
        }
        let (wrong, all) = (counts.refused.saturating_add(counts.failed), counts.requests);
        Some(format!("aborted: {wrong} of {all} requests were refused or failed; the limit is {limit}"))
    }
}
