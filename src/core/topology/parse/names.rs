//! Names: of regions and datasets, and who may have one.

use crate::{
    model::ids::{RegionId, RegionSet},
    topology::{
        dataset::Dataset,
        error::{Complaints, KeyPath, quoted},
        raw::Raw,
    },
};

/// The names of a table: those whose entries could be read, by place, and all that stand there.
pub(super) struct Names {
    read: Vec<String>,
    standing: Vec<String>,
}

impl Names {
    pub(super) fn of(read: impl Iterator<Item = String>, raw: Option<&Raw>) -> Self {
        let standing = match raw {
            Some(Raw::Table(entries)) => entries.iter().map(|(name, _)| name.clone()).collect(),
            _ => Vec::new(),
        };
        Self { read: read.collect(), standing }
    }

    pub(super) fn all(&self) -> RegionSet {
        (0u8..).zip(&self.read).fold(RegionSet::EMPTY, |set, (at, _)| set.with(RegionId(at)))
    }

    /// The place of that name; a complaint if it stands nowhere. One whose entry is broken has had its complaint.
    pub(super) fn place(&self, name: &str, what: &str, path: &KeyPath, log: &mut Complaints) -> Option<usize> {
        if !self.standing.iter().any(|known| known == name) {
            let known = quoted(self.standing.iter().map(String::as_str));
            let var = format!("{}S", what.to_ascii_uppercase());
            let (expected, remedy) = if known.is_empty() {
                (format!("a {what}, but there is none"), format!("add the {what} to {var}"))
            } else {
                (format!("a {what}: {known}"), format!("name one of them, or add the {what} to {var}"))
            };
            log.error(path, format!("{name:?}"), expected, remedy);
        }
        self.read.iter().position(|known| known == name)
    }

    /// The region of that name, or a complaint.
    pub(super) fn region(&self, name: &str, path: &KeyPath, log: &mut Complaints) -> Option<RegionId> {
        self.place(name, "region", path, log).and_then(|at| u8::try_from(at).ok()).map(RegionId)
    }
}

/// Whether a name may stand in headers, cookies and log lines as it is. A letter comes first, for JavaScript sorts keys
/// that are numbers before all others, and the order counts.
pub(super) fn check_name(name: &str, what: &str, path: &KeyPath, log: &mut Complaints) {
    let legal = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    if name.len() > 32 || !name.starts_with(|first: char| first.is_ascii_lowercase()) || !name.bytes().all(legal) {
        let expected = "a lower-case letter, then at most 31 lower-case letters, digits or hyphens";
        log.error(path, format!("the name {name:?}"), expected, format!("rename the {what}"));
    }
}

/// A dataset's name for complaints of routes.
pub(super) fn name_of(datasets: &[Dataset], at: usize) -> &str {
    datasets.get(at).map_or("", |dataset| dataset.name.as_str())
}
