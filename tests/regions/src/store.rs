//! The database. Of what has one owner at a time: an insert-only log of operations per region, and what it folds to. Folding is the same
//! for an operation of one's own and for a peer's, idempotent, and independent of the order in which regions' logs interleave.

mod announced;
mod keys;
mod multi_writer;

use std::{
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{SystemTime, UNIX_EPOCH},
};

use homing_origin::{
    Kept, Mark, Ownership, Part, Unit,
    merge::{self, Merge},
    store::sqlite::{self, Sqlite},
};
use rusqlite::{Connection, OptionalExtension, Result, TransactionBehavior, params};
use serde::{Deserialize, Serialize};
use serde_json::json;

use announced::{OF_UNIT, is_here, is_too_early, take_in};

/// One operation, as it is logged and replicated.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Op {
    /// The region where it was made.
    pub origin: String,
    /// Its place in that region's log, from 1 without gaps.
    pub seq: i64,
    /// The dataset, or `own` for a change of ownership.
    pub dataset: String,
    /// What it concerns within the dataset: an item, a subject.
    pub key: String,
    /// The new value, as JSON.
    pub value: String,
    /// The epoch and sequence, by which the later value is told; of a change of ownership nothing.
    pub stamp: String,
    /// When it was made, in Unix milliseconds.
    pub at: i64,
    /// By what its repeat is known, and what that is answered: whoever has the write knows its repeat.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repeat: Option<String>,
}

/// What an operation of this region is about.
#[derive(Clone, Copy)]
pub(crate) struct Entry<'a> {
    pub dataset: &'a str,
    pub key: &'a str,
}

/// What the peers are told of an ownership: who owns it, and the last operations of this unit that it began with, by whose log they
/// are in. Before a copy has all of those, it lacks writes that the new owner may build upon, and may not pass for a copy of the new
/// epoch; what else is in those logs has nothing to do with it.
#[derive(Serialize, Deserialize)]
struct Announcement {
    home: String,
    epoch: u64,
    after: Vec<(String, i64)>,
}

/// A value and the stamp that it won with.
#[derive(Clone, Debug)]
pub(crate) struct Held {
    pub value: String,
    pub stamp: String,
}

impl Op {
    /// Of data with one owner: the unit that it writes, and its place in that owner's log. The stamp holds the epoch.
    pub(crate) fn written(&self) -> Option<(Unit, Mark)> {
        let (epoch, _) = place(&self.stamp)?;
        let unit = match self.dataset.as_str() {
            "cart" | "notes" => Unit::subject(&self.key),
            dataset => Unit::dataset(dataset),
        };
        Some((unit, self.mark(epoch)))
    }

    fn mark(&self, epoch: u64) -> Mark {
        Mark { owner: Ownership::new(&self.origin, epoch), position: self.seq.to_string() }
    }
}

/// The epoch by which a value was written, and where in the log of that epoch's owner.
fn place(stamp: &str) -> Option<(u64, u64)> {
    let (epoch, seq) = stamp.split_once('.')?;
    Some((epoch.parse().ok()?, seq.parse().ok()?))
}

/// A region's database.
pub(crate) struct Store {
    name: String,
    connection: Arc<Mutex<Connection>>,
    /// How that ends which several regions write.
    merge: Merge,
}

const SCHEMA: &str = "
    pragma journal_mode = wal; pragma synchronous = normal;
    create table if not exists ops (origin text, seq integer, dataset text, key text, value text, stamp text, at integer,
        repeat text, primary key (origin, seq)) without rowid;
    create table if not exists held (dataset text, key text, value text, stamp text, primary key (dataset, key)) without rowid;
    create index if not exists ops_of on ops (dataset, key);
    create table if not exists awaited (unit text, epoch integer, home text, origin text, seq integer,
        primary key (unit, epoch, origin)) without rowid;
    create index if not exists awaited_of on awaited (origin, seq);
";

pub(crate) fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

