//! Waiting for a change that an order began.

use std::{thread, time::Duration};

use serde_json::Value;

use super::{client::Client, show};

/// How often the change is looked at.
const EVERY: Duration = Duration::from_millis(250);

/// So many looks may fail one after the other: the router is at work, and the change goes on without this command.
const MOST_FAILURES: u32 = 20;

/// What was wanted of a change.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Wanted {
    /// That it comes to its end.
    Done,
    /// That it is given up.
    GivenUp,
    /// Only that it begins.
    Begun,
}

/// Prints what came of an order, and if a change began, waits until it is over. True if it came to what was wanted.
pub(super) fn out(client: &Client, reply: &Value, as_json: bool, wanted: Wanted) -> Result<bool, String> {
    let begun = ["change", "sweep"].iter().find_map(|kind| reply.get(kind)).filter(|begun| begun.is_object());
    let Some(begun) = begun.cloned() else {
        print!("{}", if as_json { format!("{reply}\n") } else { show::said(reply) });
        return Ok(true);
    };
    let change = if wanted == Wanted::Begun { begun } else { until_over(client, begun, as_json)? };
    print!("{}", if as_json { format!("{change}\n") } else { show::change(&change) });
    Ok(match wanted {
        Wanted::Begun => true,
        Wanted::Done => show::is_done(&change),
        Wanted::GivenUp => show::is_given_up(&change),
    })
}

fn until_over(client: &Client, mut change: Value, as_json: bool) -> Result<Value, String> {
    let id = change.get("id").and_then(Value::as_str).unwrap_or_default().to_owned();
    let (mut said, mut failures) = (String::new(), 0);
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
        match client.get(&format!("changes/{id}")) {
            Ok(shown) => (change, failures) = (shown, 0),
            Err(_) if failures < MOST_FAILURES => failures += 1,
            Err(why) => {
                return Err(format!("{why} {id} may still be under way. Run `homing change {id}` to see its outcome."));
            }
        }
    }
}
