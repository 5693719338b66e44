//! Waiting for a change that an order began.

use std::{thread, time::Duration};

use serde_json::Value;

use super::{client::Client, show};

/// How often the change is looked at.
const EVERY: Duration = Duration::from_millis(250);

/// Prints what came of an order, and if a change began, waits until it is over. True if it was done.
pub(super) fn out(client: &Client, reply: Value, as_json: bool, waits: bool) -> Result<bool, String> {
    let begun = ["change", "sweep"].iter().find_map(|kind| reply.get(kind)).cloned();
    let Some(begun) = begun.filter(Value::is_object) else {
        print!("{}", if as_json { format!("{reply}\n") } else { show::said(&reply) });
        return Ok(true);
    };
    let id = begun.get("id").and_then(Value::as_str).unwrap_or_default().to_owned();
    let change = if waits { until_over(client, &id, begun, as_json)? } else { begun };
    print!("{}", if as_json { format!("{change}\n") } else { show::change(&change) });
    Ok(!show::is_over(&change) || show::is_done(&change))
}

fn until_over(client: &Client, id: &str, mut change: Value, as_json: bool) -> Result<Value, String> {
    let mut said = String::new();
    loop {
        let says = show::progress(&change);
        if !as_json && says != said {
            eprintln!("{says}");
            said = says;
        }
        if show::is_over(&change) {
            return Ok(change);
        }
        thread::sleep(EVERY);
        change = client.get(&format!("changes/{id}"))?;
    }
}
