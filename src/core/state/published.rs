//! What the authority publishes for the edges: region states and the ownership of datasets, under one version.
//!
//! It is a snapshot in KV that isolates read in the background. Without one, or with one that cannot be read, they go on by the
//! last, or by `wrangler.toml`.

use std::rc::Rc;

use serde_json::{Value, json};

use crate::{
    model::{
        formats,
        ids::{DatasetId, RegionId},
        time::Timestamp,
    },
    ownership::Ownership,
    state::drill::{Drill, DrillKind},
    topology::{Topology, dataset::Rule, units::Share},
};

/// The key in KV.
pub const KEY: &str = "view";

/// What an operator has said of a region. Everything but `Active` ends by itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RegionState {
    /// It takes part.
    #[default]
    Active,
    /// It takes no writes; reads go on.
    ReadOnly,
    /// No new work: it is read last and given no new subjects. What it owns it goes on serving.
    Draining,
    /// Cut off from its peers: it serves what it owns, and nobody else's reads.
    Isolated,
    /// Nothing is sent there.
    Down,
}

impl RegionState {
    /// Every state there is.
    pub const ALL: [Self; 5] = [Self::Active, Self::ReadOnly, Self::Draining, Self::Isolated, Self::Down];

    /// Its name in the view, the API and the command.
    #[must_use]
    pub fn token(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::ReadOnly => "read-only",
            Self::Draining => "draining",
            Self::Isolated => "isolated",
            Self::Down => "down",
        }
    }

    /// The state of that name.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.token() == text)
    }

    /// Whether writes may be sent there.
    #[must_use]
    pub fn is_writable(self) -> bool {
        !matches!(self, Self::ReadOnly | Self::Down)
    }
}

/// The published view, by the topology of this deployment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Published {
    /// It only grows.
    pub version: u64,
    regions: Vec<(RegionId, RegionState, Timestamp)>,
    /// None where the home is a region that this topology does not know.
    datasets: Vec<(DatasetId, Option<Ownership>)>,
    drill: Option<Rc<Drill>>,
}

impl Published {
    /// Reads what [`write()`] has written. What this topology does not know is left out: another deployment may be older. A later
    /// format is not read: it may mean something else by the same names.
    #[must_use]
    pub fn read(text: &str, topology: &Topology) -> Option<Self> {
        let view: Value = serde_json::from_str(text).ok()?;
        if formats::of(&view) > formats::VIEW {
            return None;
        }
        let entries = |key: &str| view.get(key).and_then(Value::as_object).into_iter().flatten();
        let regions = entries("regions").filter_map(|(name, said)| {
            let state = RegionState::parse(said.get("state")?.as_str()?)?;
            Some((topology.region_named(name)?, state, Timestamp(said.get("until")?.as_u64()?)))
        });
        let datasets = entries("datasets")
            .filter_map(|(name, said)| Some((topology.dataset_named(name)?, Ownership::published(said, topology))));
        Some(Self {
            version: view.get("version")?.as_u64()?,
            regions: regions.collect(),
            datasets: datasets.collect(),
            drill: view.get("drill").and_then(|drill| read_drill(drill, topology)).map(Rc::new),
        })
    }

    /// What an operator has said of the region, if that still counts.
    #[must_use]
    pub fn state(&self, region: RegionId, now: Timestamp) -> RegionState {
        self.said(region, now).map_or(RegionState::Active, |(state, _)| state)
    }

    /// What an operator has said of the region, and when that ends.
    #[must_use]
    pub fn said(&self, region: RegionId, now: Timestamp) -> Option<(RegionState, Timestamp)> {
        let said = self.regions.iter().find(|(id, _, until)| *id == region && *until > now);
        said.map(|(_, state, until)| (*state, *until))
    }

    /// Who owns the dataset, if it is named and this topology knows that region.
    #[must_use]
    pub fn ownership(&self, dataset: DatasetId) -> Option<Ownership> {
        self.datasets.iter().find(|(id, _)| *id == dataset).and_then(|(_, ownership)| *ownership)
    }

    /// Whether it names an owner of the dataset, known here or not.
    #[must_use]
    pub fn names(&self, dataset: DatasetId) -> bool {
        self.datasets.iter().any(|(id, _)| *id == dataset)
    }

    /// Whether it names each single-writer dataset, so that nobody need go by the configuration.
    #[must_use]
    pub fn names_all(&self, topology: &Topology) -> bool {
        let mut single = topology.datasets().filter(|(_, dataset)| matches!(dataset.rule, Rule::SingleWriter { .. }));
        single.all(|(id, _)| self.names(id))
    }
}

impl Published {
    /// The drill that is on, by the word of the authority.
    #[must_use]
    pub fn drill(&self, now: Timestamp) -> Option<&Rc<Drill>> {
        self.drill.as_ref().filter(|drill| drill.until > now)
    }
}

/// A drill of which anything cannot be read is none: it would be another one than was ordered.
fn read_drill(said: &Value, topology: &Topology) -> Option<Drill> {
    let share = |key: &str| Share::new(said.get(key)?.as_u64()?);
    Some(Drill {
        id: said.get("id")?.as_str()?.to_owned(),
        kind: DrillKind::parse(said.get("kind")?.as_str()?)?,
        region: topology.region_named(said.get("region")?.as_str()?)?,
        share: share("share")?,
        until: Timestamp(said.get("until")?.as_u64()?),
        limit: if said.get("limit").is_none_or(Value::is_null) { None } else { Some(share("limit")?) },
    })
}

