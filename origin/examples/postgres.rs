//! An axum application over PostgreSQL: one primary and its streaming standbys, with one of these beside the database of each
//! region. Where the data's home moves, the database is promoted. README.md says what the operator does besides.
//!
//! `REGION=us LISTEN=127.0.0.1:9301 DATABASE_URL="host=127.0.0.1 user=app" cargo run -p homing-origin --example postgres
//! --features axum,postgres`; `FIRST_HOME` is the region whose database is the primary to begin with.

use std::{env, sync::Arc, time::Duration};

use axum::{
    Json, Router,
    extract::{Path, State},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use deadpool_postgres::{Manager, Pool};
use homing_origin::{
    Application, Asked, Failure, Homing, Mark, Ownership, Part, Settings, Unit, say,
    store::postgres::{self, Postgres},
};
use serde_json::{Value, json};
use tokio_postgres::{Client, Config, NoTls};

/// One dataset for all that the database cluster holds: it is replicated and promoted as a whole.
const DATASET: &str = "lists";

const TABLE: &str = "create table if not exists lists (key text primary key, items text[] not null)";
const APPEND: &str =
    "insert into lists values ($1, array[$2]) on conflict (key) do update set items = lists.items || $2";

/// Lists of ids, by key.
struct Lists {
    region: String,
    pool: Pool,
}

impl Application for Lists {
    fn datasets(&self) -> Vec<String> {
        vec![DATASET.to_owned()]
    }

    async fn mark(&self, part: Part<'_>) -> Result<Option<Mark>, Failure> {
        Ok(postgres::mark(&**self.pool.get().await?, part.unit).await?)
    }

    async fn shows(&self, part: Part<'_>) -> Result<Option<Mark>, Failure> {
        Ok(postgres::shows(&**self.pool.get().await?, part).await?)
    }

    async fn settled(&self, part: Part<'_>) -> Result<Option<String>, Failure> {
        postgres::settled(&**self.pool.get().await?, part.unit).await.map(Some)
    }

    async fn granted(&self, _: &Unit, _: &Ownership) -> Result<(), Failure> {
        postgres::promote(&**self.pool.get().await?, Duration::from_secs(30)).await
    }
}

async fn show(State(lists): State<Arc<Lists>>, Path(key): Path<String>) -> Result<Response, Broken> {
    let client = lists.pool.get().await.map_err(Broken::before)?;
    let row = client.query_opt("select items from lists where key = $1", &[&key]).await.map_err(Broken::before)?;
    let items: Vec<String> = row.map(|row| row.try_get(0)).transpose().map_err(Broken::before)?.unwrap_or_default();
    let shows = shown(&client, &key).await;
    Ok(lists.answer(false, shows, json!({ "key": key, "items": items })))
}

/// What a read or a write of one list shows; asked behind it. Where that is not known the layer asks for all lists.
async fn shown(client: &Client, key: &str) -> Option<Mark> {
    postgres::shows_of(client, DATASET, &Unit::dataset(DATASET), key).await.ok().flatten()
}

async fn append(
    State(lists): State<Arc<Lists>>,
    asked: Asked,
    Path(key): Path<String>,
    Json(body): Json<Value>,
) -> Result<Response, Broken> {
    let Some(id) = body.get("id").and_then(Value::as_str) else {
        return Ok((StatusCode::BAD_REQUEST, [say::wrote(false)], "expected {\"id\": \"…\"}").into_response());
    };
    let mut client = lists.pool.get().await.map_err(Broken::before)?;
    let transaction = client.transaction().await.map_err(Broken::before)?;
    // The fence that counts: nobody can move the ownership between this and the commit, in whatever process.
    let unit = Unit::dataset(DATASET);
    if let Err(refusal) = postgres::fence(&*transaction, &asked, &unit).await.map_err(Broken::before)? {
        return Ok(refusal.into_response());
    }
    transaction.execute(APPEND, &[&key, &id]).await.map_err(Broken::before)?;
    postgres::wrote(&*transaction, DATASET, &unit, &key).await.map_err(Broken::before)?;
    transaction.commit().await.map_err(Broken::committing)?;
    let shows = shown(&client, &key).await;
    Ok(lists.answer(true, shows, json!({ "key": key, "id": id })))
}

impl Lists {
    fn answer(&self, wrote: bool, shows: Option<Mark>, mut body: Value) -> Response {
        if let Value::Object(fields) = &mut body {
            fields.insert("region".to_owned(), self.region.clone().into());
        }
        let mut response = ([say::wrote(wrote)], [(header::CACHE_CONTROL, "no-store")], Json(body)).into_response();
        response.headers_mut().extend(shows.as_ref().map(say::shows));
        response
    }

    /// Whether this is the primary, where tables can be made; the standbys get them with the data.
    async fn is_primary(&self) -> Result<bool, Failure> {
        Ok(!self.pool.get().await?.query_one("select pg_is_in_recovery()", &[]).await?.try_get::<_, bool>(0)?)
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Failure> {
    let given = |name: &str, default: &str| env::var(name).unwrap_or_else(|_| default.to_owned());
    let region = given("REGION", "us");
    let config: Config = given("DATABASE_URL", "host=127.0.0.1 user=postgres").parse()?;
    let pool = Pool::builder(Manager::new(config.clone(), NoTls)).max_size(16).build()?;
    let lists = Arc::new(Lists { region: region.clone(), pool });

    let settings = match env::var("ORIGIN_KEY") {
        Ok(key) => Settings::with_key(&region, &key)?,
        // For this machine alone: whoever reaches an address that is not signed owns its data.
        Err(_) => Settings::unsigned(&region),
    };
    let homing = Homing::new(settings, Postgres::new(&region, &config, NoTls), Arc::clone(&lists));
    if lists.is_primary().await? {
        lists.pool.get().await?.batch_execute(&format!("{}; {TABLE}", postgres::SCHEMA)).await?;
        // Who owns it from the start; whoever comes to know of a later epoch forgets this.
        homing.learn(&Unit::dataset(DATASET), &Ownership::new(&given("FIRST_HOME", "us"), 1)).await?;
    }

    let routes = Router::new().route("/lists/{key}", get(show).post(append)).with_state(lists);
    let listener = tokio::net::TcpListener::bind(given("LISTEN", "127.0.0.1:9301")).await?;
    println!("listening on {}", listener.local_addr()?);
    Ok(axum::serve(listener, routes.layer(homing.layer())).await?)
}

/// The database failed: the region's own trouble, so a read is tried elsewhere.
struct Broken {
    /// Whether it failed while committing. Before that nothing was written; from then on nobody can say.
    perhaps: bool,
    why: String,
}

impl Broken {
    fn before(why: impl std::fmt::Display) -> Self {
        Self { perhaps: false, why: why.to_string() }
    }

    fn committing(why: tokio_postgres::Error) -> Self {
        Self { perhaps: true, why: why.to_string() }
    }
}

impl IntoResponse for Broken {
    fn into_response(self) -> Response {
        let wrote = (!self.perhaps).then(|| say::wrote(false));
        let mut response = (StatusCode::SERVICE_UNAVAILABLE, [(header::RETRY_AFTER, "1")], self.why).into_response();
        response.headers_mut().extend(wrote);
        response
    }
}
