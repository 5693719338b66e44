//! What is owned, by whom, and how that may change. All decisions about ownership are made here, and nowhere else.

use std::{fmt, time::Duration};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use sha2::{Digest, Sha256};

use crate::Refusal;

/// The epoch of a first owner.
const FIRST: u64 = 1;

/// What has one owner: a whole dataset by its name, or a subject (`~` and its id) with its part of every dataset that is
/// split by its kind.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Unit(String);

impl Unit {
    /// A dataset that one region writes.
    #[must_use]
    pub fn dataset(name: &str) -> Self {
        Self(name.to_owned())
    }

    /// A subject, by the id that [`subject_id`] gives.
    #[must_use]
    pub fn subject(id: &str) -> Self {
        Self(format!("~{id}"))
    }

    /// Reads a unit that came over the wire: letters, digits, `-` and `_`, after a `~` or not.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let name = text.strip_prefix('~').unwrap_or(text);
        let legal = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        ((1..=64).contains(&name.len()) && name.bytes().all(legal)).then(|| Self(text.to_owned()))
    }

    /// Its name on the wire.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The dataset's name, unless it is a subject.
    #[must_use]
    pub fn as_dataset(&self) -> Option<&str> {
        (!self.0.starts_with('~')).then_some(&self.0)
    }

    /// The subject's id, if it is one.
    #[must_use]
    pub fn as_subject(&self) -> Option<&str> {
        self.0.strip_prefix('~')
    }
}

impl fmt::Display for Unit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The id by which the router knows a subject: the first 22 characters of base64url(SHA-256("user:ada")).
#[must_use]
pub fn subject_id(kind: &str, name: &str) -> String {
    let mut id = URL_SAFE_NO_PAD.encode(Sha256::digest(format!("{kind}:{name}")));
    id.truncate(22);
    id
}

/// The region that may accept writes, and since which generation. Whoever hears of a later epoch forgets the earlier one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ownership {
    /// That region.
    pub home: String,
    /// The generation: it rises by one with each change.
    pub epoch: u64,
}

impl Ownership {
    /// The epoch of what the application itself knows of before anybody has given it one: where a subject's data is on the day on
    /// which the router is put in front. [`Homing::learn`](crate::Homing::learn) it, for each subject, in every region.
    pub const BEFORE: u64 = 0;

    /// An ownership by that region since that epoch.
    #[must_use]
    pub fn new(home: &str, epoch: u64) -> Self {
        Self { home: home.to_owned(), epoch }
    }
}

/// Writes of a unit that are held back, so that its ownership can move without losing any.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pause {
    /// Its number.
    pub id: u64,
    /// How long it holds yet. Zero: it is over, but nothing has been written since; see [`Standing::wake`].
    pub left: Duration,
}

/// All that is kept of a unit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// The latest ownership that anybody has told: a claim, the authority, a peer. The fence goes by it, and nothing else does.
    pub owner: Option<Ownership>,
    /// Whose log this copy has, with all that the owner began with: positions count by it. It may be behind `owner`, since only the
    /// log itself moves it on, or that this region is the owner. Words travel faster than data, and a copy that has only been told
    /// of an owner has nothing of that one's epoch yet.
    pub log: Option<Ownership>,
    /// Whether its writes are held back. As long as this is there no write goes through, and only while it is there can
    /// the unit be given away; so no clock that jumps can let a write slip between the two.
    pub pause: Option<Pause>,
    /// The greatest number that a pause has had. None is taken twice: a request that was late on its way would pause anew, and
    /// the unit could be given away by a position that is not the last any more.
    pub last_pause: u64,
}

/// Why a unit's standing did not change as asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Denied {
    /// Another ownership counts: this one, or none at all.
    NotOwner(Option<Ownership>),
    /// Somebody else's pause holds; its number.
    Paused(u64),
    /// The pause is over, or there has been a later one.
    Over,
    /// The pause has run out, or never was.
    NotPaused,
}

impl Standing {
    /// Takes in a later ownership that this region was told of; says whether it was later. A pause belongs to the ownership that it
    /// was made for. Whose log the copy has stays as it is, but for the first owner, before whom nothing was written.
    pub fn advance(&mut self, to: &Ownership) -> bool {
        let later = self.owner.as_ref().is_none_or(|owner| owner.epoch < to.epoch);
        if later {
            (self.owner, self.pause) = (Some(to.clone()), None);
            if to.epoch <= FIRST {
                self.log = Some(to.clone());
            }
        }
        later
    }

