//! The session: a signed routing hint that the client carries. It is never authorisation; the origin's fence decides.

pub mod carried;
pub mod codec;
pub(crate) mod former;
mod marks;
mod pins;

use std::time::Duration;

pub use crate::http::cookies::COOKIE;
pub use crate::session::carried::{Arrived, Carried, PARAMETER, along, arrived, is_not_ours};
pub use crate::session::codec::{open, received, seal, seal_for};
pub use crate::session::marks::{Marks, SHOWN};
use crate::{
    model::subject::SubjectKind,
    ownership::own::{Home, Subjects},
};

use crate::{
    model::{
        clock::{CARRIED, HybridTime},
        position::{Mark, Position, PositionKind},
        reasons::Verdict,
        subject::SubjectId,
        time::Timestamp,
    },
    topology::{Topology, dataset::Dataset},
};

/// How long a session lives. It is renewed once less than half of it is left.
pub const LIFETIME: Duration = Duration::from_secs(30 * 24 * 3600);
/// The furthest ahead that a window may reach. One further ahead is not believed, even when signed.
pub const LONGEST_PIN: Duration = Duration::from_secs(30);
/// How long after its end a window is remembered: regions have the write by then, but a stored response may have been made before. A
/// session is shown no stored response older than this, so that when a
/// window is forgotten every one that it could be shown is newer.
pub const REMEMBERED: Duration = Duration::from_secs(3600);
/// The most pins that a session holds; with ordinary names so many take 570 of the 1,024 bytes.
pub const MOST_PINS: usize = 8;
/// The most bytes of a sealed session.
pub const MOST_BYTES: usize = 1024;
/// What a signature adds to the text that it signs: a dot and 32 bytes in base64url.
const SIGNATURE: usize = 44;

/// What a session says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Session {
    /// Whose it is, as far as the application has said so.
    pub subjects: Subjects,
    /// When it was issued.
    pub issued: Timestamp,
    /// When it ends.
    pub expires: Timestamp,
    /// What it wrote lately.
    pub pins: Vec<Pin>,
    /// The time of the latest stamp of multi-writer data that it has written or seen: its next write gets a later one.
    pub clock: HybridTime,
}

/// A claim: what a read of this dataset must show the session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pin {
    /// The dataset's name; empty for requests that no dataset claims.
    pub dataset: String,
    /// Whose part of a split dataset it is on, the session's own too: homes, epochs and logs differ from one subject to the next.
    pub subject: Option<SubjectId>,
    /// The home by which it counts, by name: the region that took the write; of a multi-writer dataset, where it can be read. Of the
    /// window over everything the latter, where one of a multi-writer dataset is among what gave way.
    pub region: String,
    /// When the write, or what the session has read, was answered: a stored response made at home after this shows it.
    pub since: Timestamp,
    /// What is claimed.
    pub claim: Claim,
}

/// What a pin claims.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Claim {
    /// Home answers until then, for nobody says when the other regions have the write. After that every region answers, but of the
    /// stored responses only those that home made after the write, or anybody after this end.
    Until(Timestamp),
    /// Only a replica that has reached this answers. It holds as long as the session: that one replica has reached it says nothing
    /// of the next.
    AtLeast(Mark),
}

/// Stands in place of a dataset, and of a region, where a pin is for all of them.
const EVERYTHING: &str = "*";
/// Stands in place of a dataset, and of a region, in the pin as which a session's clock is written. A version before the clock reads it as
/// a mark on a dataset that it does not have, and writes it back.
const CLOCK: &str = "@";
/// The most bytes that the clock takes.
const LONGEST_CLOCK: usize = 28;
/// Stands in place of a region, where what gave way can be read at no one region.
const SEVERAL: &str = "**";

/// How much a pin would be missed if it gave way, least first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Missed {
    /// It only says something of stored responses, or what it stands for is everywhere by now.
    Hardly,
    /// The session was shown it, of data that several owners write, and has not written it.
    Shown,
    /// It may be the session's own write to such data, of so long ago that every region has it, as far as anybody can say.
    Old,
    /// A mark can be had again, by reading home.
    Mark,
    /// A window cannot: nobody knows which position the write has.
    Window,
    /// Nobody but the region of the pin has it for certain, and nobody else knows which that is.
    Place,
}

