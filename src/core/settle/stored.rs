//! Settling a stored response: as it is, or as an origin has just confirmed it.

use std::time::Duration;

use super::{
    Asked, Settlement, Settling, Source,
    keep::StoreAction,
    record::stale,
    session::{self, SignIn},
};
use crate::{
    cache::{
        entry::{ENTRY, Variant},
        lookup::Method,
        range::{Ranged, ranged},
        slice::Slice,
        state::CacheState,
        validate::{client_has, updates as updated},
    },
    http::{answer::Answer, edits::Edits},
    model::text,
    request::CacheUse,
};

/// What speaks of a body, and says nothing where there is none of the stored one's: a 304 should not have it (RFC 9110 section 15.4.5), and a
/// client that decodes an empty body fails.
const ABOUT_BODIES: [&str; 5] =
    ["content-encoding", "content-language", "content-length", "content-range", "content-type"];

/// A stored variant that is shown to a client.
#[derive(Clone, Copy, Debug)]
pub struct ShownVariant<'a> {
    /// Its place in the entry.
    pub at: usize,
    /// Its metadata.
    pub variant: &'a Variant<'a>,
    /// The length of its body, where it is known.
    pub length: Option<u64>,
}

/// So many bytes the changes to most stored responses have.
const ROOM: usize = 512;

