//! An application that several regions write, over SQLite: notes, where the later write wins, and likes, a set that merges.
//!
//! `REGION=us LISTEN=127.0.0.1:9301 cargo run -p homing-origin --example merge --features axum,merge,sqlite`. How operations get from
//! region to region is yours: here a script reads `/log/likes/us?after=0` of one and posts it to `/log` of the other.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::{
    Json, Router,
    extract::{Path, Query, State},
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::get,
};
use homing_origin::{
    Answer, Application, Asked, Failure, Homing, Settings, Unit,
    merge::{Change, ConflictQuery, Conflicts, Merge, Operation, Progress, Rule, Write, store::sqlite as merging},
    store::sqlite::{Sqlite, once},
};
use rusqlite::{Connection, TransactionBehavior};
use serde_json::{Value, json};

#[derive(Clone)]
struct App {
    db: Arc<Mutex<Connection>>,
    merge: Merge,
}

impl App {
    fn db(&self) -> MutexGuard<'_, Connection> {
        self.db.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// All that Homing asks of it.
impl Application for App {
    fn multi_writer(&self) -> Vec<String> {
        self.merge.datasets().map(str::to_owned).collect()
    }

    async fn progress(&self, dataset: &str) -> Result<Option<Progress>, Failure> {
        Ok(Some(merging::progress(&self.db(), dataset)?))
    }

    async fn conflicts(&self, query: &ConflictQuery) -> Result<Option<Conflicts>, Failure> {
        Ok(Some(merging::conflicts(&self.db(), query)?))
    }
}

/// `GET /notes/{key}`, `GET /likes/{key}`.
async fn show(State(app): State<App>, Path((dataset, key)): Path<(String, String)>) -> Result<Response, Broken> {
    let shown = merging::read(&app.db(), &app.merge, &dataset, &key)?;
    let answer = Answer::json(StatusCode::OK, &shown.value);
    Ok(shown.fields().into_iter().fold(answer, Answer::with).into_response())
}

/// `PUT /notes/{key}` with a text, `PUT /likes/{key}` with who likes it.
async fn put(
    State(app): State<App>,
    asked: Asked,
    Path((dataset, key)): Path<(String, String)>,
    body: String,
) -> Result<Response, Broken> {
    let (change, what) = match dataset.as_str() {
        "notes" => (Change::put(body.as_str()), "note"),
        _ => (Change::add(&body), "like"),
    };
    let repeat = match asked.key(None, body.as_bytes()) {
        Ok(repeat) => repeat,
        Err(refusal) => return Ok(refusal.into_response()),
    };
    let mut db = app.db();
    let transaction = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let done = once(&transaction, &asked, &Unit::dataset(&dataset), &repeat, || {
        let write = Write::new(&dataset, &key, change).told(None, what);
        match merging::append(&transaction, &app.merge, &asked, write)? {
            Ok(written) => {
                let answer = Answer::json(StatusCode::OK, &written.shown.value);
                Ok::<_, Broken>(written.fields().into_iter().fold(answer, Answer::with))
            }
            Err(refusal) => Err(Broken::Refused(refusal)),
        }
    });
    let answer = match done {
        Ok(Ok(answer)) => answer,
        Ok(Err(refusal)) | Err(Broken::Refused(refusal)) => return Ok(refusal.into_response()),
        Err(error) => return Err(error),
    };
    transaction.commit()?;
    Ok(answer.into_response())
}

/// `GET /log/{dataset}/{owner}?after=17`: what a peer asks for.
async fn log(
    State(app): State<App>,
    Path((dataset, owner)): Path<(String, String)>,
    Query(after): Query<std::collections::BTreeMap<String, u64>>,
) -> Result<Json<Vec<Operation>>, Broken> {
    let after = after.get("after").copied().unwrap_or(0);
    Ok(Json(merging::since(&app.db(), &dataset, &owner, after, 1000)?))
}

/// `POST /log`: what a peer, or a script, brings.
async fn take_in(State(app): State<App>, Json(operations): Json<Vec<Operation>>) -> Result<Json<Value>, Broken> {
    let mut db = app.db();
    let transaction = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let taken = merging::take_in(&transaction, &app.merge, &operations)?;
    transaction.commit()?;
    Ok(Json(json!({ "applied": taken.applied, "known": taken.known, "gaps": taken.gaps.len() })))
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Failure> {
    let variable = |name: &str, usual: &str| std::env::var(name).unwrap_or_else(|_| usual.to_owned());
    let region = variable("REGION", "us");
    let connection = Connection::open(variable("DATABASE", ":memory:"))?;
    merging::make(&connection)?;
    let merge =
        Merge::new(&region, ["us", "eu", "ap"]).dataset("notes", Rule::LastWriteWins).dataset("likes", Rule::Set);
    let app = App { db: Arc::new(Mutex::new(connection)), merge };
    let store = Sqlite::new(Arc::clone(&app.db))?;
    let settings = match std::env::var("ORIGIN_KEY") {
        Ok(key) => Settings::with_key(&region, &key)?,
        // It listens on this machine alone.
        Err(_) => Settings::unsigned(&region),
    };
    let homing = Homing::new(settings, store, app.clone());
    let tending = app.clone();
    tokio::spawn(async move {
        loop {
            tokio::time::sleep(std::time::Duration::from_secs(5)).await;
            let mut db = tending.db();
            let Ok(transaction) = db.transaction_with_behavior(TransactionBehavior::Immediate) else { continue };
            let all = tending
                .merge
                .datasets()
                .try_for_each(|name| merging::tend(&transaction, &tending.merge, name).map(|_| ()));
            if all.and_then(|()| transaction.commit()).is_err() {
                eprintln!("the log could not be tended; once more in 5 s");
            }
        }
    });
    let routes = Router::new()
        .route("/log", axum::routing::post(take_in))
        .route("/log/{dataset}/{owner}", get(log))
        .route("/{dataset}/{key}", get(show).put(put))
        .with_state(app);
    let listener = tokio::net::TcpListener::bind(variable("LISTEN", "127.0.0.1:9301")).await?;
    Ok(axum::serve(listener, routes.layer(homing.layer())).await?)
}

/// Nothing was written.
enum Broken {
    Database(rusqlite::Error),
    Refused(homing_origin::Refusal),
}

impl From<rusqlite::Error> for Broken {
    fn from(error: rusqlite::Error) -> Self {
        Self::Database(error)
    }
}

impl IntoResponse for Broken {
    fn into_response(self) -> Response {
        match self {
            Self::Refused(refusal) => refusal.into_response(),
            Self::Database(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
        }
    }
}
