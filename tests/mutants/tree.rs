//! A copy of the project in which the core's mutants are built in. It is kept in `build/mutants`, so that only what has changed is built
//! anew.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    ops::Range,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    Failed,
    list::{self, Mutant},
    rewrite::{Rewritten, rewrite},
};

const SWITCHED: &str = include_str!("switched.rs");
const CORE: &str = "src/core/lib.rs";

pub struct Tree {
    /// The project.
    root: PathBuf,
    /// Its copy.
    pub copy: PathBuf,
    /// What is kept from run to run.
    pub scratch: PathBuf,
}

/// What did not compile in a file, and of what text that was said.
#[derive(Default, Serialize, Deserialize)]
struct Unbuilt {
    text: String,
    names: BTreeSet<String>,
}

/// Where the compiler has found an error.
struct Wrong {
    file: String,
    range: Range<usize>,
    says: String,
}

impl Tree {
    pub fn new(root: &Path) -> Result<Self, Failed> {
        let scratch = root.join("build/mutants");
        let tree = Self { root: root.to_owned(), copy: scratch.join("tree"), scratch };
        fs::create_dir_all(&tree.copy)?;
        let modules = tree.copy.join("node_modules");
        if !modules.exists() {
            std::os::unix::fs::symlink(root.join("node_modules"), modules)?;
        }
        Ok(tree)
    }

    /// The files that the project has, from its root.
    fn names(&self) -> Result<Vec<String>, Failed> {
        let git = ["ls-files", "-co", "--exclude-standard", "-z"];
        let said = Command::new("git").args(git).current_dir(&self.root).output()?;
        let names = String::from_utf8(said.stdout)?;
        Ok(names.split('\0').filter(|name| self.root.join(name).is_file()).map(str::to_owned).collect())
    }

    /// Writes a file of the copy, if it differs.
    fn write(&self, name: &str, text: &[u8]) -> Result<(), Failed> {
        let to = self.copy.join(name);
        if fs::read(&to).is_ok_and(|before| before == text) {
            return Ok(());
        }
        fs::create_dir_all(to.parent().unwrap_or(&self.copy))?;
        Ok(fs::write(to, text)?)
    }

    /// Copies the project with the mutants built in, as many as compile; which those are.
    pub fn build_in(&self, mutants: &[Mutant]) -> Result<BTreeSet<u32>, Failed> {
        let files = list::by_file(mutants);
        for name in self.names()?.iter().filter(|name| !files.contains_key(name.as_str()) && *name != CORE) {
            self.write(name, &fs::read(self.root.join(name))?)?;
        }
        self.write("src/core/switched.rs", SWITCHED.as_bytes())?;
        let mut unbuilt = self.unbuilt(&files)?;
        loop {
            let rewritten = self.rewritten(&files, &unbuilt)?;
            let errors = self.check()?;
            if errors.is_empty() {
                self.keep(&unbuilt)?;
                return Ok(rewritten.values().flat_map(|file| &file.placed).copied().collect());
            }
            let mut gone = 0;
            for error in errors {
                let file = rewritten.get(error.file.as_str()).ok_or(error.says.as_str())?;
                let whose = blamed(file, &error.range);
                let here = unbuilt.entry(error.file).or_default();
                for mutant in mutants.iter().filter(|mutant| whose.contains(&mutant.number)) {
                    gone += usize::from(here.names.insert(mutant.name.clone()));
                }
            }
            eprintln!("{gone} mutants do not compile");
            if gone == 0 {
                return Err(
                    "The copy does not compile, and no mutant is to blame: see `cargo check` in build/mutants/tree"
                        .into(),
                );
            }
        }
    }

