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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        model::keys::{Key, SessionKeys},
        topology::{error::KeyPath, parse, raw},
    };

    fn settings(datasets: &str, has_key: bool) -> Settings {
        let vars = format!(
            r#"{{"REGIONS":{{"us":{{"origin":"https://us.example","location":{{"lat":39,"lon":-77}}}},"eu":{{"service":"EU"}}}},
            "DATASETS":{{{datasets}}}}}"#
        );
        let topology = parse(&raw::from_json(&vars).unwrap(), &KeyPath::default()).unwrap().0;
        let key = |text: &str| Key::new(text).unwrap();
        let session_keys = SessionKeys::new(key("a key of at least thirty-two characters"), None);
        let origin_key = has_key.then(|| key("another key of thirty-two characters"));
        Settings { topology, session_keys, origin_key, dev: false }
    }

    const DATASETS: &str = r#""likes":{"ownership":"multi-writer","conflicts":{"rule":"last-write-wins","explain":"The later one."}},
        "orders":{"ownership":"single-writer","home":"us"},"catalog":{"ownership":"single-writer","home":"us"}"#;

    fn asked(settings: &Settings) -> Vec<Value> {
        asks(settings, Timestamp(7)).as_array().unwrap().clone()
    }

    #[test]
    fn each_region_is_asked_each_question_and_a_stranger_has_no_signature() {
        let asked = asked(&settings(DATASETS, true));
        let of = |region: &str| -> Vec<&str> {
            let asked = asked.iter().filter(|ask| ask["region"] == region);
            asked.map(|ask| ask["of"].as_str().unwrap()).collect()
        };
        for region in ["us", "eu"] {
            assert_eq!(of(region), [HEALTH, AGAIN, CLIENT, OWNER, STRANGER]);
        }
        for ask in &asked {
            let of = ask["of"].as_str().unwrap();
            assert_eq!(ask["headers"]["homing-signature"].is_string(), of != STRANGER, "{ask}");
            assert_eq!(ask["headers"]["cdn-loop"] == "homing", of == CLIENT, "{ask}");
            let target = if [OWNER, STRANGER].contains(&of) { "/ownership?unit=orders&n=7" } else { "/homing?n=7" };
            assert!(ask["url"].as_str().unwrap().ends_with(target), "the first dataset that has one owner: {ask}");
            assert_eq!(ask["service"], if ask["region"] == "eu" { json!("EU") } else { Value::Null });
        }
    }

    #[test]
    fn without_a_key_there_is_no_stranger_and_without_an_owner_no_question_about_one() {
        let of = |datasets, has_key| -> Vec<String> {
            let asked = asked(&settings(datasets, has_key)).into_iter().filter(|ask| ask["region"] == "us");
            asked.map(|ask| ask["of"].as_str().unwrap().to_owned()).collect()
        };
        assert_eq!(of(DATASETS, false), [HEALTH, AGAIN, CLIENT, OWNER]);
        assert_eq!(of("", true), [HEALTH, AGAIN, CLIENT]);
    }

    #[test]
    fn a_prober_is_to_be_where_its_region_is() {
        assert_eq!(hints(&settings(DATASETS, true)), json!({ "us": "enam", "eu": null }));
    }
}
