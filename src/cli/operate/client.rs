//! Calls to `/_homing/api/`.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::Value;

use homing_core::config::is_local_url;

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(15);

pub(crate) struct Client {
    agent: ureq::Agent,
    base: String,
    token: Option<String>,
}

/// A variable of the environment, unless it is empty.
pub(super) fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// An id that nobody has used before.
pub(super) fn request_id(actor: &str) -> String {
    let micros = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_micros());
    format!("{actor:.100}-{micros:x}-{:x}", std::process::id())
}

type Sent = Result<ureq::http::Response<ureq::Body>, ureq::Error>;

/// Why there is no answer that counts.
pub(super) enum Unanswered {
    /// It was not accepted, and will not be.
    Refused(String),
    /// It may be the next time.
    Failed(String),
}

impl Client {
    pub(crate) fn new(url: Option<&str>) -> Result<Self, String> {
        let url = url.map(str::to_owned).or_else(|| variable("HOMING_URL"));
        let url = url.unwrap_or_else(|| "http://localhost:8787".to_owned());
        if !url.starts_with("http://") && !url.starts_with("https://") {
            return Err(format!("the router's address is {url:?}; expected http://… or https://…"));
        }
        let base = format!("{}/_homing/api/", url.trim_end_matches('/'));
        let token = variable("HOMING_TOKEN");
        if token.is_some() && url.starts_with("http://") && !is_local_url(&url) {
            return Err(format!("the router's address is {url:?}. The token is sent over https:// only"));
        }
        // A redirect is never followed: the token is for this address alone.
        let config = ureq::Agent::config_builder().http_status_as_error(false).max_redirects(0);
        let agent = config.timeout_global(Some(PATIENCE)).build().into();
        Ok(Self { agent, base, token })
    }

    /// The router's address.
    pub(crate) fn url(&self) -> &str {
        self.base.trim_end_matches("/_homing/api/")
    }

    /// Status and body of what lies under `/_homing/`, with the token or without; or why there is no answer in that time.
    pub(crate) fn look(&self, what: &str, with_token: bool, patience: Duration) -> Result<(u16, String), String> {
        let url = format!("{}/_homing/{what}", self.url());
        let request = self.agent.get(&url).config().timeout_global(Some(patience)).build();
        let answer = match self.token.as_ref().filter(|_| with_token) {
            Some(token) => request.header("authorization", format!("Bearer {token}")).call(),
            None => request.call(),
        };
        let mut answer = answer.map_err(|error| format!("{url} does not answer: {error}"))?;
        let status = answer.status().as_u16();
        let text = answer.body_mut().read_to_string().map_err(|error| format!("{url}: {error}"))?;
        Ok((status, text))
    }

    pub(crate) fn get(&self, what: &str) -> Result<Value, String> {
        let request = self.agent.get(format!("{}{what}", self.base));
        self.answer(match &self.token {
            Some(token) => request.header("authorization", format!("Bearer {token}")).call(),
            None => request.call(),
        })
    }

    /// Sends something that does no harm if it is done twice.
    pub(super) fn post(&self, what: &str, body: &Value) -> Result<Value, Unanswered> {
        let sent = self.send(what, body);
        let is_final = sent.as_ref().is_ok_and(|answer| answer.status().is_client_error());
        self.answer(sent).map_err(if is_final { Unanswered::Refused } else { Unanswered::Failed })
    }

    /// Gives an order; the id in it makes it safe to give it once more where no answer came.
    pub(super) fn order(&self, order: &Value) -> Result<Value, String> {
        self.answer(self.send("orders", order).or_else(|_| self.send("orders", order)))
    }

    fn send(&self, what: &str, body: &Value) -> Sent {
        let request = self.agent.post(format!("{}{what}", self.base)).header("content-type", "application/json");
        match &self.token {
            Some(token) => request.header("authorization", format!("Bearer {token}")).send(body.to_string()),
            None => request.send(body.to_string()),
        }
    }

    fn answer(&self, answer: Sent) -> Result<Value, String> {
        let base = &self.base;
        let mut response = answer.map_err(|error| {
            format!("{base} does not answer: {error}. Is the router running there? Set its address with --url or HOMING_URL.")
        })?;
        let status = response.status();
        let text = response.body_mut().read_to_string().map_err(|error| format!("{base}: {error}"))?;
        let body: Value = serde_json::from_str(&text)
            .map_err(|_| format!("{base} answered {status} without JSON. Is it a Homing router?"))?;
        if status.is_success() {
            return Ok(body);
        }
        let detail = body.get("detail").and_then(Value::as_str).unwrap_or(&text);
        let remedy = if status == 401 { " The command reads it from HOMING_TOKEN." } else { "" };
        Err(format!("{detail}{remedy}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_token_stays_on_this_machine_where_nothing_is_encrypted() {
        for here in ["http://localhost", "http://localhost:8787/", "http://127.0.0.1:1", "http://[::1]:8787"] {
            assert!(is_local_url(here), "{here}");
        }
        for elsewhere in [
            "http://localhost.example.com",
            "http://127.0.0.1.example.com:80",
            "http://localhost:80@example.com",
            "http://example.com\\.localhost",
            "http://me:1@example.com",
            "http://localhost@example.com",
        ] {
            assert!(!is_local_url(elsewhere), "{elsewhere}");
        }
    }
}
