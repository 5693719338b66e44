//! What the deployed router says of itself, as far as a plan depends on it.

/// A home that the authority has recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Recorded {
    pub(super) dataset: String,
    pub(super) home: String,
    pub(super) epoch: u64,
}

/// What was found there.
#[derive(Clone, Debug, Default)]
#[cfg_attr(not(feature = "net"), allow(dead_code, reason = "without the network nothing is asked"))]
pub(super) struct Deployed {
    /// The owner of each dataset that is single-writer or was, by the authority.
    pub(super) homes: Vec<Recorded>,
    /// The vars in which the edge that answered and the authority differ.
    pub(super) two_versions: Vec<String>,
    /// The vars in which what is deployed differs from the old file.
    pub(super) not_old: Vec<String>,
    /// Whether it does not say which homes it has recorded of datasets that are not single-writer now.
    pub(super) says_no_records: bool,
    /// Whether it does not say by which vars it runs.
    pub(super) says_no_vars: bool,
}

#[cfg(feature = "net")]
pub(super) mod ask {
    use std::collections::BTreeMap;

    use serde_json::Value;

    use super::{Deployed, Recorded};
    use crate::{
        against::{Unequal, unequal},
        operate::{Client, number, text},
    };
    use homing_core::{config::raw::Raw, operate::conflicts::clean};

    /// The longest name of another's that is printed.
    const LONGEST_NAME: usize = 64;

    /// Asks the router at that address.
    ///
    /// # Errors
    /// If it does not answer, or says no, or something that no router says.
    pub(in crate::plan) fn the(url: &str, old: &Raw) -> Result<Deployed, String> {
        let said = Client::new(Some(url))?.get("authority")?;
        read(&said, old).ok_or_else(|| {
            format!("{url} answered with JSON that names no homes of datasets. Is it a Homing router? Give its address to --against.")
        })
    }

    /// What its answer says; none if no router says such a thing.
    pub(in crate::plan) fn read(said: &Value, old: &Raw) -> Option<Deployed> {
        // Those of datasets that are not single-writer now are in `recorded` alone, which an earlier version does not tell.
        let mut homes = BTreeMap::new();
        let recorded = said.get("recorded").and_then(Value::as_object);
        for (dataset, owned) in recorded.into_iter().flatten().chain(said.get("datasets")?.as_object()?) {
            let (home, epoch) = (text(owned, "home"), number(owned, "epoch")?);
            if home.is_empty() {
                return None;
            }
            homes.insert(shown(dataset), (shown(home), epoch));
        }
        let Unequal { not_as_deployed, two_versions } = unequal(said, old);
        let is_told = |of: &str| said.get(of).and_then(|of| of.get("configuration")).is_some_and(Value::is_object);
        Some(Deployed {
            homes: homes.into_iter().map(|(dataset, (home, epoch))| Recorded { dataset, home, epoch }).collect(),
            two_versions: two_versions.iter().map(|name| shown(name)).collect(),
            not_old: not_as_deployed.iter().map(|name| shown(name)).collect(),
            says_no_records: recorded.is_none(),
            says_no_vars: !is_told("edge") || !is_told("build"),
        })
    }

    /// A text of others for a terminal.
    fn shown(text: &str) -> String {
        clean(text, LONGEST_NAME)
    }
}

#[cfg(test)]
#[cfg(feature = "net")]
mod tests {
    use serde_json::{Value, json};

    use super::ask::read;
    use crate::document::Source;
    use crate::plan::{File, plan, refuse::Refusal};

    const REGIONS: &str = "[vars.REGIONS]\nus = { origin = \"https://us\" }\neu = { origin = \"https://eu\" }\nap = { origin = \"https://ap\" }\n";

    fn side(name: &str, home: &str, regions: &str) -> File {
        let text = format!("{regions}[vars.DATASETS.catalog]\nownership = \"single-writer\"\nhome = \"{home}\"\n");
        let source = Source::parse(name.to_owned(), text.clone()).ok().unwrap();
        File::parse(name.to_owned(), text, &source.raw(), None).ok().unwrap()
    }