impl Pin {
    fn is_missed(&self, is_shared: bool, now: Timestamp) -> Missed {
        let is_old = self.claim.may_be_missing_until(self.since) <= now;
        match self.claim {
            Claim::AtLeast(_) if is_old && is_shared && !self.is_shown(is_shared) => Missed::Old,
            _ if is_old => Missed::Hardly,
            _ if self.is_shown(is_shared) => Missed::Shown,
            _ if is_shared => Missed::Place,
            Claim::Until(_) => Missed::Window,
            Claim::AtLeast(_) => Missed::Mark,
        }
    }

    /// The place that a mark claims; the lowest of a window.
    fn place(&self) -> Position {
        match self.claim {
            Claim::AtLeast(mark) => mark.position,
            Claim::Until(_) => Position::default(),
        }
    }

    /// The clock, if it stands for that.
    #[allow(clippy::cast_possible_truncation, reason = "so many bits were written")]
    fn clock(&self) -> Option<HybridTime> {
        (self.dataset == CLOCK).then(|| HybridTime(self.place().number() as u64))
    }

    /// Whether it has to do with a place: with more than that something was read or written somewhere.
    #[must_use]
    pub fn has_a_place(&self) -> bool {
        self.region != EVERYTHING
    }

    /// Whether it stands for what was written at several owners, and gave way.
    #[must_use]
    pub fn is_over_several(&self) -> bool {
        self.region == SEVERAL
    }

    /// Whether it is the window that stands for pins that gave way.
    #[must_use]
    pub fn is_over_everything(&self) -> bool {
        self.dataset == EVERYTHING
    }
}

impl Claim {
    /// The window's end, if it is one.
    fn end(&self) -> Option<Timestamp> {
        if let Self::Until(until) = self { Some(*until) } else { None }
    }

    /// Whether it says nothing of any stored response any more.
    fn is_forgotten(&self, now: Timestamp) -> bool {
        self.end().is_some_and(|until| until.after(REMEMBERED) <= now)
    }

    /// Until when a region may lack what is claimed: a window says so itself, and what a session has seen is everywhere, as far as
    /// anybody can say, once the longest window since then is over.
    fn may_be_missing_until(&self, since: Timestamp) -> Timestamp {
        self.end().unwrap_or(since.after(LONGEST_PIN))
    }
}

/// Whether the data has several owners.
fn is_shared(pin: &Pin, topology: Option<&Topology>) -> bool {
    let dataset = topology.and_then(|topology| topology.dataset(topology.dataset_named(&pin.dataset)?));
    dataset.is_some_and(|dataset| dataset.rule.is_multi_writer())
}

/// A session as it came in: what is believed of it, and why no more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opened {
    /// The believed part; a fresh one where nothing was.
    pub session: Session,
    /// Whether it came, and whether it is ours.
    pub verdict: Verdict,
    /// Pins that were dropped because they reach too far ahead.
    pub disbelieved: usize,
    /// Whether its clock was dropped for that.
    pub clock_ahead: bool,
}

impl Opened {
    /// What a request without a (believable) session carries.
    #[must_use]
    pub fn nothing(verdict: Verdict) -> Self {
        Self { session: Session::default(), verdict, disbelieved: 0, clock_ahead: false }
    }
}

impl Session {
    /// Who of that kind is signed in.
    #[must_use]
    pub fn subject(&self, kind: SubjectKind) -> Option<&SubjectId> {
        self.subjects.subject(kind)
    }

    /// Where the data of that subject lives.
    #[must_use]
    pub fn home(&self, kind: SubjectKind) -> Option<&Home> {
        self.subjects.home(kind)
    }

    /// Whose part of that dataset is the session's own.
    #[must_use]
    pub fn own_part(&self, dataset: &Dataset) -> Option<&SubjectId> {
        self.subject(dataset.rule.split_by()?)
    }

    /// The window that is in force on that dataset, or that subject's part of it.
    #[must_use]
    pub fn window(&self, dataset: &str, subject: Option<&SubjectId>, now: Timestamp) -> Option<&Pin> {
        self.on(dataset, subject).find(|pin| matches!(pin.claim, Claim::Until(until) if until > now))
    }

