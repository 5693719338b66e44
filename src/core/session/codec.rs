//! How a session is written: readable text and a signature over all of it.
//!
//! `2.KEY.USER.TENANT.ISSUED.EXPIRES.PINS.SIGNATURE`, times in Unix milliseconds; USER and TENANT are `SUBJECT:HOME:EPOCH`, or `SUBJECT`
//! where nobody could say where it lives, or `-`; pins are `DATA:w:REGION:SINCE:UNTIL` (a window) or
//! `DATA:p:REGION:SINCE:EPOCH:POSITION` (a position, in hexadecimal digits), joined by `~`. DATA is `DATASET`, or of a split one the part
//! that it is on: `DATASET/u` and `DATASET/t` of the session's own user and tenant, else `DATASET/SUBJECT`. The last of the pins is the
//! clock, where the session has one: `@:p:@:0:0:TIME`. Only characters that RFC 6265 section 4.1.1 allows in a cookie. What was written
//! before is read by `former.rs`.

use std::fmt::Write;

use super::{CLOCK, MOST_BYTES, Opened, SIGNATURE, Session, former};
use crate::{
    model::{
        clock::HybridTime, epoch::Epoch, formats, keys::SessionKeys, position::Position, reasons::Verdict,
        subject::SubjectId, time::Timestamp,
    },
    topology::Topology,
};
use crate::{
    ownership::own::{Home, Own, Subjects},
    session::pins::{believe, read_pins, write_pin},
};

const VERSION: &str = "2";

/// Writes and signs a session. Of what does not fit any more the pins go that are missed least.
#[must_use]
pub fn seal_for(session: &Session, topology: &Topology, keys: &SessionKeys) -> String {
    sealed(session, Some(topology), keys)
}

/// The same without a look at what datasets there are: for sessions that are made up and fit.
#[must_use]
pub fn seal(session: &Session, keys: &SessionKeys) -> String {
    sealed(session, None, keys)
}

fn sealed(session: &Session, topology: Option<&Topology>, keys: &SessionKeys) -> String {
    let mut text = write(session, keys);
    let mut smaller = None;
    while text.len() + SIGNATURE > MOST_BYTES {
        let smaller = smaller.get_or_insert_with(|| session.clone());
        // The newest pin is about as old as this session.
        let now = smaller.pins.iter().map(|pin| pin.since).max().unwrap_or_default();
        if !smaller.shrink(topology, now) {
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
    let mut text = format!("{VERSION}.{}.", keys.current().id());
    let Subjects { user, tenant } = &session.subjects;
    write_own(&mut text, user.as_ref());
    write_own(&mut text, tenant.as_ref());
    // Writing to a String cannot fail.
    let _ = write!(text, "{}.{}.", session.issued.0, session.expires.0);
    for (at, pin) in session.pins.iter().enumerate() {
        text.push_str(if at == 0 { "" } else { "~" });
        write_pin(&mut text, pin, Some(&session.subjects));
    }
    write_clock(&mut text, session);
    text
}

/// Writes the clock behind the pins, if the session has one.
pub(super) fn write_clock(text: &mut String, session: &Session) {
    if session.clock > HybridTime::default() {
        text.push_str(if text.ends_with('.') { "" } else { "~" });
        let _ = write!(text, "{CLOCK}:p:{CLOCK}:0:0:{:x}", Position::new(session.clock.0.into()));
    }
}

fn write_own(text: &mut String, own: Option<&Own>) {
    text.push_str(own.map_or("-", |own| own.subject.as_str()));
    if let Some(Home { name, epoch }) = own.and_then(|own| own.home.as_ref()) {
        let _ = write!(text, ":{name}:{}", epoch.0);
    }
    text.push('.');
}

/// Reads a session back: believed only if it is whole, ours and current. Whatever is not believed routes like no session.
#[must_use]
pub fn open(text: &str, keys: &SessionKeys, now: Timestamp) -> Opened {
    match verified(text, VERSION, keys).map(read) {
        Err(verdict) => Opened::nothing(verdict),
        Ok(None) => Opened::nothing(Verdict::Malformed),
        Ok(Some(session)) if session.expires <= now => Opened::nothing(Verdict::Expired),
        Ok(Some(mut session)) => {
            let clock_ahead = session.drop_clock_ahead(now);
            Opened { clock_ahead, ..believe(session, now) }
        }
    }
}

/// The same for a session of any version that may still be out there. One of a later version, which must have run here, is not read
/// and not replaced: what it remembers is not lost, and until that version is back, what sessions were promised is read at home.
#[must_use]
pub fn received(text: &str, keys: &SessionKeys, topology: &Topology, now: Timestamp) -> Opened {
    let version = text.split('.').next().unwrap_or_default();
    // What is in it is that version's to know; that it is ours can be seen, for all of them sign alike.
    if version.parse().is_ok_and(|version: u64| version > formats::SESSION) {
        return Opened::nothing(verified(text, version, keys).err().unwrap_or(Verdict::Later));
    }
    if version != former::VERSION {
        return open(text, keys, now);
    }
    match verified(text, former::VERSION, keys) {
        Err(verdict) => Opened::nothing(verdict),
        Ok(fields) => former::read(fields, topology, now),
    }
}

/// The fields after version and key, if the text is of that version and ours.
fn verified<'t>(text: &'t str, version: &str, keys: &SessionKeys) -> Result<std::str::Split<'t, char>, Verdict> {
    let (signed, signature) = text.rsplit_once('.').filter(|_| text.len() <= MOST_BYTES).ok_or(Verdict::Malformed)?;
    let mut fields = signed.split('.');
    if fields.next() != Some(version) {
        return Err(Verdict::Malformed);
    }
    let ours = fields.next().is_some_and(|id| keys.verify(id, signed, signature));
    if ours { Ok(fields) } else { Err(Verdict::Forged) }
}

