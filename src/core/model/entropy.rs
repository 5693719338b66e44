//! Chance: the numbers by which jitter, shares and names are drawn.

use std::hash::{DefaultHasher, Hash, Hasher};

/// Where the numbers come from that decide where chance does.
#[derive(Clone)]
pub enum Entropy {
    /// Out of a secret that never leaves: who sees some of these numbers can tell neither it nor the others (SipHash). Drawn once an
    /// isolate, so that a request needs no crossing into the platform for it.
    Secret {
        /// The hasher that has taken the secret in: most of a draw's work, done once.
        keyed: DefaultHasher,
        /// How many numbers were drawn.
        drawn: u64,
    },
    /// Always the same, for a world in which nothing is left to chance.
    Fixed(u64),
}

impl Entropy {
    /// Out of that secret.
    #[must_use]
    pub fn of(key: [u64; 2]) -> Self {
        let mut keyed = DefaultHasher::new();
        key.hash(&mut keyed);
        Self::Secret { keyed, drawn: 0 }
    }

    /// The next number.
    pub fn draw(&mut self) -> u64 {
        match self {
            Self::Secret { keyed, drawn } => {
                *drawn = drawn.wrapping_add(1);
                let mut hasher = keyed.clone();
                drawn.hash(&mut hasher);
                hasher.finish()
            }
            Self::Fixed(number) => *number,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_requests_meet_the_same_chance() {
        let mut entropy = Entropy::of([3, 4]);
        let drawn: std::collections::HashSet<_> = (0..100).map(|_| entropy.draw()).collect();
        assert_eq!(drawn.len(), 100);
    }
}
