//! What a shared cache may store, and as what (RFC 9111 section 3).

use std::{borrow::Cow, time::Duration};

use super::{
    directives::FieldScope,
    entry::{KEPT, StoredFields, Variant},
    freshness::{Lifetime, Policy, Reuse, initial_age, said_age},
    vary::{Selector, names_of_personal, names_of_ranged, selecting_names},
};
use crate::cache::slice::Slice;
use crate::{
    cache::lookup::Lookup,
    http::{
        answer::{Framing, is_failure},
        edits::Edits,
        headers::{Headers, MOST_MEMBERS, strip_response},
        http_date,
    },
    model::{
        epoch::Epoch,
        text,
        time::{Timestamp, millis},
    },
    ownership::stated::Shows,
};

/// How long an expired stored response is kept for the case that every region fails, where the response does not say.
pub const GRACE: Duration = Duration::from_secs(3600);
/// How long after it has expired a stored response is kept that the origin can be asked about.
const VALIDATED: Duration = Duration::from_secs(24 * 3600);
/// The largest body that is stored, in bytes, where the route does not say another bound. One that does not say its length is kept up
/// to what the edge can hold of it.
pub const LARGEST: u64 = 16 * 1024 * 1024;
/// How long a failure is fresh at most, whatever it says: one client can have brought it about, and those behind an origin that is too busy
/// are helped by seconds.
const FAILURE: Duration = Duration::from_secs(10);
/// The longest that the store is asked to keep anything.
const LONGEST_KEPT: u64 = 365 * 24 * 3600;

/// Why a response is not stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotStorable {
    /// A status that is not final, of one request only or, where the response asks for it, not understood here.
    Status,
    /// `no-store`, `private`, or `no-cache` with nothing to ask about.
    Control,
    /// It sets a cookie that is not for everybody.
    SetCookie,
    /// No request can select it again (`Vary: *`), or it varies by more fields than are compared.
    Vary,
    /// The request was authorised and the response does not say that it is for all.
    Authorization,
    /// It says nothing of how long it is fresh, and nothing may be guessed.
    NoFreshness,
    /// It is stale already, and nothing can be asked about it.
    Stale,
    /// The method's answers are not stored.
    Method,
    /// Nobody could tell whether it is whole.
    Framing,
    /// It is too large.
    Size,
    /// It is a failure and something lies there, or a part that would end a whole stored response.
    Better,
}

impl NotStorable {
    /// The word used in `Cache-Status` details.
    #[must_use]
    pub fn token(self) -> &'static str {
        match self {
            Self::Status => "status",
            Self::Control => "cache-control",
            Self::SetCookie => "set-cookie",
            Self::Vary => "vary",
            Self::Authorization => "authorization",
            Self::NoFreshness => "no-freshness",
            Self::Stale => "stale",
            Self::Method => "method",
            Self::Framing => "framing",
            Self::Size => "size",
            Self::Better => "better",
        }
    }
}

/// A response that may be stored.
#[derive(Clone, Debug)]
pub struct Storing<'a> {
    /// Its status.
    pub status: u16,
    /// Its header fields.
    pub headers: &'a Headers<'a>,
    /// How its body ends.
    pub framing: Framing,
    /// When its request was sent.
    pub asked: Timestamp,
    /// When it came.
    pub now: Timestamp,
    /// The region that made it.
    pub region: &'a str,
    /// The generation of the ownership under which it was made.
    pub epoch: Epoch,
    /// What it shows, where its origin says that.
    pub shows: Vec<Shows>,
    /// The longest that it may be fresh from now on, whatever it says, where its region's lag sets a limit.
    pub at_most: Option<Duration>,
    /// The largest body that may be stored, in bytes.
    pub largest: u64,
    /// Whether its cookies are for everybody.
    pub cookies: bool,
    /// The request.
    pub lookup: &'a Lookup,
}

/// What is stored of a response beside its body: its metadata, and what becomes of its header fields.
///
/// # Errors
/// With the first rule that forbids storing it.
pub fn store<'a>(response: &Storing<'a>) -> Result<(Variant<'a>, Edits), NotStorable> {
    let policy = Policy::of(response.headers);
    permitted(response, &policy)?;
    // Of a part that was asked for only that and the whole are kept: all else depends on a field that no key holds.
    let may_be = match response.status {
        200 => true,
        206 => response.lookup.conditions.range.is_some(),
        _ => response.lookup.conditions.range.is_none(),
    };
    if !may_be {
        return Err(NotStorable::Status);
    }
    let part = part_of(response);
    bounded(response, part)?;
    let names = selecting_names(response.headers).ok_or(NotStorable::Vary)?;
    let variant = variant(response, &policy, names, part)?;
    Ok((variant, stored_fields(response, &policy, part)))
}

