//! An axum application over PostgreSQL databases that are equals: each region writes in its own, and `homing_ops` is replicated to all
//! others (logical replication with `origin = none`). tests/mesh runs it, and says how databases join.
//!
//! `REGION=us OWNERS=us,eu,ap LISTEN=127.0.0.1:9301 DATABASE_URL="host=127.0.0.1 user=app" cargo run -p homing-origin --example mesh
//! --features axum,merge,postgres`. A write is `POST /tags/KEY` with a change in JSON (`{"add": ["x"]}`), a read `GET /tags/KEY`.

use std::{env, sync::Arc, time::Duration};

use axum::{
    Json, Router,
    body::Bytes,
    extract::{Path, State},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use deadpool_postgres::{Manager, Pool};
use homing_origin::{
    Application, Asked, Failure, Homing, Refusal, Settings,
    merge::{Change, ConflictQuery, Conflicts, Merge, Progress, Rule, Write, store::postgres},
    say,
    store::{Memory, postgres::KEYS},
};
use serde_json::{Value, json};
use tokio_postgres::{Config, NoTls};

/// How often a region says how far it is, and forgets what all have.
const TEND: Duration = Duration::from_secs(1);

/// What each region writes, in its own database.
struct Data {
    merge: Merge,
    pool: Pool,
}

impl Application for Data {
    fn datasets(&self) -> Vec<String> {
        Vec::new()
    }

    fn multi_writer(&self) -> Vec<String> {
        self.merge.datasets().map(str::to_owned).collect()
    }

    /// With all that has come from the peers. The layer asks before each read, so handlers read what is folded.
    async fn progress(&self, dataset: &str) -> Result<Option<Progress>, Failure> {
        if self.merge.rule(dataset).is_none() {
            return Ok(None);
        }
        let mut client = self.pool.get().await?;
        postgres::catch_up(&mut **client, &self.merge, dataset).await.map(Some)
    }

    async fn conflicts(&self, query: &ConflictQuery) -> Result<Option<Conflicts>, Failure> {
        postgres::conflicts(&**self.pool.get().await?, query).await.map(Some)
    }
}

type Shared = State<Arc<Data>>;

async fn show(State(data): Shared, Path((dataset, key)): Path<(String, String)>) -> Result<Response, Broken> {
    let client = data.pool.get().await.map_err(Broken::before)?;
    let shown = postgres::read(&**client, &data.merge, &dataset, &key).await.map_err(Broken::before)?;
    Ok(answer(shown.fields(), &json!({ "key": key, "value": shown.value })))
}

async fn write(
    State(data): Shared,
    asked: Asked,
    Path((dataset, key)): Path<(String, String)>,
    Json(change): Json<Value>,
) -> Result<Response, Broken> {
    let mut client = data.pool.get().await.map_err(Broken::before)?;
    let transaction = client.transaction().await.map_err(Broken::before)?;
    // Last in the transaction: from here to the commit the dataset's other writers wait.
    let write = Write::new(&dataset, &key, Change(change));
    let written = postgres::append(&*transaction, &data.merge, &asked, write).await.map_err(Broken::before)??;
    transaction.commit().await.map_err(|error| Broken::Committing(error.to_string()))?;
    let shown = json!({ "key": key, "value": written.shown.value, "stamp": written.stamp.as_str() });
    Ok(answer(written.fields(), &shown))
}

fn answer(fields: Vec<say::Field>, shown: &Value) -> Response {
    let mut response = ([(header::CACHE_CONTROL, "no-store")], Json(shown)).into_response();
    response.headers_mut().extend(fields);
    response
}

/// All that a new region begins with. For operators alone: keep it off the public port.
async fn export(State(data): Shared) -> Result<Response, Broken> {
    let mut client = data.pool.get().await.map_err(Broken::before)?;
    let transaction = client.transaction().await.map_err(Broken::before)?;
    let mut all = Vec::new();
    for dataset in data.merge.datasets() {
        all.push(postgres::export(&*transaction, dataset).await.map_err(Broken::before)?);
    }
    Ok(Json(all).into_response())
}

async fn import(State(data): Shared, body: Bytes) -> Result<Response, Broken> {
    let all: Vec<String> = serde_json::from_slice(&body).map_err(Broken::before)?;
    let mut client = data.pool.get().await.map_err(Broken::before)?;
    let transaction = client.transaction().await.map_err(Broken::before)?;
    for exported in &all {
        if !postgres::import(&*transaction, exported).await.map_err(Broken::before)? {
            return Ok((StatusCode::CONFLICT, "there is data here already").into_response());
        }
    }
    transaction.commit().await.map_err(|error| Broken::Committing(error.to_string()))?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// For good: folds what has come, says how far this region is, and forgets what all have.
async fn tend(data: Arc<Data>) {
    loop {
        tokio::time::sleep(TEND).await;
        for dataset in data.merge.datasets() {
            // A database that is away is tended when it is back.
            let _ = tend_one(&data, dataset).await;
        }
    }
}

async fn tend_one(data: &Data, dataset: &str) -> Result<(), Failure> {
    let mut client = data.pool.get().await?;
    postgres::catch_up(&mut **client, &data.merge, dataset).await?;
    loop {
        let transaction = client.transaction().await?;
        let more = postgres::tend(&*transaction, &data.merge, dataset).await?;
        transaction.commit().await?;
        if !more {
            return Ok(());
        }
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Failure> {
    let given = |name: &str, default: &str| env::var(name).unwrap_or_else(|_| default.to_owned());
    let (region, owners) = (given("REGION", "us"), given("OWNERS", "us,eu,ap"));
    let merge = Merge::new(&region, owners.split(','))
        .dataset("tags", Rule::Set)
        .dataset("views", Rule::Counter)
        .dataset("profile", Rule::Fields)
        .dataset("draft", Rule::Register);
    let config: Config = given("DATABASE_URL", "host=127.0.0.1 user=postgres").parse()?;
    let pool = Pool::builder(Manager::new(config, NoTls)).max_size(16).build()?;
    pool.get().await?.batch_execute(&format!("{}; {KEYS}", postgres::SCHEMA)).await?;
    let data = Arc::new(Data { merge, pool });

    // For this machine alone; with a key, `Settings::with_key`. Nothing here has one owner, so no epochs are stored.
    let homing = Homing::new(Settings::unsigned(&region), Memory::default(), Arc::clone(&data));
    tokio::spawn(tend(Arc::clone(&data)));
    let routes = Router::new().route("/{dataset}/{key}", get(show).post(write)).layer(homing.layer());
    let routes = routes.route("/export", get(export)).route("/import", post(import)).with_state(data);
    let listener = tokio::net::TcpListener::bind(given("LISTEN", "127.0.0.1:9301")).await?;
    println!("listening on {}", listener.local_addr()?);
    Ok(axum::serve(listener, routes).await?)
}

/// Why there is no answer.
enum Broken {
    /// The database failed, and nothing was written: the region's own trouble, so a read is tried elsewhere.
    Before(String),
    /// It failed while committing: nobody can say whether it was written.
    Committing(String),
    /// The rule cannot apply the change, and nothing was written.
    Refused(Refusal),
}

impl Broken {
    fn before(why: impl std::fmt::Display) -> Self {
        Self::Before(why.to_string())
    }
}

impl From<Refusal> for Broken {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl IntoResponse for Broken {
    fn into_response(self) -> Response {
        let again = [(header::RETRY_AFTER, "1")];
        match self {
            Self::Before(why) => (StatusCode::SERVICE_UNAVAILABLE, [say::wrote(false)], again, why).into_response(),
            Self::Committing(why) => (StatusCode::SERVICE_UNAVAILABLE, again, why).into_response(),
            Self::Refused(refusal) => refusal.into_response(),
        }
    }
}
