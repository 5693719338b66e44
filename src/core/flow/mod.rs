//! The life of one admitted request as a state machine. Whoever drives it (the edge, the simulator, `explain`) does what a
//! [`Step`] says and reports what came of it as an [`Event`]; nothing here waits, and time is handed in.

pub mod again;
pub mod between;
pub mod cached;
pub mod correct;
pub mod drill;
pub mod freshness;
pub mod home;
pub mod later_owner;
pub mod platform_page;
pub mod read;
pub mod rename;
pub mod send;
pub mod step;
pub mod write;

use std::{rc::Rc, time::Duration};

use crate::flow::platform_page::PlatformPage;
pub use crate::flow::step::{ASSIGN, Assignment, Event, Found, LOOK_UP, Outcome, Probe, Step};

use crate::{
    cache::stored::StoredEntry,
    decide::{attempt, plan::Freshness},
    http::{answer::Answer, problem::Problem},
    model::{ids::RegionId, position::Mark, subject::SubjectId, time::Timestamp, token::Token},
    ownership::{Owner, Ownership, evidence::Keeper},
    request::{Request, incoming::Replay},
    settle::{Asked, Settlement, Settling, record::CacheState, session::SignIn},
    state::{
        drill::Part,
        health::{Asking, Health, Sending},
        memory::{Memory, Observation, Purge},
        trace::Trace,
        view::View,
    },
    topology::{Origin, dataset::SubjectKind, route::Access},
};

/// At most this many sends, so at most two regions see one request; but for the one of which a closed connection took nothing along, and that
/// goes to the same region ([`again`]).
pub const MOST_ATTEMPTS: u8 = 2;
/// How long after its deadline a request is held, in case nobody says that its client has gone.
const LINGER: Duration = Duration::from_secs(5);
/// The same for one whose body streams in.
const LONGEST_UPLOAD: Duration = Duration::from_secs(3600);

/// An admitted request on its way.
#[derive(Clone, Debug)]
pub struct Flow {
    view: Rc<View>,
    request: Request,
    freshness: Freshness,
    ends: Timestamp,
    /// What the isolate remembers of the subject's home: lately, and ever.
    remembered: Option<Ownership>,
    /// Whether the visitor may name one more subject that nobody knows.
    may_name: bool,
    last_known: Option<Ownership>,
    stage: Stage,
    trace: Trace,
    /// Whether it takes part in a drill.
    part: Part,
    cache: CacheState,
    /// What lies in the driver's hands: worth asking about, and shown if every region fails.
    held: Option<StoredEntry>,
    /// The last write that ended the copies under the request's key, as far as this isolate knew when the request began.
    purged: Option<Purge>,
    /// Whether the last send asked about the held copy.
    conditional: bool,
    /// Whether no send may: an origin has contradicted itself.
    unconditional: bool,
    /// Whether other requests of the same key are not waited for, since answers there could not be stored lately.
    in_vain: bool,
    /// Whether another request of the same key was waited for.
    collapsed: bool,
    /// The status of the last answer, if the last send had one.
    heard: Option<u16>,
    attempts: u8,
    /// Whether one of these was in vain since its connection had been closed, so that it does not count.
    again: bool,
    /// Why a region other than the nearest was asked, if one was.
    crossed: Option<Token>,
    /// When the last send began.
    asked: Timestamp,
    /// The send of which nothing was heard yet.
    sending: Option<Sending>,
    /// Where the write may have been done by a send of which nothing was heard.
    outcome_unknown: Option<Ownership>,
    /// By which ownership a region was asked that says that the data is elsewhere.
    denied: Option<Ownership>,
    /// Where an origin says that the subject lives whom it names.
    lives: Option<RegionId>,
    observations: Vec<Observation>,
    /// An ownership that the home store should learn.
    publish: Option<(SubjectId, Ownership)>,
    /// Whether the directory should learn it too: an origin has said so, and it may have lost what it knew.
    tell: Option<SubjectKind>,
}

/// Which look into the edge cache it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Look {
    First,
    /// What lies there has expired, and another request may be about to make it new.
    Again,
}

