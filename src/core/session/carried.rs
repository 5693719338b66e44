//! Pins that a redirect to another host carries along in a query parameter: cookies stay at the host that set them.
//!
//! `c1.KEY.ISSUED.PINS.SIGNATURE`, pins as in a session, but each with the subject that it is on. It is a token of its own kind: the
//! signature is by another key (derived from the session key for this one purpose) and over the host that it is for, too. So a
//! session in the parameter is nothing, and so is this as a session; at another host, or a minute later, it is nothing either. Who
//! somebody is does not travel, and nothing in it says where anything goes.

use std::time::Duration;

use super::{Claim, LONGEST_CLOCK, MOST_BYTES, Pin, SIGNATURE, Session, is_shared};
use crate::session::{
    codec::write_clock,
    pins::{is_in_bounds, read_pins, write_pin},
};
use crate::{
    http::{target::Target, url::host},
    model::{
        clock::CARRIED,
        keys::{Key, SessionKeys},
        ranked::ranked,
        time::Timestamp,
    },
    topology::Topology,
};

/// The query parameter.
pub const PARAMETER: &str = "homing-session";
/// How long a redirect may take; a link that is passed on later carries nothing.
const FOR: Duration = Duration::from_secs(60);
/// How far two edges' clocks may lie apart.
const SKEW: Duration = Duration::from_secs(5);

const VERSION: &str = "c1";
/// What the derived key is for.
const PURPOSE: &str = "pins carried along by a redirect";

/// What came in the parameter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Arrived {
    /// The query without it.
    pub query: String,
    /// The pins.
    pub pins: Carried,
}

/// What came along is not ours, not for this host, or too old.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotBelieved;

/// Pins that a redirect has carried along, where they are believed.
pub type Carried = Result<Vec<Pin>, NotBelieved>;

/// The query of a request to that authority without the parameter, and what the parameter said.
#[must_use]
pub fn arrived(
    query: &str,
    authority: &str,
    topology: &Topology,
    keys: &SessionKeys,
    now: Timestamp,
) -> Option<Arrived> {
    let is_ours = |pair: &&str| pair.split_once('=').map_or(*pair, |(name, _)| name) == PARAMETER;
    let pair = query.split('&').find(is_ours)?;
    let token = pair.split_once('=').map_or("", |(_, token)| token);
    let others: Vec<_> = query.split('&').filter(|pair| !is_ours(pair)).collect();
    let here = bare(authority);
    let pins = if topology.identity().shares_sessions(&here) {
        open_carried(token, &here, keys, now)
    } else {
        Err(NotBelieved)
    };
    Some(Arrived { query: others.join("&"), pins })
}

/// Whether a part of a query is not the parameter.
#[must_use]
pub fn is_not_ours(part: &str) -> bool {
    part.split('=').next() != Some(PARAMETER)
}

/// The target of a redirect from that authority, with the session's pins in it if both are hosts of the application.
#[must_use]
pub fn along(
    location: &str,
    from: &Target,
    session: &Session,
    topology: &Topology,
    keys: &SessionKeys,
    now: Timestamp,
) -> Option<String> {
    // The host as browsers find it, which what is handed back says in so many words.
    let to = from.join(location)?;
    let shared = |host: &str| topology.identity().shares_sessions(host);
    if session.pins.is_empty() || to.host() == from.host() || !shared(from.host()) || !shared(to.host()) {
        return None;
    }
    let gap = if to.query().is_some() { '&' } else { '?' };
    let fragment = location.split_once('#').map(|(_, part)| format!("#{part}")).unwrap_or_default();
    let token = seal_carried(session, to.host(), keys, now);
    Some(format!("{}{gap}{PARAMETER}={token}{fragment}", to.as_str()))
}

/// A host's name without port and trailing dot, in lower case: names of hosts have no case (RFC 9110 section 4.2.3).
fn bare(authority: &str) -> String {
    let host = host(authority).to_ascii_lowercase();
    host.strip_suffix('.').map(str::to_owned).unwrap_or(host)
}

/// Writes and signs a session's pins for a host, and its clock. What does not fit any more are the oldest pins.
fn seal_carried(session: &Session, to: &str, keys: &SessionKeys, now: Timestamp) -> String {
    let newest = ranked(&session.pins, |one, other| one.since > other.since);
    let mut text = format!("{VERSION}.{}.{}.", keys.current().id(), now.0);
    let start = text.len();
    for pin in newest {
        let end = text.len();
        text.push_str(if end == start { "" } else { "~" });
        write_pin(&mut text, pin, None);
        if text.len() + LONGEST_CLOCK + SIGNATURE > MOST_BYTES {
            text.truncate(end);
            break;
        }
    }
    write_clock(&mut text, session);
    let signature = key(keys.current()).sign(&signed(&text, to));
    text.push('.');
    text.push_str(&signature);
    text
}

