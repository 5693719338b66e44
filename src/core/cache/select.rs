//! Choosing the variant that a request selects, and whether it may answer (RFC 9111 sections 4, 4.1, 4.2.4 and 5.2.1).

use std::time::Duration;

use super::{
    directives::{Directives, FieldScope},
    entry::Variant,
    freshness::Reuse,
    range::covers,
    storing::GRACE,
    vary::{Selector, is_bound_to_credentials},
};
use crate::{cache::lookup::Lookup, model::time::Timestamp};

/// What may be done with a stored response now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Usability {
    /// It may answer.
    Fresh,
    /// It has expired, and may answer while a new one is fetched (RFC 5861 section 3).
    Updating,
    /// It has expired, and the client takes it (`max-stale`).
    Tolerated,
    /// It is fresh, and the client wants a newer one.
    Unwanted,
    /// It has expired, or may never answer unasked.
    Expired,
}

/// The place of the variant that the request selects: the newest that matches and has what it asks for. The client must be able to decode it. A personal one
/// matches only the credentials that it was made with, whoever else may name its subject.
#[must_use]
pub fn select(variants: &[Variant<'_>], lookup: &Lookup) -> Option<usize> {
    let selector = Selector::of(&lookup.fields, lookup.coding);
    variants.iter().position(|variant| {
        (!lookup.personal || is_bound_to_credentials(&variant.selecting))
            && covers(variant, &lookup.conditions)
            && selector.selects(&variant.selecting, variant.kept.get("content-language"))
    })
}

/// What may be done with it for this client.
#[must_use]
pub fn judge(variant: &Variant<'_>, wants: &Directives, now: Timestamp) -> Usability {
    if wants.no_cache != FieldScope::None {
        return Usability::Unwanted;
    }
    if variant.reuse == Reuse::Validated {
        return Usability::Expired;
    }
    let age = variant.current_age(now);
    if age >= variant.fresh {
        return judge_expired(variant, wants, age.saturating_sub(variant.fresh));
    }
    let too_old = wants.max_age.is_some_and(|most| age > most);
    let too_short = wants.min_fresh.is_some_and(|least| variant.fresh.saturating_sub(age) < least);
    if too_old || too_short { Usability::Unwanted } else { Usability::Fresh }
}

fn judge_expired(variant: &Variant<'_>, wants: &Directives, expired_for: Duration) -> Usability {
    // A client that says how old a response may be has asked for no expired one, unless it says that too (section 5.2.1.1).
    let demanding = wants.max_age.is_some() || wants.min_fresh.is_some();
    if variant.reuse == Reuse::Allowed && wants.max_stale.is_some_and(|most| expired_for <= most) {
        return Usability::Tolerated;
    }
    if !demanding && expired_for < variant.while_revalidate { Usability::Updating } else { Usability::Expired }
}

/// Whether it may be shown when no region answers: fresh, or expired for no longer than anybody allows (RFC 5861 section 4). A client that
/// wants no stored response (`no-cache`) gets none.
#[must_use]
pub fn usable_when_stale(variant: &Variant<'_>, wants: &Directives, now: Timestamp) -> bool {
    let expired_for = variant.current_age(now).saturating_sub(variant.fresh);
    let said = variant.if_error;
    let allowed = match variant.reuse {
        Reuse::Allowed => said.or(wants.stale_if_error).unwrap_or(GRACE),
        Reuse::ByWord => said.unwrap_or_default(),
        Reuse::Never => Duration::ZERO,
        Reuse::Validated => return false,
    };
    wants.no_cache == FieldScope::None && (variant.current_age(now) < variant.fresh || expired_for < allowed)
}

/// Whether it is of any use still: shown now or when every region fails, or worth asking about. What one client wants of stored responses
/// takes none away from the others.
#[must_use]
pub fn is_of_use(variant: &Variant<'_>, now: Timestamp) -> bool {
    let is_shown = variant.current_age(now) < variant.fresh.saturating_add(variant.while_revalidate);
    is_shown || variant.has_validator() || usable_when_stale(variant, &Directives::default(), now)
}

/// Whether it may be shown in place of a 500: only where somebody has said so (RFC 5861 section 4).
#[must_use]
pub fn usable_on_error(variant: &Variant<'_>, wants: &Directives, now: Timestamp) -> bool {
    (variant.if_error.is_some() || wants.stale_if_error.is_some()) && usable_when_stale(variant, wants, now)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::headers::Headers;

    const CAME: Timestamp = Timestamp(1_000_000);

    /// Fresh for 10 s.
    fn variant(reuse: Reuse) -> Variant<'static> {
        Variant { made: CAME, came: CAME, fresh: Duration::from_secs(10), reuse, ..Variant::with(&[]) }
    }

    fn after(seconds: u64) -> Timestamp {
        CAME.after(Duration::from_secs(seconds))
    }

    fn wants(line: &str) -> Directives {
        Directives::of(&Headers(vec![("cache-control", line)]))
    }

    #[test]
    fn a_copy_is_fresh_until_its_lifetime_is_over() {
        let judged = |seconds| judge(&variant(Reuse::Allowed), &Directives::default(), after(seconds));
        assert_eq!((judged(9), judged(10)), (Usability::Fresh, Usability::Expired));
        assert_eq!(judge(&variant(Reuse::Validated), &Directives::default(), after(0)), Usability::Expired);
    }

    #[test]
    fn a_client_may_want_less_or_more() {
        // RFC 9111 section 5.2.1.
        let judged = |line: &str, reuse, seconds| judge(&variant(reuse), &wants(line), after(seconds));
        assert_eq!(judged("no-cache", Reuse::Allowed, 0), Usability::Unwanted);
        assert_eq!(
            (judged("max-age=5", Reuse::Allowed, 5), judged("max-age=5", Reuse::Allowed, 6)),
            (Usability::Fresh, Usability::Unwanted)
        );
        assert_eq!(
            (judged("min-fresh=5", Reuse::Allowed, 5), judged("min-fresh=5", Reuse::Allowed, 6)),
            (Usability::Fresh, Usability::Unwanted)
        );
        assert_eq!(
            (judged("max-stale=5", Reuse::Allowed, 15), judged("max-stale=5", Reuse::Allowed, 16)),
            (Usability::Tolerated, Usability::Expired)
        );
        assert_eq!(judged("max-stale", Reuse::Allowed, 1_000_000), Usability::Tolerated);
        for strict in [Reuse::ByWord, Reuse::Never, Reuse::Validated] {
            assert_eq!(judged("max-stale", strict, 11), Usability::Expired, "{strict:?}");
        }
    }

    #[test]
    fn while_a_new_one_is_fetched_an_expired_one_may_do() {
        // RFC 5861 section 3.
        for (reuse, seconds, line, expected) in [
            (Reuse::Allowed, 14, "", Usability::Updating),
            (Reuse::ByWord, 14, "", Usability::Updating),
            (Reuse::Allowed, 15, "", Usability::Expired),
            (Reuse::Allowed, 14, "max-age=60", Usability::Expired),
        ] {
            let variant = Variant { while_revalidate: Duration::from_secs(5), ..variant(reuse) };
            assert_eq!(judge(&variant, &wants(line), after(seconds)), expected);
        }
    }

    #[test]
    fn when_nobody_answers() {
        let alive = |reuse, if_error, line: &str, seconds| {
            usable_when_stale(&Variant { if_error, ..variant(reuse) }, &wants(line), after(seconds))
        };
        let minute = Some(Duration::from_secs(60));
        assert!(alive(Reuse::Allowed, None, "", 3609) && !alive(Reuse::Allowed, None, "", 3610));
        assert!(alive(Reuse::Allowed, minute, "", 69) && !alive(Reuse::Allowed, minute, "", 70));
        assert!(
            alive(Reuse::Allowed, None, "stale-if-error=60", 69)
                && !alive(Reuse::Allowed, None, "stale-if-error=60", 70)
        );
        assert!(alive(Reuse::ByWord, minute, "", 69) && !alive(Reuse::ByWord, None, "stale-if-error=60", 10));
        assert!(
            alive(Reuse::Never, None, "", 9)
                && !alive(Reuse::Never, None, "", 10)
                && !alive(Reuse::Validated, None, "", 1)
        );
        assert!(!usable_on_error(&variant(Reuse::Allowed), &wants(""), after(11)));
    }

    #[test]
    fn what_is_neither_shown_nor_worth_a_question_is_of_no_use() {
        let never = |during: u64| Variant { while_revalidate: Duration::from_secs(during), ..variant(Reuse::Never) };
        assert_eq!([9, 10, 11].map(|at| is_of_use(&never(0), after(at))), [true, false, false]);
        assert_eq!([10, 14, 15].map(|at| is_of_use(&never(5), after(at))), [true, true, false]);
        let tagged = Variant { reuse: Reuse::Never, ..Variant::with(&[("etag", "\"a\"")]) };
        assert!(is_of_use(&tagged, after(1_000_000)), "its origin may confirm it");
    }
}
