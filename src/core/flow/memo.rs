//! A memo: the answer that a stored response gave, to be given again to all who ask alike (memoization, Michie 1968). Here it is decided
//! whether it may be, and until when: nothing of it is one client's alone, and nothing of it changes before that.

use std::{iter, time::Duration};

use super::context::Context;
use crate::{
    cache::{directives::Directives, entry::Variant, state::CacheState},
    decide::plan::Freshness,
    http::{believed::is_same, cookies::COOKIE},
    model::{reasons::Verdict, time::Timestamp},
    request::CacheUse,
    settle::{Settlement, Source, stored::ShownVariant},
    topology::Topology,
};

/// Fields that tell clients and requests apart, and by which no stored response answers unless its `Vary` names them. Those who ask alike
/// may differ in them. Not in `Sec-Fetch-Site`, which tells how their cookies are read, and not in whether they have cookies.
const PASSED_OVER: [&str; 20] = [
    "accept-language",
    "cf-connecting-ip",
    "cf-ipcountry",
    "cf-ray",
    "cookie",
    "priority",
    "referer",
    "sec-ch-ua",
    "sec-ch-ua-mobile",
    "sec-ch-ua-platform",
    "sec-fetch-dest",
    "sec-fetch-mode",
    "sec-fetch-user",
    "traceparent",
    "tracestate",
    "upgrade-insecure-requests",
    "user-agent",
    "x-forwarded-for",
    "x-forwarded-proto",
    "x-real-ip",
];

/// The fields in which those who ask alike may differ. One that names subjects, or that a route lets through, is not among them.
pub(crate) fn passed_over(topology: &Topology) -> impl Iterator<Item = &'static str> {
    PASSED_OVER.into_iter().filter(|name| {
        let allowed = topology.routes().iter().flat_map(|route| &route.allow_request_fields);
        !topology.identity().request_fields().contains(&Some(*name)) && !allowed.into_iter().any(|other| other == name)
    })
}

/// The cookies that are read: those who have one of them may not differ in `Cookie`.
pub(crate) fn cookies_read(topology: &Topology) -> impl Iterator<Item = &str> {
    iter::once(COOKIE).chain(topology.identity().cookies().into_iter().flatten())
}

impl Context {
    /// Until when that settlement of a stored response is the answer to all who ask alike; `variants`: all that lie there.
    pub(super) fn same_until(
        &self,
        variants: &[Variant<'_>],
        shown: &ShownVariant<'_>,
        settlement: &Settlement,
    ) -> Option<Timestamp> {
        let CacheUse::Use(lookup) = &self.request.cache else { return None };
        let request = &self.request;
        let is_anybodys = request.session.verdict == Verdict::Absent
            && request.subject.is_none()
            && request.carried.is_none()
            && lookup.wants == Directives::default();
        let is_plain = self.cache == CacheState::Hit
            && settlement.source == Source::Stored(shown.at, None)
            && settlement.observations.is_empty()
            && !self.collapsed;
        if !is_anybodys || !is_plain || self.view.drill().is_some() || variants.iter().any(selects_by_passed_over) {
            return None;
        }
        let age = shown.variant.current_age(self.now);
        // `Age` and the `ttl` in `Cache-Status` say whole seconds.
        let tick = Duration::from_secs(age.as_secs() + 1) - age;
        let shown_for = match self.freshness {
            Freshness::Any => Duration::MAX,
            Freshness::Within(bound) => bound.saturating_sub(self.now.since(shown.variant.made)),
            Freshness::Pinned(_) | Freshness::AtLeast | Freshness::Home => return None,
        };
        let left = tick.min(shown.variant.fresh.saturating_sub(age)).min(shown_for);
        Some(self.now.after(left))
    }
}

/// Whether a field in which those who ask alike may differ selects that variant, or another one.
fn selects_by_passed_over(variant: &Variant<'_>) -> bool {
    variant.selecting.split('&').any(|field| {
        let name = field.split('=').next().unwrap_or_default();
        PASSED_OVER.iter().any(|passed| is_same(passed, name))
    })
}