fn read<'a>(mut fields: impl Iterator<Item = &'a str>) -> Option<Session> {
    let subjects = Subjects { user: read_own(fields.next()?)?, tenant: read_own(fields.next()?)? };
    let issued = Timestamp(fields.next()?.parse().ok()?);
    let expires = Timestamp(fields.next()?.parse().ok()?);
    let pins = read_pins(fields.next()?, |short| {
        let own = match short {
            "u" => &subjects.user,
            "t" => &subjects.tenant,
            _ => &None,
        };
        own.as_ref().map(|own| own.subject.clone())
    })?;
    let mut session = Session { subjects, issued, expires, pins, ..Session::default() };
    session.take_clock();
    fields.next().is_none().then_some(session)
}

/// None inside is nobody; none outside is no text of ours.
#[expect(clippy::option_option, reason = "absent is a value here, and malformed is none")]
fn read_own(text: &str) -> Option<Option<Own>> {
    if text == "-" {
        return Some(None);
    }
    let mut parts = text.split(':');
    let subject = SubjectId::parse(parts.next()?)?;
    let home = match parts.next() {
        Some(name) => Some(Home { name: name.to_owned(), epoch: Epoch(parts.next()?.parse().ok()?) }),
        None => None,
    };
    parts.next().is_none().then_some(Some(Own { subject, home }))
}

#[cfg(test)]
mod tests {
    use crate::model::clock::CARRIED;
    use crate::model::position::Mark;
    use crate::session::Claim;
    use crate::session::LONGEST_PIN;
    use crate::session::MOST_PINS;
    use crate::session::Pin;
    use proptest::prelude::*;

    use super::*;
    use crate::{
        model::{keys::Key, subject::SubjectKind},
        topology::{error::KeyPath, parse, raw},
    };

    const NOW: Timestamp = Timestamp(1_700_000_000_000);

    fn keys(current: &str, previous: Option<&str>) -> SessionKeys {
        let key = |name: &str| Key::new(&format!("{name:-<32}")).unwrap();
        SessionKeys::new(key(current), previous.map(key))
    }

