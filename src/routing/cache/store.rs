//! What a shared cache may store, and for how long (RFC 9111 sections 3 and 4.2).

use std::time::{Duration, SystemTime};

use super::{
    control::Directives,
    copy::{Copy, STORED, STORED_CONTROL},
};
use crate::routing::{
    headers::{Edit, Edits, Headers},
    ownership::Epoch,
    position::Shows,
    time::{Timestamp, millis},
};

/// How long an expired copy is kept for the case that every region fails, where the response does not say.
const GRACE: Duration = Duration::from_secs(3600);

/// Why a response is not stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoStore {
    /// A status that is not understood here, or partial, or a failure.
    Status,
    /// `no-store`, `no-cache` or `private`.
    Control,
    /// It sets a cookie.
    SetCookie,
    /// It differs by request headers that are not in the key.
    Vary,
    /// The request was authorised and the response does not say that it is for all.
    Authorization,
    /// It says nothing of how long it is fresh.
    NoFreshness,
    /// It is stale already.
    Stale,
}

impl NoStore {
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
    /// When its request was sent: nothing committed later can be missing from a later copy.
    pub asked: Timestamp,
    /// When it came.
    pub now: Timestamp,
    /// The region that made it.
    pub region: &'a str,
    /// The generation of the ownership under which it was made.
    pub epoch: Epoch,
    /// What it shows, where its origin says that.
    pub shows: Option<Shows>,
    /// Whether the request carried `Authorization`.
    pub authorized: bool,
}

/// The header edits with which a response is stored.
///
/// # Errors
/// With the first rule that forbids storing it.
pub fn store(response: &Storing<'_>) -> Result<Edits, NoStore> {
    let control = Directives::of(response.headers);
    permitted(response, &control)?;
    let fresh = freshness(response, &control).ok_or(NoStore::NoFreshness)?;
    let age = age(response);
    if age >= fresh {
        return Err(NoStore::Stale);
    }
    let grace = match control.stale_if_error {
        Some(span) if !control.must_revalidate && !control.proxy_revalidate => span,
        None if !control.forbids_stale() => GRACE,
        _ => Duration::ZERO,
    };
    let copy = Copy {
        made: response.asked,
        age,
        fresh,
        grace,
        region: response.region.to_owned(),
        epoch: response.epoch,
        shows: response.shows.clone(),
    };
    // The store drops an entry when its own max-age ends, so it is given the whole of the copy's use.
    let kept = fresh.saturating_sub(age).saturating_add(grace).as_secs().max(1);
    let mut edits = vec![
        Edit::Set(STORED, copy.write()),
        Edit::Set("cache-control", format!("public, max-age={kept}")),
        Edit::Remove("age".to_owned()),
    ];
    let original: Vec<_> = response.headers.all("cache-control").collect();
    if !original.is_empty() {
        edits.push(Edit::Set(STORED_CONTROL, original.join(", ")));
    }
    Ok(edits)
}

fn permitted(response: &Storing<'_>, control: &Directives) -> Result<(), NoStore> {
    if !matches!(response.status, 200 | 203 | 300 | 301 | 308 | 404 | 410) {
        return Err(NoStore::Status);
    }
    if control.no_store || control.private || control.no_cache {
        return Err(NoStore::Control);
    }
    if response.headers.has("set-cookie") {
        return Err(NoStore::SetCookie);
    }
    let in_key = |name: &str| name.eq_ignore_ascii_case("accept-encoding");
    if !response.headers.list("vary").all(in_key) {
        return Err(NoStore::Vary);
    }
    // RFC 9111 section 3.5.
    let for_all = control.public || control.must_revalidate || control.s_maxage.is_some();
    if response.authorized && !for_all {
        return Err(NoStore::Authorization);
    }
    Ok(())
}

/// RFC 9111 section 4.2.1, without heuristics.
fn freshness(response: &Storing<'_>, control: &Directives) -> Option<Duration> {
    control.s_maxage.or(control.max_age).or_else(|| {
        let expires = response.headers.get("expires")?;
        let date = response.headers.get("date").and_then(http_date).unwrap_or(response.now);
        // What cannot be read, `0` above all, has expired (RFC 9111 section 5.3).
        Some(http_date(expires).map_or(Duration::ZERO, |expires| expires.since(date)))
    })
}

