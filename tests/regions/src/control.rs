//! Faults on demand, for people who want to see what happens and for tests: `POST /control`.

use std::{
    collections::HashMap,
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use axum::{
    Json,
    body::{Body, HttpBody, to_bytes},
    extract::{Request, State},
    http::StatusCode,
    middleware::Next,
    response::{IntoResponse, Response},
};
use homing_origin::{Ownership, Unit};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::Notify;

use crate::{Region, store::now};

/// Bodies up to this size are taken in before anything is decided, which may take so long.
const SMALL_BODY: u64 = 64 * 1024;
const SMALL_BODY_WITHIN: Duration = Duration::from_secs(30);

/// What a region does to requests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Mode {
    /// Answers.
    #[default]
    Ok,
    /// Has no socket: connections are refused, open ones dropped. The control port, 1000 higher, stays.
    Refuse,
    /// Accepts and never answers.
    Hang,
    /// Answers late.
    Slow,
    /// Answers 503.
    Error,
    /// Breaks the connection in the middle of the body.
    Reset,
}

/// The fence of a dataset that could do without.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fence {
    /// One owner has all of it.
    Whole,
    /// Each user's part has the owner of all that is that user's.
    ByUser,
}

#[derive(Default)]
struct Inner {
    mode: Mode,
    paths: Vec<String>,
    slow_ms: u64,
    lag_ms: i64,
    cut: Vec<String>,
    fence: Vec<String>,
    caught_up: HashMap<String, i64>,
    unreachable: Vec<String>,
    seen: VecDeque<Value>,
    count: u64,
}

/// The faults in force, and what was seen.
#[derive(Default)]
pub(crate) struct Faults {
    inner: Mutex<Inner>,
    changed: Notify,
}

/// The body of `POST /control`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Command {
    mode: Option<Mode>,
    /// Paths that the mode concerns, by their beginnings; all if none.
    paths: Option<Vec<String>>,
    slow_ms: Option<u64>,
    lag_ms: Option<i64>,
    cut: Option<Vec<String>>,
    die: Option<bool>,
    reset: Option<bool>,
    own: Option<Own>,
    /// The datasets of several writers that have a fence from now on: `likes` as a whole, `likes/user` by user.
    fence: Option<Vec<String>>,
}

/// Sets an ownership, as a directory would.
#[derive(Deserialize)]
struct Own {
    dataset: String,
    /// Of all that is this subject's, whatever the dataset.
    subject: Option<String>,
    home: String,
    epoch: u64,
}

impl Faults {
    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn mode(&self) -> Mode {
        self.inner().mode
    }

    /// The mode for that path.
    pub(crate) fn mode_for(&self, path: &str) -> (Mode, u64) {
        let inner = self.inner();
        let concerned = inner.paths.is_empty() || inner.paths.iter().any(|start| path.starts_with(start.as_str()));
        (if concerned { inner.mode } else { Mode::Ok }, inner.slow_ms)
    }

    pub(crate) async fn changed(&self) {
        self.changed.notified().await;
    }

    pub(crate) async fn refusing(&self) {
        loop {
            let changed = self.changed.notified();
            if self.mode() == Mode::Refuse {
                return;
            }
            changed.await;
        }
    }

    pub(crate) fn lag_ms(&self) -> i64 {
        self.inner().lag_ms
    }

    pub(crate) fn is_cut(&self, peer: &str) -> bool {
        self.inner().cut.iter().any(|name| name == peer)
    }

    /// Whether only an owner may write that dataset, though it has the merge for several: its own, or each user's of that user's part.
    pub(crate) fn fence(&self, dataset: &str) -> Option<Fence> {
        let inner = self.inner();
        let parts = inner.fence.iter().map(|name| name.split_once('/').unwrap_or((name, "")));
        let found = parts.filter(|(name, _)| *name == dataset).map(|(_, by)| by).next();
        found.map(|by| if by == "user" { Fence::ByUser } else { Fence::Whole })
    }

    pub(crate) fn caught_up(&self, peer: &str, at: i64) {
        let mut inner = self.inner();
        inner.caught_up.insert(peer.to_owned(), at);
        inner.unreachable.retain(|name| name != peer);
    }

    pub(crate) fn unreachable(&self, peer: &str) {
        let mut inner = self.inner();
        if !inner.unreachable.iter().any(|name| name == peer) {
            inner.unreachable.push(peer.to_owned());
        }
    }

    pub(crate) fn reachable(&self, peer: &str) -> bool {
        !self.inner().unreachable.iter().any(|name| name == peer)
    }

    /// Milliseconds behind a peer, once it has been reached.
    pub(crate) fn lag(&self, peer: &str) -> Option<i64> {
        self.inner().caught_up.get(peer).map(|at| (now() - at).max(0))
    }

