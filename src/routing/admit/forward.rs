//! The changes to a request's headers that every attempt needs.

use super::ROUTER;
use crate::routing::{
    facts::{Facts, Url},
    headers::{Edit, Edits, Headers, strip_request},
    intent::CacheUse,
    session, text,
};

/// Hop-by-hop and spoofed fields go, then ours are set: `Connection` cannot name ours away.
pub(super) fn edits(facts: &Facts<'_>, url: &Url<'_>, upgrade: bool, cache: &CacheUse) -> Edits {
    let headers = &facts.headers;
    let mut edits = strip_request(headers);
    if upgrade {
        edits.push(Edit::Set("upgrade", "websocket".to_owned()));
    }
    edits.extend(without_session_cookie(headers));
    edits.push(Edit::Set("cdn-loop", appended(headers, "cdn-loop", ROUTER)));
    // RFC 9110 section 7.6.3; what the platform speaks with the client is not told, and 1.1 is the least that it can be.
    edits.push(Edit::Set("via", appended(headers, "via", "1.1 homing")));
    edits.push(Edit::Set("x-forwarded-host", url.authority.to_owned()));
    edits.push(Edit::Set("x-forwarded-proto", url.scheme.to_owned()));
    let client = headers.get("cf-connecting-ip").filter(|ip| ip.parse::<std::net::IpAddr>().is_ok());
    if let Some(ip) = client {
        edits.push(Edit::Set("x-forwarded-for", ip.to_owned()));
    }
    edits.push(Edit::Set("forwarded", forwarded(client, url)));
    if !headers.has("traceparent") {
        edits.push(Edit::Set("traceparent", traceparent(facts.entropy)));
    }
    edits.push(Edit::Set(
        "accept-encoding",
        match (cache, headers.get("accept-encoding")) {
            // The origin is asked for what the key says, so that one copy serves all clients of the class.
            (CacheUse::Use(lookup) | CacheUse::Fill(lookup), _) => lookup.coding.field().to_owned(),
            (CacheUse::Bypass(_), Some(accepted)) => accepted.to_owned(),
            // Else the platform asks for what it likes itself (RFC 9110 section 12.5.3 would allow anything).
            (CacheUse::Bypass(_), None) => "identity".to_owned(),
        },
    ));
    edits
}

/// RFC 7239.
fn forwarded(client: Option<&str>, url: &Url<'_>) -> String {
    let mut field = String::with_capacity(96);
    match client {
        Some(ip) if ip.contains(':') => text::all(&mut field, &["for=\"[", ip, "]\";"]),
        Some(ip) => text::all(&mut field, &["for=", ip, ";"]),
        None => {}
    }
    text::all(&mut field, &["host=\"", url.authority, "\";proto=", url.scheme]);
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

/// The session is between the client and the edge: the origin gets the cookies without it.
fn without_session_cookie(headers: &Headers<'_>) -> Option<Edit> {
    headers.cookie(session::COOKIE)?;
    let pairs = headers.all("cookie").flat_map(|line| line.split(';')).map(str::trim);
    let others: Vec<_> =
        pairs.filter(|pair| pair.split_once('=').is_none_or(|(name, _)| name != session::COOKIE)).collect();
    Some(if others.is_empty() { Edit::Remove("cookie".to_owned()) } else { Edit::Set("cookie", others.join("; ")) })
}

/// W3C Trace Context: a trace begins here if nobody before began one.
fn traceparent(entropy: u64) -> String {
    // SplitMix64's finaliser spreads one number over the three that are needed.
    let spread = |n: u64| {
        let mixed = entropy.wrapping_add(n.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) | 1
    };
    let mut field = String::with_capacity(55);
    field.push_str("00-");
    text::hex(&mut field, spread(1));
    text::hex(&mut field, spread(2));
    field.push('-');
    text::hex(&mut field, spread(3));
    field.push_str("-01");
    field
}
