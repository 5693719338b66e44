//! What was replied to which request: the same one again is the same order, and is carried out once.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    super::orders::command::{Order, OrderRefusal},
    former,
};
use crate::topology::Topology;

/// The most replies that are kept.
const MOST_KEPT: usize = 100;

/// A reply that is given again if its request comes again.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Replied {
    /// The request's id.
    pub request: String,
    /// What it asked for, by names. A ledger that the version before has written has none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub what: String,
    /// The same as the version before wrote it, for that version may be put back. It goes with the next release.
    pub order: String,
    /// The status.
    pub status: u16,
    /// The body.
    pub body: Value,
}

/// The latest replies, the last one last.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Replies(pub VecDeque<Replied>);

impl Replies {
    /// What was replied to that request, if it has come before.
    ///
    /// # Errors
    /// If it asked for something else then.
    pub(crate) fn given(&self, order: &Order, topology: &Topology) -> Result<Option<&Replied>, OrderRefusal> {
        let Some(before) = self.0.iter().find(|replied| replied.request == order.request) else {
            return Ok(None);
        };
        let is_same = if before.what.is_empty() {
            former::is_same((&before.order, &before.body), order, topology)
        } else {
            before.what == order.text(topology)
        };
        if !is_same {
            let detail =
                format!("The request id {:?} was already used for another order. Choose a new id.", order.request);
            return Err(OrderRefusal::conflict(detail));
        }
        Ok(Some(before))
    }

    /// Keeps a reply.
    pub(crate) fn keep(&mut self, order: &Order, topology: &Topology, (status, body): (u16, &Value)) {
        if self.0.len() >= MOST_KEPT {
            self.0.pop_front();
        }
        self.0.push_back(Replied {
            request: order.request.clone(),
            what: order.text(topology),
            order: order.former_text(),
            status,
            body: body.clone(),
        });
    }
}