    /// The ownership has come in the log itself, behind all that its owner began with; or this region is the owner, who never lacks
    /// that. From here on the copy is one of its epoch.
    pub fn announced(&mut self, to: &Ownership) {
        self.advance(to);
        if self.log.as_ref().is_none_or(|log| log.epoch < to.epoch) {
            self.log = Some(to.clone());
        }
    }

    /// The same, where all subjects of whom nobody has told an owner have their data in that region.
    pub(crate) fn or_first(mut self, unit: &Unit, first_home: Option<&str>) -> Self {
        if let (None, Some(home), Some(_)) = (&self.owner, first_home, unit.as_subject()) {
            self.owner = Some(Ownership::new(home, Ownership::BEFORE));
        }
        self
    }

    /// Whether a claim is to be taken over: it is later than all that is known. But where the data is in another region by the
    /// application's own word, the router has guessed, and only the authority moves it away from there.
    pub(crate) fn believes(&self, claim: &Ownership, here: &str) -> bool {
        let guessed = claim.home == here && self.lives_elsewhere(here).is_some();
        self.owner.as_ref().is_none_or(|owner| owner.epoch < claim.epoch && !guessed)
    }

    /// Where the data is by the application's own word, if that is elsewhere: whoever calls this region its owner has guessed.
    pub(crate) fn lives_elsewhere(&self, here: &str) -> Option<&Ownership> {
        self.owner.as_ref().filter(|owner| owner.epoch == Ownership::BEFORE && owner.home != here)
    }

    /// Holds the writes of an ownership back, or does so for longer.
    ///
    /// # Errors
    /// If another ownership counts, another pause holds, or this one is over.
    pub fn pause(&mut self, held: &Ownership, id: u64, time: Duration) -> Result<(), Denied> {
        self.must_be(held)?;
        match &self.pause {
            Some(pause) if pause.id != id && !pause.left.is_zero() => Err(Denied::Paused(pause.id)),
            held if id < self.last_pause || (id == self.last_pause && held.is_none()) => Err(Denied::Over),
            _ => {
                self.pause = Some(Pause { id, left: time });
                self.last_pause = id;
                Ok(())
            }
        }
    }

    /// Ends that pause, if it is there. If it is still on its way, it is over all the same.
    pub fn resume(&mut self, id: u64) {
        self.pause.take_if(|pause| pause.id == id);
        self.last_pause = self.last_pause.max(id);
    }

    /// Ends whatever pause has run out; a write may follow.
    pub fn wake(&mut self) {
        self.pause.take_if(|pause| pause.left.is_zero());
    }

    /// Gives the unit away, while that pause holds. What has been given away already is so still.
    ///
    /// # Errors
    /// If another ownership counts, or the pause has run out.
    pub fn depose(&mut self, held: &Ownership, id: u64, to: &str) -> Result<Ownership, Denied> {
        let next = Ownership::new(to, held.epoch.saturating_add(1));
        if self.owner.as_ref() == Some(&next) {
            return Ok(next);
        }
        self.must_be(held)?;
        if !self.pause.as_ref().is_some_and(|pause| pause.id == id && !pause.left.is_zero()) {
            return Err(Denied::NotPaused);
        }
        self.advance(&next);
        Ok(next)
    }

    /// The fence: whether that region may write by that claim now.
    ///
    /// # Errors
    /// If another region owns the unit, the claim is not the ownership that counts, or writes are paused; of a subject also if
    /// nobody has said who owns its part, neither before nor with this write: some other region may.
    pub fn admit(&self, unit: &Unit, here: &str, claim: Option<&Ownership>) -> Result<(), Refusal> {
        match self.owner.as_ref().or(claim) {
            Some(owner) if owner.home != here || claim.is_some_and(|claim| claim != owner) => {
                return Err(Refusal::Misdirected(owner.clone()));
            }
            None if unit.as_subject().is_some() => return Err(Refusal::OfSubject(unit.clone())),
            _ => {}
        }
        match &self.pause {
            Some(pause) => Err(Refusal::Paused(pause.left)),
            None => Ok(()),
        }
    }