/// What part of the whole a 206 is (RFC 9110 section 15.3.7, RFC 9111 section 3.3). None where it does not say that of itself in one
/// way: several parts, a whole of a length that is not known, or a range that is not as long as the body. Such a one answers its own
/// `Range` again, as its origin has answered it, and nothing is cut out of it: whatever is taken for its place, a byte could be wrong.
fn part_of(response: &Storing<'_>) -> Option<Slice> {
    let headers = response.headers;
    let mut lines = headers.all("content-range");
    let part = Slice::read(lines.next().filter(|_| response.status == 206)?)?;
    let is_one = lines.next().is_none()
        && headers.get("content-type").is_none_or(|media| !media.to_ascii_lowercase().contains("multipart/byteranges"));
    // Without a length the edge counts, and stores nothing that is longer or shorter.
    let is_so_long = !headers.has("content-length") || headers.content_length() == Some(part.length);
    (is_one && is_so_long).then_some(part)
}

/// The metadata of a stored response that an origin has confirmed; `response` has its fields after the update, and what the
/// new message does not say of itself stays as it was.
///
/// # Errors
/// With the first rule that now forbids storing it.
pub fn confirm(response: &Storing<'_>, old: &Variant<'_>) -> Result<Variant<'static>, NotStorable> {
    let policy = Policy::of(response.headers);
    permitted(response, &policy)?;
    let names = selecting_names(response.headers).ok_or(NotStorable::Vary)?;
    let mut variant = variant(response, &policy, names.clone(), old.part)?;
    variant.selecting = still_selecting(response.lookup, names, old).ok_or(NotStorable::Vary)?;
    if !response.headers.has("set-cookie") && !excepts_cookies(&policy) {
        variant.cookies = old.cookies.clone();
    }
    Shows::add_confirmed(&mut variant.shows, &old.shows);
    Ok(variant.into_owned())
}

/// What selects a variant that an origin has confirmed: what did, and the fields of these names that did not. Many servers name other
/// fields in a 304 than in the answer that it stands for, and who shows other ones would be given this variant. Of a personal one the
/// old ones are its credentials too, which the request has shown. None: they have become too many.
fn still_selecting<'o>(lookup: &Lookup, mut names: Vec<String>, old: &Variant<'o>) -> Option<Cow<'o, str>> {
    let known = |name: &str| old.selecting.split('&').any(|field| field.split('=').next() == Some(name));
    names.retain(|name| !known(name));
    if names.is_empty() {
        return Some(old.selecting.clone());
    }
    let more = Selector::of(&lookup.fields, lookup.coding).selecting(&names);
    if old.selecting.is_empty() {
        return Some(more.into());
    }
    let all = [&old.selecting, "&", &more].concat();
    (all.split('&').count() <= MOST_MEMBERS).then_some(all.into())
}

/// Whether a response says itself how long it is fresh.
#[must_use]
pub fn is_explicit(headers: &Headers<'_>, now: Timestamp) -> bool {
    matches!(Policy::of(headers).lifetime(headers, now, false), Lifetime::Explicit(_))
}

/// How long the store should keep an entry with these variants, in seconds: freshness is ours to judge.
#[must_use]
pub fn kept_for<'v>(variants: impl Iterator<Item = &'v Variant<'v>>, now: Timestamp) -> u64 {
    let each = variants.map(|variant| {
        let after = if variant.has_validator() { VALIDATED } else { Duration::ZERO };
        let failing = variant.if_error.or((variant.reuse == Reuse::Allowed).then_some(GRACE)).unwrap_or_default();
        let after = after.max(failing).max(variant.while_revalidate);
        variant.fresh.saturating_sub(variant.current_age(now)).saturating_add(after).as_secs()
    });
    each.max().unwrap_or_default().clamp(1, LONGEST_KEPT)
}

