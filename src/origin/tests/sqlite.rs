//! The epoch store in SQLite: several processes of a region over one database.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use homing_origin::{Asked, EpochStore, Mark, Ownership, Part, Refusal, Settings, Unit, store::Memory, store::sqlite};
use rusqlite::{Connection, TransactionBehavior};
use support::{Region, keeps_standings, region_over};

/// A database in a file of its own, which goes with it.
struct Database(std::path::PathBuf);

impl Database {
    fn new(name: &str) -> Self {
        let file = Self(std::env::temp_dir().join(format!("homing-origin-{name}-{}.sqlite", std::process::id())));
        file.connect()
            .execute_batch("pragma journal_mode = wal; pragma synchronous = off; create table written (epoch integer)")
            .unwrap();
        file
    }

    fn connect(&self) -> Connection {
        let connection = Connection::open(&self.0).unwrap();
        // SQLite's own patience doubles with each look, so that a round would take long.
        connection
            .busy_handler(Some(|_| {
                thread::sleep(Duration::from_micros(300));
                true
            }))
            .unwrap();
        connection
    }

    fn store(&self) -> sqlite::Sqlite {
        sqlite::Sqlite::new(Arc::new(Mutex::new(self.connect()))).unwrap()
    }

    fn written(&self) -> i64 {
        self.connect().query_row("select count(*) from written", [], |row| row.get(0)).unwrap()
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        for end in ["", "-wal", "-shm"] {
            let _ = std::fs::remove_file(format!("{}{end}", self.0.display()));
        }
    }
}

#[tokio::test]
async fn it_keeps_what_every_store_keeps() {
    keeps_standings(&Database::new("standings").store()).await;
    keeps_standings(&Memory::default()).await;
}

#[tokio::test]
async fn it_outlives_the_process_and_every_process_sees_it() {
    let database = Database::new("processes");
    let one = region_over(Settings::unsigned("us"), database.store());
    assert_eq!(one.write("us", 3).await.status, 200);
    let other = region_over(Settings::unsigned("us"), database.store());
    assert_eq!(other.write("us", 2).await.owner(), (421, Some("us"), Some("3")));
    assert_eq!(other.post("op=pause&id=1&for_ms=60000&unit=catalog@3").await.0, 200);
    assert_eq!(one.write("us", 3).await.status, 503);
    assert_eq!(one.post("op=resume&id=1").await.0, 200);
    assert_eq!(other.write("us", 3).await.status, 200);
}

#[tokio::test]
async fn a_table_of_before_goes_on_and_says_whose_log_a_copy_has() {
    let database = Database::new("former");
    database
        .connect()
        .execute_batch(
            "create table homing_units (unit text primary key, home text not null, epoch integer not null, pause integer,
            pause_until integer, last_pause integer not null default 0) without rowid;
            insert into homing_units values ('catalog', 'us', 3, null, null, 7)",
        )
        .unwrap();
    for _ in 0..2 {
        let standing = database.store().standing(&Unit::dataset("catalog")).await.unwrap();
        let us = Some(Ownership::new("us", 3));
        assert_eq!((&standing.owner, &standing.log, standing.last_pause), (&us, &us, 7));
    }
}

/// What a handler is given.
async fn asked(region: &Region<sqlite::Sqlite>) -> Asked {
    region.write("us", 1).await;
    region.app.0.asked.lock().unwrap().take().unwrap()
}

#[tokio::test]
async fn the_fence_in_the_transaction_is_that_of_the_layer() {
    let database = Database::new("fence");
    let region = region_over(Settings::unsigned("us"), database.store());
    let (asked, unit) = (asked(&region).await, Unit::dataset("catalog"));
    let mut connection = database.connect();
    let mut fence = || {
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).unwrap();
        sqlite::fence(&transaction, &asked, &unit).unwrap()
    };
    assert_eq!(fence(), Ok(()));
    region.post("op=pause&id=1&for_ms=1&unit=catalog@1").await;
    thread::sleep(Duration::from_millis(5));
    assert_eq!(fence(), Err(Refusal::Paused(Duration::ZERO)), "a pause that has run out is ended by the layer alone");
    region.write("us", 1).await;
    assert_eq!(fence(), Ok(()));
    sqlite::advance(&database.connect(), &unit, &Ownership::new("eu", 2)).unwrap();
    sqlite::advance(&database.connect(), &unit, &Ownership::new("ap", 2)).unwrap();
    assert_eq!(fence(), Err(Refusal::Misdirected(Ownership::new("eu", 2))));
}

