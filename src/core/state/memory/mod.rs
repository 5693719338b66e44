//! What one isolate remembers between requests: homes, failures, lag, and what is not worth looking for in the cache.
//! Losing it costs look-ups and never correctness.

pub mod lag;
pub mod replicas;
pub(crate) mod vain;

use std::{collections::HashMap, rc::Rc, time::Duration};

pub use crate::state::memory::lag::{
    LONGEST as LONGEST_WINDOW, Lags, PinWindow, SHORTEST as SHORTEST_WINDOW, UNMEASURED,
};
pub use crate::state::memory::replicas::{AppliedPositions, Known, ReplicaId};
pub use crate::state::memory::vain::Wait;
use crate::state::memory::vain::{Waits, pass_by};

use crate::{
    model::{
        ids::{DatasetId, RegionId},
        position::Position,
        subject::SubjectId,
        time::Timestamp,
    },
    ownership::Ownership,
    state::{
        drill::{Drill, SamplingKey},
        health::{Health, SendResult, Sending},
        matrix::{Matrix, ProbeReport},
        published::Published,
    },
};

/// A remembered home is used without asking again for this long; after that only when the home store fails.
const HOME_FRESH: Duration = Duration::from_secs(60);
/// The most homes remembered; past it the whole memory starts anew, which costs look-ups only.
const MOST_HOMES: usize = 10_000;
/// A visitor may name so many subjects at once whom nobody knows, and then one for each such time; subjects whom an origin has named do
/// not count.
const NAMES_AT_ONCE: u32 = 20;
const NAME_EACH: Duration = Duration::from_secs(1);
/// Of the most visitors it is known how many they named; past it they all begin anew.
const MOST_NAMING: usize = 4096;
/// The most purges remembered, each for as long as a window can be; past that all are forgotten, so that what a lagging region fills
/// may live out its freshness. Sessions that wrote are not shown it either way.
const MOST_PURGES: usize = 10_000;

/// Something that a settled request teaches the isolate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Observation {
    /// Where a subject lives.
    Home(SubjectId, Ownership),
    /// That visitor has named a subject whom nobody knew.
    NamedSubject(SamplingKey),
    /// A dataset has a later owner than the topology says.
    Moved(DatasetId, Ownership),
    /// Something is sent to a region.
    Sent(Sending),
    /// That is over.
    Heard(Sending, SendResult),
    /// How far a region's replica is behind another region's writes.
    Lag {
        /// The region whose replica it is.
        region: RegionId,
        /// The region whose writes are missing from it.
        source: RegionId,
        /// By how much.
        lag: Duration,
    },
    /// How far a replica is.
    Applied(ReplicaId, Position),
    /// A replica could not satisfy a reader.
    Behind {
        /// Which.
        copy: ReplicaId,
        /// It is only so far; none if it has nothing of that log.
        place: Option<Position>,
        /// The region whose write is missing from it.
        source: RegionId,
        /// How long the session had seen that write.
        by: Duration,
    },
    /// The response under this cache key could not be stored.
    Uncacheable(u64),
    /// It could, after all.
    Cacheable(u64),
    /// The requests that waited for that answer did so in vain: it could not be stored.
    InVain(Wait),
    /// It could be, or a stored response was found.
    OfUse(Wait),
    /// The store did not take what was to lie under this cache key.
    Refused(u64),
    /// A write at that region has invalidated what is stored under this cache key.
    Purged(u64, RegionId),
    /// The authority has published this.
    Published(Published),
    /// The drill of that name is over, whatever is published of it.
    DrillOver(String),
    /// A vantage point has found this.
    Measured(ProbeReport),
}

#[derive(Clone, Copy, Debug)]
struct Remembered<T> {
    what: T,
    at: Timestamp,
}

/// A write that has invalidated stored responses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Purge {
    /// When it was answered.
    pub at: Timestamp,
    /// Where it was done.
    pub region: RegionId,
}

/// The isolate's memory.
#[derive(Clone, Debug, Default)]
pub struct Memory {
    homes: HashMap<SubjectId, Remembered<Ownership>>,
    /// By when visitors who name new subjects will have paid for all of them.
    named: HashMap<SamplingKey, Timestamp>,
    moved: Vec<(DatasetId, Ownership)>,
    /// Whether a dataset's owner is known that the published view does not have.
    outdone: bool,
    health: Health,
    uncacheable: HashMap<u64, Timestamp>,
    waits: Waits,
    /// Until when the store is offered nothing for a key: what it has refused it would refuse again, and a body is parted for that.
    refused: HashMap<u64, Timestamp>,
    purges: HashMap<u64, Purge>,
    // Shared with the views of requests in flight; copied only when something is learned meanwhile.
    lags: Rc<Lags>,
    reached: Rc<AppliedPositions>,
    published: Rc<Published>,
    /// The drill that is over here, though the view may still have it.
    drill_over: Option<String>,
    matrix: Rc<Matrix>,
}