    /// The windows on that data that have ended, with their ends: what a stored response of before can lack.
    pub fn ended_windows(
        &self,
        dataset: &str,
        subject: Option<&SubjectId>,
        now: Timestamp,
    ) -> impl Iterator<Item = (&Pin, Timestamp)> {
        let over_everything = self.on(EVERYTHING, None);
        let all = self.on(dataset, subject).chain(over_everything);
        all.filter_map(move |pin| Some((pin, pin.claim.end().filter(|until| *until <= now)?)))
    }

    fn on(&self, dataset: &str, subject: Option<&SubjectId>) -> impl DoubleEndedIterator<Item = &Pin> {
        self.pins.iter().filter(move |pin| pin.dataset == dataset && pin.subject.as_ref() == subject)
    }

    /// Adds a pin, in place of one of the same sort on the same data; of two windows the later write and the later end count. Those
    /// that say nothing any more go, and if there are too many the one that is missed least.
    pub fn add_pin(&mut self, pin: Pin, topology: &Topology, now: Timestamp) {
        let _ = self.keep(pin, topology, now);
    }

    /// The same; false if the new one itself is the one that goes.
    pub fn keep(&mut self, mut pin: Pin, topology: &Topology, now: Timestamp) -> bool {
        let is_shared = is_shared(&pin, Some(topology));
        self.pins.retain(|held| {
            let replaced = pin.is_like(held, is_shared);
            if let (true, Claim::Until(was), Claim::Until(until)) = (replaced, held.claim, pin.claim) {
                pin.claim = Claim::Until(was.max(until));
                // One that a redirect brings along may be older than what is known here.
                if held.since > pin.since {
                    pin.since = held.since;
                    pin.region.clone_from(&held.region);
                }
            }
            !replaced && !held.claim.is_forgotten(now)
        });
        // What was only shown takes no place from what counts for more.
        let most = if pin.is_shown(is_shared) { Missed::Shown } else { Missed::Place };
        while self.pins.len() >= MOST_PINS && self.drop_one(Some(topology), most, now) {}
        let is_kept = self.pins.len() < MOST_PINS || most == Missed::Place;
        if is_kept {
            self.pins.push(pin);
        }
        is_kept
    }

    /// Lets the pin go that is missed least; false if there is none that is missed no more than that. What it promised is kept by a window
    /// over everything, for as long as a region may lack what it stood for; that sends reads of multi-writer data where what gave way can
    /// be read, or, where that was written at several owners, says that no region is known to have it. What a session was only shown of
    /// such data goes without a window: others' writes alone are missed then.
    fn drop_one(&mut self, topology: Option<&Topology>, most: Missed, now: Timestamp) -> bool {
        let is_shared = |pin: &Pin| is_shared(pin, topology);
        let missed = |pin: &Pin| (pin.is_missed(is_shared(pin), now), pin.since);
        let of_data = self.pins.iter().enumerate().filter(|(_, pin)| !pin.is_over_everything());
        let least = of_data.map(|(at, pin)| (missed(pin), at)).min().filter(|((missed, _), _)| *missed <= most);
        let Some((_, least)) = least else { return false };
        let gone = self.pins.remove(least);
        let shared = is_shared(&gone);
        if gone.claim.is_forgotten(now) || gone.is_shown(shared) {
            return true;
        }
        let held = self.pins.iter().position(Pin::is_over_everything).map(|at| self.pins.remove(at));
        let until = gone.claim.may_be_missing_until(gone.since);
        let until = held.as_ref().and_then(|held| held.claim.end()).map_or(until, |held| held.max(until));
        // No region has that name. What an ended window says of a place is over, too.
        let place = held.filter(|held| held.claim.end().is_some_and(|until| until > now)).map(|held| held.region);
        let place = place.unwrap_or_else(|| EVERYTHING.to_owned());
        let matters = shared && gone.claim.may_be_missing_until(gone.since) > now;
        let region = match place.as_str() {
            _ if !matters => place,
            EVERYTHING => gone.region,
            other if other == gone.region => place,
            _ => SEVERAL.to_owned(),
        };
        self.pins.push(Pin {
            dataset: EVERYTHING.to_owned(),
            subject: None,
            region,
            since: now,
            claim: Claim::Until(until),
        });
        true
    }

