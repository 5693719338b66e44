//! Settling an origin's answer.

use super::{
    Asked, Base, Publish, Settlement, Settling, Source, conflicts,
    keep::StoreAction,
    record::{WriteOutcome, stale},
    session::{self, Exchange, SessionChange, SignIn},
};
use crate::{
    cache::state::CacheState,
    decide::cache_keys,
    http::{answer::Answer, edits::Edits, headers::strip_response, http_date},
    model::{access::Access, reasons::Note, subject::SubjectKind, text},
    ownership::{Ownership, stated::Stated},
    request::Request,
    state::{memory::Observation, trace::TraceEvent},
    topology::dataset::Rule,
};

/// So many bytes the changes to most answers have.
const ROOM: usize = 512;

impl Settling<'_> {
    /// An origin's answer for the client, and the sign-in that it may ask for.
    pub(crate) fn answered(mut self, answer: &Answer<'_>, asked: &Asked) -> (Settlement, Option<SignIn>) {
        let request = self.request;
        let put_right = self.put_right(answer);
        let renamed = put_right.of(answer);
        let answer = renamed.as_ref().unwrap_or(answer);
        let stated = self.learn_position(answer, asked.owned);
        self.learn_owner(answer);
        let written = Written::of(request, answer, self.outcome_unknown);
        if let (Access::Read, Written::Yes) = (request.access, written) {
            self.trace.note(TraceEvent::Noted(Note::ReadThatWrote, self.region));
        }
        let mut edits = Edits::with_room(ROOM);
        strip_response(&answer.headers, &mut edits);
        let right = put_right.edits(answer);
        edits.append(&right);
        self.sign(&mut edits);
        if !answer.headers.has("date") {
            // RFC 9110 section 6.6.1.
            edits.set_by("date", |field| http_date::write(field, self.now));
        }
        self.add_staleness(asked, &mut edits);
        if request.access == Access::Write && answer.status >= 500 {
            edits.set("homing-write-outcome", written.outcome().token());
        }
        let mut kept = self.keep(answer, asked, &stated);
        if let Some(store) = kept.store.as_mut().filter(|store| store.base == Base::Origin) {
            store.edits.prepend(&right);
        }
        edits.add_by("cache-status", |field| self.add_status(answer.status, &kept, field));
        // Its method's own safety, whatever the route says: a preflight of anybody empties no cache.
        let done = (200..400).contains(&answer.status) || matches!(written, Written::Yes);
        let changes_target = done && !request.safe;
        let useless = if changes_target { cache_keys::invalidated(request, self.view, answer) } else { Vec::new() };
        let region = self.region;
        let (mut settlement, sign_in) = self.concluded(answer, asked, stated, (answer.status, Source::Origin), edits);
        settlement.carry_out(kept, useless, region);
        (settlement, sign_in)
    }

    /// `Homing-Consistency`, where the answer may be older than what was promised: by how much, where that is known.
    pub(super) fn add_staleness(&self, asked: &Asked, edits: &mut Edits) {
        let behind = || self.region.and_then(|region| self.view.lag(region, asked.owned.map(|owned| owned.home())));
        if asked.stale {
            edits.set("homing-consistency", &stale(behind()));
        }
    }

    /// Adds the `Cache-Status` of a request that was forwarded (RFC 9211 section 2).
    pub(super) fn add_status(&self, status: u16, kept: &StoreAction, field: &mut String) {
        self.add_forwarded(field);
        field.push_str("; fwd-status=");
        text::number(field, status.into());
        match (&kept.store, kept.refused) {
            (Some(_), _) => field.push_str("; stored"),
            (None, Some(why)) if self.cache != CacheState::Method => {
                text::all(field, &["; detail=", why.token()]);
            }
            _ => {}
        }
    }

    /// Ends with what an origin's answer does to the session and the isolate.
    pub(super) fn concluded(
        mut self,
        answer: &Answer<'_>,
        asked: &Asked,
        mut stated: Vec<Stated>,
        (status, source): (u16, Source),
        edits: Edits,
    ) -> (Settlement, Option<SignIn>) {
        let (request, view, now) = (self.request, self.view, self.now);
        let conflicts = if answer.is_from_a_cache() {
            Vec::new()
        } else {
            self.learn_lags(answer);
            conflicts::told(answer, request.dataset, view.topology())
        };
        self.learn_clock(answer);
        let written = Written::of(request, answer, self.outcome_unknown);
        let wrote = self.region.filter(|_| written.may_be_seen(answer.status));
        let confirm = self.confirm(asked, written, answer.status);
        if !written.is_over(answer.status) {
            stated.clear();
        }
        let seen = Exchange {
            region: self.region,
            wrote,
            owned: asked.owned,
            named: self.named(answer),
            stated,
            clock: self.told.time,
        };
        let (change, pinned) = session::change(request, view, answer, &seen, now);
        let mut settlement = self.settlement(status, source, edits);
        settlement.record_mut().stale = asked.stale;
        settlement.record_mut().pinned = pinned;
        settlement.record_mut().wrote = written.said();
        settlement.record_mut().conflicts = conflicts;
        settlement.confirm = confirm;
        if !matches!(change, SessionChange::None) {
            settlement.keep_private(Some(&answer.headers));
        }
        let sign_in = match change {
            SessionChange::None => {
                settlement.carry_along(&request.session.session, answer, request, view, now);
                None
            }
            SessionChange::Issue(session) => {
                settlement.carry(&session, request, view, now);
                settlement.carry_along(&session, answer, request, view, now);
                None
            }
            SessionChange::SignIn(sign_in) => {
                settlement.carry_along(&sign_in.session, answer, request, view, now);
                Some(sign_in)
            }
        };
        (settlement, sign_in)
    }

    /// A tentative home for good, if the region has said yes to a write by it. A read proves nothing: many answer 200 and an empty
    /// list about whomever one asks. Nor does an outcome that nobody knows: should the home go, the next one has a later epoch.
    fn confirm(&mut self, asked: &Asked, written: Written, status: u16) -> Option<(SubjectKind, Publish)> {
        let (owned, subject) = (asked.owned.filter(Ownership::is_tentative)?, self.request.subject.clone()?);
        let accepted = match written {
            Written::Yes => true,
            Written::Perhaps | Written::Earlier => status < 400,
            // A client may repeat what was never done.
            Written::No | Written::Repeated | Written::Hardly => false,
        };
        let dataset = self.request.dataset_in(self.view.topology())?;
        let Rule::GeoPartitioned { subject: kind, .. } = dataset.rule else { return None };
        accepted.then(|| {
            self.observations.push(Observation::Home(subject.clone(), owned.confirmed()));
            (kind, Publish::new(subject, owned, self.view))
        })
    }
}

