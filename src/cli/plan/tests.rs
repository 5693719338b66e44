//! Laws of plans, over pairs of topologies that are made up.

use std::fmt::Write;

use proptest::prelude::*;

use super::{File, difference, plan, written};
use crate::document::Source;

/// Which regions there are, who owns `catalog` and `cart`, and what else differs.
#[derive(Clone, Debug)]
struct Made {
    regions: Vec<&'static str>,
    rules: [u8; 2],
    sets: [u8; 2],
    position: bool,
    lease: bool,
    first_home: bool,
    tenant: bool,
}

fn made() -> impl Strategy<Value = Made> {
    let regions = proptest::sample::subsequence(vec!["us", "eu", "ap"], 1..=3);
    let flags = any::<[bool; 4]>();
    (regions, any::<[u8; 2]>(), any::<[u8; 2]>(), flags).prop_map(
        |(regions, rules, sets, [position, lease, first_home, tenant])| Made {
            regions,
            rules,
            sets,
            position,
            lease,
            first_home,
            tenant,
        },
    )
}

impl Made {
    /// Some of the regions, at least one.
    fn some(&self, at: usize) -> Vec<&'static str> {
        let mask = self.sets[at];
        let some: Vec<_> =
            self.regions.iter().enumerate().filter(|(at, _)| mask & (1 << at) != 0).map(|(_, name)| *name).collect();
        if some.is_empty() { self.regions[..1].to_vec() } else { some }
    }

    fn toml(&self) -> String {
        let mut text = String::new();
        for name in &self.regions {
            let _ = writeln!(text, "[vars.REGIONS.{name}]\norigin = \"https://{name}.example.com\"");
        }
        let mut split = Vec::new();
        for (at, name) in ["catalog", "cart"].into_iter().enumerate() {
            let regions = format!("{:?}", self.some(at));
            let kind = if self.tenant && at == 1 { "tenant" } else { "user" };
            let rule = match self.rules[at] % 3 {
                0 => format!("ownership = \"single-writer\"\nhome = {:?}\n", self.some(at)[0]),
                1 => {
                    split.push(kind);
                    format!("ownership = \"geo-partitioned\"\nsubject = {kind:?}\nregions = {regions}\n")
                }
                _ => format!(
                    "ownership = \"multi-writer\"\nregions = {regions}\nconflicts = {{ rule = \"last-write-wins\", explain = \"The later one counts, wherever it was made.\" }}\n"
                ),
            };
            let _ = write!(text, "[vars.DATASETS.{name}]\n{rule}");
            if self.position {
                text.push_str("position = \"hlc\"\n");
            }
            if self.lease && self.rules[at].is_multiple_of(3) {
                text.push_str("lease = \"60s\"\n");
            }
            let _ = writeln!(text, "[[vars.ROUTES]]\nmatch = \"/api/{name}/*\"\ndataset = {name:?}");
        }
        let first = if self.first_home && split.contains(&"user") {
            format!(", first_home = {:?}", self.regions[0])
        } else {
            String::new()
        };
        let _ = writeln!(
            text,
            "[vars.IDENTITY]\nuser = {{ header = \"X-User\"{first} }}\ntenant = {{ path = \"/t/{{tenant}}/*\" }}"
        );
        text
    }

    fn side(&self, name: &str) -> Option<File> {
        side(name, &self.toml())
    }
}

fn side(name: &str, text: &str) -> Option<File> {
    let source = Source::parse(name.to_owned(), text.to_owned()).ok()?;
    File::parse(name.to_owned(), text.to_owned(), &source.raw(), None).ok()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(2000) })]

    #[test]
    fn nothing_is_to_do_from_a_file_to_itself(made in made()) {
        let Some(one) = made.side("ONE.toml") else { return Ok(()) };
        let (difference, refusals, plan) = plan(&one, &one, None, None);
        prop_assert!(difference.changes.is_empty() && difference.others.is_empty() && refusals.is_empty(), "{difference:?}");
        prop_assert!(plan.steps.is_empty() && plan.between.is_empty());
    }

    #[test]
    fn each_region_and_dataset_that_differs_is_named(before in made(), after in made()) {
        let (Some(old), Some(new)) = (before.side("OLD.toml"), after.side("NEW.toml")) else { return Ok(()) };
        let said: Vec<String> = difference::of(&old.topology, &new.topology).changes.iter().map(super::Change::says).collect();
        let is_named = |name: &str| said.iter().any(|line| line.split([' ', ':', ',']).any(|word| word == name));
        for region in ["us", "eu", "ap"].into_iter().filter(|name| before.regions.contains(name) != after.regions.contains(name)) {
            prop_assert!(is_named(region), "{region}: {said:?}");
        }
        for name in ["catalog", "cart"] {
            let (was, is) = (difference::rule(&old.topology, name), difference::rule(&new.topology, name));
            prop_assert!(was == is || is_named(name), "{name}: {said:?}");
        }
    }

    /// A plan that goes over files between is a plan on each leg too: nowhere on the way are there two owners.
    #[test]
    fn each_file_between_is_sound_and_each_leg_is_no_worse(before in made(), after in made()) {
        let (Some(old), Some(new)) = (before.side("OLD.toml"), after.side("NEW.toml")) else { return Ok(()) };
        let (_, refusals, whole) = plan(&old, &new, None, None);
        if !refusals.is_empty() {
            return Ok(());
        }
        let Ok(files) = written(&whole.between, (&old, &new), None) else { return Ok(()) };
        let deployed: Vec<&str> = whole.steps.iter().filter_map(|step| step.deploys.as_deref()).collect();
        prop_assert_eq!(deployed.last().copied(), (!whole.steps.is_empty()).then_some("NEW.toml"));
        let mut here = old;
        for (name, text) in files.iter().map(|(name, text)| (name.as_str(), text.as_str())).chain([("NEW.toml", new.text.as_str())]) {
            let next = side(name, text).unwrap();
            let (_, refusals, _) = plan(&here, &next, None, None);
            prop_assert!(refusals.is_empty(), "{} -> {name}: {refusals:?}\n{}\n{text}", here.name, here.text);
            here = next;
        }
    }
}
