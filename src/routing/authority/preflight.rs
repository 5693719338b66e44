//! The preflight of a change: may it begin, and what would it cost?

use serde_json::{Value, json};

use super::{
    change::{Change, Phase},
    effect::get,
    turn::Turn,
};

/// Who is asked.
const SLOTS: [&str; 4] = ["from", "from-health", "to", "to-health"];

impl Turn<'_> {
    /// Takes in one word of the preflight; with the last one it is judged.
    pub(super) fn judged(&mut self, change: &mut Change, slot: &str, said: Value) {
        change.found.insert(slot.to_owned(), said);
        if !SLOTS.iter().all(|slot| change.found.contains_key(*slot)) {
            return;
        }
        let now = self.now.0;
        let health = change.found.get("to-health").unwrap_or(&Value::Null);
        change.lag = get(get(health, "lag_ms"), &change.from).as_u64();
        if let Err(why) = self.judge(change) {
            return change.enter(Phase::Aborted, why, now);
        }
        let loss = estimate(change);
        change.found.insert("estimate".to_owned(), loss);
        if change.dry_run {
            let what = if change.forced {
                "could be taken over, with the loss that is estimated"
            } else {
                "could be promoted"
            };
            return change.enter(Phase::Done, format!("a dry run: it {what}"), now);
        }
        if change.forced {
            let says = format!("without {}, as was ordered", change.from);
            return self.force(change, says);
        }
        change.paused = Some(now);
        change.enter(Phase::Pausing, format!("{} is asked to pause writes", change.from), now);
    }

    fn judge(&self, change: &Change) -> Result<(), String> {
        let (from, to) = (change.from.as_str(), change.to.as_str());
        let word = |slot: &str| change.found.get(slot).filter(|said| !said.is_null());
        let unit = |slot: &str| word(slot).and_then(|said| get(said, "units").get(0)).cloned().unwrap_or(Value::Null);
        if word("to").is_none() {
            return Err(format!("{to} does not answer at its ownership address, so it cannot take over"));
        }
        match (word("from").is_some(), change.forced) {
            (false, false) => {
                return Err(format!("{from} does not answer. If it is gone for good, say accept_loss: true"));
            }
            (true, true) => {
                return Err(format!("{from} answers, so nothing need be lost: leave accept_loss out"));
            }
            _ => {}
        }
        // What the regions have heard of is later than what is written here only if somebody else has changed it.
        for (slot, region) in [("from", from), ("to", to)] {
            let said = unit(slot);
            let epoch = get(&said, "epoch").as_u64().unwrap_or(0);
            if epoch > change.epoch {
                let home = get(&said, "home").as_str().unwrap_or("nobody");
                return Err(format!(
                    "{region} says that the home is {home} by epoch {epoch}, and the authority knows of epoch {} only; \
                     a forced change of it by hand must be told to the authority first",
                    change.epoch
                ));
            }
        }
        Ok(())
    }
}

/// What a forced change would lose, and how long a planned one would pause.
fn estimate(change: &Change) -> Value {
    let said = |slot: &str| change.found.get(slot).unwrap_or(&Value::Null);
    let place = |slot: &str, dataset: &str| match get(get(said(slot), "position"), dataset) {
        Value::Number(place) => place.as_u64(),
        Value::String(place) => place.parse().ok(),
        _ => None,
    };
    let behind: serde_json::Map<_, _> = change
        .datasets
        .iter()
        .filter_map(|name| {
            let behind = place("from-health", name)?.saturating_sub(place("to-health", name)?);
            Some((name.clone(), json!(behind)))
        })
        .collect();
    json!({ "writes_behind": behind, "milliseconds_behind": change.lag, "longest_wait_ms": change.wait() })
}
