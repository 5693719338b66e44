//! The mutants that cargo-mutants would make.

use std::{collections::BTreeMap, path::Path, process::Command};

use serde::Deserialize;

use crate::Failed;

/// What kind of place is changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
pub enum Genre {
    /// The body of a function gives a fixed value.
    FnValue,
    /// Another operator between the same operands.
    BinaryOperator,
    /// `!` or `-` is left out.
    UnaryOperator,
    /// A guard is always true, or never.
    MatchArmGuard,
    /// An arm is left out.
    MatchArm,
    /// A field is left out, so that the base's counts.
    StructField,
}

/// Where something begins: line and column, each from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
pub struct Place {
    pub line: usize,
    pub column: usize,
}

/// One change, as it is listed.
#[derive(Clone, Debug, Deserialize)]
pub struct Mutant {
    /// Its switch; none has 0.
    #[serde(skip)]
    pub number: u32,
    /// The file, from the root of the tree.
    pub file: String,
    /// File, place and what is changed.
    pub name: String,
    pub genre: Genre,
    /// What stands there in place of what is written; empty where something is left out.
    pub replacement: String,
    pub span: Span,
}

#[derive(Clone, Copy, Debug, Deserialize)]
pub struct Span {
    pub start: Place,
}

/// The mutants of the files that the globs name; all of the core's where there are none.
pub fn list(program: &str, root: &Path, globs: &[&str]) -> Result<Vec<Mutant>, Failed> {
    let mut command = Command::new(program);
    command.args(["mutants", "--package", "homing-core", "--list", "--json"]).current_dir(root);
    globs.iter().for_each(|glob| {
        command.args(["--file", glob]);
    });
    let said = command.output()?;
    if !said.status.success() {
        return Err(format!("{program} --list failed: {}", String::from_utf8_lossy(&said.stderr)).into());
    }
    let mut mutants: Vec<Mutant> = serde_json::from_slice(&said.stdout)?;
    (1..).zip(&mut mutants).for_each(|(number, mutant)| mutant.number = number);
    Ok(mutants)
}

/// The same, by file.
pub fn by_file(mutants: &[Mutant]) -> BTreeMap<&str, Vec<&Mutant>> {
    let mut files = BTreeMap::<&str, Vec<&Mutant>>::new();
    mutants.iter().for_each(|mutant| files.entry(&mutant.file).or_default().push(mutant));
    files
}
