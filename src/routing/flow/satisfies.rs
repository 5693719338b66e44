//! Whether a stored copy is as new as its reader may demand.

use super::Flow;
use crate::routing::{
    cache::Copy,
    plan::{Freshness, Standing, standing},
    position::Mark,
    reason::Reason,
    session::Pin,
    time::Timestamp,
    topology::RegionId,
};

impl Flow {
    /// Whether the copy may be shown to this reader. Who has written or seen something gets only a copy that certainly shows
    /// it: one that its home made afterwards, or one whose origin said that it is at least so far.
    pub(super) fn satisfies(&self, copy: &Copy, now: Timestamp) -> bool {
        let dataset = self.intent.dataset.and_then(|id| self.view.topology().dataset(id));
        let within = |bound| now.since(copy.made) <= bound;
        match &self.freshness {
            Freshness::Any => true,
            Freshness::Within(bound) => within(*bound),
            // A window is there for one write; what the session has written and seen since then is in its mark.
            Freshness::Pinned(pin) => {
                let mark = dataset.filter(|dataset| dataset.position.is_some());
                let mark = mark.and_then(|dataset| self.intent.session.session.mark(&dataset.name));
                self.made_at_home_since(copy, pin) && mark.is_none_or(|(pin, mark)| self.shows_all(copy, pin, &mark))
            }
            Freshness::AtLeast(pin, mark) => {
                self.shows_all(copy, pin, mark) && dataset.and_then(|dataset| dataset.staleness).is_none_or(within)
            }
            Freshness::Home => false,
        }
    }

    /// Whether all up to that mark is certainly in the copy.
    fn shows_all(&self, copy: &Copy, pin: &Pin, mark: &Mark) -> bool {
        let certain = copy.shows.as_ref().is_some_and(|shows| shows.home == pin.region && shows.covers(mark));
        certain || self.made_at_home_since(copy, pin)
    }

    fn made_at_home_since(&self, copy: &Copy, pin: &Pin) -> bool {
        let home = self.pinned_home(pin).map(|home| self.view.topology().region(home).name.as_str());
        copy.made >= pin.since && home == Some(copy.region.as_str())
    }

    /// Where a pinned read finds the session's write, as far as that is known without asking anybody.
    pub(super) fn pinned_home(&self, pin: &Pin) -> Option<RegionId> {
        match standing(&self.intent, &self.view) {
            Standing::Owned(_, Reason::NearestOwner) => self.view.topology().region_named(&pin.region),
            Standing::Owned(owner, _) => Some(owner.region()),
            Standing::BySubject => self.known_home().map(|(ownership, _)| ownership.home),
        }
    }
}
