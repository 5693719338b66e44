//! A TOML file as raw values that know where they stand.

use std::{ops::Range, path::Path};

use toml_edit::{Document, Item, Value};

use homing_core::config::{
    error::{KeyPath, KeySegment},
    raw::Raw,
};

/// A file that was read.
pub(super) struct Source {
    pub(super) name: String,
    pub(super) text: String,
    document: Document<String>,
}

/// Why a file could not be read.
pub(super) enum Unreadable {
    /// It is not there, or not ours to read.
    Missing(String),
    /// It is no TOML: what is wrong, and where.
    Syntax { name: String, text: String, message: String, span: Range<usize> },
}

impl Source {
    pub(super) fn read(path: &Path) -> Result<Self, Unreadable> {
        let name = path.display().to_string();
        let text = std::fs::read_to_string(path).map_err(|error| {
            Unreadable::Missing(format!(
                "{name} cannot be read: {error}. Name the file, or run this command in its folder"
            ))
        })?;
        Self::parse(name, text)
    }

    pub(super) fn parse(name: String, text: String) -> Result<Self, Unreadable> {
        match Document::parse(text.clone()) {
            Ok(document) => Ok(Self { name, text, document }),
            Err(error) => {
                let span = error.span().unwrap_or(0..0);
                Err(Unreadable::Syntax { name, text, message: error.message().to_owned(), span })
            }
        }
    }

    /// The whole as raw values.
    pub(super) fn raw(&self) -> Raw {
        item(self.document.as_item())
    }

    /// Where the value of that path stands (or the name before it), or the nearest thing above it that does.
    pub(super) fn span(&self, path: &KeyPath, of_name: bool) -> Option<Range<usize>> {
        let mut here = self.document.as_item();
        let mut found = None;
        for key in &path.0 {
            let next = match key {
                KeySegment::Name(name) => here.get(name.as_str()),
                KeySegment::At(index) => here.get(*index),
            };
            let Some(next) = next else { break };
            let named = match key {
                KeySegment::Name(name) => {
                    here.as_table_like().and_then(|table| table.get_key_value(name)).and_then(|(key, _)| key.span())
                }
                KeySegment::At(_) => None,
            };
            // A value is pointed at itself, a table by its name.
            found = match next {
                Item::Value(value) if !of_name && !value.is_inline_table() && !value.is_array() => {
                    value.span().or(named)
                }
                other => named.or_else(|| other.span()),
            }
            .or(found);
            here = next;
        }
        found
    }
}

fn item(item: &Item) -> Raw {
    match item {
        Item::None => Raw::Null,
        Item::Value(value) => self::value(value),
        Item::Table(table) => Raw::Table(table.iter().map(|(key, item)| (key.to_owned(), self::item(item))).collect()),
        Item::ArrayOfTables(tables) => Raw::List(
            tables
                .iter()
                .map(|table| Raw::Table(table.iter().map(|(key, item)| (key.to_owned(), self::item(item))).collect()))
                .collect(),
        ),
    }
}

#[allow(clippy::cast_precision_loss, reason = "no number of a configuration is that large")]
fn value(value: &Value) -> Raw {
    match value {
        Value::String(text) => Raw::Text(text.value().clone()),
        Value::Integer(number) => Raw::Number(*number.value() as f64),
        Value::Float(number) => Raw::Number(*number.value()),
        Value::Boolean(flag) => Raw::Bool(*flag.value()),
        Value::Datetime(time) => Raw::Text(time.value().to_string()),
        Value::Array(members) => Raw::List(members.iter().map(self::value).collect()),
        Value::InlineTable(table) => {
            Raw::Table(table.iter().map(|(key, value)| (key.to_owned(), self::value(value))).collect())
        }
    }
}
