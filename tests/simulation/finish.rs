//! The end of a request: what its edge does with what the core has decided, and its client with the answer.

use homing_core::testing::{
    model::{subject::SubjectKind, time::Timestamp},
    session::{Claim, Session, codec::seal},
    settle::Settlement,
};

use crate::{
    bugs::Bug,
    client::{Client, Place, Reply},
    control::Confirm,
    data::{DATASETS, REGIONS, TAGS, Unit},
    edge::{NEAR, shows_copy},
    request::InFlight,
    response::Response,
    settings::{keys, settings},
    world::{START, World},
};

/// Of so many pins, planted, windows are the first to go.
const MANY_PINS: usize = 6;

/// What is counted, by the reason that tells of it.
const TOLD: [(&str, &str); 11] = [
    ("copies that a session could not have", "cache-too-old"),
    ("reads of copies known to be far enough", "position-reached"),
    ("reads of copies thought to be far enough", "position-expected"),
    ("reads that a copy was behind for", "position-not-reached"),
    ("marks of an earlier epoch", "position-of-old-epoch"),
    ("writes that went to the owner of what was seen last", "own-writes-owner"),
    ("requests sent on to a later owner", "misdirected"),
    ("requests with two later owners", "misdirected-in-vain"),
    ("writes repeated", "retried"),
    ("writes of which nobody knows", "write-unknown"),
    ("homes that could not be looked up", "home-lookup-failed"),
];

impl World {
    /// Does what a settlement says, and reads the view again where that is outdated. The client gets the first of a request.
    pub fn settle(&mut self, at: usize, settlement: Settlement, view_is_outdated: bool) {
        let InFlight { action, isolate, .. } = self.requests[at];
        let made = self.store(at, &settlement);
        for publish in &settlement.publish {
            self.weigh_publish(publish);
            self.put(&format!("home:{}", publish.subject.as_str()), &publish.value);
        }
        if let Some((kind, publish)) = &settlement.confirm {
            self.weigh_publish(publish);
            let confirm =
                Confirm { kind: *kind, subject: publish.subject.as_str().to_owned(), value: publish.value.clone() };
            self.confirm(&confirm, 0);
        }
        if let Some((kind, publish)) = &settlement.tell {
            self.weigh_publish(publish);
            self.tell_directory(kind.token(), publish);
        }
        if view_is_outdated {
            self.doubt(action.edge, isolate);
        }
        if std::mem::replace(&mut self.requests[at].settled, true) {
            return;
        }
        self.weigh_gates(at, &settlement);
        self.note(at, &settlement);
        let answer = Response { status: settlement.status, ..made }.edited(&settlement.edits);
        self.answer(at, answer);
    }

    fn note(&mut self, at: usize, settlement: &Settlement) {
        self.requests[at].is_copy = shows_copy(settlement);
        let InFlight { pinned, action, .. } = self.requests[at];
        let record = &settlement.record;
        let region = record.region.map(|region| settings().topology.region(region).name.clone());
        let near = region.as_deref() == Some(NEAR[action.edge]);
        let of_home = region.as_deref() == self.home_of(action.place);
        let is_read = action.deed == Reply::Read && settlement.status == 200;
        if is_read && pinned && !shows_copy(settlement) && near && !of_home {
            self.count("pinned reads answered beside the client");
        }
        if is_read && pinned && shows_copy(settlement) {
            self.count("copies shown to pinned sessions");
        }
        if is_read && action.place.dataset == TAGS && self.requests[at].marks > 1 {
            self.count("reads with marks on several owners");
            if shows_copy(settlement) {
                self.count("copies shown to sessions with marks on several owners");
            }
        }
        if is_read && !pinned && shows_copy(settlement) {
            self.count("copies shown to others");
        }
        if !record.failures.is_empty() && is_read {
            self.count("reads that failed over");
        }
        let tokens: Vec<_> = record.trace.tokens().map(|(token, _)| token.as_str()).collect();
        for (what, token) in TOLD {
            if tokens.contains(&token) {
                self.count(what);
            }
        }
        let settings = settings();
        let trace: Vec<_> = record.trace.lines(&settings.topology).collect();
        self.requests[at].trace = trace.join(", ");
    }

    /// The region that owns what is there.
    fn home_of(&self, place: Place) -> Option<&'static str> {
        Some(REGIONS[self.data.owner(Unit::of(place)?)?.home])
    }

    /// The client takes over the session that an answer brings.
    pub fn take_session(&mut self, at: usize, answer: Response) -> Response {
        let InFlight { client, action, .. } = self.requests[at];
        let now = self.clock(action.edge);
        let brought = Client::session_in(&answer);
        let taken = match (self.habits.bug, action.deed) {
            (Some(Bug::NoPin), Reply::Write(_)) | (Some(Bug::ReadsDoNotMove), Reply::Read) => None,
            _ => brought,
        };
        if let (Some(held), Some(taken)) = (&self.clients[client].sealed, &taken)
            && changes_hands(&Client::open(held, now), &Client::open(taken, now))
        {
            // It was slipped in, and had somebody else's pins: those went with its user.
            self.clients[client].lives += 1;
        }
        let client = &mut self.clients[client];
        client.hoard.extend(taken.clone().filter(|_| client.hostile));
        client.sealed = taken.or(client.sealed.take());
        if self.habits.bug == Some(Bug::OneMarkOnly) {
            client.sealed = client.sealed.take().map(|sealed| with_one_mark(&sealed, now));
        }
        if self.habits.bug == Some(Bug::WindowsGiveWay) {
            client.sealed = client.sealed.take().map(without_windows);
        }
        let reached = answer.status == 200 && action.deed == Reply::Read && answer.get("homing-consistency").is_none();
        if self.habits.bug == Some(Bug::ClearedOnceReached) && reached && answer.get("age").is_none() {
            client.sealed = client.sealed.take().map(|sealed| {
                let mut session = Client::open(&sealed, now);
                let name = DATASETS[action.place.dataset].name;
                session.pins.retain(|pin| pin.dataset != name || matches!(pin.claim, Claim::Until(_)));
                seal(&session, &keys())
            });
        }
        answer
    }
}

/// Whether somebody else's session becomes the client's own.
fn changes_hands(held: &Session, taken: &Session) -> bool {
    let before = held.subject(SubjectKind::User);
    before.is_some() && before != taken.subject(SubjectKind::User)
}

/// Planted: of what several write a session keeps its last mark alone.
fn with_one_mark(sealed: &str, now: Timestamp) -> String {
    let mut session = Client::open(sealed, now);
    let name = DATASETS[TAGS].name;
    let last = session.pins.iter().rposition(|pin| pin.dataset == name);
    let mut at = 0;
    session.pins.retain(|pin| {
        at += 1;
        pin.dataset != name || Some(at - 1) == last
    });
    seal(&session, &keys())
}

/// Planted: where there are many pins, windows go first.
fn without_windows(sealed: String) -> String {
    let mut session = Client::open(&sealed, Timestamp(START));
    if session.pins.len() < MANY_PINS {
        return sealed;
    }
    session.pins.retain(|pin| matches!(pin.claim, Claim::AtLeast(_)));
    seal(&session, &keys())
}
