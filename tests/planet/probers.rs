//! The probers beside the regions: the real ones of the core, with the store that carries their reports to the edges.

use std::{collections::BTreeMap, rc::Rc};

use homing_core::{
    Settings, Timestamp,
    operate::{
        Published,
        prober::{Answered, Prober, World},
    },
};
use serde_json::{Value, json};

use crate::{
    MILLI, SECOND,
    data::Data,
    earth::{CITIES, REGIONS, round_trip},
    homing::Kind,
    trouble::Trouble,
};

/// The defaults of `PROBES` and of a prober's patience (`src/core/topology/pace.rs`).
const EVERY: std::time::Duration = std::time::Duration::from_secs(10);
const PATIENCE: u64 = 2000;
/// KV shows what it has read for so long (`src/core/topology/pace.rs`, `KV_KEEPS`).
const KV_KEEPS: u64 = 30 * SECOND;

pub struct Probers {
    settings: Rc<Settings>,
    published: Published,
    probers: [Prober; 3],
    /// The reports in the store, by region.
    stored: [Option<String>; 3],
    /// What each city has read of them, and when.
    read: Vec<Option<(u64, Vec<String>)>>,
}

impl Probers {
    #[must_use]
    pub fn new(settings: Rc<Settings>) -> Self {
        Self {
            settings,
            published: Published::default(),
            probers: Default::default(),
            stored: Default::default(),
            read: vec![None; CITIES.len()],
        }
    }

    /// The reports, as they can be read in that city.
    pub fn reports(&mut self, city: usize, now: u64) -> Vec<String> {
        let read = &mut self.read[city];
        match read {
            Some((at, reports)) if *at + KV_KEEPS > now => reports.clone(),
            _ => {
                let reports: Vec<String> = self.stored.iter().flatten().cloned().collect();
                *read = Some((now, reports.clone()));
                reports
            }
        }
    }

    /// Every prober asks every region.
    pub fn round(&mut self, now: u64, time: Timestamp, kind: Kind, trouble: Trouble, data: &mut Data) {
        let healths: Vec<Value> = (0..3).map(|region| health(region, now, kind, trouble, data)).collect();
        for from in (0..3).filter(|from| !trouble.is_down(*from, now)) {
            let answers: BTreeMap<String, Answered> = (0..3)
                .map(|to| {
                    let is_down = trouble.is_down(to, now);
                    let ms = if is_down { PATIENCE } else { round_trip(from, to) + 2 };
                    let health = if is_down { &Value::Null } else { &healths[to] };
                    let answered = json!({ "ms": ms, "health": health });
                    (REGIONS[to].to_owned(), serde_json::from_value(answered).unwrap())
                })
                .collect();
            let world = World { topology: &self.settings.topology, published: &self.published, every: EVERY };
            let round = self.probers[from].round(REGIONS[from], &answers, world, time);
            if round.put {
                self.stored[from] = Some(round.report);
            }
        }
    }
}

/// What a region says at its health address (`docs/contract.md`).
fn health(region: usize, now: u64, kind: Kind, trouble: Trouble, data: &mut Data) -> Value {
    let others: Vec<usize> = (0..3).filter(|peer| *peer != region).collect();
    let mut lags = serde_json::Map::new();
    let mut reachable = serde_json::Map::new();
    for peer in others {
        let lag = data.lag(peer, region, now).map_or(0, |lag| lag / MILLI);
        lags.insert(REGIONS[peer].to_owned(), json!(lag));
        reachable.insert(REGIONS[peer].to_owned(), json!(!trouble.is_down(peer, now)));
    }
    let mut said =
        json!({ "region": REGIONS[region], "epochs": { "catalog": 1 }, "lag_ms": lags, "reachable": reachable });
    if kind == Kind::Positions {
        said["position"] = json!({ "catalog": data.position(crate::earth::US, region, now) });
    }
    said
}
