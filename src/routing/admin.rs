//! Who may use the operators' API: a bearer token, compared in constant time, and only so often tried in vain.

use std::{collections::HashMap, time::Duration};

use super::{keys::same_secret, time::Timestamp};

/// So many wrong tokens from one address in that time, and the isolate does not listen to it until it is over. By address, so
/// that who guesses shuts nobody else out.
const MOST_FAILURES: u32 = 10;
const FAILURES_IN: Duration = Duration::from_secs(60);
/// The most addresses that are remembered; past it the memory starts anew.
const MOST_ADDRESSES: usize = 1000;

/// Why a call is turned away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TurnedAway {
    /// No token is configured, so nobody may call.
    Closed,
    /// The call has no bearer token, or a wrong one.
    Unauthorized,
    /// Too many wrong tokens lately.
    TooMany,
}

impl TurnedAway {
    /// The status.
    #[must_use]
    pub fn status(self) -> u16 {
        match self {
            Self::Closed => 403,
            Self::Unauthorized => 401,
            Self::TooMany => 429,
        }
    }

    /// The body, as `application/problem+json`.
    #[must_use]
    pub fn body(self) -> String {
        let (title, detail) = match self {
            Self::Closed => ("Forbidden", "No ADMIN_TOKEN is set. Set one: `npx wrangler secret put ADMIN_TOKEN`."),
            Self::Unauthorized => {
                ("Unauthorized", "Send `Authorization: Bearer` with the ADMIN_TOKEN of this deployment.")
            }
            Self::TooMany => (
                "Too Many Requests",
                "Too many wrong tokens came within a minute. Wait for the time in Retry-After, then send the right one.",
            ),
        };
        serde_json::json!({ "type": "about:blank", "title": title, "status": self.status(), "detail": detail })
            .to_string()
    }
}

/// What one isolate remembers of wrong tokens.
#[derive(Clone, Debug, Default)]
pub struct Guard {
    failures: HashMap<String, (u32, Timestamp)>,
}

/// A call to the API.
#[derive(Clone, Copy, Debug)]
pub struct Call<'a> {
    /// Its `Authorization`.
    pub authorization: Option<&'a str>,
    /// The client's address, where it is known.
    pub address: &'a str,
    /// When it came.
    pub now: Timestamp,
}

impl Guard {
    /// Whether a call with that `Authorization` may go on. In development no token need be set.
    ///
    /// # Errors
    /// With the reason, if it may not.
    pub fn permit(&mut self, call: Call<'_>, token: Option<&str>, dev: bool) -> Result<(), TurnedAway> {
        let Some(token) = token else { return if dev { Ok(()) } else { Err(TurnedAway::Closed) } };
        let lately = |(_, since): &(u32, Timestamp)| call.now.since(*since) < FAILURES_IN;
        let failures = self.failures.get(call.address).filter(|held| lately(held)).copied();
        if failures.is_some_and(|(failures, _)| failures >= MOST_FAILURES) {
            return Err(TurnedAway::TooMany);
        }
        let given = call.authorization.and_then(|line| line.split_once(' '));
        let given = given.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer")).map(|(_, given)| given.trim());
        let Some(given) = given else {
            // Asking without any token tells nothing, and browsers do it.
            return Err(TurnedAway::Unauthorized);
        };
        if same_secret(given, token) {
            return Ok(());
        }
        if self.failures.len() >= MOST_ADDRESSES {
            self.failures.clear();
        }
        let (before, since) = failures.unwrap_or((0, call.now));
        self.failures.insert(call.address.to_owned(), (before + 1, since));
        Err(TurnedAway::Unauthorized)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call<'a>(authorization: Option<&'a str>, address: &'a str, at: u64) -> Call<'a> {
        Call { authorization, address, now: Timestamp(at) }
    }

    #[test]
    fn only_the_token_opens() {
        let permit = |given, token, dev| Guard::default().permit(call(given, "", 0), token, dev);
        assert_eq!(permit(Some("Bearer secret"), Some("secret"), false), Ok(()));
        assert_eq!(permit(Some("bearer  secret"), Some("secret"), true), Ok(()));
        for wrong in
            [None, Some(""), Some("secret"), Some("Basic secret"), Some("Bearer secre"), Some("Bearer secret2")]
        {
            assert_eq!(permit(wrong, Some("secret"), true), Err(TurnedAway::Unauthorized));
        }
        assert_eq!(permit(None, None, true), Ok(()));
        assert_eq!(permit(Some("Bearer x"), None, false), Err(TurnedAway::Closed));
    }

    #[test]
    fn who_guesses_is_not_heard_for_a_minute_and_shuts_nobody_else_out() {
        let mut guard = Guard::default();
        let mut permit = |given, address, at| guard.permit(call(Some(given), address, at), Some("secret"), false);
        for at in 0..10 {
            assert_eq!(permit("Bearer guess", "192.0.2.1", at), Err(TurnedAway::Unauthorized));
        }
        assert_eq!(permit("Bearer secret", "192.0.2.1", 50_000), Err(TurnedAway::TooMany));
        assert_eq!(permit("Bearer secret", "192.0.2.2", 50_000), Ok(()));
        assert_eq!(permit("Bearer secret", "192.0.2.1", 60_000), Ok(()));
    }
}
