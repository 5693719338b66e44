//! What the deployed router says of itself, as far as a plan depends on it.

/// What was found there.
#[derive(Clone, Debug, Default)]
#[cfg_attr(not(feature = "net"), allow(dead_code, reason = "without the network nothing is asked"))]
pub(super) struct Deployed {
    /// The owner of each single-writer dataset by the authority: dataset, home, epoch.
    pub(super) homes: Vec<(String, String, u64)>,
    /// The vars in which the edge that answered and the authority differ.
    pub(super) two_versions: Vec<String>,
    /// The vars in which what is deployed differs from the old file.
    pub(super) not_old: Vec<String>,
}

#[cfg(feature = "net")]
pub(super) mod ask {
    use serde_json::Value;

    use super::Deployed;
    use crate::{
        against::{Unequal, unequal},
        operate::{Client, number, text},
    };
    use homing_core::config::raw::Raw;

    /// Asks the router at that address.
    ///
    /// # Errors
    /// If it does not answer, or says no.
    pub(in crate::plan) fn the(url: &str, old: &Raw) -> Result<Deployed, String> {
        Ok(read(&Client::new(Some(url))?.get("authority")?, old))
    }

    /// What its answer says.
    pub(in crate::plan) fn read(said: &Value, old: &Raw) -> Deployed {
        let datasets = said.get("datasets").and_then(Value::as_object).into_iter().flatten();
        let homes = datasets
            .map(|(name, owned)| (name.clone(), text(owned, "home").to_owned(), number(owned, "epoch").unwrap_or(0)));
        let Unequal { not_as_deployed, two_versions } = unequal(said, old);
        Deployed { homes: homes.collect(), two_versions, not_old: not_as_deployed }
    }
}

#[cfg(test)]
#[cfg(feature = "net")]
mod tests {
    use serde_json::json;

    use super::ask::read;
    use crate::document::Source;
    use crate::plan::{File, plan};

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
        let (_, refusals, plan) = plan(&old, new, None, Some(&read(&said, &old.vars)));
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
