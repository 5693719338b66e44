//! The life of one admitted request as a state machine. Whoever drives it (the edge, the simulator, `explain`) does what a
//! [`Step`] says and reports what came of it as an [`Event`]; nothing here waits, and time is handed in.

pub mod again;
pub mod between;
pub mod cached;
pub mod context;
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

pub use crate::flow::step::{Assignment, Event, Found, LookUp, Outcome, Probe, Step};
use crate::{flow::context::Context, model::access::Replay};

use crate::{
    flow::platform_page::PlatformPage,
    http::{answer::Answer, problem::Problem},
    model::{ids::RegionId, position::Mark, reasons::Refusal, time::Timestamp, token::Token},
    ownership::{Owner, evidence::Keeper},
    request::Request,
    settle::{Asked, Settlement, session::SignIn},
    state::{
        health::Health,
        memory::{Memory, Observation},
        trace::Trace,
        view::View,
    },
    topology::Origin,
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
    cx: Context,
    stage: Stage,
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
    pub fn start(request: Request, view: Rc<View>, memory: &Memory, now: Timestamp) -> (Self, Step) {
        let mut flow = Self { cx: Context::new(request, view, memory, now), stage: Stage::Over };
        let cx = &mut flow.cx;
        cx.trace.note(cx.request.session.verdict, None);
        if let Some(came) = cx.request.carried {
            let reason = if came.believed { Token::SessionCarried } else { Token::CarriedNotBelieved };
            cx.trace.note(reason, None);
            if came.is_shown {
                cx.trace.note(Token::AddressCleaned, None);
                let settlement = Box::new(cx.settling(None, Token::AddressCleaned, now).sent_on());
                return (flow, Step::Finish(settlement));
            }
        }
        if cx.request.session.disbelieved > 0 {
            cx.trace.note(Token::PinNotBelieved, None);
        }
        cx.begin_drill();
        let step = flow.first_step(memory, now);
        let step = flow.counted(step);
        (flow, step)
    }

    /// Goes on after a step. An event that fits no step that was asked for ends the request with 500: the driver is wrong.
    /// `health` is the regions' as it is now: what is sent a second time depends on it.
    pub fn on(&mut self, event: Event<'_>, health: &Health, now: Timestamp) -> Step {
        // What others have sent meanwhile counts: a ceiling and a probe are there for all requests together.
        Rc::make_mut(&mut self.cx.view).look_again(health, self.cx.request.asking(), now);
        let event = match event {
            Event::Origin(outcome) => {
                let sending = self.cx.sending.take();
                let region = sending.map(|sending| self.cx.view.topology().region(sending.region));
                let page = match (&outcome, region) {
                    (Outcome::Answered(answer), Some(region)) => PlatformPage::of(answer, &region.origin),
                    _ => None,
                };
                self.cx.observations.extend(sending.map(|sending| Observation::Heard(sending, outcome.heard(page))));
                let outcome = match outcome.unmasked(page) {
                    // Nobody has asked for another protocol.
                    Outcome::Answered(Answer { status: 101, .. }) if !self.cx.request.upgrade => Outcome::NotFinal,
                    other => other,
                };
                self.cx.heard = if let Outcome::Answered(answer) = &outcome { Some(answer.status) } else { None };
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
            _ => self.refuse(Refusal::Internal, now),
        };
        self.counted(step)
    }

    /// The settings and topology by which this request is decided.
    #[must_use]
    pub fn view(&self) -> &View {
        &self.cx.view
    }

    /// When a driver that has heard no more of the request may forget it.
    #[must_use]
    pub fn forgettable(&self) -> Timestamp {
        // The deadlines do not run while a client uploads.
        let longest = if self.cx.request.replay == Replay::Stream { LONGEST_UPLOAD } else { LINGER };
        self.cx.ends.after(longest)
    }

    /// The request.
    #[must_use]
    pub fn request(&self) -> &Request {
        &self.cx.request
    }

    /// The rules that decided so far.
    #[must_use]
    pub fn trace(&self) -> &Trace {
        &self.cx.trace
    }

    /// Ends with a problem of the router's own.
    fn refuse(&mut self, refusal: Refusal, now: Timestamp) -> Step {
        self.cx.trace.note(refusal.token(), None);
        self.fail(refusal, now)
    }

    /// The same, of a reason that stands in the trace.
    fn fail(&mut self, refusal: Refusal, now: Timestamp) -> Step {
        let settling = self.cx.settling(None, refusal.token(), now);
        Step::Finish(Box::new(settling.problem(&Problem::of(refusal))))
    }

    /// Ends with an origin's answer.
    fn settle(&mut self, ended: Ended, answer: &Answer<'_>, now: Timestamp) -> Step {
        let settled = self.cx.settling(Some(ended.region), ended.reason, now).answered(answer, &ended.asked());
        self.settled(settled, now)
    }

    /// Ends, or goes on to find the home of a subject whom the origin names.
    fn settled(&mut self, (mut settlement, sign_in): (Settlement, Option<SignIn>), now: Timestamp) -> Step {
        match sign_in {
            Some(sign_in) => {
                // Learned now: what was heard of the region counts, whether or not anybody waits for the rest.
                self.cx.observations.append(&mut settlement.observations);
                self.find_next(Box::new(settlement), Box::new(sign_in), now)
            }
            None => Step::Finish(Box::new(settlement)),
        }
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
