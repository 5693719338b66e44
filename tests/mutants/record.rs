//! Each test without a mutant, so that it is known how long it takes and which mutants it reaches. What was found of a program that has
//! not been built anew since is kept.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
    sync::Mutex,
    time::{Duration, Instant},
};

use serde::{Deserialize, Serialize};

use crate::{
    Asked, Failed,
    tests::{Ended, Test, each, ended},
    tree::Tree,
};

/// What was found of a test.
#[derive(Clone, Serialize, Deserialize)]
struct Record {
    built: u64,
    ended: Ended,
    took: Duration,
    reaches: BTreeSet<u32>,
}

/// Runs each test without a mutant. Those that fail judge nothing: above all those that read the source, which is another one here.
pub fn recorded(tree: &Tree, tests: Vec<Test>, asked: &Asked) -> Result<Vec<Test>, Failed> {
    let folder = tree.scratch.join("reached");
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder)?;
    let kept = tree.scratch.join("recorded.json");
    let before: BTreeMap<String, Record> =
        serde_json::from_slice(&fs::read(&kept).unwrap_or_default()).unwrap_or_default();
    let longest = asked.quick.max(asked.slow);
    let still_holds = |test: &Test, record: &Record| {
        // A test that failed may have done so by chance: it is tried again.
        let may_stand = match record.ended {
            Ended::Passed => true,
            Ended::Late => record.took >= longest,
            Ended::Failed => false,
        };
        record.built == test.built && may_stand
    };
    let records = Mutex::new(BTreeMap::new());
    each(asked.jobs, tests.len(), |at| {
        let (test, name) = (&tests[at], key(&tests[at]));
        let held = before.get(&name).filter(|record| still_holds(test, record)).cloned();
        let record = held.unwrap_or_else(|| run(test, &folder.join(at.to_string()), longest));
        if let Ok(mut records) = records.lock() {
            records.insert(name, record);
        }
    });
    let records = records.into_inner()?;
    fs::write(&kept, serde_json::to_vec(&records)?)?;
    let mut judges = Vec::new();
    let all = tests.len();
    for test in tests {
        let Some(record) = records.get(&key(&test)) else { continue };
        match record.ended {
            Ended::Passed if record.took <= longest => {
                judges.push(Test { took: record.took, reaches: record.reaches.clone(), ..test });
            }
            Ended::Passed | Ended::Late => eprintln!("left out: {} (takes too long)", test.name),
            Ended::Failed => eprintln!("left out: {} (fails without a mutant)", test.name),
        }
    }
    eprintln!("{} of {all} tests judge", judges.len());
    Ok(judges)
}

fn key(test: &Test) -> String {
    format!("{} {}", test.program.display(), test.name)
}

fn run(test: &Test, reached: &Path, longest: Duration) -> Record {
    let began = Instant::now();
    let ended = ended(test.command().env("HOMING_REACHED", reached), longest);
    let took = began.elapsed();
    let numbers = fs::read_to_string(reached).unwrap_or_default();
    let reaches = numbers.lines().filter_map(|number| number.parse().ok()).collect();
    Record { built: test.built, ended, took, reaches }
}
