//! An axum application of one table that keeps the whole contract: `cargo run -p homing-origin --example minimal --features
//! axum,sqlite`, then `homing conformance http://127.0.0.1:9301 --path /items/1 --dataset items --region us`.

use std::sync::{Arc, Mutex, PoisonError};

use axum::{
    Router,
    extract::{Path, State},
    response::{IntoResponse, Response},
    routing::get,
};
use homing_origin::{
    Application, Asked, Failure, Homing, Mark, Ownership, Part, Settings, Unit, say,
    store::sqlite::{self, Sqlite},
};
use rusqlite::{Connection, OptionalExtension, TransactionBehavior, params};

#[derive(Clone)]
struct Items(Arc<Mutex<Connection>>);

/// What Homing asks of the application. Only how far it is and what was written last is said here; the other methods have defaults.
impl Application for Items {
    fn datasets(&self) -> Vec<String> {
        vec!["items".to_owned()]
    }

    async fn position(&self, _: Part<'_>) -> Result<Option<String>, Failure> {
        let connection = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let writes: i64 = connection.query_row("select coalesce(max(write), 0) from items", [], |row| row.get(0))?;
        Ok(Some(writes.to_string()))
    }

    async fn shows(&self, part: Part<'_>) -> Result<Option<Mark>, Failure> {
        Ok(sqlite::shows(&self.0.lock().unwrap_or_else(PoisonError::into_inner), part)?)
    }
}

async fn show(State(items): State<Items>, Path(id): Path<String>) -> Result<Response, Broken> {
    let connection = items.0.lock().unwrap_or_else(PoisonError::into_inner);
    let text =
        connection.query_row("select text from items where id = ?", [id], |row| row.get::<_, String>(0)).optional()?;
    Ok(([say::wrote(false)], text.unwrap_or_default()).into_response())
}

async fn put(
    State(items): State<Items>,
    asked: Asked,
    Path(id): Path<String>,
    text: String,
) -> Result<Response, Broken> {
    let mut connection = items.0.lock().unwrap_or_else(PoisonError::into_inner);
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let items = Unit::dataset("items");
    // The fence that counts: nobody can move the ownership between this and the commit.
    if let Err(refusal) = sqlite::fence(&transaction, &asked, &items)? {
        return Ok(refusal.into_response());
    }
    let write: i64 = transaction.query_row("select coalesce(max(write), 0) + 1 from items", [], |row| row.get(0))?;
    transaction.execute("insert or replace into items values (?, ?, ?)", params![id, text, write])?;
    // What reads show from now on, and in whose log.
    if let Some(owner) = sqlite::standing(&transaction, &items)?.owner {
        sqlite::wrote(&transaction, "items", &items, &Mark { owner, position: write.to_string() })?;
    }
    transaction.commit()?;
    Ok([say::wrote(true)].into_response())
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Failure> {
    let connection = Connection::open_in_memory()?;
    connection.execute_batch("create table items (id text primary key, text text, write integer)")?;
    let items = Items(Arc::new(Mutex::new(connection)));
    let store = Sqlite::new(Arc::clone(&items.0))?;

    let settings = match std::env::var("ORIGIN_KEY") {
        Ok(key) => Settings::with_key("us", &key)?,
        // It listens on this machine alone.
        Err(_) => Settings::unsigned("us"),
    };
    let homing = Homing::new(settings, store, items.clone());
    // Who owns it from the start; whoever comes to know of a later epoch forgets this.
    homing.learn(&Unit::dataset("items"), &Ownership::new("us", 1)).await?;

    let routes = Router::new().route("/items/{id}", get(show).put(put)).with_state(items);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:9301").await?;
    Ok(axum::serve(listener, routes.layer(homing.layer())).await?)
}

/// The database failed, and the transaction with it: nothing was written.
struct Broken(rusqlite::Error);

impl From<rusqlite::Error> for Broken {
    fn from(error: rusqlite::Error) -> Self {
        Self(error)
    }
}

impl IntoResponse for Broken {
    fn into_response(self) -> Response {
        (axum::http::StatusCode::INTERNAL_SERVER_ERROR, [say::wrote(false)], self.0.to_string()).into_response()
    }
}