/// Writers in other processes, pauses of some milliseconds, and a unit that is given away at about the time when they run out.
/// What the old owner has written when the unit is given away is what it had written when the pause was answered.
#[tokio::test]
async fn no_write_slips_between_a_pause_and_giving_away() {
    let database = Database::new("race");
    let region = region_over(Settings::unsigned("us"), database.store());
    let mut asked = asked(&region).await;
    asked.claim = None;
    let unit = Unit::dataset("catalog");
    let over = Arc::new(AtomicBool::new(false));
    let writers: Vec<_> = (0..2)
        .map(|_| {
            let (mut connection, store) = (database.connect(), database.store());
            let (asked, unit, over) = (asked.clone(), unit.clone(), Arc::clone(&over));
            let layer = region_over(Settings::unsigned("us"), store);
            thread::spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
                while !over.load(Ordering::SeqCst) {
                    let permit = runtime.block_on(layer.homing.enter(&asked, &unit));
                    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).unwrap();
                    if permit.is_ok() && sqlite::fence(&transaction, &asked, &unit).unwrap().is_ok() {
                        transaction.execute("insert into written values (1)", []).unwrap();
                        transaction.commit().unwrap();
                    }
                    // SQLite's lock is not fair.
                    thread::sleep(Duration::from_micros(500));
                }
            })
        })
        .collect();
    let mut outcomes = [0, 0];
    for round in 1..=40_u64 {
        let epoch = region.homing.store().standing(&unit).await.unwrap().owner.unwrap().epoch;
        let time = if round % 2 == 0 { 25 } else { 500 };
        assert_eq!(region.post(&format!("op=pause&id={round}&for_ms={time}&unit=catalog@{epoch}")).await.0, 200);
        let written = database.written();
        tokio::time::sleep(Duration::from_millis(round % 7 * 5)).await;
        let (given, _) = region.post(&format!("op=depose&id={round}&to=eu&unit=catalog@{epoch}")).await;
        if given == 200 {
            assert_eq!(database.written(), written, "round {round}");
            assert_eq!(region.post(&format!("op=grant&unit=catalog@{}", epoch + 2)).await.0, 200);
        }
        outcomes[usize::from(given == 200)] += 1;
    }
    over.store(true, Ordering::SeqCst);
    writers.into_iter().for_each(|writer| writer.join().unwrap());
    assert!(outcomes.iter().all(|count| *count > 0), "late and in time: {outcomes:?}");
}

/// What the store says that a read of the user's cart shows, by that ownership.
fn shown(connection: &Connection, home: &str, epoch: u64) -> Option<String> {
    let (unit, owner) = (Unit::subject("ada"), Ownership::new(home, epoch));
    let part = Part { dataset: "cart", unit: &unit, owner: Some(&owner) };
    let mark = sqlite::shows(connection, part).unwrap()?;
    assert_eq!(mark.owner, owner);
    Some(mark.position)
}

#[test]
fn what_a_read_shows_is_the_last_write_of_its_part_and_never_less() {
    let database = Database::new("shows");
    drop(database.store());
    let connection = database.connect();
    let (unit, other) = (Unit::subject("ada"), Unit::subject("bob"));
    let at =
        |home: &str, epoch, position: &str| Mark { owner: Ownership::new(home, epoch), position: position.to_owned() };
    let wrote = |dataset: &str, at: &Mark| sqlite::wrote(&connection, dataset, &unit, at).unwrap();
    let shows = |home: &str, epoch| shown(&connection, home, epoch);

    assert_eq!(shows("us", 1), None, "the data may be older than the notes");
    wrote("cart", &at("us", 1, "9"));
    wrote("cart", &at("us", 1, "10"));
    wrote("cart", &at("us", 1, "8"));
    assert_eq!(shows("us", 1), Some("10".to_owned()), "a note never goes back");
    wrote("notes", &at("us", 1, "11"));
    sqlite::wrote(&connection, "cart", &other, &at("us", 1, "12")).unwrap();
    assert_eq!(shows("us", 1), Some("10".to_owned()), "what is written elsewhere does not matter");

    // The unit moves. A place in the old owner's log is none in the new one's, though it is the greater number.
    assert_eq!(shows("eu", 2), None, "nobody knows yet where that ownership begins");
    sqlite::began(&connection, &unit, &at("eu", 2, "3")).unwrap();
    assert_eq!(shows("eu", 2), Some("3".to_owned()));
    assert_eq!(shows("us", 1), None, "this copy has more than it knows of");
    wrote("cart", &at("us", 1, "20"));
    assert_eq!(shows("eu", 2), Some("3".to_owned()), "what comes late from the old owner is older");
    wrote("cart", &at("eu", 2, "4"));
    assert_eq!(shows("eu", 2), Some("4".to_owned()));
    let part = Part { dataset: "cart", unit: &unit, owner: None };
    assert_eq!(sqlite::shows(&connection, part).unwrap(), None);
}

#[test]
fn a_note_is_seen_by_whoever_sees_the_write_and_by_nobody_else() {
    let database = Database::new("notes");
    drop(database.store());
    let (mut writer, reader) = (database.connect(), database.connect());
    let (unit, us) = (Unit::subject("ada"), Ownership::new("us", 1));
    let note = |writer: &Connection, position: &str| {
        let at = Mark { owner: us.clone(), position: position.to_owned() };
        sqlite::wrote(writer, "cart", &unit, &at).unwrap();
    };
    note(&writer, "1");
    let transaction = writer.transaction_with_behavior(TransactionBehavior::Immediate).unwrap();
    note(&transaction, "2");
    assert_eq!(shown(&reader, "us", 1), Some("1".to_owned()), "not before the commit");
    drop(transaction);
    assert_eq!(shown(&reader, "us", 1), Some("1".to_owned()), "nor where there was none");
    let transaction = writer.transaction_with_behavior(TransactionBehavior::Immediate).unwrap();
    note(&transaction, "2");
    transaction.commit().unwrap();
    assert_eq!(shown(&reader, "us", 1), Some("2".to_owned()));
}
