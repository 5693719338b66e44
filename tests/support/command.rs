//! Running the command `homing` as it is built, on configurations of the test's own.
#![allow(dead_code, reason = "each test file uses its own part")]

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::atomic::{AtomicUsize, Ordering},
};

/// What a run of the command came to.
pub struct Run {
    pub status: i32,
    pub out: String,
    pub err: String,
}

impl Run {
    /// All that it came to.
    pub fn whole(&self) -> String {
        format!("{}\n{}=> {}\n", self.out, self.err, self.status)
    }
}

pub fn homing(directory: &Path, arguments: &[&str]) -> Run {
    let mut command = Command::new(env!("CARGO_BIN_EXE_homing"));
    let output = command.args(arguments).current_dir(directory).env_remove("SESSION_KEY").output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Run { status: output.status.code().unwrap(), out: text(output.stdout), err: text(output.stderr) }
}

/// A directory that goes with the test.
pub struct Directory(PathBuf);

impl Drop for Directory {
    fn drop(&mut self) {
        // What is left behind lies in target/ and does no harm.
        let _ = fs::remove_dir_all(&self.0);
    }
}

impl std::ops::Deref for Directory {
    type Target = Path;

    fn deref(&self) -> &Path {
        &self.0
    }
}

/// A new directory with these files in it.
pub fn directory(files: &[(&str, &str)]) -> Directory {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    let name = format!("cli-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    fs::create_dir_all(&directory).unwrap();
    for (name, text) in files {
        fs::write(directory.join(name), text).unwrap();
    }
    Directory(directory)
}

/// `homing check` beside a `wrangler.toml` of that text.
pub fn check(text: &str) -> Run {
    homing(&directory(&[("wrangler.toml", text)]), &["check"])
}

pub fn golden(name: &str) -> PathBuf {
    homing_tests::at("tests/golden/cli").join(name)
}

/// Holds what was said against the golden case of that name; `UPDATE_GOLDEN=1` writes it down instead.
pub fn is_golden(name: &str, said: &str) {
    let file = golden(name);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(&file, said).unwrap();
    }
    assert_eq!(said, fs::read_to_string(&file).unwrap(), "see tests/golden/cli/{name}");
}

/// An environment beside the sound configuration, with a topology of its own: one region, at that origin.
pub fn environment(origin: &str) -> String {
    format!(
        "\n[env.prod]\nkv_namespaces = [{{ binding = \"HOMES\" }}]\n\
         durable_objects.bindings = [{{ name = \"DIRECTORY\", class_name = \"Directory\" }}, \
         {{ name = \"AUTHORITY\", class_name = \"Authority\" }}, {{ name = \"PROBERS\", class_name = \"Prober\" }}]\n\
         vars.REGIONS.us = {{ origin = \"{origin}\" }}\n"
    )
}

/// The sound configuration, with one text in it replaced.
pub fn small(old: &str, new: &str) -> String {
    let text = fs::read_to_string(golden("wrangler.toml")).unwrap();
    assert_eq!(text.matches(old).count(), 1, "{old:?} stands once in wrangler.toml");
    text.replace(old, new)
}

pub fn sound() -> String {
    small("name = \"small\"", "name = \"small\"")
}

/// The complaints without the lines that point at them: `error: …` and its help.
pub fn sentences(run: &Run) -> Vec<String> {
    let mut said: Vec<String> = Vec::new();
    for line in run.err.lines() {
        if let Some(help) = line.strip_prefix("  = help: ") {
            let last = said.last_mut().unwrap();
            *last = format!("{last}; {help}");
        } else if line.starts_with("error: ") || line.starts_with("warning: ") {
            said.push(line.to_owned());
        }
    }
    said
}
