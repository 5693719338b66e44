//! `homing check --against URL`: what differs between a deployed router and this file. Vars are part of a version, and some of what
//! stands in them counts only once: a dataset's `home`, until it is promoted.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::{
    error::CliError,
    operate::{Client, number, text},
};
use homing_core::{
    DatasetId,
    config::{
        Topology,
        dataset::Dataset,
        digest::digests,
        error::{Complaints, KeyPath},
        formats,
        raw::Raw,
    },
    plan::Ownership,
};

/// What was found.
#[derive(Default)]
pub(super) struct Differences {
    /// What would go wrong, or may.
    pub(super) complaints: Complaints,
    /// What is as it is before every deployment.
    pub(super) notes: Vec<String>,
}

/// Asks the router at that address; `at` is where the vars stand in the file.
///
/// # Errors
/// If it does not answer, or says no.
pub(super) fn compare(url: &str, vars: &Raw, at: &KeyPath, topology: &Topology) -> Result<Differences, CliError> {
    let deployed = Client::new(Some(url)).and_then(|client| client.get("authority")).map_err(CliError::Failed)?;
    Ok(differences(&deployed, vars, at, topology))
}

fn differences(deployed: &Value, vars: &Raw, at: &KeyPath, topology: &Topology) -> Differences {
    let mut found = Differences::default();
    for (id, dataset) in topology.datasets() {
        if let Some(configured) = Ownership::configured(topology, id) {
            let home = &topology.region(configured.home()).name;
            found.home((id, dataset), home, deployed, at, topology);
        }
    }
    found.formats(deployed, at);
    found.configuration(deployed, vars);
    found
}

impl Differences {
    fn home(
        &mut self,
        (_, dataset): (DatasetId, &Dataset),
        home: &str,
        deployed: &Value,
        at: &KeyPath,
        topology: &Topology,
    ) {
        let name = &dataset.name;
        let told = |of: &str| deployed.get(of).and_then(|all| all.get(name));
        let now = told("datasets");
        let Some(owned) = now.or_else(|| told("recorded")) else {
            return self.notes.push(if deployed.get("recorded").is_some_and(Value::is_object) {
                format!("{name} is new: {home} becomes its first home")
            } else {
                format!(
                    "the deployed authority is an earlier version, which does not say whether {name} was single-writer before. A home of then \
                     counts again. Deploy this version with the file that is deployed, and check again"
                )
            });
        };
        let (is_at, epoch) = (text(owned, "home"), number(owned, "epoch").unwrap_or(0));
        if is_at == home {
            return;
        }
        let path = at.key("DATASETS").key(name).key("home");
        let of =
            if now.is_some() { "its home in the deployed router" } else { "the home that the authority has recorded" };
        let expected = format!("{is_at:?}, {of} by epoch {epoch}");
        let (complaints, found) = (&mut self.complaints, format!("{home:?}"));
        let is_gone = topology.region_named(is_at).is_none();
        if now.is_none() && is_gone {
            let remedy = format!(
                "{name} was single-writer before, and its home of then counts again: this deployment would stop all writes of {name}, because \
                 the file no longer has the region {is_at:?}. Restore the region first, or give the dataset another name"
            );
            complaints.error(&path, found, expected, remedy);
        } else if now.is_none() {
            let remedy = format!(
                "{name} was single-writer before, and its home of then counts again: an edge without a view would send writes to {home:?} beside \
                 it. Write {is_at:?}, deploy that, and then run `homing promote {name} --to {home}`"
            );
            complaints.error(&path, found, expected, remedy);
        } else if is_gone {
            let remedy = format!(
                "this deployment would stop all writes of {name}, because the file no longer has the region {is_at:?}. \
                 Run `homing promote {name} --to {home}` first, or restore the region"
            );
            complaints.error(&path, found, expected, remedy);
        } else if epoch == 1 {
            let remedy = format!(
                "the edit moves nothing. Write {is_at:?} again, or run `homing promote {name} --to {home}` first"
            );
            complaints.error(&path, found, expected, remedy);
        } else {
            let remedy = format!(
                "it was promoted, and the file does not move it back. Write {is_at:?}, because a new edge starts from the file, \
                 and so does a new deployment"
            );
            complaints.warn(&path, found, expected, remedy);
        }
    }

