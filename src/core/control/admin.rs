//! Who may use the operators' side, `/_homing/*`: on which host, from where, with which token.
//!
//! Nobody guesses a token of 32 random characters, so what is left to a hostile client is to let somebody else's browser ask (other
//! pages, refused by what browsers say of themselves), to find a deployment whose token was forgotten (closed, but for who sits at
//! the machine that runs it in development), and to keep the operators out (no number of wrong tokens does).

use std::{collections::HashMap, time::Duration};

use crate::{
    http::{
        headers::Headers,
        local::Caller,
        problem_details::ProblemDetails,
        url::{Url, host},
    },
    model::{
        keys::{MIN_SECRET, same_secret},
        time::Timestamp,
    },
};

/// So many wrong tokens from one address in that time, and it is told to wait (RFC 6585 section 4). The right token is heard all the same.
const MOST_FAILURES: u32 = 10;
const FAILURES_IN: Duration = Duration::from_secs(60);
/// The most addresses that are remembered; past it the memory starts anew.
const MOST_ADDRESSES: usize = 1000;
/// The longest name of a host (RFC 1035 section 2.3.4).
const LONGEST_HOST: usize = 253;

/// Why a call is turned away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TurnedAway {
    /// The operators have a host of their own, and this is another.
    Elsewhere,
    /// A page of another site has sent it.
    Foreign,
    /// No token is configured, and the call is not from this machine in development: nobody may call.
    Closed,
    /// The token that is configured is too short to be one: nobody may call.
    ShortToken,
    /// The call has no bearer token, or a wrong one.
    Unauthorized,
    /// Wrong tokens, too many of them lately.
    TooMany,
    /// An order that is not JSON: what a form of any page can send.
    NotJson,
}

impl TurnedAway {
    /// The status.
    #[must_use]
    pub fn status(self) -> u16 {
        match self {
            Self::Unauthorized => 401,
            Self::Foreign | Self::Closed | Self::ShortToken => 403,
            Self::Elsewhere => 404,
            Self::NotJson => 415,
            Self::TooMany => 429,
        }
    }

    fn detail(self) -> &'static str {
        match self {
            // Which host it would be is nobody's business here.
            Self::Elsewhere => "There is nothing here.",
            Self::Foreign => {
                "A page of another site has sent this (Sec-Fetch-Site, Origin). The API is for the dashboard of this very host, and \
                 for commands."
            }
            Self::Closed => {
                "No ADMIN_TOKEN is set. Set one: `openssl rand -base64 32 | npx wrangler secret put ADMIN_TOKEN`. Without one the API \
                 answers in development only (DEV), to this machine, by the name localhost."
            }
            Self::ShortToken => {
                "The ADMIN_TOKEN that is set has fewer than 32 characters, so nobody is let in. Set another: `openssl rand -base64 32 \
                 | npx wrangler secret put ADMIN_TOKEN`."
            }
            Self::Unauthorized => "Send `Authorization: Bearer` with the ADMIN_TOKEN of this deployment.",
            Self::NotJson => "An order is JSON: send it with `Content-Type: application/json`.",
            Self::TooMany => {
                "Too many wrong tokens came within a minute. The right one is accepted at once; with a wrong one wait for the time in \
                 Retry-After."
            }
        }
    }

    /// The body, as `application/problem+json`.
    #[must_use]
    pub fn body(self) -> String {
        ProblemDetails::new(self.status(), self.detail()).body()
    }
}

/// What the deployment says of who may come in.
#[derive(Clone, Copy, Debug, Default)]
pub struct Door<'a> {
    /// The secret `ADMIN_TOKEN`.
    pub token: Option<&'a str>,
    /// The var `ADMIN_HOST`: the only host on which `/_homing/*` is there. One that is no host's name is none.
    pub host: Option<&'a str>,
    /// The var `DEV`.
    pub dev: bool,
}

/// A request to `/_homing/*`.
#[derive(Clone, Debug)]
pub struct Call<'a> {
    /// Its raw method.
    pub method: &'a str,
    /// Its URL.
    pub url: &'a str,
    /// Its header fields, at least those of [`Call::FIELDS`].
    pub headers: Headers<'a>,
    /// When it came.
    pub now: Timestamp,
}

