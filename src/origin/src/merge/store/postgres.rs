//! In PostgreSQL. Peers' operations come by logical replication of `homing_ops` into the same table, and [`catch_up`] folds them.
//!
//! Each region has a publication of its own ([`PUBLICATION`]) and one subscription to each peer's, `with (origin = none)`, so that a row
//! comes from its owner alone. Only insertions are published: what [`tend`] deletes is deleted here. The table has no unique key: a row that
//! comes twice (a new region copies what is there, and gets it once more by replication) must not stop replication, and is folded once.
//!
//! **A new region**, while the others write (`tests/mesh` tries it):
//! 1. Start every application anew with it among its owners, so that nobody forgets what it has not got.
//! 2. Make its tables, and let all peers subscribe to it: what it says before that, they never get.
//! 3. Create its subscriptions (`copy_data = false`). Wait until one peer has what the others had written by then.
//! 4. [`export`] at that peer and [`import`] here, before the first read or [`tend`]. What comes in between lies in `homing_ops`, and is
//!    folded from where the export ends.
//!
//! Use the isolation level `read committed`, the default. Writes of one dataset wait for each other, from [`append`] to the commit, so call
//! it last in the transaction: numbers must be in the order of commits. A transaction that writes several datasets calls [`lock`] before the
//! first [`append`].

use std::collections::BTreeMap;

use serde::de::DeserializeOwned;
use tokio_postgres::{
    GenericClient, Row,
    types::{ToSql, Type},
};

use super::{AT_ONCE, Export, OP};
use crate::{
    Asked, Failure, Kept, Refusal,
    merge::{
        Conflict, ConflictQuery, Conflicts, Ledger, Merge, Operation, Progress, Shown, Stamp, State, TakenIn,
        Unreadable, Vector, Write, Written, conflict::KEPT, ledger::Reach,
    },
    store::postgres::{lock_keys, remember},
};

/// The tables. Make them in each region's database, beside [`KEYS`](crate::store::postgres::KEYS).
pub const SCHEMA: &str = "create table if not exists homing_ops (dataset text not null, owner text not null, number bigint not null,
        key text not null, stamp text not null, seen text not null, at bigint not null, who text, what text, change text not null,
        repeat text);
    create index if not exists homing_ops_place on homing_ops (dataset, owner, number);
    create table if not exists homing_states (dataset text, key text, state text not null, tombstones bigint not null,
        primary key (dataset, key));
    create index if not exists homing_states_tombstones on homing_states (dataset, key) where tombstones > 0;
    create table if not exists homing_ledger (dataset text primary key, ledger text not null);
    create table if not exists homing_conflicts (id bigint generated always as identity primary key, dataset text not null,
        key text not null, story text not null);
    create table if not exists homing_conflict_totals (dataset text, rule text, n bigint not null, primary key (dataset, rule))";

/// The publication: the log alone, and of it insertions alone.
pub const PUBLICATION: &str = "create publication homing_ops for table homing_ops with (publish = 'insert')";

/// How many operations of each owner are folded in one transaction.
const IN_ONE: i64 = 500;
/// How many of them may bring the key of a repeat.
const KEYS_IN_ONE: u32 = 100;

type Value<'a> = (&'a (dyn ToSql + Sync), Type);

/// Writes: appends the operation to this region's log and applies it, in the transaction that writes. For a write that a client may repeat,
/// call it in the `act` of [`once`](crate::store::postgres::once); then it is done once.
///
/// Its stamp is the request's, or this region's own; its context is what this replica has, and what the session has seen. The conflicts in
/// what it gives are told once: add [`Written::fields`] to the answer.
///
/// # Errors
/// If the database fails. The inner error is the answer to give if the change does not fit the dataset's rule: nothing was written.
pub async fn append(
    transaction: &impl GenericClient,
    merge: &Merge,
    asked: &Asked,
    write: Write<'_>,
) -> Result<Result<Written, Refusal>, Failure> {
    let subject = asked.subject.as_ref().map(|id| format!("~{id}"));
    let write = Write { who: write.who.or(subject.as_deref()), ..write };
    append_with(transaction, merge, asked.clock.as_deref(), &asked.context(write.dataset), write).await
}

