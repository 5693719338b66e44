//! The application's part in the contract with the router; the rest is the origin kit's.

use std::time::Duration;

use axum::{
    Json,
    extract::FromRequestParts,
    http::{HeaderMap, HeaderValue, StatusCode, request::Parts},
    response::{IntoResponse, Response},
};
use homing_origin::{
    Application, Asked, Failure, Mark, Ownership, Part, Peer, Refusal, Unit,
    merge::{ConflictQuery, Conflicts, Progress},
    say,
};
use serde_json::{Value, json};

use crate::Region;

/// The datasets that are split by subjects; the logs are the same, and so are the positions.
const SPLIT: [&str; 2] = ["cart", "notes"];

impl Application for Region {
    fn datasets(&self) -> Vec<String> {
        vec!["catalog".to_owned()]
    }

    fn split(&self) -> Vec<String> {
        SPLIT.map(str::to_owned).to_vec()
    }

    /// How much of the owner's log is applied here.
    async fn position(&self, part: Part<'_>) -> Result<Option<String>, Failure> {
        let Some(owner) = part.owner else { return Ok(None) };
        Ok(Some(self.store.applied(&owner.home)?.to_string()))
    }

    /// The last write of the part, as it is noted where the log is folded.
    async fn shows(&self, part: Part<'_>) -> Result<Option<Mark>, Failure> {
        Ok(self.store.shows(part)?)
    }

    async fn reached(&self, part: Part<'_>, mark: &Mark) -> Result<bool, Failure> {
        let wanted: i64 = mark.position.parse()?;
        // Asked of a split dataset as a whole: its epochs are its subjects'. A region's log never forks, so its length will do.
        let whole = part.unit.as_dataset().is_some_and(|dataset| SPLIT.contains(&dataset));
        let same = whole || part.owner == Some(&mark.owner);
        Ok(same && self.store.applied(&mark.owner.home)? >= wanted)
    }

    async fn announce(&self, unit: &Unit, owner: &Ownership) -> Result<(), Failure> {
        Ok(self.store.announce(unit, owner)?)
    }

    fn peers(&self) -> Vec<Peer> {
        let lag = |peer: &str| self.faults.lag(peer).and_then(|lag| u64::try_from(lag).ok()).map(Duration::from_millis);
        let peer = |name: &String| Peer { name: name.clone(), lag: lag(name), reachable: self.faults.reachable(name) };
        self.peers.iter().map(|(name, _)| peer(name)).collect()
    }

    fn multi_writer(&self) -> Vec<String> {
        self.store.datasets()
    }

    /// What several regions write has a log of each of them, and so as many positions.
    async fn progress(&self, dataset: &str) -> Result<Option<Progress>, Failure> {
        Ok(self.store.progress(dataset)?)
    }

    async fn conflicts(&self, query: &ConflictQuery) -> Result<Option<Conflicts>, Failure> {
        Ok(Some(self.store.conflicts(query)?))
    }
}

/// What the router asked, and who the user is by the application's own cookie.
pub(crate) struct Caller {
    pub(crate) asked: Asked,
    pub(crate) user: Option<String>,
}

impl<S: Send + Sync> FromRequestParts<S> for Caller {
    type Rejection = <Asked as FromRequestParts<S>>::Rejection;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Self::Rejection> {
        let text = |name: &str| parts.headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let user = text("cookie")
            .and_then(|line| line.split(';').find_map(|pair| pair.trim().strip_prefix("app_user=").map(str::to_owned)));
        Ok(Self { user, asked: Asked::from_request_parts(parts, state).await? })
    }
}

impl Caller {
    /// Heals a session that was lost: the router asked without a subject, and the application knows the user.
    pub(crate) fn naming(&self) -> Option<say::Field> {
        self.user.as_deref().filter(|_| self.asked.subject.is_none()).map(say::subject)
    }
}

/// Why a handler could not do what it was asked.
pub(crate) enum Broken {
    /// The database failed; the client may try again.
    Database(rusqlite::Error),
    /// The contract forbids it, and nothing was done.
    Refused(Refusal),
}

impl From<rusqlite::Error> for Broken {
    fn from(error: rusqlite::Error) -> Self {
        Self::Database(error)
    }
}

impl From<Refusal> for Broken {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl IntoResponse for Broken {
    fn into_response(self) -> Response {
        match self {
            Self::Database(error) => {
                (StatusCode::INTERNAL_SERVER_ERROR, Json(json!({ "error": error.to_string() }))).into_response()
            }
            Self::Refused(refusal) => refusal.into_response(),
        }
    }
}

/// What a handler answers: JSON, and what the router is told beside it.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) body: Value,
    pub(crate) headers: HeaderMap,
}

impl Answer {
    pub(crate) fn new(region: &Region, mut body: Value) -> Self {
        if let Value::Object(fields) = &mut body {
            fields.insert("region".to_owned(), json!(region.name));
        }
        Self { status: StatusCode::OK, body, headers: HeaderMap::new() }
    }

    pub(crate) fn with(mut self, name: &'static str, value: &str) -> Self {
        if let Ok(value) = HeaderValue::from_str(value) {
            self.headers.append(name, value);
        }
        self
    }

    pub(crate) fn saying(mut self, field: say::Field) -> Self {
        self.headers.extend([field]);
        self
    }

    pub(crate) fn naming(mut self, caller: &Caller) -> Self {
        self.headers.extend(caller.naming());
        self
    }
}

impl IntoResponse for Answer {
    fn into_response(self) -> Response {
        (self.status, self.headers, Json(self.body)).into_response()
    }
}
