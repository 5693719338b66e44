//! The session after a request: signed in, pinned, renewed; issued only when it changed.

use super::{Settlement, record::Pinned};
use crate::{
    cache::entry::Variant,
    decide::rank::holds,
    http::{answer::Answer, cookies::COOKIE},
    model::{
        access::Access,
        clock::{APART, HybridTime},
        epoch::Epoch,
        ids::{RegionId, RegionSet},
        position::{Mark, Position},
        reasons::Verdict,
        subject::{SubjectId, SubjectKind},
        text,
        time::Timestamp,
    },
    ownership::{
        Ownership,
        evidence::lives_in,
        own::Own,
        stated::{Log, Stated},
    },
    request::{Carrier, Request},
    session::{self, Claim, LIFETIME, Pin, Session, codec::seal_for},
    state::{
        memory::lag::{PinWindow, UNMEASURED},
        view::View,
    },
    topology::{
        Topology,
        dataset::{Dataset, Rule},
        identity::IdentitySource,
        route::ReadAfterWrite,
    },
};

/// A session that starts because the application said who the client is.
#[derive(Clone, Debug)]
pub struct SignIn {
    /// The session so far.
    pub session: Session,
    /// Those whose home must be found: some dataset is split by their kind.
    waiting: Vec<(SubjectKind, SubjectId)>,
    /// Where the application says that they live.
    lives: Option<RegionId>,
    /// What the answer has shown of the part of one of them.
    shown: Option<ShownPart>,
}

/// What a read has shown of the part of somebody who was not known when it was sent: the application knew who it was.
#[derive(Clone, Debug)]
struct ShownPart {
    kind: SubjectKind,
    subject: SubjectId,
    dataset: String,
    stated: Vec<Stated>,
}

impl SignIn {
    /// The session of somebody whose home must be found.
    #[must_use]
    pub fn of(session: Session, kind: SubjectKind, subject: SubjectId, lives: Option<RegionId>) -> Self {
        Self { session, waiting: vec![(kind, subject)], lives, shown: None }
    }

    /// Where the application says that they live, if they may.
    #[must_use]
    pub fn lives_in(&self, allowed: RegionSet) -> Option<RegionId> {
        self.lives.filter(|home| allowed.contains(*home))
    }

    /// Whose home is to be found next.
    #[must_use]
    pub fn next(&self) -> Option<&(SubjectKind, SubjectId)> {
        self.waiting.first()
    }

    /// Takes in what was found of the next.
    pub fn found(&mut self, home: Option<Ownership>, topology: &Topology) {
        let (kind, _) = self.waiting.remove(0);
        if let Some(home) = home {
            self.session.subjects.settle(kind, home, topology);
        }
    }

    /// The session, which remembers what the answer has shown: by a mark, if what was stated is of the log of whom it is about. The
    /// region was not told whose part to speak of, so else nobody knows what it spoke of, and home is read until every replica has that.
    fn remembering(&self, request: &Request, view: &View, now: Timestamp) -> Session {
        let mut session = self.session.clone();
        let Some(ShownPart { kind, subject, dataset, stated }) = &self.shown else { return session };
        let topology = view.topology();
        let home = session.home(*kind).filter(|_| session.subject(*kind) == Some(subject));
        let own = home.and_then(|home| Some((topology.region_named(home.name())?, home.epoch())));
        let Some((region, epoch)) = own else { return session };
        let name = topology.region(region).name.clone();
        let part = (dataset.as_str(), Some(subject));
        match stated.iter().find(|stated| stated.log == Log { home: region, epoch }) {
            Some(stated) if is_nothing(&stated.seen(), false) => {}
            Some(stated) => drop(raise(&mut session, topology, part, ((&name, stated.seen()), false), Seeing::at(now))),
            None => drop(open_window(&mut session, request, view, part, region, now)),
        }
        session
    }
}