impl Memory {
    /// A subject's home, if it was learned lately.
    #[must_use]
    pub fn home(&self, subject: &SubjectId, now: Timestamp) -> Option<Ownership> {
        self.homes.get(subject).filter(|held| now.since(held.at) < HOME_FRESH).map(|held| held.what)
    }

    /// A subject's home, however long ago it was learned.
    #[must_use]
    pub fn last_known_home(&self, subject: &SubjectId) -> Option<Ownership> {
        // The directory forgets a tentative one, and may then give the subject to another region.
        self.homes.get(subject).map(|held| held.what).filter(|home| !home.is_tentative())
    }

    /// Whether that visitor may name one more subject whom nobody knows (a leaky bucket: so many at once, then one for each
    /// interval). Where no visitor is known, nobody can be told from others, and the platform's rate limits must do.
    #[must_use]
    pub fn may_name_subjects(&self, visitor: Option<SamplingKey>, now: Timestamp) -> bool {
        let full = visitor.and_then(|visitor| self.named.get(&visitor));
        full.is_none_or(|until| until.since(now) <= NAME_EACH.saturating_mul(NAMES_AT_ONCE - 1))
    }

    /// How the regions fare with what is sent to them.
    #[must_use]
    pub fn health(&self) -> &Health {
        &self.health
    }

    /// The lag of every pair of regions.
    #[must_use]
    pub fn lags(&self) -> &Rc<Lags> {
        &self.lags
    }

    /// How far each replica is known to be.
    #[must_use]
    pub fn reached(&self) -> &Rc<AppliedPositions> {
        &self.reached
    }

    /// The latest that the authority is known to have published.
    #[must_use]
    pub fn published(&self) -> &Rc<Published> {
        &self.published
    }

    /// The drill that is on.
    #[must_use]
    pub fn drill(&self, now: Timestamp) -> Option<&Rc<Drill>> {
        self.published.drill(now).filter(|drill| self.drill_over.as_ref() != Some(&drill.id))
    }

    /// What the vantage points have found.
    #[must_use]
    pub fn matrix(&self) -> &Rc<Matrix> {
        &self.matrix
    }

    /// Datasets that have a later owner than the topology says.
    #[must_use]
    pub fn moved_datasets(&self) -> &[(DatasetId, Ownership)] {
        &self.moved
    }

    /// Whether, since this was last asked, an origin has named an owner of a dataset that is later than all that was known: then
    /// the view is to be read anew. What a client brings along cannot make it so, nor what is said of one subject, of whom the
    /// view knows nothing.
    pub fn take_outdone(&mut self) -> bool {
        std::mem::take(&mut self.outdone)
    }

    /// Whether the cache need not be asked for that key.
    #[must_use]
    pub fn is_uncacheable(&self, key: u64, now: Timestamp) -> bool {
        self.uncacheable.get(&key).is_some_and(|until| *until > now) || self.is_refused(key, now)
    }

    /// Whether nobody need wait there for another request's answer.
    #[must_use]
    pub fn waits_in_vain(&self, wait: Wait, now: Timestamp) -> bool {
        self.waits.are_in_vain(wait, now)
    }

    /// Whether the store is offered nothing for that key, since it has just refused it.
    #[must_use]
    pub fn is_refused(&self, key: u64, now: Timestamp) -> bool {
        self.refused.get(&key).is_some_and(|until| *until > now)
    }

    /// The last write that invalidated what is stored under that key, as long as some region's replica may still lack it.
    #[must_use]
    pub fn purged(&self, key: u64, now: Timestamp) -> Option<Purge> {
        self.purges.get(&key).copied().filter(|purge| now.since(purge.at) < LONGEST_WINDOW)
    }

