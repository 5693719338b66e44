//! The contract with the router: what it sends is read here, and what it may be told is written here.

use std::{convert::Infallible, sync::Arc};

use axum::{
    Json,
    body::Body,
    extract::{FromRequestParts, Request, State},
    http::{HeaderMap, HeaderValue, Method, StatusCode, request::Parts},
    middleware::Next,
    response::{IntoResponse, Response},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::{
    Region,
    control::Mode,
    position::{Position, position},
    store::{Owner, now},
};

/// How old a signature may be, in milliseconds.
const SIGNATURE_AGE: i64 = 60_000;

/// What the router said, and who the user is by the application's own cookie.
#[derive(Default)]
pub(crate) struct Asked {
    /// The ownership by which the request was sent: the fencing token of a write.
    pub(crate) claim: Option<Owner>,
    pub(crate) min_position: Option<String>,
    pub(crate) clock: Option<String>,
    pub(crate) repeat_key: Option<String>,
    pub(crate) user: Option<String>,
    /// The router does not know whose request this is, so it is told.
    pub(crate) unknown_subject: bool,
}

impl<S: Send + Sync> FromRequestParts<S> for Asked {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let text = |name: &str| parts.headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let epoch = text("homing-epoch").and_then(|epoch| epoch.parse().ok());
        let user = text("cookie")
            .and_then(|line| line.split(';').find_map(|pair| pair.trim().strip_prefix("app_user=").map(str::to_owned)));
        Ok(Self {
            claim: text("homing-home").zip(epoch).map(|(home, epoch)| Owner { home, epoch }),
            min_position: text("homing-min-position"),
            clock: text("homing-clock"),
            repeat_key: text("idempotency-key"),
            unknown_subject: text("homing-subject").is_none(),
            user,
        })
    }
}

/// The id by which the router knows a subject; it never sees the name outside of `Homing-Subject` on a response.
pub(crate) fn subject_id(kind: &str, name: &str) -> String {
    let mut id = URL_SAFE_NO_PAD.encode(Sha256::digest(format!("{kind}:{name}")));
    id.truncate(22);
    id
}

/// An error of the database; the client may try again.
pub(crate) struct Broken(rusqlite::Error);

impl From<rusqlite::Error> for Broken {
    fn from(error: rusqlite::Error) -> Self {
        Self(error)
    }
}

impl IntoResponse for Broken {
    fn into_response(self) -> Response {
        (StatusCode::INTERNAL_SERVER_ERROR, Json(json!({ "error": self.0.to_string() }))).into_response()
    }
}

/// The fence: a write is accepted only where this region owns what it writes, by the latest epoch that anybody has told it.
/// A claim with a later epoch is believed (that is how a first assignment gets here), an earlier one is refused with 421.
pub(crate) fn fence(
    region: &Region,
    asked: &Asked,
    dataset: &str,
    subject: &str,
) -> Result<Result<(), Response>, Broken> {
    let known = region.store.owner(dataset, subject)?;
    let owner = match (&asked.claim, known) {
        (Some(claim), Some(known)) if claim.epoch <= known.epoch => known,
        (Some(claim), _) => {
            region.store.own(dataset, subject, claim)?;
            if claim.home == region.name {
                region.store.announce(dataset, subject, claim)?;
            }
            claim.clone()
        }
        (None, Some(known)) => known,
        // Nobody has claimed this yet and nobody claims it now.
        (None, None) => return Ok(Ok(())),
    };
    Ok(if owner.home == region.name { Ok(()) } else { Err(misdirected(region, &owner)) })
}

fn misdirected(region: &Region, owner: &Owner) -> Response {
    let body =
        Json(json!({ "region": region.name, "error": "not the owner", "home": owner.home, "epoch": owner.epoch }));
    let headers = [
        ("homing-home", owner.home.clone()),
        ("homing-epoch", owner.epoch.to_string()),
        ("homing-wrote", "0".to_owned()),
    ];
    (StatusCode::MISDIRECTED_REQUEST, headers, body).into_response()
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

    /// Says how far this copy is: taken after the commit of a write, and after a read; and for a read how far it was before,
    /// which is what the answer shows at least.
    pub(crate) fn at(
        mut self,
        region: &Region,
        dataset: &str,
        subject: &str,
        before: Option<&Position>,
    ) -> Result<Self, Broken> {
        let Some(Position { owner, place }) = position(region, dataset, subject)? else { return Ok(self) };
        let least = before.filter(|before| before.owner == owner).map(|before| format!("; least={}", before.place));
        self = self.with("homing-position", &format!("{dataset}={place}{}", least.unwrap_or_default()));
        Ok(self.with("homing-home", &owner.home).with("homing-epoch", &owner.epoch.to_string()))
    }

    /// Heals a session that was lost: the router asked without a subject, and the application knows the user.
    pub(crate) fn naming(self, asked: &Asked) -> Self {
        match &asked.user {
            Some(user) if asked.unknown_subject => self.with("homing-subject", user),
            _ => self,
        }
    }
}