/// Reads them back: believed only if they are ours, for this host, and not older than a minute.
fn open_carried(token: &str, here: &str, keys: &SessionKeys, now: Timestamp) -> Carried {
    let read = || {
        let (text, signature) = token.rsplit_once('.').filter(|_| token.len() <= MOST_BYTES)?;
        let mut fields = text.split('.');
        let ours = fields.next() == Some(VERSION)
            && fields
                .next()
                .and_then(|id| keys.by_id(id))
                .is_some_and(|of| key(of).verify(&signed(text, here), signature));
        let issued = Timestamp(fields.next().filter(|_| ours)?.parse().ok()?);
        let pins = read_pins(fields.next()?, |_| None)?;
        let is_current = issued <= now.after(SKEW) && now < issued.after(FOR);
        (fields.next().is_none() && is_current).then_some(pins)
    };
    let mut pins = read().ok_or(NotBelieved)?;
    pins.retain(|pin| is_in_bounds(pin, now));
    // And the clock, which is none of them.
    pins.truncate(super::MOST_PINS + 1);
    Ok(pins)
}

fn key(of: &Key) -> Key {
    of.derived(PURPOSE)
}

/// What the signature is over: no text of a token has a newline, nor has a host.
fn signed(text: &str, host: &str) -> String {
    format!("{text}\n{host}")
}

impl Session {
    /// Takes over pins that came along, where they claim more than those at hand. Of split data only what is on the part of its own
    /// subject, or of one that requests name themselves (by path, host, cookie or field): anybody can have sent the client here.
    pub fn adopt(&mut self, carried: &[Pin], topology: &Topology, now: Timestamp) {
        for pin in carried {
            if let Some(clock) = pin.clock().filter(|clock| !clock.is_ahead(now, CARRIED)) {
                self.clock = self.clock.max(clock);
            }
            if !self.may_adopt(pin, topology) {
                continue;
            }
            let subject = pin.subject.as_ref();
            // What is the session's own never gives way to what somebody may have sent it.
            let is_shared = is_shared(pin, Some(topology));
            let holds_one = self.pins.iter().any(|held| pin.is_like(held, is_shared));
            let raised = self.raised(pin, !pin.is_shown(is_shared), topology);
            let counts = match (pin.claim, self.window(&pin.dataset, subject, now)) {
                (Claim::Until(until), Some(Pin { claim: Claim::Until(held), .. })) => until > *held,
                (Claim::AtLeast(_), _) if holds_one => raised.is_some(),
                _ => self.pins.len() < super::MOST_PINS,
            };
            if counts {
                self.add_pin(Pin { claim: raised.unwrap_or(pin.claim), ..pin.clone() }, topology, now);
            }
        }
        // Somebody who had none has a session now.
        self.expires = self.expires.max(now.after(FOR));
    }

