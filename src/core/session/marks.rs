//! Marks: what a session has seen of a dataset. Where one owner writes there is one; where several do, one of each owner's log, for what
//! was seen of one owner says nothing of another. Together they are what a replica must have, as a version vector says it (Parker et al.,
//! 1983; Bayou's session guarantees are kept by two of them: Terry et al., "Session Guarantees for Weakly Consistent Replicated Data", 1994).

use super::{Claim, LONGEST_PIN, Pin, Session, is_shared};
use crate::{
    model::{
        epoch::Epoch,
        position::{Mark, Position, PositionKind},
        subject::SubjectId,
        time::Timestamp,
    },
    topology::{Topology, dataset::Dataset},
};

/// What a session has seen of a dataset, the latest first: never nothing, for [`Session::marks`] alone makes it.
#[derive(Clone, Debug)]
pub struct Marks<'s>(Vec<(&'s Pin, Mark)>);

impl<'s> Marks<'s> {
    /// The last that the session has seen. Of several owners its owner has that for certain, and most likely the others too.
    #[must_use]
    pub fn latest(&self) -> Option<(&'s Pin, Mark)> {
        self.0.first().copied()
    }

    /// All of them, the latest first.
    #[must_use]
    pub fn all(&self) -> &[(&'s Pin, Mark)] {
        &self.0
    }
}

/// By which epoch a session holds what it was shown of one of several owners' logs, and did not write itself. Whoever reads the session
/// before that was told apart takes it for a mark of a later epoch, and asks that owner.
pub const SHOWN: Epoch = Epoch(Epoch::OF_EACH_OWNER.0 + 1);

impl Pin {
    /// Whether it would take the place of one that is held: it claims something of the same sort of the same data. Of data that several
    /// owners write a mark is of one owner's log, or of the clock that they share.
    pub(super) fn is_like(&self, held: &Self, is_shared: bool) -> bool {
        self.dataset == held.dataset
            && self.subject == held.subject
            && match (self.claim, held.claim) {
                (Claim::Until(_), Claim::Until(_)) => true,
                (Claim::AtLeast(mark), Claim::AtLeast(other)) if is_shared => {
                    of_each(mark) == of_each(other) && (!of_each(mark) || self.region == held.region)
                }
                (Claim::AtLeast(_), Claim::AtLeast(_)) => true,
                _ => false,
            }
    }

    /// Whether it is a mark on that part of a dataset, by that owner's log.
    fn is_mark_on(&self, (dataset, subject): (&str, Option<&SubjectId>), owner: &str) -> bool {
        let of_part = self.dataset == dataset && self.subject.as_ref() == subject;
        of_part && self.region == owner && self.claim.mark().is_some()
    }

    /// Whether it is of what the session was shown, and did not write, of data that several owners write.
    pub(super) fn is_shown(&self, is_shared: bool) -> bool {
        is_shared && self.claim.mark().is_some_and(|mark| mark.epoch == SHOWN)
    }

    /// Whether the owner is not asked for that of its own log: the session was only shown it, perhaps by a region that was wrong, and so long
    /// ago that the owner has it if there is such a write.
    #[must_use]
    pub fn spares_its_owner(&self, now: Timestamp) -> bool {
        self.is_shown(true) && self.yields_to_its_owner(now)
    }

    /// Whether a mark is so old that the owner's own word on its log counts for more.
    fn yields_to_its_owner(&self, now: Timestamp) -> bool {
        now.since(self.since) >= LONGEST_PIN
    }
}

/// Whether a mark on data that several owners write is of one owner's log.
fn of_each(mark: Mark) -> bool {
    [Epoch::OF_EACH_OWNER, SHOWN].contains(&mark.epoch)
}

/// Whether a mark is of a time when the data had one owner and not several, or the other way round.
fn is_of_other_owners(mark: Mark, several: bool) -> bool {
    if several { !of_each(mark) && mark.epoch > Epoch::FIRST } else { of_each(mark) }
}

impl Session {
    /// What such a pin would claim, if it claims more than the one whose place it would take; of several owners, `wrote` says whether the
    /// session has written that.
    #[must_use]
    pub fn raised(&self, pin: &Pin, wrote: bool, topology: &Topology) -> Option<Claim> {
        let mut mark = pin.claim.mark()?;
        let is_shared = is_shared(pin, Some(topology));
        let held = self.pins.iter().find(|held| pin.is_like(held, is_shared)).and_then(|held| held.claim.mark());
        if is_of_other_owners(mark, is_shared) {
            return None;
        }
        let held = held.filter(|held| !is_of_other_owners(*held, is_shared));
        let further = if is_shared && of_each(mark) {
            let own = |mark: &Mark| mark.epoch == Epoch::OF_EACH_OWNER;
            mark.epoch = if wrote || held.as_ref().is_some_and(own) { Epoch::OF_EACH_OWNER } else { SHOWN };
            held.is_none_or(|held| (mark.position, own(&mark)) > (held.position, own(&held)))
        } else {
            held.is_none_or(|held| mark.is_after(&held))
        };
        further.then_some(Claim::AtLeast(mark))
    }

