//! Settling an answer: an origin's, or a stored copy's.

use std::{fmt::Write, time::Duration};

use super::{
    CacheState, Ending, Settlement, Shown, SignIn, Source, Store, WriteOutcome,
    session::{self, Change, Seen},
};
use crate::routing::{
    answer::Answer,
    cache::{Copy, NoStore, STORED_CONTROL, Storing, store},
    copies,
    headers::{Edit, Edits, strip_response},
    intent::{CacheUse, Intent, Lookup},
    memory::Lesson,
    ownership::Epoch,
    position::{Shows, Stated},
    reason::Reason,
    time::millis,
    topology::Access,
};

impl Ending<'_> {
    /// An origin's answer for the client, and the sign-in that it may ask for.
    pub(in crate::routing) fn answered(mut self, answer: &Answer<'_>, shown: &Shown) -> (Settlement, Option<SignIn>) {
        let (intent, view, now) = (self.intent, self.view, self.now);
        let stated = self.learn_position(answer, shown.owned);
        let written = Written::of(intent.access, answer, self.unsure);
        let wrote = self.region.filter(|_| written.may_be_seen(answer.status));
        if let (Access::Read, Written::Yes) = (intent.access, written) {
            self.trace.note(Reason::ReadThatWrote, self.region);
        }
        let mut edits = strip_response(&answer.headers);
        edits.extend(self.signature());
        if shown.stale {
            let behind = self.region.and_then(|region| view.lag(region, shown.owned.map(|owned| owned.home)));
            edits.push(Edit::Set("homing-consistency", stale(behind)));
        }
        if intent.access == Access::Write && answer.status >= 500 {
            edits.push(Edit::Set("homing-write-outcome", written.outcome().token().to_owned()));
        }
        self.learn_lags(answer);
        let stored = self.keep(answer, shown, stated);
        let mut status = format!("{}; fwd-status={}", self.cache.forwarded(), answer.status);
        if matches!(stored, Some(Ok(_))) {
            status.push_str("; stored");
        } else if let Some(Err(why)) = stored {
            // Writing to a String cannot fail.
            let _ = write!(status, "; detail={}", why.token());
        }
        edits.push(Edit::Append("cache-status", status));
        let changes_target = intent.access == Access::Write && (200..400).contains(&answer.status);
        let invalidate = if changes_target { copies::made_useless(intent, view) } else { None };
        let seen = Seen { wrote, owned: shown.owned, stated: stated.filter(|_| written.is_over(answer.status)) };
        let (change, pinned) = session::change(intent, view, answer, &seen, now);
        let mut settlement = self.settlement(answer.status, Source::Origin, edits);
        settlement.record.pinned = pinned;
        settlement.record.wrote = written.said();
        settlement.store = stored.and_then(Result::ok);
        settlement.invalidate = invalidate;
        let sign_in = match change {
            Change::None => {
                settlement.carry_along(&intent.session.session, answer, intent, view, now);
                None
            }
            Change::Issue(session) => {
                settlement.carry(&session, intent, view, now);
                settlement.carry_along(&session, answer, intent, view, now);
                None
            }
            Change::SignIn(sign_in) => {
                settlement.carry_along(&sign_in.session, answer, intent, view, now);
                Some(sign_in)
            }
        };
        (settlement, sign_in)
    }

    /// What the edge cache keeps of an answer; learned either way, so that it is not asked in vain next time.
    fn keep(&mut self, answer: &Answer<'_>, shown: &Shown, stated: Option<Stated>) -> Option<Result<Store, NoStore>> {
        let CacheUse::Use(Lookup { store: true, authorized, .. }) = &self.intent.cache else { return None };
        let region = self.region.filter(|_| !shown.stale)?;
        let key = copies::key(self.intent, self.view);
        let storing = Storing {
            status: answer.status,
            headers: &answer.headers,
            asked: self.asked,
            now: self.now,
            region: &self.view.topology().region(region).name,
            epoch: shown.owned.map_or(Epoch::NONE, |owned| owned.epoch),
            shows: stated.map(|stated| Shows::of(&stated, shown.least, self.view.topology())),
            authorized: *authorized,
        };
        let kept = store(&storing);
        match kept {
            Ok(_) => self.lessons.push(Lesson::Cacheable(key.hash())),
            // These say something of the resource; the others only of this answer.
            Err(NoStore::Control | NoStore::SetCookie | NoStore::Vary | NoStore::NoFreshness) => {
                self.lessons.push(Lesson::Uncacheable(key.hash()));
            }
            Err(NoStore::Status | NoStore::Authorization | NoStore::Stale) => {}
        }
        Some(kept.map(|edits| Store { key, edits: strip_response(&answer.headers).into_iter().chain(edits).collect() }))
    }
}

