//! An object of JSON whose entries are told one by one, in their order: what has names that are known only at run time.

use serde::{Serialize, Serializer};

/// The entries.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Object<K, V>(Vec<(K, V)>);

impl<K, V> FromIterator<(K, V)> for Object<K, V> {
    fn from_iter<T: IntoIterator<Item = (K, V)>>(entries: T) -> Self {
        Self(entries.into_iter().collect())
    }
}

impl<K: Serialize, V: Serialize> Serialize for Object<K, V> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(key, value)| (key, value)))
    }
}