    /// The last mark on that dataset, or that subject's part of it, and the pin that holds it: for tests, which know no topology.
    #[cfg(any(test, feature = "testing"))]
    #[must_use]
    pub fn mark(&self, dataset: &str, subject: Option<&SubjectId>) -> Option<(&Pin, Mark)> {
        self.on(dataset, subject).rev().find_map(|pin| Some((pin, pin.claim.mark()?)))
    }

    /// Has that owner's mark on the dataset, or that part of it, count as the last.
    pub fn put_last(&mut self, part: (&str, Option<&SubjectId>), owner: &str) {
        if let Some(at) = self.pins.iter().position(|pin| pin.is_mark_on(part, owner)) {
            let pin = self.pins.remove(at);
            self.pins.push(pin);
        }
    }

    /// Takes an old mark back to the place where its owner itself says that it is in its own log, since no replica has more of a log than its
    /// owner: another region was wrong, or the log was lost. True if that changed one.
    pub fn correct(
        &mut self,
        part: (&str, Option<&SubjectId>),
        (owner, own): (&str, Position),
        now: Timestamp,
    ) -> bool {
        let is_of_each = |pin: &Pin| pin.is_mark_on(part, owner) && pin.claim.mark().is_some_and(of_each);
        let is_wrong = |pin: &Pin| is_of_each(pin) && pin.place() > own && pin.yields_to_its_owner(now);
        let Some(at) = self.pins.iter().position(is_wrong) else { return false };
        let mut pin = self.pins.remove(at);
        if let (Claim::AtLeast(mark), true) = (&mut pin.claim, own > Position::default()) {
            mark.position = own;
            self.pins.insert(at, pin);
        }
        true
    }

    /// All that the session has seen of that dataset, or of that subject's part of it.
    #[must_use]
    pub fn marks(&self, dataset: &Dataset, subject: Option<&SubjectId>) -> Option<Marks<'_>> {
        let several = dataset.rule.is_multi_writer();
        let mut all = Vec::new();
        for pin in self.on(&dataset.name, subject).rev() {
            let Claim::AtLeast(mut mark) = pin.claim else { continue };
            // Counters of several logs have no clock that all share.
            let is_counted = several && !of_each(mark) && dataset.position == Some(PositionKind::Counter);
            if is_counted || is_of_other_owners(mark, several) {
                continue;
            }
            if several && of_each(mark) {
                mark.epoch = Epoch::OF_EACH_OWNER;
            }
            all.push((pin, mark));
            if !several {
                break;
            }
        }
        (!all.is_empty()).then_some(Marks(all))
    }
}

