//! How a region keeps the contract.

use crate::{Unit, lease::Leases, signature::Keys};

/// The least length of a key, in bytes: the router takes no shorter `ORIGIN_KEY` either.
const SHORTEST: usize = 32;

/// How a region keeps the contract. They are made with a key, or without one by a word that says so: nobody forgets it.
pub struct Settings {
    pub(crate) region: String,
    pub(crate) keys: Keys,
    pub(crate) leases: Leases,
    pub(crate) first_home: Option<String>,
}

/// A key that is no secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ShortKey {
    found: usize,
}

impl std::fmt::Display for ShortKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "the key has {} characters; expected at least {SHORTEST}, the very ORIGIN_KEY of the router (`openssl rand -hex 32` \
             makes one); to believe everybody who reaches this region, say Settings::unsigned",
            self.found
        )
    }
}

impl std::error::Error for ShortKey {}

impl Settings {
    /// The settings of the region of that name, as the router's configuration has it, and the secret with which the router signs
    /// (`ORIGIN_KEY`). Writes and claims that are not signed with it are refused.
    ///
    /// # Errors
    /// If the key has less than 32 characters.
    pub fn with_key(region: &str, key: &str) -> Result<Self, ShortKey> {
        Self::unsigned(region).and_key(key)
    }

    /// Another secret that will do as well: name the old and the new one while you exchange them.
    ///
    /// # Errors
    /// If the key has less than 32 characters.
    pub fn and_key(mut self, key: &str) -> Result<Self, ShortKey> {
        if key.len() < SHORTEST {
            return Err(ShortKey { found: key.len() });
        }
        self.keys.0.push(key.to_owned());
        Ok(self)
    }

    /// The settings of a region that believes whoever reaches it: any of them may move what it owns, and write by any epoch. For
    /// tests, and for regions that nobody but the router can reach.
    #[must_use]
    pub fn unsigned(region: &str) -> Self {
        Self { region: region.to_owned(), keys: Keys::default(), leases: Leases::default(), first_home: None }
    }

    /// Where the data of every subject is of whom nobody has told this region an owner: all that there was before the router, in
    /// the one region where the application wrote. That region takes such a subject's writes, with the router and without it, and
    /// every other one declines them, though the router may have thought otherwise. Say the same in all regions, and the router's
    /// `first_home`; leave both out when the homes of all who were there before are in the router's directory (`homing import`).
    #[must_use]
    pub fn with_first_home(mut self, home: &str) -> Self {
        self.first_home = Some(home.to_owned());
        self
    }

    /// Units that are written only while a lease holds. Without one a region that was deposed in its absence, and comes back,
    /// goes on accepting writes until somebody tells it; they are lost. With one it stops by itself. The price: if the
    /// authority cannot be reached, writes to these units stop when the lease runs out, though all else is well.
    ///
    /// The lease is in this process's memory. Of several processes of a region each must be told of a renewal
    /// ([`Homing::renew`](crate::Homing::renew)); one that has just started waits for the next.
    #[must_use]
    pub fn with_lease(mut self, which: impl Fn(&Unit) -> bool + Send + Sync + 'static) -> Self {
        self.leases = Leases::of(Box::new(which));
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_that_is_no_secret_is_refused() {
        let error = |key: &str| Settings::with_key("us", key).err().map(|error| error.to_string());
        for key in ["", "secret", &"x".repeat(31)] {
            let said = error(key).unwrap();
            assert!(said.starts_with(&format!("the key has {} characters; expected at least 32", key.len())), "{said}");
        }
        assert_eq!(error(&"x".repeat(32)), None);
        assert!(Settings::unsigned("us").and_key("short").is_err());
    }
}