    fn own(kind: SubjectKind, name: &str, home: &str) -> Own {
        Own { subject: SubjectId::of(kind, name), home: Some(Home { name: home.to_owned(), epoch: Epoch(3) }) }
    }

    fn session() -> Session {
        let (ada, acme) = (own(SubjectKind::User, "ada", "eu"), own(SubjectKind::Tenant, "acme", "us"));
        let until = Claim::Until(NOW.after(LONGEST_PIN));
        let mark = Claim::AtLeast(Mark { epoch: Epoch(3), position: Position::new(0x16_b374) });
        let bolt = SubjectId::of(SubjectKind::Tenant, "bolt");
        let of = |own: &Own| Some(own.subject.clone());
        Session {
            pins: vec![
                Pin { subject: of(&ada), ..pin("cart", until) },
                Pin { subject: of(&ada), ..pin("cart", mark) },
                Pin { subject: of(&acme), ..pin("notes", mark) },
                Pin { subject: Some(bolt), ..pin("notes", until) },
                pin("catalog", until),
            ],
            subjects: Subjects { user: Some(ada), tenant: Some(acme) },
            issued: NOW,
            expires: NOW.after(super::super::LIFETIME),
            clock: HybridTime(HybridTime::at(NOW).0 | 7),
        }
    }

    const TWO_REGIONS: &str =
        r#"{"REGIONS":{"us":{"origin":"https://us.example"},"eu":{"origin":"https://eu.example"}}}"#;

    fn topology(vars: &str) -> Topology {
        parse(&raw::from_json(vars).unwrap(), &KeyPath::default()).unwrap().0
    }

    fn pin(dataset: &str, claim: Claim) -> Pin {
        Pin { dataset: dataset.to_owned(), subject: None, region: "eu".to_owned(), since: NOW, claim }
    }

    #[test]
    fn what_was_sealed_opens() {
        let of_nobody =
            Session { pins: vec![pin("", Claim::Until(NOW))], expires: Timestamp(u64::MAX), ..Session::default() };
        for session in [session(), of_nobody] {
            let opened = open(&seal(&session, &keys("a", None)), &keys("a", None), NOW);
            assert_eq!(opened, Opened { session, ..Opened::nothing(Verdict::Valid) });
        }
    }

    #[test]
    fn a_rotated_key_is_still_believed_and_a_retired_one_is_not() {
        let sealed = seal(&session(), &keys("a", None));
        assert_eq!(open(&sealed, &keys("b", Some("a")), NOW).verdict, Verdict::Valid);
        assert_eq!(open(&sealed, &keys("c", Some("b")), NOW).verdict, Verdict::Forged);
    }

    #[test]
    fn an_expired_one_is_nothing() {
        let sealed = seal(&session(), &keys("a", None));
        let late = NOW.after(super::super::LIFETIME);
        assert_eq!(open(&sealed, &keys("a", None), late), Opened::nothing(Verdict::Expired));
    }

    #[test]
    fn a_pin_too_far_ahead_is_not_believed_even_when_signed() {
        let mut far = session();
        far.pins.push(pin("notes", Claim::Until(Timestamp(u64::MAX))));
        let opened = open(&seal(&far, &keys("a", None)), &keys("a", None), NOW);
        assert_eq!((opened.session, opened.disbelieved), (session(), 1));
    }

    #[test]
    fn a_clock_too_far_ahead_is_not_believed_even_when_signed() {
        let at = |time: Timestamp| Session { clock: HybridTime::at(time), ..session() };
        for (clock, believed) in
            [(NOW.after(CARRIED), true), (Timestamp(NOW.after(CARRIED).0 + 1), false), (Timestamp(1), true)]
        {
            let opened = open(&seal(&at(clock), &keys("a", None)), &keys("a", None), NOW);
            let clock = if believed { HybridTime::at(clock) } else { HybridTime::default() };
            assert_eq!((opened.session.clock, opened.clock_ahead), (clock, !believed));
            assert_eq!((opened.session.pins, opened.disbelieved), (session().pins, 0));
        }
    }