/// What an answer does to the session.
pub(super) enum SessionChange {
    /// Nothing.
    None,
    /// It is issued anew.
    Issue(Session),
    /// The application named a subject.
    SignIn(SignIn),
}

/// What an answer shows of a write or a read.
pub(super) struct Exchange {
    /// The region that has answered.
    pub(super) region: Option<RegionId>,
    /// The region where something may have been written.
    pub(super) wrote: Option<RegionId>,
    /// The ownership by which the region was asked, if it was asked as the owner.
    pub(super) owned: Option<Ownership>,
    /// The owner that its answer names.
    pub(super) named: Option<Ownership>,
    /// How far its replica is, and what it shows: of its owner's log, or of each of several.
    pub(super) stated: Vec<Stated>,
    /// The time of the latest stamp that its replica has applied.
    pub(super) clock: HybridTime,
}

/// The session with a pin on what the request may have written at that region, if some read is promised to see it.
pub(super) fn pinned(request: &Request, view: &View, region: RegionId, now: Timestamp) -> Option<(Session, Pinned)> {
    let mut session = request.session.session.clone();
    let pinned = pin_write(&mut session, request, view, region, &[], now)?;
    Some((session, pinned))
}

/// Pins a write: by its position where its origin reported one, else by a window.
fn pin_write(
    session: &mut Session,
    request: &Request,
    view: &View,
    region: RegionId,
    stated: &[Stated],
    now: Timestamp,
) -> Option<Pinned> {
    let topology = view.topology();
    let dataset = request.dataset_in(topology);
    if !request.promise.pins {
        return None;
    }
    session.clock = request.clock.map_or(session.clock, |stamp| stamp.time.max(session.clock));
    let subject = whose(session, request, topology);
    let part = (dataset.map_or("", |dataset| dataset.name.as_str()), subject.as_ref());
    // Of several owners only the one that took the write knows where it stands.
    let is_own = |stated: &&Stated| stated.log.home == region || stated.log.epoch != Epoch::OF_EACH_OWNER;
    let mut seen = seen_in(stated, topology);
    seen.retain(|(_, mark)| !dataset.is_some_and(|dataset| dataset.rule.is_multi_writer() && is_nothing(mark, true)));
    let wrote = if request.repeatable { Wrote::Anywhere } else { Wrote::There };
    raise_all(session, topology, part, (&seen, region, wrote), Seeing::at(now));
    // A position that no mark stands for, such as one of an earlier epoch than was seen, promises nothing.
    let own = stated.iter().find(is_own).filter(|own| {
        let owner = topology.region(own.log.home).name.as_str();
        let stands_for = |pin: &Pin, mark: &Mark| {
            mark.reaches(&own.seen()) && (mark.epoch != Epoch::OF_EACH_OWNER || pin.region == owner)
        };
        let marks = dataset.and_then(|dataset| session.marks(dataset, subject.as_ref()));
        marks.is_some_and(|marks| marks.all().iter().any(|(pin, mark)| stands_for(pin, mark)))
    });
    Some(match (own, dataset.and_then(|dataset| dataset.position)) {
        (Some(own), Some(kind)) => Pinned::Position(kind.write(own.seen().position)),
        _ => Pinned::Window(open_window(session, request, view, part, region, now)),
    })
}

/// Has that part of a dataset read at the region for as long as its latest write may be missing elsewhere.
fn open_window(
    session: &mut Session,
    request: &Request,
    view: &View,
    (dataset, subject): (&str, Option<&SubjectId>),
    region: RegionId,
    now: Timestamp,
) -> PinWindow {
    let window = longest_window(request, view, region);
    let (dataset, subject) = (dataset.to_owned(), subject.cloned());
    let (region, claim) = (view.topology().region(region).name.clone(), Claim::Until(now.after(window.length)));
    session.add_pin(Pin { dataset, subject, region, since: now, claim }, view.topology(), now);
    window
}

