//! For how long what a region fills the edge cache with is fresh: no longer than its lag is known to do no harm.

use std::time::Duration;

use super::Settling;
use crate::{
    decide::plan::{WriteTarget, standing},
    model::{ids::RegionId, reasons::Choice},
    state::matrix::SESSIONS_LEAVE,
};

impl Settling<'_> {
    /// The longest that the region's answer may be fresh from now on, where its lag sets a limit. Its origin cannot know how far its
    /// replica is behind, so what it says of freshness counts from what it shows. `age` is for how long caches on the way have had it.
    pub(super) fn at_most_fresh(&self, age: Duration) -> Option<Duration> {
        let region = self.region?;
        let source = self.source();
        let within = self.within_bound(region, source).map(|left| left.saturating_sub(age));
        let limits = [self.held_off(region, age), within, self.far_behind(region, source)];
        limits.into_iter().flatten().min()
    }

    /// A write has ended the stored responses of this place: what a region shows that may not have it yet is fresh only until it must have.
    fn held_off(&self, region: RegionId, age: Duration) -> Option<Duration> {
        let purge = self.purged?;
        let takes = if region == purge.region { Duration::ZERO } else { self.view.window(region, purge.region).length };
        let there = purge.at.after(takes);
        (self.asked < there.after(age)).then(|| there.since(self.now))
    }

    /// Of the dataset's bound, what the region's lag leaves.
    fn within_bound(&self, region: RegionId, source: Option<RegionId>) -> Option<Duration> {
        let bound = self.request.dataset_in(self.view.topology())?.staleness?;
        let lag = self.view.lag(region, source).filter(|_| source != Some(region))?;
        Some(bound.saturating_sub(lag))
    }

    /// A replica that is cut off, stands still or is so far behind that sessions are not read there: nobody knows how old what it shows
    /// is, so it is asked again soon.
    fn far_behind(&self, region: RegionId, source: Option<RegionId>) -> Option<Duration> {
        let source = source.filter(|source| *source != region)?;
        self.view.too_far_behind(region, source).map(|_| SESSIONS_LEAVE)
    }

    /// The region whose writes the answer shows, if that is one, and known.
    fn source(&self) -> Option<RegionId> {
        self.request.dataset?;
        match standing(self.request, self.view) {
            // Each of several owners is behind the others.
            WriteTarget::Owned(_, Choice::NearestOwner | Choice::OwnWritesOwner) | WriteTarget::Unknown => None,
            WriteTarget::Owned(owner, _) => Some(owner.region()),
            WriteTarget::BySubject => self.request.home_in_session(self.view.topology()).map(|owned| owned.home()),
        }
    }
}