impl Store {
    pub(crate) fn open(name: &str, folder: Option<&Path>) -> Result<Self> {
        let connection = match folder {
            Some(folder) => {
                let _ = std::fs::create_dir_all(folder);
                Connection::open(folder.join(format!("{name}.sqlite")))?
            }
            None => Connection::open_in_memory()?,
        };
        connection.execute_batch(SCHEMA)?;
        merge::store::sqlite::make(&connection)?;
        let merge = multi_writer::rules(name, []);
        let store = Self { name: name.to_owned(), connection: Arc::new(Mutex::new(connection)), merge };
        store.epochs()?;
        begin(&store.connection())?;
        Ok(store)
    }

    /// With these regions, which write as well.
    pub(crate) fn among<'a>(self, peers: impl IntoIterator<Item = &'a str>) -> Self {
        let merge = multi_writer::rules(&self.name, peers);
        Self { merge, ..self }
    }

    /// Who owns what, in the same database.
    pub(crate) fn epochs(&self) -> Result<Sqlite> {
        Sqlite::new(Arc::clone(&self.connection))
    }

    fn connection(&self) -> MutexGuard<'_, Connection> {
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn append(&self, tx: &Connection, entry: Entry<'_>, epoch: u64, value: String) -> Result<()> {
        apply(tx, &self.next(tx, entry, epoch, value)?)
    }

    /// The next operation of this region, which is yet to be applied.
    fn next(&self, tx: &Connection, entry: Entry<'_>, epoch: u64, value: String) -> Result<Op> {
        let seq = last(tx, &self.name)? + 1;
        Ok(Op {
            origin: self.name.clone(),
            seq,
            dataset: entry.dataset.to_owned(),
            key: entry.key.to_owned(),
            value,
            stamp: if entry.dataset == "own" { String::new() } else { format!("{epoch:012}.{seq:012}") },
            at: now(),
            repeat: None,
        })
    }

    /// Folds a peer's operation; one that is known already changes nothing.
    pub(crate) fn receive(&self, op: &Op) -> Result<()> {
        let mut connection = self.connection();
        let tx = connection.transaction()?;
        if op.seq == last(&tx, &op.origin)? + 1 {
            apply(&tx, op)?;
            self.follow(&tx, op)?;
        }
        tx.commit()
    }

    pub(crate) fn read(&self, dataset: &str, key: &str) -> Result<Option<Held>> {
        held(&self.connection(), dataset, key)
    }

    pub(crate) fn list(&self, dataset: &str) -> Result<Vec<(String, String)>> {
        let connection = self.connection();
        let mut rows = connection.prepare_cached("select key, value from held where dataset = ? order by key")?;
        rows.query_map([dataset], |row| Ok((row.get(0)?, row.get(1)?)))?.collect()
    }

    /// What a read of the part can have shown: the last write of it, or where its present ownership began.
    pub(crate) fn shows(&self, part: Part<'_>) -> Result<Option<Mark>> {
        sqlite::shows(&self.connection(), part)
    }

    /// What a read has shown that found this under one key. Values are overwritten and never removed, so its own version tells; and
    /// of what an earlier owner wrote, or nobody, nothing shows in the present owner's log but its beginning.
    pub(crate) fn shows_of(&self, unit: &Unit, held: Option<&Held>) -> Result<Option<Mark>> {
        let connection = self.connection();
        let Some(owner) = sqlite::standing(&connection, unit)?.log else { return Ok(None) };
        let beginning = sqlite::shows(&connection, Part { dataset: "", unit, owner: Some(&owner) })?;
        Ok(match held.and_then(|held| place(&held.stamp)) {
            Some((epoch, _)) if epoch > owner.epoch => None,
            Some((epoch, seq)) if epoch == owner.epoch => {
                Mark::latest([Mark { owner, position: seq.to_string() }].into_iter().chain(beginning))
            }
            _ => beginning,
        })
    }

    /// How far this copy has applied that region's log.
    pub(crate) fn applied(&self, origin: &str) -> Result<i64> {
        last(&self.connection(), origin)
    }

    /// This region's own operations after a place in its log.
    pub(crate) fn own_ops_after(&self, seq: i64) -> Result<Vec<Op>> {
        let connection = self.connection();
        let mut rows = connection
            .prepare_cached(&format!("select {OP} from ops where origin = ? and seq > ? order by seq limit 500"))?;
        rows.query_map(params![self.name, seq], read_op)?.collect()
    }

    /// Takes in an ownership that this region is told of, if its epoch is later than what is known.
    pub(crate) fn own(&self, unit: &Unit, owner: &Ownership) -> Result<()> {
        let take_in = if owner.home == self.name { sqlite::announced } else { sqlite::advance };
        take_in(&self.connection(), unit, owner)
    }

    /// Tells the peers of an ownership, in the log: a label that travels apart from the data would break the order of reads.
    pub(crate) fn announce(&self, unit: &Unit, owner: &Ownership) -> Result<()> {
        let mut connection = self.connection();
        let tx = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        self.announce_in(&tx, unit, owner)?;
        tx.commit()
    }

    /// If a peer's log names this region the owner, its own says so too, before anything that it writes by that: what it writes may
    /// reach a third region ahead of the peer's log, and would be shown there beside what is older.
    fn follow(&self, tx: &Connection, op: &Op) -> Result<()> {
        let told = serde_json::from_str::<Announcement>(&op.value).ok().filter(|_| op.dataset == "own");
        let Some((unit, told)) = Unit::parse(&op.key).zip(told) else { return Ok(()) };
        let owner = Ownership::new(&told.home, told.epoch);
        if owner.home != self.name || sqlite::standing(tx, &unit)?.owner.as_ref() != Some(&owner) {
            return Ok(());
        }
        self.announce_in(tx, &unit, &owner)
    }

    /// Each ownership is announced once: its beginning is one place in the log.
    fn announce_in(&self, tx: &Connection, unit: &Unit, owner: &Ownership) -> Result<()> {
        let sql = "select exists (select 1 from ops where dataset = 'own' and key = ? and origin = ?
            and value ->> 'home' = ? and value ->> 'epoch' = ?)";
        let known = params![unit.as_str(), self.name, owner.home, owner.epoch.cast_signed()];
        if tx.prepare_cached(sql)?.query_row(known, |row| row.get(0))? {
            return Ok(());
        }
        let after = tx
            .prepare_cached(&format!("select origin, max(seq) from ops where {OF_UNIT} group by origin"))?
            .query_map([unit.as_str(), unit.as_subject().unwrap_or("")], |row| Ok((row.get(0)?, row.get(1)?)))?
            .collect::<Result<Vec<_>>>()?;
        let value = json!(Announcement { home: owner.home.clone(), epoch: owner.epoch, after }).to_string();
        self.append(tx, Entry { dataset: "own", key: unit.as_str() }, 0, value)
    }

    pub(crate) fn reset(&self) -> Result<()> {
        let connection = self.connection();
        connection.execute_batch(
            "delete from ops; delete from held; delete from homing_units; delete from homing_writes; delete from awaited;
            delete from homing_keys; delete from homing_ops; delete from homing_states; delete from homing_ledger;
            delete from homing_conflicts; delete from homing_conflict_totals;",
        )?;
        begin(&connection)
    }
}

