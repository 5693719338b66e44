//! Each mutant meets the tests that reach it, until one of them fails.

use std::{
    collections::BTreeMap,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use crate::{
    Asked,
    list::Mutant,
    tests::{Ended, Test, each},
};

/// What came of a mutant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fate {
    /// That test has failed.
    Caught(String),
    /// That test did not come to its end.
    Late(String),
    /// So many tests have reached it, and passed.
    Survived(usize),
}

/// What came of each mutant, by its number.
pub fn judge(mutants: &[&Mutant], tests: &[Test], asked: &Asked) -> BTreeMap<u32, Fate> {
    let fates = Mutex::new(BTreeMap::new());
    let caught: Vec<_> = tests.iter().map(|_| AtomicUsize::new(0)).collect();
    let done = AtomicUsize::new(0);
    each(asked.jobs, mutants.len(), |at| {
        let number = mutants[at].number;
        let mut reaching: Vec<_> = (0..tests.len()).filter(|test| tests[*test].reaches.contains(&number)).collect();
        // First the quick ones, and of those the ones that have caught most.
        reaching.sort_by_key(|test| {
            let most = caught[*test].load(Ordering::Relaxed);
            let is_slow = tests[*test].took > asked.quick;
            (is_slow, tests[*test].took.as_millis() / 50, usize::MAX - most)
        });
        let mut fate = Fate::Survived(reaching.len());
        for test in reaching {
            let name = tests[test].name.clone();
            fate = match tests[test].run(number) {
                Ended::Passed => continue,
                Ended::Failed => Fate::Caught(name),
                Ended::Late => Fate::Late(name),
            };
            caught[test].fetch_add(1, Ordering::Relaxed);
            break;
        }
        if let Ok(mut fates) = fates.lock() {
            fates.insert(number, fate);
        }
        let done = done.fetch_add(1, Ordering::Relaxed) + 1;
        if done.is_multiple_of(100) {
            eprintln!("{done} of {} judged", mutants.len());
        }
    });
    fates.into_inner().unwrap_or_default()
}