/// The age at the moment of asking (RFC 9111 section 4.2.3): what the response says, or its `Date`, whichever is more.
fn age(response: &Storing<'_>) -> Duration {
    let said = response.headers.get("age").and_then(|value| value.trim().parse().ok()).map(Duration::from_secs);
    let apparent = response.headers.get("date").and_then(http_date).map(|date| response.now.since(date));
    let apparent = apparent.unwrap_or_default().saturating_sub(Duration::from_secs(1));
    said.unwrap_or_default().max(apparent)
}

fn http_date(text: &str) -> Option<Timestamp> {
    let since_epoch = httpdate::parse_http_date(text).ok()?.duration_since(SystemTime::UNIX_EPOCH).ok()?;
    Some(Timestamp(millis(since_epoch)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stored(status: u16, authorized: bool, fields: &[(&str, &str)]) -> Result<Copy, NoStore> {
        let headers = Headers(fields.to_vec());
        let (asked, now) = (Timestamp(784_111_777_000), Timestamp(784_111_777_500));
        let storing = Storing {
            status,
            headers: &headers,
            asked,
            now,
            region: "eu",
            epoch: Epoch::FIRST,
            shows: None,
            authorized,
        };
        let edits = store(&storing)?;
        let text = edits.iter().find_map(|edit| match edit {
            Edit::Set(STORED, text) => Some(text.clone()),
            _ => None,
        });
        Ok(Copy::read(&text.unwrap()).unwrap())
    }

    const FRESH: (&str, &str) = ("cache-control", "max-age=10");

    #[test]
    fn what_a_shared_cache_must_not_store() {
        assert_eq!(stored(500, false, &[FRESH]), Err(NoStore::Status));
        assert_eq!(stored(206, false, &[FRESH]), Err(NoStore::Status));
        assert_eq!(stored(200, false, &[("cache-control", "max-age=10, private")]), Err(NoStore::Control));
        assert_eq!(
            stored(200, false, &[("cache-control", "max-age=10"), ("cache-control", "no-store")]),
            Err(NoStore::Control)
        );
        assert_eq!(stored(200, false, &[FRESH, ("set-cookie", "a=b")]), Err(NoStore::SetCookie));
        assert_eq!(stored(200, false, &[FRESH, ("vary", "accept-encoding, cookie")]), Err(NoStore::Vary));
        assert_eq!(stored(200, false, &[FRESH, ("vary", "*")]), Err(NoStore::Vary));
        assert_eq!(stored(200, true, &[FRESH]), Err(NoStore::Authorization));
        assert_eq!(stored(200, false, &[]), Err(NoStore::NoFreshness));
        assert_eq!(stored(200, false, &[("expires", "0")]), Err(NoStore::Stale));
        assert_eq!(stored(200, false, &[FRESH, ("age", "10")]), Err(NoStore::Stale));
    }

    #[test]
    fn what_it_may_and_for_how_long() {
        let seconds = Duration::from_secs;
        assert_eq!(stored(200, false, &[FRESH]).map(|copy| copy.grace), Ok(GRACE));
        assert_eq!(
            stored(200, true, &[("cache-control", "public, max-age=10")]).map(|copy| copy.fresh),
            Ok(seconds(10))
        );
        assert_eq!(stored(200, false, &[FRESH, ("age", "4")]).map(|copy| copy.age), Ok(seconds(4)));
        let expires = [("date", "Sun, 06 Nov 1994 08:49:37 GMT"), ("expires", "Sun, 06 Nov 1994 08:50:37 GMT")];
        assert_eq!(stored(200, false, &expires).map(|copy| copy.fresh), Ok(seconds(60)));
        let strict = [("cache-control", "max-age=10, must-revalidate, stale-if-error=60")];
        assert_eq!(stored(200, false, &strict).map(|copy| copy.grace), Ok(Duration::ZERO));
        let lenient = [("cache-control", "s-maxage=10, stale-if-error=60")];
        assert_eq!(stored(200, false, &lenient).map(|copy| copy.grace), Ok(seconds(60)));
    }
}
