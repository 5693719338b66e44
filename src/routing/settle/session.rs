//! The session after a request: signed in, pinned, renewed; issued only when it changed.

use std::time::Duration;

use super::Settlement;
use crate::routing::{
    answer::Answer,
    headers::Edit,
    intent::{Carrier, Intent},
    ownership::Ownership,
    session::{COOKIE, LIFETIME, LONGEST_PIN, Pin, Session, seal},
    subject::SubjectId,
    time::Timestamp,
    topology::{IdentitySource, RegionId, Rule, SubjectKind, Topology},
    view::View,
};

/// How long a pin holds while no lag is measured.
const WINDOW: Duration = Duration::from_secs(5);

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

/// The session with a pin on what the request wrote at that region, if some read is promised to see it.
pub(super) fn pinned(intent: &Intent, view: &View, region: RegionId, now: Timestamp) -> Option<Session> {
    let mut session = intent.session.session.clone();
    add_pin(&mut session, intent, view, region, now).then_some(session)
}

fn add_pin(session: &mut Session, intent: &Intent, view: &View, region: RegionId, now: Timestamp) -> bool {
    if !intent.promise.pins {
        return false;
    }
    let topology = view.topology();
    let dataset = intent.dataset.and_then(|id| topology.dataset(id)).map_or("", |dataset| dataset.name.as_str());
    let region = topology.region(region).name.clone();
    let pin = Pin { dataset: dataset.to_owned(), region, since: now, until: now.after(window(view)) };
    session.add_pin(pin, now);
    true
}

/// How long until every region has a write: twice the worst lag that is measured, at least what is assumed unmeasured.
fn window(view: &View) -> Duration {
    let lags = view.topology().regions().filter_map(|(id, _)| view.lag(id));
    let worst = lags.max().map_or(Duration::ZERO, Duration::from_millis);
    worst.saturating_mul(2).clamp(WINDOW, LONGEST_PIN)
}

/// What the answer does to the session. `wrote` is the region where something may have been written.
pub(super) fn change(
    intent: &Intent,
    view: &View,
    answer: &Answer<'_>,
    wrote: Option<RegionId>,
    owned: Option<Ownership>,
    now: Timestamp,
) -> Change {
    let topology = view.topology();
    let mut session = intent.session.session.clone();
    let mut changed = session.wants_renewal(now);
    let named = named_subject(answer, topology);
    match &named {
        Some((_, None)) if session.subject.is_some() => {
            session = Session::default();
            changed = true;
        }
        Some((_, Some(subject))) if session.subject.as_ref() != Some(subject) => {
            session = Session { subject: Some(subject.clone()), ..Session::default() };
            changed = true;
        }
        _ => {}
    }
    if let Some(region) = wrote {
        changed |= add_pin(&mut session, intent, view, region, now);
    }
    changed |= moved(&mut session, intent, view, owned);
    match named {
        Some((kind, Some(subject))) if session.home.is_none() && (changed || splits(topology, kind)) => {
            Change::SignIn(SignIn { subject, kind, session, needs_home: splits(topology, kind) })
        }
        _ if changed => Change::Issue(session),
        _ => Change::None,
    }
}

/// Takes over a later home of the session's own subject.
fn moved(session: &mut Session, intent: &Intent, view: &View, owned: Option<Ownership>) -> bool {
    let Some(owned) = owned.filter(|_| intent.subject.is_some() && intent.subject == session.subject) else {
        return false;
    };
    let name = &view.topology().region(owned.home).name;
    let later = session.home.as_ref().is_none_or(|(_, epoch)| owned.epoch > *epoch);
    if later {
        session.home = Some((name.clone(), owned.epoch));
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