/// What is known of whether something was written.
#[derive(Clone, Copy)]
enum Written {
    /// The origin says yes.
    Yes,
    /// The origin says no.
    No,
    /// The origin says no, and it may be the repeat of a write that was done: the client sent a key, and the route is idempotent.
    Repeated,
    /// It is a write, and the origin says nothing.
    Perhaps,
    /// An earlier send of the write may have done it, so the origin's word on this one settles nothing.
    Earlier,
    /// It is a read or opens a connection, and the origin says nothing.
    Hardly,
}

impl Written {
    fn of(request: &Request, answer: &Answer<'_>, outcome_unknown: bool) -> Self {
        match (answer.headers.get("homing-wrote").map(str::trim), request.access) {
            (Some("1"), _) => Self::Yes,
            // It goes home for what may come over the connection; the GET that opens it is safe.
            _ if request.upgrade => Self::Hardly,
            _ if outcome_unknown => Self::Earlier,
            (Some("0"), Access::Write) if request.repeatable => Self::Repeated,
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
            // A refusal is none of an earlier one.
            Self::Repeated => (200..400).contains(&status),
            Self::Perhaps => (200..400).contains(&status) || status >= 500,
        }
    }

    /// What the origin itself says.
    fn said(self) -> Option<bool> {
        match self {
            Self::Yes => Some(true),
            Self::No | Self::Repeated => Some(false),
            Self::Perhaps | Self::Earlier | Self::Hardly => None,
        }
    }

    fn outcome(self) -> WriteOutcome {
        match self {
            Self::Yes => WriteOutcome::Committed,
            Self::No | Self::Repeated => WriteOutcome::Refused,
            Self::Perhaps | Self::Earlier | Self::Hardly => WriteOutcome::Unknown,
        }
    }

    /// Whether nothing of the write can still come after this answer, so that a position in it stands for all of it.
    fn is_over(self, status: u16) -> bool {
        !matches!(self, Self::Earlier) || (200..400).contains(&status)
    }
}
