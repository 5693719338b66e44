//! Pins that a redirect to another host carries along in a query parameter: cookies stay at the host that set them.

use std::time::Duration;

use super::{Claim, Opened, Pin, Session, open, seal};
use crate::routing::{keys::SessionKeys, reason::Reason, target::Target, time::Timestamp, topology::Identity};

/// The query parameter.
pub const PARAMETER: &str = "homing-session";
/// How long a redirect may take; a link that is passed on later carries nothing.
const FOR: Duration = Duration::from_secs(60);

/// The query without the parameter, and what the parameter said.
#[must_use]
pub fn arrived<'q>(query: &'q str, keys: &SessionKeys, now: Timestamp) -> Option<(String, Opened)> {
    let of = |pair: &'q str| pair.split_once('=').unwrap_or((pair, ""));
    let (_, sealed) = query.split('&').map(of).find(|(name, _)| *name == PARAMETER)?;
    let others: Vec<_> = query.split('&').filter(|pair| of(pair).0 != PARAMETER).collect();
    Some((others.join("&"), open(sealed, keys, now)))
}

/// Whether a part of a query is not the parameter.
#[must_use]
pub fn is_not_ours(part: &str) -> bool {
    part.split('=').next() != Some(PARAMETER)
}

/// The target of a redirect from that host, with the session's pins in it if it leads to another host of the application.
#[must_use]
pub fn along(
    location: &str,
    from: &Target,
    session: &Session,
    identity: &Identity,
    keys: &SessionKeys,
    now: Timestamp,
) -> Option<String> {
    // The host as browsers find it, which what is handed back says in so many words.
    let to = from.join(location)?;
    if session.pins.is_empty() || to.host() == from.host() || !identity.shares_sessions(to.host()) {
        return None;
    }
    // Only what was written: who somebody is stays where they signed in.
    let carried = Session { pins: session.pins.clone(), issued: now, expires: now.after(FOR), ..Session::default() };
    let gap = if to.query().is_some() { '&' } else { '?' };
    let fragment = location.split_once('#').map(|(_, part)| format!("#{part}")).unwrap_or_default();
    Some(format!("{}{gap}{PARAMETER}={}{fragment}", to.as_str(), seal(&carried, keys)))
}

impl Session {
    /// Takes over pins that came along, where they claim more than those at hand.
    pub fn adopt(&mut self, carried: &Session, now: Timestamp) {
        for pin in &carried.pins {
            let subject = pin.subject.as_ref();
            let more = match (pin.claim, self.window(&pin.dataset, subject, now), self.mark(&pin.dataset, subject)) {
                (Claim::Until(until), Some(Pin { claim: Claim::Until(held), .. }), _) => until > *held,
                (Claim::AtLeast(mark), _, Some((_, held))) => mark.is_after(&held),
                _ => true,
            };
            if more {
                self.add_pin(pin.clone(), now);
            }
        }
        self.expires = self.expires.max(carried.expires);
    }
}

impl Opened {
    /// The session with what a redirect carried along; true if that could be believed.
    pub fn join(&mut self, carried: &Opened, now: Timestamp) -> bool {
        let believed = carried.verdict == Reason::SessionValid;
        if believed {
            self.session.adopt(&carried.session, now);
        }
        believed
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::routing::{
        keys::Key,
        ownership::Epoch,
        position::{Mark, Position},
        topology::pattern::HostPattern,
    };

    const NOW: Timestamp = Timestamp(1_700_000_000_000);

    fn keys() -> SessionKeys {
        SessionKeys::new(Key::new("the key of these tests, long enough").unwrap(), None)
    }

    fn pin(dataset: &str, value: u128) -> Pin {
        let claim = Claim::AtLeast(Mark { epoch: Epoch(1), position: Position::new(value) });
        Pin { dataset: dataset.to_owned(), subject: None, region: "eu".to_owned(), since: NOW, claim }
    }

    fn redirect(location: &str) -> Option<String> {
        let identity = Identity { hosts: vec![HostPattern::parse("*.example.com").unwrap()], ..Identity::default() };
        let session = Session { pins: vec![pin("cart", 7)], expires: NOW, ..Session::default() };
        let from = Target::read("https://a.example.com:8443/").unwrap();
        along(location, &from, &session, &identity, &keys(), NOW)
    }

    #[test]
    fn pins_go_along_to_another_host_of_the_application_only() {
        let to = redirect("https://b.example.com/x?y=1#z").unwrap();
        assert!(to.starts_with("https://b.example.com/x?y=1&homing-session=1.") && to.ends_with("#z"), "{to}");
        for elsewhere in [
            "/x",
            "https://a.example.com/x",
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
        assert!(redirect("\\\\B.example.com.\\x").unwrap().starts_with("https://b.example.com/x?homing-session=1."));
    }

    #[test]
    fn they_arrive_once_and_leave_the_query_as_it_was() {
        let to = redirect("https://b.example.com/x?y=1&z").unwrap();
        let query = to.split_once('?').unwrap().1;
        let (rest, opened) = arrived(query, &keys(), NOW).unwrap();
        assert_eq!((rest.as_str(), opened.session.pins), ("y=1&z", vec![pin("cart", 7)]));
        let late = arrived(query, &keys(), NOW.after(FOR)).unwrap().1;
        assert_eq!(late, Opened::nothing(Reason::SessionExpired));
        assert_eq!(arrived("homing-session=nonsense", &keys(), NOW).unwrap().0, "");
        assert_eq!(arrived("a=1&my-homing-session=2", &keys(), NOW), None);
    }

    #[test]
    fn what_claims_more_wins() {
        let mut session = Session { pins: vec![pin("cart", 5), pin("notes", 9)], ..Session::default() };
        let carried = Session { pins: vec![pin("cart", 7), pin("notes", 3), pin("mail", 1)], ..Session::default() };
        session.adopt(&carried, NOW);
        let marks = ["cart", "notes", "mail"].map(|dataset| session.mark(dataset, None).unwrap().1.position);
        assert_eq!(marks, [7, 9, 1].map(Position::new));
    }
}