/// The longest that a write at the region may be missing from any replica: a session may turn up anywhere.
fn longest_window(request: &Request, view: &View, source: RegionId) -> PinWindow {
    let others = view.topology().regions().map(|(id, _)| id);
    let others = others.filter(|id| *id != source && holds(request.dataset, view, *id));
    let longest = others.map(|id| view.window(id, source)).max_by_key(|window| window.length);
    longest.unwrap_or(PinWindow { region: source, length: UNMEASURED, p99: None })
}

/// Whose part of the dataset it was: of whom the request was about, else of who is signed in since this very answer. A region that
/// is told of a user's ownership takes a write of nobody in particular, for it knows whose it is.
fn whose(session: &Session, request: &Request, topology: &Topology) -> Option<SubjectId> {
    let dataset = request.dataset_in(topology);
    let own = || session.subject(dataset?.rule.split_by()?).cloned();
    request.subject.clone().or_else(own)
}

/// Raises the session's mark on a dataset, or that part of it; a mark never goes back. True if that changed it.
fn raise(
    session: &mut Session,
    topology: &Topology,
    (dataset, subject): (&str, Option<&SubjectId>),
    ((home, mark), wrote): (Seen<'_>, bool),
    Seeing { since, now }: Seeing,
) -> bool {
    let (dataset, subject, region) = (dataset.to_owned(), subject.cloned(), home.to_owned());
    let pin = Pin { dataset, subject, region, since, claim: Claim::AtLeast(mark) };
    // A home that reports less than was seen under its own epoch has lost something, or another of its replicas answered.
    let Some(claim) = session.raised(&pin, wrote, topology) else { return false };
    session.keep(Pin { claim, ..pin }, topology, now)
}

/// Has the session's next write be later than a stamp that it has seen; true if that says something new. Where every edge's wall clock is
/// past it, it does not: a session whose data is idle is not issued anew for it.
fn seen_later(session: &mut Session, seen: HybridTime, now: Timestamp) -> bool {
    let says_more = seen > session.clock && !seen.is_past(now) && !seen.is_ahead(now, APART);
    if says_more {
        session.clock = seen;
    }
    says_more
}

/// Raises the session's marks on a dataset, or that part of it, to what an answer of that region shows. True if that changed one.
fn raise_all(
    session: &mut Session,
    topology: &Topology,
    part: (&str, Option<&SubjectId>),
    (seen, by, wrote): (&[Seen<'_>], RegionId, Wrote),
    when: Seeing,
) -> bool {
    let by = topology.region(by).name.as_str();
    let own = |(owner, _): Seen<'_>| wrote == Wrote::Anywhere || wrote == Wrote::There && owner == by;
    let mut changed = false;
    for seen in seen {
        changed |= raise(session, topology, part, (*seen, own(*seen)), when);
    }
    if changed {
        // One of several owners that has shown all of it has all of it, and is asked first where nothing is known of others.
        session.put_last(part, by);
    }
    changed
}

/// In which of several owners' logs an answer tells of the session's own write.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Wrote {
    /// It is the answer to a read.
    Nothing,
    /// In that of the region that has answered.
    There,
    /// It may be the repeat of one that was done at another owner.
    Anywhere,
}

/// When something is seen, and since when that was there: what a stored response shows was there when it came. That it was asked for before says
/// nothing: a response that was asked for later may have been made earlier.
#[derive(Clone, Copy)]
struct Seeing {
    since: Timestamp,
    now: Timestamp,
}

impl Seeing {
    /// As it is seen at a region.
    fn at(now: Timestamp) -> Self {
        Self { since: now, now }
    }
}

/// An owner, and how much of its log was seen.
type Seen<'a> = (&'a str, Mark);

/// What those who read an answer have seen.
fn seen_in<'t>(stated: &[Stated], topology: &'t Topology) -> Vec<Seen<'t>> {
    stated.iter().map(|stated| (topology.region(stated.log.home).name.as_str(), stated.seen())).collect()
}