/// The same for what no request asks: a job. Without a stamp it gets this region's own.
///
/// # Errors
/// As of [`append`].
pub async fn append_with(
    transaction: &impl GenericClient,
    merge: &Merge,
    stamp: Option<&str>,
    context: &Vector,
    write: Write<'_>,
) -> Result<Result<Written, Refusal>, Failure> {
    let rule = match merge.admit(&write) {
        Ok(rule) => rule,
        Err(refusal) => return Ok(Err(refusal)),
    };
    let mut ledger = locked(transaction, write.dataset).await?;
    if ledger.lacks_own(merge) {
        return Ok(Err(Refusal::LogLost));
    }
    let mut state = state(transaction, write.dataset, write.key).await?.unwrap_or_else(|| State::new(rule));
    let op = ledger.compose(merge, &write, state.overruled_by(&write.change), (stamp, context), merge.now());
    let found = state.apply(rule, &op, merge.now());
    ledger.note(merge, &op);
    keep_op(transaction, &op).await?;
    keep_state(transaction, &op.dataset, &op.key, &state).await?;
    keep_conflicts(transaction, &found).await?;
    let (conflicts, more) = ledger.tell(found);
    keep_ledger(transaction, &op.dataset, &ledger).await?;
    Ok(Ok(Written { number: op.number, stamp: op.stamp, shown: state.shown(), conflicts, more }))
}

/// Makes the transaction the only one that writes those datasets, until it ends. Call it before the first [`append`] of a transaction that
/// writes several, or tends, exports or imports several: it takes them in one order, whatever order they are named in. Without it, two such
/// transactions can wait for each other, and PostgreSQL ends one of them (a deadlock) after a second.
///
/// In one transaction, call [`catch_up`], [`take_in`] and [`once`](crate::store::postgres::once) before it. They lock the keys of repeats, and
/// every transaction locks those before the datasets.
///
/// # Errors
/// If the database fails.
pub async fn lock(transaction: &impl GenericClient, datasets: &[&str]) -> Result<(), Failure> {
    let mut in_order = datasets.to_vec();
    in_order.sort_unstable();
    for dataset in in_order {
        locked(transaction, dataset).await?;
    }
    Ok(())
}

/// Folds what has come by replication, and says how far this replica is then: call it before a read, and for
/// [`Application::progress`](crate::Application::progress). If nothing has come, it takes no lock and writes nothing. What it gives names the
/// rows that it cannot read ([`Progress::unreadable`]).
///
/// # Errors
/// If the database fails.
pub async fn catch_up(client: &mut impl GenericClient, merge: &Merge, dataset: &str) -> Result<Progress, Failure> {
    loop {
        let progress = progress(client, dataset).await?;
        let (next, unreadable) = pending(client, merge, dataset, &progress.at, 1).await?;
        if next.is_empty() {
            return Ok(Progress { unreadable, ..progress });
        }
        let transaction = client.transaction().await?;
        let taken = take_in(&transaction, merge, dataset).await?;
        transaction.commit().await?;
        // What another process has folded meanwhile is known: there may be more behind it.
        if taken.applied + taken.known == 0 {
            return Ok(Progress { unreadable: taken.unreadable, ..self::progress(client, dataset).await? });
        }
    }
}