/// What becomes of a response's fields when it is stored (RFC 9111 section 3.1): those of the connection go, those that may
/// be used only after asking, and those that the store would take for its own.
fn stored_fields(response: &Storing<'_>, policy: &Policy, part: Option<Slice>) -> Edits {
    let headers = response.headers;
    let mut edits = Edits::default();
    strip_response(headers, &mut edits);
    if !headers.has("date") {
        // RFC 9110 section 6.6.1: the time at which it came.
        edits.set_by("date", |field| http_date::write(field, response.now));
    }
    let named = policy.directives.no_cache.fields().iter().chain(policy.directives.private.fields());
    named.filter(|name| headers.has(name)).for_each(|name| edits.remove(name));
    // A store decodes what says that it is coded, as it is read: the bytes are stored as they are, and the coding beside them.
    let ours = ["age", "set-cookie", "proxy-authentication-info", "content-encoding", "cdn-cache-control"];
    ours.iter().filter(|name| headers.has(name)).for_each(|name| edits.remove(name));
    if let Some(part) = part {
        // Each answer says its own range; and what is stored is of that length, or is not stored.
        edits.remove("content-range");
        edits.set_by("content-length", |field| text::number(field, part.length));
    }
    edits
}

/// Whether the body's end will be known, and is not too far away. RFC 9112 section 8 would take a body that the connection's close
/// ends for whole; but the origin may have died in the middle of it, and its half would be everybody's.
fn bounded(response: &Storing<'_>, part: Option<Slice>) -> Result<(), NotStorable> {
    let length = response.headers.content_length();
    match (response.framing, part.map(|part| part.length).or(length)) {
        (Framing::UntilClose, _) => Err(NotStorable::Framing),
        (Framing::Delimited, Some(length)) if length > response.largest => Err(NotStorable::Size),
        (Framing::Delimited, _) => Ok(()),
    }
}

/// RFC 9111 section 3, but for freshness.
fn permitted(response: &Storing<'_>, policy: &Policy) -> Result<(), NotStorable> {
    let said = &policy.directives;
    let status = response.status;
    // What fails for a client that the origin may know need not fail for others.
    let of_one_client = is_failure(status) && (response.lookup.authorized || response.lookup.cookies);
    if of_one_client || !speaks_of_the_resource(status, policy) || (said.must_understand && !is_understood(status)) {
        return Err(NotStorable::Status);
    }
    // Section 5.2.2.3: a cache that understands the status ignores a no-store beside must-understand.
    if (said.no_store && !said.must_understand) || said.private == FieldScope::Whole {
        return Err(NotStorable::Control);
    }
    if response.headers.has("set-cookie") && !response.cookies && !excepts_cookies(policy) {
        return Err(NotStorable::SetCookie);
    }
    // Section 3.5.
    let for_all = said.public || said.must_revalidate || said.s_maxage.is_some();
    if response.lookup.authorized && !for_all {
        return Err(NotStorable::Authorization);
    }
    Ok(())
}

/// Whether an answer of that status is about the resource, so that others may get it, and not about the one request that was
/// answered: whatever its `Cache-Control` says, a stored response of the latter would be given to requests that are not like it (known as
/// cache-poisoned denial of service: Nguyen et al., CCS 2019).
fn speaks_of_the_resource(status: u16, policy: &Policy) -> bool {
    match status {
        // RFC 9110 section 15.4.5: a condition; RFC 3229 section 10.4.1: a difference to what one client has.
        226 | 304 => false,
        200..=399 => true,
        // By the target alone: not found, not this method, gone, too long, forbidden by law. The other statuses of this class are by
        // RFC 9110 section 15.5 and RFC 6585 about the form, fields, credentials, content, connection or pace of one request.
        404 | 405 | 410 | 414 | 451 => true,
        // By the server alone: it has no such method (section 15.6.2).
        501 => true,
        // A failure, which the next request need not meet: only where its own Cache-Control says that it may be shown to others.
        500..=599 => {
            let said = &policy.directives;
            said.public || said.max_age.or(said.s_maxage).is_some()
        }
        _ => false,
    }
}

/// The final statuses of RFC 9110, whose rules for caches are kept here.
fn is_understood(status: u16) -> bool {
    matches!(status, 200..=206 | 300..=303 | 305 | 307 | 308 | 400..=417 | 421 | 422 | 426 | 500..=505)
}

/// Statuses that may be stored without explicit freshness (RFC 9110 section 15.1).
fn is_heuristic(status: u16) -> bool {
    matches!(status, 200 | 203 | 204 | 206 | 300 | 301 | 308 | 404 | 405 | 410 | 414 | 501)
}

