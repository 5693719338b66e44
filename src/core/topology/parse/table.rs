//! Reading a table key by key: wrong types and unknown keys are complained of, and reading goes on.

use std::time::Duration;

use crate::topology::{
    error::{Complaints, KeyPath, quoted},
    raw::Raw,
    units::{self, Share},
};

/// A table that is being read.
pub(super) struct KeyTable<'a> {
    entries: &'a [(String, Raw)],
    pub(super) path: KeyPath,
}

impl<'a> KeyTable<'a> {
    /// The value as a table, or a complaint.
    pub(super) fn of(raw: &'a Raw, path: &KeyPath, log: &mut Complaints) -> Option<Self> {
        match raw {
            Raw::Table(entries) => Some(Self { entries, path: path.clone() }),
            other => {
                log.error(path, other.describe(), "a table", "write it as [table] or { key = value }");
                None
            }
        }
    }

    /// The entries in their order.
    pub(super) fn entries(&self) -> impl Iterator<Item = (&'a str, &'a Raw)> {
        self.entries.iter().map(|(name, value)| (name.as_str(), value))
    }

    /// Complains of every key that is not known here.
    pub(super) fn only(&self, known: &[&str], log: &mut Complaints) {
        for (name, _) in self.entries().filter(|(name, _)| !known.contains(name)) {
            let remedy =
                nearest(name, known).map_or_else(|| "remove it".to_owned(), |key| format!("did you mean {key:?}?"));
            let expected = format!("one of {}", quoted(known.iter().copied()));
            log.error(&self.path.key(name), format!("the unknown key {name:?}"), expected, remedy);
            log.of_name();
        }
    }

    pub(super) fn get(&self, key: &str) -> Option<&'a Raw> {
        self.entries().find(|(name, _)| *name == key).map(|(_, value)| value)
    }

    pub(super) fn has(&self, key: &str) -> bool {
        self.get(key).is_some()
    }

    pub(super) fn text(&self, key: &str, log: &mut Complaints) -> Option<&'a str> {
        match self.get(key)? {
            Raw::Text(text) => Some(text),
            other => {
                not_text(other, &self.path.key(key), log);
                None
            }
        }
    }

    pub(super) fn flag(&self, key: &str, log: &mut Complaints) -> Option<bool> {
        match self.get(key)? {
            Raw::Bool(flag) => Some(*flag),
            other => {
                log.error(
                    &self.path.key(key),
                    other.describe(),
                    "true or false",
                    "write one of the two, without quotes",
                );
                None
            }
        }
    }

    pub(super) fn number(&self, key: &str, log: &mut Complaints) -> Option<f64> {
        match self.get(key)? {
            Raw::Number(number) => Some(*number),
            other => {
                log.error(&self.path.key(key), other.describe(), "a number", "write one, without quotes");
                None
            }
        }
    }

    pub(super) fn duration(&self, key: &str, log: &mut Complaints) -> Option<Duration> {
        let expected = "a duration such as \"250ms\", \"30s\", \"5m\" or \"1h\", at most 72h";
        self.written(key, units::duration, (expected, "write a whole number and a unit, in quotes"), log)
    }

    pub(super) fn size(&self, key: &str, log: &mut Complaints) -> Option<u64> {
        let expected = "a size such as \"64KiB\" or \"16MiB\", at most 512MiB";
        self.written(key, units::size, (expected, "write a whole number and KiB or MiB, in quotes"), log)
    }

    pub(super) fn share(&self, key: &str, log: &mut Complaints) -> Option<Share> {
        let expected = "a share of requests such as \"5%\" or \"0.5%\", at most 100% and with at most two decimals";
        self.written(key, Share::parse, (expected, "write a number and a percent sign, in quotes"), log)
    }

    /// A text that means something, by what reads it; else the complaint.
    fn written<T>(
        &self,
        key: &str,
        read: impl Fn(&str) -> Option<T>,
        (expected, remedy): (&str, &str),
        log: &mut Complaints,
    ) -> Option<T> {
        let raw = self.get(key)?;
        let value = raw.text().and_then(read);
        if value.is_none() {
            log.error(&self.path.key(key), raw.describe(), expected, remedy);
        }
        value
    }

    /// The texts of a list, each with its path.
    pub(super) fn texts(&self, key: &str, log: &mut Complaints) -> Option<Vec<(&'a str, KeyPath)>> {
        let path = self.path.key(key);
        let Raw::List(members) = self.get(key)? else {
            let found = self.get(key).map_or_else(String::new, Raw::describe);
            log.error(&path, found, "a list of texts", "write it as [\"a\", \"b\"]");
            return None;
        };
        let mut texts = Vec::new();
        for (at, member) in members.iter().enumerate() {
            match member {
                Raw::Text(text) => texts.push((text.as_str(), path.at(at))),
                other => not_text(other, &path.at(at), log),
            }
        }
        Some(texts)
    }

    /// One of the named choices, or a complaint.
    pub(super) fn choice<T: Copy>(&self, key: &str, choices: &[(&str, T)], log: &mut Complaints) -> Option<T> {
        let raw = self.get(key)?;
        let chosen = choices.iter().find(|(name, _)| raw.text() == Some(name)).map(|(_, choice)| *choice);
        if chosen.is_none() {
            let expected = format!("one of {}", quoted(choices.iter().map(|(name, _)| *name)));
            log.error(&self.path.key(key), raw.describe(), expected, "choose one of them");
        }
        chosen
    }

    /// Complains that a key is missing.
    pub(super) fn missing(&self, key: &str, expected: &str, remedy: &str, log: &mut Complaints) {
        log.error(&self.path, format!("no {key:?}"), expected, remedy);
    }

    /// Complains of a key that has no meaning here.
    pub(super) fn out_of_place(&self, key: &str, why: &str, log: &mut Complaints) {
        if self.has(key) {
            log.error(&self.path.key(key), format!("the key {key:?}"), format!("none: {why}"), "remove it");
            log.of_name();
        }
    }
}

/// The known word that was probably meant.
pub(super) fn nearest<'k>(name: &str, known: &[&'k str]) -> Option<&'k str> {
    // Of three letters, two that differ make another word.
    let most = if name.chars().count() <= 3 { 1 } else { 2 };
    known.iter().copied().min_by_key(|key| distance(key, name)).filter(|key| distance(key, name) <= most)
}

fn not_text(raw: &Raw, path: &KeyPath, log: &mut Complaints) {
    let remedy = match raw {
        Raw::Bool(_) | Raw::Number(_) => "put it in quotes",
        _ => "write one text",
    };
    log.error(path, raw.describe(), "text in quotes", remedy);
}

/// How many letters must change to make one word of the other (Levenshtein).
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.chars().enumerate() {
        let mut diagonal = i;
        let mut left = i + 1;
        for (to, cell) in b.iter().zip(row.iter_mut().skip(1)) {
            let change = diagonal + usize::from(from != *to);
            diagonal = *cell;
            left = change.min(*cell + 1).min(left + 1);
            *cell = left;
        }
        if let Some(first) = row.first_mut() {
            *first = i + 1;
        }
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::distance;

    #[test]
    fn letters_that_must_change() {
        assert_eq!(distance("origin", "orgin"), 1);
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!(distance("", "abc"), 3);
    }
}