    /// Which formats the deployed router writes: this build must be able to read them.
    fn formats(&mut self, deployed: &Value, at: &KeyPath) {
        for (what, known) in formats::show().as_object().into_iter().flatten() {
            let written = ["edge", "build"].map(|of| written(deployed, of, what));
            let later = written.into_iter().flatten().max().filter(|written| Some(*written) > known.as_u64());
            if let Some(later) = later {
                let (found, expected) =
                    (format!("a version that knows format {known} of the {what}"), later.to_string());
                let remedy = "the deployed router writes a later format, which this version cannot read. Deploy that version or a later one";
                self.complaints.error(at, found, format!("one that knows {expected}"), remedy);
            }
        }
        if deployed.get("build").is_none_or(Value::is_null) {
            self.notes.push(
                "the deployed authority is a version without formats, which records no first homes. \
                 Deploy this version first. Only then edit `home` or remove regions"
                    .to_owned(),
            );
        }
    }

    /// Whether the file is what is deployed, and whether that is one thing.
    fn configuration(&mut self, deployed: &Value, vars: &Raw) {
        let Unequal { not_as_deployed, two_versions } = unequal(deployed, vars);
        if !not_as_deployed.is_empty() {
            self.notes.push(format!("not as deployed: {}", not_as_deployed.join(", ")));
        }
        if !two_versions.is_empty() {
            self.notes.push(format!(
                "two versions are deployed at once: the edge that answered and the authority differ in {}",
                two_versions.join(", ")
            ));
        }
    }
}

/// The vars that are not the same everywhere.
pub(super) struct Unequal {
    /// Those in which the edge that answered differs from the file.
    pub(super) not_as_deployed: Vec<String>,
    /// Those in which the edge that answered and the authority differ.
    pub(super) two_versions: Vec<String>,
}

/// Compares the digests of a file's vars with those that the deployed router tells. What it does not tell differs in nothing.
pub(super) fn unequal(deployed: &Value, vars: &Raw) -> Unequal {
    let told = |which: &str| -> Option<BTreeMap<String, String>> {
        let configuration = deployed.get(which)?.get("configuration")?.as_object()?.iter();
        Some(configuration.filter_map(|(name, digest)| Some((name.clone(), digest.as_str()?.to_owned()))).collect())
    };
    let differ = |one: &BTreeMap<String, String>, other: &BTreeMap<String, String>| -> Vec<String> {
        let names: BTreeSet<&String> = one.keys().chain(other.keys()).collect();
        names.into_iter().filter(|name| one.get(*name) != other.get(*name)).cloned().collect()
    };
    let file: BTreeMap<_, _> = digests(vars).into_iter().collect();
    let (edge, build) = (told("edge"), told("build"));
    Unequal {
        not_as_deployed: edge.as_ref().map(|edge| differ(&file, edge)).unwrap_or_default(),
        two_versions: edge.as_ref().zip(build.as_ref()).map(|(edge, build)| differ(edge, build)).unwrap_or_default(),
    }
}

