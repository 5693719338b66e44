//! What came of it: a table by folder, and the survivors by name. All of it lies in `build/mutants/fates.txt`.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write,
    fs,
};

use crate::{Asked, Failed, judge::Fate, list::Mutant};

/// A folder's row.
#[derive(Default)]
struct Row {
    listed: usize,
    built: usize,
    caught: usize,
    late: usize,
    survived: usize,
}

pub fn report(
    asked: &Asked,
    mutants: &[Mutant],
    built: &BTreeSet<u32>,
    fates: &BTreeMap<u32, Fate>,
) -> Result<(), Failed> {
    let mut rows = BTreeMap::<String, Row>::new();
    let (mut all, mut survivors) = (String::new(), String::new());
    for mutant in mutants {
        let row = rows.entry(folder(&mutant.file)).or_default();
        row.listed += 1;
        row.built += usize::from(built.contains(&mutant.number));
        let says = match fates.get(&mutant.number) {
            Some(Fate::Caught(test)) => {
                row.caught += 1;
                format!("caught by {test}")
            }
            Some(Fate::Late(test)) => {
                row.late += 1;
                format!("does not end in {test}")
            }
            Some(Fate::Survived(tests)) => {
                row.survived += 1;
                writeln!(survivors, "{} ({tests} tests reach it)", mutant.name)?;
                format!("survived {tests} tests")
            }
            None if built.contains(&mutant.number) => "not judged".to_owned(),
            None => "not built".to_owned(),
        };
        writeln!(all, "{}: {says}", mutant.name)?;
    }
    fs::write(asked.root.join("build/mutants/fates.txt"), all)?;
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