    /// Takes in what a request taught.
    pub fn observe(&mut self, observation: Observation, now: Timestamp) {
        match observation {
            Observation::Home(subject, ownership) => self.learn_home(subject, ownership, now),
            Observation::NamedSubject(visitor) => {
                if self.named.len() >= MOST_NAMING {
                    self.named.retain(|_, until| *until > now);
                }
                if self.named.len() >= MOST_NAMING {
                    self.named.clear();
                }
                let until = self.named.entry(visitor).or_insert(now);
                *until = (*until).max(now).after(NAME_EACH);
            }
            Observation::Moved(dataset, ownership) => self.learn_moved(dataset, ownership),
            Observation::Sent(sending) => self.health.sent(sending),
            Observation::Heard(sending, heard) => self.health.heard(sending, heard, now),
            Observation::Lag { region, source, lag } => Rc::make_mut(&mut self.lags).observe(region, source, lag, now),
            Observation::Applied(copy, place) => Rc::make_mut(&mut self.reached).observe(copy, place),
            Observation::Behind { copy, place, source, by } => {
                Rc::make_mut(&mut self.reached).behind(copy, place, now);
                Rc::make_mut(&mut self.lags).at_least(copy.region, source, by);
            }
            Observation::Uncacheable(key) => pass_by(&mut self.uncacheable, key, now),
            Observation::InVain(wait) => self.waits.was_in_vain(wait, now),
            Observation::OfUse(wait) => self.waits.was_of_use(wait, now),
            Observation::Refused(key) => pass_by(&mut self.refused, key, now),
            Observation::Cacheable(key) => {
                self.uncacheable.remove(&key);
            }
            Observation::Purged(key, region) => {
                if self.purges.len() >= MOST_PURGES {
                    self.purges.retain(|_, purge| now.since(purge.at) < LONGEST_WINDOW);
                }
                if self.purges.len() >= MOST_PURGES {
                    self.purges.clear();
                }
                self.purges.insert(key, Purge { at: now, region });
            }
            // KV may show an older version after a newer one.
            Observation::Published(view) if view.version > self.published.version => self.published = Rc::new(view),
            Observation::Published(_) => {}
            Observation::DrillOver(id) => self.drill_over = Some(id),
            Observation::Measured(report) => {
                report.answered().for_each(|region| self.health.lives(region, report.at(), now));
                Rc::make_mut(&mut self.matrix).observe(report);
            }
        }
    }

    fn learn_home(&mut self, subject: SubjectId, ownership: Ownership, now: Timestamp) {
        // A slow request may teach what a quicker one has already unlearned.
        let holds = |held: &Ownership| (held.epoch(), !held.is_tentative());
        if self.homes.get(&subject).is_some_and(|held| holds(&held.what) > holds(&ownership)) {
            return;
        }
        if self.homes.len() >= MOST_HOMES {
            self.homes.clear();
        }
        self.homes.insert(subject, Remembered { what: ownership, at: now });
    }

    fn learn_moved(&mut self, dataset: DatasetId, ownership: Ownership) {
        match self.moved.iter_mut().find(|(id, _)| *id == dataset) {
            Some((_, held)) if held.epoch() >= ownership.epoch() => return,
            Some((_, held)) => *held = ownership,
            None => self.moved.push((dataset, ownership)),
        }
        self.outdone |= self.published.ownership(dataset).is_none_or(|known| known.epoch() < ownership.epoch());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        model::subject::SubjectKind,
        ownership::evidence::Keeper,
        topology::{Topology, error::KeyPath, parse, raw},
    };

    fn topology() -> Topology {
        let vars = r#"{"REGIONS":{"us":{"origin":"https://us.example"},"eu":{"origin":"https://eu.example"}}}"#;
        parse(&raw::from_json(vars).unwrap(), &KeyPath::default()).unwrap().0
    }

    fn said(topology: &Topology, text: &str) -> Ownership {
        Ownership::kept(text, Keeper::Store, topology, topology.all_regions()).unwrap().ownership
    }

    #[test]
    fn a_home_ages_but_is_not_forgotten() {
        let mut memory = Memory::default();
        let ada = SubjectId::of(SubjectKind::User, "ada");
        let topology = topology();
        let said = |text| said(&topology, text);
        let eu = said(r#"{"home":"eu","epoch":2}"#);
        memory.observe(Observation::Home(ada.clone(), eu), Timestamp(0));
        memory.observe(Observation::Home(ada.clone(), said(r#"{"home":"us","epoch":1}"#)), Timestamp(5));
        assert_eq!(memory.home(&ada, Timestamp(59_999)), Some(eu));
        assert_eq!(memory.home(&ada, Timestamp(60_000)), None);
        assert_eq!(memory.last_known_home(&ada), Some(eu));
    }

    /// Whoever holds an old session could make each second request read all of the view's keys, at the owner's cost.
    #[test]
    fn the_view_is_doubted_once_for_each_later_owner_of_a_dataset_and_for_no_subject() {
        let mut memory = Memory::default();
        let topology = topology();
        let owned = |epoch| said(&topology, &format!(r#"{{"home":"eu","epoch":{epoch}}}"#));
        let mut doubts = |observation| {
            memory.observe(observation, Timestamp(0));
            (memory.take_outdone(), memory.take_outdone())
        };
        let ada = SubjectId::of(SubjectKind::User, "ada");
        assert_eq!(doubts(Observation::Home(ada, owned(9))), (false, false));
        assert_eq!(doubts(Observation::Moved(DatasetId(0), owned(2))), (true, false));
        for old in [1, 2] {
            assert_eq!(doubts(Observation::Moved(DatasetId(0), owned(old))), (false, false), "{old}");
        }
        assert_eq!(doubts(Observation::Moved(DatasetId(0), owned(3))), (true, false));
    }
}