    fn must_be(&self, held: &Ownership) -> Result<(), Denied> {
        if self.owner.as_ref() == Some(held) { Ok(()) } else { Err(Denied::NotOwner(self.owner.clone())) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn owned(home: &str, epoch: u64) -> Standing {
        Standing { owner: Some(Ownership::new(home, epoch)), ..Standing::default() }
    }

    #[test]
    fn the_fence_lets_in_the_owner_by_its_own_epoch_alone() {
        let us = |epoch| Ownership::new("us", epoch);
        let misdirected = |home, epoch| Err(Refusal::Misdirected(Ownership::new(home, epoch)));
        let (catalog, ada) = (Unit::dataset("catalog"), Unit::subject("ada"));
        let admit = |standing: &Standing, claim: Option<Ownership>| standing.admit(&catalog, "us", claim.as_ref());
        let of_ada = |standing: &Standing, claim: Option<Ownership>| standing.admit(&ada, "us", claim.as_ref());
        assert_eq!(admit(&Standing::default(), None), Ok(()), "a dataset that nobody has claimed");
        let nobody = Err(Refusal::OfSubject(ada.clone()));
        assert_eq!(of_ada(&Standing::default(), None), nobody, "some other region may own it");
        assert_eq!(of_ada(&Standing::default(), Some(us(1))), Ok(()));
        assert_eq!(of_ada(&owned("us", 3), None), Ok(()));
        assert_eq!(of_ada(&owned("eu", 3), None), misdirected("eu", 3));
        assert_eq!(admit(&owned("us", 3), None), Ok(()));
        assert_eq!(admit(&owned("us", 3), Some(us(3))), Ok(()));
        assert_eq!(admit(&owned("us", 3), Some(us(2))), misdirected("us", 3));
        assert_eq!(admit(&owned("us", 3), Some(Ownership::new("eu", 3))), misdirected("us", 3));
        assert_eq!(admit(&owned("eu", 3), Some(us(2))), misdirected("eu", 3));
        assert_eq!(admit(&owned("eu", 3), None), misdirected("eu", 3));
    }

    /// The router's directory is empty on the day on which it is put in front, and gives homes by what is near.
    #[test]
    fn where_the_data_is_counts_until_the_authority_moves_it() {
        let own = |home, epoch| Ownership::new(home, epoch);
        let (ada, nobody) = (Unit::subject("ada"), Standing::default());
        let lives_in = |home| nobody.clone().or_first(&ada, Some(home));
        assert_eq!(lives_in("eu").admit(&ada, "us", None), Err(Refusal::Misdirected(own("eu", 0))));
        assert_eq!(lives_in("us").admit(&ada, "us", None), Ok(()), "before there is a router, too");
        assert!(lives_in("us").believes(&own("us", 1), "us"), "the router's first word");
        assert!(!lives_in("eu").believes(&own("us", 1), "us") && !lives_in("eu").believes(&own("us", 900), "us"));
        assert!(lives_in("eu").believes(&own("ap", 3), "us"), "that somebody else owns it");
        assert_eq!(owned("eu", 3).or_first(&ada, Some("us")), owned("eu", 3), "what was told counts");
        let mut moved = lives_in("eu");
        assert!(moved.advance(&own("us", 1)), "granted");
        assert_eq!(moved.admit(&ada, "us", Some(&own("us", 1))), Ok(()));
        let catalog = Unit::dataset("catalog");
        assert_eq!(nobody.clone().or_first(&catalog, Some("eu")), nobody, "of subjects alone");
    }

    #[test]
    fn ownership_only_goes_forward() {
        let mut standing = owned("us", 3);
        assert!(!standing.advance(&Ownership::new("eu", 3)) && !standing.advance(&Ownership::new("eu", 2)));
        assert_eq!(standing, owned("us", 3));
        assert!(standing.advance(&Ownership::new("eu", 4)));
        assert_eq!(standing, owned("eu", 4));
    }

    /// Whoever is told of an owner ahead of the data (a claim, the authority) must not pass its old copy off as one of that epoch.
    #[test]
    fn who_was_told_of_an_owner_has_its_log_only_when_that_says_so() {
        let [us, eu, ap] = [("us", 1), ("eu", 2), ("ap", 3)].map(|(home, epoch)| Ownership::new(home, epoch));
        let mut standing = Standing::default();
        standing.advance(&us);
        assert_eq!(standing.log, Some(us.clone()), "nothing was written before the first owner");
        standing.advance(&eu);
        assert_eq!((&standing.owner, &standing.log), (&Some(eu.clone()), &Some(us)), "told, and no more");
        standing.advance(&ap);
        standing.announced(&eu);
        assert_eq!((&standing.owner, &standing.log), (&Some(ap.clone()), &Some(eu.clone())), "the log may be behind");
        standing.announced(&ap);
        standing.announced(&eu);
        assert_eq!((&standing.owner, &standing.log), (&Some(ap.clone()), &Some(ap)), "and never goes back");
        let mut late = Standing::default();
        late.advance(&eu);
        assert_eq!(late.log, None, "what was there before is not here");
    }

    /// Without the numbers of pauses.
    fn bare(standing: &Standing) -> Standing {
        Standing { last_pause: 0, ..standing.clone() }
    }

    #[test]
    fn a_unit_is_given_away_while_its_pause_holds_and_never_after() {
        let held = Ownership::new("us", 3);
        let mut standing = owned("us", 3);
        assert_eq!(standing.depose(&held, 1, "eu"), Err(Denied::NotPaused));
        standing.pause(&held, 1, SECOND).unwrap();
        assert_eq!(standing.admit(&Unit::dataset("catalog"), "us", Some(&held)), Err(Refusal::Paused(SECOND)));
        assert_eq!(standing.pause(&held, 2, SECOND), Err(Denied::Paused(1)));
        assert_eq!(standing.depose(&held, 2, "eu"), Err(Denied::NotPaused));
        standing.pause(&held, 1, Duration::ZERO).unwrap();
        assert_eq!(standing.depose(&held, 1, "eu"), Err(Denied::NotPaused), "it has run out");
        assert_eq!(
            standing.admit(&Unit::dataset("catalog"), "us", None),
            Err(Refusal::Paused(Duration::ZERO)),
            "until it is ended for good"
        );
        standing.pause(&held, 2, SECOND).unwrap();
        assert_eq!(standing.depose(&held, 2, "eu"), Ok(Ownership::new("eu", 4)));
        assert_eq!(bare(&standing), owned("eu", 4));
        assert_eq!(standing.depose(&held, 2, "eu"), Ok(Ownership::new("eu", 4)), "once more");
        assert_eq!(standing.depose(&held, 2, "ap"), Err(Denied::NotOwner(Some(Ownership::new("eu", 4)))));
    }

    #[test]
    fn a_pause_is_ended_by_its_own_number_or_by_its_time() {
        let held = Ownership::new("us", 1);
        let mut standing = owned("us", 1);
        standing.pause(&held, 1, SECOND).unwrap();
        standing.resume(2);
        standing.wake();
        assert!(standing.pause.is_some());
        standing.resume(1);
        standing.resume(1);
        assert_eq!(bare(&standing), owned("us", 1));
        assert_eq!(standing.pause(&held, 2, SECOND), Err(Denied::Over), "it was ended before it came");
        standing.pause(&held, 3, Duration::ZERO).unwrap();
        standing.wake();
        assert_eq!(bare(&standing), owned("us", 1));
    }

    #[test]
    fn a_pause_that_is_late_on_its_way_holds_nothing() {
        let held = Ownership::new("us", 1);
        let mut standing = owned("us", 1);
        standing.pause(&held, 7, SECOND).unwrap();
        standing.pause(&held, 7, SECOND).unwrap();
        standing.resume(7);
        assert_eq!(standing.pause(&held, 7, SECOND), Err(Denied::Over));
        assert_eq!(standing.pause(&held, 6, SECOND), Err(Denied::Over));
        standing.pause(&held, 8, Duration::ZERO).unwrap();
        standing.wake();
        assert_eq!(standing.pause(&held, 8, SECOND), Err(Denied::Over));
        assert_eq!(standing.pause(&held, 9, SECOND), Ok(()));
    }

    #[test]
    fn units_and_subjects_are_named_as_the_router_names_them() {
        assert_eq!(subject_id("user", "ada"), "GdAZGkoHV5U4-Bo_P4T8RX");
        assert_eq!(Unit::parse("~GdAZ"), Some(Unit::subject("GdAZ")));
        assert_eq!(Unit::parse("catalog"), Some(Unit::dataset("catalog")));
        for bad in ["", "~", "a b", "a@1", "~~a"] {
            assert_eq!(Unit::parse(bad), None, "{bad:?}");
        }
    }
}
