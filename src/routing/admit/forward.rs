//! The changes to a request's headers that every attempt needs.

use sha2::{Digest, Sha256};

use super::ROUTER;
use crate::routing::{
    cookies::Cookies,
    facts::Facts,
    headers::{Edit, Edits, Headers, LetThrough, strip_request},
    intent::CacheUse,
    target::Target,
    text,
};

/// Fields of the connection and those that applications believe go, then ours are set: `Connection` cannot name ours away.
pub(super) fn edits(
    facts: &Facts<'_>,
    target: &Target,
    upgrade: bool,
    cache: &CacheUse,
    cookies: &Cookies<'_>,
    through: &LetThrough<'_>,
) -> Edits {
    let headers = &facts.headers;
    let mut edits = strip_request(headers, through);
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

/// W3C Trace Context: a trace begins here if nobody before began one. The origin, and whom it tells, sees this; what the router
/// decides by chance it decides by `entropy`, to which nothing leads back from here: SHA-256 has no inverse.
fn traceparent(entropy: u64) -> String {
    let hash = Sha256::new().chain_update(b"traceparent").chain_update(entropy.to_be_bytes()).finalize();
    let number = |at: usize| hash.iter().skip(at).take(8).fold(0u64, |number, byte| number << 8 | u64::from(*byte));
    let mut field = String::with_capacity(55);
    field.push_str("00-");
    text::hex(&mut field, number(0));
    // Neither part of a name may be all zeros.
    text::hex(&mut field, number(8) | 1);
    field.push('-');
    text::hex(&mut field, number(16) | 1);
    field.push_str("-01");
    field
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_leaves_does_not_tell_what_decides() {
        // Somebody at an origin takes the trace ids of her own requests and runs the generator back.
        let unshift = |number: u64, by: u32| (0..64 / by).fold(number, |undone, _| number ^ (undone >> by));
        let inverse = |number: u64| {
            // The inverses of SplitMix64's factors modulo 2^64.
            let number = unshift(number, 31).wrapping_mul(0x3196_42b2_d24d_8ec3);
            unshift(unshift(number, 27).wrapping_mul(0x96de_1b17_3f11_9089), 30)
        };
        let entropy = 0x0123_4567_89ab_cdef;
        let field = traceparent(entropy);
        let numbers = [3..19, 19..35, 36..52].map(|place| u64::from_str_radix(&field[place], 16).unwrap());
        for number in numbers.into_iter().flat_map(|number| [number, number ^ 1]) {
            for step in 0..4u64 {
                assert_ne!(inverse(number).wrapping_sub(step.wrapping_mul(0x9e37_79b9_7f4a_7c15)), entropy);
            }
            assert_ne!(number, entropy);
        }
        assert_ne!(field, traceparent(entropy + 1));
    }
}
