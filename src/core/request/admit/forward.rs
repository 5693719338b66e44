//! The changes to a request's headers that every attempt needs.

use super::trace_context;
use crate::http::method::ROUTER;
use crate::{
    http::{
        cookies::Cookies,
        headers::{Edit, Edits, Headers, LetThrough, strip_request},
        target::Target,
    },
    model::{entropy::Entropy, text},
    request::{CacheUse, incoming::IncomingRequest},
};

/// Fields of the connection and those that applications believe go, then ours are set: `Connection` cannot name ours away.
pub(super) fn edits(
    incoming: &IncomingRequest<'_>,
    target: &Target,
    upgrade: bool,
    cache: &CacheUse,
    cookies: &Cookies<'_>,
    through: &LetThrough<'_>,
    chance: &mut Entropy,
) -> Edits {
    let headers = &incoming.headers;
    let mut edits = strip_request(headers, through);
    edits.reserve(12);
    if upgrade {
        edits.push(Edit::Set("upgrade", "websocket".to_owned()));
    }
    edits.extend(cookies.edit());
    edits.push(Edit::Set("cdn-loop", appended(headers, "cdn-loop", ROUTER)));
    // RFC 9110 section 7.6.3; what the platform speaks with the client is not told, and 1.1 is the least that it can be.
    edits.push(Edit::Set("via", appended(headers, "via", "1.1 homing")));
    edits.push(Edit::Set("x-forwarded-host", target.authority().to_owned()));
    edits.push(Edit::Set("x-forwarded-proto", target.scheme().to_owned()));
    let client = headers.get("cf-connecting-ip").filter(|ip| ip.parse::<std::net::IpAddr>().is_ok());
    if let Some(ip) = client {
        edits.push(Edit::Set("x-forwarded-for", ip.to_owned()));
        // Of this one Cloudflare makes `CF-Connecting-IP` where the region is in the router's own zone (its "HTTP headers"); to other
        // zones it says an address of its own, the same for everybody.
        edits.push(Edit::Set("x-real-ip", ip.to_owned()));
    }
    edits.push(Edit::Set("forwarded", forwarded(client, target)));
    edits.extend(trace_context::edits(headers, chance));
    if let Some(left) = forwards_left(headers).filter(|_| incoming.method == "OPTIONS") {
        edits.push(Edit::Set("max-forwards", left.saturating_sub(1).to_string()));
    }
    edits.push(Edit::Set(
        "accept-encoding",
        match (cache, headers.get("accept-encoding")) {
            // The origin is asked for what the key says, so that one stored response serves all clients of the class.
            (CacheUse::Use(lookup) | CacheUse::Fill(lookup), _) => lookup.coding.field().to_owned(),
            (CacheUse::Bypass(_), Some(accepted)) => accepted.to_owned(),
            // Else the platform asks for what it likes itself (RFC 9110 section 12.5.3 would allow anything).
            (CacheUse::Bypass(_), None) => "identity".to_owned(),
        },
    ));
    edits
}

/// Over how many hops an OPTIONS may still go (RFC 9110 section 7.6.2); for other methods the field may be passed over.
pub(super) fn forwards_left(headers: &Headers<'_>) -> Option<u64> {
    headers.get("max-forwards")?.parse().ok()
}

/// RFC 7239.
fn forwarded(client: Option<&str>, target: &Target) -> String {
    let mut field = String::with_capacity(96);
    match client {
        Some(ip) if ip.contains(':') => text::all(&mut field, &["for=\"[", ip, "]\";"]),
        Some(ip) => text::all(&mut field, &["for=", ip, ";"]),
        None => {}
    }
    text::all(&mut field, &["host=\"", target.authority(), "\";proto=", target.scheme()]);
    field
}

fn appended(headers: &Headers<'_>, name: &str, ours: &str) -> String {
    let mut field = String::with_capacity(32);
    for before in headers.all(name) {
        text::all(&mut field, &[before, ", "]);
    }
    field.push_str(ours);
    field
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 7239 sections 4 and 6: an IPv6 address stands in brackets and is quoted, and so is a host with a port.
    #[test]
    fn an_origin_is_told_who_asks_and_for_which_host() {
        let target = Target::read("https://shop.example:8443/a?b").unwrap();
        let host = "host=\"shop.example:8443\";proto=https";
        for (client, said) in
            [(Some("192.0.2.1"), "for=192.0.2.1;"), (Some("2001:db8::1"), "for=\"[2001:db8::1]\";"), (None, "")]
        {
            assert_eq!(forwarded(client, &target), format!("{said}{host}"));
        }
    }

    /// RFC 9110 section 7.6.3: each intermediary adds itself behind those before it.
    #[test]
    fn the_router_stands_behind_the_hops_before_it() {
        let via = |lines: &[&'static str]| {
            appended(&Headers(lines.iter().map(|line| ("via", *line)).collect()), "via", "1.1 homing")
        };
        assert_eq!(via(&[]), "1.1 homing");
        assert_eq!(via(&["1.1 a, 1.0 b", "2 c"]), "1.1 a, 1.0 b, 2 c, 1.1 homing");
    }
}
