//! What was found against the regions that may answer: by it a read that no region is left for is refused, a drill knows who was missed,
//! and a crossing is explained. It lasts as long as the request, whatever else becomes of that.

use crate::model::{
    ids::RegionId,
    reasons::{Crossing, Exclusion, Failure},
};

/// What was found against regions so far.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Passed {
    /// An operator has closed one of them.
    pub(super) closed: bool,
    /// One of them is at its ceiling.
    pub(super) full: bool,
    /// The first that would have been asked, but for a drill.
    pub(super) missed: Option<RegionId>,
    /// The last that speaks against the nearest.
    pub(super) nearest: Option<Crossing>,
}

impl Passed {
    /// Takes in what speaks against a region.
    pub(super) fn exclude(&mut self, region: RegionId, exclusion: Exclusion, nearest: Option<RegionId>) {
        match exclusion {
            Exclusion::RegionDown | Exclusion::RegionIsolated => self.closed = true,
            Exclusion::RegionFull => self.full = true,
            Exclusion::Drill => self.missed = self.missed.or(Some(region)),
            _ => {}
        }
        self.against(region, Crossing::Against(exclusion), nearest);
    }

    /// Takes in that a send to a region failed.
    pub(super) fn fail(&mut self, region: RegionId, failure: Failure, nearest: Option<RegionId>) {
        self.against(region, Crossing::Failed(failure), nearest);
    }

    fn against(&mut self, region: RegionId, why: Crossing, nearest: Option<RegionId>) {
        if nearest == Some(region) {
            self.nearest = Some(why);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::reasons::Choice;

    #[test]
    fn the_reason_of_a_crossing_is_what_sends_it_or_what_speaks_against_the_nearest() {
        let (us, eu) = (RegionId(0), RegionId(1));
        let why = |found: &[(RegionId, Exclusion)], choice| {
            let mut passed = Passed::default();
            found.iter().for_each(|(region, exclusion)| passed.exclude(*region, *exclusion, Some(us)));
            Crossing::of(choice, passed.nearest).token()
        };
        let open = [(us, Exclusion::BreakerOpen)];
        assert_eq!(why(&open, Choice::Home), Choice::Home.token());
        assert_eq!(why(&open, Choice::Nearest), Exclusion::BreakerOpen.token());
        assert_eq!(why(&[(eu, Exclusion::LagOverBound)], Choice::Nearest), Crossing::Residency.token());
    }
}
