//! Writes that clients repeat, in memory and in SQLite: done once, whoever comes how often, and whatever dies when.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use std::{
    path::PathBuf,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
        mpsc,
    },
    thread,
    time::Duration,
};

use homing_origin::{
    Answer, Asked, EpochStore, KEPT_FOR, Key, Ownership, Refusal, Unit,
    store::{Memory, sqlite},
};
use http::StatusCode;
use rusqlite::{Connection, TransactionBehavior};
use serde_json::json;
use support::{asked_with_key, known};

/// An application that counts what it does, in a file of its own.
struct Counter(PathBuf);

impl Counter {
    fn new(name: &str) -> Self {
        let counter = Self(std::env::temp_dir().join(format!("homing-keys-{name}-{}.sqlite", std::process::id())));
        let connection = counter.connect();
        connection.execute_batch("pragma journal_mode = wal; create table done (n integer primary key)").unwrap();
        let store = sqlite::Sqlite::new(Arc::new(Mutex::new(connection)));
        store.unwrap();
        for (unit, owner) in known() {
            sqlite::advance(&counter.connect(), &unit, &owner).unwrap();
        }
        counter
    }

    fn connect(&self) -> Connection {
        let connection = Connection::open(&self.0).unwrap();
        connection.busy_timeout(Duration::from_secs(20)).unwrap();
        connection
    }

    fn done(&self) -> i64 {
        self.connect().query_row("select count(*) from done", [], |row| row.get(0)).unwrap()
    }

    fn write(&self, asked: &Asked, key: &Key) -> Result<Answer, Refusal> {
        let mut connection = self.connect();
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).unwrap();
        let answer = once(&transaction, asked, key).unwrap()?;
        transaction.commit().unwrap();
        Ok(answer)
    }

    /// What a region that starts again finds, if this one dies now.
    fn as_if_killed(&self) -> Self {
        let copy = self.0.with_extension("killed");
        for end in ["", "-wal"] {
            let _ = std::fs::copy(format!("{}{end}", self.0.display()), format!("{}{end}", copy.display()));
        }
        Self(copy)
    }
}

impl Drop for Counter {
    fn drop(&mut self) {
        for end in ["", "-wal", "-shm"] {
            let _ = std::fs::remove_file(format!("{}{end}", self.0.display()));
        }
    }
}

fn catalog() -> Unit {
    Unit::dataset("catalog")
}

/// Counts, and answers with the count.
fn once(transaction: &Connection, asked: &Asked, key: &Key) -> rusqlite::Result<Result<Answer, Refusal>> {
    sqlite::once(transaction, asked, &catalog(), key, || {
        transaction.execute("insert into done default values", [])?;
        Ok(counted(transaction.last_insert_rowid()))
    })
}

fn counted(n: i64) -> Answer {
    Answer::json(StatusCode::CREATED, &json!({ "n": n }))
}

/// The number that an answer says, and whether it is a repeat's.
fn said(answer: Result<Answer, Refusal>) -> (i64, bool) {
    let answer = answer.unwrap();
    let is_repeat = answer.is_repeat();
    let body: serde_json::Value = serde_json::from_slice(answer.into_response::<bytes::Bytes>().body()).unwrap();
    (body["n"].as_i64().unwrap(), is_repeat)
}

#[tokio::test]
async fn a_write_with_a_key_is_done_once_and_one_without_as_often_as_it_comes() {
    let counter = Counter::new("once");
    let asked = asked_with_key("/orders", Some("k")).await;
    let key = asked.key(Some("ada"), b"tea").unwrap();
    assert_eq!(said(counter.write(&asked, &key)), (1, false));
    assert_eq!(said(counter.write(&asked, &key)), (1, true));
    let without = asked_with_key("/orders", None).await;
    let no_key = without.key(Some("ada"), b"tea").unwrap();
    assert_eq!(
        [said(counter.write(&without, &no_key)), said(counter.write(&without, &no_key))],
        [(2, false), (3, false)]
    );
}

/// A hostile client knows another's key, and sends it as itself, to another address, or with another body.
#[tokio::test]
async fn a_key_is_of_one_caller_one_unit_one_address_and_one_body() {
    let counter = Counter::new("scope");
    let [here, there] = [asked_with_key("/orders", Some("k")).await, asked_with_key("/orders?all", Some("k")).await];
    let of = |asked: &Asked, caller, body: &[u8]| asked.key(caller, body).unwrap();
    assert_eq!(said(counter.write(&here, &of(&here, Some("ada"), b"tea"))), (1, false));
    for (nth, key) in
        [of(&here, Some("eve"), b"tea"), of(&here, None, b"tea"), of(&there, Some("ada"), b"tea")].iter().enumerate()
    {
        assert_eq!(said(counter.write(&here, key)), (nth as i64 + 2, false), "{nth}");
    }
    let other_body = counter.write(&here, &of(&here, Some("ada"), b"coffee"));
    assert_eq!(other_body, Err(Refusal::OtherBody));
    assert_eq!(counter.done(), 4);
    let key = of(&here, Some("ada"), b"tea");
    assert!(key.id(&Unit::subject("ada")) != key.id(&Unit::subject("eve")));
}

