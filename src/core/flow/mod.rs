//! The life of one admitted request as a state machine. Its driver (the edge, the simulator, `explain`) does what a
//! [`Step`] says and reports what came of it as an [`Event`]; nothing here waits, and time is handed in.
//!
//! # The story of a request
//!
//! [`Flow::start`] looks into the edge cache (`probe.rs`). What lies there and may be shown answers: a hit, and the end. Else it is to be
//! decided who is asked (`route`, below): a read that any replica may answer goes to the nearest at once (`read.rs`). Everything else
//! needs the owner of what it concerns. A dataset's is known; a subject's is looked up where neither the session nor the isolate knows it
//! (`home.rs`). Then a read goes home, or to a replica that is as far as its session has seen (`read.rs`), and a write to its owner and
//! nobody else (`write.rs`). A session that has seen the writes of a later owner than anybody here has heard of looks for that one
//! (`later_owner.rs`).
//!
//! A region's answer is the client's, and settles the request (`settle/answer.rs`). A 421 is not: it names a later owner, and the same
//! phase asks that one; or it says that the request is another subject's (`rename.rs`), or that the region was never the home
//! (`correct.rs`). A read that fails goes to one other region; when that fails too, a stored response may be shown (`stale.rs`). A write that
//! fails ends, with what is known of it. Where the answer names somebody who has signed in, their home is found behind it (`sign_in.rs`).
//!
//! # How to read it
//!
//! A phase is a file: its functions take the context (`context.rs`), decide, and return what comes next (`next.rs`). No phase calls
//! another. The order stands in this file alone: `Flow::run` is the table of what follows what, `Flow::handle` says which phase takes which
//! event. Beside the phases stands what they share: `known.rs` (owners, marks), `reading.rs` (a read and its answer), `misdirected.rs` (what
//! a 421 says), `send.rs` and `again.rs` (sends), `freshness.rs` (may a stored response be shown), `memo.rs` (may
//! its answer be given again), `drill.rs`.

mod again;
mod context;
mod correct;
mod drill;
mod freshness;
mod home;
mod known;
mod later_owner;
pub(crate) mod memo;
mod misdirected;
mod next;
mod passed;
mod platform_page;
mod probe;
mod read;
mod reading;
mod rename;
mod send;
mod sign_in;
mod stale;
pub mod step;
mod write;

use std::{rc::Rc, time::Duration};

use crate::flow::context::Context;
use crate::flow::next::{Next, Phase};
use crate::flow::platform_page::PlatformPage;
pub use crate::flow::send::MOST_ATTEMPTS;
pub use crate::flow::step::{Assignment, Event, Found, LookUp, Outcome, Probe, Step};

use crate::{
    decide::plan::{WriteTarget, standing},
    http::{answer::Answer, problem::Problem},
    model::{
        access::Replay,
        reasons::{Choice, Note, Refusal},
        time::Timestamp,
    },
    ownership::Owner,
    request::Request,
    state::{
        health::{Health, SendResult},
        memory::{Memory, Observation},
        trace::{Decision, Trace, TraceEvent},
        view::View,
    },
    topology::Origin,
};

/// How long after its deadline a request is held, in case nobody says that its client has gone.
const LINGER: Duration = Duration::from_secs(5);
/// The same for one whose body streams in.
const LONGEST_UPLOAD: Duration = Duration::from_secs(3600);