/// Who owns the catalogue before anybody says otherwise; its log begins with nothing.
fn begin(connection: &Connection) -> Result<()> {
    let (catalog, us) = (Unit::dataset("catalog"), Ownership::new("us", 1));
    sqlite::advance(connection, &catalog, &us)?;
    if last(connection, &us.home)? == 0 {
        sqlite::began(connection, &catalog, &Mark { owner: us, position: "0".to_owned() })?;
    }
    Ok(())
}

const OP: &str = "origin, seq, dataset, key, value, stamp, at, repeat";

fn read_op(row: &rusqlite::Row<'_>) -> Result<Op> {
    Ok(Op {
        origin: row.get(0)?,
        seq: row.get(1)?,
        dataset: row.get(2)?,
        key: row.get(3)?,
        value: row.get(4)?,
        stamp: row.get(5)?,
        at: row.get(6)?,
        repeat: row.get(7)?,
    })
}

fn held(connection: &Connection, dataset: &str, key: &str) -> Result<Option<Held>> {
    let mut rows = connection.prepare_cached("select value, stamp from held where dataset = ? and key = ?")?;
    rows.query_row([dataset, key], |row| Ok(Held { value: row.get(0)?, stamp: row.get(1)? })).optional()
}

fn last(connection: &Connection, origin: &str) -> Result<i64> {
    let mut rows = connection.prepare_cached("select coalesce(max(seq), 0) from ops where origin = ?")?;
    rows.query_row([origin], |row| row.get(0))
}

