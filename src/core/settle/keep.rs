//! What the edge cache keeps after an origin's answer, and what it gives up.

use super::{Asked, Base, Settlement, Settling, Store, session::named_subjects};
use crate::{
    cache::{
        entry::Variant,
        freshness::said_age,
        key::CacheKey,
        lookup::{Lookup, Method},
        policy::{self, AfterResponse, Storable},
        state::CacheState,
        stored::StoredEntry,
        storing::{self, NotStorable, Storing},
    },
    decide::{
        cache_keys,
        reach::{Least, log_of},
    },
    http::{
        answer::{Answer, is_failure},
        edits::Edits,
    },
    model::{epoch::Epoch, ids::RegionId},
    ownership::stated::{Shows, Stated},
    request::CacheUse,
    session::Marks,
    state::memory::Observation,
};

/// What becomes of an answer in the edge cache.
#[derive(Debug, Default)]
pub(super) struct StoreAction {
    /// What is stored.
    pub(super) store: Option<Store>,
    /// Why it is not.
    pub(super) refused: Option<NotStorable>,
    /// What is forgotten.
    pub(super) gone: Option<CacheKey>,
}

impl StoreAction {
    fn refused(why: NotStorable) -> Self {
        Self { refused: Some(why), ..Self::default() }
    }
}

/// Under which ownership an answer was made, and what it shows.
#[derive(Clone, Debug)]
pub(super) struct Provenance {
    epoch: Epoch,
    shows: Vec<Shows>,
}

