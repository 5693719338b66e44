//! The session: a signed routing hint that the client carries. It is never authorisation; the origin's fence decides.

mod codec;

use std::time::Duration;

pub use codec::{COOKIE, open, seal};

use super::{ownership::Epoch, reason::Reason, subject::SubjectId, time::Timestamp};

/// How long a session lives. It is renewed once less than half of it is left.
pub const LIFETIME: Duration = Duration::from_secs(30 * 24 * 3600);
/// The furthest ahead that a pin may reach. A pin further ahead is not believed, even when signed.
pub const LONGEST_PIN: Duration = Duration::from_secs(30);
/// The most pins that a session holds; the one that ends first gives way.
pub const MOST_PINS: usize = 8;
/// The most bytes of a sealed session.
pub const MOST_BYTES: usize = 1024;

/// What a session says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Session {
    /// Whose it is, if the application has said so.
    pub subject: Option<SubjectId>,
    /// The home of that subject, by name: a session outlives a change of the configuration.
    pub home: Option<(String, Epoch)>,
    /// When it was issued.
    pub issued: Timestamp,
    /// When it ends.
    pub expires: Timestamp,
    /// What it wrote lately.
    pub pins: Vec<Pin>,
}

/// A claim: after a write, read this dataset at its home until a time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pin {
    /// The dataset's name; empty for requests that no dataset claims.
    pub dataset: String,
    /// The region that took the write, by name; where nobody else owns the dataset, this is where it can be read.
    pub region: String,
    /// When the write was answered: a copy made at home after this shows it.
    pub since: Timestamp,
    /// When every region has the write, as far as is known.
    pub until: Timestamp,
}

/// A session as it came in: what is believed of it, and why no more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opened {
    /// The believed part; a fresh one where nothing was.
    pub session: Session,
    /// Whether it came, and whether it is ours.
    pub verdict: Reason,
    /// Pins that were dropped because they reach too far ahead.
    pub disbelieved: usize,
}

impl Opened {
    /// What a request without a (believable) session carries.
    #[must_use]
    pub fn nothing(verdict: Reason) -> Self {
        Self { session: Session::default(), verdict, disbelieved: 0 }
    }
}

impl Session {
    /// The pin on that dataset that is in force.
    #[must_use]
    pub fn pin(&self, dataset: &str, now: Timestamp) -> Option<&Pin> {
        self.pins.iter().find(|pin| pin.dataset == dataset && pin.until > now)
    }

    /// Adds a pin, in place of an older one on the same dataset; ended ones go.
    pub fn add_pin(&mut self, pin: Pin, now: Timestamp) {
        self.pins.retain(|held| held.until > now && held.dataset != pin.dataset);
        if self.pins.len() >= MOST_PINS
            && let Some(first_to_end) = (0..self.pins.len()).min_by_key(|at| self.pins.get(*at).map(|pin| pin.until))
        {
            self.pins.remove(first_to_end);
        }
        self.pins.push(pin);
    }

    /// Whether so little of its life is left that it should be issued anew.
    #[must_use]
    pub fn wants_renewal(&self, now: Timestamp) -> bool {
        self.expires > Timestamp::default() && self.expires.since(now) < LIFETIME / 2
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pin(dataset: &str, until: u64) -> Pin {
        Pin { dataset: dataset.to_owned(), region: "eu".to_owned(), since: Timestamp(1), until: Timestamp(until) }
    }

    #[test]
    fn a_later_pin_replaces_an_earlier_one_and_ended_ones_go() {
        let mut session = Session::default();
        session.add_pin(pin("cart", 10), Timestamp(1));
        session.add_pin(pin("notes", 50), Timestamp(1));
        session.add_pin(pin("cart", 40), Timestamp(20));
        assert_eq!(session.pins, [pin("notes", 50), pin("cart", 40)]);
        assert!(session.pin("cart", Timestamp(39)).is_some());
        assert!(session.pin("cart", Timestamp(40)).is_none());
    }

    #[test]
    fn the_pin_that_ends_first_gives_way() {
        let mut session = Session::default();
        for at in 0..9u64 {
            session.add_pin(pin(&format!("d{at}"), 100 + (at + 5) % 9), Timestamp(1));
        }
        assert_eq!(session.pins.len(), MOST_PINS);
        assert!(session.pin("d4", Timestamp(1)).is_none());
    }
}