#[derive(Clone, Debug)]
enum Stage {
    Probing(Look),
    /// The client has its answer, and the copy is made new.
    Answered,
    Finding(Keeper),
    Reading(read::Reading),
    Writing(write::Writing),
    SigningIn(Box<Settlement>, Box<SignIn>, Keeper),
    Over,
}

/// What an answer of that origin is taken for: the application's word, or the platform's in its place.
pub fn taken_for<'a>(answer: Answer<'a>, origin: &Origin) -> Outcome<'a> {
    let page = PlatformPage::of(&answer, origin);
    Outcome::Answered(answer).unmasked(page)
}

impl Flow {
    /// Begins: one view is captured, and what the isolate remembers is read once.
    #[must_use]
    pub fn start(request: Request, mut view: Rc<View>, memory: &Memory, now: Timestamp) -> (Self, Step) {
        Rc::make_mut(&mut view).look_again(memory.health(), Asking::of(&request), now);
        let freshness = Freshness::of(&request, &view);
        let subject = request.subject.as_ref();
        let mut flow = Self {
            freshness,
            ends: attempt::total_deadline(&request),
            remembered: subject.and_then(|subject| memory.home(subject, now)),
            may_name: subject.is_none() || memory.may_name_subjects(request.visitor, now),
            last_known: subject.and_then(|subject| memory.last_known_home(subject)),
            stage: Stage::Over,
            trace: Trace::default(),
            part: Part::Out,
            cache: CacheState::Bypass,
            held: None,
            purged: None,
            conditional: false,
            unconditional: false,
            in_vain: false,
            collapsed: false,
            heard: None,
            attempts: 0,
            again: false,
            crossed: None,
            asked: now,
            sending: None,
            outcome_unknown: None,
            denied: None,
            lives: None,
            observations: Vec::new(),
            publish: None,
            tell: None,
            view,
            request,
        };
        flow.trace.note(flow.request.session.verdict, None);
        if let Some(came) = flow.request.carried {
            let reason = if came.believed { Token::SessionCarried } else { Token::CarriedNotBelieved };
            flow.trace.note(reason, None);
            if came.is_shown {
                flow.trace.note(Token::AddressCleaned, None);
                let settlement = Box::new(flow.settling(None, Token::AddressCleaned, now).sent_on());
                return (flow, Step::Finish(settlement));
            }
        }
        if flow.request.session.disbelieved > 0 {
            flow.trace.note(Token::PinNotBelieved, None);
        }
        flow.begin_drill();
        let step = flow.first_step(memory, now);
        let step = flow.counted(step);
        (flow, step)
    }

    /// Goes on after a step. An event that fits no step that was asked for ends the request with 500: the driver is wrong.
    /// `health` is the regions' as it is now: what is sent a second time depends on it.
    pub fn on(&mut self, event: Event<'_>, health: &Health, now: Timestamp) -> Step {
        // What others have sent meanwhile counts: a ceiling and a probe are there for all requests together.
        Rc::make_mut(&mut self.view).look_again(health, Asking::of(&self.request), now);
        let event = match event {
            Event::Origin(outcome) => {
                let sending = self.sending.take();
                let region = sending.map(|sending| self.view.topology().region(sending.region));
                let page = match (&outcome, region) {
                    (Outcome::Answered(answer), Some(region)) => PlatformPage::of(answer, &region.origin),
                    _ => None,
                };
                self.observations.extend(sending.map(|sending| Observation::Heard(sending, outcome.heard(page))));
                let outcome = match outcome.unmasked(page) {
                    // Nobody has asked for another protocol.
                    Outcome::Answered(Answer { status: 101, .. }) if !self.request.upgrade => Outcome::NotFinal,
                    other => other,
                };
                self.heard = if let Outcome::Answered(answer) = &outcome { Some(answer.status) } else { None };
                Event::Origin(outcome)
            }
            other => other,
        };
        let step = match (std::mem::replace(&mut self.stage, Stage::Over), event) {
            (Stage::Probing(look), Event::Cache(probed)) => self.on_cache(look, probed, now),
            (Stage::Answered, Event::GoOn) => self.go_on(now),
            (Stage::Finding(source), Event::Home(found)) => self.on_home(found, source, now),
            (Stage::Reading(reading), Event::Origin(outcome)) => self.on_read(reading, outcome, health, now),
            (Stage::Writing(writing), Event::Origin(outcome)) => self.on_written(writing, outcome, health, now),
            (Stage::SigningIn(settlement, sign_in, source), Event::Home(found)) => {
                self.signed_in(settlement, sign_in, (found, source), now)
            }
            _ => self.refuse(Token::Internal, now),
        };
        self.counted(step)
    }