    /// What the deployed router says: its home of the catalogue, and whether the edge and the authority run the old file.
    fn refused(home: &str, epoch: u64, (edge, build): (&str, &str), new: &File) -> (Vec<String>, usize) {
        let old = side("OLD.toml", "us", REGIONS);
        let digests: serde_json::Map<_, _> = homing_core::config::digest::digests(&old.vars)
            .into_iter()
            .map(|(name, digest)| (name, json!(digest)))
            .collect();
        let of = |what: &str| match what {
            "old" => json!({ "configuration": digests }),
            other => json!({ "configuration": { "REGIONS": digests["REGIONS"], "DATASETS": other } }),
        };
        let said = json!({
            "datasets": { "catalog": { "home": home, "epoch": epoch } }, "edge": of(edge), "build": of(build),
        });
        let (_, refusals, plan) = plan(&old, new, None, read(&said, &old.vars).as_ref());
        let text = refusals.into_iter().map(|refusal| format!("{}: {} {}", refusal.about, refusal.why, refusal.remedy));
        (text.collect(), plan.steps.len())
    }

    #[test]
    fn a_home_that_the_authority_holds_elsewhere_refuses_the_plan() {
        let new = side("NEW.toml", "eu", REGIONS);
        let runs = ("old", "old");
        assert_eq!(refused("us", 1, runs, &new), (vec![], 2), "promote, then deploy");
        assert_eq!(refused("eu", 2, runs, &new), (vec![], 1), "it is promoted already");
        assert_eq!(
            refused("ap", 3, runs, &new).0,
            [
                "dataset catalog: Its home is ap by epoch 3. The old file says us and the new one eu: an edge without a view would send writes \
              there, beside ap. Run `homing promote catalog --to eu`, or write home = \"ap\" in both files. Then plan again."
            ]
        );
        let without = side("NEW.toml", "eu", &REGIONS.replace("ap = { origin = \"https://ap\" }\n", ""));
        let said = refused("ap", 3, runs, &without).0;
        assert!(
            said[0].starts_with("dataset catalog: Its home is ap by epoch 3, which the new file removes. The old"),
            "{said:?}"
        );
    }