/// Whether who has seen that has seen no write: the lowest of the first epoch, before which there is no other, or of one of several
/// owners. It needs no pin, for every replica shows as much.
fn is_nothing(seen: &Mark, several: bool) -> bool {
    (several || seen.epoch <= Epoch::FIRST) && seen.position == Position::default()
}

/// The dataset of which a session is promised that what it has seen never goes back, if the request reads that.
fn remembered<'v>(request: &Request, view: &'v View) -> Option<&'v Dataset> {
    let promised = request.access == Access::Read && request.promise.read_after_write == ReadAfterWrite::Session;
    request.dataset_in(view.topology()).filter(|dataset| promised && dataset.position.is_some())
}

/// A read moves the marks of a session that there is, or that begins with it, so that what was seen never goes back; it starts none.
fn raise_by_read(
    session: &mut Session,
    request: &Request,
    view: &View,
    (mut seen, by): (Vec<Seen<'_>>, RegionId),
    when: Seeing,
) -> bool {
    let Some(dataset) = remembered(request, view) else { return false };
    seen.retain(|(_, mark)| !is_nothing(mark, dataset.rule.is_multi_writer()));
    raise_all(session, view.topology(), (&dataset.name, request.subject.as_ref()), (&seen, by, Wrote::Nothing), when)
}

/// One of several owners that has answered a read says itself how far its own log is: no mark on that goes beyond it for good.
fn correct_by_owner(
    session: &mut Session,
    request: &Request,
    view: &View,
    (stated, by): (&[Stated], RegionId),
    now: Timestamp,
) -> bool {
    let log = Log::of_one_owner(by);
    let Some(dataset) = remembered(request, view) else { return false };
    if stated.iter().all(|stated| stated.log.epoch != log.epoch) {
        return false;
    }
    // It names owners: of a log that it leaves out it has nothing.
    let own = stated.iter().find(|stated| stated.log == log).map_or(Position::default(), |own| own.position);
    let owner = view.topology().region(by).name.as_str();
    session.correct((&dataset.name, request.subject.as_ref()), (owner, own), now)
}

/// The session after a stored response was shown, if that changes it.
pub(super) fn after_stored(
    request: &Request,
    view: &View,
    (shown, by): (&Variant<'_>, Option<RegionId>),
    now: Timestamp,
) -> Option<Session> {
    let held = &request.session.session;
    let valid = request.session.verdict == Verdict::Valid;
    let renewal = request.has_carried() || (valid && held.wants_renewal(now));
    let seen: Vec<_> =
        shown.shows.iter().filter(|_| held.exists()).map(|shows| (shows.home.as_str(), shows.most)).collect();
    if seen.is_empty() && !renewal {
        return None;
    }
    let mut session = held.clone();
    let by = by.unwrap_or(view.topology().default_home());
    let raised = raise_by_read(&mut session, request, view, (seen, by), Seeing { since: shown.came, now });
    (raised || renewal).then_some(session)
}

/// What the answer does to the session, and what was promised because of a write.
pub(super) fn change(
    request: &Request,
    view: &View,
    answer: &Answer<'_>,
    seen: &Exchange,
    now: Timestamp,
) -> (SessionChange, Option<Pinned>) {
    let topology = view.topology();
    let mut session = request.session.session.clone();
    // In a 421 it is whose the request is, which the flow has looked at.
    let is_word = answer.status != 421;
    let named: Vec<_> = named_subjects(answer, topology).filter(|_| is_word).collect();
    let mut changed = request.has_carried() || request.begun || session.wants_renewal(now);
    changed |= signed(&mut session, &named, topology);
    // A session that begins with this answer remembers what it shows, too.
    let exists = session.exists() || named.iter().any(|(_, subject)| subject.is_some());
    let shown = shown_of_another(request, view, &named, &seen.stated);
    let pinned = seen.wrote.and_then(|region| pin_write(&mut session, request, view, region, &seen.stated, now));
    changed |= pinned.is_some();
    if let Some(by) = seen.region.filter(|_| exists && shown.is_none()) {
        // What a cache before the region says is of some time before, and who fails may not know.
        if answer.status < 500 && !answer.is_from_a_cache() {
            changed |= correct_by_owner(&mut session, request, view, (&seen.stated, by), now);
        }
        let shown = seen_in(&seen.stated, topology);
        changed |= raise_by_read(&mut session, request, view, (shown, by), Seeing::at(now));
    }
    if pinned.is_some() || (exists && request.promise.read_after_write == ReadAfterWrite::Session) {
        changed |= seen_later(&mut session, seen.clock, now);
    }
    changed |= moved(&mut session, request, view, (seen.owned, seen.named));
    let waits = |(kind, subject): (SubjectKind, Option<SubjectId>)| {
        let homeless = splits(topology, kind) && session.home(kind).is_none();
        subject.filter(|_| homeless).map(|subject| (kind, subject))
    };
    let waiting: Vec<_> = named.into_iter().filter_map(waits).collect();
    let change = match (waiting.is_empty(), changed) {
        (false, _) => {
            let lives = home_of_the_named(request, answer, topology);
            SessionChange::SignIn(SignIn { session, waiting, lives, shown })
        }
        (true, true) => SessionChange::Issue(session),
        (true, false) => SessionChange::None,
    };
    (change, pinned)
}

/// Where an answer that names somebody says that they live (`Homing-Home`): what it says of a dataset as a whole, or of the subject
/// that was asked about, is another matter.
fn home_of_the_named(request: &Request, answer: &Answer<'_>, topology: &Topology) -> Option<RegionId> {
    let dataset = request.dataset_in(topology);
    let speaks_of_them = dataset.is_none_or(|dataset| dataset.rule.split_by().is_some() && request.subject.is_none());
    lives_in(answer, topology, topology.all_regions()).filter(|_| speaks_of_them)
}

/// What a read has shown, if its answer names another than it was sent about: the data is that one's then.
fn shown_of_another(
    request: &Request,
    view: &View,
    named: &[(SubjectKind, Option<SubjectId>)],
    stated: &[Stated],
) -> Option<ShownPart> {
    let dataset = remembered(request, view)?;
    let kind = dataset.rule.split_by()?;
    let (_, subject) = named.iter().find(|(of, _)| *of == kind)?;
    let subject = subject.clone().filter(|subject| request.subject.as_ref() != Some(subject))?;
    Some(ShownPart { kind, subject, dataset: dataset.name.clone(), stated: stated.to_vec() })
}

/// The session of whom an origin has named in the course of the request.
#[must_use]
pub fn begun(request: &Request, view: &View, (subject, kind): (&SubjectId, SubjectKind), now: Timestamp) -> Session {
    let mut session = request.session.session.clone();
    signed(&mut session, &[(kind, Some(subject.clone()))], view.topology());
    // It is issued whatever becomes of the request, and so remembers what its answer shows.
    Session { expires: now.after(LIFETIME), ..session }
}

/// Signs in and out whom the application names; true if that changes the session. What the client wrote before it was anybody is its
/// own, but for the parts of split datasets that belong to nobody in particular. What somebody wrote who is not here any more is not,
/// unless somebody else is still here who was then: a user changes the tenant.
fn signed(session: &mut Session, named: &[(SubjectKind, Option<SubjectId>)], topology: &Topology) -> bool {
    if named.is_empty() {
        return false;
    }
    let before = session.subjects.clone();
    for (kind, subject) in named {
        if session.subject(*kind) != subject.as_ref() {
            session.subjects.sign(*kind, subject.clone());
        }
    }
    if session.subjects == before {
        return false;
    }
    let gone = |subject: &SubjectId| before.has(subject) && !session.subjects.has(subject);
    let somebody_left = before.all().map(Own::subject).any(gone);
    let somebody_stays = before.all().map(Own::subject).any(|subject| !gone(subject));
    let now_somebodys = |pin: &Pin| {
        let dataset = topology.dataset_named(&pin.dataset).and_then(|id| topology.dataset(id));
        pin.subject.is_none() && dataset.is_some_and(|dataset| session.own_part(dataset).is_some())
    };
    let stays = |pin: &Pin| match &pin.subject {
        Some(subject) if gone(subject) => false,
        Some(subject) if session.subjects.has(subject) => true,
        _ => (!somebody_left || somebody_stays) && !now_somebodys(pin),
    };
    let pins: Vec<_> = session.pins.iter().filter(|pin| stays(pin)).cloned().collect();
    session.pins = pins;
    true
}

/// Takes over a later home of the session's own subject: by which the region was asked as the owner, or that it names itself.
fn moved(session: &mut Session, request: &Request, view: &View, said: (Option<Ownership>, Option<Ownership>)) -> bool {
    let topology = view.topology();
    let dataset = request.dataset_in(topology);
    let Some(kind) = dataset.and_then(|dataset| dataset.rule.split_by()) else { return false };
    let own = request.subject.is_some() && request.subject.as_ref() == session.subject(kind);
    let said =
        [said.0, said.1].into_iter().flatten().filter(|owned| own && !owned.is_tentative()).reduce(Ownership::or_later);
    said.is_some_and(|owned| session.subjects.settle(kind, owned, topology))
}

/// Whom the application names: of each kind a subject or, with an empty value, nobody any more (signed out).
pub(super) fn named_subjects(
    answer: &Answer<'_>,
    topology: &Topology,
) -> impl Iterator<Item = (SubjectKind, Option<SubjectId>)> {
    SubjectKind::ALL.into_iter().filter_map(|kind| {
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
    pub fn issue(&mut self, sign_in: &SignIn, request: &Request, view: &View, now: Timestamp) {
        self.hand_out(&sign_in.remembering(request, view, now), request, view, now);
    }

    /// Lets a redirect of a write carry the session's pins along to another host, where its cookie does not go.
    pub(super) fn carry_along(
        &mut self,
        session: &Session,
        answer: &Answer<'_>,
        request: &Request,
        view: &View,
        now: Timestamp,
    ) {
        let redirect = request.access == Access::Write && (300..400).contains(&answer.status);
        let location = answer.headers.get("location").filter(|_| redirect);
        let (topology, keys) = (view.topology(), &view.settings().session_keys);
        let along = location.and_then(|to| session::along(to, &request.target, session, topology, keys, now));
        if let Some(location) = along {
            self.edits.set("location", &location);
        }
    }

    /// Hands the client its session anew, unless a later version has issued the one that it has: that one remembers more than this
    /// version can say.
    pub(super) fn carry(&mut self, session: &Session, request: &Request, view: &View, now: Timestamp) {
        if request.session.verdict != Verdict::Later {
            self.hand_out(session, request, view, now);
        }
    }

    /// Hands the client a session, the way its request carried one.
    fn hand_out(&mut self, session: &Session, request: &Request, view: &View, now: Timestamp) {
        self.keep_private(None);
        let mut session = Session { issued: now, expires: now.after(LIFETIME), ..session.clone() };
        if session.clock.is_past(now) {
            session.clock = HybridTime::default();
        }
        let sealed = seal_for(&session, view.topology(), &view.settings().session_keys);
        match request.carrier {
            Carrier::Header => self.edits.set("homing-session", &sealed),
            Carrier::Cookie => self.edits.add_by("set-cookie", |line| {
                text::all(line, &[COOKIE, "=", &sealed, "; Path=/; Max-Age="]);
                text::number(line, LIFETIME.as_secs());
                line.push_str("; Secure; HttpOnly; SameSite=Lax");
            }),
        }
    }
}

#[cfg(test)]
#[path = "session_tests.rs"]
mod tests;
