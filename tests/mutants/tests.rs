//! The tests that judge: each is run by itself, once, so that it is known how long it takes and which mutants it reaches.

use std::{
    collections::BTreeSet,
    fs,
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use crate::{Asked, Failed, tree::Tree};

/// Whose tests judge.
const PACKAGES: [&str; 3] = ["homing-core", "homing-tests", "homing-cli"];
/// How much memory a test may use, in KiB: some mutants never stop asking for more.
const MEMORY: u64 = 4 << 20;
/// How many worlds and states those tests try that could go on for ever; and laws try the same cases each time.
const SCALE: [(&str, &str); 3] = [("SEEDS", "100"), ("STATES", "20000"), ("PROPTEST_RNG_SEED", "1")];

/// A test as it is run.
pub struct Test {
    pub name: String,
    program: PathBuf,
    /// Where cargo would run it.
    folder: PathBuf,
    /// How long it takes without a mutant.
    pub took: Duration,
    pub reaches: BTreeSet<u32>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    Passed,
    Failed,
    /// It was stopped.
    Late,
}

impl Test {
    fn command(&self) -> Command {
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

fn ended(command: &mut Command, most: Duration) -> Ended {
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

/// Builds the tests; each by its name.
pub fn built(tree: &Tree) -> Result<Vec<Test>, Failed> {
    let mut arguments = vec!["test", "--no-run", "--lib", "--bins", "--tests"];
    PACKAGES.iter().for_each(|package| arguments.extend(["-p", package]));
    let mut tests = Vec::new();
    for message in tree.cargo(&arguments)? {
        if message["message"]["level"] == "error" {
            return Err(message["message"]["rendered"].as_str().unwrap_or_default().into());
        }
        let (Some(program), true) = (message["executable"].as_str(), message["profile"]["test"] == true) else {
            continue;
        };
        let manifest = Path::new(message["manifest_path"].as_str().unwrap_or_default());
        let folder = manifest.parent().unwrap_or(&tree.copy);
        let said = Command::new(program).args(["--list", "--format", "terse"]).current_dir(folder).output()?;
        for name in String::from_utf8(said.stdout)?.lines().filter_map(|line| line.strip_suffix(": test")) {
            tests.push(Test {
                name: name.to_owned(),
                program: program.into(),
                folder: folder.to_owned(),
                took: Duration::ZERO,
                reaches: BTreeSet::new(),
            });
        }
    }
    Ok(tests)
}

/// Runs each test without a mutant. Those that fail judge nothing: above all those that read the source, which is another one here.
pub fn recorded(tree: &Tree, tests: Vec<Test>, asked: &Asked) -> Result<Vec<Test>, Failed> {
    let folder = tree.scratch.join("reached");
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder)?;
    let longest = asked.quick.max(asked.slow);
    let (all, recorded, left_out) = (tests.len(), Mutex::new(Vec::new()), Mutex::new(Vec::new()));
    let tests: Vec<_> = tests.into_iter().map(|test| Mutex::new(Some(test))).collect();
    each(asked.jobs, tests.len(), |at| {
        let Some(mut test) = tests[at].lock().ok().and_then(|mut test| test.take()) else { return };
        let reached = folder.join(at.to_string());
        let began = Instant::now();
        let how = ended(test.command().env("HOMING_REACHED", &reached), longest);
        test.took = began.elapsed();
        let numbers = fs::read_to_string(&reached).unwrap_or_default();
        test.reaches = numbers.lines().filter_map(|number| number.parse().ok()).collect();
        let list = if how == Ended::Passed { &recorded } else { &left_out };
        if let Ok(mut list) = list.lock() {
            list.push((test, how));
        }
    });
    for (test, how) in left_out.into_inner()? {
        let why = if how == Ended::Late { "takes too long" } else { "fails without a mutant" };
        eprintln!("left out: {} ({why})", test.name);
    }
    let recorded = recorded.into_inner()?;
    eprintln!("{} of {all} tests judge", recorded.len());
    Ok(recorded.into_iter().map(|(test, _)| test).collect())
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
