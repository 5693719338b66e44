//! Whether a stored response is as new as its reader may demand.

use super::context::Context;
use crate::{
    cache::{entry::Variant, policy::usable_on_error, stored::StoredEntry},
    decide::plan::Freshness,
    ownership::stated::Shows,
    request::CacheUse,
    session::{Pin, REMEMBERED},
    topology::route::ReadAfterWrite,
};

impl Context {
    /// Whether the stored response may be shown to this reader. Who has written or seen something gets only one that certainly shows
    /// it: one that its home made afterwards, or one whose origin said that it is at least so far.
    pub(super) fn satisfies(&self, variant: &Variant<'_>) -> bool {
        let dataset = self.request.dataset_in(self.view.topology());
        let within = |bound| self.now.since(variant.made) <= bound;
        if self.is_too_old_to_tell(variant) || self.predates_a_write(variant) {
            return false;
        }
        match &self.freshness {
            Freshness::Any => true,
            Freshness::Within(bound) => within(*bound),
            // A window is there for one write; what the session has written and seen since then is in its mark.
            Freshness::Pinned(pin) => made_at_home_since(variant, pin) && self.shows_all(variant),
            Freshness::AtLeast => {
                self.shows_all(variant) && dataset.and_then(|dataset| dataset.staleness).is_none_or(within)
            }
            Freshness::Home => false,
        }
    }

    /// Whether all up to the session's marks is certainly in the stored response.
    fn shows_all(&self, variant: &Variant<'_>) -> bool {
        let Some(marks) = self.request.marks(self.view.topology()) else { return true };
        marks.all().iter().all(|(pin, mark)| {
            Shows::are_certain_of(&variant.shows, &pin.region, mark) || made_at_home_since(variant, pin)
        })
    }

    /// Whether the stored response may lack what the session wrote in a window that has ended: regions have that by now, but it may have
    /// been made before they had. It counts only if home made it after the write, or anybody after the window.
    pub(super) fn predates_a_write(&self, variant: &Variant<'_>) -> bool {
        if self.request.promise.read_after_write != ReadAfterWrite::Session {
            return false;
        }
        let dataset = self.request.dataset_in(self.view.topology());
        let name = dataset.map_or("", |dataset| dataset.name.as_str());
        let mut ended = self.request.session.session.ended_windows(name, self.request.subject.as_ref(), self.now);
        ended.any(|(pin, until)| variant.made < until && !made_at_home_since(variant, pin))
    }

    /// Whether the stored response may take the place of the origin's 500: the origin or the client has said that this is wanted.
    pub(super) fn is_usable_on_error(&self) -> bool {
        let CacheUse::Use(lookup) = &self.request.cache else { return false };
        let selected = self.held.as_ref().and_then(StoredEntry::selected);
        selected.is_some_and(|(_, variant)| usable_on_error(&variant, &lookup.wants, self.now))
    }

    /// Whether the stored response is older than a session remembers what it wrote. Nobody who has no session has written anything.
    fn is_too_old_to_tell(&self, variant: &Variant<'_>) -> bool {
        let promised = self.request.promise.read_after_write == ReadAfterWrite::Session;
        promised && self.request.session.session.exists() && self.now.since(variant.made) > REMEMBERED
    }
}

/// Whether the home by which the pin counts made the stored response after that. Whom this isolate takes for the home does not matter:
/// what a region has had it still has, and another may have been the home before.
fn made_at_home_since(variant: &Variant<'_>, pin: &Pin) -> bool {
    variant.made >= pin.since && variant.region == pin.region && !pin.is_over_everything()
}
