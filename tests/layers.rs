//! The shape of the house: a folder of `src/core` uses only those that `lib.rs` declares above it, no two of its files use each other in a
//! circle, its folders are private behind one page and its rooms, it is the same on every target, and in each crate one name means one type.
//!
//! The code is read by its syntax. A use is a path that leads into another file, followed through `pub use` to the file that declares what
//! is used. Tests are left out, and so is the face of a folder: what a `mod.rs` gives on of its own files.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::PathBuf,
};

use proc_macro2::{TokenStream, TokenTree};
use quote::ToTokens;
use syn::{Attribute, Item, UseTree, Visibility};

fn src(path: &str) -> PathBuf {
    homing_tests::at("src").join(path)
}

/// A file of a crate, its tests left out.
struct File {
    text: String,
    items: Vec<Item>,
}

/// Every file of a crate, by its path in it.
fn files(name: &str) -> BTreeMap<String, File> {
    let (root, mut found, mut folders) = (src(name), BTreeMap::new(), vec![src(name)]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let short = path.strip_prefix(&root).unwrap().to_str().unwrap().to_owned();
            if path.is_dir() && !["tests", "examples"].contains(&short.as_str()) {
                folders.push(path);
            } else if short.ends_with(".rs") && !short.ends_with("tests.rs") {
                let text = fs::read_to_string(&path).unwrap();
                let mut items = syn::parse_file(&text).unwrap_or_else(|error| panic!("{short}: {error}")).items;
                items.retain(|item| !is_test(item));
                found.insert(short, File { text, items });
            }
        }
    }
    found
}

fn is_test(item: &Item) -> bool {
    let is_test = |attribute: &Attribute| attribute.to_token_stream().to_string().replace(' ', "") == "#[cfg(test)]";
    let attributes = match item {
        Item::Mod(item) => &item.attrs,
        Item::Use(item) => &item.attrs,
        Item::Fn(item) => &item.attrs,
        Item::Impl(item) => &item.attrs,
        _ => return false,
    };
    attributes.iter().any(is_test)
}

type Segments = Vec<String>;

/// The paths of a `use`, each with the name that it brings in.
fn leaves(tree: &UseTree, before: &[String], found: &mut Vec<(Segments, String)>) {
    let with = |name: &syn::Ident| [before, &[name.to_string()]].concat();
    match tree {
        UseTree::Path(path) => leaves(&path.tree, &with(&path.ident), found),
        UseTree::Group(group) => group.items.iter().for_each(|tree| leaves(tree, before, found)),
        UseTree::Name(name) if name.ident == "self" => found.push((before.to_vec(), before.last().unwrap().clone())),
        UseTree::Name(name) => found.push((with(&name.ident), name.ident.to_string())),
        UseTree::Rename(name) => found.push((with(&name.ident), name.rename.to_string())),
        UseTree::Glob(_) => found.push((before.to_vec(), "*".to_owned())),
    }
}

/// The paths of more than one name in a text of tokens (`a::b::C`), those in the arguments of macros too; and the names of the types that
/// are declared in it.
fn names(tokens: TokenStream, paths: &mut BTreeSet<Segments>, types: &mut Vec<String>) {
    let (mut path, mut colons, mut keyword) = (Segments::new(), 0, String::new());
    let mut end = |path: &mut Segments| {
        let whole = std::mem::take(path);
        if whole.len() > 1 {
            paths.insert(whole);
        }
    };
    let mut groups = Vec::new();
    for token in tokens {
        match token {
            TokenTree::Ident(name) => {
                if colons != 2 {
                    end(&mut path);
                }
                path.push(name.to_string());
                if ["struct", "enum", "trait"].contains(&keyword.as_str()) {
                    types.push(name.to_string());
                }
                (colons, keyword) = (0, name.to_string());
            }
            TokenTree::Punct(mark) if mark.as_char() == ':' => colons += 1,
            other => {
                end(&mut path);
                (colons, keyword) = (0, String::new());
                if let TokenTree::Group(group) = other {
                    groups.push(group.stream());
                }
            }
        }
    }
    end(&mut path);
    for group in groups {
        names(group, paths, types);
    }
}