impl Claim {
    /// The mark, if it is one.
    pub(super) fn mark(&self) -> Option<Mark> {
        if let Self::AtLeast(mark) = self { Some(*mark) } else { None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        model::{position::Position, time::Timestamp},
        session::MOST_PINS,
        topology::{error::KeyPath, parse, raw},
    };

    const OWNERS: [&str; 3] = ["us", "eu", "ap"];

    /// `s0` to `s9` have several owners, each with a log of its own.
    fn topology() -> Topology {
        let several = r#"{"ownership":"multi-writer","position":"counter","conflicts":{"rule":"merge","explain":"All of them stay here."}}"#;
        let regions = OWNERS.map(|name| format!(r#""{name}":{{"origin":"https://{name}.example"}}"#)).join(",");
        let datasets = (0..10).map(|at| format!(r#""s{at}":{several}"#)).collect::<Vec<_>>().join(",");
        let vars = format!(r#"{{"REGIONS":{{{regions}}},"DATASETS":{{{datasets}}}}}"#);
        parse(&raw::from_json(&vars).unwrap(), &KeyPath::default()).unwrap().0
    }

    /// The session takes in that position of that owner's log; `wrote` says whether it wrote it.
    fn see(session: &mut Session, (dataset, owner, position): (&str, &str, u128), wrote: bool, now: u64) -> bool {
        let claim = Claim::AtLeast(Mark { epoch: Epoch::OF_EACH_OWNER, position: Position::new(position) });
        let (dataset, region) = (dataset.to_owned(), owner.to_owned());
        let pin = Pin { dataset, subject: None, region, since: Timestamp(now), claim };
        let Some(claim) = session.raised(&pin, wrote, &topology()) else { return false };
        session.keep(Pin { claim, ..pin }, &topology(), Timestamp(now))
    }

    fn seen(session: &Session, name: &str) -> Vec<(String, u128)> {
        let topology = topology();
        let dataset = topology.dataset(topology.dataset_named(name).unwrap()).unwrap();
        let marks = session.marks(dataset, None);
        marks.iter().flat_map(Marks::all).map(|(pin, mark)| (pin.region.clone(), mark.position.number())).collect()
    }

    #[test]
    fn each_owner_has_a_mark_of_its_own_and_none_goes_back() {
        let mut session = Session::default();
        for (at, (owner, position)) in [("us", 17), ("eu", 4), ("us", 12), ("us", 18)].into_iter().enumerate() {
            assert_eq!(see(&mut session, ("s0", owner, position), at == 0, at as u64), position != 12);
        }
        assert_eq!(seen(&session, "s0"), [("us".to_owned(), 18), ("eu".to_owned(), 4)], "the latest first");
        session.put_last(("s0", None), "eu");
        assert_eq!(seen(&session, "s0")[0].0, "eu");
        assert_eq!(seen(&session, "s1"), []);
        assert!(!see(&mut session, ("s0", "us", 18), false, 9), "what it wrote stays what it wrote");
        assert!(see(&mut session, ("s0", "eu", 4), true, 9), "and what it was shown may turn out to be its own");
    }

    #[test]
    fn what_was_only_shown_gives_way_to_what_was_written_and_opens_no_window() {
        let mut session = Session::default();
        assert!(see(&mut session, ("s0", "us", 7), true, 1));
        for at in 0..30u64 {
            let (dataset, owner) = (format!("s{}", at % 10), OWNERS[at as usize % 3]);
            see(&mut session, (&dataset, owner, 100 + u128::from(at)), false, 2 + at);
        }
        assert_eq!((seen(&session, "s0")[0].0.as_str(), session.pins.len()), ("us", MOST_PINS));
        assert!(session.window_over_everything(Timestamp(40)).is_none());
        let writes_at = |session: &mut Session, owner: &str| {
            for at in 0..9u64 {
                see(session, (&format!("s{at}"), owner, 200 + u128::from(at)), true, 40 + at);
            }
            session.window_over_everything(Timestamp(50)).unwrap().region.clone()
        };
        assert_eq!(writes_at(&mut Session::default(), "eu"), "eu", "where all that gave way can be read");
        assert!(
            writes_at(&mut session, "eu") != "eu"
                && session.window_over_everything(Timestamp(50)).unwrap().is_over_several()
        );
        assert!(!see(&mut session, ("s9", "ap", 999), false, 50), "nothing is said to have changed");
        assert_eq!(seen(&session, "s9"), [], "nothing that is shown takes the place of a write");
    }

    #[test]
    fn an_own_write_stays_before_what_was_shown_however_old_it_is() {
        let mut session = Session::default();
        assert!(see(&mut session, ("s0", "us", 7), true, 1));
        let later = LONGEST_PIN.as_millis() as u64 + 2;
        for at in 0..30u64 {
            let (dataset, owner) = (format!("s{}", at % 10), OWNERS[at as usize % 3]);
            see(&mut session, (&dataset, owner, 100 + u128::from(at)), false, later + at);
        }
        let own = session.pins.iter().find(|pin| !pin.is_shown(true)).map(|pin| (pin.dataset.as_str(), pin.place()));
        assert_eq!((own, session.pins.len()), (Some(("s0", Position::new(100))), MOST_PINS));
        let mut session = Session::default();
        assert!(see(&mut session, ("s0", "us", 7), true, 1));
        for at in 0..30u64 {
            see(&mut session, (&format!("s{}", at % 9 + 1), OWNERS[at as usize % 3], 9), false, later + at);
        }
        assert_eq!(
            seen(&session, "s0"),
            [("us".to_owned(), 7)],
            "nobody was shown it again, and it is as old as it was"
        );
        let mut session = Session::default();
        assert!(see(&mut session, ("s0", "us", 7), true, 1));
        for at in 0..8u64 {
            see(&mut session, (&format!("s{}", at + 1), "us", 9), true, later + at);
        }
        assert_eq!(seen(&session, "s0"), [], "but of own writes the oldest gives way");
    }

    #[test]
    fn an_owners_own_word_takes_an_old_mark_back_and_no_other() {
        let after = |since: u64, wrote, own: u128| {
            let mut session = Session::default();
            see(&mut session, ("s0", "eu", 4), true, 1);
            see(&mut session, ("s0", "us", 1 << 60), wrote, 1);
            let changed = session.correct(("s0", None), ("us", Position::new(own)), Timestamp(since));
            (changed, seen(&session, "s0").into_iter().find(|(owner, _)| owner == "us").map(|(_, place)| place))
        };
        let old = LONGEST_PIN.as_millis() as u64 + 1;
        for wrote in [true, false] {
            assert_eq!(after(old, wrote, 17), (true, Some(17)));
            assert_eq!(after(old - 1, wrote, 17), (false, Some(1 << 60)), "its replica may be behind for a moment");
            assert_eq!(after(old, wrote, 0), (true, None), "its log has begun anew");
            assert_eq!(after(old, wrote, 1 << 60), (false, Some(1 << 60)));
        }
        let mut session = Session::default();
        let claim = Claim::AtLeast(Mark { epoch: Epoch::FIRST, position: Position::new(1 << 60) });
        let pin = Pin { dataset: "s0".to_owned(), subject: None, region: "us".to_owned(), since: Timestamp(1), claim };
        session.pins = vec![pin];
        assert!(!session.correct(("s0", None), ("us", Position::new(17)), Timestamp(old)), "a stamp is no number");
    }
}
