//! The face of the cache: the questions that RFC 9111 answers, in the order of a request. The rules stand in the files beside it; whoever
//! drives the cache asks here (after the interface of http-cache-semantics).
//!
//! 1. [`before_request`]: may a stored response answer, or is its origin to be asked, and [about which one](revalidation)?
//! 2. [`after_response`]: what does the origin's answer say about the stored response? [`after_head`] asks the same of a HEAD's.
//! 3. [`is_storable`]: may the answer be stored, and as what? [`confirmed`] asks the same of a stored response that a 304 has made new.
//! 4. [`usable_when_stale`] and [`usable_on_error`]: may an expired one stand in for an origin that fails?
//! 5. [`written`]: the entry for the store.

use std::time::Duration;

use super::{
    beside,
    entry::{self, ENTRY, Variant},
    freshness::Reuse,
    lookup::Lookup,
    select::{self, Usability},
    stored::StoredEntry,
    storing::{self, NotStorable, Storing},
    validate::{self, Confirms},
};
use crate::{
    http::{
        answer::{Answer, Framing},
        edits::Edits,
        headers::Headers,
    },
    model::{text, time::Timestamp},
};

pub use super::{
    select::{usable_on_error, usable_when_stale},
    storing::is_explicit,
    validate::updates,
};

/// What the stored responses under a key may do for a request.
#[derive(Clone, Copy, Debug)]
pub enum BeforeRequest<'v> {
    /// The variant in that place may answer.
    Answer(usize, &'v Variant<'v>, Usability),
    /// The origin is to be asked: about the variant in that place, if there is one that is worth it.
    Ask(NotUsable, Option<(usize, &'v Variant<'v>)>),
}

/// Why no stored response answers unasked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotUsable {
    /// Nothing is stored.
    Absent,
    /// Only parts are, and the request wants other ones or the whole (RFC 9110 section 14.2).
    Partial,
    /// Only variants that other requests select (section 4.1).
    Vary,
    /// The client cannot decode it.
    Undecodable,
    /// The client wants a newer one (section 5.2.1).
    NotWanted,
    /// It does not show what the client was promised.
    NotShown,
    /// It has expired, or must not answer unasked (section 4.2).
    Expired,
}

/// What may be done with these variants. `may_show` adds a rule of the caller's to those of the standard.
#[must_use]
pub fn before_request<'v>(
    variants: &'v [Variant<'v>],
    lookup: &Lookup,
    now: Timestamp,
    may_show: impl Fn(&Variant<'_>) -> bool,
) -> BeforeRequest<'v> {
    let selected = select::select(variants, lookup);
    let Some((at, variant)) = selected.and_then(|at| Some((at, variants.get(at)?))) else {
        let why = match variants {
            [] => NotUsable::Absent,
            some if some.iter().any(|variant| variant.status == 206) => NotUsable::Partial,
            _ => NotUsable::Vary,
        };
        return BeforeRequest::Ask(why, None);
    };
    if !lookup.coding.decodes(variant.kept.get("content-encoding")) {
        // What the client cannot decode gives way, so it is not asked about.
        return BeforeRequest::Ask(NotUsable::Undecodable, None);
    }
    let why = match select::judge(variant, &lookup.wants, now) {
        usability @ (Usability::Fresh | Usability::Tolerated | Usability::Updating) if may_show(variant) => {
            return BeforeRequest::Answer(at, variant, usability);
        }
        Usability::Fresh | Usability::Tolerated | Usability::Updating => NotUsable::NotShown,
        Usability::Unwanted => NotUsable::NotWanted,
        Usability::Expired => NotUsable::Expired,
    };
    BeforeRequest::Ask(why, Some((at, variant)))
}

/// Whether those who find it expired at the same time do well to wait for the one of them who asks. One that must be asked about each time,
/// or that is never fresh, is no good to those who wait.
#[must_use]
pub fn is_worth_waiting(expired: &Variant<'_>) -> bool {
    expired.reuse != Reuse::Validated && expired.fresh > Duration::ZERO
}

