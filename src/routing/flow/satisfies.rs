//! Whether a stored copy is as new as its reader may demand.

use super::Flow;
use crate::routing::{cache::Variant, plan::Freshness, position::Mark, session::Pin, time::Timestamp};

impl Flow {
    /// Whether the copy may be shown to this reader. Who has written or seen something gets only a copy that certainly shows
    /// it: one that its home made afterwards, or one whose origin said that it is at least so far.
    pub(super) fn satisfies(&self, copy: &Variant<'_>, now: Timestamp) -> bool {
        let dataset = self.intent.dataset.and_then(|id| self.view.topology().dataset(id));
        let within = |bound| now.since(copy.made) <= bound;
        match &self.freshness {
            Freshness::Any => true,
            Freshness::Within(bound) => within(*bound),
            // A window is there for one write; what the session has written and seen since then is in its mark.
            Freshness::Pinned(pin) => {
                let mark = self.session_mark();
                made_at_home_since(copy, pin) && mark.is_none_or(|(pin, mark)| shows_all(copy, pin, &mark))
            }
            Freshness::AtLeast(pin, mark) => {
                shows_all(copy, pin, mark) && dataset.and_then(|dataset| dataset.staleness).is_none_or(within)
            }
            Freshness::Home => false,
        }
    }
}

/// Whether all up to that mark is certainly in the copy.
fn shows_all(copy: &Variant<'_>, pin: &Pin, mark: &Mark) -> bool {
    let certain = copy.shows.as_ref().is_some_and(|shows| shows.home == pin.region && shows.covers(mark));
    certain || made_at_home_since(copy, pin)
}

/// Whether the home by which the pin counts made the copy after that. Whom this isolate takes for the home does not matter:
/// what a region has had it still has, and another may have been the home before.
fn made_at_home_since(copy: &Variant<'_>, pin: &Pin) -> bool {
    copy.made >= pin.since && copy.region == pin.region
}