/// An admitted request on its way.
///
/// 1. [`Flow::start`] gives the first step.
/// 2. The driver learns [`Flow::take_observations`], does the step, and hands its event to [`Flow::on`], which gives the next one.
/// 3. That goes on until a step is [`Step::Finish`]; [`Step::Answer`] answers the client before the end.
/// 4. If the client goes, [`Flow::abandon`] ends it.
#[derive(Clone, Debug)]
pub struct Flow {
    cx: Context,
    phase: Phase,
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
        let mut flow = Self { cx: Context::new(request, view, memory, now), phase: Phase::Over };
        let next = begin(&mut flow.cx, memory);
        let step = flow.run(next);
        (flow, step)
    }

    /// Goes on after a step. An event that fits no step that was asked for ends the request with 500: the driver is wrong.
    /// `health` is the regions' as it is now: what is sent a second time depends on it.
    pub fn on(&mut self, event: Event<'_>, health: &Health, now: Timestamp) -> Step {
        // What others have sent meanwhile counts: a ceiling and a probe are there for all requests together.
        Rc::make_mut(&mut self.cx.view).look_again(health, self.cx.request.asking(), now);
        self.cx.now = now;
        let next = self.handle(event, health);
        self.run(next)
    }

    /// Which phase takes which event.
    fn handle<'a>(&mut self, event: Event<'a>, health: &Health) -> Next<'a> {
        let cx = &mut self.cx;
        let event = if let Event::Origin(outcome) = event { Event::Origin(cx.hear(outcome)) } else { event };
        match (std::mem::replace(&mut self.phase, Phase::Over), event) {
            (Phase::Probing(look), Event::Cache(probed)) => probe::on_probed(cx, look, probed),
            (Phase::Answered, Event::GoOn) => probe::go_on(cx),
            (Phase::FindingHome(keeper), Event::Home(found)) => home::on_found(cx, keeper, found),
            (Phase::Correcting(declined), Event::Home(found)) => correct::on_found(cx, declined, found),
            (Phase::Reading(reading), Event::Origin(outcome)) => read::on_outcome(cx, reading, outcome, health),
            (Phase::Writing(writing), Event::Origin(outcome)) => write::on_outcome(cx, writing, outcome, health),
            (Phase::SigningIn(settlement, sign_in, keeper), Event::Home(found)) => {
                sign_in::on_found(cx, (settlement, sign_in), keeper, found)
            }
            _ => Next::Misdriven,
        }
    }

    /// The table: what follows what, until there is something to do.
    fn run(&mut self, mut next: Next<'_>) -> Step {
        let cx = &mut self.cx;
        loop {
            next = match next {
                Next::Route => route(cx),
                Next::ReadNear => read::near(cx),
                Next::FindHome => home::first(cx),
                Next::Homeless if cx.is_read() => read::homeless(cx),
                Next::Homeless => write::homeless(cx),
                Next::Owned(owner, why) if !cx.is_read() => write::first(cx, owner, why),
                Next::Owned(owner, _) if cx.has_seen_later(owner.ownership()) => later_owner::first(cx, owner),
                Next::Owned(owner, _) => read::of_owner(cx, owner),

                Next::Read(plan, wants) => read::first(cx, plan, wants),
                Next::Ask(delay, reading) => read::ask(cx, delay, reading),
                Next::Sought(reading, answer) => later_owner::on_answer(cx, reading, answer),
                Next::Heard(reading, answer) => read::heard(cx, reading, answer),
                Next::Rename(named) => rename::first(cx, named),
                Next::Correct(declined) => correct::first(cx, declined),
                Next::StaleOr(other) => stale::shown(cx).unwrap_or(*other),

                Next::Answer(ended, answer) => {
                    cx.settling(Some(ended.region), ended.decision).answered(&answer, &ended.asked()).into()
                }
                Next::Confirmed(ended, answer, updates) => {
                    cx.settling(Some(ended.region), ended.decision).validated(&answer, &ended.asked(), updates).into()
                }
                Next::SignIn(settlement, sign_in) => sign_in::first(cx, settlement, sign_in),

                Next::Refuse(refusal) if !cx.is_read() => write::refused(cx, refusal),
                Next::Refuse(refusal) => noted(cx, refusal),
                Next::Misdriven => noted(cx, Refusal::Internal),
                Next::Fail(refusal) => {
                    Next::Finish(Box::new(cx.settling(None, Decision::Refused(refusal)).problem(&Problem::of(refusal))))
                }
                Next::NotWritten(failed) => {
                    let settling = cx.settling(None, Decision::Refused(failed.problem.refusal));
                    Next::Finish(Box::new(settling.failed_write(&failed.problem, failed.outcome, failed.owned)))
                }

                Next::Wait(step, phase) => {
                    self.phase = phase;
                    return step;
                }
                Next::AnswerAndGoOn(mut settlement, key) => {
                    cx.count_drill(&mut settlement);
                    self.phase = Phase::Answered;
                    return Step::Answer(settlement, key);
                }
                Next::Finish(mut settlement) => {
                    cx.count_drill(&mut settlement);
                    return Step::Finish(settlement);
                }
            }
        }
    }

    /// The settings and topology by which this request is decided.
    #[must_use]
    pub fn view(&self) -> &View {
        &self.cx.view
    }

    /// How long from now on a driver that hears no more of the request holds it.
    #[must_use]
    pub fn lingers(&self, now: Timestamp) -> Duration {
        // The deadlines do not run while a client uploads.
        let longest = if self.cx.request.replay == Replay::Stream { LONGEST_UPLOAD } else { LINGER };
        self.cx.ends.since(now).saturating_add(longest)
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

    /// What the isolate should learn before anything else happens.
    #[must_use]
    pub fn take_observations(&mut self) -> Vec<Observation> {
        std::mem::take(&mut self.cx.observations)
    }

    /// Ends without an answer, since nobody waits for one; what the isolate should learn of it.
    #[must_use]
    pub fn abandon(mut self) -> Vec<Observation> {
        let sending = self.cx.sending.take();
        self.cx.observations.extend(sending.map(|sending| Observation::Heard(sending, SendResult::Nothing)));
        self.cx.observations
    }
}

/// The beginning: what the request carries is told, and the edge cache is looked into.
fn begin(cx: &mut Context, memory: &Memory) -> Next<'static> {
    cx.note(TraceEvent::Session(cx.request.session.verdict));
    if let Some(came) = cx.request.carried {
        let note = if came.believed { Note::Carried } else { Note::CarriedNotBelieved };
        cx.note(TraceEvent::Noted(note, None));
        if came.is_shown {
            cx.note(TraceEvent::Noted(Note::AddressCleaned, None));
            return Next::Finish(Box::new(cx.settling(None, Decision::SentOn).sent_on()));
        }
    }
    if cx.request.session.disbelieved > 0 {
        cx.note(TraceEvent::Noted(Note::PinNotBelieved, None));
    }
    if cx.request.session.clock_ahead {
        cx.note(TraceEvent::Noted(Note::ClockAhead, None));
    }
    cx.begin_drill();
    probe::first(cx, memory)
}

/// Who must be asked, where the edge cache has not answered: a read that any near replica may answer needs no home, everything else does.
fn route(cx: &mut Context) -> Next<'static> {
    if cx.is_read() && !cx.freshness.is_promised() {
        return Next::ReadNear;
    }
    match standing(&cx.request, &cx.view) {
        WriteTarget::Owned(owner, why) => Next::Owned(owner, why),
        WriteTarget::Unknown => Next::Homeless,
        WriteTarget::BySubject => match cx.known_home() {
            Some((ownership, source)) if !cx.has_seen_later(ownership) => {
                cx.note_source(ownership, source);
                Next::Owned(Owner::of(ownership), Choice::Home)
            }
            _ => Next::FindHome,
        },
    }
}

/// The router's own error, which is told.
fn noted(cx: &mut Context, refusal: Refusal) -> Next<'static> {
    cx.note(TraceEvent::Refused(refusal, None));
    Next::Fail(refusal)
}
