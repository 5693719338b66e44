//! How pins are written: in a session ([`super::codec`] has the form), a former one, and an address.

use std::fmt::Write;

use crate::{
    model::{
        epoch::Epoch,
        position::{Mark, Position},
        reasons::Verdict,
        subject::SubjectId,
        time::Timestamp,
    },
    ownership::own::{Own, Subjects},
    session::{Claim, LONGEST_PIN, MOST_PINS, Opened, Pin, Session},
};

/// Writes a pin; the subject that it is on in short where it is one of these.
pub(crate) fn write_pin(text: &mut String, pin: &Pin, own: Option<&Subjects>) {
    let Pin { dataset, subject, region, since, claim } = pin;
    text.push_str(dataset);
    if let Some(subject) = subject {
        let is = |held: &Option<Own>| held.as_ref().is_some_and(|held| held.subject == *subject);
        let short = match own {
            Some(own) if is(&own.user) => "u",
            Some(own) if is(&own.tenant) => "t",
            _ => subject.as_str(),
        };
        let _ = write!(text, "/{short}");
    }
    // Writing to a String cannot fail, here and above.
    let _ = match claim {
        Claim::Until(until) => write!(text, ":w:{region}:{}:{}", since.0, until.0),
        Claim::AtLeast(Mark { epoch, position }) => {
            write!(text, ":p:{region}:{}:{}:{position:x}", since.0, epoch.0)
        }
    };
}

/// Reads pins, and whom a short subject stands for.
pub(crate) fn read_pins(text: &str, own: impl Fn(&str) -> Option<SubjectId>) -> Option<Vec<Pin>> {
    if text.is_empty() { Some(Vec::new()) } else { text.split('~').map(|pin| read_pin(pin, &own)).collect() }
}

fn read_pin(text: &str, own: impl Fn(&str) -> Option<SubjectId>) -> Option<Pin> {
    let mut fields = text.split(':');
    let data = fields.next()?;
    let (dataset, subject) = match data.split_once('/') {
        Some((dataset, subject)) => (dataset.to_owned(), Some(SubjectId::parse(subject).or_else(|| own(subject))?)),
        None => (data.to_owned(), None),
    };
    let sort = fields.next()?;
    let region = fields.next()?.to_owned();
    let since = Timestamp(fields.next()?.parse().ok()?);
    let claim = match sort {
        "w" => Claim::Until(Timestamp(fields.next()?.parse().ok()?)),
        "p" => {
            let epoch = Epoch(fields.next()?.parse().ok()?);
            let position = Position::new(u128::from_str_radix(fields.next()?, 16).ok()?);
            Claim::AtLeast(Mark { epoch, position })
        }
        _ => return None,
    };
    fields.next().is_none().then_some(Pin { dataset, subject, region, since, claim })
}

/// Drops the pins that no honest edge can have made.
pub(crate) fn believe(mut session: Session, now: Timestamp) -> Opened {
    let before = session.pins.len();
    session.pins.retain(|pin| is_in_bounds(pin, now));
    session.pins.truncate(MOST_PINS);
    let disbelieved = before - session.pins.len();
    Opened { session, disbelieved, ..Opened::nothing(Verdict::Valid) }
}

/// Whether a pin reaches no further ahead than any may.
pub(crate) fn is_in_bounds(pin: &Pin, now: Timestamp) -> bool {
    let furthest = now.after(LONGEST_PIN);
    pin.since <= furthest && !matches!(pin.claim, Claim::Until(until) if until > furthest)
}