impl Settling<'_> {
    /// What the edge cache keeps of an answer, which is nothing of one that may be older than was promised; learned either
    /// way, so that it is not asked in vain next time.
    pub(super) fn keep(&mut self, answer: &Answer<'_>, asked: &Asked, stated: &[Stated]) -> StoreAction {
        // What a cache has given on the way is as old as that says, or of nobody knows when.
        let of_unknown_age = answer.is_from_a_cache() && !answer.headers.has("age");
        if asked.stale || of_unknown_age {
            return StoreAction::default();
        }
        let from = &self.provenance(asked, stated);
        match &self.request.cache {
            CacheUse::Bypass(_) => StoreAction::default(),
            CacheUse::Use(lookup) if lookup.method == Method::Head => self.keep_head(lookup, answer, from),
            CacheUse::Use(lookup) => self.keep_get(lookup, answer, from),
            CacheUse::Fill(lookup) => self.keep_post(lookup, answer, from),
        }
    }

    /// What the answer to such a send is from.
    pub(super) fn provenance(&self, asked: &Asked, stated: &[Stated]) -> Provenance {
        let epoch = asked.owned.map_or(Epoch::NONE, |owned| owned.epoch());
        let topology = self.view.topology();
        let seen = self.request.marks(topology).filter(|_| asked.least == Least::Marks);
        let mut shows = Vec::new();
        for stated in stated {
            let mut told = if let Least::Mark(mark) = asked.least { Some(mark) } else { None };
            for (pin, mark) in seen.iter().flat_map(Marks::all) {
                if log_of(pin, *mark, self.request, topology) == Some(stated.log) {
                    told = Some(*mark);
                }
            }
            shows.push(Shows::of(stated, told, topology));
        }
        Provenance { epoch, shows }
    }

    fn keep_get(&mut self, lookup: &Lookup, answer: &Answer<'_>, from: &Provenance) -> StoreAction {
        let key = cache_keys::key(self.request, self.view);
        let storable = self
            .storing(answer, from, lookup)
            .ok_or(NotStorable::Status)
            .and_then(|storing| policy::is_storable(&storing, self.held));
        match storable {
            Ok(Storable { variant, edits, carried }) => {
                let store = self.entry(key.clone(), Base::Origin, edits, &variant, &carried);
                self.observations.push(Observation::Cacheable(store.key.hash()));
                if lookup.can_wait() {
                    self.observations.push(Observation::OfUse(cache_keys::wait(self.request, lookup, &store.key)));
                }
                StoreAction { store: Some(store), ..StoreAction::default() }
            }
            Err(why) => {
                // These say something of the resource; the others only of this answer. What the origin says to a client that it
                // knows says nothing of what it says to others, and whose stored responses are there can be stored.
                let of_the_resource = matches!(
                    why,
                    NotStorable::Control | NotStorable::SetCookie | NotStorable::Vary | NotStorable::NoFreshness
                );
                let of_anybody = !lookup.authorized && !lookup.cookies && self.held.is_none();
                // A bad request, or one while a stored response is there that has expired, says nothing of what others would wait for.
                let of_others = why != NotStorable::Status && !is_failure(answer.status);
                if lookup.can_wait() && self.held.is_none() && of_others {
                    self.observations.push(Observation::InVain(cache_keys::wait(self.request, lookup, key)));
                }
                if of_the_resource && of_anybody {
                    self.observations.push(Observation::Uncacheable(key.hash()));
                }
                StoreAction {
                    gone: self.takes_back(lookup, answer.status, Some(why)).then(|| key.clone()),
                    ..StoreAction::refused(why)
                }
            }
        }
    }

    /// Whether an answer that is not stored takes back the expired response that it was to make new: the region has said to somebody whom
    /// it does not know that what lay there is gone, closed, moved for good, or nobody else's any longer. It would be shown again
    /// when the region fails, and for all of its `stale-while-revalidate`. What may speak of the request alone takes nothing away from the
    /// others: whom a firewall takes for a robot is refused (401, 403), sent to prove it (302, 303, 307) or asked to (202, 405). Nor does
    /// what is said to a client that the region knows; a personal one has no others.
    fn takes_back(&self, lookup: &Lookup, status: u16, why: Option<NotStorable>) -> bool {
        let of_the_resource = match status {
            200 | 203..=205 => why == Some(NotStorable::Control),
            302 | 303 | 307 | 401 | 403 => lookup.personal,
            _ => matches!(status, 301 | 308 | 404 | 410 | 451),
        };
        let of_anybody = lookup.personal || !lookup.authorized && !lookup.cookies;
        self.cache == CacheState::Expired && of_the_resource && of_anybody
    }

    /// The answer to a HEAD makes the stored one new, or shows that it is old (RFC 9111 section 4.3.5).
    fn keep_head(&mut self, lookup: &Lookup, answer: &Answer<'_>, from: &Provenance) -> StoreAction {
        let selected = self.held.and_then(|held| held.selected().map(|(at, old)| (held, at, old)));
        let Some((held, at, old)) = selected.filter(|_| answer.status == 200) else {
            let gone =
                self.takes_back(lookup, answer.status, None).then(|| cache_keys::key(self.request, self.view).clone());
            return StoreAction { gone, ..StoreAction::default() };
        };
        if policy::after_head(held, (at, &old), &answer.headers) != AfterResponse::Confirmed {
            return StoreAction {
                gone: Some(cache_keys::key(self.request, self.view).clone()),
                ..StoreAction::default()
            };
        }
        let confirmed = self.confirmed(&old, answer, from);
        self.keep_confirmed(held, at, confirmed.as_ref(), answer)
    }

    /// The answer to a POST that says that it is what a GET would get, and for how long (RFC 9110 section 9.3.3).
    fn keep_post(&mut self, lookup: &Lookup, answer: &Answer<'_>, from: &Provenance) -> StoreAction {
        let itself = answer.headers.get("content-location").is_some_and(|to| cache_keys::is_target(self.request, to));
        let Some(key) = cache_keys::as_read(self.request, self.view).filter(|_| itself && answer.status == 200) else {
            return StoreAction::refused(NotStorable::Method);
        };
        let Some(storing) = self.storing(answer, from, lookup) else {
            return StoreAction::refused(NotStorable::Method);
        };
        match policy::is_storable(&storing, None) {
            Ok(Storable { variant, edits, .. }) if policy::is_explicit(&answer.headers, self.now) => StoreAction {
                store: Some(self.entry(key, Base::Origin, edits, &variant, &[])),
                ..StoreAction::default()
            },
            Ok(_) => StoreAction::refused(NotStorable::NoFreshness),
            Err(why) => StoreAction::refused(why),
        }
    }

    /// The metadata of a stored variant after an origin has confirmed it; none if it may not be stored any longer.
    pub(super) fn confirmed<'v>(
        &self,
        old: &Variant<'v>,
        answer: &Answer<'_>,
        from: &Provenance,
    ) -> Option<Variant<'static>> {
        let CacheUse::Use(lookup) = &self.request.cache else { return None };
        policy::confirmed(&self.storing(answer, from, lookup)?, old).ok()
    }

    /// Keeps a variant that an origin has confirmed, with the fields that came; or gives it up.
    pub(super) fn keep_confirmed(
        &mut self,
        held: &StoredEntry,
        at: usize,
        confirmed: Option<&Variant<'_>>,
        answer: &Answer<'_>,
    ) -> StoreAction {
        let key = cache_keys::key(self.request, self.view).clone();
        let Some(variant) = confirmed else { return StoreAction { gone: Some(key), ..StoreAction::default() } };
        let count = held.variants().len();
        let carried: Vec<_> = (0..count).filter(|place| *place != at).collect();
        let store = self.entry(key, Base::Stored(at), policy::updates(&answer.headers), variant, &carried);
        StoreAction { store: Some(store), ..StoreAction::default() }
    }

    fn storing<'a>(&'a self, answer: &'a Answer<'a>, from: &Provenance, lookup: &'a Lookup) -> Option<Storing<'a>> {
        let topology = self.view.topology();
        Some(Storing {
            status: answer.status,
            headers: &answer.headers,
            framing: answer.framing,
            asked: self.asked,
            now: self.now,
            region: &topology.region(self.region?).name,
            epoch: from.epoch,
            shows: from.shows.clone(),
            at_most: self.at_most_fresh(said_age(&answer.headers)),
            largest: self.request.promise.cache_up_to.unwrap_or(storing::LARGEST),
            cookies: self.shares_cookies(answer, lookup),
            lookup,
        })
    }

    /// Whether the cookies of an answer are everybody's: where its route says so of all, but not of one that names a subject, nor of one to
    /// somebody whom the application could know, nor to a POST, which may have signed somebody in. What is no UTF-8 comes out of the
    /// platform as another character, and could not be given back.
    fn shares_cookies(&self, answer: &Answer<'_>, lookup: &Lookup) -> bool {
        let of_somebody = lookup.authorized || lookup.cookies || !matches!(self.request.cache, CacheUse::Use(_));
        self.request.promise.cache_set_cookie
            && !of_somebody
            && named_subjects(answer, self.view.topology()).next().is_none()
            && !answer.headers.all("set-cookie").any(|line| line.contains('\u{fffd}'))
    }

    /// The entry with this variant first.
    fn entry(&self, key: CacheKey, base: Base, mut edits: Edits, variant: &Variant<'_>, carried: &[usize]) -> Store {
        let carried = policy::written(variant, self.held, carried, self.now, &mut edits);
        Store { key, base, carried, edits, made: variant.made }
    }
}

impl Settlement {
    /// Takes over what becomes of the answer in the edge cache. What is stored anew is not forgotten. `useless` is what a write at
    /// that region has ended.
    pub(super) fn carry_out(&mut self, kept: StoreAction, useless: Vec<CacheKey>, at: Option<RegionId>) {
        let stored = kept.store.as_ref().map(|store| &store.key);
        if let Some(at) = at {
            let ended = useless.iter().filter(|key| Some(*key) != stored);
            self.observations.extend(ended.map(|key| Observation::Purged(key.hash(), at)));
        }
        self.invalidate = useless.into_iter().chain(kept.gone).filter(|key| Some(key) != stored).collect();
        self.store = kept.store;
    }
}
