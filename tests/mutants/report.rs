//! What came of it: a table by folder, and the survivors by name. All of it lies in `build/mutants/fates.txt`.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write,
    fs,
    path::Path,
};

use crate::{Failed, judge::Fate, list::Mutant};

const FATES: &str = "build/mutants/fates.txt";
const CAUGHT: &str = "caught by";
const LATE: &str = "does not end in";
pub const SURVIVED: &str = "survived";

/// A folder's row.
#[derive(Default)]
struct Row {
    listed: usize,
    built: usize,
    caught: usize,
    late: usize,
    survived: usize,
}

/// What came of each mutant the last time, by name.
pub fn before(root: &Path) -> BTreeMap<String, String> {
    let text = fs::read_to_string(root.join(FATES)).unwrap_or_default();
    let fates = text.lines().filter_map(|line| line.split_once('\t'));
    fates.map(|(name, says)| (name.to_owned(), says.to_owned())).collect()
}

/// Of those that were not judged it says what it said before.
pub fn report(
    root: &Path,
    mutants: &[Mutant],
    built: &BTreeSet<u32>,
    fates: &BTreeMap<u32, Fate>,
    before: &BTreeMap<String, String>,
) -> Result<(), Failed> {
    let mut rows = BTreeMap::<String, Row>::new();
    let (mut all, mut survivors) = (String::new(), String::new());
    for mutant in mutants {
        let says = match fates.get(&mutant.number) {
            Some(Fate::Caught(test)) => format!("{CAUGHT} {test}"),
            Some(Fate::Late(test)) => format!("{LATE} {test}"),
            Some(Fate::Survived(tests)) => format!("{SURVIVED} {tests} tests"),
            None if !built.contains(&mutant.number) => "not built".to_owned(),
            None => before.get(&mutant.name).cloned().unwrap_or_else(|| "not judged".to_owned()),
        };
        let row = rows.entry(folder(&mutant.file)).or_default();
        row.listed += 1;
        row.built += usize::from(built.contains(&mutant.number));
        row.caught += usize::from(says.starts_with(CAUGHT));
        row.late += usize::from(says.starts_with(LATE));
        if says.starts_with(SURVIVED) {
            row.survived += 1;
            writeln!(survivors, "{} ({says})", mutant.name)?;
        }
        writeln!(all, "{}\t{says}", mutant.name)?;
    }
    fs::write(root.join(FATES), all)?;
    println!("{survivors}");
    println!("| folder | mutants | built | caught | out of time | survived |\n|---|---|---|---|---|---|");
    for (name, Row { listed, built, caught, late, survived }) in rows {
        println!("| `{name}` | {listed} | {built} | {caught} | {late} | {survived} |");
    }
    Ok(())
}

/// The folder of the core that a file stands in, or the file if it stands in none.
fn folder(file: &str) -> String {
    file.split('/').take(3).collect::<Vec<_>>().join("/")
}
