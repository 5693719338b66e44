//! How a session is written: readable text and a signature over all of it.
//!
//! `1.KEY.SUBJECT.HOME.EPOCH.ISSUED.EXPIRES.PINS.SIGNATURE`, times in Unix milliseconds, `-` for what is absent, pins as
//! `DATASET:w:REGION:SINCE:UNTIL` (a window) or `DATASET:p:REGION:SINCE:EPOCH:POSITION` (a position, in hexadecimal digits),
//! joined by `~`. Where the pin is on the part of a subject that is not the session's own, `DATASET/SUBJECT`. Only characters that RFC 6265 section 4.1.1 allows in a cookie.

use std::fmt::Write;

use super::{Claim, LONGEST_PIN, MOST_BYTES, MOST_PINS, Opened, Pin, Session};
use crate::routing::{
    keys::SessionKeys,
    ownership::Epoch,
    position::{Mark, Position},
    reason::Reason,
    subject::SubjectId,
    time::Timestamp,
};

/// The session cookie's name; the prefix binds it to this host over a secure connection.
pub const COOKIE: &str = "__Host-homing";

const VERSION: &str = "1";

/// What a signature adds to the text that it signs: a dot and 32 bytes in base64url.
const SIGNATURE: usize = 44;

/// Writes and signs a session. What does not fit any more is the oldest of its pins.
#[must_use]
pub fn seal(session: &Session, keys: &SessionKeys) -> String {
    let mut text = write(session, keys);
    let mut smaller = None;
    while text.len() + SIGNATURE > MOST_BYTES {
        let smaller = smaller.get_or_insert_with(|| session.clone());
        // The newest pin is about as old as this session.
        let now = smaller.pins.iter().map(|pin| pin.since).max().unwrap_or_default();
        if !smaller.drop_oldest(now) {
            break;
        }
        text = write(smaller, keys);
    }
    let signature = keys.current().sign(&text);
    text.push('.');
    text.push_str(&signature);
    text
}

fn write(session: &Session, keys: &SessionKeys) -> String {
    let mut text =
        format!("{VERSION}.{}.{}.", keys.current().id(), session.subject.as_ref().map_or("-", SubjectId::as_str));
    let (home, epoch) = session.home.as_ref().map_or(("-", 0), |(home, epoch)| (home.as_str(), epoch.0));
    // Writing to a String cannot fail.
    let _ = write!(text, "{home}.{epoch}.{}.{}.", session.issued.0, session.expires.0);
    for (at, Pin { dataset, subject, region, since, claim }) in session.pins.iter().enumerate() {
        text.push_str(if at == 0 { "" } else { "~" });
        text.push_str(dataset);
        if let Some(subject) = subject {
            let _ = write!(text, "/{}", subject.as_str());
        }
        let _ = match claim {
            Claim::Until(until) => write!(text, ":w:{region}:{}:{}", since.0, until.0),
            Claim::AtLeast(Mark { epoch, position }) => {
                write!(text, ":p:{region}:{}:{}:{position:x}", since.0, epoch.0)
            }
        };
    }
    text
}

/// Reads a session back: believed only if it is whole, ours and current. Whatever is not believed routes like no session.
#[must_use]
pub fn open(text: &str, keys: &SessionKeys, now: Timestamp) -> Opened {
    if text.len() > MOST_BYTES {
        return Opened::nothing(Reason::SessionMalformed);
    }
    let Some((signed, signature)) = text.rsplit_once('.') else {
        return Opened::nothing(Reason::SessionMalformed);
    };
    let mut fields = signed.split('.');
    if fields.next() != Some(VERSION) {
        return Opened::nothing(Reason::SessionMalformed);
    }
    let ours = fields.next().and_then(|id| keys.by_id(id)).is_some_and(|key| key.verify(signed, signature));
    if !ours {
        return Opened::nothing(Reason::SessionForged);
    }
    match read(fields) {
        None => Opened::nothing(Reason::SessionMalformed),
        Some(session) if session.expires <= now => Opened::nothing(Reason::SessionExpired),
        Some(session) => believe(session, now),
    }
}

fn read<'a>(mut fields: impl Iterator<Item = &'a str>) -> Option<Session> {
    let subject = match fields.next()? {
        "-" => None,
        id => Some(SubjectId::parse(id)?),
    };
    let home = fields.next()?;
    let epoch = Epoch(fields.next()?.parse().ok()?);
    let issued = Timestamp(fields.next()?.parse().ok()?);
    let expires = Timestamp(fields.next()?.parse().ok()?);
    let pins = fields.next()?;
    let pins = if pins.is_empty() { Vec::new() } else { pins.split('~').map(read_pin).collect::<Option<_>>()? };
    let home = (home != "-").then(|| (home.to_owned(), epoch));
    fields.next().is_none().then_some(Session { subject, home, issued, expires, pins })
}

