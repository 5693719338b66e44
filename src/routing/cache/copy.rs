//! A stored copy: when and where it was made, and whether a reader may have it.

use std::time::Duration;

use crate::routing::{
    ownership::Epoch,
    position::Shows,
    time::{Timestamp, millis},
};

/// The field under which a copy's own data is stored beside it; it never leaves the edge.
pub const STORED: &str = "homing-stored";
/// The field that keeps the origin's `Cache-Control` while the store is told how long to keep the entry.
pub const STORED_CONTROL: &str = "homing-stored-control";

/// What is stored beside a response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Copy {
    /// When its request was sent.
    pub made: Timestamp,
    /// How old it was then.
    pub age: Duration,
    /// How old it may become and still be fresh.
    pub fresh: Duration,
    /// How long after that it may be shown when every region fails.
    pub grace: Duration,
    /// The region that made it.
    pub region: String,
    /// The generation of the ownership under which it was made.
    pub epoch: Epoch,
    /// What it shows, where its origin says that.
    pub shows: Option<Shows>,
}

/// What may be done with a copy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Judged {
    /// It may be shown.
    Fresh,
    /// It may be shown if every region fails.
    Grace,
    /// It may not be shown.
    Dead,
}

impl Copy {
    /// One line: made, age, fresh, grace (milliseconds), region, epoch, what it shows.
    #[must_use]
    pub fn write(&self) -> String {
        let Self { made, age, fresh, grace, region, epoch, shows } = self;
        let shows = shows.as_ref().map_or_else(|| "-".to_owned(), Shows::write);
        format!("{} {} {} {} {region} {} {shows}", made.0, millis(*age), millis(*fresh), millis(*grace), epoch.0)
    }

    /// Reads the line back.
    #[must_use]
    pub fn read(line: &str) -> Option<Self> {
        let mut fields = line.split(' ');
        let made = Timestamp(fields.next()?.parse().ok()?);
        let mut span = || fields.next()?.parse().ok().map(Duration::from_millis);
        let (age, fresh, grace) = (span()?, span()?, span()?);
        let region = fields.next()?.to_owned();
        let epoch = Epoch(fields.next()?.parse().ok()?);
        let shows = match fields.next()? {
            "-" => None,
            shows => Some(Shows::read(shows)?),
        };
        Some(Self { made, age, fresh, grace, region, epoch, shows })
    }

    /// Its age now (RFC 9111 section 4.2.3).
    #[must_use]
    pub fn current_age(&self, now: Timestamp) -> Duration {
        self.age.saturating_add(now.since(self.made))
    }

    /// What may be done with it now.
    #[must_use]
    pub fn judge(&self, now: Timestamp) -> Judged {
        let age = self.current_age(now);
        if age < self.fresh {
            Judged::Fresh
        } else if age < self.fresh.saturating_add(self.grace) {
            Judged::Grace
        } else {
            Judged::Dead
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_lives_through_three_stages() {
        let span = Duration::from_millis;
        let copy = Copy {
            made: Timestamp(1000),
            age: span(500),
            fresh: span(1500),
            grace: span(1000),
            region: "eu".to_owned(),
            epoch: Epoch(7),
            shows: None,
        };
        assert_eq!(Copy::read(&copy.write()), Some(copy.clone()));
        assert_eq!(copy.judge(Timestamp(1999)), Judged::Fresh);
        assert_eq!(copy.judge(Timestamp(2000)), Judged::Grace);
        assert_eq!(copy.judge(Timestamp(2999)), Judged::Grace);
        assert_eq!(copy.judge(Timestamp(3000)), Judged::Dead);
        assert_eq!(Copy::read("1 2 3"), None);
    }
}
