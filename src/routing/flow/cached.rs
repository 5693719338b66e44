//! The edge cache in the life of a request: may the copy answer, or be kept for worse times?

use super::{Flow, Step};
use crate::routing::{
    answer::Answer,
    cache::{Copy, Judged, STORED},
    intent::CacheUse,
    reason::Reason,
    settle::CacheState,
    time::Timestamp,
    topology::OnHomeDown,
};

/// A copy in the driver's hands.
#[derive(Clone, Debug)]
pub(super) struct Held {
    copy: Copy,
    status: u16,
    fields: Vec<(String, String)>,
}

impl Flow {
    pub(super) fn on_cache(&mut self, stored: Option<Answer<'_>>, now: Timestamp) -> Step {
        let stored = stored.and_then(|stored| Some((Copy::read(stored.headers.get(STORED)?)?, stored)));
        self.cache = match stored {
            None => CacheState::Miss,
            Some((_, stored)) if !self.decodes(&stored) => CacheState::Undecodable,
            Some((copy, stored)) => match copy.judge(now) {
                Judged::Fresh if self.satisfies(&copy, now) => return self.hit(&copy, &stored, now),
                Judged::Fresh => self.hold(CacheState::TooOld, copy, &stored),
                Judged::Grace => self.hold(CacheState::Expired, copy, &stored),
                Judged::Dead => CacheState::Expired,
            },
        };
        self.trace.note(self.cache.reason(), None);
        if matches!(&self.intent.cache, CacheUse::Use(lookup) if lookup.only_if_cached) {
            return self.refuse(Reason::OnlyIfCached, now);
        }
        self.resolve(now)
    }

    /// Keeps a copy that will not do for the case that every region fails.
    fn hold(&mut self, state: CacheState, copy: Copy, stored: &Answer<'_>) -> CacheState {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        let fields = stored.headers.0.iter().map(owned).collect();
        self.held = Some(Held { copy, status: stored.status, fields });
        state
    }

    fn decodes(&self, stored: &Answer<'_>) -> bool {
        let CacheUse::Use(lookup) = &self.intent.cache else { return false };
        lookup.coding.decodes(stored.headers.get("content-encoding"))
    }

    fn hit(&mut self, copy: &Copy, stored: &Answer<'_>, now: Timestamp) -> Step {
        self.cache = CacheState::Hit;
        self.trace.note(Reason::CacheHit, None);
        let region = self.view.topology().region_named(&copy.region);
        let ending = self.ending(region, Reason::CacheHit, now);
        Step::Finish(Box::new(ending.from_copy(copy, stored)))
    }

    /// The held copy, when every region has failed: shown only where a stale answer is allowed, and said to be stale.
    pub(super) fn stale_copy(&mut self, now: Timestamp) -> Option<Step> {
        if self.freshness.is_promised() && self.intent.promise.on_home_down == OnHomeDown::Refuse {
            return None;
        }
        let held = self.held.take().filter(|held| held.copy.judge(now) != Judged::Dead)?;
        self.cache = CacheState::Stale;
        self.trace.note(Reason::CacheStale, None);
        let fields = held.fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let stored = Answer { status: held.status, headers: crate::routing::headers::Headers(fields) };
        let region = self.view.topology().region_named(&held.copy.region);
        let ending = self.ending(region, Reason::CacheStale, now);
        Some(Step::Finish(Box::new(ending.from_copy(&held.copy, &stored))))
    }
}
