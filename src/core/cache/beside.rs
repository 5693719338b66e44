//! What lies beside a new response under its key: which of the variants go on, and what it must not take away from others.

use super::{
    entry::{self, Variant},
    lookup::Lookup,
    select,
    stored::StoredEntry,
    storing::Storing,
    vary::Selector,
};
use crate::{
    http::{answer::is_failure, headers::Headers},
    model::time::Timestamp,
};

/// The most that the bodies of a part and of what lies beside it take together, in bytes: more is not held at once.
const PARTS: u64 = 1024 * 1024;

/// The places of the variants that go on beside a new one; none if it must not be stored, for it would take something away.
pub(super) fn carried(held: &StoredEntry, response: &Storing<'_>, new: &Variant<'_>) -> Option<Vec<usize>> {
    let mut all = going_on(held, response.lookup, new, response.now);
    all.truncate(entry::MOST_VARIANTS - 1); // what the entry would drop, said before it is asked what a part ends
    let carried = fitting(held, all, new, response.headers)?;
    (!takes_away(new, held, &carried, response.now)).then_some(carried)
}

/// Whether storing a new response would let one client take something away from others: it is a failure and anything lies there, or a part
/// that would end a whole stored response. A client that asks for one byte, or makes the origin fail, ends nothing.
fn takes_away(new: &Variant<'_>, held: &StoredEntry, carried: &[usize], now: Timestamp) -> bool {
    let ends_a_whole =
        |(at, old): (usize, &Variant<'_>)| old.status != 206 && select::is_of_use(old, now) && !carried.contains(&at);
    is_failure(new.status) || new.status == 206 && held.variants().iter().enumerate().any(ends_a_whole)
}

/// Whether two are certainly the same bytes, or parts of them, by a strong validator (RFC 9111 section 3.4, RFC 9110 section 8.8.1).
fn is_of_one_whole(one: &Variant<'_>, other: &Variant<'_>) -> bool {
    one.kept.get("etag").is_some_and(|tag| tag.trim().starts_with('"'))
        && ["etag", "content-encoding"]
            .iter()
            .all(|name| one.kept.get(name).map(str::trim) == other.kept.get(name).map(str::trim))
}

/// The variants that go on beside a new one: those that other requests select and that are still of use. Without `Vary` the
/// new one answers all, and nothing else would be found; but parts of one whole lie beside one another. A whole one ends all parts.
fn going_on(held: &StoredEntry, lookup: &Lookup, new: &Variant<'_>, now: Timestamp) -> Vec<usize> {
    let selector = Selector::of(&lookup.fields, lookup.coding);
    let is_part_beside = |old: &Variant<'_>| {
        let (Some(part), Some(known)) = (new.part, old.part) else { return false };
        part.whole == known.whole && part.offset_of(&known).is_none() && is_of_one_whole(old, new)
    };
    let goes_on = |old: &Variant<'_>| {
        let language = old.kept.get("content-language");
        let is_of_others = !new.selecting.is_empty()
            && !old.selecting.is_empty()
            && old.selecting != new.selecting
            && !selector.selects(&old.selecting, language)
            && (old.status != 206 || new.status == 206);
        (is_of_others || is_part_beside(old)) && select::is_of_use(old, now)
    };
    let variants = held.variants();
    variants.iter().enumerate().filter(|(_, old)| goes_on(old)).map(|(place, _)| place).collect()
}

/// What goes on beside a new one, where there is room for both; none if a part must not be stored: where both do not
/// fit, the larger stays, so that one byte ends nothing.
fn fitting(held: &StoredEntry, carried: Vec<usize>, new: &Variant<'_>, headers: &Headers<'_>) -> Option<Vec<usize>> {
    if new.status != 206 || carried.is_empty() {
        return Some(carried);
    }
    let length = new.part.map(|part| part.length).or_else(|| headers.content_length())?;
    let beside = carried.iter().fold(0, |sum: u64, at| sum.saturating_add(held.length(*at).unwrap_or(u64::MAX)));
    if beside.saturating_add(length) <= PARTS {
        return Some(carried);
    }
    (beside < length).then(Vec::new)
}