/// Logs and folds.
fn apply(connection: &Connection, op: &Op) -> Result<()> {
    connection.execute(
        "insert or ignore into ops values (?, ?, ?, ?, ?, ?, ?, ?)",
        params![op.origin, op.seq, op.dataset, op.key, op.value, op.stamp, op.at, op.repeat],
    )?;
    if let Some(kept) = op.repeat.as_deref().and_then(Kept::from_json) {
        sqlite::remember(connection, &kept)?;
    }
    if op.dataset == "own" {
        if let (Some(unit), Ok(told)) = (Unit::parse(&op.key), serde_json::from_str::<Announcement>(&op.value)) {
            take_in(connection, &unit, &told)?;
            // Where the old owner tells of it, it is a place in that one's log.
            if told.home == op.origin {
                sqlite::began(connection, &unit, &op.mark(told.epoch))?;
            }
        }
    } else if !is_too_early(connection, op)? {
        fold(connection, op)?;
    }
    is_here(connection, op)
}

/// Of two values of a key the later one is held, whichever comes first.
fn fold(connection: &Connection, op: &Op) -> Result<()> {
    if let Some((unit, at)) = op.written() {
        sqlite::wrote(connection, &op.dataset, &unit, &at)?;
    }
    let before = held(connection, &op.dataset, &op.key)?;
    // Equal stamps are the same operation.
    if before.is_none_or(|before| before.stamp < op.stamp) {
        connection.execute(
            "insert into held values (?1, ?2, ?3, ?4) on conflict (dataset, key) do update set value = ?3, stamp = ?4",
            params![op.dataset, op.key, op.value, op.stamp],
        )?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exchange(stores: &[&Store]) {
        for from in stores {
            for op in from.own_ops_after(0).unwrap() {
                for to in stores.iter().filter(|to| to.name != from.name) {
                    to.receive(&op).unwrap();
                    to.receive(&op).unwrap();
                }
            }
        }
    }

    /// By no ownership: what else stands in a log.
    fn put(store: &Store, dataset: &str, key: &str, value: &str) {
        store.append(&store.connection(), Entry { dataset, key }, 0, value.to_owned()).unwrap();
    }

    fn owner(store: &Store, unit: &Unit) -> Option<Ownership> {
        sqlite::standing(&store.connection(), unit).unwrap().owner
    }

    fn log(store: &Store, unit: &Unit) -> Option<Ownership> {
        sqlite::standing(&store.connection(), unit).unwrap().log
    }

    #[test]
    fn an_ownership_travels_in_the_log_and_never_back() {
        let (a, b) = (Store::open("a", None).unwrap(), Store::open("b", None).unwrap());
        let (ada, eu) = (Unit::subject("ada"), Ownership::new("eu", 3));
        a.announce(&ada, &eu).unwrap();
        exchange(&[&a, &b]);
        assert_eq!(owner(&b, &ada), Some(eu.clone()));
        b.own(&ada, &Ownership::new("us", 2)).unwrap();
        assert_eq!(owner(&b, &ada), Some(eu));
    }

    fn send(from: &Store, to: &Store) {
        from.own_ops_after(0).unwrap().iter().for_each(|op| to.receive(op).unwrap());
    }

    fn write_by(store: &Store, key: &str, epoch: u64, value: &str) {
        let entry = Entry { dataset: "catalog", key };
        let mut connection = store.connection();
        let tx = connection.transaction().unwrap();
        store.append(&tx, entry, epoch, value.to_owned()).unwrap();
        tx.commit().unwrap();
    }

    fn value(store: &Store, key: &str) -> Option<String> {
        store.read("catalog", key).unwrap().map(|held| held.value)
    }

    /// A session has written at the old owner, which is promoted away, and reads at a third region that has not got that write yet.
    #[test]
    fn a_copy_without_the_beginning_of_an_epoch_is_no_copy_of_it_and_shows_nothing_of_it() {
        let [us, eu, ap] = ["us", "eu", "ap"].map(|name| Store::open(name, None).unwrap());
        let (catalog, [first, moved]) =
            (Unit::dataset("catalog"), [("us", 1), ("eu", 2)].map(|(home, epoch)| Ownership::new(home, epoch)));
        write_by(&us, "x", 1, "1");
        send(&us, &eu);
        ap.own(&catalog, &moved).unwrap();
        assert_eq!(
            (owner(&ap, &catalog), log(&ap, &catalog)),
            (Some(moved.clone()), Some(first.clone())),
            "told, and no more"
        );
        eu.announce(&catalog, &moved).unwrap();
        write_by(&eu, "y", 2, "2");
        send(&eu, &ap);
        assert_eq!((log(&eu, &catalog), log(&ap, &catalog)), (Some(moved.clone()), Some(first)), "x is missing there");
        assert_eq!(value(&ap, "y"), None, "what is later is not shown beside what is older");
        send(&us, &ap);
        assert_eq!(
            (log(&ap, &catalog), value(&ap, "x"), value(&ap, "y")),
            (Some(moved), Some("1".into()), Some("2".into()))
        );
    }

    /// The router sends writes to the new owner as soon as the old one has named it: before the authority grants it anything.
    #[test]
    fn an_owner_that_hears_of_itself_in_anothers_log_says_so_in_its_own_before_it_writes() {
        let [us, eu, ap] = ["us", "eu", "ap"].map(|name| Store::open(name, None).unwrap());
        let (catalog, moved) = (Unit::dataset("catalog"), Ownership::new("eu", 2));
        write_by(&us, "x", 1, "1");
        us.announce(&catalog, &moved).unwrap();
        send(&us, &eu);
        write_by(&eu, "y", 2, "2");
        send(&eu, &ap);
        assert_eq!(owner(&ap, &catalog), Some(moved.clone()), "though nothing of the old owner's log is there");
        assert_eq!(value(&ap, "y"), None, "what is later is not shown beside what is older");
        let own = eu.applied("eu").unwrap();
        eu.announce(&catalog, &moved).unwrap();
        assert_eq!(eu.applied("eu").unwrap(), own, "granted: that is known");
        send(&us, &ap);
        assert_eq!((log(&ap, &catalog), value(&ap, "y")), (Some(moved), Some("2".into())));
    }

    /// Another tenant's: the logs carry more than the unit that moves.
    #[test]
    fn an_owner_begins_with_the_units_own_operations_and_never_lacks_them() {
        let [us, eu, ap] = ["us", "eu", "ap"].map(|name| Store::open(name, None).unwrap());
        let (catalog, moved) = (Unit::dataset("catalog"), Ownership::new("eu", 2));
        write_by(&us, "x", 1, "1");
        put(&ap, "notes", "1", "\"ap\"");
        send(&ap, &us);
        us.announce(&catalog, &moved).unwrap();
        send(&us, &eu);
        assert_eq!(log(&eu, &catalog), Some(moved.clone()), "though it has nothing of ap's");
        assert_eq!(log(&us, &catalog), Some(moved.clone()), "who gave it away has all that was written");
        // By force, without what the old owner alone has.
        let (catalog, forced) = (Unit::dataset("catalog"), Ownership::new("ap", 3));
        us.announce(&catalog, &Ownership::new("eu", 2)).unwrap();
        send(&eu, &ap);
        ap.announce(&catalog, &forced).unwrap();
        assert_eq!(log(&ap, &catalog), Some(forced));
    }

    /// What the whole of a dataset shows, and what one key of it does: epoch and position.
    fn shown(store: &Store, dataset: &str, key: &str) -> [Option<(u64, String)>; 2] {
        let unit = Unit::dataset(dataset);
        let owner = log(store, &unit);
        let held = store.read(dataset, key).unwrap();
        let whole = store.shows(Part { dataset, unit: &unit, owner: owner.as_ref() }).unwrap();
        [whole, store.shows_of(&unit, held.as_ref()).unwrap()].map(|at| at.map(|at| (at.owner.epoch, at.position)))
    }

    /// A write to the catalogue by the ownership that the store knows.
    fn write_catalog(store: &Store, key: &str, value: &str) {
        let mut connection = store.connection();
        let tx = connection.transaction().unwrap();
        let epoch = sqlite::standing(&tx, &Unit::dataset("catalog")).unwrap().owner.unwrap().epoch;
        store.append(&tx, Entry { dataset: "catalog", key }, epoch, value.to_owned()).unwrap();
        tx.commit().unwrap();
    }

    #[test]
    fn an_item_shows_its_own_version_and_a_list_the_last_write_whatever_is_written_elsewhere() {
        let (us, eu) = (Store::open("us", None).unwrap(), Store::open("eu", None).unwrap());
        let at = |position: &str| Some((1, position.to_owned()));
        assert_eq!(shown(&us, "catalog", "x"), [at("0"), at("0")], "nothing was ever written");
        write_catalog(&us, "x", "1");
        put(&us, "notes", "x", "true");
        write_catalog(&us, "y", "1");
        put(&us, "notes", "x", "true");
        assert_eq!(us.applied("us").unwrap(), 4);
        assert_eq!(shown(&us, "catalog", "x"), [at("3"), at("1")]);
        assert_eq!(shown(&us, "catalog", "z"), [at("3"), at("0")], "what is not there was never there");
        write_catalog(&us, "x", "null");
        assert_eq!(shown(&us, "catalog", "x"), [at("5"), at("5")], "emptied is written");
        exchange(&[&us, &eu]);
        assert_eq!(shown(&eu, "catalog", "x"), [at("5"), at("5")], "a copy says the same");
    }

    #[test]
    fn a_value_of_an_earlier_epoch_shows_where_the_present_one_began() {
        let (us, eu) = (Store::open("us", None).unwrap(), Store::open("eu", None).unwrap());
        for n in 0..9 {
            write_catalog(&us, "x", &n.to_string());
        }
        exchange(&[&us, &eu]);
        let (catalog, moved) = (Unit::dataset("catalog"), Ownership::new("eu", 2));
        // Told ahead of the log: what is shown is still of the log that is here.
        us.own(&catalog, &moved).unwrap();
        let before = Some((1, "9".to_owned()));
        assert_eq!(shown(&us, "catalog", "x"), [before.clone(), before]);
        put(&eu, "notes", "x", "true");
        eu.announce(&catalog, &moved).unwrap();
        exchange(&[&us, &eu]);
        let at = |position: &str| Some((2, position.to_owned()));
        for store in [&us, &eu] {
            assert_eq!(shown(store, "catalog", "x"), [at("2"), at("2")], "9 in the log of us is nothing in that of eu");
        }
        write_catalog(&eu, "x", "\"new\"");
        exchange(&[&us, &eu]);
        assert_eq!(shown(&us, "catalog", "x"), [at("3"), at("3")]);
        assert_eq!(shown(&us, "catalog", "y"), [at("3"), at("2")]);
    }

    #[test]
    fn a_position_counts_only_what_was_applied_in_order() {
        let (a, b) = (Store::open("a", None).unwrap(), Store::open("b", None).unwrap());
        for n in 0..3 {
            put(&a, "catalog", "x", &n.to_string());
        }
        let ops = a.own_ops_after(0).unwrap();
        b.receive(&ops[1]).unwrap();
        assert_eq!(b.applied("a").unwrap(), 0);
        ops.iter().for_each(|op| b.receive(op).unwrap());
        assert_eq!(b.applied("a").unwrap(), 3);
    }
}