/// What of the core uses what.
struct Core {
    files: BTreeMap<String, File>,
    /// The file of each module.
    modules: BTreeMap<Segments, String>,
    /// What each file brings in by `use`: the name, the path and whether it gives it on.
    brings: BTreeMap<String, Vec<(String, Segments, bool)>>,
}

impl Core {
    fn read() -> Self {
        let files = files("core");
        let modules = files.keys().map(|file| (module_of(file), file.clone())).collect();
        let brings = files.iter().map(|(file, read)| (file.clone(), brought(read))).collect();
        Self { files, modules, brings }
    }

    /// The path from the root of the crate; none if it leads out of the crate, or is of one name.
    fn whole(&self, file: &str, path: &[String]) -> Option<Segments> {
        let module = module_of(file);
        let up = path.iter().take_while(|name| *name == "super").count();
        Some(match path.first()?.as_str() {
            "crate" => path[1..].to_vec(),
            "self" => [&module, &path[1..]].concat(),
            "super" => [&module[..module.len().checked_sub(up)?], &path[up..]].concat(),
            first => {
                let child = [module.as_slice(), &path[..1]].concat();
                let imported = self.brings[file].iter().find(|(name, ..)| name == first);
                match imported {
                    _ if self.modules.contains_key(&child) => [&module, path].concat(),
                    Some((_, from, _)) if path.len() > 1 && from.first().is_some_and(|name| name != first) => {
                        [self.whole(file, from)?, path[1..].to_vec()].concat()
                    }
                    _ => return None,
                }
            }
        })
    }

    /// The file that declares what is at that path; none where the path ends at a module, of which nothing is used yet.
    fn declares(&self, whole: &[String]) -> Option<&str> {
        let depth = (0..=whole.len()).rev().find(|depth| self.modules.contains_key(&whole[..*depth]))?;
        let file = &self.modules[&whole[..depth]];
        let name = whole.get(depth)?;
        let given = self.brings[file].iter().find(|(brought, _, given)| *given && brought == name);
        match given.and_then(|(_, path, _)| self.whole(file, path)) {
            Some(from) if from != whole => self.declares(&[&from, &whole[depth + 1..]].concat()),
            _ => Some(file),
        }
    }

    /// The files that a file uses.
    fn uses(&self, file: &str) -> BTreeSet<&str> {
        let (mut paths, mut types) = (BTreeSet::new(), Vec::new());
        for item in self.files[file].items.iter().filter(|item| !matches!(item, Item::Use(_) | Item::Mod(_))) {
            names(item.to_token_stream(), &mut paths, &mut types);
        }
        let folder = file.strip_suffix("mod.rs");
        let brought = self.brings[file].iter().filter_map(|(_, path, given)| {
            let to = self.declares(&self.whole(file, path)?)?;
            (!given || folder.is_none_or(|folder| !to.starts_with(folder))).then_some(to)
        });
        let named = paths.iter().filter_map(|path| self.declares(&self.whole(file, path)?));
        brought.chain(named).filter(|to| *to != file && *to != "lib.rs").collect()
    }

    fn all_uses(&self) -> BTreeMap<&str, BTreeSet<&str>> {
        self.files.keys().filter(|file| *file != "lib.rs").map(|file| (file.as_str(), self.uses(file))).collect()
    }

    /// The folders, and the files beside them, in the order in which `lib.rs` declares them.
    fn order(&self) -> Vec<String> {
        let declared = self.files["lib.rs"].items.iter().filter_map(|item| match item {
            Item::Mod(item) if item.content.is_none() => Some(item.ident.to_string()),
            _ => None,
        });
        declared.collect()
    }
}

