//! The fold: a key's state from its operations.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{
    Change, Conflict, Operation, Rule, Shown, Vector,
    dots::{Dots, Entry},
    rule::{members, step},
};

/// What a key has come to. It depends on the set of the operations that were applied, not on their order among owners; each must be applied
/// once, and those of one owner in order, as the stores do.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct State {
    part: Content,
    /// The newest operation of each owner that had a part in it.
    shows: Vector,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
enum Content {
    #[serde(rename = "last")]
    Last(Option<Entry>),
    #[serde(rename = "fields")]
    Fields(BTreeMap<String, Entry>),
    /// As text: it may be longer than a number of JSON.
    #[serde(rename = "count")]
    Count(String),
    #[serde(rename = "set")]
    Set(BTreeMap<String, Dots>),
    #[serde(rename = "register")]
    Register(Dots),
    #[serde(rename = "map")]
    Map(BTreeMap<String, Content>),
}

impl State {
    /// Of a key that nobody has written.
    #[must_use]
    pub fn new(rule: &Rule) -> Self {
        Self { part: Content::new(rule), shows: Vector::default() }
    }

    /// Takes an operation in. What does not fit the rule is passed over: it was written by another declaration. Says which conflicts that
    /// resolves, found at that time.
    pub fn apply(&mut self, rule: &Rule, op: &Operation, now: u64) -> Vec<Conflict> {
        self.shows.add(&op.owner, op.number);
        let mut found = Found { op, now, conflicts: Vec::new() };
        self.part.apply(rule, &op.change.0, None, &mut found);
        found.conflicts
    }

    /// The latest write among those that the change takes the place of by its stamp: it has to be later to stand.
    pub(crate) fn overruled_by(&self, change: &Change) -> Option<&Entry> {
        self.part.overruled_by(&change.0)
    }

    /// What it shows.
    #[must_use]
    pub fn shown(&self) -> Shown {
        Shown { value: self.part.value(), shows: self.shows.clone() }
    }

    /// Forgets what nothing can need any more: what was removed, where all that the removal has seen has come here, and every owner has the
    /// removal. Of values that go by the later stamp only those before `floor`: no owner takes an earlier one any more. Gives whether
    /// nothing at all is left.
    pub(crate) fn settle(&mut self, horizon: &Horizon) -> bool {
        self.part.settle(horizon)
    }

    /// How many removals it still remembers.
    #[must_use]
    pub fn tombstones(&self) -> usize {
        self.part.tombstones()
    }
}

/// How far things have come, for forgetting.
pub(crate) struct Horizon {
    /// What has come here.
    pub(crate) here: Vector,
    /// What every owner has.
    pub(crate) everywhere: Vector,
    /// No owner takes a stamp before this any more: Unix time in milliseconds.
    pub(crate) floor: u64,
}

/// The operation that is being applied, and what it has met.
struct Found<'a> {
    op: &'a Operation,
    now: u64,
    conflicts: Vec<Conflict>,
}

impl Found<'_> {
    fn conflict(&mut self, rule: &str, field: Option<&str>, kept: &Entry, lost: &Entry) {
        let conflict = Conflict {
            dataset: self.op.dataset.clone(),
            key: self.op.key.clone(),
            field: field.map(str::to_owned),
            rule: rule.to_owned(),
            at: self.now,
            kept: kept.side(),
            lost: lost.side(),
        };
        self.conflicts.push(conflict.bounded());
    }

    /// The later stamp stands.
    fn later(&mut self, field: Option<&str>, held: Option<Entry>, value: Value) -> Entry {
        let new = Entry::of(self.op, value);
        let Some(held) = held else { return new };
        let (kept, lost) = if held.order() > new.order() { (held, new) } else { (new, held) };
        if !kept.has_seen(&lost) && kept.value != lost.value {
            self.conflict(Rule::LastWriteWins.name(), field, &kept, &lost);
        }
        kept
    }

    fn member(&mut self, name: &str, dots: &mut Dots, is_added: bool) {
        let new = Entry::of(self.op, Value::Bool(is_added));
        for other in dots.apply(new.clone()).into_iter().filter(|other| other.value != new.value) {
            let (kept, lost) = if is_added { (&new, &other) } else { (&other, &new) };
            self.conflict(Rule::Set.name(), Some(name), kept, lost);
        }
    }

    fn register(&mut self, field: Option<&str>, dots: &mut Dots, value: Value) {
        let new = Entry::of(self.op, value);
        for other in dots.apply(new.clone()).into_iter().filter(|other| other.value != new.value) {
            let (kept, beside) = if other.order() > new.order() { (&other, &new) } else { (&new, &other) };
            self.conflict(Rule::Register.name(), field, kept, beside);
        }
    }
}

impl Content {
    fn new(rule: &Rule) -> Self {
        match rule {
            Rule::LastWriteWins => Self::Last(None),
            Rule::Fields => Self::Fields(BTreeMap::new()),
            Rule::Counter => Self::Count("0".to_owned()),
            Rule::Set => Self::Set(BTreeMap::new()),
            Rule::Register => Self::Register(Dots::default()),
            Rule::Map(_) => Self::Map(BTreeMap::new()),
        }
    }

