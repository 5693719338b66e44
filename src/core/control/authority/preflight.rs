//! The preflight of a change: may it begin, and what would it cost?

use serde_json::{Value, json};

use super::{
    effect::{Effect, Tag},
    ledger::{
        Owned,
        change::{Change, ChangePhase},
    },
    pause::{behind, expected},
    said::{epoch, first_unit, get},
    turn::AuthorityTurn,
};
use crate::model::time::millis;

/// Who is asked.
const SLOTS: [&str; 4] = ["from", "from-health", "to", "to-health"];

impl AuthorityTurn<'_> {
    /// Takes in one word of the preflight; with the last one it is judged.
    pub(super) fn judged(&mut self, change: &mut Change, slot: &str, said: Value) {
        change.found.insert(slot.to_owned(), said);
        if matches!(slot, "from" | "to") {
            let trip = millis(self.now.since(change.asked));
            change.found.insert(format!("{slot}-ms"), trip.into());
        }
        if !SLOTS.iter().all(|slot| change.found.contains_key(*slot)) {
            return;
        }
        let now = self.now;
        let health = change.found.get("to-health").unwrap_or(&Value::Null);
        change.lag = get(get(health, "lag_ms"), &change.from).as_u64();
        if let Err(why) = self.judge(change) {
            change.found.clear();
            return change.enter(ChangePhase::Aborted, why, now);
        }
        let (loss, expected) = (estimate(change), expected(change));
        // What regions say is as long as they like; no more of it is needed.
        change.found = [("estimate".to_owned(), loss)].into();
        if change.dry_run {
            let what = if change.forced {
                "a forced promotion is possible, with the estimated loss".to_owned()
            } else {
                format!("a promotion is possible; writers would be refused for about {expected} ms")
            };
            return change.enter(ChangePhase::Done, format!("dry run: {what}"), now);
        }
        if change.forced {
            let says = format!("forced, without {}", change.from);
            return self.force(change, says);
        }
        change.paused = Some(now);
        change.enter(ChangePhase::Pausing, format!("{} is asked to pause writes", change.from), now);
    }

    fn judge(&mut self, change: &Change) -> Result<(), String> {
        let (from, to) = (change.from.as_str(), change.to.as_str());
        // Who answers for another region, or with something else, has not answered.
        let is_of = |said: &&Value, region: &str| {
            let named = get(said, "region").as_str().is_none_or(|name| name == region);
            named && get(first_unit(said), "unit") == &Value::from(change.unit.as_str())
        };
        let word = |slot: &str| {
            let region = if slot == "from" { from } else { to };
            change.found.get(slot).filter(|said| is_of(said, region))
        };
        let unit = |slot: &str| word(slot).map(first_unit).cloned().unwrap_or(Value::Null);
        if word("to").is_none() {
            return Err(format!("{to} does not answer at its ownership address, so it cannot take over"));
        }
        match (word("from").is_some(), change.forced) {
            (false, false) => {
                return Err(format!(
                    "{from} does not answer. If it is gone for good, repeat the order with accept_loss: true"
                ));
            }
            (true, true) => {
                return Err(format!(
                    "{from} is reachable, so a planned promotion loses nothing. Leave accept_loss out"
                ));
            }
            _ => {}
        }
        let later = [("from", from), ("to", to)].into_iter().find_map(|(slot, region)| {
            let said = unit(slot);
            let epoch = epoch(&said).filter(|epoch| *epoch > change.epoch)?;
            let home = self.region(get(&said, "home").as_str()?)?;
            Some((region, self.settings.topology.region(home).name.clone(), epoch))
        });
        if let Some(says) = self.lives_elsewhere(change, &unit("from")) {
            return Err(says);
        }
        match later {
            Some((region, home, epoch)) => Err(self.take_in(change, region, home, epoch)),
            None if change.forced => Ok(()),
            None => self.cannot_catch_up(change),
        }
    }

    /// The directory has guessed: by its own application's word (an epoch of 0) the old home has nothing of the subject, and another region
    /// has all. Moved by that guess the data would stay behind.
    fn lives_elsewhere(&mut self, change: &Change, said: &Value) -> Option<String> {
        change.subject()?;
        let home = get(said, "home").as_str().filter(|home| *home != change.from)?;
        let home = self.settings.topology.region(self.region(home)?).name.clone();
        if epoch(said) != Some(0) {
            return None;
        }
        self.effects.push(Effect::correct(change, &home));
        let from = &change.from;
        Some(format!(
            "{from} reports that the data is in {home}, from before the router. The directory now has that home. Repeat the order"
        ))
    }

    /// The regions know of a later owner: this authority has lost its ledger, or began after them. It learns from them.
    fn take_in(&mut self, change: &Change, region: &str, home: String, epoch: u64) -> String {
        let is_its_own = change.subject().is_some() || home == region;
        let done = if is_its_own {
            "The authority has adopted that".to_owned()
        } else {
            format!("The authority is asking {home} itself")
        };
        let says = format!(
            "{region} reports that {home} is the home by epoch {epoch}; the authority knew only of epoch {}. {done}. Repeat the order",
            change.epoch
        );
        if change.subject().is_some() {
            let later = Change { to: home, epoch: epoch - 1, ..change.clone() };
            self.effects.push(Effect::record(&later, Tag::Nobody));
        } else if !is_its_own {
            self.ask_named(&home, &change.unit);
        } else {
            self.ledger.datasets.insert(change.unit.clone(), Owned { home, epoch });
            self.ledger.version += 1;
            self.publish();
        }
        says
    }
}

/// What a forced change would lose, and how long a planned one would pause.
fn estimate(change: &Change) -> Value {
    let behind: serde_json::Map<_, _> =
        behind(change).into_iter().map(|(name, behind)| (name, json!(behind))).collect();
    let mut estimate =
        json!({ "writes_behind": behind, "milliseconds_behind": change.lag, "longest_wait_ms": change.wait() });
    if let (Value::Object(fields), false) = (&mut estimate, change.forced) {
        fields.insert("expected_pause_ms".to_owned(), json!(expected(change)));
        fields.insert("max_pause_ms".to_owned(), json!(change.most_paused()));
    }
    estimate
}
