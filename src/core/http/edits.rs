//! Changes to header fields. They are text from the beginning, the one in which they leave (`src/edge/wire.rs`): a request has up to forty, and in
//! Wasm one text costs a fraction of as many small ones.

use crate::model::text;

/// One change to a header list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Edit<'e> {
    /// Removes every field of that name.
    Remove(&'e str),
    /// Replaces every field of that name.
    Set(&'e str, &'e str),
    /// Adds a field and leaves others of the name alone (`Set-Cookie`).
    Add(&'e str, &'e str),
}

/// Changes to a header list, applied in order. No name holds a TAB, and no value a newline: what comes in is parted by both.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Edits(String);

/// The changes to a request's header fields.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RequestEdits {
    /// Fields with which very many requests are sent alike, so that an edge may keep them ready. None depends on another change.
    pub usual: Edits,
    /// The others, which are applied before these.
    pub own: Edits,
}

impl Edits {
    /// None yet, and room for so many bytes of them.
    #[must_use]
    pub fn with_room(bytes: usize) -> Self {
        Self(String::with_capacity(bytes))
    }

    /// The text: a line each, `-name`, `=name` TAB value, or `+name` TAB value.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.0
    }

    /// Each, in order.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = Edit<'_>> {
        self.0.split_terminator('\n').filter_map(Edit::read)
    }

    /// What the last one that sets the field sets it to.
    #[must_use]
    pub fn set_to(&self, name: &str) -> Option<&str> {
        let is_it = |edit| if let Edit::Set(set, value) = edit { (set == name).then_some(value) } else { None };
        self.iter().rev().find_map(is_it)
    }

    /// Removes every field of that name.
    pub fn remove(&mut self, name: &str) {
        text::all(&mut self.0, &["-", name, "\n"]);
    }

    /// Replaces every field of that name.
    pub fn set(&mut self, name: &str, value: &str) {
        text::all(&mut self.0, &["=", name, "\t", value, "\n"]);
    }

    /// The same, of a value that is written where it is to stand.
    pub fn set_by(&mut self, name: &str, write: impl FnOnce(&mut String)) {
        text::all(&mut self.0, &["=", name, "\t"]);
        write(&mut self.0);
        self.0.push('\n');
    }

    /// Adds a field and leaves others of the name alone.
    pub fn add(&mut self, name: &str, value: &str) {
        text::all(&mut self.0, &["+", name, "\t", value, "\n"]);
    }

    /// The same, of a value that is written where it is to stand.
    pub fn add_by(&mut self, name: &str, write: impl FnOnce(&mut String)) {
        text::all(&mut self.0, &["+", name, "\t"]);
        write(&mut self.0);
        self.0.push('\n');
    }

    /// All of these, behind the others.
    pub fn append(&mut self, others: &Self) {
        self.0.push_str(&others.0);
    }

    /// All of these, before the others.
    pub fn prepend(&mut self, others: &Self) {
        self.0.insert_str(0, &others.0);
    }
}

impl RequestEdits {
    /// Each, in an order in which they may be applied.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = Edit<'_>> {
        self.own.iter().chain(self.usual.iter())
    }

    /// What the last one that sets the field sets it to.
    #[must_use]
    pub fn set_to(&self, name: &str) -> Option<&str> {
        self.usual.set_to(name).or_else(|| self.own.set_to(name))
    }
}

impl<'e> Edit<'e> {
    fn read(line: &'e str) -> Option<Self> {
        let (sign, rest) = line.split_at_checked(1)?;
        if sign == "-" {
            return Some(Self::Remove(rest));
        }
        let (name, value) = rest.split_once('\t')?;
        Some(if sign == "=" { Self::Set(name, value) } else { Self::Add(name, value) })
    }
}

impl<'e> FromIterator<Edit<'e>> for Edits {
    fn from_iter<T: IntoIterator<Item = Edit<'e>>>(all: T) -> Self {
        let mut edits = Self::default();
        for edit in all {
            match edit {
                Edit::Remove(name) => edits.remove(name),
                Edit::Set(name, value) => edits.set(name, value),
                Edit::Add(name, value) => edits.add(name, value),
            }
        }
        edits
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_read() {
        let all =
            [Edit::Remove("te"), Edit::Set("via", "1.1 homing"), Edit::Add("x-added", "of\tmine"), Edit::Set("x", "")];
        let mut edits = Edits::from_iter(all);
        assert_eq!(edits.iter().collect::<Vec<_>>(), all);
        assert_eq!(edits.text(), "-te\n=via\t1.1 homing\n+x-added\tof\tmine\n=x\t\n");
        edits.set_by("via", |field| field.push_str("2 homing"));
        edits.prepend(&Edits::from_iter([Edit::Set("via", "before")]));
        assert_eq!((edits.set_to("via"), edits.set_to("x"), edits.set_to("te")), (Some("2 homing"), Some(""), None));
    }
}
