//! What every region writes. Its logs, states and conflicts are the kit's (`merge`), in the same database; each dataset has a log of its own.

use std::collections::BTreeMap;

use homing_origin::{
    Asked, Refusal, Unit,
    merge::{
        ConflictQuery, Conflicts, Merge, Operation, Progress, Rule, Shown, Write, Written,
        store::sqlite::{self as merged, append, list, progress, read, since, take_in, tend},
    },
    store::sqlite::fence,
};
use rusqlite::{Result, TransactionBehavior};

use super::Store;

/// How many operations a peer gets at once.
const AT_ONCE: u32 = 500;

/// Who writes, and how two writes at once end.
pub(super) fn rules<'a>(name: &str, peers: impl IntoIterator<Item = &'a str>) -> Merge {
    Merge::new(name, peers.into_iter().map(str::to_owned).chain([name.to_owned()]))
        .dataset("likes", Rule::Set)
        .dataset("views", Rule::Counter)
        // Each field by its later write.
        .dataset("profile", Rule::Map(BTreeMap::new()))
        .dataset("draft", Rule::Register)
}

impl Store {
    /// Writes here, whoever is near. With a fence only the owner of that unit writes, as the region has been told: while the dataset gets one
    /// owner at a time, or ceases to have one.
    pub(crate) fn merge(
        &self,
        asked: &Asked,
        write: Write<'_>,
        unit: Option<&Unit>,
    ) -> Result<std::result::Result<Written, Refusal>> {
        let mut connection = self.connection();
        let tx = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        if let Some(unit) = unit
            && let Err(refusal) = fence(&tx, asked, unit)?
        {
            return Ok(Err(refusal));
        }
        let written = append(&tx, &self.merge, asked, write)?;
        tx.commit()?;
        Ok(written)
    }

    pub(crate) fn shown(&self, dataset: &str, key: &str) -> Result<Shown> {
        read(&self.connection(), &self.merge, dataset, key)
    }

    pub(crate) fn all_shown(&self, dataset: &str) -> Result<Vec<(String, Shown)>> {
        list(&self.connection(), dataset, "", u32::MAX)
    }

    pub(crate) fn datasets(&self) -> Vec<String> {
        self.merge.datasets().map(str::to_owned).collect()
    }

    pub(crate) fn progress(&self, dataset: &str) -> Result<Option<Progress>> {
        self.merge.rule(dataset).map(|_| progress(&self.connection(), dataset)).transpose()
    }

    pub(crate) fn conflicts(&self, query: &ConflictQuery) -> Result<Conflicts> {
        merged::conflicts(&self.connection(), query)
    }

    /// This region's own operations after those places in its logs: what a peer lacks.
    pub(crate) fn own_operations_after(&self, places: &BTreeMap<String, u64>) -> Result<Vec<Operation>> {
        let connection = self.connection();
        let of = |(dataset, after): (&String, &u64)| since(&connection, dataset, &self.name, *after, AT_ONCE);
        Ok(places.iter().map(of).collect::<Result<Vec<_>>>()?.concat())
    }

    /// How far this copy is in the logs of that region.
    pub(crate) fn places_in(&self, owner: &str) -> Result<BTreeMap<String, u64>> {
        let connection = self.connection();
        let place = |name: &str| Ok((name.to_owned(), progress(&connection, name)?.at.get(owner)));
        self.merge.datasets().map(place).collect()
    }

    /// Takes a peer's operations in; those that are known change nothing.
    pub(crate) fn take_in(&self, operations: &[Operation]) -> Result<()> {
        let mut connection = self.connection();
        let tx = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        take_in(&tx, &self.merge, operations)?;
        tx.commit()
    }