impl IntoResponse for Answer {
    fn into_response(self) -> Response {
        (self.status, self.headers, Json(self.body)).into_response()
    }
}

/// Around every request: noted, checked, hurt if a fault is in force, and told how far behind the peers this region is.
pub(crate) async fn around(State(region): State<Arc<Region>>, request: Request, next: Next) -> Response {
    let path = request.uri().path().to_owned();
    // What is for peers and for people at this machine does not answer whom the router brings.
    let inside = path.starts_with("/control") || path == "/replicate";
    if inside && request.headers().contains_key("cdn-loop") {
        return StatusCode::NOT_FOUND.into_response();
    }
    if path.starts_with("/control") {
        return next.run(request).await;
    }
    if path != "/replicate" && path != "/.well-known/homing" {
        let header = |name: &str| request.headers().get(name).and_then(|value| value.to_str().ok());
        region.faults.note(json!({
            "method": request.method().as_str(), "target": request.uri().to_string(), "at": now(),
            "home": header("homing-home"), "epoch": header("homing-epoch"), "intent": header("homing-intent"),
            "min_position": header("homing-min-position"),
        }));
    }
    match region.faults.mode_for(&path) {
        (Mode::Hang, _) => std::future::pending().await,
        (Mode::Slow, slow) => tokio::time::sleep(std::time::Duration::from_millis(slow)).await,
        (Mode::Error, _) => return StatusCode::SERVICE_UNAVAILABLE.into_response(),
        (Mode::Reset, _) => return crate::tools::broken_body(),
        (Mode::Ok | Mode::Refuse, _) => {}
    }
    if let Err(why) = check_signature(&region, &request) {
        return (StatusCode::FORBIDDEN, Json(json!({ "region": region.name, "error": why }))).into_response();
    }
    let mut response = next.run(request).await;
    let lags: Vec<_> =
        region.peers.iter().filter_map(|(peer, _)| Some(format!("{peer}={}", region.faults.lag(peer)?))).collect();
    if let Ok(value) = HeaderValue::from_str(&lags.join(", ")) {
        response.headers_mut().insert("homing-lag", value);
    }
    response
}

/// A write must carry the router's signature, if a key is configured: else anybody who finds the region could claim an epoch.
fn check_signature(region: &Region, request: &Request<Body>) -> Result<(), &'static str> {
    let Some(key) = &region.origin_key else { return Ok(()) };
    if matches!(*request.method(), Method::GET | Method::HEAD) {
        return Ok(());
    }
    let header = |name: &str| request.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or("");
    let (time, signature) = header("homing-signature")
        .strip_prefix("t=")
        .and_then(|rest| rest.split_once(";v="))
        .ok_or("a write needs the router's Homing-Signature")?;
    let target = request.uri().path_and_query().map_or("/", |target| target.as_str());
    let mut message = format!("{}\n{target}\n{time}", request.method());
    for name in ["region", "home", "epoch", "dataset", "subject", "intent", "min-position", "clock"] {
        message.push('\n');
        message.push_str(header(&format!("homing-{name}")));
    }
    let mut mac = Hmac::<Sha256>::new_from_slice(key.as_bytes()).map_err(|_| "the origin key is unusable")?;
    mac.update(message.as_bytes());
    let given = URL_SAFE_NO_PAD.decode(signature).map_err(|_| "the signature is not base64url")?;
    mac.verify_slice(&given).map_err(|_| "the signature is not the router's")?;
    let age = now() - time.parse::<i64>().map_err(|_| "the signature has no time")?;
    if age.abs() > SIGNATURE_AGE { Err("the signature is too old") } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn region() -> Region {
        Region::alone("eu")
    }

    fn asked(claim: Option<(&str, i64)>) -> Asked {
        let claim = claim.map(|(home, epoch)| Owner { home: home.to_owned(), epoch });
        Asked { claim, unknown_subject: true, ..Asked::default() }
    }

    fn verdict(region: &Region, claim: Option<(&str, i64)>) -> Result<(), String> {
        let fenced = fence(region, &asked(claim), "cart", "ada").ok().unwrap();
        fenced.map_err(|refused| refused.headers()["homing-home"].to_str().unwrap().to_owned())
    }

    #[test]
    fn the_fence_believes_later_epochs_only() {
        let region = region();
        assert_eq!(verdict(&region, None), Ok(()));
        assert_eq!(verdict(&region, Some(("eu", 1))), Ok(()));
        assert_eq!(verdict(&region, Some(("us", 1))), Ok(()), "the same epoch again names this region still");
        assert_eq!(verdict(&region, Some(("us", 2))), Err("us".to_owned()));
        assert_eq!(verdict(&region, Some(("eu", 1))), Err("us".to_owned()));
        assert_eq!(verdict(&region, None), Err("us".to_owned()));
        assert_eq!(verdict(&region, Some(("eu", 3))), Ok(()));
    }

    #[test]
    fn subjects_have_the_ids_that_the_router_gives_them() {
        assert_eq!(subject_id("user", "ada").len(), 22);
        assert_ne!(subject_id("user", "ada"), subject_id("tenant", "ada"));
    }
}
