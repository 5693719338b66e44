//! What a deployment asks its regions about: harmless questions, each of which a rule of the contract answers.

use serde_json::{Value, json};

use crate::{
    control::authority::{ADDRESS, RegionCall, Tag},
    model::{ids::RegionId, time::Timestamp},
    state::matrix::hint::location_hint,
    topology::{Topology, dataset::Rule, settings::Settings},
};

/// The health address, as the router asks it.
pub const HEALTH: &str = "health";
/// The same once more, on a connection that is there: its trip is short, so that the clock can be told.
pub const AGAIN: &str = "again";
/// The same as for a client that comes through the router: it is to be told nothing.
pub const CLIENT: &str = "client";
/// Who owns a unit, asked by the authority.
pub const OWNER: &str = "owner";
/// The same, asked by somebody who has no key.
pub const STRANGER: &str = "stranger";

/// The questions to every region, as JSON: `region`, `of` (the question), `service` (the binding, or null), `url`, `headers`.
#[must_use]
pub fn asks(settings: &Settings, now: Timestamp) -> Value {
    let topology = &settings.topology;
    let unit = single_writer(topology).map(|unit| format!("{ADDRESS}?unit={unit}"));
    let mut asks = Vec::new();
    for (id, region) in topology.regions() {
        let health = region.health.as_str();
        asks.extend([(id, HEALTH, health), (id, AGAIN, health), (id, CLIENT, health)]);
        asks.extend(unit.as_deref().map(|unit| (id, OWNER, unit)));
        // Without a key everybody is a stranger.
        asks.extend(unit.as_deref().filter(|_| settings.origin_key.is_some()).map(|unit| (id, STRANGER, unit)));
    }
    asks.into_iter().map(|(id, of, target)| ask(settings, (id, of, target), now)).collect()
}

/// Where the prober of each region is to be: who speaks to it first must say so, or it stays where that one is.
#[must_use]
pub fn hints(settings: &Settings) -> Value {
    let regions = settings.topology.regions().map(|(_, region)| region);
    let hints = regions.map(|region| (region.name.clone(), json!(region.location.as_ref().map(location_hint))));
    Value::Object(hints.collect())
}

fn ask(settings: &Settings, (id, of, target): (RegionId, &str, &str), now: Timestamp) -> Value {
    let call = RegionCall::new(settings, id, ("GET", target), Tag::Nobody, now);
    let mut headers = serde_json::Map::new();
    if let Some(signature) = call.signature.filter(|_| of != STRANGER) {
        headers.insert("homing-signature".to_owned(), json!(signature));
    }
    if of == CLIENT {
        // RFC 8586: what has come through the router says so.
        headers.insert("cdn-loop".to_owned(), json!("homing"));
    }
    let region = &settings.topology.region(id).name;
    json!({ "region": region, "of": of, "service": call.service, "url": call.url, "headers": headers })
}

/// A dataset that has one owner as a whole.
fn single_writer(topology: &Topology) -> Option<&str> {
    let whole = |rule: &Rule| matches!(rule, Rule::SingleWriter { .. });
    topology.datasets().find(|(_, dataset)| whole(&dataset.rule)).map(|(_, dataset)| dataset.name.as_str())
}