#[tokio::test]
async fn who_is_not_the_owner_any_more_answers_nobodys_repeat() {
    let counter = Counter::new("fence");
    let asked = asked_with_key("/orders", Some("k")).await;
    let key = asked.key(None, b"").unwrap();
    counter.write(&asked, &key).unwrap();
    let eu = Ownership::new("eu", 4);
    sqlite::advance(&counter.connect(), &catalog(), &eu).unwrap();
    assert_eq!(counter.write(&asked, &key), Err(Refusal::Misdirected(eu)));
}

#[tokio::test]
async fn what_fails_is_not_remembered() {
    let counter = Counter::new("fails");
    let asked = asked_with_key("/orders", Some("k")).await;
    let key = asked.key(None, b"").unwrap();
    let mut connection = counter.connect();
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).unwrap();
    let failed = sqlite::once(&transaction, &asked, &catalog(), &key, || {
        transaction.execute("insert into done default values", [])?;
        Err(rusqlite::Error::InvalidQuery)
    });
    assert!(failed.is_err());
    drop(transaction);
    assert_eq!(said(counter.write(&asked, &key)), (1, false));
}

/// Killed before the commit, nothing was done; killed after it, the repeat is known. There is no third.
#[tokio::test]
async fn a_region_that_is_killed_has_both_the_write_and_its_answer_or_neither() {
    let counter = Counter::new("killed");
    let asked = asked_with_key("/orders", Some("k")).await;
    let key = asked.key(None, b"").unwrap();
    let mut connection = counter.connect();
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).unwrap();
    once(&transaction, &asked, &key).unwrap().unwrap();
    let before = counter.as_if_killed();
    assert_eq!((before.done(), said(before.write(&asked, &key)), before.done()), (0, (1, false), 1));
    drop(before);
    transaction.commit().unwrap();
    let after = counter.as_if_killed();
    assert_eq!((after.done(), said(after.write(&asked, &key)), after.done()), (1, (1, true), 1));
}

#[tokio::test]
async fn of_two_at_once_one_does_it_and_both_get_its_answer() {
    let counter = Arc::new(Counter::new("two"));
    let asked = asked_with_key("/orders", Some("k")).await;
    let key = asked.key(None, b"").unwrap();
    let (begun, has_begun) = mpsc::channel();
    let first = {
        let (counter, asked, key) = (Arc::clone(&counter), asked.clone(), key.clone());
        thread::spawn(move || {
            let mut connection = counter.connect();
            let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).unwrap();
            let answer = once(&transaction, &asked, &key).unwrap();
            begun.send(()).unwrap();
            // The other one is at the door by now, or comes later: it is the same to it.
            thread::sleep(Duration::from_millis(100));
            transaction.commit().unwrap();
            answer
        })
    };
    has_begun.recv().unwrap();
    assert_eq!(said(counter.write(&asked, &key)), (1, true));
    assert_eq!((said(first.join().unwrap()), counter.done()), ((1, false), 1));
}

#[tokio::test]
async fn a_key_is_forgotten_after_a_day_and_two_that_are_old_go_with_each_write() {
    let counter = Counter::new("old");
    let keys: Vec<_> = (0..6).map(|n| format!("k{n}")).collect();
    let write = async |key: &str| {
        let asked = asked_with_key("/orders", Some(key)).await;
        said(counter.write(&asked, &asked.key(None, b"").unwrap()))
    };
    for key in &keys {
        write(key).await;
    }
    let (connection, day) = (counter.connect(), KEPT_FOR.as_millis() as i64);
    connection.execute("update homing_keys set at = at - ?", [day - 60_000]).unwrap();
    assert_eq!(write("k0").await, (1, true), "a minute before");
    connection.execute("update homing_keys set at = at - 120000", []).unwrap();
    assert_eq!(write("k0").await, (7, false), "a minute after, it is a new write");
    let left = || connection.query_row("select count(*) from homing_keys", [], |row| row.get::<_, i64>(0)).unwrap();
    let before = left();
    write("new").await;
    assert_eq!(left(), before + 1 - 2);
}

#[tokio::test]
async fn in_memory_it_is_the_same() {
    let (store, done) = (Arc::new(Memory::of(known())), Arc::new(AtomicU64::new(0)));
    let asked = asked_with_key("/orders", Some("k")).await;
    let write = async |caller: &str, body: &[u8]| {
        let key = asked.key(Some(caller), body).unwrap();
        let act = async {
            tokio::task::yield_now().await;
            Ok::<_, std::convert::Infallible>(counted(done.fetch_add(1, Ordering::SeqCst) as i64 + 1))
        };
        store.once(&asked, &catalog(), &key, act).await.unwrap()
    };
    let (one, two) = tokio::join!(write("ada", b"tea"), write("ada", b"tea"));
    assert_eq!([said(one), said(two)], [(1, false), (1, true)]);
    assert_eq!(said(write("eve", b"tea").await), (2, false));
    assert_eq!(write("ada", b"coffee").await, Err(Refusal::OtherBody));
    let eu = Ownership::new("eu", 4);
    store.advance(&catalog(), &eu).await.unwrap();
    assert_eq!(write("ada", b"tea").await, Err(Refusal::Misdirected(eu)));
}
