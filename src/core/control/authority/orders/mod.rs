//! What an operator may ask of the authority, as it is read from JSON.

pub(crate) mod command;
pub(crate) mod fields;
pub(crate) mod text;

use serde_json::Value;

pub(crate) use self::command::{Order, OrderRefusal};
use self::fields::OrderFields;
use crate::{model::time::Timestamp, topology::Topology};

/// Reads an order.
///
/// # Errors
/// With the first thing in it that is not as it must be.
pub(crate) fn read(text: &str, topology: &Topology, now: Timestamp) -> Result<Order, OrderRefusal> {
    let order: Value = serde_json::from_str(text)
        .map_err(|error| OrderRefusal::malformed(format!("The order is not JSON: {error}. Send an object.")))?;
    let Value::Object(order) = order else {
        return Err(OrderRefusal::malformed("The order is JSON but not an object. Send {\"command\": …}."));
    };
    let fields = OrderFields { order: &order, topology };
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
