//! The epoch store in PostgreSQL, against a real primary and its standby; `make test-postgres` starts them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use homing_origin::{
    Answer, Application, Asked, EpochStore, Failure, Homing, Key, Mark, Ownership, Part, Refusal, Settings, Unit,
    store::postgres::{KEYS, NOTE_ALL, Postgres, SCHEMA, fence, mark, once, promote, settled, shows, shows_of, wrote},
};
use http::StatusCode;
use support::{Region, keeps_standings, region_over};
use tokio::time::{sleep, timeout};
use tokio_postgres::{Client, Config, NoTls};

fn server(variable: &str) -> Config {
    std::env::var(variable).expect("run `make test-postgres`, which starts a server").parse().unwrap()
}

async fn connect(config: &Config) -> Client {
    let (client, connection) = config.connect(NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

/// A database of the test's own: tables in a schema that nobody else uses.
async fn database(name: &str) -> Config {
    let mut config = server("HOMING_TEST_POSTGRES");
    connect(&config).await.batch_execute(&format!("create schema {name}")).await.unwrap();
    config.options(format!("-c search_path={name}")).application_name(name);
    let client = connect(&config).await;
    client.batch_execute(&format!("{SCHEMA}; create table written (id serial)")).await.unwrap();
    config
}

fn region(config: &Config) -> Region<Postgres<NoTls>> {
    region_over(Settings::unsigned("us"), Postgres::new("us", config, NoTls))
}

/// What a handler is given.
async fn asked(region: &Region<Postgres<NoTls>>) -> Asked {
    assert_eq!(region.write("us", 1).await.status, 200);
    region.app.0.asked.lock().unwrap().take().unwrap()
}

async fn written(client: &Client) -> i64 {
    client.query_one("select count(*) from written", &[]).await.unwrap().get(0)
}

#[tokio::test]
async fn it_keeps_what_every_store_keeps() {
    keeps_standings(&Postgres::new("us", &database("standings").await, NoTls)).await;
}

#[tokio::test]
async fn a_pause_waits_for_transactions_of_other_processes_and_those_wait_for_nobody() {
    let config = database("pauses").await;
    let (region, unit) = (region(&config), Unit::dataset("catalog"));
    let asked = asked(&region).await;
    let mut elsewhere = connect(&config).await;
    let transaction = elsewhere.transaction().await.unwrap();
    assert_eq!(fence(&transaction, &asked, &unit).await.unwrap(), Ok(()));
    transaction.execute("insert into written default values", &[]).await.unwrap();
    let pause = region.post("op=pause&id=1&for_ms=60000&unit=catalog@1");
    tokio::pin!(pause);
    tokio::select! {
        _ = &mut pause => panic!("the transaction has not ended"),
        () = sleep(Duration::from_millis(300)) => {}
    }
    let mut third = connect(&config).await;
    assert_eq!(region.homing.store().standing(&unit).await.unwrap().pause, None, "who only looks is not held up");
    transaction.commit().await.unwrap();
    assert_eq!(pause.await.0, 200);
    let transaction = third.transaction().await.unwrap();
    let refused = fence(&transaction, &asked, &unit).await.unwrap();
    assert!(matches!(refused, Err(Refusal::Paused(left)) if left > Duration::from_secs(50)), "{refused:?}");
    drop(transaction);
    assert_eq!(region.post("op=depose&id=1&to=eu&unit=catalog@1").await.0, 200);
    let transaction = third.transaction().await.unwrap();
    let refused = fence(&transaction, &asked, &unit).await.unwrap();
    assert_eq!(refused, Err(Refusal::Misdirected(Ownership::new("eu", 2))));
}

/// Nobody has told this region of the subject yet, so there is no row to lock. The handler claims the unit, which makes it admitted.
#[tokio::test]
async fn a_fence_of_what_nobody_has_told_of_holds_it_all_the_same() {
    let config = database("untold").await;
    let claim = [("homing-dataset", "cart"), ("homing-subject", "ada"), ("homing-home", "us"), ("homing-epoch", "1")];
    let (asked, ada) = (support::region().asked(&claim).await, Unit::subject("ada"));
    let store = Postgres::new("us", &config, NoTls);
    let mut elsewhere = connect(&config).await;
    let transaction = elsewhere.transaction().await.unwrap();
    assert_eq!(fence(&transaction, &asked, &ada).await.unwrap(), Ok(()));
    transaction.execute("insert into written default values", &[]).await.unwrap();
    let eu = Ownership::new("eu", 2);
    let granting = store.advance(&ada, &eu);
    tokio::pin!(granting);
    tokio::select! {
        _ = &mut granting => panic!("the transaction has not ended, and eu owns what it writes"),
        () = sleep(Duration::from_millis(300)) => {}
    }
    // One that comes later waits for the change, and sees it.
    let mut third = connect(&config).await;
    let later = third.transaction().await.unwrap();
    let fencing = fence(&later, &asked, &ada);
    tokio::pin!(fencing);
    tokio::select! {
        _ = &mut fencing => panic!("it has passed what waits before it"),
        () = sleep(Duration::from_millis(300)) => {}
    }
    transaction.commit().await.unwrap();
    let (granted, refused) = tokio::join!(granting, fencing);
    assert_eq!(granted.unwrap(), eu);
    assert_eq!(refused.unwrap(), Err(Refusal::Misdirected(eu.clone())));
}

#[tokio::test]
async fn first_assignments_at_the_same_moment_agree() {
    let config = database("assignments").await;
    let homes = ["us", "eu", "ap", "us", "eu", "ap"];
    let stores = homes.map(|_| Postgres::new("us", &config, NoTls));
    let unit = Unit::subject("ada");
    let claims = homes.map(|home| Ownership::new(home, 1));
    let (a, b, c, d, e, f) = tokio::join!(
        stores[0].advance(&unit, &claims[0]),
        stores[1].advance(&unit, &claims[1]),
        stores[2].advance(&unit, &claims[2]),
        stores[3].advance(&unit, &claims[3]),
        stores[4].advance(&unit, &claims[4]),
        stores[5].advance(&unit, &claims[5]),
    );
    let counts = [a, b, c, d, e, f].map(Result::unwrap);
    assert!(counts.iter().all(|owner| *owner == counts[0]), "{counts:?}");
}

/// As for SQLite: what the old owner has written when the unit is given away is what it had when the pause was answered.
#[tokio::test]
async fn no_write_slips_between_a_pause_and_giving_away() {
    let config = database("race").await;
    let region = region(&config);
    let mut asked = asked(&region).await;
    asked.claim = None;
    let unit = Unit::dataset("catalog");
    let over = Arc::new(AtomicBool::new(false));
    let mut writers = Vec::new();
    for _ in 0..3 {
        let (config, asked, unit, over) = (config.clone(), asked.clone(), unit.clone(), Arc::clone(&over));
        writers.push(tokio::spawn(async move {
            let layer = region_over(Settings::unsigned("us"), Postgres::new("us", &config, NoTls));
            let mut client = connect(&config).await;
            while !over.load(Ordering::SeqCst) {
                let permit = layer.homing.enter(&asked, &unit).await;
                let transaction = client.transaction().await.unwrap();
                if permit.is_ok() && fence(&transaction, &asked, &unit).await.unwrap().is_ok() {
                    transaction.execute("insert into written default values", &[]).await.unwrap();
                    transaction.commit().await.unwrap();
                }
            }
        }));
    }
    let (client, mut outcomes) = (connect(&config).await, [0, 0]);
    for round in 1..=40_u64 {
        let epoch = region.homing.store().standing(&unit).await.unwrap().owner.unwrap().epoch;
        let time = if round % 2 == 0 { 20 } else { 500 };
        assert_eq!(region.post(&format!("op=pause&id={round}&for_ms={time}&unit=catalog@{epoch}")).await.0, 200);
        let before = written(&client).await;
        sleep(Duration::from_millis(round % 7 * 5)).await;
        let (given, _) = region.post(&format!("op=depose&id={round}&to=eu&unit=catalog@{epoch}")).await;
        if given == 200 {
            assert_eq!(written(&client).await, before, "round {round}");
            assert_eq!(region.post(&format!("op=grant&unit=catalog@{}", epoch + 2)).await.0, 200);
        }
        outcomes[usize::from(given == 200)] += 1;
    }
    over.store(true, Ordering::SeqCst);
    for writer in writers {
        writer.await.unwrap();
    }
    assert!(outcomes.iter().all(|count| *count > 0), "late and in time: {outcomes:?}");
}

/// Shared locks of a row do not queue: a pause that waits for some would be overtaken by others, for as long as writers come.
#[tokio::test]
async fn a_pause_is_not_overtaken_by_writers_that_come_after_it() {
    let config = database("overtaken").await;
    let (region, unit) = (region(&config), Unit::dataset("catalog"));
    let asked = asked(&region).await;
    let [mut first, mut second, looks] = [connect(&config).await, connect(&config).await, connect(&config).await];
    let before = first.transaction().await.unwrap();
    assert_eq!(fence(&before, &asked, &unit).await.unwrap(), Ok(()));
    let waits = async |count: i64| {
        let sql = "select count(distinct pid) from pg_locks join pg_stat_activity using (pid)
            where not granted and application_name = 'overtaken'";
        while looks.query_one(sql, &[]).await.unwrap().get::<_, i64>(0) < count {
            sleep(Duration::from_millis(5)).await;
        }
    };
    let pausing = async { region.post("op=pause&id=1&for_ms=60000&unit=catalog@1").await.0 };
    let overtaking = async {
        waits(1).await;
        let after = second.transaction().await.unwrap();
        fence(&after, &asked, &unit).await.unwrap()
    };
    let released = async {
        timeout(Duration::from_secs(3), waits(2)).await.ok();
        before.commit().await.unwrap();
    };
    let (paused, refused, ()) = tokio::join!(pausing, overtaking, released);
    assert!(matches!(refused, Err(Refusal::Paused(_))), "it came after the pause, so the pause counts: {refused:?}");
    assert_eq!(paused, 200);
}

/// The application on a copy, as an example's would be.
struct Copy(Client);

impl Application for Copy {
    async fn mark(&self, part: Part<'_>) -> Result<Option<Mark>, Failure> {
        Ok(mark(&self.0, part.unit).await?)
    }

    async fn granted(&self, _: &Unit, _: &Ownership) -> Result<(), Failure> {
        promote(&self.0, Duration::from_secs(30)).await
    }
}

/// The old owner learns of the new one before there is anything in the new one's log, and its own goes on: reads prune pages,
/// vacuum runs, other tables are written.
#[tokio::test]
async fn the_old_owners_log_is_not_the_new_owners_however_long_it_is() {
    let config = database("logs").await;
    let unit = Unit::dataset("catalog");
    let copy = Copy(connect(&config).await);
    let homing = Homing::new(Settings::unsigned("us"), Postgres::new("us", &config, NoTls), copy);
    homing.learn(&unit, &Ownership::new("us", 1)).await.unwrap();
    let reached = async |home: &str, epoch: u64, position: &str| {
        let owner = homing.store().standing(&unit).await.unwrap().owner;
        let part = Part { dataset: "catalog", unit: &unit, owner: owner.as_ref() };
        let mark = Mark { owner: Ownership::new(home, epoch), position: position.to_owned() };
        homing.application().reached(part, &mark).await.unwrap()
    };
    assert!(reached("us", 1, "0/1").await);
    let (held, minute) = (Ownership::new("us", 1), Duration::from_secs(60));
    homing.store().change(&unit, |standing| standing.pause(&held, 1, minute)).await.unwrap().unwrap();
    homing.store().change(&unit, |standing| standing.depose(&held, 1, "eu")).await.unwrap().unwrap();
    assert!(!reached("eu", 2, "0/1").await, "nothing of eu's log is here");
    assert!(reached("us", 1, "0/1").await, "but all of us's is");
    // So what a read shows here lies in the log of us, and says nothing in that of eu.
    let client = connect(&config).await;
    note(&client, "x").await;
    let unit = Unit::dataset(CATALOG);
    let part = Part { dataset: CATALOG, unit: &unit, owner: Some(&Ownership::new("eu", 2)) };
    let of = [shows_of(&client, CATALOG, &unit, "x").await.unwrap(), shows(&client, part).await.unwrap()];
    assert_eq!(of.map(|mark| mark.map(|mark| mark.owner)), [Some(held.clone()), Some(held)]);
}

/// A standby gets what is flushed, and a read that writes to the log flushes nothing.
#[tokio::test]
async fn what_a_new_owner_has_to_reach_is_on_its_way_to_it() {
    let config = database("settled").await;
    let (client, unit) = (connect(&config).await, Unit::dataset("catalog"));
    let store = Postgres::new("us", &config, NoTls);
    store.advance(&unit, &Ownership::new("us", 1)).await.unwrap();
    client.query("select pg_logical_emit_message(false, '', repeat('as a read prunes', 99))", &[]).await.unwrap();
    let position = settled(&client, &unit).await.unwrap();
    let flushed = format!("select pg_current_wal_flush_lsn() >= '{position}'");
    assert!(client.query_one(&flushed, &[]).await.unwrap().get::<_, bool>(0));
    store.advance(&Unit::dataset("orders"), &Ownership::new("us", 1)).await.unwrap();
    let refused = settled(&client, &unit).await.unwrap_err().to_string();
    assert_eq!(refused, "orders is in this database cluster too, and cannot stay when catalog moves");
}

/// Lists of a catalogue that us owns by epoch 1, and a second connection.
async fn noting(name: &str) -> (Config, Client, Client) {
    let config = database(name).await;
    let us = Ownership::new("us", 1);
    Postgres::new("us", &config, NoTls).advance(&Unit::dataset("catalog"), &us).await.unwrap();
    (config.clone(), connect(&config).await, connect(&config).await)
}

const CATALOG: &str = "catalog";

/// What a read of one key shows, and what one of the whole catalogue does.
async fn shown(client: &Client, key: &str) -> [Option<String>; 2] {
    let unit = Unit::dataset(CATALOG);
    let part = Part { dataset: CATALOG, unit: &unit, owner: None };
    let of_key = shows_of(client, CATALOG, &unit, key).await.unwrap();
    [of_key, shows(client, part).await.unwrap()].map(|mark| mark.map(|mark| mark.position))
}

async fn note(client: &impl tokio_postgres::GenericClient, key: &str) {
    wrote(client, CATALOG, &Unit::dataset(CATALOG), key).await.unwrap();
}

async fn end_of_log(client: &Client) -> String {
    client.query_one("select pg_current_wal_insert_lsn()::text", &[]).await.unwrap().get(0)
}

fn reaches(at: &[Option<String>; 2], wanted: &str) -> bool {
    at.iter().all(|at| homing_origin::position::reaches(at.as_deref().unwrap_or("none"), wanted))
}

#[tokio::test]
async fn what_a_read_shows_is_the_last_write_of_its_key_and_stays_where_that_is() {
    let (_, client, _) = noting("shows").await;
    let nothing = shown(&client, "x").await;
    assert!(nothing[0].is_some() && nothing[0] == nothing[1], "all that is older than the notes: {nothing:?}");
    let before = end_of_log(&client).await;
    note(&client, "x").await;
    let first = shown(&client, "x").await;
    assert!(reaches(&first, &before), "{first:?} {before}");
    note(&client, "y").await;
    let [x, all] = shown(&client, "x").await;
    assert_eq!(x, first[0], "what is written elsewhere does not matter");
    assert_ne!(all, first[1], "but of the whole it does");
    assert_eq!(shown(&client, "z").await, [nothing[0].clone(), all.clone()], "nor does it where nothing is");
    let before = end_of_log(&client).await;
    note(&client, "x").await;
    assert!(
        reaches(&shown(&client, "x").await, &before),
        "a deletion is noted as a write is, whether or not there is a row"
    );
    // What no key tells of, and what nobody has noted.
    for all in ["", NOTE_ALL] {
        let before = end_of_log(&client).await;
        match all {
            "" => note(&client, "").await,
            sql => client.batch_execute(sql).await.unwrap(),
        }
        for key in ["x", "y", "z"] {
            assert!(reaches(&shown(&client, key).await, &before), "{key} after {all:?}");
        }
    }
}

/// Rule 1: in the transaction any place is too low. Whoever looks meanwhile neither waits nor is told one.
#[tokio::test]
async fn a_note_has_no_place_before_its_commit_and_one_behind_it_afterwards() {
    let (_, client, mut writer) = noting("seals").await;
    note(&client, "x").await;
    let first = shown(&client, "x").await;
    let transaction = writer.transaction().await.unwrap();
    note(&transaction, "x").await;
    let inside = end_of_log(&client).await;
    let meanwhile = timeout(Duration::from_secs(2), shown(&client, "x")).await.expect("nobody waits for a writer");
    assert_eq!(meanwhile, first, "its write is in no snapshot yet");
    transaction.commit().await.unwrap();
    // The next writer is at work before anybody has looked: the note of the first has no place, and gets none now.
    let next = writer.transaction().await.unwrap();
    note(&next, "x").await;
    let between = timeout(Duration::from_secs(2), shown(&client, "x")).await.expect("nor now");
    assert_eq!(between, [None, None], "what has committed and has no place shows how far the copy is");
    next.rollback().await.unwrap();
    let after = shown(&client, "x").await;
    assert!(reaches(&after, &inside) && after != first, "{after:?} {inside}");
    assert_eq!(shown(&client, "x").await, after, "sealed once");
}

/// Writers, and readers that seal, at once. What a statement sees of the data and of the notes is of one moment, so no place that it
/// sees may lie before the commit of what it sees.
#[tokio::test]
async fn no_place_is_ever_before_the_commit_of_what_it_stands_for() {
    let (config, client, _) = noting("seal_race").await;
    client
        .batch_execute("create table counted (n int, inside pg_lsn); insert into counted values (0, '0/0')")
        .await
        .unwrap();
    let over = Arc::new(AtomicBool::new(false));
    let mut tasks = Vec::new();
    for _ in 0..3 {
        let (mut writer, over) = (connect(&config).await, Arc::clone(&over));
        tasks.push(tokio::spawn(async move {
            while !over.load(Ordering::SeqCst) {
                let transaction = writer.transaction().await.unwrap();
                note(&transaction, "x").await;
                let sql = "update counted set n = n + 1, inside = pg_current_wal_insert_lsn()";
                transaction.execute(sql, &[]).await.unwrap();
                transaction.commit().await.unwrap();
            }
        }));
    }
    for _ in 0..3 {
        let (reader, over) = (connect(&config).await, Arc::clone(&over));
        tasks.push(tokio::spawn(async move {
            while !over.load(Ordering::SeqCst) {
                shown(&reader, "x").await;
            }
        }));
    }
    let (mut sealed, mut checked) = (0, 0);
    while checked < 3000 || sealed < 50 {
        let sql = "select place > inside from counted, homing_writes where key = 'x'";
        let seen = client.query_opt(sql, &[]).await.unwrap().and_then(|row| row.get::<_, Option<bool>>(0));
        assert_ne!(seen, Some(false), "a place before the commit");
        sealed += usize::from(seen == Some(true));
        checked += 1;
    }
    over.store(true, Ordering::SeqCst);
    for task in tasks {
        task.await.unwrap();
    }
}

/// Waits for it, as the log is replayed.
async fn eventually<T>(look: impl AsyncFn() -> Option<T>) -> T {
    for _ in 0..500 {
        if let Some(found) = look().await {
            return found;
        }
        sleep(Duration::from_millis(10)).await;
    }
    panic!("not within five seconds");
}

#[tokio::test]
async fn a_grant_promotes_the_standby_that_has_the_epoch_with_the_data() {
    let config = database("promotion").await;
    let old = region(&config);
    asked(&old).await;
    assert_eq!(old.post("op=pause&id=1&for_ms=60000&unit=catalog@1").await.0, 200);
    assert_eq!(old.post("op=depose&id=1&to=eu&unit=catalog@1").await.0, 200);
    let mut there = server("HOMING_TEST_POSTGRES_STANDBY");
    there.options("-c search_path=promotion");
    let homing = Homing::new(Settings::unsigned("eu"), Postgres::new("eu", &there, NoTls), Copy(connect(&there).await));
    let (unit, moved) = (Unit::dataset("catalog"), Ownership::new("eu", 2));
    while homing.store().standing(&unit).await.ok().and_then(|standing| standing.owner).as_ref() != Some(&moved) {
        sleep(Duration::from_millis(10)).await;
    }
    let mark = async || homing.application().mark(Part { dataset: "catalog", unit: &unit, owner: None }).await.unwrap();
    assert_eq!(mark().await.unwrap().owner, Ownership::new("us", 1), "so far it is a copy of the old one's log");
    // What is sealed comes with the log; what is not shows how far the copy is, until the new primary seals it.
    let (old, copy) = (connect(&config).await, connect(&there).await);
    note(&old, "sealed").await;
    let sealed = shown(&old, "sealed").await;
    assert_eq!(eventually(async || shown(&copy, "sealed").await[0].clone()).await, *sealed[0].as_ref().unwrap());
    note(&old, "open").await;
    let noted = async || copy.query_opt("select 1 from homing_writes where key = 'open'", &[]).await.unwrap();
    eventually(noted).await;
    assert_eq!(shown(&copy, "open").await, [None, None], "a standby cannot seal it");
    let later = Ownership::new("eu", 3);
    assert!(homing.store().advance(&unit, &later).await.is_err(), "a standby cannot write it down");
    for _ in 0..2 {
        homing.application().granted(&unit, &moved).await.unwrap();
    }
    assert_eq!(homing.store().advance(&unit, &later).await.unwrap(), later, "promoted, it can");
    assert_eq!(mark().await.unwrap().owner, later, "and from here on it is its own log");
    let open = shown(&copy, "open").await;
    assert!(reaches(&open, sealed[0].as_ref().unwrap()), "{open:?}");
    let mark = shows_of(&copy, CATALOG, &unit, "sealed").await.unwrap().unwrap();
    assert_eq!((mark.owner, Some(mark.position)), (later, sealed[0].clone()), "its log goes on from there");
}

/// Counts in that database, and answers with the count.
async fn counts(client: &mut Client, asked: &Asked, key: &Key) -> Result<(i64, bool), Refusal> {
    let transaction = client.transaction().await.unwrap();
    let act = async {
        let row = transaction.query_one("insert into written default values returning id::bigint", &[]).await?;
        Ok::<_, tokio_postgres::Error>(Answer::new(StatusCode::CREATED, row.get::<_, i64>(0).to_string()))
    };
    let answer = once(&transaction, asked, &Unit::dataset("catalog"), key, act).await.unwrap()?;
    transaction.commit().await.unwrap();
    let is_repeat = answer.is_repeat();
    let body = answer.into_response::<bytes::Bytes>().into_body();
    Ok((String::from_utf8(body.to_vec()).unwrap().parse().unwrap(), is_repeat))
}

/// A database with keys, where `us` owns the catalogue by epoch 3, and a request that has one.
async fn keyed(name: &str) -> (Config, Asked, Key) {
    let config = database(name).await;
    connect(&config).await.batch_execute(KEYS).await.unwrap();
    let [(unit, owner)] = support::known();
    Postgres::new("us", &config, NoTls).advance(&unit, &owner).await.unwrap();
    let asked = support::asked_with_key("/orders", Some("k")).await;
    let key = asked.key(Some("ada"), b"tea").unwrap();
    (config, asked, key)
}

#[tokio::test]
async fn a_write_with_a_key_is_done_once_for_its_caller_and_body() {
    let (config, asked, key) = keyed("keys").await;
    let mut client = connect(&config).await;
    assert_eq!(counts(&mut client, &asked, &key).await, Ok((1, false)));
    assert_eq!(counts(&mut client, &asked, &key).await, Ok((1, true)));
    assert_eq!(counts(&mut client, &asked, &asked.key(Some("eve"), b"tea").unwrap()).await, Ok((2, false)));
    assert_eq!(counts(&mut client, &asked, &asked.key(Some("ada"), b"coffee").unwrap()).await, Err(Refusal::OtherBody));
    let without = support::asked_with_key("/orders", None).await;
    let no_key = without.key(Some("ada"), b"tea").unwrap();
    assert_eq!(counts(&mut client, &without, &no_key).await, Ok((3, false)));
    let moved = Ownership::new("eu", 4);
    Postgres::new("us", &config, NoTls).advance(&Unit::dataset("catalog"), &moved).await.unwrap();
    assert_eq!(counts(&mut client, &asked, &key).await, Err(Refusal::Misdirected(moved)), "the next home answers it");
}

/// Killed before the commit, nothing was done and nothing is remembered; the next one does it.
#[tokio::test]
async fn a_connection_that_dies_before_the_commit_leaves_neither_the_write_nor_its_key() {
    let (config, asked, key) = keyed("killed").await;
    let (mut first, mut second, looks) = (connect(&config).await, connect(&config).await, connect(&config).await);
    let transaction = first.transaction().await.unwrap();
    let act = async {
        transaction.execute("insert into written default values", &[]).await?;
        Ok::<_, tokio_postgres::Error>(Answer::new(StatusCode::CREATED, "0"))
    };
    once(&transaction, &asked, &Unit::dataset("catalog"), &key, act).await.unwrap().unwrap();
    let pid: i32 = transaction.query_one("select pg_backend_pid()", &[]).await.unwrap().get(0);
    looks.execute("select pg_terminate_backend($1)", &[&pid]).await.unwrap();
    let (_, is_repeat) = counts(&mut second, &asked, &key).await.unwrap();
    assert!(!is_repeat);
    assert_eq!(written(&looks).await, 1);
}

/// The second waits for the first, and gets its answer; where the first gives up, the second does it.
#[tokio::test]
async fn of_two_with_one_key_at_once_one_does_it() {
    for commits in [true, false] {
        let (config, asked, key) = keyed(if commits { "two_commit" } else { "two_give_up" }).await;
        let (mut first, mut second) = (connect(&config).await, connect(&config).await);
        let transaction = first.transaction().await.unwrap();
        let act = async { Ok::<_, tokio_postgres::Error>(Answer::new(StatusCode::CREATED, "77")) };
        once(&transaction, &asked, &Unit::dataset("catalog"), &key, act).await.unwrap().unwrap();
        let repeat = counts(&mut second, &asked, &key);
        tokio::pin!(repeat);
        tokio::select! {
            _ = &mut repeat => panic!("the first has not ended"),
            () = sleep(Duration::from_millis(300)) => {}
        }
        if commits {
            transaction.commit().await.unwrap();
        } else {
            transaction.rollback().await.unwrap();
        }
        assert_eq!(repeat.await, Ok(if commits { (77, true) } else { (1, false) }));
    }
}

#[tokio::test]
async fn keys_are_forgotten_after_a_day_a_few_with_each_write() {
    let (config, asked, key) = keyed("days").await;
    let mut client = connect(&config).await;
    for n in 0..5 {
        counts(&mut client, &asked, &asked.key(Some(&n.to_string()), b"").unwrap()).await.unwrap();
    }
    counts(&mut client, &asked, &key).await.unwrap();
    client.execute("update homing_keys set at = at - interval '23 hours 59 minutes'", &[]).await.unwrap();
    assert_eq!(counts(&mut client, &asked, &key).await, Ok((6, true)));
    client.execute("update homing_keys set at = at - interval '2 minutes'", &[]).await.unwrap();
    assert_eq!(counts(&mut client, &asked, &key).await, Ok((7, false)), "a new write, and two old ones gone");
    let left: i64 = client.query_one("select count(*) from homing_keys", &[]).await.unwrap().get(0);
    assert_eq!(left, 4);
}
