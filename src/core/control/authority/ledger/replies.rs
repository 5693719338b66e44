//! What was replied to which request: the same one again is the same order, and is carried out once.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::super::orders::command::{Command, Order, OrderRefusal};

/// The most replies that are kept.
const MOST_KEPT: usize = 100;

/// A reply that is given again if its request comes again.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Replied {
    /// The request's id.
    pub request: String,
    /// What it asked for.
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
    pub(crate) fn given(&self, order: &Order) -> Result<Option<&Replied>, OrderRefusal> {
        let Some(before) = self.0.iter().find(|replied| replied.request == order.request) else {
            return Ok(None);
        };
        if before.order != asked_for(order) {
            let detail =
                format!("The request {:?} has asked for something else before. Choose a new id.", order.request);
            return Err(OrderRefusal::conflict(detail));
        }
        Ok(Some(before))
    }

    /// Keeps a reply.
    pub(crate) fn keep(&mut self, order: &Order, status: u16, body: &Value) {
        if self.0.len() >= MOST_KEPT {
            self.0.pop_front();
        }
        let (request, order) = (order.request.clone(), asked_for(order));
        self.0.push_back(Replied { request, order, status, body: body.clone() });
    }
}

/// An order without its request id, to compare it with an earlier one.
fn asked_for(order: &Order) -> String {
    let what = match &order.command {
        // Each time it is asked it ends later.
        Command::State(region, state, _) => format!("{region:?} {state:?}"),
        command => format!("{command:?}"),
    };
    let pause = order.max_pause.map_or_else(String::new, |pause| format!(" {pause}"));
    format!("{what} {} {}{pause}", order.dry_run, order.accept_loss)
}