    /// The settings and topology by which this request is decided.
    #[must_use]
    pub fn view(&self) -> &View {
        &self.view
    }

    /// When a driver that has heard no more of the request may forget it.
    #[must_use]
    pub fn forgettable(&self) -> Timestamp {
        // The deadlines do not run while a client uploads.
        let longest = if self.request.replay == Replay::Stream { LONGEST_UPLOAD } else { LINGER };
        self.ends.after(longest)
    }

    /// The request.
    #[must_use]
    pub fn request(&self) -> &Request {
        &self.request
    }

    /// The rules that decided so far.
    #[must_use]
    pub fn trace(&self) -> &Trace {
        &self.trace
    }

    /// Ends with a problem of the router's own.
    fn refuse(&mut self, reason: Token, now: Timestamp) -> Step {
        self.trace.note(reason, None);
        self.fail(reason, now)
    }

    /// The same, of a reason that stands in the trace.
    fn fail(&mut self, reason: Token, now: Timestamp) -> Step {
        let settling = self.settling(None, reason, now);
        Step::Finish(Box::new(settling.problem(&Problem::of(reason))))
    }

    /// What every settlement is made from.
    fn settling(&mut self, region: Option<RegionId>, reason: Token, now: Timestamp) -> Settling<'_> {
        Settling {
            request: &self.request,
            view: &self.view,
            region,
            reason,
            cache: self.cache,
            held: self.held.as_ref(),
            collapsed: self.collapsed,
            heard: self.heard,
            attempts: self.attempts,
            crossed: self.crossed,
            asked: self.asked,
            purged: self.purged,
            outcome_unknown: self.outcome_unknown.is_some(),
            now,
            trace: std::mem::take(&mut self.trace),
            observations: std::mem::take(&mut self.observations),
            publish: self.publish.take(),
            tell: self.tell.take(),
            tentative: self.remembered.filter(Ownership::is_tentative),
        }
    }

    /// Ends with an origin's answer.
    fn settle(&mut self, ended: Ended, answer: &Answer<'_>, now: Timestamp) -> Step {
        let settled = self.settling(Some(ended.region), ended.reason, now).answered(answer, &ended.asked());
        self.settled(settled, now)
    }

    /// Ends, or goes on to find the home of a subject whom the origin names.
    fn settled(&mut self, (mut settlement, sign_in): (Settlement, Option<SignIn>), now: Timestamp) -> Step {
        match sign_in {
            Some(sign_in) => {
                // Learned now: what was heard of the region counts, whether or not anybody waits for the rest.
                self.observations.append(&mut settlement.observations);
                self.find_next(Box::new(settlement), Box::new(sign_in), now)
            }
            None => Step::Finish(Box::new(settlement)),
        }
    }

    fn is_read(&self) -> bool {
        self.request.access == Access::Read
    }
}

/// How a send ended that is answered to the client.
#[derive(Clone, Copy, Debug)]
struct Ended {
    region: RegionId,
    reason: Token,
    owner: Option<Owner>,
    /// What the region was told that its answer must show at least.
    least: Option<Mark>,
    stale: bool,
}

impl Ended {
    /// What its answer stands for.
    fn asked(&self) -> Asked {
        Asked { owned: self.owner.map(|owner| owner.ownership()), least: self.least, stale: self.stale }
    }
}