    /// Notes a request; returns its number.
    pub(crate) fn note(&self, request: Value) -> u64 {
        let mut inner = self.inner();
        inner.count += 1;
        inner.seen.truncate(499);
        inner.seen.push_front(request);
        inner.count
    }

    pub(crate) fn seen(&self, path: &str) -> Vec<Value> {
        let concerns = |seen: &&Value| seen["target"].as_str().is_some_and(|target| target.starts_with(path));
        self.inner().seen.iter().filter(concerns).cloned().collect()
    }

    fn state(&self) -> Value {
        let inner = self.inner();
        json!({
            "mode": format!("{:?}", inner.mode).to_lowercase(), "paths": inner.paths, "slow_ms": inner.slow_ms,
            "lag_ms": inner.lag_ms, "cut": inner.cut, "requests": inner.count,
        })
    }
}

/// Carries out a command.
pub(crate) async fn command(State(region): State<Arc<Region>>, Json(command): Json<Command>) -> Response {
    if command.die == Some(true) {
        std::process::exit(1);
    }
    if let Some(own) = command.own {
        let unit = own.subject.as_deref().map_or_else(|| Unit::dataset(&own.dataset), Unit::subject);
        if let Err(error) = region.store.own(&unit, &Ownership::new(&own.home, own.epoch)) {
            return (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response();
        }
    }
    if command.reset == Some(true) {
        if let Err(error) = region.store.reset() {
            return (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response();
        }
        let mut inner = region.faults.inner();
        *inner = Inner { count: inner.count, ..Inner::default() };
    }
    {
        let mut inner = region.faults.inner();
        inner.slow_ms = command.slow_ms.unwrap_or(if inner.slow_ms == 0 { 2000 } else { inner.slow_ms });
        inner.lag_ms = command.lag_ms.unwrap_or(inner.lag_ms);
        inner.paths = command.paths.unwrap_or_else(|| std::mem::take(&mut inner.paths));
        inner.fence = command.fence.unwrap_or_else(|| std::mem::take(&mut inner.fence));
        inner.cut = command.cut.unwrap_or_else(|| std::mem::take(&mut inner.cut));
        inner.mode = command.mode.unwrap_or(inner.mode);
    }
    region.faults.changed.notify_waiters();
    Json(region.faults.state()).into_response()
}

/// Shows the faults in force.
pub(crate) async fn show(State(region): State<Arc<Region>>) -> Json<Value> {
    Json(region.faults.state())
}

/// Takes in a small body before anybody answers: hyper closes the connection of a request whose body nobody has read (a 404, a 405),
/// what still arrives then resets it, and a reset overtakes the answer.
async fn taken_in(request: Request) -> Result<Request, Response> {
    if request.body().size_hint().upper().is_none_or(|size| size > SMALL_BODY) {
        return Ok(request);
    }
    let (parts, body) = request.into_parts();
    match tokio::time::timeout(SMALL_BODY_WITHIN, to_bytes(body, usize::MAX)).await {
        Ok(Ok(bytes)) => Ok(Request::from_parts(parts, Body::from(bytes))),
        Ok(Err(_)) | Err(_) => Err(StatusCode::REQUEST_TIMEOUT.into_response()),
    }
}

/// Around every request: noted, and hurt if a fault is in force.
pub(crate) async fn around(State(region): State<Arc<Region>>, request: Request, next: Next) -> Response {
    let request = match taken_in(request).await {
        Ok(request) => request,
        Err(answer) => return answer,
    };
    let path = request.uri().path().to_owned();
    // What is for peers and for people at this machine does not answer whom the router brings.
    let inside = path.starts_with("/control") || path.starts_with("/replicate");
    if inside && request.headers().contains_key("cdn-loop") {
        return StatusCode::NOT_FOUND.into_response();
    }
    if path.starts_with("/control") {
        return next.run(request).await;
    }
    if !inside && !path.starts_with("/.well-known/homing") {
        let header = |name: &str| request.headers().get(name).and_then(|value| value.to_str().ok());
        region.faults.note(json!({
            "method": request.method().as_str(), "target": request.uri().to_string(), "at": now(),
            "home": header("homing-home"), "epoch": header("homing-epoch"), "intent": header("homing-intent"),
            "min_position": header("homing-min-position"),
        }));
    }
    match region.faults.mode_for(&path) {
        (Mode::Hang, _) => std::future::pending().await,
        (Mode::Slow, slow) => tokio::time::sleep(Duration::from_millis(slow)).await,
        (Mode::Error, _) => return StatusCode::SERVICE_UNAVAILABLE.into_response(),
        (Mode::Reset, _) => return crate::tools::broken_body(),
        (Mode::Ok | Mode::Refuse, _) => {}
    }
    next.run(request).await
}