    /// Says to the peers how far this region is, and forgets what all of them have.
    pub(crate) fn tend(&self) -> Result<()> {
        for dataset in self.merge.datasets() {
            loop {
                let mut connection = self.connection();
                let tx = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
                let more = tend(&tx, &self.merge, dataset)?;
                tx.commit()?;
                if !more {
                    break;
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use homing_origin::merge::{Change, Vector, store::sqlite::append_with};
    use serde_json::{Value, json};

    use super::*;

    const NAMES: [&str; 3] = ["us", "eu", "ap"];

    fn regions() -> [Store; 3] {
        NAMES.map(|name| Store::open(name, None).unwrap().among(NAMES.into_iter().filter(|peer| *peer != name)))
    }

    fn write(store: &Store, dataset: &str, key: &str, change: Change) -> Written {
        let mut connection = store.connection();
        let tx = connection.transaction().unwrap();
        let written = append_with(&tx, &store.merge, None, &Vector::default(), Write::new(dataset, key, change))
            .unwrap()
            .unwrap();
        tx.commit().unwrap();
        written
    }

    /// Each hears from each what it lacks, twice, as peers do.
    fn exchange(stores: &[Store]) {
        for _ in 0..2 {
            for from in stores {
                for to in stores.iter().filter(|to| to.name != from.name) {
                    let news = from.own_operations_after(&to.places_in(&from.name).unwrap()).unwrap();
                    to.take_in(&news).unwrap();
                    to.take_in(&news).unwrap();
                }
            }
        }
    }

    fn values(stores: &[Store], dataset: &str, key: &str) -> BTreeSet<String> {
        stores.iter().map(|store| store.shown(dataset, key).unwrap().value.to_string()).collect()
    }

    fn same(value: &Value) -> BTreeSet<String> {
        BTreeSet::from([value.to_string()])
    }

    #[test]
    fn regions_that_wrote_apart_are_equal_when_they_have_heard_each_other() {
        let stores = regions();
        let [us, eu, ap] = &stores;
        for (store, user) in [(us, "ada"), (eu, "bob"), (ap, "ada")] {
            write(store, "likes", "7", Change::add(user));
            write(store, "views", "7", Change::count(1));
            write(store, "draft", "7", Change::put(store.name.as_str()));
        }
        write(us, "profile", "ada", Change(json!({ "city": "Rome", "name": "Ada" })));
        write(eu, "profile", "ada", Change(json!({ "colour": "red" })));
        exchange(&stores);
        assert_eq!(values(&stores, "likes", "7"), same(&json!(["ada", "bob"])));
        assert_eq!(values(&stores, "views", "7"), same(&json!(3)));
        assert_eq!(values(&stores, "profile", "ada"), same(&json!({ "city": "Rome", "colour": "red", "name": "Ada" })));
        let drafts = us.shown("draft", "7").unwrap().value;
        assert_eq!(drafts.as_array().map(Vec::len), Some(3), "all stand: {drafts}");
        assert_eq!(values(&stores, "draft", "7"), same(&drafts));
        // Who has seen them all replaces them all.
        write(eu, "draft", "7", Change::put("one"));
        exchange(&stores);
        assert_eq!(values(&stores, "draft", "7"), same(&json!(["one"])));
    }

    #[test]
    fn what_all_have_is_forgotten_and_shown_as_before() {
        let stores = regions();
        let [us, eu, _] = &stores;
        for n in 0..20 {
            write(us, "likes", "7", Change::add(&format!("u{n}")));
        }
        exchange(&stores);
        write(eu, "likes", "7", Change::remove("u0"));
        exchange(&stores);
        for _ in 0..3 {
            stores.iter().for_each(|store| store.tend().unwrap());
            exchange(&stores);
        }
        assert!(
            us.own_operations_after(&BTreeMap::from([("likes".to_owned(), 0)])).unwrap().len() < 20,
            "the log is shorter"
        );
        let shown = us.shown("likes", "7").unwrap().value;
        assert_eq!(shown.as_array().map(Vec::len), Some(19));
        assert_eq!(values(&stores, "likes", "7"), same(&shown));
    }
}
