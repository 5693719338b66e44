//! Request fields that applications believe: who the client is, which host, path or method it "really" asked for. Only who
//! stands before the application may say such things, and that is the router: a client's own copies are replaced or taken out.
//! None of these stands in a cache key, so one request could otherwise poison a copy for all (J. Kettle, "Practical Web Cache
//! Poisoning", 2018), or reach another resource, by another method, than the one that was routed.
//!
//! Known from RFC 7239, Envoy's header sanitising, the trusted-proxy lists of Django, Rack, Rails, Symfony, Laravel and
//! gunicorn, and what CDNs call the client's address. `CF-*` passes: Cloudflare sets these fields itself and lets no client
//! spoof them. A field by which a trusted hop before the router names the subject (`IDENTITY`) passes, too.

use std::borrow::Cow;

/// What becomes of a client's own copy of a request field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It goes on.
    Passes,
    /// It goes no further than this connection (RFC 9110 section 7.6.1).
    OfConnection,
    /// It is the router's to say, and nobody else's.
    Ours,
    /// It is taken out, but where a route lets it through.
    Believed,
}

/// Fields of one connection only, which no proxy forwards (RFC 9110 section 7.6.1).
const OF_CONNECTION: [&str; 9] = [
    "connection",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// The prefix of the contract's own fields.
pub(super) const CONTRACT: &str = "homing-";

/// What the router itself sets in the client's place.
const SET: [&str; 4] = ["forwarded", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto"];

/// Believed, by how the name begins: `X-Forwarded-*`, `X-Forward-For`, `X-Original-URL`, `X-Real-IP`, `X-Rewrite-URL` and their like.
const BEGIN: [&str; 11] = [
    "forwarded-",
    "x-envoy-",
    "x-forward",
    "x-http-host-",
    "x-http-method",
    "x-method-override",
    "x-original-",
    "x-real-",
    "x-remote-addr",
    "x-remote-ip",
    "x-rewrite-",
];

/// Believed, by how the name ends: `True-Client-IP`, `X-Cluster-Client-IP`, `X-Azure-ClientIP`, `Fastly-Client-IP` and their like.
const END: [&str; 9] = [
    "-clientip",
    "-connecting-ip",
    "-connection-ip",
    "-forwarded-for",
    "-remote-ip",
    "-socketip",
    "-source-ip",
    "-user-ip",
    "client-ip",
];

/// Believed, by the whole name: how the client is said to have connected, and where the application is said to be mounted.
const WHOLE: [&str; 18] = [
    "base-url",
    "front-end-https",
    "http-method-override",
    "path-info",
    "remote-addr",
    "script-name",
    "x-base-url",
    "x-host",
    "x-originating-ip",
    "x-override-method",
    "x-path-info",
    "x-proxy-host",
    "x-proxyuser-ip",
    "x-request-uri",
    "x-scheme",
    "x-script-name",
    "x-url-scheme",
    "x-wap-profile-host",
];

/// Where another spelling of a name would do harm: the router, its cache or the browser's promises go by these.
const READ: [&str; 9] =
    ["accept-", "cache-control", "cdn-loop", "cf-", "content-", "idempotency-key", "if-", "proxy-", "sec-"];

/// What becomes of a client's field of that name, in lower case. `X_Forwarded_For` is `X-Forwarded-For` to whoever makes
/// variables of names (CGI, WSGI, Rack, PHP), so a name counts as what it can be read as.
#[must_use]
pub fn fate(name: &str) -> Fate {
    let read = folded(name);
    let begins = |starts: &[&str]| starts.iter().any(|start| read.starts_with(start));
    let name_is_another = matches!(read, Cow::Owned(_));
    if OF_CONNECTION.contains(&read.as_ref()) {
        Fate::OfConnection
    } else if read.starts_with(CONTRACT) || SET.contains(&read.as_ref()) || (name_is_another && begins(&READ)) {
        Fate::Ours
    } else if begins(&BEGIN) || WHOLE.contains(&read.as_ref()) || ends(&read) {
        Fate::Believed
    } else {
        Fate::Passes
    }
}

fn ends(name: &str) -> bool {
    // Cloudflare's own word.
    !name.starts_with("cf-") && END.iter().any(|end| name.ends_with(end))
}

/// Whether a field says that another method is meant than the request has.
#[must_use]
pub fn overrides_method(name: &str) -> bool {
    folded(name).contains("method")
}

/// Whether servers that make variables of names take the two for one.
#[must_use]
pub fn is_same(one: &str, other: &str) -> bool {
    one.len() == other.len() && one.bytes().zip(other.bytes()).all(|(one, other)| fold(one) == fold(other))
}

/// The name as it may be read: whatever is no letter or digit as a hyphen. lighttpd folds all of them, others only `_`.
fn folded(name: &str) -> Cow<'_, str> {
    if name.bytes().all(|byte| fold(byte) == byte) {
        return Cow::Borrowed(name);
    }
    Cow::Owned(name.bytes().map(|byte| char::from(fold(byte))).collect())
}

fn fold(byte: u8) -> u8 {
    if byte.is_ascii_alphanumeric() { byte.to_ascii_lowercase() } else { b'-' }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_application_could_believe_is_not_the_clients_to_say() {
        for name in [
            "x-forwarded-prefix",
            "x-forwarded-scheme",
            "x-forwarded-server",
            "x-forwarded-port",
            "x-forwarded-ssl",
            "x-forwarded",
            "x-forward-for",
            "x-original-url",
            "x-original-host",
            "x-original-forwarded-for",
            "x-rewrite-url",
            "x-http-method",
            "x-http-method-override",
            "x-method-override",
            "x-host",
            "x-real-ip",
            "x-client-ip",
            "client-ip",
            "true-client-ip",
            "x-cluster-client-ip",
            "fastly-client-ip",
            "fly-client-ip",
            "x-azure-clientip",
            "x-nf-client-connection-ip",
            "x-appengine-user-ip",
            "do-connecting-ip",
            "x-vercel-forwarded-for",
            "x-envoy-external-address",
            "x-envoy-original-path",
            "front-end-https",
            "x-script-name",
        ] {
            assert_eq!(fate(name), Fate::Believed, "{name}");
            assert_eq!(fate(&name.replace('-', "_")), Fate::Believed, "{name} with underscores");
        }
    }

    #[test]
    fn another_spelling_of_ours_is_ours() {
        for name in
            ["homing_epoch", "homing-subject", "homing.home", "x_forwarded_host", "x-forwarded_for", "forwarded"]
        {
            assert_eq!(fate(name), Fate::Ours, "{name}");
        }
        // The router reads the one, the application would read the other: a language that no copy is keyed by, a page that
        // speaks for the browser.
        for name in ["accept_language", "if_none_match", "sec_fetch_site", "cf_connecting_ip", "content_length"] {
            assert_eq!(fate(name), Fate::Ours, "{name}");
        }
        assert_eq!(fate("transfer_encoding"), Fate::OfConnection);
    }

    #[test]
    fn everything_else_passes() {
        for name in [
            "accept",
            "accept-language",
            "api_key",
            "authorization",
            "cache-control",
            "cf-connecting-ip",
            "cf-ray",
            "content-type",
            "cookie",
            "if-none-match",
            "origin",
            "sec-fetch-site",
            "traceparent",
            "user-agent",
            "x-api-key",
            "x-csrf-token",
            "x-request-id",
            "x-requested-with",
        ] {
            assert_eq!(fate(name), Fate::Passes, "{name}");
        }
    }

    #[test]
    fn names_that_a_server_takes_for_one() {
        assert!(is_same("x-tenant", "x_tenant") && is_same("x-tenant", "x.tenant") && is_same("a", "a"));
        assert!(!is_same("x-tenant", "xtenant") && !is_same("x-tenant", "x-tenanu"));
    }
}