/// What is known of whether something was written.
#[derive(Clone, Copy)]
enum Written {
    /// The origin says yes.
    Yes,
    /// The origin says no.
    No,
    /// It is a write, and the origin says nothing.
    Perhaps,
    /// An earlier send of the write may have done it, so the origin's word on this one settles nothing.
    Earlier,
    /// It is a read, and the origin says nothing.
    Hardly,
}

impl Written {
    fn of(access: Access, answer: &Answer<'_>, unsure: bool) -> Self {
        match (answer.headers.get("homing-wrote").map(str::trim), access) {
            (Some("1"), _) => Self::Yes,
            _ if unsure => Self::Earlier,
            (Some("0"), _) => Self::No,
            (_, Access::Write) => Self::Perhaps,
            (_, Access::Read) => Self::Hardly,
        }
    }

    /// Whether later reads of the session could see a write: it was done, or nobody can say.
    fn may_be_seen(self, status: u16) -> bool {
        match self {
            Self::Yes | Self::Earlier => true,
            Self::No | Self::Hardly => false,
            Self::Perhaps => (200..400).contains(&status) || status >= 500,
        }
    }

    /// What the origin itself says.
    fn said(self) -> Option<bool> {
        match self {
            Self::Yes => Some(true),
            Self::No => Some(false),
            Self::Perhaps | Self::Earlier | Self::Hardly => None,
        }
    }

    fn outcome(self) -> WriteOutcome {
        match self {
            Self::Yes => WriteOutcome::Committed,
            Self::No => WriteOutcome::Refused,
            Self::Perhaps | Self::Earlier | Self::Hardly => WriteOutcome::Unknown,
        }
    }

    /// Whether nothing of the write can still come after this answer, so that a position in it stands for all of it.
    fn is_over(self, status: u16) -> bool {
        !matches!(self, Self::Earlier) || (200..400).contains(&status)
    }
}

/// `Homing-Consistency` of an answer that may be older than what was promised: by how many seconds, where that is known.
fn stale(behind: Option<Duration>) -> String {
    behind.map_or_else(|| "stale".to_owned(), |behind| format!("stale; age={}", millis(behind).div_ceil(1000)))
}

/// A stored copy for the client.
pub(super) fn from_copy(ending: Ending<'_>, copy: &Copy, stored: &Answer<'_>) -> Settlement {
    let age = copy.current_age(ending.now);
    let left = i128::from(copy.fresh.as_secs()) - i128::from(age.as_secs());
    let is_stale = ending.cache == CacheState::Stale;
    let mut edits: Edits = strip_response(&stored.headers);
    // The store's own word on its hit; ours is Cache-Status.
    edits.push(Edit::Remove("cf-cache-status".to_owned()));
    edits.push(match stored.headers.get(STORED_CONTROL) {
        Some(control) => Edit::Set("cache-control", control.to_owned()),
        None => Edit::Remove("cache-control".to_owned()),
    });
    edits.push(Edit::Set("age", age.as_secs().to_string()));
    edits.extend(ending.signature());
    let detail = if is_stale { "; detail=stale-if-error" } else { "" };
    edits.push(Edit::Set("cache-status", format!("homing; hit; ttl={left}{detail}")));
    if is_stale {
        edits.push(Edit::Set("homing-consistency", stale(Some(age))));
    }
    let unchanged = stored.status == 200 && client_has(ending.intent, stored);
    let (status, source) = if unchanged { (304, Source::CopyHead) } else { (stored.status, Source::Copy) };
    let (intent, view, now) = (ending.intent, ending.view, ending.now);
    let changed = session::after_copy(intent, view, copy.shows.as_ref(), now);
    let mut settlement = ending.settlement(status, source, edits);
    if let Some(session) = changed {
        settlement.carry(&session, intent, view, now);
    }
    settlement
}

/// Whether `If-None-Match` names the copy (RFC 9110 section 13.1.2: weak comparison).
fn client_has(intent: &Intent, stored: &Answer<'_>) -> bool {
    let CacheUse::Use(lookup) = &intent.cache else { return false };
    let (Some(asked), Some(tag)) = (&lookup.if_none_match, stored.headers.get("etag")) else { return false };
    let strong = |tag: &str| tag.trim().trim_start_matches("W/").to_owned();
    asked.trim() == "*" || asked.split(',').any(|candidate| strong(candidate) == strong(tag))
}
