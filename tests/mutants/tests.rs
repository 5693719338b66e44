//! The tests that judge, as they are built and run: each by itself.

use std::{
    collections::BTreeSet,
    fs,
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicUsize, Ordering},
    thread,
    time::{Duration, Instant, UNIX_EPOCH},
};

use serde::{Deserialize, Serialize};

use crate::{Failed, tree::Tree};

/// Whose tests judge.
const PACKAGES: [&str; 3] = ["homing-core", "homing-tests", "homing-cli"];
/// How much memory a test may use, in KiB: some mutants never stop asking for more.
const MEMORY: u64 = 4 << 20;
/// How many worlds and states those tests try that could go on for ever; and laws try the same cases each time.
const SCALE: [(&str, &str); 3] = [("SEEDS", "100"), ("STATES", "20000"), ("PROPTEST_RNG_SEED", "1")];

/// A test as it is run.
pub struct Test {
    pub name: String,
    pub program: PathBuf,
    /// When that was built, in nanoseconds.
    pub built: u64,
    /// Where cargo would run it.
    pub folder: PathBuf,
    /// How long it takes without a mutant.
    pub took: Duration,
    pub reaches: BTreeSet<u32>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Ended {
    Passed,
    Failed,
    /// It was stopped.
    Late,
}

impl Test {
    pub fn command(&self) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", &format!("ulimit -d {MEMORY}; exec \"$0\" \"$@\"")]);
        command.arg(&self.program).args(["--exact", &self.name, "--quiet", "--test-threads=1"]);
        command.current_dir(&self.folder).envs(SCALE);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        // By itself, so that what it starts can be stopped with it.
        command.process_group(0);
        command
    }

    /// Runs it with that mutant switched on.
    pub fn run(&self, mutant: u32) -> Ended {
        let most = self.took * 10 + Duration::from_secs(5);
        ended(self.command().env("HOMING_MUTANT", mutant.to_string()), most)
    }
}

/// Runs a command, and stops it after so long.
pub fn ended(command: &mut Command, most: Duration) -> Ended {
    let Ok(mut child) = command.spawn() else { return Ended::Failed };
    let began = Instant::now();
    let mut pause = Duration::from_micros(500);
    loop {
        match child.try_wait() {
            Ok(Some(status)) if status.success() => return Ended::Passed,
            Ok(Some(_)) | Err(_) => return Ended::Failed,
            Ok(None) if began.elapsed() > most => {
                stop(&mut child);
                return Ended::Late;
            }
            Ok(None) => thread::sleep(pause),
        }
        pause = (pause * 2).min(Duration::from_millis(20));
    }
}

/// Ends a process and all that it has started.
fn stop(child: &mut Child) {
    let group = format!("-{}", child.id());
    let _ = Command::new("kill").args(["-KILL", "--", &group]).stderr(Stdio::null()).status();
    let _ = child.wait();
}

/// Builds the tests; each by its name. Of `tests/` only those files that are named, with the core's own; all where none is named.
pub fn built(tree: &Tree, files: &str) -> Result<Vec<Test>, Failed> {
    let mut arguments = vec!["test", "--no-run", "--lib"];
    if files.is_empty() {
        arguments.extend(["--bins", "--tests"]);
        PACKAGES.iter().for_each(|package| arguments.extend(["-p", package]));
    } else {
        arguments.extend(["-p", PACKAGES[0], "-p", PACKAGES[1]]);
        files.split_whitespace().for_each(|file| arguments.extend(["--test", file]));
    }
    let mut tests = Vec::new();
    let (messages, is_built) = tree.cargo(&arguments)?;
    for message in messages {
        if message["message"]["level"] == "error" {
            return Err(message["message"]["rendered"].as_str().unwrap_or_default().into());
        }
        let (Some(program), true) = (message["executable"].as_str(), message["profile"]["test"] == true) else {
            continue;
        };
        let manifest = Path::new(message["manifest_path"].as_str().unwrap_or_default());
        let folder = manifest.parent().unwrap_or(&tree.copy);
        let built = fs::metadata(program)?.modified()?.duration_since(UNIX_EPOCH)?.as_nanos();
        let said = Command::new(program).args(["--list", "--format", "terse"]).current_dir(folder).output()?;
        for name in String::from_utf8(said.stdout)?.lines().filter_map(|line| line.strip_suffix(": test")) {
            tests.push(Test {
                name: name.to_owned(),
                program: program.into(),
                built: u64::try_from(built)?,
                folder: folder.to_owned(),
                took: Duration::ZERO,
                reaches: BTreeSet::new(),
            });
        }
    }
    if tests.is_empty() || !is_built {
        return Err("there are no tests that could judge: cargo's words stand above".into());
    }
    Ok(tests)
}

/// Does something for each number below `all`, so many at a time.
pub fn each(jobs: usize, all: usize, does: impl Fn(usize) + Sync) {
    let next = AtomicUsize::new(0);
    thread::scope(|scope| {
        for _ in 0..jobs {
            scope.spawn(|| {
                while let Some(at) = Some(next.fetch_add(1, Ordering::Relaxed)).filter(|at| *at < all) {
                    does(at);
                }
            });
        }
    });
}