fn read_pin(text: &str) -> Option<Pin> {
    let mut fields = text.split(':');
    let (dataset, subject) = match fields.next()?.split_once('/') {
        Some((dataset, subject)) => (dataset.to_owned(), Some(SubjectId::parse(subject)?)),
        None => (text.split(':').next()?.to_owned(), None),
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

/// Drops the pins that no honest edge can have made: those that reach further ahead than any pin may.
fn believe(mut session: Session, now: Timestamp) -> Opened {
    let furthest = now.after(LONGEST_PIN);
    let before = session.pins.len();
    session.pins.retain(|pin| pin.since <= furthest && !matches!(pin.claim, Claim::Until(until) if until > furthest));
    session.pins.truncate(MOST_PINS);
    let disbelieved = before - session.pins.len();
    Opened { session, verdict: Reason::SessionValid, disbelieved }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::routing::{keys::Key, topology::SubjectKind};

    const NOW: Timestamp = Timestamp(1_700_000_000_000);

    fn keys(current: &str, previous: Option<&str>) -> SessionKeys {
        let key = |name: &str| Key::new(&format!("{name:-<32}")).unwrap();
        SessionKeys::new(key(current), previous.map(key))
    }

    fn session() -> Session {
        Session {
            subject: Some(SubjectId::of(SubjectKind::User, "ada")),
            home: Some(("eu".to_owned(), Epoch(3))),
            issued: NOW,
            expires: NOW.after(super::super::LIFETIME),
            pins: vec![
                pin("cart", Claim::Until(NOW.after(LONGEST_PIN))),
                pin("cart", Claim::AtLeast(Mark { epoch: Epoch(3), position: Position::new(0x16_b374) })),
                Pin {
                    subject: Some(SubjectId::of(SubjectKind::Tenant, "acme")),
                    ..pin("notes", Claim::Until(NOW.after(LONGEST_PIN)))
                },
            ],
        }
    }

    fn pin(dataset: &str, claim: Claim) -> Pin {
        Pin { dataset: dataset.to_owned(), subject: None, region: "eu".to_owned(), since: NOW, claim }
    }

    #[test]
    fn what_was_sealed_opens() {
        let sealed = seal(&session(), &keys("a", None));
        let opened = open(&sealed, &keys("a", None), NOW);
        assert_eq!(opened, Opened { session: session(), verdict: Reason::SessionValid, disbelieved: 0 });
    }

    #[test]
    fn a_rotated_key_is_still_believed_and_a_retired_one_is_not() {
        let sealed = seal(&session(), &keys("a", None));
        assert_eq!(open(&sealed, &keys("b", Some("a")), NOW).verdict, Reason::SessionValid);
        assert_eq!(open(&sealed, &keys("c", Some("b")), NOW).verdict, Reason::SessionForged);
    }

    #[test]
    fn an_expired_one_is_nothing() {
        let sealed = seal(&session(), &keys("a", None));
        let late = NOW.after(super::super::LIFETIME);
        assert_eq!(open(&sealed, &keys("a", None), late), Opened::nothing(Reason::SessionExpired));
    }

    #[test]
    fn a_pin_too_far_ahead_is_not_believed_even_when_signed() {
        let mut far = session();
        far.pins.push(pin("notes", Claim::Until(Timestamp(u64::MAX))));
        let opened = open(&seal(&far, &keys("a", None)), &keys("a", None), NOW);
        assert_eq!((opened.session, opened.disbelieved), (session(), 1));
    }

    #[test]
    fn flipping_any_bit_makes_it_nothing() {
        let sealed = seal(&session(), &keys("a", None)).into_bytes();
        for at in 0..sealed.len() * 8 {
            let mut forged = sealed.clone();
            forged[at / 8] ^= 1 << (at % 8);
            let Ok(forged) = String::from_utf8(forged) else { continue };
            let opened = open(&forged, &keys("a", None), NOW);
            assert_eq!(opened.session, Session::default(), "{forged}");
        }
    }

    #[test]
    fn the_largest_session_fits_with_all_its_newest_pins() {
        let mut large = session();
        large.home = Some(("r".repeat(32), Epoch(u64::MAX)));
        large.pins.clear();
        let mark = Mark { epoch: Epoch(u64::MAX), position: Position::new(u128::from(u64::MAX)) };
        for at in 0..MOST_PINS {
            let dataset = format!("{at}{}", "d".repeat(31));
            let since = Timestamp(NOW.0 + at as u64);
            large.add_pin(Pin { region: "r".repeat(32), since, ..pin(&dataset, Claim::AtLeast(mark)) }, NOW);
        }
        let sealed = seal(&large, &keys("a", None));
        assert!(sealed.len() <= MOST_BYTES, "{} bytes", sealed.len());
        let opened = open(&sealed, &keys("a", None), NOW).session;
        assert!(opened.pins.len() >= 5, "{} pins", opened.pins.len());
        assert_eq!(opened.pins, large.pins[MOST_PINS - opened.pins.len()..]);
    }

    #[test]
    fn eight_pins_of_ordinary_names_fit() {
        let mut session = session();
        let mark = Mark { epoch: Epoch(12), position: Position::new(0x019b_0e5a_8000_0001_0000_000a) };
        session.pins = (0..MOST_PINS).map(|at| pin(&format!("dataset-{at}"), Claim::AtLeast(mark))).collect();
        assert_eq!(open(&seal(&session, &keys("a", None)), &keys("a", None), NOW).session, session);
    }

    proptest! {
        #[test]
        fn no_text_harms(text in "\\PC{0,200}") {
            prop_assert_eq!(open(&text, &keys("a", None), NOW).session, Session::default());
        }
    }
}
