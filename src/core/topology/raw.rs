//! The raw twin: whatever stands in the configuration, with its order kept and nothing believed.

use std::{collections::BTreeSet, fmt};

use serde::{
    Deserialize, Deserializer,
    de::{Error, MapAccess, SeqAccess, Visitor},
};

/// A value of TOML or JSON.
#[derive(Clone, Debug, PartialEq)]
pub enum Raw {
    /// Nothing.
    Null,
    /// True or false.
    Bool(bool),
    /// A number.
    Number(f64),
    /// Text.
    Text(String),
    /// A list.
    List(Vec<Raw>),
    /// A table, in its order.
    Table(Vec<(String, Raw)>),
}

impl Raw {
    /// The value of that key.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Self> {
        match self {
            Self::Table(entries) => entries.iter().find(|(name, _)| name == key).map(|(_, value)| value),
            _ => None,
        }
    }

    /// The value, if it is text.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The value in a few words, for complaints.
    #[must_use]
    pub fn describe(&self) -> String {
        match self {
            Self::Null => "nothing".to_owned(),
            Self::Bool(value) => value.to_string(),
            Self::Number(value) => number(*value),
            Self::Text(value) => {
                let short: String = value.chars().take(60).collect();
                if short.len() < value.len() { format!("{short:?}…") } else { format!("{short:?}") }
            }
            Self::List(members) => format!("a list of {}", members.len()),
            Self::Table(entries) => format!("a table of {}", entries.len()),
        }
    }
}

/// A number in digits. What prints an `f64` by itself is 5 KB of Wasm, gzipped; JSON's writer is there anyway.
pub(super) fn number(value: f64) -> String {
    const EXACT: f64 = 9e18;
    #[allow(clippy::cast_possible_truncation, reason = "it has no fraction, and is that small")]
    if value.fract() == 0.0 && value.abs() < EXACT {
        (value as i64).to_string()
    } else {
        serde_json::to_string(&value).unwrap_or_default()
    }
}

impl<'de> Deserialize<'de> for Raw {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(RawVisitor)
    }
}

struct RawVisitor;

impl<'de> Visitor<'de> for RawVisitor {
    type Value = Raw;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Raw, E> {
        Ok(Raw::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Raw, E> {
        Ok(Raw::Bool(value))
    }

    #[allow(clippy::cast_precision_loss, reason = "no number of a topology is that large")]
    fn visit_i64<E>(self, value: i64) -> Result<Raw, E> {
        Ok(Raw::Number(value as f64))
    }

    #[allow(clippy::cast_precision_loss, reason = "no number of a topology is that large")]
    fn visit_u64<E>(self, value: u64) -> Result<Raw, E> {
        Ok(Raw::Number(value as f64))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Raw, E> {
        Ok(Raw::Number(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<Raw, E> {
        Ok(Raw::Text(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Raw, A::Error> {
        let mut members = Vec::new();
        while let Some(member) = seq.next_element()? {
            members.push(member);
        }
        Ok(Raw::List(members))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Raw, A::Error> {
        let mut entries: Vec<(String, Raw)> = Vec::new();
        let mut names = BTreeSet::new();
        while let Some((name, value)) = map.next_entry::<String, Raw>()? {
            if !names.insert(name.clone()) {
                return Err(A::Error::custom(format!("the key {name:?} stands twice")));
            }
            entries.push((name, value));
        }
        Ok(Raw::Table(entries))
    }
}

/// Reads JSON; the reader's own limit bounds the depth (128).
///
/// # Errors
/// With the reader's words.
pub fn from_json(text: &str) -> Result<Raw, serde_json::Error> {
    serde_json::from_str(text)
}