/// Folds what has come by replication, in a transaction, up to 500 operations of each owner. A gap in an owner's log is said and waited for:
/// replication goes by the order of commits, so there is none, unless rows were deleted by hand, or behind a row that cannot be read
/// ([`TakenIn::unreadable`]).
///
/// A repeat of a write that is being folded waits for it ([`once`](crate::store::postgres::once)), and is not done a second time.
///
/// # Errors
/// If the database fails.
pub async fn take_in(transaction: &impl GenericClient, merge: &Merge, dataset: &str) -> Result<TakenIn, Failure> {
    let mut taken = TakenIn::default();
    let Some(rule) = merge.rule(dataset) else { return Ok(taken) };
    let at = ledger(transaction, dataset).await?.vector();
    let (pending, unreadable) = pending(transaction, merge, dataset, &at, IN_ONE).await?;
    let (operations, repeats) = repeatable(pending);
    // Keys before the ledger, as a write that has one takes them. The other way round each would wait for the other.
    lock_keys(transaction, repeats.values().map(|kept| kept.id.as_str()).collect()).await?;
    let mut ledger = locked(transaction, dataset).await?;
    for (n, op) in operations.iter().enumerate() {
        match ledger.reach(op) {
            Reach::Known => taken.known += 1,
            Reach::Gap => taken.gap(op, ledger.number(&op.owner)),
            Reach::Next => {
                if !op.is_beat() {
                    let mut state = state(transaction, dataset, &op.key).await?.unwrap_or_else(|| State::new(rule));
                    let found = state.apply(rule, op, merge.now());
                    keep_state(transaction, dataset, &op.key, &state).await?;
                    keep_conflicts(transaction, &found).await?;
                    ledger.hold(merge.region(), &found);
                    taken.conflicts += found.len() as u64;
                }
                ledger.note(merge, op);
                if let Some(kept) = repeats.get(&n) {
                    remember(transaction, kept).await?;
                }
                taken.applied += 1;
            }
        }
    }
    // One that is there a second time, and can be read there, holds up nothing.
    taken.unreadable = unreadable.into_iter().filter(|row| row.number > ledger.number(&row.owner)).collect();
    if taken.applied > 0 {
        keep_ledger(transaction, dataset, &ledger).await?;
    }
    Ok(taken)
}

/// Those of them that are folded at once, and the keys that they bring, each by the place of its operation. Of one owner's no more than a
/// hundred bring one, for each is a lock, and a server has room for some thousand.
fn repeatable(pending: Vec<Operation>) -> (Vec<Operation>, BTreeMap<usize, Kept>) {
    let (mut operations, mut repeats, mut of_owner) = (Vec::new(), BTreeMap::new(), BTreeMap::<String, u32>::new());
    for op in pending {
        let kept = op.repeat.as_deref().and_then(Kept::from_json);
        let so_many = of_owner.entry(op.owner.clone()).or_default();
        *so_many += u32::from(kept.is_some());
        if *so_many > KEYS_IN_ONE {
            continue;
        }
        repeats.extend(kept.map(|kept| (operations.len(), kept)));
        operations.push(op);
    }
    (operations, repeats)
}

/// How far this replica is, with what it has folded.
///
/// # Errors
/// If the database fails.
pub async fn progress(client: &impl GenericClient, dataset: &str) -> Result<Progress, Failure> {
    Ok(ledger(client, dataset).await?.progress())
}

/// What a key shows, with what was folded.
///
/// # Errors
/// If the database fails.
pub async fn read(client: &impl GenericClient, merge: &Merge, dataset: &str, key: &str) -> Result<Shown, Failure> {
    if let Some(state) = state(client, dataset, key).await? {
        return Ok(state.shown());
    }
    Ok(ledger(client, dataset).await?.shown_of_nothing(merge.rule(dataset)))
}

/// What the keys after that one show, by name, at most so many. An answer that lists them also shows what is not there any more, so it shows
/// all that the replica has: say nothing, or [`say::shows_of`](crate::say::shows_of) its [`Progress::at`], read in the same snapshot.
///
/// # Errors
/// If the database fails.
pub async fn list(
    client: &impl GenericClient,
    dataset: &str,
    after: &str,
    limit: u32,
) -> Result<Vec<(String, Shown)>, Failure> {
    let sql = "select key, state from homing_states where dataset = $1 and key > $2 order by key limit $3";
    let limit = i64::from(limit);
    let rows = client.query_typed(sql, &[text(&dataset), text(&after), (&limit, Type::INT8)]).await?;
    let shown = |row: &Row| Ok((row.try_get(0)?, json::<State>(row, 1)?.shown()));
    rows.iter().map(shown).collect()
}

/// Says in this region's log how far it is, if that is news, and forgets what every owner has: call it every few seconds, in a transaction,
/// for each dataset. Says whether there is more to do now.
///
/// # Errors
/// If the database fails.
pub async fn tend(transaction: &impl GenericClient, merge: &Merge, dataset: &str) -> Result<bool, Failure> {
    let mut ledger = locked(transaction, dataset).await?;
    let beat = ledger.beat(merge, dataset, merge.now());
    if let Some(op) = &beat {
        ledger.note(merge, op);
        keep_op(transaction, op).await?;
    }
    forget(transaction, merge, dataset, (ledger, beat.is_some())).await
}