    /// Takes the clock out of the pins that were read.
    fn take_clock(&mut self) {
        if let Some((at, clock)) = self.pins.iter().enumerate().find_map(|(at, pin)| Some((at, pin.clock()?))) {
            self.clock = clock;
            self.pins.remove(at);
        }
    }

    /// Drops a clock that no honest edge can have written; false if there is none.
    fn drop_clock_ahead(&mut self, now: Timestamp) -> bool {
        let is_ahead = self.clock.is_ahead(now, CARRIED);
        if is_ahead {
            self.clock = HybridTime::default();
        }
        is_ahead
    }

    /// What the stamp of a write to that dataset must be later than: the clock, and marks that are stamps themselves.
    #[must_use]
    pub fn seen(&self, dataset: &Dataset, now: Timestamp) -> HybridTime {
        let mut seen = self.clock;
        if dataset.position == Some(PositionKind::Hlc) {
            for pin in self.pins.iter().filter(|pin| pin.dataset == dataset.name) {
                let time = HybridTime::of(pin.place());
                seen = if time.is_ahead(now, CARRIED) { seen } else { seen.max(time) };
            }
        }
        seen
    }

    /// Lets go of the pin that is missed least; false if there is none.
    pub(crate) fn shrink(&mut self, topology: Option<&Topology>, now: Timestamp) -> bool {
        self.drop_one(topology, Missed::Place, now)
    }

    /// The window over everything, while it is in force: the session has seen more than it could remember.
    #[must_use]
    pub fn window_over_everything(&self, now: Timestamp) -> Option<&Pin> {
        self.window(EVERYTHING, None, now)
    }

    /// Whether the client has it: one that has never been issued has no end.
    #[must_use]
    pub fn exists(&self) -> bool {
        self.expires > Timestamp::default()
    }

    /// Whether so little of its life is left that it should be issued anew.
    #[must_use]
    pub fn wants_renewal(&self, now: Timestamp) -> bool {
        self.exists() && self.expires.since(now) < LIFETIME / 2
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        model::{epoch::Epoch, position::Position},
        topology::{error::KeyPath, parse, raw},
    };

    /// `likes` and `s0` to `s8` have several owners; of the rest it is said nothing, as of datasets that have been removed.
    fn topology() -> Topology {
        let several = r#"{"ownership":"multi-writer","conflicts":{"rule":"merge","explain":"All stay."}}"#;
        let vars = format!(
            r#"{{"REGIONS":{{"us":{{"origin":"https://us.example"}},"eu":{{"origin":"https://eu.example"}}}},
            "DATASETS":{{"likes":{several}{}}}}}"#,
            (0..9).map(|at| format!(r#","s{at}":{several}"#)).collect::<String>()
        );
        parse(&raw::from_json(&vars).unwrap(), &KeyPath::default()).unwrap().0
    }

    fn pin(dataset: &str, since: u64, until: u64) -> Pin {
        let claim = Claim::Until(Timestamp(until));
        Pin { dataset: dataset.to_owned(), subject: None, region: "eu".to_owned(), since: Timestamp(since), claim }
    }

    #[test]
    fn a_later_pin_replaces_an_earlier_one_and_forgotten_ones_go() {
        let mut session = Session::default();
        session.add_pin(pin("cart", 1, 10), &topology(), Timestamp(1));
        session.add_pin(pin("notes", 1, 50), &topology(), Timestamp(1));
        session.add_pin(pin("cart", 20, 40), &topology(), Timestamp(20));
        assert_eq!(session.pins, [pin("notes", 1, 50), pin("cart", 20, 40)]);
        assert!(session.window("cart", None, Timestamp(39)).is_some());
        assert!(session.window("cart", None, Timestamp(40)).is_none());
        session.add_pin(pin("cart", 21, 30), &topology(), Timestamp(21));
        assert_eq!(session.pins.last(), Some(&pin("cart", 21, 40)), "a shorter window ends no longer one");
        session.add_pin(pin("cart", 19, 45), &topology(), Timestamp(22));
        assert_eq!(
            session.pins.last(),
            Some(&pin("cart", 21, 45)),
            "a stored response of before the later write does not count again"
        );
        let later = Timestamp(50).after(REMEMBERED);
        session.add_pin(pin("likes", later.0, later.0 + 10), &topology(), later);
        assert_eq!(session.pins, [pin("likes", later.0, later.0 + 10)]);
    }