impl Call<'_> {
    /// The header fields that are looked at.
    pub const FIELDS: [&'static str; 6] =
        ["authorization", "content-type", "origin", "sec-fetch-site", "cf-ray", "cf-connecting-ip"];

    fn authority(&self) -> &str {
        Url::parse(self.url).map_or("", |url| url.authority)
    }

    /// Whether somebody at this machine asks.
    fn is_here(&self) -> bool {
        Caller::of(self.authority(), &self.headers).is_here()
    }

    /// Whether a page of another site has sent it, as browsers say (Fetch Metadata, section 2.3; RFC 6454 section 7). A site next to
    /// this one, another port or scheme of this host, and a page without an origin are other sites. Who says nothing is no page.
    fn is_foreign(&self) -> bool {
        let site = self.headers.get("sec-fetch-site").is_some_and(|site| !matches!(site, "same-origin" | "none"));
        let own = Url::parse(self.url).map(|url| format!("{}://{}", url.scheme, url.authority));
        let same = |origin: &str| own.as_ref().is_some_and(|own| own.eq_ignore_ascii_case(origin));
        site || self.headers.get("origin").is_some_and(|origin| !same(origin))
    }

    fn is_order(&self) -> bool {
        !matches!(self.method, "GET" | "HEAD")
    }

    /// Whether its content is said to be JSON. A page of another site cannot say so without being asked about it first (Fetch, section
    /// 4.8, CORS-preflight), and no answer here allows it.
    fn is_json(&self) -> bool {
        let kind = self.headers.get("content-type").and_then(|kind| kind.split(';').next());
        kind.is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/json"))
    }

    fn token(&self) -> Option<&str> {
        let (scheme, given) = self.headers.get("authorization")?.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| given.trim())
    }
}

/// Whether a text is the name of a host and nothing more.
#[must_use]
pub fn is_host(text: &str) -> bool {
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
    text.len() <= LONGEST_HOST && text.split('.').all(|label| !label.is_empty() && label.bytes().all(legal))
}

impl Door<'_> {
    /// Whether there is anything under `/_homing/` for this call. In development this machine's own names are the operators' as well.
    ///
    /// # Errors
    /// If the operators have another host.
    pub fn is_at(&self, call: &Call<'_>) -> Result<(), TurnedAway> {
        let asked = host(call.authority());
        let asked = asked.strip_suffix('.').unwrap_or(asked);
        let own = |wanted: &str| is_host(wanted) && asked.eq_ignore_ascii_case(wanted);
        let there = self.host.is_none_or(own) || self.dev && call.is_here();
        if there { Ok(()) } else { Err(TurnedAway::Elsewhere) }
    }
}

/// What one isolate remembers of wrong tokens.
#[derive(Clone, Debug, Default)]
pub struct Guard {
    failures: HashMap<String, (u32, Timestamp)>,
}

impl Guard {
    /// Whether a call to the API may go on.
    ///
    /// # Errors
    /// With the reason, if it may not.
    pub fn permit(&mut self, call: &Call<'_>, door: &Door<'_>) -> Result<(), TurnedAway> {
        door.is_at(call)?;
        if call.is_foreign() {
            return Err(TurnedAway::Foreign);
        }
        match door.token {
            None if door.dev && call.is_here() => {}
            None => return Err(TurnedAway::Closed),
            Some(token) if token.len() < MIN_SECRET => return Err(TurnedAway::ShortToken),
            Some(token) => self.admit(call, token)?,
        }
        if call.is_order() && !call.is_json() { Err(TurnedAway::NotJson) } else { Ok(()) }
    }

