//! Several processes over one database, interrupted and repeated; texts of any length and depth.

use std::{
    path::PathBuf,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use bytes::Bytes;
use homing_origin::{
    Answer, Refusal, Unit,
    merge::{
        Change, ConflictQuery, Merge, Operation, Vector, Write,
        store::sqlite::{append_with, conflicts, export, import, make, read, since, take_in},
    },
    store::sqlite::recall,
};
use http::StatusCode;
use rusqlite::Connection;
use serde_json::{Value, json};

use crate::{
    support,
    world::{exchange, three},
};

/// A database in a file, for several connections.
struct File(PathBuf);

impl File {
    fn new(name: &str) -> Self {
        let file = Self(std::env::temp_dir().join(format!("homing-merge-{name}-{}.sqlite", std::process::id())));
        let db = file.connect();
        db.execute_batch("pragma journal_mode = wal; pragma synchronous = off").unwrap();
        make(&db).unwrap();
        file
    }

    fn connect(&self) -> Connection {
        Connection::open(&self.0).unwrap()
    }
}

impl Drop for File {
    fn drop(&mut self) {
        for end in ["", "-wal", "-shm"] {
            let _ = std::fs::remove_file(format!("{}{end}", self.0.display()));
        }
    }
}

fn count(db: &Connection, merge: &Merge, key: &str) {
    append_with(db, merge, None, &Vector::default(), Write::new("views", key, Change::count(1))).unwrap().unwrap();
}

/// How far it is, and all that its keys show together: each write counts one.
fn whole(exported: &str, into: &Merge) -> (u64, u64) {
    let db = Connection::open_in_memory().unwrap();
    make(&db).unwrap();
    assert!(import(&db, exported).unwrap());
    let at = homing_origin::merge::store::sqlite::progress(&db, "views").unwrap().at;
    let all = (0..40).map(|n| read(&db, into, "views", &n.to_string()).unwrap().value.as_u64().unwrap());
    (at.get("us"), all.sum())
}

#[test]
fn an_export_is_of_one_moment_however_much_is_written_meanwhile() {
    let [us, ..] = three();
    let file = File::new("export");
    let (over, merge) = (Arc::new(AtomicBool::new(false)), us.merge.clone());
    let (is_over, db) = (Arc::clone(&over), file.connect());
    (0..40).for_each(|n| count(&db, &merge, &n.to_string()));
    let writer = thread::spawn(move || {
        for n in 0.. {
            if is_over.load(Ordering::Relaxed) {
                return;
            }
            count(&db, &merge, &(n % 40).to_string());
        }
    });
    let reader = file.connect();
    let mut all: Vec<(u64, u64)> = Vec::new();
    while all.len() < 40 || all.first() == all.last() {
        assert!(!writer.is_finished(), "the writer has failed: {all:?}");
        all.push(whole(&export(&reader, "views").unwrap(), &us.merge));
    }
    over.store(true, Ordering::Relaxed);
    writer.join().unwrap();
    for (at, shown) in all {
        assert_eq!(at, shown, "a region that begins with it lacks writes of which it says that it has them");
    }
}

/// Two processes, neither of which has begun a transaction.
#[test]
fn no_number_is_given_twice_though_two_processes_write() {
    let [us, eu, _] = three();
    let file = File::new("numbers");
    // The second one writes at the moment at which the first, amid its write, asks what time it is.
    let second = Mutex::new(Some(file.connect()));
    let (plain, now) = (us.merge.clone(), us.clock.load(Ordering::Relaxed));
    let amid = us.merge.clone().with_clock(move || {
        if let Some(second) = second.lock().unwrap().take() {
            second.busy_timeout(Duration::ZERO).unwrap();
            let write = Write::new("views", "k", Change::count(1));
            assert!(append_with(&second, &plain, None, &Vector::default(), write).is_err(), "it has to wait");
        }
        now
    });
    (0..2).for_each(|_| count(&file.connect(), &amid, "k"));
    let writers = [file.connect(), file.connect()].map(|db| {
        let merge = us.merge.clone();
        thread::spawn(move || (0..50).for_each(|_| count(&db, &merge, "k")))
    });
    writers.into_iter().for_each(|writer| writer.join().unwrap());
    let all = since(&file.connect(), "views", "us", 0, 1000).unwrap();
    assert_eq!(all.iter().map(|op| op.number).collect::<Vec<_>>(), (1..=102).collect::<Vec<_>>());
    assert_eq!(take_in(&eu.db, &eu.merge, &all).unwrap().applied, 102);
    assert_eq!(eu.value("views", "k"), json!(102));
}

/// A client repeats at a region that has begun with an export, or with what a peer gave, and hears what it was answered.
#[tokio::test]
async fn a_region_that_has_begun_with_an_export_knows_the_repeats_in_it() {
    let [us, eu, ap] = three();
    let asked = support::asked_with_key("/views", Some("k")).await;
    let (unit, key) = (Unit::dataset("views"), asked.key(Some("ada"), b"1").unwrap());
    let kept = key.keep(&unit, &Answer::new(StatusCode::OK, "1"), us.clock.load(Ordering::Relaxed)).unwrap();
    let write = Write { repeat: Some(&kept), ..Write::new("views", "k", Change::count(1)) };
    append_with(&us.db, &us.merge, None, &Vector::default(), write).unwrap().unwrap();
    eu.db.execute("delete from homing_keys", []).unwrap();
    assert!(import(&eu.db, &export(&us.db, "views").unwrap()).unwrap());
    ap.pull(&us, "views");
    for region in [&eu, &ap] {
        let sql = "select count(*) from homing_keys where id = ?";
        let known: i64 = region.db.query_row(sql, [key.id(&unit).unwrap()], |row| row.get(0)).unwrap();
        assert_eq!(known, 1, "at {}: a repeat would count twice", region.name());
    }
    assert!(recall(&us.db, &unit, &asked.key(Some("eve"), b"1").unwrap()).unwrap().is_none());
}

#[test]
fn stories_are_bounded_whatever_was_written() {
    let regions @ [us, eu, _] = &three();
    let long = "ä\u{0}".repeat(10_000);
    let key = &long.replace('\0', "");
    for region in [us, eu] {
        let write = Write::new("last", key, Change::put(region.name())).told(Some(&long), &long);
        append_with(&region.db, &region.merge, None, &Vector::default(), write).unwrap().unwrap();
        let write =
            Write::new("profile", "k", Change::field(&long, Change::put(region.name()))).told(Some("~ada"), "edit");
        append_with(&region.db, &region.merge, None, &Vector::default(), write).unwrap().unwrap();
    }
    exchange(regions, "last");
    exchange(regions, "profile");
    let told = conflicts(&us.db, &ConflictQuery { limit: 9, ..ConflictQuery::default() }).unwrap();
    assert_eq!(told.newest.len(), 2);
    for story in &told.newest {
        let text = serde_json::to_string(story).unwrap();
        assert!(text.len() < 2500, "{} bytes", text.len());
        let field = story.field.as_deref().unwrap_or_default();
        assert!(field.is_empty() || (field.ends_with("ä…") && field.len() <= 128), "{field}");
    }
    let of_key = ConflictQuery { key: Some(key.clone()), limit: 9, ..ConflictQuery::default() };
    let [story] = conflicts(&us.db, &of_key).unwrap().newest.try_into().unwrap();
    assert!(story.key.starts_with("ää") && story.key.len() <= 512);
    assert!(story.kept.who.as_deref().is_some_and(|who| who.len() <= 128 && !who.contains('\0')), "{story:?}");
}

/// What a region can write, every region can read, and carry.
#[test]
fn a_change_is_no_deeper_than_readers_of_json_go() {
    let [us, eu, _] = three();
    let deep = |levels: usize| (0..levels).fold(json!(1), |inner, _| json!([inner]));
    for dataset in ["last", "draft"] {
        let write =
            |change| append_with(&us.db, &us.merge, None, &Vector::default(), Write::new(dataset, "k", Change(change)));
        write(deep(64)).unwrap().unwrap();
        assert!(matches!(write(deep(65)).unwrap(), Err(Refusal::NoChange(_))), "{dataset}");
        assert!(matches!(write(deep(120)).unwrap(), Err(Refusal::NoChange(_))), "{dataset}");
        let carried = serde_json::to_string(&since(&us.db, dataset, "us", 0, 9).unwrap()).unwrap();
        let carried: Vec<Operation> = serde_json::from_str(&carried).unwrap();
        assert_eq!(take_in(&eu.db, &eu.merge, &carried).unwrap().applied, 1);
        assert_eq!(eu.value(dataset, "k"), us.value(dataset, "k"));
        export(&eu.db, dataset).unwrap();
    }
    let nul = Write::new("last", "a\0b", Change(Value::Null));
    let refused = append_with(&us.db, &us.merge, None, &Vector::default(), nul).unwrap().unwrap_err();
    assert_eq!(refused.into_response::<Bytes>().status(), StatusCode::UNPROCESSABLE_ENTITY);
}

/// It was restored from an older copy, or begins again with nothing under its old name. Whatever it wrote would be passed over.
#[test]
fn a_region_that_lost_the_end_of_its_log_writes_nothing_until_it_has_it_again() {
    let [us, eu, _] = three();
    (0..3).for_each(|_| count(&us.db, &us.merge, "k"));
    eu.pull(&us, "views");
    eu.tend("views");
    for kept in [0, 1] {
        let [restored, ..] = three();
        let own = since(&us.db, "views", "us", 0, 9).unwrap();
        take_in(&restored.db, &restored.merge, &own[..kept]).unwrap();
        take_in(&restored.db, &restored.merge, &since(&eu.db, "views", "eu", 0, 9).unwrap()).unwrap();
        let again = || {
            let write = Write::new("views", "k", Change::count(1));
            append_with(&restored.db, &restored.merge, None, &Vector::default(), write).unwrap()
        };
        let refused = again().unwrap_err();
        assert_eq!(refused, Refusal::LogLost);
        let response = refused.into_response::<Bytes>();
        assert_eq!(
            (response.status(), &response.headers()["homing-wrote"]),
            (StatusCode::SERVICE_UNAVAILABLE, &"0".parse().unwrap())
        );
        restored.tend("views");
        assert_eq!(restored.progress("views").at.get("us"), kept as u64, "it says nothing either");
        take_in(&restored.db, &restored.merge, &since(&eu.db, "views", "us", 0, 9).unwrap()).unwrap();
        assert_eq!(again().unwrap().number, 4);
        assert!(export(&restored.db, "views").unwrap().contains("\"heard\":0"));
    }
}