    #[test]
    fn a_window_that_has_ended_is_remembered_for_the_copies_of_before() {
        let mut session = Session::default();
        session.add_pin(pin("cart", 1, 10), &topology(), Timestamp(1));
        session.add_pin(pin("notes", 20, 50), &topology(), Timestamp(20));
        let ends =
            |at| session.ended_windows("cart", None, Timestamp(at)).map(|(_, until)| until.0).collect::<Vec<_>>();
        assert_eq!((ends(9), ends(10), ends(4000)), (vec![], vec![10], vec![10]));
        assert!(session.window("cart", None, Timestamp(10)).is_none(), "and for nothing else");
    }

    #[test]
    fn ended_windows_give_way_first_and_leave_their_ends() {
        let mut session = Session::default();
        let mark = Claim::AtLeast(Mark { epoch: Epoch(1), position: Position::new(7) });
        session.add_pin(Pin { claim: mark, ..pin("d0", 1, 0) }, &topology(), Timestamp(1));
        (1..8u64).for_each(|at| session.add_pin(pin(&format!("d{at}"), at, 100 + at), &topology(), Timestamp(at)));
        // Of d1 and d2, which are over by then, the older goes; the mark of d0, which is older than both, stays.
        session.add_pin(pin("d8", 102, 200), &topology(), Timestamp(102));
        assert!(session.mark("d0", None).is_some());
        assert_eq!(session.window_over_everything(Timestamp(102)), None, "nobody is sent home for it");
        let ends = |data, at| session.ended_windows(data, None, Timestamp(at)).map(|(_, until)| until.0).max();
        assert_eq!((ends("d1", 102), ends("other", 102)), (Some(102), Some(102)));
        assert!(session.pins.len() <= MOST_PINS && session.window("d8", None, Timestamp(102)).is_some());
    }

    #[test]
    fn a_mark_outlives_every_window_beside_it() {
        let mut session = Session::default();
        let mark = Mark { epoch: Epoch(1), position: Position::new(7) };
        session.add_pin(Pin { claim: Claim::AtLeast(mark), ..pin("cart", 1, 0) }, &topology(), Timestamp(1));
        session.add_pin(pin("cart", 2, 10), &topology(), Timestamp(2));
        let later = Timestamp(10).after(REMEMBERED);
        session.add_pin(pin("notes", later.0, later.0 + 40), &topology(), later);
        assert_eq!(session.pins.len(), 2);
        assert_eq!(session.mark("cart", None).map(|(_, mark)| mark), Some(mark));
        assert!(session.window("cart", None, Timestamp(50)).is_none());
    }

    #[test]
    fn the_oldest_pin_gives_way() {
        let mut session = Session::default();
        for at in 0..9u64 {
            session.add_pin(pin(&format!("d{at}"), 10 + (at + 5) % 9, 100), &topology(), Timestamp(1));
        }
        assert_eq!(session.pins.len(), MOST_PINS);
        assert!(session.window("d4", None, Timestamp(1)).is_none());
    }

    #[test]
    fn what_a_pin_promised_that_gave_way_is_kept_by_a_window_over_everything() {
        let mut session = Session::default();
        let mark = Claim::AtLeast(Mark { epoch: Epoch(1), position: Position::new(7) });
        (1..=8).for_each(|at| {
            session.add_pin(Pin { claim: mark, ..pin(&format!("d{at}"), at, 0) }, &topology(), Timestamp(at))
        });
        assert_eq!(session.window_over_everything(Timestamp(8)), None, "there was room for all");
        session.add_pin(Pin { claim: mark, ..pin("d9", 9, 0) }, &topology(), Timestamp(9));
        assert_eq!(session.pins.len(), MOST_PINS);
        assert!(session.mark("d1", None).is_none() && session.mark("d9", None).is_some());
        // The second of the two that gave way was seen at 2: half a minute later a region has it as good as certainly.
        assert!(session.window_over_everything(Timestamp(30_001)).is_some());
        assert!(session.window_over_everything(Timestamp(30_002)).is_none());
        let later = Timestamp(30_002).after(REMEMBERED);
        session.add_pin(Pin { claim: mark, ..pin("d10", later.0, 0) }, &topology(), later);
        assert!(session.window_over_everything(later).is_none(), "there was room again");
        assert!(session.mark("d3", None).is_some());
    }

