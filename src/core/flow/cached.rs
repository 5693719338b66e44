//! The edge cache in the life of a request: may a copy answer, is it worth asking about, or is it kept for worse times?

use std::time::Duration;

use super::{
    Flow, Look, Stage,
    context::Context,
    read::Reading,
    step::{Probe, Step},
};
use crate::{
    cache::{
        Probed,
        directives::FieldScope,
        entry::{self, Variant},
        freshness::Reuse,
        lookup::{Lookup, Method},
        select::{Usability, judge, select, usable_on_error, usable_when_stale},
        stored::{self, StoredEntry},
        validate::{Confirms, conditions, confirms},
    },
    decide::cache_keys,
    http::{answer::Answer, headers::Edits},
    model::{reasons::Refusal, time::Timestamp, token::Token},
    request::CacheUse,
    settle::{record::CacheState, stored::ShownVariant},
    state::memory::{Memory, Observation},
    topology::route::OnHomeDown,
};

/// The longest that a request waits for another one of the same key; after that it asks for itself.
const LONGEST_WAIT: Duration = Duration::from_secs(3);

impl Context {
    /// Whether nobody else's answer will do for the request, or there will most likely be none that can be shared.
    pub(super) fn is_alone(&self, lookup: &Lookup) -> bool {
        !lookup.can_wait() || self.in_vain || self.freshness.is_promised()
    }

    /// The conditions of the next send: it asks about the copy that the request selects, if there is one.
    pub(super) fn conditions(&mut self) -> Edits {
        let CacheUse::Use(lookup @ Lookup { method: Method::Get, .. }) = &self.request.cache else {
            return Edits::new();
        };
        let Some((_, variant)) = self.held.as_ref().and_then(StoredEntry::selected) else { return Edits::new() };
        self.conditional = variant.has_validator() && !self.unconditional;
        if self.conditional { conditions(&variant, &lookup.conditions) } else { Edits::new() }
    }
}

impl Flow {
    pub(super) fn first_step(&mut self, memory: &Memory, now: Timestamp) -> Step {
        let CacheUse::Use(lookup) = &self.cx.request.cache else {
            if let CacheUse::Bypass(Token::CacheMethod) | CacheUse::Fill(_) = self.cx.request.cache {
                self.cx.cache = CacheState::Method;
            }
            return self.resolve(now);
        };
        self.cx.cache = CacheState::Miss;
        let key = cache_keys::key(&self.cx.request, &self.cx.view);
        self.cx.purged = memory.purged(key.hash(), now);
        if memory.is_uncacheable(key.hash(), now) && !lookup.wants.only_if_cached {
            return self.resolve(now);
        }
        self.cx.in_vain = memory.waits_in_vain(cache_keys::wait(&self.cx.request, lookup, &key), now);
        let wait = (!self.cx.is_alone(lookup)).then_some(LONGEST_WAIT);
        self.stage = Stage::Probing(Look::First);
        Step::ProbeCache(Probe { key, wait, expired: None })
    }

    /// Whether to look once more, behind whoever asks about the same expired copy already: all who find it at once would ask their
    /// region at once, each time that it expires. One that has to be asked about each time anyway is no good to those who wait.
    fn is_worth_waiting(&self, look: Look, expired: &Variant<'_>, lookup: &Lookup) -> bool {
        let is_kept = expired.reuse != Reuse::Validated && !expired.fresh.is_zero();
        look == Look::First && !self.cx.collapsed && is_kept && !self.cx.is_alone(lookup)
    }

    pub(super) fn on_cache(&mut self, look: Look, probed: Probed<'_>, now: Timestamp) -> Step {
        let CacheUse::Use(lookup) = &self.cx.request.cache else { return self.refuse(Refusal::Internal, now) };
        self.cx.collapsed = probed.waited;
        let variants = probed.entry.and_then(entry::read).unwrap_or_default();
        let selected = select(&variants, lookup);
        let chosen = selected.and_then(|at| Some((at, variants.get(at)?)));
        let decodes = |variant: &Variant<'_>| lookup.coding.decodes(variant.kept.get("content-encoding"));
        self.cx.cache = match chosen {
            None if variants.is_empty() => CacheState::Miss,
            None if variants.iter().any(|variant| variant.status == 206) => CacheState::Partial,
            None => CacheState::VaryMiss,
            Some((_, variant)) if !decodes(variant) => CacheState::Undecodable,
            Some((at, variant)) => match judge(variant, &lookup.wants, now) {
                judged @ (Usability::Fresh | Usability::Tolerated | Usability::Updating)
                    if self.cx.satisfies(variant, now) =>
                {
                    let length = stored::length(probed.lengths, at);
                    if judged == Usability::Updating {
                        self.cx.held = Some(StoredEntry::new(&probed, selected));
                    }
                    return self.hit(judged, &ShownVariant { at, variant, length }, now);
                }
                Usability::Fresh | Usability::Tolerated | Usability::Updating => CacheState::TooOld,
                Usability::Unwanted => CacheState::NotWanted,
                Usability::Expired if self.is_worth_waiting(look, variant, lookup) => {
                    self.stage = Stage::Probing(Look::Again);
                    let (key, expired) =
                        (cache_keys::key(&self.cx.request, &self.cx.view), variant.selecting.clone().into_owned());
                    return Step::ProbeCache(Probe { key, wait: Some(LONGEST_WAIT), expired: Some(expired) });
                }
                Usability::Expired => CacheState::Expired,
            },
        };
        if !variants.is_empty() {
            // What the client cannot decode gives way.
            let at = selected.filter(|_| self.cx.cache != CacheState::Undecodable);
            self.cx.held = Some(StoredEntry::new(&probed, at));
        }
        self.cx.trace.note(self.cx.cache.reason(), None);
        if lookup.wants.only_if_cached {
            return self.refuse(Refusal::OnlyIfCached, now);
        }
        self.resolve(now)
    }

