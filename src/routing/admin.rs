//! Who may use the operators' API: a bearer token, compared in constant time.

use super::keys::same_secret;

/// Why a call is turned away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TurnedAway {
    /// No token is configured, so nobody may call.
    Closed,
    /// The call has no bearer token, or a wrong one.
    Unauthorized,
}

impl TurnedAway {
    /// The status.
    #[must_use]
    pub fn status(self) -> u16 {
        match self {
            Self::Closed => 403,
            Self::Unauthorized => 401,
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
        };
        serde_json::json!({ "type": "about:blank", "title": title, "status": self.status(), "detail": detail })
            .to_string()
    }
}

/// Whether a call with that `Authorization` may go on. In development no token need be set.
///
/// # Errors
/// With the reason, if it may not.
pub fn permit(authorization: Option<&str>, token: Option<&str>, dev: bool) -> Result<(), TurnedAway> {
    match token {
        None if dev => Ok(()),
        None => Err(TurnedAway::Closed),
        Some(token) => {
            let given = authorization.and_then(|line| line.split_once(' '));
            let given =
                given.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer")).map(|(_, given)| given.trim());
            if given.is_some_and(|given| same_secret(given, token)) { Ok(()) } else { Err(TurnedAway::Unauthorized) }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_token_opens() {
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
}