fn module_of(file: &str) -> Segments {
    let path = file.trim_end_matches(".rs").split('/').map(str::to_owned);
    path.filter(|name| name != "mod" && name != "lib").collect()
}

fn brought(file: &File) -> Vec<(String, Segments, bool)> {
    let mut found = Vec::new();
    for item in &file.items {
        if let Item::Use(item) = item {
            let mut paths = Vec::new();
            leaves(&item.tree, &[], &mut paths);
            let given = !matches!(item.vis, Visibility::Inherited);
            found.extend(paths.into_iter().map(|(path, name)| (name, path, given)));
        }
    }
    found
}

fn none(found: &BTreeSet<String>, what: &str) {
    let found: Vec<_> = found.iter().map(String::as_str).collect();
    assert!(found.is_empty(), "{what}:\n{}", found.join("\n"));
}

#[test]
fn a_line_uses_only_what_stands_above_it() {
    let core = Core::read();
    let (order, uses) = (core.order(), core.all_uses());
    let floor = |file: &str| {
        let name = file.split('/').next().unwrap().trim_end_matches(".rs");
        order.iter().position(|it| it == name).unwrap_or_else(|| panic!("{file} is not declared in lib.rs"))
    };
    let mut wrong = BTreeSet::new();
    let mut down = BTreeSet::new();
    for (file, used) in &uses {
        for to in used {
            if floor(to) > floor(file) {
                wrong.insert(format!("{file} uses {to}"));
            } else if floor(to) < floor(file) {
                down.insert((floor(file), floor(to)));
            }
        }
    }
    none(&wrong, "lib.rs declares what is used below what uses it");
    let arrows: usize = uses.values().map(BTreeSet::len).sum();
    assert!(uses.len() > 120 && arrows > 600 && down.len() > 50, "{} {arrows} {}", uses.len(), down.len());
    let lonely: Vec<_> =
        order.iter().skip(1).enumerate().filter(|(at, _)| !down.iter().any(|(from, _)| *from == at + 1)).collect();
    assert!(lonely.is_empty(), "{lonely:?} use nothing");
}

#[test]
fn no_files_use_each_other_in_a_circle() {
    let core = Core::read();
    let uses = core.all_uses();
    let mut left = BTreeSet::new();
    for file in uses.keys() {
        let (mut reached, mut next) = (BTreeSet::new(), vec![*file]);
        while let Some(from) = next.pop() {
            next.extend(uses[from].iter().filter(|to| reached.insert(**to)));
        }
        if reached.contains(file) {
            println!("{file} uses {:?}", uses[file]);
            left.insert((*file).to_owned());
        }
    }
    none(&left, "a circle goes through these files");
}

