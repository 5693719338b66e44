//! Pages that Cloudflare's network answers with in the place of a region.
//!
//! Its statuses are of no standard: anybody can send them. They are the platform's where it stands on the way (an origin by URL, never
//! a service binding, behind which the bound Worker ran and may pass on what its own backend said), and where nothing speaks of the
//! contract. `cf-error-type` names what went wrong (Cloudflare, "Cloudflare error diagnostic headers"); whether a Worker is shown it
//! nobody has written down, so everything holds without it, and nothing is claimed of a write that only it could prove but where it
//! and the status say the same.

use crate::{
    http::{answer::Answer, syntax::trim},
    topology::Origin,
};

/// What a page of the platform says of the send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PlatformPage {
    /// No connection came about, so nothing was sent: refused (521), no way there (523), no TLS (525, 526); or no such host
    /// (530 with 1016), no tunnel (530 with 1033).
    NotConnected,
    /// It waited in vain: for the connection, or for the answer (522 is both), or only for that (524).
    TimedOut,
    /// An answer that was none (520), or whatever else went wrong: a name without an address, a limit, a Worker that threw.
    Broken,
    /// The region's zone turned this client away: its address, its country, its rate, what it asked for. Of the region that says
    /// nothing, neither that it is well nor that it is ill.
    TurnedAway,
}

impl PlatformPage {
    /// What page of the platform an answer of that origin is; none if the application has spoken.
    pub(super) fn of(answer: &Answer<'_>, origin: &Origin) -> Option<Self> {
        // No error, no page of one: an application may pass on what others told it.
        if !(400..=599).contains(&answer.status)
            || matches!(origin, Origin::Service(_))
            || answer.speaks_of_the_contract()
        {
            return None;
        }
        match (answer.status, answer.headers.get("cf-error-type").map(trim)) {
            (521 | 523 | 525 | 526, _) | (530, Some("1016" | "1033")) => Some(Self::NotConnected),
            (522 | 524, _) => Some(Self::TimedOut),
            (520 | 527 | 530, _) => Some(Self::Broken),
            (
                403 | 429,
                Some("1005" | "1006" | "1007" | "1008" | "1009" | "1010" | "1011" | "1012" | "1015" | "1020"),
            ) => Some(Self::TurnedAway),
            (_, Some(_)) => Some(Self::Broken),
            (_, None) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        flow::step::Outcome,
        http::{answer::Framing, headers::Headers},
        state::health::SendResult,
    };

    fn heard(status: u16, fields: &[(&'static str, &'static str)], origin: &Origin) -> SendResult {
        let answer = Answer { status, headers: Headers(fields.to_vec()), framing: Framing::Delimited };
        let page = PlatformPage::of(&answer, origin);
        Outcome::Answered(answer).heard(page)
    }

    /// A region that cannot be fetched in production answers each probe of its breaker: that must not close it.
    #[test]
    fn a_page_of_the_platform_is_no_sign_of_life() {
        let url = Origin::Url("https://eu.example.com".to_owned());
        let service = Origin::Service("EU".to_owned());
        for (status, kind) in [
            (403, "1003"),
            (404, "1042"),
            (409, "1001"),
            (500, "1101"),
            (503, "1102"),
            (521, "521"),
            (530, "1016"),
            (530, "1033"),
            (530, ""),
        ] {
            let fields = [("content-type", "text/html"), ("cf-error-type", kind)];
            assert_eq!(heard(status, &fields, &url), SendResult::Silence, "{status} {kind}");
            // The Worker behind a binding has spoken, whatever it passes on; only a gateway's statuses are nobody's in particular.
            let bound = if status == 503 { SendResult::Gateway } else { SendResult::Answer };
            assert_eq!(heard(status, &fields, &service), bound, "{status} {kind}");
            let ours = [("homing-region", "eu"), ("cf-error-type", kind)];
            assert_eq!(heard(status, &ours, &url), SendResult::Answer, "{status} {kind} with a field of the contract");
        }
        for status in 520..=527 {
            assert_eq!(heard(status, &[], &url), SendResult::Silence, "{status}");
        }
    }

    /// Scanners from many addresses ask for what the region's firewall blocks: they close no region to others, and open none.
    #[test]
    fn whom_the_regions_zone_turns_away_is_no_evidence() {
        let url = Origin::Url("https://eu.example.com".to_owned());
        for (status, kind) in [(403, "1020"), (403, "1006"), (429, "1015")] {
            assert_eq!(heard(status, &[("cf-error-type", kind)], &url), SendResult::Nothing, "{status} {kind}");
        }
        assert_eq!(heard(403, &[], &url), SendResult::Answer, "an application's own refusal");
    }
}
