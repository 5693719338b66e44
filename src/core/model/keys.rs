//! Secrets and what is signed with them.

use std::{cell::Cell, fmt};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

use crate::model::recent::Recent;

/// Shortest secret that is accepted, in bytes.
pub const MIN_SECRET: usize = 32;

/// A secret key, kept as a keyed hash that is cloned per use. It never shows in logs: its `Debug` says only its id.
#[derive(Clone)]
pub struct Key {
    id: String,
    keyed: Hmac<Sha256>,
}

/// A secret is shorter than [`MIN_SECRET`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("found {length} characters, expected at least {MIN_SECRET}; make one with `openssl rand -base64 32`")]
pub struct SecretTooShort {
    /// The bytes that were found.
    pub length: usize,
}

impl Key {
    /// The key of that secret.
    ///
    /// # Errors
    /// If it is shorter than 32 bytes.
    pub fn new(secret: &str) -> Result<Self, SecretTooShort> {
        let too_short = SecretTooShort { length: secret.len() };
        if secret.len() < MIN_SECRET {
            return Err(too_short);
        }
        let keyed = Hmac::new_from_slice(secret.as_bytes()).map_err(|_| too_short)?;
        let mut hash = Sha256::new();
        hash.update("homing-key-id:");
        hash.update(secret);
        let mut id = URL_SAFE_NO_PAD.encode(hash.finalize());
        id.truncate(4);
        Ok(Self { id, keyed })
    }

    /// A short public name of the key, so that a reader knows which of two live keys signed.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Another key, made of this one for a purpose: what one signs is nothing to the other. It keeps the id.
    #[must_use]
    pub fn derived(&self, purpose: &str) -> Self {
        let mut mac = self.keyed.clone();
        mac.update(b"homing-derived-key:");
        mac.update(purpose.as_bytes());
        // HMAC takes a key of any length, so the other branch is never taken.
        let keyed = Hmac::new_from_slice(&mac.finalize().into_bytes()).unwrap_or_else(|_| self.keyed.clone());
        Self { id: self.id.clone(), keyed }
    }

    /// base64url of HMAC-SHA256 over the message.
    #[must_use]
    pub fn sign(&self, message: &str) -> String {
        let mut mac = self.keyed.clone();
        mac.update(message.as_bytes());
        URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes())
    }

    /// Whether the signature is this key's over the message; compared in constant time.
    #[must_use]
    pub fn verify(&self, message: &str, signature: &str) -> bool {
        let Ok(given) = URL_SAFE_NO_PAD.decode(signature) else { return false };
        let mut mac = self.keyed.clone();
        mac.update(message.as_bytes());
        mac.verify_slice(&given).is_ok()
    }
}

/// Whether two texts are equal, in time that depends on their lengths alone.
fn is_same(one: &str, other: &str) -> bool {
    let differ = one.bytes().zip(other.bytes()).fold(0, |differ, (one, other)| differ | (one ^ other));
    one.len() == other.len() && differ == 0
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Key({}, redacted)", self.id)
    }
}

/// The keys that sessions are signed with: the current one signs, both are believed.
#[derive(Clone, Debug)]
pub struct SessionKeys {
    current: Key,
    previous: Option<Key>,
    genuine: Genuine,
}

impl SessionKeys {
    /// A current key, and during a rotation the one before it.
    #[must_use]
    pub fn new(current: Key, previous: Option<Key>) -> Self {
        Self { current, previous, genuine: Genuine::default() }
    }

    /// The key that signs.
    #[must_use]
    pub fn current(&self) -> &Key {
        &self.current
    }

    /// The live key of that id.
    #[must_use]
    pub fn by_id(&self, id: &str) -> Option<&Key> {
        std::iter::once(&self.current).chain(&self.previous).find(|key| key.id == id)
    }