    fn hit(&mut self, judged: Usability, shown: &ShownVariant<'_>, now: Timestamp) -> Step {
        let (state, reason) = match judged {
            Usability::Updating => (CacheState::Updating, Token::CacheUpdating),
            Usability::Tolerated => (CacheState::Tolerated, Token::CacheHit),
            _ => (CacheState::Hit, Token::CacheHit),
        };
        self.cx.cache = state;
        if let (true, CacheUse::Use(lookup)) = (self.cx.in_vain, &self.cx.request.cache) {
            let wait = cache_keys::wait(&self.cx.request, lookup, &cache_keys::key(&self.cx.request, &self.cx.view));
            self.cx.observations.push(Observation::OfUse(wait));
        }
        self.cx.join_drill(None);
        self.cx.trace.note(reason, None);
        let region = self.cx.view.topology().region_named(&shown.variant.region);
        let settlement = Box::new(self.cx.settling(region, reason, now).from_stored(shown));
        if judged != Usability::Updating {
            return Step::Finish(settlement);
        }
        self.stage = Stage::Answered;
        Step::Answer(settlement, cache_keys::key(&self.cx.request, &self.cx.view))
    }

    /// After an expired copy has answered: fetch a new one for those who come later.
    pub(super) fn go_on(&mut self, now: Timestamp) -> Step {
        self.cx.cache = CacheState::Expired;
        self.cx.trace.note(Token::CacheExpired, None);
        if let CacheUse::Use(lookup) = &mut self.cx.request.cache {
            // The answer to a HEAD could only show that the copy is old, and would leave nothing in its place.
            lookup.method = Method::Get;
            "GET".clone_into(&mut self.cx.request.method);
        }
        self.resolve(now)
    }

    /// An answer to a question of ours about the copy: a 304, or a 500 in whose place it may be shown. None: an answer like
    /// any other. An origin that confirms what nobody has is asked again without conditions (RFC 9111 section 4.3.4: its 304
    /// must not be used to update anything).
    pub(super) fn about_the_copy(&mut self, reading: &Reading, answer: &Answer<'_>, now: Timestamp) -> Option<Step> {
        if answer.status == 500 {
            return self.copy_for_error(now);
        }
        let CacheUse::Use(lookup) = &self.cx.request.cache else { return None };
        if answer.status != 304 || !self.cx.conditional {
            return None;
        }
        let selected = self.cx.held.as_ref().and_then(StoredEntry::selected);
        match selected.map(|(_, variant)| confirms(&answer.headers, &variant, &lookup.conditions)) {
            Some(confirms @ (Confirms::Stored | Confirms::Contradictory)) => {
                let ended = reading.ended();
                let asked = ended.asked();
                let settling = self.cx.settling(Some(ended.region), ended.reason, now);
                let settled = settling.validated(answer, &asked, confirms == Confirms::Stored);
                Some(self.settled(settled, now))
            }
            Some(Confirms::Client) => None,
            _ => Some(self.ask_without_conditions(reading, now)),
        }
    }

    /// Asks there once more, for all of it.
    fn ask_without_conditions(&mut self, reading: &Reading, now: Timestamp) -> Step {
        if !self.cx.can_repeat() || !self.cx.has_time(now) {
            return self.refuse(Refusal::AllRegionsFailed, now);
        }
        self.cx.unconditional = true;
        self.ask(reading.again(), now)
    }

    /// The copy that was asked about holds, and nobody can read it: there is none.
    pub(super) fn copy_lost(&mut self, reading: &Reading, now: Timestamp) -> Step {
        (self.cx.held, self.cx.cache) = (None, CacheState::Miss);
        self.cx.trace.note(Token::CacheLost, None);
        self.ask_without_conditions(reading, now)
    }

    /// A copy in place of the origin's 500, where the origin or the client has said that this is wanted.
    fn copy_for_error(&mut self, now: Timestamp) -> Option<Step> {
        let CacheUse::Use(lookup) = &self.cx.request.cache else { return None };
        let (_, variant) = self.cx.held.as_ref()?.selected()?;
        if usable_on_error(&variant, &lookup.wants, now) { self.stale_copy(now) } else { None }
    }

    /// The held copy, when every region has failed: shown only where a stale answer is allowed, and said to be stale.
    pub(super) fn stale_copy(&mut self, now: Timestamp) -> Option<Step> {
        let refuses = self.cx.request.promise.on_home_down == OnHomeDown::Refuse;
        if self.cx.freshness.is_promised() && refuses {
            return None;
        }
        let CacheUse::Use(lookup) = &self.cx.request.cache else { return None };
        // It stays in hand: what is stored next must not be taken for the first.
        let held = self.cx.held.clone()?;
        let (at, variant) = held.selected()?;
        if refuses && self.cx.predates_a_write(&variant, now) {
            return None;
        }
        if lookup.wants.no_cache != FieldScope::None || !usable_when_stale(&variant, &lookup.wants, now) {
            return None;
        }
        self.cx.cache = CacheState::Stale;
        self.cx.trace.note(Token::CacheStale, None);
        let region = self.cx.view.topology().region_named(&variant.region);
        let settling = self.cx.settling(region, Token::CacheStale, now);
        Some(Step::Finish(Box::new(settling.from_stored(&ShownVariant {
            at,
            variant: &variant,
            length: held.length(at),
        }))))
    }
}