/// The text that is published. `regions`: name, state, until; `datasets`: name, home, epoch; `drill`: the one that is on.
pub fn write<'a>(
    version: u64,
    regions: impl Iterator<Item = (&'a str, RegionState, Timestamp)>,
    datasets: impl Iterator<Item = (&'a str, &'a str, u64)>,
    drill: Option<&Value>,
) -> String {
    let regions: serde_json::Map<_, _> = regions
        .map(|(name, state, until)| (name.to_owned(), json!({ "state": state.token(), "until": until.0 })))
        .collect();
    let datasets: serde_json::Map<_, _> =
        datasets.map(|(name, home, epoch)| (name.to_owned(), json!({ "home": home, "epoch": epoch }))).collect();
    json!({ "format": formats::VIEW, "version": version, "regions": regions, "datasets": datasets, "drill": drill })
        .to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        model::epoch::Epoch,
        ownership::Evidence,
        topology::{error::KeyPath, parse, raw},
    };

    fn topology() -> Topology {
        let vars = r#"{"REGIONS":{"us":{"origin":"https://us.example"},"eu":{"origin":"https://eu.example"}},
            "DATASETS":{"catalog":{"ownership":"single-writer","home":"us"}}}"#;
        parse(&raw::from_json(vars).unwrap(), &KeyPath::default()).unwrap().0
    }

    #[test]
    fn what_is_written_is_read_and_ends_in_time() {
        let regions = [("eu", RegionState::Draining, Timestamp(50)), ("mars", RegionState::Down, Timestamp(50))];
        let text = write(7, regions.into_iter(), [("catalog", "eu", 3), ("gone", "us", 2)].into_iter(), None);
        let view = Published::read(&text, &topology()).unwrap();
        assert_eq!(view.version, 7);
        assert_eq!(view.state(RegionId(1), Timestamp(49)), RegionState::Draining);
        assert_eq!(view.state(RegionId(1), Timestamp(50)), RegionState::Active);
        assert_eq!(view.state(RegionId(0), Timestamp(0)), RegionState::Active);
        let owned = view.ownership(DatasetId(0)).unwrap();
        assert_eq!((owned.home(), owned.epoch(), owned.said_by()), (RegionId(1), Epoch(3), Evidence::View));
    }

    #[test]
    fn a_drill_is_read_whole_or_not_at_all_and_ends_in_time() {
        let drill =
            json!({ "id": "drill-1", "kind": "isolate", "region": "eu", "share": 500, "limit": 100, "until": 50 });
        let read = |drill: &Value| {
            let text = write(7, std::iter::empty(), std::iter::empty(), Some(drill));
            Published::read(&text, &topology()).unwrap()
        };
        let view = read(&drill);
        assert!(view.drill(Timestamp(49)).is_some() && view.drill(Timestamp(50)).is_none());
        assert_eq!(read_drill(&json!({ "limit": null }), &topology()), None);
        for (key, value) in
            [("kind", json!("chaos")), ("region", json!("mars")), ("share", json!(10_001)), ("limit", json!("x"))]
        {
            let mut broken = drill.clone();
            broken[key] = value;
            assert!(read(&broken).drill(Timestamp(0)).is_none(), "{key}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_none_and_what_is_unknown_is_left_out() {
        for broken in ["", "7", "{}", r#"{"version":"7"}"#] {
            assert_eq!(Published::read(broken, &topology()), None, "{broken}");
        }
        let odd = r#"{"version":1,"regions":{"eu":{"state":"tired","until":9}},"datasets":{"gone":{"home":"eu"}}}"#;
        assert_eq!(Published::read(odd, &topology()), Some(Published { version: 1, ..Published::default() }));
    }

    #[test]
    fn a_view_of_a_later_format_is_not_read_and_one_of_an_earlier_one_is() {
        let text = write(7, std::iter::empty(), [("catalog", "eu", 3)].into_iter(), None);
        let of = |format: Value| {
            let mut view: Value = serde_json::from_str(&text).unwrap();
            view["format"] = format;
            Published::read(&view.to_string(), &topology())
        };
        for later in [json!(formats::VIEW + 1), json!("2"), Value::Null] {
            assert_eq!(of(later.clone()), None, "{later}");
        }
        let first = text.replace(r#""format":2,"#, "");
        assert_ne!(first, text);
        assert_eq!(Published::read(&first, &topology()), Published::read(&text, &topology()));
    }

    #[test]
    fn a_dataset_is_named_or_not_and_its_home_may_be_unknown() {
        let (topology, catalog) = (topology(), DatasetId(0));
        let read = |datasets: &[(&str, &str, u64)]| {
            Published::read(&write(1, std::iter::empty(), datasets.iter().copied(), None), &topology).unwrap()
        };
        assert!(!read(&[]).names_all(&topology) && !read(&[]).names(catalog));
        assert!(read(&[("catalog", "us", 1)]).names_all(&topology));
        let gone = read(&[("catalog", "mars", 1)]);
        assert!(gone.names_all(&topology));
        assert_eq!(gone.ownership(catalog), None, "somebody owns it, and nobody here");
    }
}