    /// Whether the signature is that of a live key, the one of that id, over the message, which names the key.
    #[must_use]
    pub fn verify(&self, id: &str, message: &str, signature: &str) -> bool {
        if self.genuine.has(message, signature) {
            return true;
        }
        let is_genuine = self.by_id(id).is_some_and(|key| key.verify(message, signature));
        if is_genuine {
            self.genuine.keep(message, signature);
        }
        is_genuine
    }
}

/// Messages that were found genuine lately, and their signatures. A client sends its session with every request, and to verify it takes a tenth of
/// what a request costs at the edge.
#[derive(Default)]
struct Genuine(Cell<Recent<(String, String), 64>>);

impl Genuine {
    fn has(&self, message: &str, signature: &str) -> bool {
        let recent = self.0.take();
        let found = recent.get(first(signature));
        let is_known = found.is_some_and(|(signed, by)| is_same(signed, message) & is_same(by, signature));
        self.0.set(recent);
        is_known
    }

    fn keep(&self, message: &str, signature: &str) {
        let mut recent = self.0.take();
        recent.keep(first(signature), (message.to_owned(), signature.to_owned()));
        self.0.set(recent);
    }
}

/// The first letter of a signature: those are spread well enough.
fn first(signature: &str) -> u32 {
    signature.bytes().next().unwrap_or_default().into()
}

impl Clone for Genuine {
    fn clone(&self) -> Self {
        Self::default()
    }
}

impl fmt::Debug for Genuine {
    /// Each of them opens a session.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Genuine(redacted)")
    }
}

/// Whether two secrets are equal, in time that does not depend on where they differ: both are hashed first.
#[must_use]
pub fn same_secret(given: &str, expected: &str) -> bool {
    let (a, b) = (Sha256::digest(given), Sha256::digest(expected));
    a.iter().zip(b.iter()).fold(0u8, |differ, (x, y)| differ | (x ^ y)) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "0123456789abcdef0123456789abcdef";

    #[test]
    fn a_key_knows_its_own_signature_and_no_other() {
        let key = Key::new(SECRET).unwrap();
        let signature = key.sign("hello");
        assert!(key.verify("hello", &signature));
        assert!(!key.verify("hellp", &signature));
        assert!(!key.verify("hello", "not base64!"));
        assert!(!key.verify("hello", ""));
    }

    #[test]
    fn what_was_once_found_genuine_lets_nothing_else_in() {
        let key = Key::new(SECRET).unwrap();
        let keys = SessionKeys::new(key.clone(), None);
        let verify = |message: &str, signature: &str| keys.verify(key.id(), message, signature);
        let signed: Vec<_> = (0..200).map(|at| (format!("2.a.{at}"), key.sign(&format!("2.a.{at}")))).collect();
        for _ in 0..2 {
            for (message, signature) in &signed {
                assert!(verify(message, signature), "{message}");
                assert!(verify(message, signature), "{message}, again");
                let forged = [
                    (format!("{message}0"), signature.clone()),
                    (format!("{message}{}", &signature[..1]), signature[1..].to_owned()),
                    (message.clone(), key.sign("2.a.x")),
                    (message.clone(), signature[..signature.len() - 1].to_owned()),
                    (message.clone(), String::new()),
                    (String::new(), signature.clone()),
                    (String::new(), String::new()),
                ];
                assert!(forged.iter().all(|(message, signature)| !verify(message, signature)), "{message}");
            }
        }
        let (message, signature) = &signed[0];
        let another = SessionKeys::new(key.derived("another"), None);
        assert!(!another.verify(key.id(), message, signature) && keys.clone().verify(key.id(), message, signature));
        assert!(!keys.verify("none", "2.a.x", &key.sign("2.a.x")), "of a key that is not live");
    }

    #[test]
    fn a_secret_never_shows() {
        assert!(!format!("{:?}", Key::new(SECRET).unwrap()).contains(SECRET));
        assert_eq!(Key::new("short").unwrap_err(), SecretTooShort { length: 5 });
    }

    #[test]
    fn secrets_compare() {
        assert!(same_secret("a", "a"));
        assert!(!same_secret("a", "b"));
        assert!(!same_secret("", "b"));
    }
}
