//! What an application declares: who writes, and by which rule its datasets merge.

use std::{collections::BTreeMap, fmt, sync::Arc};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// How writes to one key merge, and which of them conflict. Of two writes only those can conflict of which the one that stands had not seen
/// the other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rule {
    /// The write with the later stamp stands, as a whole. A region stamps what it writes later than what it has applied to the key, so no
    /// write is overruled by one that it has seen there. A conflict: it had not seen the one that it overrules, and their values differ.
    ///
    /// A session's later write loses to its earlier one in one case. The earlier one replaced a value from a region whose clock was ahead, so
    /// it got a stamp still further ahead. A session carries no stamp more than 5 minutes ahead. So a region that has applied neither gives
    /// the later write an earlier stamp.
    LastWriteWins,
    /// The same for each field of a record by itself. A conflict, as above, of each field that both have written.
    Fields,
    /// A sum of steps, up and down. Never a conflict, and never a lower bound: two regions can both take the last one.
    Counter,
    /// A set of texts: a removal takes away the additions that it has seen. A conflict: an addition that a removal had not seen (and that had
    /// not seen the removal) stands. So of two at once the addition wins, whatever the stamps are.
    Set,
    /// Keeps each value that no other write has seen, for the application to show. A conflict: two different values stand. Nothing is
    /// lost; a later write that has seen both replaces both.
    Register,
    /// A rule for each field. A field that is not named here goes by the later write.
    Map(BTreeMap<String, Rule>),
}

impl Rule {
    /// The word for it in header fields, metrics and configuration.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::LastWriteWins | Self::Fields => "last-write-wins",
            Self::Counter => "counter",
            Self::Set => "set",
            Self::Register => "register",
            Self::Map(_) => "map",
        }
    }

    /// Whether a change is one that this rule can apply.
    ///
    /// # Errors
    /// If it is not, with what was expected.
    pub fn check(&self, change: &Change) -> Result<(), Invalid> {
        if is_deeper(&change.0, DEEPEST) {
            return Err(Invalid("the change is nested more than 64 levels deep"));
        }
        self.check_value(&change.0)
    }

    fn check_value(&self, change: &Value) -> Result<(), Invalid> {
        match self {
            Self::LastWriteWins | Self::Register => Ok(()),
            Self::Fields if change.is_object() => Ok(()),
            Self::Counter if step(change).is_some() => Ok(()),
            Self::Set if members(change, "add").chain(members(change, "remove")).next().is_some() => Ok(()),
            Self::Map(rules) => {
                let Value::Object(fields) = change else { return Err(Invalid("a map takes an object of changes")) };
                let of = |name: &String| rules.get(name).unwrap_or(&Self::LastWriteWins);
                fields.iter().try_for_each(|(name, change)| of(name).check_value(change))
            }
            Self::Fields => Err(Invalid("a record takes an object of fields")),
            Self::Counter => Err(Invalid("a counter takes a whole number between -2^53 and 2^53")),
            Self::Set => Err(Invalid("a set takes {\"add\": [\"TEXT\"]} or {\"remove\": [\"TEXT\"]}")),
        }
    }
}

/// How deep a change may be nested. Readers of JSON give up at 128 levels, and a change lies some deeper in a state, and in the list of
/// operations that a peer is given: one that its region could write and nobody read would stop the dataset for good.
const DEEPEST: usize = 64;

fn is_deeper(value: &Value, levels: usize) -> bool {
    let Some(below) = levels.checked_sub(1) else { return value.is_array() || value.is_object() };
    match value {
        Value::Array(values) => values.iter().any(|value| is_deeper(value, below)),
        Value::Object(fields) => fields.values().any(|value| is_deeper(value, below)),
        _ => false,
    }
}

/// A counter's step. The bound keeps sums exact: no number of operations that fits a log overflows them.
pub(crate) fn step(change: &Value) -> Option<i64> {
    change.as_i64().filter(|by| by.unsigned_abs() <= 1 << 53)
}

/// The members that a set's change adds, or removes.
pub(crate) fn members<'a>(change: &'a Value, verb: &str) -> impl Iterator<Item = &'a str> {
    change.get(verb).and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str)
}

/// A change that the declared rule cannot apply; nothing was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Invalid(pub &'static str);

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for Invalid {}

/// What a write does to a key, as JSON: it stands so in the log.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Change(pub Value);

