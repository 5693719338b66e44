//! Several writers over PostgreSQL, each region a schema of its own; rows of the log are carried as logical replication would. The mesh of
//! real servers is tests/mesh's. `make test-postgres` starts the server.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use std::time::Duration;

use homing_origin::{
    Answer, Asked, Failure, Key, Unit,
    merge::{
        Change, ConflictQuery, Merge, Rule, Vector, Write,
        store::postgres::{SCHEMA, append_with, catch_up, conflicts, export, import, list, lock, read, take_in, tend},
    },
    store::postgres::{KEYS, Postgres, SCHEMA as UNITS, once},
};
use http::StatusCode;
use serde_json::{Value, json};
use tokio::time::timeout;
use tokio_postgres::{Client, Config, NoTls};

const REGIONS: [&str; 3] = ["us", "eu", "ap"];

struct Region {
    name: &'static str,
    schema: String,
    merge: Merge,
    db: Client,
}

async fn connect(config: &Config) -> Client {
    let (client, connection) = config.connect(NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

async fn pid(client: &Client) -> i32 {
    client.query_one("select pg_backend_pid()", &[]).await.unwrap().get(0)
}

/// Until that connection waits for a lock.
async fn waits(observer: &Client, pid: i32) {
    let sql = "select exists (select from pg_locks where pid = $1 and not granted)";
    let until = async { while !observer.query_one(sql, &[&pid]).await.unwrap().get::<_, bool>(0) {} };
    timeout(Duration::from_secs(30), until).await.expect("it waits for no lock");
}

async fn three(test: &str) -> Vec<Region> {
    let server = std::env::var("HOMING_TEST_POSTGRES").expect("run `make test-postgres`, which starts a server");
    let mut regions = Vec::new();
    for name in REGIONS {
        let schema = format!("{test}_{name}");
        let mut config: Config = server.parse().unwrap();
        connect(&config).await.batch_execute(&format!("create schema {schema}")).await.unwrap();
        config.options(format!("-c search_path={schema}"));
        let db = connect(&config).await;
        db.batch_execute(&format!("{SCHEMA}; {KEYS}")).await.unwrap();
        let merge = Merge::new(name, REGIONS)
            .dataset("views", Rule::Counter)
            .dataset("likes", Rule::Set)
            .dataset("last", Rule::LastWriteWins);
        regions.push(Region { name, schema, merge, db });
    }
    regions
}

impl Region {
    async fn write(&mut self, dataset: &str, key: &str, change: Change) -> u64 {
        let transaction = self.db.transaction().await.unwrap();
        let write = Write::new(dataset, key, change).told(Some("~ada"), "write");
        let written = append_with(&transaction, &self.merge, None, &Vector::default(), write).await.unwrap().unwrap();
        transaction.commit().await.unwrap();
        written.number
    }

    /// As replication does: the owner's own rows, in its order, though perhaps once more.
    async fn replicate(&self, from: &Self) {
        let sql =
            format!("insert into homing_ops select * from {}.homing_ops where owner = '{}'", from.schema, from.name);
        self.db.execute(&sql, &[]).await.unwrap();
    }

    async fn value(&mut self, dataset: &str, key: &str) -> Value {
        catch_up(&mut self.db, &self.merge, dataset).await.unwrap();
        read(&self.db, &self.merge, dataset, key).await.unwrap().value
    }

    async fn tend(&mut self, dataset: &str) {
        catch_up(&mut self.db, &self.merge, dataset).await.unwrap();
        let transaction = self.db.transaction().await.unwrap();
        tend(&transaction, &self.merge, dataset).await.unwrap();
        transaction.commit().await.unwrap();
    }

    async fn rows(&self) -> i64 {
        self.db.query_one("select count(*) from homing_ops", &[]).await.unwrap().get(0)
    }
}

async fn exchange(regions: &[Region]) {
    for to in regions {
        for from in regions.iter().filter(|from| from.name != to.name) {
            to.replicate(from).await;
        }
    }
}

#[tokio::test]
async fn what_comes_by_replication_is_folded_once_and_everywhere_the_same() {
    let mut regions = three("folded").await;
    for (n, region) in (1..).zip(&mut regions) {
        assert_eq!(region.write("views", "k", Change::count(n)).await, 1);
        region.write("likes", "k", Change::add(REGIONS[usize::try_from(n - 1).unwrap()])).await;
        region.write("last", "k", Change::put(n)).await;
    }
    exchange(&regions).await;
    exchange(&regions).await;
    for region in &mut regions {
        assert_eq!(region.value("views", "k").await, json!(6));
        assert_eq!(region.value("likes", "k").await, json!(["ap", "eu", "us"]));
        let progress = catch_up(&mut region.db, &region.merge, "likes").await.unwrap();
        assert_eq!(progress.at, REGIONS.map(|name| (name, 1)).into_iter().collect());
    }
    let last = regions[0].value("last", "k").await;
    for region in &mut regions {
        assert_eq!(region.value("last", "k").await, last);
        let told = conflicts(&region.db, &ConflictQuery { limit: 9, ..ConflictQuery::default() }).await.unwrap();
        assert_eq!((told.newest.len() as u64, told.total(None)), (2, 2), "three at once, of which one stands");
    }
    for _ in 0..4 {
        for region in &mut regions {
            for dataset in ["views", "likes", "last"] {
                region.tend(dataset).await;
            }
        }
        exchange(&regions).await;
    }
    for region in &mut regions {
        for dataset in ["views", "likes", "last"] {
            region.tend(dataset).await;
        }
        assert!(region.rows().await <= 30, "{} rows", region.rows().await);
        assert_eq!(region.value("views", "k").await, json!(6));
    }
}

#[tokio::test]
async fn numbers_are_in_the_order_of_commits_however_many_write() {
    let regions = three("numbers").await;
    let server: Config = std::env::var("HOMING_TEST_POSTGRES").unwrap().parse().unwrap();
    let writers = (0..4).map(|_| {
        let (mut config, merge, schema) = (server.clone(), regions[0].merge.clone(), regions[0].schema.clone());
        config.options(format!("-c search_path={schema}"));
        tokio::spawn(async move {
            let mut db = connect(&config).await;
            for _ in 0..20 {
                let transaction = db.transaction().await.unwrap();
                let write = Write::new("views", "k", Change::count(1));
                append_with(&transaction, &merge, None, &Vector::default(), write).await.unwrap().unwrap();
                transaction.commit().await.unwrap();
            }
        })
    });
    for writer in writers.collect::<Vec<_>>() {
        writer.await.unwrap();
    }
    let mut regions = regions;
    assert_eq!(regions[0].value("views", "k").await, json!(80));
    // Rows that are there twice, and folded in the same transaction.
    let [us, eu] = [0, 1];
    regions[eu].replicate(&regions[us]).await;
    regions[eu].replicate(&regions[us]).await;
    let (merge, transaction) = (regions[eu].merge.clone(), regions[eu].db.transaction().await.unwrap());
    let taken = take_in(&transaction, &merge, "views").await.unwrap();
    transaction.commit().await.unwrap();
    assert_eq!((taken.applied, taken.known, taken.gaps), (80, 80, vec![]));
    assert_eq!(regions[eu].value("views", "k").await, json!(80));
}

#[tokio::test]
async fn a_new_region_begins_with_an_export_and_folds_what_came_meanwhile() {
    let mut regions = three("begins").await;
    regions[0].write("views", "k", Change::count(1)).await;
    let transaction = regions[0].db.transaction().await.unwrap();
    let exported = export(&transaction, "views").await.unwrap();
    transaction.commit().await.unwrap();
    regions[0].write("views", "k", Change::count(10)).await;
    let (us, ap) = (0, 2);
    regions[ap].replicate(&regions[us]).await;
    let transaction = regions[ap].db.transaction().await.unwrap();
    assert!(import(&transaction, &exported).await.unwrap() && !import(&transaction, &exported).await.unwrap());
    transaction.commit().await.unwrap();
    assert_eq!(regions[ap].value("views", "k").await, json!(11));
    let all = list(&regions[ap].db, "views", "", 9).await.unwrap();
    assert_eq!(all.len(), 1);
}

/// A client's write at eu, with its key, and that request once more.
async fn keyed(regions: &mut [Region]) -> (Asked, Key, Unit) {
    let asked = support::asked_with_key("/views", Some("k")).await;
    let (unit, key) = (Unit::dataset("catalog"), asked.key(Some("ada"), b"1").unwrap());
    let kept = key.keep(&unit, &Answer::new(StatusCode::OK, "1"), 0).unwrap();
    let eu = &mut regions[1];
    let transaction = eu.db.transaction().await.unwrap();
    let write = Write { repeat: Some(&kept), ..Write::new("views", "k", Change::count(1)) };
    append_with(&transaction, &eu.merge, None, &Vector::default(), write).await.unwrap().unwrap();
    transaction.commit().await.unwrap();
    (asked, key, unit)
}

/// The client's repeat, which counts if it is not known.
async fn repeats(db: &mut Client, merge: &Merge, (asked, key, unit): (&Asked, &Key, &Unit)) -> bool {
    let transaction = db.transaction().await.unwrap();
    let act = async {
        let write = Write::new("views", "k", Change::count(1));
        append_with(&transaction, merge, None, &Vector::default(), write).await.unwrap().unwrap();
        Ok::<_, tokio_postgres::Error>(Answer::new(StatusCode::OK, "1"))
    };
    let answer = once(&transaction, asked, unit, key, act).await.unwrap().unwrap();
    transaction.commit().await.unwrap();
    answer.is_repeat()
}

async fn owned(region: &Region) -> Client {
    let mut config: Config = std::env::var("HOMING_TEST_POSTGRES").unwrap().parse().unwrap();
    config.options(format!("-c search_path={}", region.schema));
    let db = connect(&config).await;
    db.batch_execute(UNITS).await.unwrap();
    let [(unit, owner)] = support::known();
    use homing_origin::EpochStore;
    Postgres::new("us", &config, NoTls).advance(&unit, &owner).await.unwrap();
    db
}

/// The repeat comes to us while us folds the write itself.
#[tokio::test]
async fn a_repeat_waits_for_its_operation_that_is_being_folded_and_counts_once() {
    let mut regions = three("race").await;
    let (asked, key, unit) = keyed(&mut regions).await;
    regions[0].replicate(&regions[1]).await;
    let mut other = owned(&regions[0]).await;
    let (observer, waiter) = (owned(&regions[1]).await, pid(&other).await);
    let us = &mut regions[0];
    let folding = us.db.transaction().await.unwrap();
    assert_eq!(take_in(&folding, &us.merge, "views").await.unwrap().applied, 1);
    let merge = us.merge.clone();
    let repeat = repeats(&mut other, &merge, (&asked, &key, &unit));
    tokio::pin!(repeat);
    tokio::select! {
        is_repeat = &mut repeat => panic!("it is not decided yet, and answers {is_repeat}"),
        () = waits(&observer, waiter) => {}
    }
    folding.commit().await.unwrap();
    assert!(repeat.await, "it is done a second time");
    assert_eq!(regions[0].value("views", "k").await, json!(1));
}

/// The other way round nothing waits for each other: what folds takes keys first, as a write does.
#[tokio::test]
async fn what_folds_waits_for_a_write_with_the_key_that_it_brings() {
    let mut regions = three("race_back").await;
    let (asked, key, unit) = keyed(&mut regions).await;
    regions[0].replicate(&regions[1]).await;
    let mut other = owned(&regions[0]).await;
    let observer = owned(&regions[1]).await;
    let us = &mut regions[0];
    let writing = other.transaction().await.unwrap();
    // It has its key, and comes to the ledger when the other one has begun to fold.
    let answers = async { Ok::<_, tokio_postgres::Error>(Answer::new(StatusCode::OK, "1")) };
    once(&writing, &asked, &unit, &key, answers).await.unwrap().unwrap();
    let waiter = pid(&us.db).await;
    let folding = us.db.transaction().await.unwrap();
    let (fold, append) = (take_in(&folding, &us.merge, "views"), async {
        waits(&observer, waiter).await;
        let write = Write::new("views", "k", Change::count(1));
        append_with(&writing, &us.merge, None, &Vector::default(), write).await.unwrap().unwrap();
        writing.commit().await.unwrap();
    });
    let (taken, ()) = timeout(Duration::from_secs(10), async { tokio::join!(fold, append) }).await.unwrap();
    assert_eq!(taken.unwrap().applied, 1);
    folding.commit().await.unwrap();
    assert_eq!(regions[0].value("views", "k").await, json!(2), "it was done here before the other was known");
}

#[tokio::test]
async fn a_region_that_has_begun_with_an_export_knows_the_repeats_in_it() {
    let mut regions = three("import_keys").await;
    let (asked, key, unit) = keyed(&mut regions).await;
    let transaction = regions[1].db.transaction().await.unwrap();
    let exported = export(&transaction, "views").await.unwrap();
    transaction.commit().await.unwrap();
    let mut other = owned(&regions[0]).await;
    let transaction = other.transaction().await.unwrap();
    assert!(import(&transaction, &exported).await.unwrap());
    transaction.commit().await.unwrap();
    assert!(repeats(&mut other, &regions[0].merge, (&asked, &key, &unit)).await);
    assert_eq!(regions[0].value("views", "k").await, json!(1));
}

/// Two connections write two datasets in one transaction, each in another order.
#[tokio::test]
async fn transactions_that_write_several_datasets_do_not_wait_for_each_other_crosswise() {
    let mut regions = three("several").await;
    let us = &mut regions[0];
    for dataset in ["last", "views"] {
        us.write(dataset, "k", Change::count(1)).await;
    }
    let mut config: Config = std::env::var("HOMING_TEST_POSTGRES").unwrap().parse().unwrap();
    config.options(format!("-c search_path={} -c deadlock_timeout=100", us.schema));
    let observer = connect(&config).await;
    let orders = [["last", "views"], ["views", "last"]];
    for first in [0, 1] {
        // Both wait for the same dataset, in a known order. One that has the other dataset by then would be waited for by the first.
        let holder = us.db.transaction().await.unwrap();
        lock(&holder, &["last"]).await.unwrap();
        let mut writers = Vec::new();
        for order in [orders[first], orders[1 - first]] {
            let (mut db, merge) = (connect(&config).await, us.merge.clone());
            let waiter = pid(&db).await;
            writers.push(tokio::spawn(async move { write_all(&mut db, &merge, order).await }));
            waits(&observer, waiter).await;
        }
        holder.commit().await.unwrap();
        for writer in writers {
            writer.await.unwrap().expect("no deadlock");
        }
    }
    assert_eq!(us.value("views", "k").await, json!(5));
}

async fn write_all(db: &mut Client, merge: &Merge, datasets: [&str; 2]) -> Result<(), Failure> {
    let transaction = db.transaction().await?;
    lock(&transaction, &datasets).await?;
    for dataset in datasets {
        let write = Write::new(dataset, "k", Change::count(1));
        append_with(&transaction, merge, None, &Vector::default(), write).await?.unwrap();
    }
    transaction.commit().await?;
    Ok(())
}

/// Two datasets whose conflicts push the oldest ones out: neither waits for the other's.
#[tokio::test]
async fn a_writer_does_not_wait_for_the_conflicts_that_another_ones_dataset_pushes_out() {
    let mut regions = three("pushed").await;
    let fill = "insert into homing_conflicts (dataset, key, story) select 'none', n::text, '{}' from generate_series(1, 1001) n";
    regions[0].db.batch_execute(fill).await.unwrap();
    for dataset in ["last", "likes"] {
        for region in [1, 2] {
            let change = if dataset == "last" { Change::put(region) } else { Change::add("x") };
            let change = if dataset == "likes" && region == 2 { Change::remove("x") } else { change };
            regions[region].write(dataset, "k", change).await;
        }
    }
    for from in [1, 2] {
        let (us, from) = (&regions[0], &regions[from]);
        us.replicate(from).await;
    }
    let mut other = owned(&regions[0]).await;
    let us = &mut regions[0];
    let first = us.db.transaction().await.unwrap();
    assert_eq!(take_in(&first, &us.merge, "last").await.unwrap().conflicts, 1);
    let second = other.transaction().await.unwrap();
    let taken = timeout(Duration::from_secs(2), take_in(&second, &us.merge, "likes")).await.expect("it waits");
    assert_eq!(taken.unwrap().conflicts, 1);
    second.commit().await.unwrap();
    first.commit().await.unwrap();
}

/// A row that a later version has written, or nobody: its owner's log waits there, and no other's.
#[tokio::test]
async fn a_row_that_cannot_be_read_holds_up_its_own_owner_alone() {
    let mut regions = three("rubbish").await;
    for region in [1, 2] {
        regions[region].write("views", "k", Change::count(1)).await;
        regions[region].write("views", "k", Change::count(10)).await;
    }
    for from in [1, 2] {
        regions[0].replicate(&regions[from]).await;
    }
    let spoil = "update homing_ops set stamp = 'zzzz' where owner = 'eu' and number = 2";
    regions[0].db.batch_execute(spoil).await.unwrap();
    let us = &mut regions[0];
    let transaction = us.db.transaction().await.unwrap();
    let taken = take_in(&transaction, &us.merge, "views").await.unwrap();
    transaction.rollback().await.unwrap();
    assert_eq!(taken.applied, 3);
    for _ in 0..2 {
        let progress = catch_up(&mut us.db, &us.merge, "views").await.unwrap();
        assert_eq!(progress.unreadable, taken.unreadable, "it is told as long as it waits");
        let [place] = &progress.unreadable[..] else { panic!("{progress:?}") };
        assert_eq!((&*place.owner, place.number), ("eu", 2));
        assert!(place.why.contains("zzzz"), "{place:?}");
    }
    assert_eq!(regions[0].value("views", "k").await, json!(12));
    regions[0].db.batch_execute(&spoil.replace("zzzz", "019b0e5a8000-0000-0000000a")).await.unwrap();
    assert_eq!(regions[0].value("views", "k").await, json!(22), "once it can be read it is folded");
    let us = &mut regions[0];
    assert_eq!(catch_up(&mut us.db, &us.merge, "views").await.unwrap().unreadable, []);
}
