//! `make mutants`: which changes of the core no test notices.
//!
//! | file | holds |
//! |---|---|
//! | `list.rs` | the mutants that cargo-mutants would make |
//! | `rewrite.rs` | a file with its mutants built in, each behind a switch (`switched.rs`) |
//! | `tree.rs` | the copy of the project with those files, and which mutants do not compile so |
//! | `tests.rs`, `record.rs` | the tests, and which mutants each of them reaches |
//! | `judge.rs` | each mutant meets the tests that reach it |
//! | `report.rs` | what came of it |
//!
//! `docs/mutants.md` says how it is called.
#![cfg_attr(test, allow(clippy::unwrap_used))]
#![allow(clippy::indexing_slicing)]

mod judge;
mod list;
mod record;
mod report;
mod rewrite;
#[cfg(test)]
mod rewrite_tests;
#[allow(dead_code)]
mod switched;
mod tests;
mod tree;

use std::{env, error::Error, path::PathBuf, process::ExitCode, time::Duration};

/// Whatever kept it from going on.
pub type Failed = Box<dyn Error + Send + Sync>;

/// What the environment asks for.
pub struct Asked {
    /// cargo-mutants.
    program: String,
    /// The project.
    root: PathBuf,
    /// Which files are changed: globs, and all of the core where there are none.
    files: String,
    /// Only mutants whose name has one of these words in it are judged.
    names: String,
    /// Only those are judged that survived the last time.
    again: bool,
    /// Only these files of `tests/` judge, with the core's own tests.
    tests: String,
    /// How long a test may take to judge every mutant that it reaches.
    quick: Duration,
    /// How long a test may take to judge what the quick ones have let pass.
    slow: Duration,
    /// How many tests run at a time.
    jobs: usize,
}

impl Asked {
    fn new() -> Result<Self, Failed> {
        let text = |name: &str| env::var(name).unwrap_or_default();
        let seconds = |name: &str, usual: u64| match text(name).as_str() {
            "" => Ok(Duration::from_secs(usual)),
            text => text.parse().map(Duration::from_secs).map_err(|_| format!("{name} is {text:?}; expected seconds")),
        };
        let jobs = text("JOBS").parse().or_else(|_| std::thread::available_parallelism().map(usize::from))?;
        Ok(Self {
            program: text("MUTANTS"),
            root: env::current_dir()?,
            files: text("FILES"),
            names: text("NAMES"),
            tests: text("TESTS"),
            again: !text("AGAIN").is_empty(),
            quick: seconds("QUICK", 4)?,
            slow: seconds("SLOW", 0)?,
            jobs,
        })
    }
}

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), Failed> {
    let asked = Asked::new()?;
    let mutants = list::list(&asked.program, &asked.root, &asked.files.split_whitespace().collect::<Vec<_>>())?;
    eprintln!("{} mutants", mutants.len());
    let tree = tree::Tree::new(&asked.root)?;
    let built = tree.build_in(&mutants)?;
    eprintln!("{} of them are built in", built.len());
    if built.is_empty() {
        return Err(
            "no mutant can be judged: FILES names no file of the core, or one that has only constants in it".into()
        );
    }
    let tests = record::recorded(&tree, tests::built(&tree, &asked.tests)?, &asked)?;
    let before = report::before(&asked.root);
    let names: Vec<_> = asked.names.split_whitespace().collect();
    let is_asked_for = |name: &str| {
        let is_named = names.is_empty() || names.iter().any(|part| name.contains(part));
        is_named && (!asked.again || before.get(name).is_some_and(|says| says.starts_with(report::SURVIVED)))
    };
    let judged = mutants.iter().filter(|mutant| built.contains(&mutant.number) && is_asked_for(&mutant.name));
    let fates = judge::judge(&judged.collect::<Vec<_>>(), &tests, &asked);
    report::report(&asked.root, &mutants, &built, &fates, &before)
}