impl Change {
    /// The value from now on (last-write-wins, register); null is none any more. For a record by fields: the fields that change.
    #[must_use]
    pub fn put(value: impl Into<Value>) -> Self {
        Self(value.into())
    }

    /// Up by that, or down (counter).
    #[must_use]
    pub fn count(by: i64) -> Self {
        Self(json!(by))
    }

    /// Puts one member into a set.
    #[must_use]
    pub fn add(member: &str) -> Self {
        Self(json!({ "add": [member] }))
    }

    /// Takes one member out of a set.
    #[must_use]
    pub fn remove(member: &str) -> Self {
        Self(json!({ "remove": [member] }))
    }

    /// A change of one field (map).
    #[must_use]
    pub fn field(name: &str, change: Self) -> Self {
        Self(json!({ name: change.0 }))
    }
}

/// A region's declaration: its name, all regions that write (the owners), and the rule of each dataset. Cheap to clone.
///
/// **The owners are all that write, and no others.** An owner that is not named here is passed over until it is: name a new region everywhere
/// before it writes. What an owner has not got yet cannot be forgotten anywhere: leave one out that is gone for good, once all others have
/// what it wrote, or logs and tombstones grow.
#[derive(Clone, Debug)]
pub struct Merge {
    pub(crate) region: Arc<str>,
    pub(crate) owners: Arc<[String]>,
    rules: BTreeMap<String, Arc<Rule>>,
    clock: Clock,
}

/// Unix time in milliseconds, by whatever clock.
#[derive(Clone)]
struct Clock(Arc<dyn Fn() -> u64 + Send + Sync>);

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Clock")
    }
}

impl Merge {
    /// That region, among those owners.
    #[must_use]
    pub fn new<T: Into<String>>(region: &str, owners: impl IntoIterator<Item = T>) -> Self {
        let owners = owners.into_iter().map(Into::into).collect();
        Self { region: region.into(), owners, rules: BTreeMap::new(), clock: Clock(Arc::new(crate::layer::now)) }
    }

    /// By another clock than the system's, in milliseconds since 1970: for tests.
    #[must_use]
    pub fn with_clock(mut self, clock: impl Fn() -> u64 + Send + Sync + 'static) -> Self {
        self.clock = Clock(Arc::new(clock));
        self
    }

    pub(crate) fn now(&self) -> u64 {
        (self.clock.0)()
    }

    /// With another dataset. A rule is for good: operations of another one that stand in the log already would be passed over.
    #[must_use]
    pub fn dataset(mut self, name: &str, rule: Rule) -> Self {
        self.rules.insert(name.to_owned(), Arc::new(rule));
        self
    }

    /// This region's name.
    #[must_use]
    pub fn region(&self) -> &str {
        &self.region
    }

    /// The datasets: what [`Application::multi_writer`](crate::Application::multi_writer) gives.
    pub fn datasets(&self) -> impl Iterator<Item = &str> {
        self.rules.keys().map(String::as_str)
    }

    /// The rule of a dataset.
    #[must_use]
    pub fn rule(&self, dataset: &str) -> Option<&Rule> {
        self.rules.get(dataset).map(Arc::as_ref)
    }

    pub(crate) fn is_owner(&self, name: &str) -> bool {
        self.owners.iter().any(|owner| owner == name)
    }

    /// The rule by which a write goes, if it can go by it.
    #[cfg(any(feature = "sqlite", feature = "postgres"))]
    pub(crate) fn admit(&self, write: &super::Write<'_>) -> Result<&Rule, crate::Refusal> {
        let refused = |invalid: Invalid| crate::Refusal::NoChange(invalid.0);
        let rule = self.checked(write.dataset, &write.change).map_err(refused)?;
        if write.key.is_empty() || write.key.contains('\0') {
            return Err(crate::Refusal::NoChange("the key is empty, or has a NUL character"));
        }
        Ok(rule)
    }

    /// Whether a change fits the dataset.
    ///
    /// # Errors
    /// If the dataset is not declared, or its rule cannot apply the change.
    pub fn check(&self, dataset: &str, change: &Change) -> Result<(), Invalid> {
        self.checked(dataset, change).map(|_| ())
    }

    /// The rule, which can apply the change.
    fn checked(&self, dataset: &str, change: &Change) -> Result<&Rule, Invalid> {
        let rule = self.rule(dataset).ok_or(Invalid("no rule is declared for this dataset"))?;
        rule.check(change).map(|()| rule)
    }
}