    #[test]
    fn a_version_before_the_clock_reads_it_as_a_mark_and_this_one_reads_what_that_writes_back() {
        let sealed = seal(&session(), &keys("a", None));
        let pins = sealed.split('.').nth(6).unwrap();
        let read = read_pins(pins, |short| {
            session().subject(if short == "u" { SubjectKind::User } else { SubjectKind::Tenant }).cloned()
        });
        let mut before = Session { pins: read.unwrap(), clock: HybridTime::default(), ..session() };
        assert_eq!((&before.pins[..5], before.pins[5].dataset.as_str()), (&session().pins[..], "@"));
        // It writes, and what it then remembers stands behind.
        before.add_pin(pin("likes", Claim::Until(NOW)), &topology(TWO_REGIONS), NOW);
        let back = open(&seal(&before, &keys("a", None)), &keys("a", None), NOW).session;
        assert_eq!((back.clock, back.pins.len()), (session().clock, 6));
        // With eight pins of its own the clock is what it lets go, and no promise is lost.
        (0..3).for_each(|at| before.add_pin(pin(&format!("d{at}"), Claim::Until(NOW)), &topology(TWO_REGIONS), NOW));
        let back = open(&seal(&before, &keys("a", None)), &keys("a", None), NOW).session;
        assert_eq!((back.clock, back.pins.len()), (HybridTime::default(), MOST_PINS));
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

    fn signed(text: &str) -> String {
        let keys = keys("a", None);
        let text = text.replace("KEY", keys.current().id());
        format!("{text}.{}", keys.current().sign(&text))
    }

    #[test]
    fn what_is_signed_and_odd_is_malformed() {
        let id = "GdAZGkoHV5U4-Bo_P4T8RX";
        for odd in [
            "2.KEY.-.-.1.x.",
            "2.KEY.ada.-.1.9999999999999.",
            &format!("2.KEY.{id}:eu.-.1.9999999999999."),
            &format!("2.KEY.{id}:eu:1:2.-.1.9999999999999."),
            "2.KEY.-.-.1.9999999999999.cart/u:w:eu:1:2",
            "2.KEY.-.-.1.9999999999999.cart/x:w:eu:1:2",
            "2.KEY.-.1.9999999999999.",
            "2.KEY.-.-.1.9999999999999..",
            "3.KEY.-.-.1.9999999999999.",
        ] {
            assert_eq!(open(&signed(odd), &keys("a", None), NOW), Opened::nothing(Verdict::Malformed), "{odd}");
        }
        assert_eq!(open(&signed("2.KEY.-.-.1.9999999999999."), &keys("a", None), NOW).verdict, Verdict::Valid);
    }

    #[test]
    fn one_of_version_1_is_of_the_one_kind_that_the_application_names() {
        let read = |identity: &str| {
            let vars = format!(
                r#"{{"REGIONS":{{"us":{{"origin":"https://us.example"}},"eu":{{"origin":"https://eu.example"}}}},
                "DATASETS":{{"cart":{{"ownership":"geo-partitioned","subject":"user","regions":["us","eu"]}},
                "notes":{{"ownership":"geo-partitioned","subject":"tenant","regions":["us","eu"]}},
                "catalog":{{"ownership":"single-writer","home":"us"}}}},"IDENTITY":{identity}}}"#
            );
            let topology = topology(&vars);
            let (ada, acme) = ("GdAZGkoHV5U4-Bo_P4T8RX", SubjectId::of(SubjectKind::Tenant, "acme"));
            let since = NOW.0;
            let pins =
                format!("cart:p:eu:{since}:3:2a~notes/{}:p:us:{since}:1:7~catalog:p:us:{since}:1:9", acme.as_str());
            let text = signed(&format!("1.KEY.{ada}.eu.3.{since}.{}.{pins}", since + 1000));
            received(&text, &keys("a", None), &topology, NOW).session
        };
        let user = r#""user":{"response_header":"Homing-Subject"}"#;
        let path = r#""tenant":{"path":"/t/{tenant}/*"}"#;
        let both = read(&format!(r#"{{{user},"tenant":{{"response_header":"Homing-Tenant"}}}}"#));
        let one = read(&format!("{{{user},{path}}}"));
        let home = one.home(SubjectKind::User).unwrap();
        assert_eq!((home.name(), home.epoch(), one.subject(SubjectKind::Tenant)), ("eu", Epoch(3), None));
        assert!(one.mark("cart", one.subject(SubjectKind::User)).is_some() && one.pins.len() == 3);
        assert!(both.subjects.all().next().is_none(), "nobody can say of which kind it is");
        assert_eq!(both.pins.iter().map(|pin| pin.dataset.as_str()).collect::<Vec<_>>(), ["notes", "catalog"]);
    }

    #[test]
    fn the_largest_session_fits_with_all_its_newest_pins() {
        let mut large = session();
        for kind in SubjectKind::ALL {
            let home = Home { name: "r".repeat(32), epoch: Epoch(u64::MAX) };
            large.subjects.of_mut(kind).as_mut().unwrap().home = Some(home);
        }
        large.pins.clear();
        let mark = Mark { epoch: Epoch(u64::MAX), position: Position::new(u128::from(u64::MAX)) };
        for at in 0..MOST_PINS {
            let dataset = format!("{at}{}", "d".repeat(31));
            let since = Timestamp(NOW.0 + at as u64);
            large.add_pin(
                Pin { region: "r".repeat(32), since, ..pin(&dataset, Claim::AtLeast(mark)) },
                &topology(TWO_REGIONS),
                NOW,
            );
        }
        let sealed = seal(&large, &keys("a", None));
        assert!(sealed.len() <= MOST_BYTES, "{} bytes", sealed.len());
        let opened = open(&sealed, &keys("a", None), NOW).session;
        assert!(opened.pins.len() >= 5, "{} pins", opened.pins.len());
        let kept = opened.pins.iter().filter(|pin| !pin.is_over_everything()).count();
        assert_eq!(opened.pins[..kept], large.pins[MOST_PINS - kept..]);
    }

    #[test]
    fn eight_pins_of_ordinary_names_fit() {
        let mut session = session();
        let mark = Mark { epoch: Epoch(12), position: Position::new(0x019b_0e5a_8000_0001_0000_000a) };
        session.pins = (0..MOST_PINS).map(|at| pin(&format!("dataset-{at}"), Claim::AtLeast(mark))).collect();
        assert_eq!(open(&seal(&session, &keys("a", None)), &keys("a", None), NOW).session, session);
        // As they are in a shop: a catalogue, a cart, what was liked, and notes of tenants in the paths.
        let until = Claim::Until(NOW.after(LONGEST_PIN));
        let notes = |name: &str| Pin {
            subject: Some(SubjectId::of(SubjectKind::Tenant, name)),
            ..pin("notes", Claim::AtLeast(Mark { epoch: Epoch(2), position: Position::new(0x1f_b374) }))
        };
        let cart = Pin { subject: session.subject(SubjectKind::User).cloned(), ..pin("cart", Claim::AtLeast(mark)) };
        session.pins = vec![pin("catalog", Claim::AtLeast(mark)), cart, pin("likes", until)];
        session.pins.extend(["a", "b", "c", "d", "e"].map(notes));
        let length = seal(&session, &keys("a", None)).len();
        assert!((540..600).contains(&length), "docs/sessions.md says how long it is: {length}");
    }

    proptest! {
        #[test]
        fn no_text_harms(text in "\\PC{0,200}") {
            prop_assert_eq!(open(&text, &keys("a", None), NOW).session, Session::default());
        }
    }
}