fn variant<'a>(
    response: &Storing<'a>,
    policy: &Policy,
    mut names: Vec<String>,
    part: Option<Slice>,
) -> Result<Variant<'a>, NotStorable> {
    let Storing { status, headers, asked, now, region, epoch, lookup, .. } = *response;
    if lookup.personal {
        names = names_of_personal(names);
    }
    if status == 206 && part.is_none() {
        names = names_of_ranged(names);
    }
    // A guess is never made for a request by which the origin could know the user: that takes its word.
    let known = lookup.authorized || lookup.cookies;
    // RFC 9111 section 4.2.2: by its status, or by its origin's word `public`, whatever the status.
    let guess = (is_heuristic(status) || policy.directives.public) && !known;
    let is_failure = is_failure(status);
    let reuse = match policy.reuse() {
        // It is shown while it is fresh, and is no stored response for the time when every region fails.
        Reuse::Allowed | Reuse::ByWord if is_failure => Reuse::Never,
        reuse => reuse,
    };
    let fresh = match policy.lifetime(headers, now, guess) {
        Lifetime::Explicit(span) | Lifetime::Heuristic(span) => span,
        Lifetime::None if reuse == Reuse::Validated => Duration::ZERO,
        Lifetime::None => return Err(NotStorable::NoFreshness),
    };
    let age = initial_age(headers, asked, now);
    let at_most = response.at_most.into_iter().chain(is_failure.then(|| failure_lasts(headers, now))).min();
    let capped = at_most.map(|most| age.saturating_add(most)).filter(|most| *most < fresh);
    let mut kept = StoredFields::default();
    for (place, name) in kept.0.iter_mut().zip(KEPT) {
        let lines: Vec<_> = headers.all(name).collect();
        *place = match lines.as_slice() {
            [] => None,
            [line] => Some(Cow::Borrowed(*line)),
            lines => Some(Cow::Owned(lines.join(", "))),
        };
    }
    // By their word alone an expired stored response may go on; `must-revalidate` is the stronger one.
    let lenient = matches!(reuse, Reuse::Allowed | Reuse::ByWord);
    let during = policy.directives.stale_while_revalidate;
    let variant = Variant {
        selecting: Selector::of(&lookup.fields, lookup.coding).selecting(&names).into(),
        status,
        part,
        // One that another cache has kept was made before it was asked for here.
        made: Timestamp(asked.0.saturating_sub(millis(said_age(headers)))),
        came: now,
        age,
        fresh: capped.unwrap_or(fresh),
        // What a limit is set to must not outlive it in another way.
        while_revalidate: during.filter(|_| lenient && capped.is_none()).unwrap_or_default(),
        if_error: policy.directives.stale_if_error.filter(|_| lenient),
        reuse,
        region: region.into(),
        epoch,
        shows: response.shows.clone(),
        kept,
        cookies: cookies(response, policy),
    };
    if !variant.has_validator() {
        let expired = variant.age >= variant.fresh.saturating_add(variant.while_revalidate);
        if reuse == Reuse::Validated {
            return Err(NotStorable::Control);
        } else if expired {
            return Err(NotStorable::Stale);
        }
    }
    Ok(variant)
}

/// How long a failure may be shown to others: until its origin wants to be asked again (RFC 9110 section 10.2.3), and for seconds at most.
fn failure_lasts(headers: &Headers<'_>, now: Timestamp) -> Duration {
    let said = headers.get("retry-after").map(str::trim);
    let date = || Some(http_date::read(said?)?.since(now));
    let after = said.and_then(|said| said.parse().ok()).map(Duration::from_secs).or_else(date);
    after.map_or(FAILURE, |after| after.min(FAILURE))
}

/// The cookies that are stored: those that are for everybody, and of which the response does not say otherwise.
fn cookies<'a>(response: &Storing<'a>, policy: &Policy) -> Cow<'a, str> {
    if !response.cookies || !response.headers.has("set-cookie") || excepts_cookies(policy) {
        return Cow::Borrowed("");
    }
    Cow::Owned(response.headers.all("set-cookie").collect::<Vec<_>>().join("\n"))
}

/// Whether a response excepts its cookies from what may be stored (RFC 9111 sections 5.2.2.4 and 5.2.2.7).
fn excepts_cookies(policy: &Policy) -> bool {
    let said = &policy.directives;
    said.private.fields().iter().chain(said.no_cache.fields()).any(|name| name == "set-cookie")
}

#[cfg(test)]
#[path = "storing_tests.rs"]
mod tests;
