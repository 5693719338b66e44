//! The session after a request: signed in, pinned, renewed; issued only when it changed.

use super::{Pinned, Settlement};
use crate::routing::{
    answer::Answer,
    candidates::holds,
    headers::Edit,
    intent::{Carrier, Intent},
    memory::{UNMEASURED, Window},
    ownership::{Epoch, Ownership},
    position::{Mark, Shows, Stated},
    reason::Reason,
    session::{self, COOKIE, Claim, LIFETIME, Pin, Session, seal},
    subject::SubjectId,
    time::Timestamp,
    topology::{Access, Dataset, IdentitySource, ReadAfterWrite, RegionId, Rule, SubjectKind, Topology},
    view::View,
};

/// A session that starts because the application said who the user is.
#[derive(Clone, Debug)]
pub struct SignIn {
    /// Who.
    pub subject: SubjectId,
    /// A user or a tenant.
    pub kind: SubjectKind,
    /// The session so far, still without a home.
    pub session: Session,
    /// Whether some dataset is split by this kind, so that the home must be found.
    pub needs_home: bool,
}

/// What an answer does to the session.
pub(super) enum Change {
    /// Nothing.
    None,
    /// It is issued anew.
    Issue(Session),
    /// The application named a subject.
    SignIn(SignIn),
}

/// What an answer shows of a write or a read.
#[derive(Clone, Copy)]
pub(super) struct Seen {
    /// The region where something may have been written.
    pub(super) wrote: Option<RegionId>,
    /// The ownership by which the region was asked, if it was asked as the owner.
    pub(super) owned: Option<Ownership>,
    /// The owner that its answer names.
    pub(super) named: Option<Ownership>,
    /// How far its copy is.
    pub(super) stated: Option<Stated>,
}

/// The session with a pin on what the request may have written at that region, if some read is promised to see it.
pub(super) fn pinned(intent: &Intent, view: &View, region: RegionId, now: Timestamp) -> Option<(Session, Pinned)> {
    let mut session = intent.session.session.clone();
    let pinned = pin_write(&mut session, intent, view, region, None, now)?;
    Some((session, pinned))
}

/// Pins a write: by its position where its origin reported one, else by a window.
fn pin_write(
    session: &mut Session,
    intent: &Intent,
    view: &View,
    region: RegionId,
    stated: Option<Stated>,
    now: Timestamp,
) -> Option<Pinned> {
    let topology = view.topology();
    let dataset = intent.dataset.and_then(|id| topology.dataset(id));
    if !intent.promise.pins {
        return None;
    }
    if let (Some(stated), Some(Dataset { position: Some(kind), name, .. })) = (stated, dataset) {
        raise(session, intent, name, (&topology.region(stated.log.home).name, stated.mark()), now);
        return Some(Pinned::Position(kind.write(stated.position)));
    }
    let window = longest_window(intent, view, region);
    session.add_pin(
        Pin {
            dataset: dataset.map_or("", |dataset| dataset.name.as_str()).to_owned(),
            subject: intent.subject.clone(),
            region: topology.region(region).name.clone(),
            since: now,
            claim: Claim::Until(now.after(window.length)),
        },
        now,
    );
    Some(Pinned::Window(window))
}

/// The longest that a write at the region may be missing from any copy: a session may turn up anywhere.
fn longest_window(intent: &Intent, view: &View, source: RegionId) -> Window {
    let others = view.topology().regions().map(|(id, _)| id);
    let others = others.filter(|id| *id != source && holds(intent.dataset, view, *id));
    let longest = others.map(|id| view.window(id, source)).max_by_key(|window| window.length);
    longest.unwrap_or(Window { region: source, length: UNMEASURED, p99: None })
}

/// Raises the session's mark on a dataset; a mark never goes back. True if that changed it.
fn raise(session: &mut Session, intent: &Intent, dataset: &str, (home, mark): (&str, Mark), now: Timestamp) -> bool {
    let held = session.mark(dataset, intent.subject.as_ref());
    // A home that reports less than was seen under its own epoch has lost something, or another of its copies answered.
    let further = held.is_none_or(|(_, held)| mark.is_after(&held));
    if further {
        let claim = Claim::AtLeast(mark);
        let (dataset, subject, region) = (dataset.to_owned(), intent.subject.clone(), home.to_owned());
        session.add_pin(Pin { dataset, subject, region, since: now, claim }, now);
    }
    further
}