    /// The home of earlier is in the authority's record alone while several regions write.
    #[test]
    fn a_home_of_earlier_counts_again_when_one_region_is_to_write() {
        let file = |name: &str, rule: &str| {
            let text = format!("{REGIONS}[vars.DATASETS.catalog]\n{rule}\n");
            let source = Source::parse(name.to_owned(), text.clone()).ok().unwrap();
            File::parse(name.to_owned(), text, &source.raw(), None).ok().unwrap()
        };
        let many = "ownership = \"multi-writer\"\nconflicts = { rule = \"last-write-wins\", explain = \"The later one counts.\" }";
        let split = "ownership = \"geo-partitioned\"\nsubject = \"user\"\nregions = [\"us\", \"eu\"]\n[vars.IDENTITY]\nuser = { header = \"X-User\" }";
        let planned = |old: &File, new: &File, recorded: Value| {
            let digests: serde_json::Map<_, _> = homing_core::config::digest::digests(&old.vars)
                .into_iter()
                .map(|(name, said)| (name, json!(said)))
                .collect();
            let runs = json!({ "configuration": digests });
            let mut said = json!({ "datasets": {}, "recorded": recorded, "edge": runs, "build": runs });
            if recorded.is_null() {
                said.as_object_mut().unwrap().remove("recorded");
            }
            let (_, refusals, plan) = plan(old, new, None, read(&said, &old.vars).as_ref());
            let text = |refusal: Refusal| format!("{}: {} {}", refusal.about, refusal.why, refusal.remedy);
            (refusals.into_iter().map(text).collect::<Vec<_>>(), plan.steps)
        };
        let new = file("NEW.toml", "ownership = \"single-writer\"\nhome = \"us\"");
        for rule in [many, split] {
            let old = file("OLD.toml", rule);
            assert_eq!(
                planned(&old, &new, json!({ "catalog": { "home": "eu", "epoch": 3 } })).0,
                [
                    "dataset catalog: The authority still has eu as its home by epoch 3, from when it was single-writer. New edges would send \
                  writes to eu, and those without a view to us: it would have two owners. Write home = \"eu\" in the new file, and plan \
                  that. When it is deployed, plan a move of its home to us."
                ]
            );
            let gone = planned(&old, &new, json!({ "catalog": { "home": "sa", "epoch": 3 } })).0;
            assert!(
                gone[0].ends_with("Add the region sa to both files first, or give the dataset another name."),
                "{gone:?}"
            );
            assert_eq!(planned(&old, &new, json!({})).0, [""; 0], "it was never single-writer");
            assert_eq!(
                planned(&old, &new, Value::Null).0,
                [
                    "the deployed router: It does not say whether catalog was single-writer before: its authority is an earlier version. A \
                  home of then would count again, beside the file's. Deploy the old file with this version first. Then plan again."
                ]
            );
            assert_eq!(planned(&old, &old, Value::Null).0, [""; 0], "nothing gets a single home");
            assert_eq!(planned(&old, &new, json!({ "likes": { "home": "ap", "epoch": 3 } })).0, [""; 0]);
        }
        // The fence takes the epoch of then, which is looked at first.
        let (refused, steps) =
            planned(&file("OLD.toml", many), &new, json!({ "catalog": { "home": "us", "epoch": 3 } }));
        assert_eq!(refused, [""; 0]);
        let at = |title: &str| steps.iter().position(|step| step.title.starts_with(title)).unwrap();
        let (looks, fence) = (at("Look who owns catalog"), at("Wait until us has all operations"));
        assert!(looks < fence && steps[looks].why.contains("us as its home by epoch 3"), "{}", steps[looks].why);
        assert!(steps[fence].why.contains("Ownership::new(\"us\", 3)"), "{}", steps[fence].why);
    }

    #[test]
    fn an_answer_that_no_router_gives_is_none_and_one_of_an_old_version_refuses_the_plan() {
        let old = side("OLD.toml", "us", REGIONS);
        for nonsense in [
            json!([]),
            json!("yes"),
            json!({}),
            json!({ "datasets": [] }),
            json!({ "datasets": { "catalog": 1 } }),
            json!({ "datasets": { "catalog": { "home": "us" } } }),
            json!({ "datasets": { "catalog": { "home": "", "epoch": 1 } } }),
            json!({ "datasets": {}, "recorded": { "catalog": { "home": ["us"], "epoch": 1 } } }),
        ] {
            assert!(read(&nonsense, &old.vars).is_none(), "{nonsense}");
        }
        let mute = json!({ "datasets": { "catalog": { "home": "us", "epoch": 1 } } });
        let (_, refusals, _) = plan(&old, &side("NEW.toml", "eu", REGIONS), None, read(&mute, &old.vars).as_ref());
        assert!(refusals[0].why.starts_with("It does not say by which vars it runs"), "{refusals:?}");
        let nasty = json!({ "datasets": { "catalog": { "home": "\u{1b}[2J", "epoch": 1 } } });
        assert_eq!(read(&nasty, &old.vars).unwrap().homes[0].home, "\u{fffd}[2J");
    }

    #[test]
    fn another_file_or_two_versions_at_once_refuse_the_plan() {
        let new = side("NEW.toml", "eu", REGIONS);
        assert_eq!(
            refused("us", 1, ("old", "another"), &new).0,
            [
                "the deployed router: Two versions are deployed at once: they differ in DATASETS. A third one beside them could make a third \
              owner. Complete that deployment, or roll it back. Then plan again."
            ]
        );
        assert_eq!(
            refused("us", 1, ("another", "another"), &new).0,
            [
                "the deployed router: It does not run the old file: DATASETS differs. A plan from another file has the wrong steps. Give the \
              file that is deployed as OLD.toml, for instance from the commit of the last deployment."
            ]
        );
    }
}
