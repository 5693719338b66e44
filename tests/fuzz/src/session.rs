//! Sessions: what is not signed is nothing; what is signed can be any text, and is read without harm.

use std::time::Duration;

use arbitrary::{Result, Unstructured};
use homing_core::testing::{
    http::target::Target,
    model::{
        epoch::Epoch,
        position::{Mark, Position},
        reasons::Verdict,
        subject::{SubjectId, SubjectKind},
        time::Timestamp,
    },
    ownership::{Ownership, evidence::Keeper},
    session::{
        Claim, LONGEST_PIN, MOST_BYTES, MOST_PINS, Opened, Pin, Session,
        carried::{Arrived, along, arrived},
        codec::{open, seal},
    },
};

use crate::made::{NOW, keys, settings, text};

/// Pieces of a session's text.
const PIECES: [&str; 16] = [
    ".",
    ":",
    "~",
    "/",
    "-",
    "1",
    "0",
    "w",
    "p",
    "eu",
    "cart",
    "99999999999999",
    "AAAAAAAAAAAAAAAAAAAAAA",
    "2a",
    "+",
    "*",
];

/// The target.
pub fn whatever(bytes: &[u8]) {
    let _ = holds(bytes, |text| open(text, &keys(), NOW));
}

/// The law, of whatever opens sessions.
///
/// # Errors
/// If the bytes do not suffice.
pub fn holds(bytes: &[u8], open: impl Fn(&str) -> Opened) -> Result<()> {
    let u = &mut Unstructured::new(bytes);
    // Signed text that nobody sealed: the parser behind the signature, which no forger reaches.
    let body = format!("2.{}.{}", keys().current().id(), text(u, &PIECES, 24)?);
    let signed = format!("{body}.{}", keys().current().sign(&body));
    reads_back(&open(&signed), &open);

    let session = session(u)?;
    let sealed = seal(&session, &keys());
    assert!(sealed.len() <= MOST_BYTES, "{} bytes", sealed.len());
    let opened = open(&sealed);
    assert_ne!(opened.verdict, Verdict::Forged, "{sealed}");
    reads_back(&opened, &open);

    // Any change to what was sealed is a forgery.
    let mut forged = sealed.clone();
    let at = u.int_in_range(0..=forged.len() - 1)?;
    forged.replace_range(at..=at, u.choose(&PIECES)?);
    if forged != sealed {
        let opened = open(&forged);
        assert_eq!(opened.session, Session::default(), "believed: {forged}");
        assert_ne!(opened.verdict, Verdict::Valid);
    }
    // What a redirect carries along is no session, does at its own host alone, and no change of it is believed.
    let from = Target::read("https://a.example.com/").unwrap();
    let to = "https://b.example.com/";
    if let Some(url) = along(to, &from, &session, &settings().topology, &keys(), NOW) {
        let token = url.split_once('=').unwrap().1;
        assert_ne!(open(token).verdict, Verdict::Valid, "a token is no session: {token}");
        let brought =
            |token: &str, host| arrived(&format!("homing-session={token}"), host, &settings().topology, &keys(), NOW);
        let pins = |token: &str, host| brought(token, host).unwrap().pins;
        assert!(pins(token, "b.example.com").is_ok() && pins(token, "a.example.com").is_err(), "{token}");
        let mut forged = token.to_owned();
        let at = u.int_in_range(0..=forged.len() - 1)?;
        forged.replace_range(at..=at, u.choose(&PIECES)?);
        assert!(forged == token || pins(&forged, "b.example.com").is_err(), "believed: {forged}");
    }
    // Raw text, as a cookie and as what a redirect brings.
    let raw = u.arbitrary::<String>()?;
    assert_ne!(open(&raw).verdict, Verdict::Valid, "{raw}");
    let query = text(u, &["homing-session=", "&", "=", "a=1", "#", &sealed, &signed], 6)?;
    if let Some(Arrived { query: rest, pins }) = arrived(&query, "a.example.com", &settings().topology, &keys(), NOW) {
        assert!(pins.is_err(), "a session is no token: {query}");
        assert!(!rest.split('&').any(|pair| pair.starts_with("homing-session=")), "{rest}");
    }
    Ok(())
}

/// What was believed can be sealed, and is then the same. Pins are few and near.
fn reads_back(opened: &Opened, open: &impl Fn(&str) -> Opened) {
    if opened.verdict != Verdict::Valid {
        assert_eq!(opened.session, Session::default());
        return;
    }
    let session = &opened.session;
    assert!(session.expires > NOW && session.pins.len() <= MOST_PINS);
    let furthest = NOW.after(LONGEST_PIN);
    for pin in &session.pins {
        assert!(pin.since <= furthest && !matches!(pin.claim, Claim::Until(until) if until > furthest));
    }
    let sealed = seal(session, &keys());
    let again = open(&sealed);
    assert_eq!(again.verdict, Verdict::Valid, "{sealed}");
    if sealed.len() < MOST_BYTES - 64 {
        assert_eq!(again.session, *session, "{sealed}");
    }
}

fn subject(u: &mut Unstructured<'_>) -> Result<Option<SubjectId>> {
    let kind = *u.choose(&[SubjectKind::User, SubjectKind::Tenant])?;
    let name = *u.choose(&["ada", "bob", "acme"])?;
    Ok(u.arbitrary::<bool>()?.then(|| SubjectId::of(kind, name)))
}

fn time(u: &mut Unstructured<'_>) -> Result<Timestamp> {
    Ok(match u.int_in_range(0..=3)? {
        0 => Timestamp(u.arbitrary()?),
        1 => NOW.after(Duration::from_millis(u.int_in_range(0..=60_000)?)),
        2 => Timestamp(NOW.0 - u.int_in_range(0..=60_000)?),
        _ => NOW.after(Duration::from_secs(u.int_in_range(0..=10_000_000)?)),
    })
}

/// A session that some edge could have made, or nearly.
pub fn session(u: &mut Unstructured<'_>) -> Result<Session> {
    let names = ["us", "eu", "ap", "gone"];
    let mut session = Session { issued: time(u)?, expires: time(u)?, ..Session::default() };
    let topology = &settings().topology;
    for kind in SubjectKind::ALL {
        session.subjects.sign(kind, subject(u)?);
        let text = format!(r#"{{"home":"{}","epoch":{}}}"#, u.choose(&names)?, u.int_in_range(0..=3)?);
        let home = Ownership::kept(&text, Keeper::Directory, topology, topology.all_regions());
        if let (Some(home), true) = (home, u.arbitrary()?) {
            session.subjects.settle(kind, home.ownership, topology);
        }
    }
    for _ in 0..u.int_in_range(0..=10)? {
        let claim = if u.arbitrary()? {
            Claim::Until(time(u)?)
        } else {
            Claim::AtLeast(Mark { epoch: Epoch(u.int_in_range(0..=3)?), position: Position::new(u.arbitrary()?) })
        };
        let dataset = (*u.choose(&["", "catalog", "cart", "orders", "mail", "notes", "tags", "gone"])?).to_owned();
        let pin =
            Pin { dataset, subject: subject(u)?, region: (*u.choose(&names)?).to_owned(), since: time(u)?, claim };
        if u.ratio(3, 4)? {
            session.add_pin(pin, topology, NOW);
        } else {
            session.pins.push(pin);
        }
    }
    Ok(session)
}