/// A read moves the mark of a session that there is, so that what it has seen never goes back; it starts none.
fn raise_by_read(session: &mut Session, intent: &Intent, home: &str, mark: Mark, view: &View, now: Timestamp) -> bool {
    let dataset = intent.dataset.and_then(|id| view.topology().dataset(id));
    let promised = intent.access == Access::Read && intent.promise.read_after_write == ReadAfterWrite::Session;
    match dataset.filter(|dataset| promised && dataset.position.is_some()) {
        Some(dataset) if session.expires > Timestamp::default() => {
            raise(session, intent, &dataset.name, (home, mark), now)
        }
        _ => false,
    }
}

/// The session after a stored copy was shown, if that changes it.
pub(super) fn after_copy(intent: &Intent, view: &View, shows: Option<&Shows>, now: Timestamp) -> Option<Session> {
    let held = &intent.session.session;
    let valid = intent.session.verdict == Reason::SessionValid;
    let renewal = intent.carried || (valid && held.wants_renewal(now));
    let stays = shows.is_none_or(|shows| held.expires == Timestamp::default() || !moves(intent, view, shows));
    if stays && !renewal {
        return None;
    }
    let mut session = held.clone();
    let raised = shows.is_some_and(|shows| raise_by_read(&mut session, intent, &shows.home, shows.most, view, now));
    (raised || renewal).then_some(session)
}

/// Whether what a copy shows lies after what the session has seen.
fn moves(intent: &Intent, view: &View, shows: &Shows) -> bool {
    let dataset = intent.dataset.and_then(|id| view.topology().dataset(id));
    let held = dataset.and_then(|dataset| intent.session.session.mark(&dataset.name, intent.subject.as_ref()));
    held.is_none_or(|(_, held)| shows.most.is_after(&held))
}

/// What the answer does to the session, and what was promised because of a write.
pub(super) fn change(
    intent: &Intent,
    view: &View,
    answer: &Answer<'_>,
    seen: &Seen,
    now: Timestamp,
) -> (Change, Option<Pinned>) {
    let topology = view.topology();
    let mut session = intent.session.session.clone();
    let mut changed = intent.carried || intent.begun || session.wants_renewal(now);
    // In a 421 it is whose the request is, which the flow has looked at.
    let named = if answer.status == 421 { None } else { named_subject(answer, topology) };
    match &named {
        Some((_, None)) if session.subject.is_some() => {
            session = Session::default();
            changed = true;
        }
        Some((_, Some(subject))) if session.subject.as_ref() != Some(subject) => {
            session = signed_in(&session, subject, topology, now);
            changed = true;
        }
        _ => {}
    }
    let pinned = seen.wrote.and_then(|region| pin_write(&mut session, intent, view, region, seen.stated, now));
    changed |= pinned.is_some();
    if let Some(stated) = &seen.stated {
        let home = &topology.region(stated.log.home).name;
        changed |= raise_by_read(&mut session, intent, home, stated.mark(), view, now);
    }
    changed |= moved(&mut session, intent, view, (seen.owned, seen.named));
    let change = match named {
        Some((kind, Some(subject))) if session.home.is_none() && (changed || splits(topology, kind)) => {
            Change::SignIn(SignIn { subject, kind, session, needs_home: splits(topology, kind) })
        }
        _ if changed => Change::Issue(session),
        _ => Change::None,
    };
    (change, pinned)
}

/// The session of whom an origin has named in the course of the request.
#[must_use]
pub fn begun(intent: &Intent, view: &View, subject: &SubjectId, now: Timestamp) -> Session {
    let session = signed_in(&intent.session.session, subject, view.topology(), now);
    // It is issued whatever becomes of the request, and so remembers what its answer shows.
    Session { expires: now.after(LIFETIME), ..session }
}