    /// The notes of one tenant, as the session has read them.
    fn notes(tenant: &str, since: u64) -> Pin {
        let claim = Claim::AtLeast(Mark { epoch: Epoch(1), position: Position::new(7) });
        let subject = Some(SubjectId::of(SubjectKind::Tenant, tenant));
        Pin { subject, claim, ..pin("notes", since, 0) }
    }

    /// Whoever reads the notes of nine tenants after a like has it back only where it was written.
    #[test]
    fn a_window_stays_before_marks_which_can_be_had_again() {
        for dataset in ["likes", "catalog"] {
            let mut session = Session::default();
            session.add_pin(Pin { region: "us".to_owned(), ..pin(dataset, 1, 20_000) }, &topology(), Timestamp(1));
            for at in 2..=10 {
                session.add_pin(notes(&format!("t{at}"), at), &topology(), Timestamp(at));
            }
            let window = session.window(dataset, None, Timestamp(19_999));
            assert_eq!(window.map(|pin| pin.region.as_str()), Some("us"), "{dataset}");
            assert!(
                session.window_over_everything(Timestamp(11)).is_some(),
                "of what the first tenants' marks stood for"
            );
        }
    }

    #[test]
    fn nothing_is_missed_of_a_mark_that_gives_way_long_after_it_was_seen() {
        let mut session = Session::default();
        (1..=8).for_each(|at| session.add_pin(notes(&format!("t{at}"), at), &topology(), Timestamp(at)));
        let later = Timestamp(8).after(LONGEST_PIN);
        session.add_pin(notes("t9", later.0), &topology(), later);
        assert_eq!(session.window_over_everything(later), None, "so nobody is sent home for it");
        let ended: Vec<_> = session.ended_windows("notes", None, later).map(|(_, until)| until.0).collect();
        assert_eq!(ended, [30_002], "but a stored response of before may lack it");
    }

    #[test]
    fn what_of_several_owners_data_gives_way_leaves_the_place_where_it_can_be_read() {
        let shared = |at: u64, region: &str| Pin { region: region.to_owned(), ..pin(&format!("s{at}"), at, 20_000) };
        let mut session = Session::default();
        (0..8)
            .for_each(|at| session.add_pin(shared(at, if at == 1 { "us" } else { "eu" }), &topology(), Timestamp(at)));
        session.add_pin(notes("t", 8), &topology(), Timestamp(8));
        let place = |session: &Session| session.window_over_everything(Timestamp(100)).map(|pin| pin.region.clone());
        assert_eq!(place(&session).as_deref(), Some(SEVERAL), "s0 and s1, which gave way, were written at two regions");
        session.add_pin(notes("u", 9), &topology(), Timestamp(9));
        assert_eq!(place(&session).as_deref(), Some(SEVERAL), "a mark that gave way says nothing of that");
        let until = session.window_over_everything(Timestamp(100)).map(|pin| pin.claim);
        assert_eq!(until, Some(Claim::Until(Timestamp(8).after(LONGEST_PIN))));
    }

    #[test]
    fn subjects_do_not_share_their_pins() {
        let of = |name| SubjectId::of(crate::model::subject::SubjectKind::Tenant, name);
        let (acme, bolt) = (of("acme"), of("bolt"));
        let mark = |epoch| Claim::AtLeast(Mark { epoch: Epoch(epoch), position: Position::new(7) });
        let of = |subject: &SubjectId, epoch| Pin {
            subject: Some(subject.clone()),
            claim: mark(epoch),
            ..pin("notes", 1, 0)
        };
        let mut session = Session::default();
        session.subjects.sign(SubjectKind::Tenant, Some(acme.clone()));
        session.add_pin(of(&acme, 3), &topology(), Timestamp(1));
        session.add_pin(of(&bolt, 1), &topology(), Timestamp(1));
        let epoch = |subject| session.mark("notes", subject).map(|(_, mark)| mark.epoch.0);
        assert_eq!((epoch(Some(&acme)), epoch(None), epoch(Some(&bolt))), (Some(3), None, Some(1)));
    }
}
