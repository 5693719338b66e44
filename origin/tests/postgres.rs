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
    Application, Asked, EpochStore, Failure, Homing, Ownership, Refusal, Settings, Unit,
    store::postgres::{Postgres, SCHEMA, fence},
};
use support::{Region, keeps_standings, region_over};
use tokio::time::sleep;
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
    config.options(format!("-c search_path={name}"));
    let client = connect(&config).await;
    client.batch_execute(&format!("{SCHEMA}; create table written (id serial)")).await.unwrap();
    config
}

fn region(config: &Config) -> Region<Postgres<NoTls>> {
    region_over(Settings::new("us"), Postgres::new(config, NoTls))
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
    keeps_standings(&Postgres::new(&database("standings").await, NoTls)).await;
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

#[tokio::test]
async fn first_assignments_at_the_same_moment_agree() {
    let config = database("assignments").await;
    let homes = ["us", "eu", "ap", "us", "eu", "ap"];
    let stores = homes.map(|_| Postgres::new(&config, NoTls));
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
            let layer = region_over(Settings::new("us"), Postgres::new(&config, NoTls));
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

/// The application at the standby: a grant promotes it.
struct Standby(Client);

impl Application for Standby {
    async fn granted(&self, _: &Unit, _: &Ownership) -> Result<(), Failure> {
        let promote = "select not pg_is_in_recovery() or pg_promote(true, 30)";
        let done: bool = self.0.query_one(promote, &[]).await?.get(0);
        if done { Ok(()) } else { Err("the standby was not promoted within 30 s".into()) }
    }
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
    let homing = Homing::new(Settings::new("eu"), Postgres::new(&there, NoTls), Standby(connect(&there).await));
    let (unit, moved) = (Unit::dataset("catalog"), Ownership::new("eu", 2));
    while homing.store().standing(&unit).await.ok().and_then(|standing| standing.owner).as_ref() != Some(&moved) {
        sleep(Duration::from_millis(10)).await;
    }
    let later = Ownership::new("eu", 3);
    assert!(homing.store().advance(&unit, &later).await.is_err(), "a standby cannot write it down");
    for _ in 0..2 {
        homing.application().granted(&unit, &moved).await.unwrap();
    }
    assert_eq!(homing.store().advance(&unit, &later).await.unwrap(), later, "promoted, it can");
}