    /// Writes the files with their mutants, less those that do not compile.
    fn rewritten<'m>(
        &self,
        files: &BTreeMap<&'m str, Vec<&Mutant>>,
        unbuilt: &BTreeMap<String, Unbuilt>,
    ) -> Result<BTreeMap<&'m str, Rewritten>, Failed> {
        let mut all = BTreeMap::new();
        for (name, mutants) in files {
            let builds = |mutant: &&&Mutant| !unbuilt.get(*name).is_some_and(|file| file.names.contains(&mutant.name));
            let mutants: Vec<_> = mutants.iter().filter(builds).copied().collect();
            let file = rewrite(&fs::read_to_string(self.root.join(name))?, &mutants)?;
            if *name != CORE {
                self.write(name, file.text.as_bytes())?;
            }
            all.insert(*name, file);
        }
        let core = fs::read_to_string(self.root.join(CORE))?;
        self.write(CORE, format!("{core}\nmod switched;\n").as_bytes())?;
        Ok(all)
    }

    /// What did not compile the last time, of the files that are still the same.
    fn unbuilt(&self, files: &BTreeMap<&str, Vec<&Mutant>>) -> Result<BTreeMap<String, Unbuilt>, Failed> {
        let kept = fs::read(self.scratch.join("unbuilt.json")).unwrap_or_default();
        let mut kept: BTreeMap<String, Unbuilt> = serde_json::from_slice(&kept).unwrap_or_default();
        for name in files.keys() {
            let text = fs::read_to_string(self.root.join(name))?;
            if kept.get(*name).is_none_or(|file| file.text != text) {
                kept.insert((*name).to_owned(), Unbuilt { text, names: BTreeSet::new() });
            }
        }
        Ok(kept)
    }

    fn keep(&self, unbuilt: &BTreeMap<String, Unbuilt>) -> Result<(), Failed> {
        Ok(fs::write(self.scratch.join("unbuilt.json"), serde_json::to_vec(unbuilt)?)?)
    }

    /// What is wrong with the core, by the compiler.
    fn check(&self) -> Result<Vec<Wrong>, Failed> {
        let (messages, is_built) = self.cargo(&["check", "-p", "homing-core", "--lib", "--features", "testing"])?;
        let wrong: Vec<_> = messages.iter().flat_map(wrong).collect();
        if wrong.is_empty() && !is_built {
            return Err("cargo check failed, and not by a mutant: its words stand above".into());
        }
        Ok(wrong)
    }

    /// Runs cargo in the copy: its messages, and whether it succeeded.
    pub fn cargo(&self, arguments: &[&str]) -> Result<(Vec<Value>, bool), Failed> {
        let mut command = Command::new("cargo");
        command.args(arguments).args(["--quiet", "--locked", "--message-format=json"]).current_dir(&self.copy);
        // What is wrong with a mutant is for its tests to say: `1 - 2` is no error of the compiler's.
        command.env("RUSTFLAGS", "--cap-lints=allow").env("CARGO_TARGET_DIR", self.scratch.join("target"));
        let said = command.stderr(Stdio::inherit()).output()?;
        let text = String::from_utf8(said.stdout)?;
        Ok((text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect(), said.status.success()))
    }
}

/// The places of an error.
fn wrong(message: &Value) -> Vec<Wrong> {
    let message = &message["message"];
    if message["level"] != "error" {
        return Vec::new();
    }
    let spans = message["spans"].as_array().map_or(&[][..], Vec::as_slice);
    let offset = |span: &Value, field: &str| span[field].as_u64().unwrap_or(0) as usize;
    let primary = spans.iter().filter(|span| span["is_primary"] == true);
    let wrong = primary.map(|span| Wrong {
        file: span["file_name"].as_str().unwrap_or_default().to_owned(),
        range: offset(span, "byte_start")..offset(span, "byte_end"),
        says: message["rendered"].as_str().unwrap_or_default().to_owned(),
    });
    wrong.collect()
}

/// Whose an error is: the least part of the text that holds it; else whatever stands in it.
pub fn blamed(file: &Rewritten, error: &Range<usize>) -> Vec<u32> {
    let holds = |part: &Range<usize>| part.start <= error.start && error.end <= part.end;
    let within = file.marks.iter().filter(|mark| !mark.numbers.is_empty() && holds(&mark.range));
    if let Some(least) = within.min_by_key(|mark| mark.range.len()) {
        return least.numbers.clone();
    }
    let inside = file.marks.iter().filter(|mark| error.start <= mark.range.start && mark.range.end <= error.end);
    let inside: Vec<u32> = inside.flat_map(|mark| mark.numbers.clone()).collect();
    if !inside.is_empty() {
        return inside;
    }
    // Nobody else's: everybody's in the function.
    let around = file.marks.iter().filter(|mark| holds(&mark.range)).min_by_key(|mark| mark.range.len());
    let of = |range: &Range<usize>| {
        let inside = file.marks.iter().filter(|mark| range.start <= mark.range.start && mark.range.end <= range.end);
        inside.flat_map(|mark| mark.numbers.clone()).collect()
    };
    around.map_or_else(Vec::new, |mark| of(&mark.range))
}