    fn may_adopt(&self, pin: &Pin, topology: &Topology) -> bool {
        let id = topology.dataset_named(&pin.dataset);
        let Some(dataset) = id.and_then(|id| topology.dataset(id)) else {
            return pin.subject.is_none() && (pin.dataset.is_empty() || pin.is_over_everything());
        };
        match (dataset.rule.split_by(), &pin.subject) {
            (Some(kind), Some(subject)) => {
                !topology.identity().is_named_by_answers(kind) || self.subject(kind) == Some(subject)
            }
            (None, None) => true,
            (Some(_), None) | (None, Some(_)) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{
        model::{
            clock::HybridTime,
            epoch::Epoch,
            position::{Mark, Position},
            reasons::Verdict,
            subject::{SubjectId, SubjectKind},
        },
        session::codec::{open, received, seal},
        topology::{error::KeyPath, parse, raw},
    };

    const NOW: Timestamp = Timestamp(1_700_000_000_000);
    const FROM: &str = "https://A.example.com:8443/";

    fn keys() -> SessionKeys {
        SessionKeys::new(Key::new("the key of these tests, long enough").unwrap(), None)
    }

    fn topology() -> Topology {
        let vars = r#"{"REGIONS":{"us":{"origin":"https://us.example"},"eu":{"origin":"https://eu.example"}},
            "DATASETS":{"cart":{"ownership":"geo-partitioned","subject":"user","regions":["us","eu"]},
            "notes":{"ownership":"geo-partitioned","subject":"tenant","regions":["us","eu"]},
            "catalog":{"ownership":"single-writer","home":"us"}},
            "IDENTITY":{"user":{"response_header":"Homing-Subject"},"tenant":{"path":"/t/{tenant}/*"},"hosts":["*.example.com"]}}"#;
        parse(&raw::from_json(vars).unwrap(), &KeyPath::default()).unwrap().0
    }

    fn ada() -> SubjectId {
        SubjectId::of(SubjectKind::User, "ada")
    }

    fn pin(dataset: &str, value: u128) -> Pin {
        let claim = Claim::AtLeast(Mark { epoch: Epoch(1), position: Position::new(value) });
        Pin { dataset: dataset.to_owned(), subject: None, region: "eu".to_owned(), since: NOW, claim }
    }

    fn of(subject: SubjectId, dataset: &str, value: u128) -> Pin {
        Pin { subject: Some(subject), ..pin(dataset, value) }
    }

    fn session(name: &str, pins: Vec<Pin>) -> Session {
        let mut session = Session { pins, expires: NOW.after(super::super::LIFETIME), ..Session::default() };
        session.subjects.sign(SubjectKind::User, Some(SubjectId::of(SubjectKind::User, name)));
        session
    }

    fn redirect(location: &str) -> Option<String> {
        along(
            location,
            &Target::read(FROM).unwrap(),
            &session("ada", vec![pin("catalog", 7), of(ada(), "cart", 9)]),
            &topology(),
            &keys(),
            NOW,
        )
    }

    fn arrives(query: &str, host: &str, later: u64) -> Carried {
        arrived(query, host, &topology(), &keys(), Timestamp(NOW.0 + later)).unwrap().pins
    }

    fn token() -> String {
        redirect("https://b.example.com/").unwrap().split_once('=').unwrap().1.to_owned()
    }

    #[test]
    fn pins_go_along_to_another_host_of_the_application_only() {
        let to = redirect("https://b.example.com/x?y=1#z").unwrap();
        assert!(to.starts_with("https://b.example.com/x?y=1&homing-session=c1.") && to.ends_with("#z"), "{to}");
        for elsewhere in [
            "/x",
            "https://a.example.com/x",
            "https://A.example.com./",
            "https://example.com/",
            "https://evil.example.org/",
            "mailto:a@b",
            // What browsers take for the host is not what stands before the next slash.
            "https://evil.example\\@b.example.com/",
            "https://evil.example\\.b.example.com/",
            "/\\evil.example/.b.example.com",
            "https://u@b.example.com/",
        ] {
            assert_eq!(redirect(elsewhere), None, "{elsewhere}");
        }
        let stranger = |from| {
            along("https://b.example.com/", from, &session("ada", vec![pin("catalog", 7)]), &topology(), &keys(), NOW)
        };
        assert_eq!(
            stranger(&Target::read("https://elsewhere.example.org/").unwrap()),
            None,
            "nor from a host that is not named"
        );
    }

    #[test]
    fn the_clock_goes_along_and_is_raised_within_bounds_only() {
        let at = |ms| HybridTime::at(Timestamp(NOW.0 + ms));
        let from = Session {
            clock: at(5),
            ..session("ada", (0..8).map(|n| pin(&format!("{n}{}", "d".repeat(31)), u128::MAX)).collect())
        };
        let along = along("https://b.example.com/", &Target::read(FROM).unwrap(), &from, &topology(), &keys(), NOW);
        let along = along.unwrap();
        assert!(along.len() <= MOST_BYTES + "https://b.example.com/?homing-session=".len());
        let came = arrives(along.split_once('?').unwrap().1, "b.example.com", 1).unwrap();
        for (held, ahead, now) in [(at(0), 0, at(5)), (at(9), 0, at(9)), (at(0), 60 * 60_000, at(0))] {
            let mut session = Session { clock: held, ..session("ada", Vec::new()) };
            session.adopt(&came, &topology(), Timestamp(NOW.0 - ahead));
            assert_eq!(session.clock, now);
        }
    }

    #[test]
    fn a_link_throws_nothing_away_that_the_session_holds() {
        // Somebody writes to eight datasets of the same application and lets a redirect lead the victim here with all of it.
        let full = |position| (0..super::super::MOST_PINS).map(move |at| pin(&format!("d{at}"), position)).collect();
        let topology = topology();
        let mut session = session("ada", full(5));
        let before = session.clone();
        session.adopt(&[pin("catalog", 7), pin("", 7)], &topology, NOW);
        assert_eq!(session.pins, before.pins);
        session.pins.truncate(3);
        session.adopt(&[pin("catalog", 7)], &topology, NOW);
        assert_eq!(session.pins.len(), 4, "where there is room");
    }

    #[test]
    fn they_arrive_once_at_the_host_that_they_are_for_within_a_minute_and_leave_the_query_as_it_was() {
        let to = redirect("https://b.example.com/x?y=1&z").unwrap();
        let query = to.split_once('?').unwrap().1;
        let came = arrived(query, "B.example.com.:443", &topology(), &keys(), NOW).unwrap();
        assert_eq!((came.query.as_str(), came.pins), ("y=1&z", Ok(vec![pin("catalog", 7), of(ada(), "cart", 9)])));
        assert!(arrives(query, "b.example.com", 59_999).is_ok());
        for (host, later) in [("b.example.com", 60_000), ("c.example.com", 0), ("b.example.org", 0), ("example.com", 0)]
        {
            assert_eq!(arrives(query, host, later), Err(NotBelieved), "{host} {later}");
        }
        assert_eq!(
            arrived("homing-session=nonsense&homing-session", "b.example.com", &topology(), &keys(), NOW)
                .unwrap()
                .query,
            ""
        );
        assert_eq!(arrived("a=1&my-homing-session=2", "b.example.com", &topology(), &keys(), NOW), None);
    }

    /// The attacker puts her own cookie, good for 30 days, into a link.
    #[test]
    fn a_session_in_the_parameter_is_nothing_and_the_other_way_round() {
        let sealed = seal(&session("mallory", vec![pin("catalog", 7)]), &keys());
        for text in [sealed.clone(), sealed.replacen('2', VERSION, 1), sealed.replacen("2.", "1.", 1)] {
            assert_eq!(arrives(&format!("homing-session={text}"), "b.example.com", 0), Err(NotBelieved));
        }
        let token = token();
        for text in [token.clone(), token.replacen(VERSION, "2", 1), token.replacen(VERSION, "1", 1)] {
            assert_eq!(open(&text, &keys(), NOW).session, Session::default());
            assert_eq!(received(&text, &keys(), &topology(), NOW).session, Session::default());
        }
    }

    /// Another key, so no text at all that one signs is believed as the other.
    #[test]
    fn what_one_key_signs_the_other_does_not() {
        let text = format!("{VERSION}.{}.{}.catalog:p:eu:1:1:7", keys().current().id(), NOW.0);
        let by = |key: &Key, message: &str| format!("homing-session={text}.{}", key.sign(message));
        let (session_key, derived) = (keys().current().clone(), key(keys().current()));
        let bound = signed(&text, "b.example.com");
        assert!(arrives(&by(&derived, &bound), "b.example.com", 0).is_ok());
        for (key, message) in [(&session_key, &bound), (&session_key, &text), (&derived, &text)] {
            assert!(arrives(&by(key, message), "b.example.com", 0).is_err());
        }
        let session = format!("2.{}.-.-.1.9999999999999.", keys().current().id());
        assert_eq!(open(&format!("{session}.{}", derived.sign(&session)), &keys(), NOW).verdict, Verdict::Forged);
    }

    #[test]
    fn what_claims_more_wins() {
        let mut session = session("ada", vec![pin("catalog", 5), of(ada(), "cart", 9)]);
        session.adopt(&[pin("catalog", 7), of(ada(), "cart", 3)], &topology(), NOW);
        let at = |dataset, subject| session.mark(dataset, subject).unwrap().1.position;
        assert_eq!((at("catalog", None), at("cart", Some(&ada()))), (Position::new(7), Position::new(9)));
    }

    /// Of two users one sends the other a link.
    #[test]
    fn nothing_of_somebody_elses_data_is_taken_over() {
        let (mallory, acme) = (SubjectId::of(SubjectKind::User, "mallory"), SubjectId::of(SubjectKind::Tenant, "acme"));
        let mut of_ada = session("ada", Vec::new());
        let foreign =
            [of(mallory, "cart", 9), pin("cart", 9), pin("notes", 9), of(ada(), "catalog", 9), pin("gone", 9)];
        of_ada.adopt(&foreign, &topology(), NOW);
        assert_eq!(of_ada.pins, []);
        of_ada.adopt(&[of(acme.clone(), "notes", 9)], &topology(), NOW);
        assert_eq!(of_ada.pins, [of(acme, "notes", 9)], "whose part a path names the request says itself");
        let mut of_nobody = Session::default();
        of_nobody.adopt(&[of(ada(), "cart", 9)], &topology(), NOW);
        assert_eq!(of_nobody.pins, []);
    }

    proptest! {
        #[test]
        fn flipping_any_bit_makes_it_nothing(at in 0usize..2400) {
            let mut forged = token().into_bytes();
            let at = at % (forged.len() * 8);
            forged[at / 8] ^= 1 << (at % 8);
            let Ok(forged) = String::from_utf8(forged) else { return Ok(()) };
            let Some(arrived) = arrived(&format!("homing-session={forged}"), "b.example.com", &topology(), &keys(), NOW) else { return Ok(()) };
            // An ampersand ends the parameter.
            prop_assert!(arrived.pins.is_err(), "{}", forged);
        }

        #[test]
        fn no_text_harms(text in "\\PC{0,200}") {
            let arrived = arrived(&format!("homing-session={text}"), "b.example.com", &topology(), &keys(), NOW).unwrap();
            prop_assert!(arrived.pins.is_err());
        }
    }
}
