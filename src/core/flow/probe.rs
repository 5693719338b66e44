//! The look into the edge cache: may a stored response answer, is it worth asking about, or is it kept in case every region fails?

use std::time::Duration;

use super::{
    context::Context,
    next::{Look, Next, Phase},
    step::{Probe, Step},
};
use crate::{
    cache::{
        Probed,
        entry::{self, Variant},
        lookup::{Lookup, Method},
        policy::{self, BeforeRequest, NotUsable, before_request},
        select::Usability,
        state::CacheState,
        stored::{self, StoredEntry},
    },
    decide::cache_keys,
    model::reasons::Refusal,
    request::CacheUse,
    settle::stored::ShownVariant,
    state::{
        memory::{Memory, Observation},
        trace::{Decision, TraceEvent},
    },
};

/// The longest that a request waits for another one of the same key; after that it asks for itself.
const LONGEST_WAIT: Duration = Duration::from_secs(3);

/// The first look, for what the edge cache can answer.
pub(super) fn first(cx: &mut Context, memory: &Memory) -> Next<'static> {
    let CacheUse::Use(lookup) = &cx.request.cache else {
        cx.cache = if let CacheUse::Bypass(state) = cx.request.cache { state } else { CacheState::Method };
        return Next::Route;
    };
    cx.cache = CacheState::Miss;
    let key = cache_keys::key(&cx.request, &cx.view);
    cx.purged = memory.purged(key.hash(), cx.now);
    if memory.is_uncacheable(key.hash(), cx.now) && !lookup.wants.only_if_cached {
        return Next::Route;
    }
    cx.in_vain = memory.waits_in_vain(cache_keys::wait(&cx.request, lookup, key), cx.now);
    let key = key.clone();
    let wait = (!is_alone(cx, lookup)).then_some(LONGEST_WAIT);
    Next::Wait(Step::ProbeCache(Probe { key, wait, expired: None }), Phase::Probing(Look::First))
}

/// Whether nobody else's answer will do for the request, or there will most likely be none that can be shared.
fn is_alone(cx: &Context, lookup: &Lookup) -> bool {
    !lookup.can_wait() || cx.in_vain || cx.freshness.is_promised()
}

/// Whether to look once more, behind the request that asks about the same expired response already: all who find it at once would ask their
/// region at once, each time that it expires.
fn is_worth_waiting(cx: &Context, look: Look, expired: &Variant<'_>, lookup: &Lookup) -> bool {
    let is_kept = policy::is_worth_waiting(expired);
    look == Look::First && !cx.collapsed && is_kept && !is_alone(cx, lookup)
}

/// What lies there.
pub(super) fn on_probed(cx: &mut Context, look: Look, probed: Probed<'_>) -> Next<'static> {
    let CacheUse::Use(lookup) = &cx.request.cache else { return Next::Refuse(Refusal::Internal) };
    cx.collapsed = probed.waited;
    let variants = probed.entry.and_then(entry::read).unwrap_or_default();
    let (why, about) = match before_request(&variants, lookup, cx.now, |variant| cx.satisfies(variant)) {
        BeforeRequest::Answer(at, variant, usability) => {
            if usability == Usability::Updating {
                cx.held = Some(StoredEntry::new(&probed, Some(at)));
            }
            let shown = ShownVariant { at, variant, length: stored::length(probed.lengths, at) };
            return hit(cx, usability, &variants, &shown);
        }
        BeforeRequest::Ask(NotUsable::Expired, Some((_, expired))) if is_worth_waiting(cx, look, expired, lookup) => {
            let (key, expired) =
                (cache_keys::key(&cx.request, &cx.view).clone(), expired.selecting.clone().into_owned());
            let probe = Probe { key, wait: Some(LONGEST_WAIT), expired: Some(expired) };
            return Next::Wait(Step::ProbeCache(probe), Phase::Probing(Look::Again));
        }
        BeforeRequest::Ask(why, about) => (why, about),
    };
    cx.cache = why.into();
    if !variants.is_empty() {
        cx.held = Some(StoredEntry::new(&probed, about.map(|(at, _)| at)));
    }
    let only_if_cached = lookup.wants.only_if_cached;
    cx.note(TraceEvent::Cache(cx.cache));
    if only_if_cached {
        return Next::Refuse(Refusal::OnlyIfCached);
    }
    Next::Route
}

/// A stored response answers.
fn hit(cx: &mut Context, judged: Usability, variants: &[Variant<'_>], shown: &ShownVariant<'_>) -> Next<'static> {
    let state = match judged {
        Usability::Updating => CacheState::Updating,
        Usability::Tolerated => CacheState::Tolerated,
        _ => CacheState::Hit,
    };
    cx.cache = state;
    if let (true, CacheUse::Use(lookup)) = (cx.in_vain, &cx.request.cache) {
        let wait = cache_keys::wait(&cx.request, lookup, cache_keys::key(&cx.request, &cx.view));
        cx.observations.push(Observation::OfUse(wait));
    }
    cx.join_drill(None);
    cx.note(TraceEvent::Cache(state));
    let region = cx.view.topology().region_named(&shown.variant.region);
    let mut settlement = Box::new(cx.settling(region, Decision::Stored(state)).of_stored(shown));
    settlement.same_until = cx.same_until(variants, shown, &settlement);
    if judged == Usability::Updating {
        Next::AnswerAndGoOn(settlement, cache_keys::key(&cx.request, &cx.view).clone())
    } else {
        Next::Finish(settlement)
    }
}

/// After an expired response has answered: fetch a new one for those who come later.
pub(super) fn go_on(cx: &mut Context) -> Next<'static> {
    cx.cache = CacheState::Expired;
    cx.note(TraceEvent::Cache(CacheState::Expired));
    if let CacheUse::Use(lookup) = &mut cx.request.cache {
        // The answer to a HEAD could only show that the stored response is old, and would leave nothing in its place.
        lookup.method = Method::Get;
        cx.request.method = "GET".into();
    }
    Next::Route
}
