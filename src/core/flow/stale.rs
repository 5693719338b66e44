//! The stored response when all else fails: shown only where a stale answer is allowed, and said to be stale (RFC 5861 section 4).

use super::{context::Context, next::Next};
use crate::{
    cache::{policy::usable_when_stale, state::CacheState},
    request::CacheUse,
    settle::stored::ShownVariant,
    state::trace::{Decision, TraceEvent},
    topology::route::OnHomeDown,
};

/// The stored response, if it may be shown.
pub(super) fn shown(cx: &mut Context) -> Option<Next<'static>> {
    let refuses = cx.request.promise.on_home_down == OnHomeDown::Refuse;
    if cx.freshness.is_promised() && refuses {
        return None;
    }
    let CacheUse::Use(lookup) = &cx.request.cache else { return None };
    // It stays in hand: what is stored next must not be taken for the first.
    let held = cx.held.clone()?;
    let (at, variant) = held.selected()?;
    if refuses && cx.predates_a_write(&variant) {
        return None;
    }
    if !usable_when_stale(&variant, &lookup.wants, cx.now) {
        return None;
    }
    cx.cache = CacheState::Stale;
    cx.note(TraceEvent::Cache(CacheState::Stale));
    let region = cx.view.topology().region_named(&variant.region);
    let shown = ShownVariant { at, variant: &variant, length: held.length(at) };
    Some(Next::Finish(Box::new(cx.settling(region, Decision::Stored(CacheState::Stale)).of_stored(&shown))))
}
