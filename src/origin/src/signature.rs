//! `Homing-Signature`: proof that a request came through the router, or from its authority.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit, Mac};
use http::{HeaderMap, Method, Uri};
use sha2::Sha256;

use crate::{Refusal, asked::COVERED};

/// How old a signature may be, and how far ahead its clock, in milliseconds.
const OLDEST: u64 = 60_000;

/// The secrets that the router may sign with: two at a time, so that they can be exchanged.
#[derive(Clone, Default)]
pub(crate) struct Keys(pub(crate) Vec<String>);

impl Keys {
    /// Whether requests are signed at all; only [`Settings::unsigned`](crate::Settings::unsigned) has none.
    pub(crate) fn are_used(&self) -> bool {
        !self.0.is_empty()
    }

    /// Checks a request's signature; with no keys all are accepted.
    pub(crate) fn verify(&self, method: &Method, uri: &Uri, headers: &HeaderMap, now: u64) -> Result<(), Refusal> {
        if !self.are_used() {
            return Ok(());
        }
        let (time, given) = parse(headers).ok_or(Refusal::Unsigned("this needs the router's Homing-Signature"))?;
        let message = message(method, uri, headers, time);
        if !self.0.iter().any(|key| mac(key, &message).is_some_and(|mac| mac.verify_slice(&given).is_ok())) {
            return Err(Refusal::Unsigned("the signature is not the router's"));
        }
        if time.abs_diff(now) > OLDEST { Err(Refusal::Unsigned("the signature is too old")) } else { Ok(()) }
    }
}

/// Signs a request as the router does, at a time in Unix milliseconds: the value of `Homing-Signature`. For tests, and for
/// tools that speak to the ownership address. None if the key is unusable.
#[must_use]
pub fn sign(key: &str, method: &Method, uri: &Uri, headers: &HeaderMap, now: u64) -> Option<String> {
    let mac = mac(key, &message(method, uri, headers, now))?;
    Some(format!("t={now};v={}", URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes())))
}

fn parse(headers: &HeaderMap) -> Option<(u64, Vec<u8>)> {
    let (time, value) = headers.get("homing-signature")?.to_str().ok()?.strip_prefix("t=")?.split_once(";v=")?;
    Some((time.parse().ok()?, URL_SAFE_NO_PAD.decode(value).ok()?))
}

/// An empty key makes no signature, so that a secret which was forgotten refuses all rather than nothing.
fn mac(key: &str, message: &str) -> Option<Hmac<Sha256>> {
    if key.is_empty() {
        return None;
    }
    let mut mac = Hmac::<Sha256>::new_from_slice(key.as_bytes()).ok()?;
    mac.update(message.as_bytes());
    Some(mac)
}

/// What a signature covers, a line each: method, target, time, then the contract's headers, empty where absent.
fn message(method: &Method, uri: &Uri, headers: &HeaderMap, time: u64) -> String {
    let target = uri.path_and_query().map_or("/", |target| target.as_str());
    let mut message = format!("{method}\n{target}\n{time}");
    for name in COVERED {
        message.push('\n');
        message.push_str(headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default());
    }
    message
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(keys: &[&str], signed: Option<&str>, now: u64) -> Result<(), Refusal> {
        let mut headers = HeaderMap::new();
        headers.insert("homing-epoch", "3".parse().unwrap());
        let uri: Uri = "/api/catalog/1?a=b".parse().unwrap();
        if let Some(key) = signed {
            headers
                .insert("homing-signature", sign(key, &Method::PUT, &uri, &headers, 100_000).unwrap().parse().unwrap());
        }
        Keys(keys.iter().map(|key| (*key).to_owned()).collect()).verify(&Method::PUT, &uri, &headers, now)
    }

    #[test]
    fn either_of_two_keys_will_do_for_a_minute() {
        assert_eq!(verdict(&["new", "old"], Some("new"), 100_000), Ok(()));
        assert_eq!(verdict(&["new", "old"], Some("old"), 160_000), Ok(()));
        assert_eq!(verdict(&[], None, 100_000), Ok(()), "nobody asked for one");
        assert!(verdict(&[""], Some("new"), 100_000).is_err(), "an empty key is none");
        for (signed, now) in [(None, 100_000), (Some("other"), 100_000), (Some("new"), 160_001), (Some("new"), 39_999)]
        {
            assert!(verdict(&["new", "old"], signed, now).is_err(), "{signed:?} {now}");
        }
    }

    #[test]
    fn the_signature_is_the_one_that_the_contract_describes() {
        // As the Node.js code of docs/contract.md computes it.
        let mut headers = HeaderMap::new();
        headers.insert("homing-region", "us".parse().unwrap());
        headers.insert("homing-intent", "write".parse().unwrap());
        let signature = sign("secret", &Method::PUT, &"/x?y=1".parse().unwrap(), &headers, 1).unwrap();
        assert_eq!(signature, "t=1;v=NEqDPepxrM4WwhrYVXhKXpuBGZ66NGN2bW6aHp00GoE");
    }

    #[test]
    fn every_covered_header_and_the_target_count() {
        let uri: Uri = "/a?b=c".parse().unwrap();
        let sealed = message(&Method::PUT, &uri, &HeaderMap::new(), 1);
        for name in COVERED {
            let mut headers = HeaderMap::new();
            headers.insert(name, "x".parse().unwrap());
            assert_ne!(message(&Method::PUT, &uri, &headers, 1), sealed, "{name}");
        }
        assert_ne!(message(&Method::POST, &uri, &HeaderMap::new(), 1), sealed);
        assert_ne!(message(&Method::PUT, &"/a?b=d".parse().unwrap(), &HeaderMap::new(), 1), sealed);
    }
}