/// The session of who signs in. What the client wrote before it was anybody is its own, but for the parts of split datasets
/// that belong to nobody in particular; what somebody else wrote is not.
fn signed_in(before: &Session, subject: &SubjectId, topology: &Topology, now: Timestamp) -> Session {
    let mut session = Session { subject: Some(subject.clone()), ..Session::default() };
    let is_split = |pin: &Pin| {
        let dataset = topology.dataset_named(&pin.dataset).and_then(|id| topology.dataset(id));
        dataset.is_some_and(|dataset| matches!(dataset.rule, Rule::GeoPartitioned { .. }))
    };
    let stays = |pin: &&Pin| before.subject.is_none() && (pin.subject.is_some() || !is_split(pin));
    before.pins.iter().filter(stays).for_each(|pin| session.add_pin(pin.clone(), now));
    session
}

/// Takes over a later home of the session's own subject: by which the region was asked as the owner, or that it names itself.
fn moved(session: &mut Session, intent: &Intent, view: &View, said: (Option<Ownership>, Option<Ownership>)) -> bool {
    let own = intent.subject.is_some() && intent.subject == session.subject;
    let said = [said.0, said.1]
        .into_iter()
        .flatten()
        .filter(|owned| own && owned.epoch() > Epoch::NONE && !owned.is_tentative());
    let Some(owned) = said.reduce(Ownership::or_later) else { return false };
    let name = &view.topology().region(owned.home()).name;
    let later = session.home.as_ref().is_none_or(|(_, epoch)| owned.epoch() > *epoch);
    if later {
        session.home = Some((name.clone(), owned.epoch()));
    }
    later
}

/// Whom the application names: a kind, and a subject or, with an empty value, nobody any more (signed out).
fn named_subject(answer: &Answer<'_>, topology: &Topology) -> Option<(SubjectKind, Option<SubjectId>)> {
    [SubjectKind::User, SubjectKind::Tenant].into_iter().find_map(|kind| {
        let Some(IdentitySource::ResponseHeader(name)) = topology.identity().source(kind) else { return None };
        let value = answer.headers.get(name)?.trim();
        Some((kind, (!value.is_empty()).then(|| SubjectId::of(kind, value))))
    })
}

fn splits(topology: &Topology, kind: SubjectKind) -> bool {
    topology.datasets().any(|(_, dataset)| match dataset.rule {
        Rule::GeoPartitioned { subject, .. } => subject == kind,
        _ => false,
    })
}

impl Settlement {
    /// Hands the client the session of a sign-in.
    pub fn issue(&mut self, sign_in: &SignIn, intent: &Intent, view: &View, now: Timestamp) {
        self.carry(&sign_in.session, intent, view, now);
    }

    /// Lets a redirect of a write carry the session's pins along to another host, where its cookie does not go.
    pub(super) fn carry_along(
        &mut self,
        session: &Session,
        answer: &Answer<'_>,
        intent: &Intent,
        view: &View,
        now: Timestamp,
    ) {
        let redirect = intent.access == Access::Write && (300..400).contains(&answer.status);
        let location = answer.headers.get("location").filter(|_| redirect);
        let (identity, keys) = (view.topology().identity(), &view.settings().session_keys);
        let along = location.and_then(|to| session::along(to, &intent.target, session, identity, keys, now));
        self.edits.extend(along.map(|location| Edit::Set("location", location)));
    }

    /// Hands the client a session, the way its request carried one.
    pub(super) fn carry(&mut self, session: &Session, intent: &Intent, view: &View, now: Timestamp) {
        let session = Session { issued: now, expires: now.after(LIFETIME), ..session.clone() };
        let sealed = seal(&session, &view.settings().session_keys);
        self.edits.push(match intent.carrier {
            Carrier::Header => Edit::Set("homing-session", sealed),
            Carrier::Cookie => {
                let life = LIFETIME.as_secs();
                let attributes = format!("Path=/; Max-Age={life}; Secure; HttpOnly; SameSite=Lax");
                Edit::Append("set-cookie", format!("{COOKIE}={sealed}; {attributes}"))
            }
        });
    }
}
