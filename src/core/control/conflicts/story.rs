//! One conflict as it is told: who wrote what, when and where, and what became of it.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::topology::dataset::ConflictRule;

/// The longest name of a region, a word for what was done, or an id of who did it, in characters.
const LONGEST_WORD: usize = 64;
/// The longest key that is told, in characters.
const LONGEST_KEY: usize = 512;
/// The letters of a stamp that are its time: milliseconds since 1970 in hexadecimal (`model/clock.rs`).
const TIME_LETTERS: usize = 12;

/// One of the two writes.
#[derive(Clone, Debug)]
struct Side {
    region: String,
    number: Option<u64>,
    stamp: String,
    who: Option<String>,
    what: String,
}

/// A conflict, and which regions tell of it.
#[derive(Clone, Debug)]
pub(super) struct Story {
    dataset: Option<String>,
    key: Option<String>,
    field: Option<String>,
    rule: &'static str,
    at: u64,
    kept: Side,
    lost: Side,
    told_by: Vec<String>,
    /// Regions in which the other write was kept: their data differs, and should not.
    disputed_by: Vec<String>,
}

/// By what a write is known in every region: its owner, and its number in that owner's log; its stamp where it has no number.
type Dot = (String, Option<u64>, String);
/// By what a conflict is known: both writes in one order, whichever was kept, and the key with its field, since two writes may meet in
/// several of these.
pub(super) type ConflictIdentity = (Dot, Dot, Option<String>, Option<String>);

impl Story {
    /// The conflict in a region's words; none if it does not say which write was kept and which was not.
    pub(super) fn read(told: &Value, declared: ConflictRule) -> Option<Self> {
        let text = |name: &str, most: usize| told.get(name).and_then(Value::as_str).map(|text| clean(text, most));
        let rule = told.get("rule").and_then(Value::as_str).and_then(ConflictRule::known);
        Some(Self {
            dataset: text("dataset", LONGEST_WORD),
            key: text("key", LONGEST_KEY),
            field: text("field", LONGEST_WORD),
            rule: rule.unwrap_or_else(|| declared.word()),
            at: told.get("at").and_then(Value::as_u64).unwrap_or_default(),
            kept: Side::read(told.get("kept")?)?,
            lost: Side::read(told.get("lost")?)?,
            told_by: Vec::new(),
            disputed_by: Vec::new(),
        })
    }

    pub(super) fn dataset(&self) -> Option<&str> {
        self.dataset.as_deref()
    }

    pub(super) fn key(&self) -> Option<&str> {
        self.key.as_deref()
    }

    /// When it was: the later of both writes, or, where neither says it, when a region found it out.
    pub(super) fn at(&self) -> u64 {
        self.kept.at().max(self.lost.at()).unwrap_or(self.at)
    }

    /// Adds what that region tells: to the same story of another region, if there is one.
    pub(super) fn join(mut self, stories: &mut BTreeMap<ConflictIdentity, Self>, region: &str) {
        let (one, other) = (self.kept.dot(), self.lost.dot());
        let (first, second) = if one <= other { (one, other) } else { (other, one) };
        let identity = (first, second, self.key.clone(), self.field.clone());
        let Some(known) = stories.get_mut(&identity) else {
            self.told_by.push(region.to_owned());
            stories.insert(identity, self);
            return;
        };
        let agrees = known.keeps_both() || known.kept.dot() == self.kept.dot();
        let tellers = if agrees { &mut known.told_by } else { &mut known.disputed_by };
        // A region may tell a story twice.
        if tellers.last().is_none_or(|last| last != region) {
            tellers.push(region.to_owned());
        }
    }

    /// Whether nothing of either write is lost.
    fn keeps_both(&self) -> bool {
        matches!(self.rule, "register" | "counter")
    }

    /// The story for machines and for people.
    pub(super) fn show(&self, explain: &str) -> Value {
        json!({
            "at": self.at(), "key": self.key, "field": self.field, "rule": self.rule, "kept": self.kept.show(), "lost": self.lost.show(),
            "told_by": self.told_by, "disputed_by": self.disputed_by, "sentence": self.sentence(explain),
        })
    }

    /// The story in a sentence that ends with the dataset's own explanation.
    fn sentence(&self, explain: &str) -> String {
        let (kept, lost, because) = (self.kept.told(), self.lost.told(), uncapitalised(explain));
        if self.keeps_both() {
            let (first, second) = if self.lost.at() <= self.kept.at() { (lost, kept) } else { (kept, lost) };
            return format!("Both the {first} and the {second} were kept: {because}");
        }
        format!("The {lost} was overruled by the {kept}: {because}")
    }
}

impl Side {
    fn read(told: &Value) -> Option<Self> {
        let text = |name: &str| told.get(name).and_then(Value::as_str).map(|text| clean(text, LONGEST_WORD));
        Some(Self {
            region: text("region").filter(|region| !region.is_empty())?,
            number: told.get("number").and_then(Value::as_u64),
            stamp: text("stamp").unwrap_or_default(),
            who: text("who").filter(|who| !who.is_empty()),
            what: text("what").filter(|what| !what.is_empty()).unwrap_or_else(|| "change".to_owned()),
        })
    }

    fn dot(&self) -> Dot {
        let stamp = if self.number.is_some() { String::new() } else { self.stamp.clone() };
        (self.region.clone(), self.number, stamp)
    }

    /// When it was written, by its stamp.
    fn at(&self) -> Option<u64> {
        let time = self.stamp.get(..TIME_LETTERS).filter(|time| time.bytes().all(|byte| byte.is_ascii_hexdigit()))?;
        u64::from_str_radix(time, 16).ok()
    }

    fn told(&self) -> String {
        let time = self.at().map_or_else(String::new, |at| format!(" at {}", time_of_day(at)));
        format!("{} from {}{time}", self.what, self.region)
    }

    fn show(&self) -> Value {
        json!({
            "region": self.region, "number": self.number, "stamp": self.stamp, "at": self.at(), "who": self.who,
            "what": self.what,
        })
    }
}

/// The time of day of Unix milliseconds in UTC, with tenths of a second: `12:00:03.1`.
fn time_of_day(at: u64) -> String {
    let (tenths, seconds) = (at / 100 % 10, at / 1000 % 86_400);
    format!("{:02}:{:02}:{:02}.{tenths}", seconds / 3600, seconds / 60 % 60, seconds % 60)
}

/// A sentence as it goes on behind a colon: with a small first letter, unless that begins an abbreviation or is a word of its own.
fn uncapitalised(sentence: &str) -> String {
    let mut letters = sentence.chars();
    match (letters.next(), letters.clone().next()) {
        (Some(first), Some(second)) if second.is_lowercase() || (second == ' ' && first == 'A') => {
            first.to_lowercase().chain(letters).collect()
        }
        _ => sentence.to_owned(),
    }
}

/// Text of others that acts on nobody who reads it: at most so many characters, and each control or format character replaced, so that it
/// moves no cursor, colours nothing and turns no text round (Unicode, general categories Cc and Cf; TR 36 section 3).
#[must_use]
pub fn clean(text: &str, most: usize) -> String {
    let harmless = |letter: char| {
        let is_format = matches!(letter, '\u{ad}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}');
        if letter.is_control() || is_format { '\u{fffd}' } else { letter }
    };
    let mut letters = text.trim().chars().map(harmless);
    let mut cleaned: String = letters.by_ref().take(most).collect();
    if letters.next().is_some() {
        cleaned.pop();
        cleaned.push('…');
    }
    cleaned
}
