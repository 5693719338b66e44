//! W3C Trace Context (level 2): a trace that came goes on as it came, its parent too, since nothing here records a span; one that cannot
//! be read is none, and a new one begins, without the state of the old.

use crate::{
    http::{
        edits::Edits,
        headers::{Headers, MOST_MEMBERS},
        syntax::trim,
    },
    model::{entropy::Entropy, text},
};

/// The most bytes of a key, and of a value, of `tracestate` (section 3.3.1.3).
const LONGEST_PART: usize = 256;

/// What has to change of `traceparent` and `tracestate`. `chance` makes the name of a new trace.
pub(super) fn edit(headers: &Headers<'_>, chance: &mut Entropy, edits: &mut Edits) {
    let mut parents = headers.all("traceparent");
    // Several are none: nobody knows which trace this is of (section 4.3).
    let came = parents.next().map(trim).filter(|came| parents.next().is_none() && is_parent(came.as_bytes()));
    let goes_on = came.is_some();
    match came.map(|came| (came.starts_with("00"), came)) {
        None => edits.set_by("traceparent", |field| parent(field, chance)),
        // Of a later version what is known goes on, as the version that is known.
        Some((false, later)) => {
            edits.set_by("traceparent", |field| text::all(field, &["00", later.get(2..55).unwrap_or_default()]));
        }
        Some((true, _)) => {}
    }
    if headers.has("tracestate") && !(goes_on && is_state(headers)) {
        edits.remove("tracestate");
    }
}

/// Whether it names a trace (section 3.2): `version-trace-parent-flags`, lower-case hexadecimal, neither part all zeros. Of a later
/// version more may follow.
fn is_parent(bytes: &[u8]) -> bool {
    let Some((known, more)) = bytes.split_at_checked(55) else { return false };
    let is_formed = |(at, byte): (usize, &u8)| match at {
        2 | 35 | 52 => *byte == b'-',
        _ => matches!(byte, b'0'..=b'9' | b'a'..=b'f'),
    };
    let is_named = |from, to| known.get(from..to).is_some_and(|part| part.iter().any(|byte| *byte != b'0'));
    let is_whole = more.is_empty() || (!known.starts_with(b"00") && more.starts_with(b"-"));
    known.iter().enumerate().all(is_formed)
        && is_named(3, 35)
        && is_named(36, 52)
        && is_whole
        && !known.starts_with(b"ff")
}

/// Whether it is a list of at most 32 members, each a key and a value (section 3.3.1), and not an empty one.
fn is_state(headers: &Headers<'_>) -> bool {
    let mut members = headers.list("tracestate");
    let read = members.by_ref().take(MOST_MEMBERS).try_fold(0, |count, member| is_member(member).then_some(count + 1));
    read.is_some_and(|count| count > 0) && members.next().is_none()
}

fn is_member(member: &str) -> bool {
    let key = |at, byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || (at > 0 && b"_-*/@".contains(&byte));
    let value = |byte: u8| matches!(byte, b' '..=b'~') && byte != b'=';
    let is_sized = |part: &str| (1..=LONGEST_PART).contains(&part.len());
    member.split_once('=').is_some_and(|(name, said)| {
        is_sized(name)
            && is_sized(said)
            && name.bytes().enumerate().all(|(at, byte)| key(at, byte))
            && said.bytes().all(value)
    })
}

/// A trace that begins here. Nothing records it, so it is not marked as sampled; its last 56 bits are random, and flag `02` says so
/// (level 2, section 3.2.2.3.2). The origin, and whom it tells, sees this; what the router decides by chance it decides by other numbers of the
/// same source, which these do not tell.
fn parent(field: &mut String, chance: &mut Entropy) {
    field.push_str("00-");
    // Neither part of a name may be all zeros.
    text::hex(field, chance.draw() | 1);
    text::hex(field, chance.draw());
    field.push('-');
    text::hex(field, chance.draw() | 1);
    field.push_str("-02");
}

#[cfg(test)]
#[path = "trace_context_tests.rs"]
mod tests;