/// Adds the conditions by which the origin is asked about a stored response (section 4.3.1), where it has a validator; whether it has.
pub fn revalidate(variant: &Variant<'_>, lookup: &Lookup, edits: &mut Edits) -> bool {
    let may = variant.has_validator();
    if may {
        validate::add_conditions(variant, &lookup.conditions, edits);
    }
    may
}

/// What an answer says about the stored response that its origin was asked about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AfterResponse {
    /// Nothing: it is an answer in full.
    Replaced,
    /// It still holds (section 4.3.4).
    Confirmed,
    /// It still holds, and the answer says something of it that cannot be: it is used, and stays as it was.
    Contradictory,
    /// The client's own still holds, and the 304 is for the client.
    ForClient,
    /// Something that nobody here has still holds: it must be asked again, without conditions.
    Unrelated,
}

/// What an answer says, after [`revalidate`]; `asked`: the variant that the origin was asked about.
#[must_use]
pub fn after_response(asked: Option<&Variant<'_>>, lookup: &Lookup, answer: &Answer<'_>) -> AfterResponse {
    if answer.status != 304 {
        return AfterResponse::Replaced;
    }
    match asked.map(|variant| validate::confirms(&answer.headers, variant, &lookup.conditions)) {
        Some(Confirms::Stored) => AfterResponse::Confirmed,
        Some(Confirms::Contradictory) => AfterResponse::Contradictory,
        Some(Confirms::Client) => AfterResponse::ForClient,
        Some(Confirms::Nothing) | None => AfterResponse::Unrelated,
    }
}

/// What the 200 of a HEAD says about the variant in that place: confirmed, or replaced by one that nobody has seen (section 4.3.5).
#[must_use]
pub fn after_head(held: &StoredEntry, (at, variant): (usize, &Variant<'_>), headers: &Headers<'_>) -> AfterResponse {
    let is_same = validate::same_representation(headers, variant, held.length(at));
    if is_same { AfterResponse::Confirmed } else { AfterResponse::Replaced }
}

/// What is stored of an answer.
#[derive(Clone, Debug)]
pub struct Storable<'a> {
    /// Its metadata.
    pub variant: Variant<'a>,
    /// What becomes of its header fields.
    pub edits: Edits,
    /// The places of the variants in hand that go on beside it.
    pub carried: Vec<usize>,
}

/// What is stored of an answer, beside what is stored already.
///
/// # Errors
/// With the first rule that forbids storing it (section 3): the standard's, or that it would take something better away.
pub fn is_storable<'a>(response: &Storing<'a>, held: Option<&StoredEntry>) -> Result<Storable<'a>, NotStorable> {
    let (variant, edits) = storing::store(response)?;
    let carried = match held {
        Some(held) => beside::carried(held, response, &variant).ok_or(NotStorable::Better)?,
        None => Vec::new(),
    };
    Ok(Storable { variant, edits, carried })
}

/// The metadata of a stored response that an origin has confirmed; `response` is its 304, or its answer to a HEAD.
///
/// # Errors
/// With the first rule that now forbids storing it.
pub fn confirmed(response: &Storing<'_>, old: &Variant<'_>) -> Result<Variant<'static>, NotStorable> {
    let headers = &validate::merged(old, response.headers, response.cookies);
    storing::confirm(&Storing { status: old.status, headers, framing: Framing::Delimited, ..response.clone() }, old)
}

/// Adds the fields under which the store keeps an entry with this variant first; the places of those in hand that there is room for behind
/// it. The store drops an entry when its own `max-age` ends, so it is given all of its use.
#[must_use]
pub fn written(
    variant: &Variant<'_>,
    held: Option<&StoredEntry>,
    carried: &[usize],
    now: Timestamp,
    edits: &mut Edits,
) -> Vec<usize> {
    let held = held.map(StoredEntry::variants).unwrap_or_default();
    let (text, carried) = entry::write(variant, &held, carried);
    let others = carried.iter().filter_map(|place| held.get(*place));
    let kept_for = storing::kept_for(others.chain(std::iter::once(variant)), now);
    edits.set(ENTRY, &text);
    edits.set_by("cache-control", |field| {
        field.push_str("public, max-age=");
        text::number(field, kept_for);
    });
    carried
}