fn written(deployed: &Value, of: &str, what: &str) -> Option<u64> {
    deployed.get(of)?.get("formats")?.get(what)?.as_u64()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use homing_core::config::{parse::parse, raw::from_json};

    const VARS: &str = r#"{"REGIONS":{"us":{"origin":"https://us.example.com"},"eu":{"origin":"https://eu.example.com"}},
        "DATASETS":{"catalog":{"ownership":"single-writer","home":"us"}}}"#;

    fn against(deployed: &Value) -> (Vec<String>, Vec<String>) {
        let (vars, at) = (from_json(VARS).unwrap(), KeyPath::default().key("vars"));
        let topology = parse(&vars, &at).unwrap().0;
        let found = differences(deployed, &vars, &at, &topology);
        let said = |complaint: &homing_core::config::error::Complaint| format!("{:?} {complaint}", complaint.severity);
        (found.complaints.0.iter().map(said).collect(), found.notes)
    }

    fn deployed(home: &str, epoch: u64) -> Value {
        let build = homing_core::config::build::of(VARS);
        json!({ "datasets": { "catalog": { "home": home, "epoch": epoch } }, "recorded": {}, "build": build, "edge": build })
    }

    #[test]
    fn a_file_that_is_deployed_differs_in_nothing() {
        assert_eq!(against(&deployed("us", 1)), (vec![], vec![]));
    }

    #[test]
    fn a_home_that_was_edited_and_not_promoted_does_not_ship() {
        let said = "Error vars.DATASETS.catalog.home: found \"us\", expected \"eu\", its home in the deployed router by epoch 1; \
                    the edit moves nothing. Write \"eu\" again, or run `homing promote catalog --to us` first";
        assert_eq!(against(&deployed("eu", 1)).0, [said]);
    }

    #[test]
    fn a_home_that_was_promoted_and_not_edited_is_told() {
        let said = "Warning vars.DATASETS.catalog.home: found \"us\", expected \"eu\", its home in the deployed router by epoch 3; it was promoted, and the file does not move it back. Write \"eu\", because a new edge starts from the file, and so does a new deployment";
        assert_eq!(against(&deployed("eu", 3)).0, [said]);
    }

    #[test]
    fn a_home_from_before_several_regions_wrote_counts_again() {
        let mut known = deployed("us", 1);
        known["datasets"] = json!({});
        known["recorded"] = json!({ "catalog": { "home": "eu", "epoch": 3 } });
        let said = "Error vars.DATASETS.catalog.home: found \"us\", expected \"eu\", the home that the authority has recorded by epoch 3; catalog was single-writer before, and its home of then counts again: an edge without a view would send writes to \"us\" beside it. Write \"eu\", deploy that, and then run `homing promote catalog --to us`";
        assert_eq!(against(&known), (vec![said.to_owned()], vec![]));
        known["recorded"]["catalog"]["home"] = json!("us");
        assert_eq!(against(&known), (vec![], vec![]));
        known["recorded"]["catalog"]["home"] = json!("ap");
        let gone = "Error vars.DATASETS.catalog.home: found \"us\", expected \"ap\", the home that the authority has recorded by epoch 3; catalog was single-writer before, and its home of then counts again: this deployment would stop all writes of catalog, because the file no longer has the region \"ap\". Restore the region first, or give the dataset another name";
        assert_eq!(against(&known), (vec![gone.to_owned()], vec![]));
    }

    #[test]
    fn an_authority_that_does_not_tell_its_records_leaves_open_whether_a_dataset_is_new() {
        let mut mute = deployed("us", 1);
        (mute["datasets"], mute["recorded"]) = (json!({}), Value::Null);
        let said = "the deployed authority is an earlier version, which does not say whether catalog was single-writer before. A home of then counts again. Deploy this version with the file that is deployed, and check again";
        assert_eq!(against(&mute), (vec![], vec![said.to_owned()]));
    }

    #[test]
    fn a_region_that_is_a_home_cannot_be_taken_out_of_the_file() {
        let said = "Error vars.DATASETS.catalog.home: found \"us\", expected \"ap\", its home in the deployed router by epoch 1; this deployment would stop all writes of catalog, because the file no longer has the region \"ap\". Run `homing promote catalog --to us` first, or restore the region";
        assert_eq!(against(&deployed("ap", 1)).0, [said]);
    }

    #[test]
    fn a_version_that_is_older_than_what_is_deployed_does_not_ship() {
        let mut later = deployed("us", 1);
        later["build"]["formats"]["ledger"] = json!(3);
        let said = "Error vars: found a version that knows format 2 of the ledger, expected one that knows 3; the deployed router writes a later format, which this version cannot read. Deploy that version or a later one";
        assert_eq!(against(&later).0, [said]);
    }

    #[test]
    fn what_is_new_what_differs_and_two_versions_at_once_are_noted() {
        let mut odd = deployed("us", 1);
        odd["datasets"] = json!({});
        odd["edge"]["configuration"]["DATASETS"] = json!("another");
        odd["edge"]["configuration"]["ROUTES"] = json!("some");
        assert_eq!(
            against(&odd).1,
            [
                "catalog is new: us becomes its first home",
                "not as deployed: DATASETS, ROUTES",
                "two versions are deployed at once: the edge that answered and the authority differ in DATASETS, ROUTES",
            ]
        );
        let notes = against(&json!({ "datasets": { "catalog": { "home": "us", "epoch": 1 } } })).1;
        assert_eq!(notes.len(), 1, "{notes:?}");
        assert!(notes[0].starts_with("the deployed authority is a version without formats"), "{notes:?}");
    }
}