    fn apply(&mut self, rule: &Rule, change: &Value, path: Option<&str>, found: &mut Found<'_>) {
        match (self, rule, change) {
            (Self::Last(held), Rule::LastWriteWins, value) => {
                *held = Some(found.later(path, held.take(), value.clone()));
            }
            (Self::Fields(held), Rule::Fields, Value::Object(fields)) => {
                for (name, value) in fields {
                    let path = within(path, name);
                    let stands = found.later(Some(&path), held.remove(name), value.clone());
                    held.insert(name.clone(), stands);
                }
            }
            (Self::Count(sum), Rule::Counter, by) => {
                if let Some(by) = step(by) {
                    *sum = sum.parse::<i128>().unwrap_or(0).wrapping_add(i128::from(by)).to_string();
                }
            }
            (Self::Set(held), Rule::Set, change) => {
                for (verb, is_added) in [("remove", false), ("add", true)] {
                    for name in members(change, verb) {
                        // One operation does one thing to a member: adding is the stronger.
                        if is_added || !members(change, "add").any(|added| added == name) {
                            let path = within(path, name);
                            found.member(&path, held.entry(name.to_owned()).or_default(), is_added);
                        }
                    }
                }
            }
            (Self::Register(dots), Rule::Register, value) => found.register(path, dots, value.clone()),
            (Self::Map(held), Rule::Map(rules), Value::Object(fields)) => {
                for (name, change) in fields {
                    let rule = rules.get(name).unwrap_or(&Rule::LastWriteWins);
                    let part = held.entry(name.clone()).or_insert_with(|| Self::new(rule));
                    part.apply(rule, change, Some(&within(path, name)), found);
                }
            }
            _ => {}
        }
    }

    fn overruled_by(&self, change: &Value) -> Option<&Entry> {
        match (self, change) {
            (Self::Last(held), _) => held.as_ref(),
            (Self::Fields(held), Value::Object(fields)) => {
                fields.keys().filter_map(|name| held.get(name)).max_by(|one, other| one.order().cmp(&other.order()))
            }
            (Self::Map(held), Value::Object(fields)) => {
                let of = |(name, change): (&String, &Value)| held.get(name)?.overruled_by(change);
                fields.iter().filter_map(of).max_by(|one, other| one.order().cmp(&other.order()))
            }
            _ => None,
        }
    }

    fn value(&self) -> Value {
        match self {
            Self::Last(held) => held.as_ref().map_or(Value::Null, |entry| entry.value.clone()),
            Self::Fields(held) => {
                let there = held.iter().filter(|(_, entry)| !entry.value.is_null());
                Value::Object(there.map(|(name, entry)| (name.clone(), entry.value.clone())).collect())
            }
            Self::Count(sum) => {
                let sum = sum.parse::<i128>().unwrap_or(0);
                Value::from(i64::try_from(sum).unwrap_or(if sum > 0 { i64::MAX } else { i64::MIN }))
            }
            Self::Set(held) => held.iter().filter(|(_, dots)| is_there(dots)).map(|(name, _)| name.as_str()).collect(),
            Self::Register(dots) => {
                let mut values: Vec<&Value> = Vec::new();
                for entry in dots.live.iter().filter(|entry| !entry.value.is_null()) {
                    if !values.contains(&&entry.value) {
                        values.push(&entry.value);
                    }
                }
                values.into_iter().cloned().collect()
            }
            Self::Map(held) => {
                let there = held.iter().filter(|(_, part)| !part.is_gone());
                Value::Object(there.map(|(name, part)| (name.clone(), part.value())).collect::<Map<_, _>>())
            }
        }
    }

    /// Whether nothing of it is left to show: a map leaves it out, so that it shows the same before and after the field is forgotten.
    fn is_gone(&self) -> bool {
        match self {
            Self::Last(held) => held.as_ref().is_none_or(|entry| entry.value.is_null()),
            Self::Fields(held) => held.values().all(|entry| entry.value.is_null()),
            Self::Count(_) => false,
            Self::Set(held) => !held.values().any(is_there),
            Self::Register(dots) => dots.live.iter().all(|entry| entry.value.is_null()),
            Self::Map(held) => held.values().all(Self::is_gone),
        }
    }

    fn settle(&mut self, horizon: &Horizon) -> bool {
        match self {
            Self::Last(held) => held.as_ref().is_none_or(|entry| is_over(entry, horizon)),
            Self::Fields(held) => {
                held.retain(|_, entry| !is_over(entry, horizon));
                held.is_empty()
            }
            Self::Count(_) => false,
            Self::Set(held) => {
                held.retain(|_, dots| is_there(dots) || !dots.is_settled(&horizon.here, &horizon.everywhere));
                held.is_empty()
            }
            Self::Register(dots) => {
                dots.live.iter().all(|entry| entry.value.is_null())
                    && dots.is_settled(&horizon.here, &horizon.everywhere)
            }
            Self::Map(held) => {
                held.retain(|_, part| !part.settle(horizon));
                held.is_empty()
            }
        }
    }

    fn tombstones(&self) -> usize {
        match self {
            Self::Last(held) => usize::from(held.as_ref().is_some_and(|entry| entry.value.is_null())),
            Self::Fields(held) => held.values().filter(|entry| entry.value.is_null()).count(),
            Self::Count(_) => 0,
            Self::Set(held) => held.values().filter(|dots| !is_there(dots)).count(),
            Self::Register(dots) => usize::from(dots.live.iter().all(|entry| entry.value.is_null())),
            Self::Map(held) => held.values().map(Self::tombstones).sum(),
        }
    }
}

/// Whether a member is in its set: an addition stands.
fn is_there(dots: &Dots) -> bool {
    dots.live.iter().any(|entry| entry.value == Value::Bool(true))
}

/// Whether a removed value can be forgotten: whatever comes after it is later.
fn is_over(entry: &Entry, horizon: &Horizon) -> bool {
    entry.value.is_null() && entry.is_in(&horizon.everywhere) && entry.stamp.millis() < horizon.floor
}

fn within(path: Option<&str>, name: &str) -> String {
    path.map_or_else(|| name.to_owned(), |path| format!("{path}/{name}"))
}
