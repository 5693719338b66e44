//! Request fields that applications believe: who the client is, who signed in, which host, path or method was "really" asked for. Only who
//! stands before the application may say such things, and that is the router: a client's own copies are replaced or taken out.
//! None of these stands in a cache key, so one request could otherwise poison a stored response for all (J. Kettle, "Practical Web Cache
//! Poisoning", 2018), or reach another resource, by another method, than the one that was routed.
//!
//! Known from RFC 7239 and RFC 9440, Envoy's header sanitising, the trusted-proxy lists of Django, Rack, Rails, Symfony, Laravel and
//! gunicorn, and what CDNs and proxies that sign users in call them. A field by which a trusted hop before the router names the
//! subject (`IDENTITY`) passes.

use std::borrow::Cow;

use crate::http::syntax::is_token;

/// What becomes of a client's own copy of a request field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It goes on.
    Passes,
    /// It goes no further than this connection (RFC 9110 section 7.6.1), or has a name that is no token (section 5.1), which workerd takes.
    OfConnection,
    /// It is the router's to say, and nobody else's.
    Ours,
    /// It is taken out, but where a route lets it through.
    Believed,
}

/// Fields of one connection only, which no proxy forwards (RFC 9110 section 7.6.1). With them `Expect` (section 10.1.1), which has been
/// met by whoever took the body in: a region's own 100 would come in the place of its answer, and curl asks for one with every long body.
const OF_CONNECTION: [&str; 10] = [
    "connection",
    "expect",
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
pub const CONTRACT: &str = "homing-";

/// What the router itself sets in the client's place.
const SET: [&str; 5] = ["forwarded", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-real-ip"];

/// What passes of those below. Cloudflare sets the first four on every request, whatever the client has sent; it documents no
/// other field of its own as overwritten (`CF-IPCountry`, `CF-Connecting-IPv6`, `CF-Pseudo-IPv4`, `CF-Bot-*` and the like come only
/// where a setting is on, and `CF-Worker` is added behind the router). Those of Access are a signed assertion, which the application has to
/// verify, and the client's own credentials. Next.js asks for a page ahead of time with the last.
const PASS: [&str; 9] = [
    "cf-connecting-ip",
    "cf-ew-via",
    "cf-ray",
    "cf-visitor",
    "cf-access-client-id",
    "cf-access-client-secret",
    "cf-access-jwt-assertion",
    "cf-access-token",
    "x-middleware-prefetch",
];

/// Believed, by how the name begins.
const BEGIN: [&[&str]; 5] = [&FORWARDED, &CLOUDFLARE, &SIGNED_IN, &CERTIFICATE, &INSIDE];

/// What a proxy says of the request that it got: `X-Forwarded-*`, `X-Forward-For`, `X-Original-URL`, `X-Real-Host`, `X-Rewrite-URL` and
/// their like.
const FORWARDED: [&str; 9] = [
    "forwarded-",
    "x-envoy-",
    "x-forward",
    "x-http-host-",
    "x-http-method",
    "x-method-override",
    "x-original-",
    "x-real-",
    "x-rewrite-",
];

/// What Cloudflare says, where it says so.
const CLOUDFLARE: [&str; 1] = ["cf-"];

/// Who signed in, as proxies say it: CGI and Authelia (`Remote-User`), Grafana (`X-WebAuth-User`), oauth2-proxy (`X-Auth-Request-*`),
/// mod_auth_openidc, Kong, WebSEAL, SiteMinder, Shibboleth, authentik, Pomerium, Tailscale, Istio, the load balancers of AWS, Google and Azure.
const SIGNED_IN: [&str; 23] = [
    "iv-",
    "oidc-",
    "remote-",
    "shib-",
    "sm-",
    "tailscale-",
    "x-amzn-oidc-",
    "x-appengine-",
    "x-auth-request-",
    "x-auth-user",
    "x-authenticated-",
    "x-authentik-",
    "x-consumer-",
    "x-credential-",
    "x-goog-authenticated-user-",
    "x-goog-iap-",
    "x-jwt-claim",
    "x-ms-client-principal",
    "x-ms-token-",
    "x-pomerium-",
    "x-remote-",
    "x-userinfo",
    "x-webauth-",
];

/// Which certificate the client has shown (RFC 9440, nginx, Apache, HAProxy, AWS, Azure).
const CERTIFICATE: [&str; 9] = [
    "client-cert",
    "ssl-client-",
    "x-amzn-mtls-",
    "x-arr-clientcert",
    "x-arr-ssl",
    "x-client-cert",
    "x-client-verify",
    "x-ssl-",
    "x-tls-client-",
];

/// What servers and frameworks say to themselves: Next.js (CVE-2025-29927: who says `X-Middleware-Subrequest` passes its middleware
/// by), Rack (`X-Sendfile-Type`, CVE-2025-61780).
const INSIDE: [&str; 6] =
    ["x-accel-", "x-invoke-", "x-matched-path", "x-middleware-", "x-now-route-matches", "x-sendfile-type"];

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

/// Believed, by the whole name: how the client is said to have connected, where the application is said to be mounted, and `Proxy`,
/// which CGI takes for the proxy of the server's own requests (CVE-2016-5385).
const WHOLE: [&str; 18] = [
    "base-url",
    "front-end-https",
    "http-method-override",
    "path-info",
    "proxy",
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

/// Where a name stands above, but in `READ` and `END`: at its first letter a bit for its third, which others may share.
const BEGINNINGS: [u32; 32] = {
    let lists: [&[&str]; 10] =
        [&OF_CONNECTION, &[CONTRACT], &SET, &PASS, &FORWARDED, &CLOUDFLARE, &SIGNED_IN, &CERTIFICATE, &INSIDE, &WHOLE];
    beginnings(&lists, [0; 32])
};

const fn beginnings(lists: &[&[&str]], mut all: [u32; 32]) -> [u32; 32] {
    let mut left = lists;
    while let [list, more @ ..] = left {
        let mut names = *list;
        while let [name, others @ ..] = names {
            if let [first, _, third, ..] = name.as_bytes() {
                #[allow(clippy::indexing_slicing, reason = "one of 32 places, and nothing runs but the compiler")]
                let place = &mut all[(*first % 32) as usize];
                *place |= 1 << (*third % 32);
            }
            names = others;
        }
        left = more;
    }
    all
}

/// Whether a name that is read as it is written certainly does not stand above: one look passes nearly every field of a browser.
fn is_unknown(name: &str) -> bool {
    let [first, _, third, ..] = name.as_bytes() else { return false };
    let thirds = BEGINNINGS.get(usize::from(first % 32)).copied().unwrap_or(u32::MAX);
    thirds >> (third % 32) & 1 == 0 && !name.ends_with("ip") && !name.ends_with("for")
}

/// What becomes of a client's field of that name, in lower case. `X_Forwarded_For` is `X-Forwarded-For` to whoever makes
/// variables of names (CGI, WSGI, Rack, PHP), so a name counts as what it can be read as.
#[must_use]
pub fn fate(name: &str) -> Fate {
    let read = folded(name);
    let name_is_another = matches!(read, Cow::Owned(_));
    if !name_is_another && is_unknown(name) {
        return Fate::Passes;
    }
    let begins = |starts: &[&str]| starts.iter().any(|start| begins(&read, start));
    if is_of_connection_as(name, &read) {
        Fate::OfConnection
    } else if read.starts_with(CONTRACT) || SET.contains(&read.as_ref()) || (name_is_another && begins(&READ)) {
        Fate::Ours
    } else if PASS.contains(&read.as_ref()) {
        Fate::Passes
    } else if BEGIN.iter().any(|starts| begins(starts)) || WHOLE.contains(&read.as_ref()) || ends(&read) {
        Fate::Believed
    } else {
        Fate::Passes
    }
}

/// Whether a field goes no further than this connection.
#[must_use]
pub fn is_of_connection(name: &str) -> bool {
    is_of_connection_as(name, &folded(name))
}

#[allow(clippy::ptr_arg, reason = "whether the name had to be folded counts, too")]
fn is_of_connection_as(name: &str, read: &Cow<'_, str>) -> bool {
    let is_none = matches!(read, Cow::Owned(_)) && !name.bytes().all(is_token);
    is_none || OF_CONNECTION.contains(&read.as_ref())
}

/// As `starts_with`; most names differ in a letter that is looked at without a call.
fn begins(name: &str, start: &str) -> bool {
    let differs = |at: usize| name.as_bytes().get(at) != start.as_bytes().get(at);
    !differs(0) && !differs(2) && name.starts_with(start)
}

fn ends(name: &str) -> bool {
    END.iter().any(|end| name.ends_with(end))
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
    if name.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'-' | b'0'..=b'9')) {
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
            "x-real-host",
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
    fn who_signed_in_is_not_the_clients_to_say() {
        for name in [
            "remote-user",
            "remote-groups",
            "x-remote-user",
            "x-webauth-user",
            "x-authenticated-user",
            "x-authenticated-userid",
            "x-auth-request-email",
            "x-ssl-client-verify",
            "ssl-client-s-dn",
            "x-client-cert",
            "x-client-verify",
            "client-cert",
            "client-cert-chain",
            "x-forwarded-client-cert",
            "x-amzn-oidc-identity",
            "x-amzn-mtls-clientcert-subject",
            "x-goog-authenticated-user-email",
            "x-goog-iap-jwt-assertion",
            "x-ms-client-principal-name",
            "x-consumer-username",
            "oidc-claim-sub",
            "x-middleware-subrequest",
            "x-middleware-rewrite",
            "x-sendfile-type",
            "proxy",
        ] {
            assert_eq!(fate(name), Fate::Believed, "{name}");
        }
        assert_eq!(fate("remote_user"), Fate::Believed);
    }

    #[test]
    fn what_cloudflare_does_not_certainly_set_itself_is_not_the_clients_to_say() {
        for name in [
            "cf-access-authenticated-user-email",
            "cf-bot-score",
            "cf-connecting-ipv6",
            "cf-ipcountry",
            "cf-ipcity",
            "cf-pseudo-ipv4",
            "cf-verified-bot",
            "cf-worker",
            "cf-whatever-comes-next",
        ] {
            assert_eq!(fate(name), Fate::Believed, "{name}");
        }
        // What it sets, what is signed, and what the client proves itself by.
        for name in
            ["cf-connecting-ip", "cf-ray", "cf-visitor", "cf-ew-via", "cf-access-jwt-assertion", "cf-access-token"]
        {
            assert_eq!(fate(name), Fate::Passes, "{name}");
        }
    }

    #[test]
    fn another_spelling_of_ours_is_ours() {
        for name in [
            "homing_epoch",
            "homing-subject",
            "homing.home",
            "x_forwarded_host",
            "x-forwarded_for",
            "forwarded",
            "x_real_ip",
        ] {
            assert_eq!(fate(name), Fate::Ours, "{name}");
        }
        // The router reads the one, the application would read the other: a language that no stored response is keyed by, a page that
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
            "x-amz-date",
            "x-api-key",
            "x-auth-token",
            "x-csrf-token",
            "x-goog-api-key",
            "x-middleware-prefetch",
            "x-request-id",
            "x-requested-with",
        ] {
            assert_eq!(fate(name), Fate::Passes, "{name}");
        }
    }

    #[test]
    fn whatever_stands_in_a_list_is_looked_for_in_it() {
        let of = |list: &[&'static str]| list.to_vec();
        let names = [of(&OF_CONNECTION), of(&SET), of(&WHOLE), of(&[CONTRACT]), BEGIN.concat(), of(&END)].concat();
        let longer = names
            .iter()
            .map(|name| format!("{name}x"))
            .filter(|name| BEGIN.concat().iter().any(|start| name.starts_with(start)));
        let ending = END.iter().map(|end| format!("zz{end}"));
        let all: Vec<String> = names.iter().map(|name| (*name).to_owned()).chain(longer).chain(ending).collect();
        assert!(all.len() > 100);
        for name in all {
            assert!(!is_unknown(&name), "{name}");
            assert!(PASS.contains(&name.as_str()) || fate(&name) != Fate::Passes, "{name}");
        }
        assert!(is_unknown("accept") && is_unknown("user-agent") && is_unknown("sec-fetch-mode"));
    }

    #[test]
    fn names_that_a_server_takes_for_one() {
        assert!(is_same("x-tenant", "x_tenant") && is_same("x-tenant", "x.tenant") && is_same("a", "a"));
        assert!(!is_same("x-tenant", "xtenant") && !is_same("x-tenant", "x-tenanu"));
    }
}