impl Settling<'_> {
    /// A stored response for the client, fresh or stale.
    #[must_use]
    pub fn of_stored(self, shown: &ShownVariant<'_>) -> Settlement {
        let (request, view, now) = (self.request, self.view, self.now);
        let variant = shown.variant;
        let age = variant.current_age(now);
        let mut edits = Edits::with_room(ROOM);
        self.add_own_fields(variant, self.stored_cookies(variant), &mut edits);
        self.sign(&mut edits);
        // What the caches behind have said of it stands before (RFC 9211 section 2).
        edits.add_by("cache-status", |field| self.add_status_of_stored(variant.fresh, age, field));
        let is_stale = self.cache == CacheState::Stale;
        if is_stale {
            edits.set("homing-consistency", &stale(Some(age)));
        }
        let (status, source) = self.body_of(shown, &mut edits);
        let changed = session::after_stored(request, view, (variant, self.region), now);
        let mut settlement = self.settlement(status, source, edits);
        settlement.record_mut().stale = is_stale;
        if let Some(session) = changed {
            settlement.carry(&session, request, view, now);
        }
        settlement
    }

    /// Adds the `Cache-Status` of a stored response (RFC 9211 section 2.2); one that is no longer fresh has a negative `ttl`.
    fn add_status_of_stored(&self, fresh: Duration, age: Duration, field: &mut String) {
        let is_stale = age >= fresh;
        let (fresh, age, detail) = (fresh.as_secs(), age.as_secs(), self.cache.stale_reason());
        field.push_str(self.view.topology().edge_name());
        // Only what was not forwarded is a hit (section 2.1).
        if self.attempts > 0 {
            field.push_str(if is_stale { "; fwd=stale" } else { "; fwd=request" });
            if let Some(status) = self.heard {
                field.push_str("; fwd-status=");
                text::number(field, status.into());
            }
        } else {
            let waited = self.collapsed && detail.is_none();
            field.push_str(if waited { "; fwd=uri-miss; collapsed" } else { "; hit" });
        }
        field.push_str(if age > fresh { "; ttl=-" } else { "; ttl=" });
        text::number(field, fresh.abs_diff(age));
        if let Some(detail) = detail {
            text::all(field, &["; detail=", detail]);
        }
    }

    /// The stored response in hand after an origin has confirmed it by a 304 (RFC 9111 section 4.3.4): with the fields that the 304 brings,
    /// for the store too, unless the answer may be older than the reader demands. Without `updates` it stays as it was.
    pub(crate) fn validated(
        mut self,
        answer: &Answer<'_>,
        asked: &Asked,
        updates: bool,
    ) -> (Settlement, Option<SignIn>) {
        let put_right = self.put_right(answer);
        let renamed = put_right.of(answer);
        let answer = renamed.as_ref().unwrap_or(answer);
        let held = self.held;
        let Some((held, (at, old))) = held.and_then(|held| Some((held, held.selected()?))) else {
            return self.answered(answer, asked);
        };
        let stated = self.learn_position(answer, asked.owned);
        self.learn_owner(answer);
        let confirmed = self.confirmed(&old, answer, &self.provenance(asked, &stated)).filter(|_| updates);
        let variant = confirmed.as_ref().unwrap_or(&old);
        let shown = ShownVariant { at, variant, length: held.length(at) };
        let mut edits = if updates { updated(&answer.headers) } else { Edits::default() };
        // What the 304 sets is this client's, whether it is stored for others or not.
        let theirs = answer.headers.all("set-cookie").collect::<Vec<_>>().join("\n");
        let cookies = if theirs.is_empty() { self.stored_cookies(variant) } else { &theirs };
        self.add_own_fields(variant, cookies, &mut edits);
        self.sign(&mut edits);
        self.add_staleness(asked, &mut edits);
        let (status, source) = self.body_of(&shown, &mut edits);
        let kept = if asked.stale || !updates {
            StoreAction::default()
        } else {
            self.keep_confirmed(held, at, confirmed.as_ref(), answer)
        };
        edits.add_by("cache-status", |field| self.add_status(304, &kept, field));
        let (mut settlement, sign_in) = self.concluded(answer, asked, stated, (status, source), edits);
        settlement.carry_out(kept, Vec::new(), None);
        (settlement, sign_in)
    }

    /// The cookies that are stored for everybody, a line each, as long as the route has it so.
    fn stored_cookies<'v>(&self, variant: &'v Variant<'_>) -> &'v str {
        if self.request.promise.cache_set_cookie { &variant.cookies } else { "" }
    }

    /// Adds the fields that the store keeps for itself, as the origin sent them, these cookies, and the age (RFC 9111 section 5.1).
    fn add_own_fields(&self, variant: &Variant<'_>, cookies: &str, edits: &mut Edits) {
        edits.remove(ENTRY);
        // The store's own word on its hit; ours is Cache-Status.
        edits.remove("cf-cache-status");
        // The coding of what is stored stands nowhere else; a store that codes what it hands out has it decoded as it is read.
        for name in ["cache-control", "content-encoding"] {
            match variant.kept.get(name) {
                Some(said) => edits.set(name, said),
                None => edits.remove(name),
            }
        }
        if let Some(said) = variant.kept.get("cdn-cache-control") {
            edits.set("cdn-cache-control", said);
        }
        cookies.lines().for_each(|line| edits.add("set-cookie", line));
        edits.set_by("age", |field| text::number(field, variant.current_age(self.now).as_secs()));
    }

    /// What the client gets of a stored variant: nothing if it has it (RFC 9110 section 13.2.2), a part if it asks for one.
    fn body_of(&self, shown: &ShownVariant<'_>, edits: &mut Edits) -> (u16, Source) {
        let ShownVariant { at, variant, length } = *shown;
        let CacheUse::Use(lookup) = &self.request.cache else { return (variant.status, Source::Stored(at, None)) };
        if client_has(variant, &lookup.conditions) {
            ABOUT_BODIES.iter().for_each(|name| edits.remove(name));
            return (304, Source::StoredHead(at));
        }
        if lookup.method == Method::Head {
            if variant.status == 204 {
                // RFC 9110 section 8.6; a store counts its bytes all the same.
                edits.remove("content-length");
            } else if let Some(length) = length {
                edits.set_by("content-length", |field| text::number(field, length));
            }
            return (variant.status, Source::StoredHead(at));
        }
        match ranged(variant, &lookup.conditions, length) {
            Ranged::Whole => (variant.status, Source::Stored(at, None)),
            Ranged::Part(slice) => {
                edits.set("content-range", &slice.field());
                edits.set_by("content-length", |field| text::number(field, slice.length));
                // What is stored of a part begins where that does. What would lie outside was never selected.
                let from = variant.part.map_or(Some(slice.from), |part| part.offset_of(&slice));
                match from {
                    Some(0) if Some(slice.length) == length => (206, Source::Stored(at, None)),
                    Some(from) => (206, Source::Stored(at, Some(Slice { from, ..slice }))),
                    None => (206, Source::StoredHead(at)),
                }
            }
            Ranged::Unsatisfiable(whole) => {
                ABOUT_BODIES.iter().for_each(|name| edits.remove(name));
                edits.set_by("content-range", |field| {
                    field.push_str("bytes */");
                    text::number(field, whole);
                });
                edits.set("content-length", "0");
                (416, Source::StoredHead(at))
            }
        }
    }
}
