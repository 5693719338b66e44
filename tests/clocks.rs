//! The clock of multi-writer data, over several edges whose wall clocks are minutes apart: what a session writes later wins, and so does what
//! is written after something else was read; and nobody's clock drags another one along.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

mod support;
#[macro_use]
#[path = "support/laws.rs"]
mod counted;

use std::{
    cell::Cell,
    collections::{BTreeMap, HashSet},
    time::Duration,
};

use counted::{assert_met, met};
use homing_core::testing::{
    cache::Probed,
    flow::step::{Event, Found, Outcome, Step},
    http::{
        answer::{Answer, Framing},
        edits::Edit,
        headers::Headers,
    },
    model::{
        clock::{DRIFT, HybridTime},
        time::{Timestamp, millis},
    },
    request::incoming::{Client, Content, IncomingRequest},
    router::{Entropy, Logging, Router},
};
use proptest::prelude::*;
use support::{NOW, region, settings, told};

const EDGES: usize = 4;
const REGIONS: [&str; 3] = ["us", "eu", "ap"];
const SESSIONS: usize = 3;
const KEYS: usize = 2;
/// How far the clocks of two edges lie apart at most. A minute is left for what an isolate's stamps may run ahead of its clock.
const SKEW: u64 = 4 * 60_000;

/// What happens next.
#[derive(Clone, Debug)]
enum Deed {
    Write {
        session: usize,
        edge: usize,
        near: usize,
        key: usize,
    },
    Read {
        session: usize,
        edge: usize,
        near: usize,
        key: usize,
    },
    /// Somebody who has no session writes.
    Stranger {
        edge: usize,
        near: usize,
    },
    /// What one region has comes to the other.
    Replicate {
        from: usize,
        to: usize,
    },
    Wait(u64),
    /// An edge's clock is set to that offset.
    Set {
        edge: usize,
        skew: u64,
    },
    /// The region tells a stamp so far from the edge's clock, in milliseconds, in its next answer.
    Lie {
        near: usize,
        ahead: i64,
    },
}

fn a_deed() -> impl Strategy<Value = Deed> {
    let (session, edge, near, key) = (0..SESSIONS, 0..EDGES, 0..REGIONS.len(), 0..KEYS);
    let at = (session, edge.clone(), near.clone(), key);
    prop_oneof![
        6 => at.clone().prop_map(|(session, edge, near, key)| Deed::Write { session, edge, near, key }),
        4 => at.prop_map(|(session, edge, near, key)| Deed::Read { session, edge, near, key }),
        2 => (edge.clone(), near.clone()).prop_map(|(edge, near)| Deed::Stranger { edge, near }),
        3 => (near.clone(), near.clone()).prop_map(|(from, to)| Deed::Replicate { from, to }),
        2 => prop_oneof![0u64..3, 0u64..400_000].prop_map(Deed::Wait),
        1 => (edge, 0..=SKEW).prop_map(|(edge, skew)| Deed::Set { edge, skew }),
    ]
}

fn a_lie() -> impl Strategy<Value = Deed> {
    let minute = i64::try_from(millis(DRIFT)).unwrap();
    let ahead = prop_oneof![
        Just(minute),
        Just(minute + 1),
        -minute..2 * minute,
        0..20 * minute,
        Just(i64::from(i32::MAX) * 1_000),
    ];
    (0..REGIONS.len(), ahead).prop_map(|(near, ahead)| Deed::Lie { near, ahead })
}

/// A region: what it has of each record, and the latest stamp that it has applied.
#[derive(Clone, Debug, Default)]
struct Replica {
    records: BTreeMap<usize, String>,
    latest: String,
    lie: Option<i64>,
}

impl Replica {
    /// The greater stamp wins; they are compared as text.
    fn apply(&mut self, key: usize, stamp: &str) {
        for held in [self.records.entry(key).or_default(), &mut self.latest] {
            if stamp > held.as_str() {
                stamp.clone_into(held);
            }
        }
    }

    fn says(&mut self, edge: Timestamp) -> String {
        let Some(ahead) = self.lie.take() else { return self.latest.clone() };
        format!("{:012x}-0000-0000cafe", edge.0.saturating_add_signed(ahead))
    }
}

/// What a client has seen of each record: the stamps that its next write of it must be later than.
#[derive(Clone, Debug, Default)]
struct Person {
    session: Option<String>,
    wrote: Vec<String>,
    seen: BTreeMap<usize, String>,
}

struct Place {
    router: Router,
    skew: Cell<u64>,
    /// The latest time that it has seen.
    latest: Cell<u64>,
}

struct Fleet {
    edges: Vec<Place>,
    regions: Vec<Replica>,
    people: Vec<Person>,
    given: HashSet<String>,
    now: u64,
}

