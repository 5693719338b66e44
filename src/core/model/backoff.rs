//! How long to wait before something is sent again.

use std::time::Duration;

/// The bounds of a wait. It is jittered between them, so that those who failed together do not come back together (Brooker, "Exponential
/// Backoff and Jitter", AWS Architecture Blog); it does not grow, since nothing is sent again more than once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Backoff {
    /// The least.
    pub least: Duration,
    /// The most; no less than the least.
    pub most: Duration,
}

impl Backoff {
    /// The wait that this number stands for, in whole milliseconds.
    #[must_use]
    pub(crate) fn jittered(self, entropy: u64) -> Duration {
        let (least, most) = (self.least.as_millis(), self.most.as_millis());
        let spread = u64::try_from(most.saturating_sub(least)).unwrap_or(u64::MAX).saturating_add(1);
        self.least + Duration::from_millis(entropy % spread)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_wait_lies_between_both() {
        let backoff = Backoff { least: Duration::from_millis(25), most: Duration::from_millis(250) };
        for entropy in 0..1_000 {
            assert!((backoff.least..=backoff.most).contains(&backoff.jittered(entropy)));
        }
        assert_eq!(backoff.jittered(0), backoff.least);
        assert_eq!(backoff.jittered(225), backoff.most);
    }
}