/// Outside of the core there is its front page, and the rooms by purpose; the folders may change behind them.
#[test]
fn the_core_shows_its_page_and_its_rooms() {
    let core = Core::read();
    let mut rooms = Vec::new();
    for item in &core.files["lib.rs"].items {
        if let Item::Mod(item) = item {
            let public = matches!(item.vis, Visibility::Public(_));
            assert_eq!(
                public,
                item.content.is_some(),
                "{}: a folder is private, and a room stands in lib.rs",
                item.ident
            );
            let attributes: String =
                item.attrs.iter().map(|it| it.to_token_stream().to_string().replace(' ', "")).collect();
            let for_tests = attributes.contains(r#"cfg(feature="testing")"#);
            assert_eq!(for_tests, item.ident == "testing", "{}: only tests see everything", item.ident);
            rooms.extend(public.then(|| item.ident.to_string()));
        }
    }
    assert_eq!(rooms, ["config", "operate", "plan", "testing"]);
    let page = core.brings["lib.rs"].iter().filter(|(.., given)| *given).count();
    assert!((40..70).contains(&page), "{page} names on the front page");
    for (name, least) in [("cli", 30), ("edge", 2), ("operators", 3)] {
        let files = files(name);
        assert!(
            files.values().all(|file| !file.text.contains("homing_core::testing")),
            "{name} names what is for tests"
        );
        let used = files.values().filter(|file| file.text.contains("homing_core::")).count();
        assert!(used >= least, "{name}: {used}");
    }
}

/// A phase of a flow says what comes next, and `flow/mod.rs` alone knows who does that.
#[test]
fn no_phase_calls_another() {
    let core = Core::read();
    let in_flow = |names: &[&str]| names.iter().map(|name| format!("flow/{name}.rs")).collect::<Vec<_>>();
    let phases = in_flow(&["probe", "home", "correct", "read", "later_owner", "write", "rename", "sign_in", "stale"]);
    let shared = in_flow(&[
        "context",
        "next",
        "step",
        "known",
        "reading",
        "misdirected",
        "passed",
        "send",
        "again",
        "freshness",
        "memo",
        "drill",
        "platform_page",
    ]);
    let table = core.uses("flow/mod.rs");
    for phase in &phases {
        assert!(table.contains(phase.as_str()), "the table knows no {phase}");
        let others: Vec<_> = core.uses(phase).into_iter().filter(|to| phases.iter().any(|it| it == to)).collect();
        assert!(others.is_empty(), "{phase} uses {others:?}");
        assert!(!core.uses(phase).contains("flow/mod.rs"), "{phase} uses the table");
        let text = &core.files[phase].text;
        assert!(!text.contains("impl Flow") && !text.contains("impl Context"), "{phase} is a function of the context");
    }
    for file in core.files.keys().filter(|file| file.starts_with("flow/") && *file != "flow/mod.rs") {
        assert!(phases.contains(file) || shared.contains(file), "{file}: is it a phase, or shared by phases?");
    }
    for file in &shared {
        let called: Vec<_> = core.uses(file).into_iter().filter(|to| phases.iter().any(|it| it == to)).collect();
        assert!(called.is_empty(), "{file} uses {called:?}");
    }
}

/// The trace is written and shown. Its only readers are the trace itself, and what shows it.
#[test]
fn nothing_decides_by_the_trace() {
    for (file, read) in files("core") {
        let may = file == "state/trace.rs" || file.starts_with("observe/");
        assert!(may || !read.text.contains(".tokens()"), "{file} reads the trace back");
    }
}

#[test]
fn the_core_is_the_same_on_every_target() {
    let files = files("core");
    assert!(files.len() > 120);
    for (file, read) in files {
        assert!(!read.text.contains("target_arch") && !read.text.contains("target_family"), "{file}");
    }
}

/// One word, one meaning (docs/lexicon.md).
#[test]
fn no_type_name_is_declared_twice_in_a_crate() {
    let mut twice = BTreeSet::new();
    // The two at the platform have no types of their own, so of all crates it is counted that their files are read.
    let crates = [("core", 150, 250), ("cli", 45, 50), ("edge", 3, 0), ("operators", 4, 0), ("origin", 20, 30)];
    for (name, least_files, least) in crates {
        let mut declared: BTreeMap<String, Vec<String>> = BTreeMap::new();
        let files = files(name);
        assert!(files.len() >= least_files, "{name}: {} files", files.len());
        for (file, read) in files {
            for item in &read.items {
                let mut types = Vec::new();
                match item {
                    Item::Type(item) => types.push(item.ident.to_string()),
                    Item::Macro(item) if item.ident.is_some() => {}
                    _ => names(item.to_token_stream(), &mut BTreeSet::new(), &mut types),
                }
                types.into_iter().for_each(|it| declared.entry(it).or_default().push(file.clone()));
            }
        }
        assert!(declared.len() >= least, "{name}: {}", declared.len());
        for (it, files) in declared.iter().filter(|(_, files)| files.len() > 1) {
            println!("{name}: {it} in {files:?}");
            twice.insert(format!("{name}: {it}"));
        }
    }
    none(&twice, "these names are declared twice");
}
