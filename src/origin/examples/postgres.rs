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
    Answer, Application, Asked, Failure, Homing, Mark, Ownership, Part, Refusal, Settings, Unit, say,
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
    let body = json!({ "key": key, "items": items, "region": lists.region });
    let answer = ([say::wrote(false)], [(header::CACHE_CONTROL, "no-store")], Json(body));
    Ok(showing(answer, shown(&client, &key).await))
}

/// What a read or a write of one list shows; asked behind it. Where that is not known the layer asks for all lists.
async fn shown(client: &Client, key: &str) -> Option<Mark> {
    postgres::shows_of(client, DATASET, &Unit::dataset(DATASET), key).await.ok().flatten()
}

fn showing(answer: impl IntoResponse, shows: Option<Mark>) -> Response {
    let mut response = answer.into_response();
    response.headers_mut().extend(shows.as_ref().map(say::shows));
    response
}

async fn append(
    State(lists): State<Arc<Lists>>,
    asked: Asked,
    Path(list): Path<String>,
    Json(body): Json<Value>,
) -> Result<Response, Broken> {
    let Some(id) = body.get("id").and_then(Value::as_str) else {
        return Ok((StatusCode::BAD_REQUEST, [say::wrote(false)], "expected {\"id\": \"…\"}").into_response());
    };
    // Nobody signs in here; else say who asks, for a key is its caller's.
    let key = asked.key(None, body.to_string().as_bytes())?;
    let mut client = lists.pool.get().await.map_err(Broken::before)?;
    let transaction = client.transaction().await.map_err(Broken::before)?;
    let unit = Unit::dataset(DATASET);
    let append = async {
        transaction.execute(APPEND, &[&list, &id]).await?;
        postgres::wrote(&*transaction, DATASET, &unit, &list).await?;
        let appended = json!({ "key": list, "id": id, "region": lists.region });
        Ok::<_, tokio_postgres::Error>(Answer::json(StatusCode::OK, &appended))
    };
    // Behind the fence that counts: nobody can move the ownership between this and the commit, in whatever process. And once: a
    // repeat gets the answer of the first, here or at the next home.
    let answer = postgres::once(&*transaction, &asked, &unit, &key, append).await.map_err(Broken::before)??;
    transaction.commit().await.map_err(Broken::committing)?;
    Ok(showing(answer, shown(&client, &list).await))
}

impl Lists {
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
        lists.pool.get().await?.batch_execute(&format!("{}; {}; {TABLE}", postgres::SCHEMA, postgres::KEYS)).await?;
        // Who owns it from the start; whoever comes to know of a later epoch forgets this.
        homing.learn(&Unit::dataset(DATASET), &Ownership::new(&given("FIRST_HOME", "us"), 1)).await?;
    }

    let routes = Router::new().route("/lists/{key}", get(show).post(append)).with_state(lists);
    let listener = tokio::net::TcpListener::bind(given("LISTEN", "127.0.0.1:9301")).await?;
    println!("listening on {}", listener.local_addr()?);
    Ok(axum::serve(listener, routes.layer(homing.layer())).await?)
}

/// Why there is no answer.
enum Broken {
    /// The database failed, and nothing was written: the region's own trouble, so a read is tried elsewhere.
    Before(String),
    /// It failed while committing: nobody can say whether it was written.
    Committing(String),
    /// The contract forbids it, and nothing was written.
    Refused(Refusal),
}

impl Broken {
    fn before(why: impl std::fmt::Display) -> Self {
        Self::Before(why.to_string())
    }

    fn committing(why: tokio_postgres::Error) -> Self {
        Self::Committing(why.to_string())
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
