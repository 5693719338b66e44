//! The changes to a request's headers that every attempt needs.

use super::trace_context;
use crate::http::method::ROUTER;
use crate::{
    http::{
        cookies::Cookies,
        edits::{Edits, RequestEdits},
        headers::{Headers, LetThrough, strip_request},
        target::Target,
    },
    model::{entropy::Entropy, text},
    request::{CacheUse, incoming::IncomingRequest},
};

/// So many bytes the changes of most requests have.
const ROOM: usize = 512;

/// Fields of the connection and those that applications believe go, then ours are set: `Connection` cannot name ours away.
pub(super) fn edits(
    incoming: &IncomingRequest<'_>,
    target: &Target,
    upgrade: bool,
    cache: &CacheUse,
    cookies: &Cookies<'_>,
    through: &LetThrough<'_>,
    chance: &mut Entropy,
) -> RequestEdits {
    let headers = &incoming.headers;
    let (mut usual, mut own) = (Edits::with_room(ROOM), Edits::with_room(ROOM));
    strip_request(headers, through, &mut own);
    if upgrade {
        own.set("upgrade", "websocket");
    }
    match cookies.changed() {
        None => {}
        Some(none) if none.is_empty() => own.remove("cookie"),
        Some(cookie) => own.set("cookie", &cookie),
    }
    usual.set_by("cdn-loop", |field| append(field, headers, "cdn-loop", ROUTER));
    // RFC 9110 section 7.6.3; what the platform speaks with the client is not told, and 1.1 is the least that it can be.
    usual.set_by("via", |field| append(field, headers, "via", "1.1 homing"));
    usual.set("x-forwarded-host", target.authority());
    usual.set("x-forwarded-proto", target.scheme());
    let client = headers.get("cf-connecting-ip").filter(|ip| ip.parse::<std::net::IpAddr>().is_ok());
    if let Some(ip) = client {
        own.set("x-forwarded-for", ip);
        // Of this one Cloudflare makes `CF-Connecting-IP` where the region is in the router's own zone (its "HTTP headers"); to other
        // zones it says an address of its own, the same for everybody.
        own.set("x-real-ip", ip);
    }
    // Without an address it says the same of everybody.
    let to = if client.is_some() { &mut own } else { &mut usual };
    to.set_by("forwarded", |field| forwarded(field, client, target));
    trace_context::edit(headers, chance, &mut own);
    if let Some(left) = forwards_left(headers).filter(|_| incoming.method == "OPTIONS") {
        own.set_by("max-forwards", |field| text::number(field, left.saturating_sub(1)));
    }
    let accepted = match (cache, headers.get("accept-encoding")) {
        // The origin is asked for what the key says, so that one stored response serves all clients of the class.
        (CacheUse::Use(lookup) | CacheUse::Fill(lookup), _) => lookup.coding.field(),
        (CacheUse::Bypass(_), Some(accepted)) => accepted,
        // Else the platform asks for what it likes itself (RFC 9110 section 12.5.3 would allow anything).
        (CacheUse::Bypass(_), None) => "identity",
    };
    usual.set("accept-encoding", accepted);
    RequestEdits { usual, own }
}

/// Over how many hops an OPTIONS may still go (RFC 9110 section 7.6.2); for other methods the field may be passed over.
pub(super) fn forwards_left(headers: &Headers<'_>) -> Option<u64> {
    headers.get("max-forwards")?.parse().ok()
}

/// RFC 7239.
fn forwarded(field: &mut String, client: Option<&str>, target: &Target) {
    match client {
        Some(ip) if ip.contains(':') => text::all(field, &["for=\"[", ip, "]\";"]),
        Some(ip) => text::all(field, &["for=", ip, ";"]),
        None => {}
    }
    text::all(field, &["host=\"", target.authority(), "\";proto=", target.scheme()]);
}

/// The hops of that field, and behind them this one.
fn append(field: &mut String, headers: &Headers<'_>, name: &str, ours: &str) {
    for before in headers.all(name) {
        text::all(field, &[before, ", "]);
    }
    field.push_str(ours);
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
            let mut field = String::new();
            forwarded(&mut field, client, &target);
            assert_eq!(field, format!("{said}{host}"));
        }
    }

    /// RFC 9110 section 7.6.3: each intermediary adds itself behind those before it.
    #[test]
    fn the_router_stands_behind_the_hops_before_it() {
        let via = |lines: &[&'static str]| {
            let mut field = String::new();
            append(&mut field, &Headers(lines.iter().map(|line| ("via", *line)).collect()), "via", "1.1 homing");
            field
        };
        assert_eq!(via(&[]), "1.1 homing");
        assert_eq!(via(&["1.1 a, 1.0 b", "2 c"]), "1.1 a, 1.0 b, 2 c, 1.1 homing");
    }
}