impl Fleet {
    fn new(skews: &[u64]) -> Self {
        let place = |(node, skew): (u32, &u64)| Place {
            router: Router::new(settings(), Logging::Off, node, Entropy::Fixed(7)),
            skew: Cell::new(*skew),
            latest: Cell::new(0),
        };
        Self {
            edges: (0..).zip(skews).map(place).collect(),
            regions: vec![Replica::default(); REGIONS.len()],
            people: vec![Person::default(); SESSIONS],
            given: HashSet::new(),
            now: NOW.0,
        }
    }

    /// The stamp of a write, and the session that comes back.
    fn asks(
        &mut self,
        method: &str,
        edge: usize,
        near: usize,
        key: usize,
        session: Option<&str>,
    ) -> (Option<String>, Option<String>) {
        let place = &self.edges[edge];
        let now = Timestamp(self.now + place.skew.get());
        place.latest.set(now.0.max(place.latest.get()));
        let url = format!("https://example.com/likes/{key}");
        let headers = Headers(vec![("homing-session", session.unwrap_or("-"))]);
        let client = Client { beside: Some(REGIONS[near]), ..Client::default() };
        let incoming = IncomingRequest { now, method, url: &url, headers, content: Content::Empty, client };
        let mut turn = place.router.begin(&incoming).map_err(|rejection| rejection.problem).unwrap();
        let mut stamp = None;
        loop {
            let id = turn.id;
            let mut said = String::new();
            let event = match &turn.step {
                Step::Finish(end) => {
                    let session = end.edits.set_to("homing-session").map(str::to_owned);
                    return (stamp, session);
                }
                Step::Answer(..) => Event::GoOn,
                Step::ProbeCache(_) => Event::Cache(Probed::default()),
                Step::LookUpHome(_) | Step::AssignHome(_) => Event::Home(Found::Absent),
                Step::Send(attempt) => {
                    let at = (0..REGIONS.len()).find(|at| region(REGIONS[*at]) == attempt.region).unwrap();
                    stamp = told(attempt, "homing-clock").map(str::to_owned);
                    stamp.iter().for_each(|stamp| self.regions[at].apply(key, stamp));
                    said.push_str(&self.regions[at].says(now));
                    let fields = if said.is_empty() { vec![] } else { vec![("homing-clock", said.as_str())] };
                    Event::Origin(Outcome::Answered(Answer {
                        status: 200,
                        headers: Headers(fields),
                        framing: Framing::Delimited,
                    }))
                }
            };
            turn = place.router.resume(id, event, now).unwrap();
        }
    }

    /// A stamp has its form, and nobody else has it.
    fn is_new(&mut self, stamp: &str) {
        assert!(HybridTime::read(stamp).is_some(), "{stamp}");
        assert!(self.given.insert(stamp.to_owned()), "{stamp} was given before");
    }

    fn write(&mut self, (whose, edge, near, key): (usize, usize, usize, usize), honest: bool) {
        let person = self.people[whose].clone();
        let (stamp, session) = self.asks("PUT", edge, near, key, person.session.as_deref());
        let stamp = stamp.unwrap();
        self.is_new(&stamp);
        let before = person.wrote.last();
        met("a session's later write", before.is_some());
        let now = Timestamp(self.now + self.edges[edge].skew.get());
        let of_wall = HybridTime::at(now);
        met("at an edge that is behind", before.is_some_and(|before| HybridTime::read(before).unwrap() > of_wall));
        assert!(before.is_none_or(|before| stamp > *before), "{stamp} loses to {before:?}");
        if honest {
            let seen = person.seen.get(&key);
            met("a write after a read", seen.is_some());
            let late = seen.is_some_and(|seen| HybridTime::read(seen).unwrap().is_ahead(now, DRIFT));
            met("of what is a minute ahead", late);
            assert!(seen.is_none_or(|seen| stamp > *seen), "{stamp} loses to {seen:?}, which was read before");
        }
        let person = &mut self.people[whose];
        person.session = session.or(person.session.take());
        person.wrote.push(stamp);
    }

    fn read(&mut self, (whose, edge, near, key): (usize, usize, usize, usize)) {
        let person = self.people[whose].clone();
        let shown = self.regions.iter().map(|region| region.records.get(&key).cloned()).collect::<Vec<_>>();
        let (_, session) = self.asks("GET", edge, near, key, person.session.as_deref());
        let person = &mut self.people[whose];
        // Nobody who has no session is promised anything. A pinned read goes elsewhere; it has seen what every region has.
        if person.session.is_some() {
            let least = shown.into_iter().map(Option::unwrap_or_default).min().unwrap_or_default();
            if !least.is_empty() && person.seen.get(&key).is_none_or(|seen| least > *seen) {
                person.seen.insert(key, least);
            }
        }
        person.session = session.or(person.session.take());
    }

