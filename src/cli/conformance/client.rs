//! Requests to an origin, as the router, its authority and strangers send them.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde_json::Value;
use ureq::{
    Agent,
    http::{HeaderMap, Method, Request},
};

use homing_core::{Key, Timestamp, operate::Signed};

/// How long an origin may take to answer.
const PATIENCE: Duration = Duration::from_secs(15);

/// An origin under test.
#[derive(Clone)]
pub(super) struct Origin {
    agent: Agent,
    base: String,
    key: Option<Key>,
}

/// How a request is signed, where the origin has a key.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Seal {
    /// As the router does.
    Right,
    /// Not at all.
    Missing,
    /// With a key that nobody has.
    OtherKey,
    /// For another target.
    OtherTarget,
    /// Two minutes ago.
    Stale,
}

/// A request to be sent.
pub(super) struct Ask<'a> {
    pub(super) method: &'a str,
    pub(super) target: &'a str,
    /// Names of the contract's own go without `Homing-`.
    pub(super) contract: Vec<(&'static str, String)>,
    pub(super) headers: &'a [(String, String)],
    pub(super) body: Option<String>,
    pub(super) seal: Seal,
}

/// What came back.
pub(super) struct TrialAnswer {
    pub(super) status: u16,
    headers: HeaderMap,
    /// Null where it is no JSON.
    pub(super) body: Value,
    pub(super) text: String,
    pub(super) took: Duration,
}

impl TrialAnswer {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim)
    }

    /// What its JSON says there, as `/units/0/home`; null if it says nothing.
    pub(super) fn said(&self, pointer: &str) -> &Value {
        self.body.pointer(pointer).unwrap_or(&Value::Null)
    }

    pub(super) fn is_ok(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// The owner that a 421 names, and its epoch.
    pub(super) fn owner(&self) -> (Option<&str>, Option<u64>) {
        (self.header("homing-home"), self.header("homing-epoch").and_then(|epoch| epoch.parse().ok()))
    }
}

impl Origin {
    pub(super) fn new(base: &str, key: Option<Key>) -> Self {
        // An origin that refuses a write unread may close the connection behind its answer; the next request must not meet that.
        let config = Agent::config_builder().http_status_as_error(false).max_redirects(0).max_idle_connections(0);
        let agent = config.allow_non_standard_methods(true).timeout_global(Some(PATIENCE)).build().into();
        Self { agent, base: base.trim_end_matches('/').to_owned(), key }
    }

    /// Whether requests to it are signed.
    pub(super) fn is_signed(&self) -> bool {
        self.key.is_some()
    }

    pub(super) fn send(&self, ask: Ask<'_>) -> Result<TrialAnswer, String> {
        let named = |what: &str| format!("{} {}: {what}", ask.method, ask.target);
        let method = Method::from_bytes(ask.method.as_bytes()).map_err(|error| named(&error.to_string()))?;
        let mut request = Request::builder().method(method).uri(format!("{}{}", self.base, ask.target));
        for (name, value) in &ask.contract {
            request = request.header(format!("homing-{name}"), value);
        }
        for (name, value) in ask.headers {
            request = request.header(name, value);
        }
        if let Some(signature) = self.signature(&ask) {
            request = request.header("homing-signature", signature);
        }
        let began = Instant::now();
        let answer = match &ask.body {
            Some(body) => {
                request.body(body.as_str()).map_err(ureq::Error::from).and_then(|request| self.agent.run(request))
            }
            None => request.body(()).map_err(ureq::Error::from).and_then(|request| self.agent.run(request)),
        };
        let mut answer = answer.map_err(|error| named(&error.to_string()))?;
        let text = answer.body_mut().read_to_string().unwrap_or_default();
        let body = serde_json::from_str(&text).unwrap_or(Value::Null);
        let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
        Ok(TrialAnswer { status, headers, body, text, took: began.elapsed() })
    }

    fn signature(&self, ask: &Ask<'_>) -> Option<String> {
        let key = match ask.seal {
            Seal::Missing => return None,
            Seal::OtherKey => Key::new("a key that no origin has, of forty letters").ok()?,
            _ => self.key.clone()?,
        };
        let time = now() - if ask.seal == Seal::Stale { 120_000 } else { 0 };
        let other = if ask.seal == Seal::OtherTarget { "/other" } else { "" };
        let value = |name: &str| {
            let name = name.strip_prefix("homing-")?;
            ask.contract.iter().find(|(of, _)| *of == name).map(|(_, value)| value.as_str())
        };
        let target = &[ask.target, other].concat();
        Some(Signed { method: ask.method, target, at: Timestamp(time) }.signature(&key, value))
    }
}

/// Unix time in milliseconds.
pub(super) fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
