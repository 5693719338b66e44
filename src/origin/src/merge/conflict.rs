//! Conflicts: what was overruled, by what, and how both are told.

use std::{collections::BTreeMap, fmt};

use serde::{Deserialize, Serialize};

use super::Stamp;

/// How many are kept in a region, of all datasets together.
pub(crate) const KEPT: u64 = 1000;

/// The longest key that a story has, in bytes: as long as one that can be asked for.
const LONGEST_KEY: usize = 512;
/// The longest field or member, id of who wrote, or word for what they did that a story has, in bytes.
pub(crate) const LONGEST_WORD: usize = 128;

/// A text of at most so many bytes, cut between two characters. Without NUL, which PostgreSQL does not keep.
pub(crate) fn cut(text: &str, most: usize) -> String {
    let mut whole = text.chars().filter(|letter| *letter != '\0').collect::<String>();
    if whole.len() > most {
        let end = whole.char_indices().map(|(at, _)| at).take_while(|at| at + '…'.len_utf8() <= most).last();
        whole.truncate(end.unwrap_or(0));
        whole.push('…');
    }
    whole
}

/// One of the two operations of a conflict.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Side {
    /// The owner that took it.
    pub region: String,
    /// Its number in that owner's log.
    pub number: u64,
    /// When: its stamp.
    pub stamp: Stamp,
    /// Who wrote it.
    pub who: Option<String>,
    /// What they did.
    pub what: Option<String>,
}

/// Two operations of which the one that stands had not seen the other.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Conflict {
    /// The dataset.
    pub dataset: String,
    /// The key.
    pub key: String,
    /// The field of a record or map, or the member of a set, that both wrote.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// The word for the rule: `last-write-wins`, `set`, `register`.
    pub rule: String,
    /// When this region found it: Unix time in milliseconds.
    pub at: u64,
    /// The one that stands. Of a register, whose values both stand, the later one.
    pub kept: Side,
    /// The one that was overruled. Of a register, the one that stands beside.
    pub lost: Side,
}

impl Conflict {
    /// With texts of a bounded length. They are the application's and its users', and a thousand stories have to fit an answer.
    pub(crate) fn bounded(mut self) -> Self {
        self.key = cut(&self.key, LONGEST_KEY);
        self.field = self.field.map(|field| cut(&field, LONGEST_WORD));
        for side in [&mut self.kept, &mut self.lost] {
            side.who = side.who.take().map(|who| cut(&who, LONGEST_WORD));
            side.what = side.what.take().map(|what| cut(&what, LONGEST_WORD));
        }
        self
    }
}

/// The longest key that a header field names, as it stands there, in bytes.
const LONGEST_OVER: usize = 64;

/// As a member of `Homing-Conflict`.
impl fmt::Display for Conflict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { dataset, rule, kept, lost, key, .. } = self;
        write!(f, "dataset={dataset}; rule={rule}; kept={}/{}", kept.region, kept.stamp)?;
        write!(f, "; lost={}/{}", lost.region, lost.stamp)?;
        let over: String = key.bytes().map(escaped).collect();
        if over.len() <= LONGEST_OVER { write!(f, "; over={over}") } else { Ok(()) }
    }
}

fn escaped(byte: u8) -> String {
    let is_plain = byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~');
    if is_plain { char::from(byte).to_string() } else { format!("%{byte:02X}") }
}

/// Which conflicts to tell.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConflictQuery {
    /// Of one dataset alone.
    pub dataset: Option<String>,
    /// Of one key alone; of several longer than 512 bytes with one beginning, all of them.
    pub key: Option<String>,
    /// At most so many.
    pub limit: usize,
}

impl ConflictQuery {
    /// The key as a story has it.
    #[cfg(any(feature = "sqlite", feature = "postgres"))]
    pub(crate) fn kept_key(&self) -> Option<String> {
        self.key.as_deref().map(|key| cut(key, LONGEST_KEY))
    }
}

/// What a region has kept: the newest first, and the totals of all that it ever found, by dataset and rule.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Conflicts {
    /// The newest first.
    pub newest: Vec<Conflict>,
    /// By dataset, then by rule.
    pub totals: BTreeMap<String, BTreeMap<String, u64>>,
}

impl Conflicts {
    /// How many there have been, in that dataset or in all.
    #[must_use]
    pub fn total(&self, dataset: Option<&str>) -> u64 {
        let of = |name: &String| dataset.is_none_or(|dataset| dataset == name);
        self.totals.iter().filter(|(name, _)| of(name)).flat_map(|(_, rules)| rules.values()).sum()
    }
}