    /// Who has no session gets the isolate's own time, which is never far ahead, whatever regions and sessions say.
    fn strange(&mut self, edge: usize, near: usize) {
        let (stamp, _) = self.asks("PUT", edge, near, KEYS, None);
        let stamp = stamp.unwrap();
        self.is_new(&stamp);
        let HybridTime(time) = HybridTime::read(&stamp).unwrap();
        let latest = self.edges[edge].latest.get();
        met("an isolate ahead of its clock", time >> 16 > latest);
        // And the millisecond into which a full counter has moved.
        assert!(time >> 16 <= latest + millis(DRIFT) + 1, "{stamp} is over a minute ahead of {latest:x}");
    }

    fn goes_on(&mut self, deed: &Deed, honest: bool) {
        match *deed {
            Deed::Write { session, edge, near, key } => self.write((session, edge, near, key), honest),
            Deed::Read { session, edge, near, key } => self.read((session, edge, near, key)),
            Deed::Stranger { edge, near } => self.strange(edge, near),
            Deed::Replicate { from, to } => {
                let Replica { records, latest, .. } = self.regions[from].clone();
                records.iter().for_each(|(key, stamp)| self.regions[to].apply(*key, stamp));
                let to = &mut self.regions[to].latest;
                *to = latest.max(to.clone());
            }
            Deed::Wait(ms) => self.now += ms,
            Deed::Set { edge, skew } => self.edges[edge].skew.set(skew),
            Deed::Lie { near, ahead } => self.regions[near].lie = Some(ahead),
        }
    }
}

fn config() -> ProptestConfig {
    ProptestConfig { cases: 400, ..ProptestConfig::default() }
}

laws! {
    config();

    fn a_later_write_of_a_session_wins_and_so_does_one_after_a_read(
        skews in prop::collection::vec(0..=SKEW, EDGES),
        deeds in prop::collection::vec(a_deed(), 1..80),
    ) meets [
        "a session's later write": 20_000, "at an edge that is behind": 10_000, "a write after a read": 4_000,
        "of what is a minute ahead": 800, "an isolate ahead of its clock": 1_000,
    ] {
        let mut fleet = Fleet::new(&skews);
        deeds.iter().for_each(|deed| fleet.goes_on(deed, true));
    }

    fn whatever_origins_say_a_sessions_later_write_wins_and_no_isolate_runs_ahead(
        skews in prop::collection::vec(0..=SKEW, EDGES),
        deeds in prop::collection::vec(prop_oneof![5 => a_deed(), 1 => a_lie()], 1..80),
    ) meets [
        "a session's later write": 20_000, "at an edge that is behind": 10_000, "an isolate ahead of its clock": 1_000,
    ] {
        let mut fleet = Fleet::new(&skews);
        deeds.iter().for_each(|deed| fleet.goes_on(deed, false));
    }
}

/// A day later an old session of somebody, or another's, still opens: it wins nothing by it.
#[test]
fn an_old_session_gives_its_client_nothing_but_an_older_stamp() {
    let mut fleet = Fleet::new(&[0; EDGES]);
    let (_, old) = fleet.asks("PUT", 0, 0, 0, None);
    fleet.now += 24 * 3_600_000;
    let (honest, _) = fleet.asks("PUT", 1, 0, 0, None);
    for edge in 0..EDGES {
        let (stamp, _) = fleet.asks("PUT", edge, 0, 0, old.as_deref());
        let wall = HybridTime::at(Timestamp(fleet.now));
        let time = HybridTime::read(&stamp.unwrap()).unwrap();
        assert!(
            time >= wall && !time.is_ahead(Timestamp(fleet.now), Duration::ZERO),
            "the wall clock's, as for anybody"
        );
    }
    assert!(honest.is_some());
}

#[test]
fn what_one_edge_was_told_its_next_write_follows_whoever_makes_it() {
    let mut fleet = Fleet::new(&[SKEW, SKEW - millis(DRIFT), 0, 0]);
    let (ahead, _) = fleet.asks("PUT", 0, 0, 0, None);
    fleet.asks("GET", 1, 0, 0, None);
    fleet.asks("GET", 2, 0, 0, None);
    let (after, _) = fleet.asks("PUT", 1, 1, 0, None);
    assert!(after > ahead, "a minute apart, the isolate itself has seen it");
    let (other, _) = fleet.asks("PUT", 2, 1, 0, None);
    assert!(other < ahead, "of four minutes it believes nothing");
    let snapshot: serde_json::Value =
        serde_json::from_str(&fleet.edges[2].router.snapshot(0, Timestamp(fleet.now))).unwrap();
    assert_eq!(snapshot["totals"]["clocks_ahead"], 2, "what its read and its write were told");
}

#[test]
fn the_client_is_not_told_the_origins_stamp() {
    let answer =
        support::Reply::Answers(200, vec![("homing-clock".to_owned(), "019b76db1d30-0002-0000000a".to_owned())]);
    for request in ["GET /likes/1", "PUT /likes/1"] {
        let story =
            support::World::new(request).near("eu").deeds(std::slice::from_ref(&answer)).play(&settings()).unwrap();
        assert!(story.end().edits.iter().any(|edit| edit == Edit::Remove("homing-clock")), "{request}");
    }
}