    /// The right token comes in whatever was tried before, by whomever: so nobody can keep the operators out.
    fn admit(&mut self, call: &Call<'_>, token: &str) -> Result<(), TurnedAway> {
        let Some(given) = call.token() else {
            // Asking without any token tells nothing, and browsers do it.
            return Err(TurnedAway::Unauthorized);
        };
        if same_secret(given, token) {
            return Ok(());
        }
        // All whose address is not known are counted as one.
        let address = call.headers.get("cf-connecting-ip").unwrap_or_default();
        let lately = |(_, since): &(u32, Timestamp)| call.now.since(*since) < FAILURES_IN;
        let (before, since) = self.failures.get(address).filter(|held| lately(held)).copied().unwrap_or((0, call.now));
        if before >= MOST_FAILURES {
            return Err(TurnedAway::TooMany);
        }
        if self.failures.len() >= MOST_ADDRESSES {
            self.failures.clear();
        }
        self.failures.insert(address.to_owned(), (before + 1, since));
        Err(TurnedAway::Unauthorized)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKEN: &str = "0123456789abcdef0123456789abcdef";
    const RIGHT: (&str, &str) = ("authorization", "Bearer 0123456789abcdef0123456789abcdef");
    const HERE: &str = "http://localhost:8787/_homing/api/orders";
    const THERE: &str = "https://app.example.com/_homing/api/orders";

    fn call<'a>(method: &'a str, url: &'a str, fields: &[(&'static str, &'a str)]) -> Call<'a> {
        Call { method, url, headers: Headers(fields.to_vec()), now: Timestamp(0) }
    }

    fn permit(call: &Call<'_>, token: Option<&str>, dev: bool) -> Result<(), TurnedAway> {
        Guard::default().permit(call, &Door { token, dev, host: None })
    }

    #[test]
    fn only_the_token_opens() {
        let with = |line: &str| permit(&call("GET", THERE, &[("authorization", line)]), Some(TOKEN), false);
        assert_eq!(with(RIGHT.1), Ok(()));
        assert_eq!(with(&format!("bearer  {TOKEN} ")), Ok(()));
        for wrong in
            ["", TOKEN, &format!("Basic {TOKEN}"), &format!("Bearer {TOKEN}2"), &format!("Bearer {}", &TOKEN[1..])]
        {
            assert_eq!(with(wrong), Err(TurnedAway::Unauthorized), "{wrong}");
        }
        // Where one is set it is wanted in development and from this machine, too.
        assert_eq!(permit(&call("GET", HERE, &[]), Some(TOKEN), true), Err(TurnedAway::Unauthorized));
    }

    #[test]
    fn a_token_that_can_be_guessed_opens_nothing() {
        for short in ["secret", &TOKEN[1..]] {
            let line = format!("Bearer {short}");
            for (url, dev) in [(THERE, false), (HERE, true)] {
                let call = call("GET", url, &[("authorization", &line)]);
                assert_eq!(permit(&call, Some(short), dev), Err(TurnedAway::ShortToken), "{short} {url}");
            }
        }
    }

    /// A deployment with `DEV` left on and no token: nobody who comes over the network may give orders.
    #[test]
    fn without_a_token_only_this_machine_is_heard_and_only_in_development() {
        let open = |url, fields: &[(&'static str, &'static str)], dev| permit(&call("GET", url, fields), None, dev);
        assert_eq!(open(HERE, &[], true), Ok(()));
        assert_eq!(open(HERE, &[("cf-connecting-ip", "127.0.0.1")], true), Ok(()));
        assert_eq!(open(HERE, &[], false), Err(TurnedAway::Closed));
        assert_eq!(open(THERE, &[], true), Err(TurnedAway::Closed));
        assert_eq!(open("http://127.evil.com/_homing/api/snapshot", &[], true), Err(TurnedAway::Closed));
        assert_eq!(open("not a URL", &[], true), Err(TurnedAway::Closed));
        for through in [("cf-ray", "8f0e-FRA"), ("cf-connecting-ip", "192.0.2.1")] {
            assert_eq!(open(HERE, &[through], true), Err(TurnedAway::Closed), "{through:?}");
        }
    }

    /// A page anywhere on the web, open in a browser on the machine of whoever develops, or of whoever has a token in a tab.
    #[test]
    fn a_page_of_another_site_gives_no_orders_with_or_without_a_token() {
        let json = ("content-type", "application/json");
        for (url, token, fields) in [(HERE, None, vec![json]), (THERE, Some(TOKEN), vec![json, RIGHT])] {
            let with = |field| {
                let fields: Vec<_> = fields.iter().copied().chain([field]).collect();
                permit(&call("POST", url, &fields), token, true)
            };
            let own = url.split("/_homing").next().unwrap();
            for fine in
                [("sec-fetch-site", "same-origin"), ("sec-fetch-site", "none"), ("origin", own), ("accept", "*/*")]
            {
                assert_eq!(with(fine), Ok(()), "{url} {fine:?}");
            }
            for site in ["cross-site", "same-site", "", "same-origin, cross-site", "nonsense"] {
                assert_eq!(with(("sec-fetch-site", site)), Err(TurnedAway::Foreign), "{url} {site}");
            }
            for origin in [
                "null",
                "",
                "https://evil.example",
                "http://localhost:9999",
                "http://app.example.com",
                "https://localhost:8787",
            ] {
                assert_eq!(with(("origin", origin)), Err(TurnedAway::Foreign), "{url} {origin}");
            }
        }
    }

    #[test]
    fn what_a_form_can_send_is_no_order() {
        let with = |method, kind| permit(&call(method, HERE, &[("content-type", kind)]), None, true);
        for kind in ["application/json", "Application/JSON; charset=utf-8"] {
            assert_eq!(with("POST", kind), Ok(()), "{kind}");
        }
        for kind in [
            "",
            "text/plain",
            "application/x-www-form-urlencoded",
            "multipart/form-data",
            "text/json",
            "application/jsonx",
        ] {
            for method in ["POST", "PUT", "DELETE", "PATCH", "QUERY"] {
                assert_eq!(with(method, kind), Err(TurnedAway::NotJson), "{method} {kind}");
            }
            assert_eq!(with("GET", kind), Ok(()));
        }
        assert_eq!(permit(&call("POST", HERE, &[]), None, true), Err(TurnedAway::NotJson));
        assert_eq!(permit(&call("POST", THERE, &[RIGHT]), Some(TOKEN), false), Err(TurnedAway::NotJson));
    }

    #[test]
    fn with_a_host_of_the_operators_nothing_is_there_on_any_other() {
        let at = |url, host, dev| Door { host: Some(host), dev, token: None }.is_at(&call("GET", url, &[]));
        for own in ["https://ops.example.com/_homing/", "https://OPS.example.com.:8443/_homing/"] {
            assert_eq!(at(own, "Ops.Example.com", false), Ok(()), "{own}");
        }
        for other in [THERE, "https://ops.example.com.evil.com/", "https://me@ops.example.com/", HERE, ""] {
            assert_eq!(at(other, "ops.example.com", false), Err(TurnedAway::Elsewhere), "{other}");
        }
        assert_eq!(at(HERE, "ops.example.com", true), Ok(()));
        // What is no host's name is nobody's, rather than everybody's.
        for wrong in ["", "https://app.example.com", "app.example.com:443", "*.example.com", "app..com"] {
            assert!(!is_host(wrong), "{wrong}");
            assert_eq!(at(THERE, wrong, false), Err(TurnedAway::Elsewhere), "{wrong}");
        }
        let call = call("GET", THERE, &[RIGHT]);
        let door = Door { host: Some("ops.example.com"), token: Some(TOKEN), dev: false };
        assert_eq!(
            Guard::default().permit(&call, &door),
            Err(TurnedAway::Elsewhere),
            "the right token at the wrong host"
        );
    }

    /// Someone who guesses all day, from everywhere, or from where no address is known.
    #[test]
    fn who_guesses_is_told_to_wait_and_shuts_nobody_out() {
        for address in ["192.0.2.1", ""] {
            let mut guard = Guard::default();
            let mut permit = |given, at| {
                let fields = vec![("authorization", given), ("cf-connecting-ip", address)];
                let call = Call { method: "GET", url: THERE, headers: Headers(fields), now: Timestamp(at) };
                guard.permit(&call, &Door { token: Some(TOKEN), ..Door::default() })
            };
            for at in 0..10 {
                assert_eq!(permit("Bearer guess", at), Err(TurnedAway::Unauthorized));
            }
            for _ in 0..1000 {
                assert_eq!(permit("Bearer guess", 50_000), Err(TurnedAway::TooMany));
            }
            assert_eq!(permit(RIGHT.1, 50_000), Ok(()), "the operator, at the same address, in the same minute");
            assert_eq!(permit("Bearer guess", 60_000), Err(TurnedAway::Unauthorized));
        }
    }

    /// Each address is counted by itself, up to a thousand of them; the one after that finds the memory empty.
    #[test]
    fn who_guesses_from_several_addresses_is_counted_at_each() {
        let mut guard = Guard::default();
        let mut guess = |address: &str| {
            let fields = vec![("authorization", "Bearer guess"), ("cf-connecting-ip", address)];
            let call = Call { method: "GET", url: THERE, headers: Headers(fields), now: Timestamp(0) };
            guard.permit(&call, &Door { token: Some(TOKEN), ..Door::default() })
        };
        for _ in 0..10 {
            assert_eq!(["192.0.2.1", "192.0.2.2"].map(&mut guess), [Err(TurnedAway::Unauthorized); 2]);
        }
        assert_eq!(["192.0.2.1", "192.0.2.2"].map(&mut guess), [Err(TurnedAway::TooMany); 2]);
        (2..1000).for_each(|at| assert_eq!(guess(&format!("2001:db8::{at}")), Err(TurnedAway::Unauthorized)));
        assert_eq!(guess("192.0.2.1"), Err(TurnedAway::TooMany), "a thousand are remembered");
        assert_eq!(guess("198.51.100.1"), Err(TurnedAway::Unauthorized));
        assert_eq!(guess("192.0.2.1"), Err(TurnedAway::Unauthorized), "and no more than those");
    }

    #[test]
    fn whoever_is_turned_away_is_told_why() {
        let told = [
            (TurnedAway::Unauthorized, 401, "Authorization: Bearer"),
            (TurnedAway::Foreign, 403, "A page of another site"),
            (TurnedAway::Closed, 403, "No ADMIN_TOKEN is set."),
            (TurnedAway::ShortToken, 403, "fewer than 32 characters"),
            (TurnedAway::Elsewhere, 404, "There is nothing here."),
            (TurnedAway::NotJson, 415, "Content-Type: application/json"),
            (TurnedAway::TooMany, 429, "Retry-After"),
        ];
        for (why, status, part) in told {
            let body: serde_json::Value = serde_json::from_str(&why.body()).unwrap();
            assert_eq!((why.status(), body["status"].as_u64()), (status, Some(status.into())), "{why:?}");
            assert!(body["detail"].as_str().unwrap().contains(part), "{body}");
        }
    }
}