/// Forgets what every owner has: operations, and what was removed. [`tend`] does it.
///
/// # Errors
/// If the database fails.
pub async fn compact(transaction: &impl GenericClient, merge: &Merge, dataset: &str) -> Result<bool, Failure> {
    forget(transaction, merge, dataset, (locked(transaction, dataset).await?, false)).await
}

/// The same with the ledger, and whether that has changed and is still to be kept.
async fn forget(
    transaction: &impl GenericClient,
    merge: &Merge,
    dataset: &str,
    (mut ledger, mut is_changed): (Ledger, bool),
) -> Result<bool, Failure> {
    let horizon = ledger.horizon(merge);
    for (owner, number) in horizon.everywhere.iter() {
        let sql = "delete from homing_ops where dataset = $1 and owner = $2 and number <= $3";
        let number = number.cast_signed();
        transaction.execute_typed(sql, &[text(&dataset), text(&owner), (&number, Type::INT8)]).await?;
    }
    let sql =
        "select key, state from homing_states where dataset = $1 and tombstones > 0 and key > $2 order by key limit $3";
    let values: [Value<'_>; 3] = [text(&dataset), text(&ledger.looked), (&AT_ONCE, Type::INT8)];
    let held = transaction.query_typed(sql, &values).await?;
    let is_more = held.len() == AT_ONCE as usize;
    let looked = held.last().filter(|_| is_more).map_or_else(|| Ok(String::new()), |row| row.try_get(0))?;
    is_changed |= looked != ledger.looked;
    ledger.looked = looked;
    for row in held {
        let (key, mut state): (String, State) = (row.try_get(0)?, json(&row, 1)?);
        let before = state.clone();
        if state.settle(&horizon) {
            ledger.dropped.join(&state.shown().shows);
            let sql = "delete from homing_states where dataset = $1 and key = $2";
            transaction.execute_typed(sql, &[text(&dataset), text(&key)]).await?;
        } else if state != before {
            keep_state(transaction, dataset, &key, &state).await?;
        } else {
            continue;
        }
        is_changed = true;
    }
    if is_changed {
        keep_ledger(transaction, dataset, &ledger).await?;
    }
    Ok(is_more)
}

/// The conflicts that this region has found: for [`Application::conflicts`](crate::Application::conflicts).
///
/// # Errors
/// If the database fails.
pub async fn conflicts(client: &impl GenericClient, query: &ConflictQuery) -> Result<Conflicts, Failure> {
    let sql = "select story from homing_conflicts where dataset = coalesce($1, dataset) and key = coalesce($2, key)
        order by id desc limit $3";
    let limit = i64::try_from(query.limit).unwrap_or(i64::MAX);
    let key = query.kept_key();
    let values: [Value<'_>; 3] = [text(&query.dataset), text(&key), (&limit, Type::INT8)];
    let newest = client.query_typed(sql, &values).await?.iter().map(|row| json(row, 0)).collect::<Result<_, _>>()?;
    let mut conflicts = Conflicts { newest, ..Conflicts::default() };
    for row in client.query_typed("select dataset, rule, n from homing_conflict_totals", &[]).await? {
        let (dataset, rule, n): (String, String, i64) = (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
        conflicts.totals.entry(dataset).or_default().insert(rule, n.unsigned_abs());
    }
    Ok(conflicts)
}

/// All of a dataset that another region can begin with, as JSON: states, how far they are, and the logs that are still here. In a
/// transaction: it waits for writes, and they for it.
///
/// # Errors
/// If the database fails.
pub async fn export(transaction: &impl GenericClient, dataset: &str) -> Result<String, Failure> {
    let ledger = locked(transaction, dataset).await?.for_another();
    let sql = "select key, state from homing_states where dataset = $1 order by key";
    let rows = transaction.query_typed(sql, &[text(&dataset)]).await?;
    let state = |row: &Row| Ok::<_, Failure>((row.try_get(0)?, json(row, 1)?));
    let states = rows.iter().map(state).collect::<Result<_, _>>()?;
    let sql = format!("select {OP} from homing_ops where dataset = $1 order by owner, number");
    let rows = transaction.query_typed(&sql, &[text(&dataset)]).await?;
    let operations = rows.iter().map(operation).collect::<Result<_, _>>()?;
    Ok(serde_json::to_string(&Export { dataset: dataset.to_owned(), ledger, states, operations })?)
}

/// Begins with what another region has exported, in a transaction. Gives whether it did: it does not if anything of the dataset was
/// folded here. What has come by replication meanwhile is folded on top. A repeat of a write whose operation came along is known here from
/// then on.
///
/// # Errors
/// If the database fails, or the text is none of [`export`]'s.
pub async fn import(transaction: &impl GenericClient, exported: &str) -> Result<bool, Failure> {
    let Export { dataset, ledger: theirs, states, operations } = serde_json::from_str(exported)?;
    if locked(transaction, &dataset).await? != Ledger::default() {
        return Ok(false);
    }
    for (key, state) in &states {
        keep_state(transaction, &dataset, key, state).await?;
    }
    for op in &operations {
        keep_op(transaction, op).await?;
        if let Some(kept) = op.repeat.as_deref().and_then(Kept::from_json) {
            remember(transaction, &kept).await?;
        }
    }
    keep_ledger(transaction, &dataset, &theirs).await?;
    Ok(true)
}

/// What lies in the log beyond that, of owners that are declared, in each owner's order. A row that cannot be read (a later version's, or
/// rubbish) is told apart: its owner's log waits there, and the others go on. Of each owner the first such row.
async fn pending(
    client: &impl GenericClient,
    merge: &Merge,
    dataset: &str,
    at: &Vector,
    limit: i64,
) -> Result<(Vec<Operation>, Vec<Unreadable>), Failure> {
    let sql = format!(
        "select o.* from unnest($2::text[], $3::bigint[]) as place (owner, number) cross join lateral (select {OP} from homing_ops
            where dataset = $1 and owner = place.owner and number > place.number order by number limit $4) o
        order by o.owner, o.number"
    );
    let owners: Vec<&str> = merge.owners.iter().map(String::as_str).collect();
    let numbers: Vec<i64> = owners.iter().map(|owner| at.get(owner).cast_signed()).collect();
    let values: [Value<'_>; 4] =
        [text(&dataset), (&owners, Type::TEXT_ARRAY), (&numbers, Type::INT8_ARRAY), (&limit, Type::INT8)];
    let (mut operations, mut unreadable) = (Vec::new(), Vec::<Unreadable>::new());
    for row in client.query_typed(&sql, &values).await? {
        match operation(&row) {
            Ok(op) => operations.push(op),
            Err(error) => {
                let (owner, number) = (row.try_get(1)?, row.try_get::<_, i64>(2)?.unsigned_abs());
                if unreadable.last().is_none_or(|last| last.owner != owner) {
                    unreadable.push(Unreadable { owner, number, why: error.to_string() });
                }
            }
        }
    }
    Ok((operations, unreadable))
}

/// The ledger, locked until the transaction ends: all that write or fold the dataset wait. By two statements, so that the second sees what
/// was committed while the first one waited.
async fn locked(transaction: &impl GenericClient, dataset: &str) -> Result<Ledger, Failure> {
    let sql = "insert into homing_ledger values ($1, '{}') on conflict do nothing";
    transaction.execute_typed(sql, &[text(&dataset)]).await?;
    let sql = "select ledger from homing_ledger where dataset = $1 for update";
    json(&transaction.query_typed_one(sql, &[text(&dataset)]).await?, 0)
}

async fn ledger(client: &impl GenericClient, dataset: &str) -> Result<Ledger, Failure> {
    let sql = "select ledger from homing_ledger where dataset = $1";
    let row = client.query_typed_opt(sql, &[text(&dataset)]).await?;
    row.map_or_else(|| Ok(Ledger::default()), |row| json(&row, 0))
}

async fn keep_ledger(transaction: &impl GenericClient, dataset: &str, ledger: &Ledger) -> Result<(), Failure> {
    let (sql, ledger) = ("update homing_ledger set ledger = $2 where dataset = $1", serde_json::to_string(ledger)?);
    transaction.execute_typed(sql, &[text(&dataset), text(&ledger)]).await?;
    Ok(())
}

async fn state(client: &impl GenericClient, dataset: &str, key: &str) -> Result<Option<State>, Failure> {
    let sql = "select state from homing_states where dataset = $1 and key = $2";
    client.query_typed_opt(sql, &[text(&dataset), text(&key)]).await?.map(|row| json(&row, 0)).transpose()
}

async fn keep_state(transaction: &impl GenericClient, dataset: &str, key: &str, state: &State) -> Result<(), Failure> {
    let sql = "insert into homing_states values ($1, $2, $3, $4) on conflict (dataset, key) do update set state = $3, tombstones = $4";
    let tombstones = i64::try_from(state.tombstones()).unwrap_or(i64::MAX);
    let state = serde_json::to_string(state)?;
    transaction.execute_typed(sql, &[text(&dataset), text(&key), text(&state), (&tombstones, Type::INT8)]).await?;
    Ok(())
}

async fn keep_op(transaction: &impl GenericClient, op: &Operation) -> Result<(), Failure> {
    let sql = "insert into homing_ops values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)";
    let (number, at, stamp) = (op.number.cast_signed(), op.at.cast_signed(), op.stamp.as_str());
    let (seen, change) = (serde_json::to_string(&op.seen)?, serde_json::to_string(&op.change)?);
    let values: [Value<'_>; 11] = [
        text(&op.dataset),
        text(&op.owner),
        (&number, Type::INT8),
        text(&op.key),
        text(&stamp),
        text(&seen),
        (&at, Type::INT8),
        text(&op.who),
        text(&op.what),
        text(&change),
        text(&op.repeat),
    ];
    transaction.execute_typed(sql, &values).await?;
    Ok(())
}

async fn keep_conflicts(transaction: &impl GenericClient, found: &[Conflict]) -> Result<(), Failure> {
    for conflict in found {
        let sql = "insert into homing_conflicts (dataset, key, story) values ($1, $2, $3) returning id";
        let story = serde_json::to_string(conflict)?;
        let values = [text(&conflict.dataset), text(&conflict.key), text(&story)];
        let oldest = transaction.query_typed_one(sql, &values).await?.try_get::<_, i64>(0)? - KEPT.cast_signed();
        // Those that another dataset's writer deletes just now are his: waiting for him could be waiting for each other.
        let sql = "delete from homing_conflicts where id in
            (select id from homing_conflicts where id <= $1 for update skip locked)";
        transaction.execute_typed(sql, &[(&oldest, Type::INT8)]).await?;
        let sql = "insert into homing_conflict_totals values ($1, $2, 1)
            on conflict (dataset, rule) do update set n = homing_conflict_totals.n + 1";
        transaction.execute_typed(sql, &[text(&conflict.dataset), text(&conflict.rule)]).await?;
    }
    Ok(())
}

fn operation(row: &Row) -> Result<Operation, Failure> {
    let stamp: String = row.try_get(4)?;
    Ok(Operation {
        dataset: row.try_get(0)?,
        owner: row.try_get(1)?,
        number: row.try_get::<_, i64>(2)?.unsigned_abs(),
        key: row.try_get(3)?,
        stamp: Stamp::parse(&stamp).ok_or_else(|| format!("{stamp:?} in homing_ops is no stamp"))?,
        seen: json(row, 5)?,
        at: row.try_get::<_, i64>(6)?.unsigned_abs(),
        who: row.try_get(7)?,
        what: row.try_get(8)?,
        change: json(row, 9)?,
        repeat: row.try_get(10)?,
    })
}

fn text<T: ToSql + Sync>(value: &T) -> Value<'_> {
    (value, Type::TEXT)
}

fn json<T: DeserializeOwned>(row: &Row, at: usize) -> Result<T, Failure> {
    Ok(serde_json::from_str(row.try_get(at)?)?)
}
