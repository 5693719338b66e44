//! Bugs on purpose: each law finds the one that it is there for, by the bytes of the short run or fewer.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, missing_docs)]

use std::panic::{AssertUnwindSafe, catch_unwind, set_hook};

use fuzz::{entry, fields, flow, made, session, target};
use homing_core::testing::{
    cache::entry::{Variant, write},
    decide::attempt::Attempt,
    http::{
        cookies::{COOKIE, Cookies},
        headers::Headers,
        target::Target,
    },
    model::{access::Access, reasons::Verdict},
    request::Request,
    session::codec::open,
};

/// How many inputs it takes until a law is found broken.
fn found(law: impl Fn(&[u8]) -> arbitrary::Result<()>) -> usize {
    set_hook(Box::new(|_| {}));
    let mut state = 1u64;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        state.to_be_bytes()[0]
    };
    for time in 1..=5_000 {
        let bytes: Vec<u8> = (0..600).map(|_| next()).collect();
        if catch_unwind(AssertUnwindSafe(|| law(&bytes))).is_err() {
            return time;
        }
    }
    usize::MAX
}

#[test]
fn a_session_whose_signature_nobody_checks() {
    let key = made::keys();
    let unchecked = |text: &str| {
        let body = text.rsplit_once('.').map_or(text, |(body, _)| body);
        open(&format!("{body}.{}", key.current().sign(body)), &key, made::NOW)
    };
    assert!(found(|bytes| session::holds(bytes, unchecked)) < 1_000);
}

#[test]
fn an_entry_whose_borders_can_stand_in_a_value() {
    let unescaped = |first: &Variant<'_>, held: &[Variant<'_>], on: &[usize]| {
        let (text, kept) = write(first, held, on);
        (text.replace("%7C", "|"), kept)
    };
    assert!(found(|bytes| entry::holds(bytes, unescaped)) < 1_000);
}

#[test]
fn cookies_that_are_trimmed_of_what_browsers_take_for_letters() {
    let by_unicode = |headers: &Headers<'_>| {
        let right = Cookies::of(headers).of_application();
        let pairs = right.split("; ").map(str::trim).filter(|pair| !pair.starts_with(COOKIE));
        pairs.collect::<Vec<_>>().join("; ")
    };
    assert!(found(|bytes| fields::holds(bytes, by_unicode)) < 5_000);
}

#[test]
fn a_write_that_goes_to_the_nearest_region() {
    let near = |attempt: &mut Attempt, request: &Request| {
        if request.access == Access::Write {
            attempt.region = request.near[0];
        }
    };
    assert!(found(|bytes| flow::holds(bytes, near)) < 1_000);
}

#[test]
fn a_region_that_is_told_of_an_ownership_by_a_sessions_mark() {
    // A link with somebody else's mark made the router say `Homing-Home: eu` at a later epoch, and the kit believed it.
    let by_mark = |attempt: &mut Attempt, request: &Request| {
        if let Some(pin) = request.session.session.pins.first() {
            attempt.own.usual.set("homing-home", &pin.region);
        }
    };
    assert!(found(|bytes| flow::holds(bytes, by_mark)) < 1_000);
}

#[test]
fn a_form_that_leaves_dots_to_the_next_parser() {
    let lazy = |url: &str| Target::read(url).map(|target| target.as_str().replacen("/api", "/%2e%2e", 1));
    assert!(found(|bytes| target::holds(bytes, lazy)) < 1_000);
}

/// Bytes that let a session be carried along, so that what is said of tokens was tried.
#[test]
fn a_token_that_is_taken_for_a_session() {
    let taken = |text: &str| {
        let opened = open(text, &made::keys(), made::NOW);
        if text.starts_with("c1.") {
            homing_core::testing::session::Opened { verdict: Verdict::Valid, ..opened }
        } else {
            opened
        }
    };
    assert!(found(|bytes| session::holds(bytes, taken)) < 1_000);
}

#[test]
fn nothing_is_found_where_nothing_is_planted() {
    let right = |headers: &Headers<'_>| Cookies::of(headers).of_application();
    assert_eq!(found(|bytes| fields::holds(bytes, right)), usize::MAX);
    assert_eq!(found(|bytes| flow::holds(bytes, |_, _| {})), usize::MAX);
    let form = |url: &str| Target::read(url).map(|target| target.as_str().to_owned());
    assert_eq!(found(|bytes| target::holds(bytes, form)), usize::MAX);
    assert_eq!(found(|bytes| entry::holds(bytes, write)), usize::MAX);
    assert_eq!(found(|bytes| session::holds(bytes, |text| open(text, &made::keys(), made::NOW))), usize::MAX);
}
