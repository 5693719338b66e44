//! What one isolate is: the flows in flight, what it remembers, what it reports. One [`Router`] serves all of its requests; a [`Flow`]
//! is one of them (as quinn-proto's `Endpoint` stands beside its `Connection`).

mod again;
mod flows;

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
};

use serde::Serialize;

use self::flows::{FlowTable, Forgotten};
use crate::{
    cache::{
        Offered,
        key::{KnownHashes, in_short},
    },
    flow::{Event, Flow, Step},
    http::{
        edits::Edits,
        method::{ROUTER, access_of},
        problem::Problem,
    },
    model::{access::Access, clock::StampClock, reasons::Refusal, time::Timestamp},
    observe::{
        memos::Memos,
        report::{IsolateReport, LogLine, Refused},
        snapshot::{self, Snapshot},
        tally::{DrillRow, DrillTally, row_of},
    },
    request::{admit::admit, incoming::IncomingRequest},
    settle::{self, Settlement, record::Record},
    state::{
        matrix,
        memory::{Memory, Observation},
        published::Published,
        view::View,
    },
    topology::{Region, settings::Settings, warnings::warnings},
};

pub use self::flows::FlowId;
pub use crate::model::entropy::Entropy;
pub use crate::observe::memos::MemoId;

/// With so many flows in the table the driver is to hear of each client that goes, whatever it holds: it costs a request a twentieth more, and else
/// clients that go would fill the table.
const MANY: usize = 64;

/// One isolate. Its driver (the edge, a simulation, a test, the command line) brings in what happens, and does what it says; it
/// does nothing by itself, and time is handed in.
///
/// The protocol of calls:
///
/// 1. [`begin`](Self::begin) for each request. It ends at the door with a [`Rejection`], or there is a [`Turn`].
/// 2. Write the turn's log. Where [`view_is_outdated`](Turn::view_is_outdated), read the view again, and hand it to
///    [`observe_view`](Self::observe_view).
/// 3. Do what the turn's [`Step`] says, and call [`resume`](Self::resume) with what came of it. That is the next turn: go on at 2, until
///    its step is [`Step::Finish`].
/// 4. If the client goes before that, [`abandon`](Self::abandon). During a send the driver need not hear of it, unless the
///    [`Attempt`](crate::Attempt) says `listen`: a flow of which nobody tells is forgotten some time after its deadline.
///
/// A driver that remembers stored responses itself spares a step: it brings what it has along ([`begin_offered`](Self::begin_offered)). Such
/// an answer may come with a [memo](Turn::memo): as long as the driver has that very stored response, who asks alike gets the same answer, if
/// [`again`](Self::again) says so.
///
/// Between any two calls others may come, about other requests or of what is heard (`observe_*`). What a call teaches, the next one finds.
///
/// No borrow is held while a flow runs. A panic on Wasm is a trap, which unwinds nothing: a borrow that was held then would be held for
/// ever, and fail every later request. So a flow is taken out of the table while it runs, and the memory is shared with it; what changes
/// is taken out, changed and put back. A panic loses the flow in which it happens, and harms no other.
///
/// ```
/// use homing_core::{
///     Answer, Client, Content, Entropy, Event, Found, Framing, Headers, IncomingRequest, Logging, Outcome, Probed, Router, Secrets, Step,
///     Timestamp, config::secrets,
/// };
/// use std::rc::Rc;
///
/// let vars = r#"{"REGIONS":{"us":{"origin":"https://us.example"},"eu":{"origin":"https://eu.example"}}}"#;
/// let secrets = Secrets { session_key: "", session_key_old: "", origin_key: "" };
/// let settings = secrets::read(vars, &secrets, "dev", || Some(7)).unwrap();
/// let router = Router::new(Rc::new(settings), Logging::All, 1, Entropy::Fixed(7));
///
/// let now = Timestamp(1_767_225_600_000);
/// let mut turn = router
///     .begin(&IncomingRequest {
///         now,
///         method: "PUT",
///         url: "https://shop.example/cart?item=1",
///         headers: Headers(vec![("content-length", "2")]),
///         content: Content::Length(2),
///         client: Client::default(),
///     })
///     .unwrap();
/// let mut sent = Vec::new();
/// let status = loop {
///     let event = match &turn.step {
///         Step::Finish(settlement) => break settlement.status,
///         Step::Answer(..) => Event::GoOn,
///         Step::ProbeCache(_) => Event::Cache(Probed::default()),
///         Step::LookUpHome(_) | Step::AssignHome(_) => Event::Home(Found::Failed),
///         Step::Send(attempt) => {
///             sent.push(attempt.url.clone());
///             Event::Origin(Outcome::Answered(Answer { status: 201, headers: Headers(vec![]), framing: Framing::Delimited }))
///         }
///     };
///     turn = router.resume(turn.id, event, now).unwrap();
/// };
/// assert_eq!((status, sent), (201, vec!["https://us.example/cart?item=1".to_owned()]));
/// assert_eq!((turn.log.len(), router.in_flight()), (1, 0));
/// ```
pub struct Router {
    settings: Rc<Settings>,
    logging: Logging,
    node: u32,
    entropy: RefCell<Entropy>,
    clock: Cell<StampClock>,
    /// Nothing where nothing is remembered yet, so that to take it out costs nothing.
    memory: RefCell<Option<Rc<Memory>>>,
    report: RefCell<Option<Box<IsolateReport>>>,
    drilled: RefCell<DrillTally>,
    hashes: RefCell<KnownHashes>,
    memos: RefCell<Memos>,
    /// Lines for the log that no turn has told yet.
    untold: RefCell<Vec<String>>,
    flows: RefCell<FlowTable>,
    next_id: Cell<u32>,
    journal: Option<RefCell<Vec<Observation>>>,
}

/// What is to be done next for a request, and for the isolate.
#[derive(Debug)]
pub struct Turn {
    /// By what to [`resume`](Router::resume) the flow.
    pub id: FlowId,
    /// What the flow asks for.
    pub step: Step,
    /// Lines for the log, each in JSON.
    pub log: Vec<String>,
    /// Whether an origin has named an owner that the published view does not have yet.
    pub view_is_outdated: bool,
    /// By what the answer may be given [again](Router::again), if it may.
    pub memo: Option<MemoId>,
}

/// What a request gets that has no flow: it was refused at the door, or its flow is gone. A write among them was certainly not sent.
#[derive(Debug)]
pub struct Rejection {
    /// Why.
    pub problem: Problem,
    /// The status of the answer.
    pub status: u16,
    /// Its header fields.
    pub edits: Edits,
    /// Its body.
    pub body: String,
    /// Lines for the log, each in JSON.
    pub log: Vec<String>,
}

/// Which requests are logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Logging {
    /// All of them.
    All,
    /// Those that failed, or were sent more than once.
    Problems,
    /// None.
    Off,
}

/// What a view that was read says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ViewTaken {
    /// Whether every dataset that needs an owner is named now. If not, the authority itself is to be asked.
    pub is_whole: bool,
    /// Whether it could be read. If not, a later version may have written it.
    pub is_readable: bool,
}

/// A region as a place to look at the others from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vantage<'r> {
    /// The region's name.
    pub region: &'r str,
    /// Where the platform is to put what looks from there; empty where nothing is known.
    pub hint: &'static str,
    /// Whether no report from there is known that still counts.
    pub is_silent: bool,
}

/// What the authority takes in of a drill.
#[derive(Serialize)]
struct Told {
    r#do: &'static str,
    drill: String,
    rows: Vec<DrillRow>,
}

impl Router {
    /// An isolate that knows nothing yet. `node` tells it from others in clock stamps and on the dashboard; everybody sees it.
    #[must_use]
    pub fn new(settings: Rc<Settings>, logging: Logging, node: u32, entropy: Entropy) -> Self {
        Self {
            settings,
            logging,
            node,
            entropy: RefCell::new(entropy),
            clock: Cell::new(StampClock::new(node)),
            memory: RefCell::default(),
            report: RefCell::default(),
            drilled: RefCell::default(),
            hashes: RefCell::default(),
            memos: RefCell::default(),
            untold: RefCell::default(),
            flows: RefCell::default(),
            next_id: Cell::new(1),
            journal: None,
        }
    }

    /// The same with that memory.
    #[must_use]
    pub fn with_memory(self, memory: Memory) -> Self {
        self.memory.replace(Some(Rc::new(memory)));
        self
    }

    /// The same, with all that it observes written down, for tests ([`journal`](Self::journal)).
    #[must_use]
    pub fn with_journal(self) -> Self {
        Self { journal: Some(RefCell::default()), ..self }
    }

    /// Admits a request and begins its flow.
    ///
    /// # Errors
    /// If it is refused at the door.
    pub fn begin(&self, incoming: &IncomingRequest<'_>) -> Result<Turn, Box<Rejection>> {
        self.begin_offered(incoming, None)
    }

    /// The same, by a driver that has something in its own memory. If that is what the flow would look for first, it goes on with it at once.
    ///
    /// # Errors
    /// If it is refused at the door.
    pub fn begin_offered(
        &self,
        incoming: &IncomingRequest<'_>,
        offered: Option<&Offered<'_>>,
    ) -> Result<Turn, Box<Rejection>> {
        let now = incoming.now;
        let (mut clock, mut entropy) = (self.clock.get(), self.entropy.borrow().clone());
        let admitted = admit(incoming, &self.settings, &mut clock, &mut entropy);
        self.clock.set(clock);
        self.entropy.replace(entropy);
        let request = admitted.map_err(|problem| self.refused(problem, incoming.method, now))?;
        let id = FlowId(self.next_id.get());
        self.next_id.set(id.0.wrapping_add(1));
        let memory = self.memory();
        #[cfg(feature = "planted-panic")]
        if incoming.headers.has("planted-panic") {
            planted();
        }
        let view = Rc::new(View::capture(&self.settings, &memory, now));
        let known = changing(&self.hashes, |hashes| hashes.of(&request.target));
        let is_known = known.is_some_and(|hash| request.in_keys.set(hash).is_ok());
        let (mut flow, mut step) = Flow::start(request, view, &memory, now);
        if let (false, Some(hash)) = (is_known, flow.request().in_keys.get()) {
            changing(&self.hashes, |hashes| hashes.keep(&flow.request().target, hash));
        }
        let offered = offered.filter(|offered| step.looks_for(offered.key));
        if let Some(offered) = offered {
            step = flow.on(Event::Cache(offered.probed), memory.health(), now);
        }
        drop(memory);
        let mut turn = self.advance(id, Box::new(flow), step, now);
        turn.memo = offered.and_then(|offered| self.memo(&turn, incoming, offered.key));
        Ok(turn)
    }

    /// Goes on with a flow, of whose last step this came.
    ///
    /// # Errors
    /// If there is no such flow: it was given up since nobody had told of it for longer than a request may take, or it panicked.
    pub fn resume(&self, id: FlowId, event: Event<'_>, now: Timestamp) -> Result<Turn, Box<Rejection>> {
        let Some(mut flow) = self.take(id) else {
            let problem = Problem::of(Refusal::DeadlineExceeded);
            return Err(Rejection::new(problem, Access::Read, self.settings.topology.edge_name(), now));
        };
        let memory = self.memory();
        #[cfg(feature = "planted-panic")]
        if let Event::Origin(crate::flow::Outcome::Answered(answer)) = &event
            && answer.headers.has("planted-panic")
        {
            planted();
        }
        let step = flow.on(event, memory.health(), now);
        drop(memory);
        Ok(self.advance(id, flow, step, now))
    }

    /// Forgets a flow whose client has gone.
    pub fn abandon(&self, id: FlowId, now: Timestamp) {
        self.observe(self.take(id).map(|flow| flow.abandon()).unwrap_or_default(), now);
    }

    fn advance(&self, id: FlowId, mut flow: Box<Flow>, mut step: Step, now: Timestamp) -> Turn {
        // Before anything else happens: the next request must find what this one does.
        self.observe(flow.take_observations(), now);
        if !matches!(step, Step::Finish(_)) {
            self.keep(id, flow, now);
        }
        if let Step::Send(attempt) = &mut step {
            attempt.listen |= self.in_flight() >= MANY;
        }
        let (log, view_is_outdated) = match &mut step {
            Step::Answer(settlement, _) | Step::Finish(settlement) => self.settle(settlement, now),
            _ => (Vec::new(), false),
        };
        Turn { id, step, log, view_is_outdated, memo: None }
    }

    /// Takes in what a settlement teaches. Lines for the log, and whether the view is outdated.
    fn settle(&self, settlement: &mut Settlement, now: Timestamp) -> (Vec<String>, bool) {
        settlement.forgo_storing_in_vain(&self.memory(), now);
        self.observe(std::mem::take(&mut settlement.observations), now);
        let (record, topology) = (&settlement.record, &self.settings.topology);
        let line = self.logging.includes(settlement).then(|| json(&LogLine::of(record, topology)));
        let mut clock = self.clock.get();
        clock.take(record.told.time, now);
        self.clock.set(clock);
        let view_is_outdated = self.remember(Memory::take_outdone);
        self.count(record, now);
        let mut log = self.untold.take();
        log.extend(line);
        log.extend(self.report(record));
        (log, view_is_outdated)
    }

    /// Counts what an answer was. Lines for the log.
    fn report(&self, record: &Rc<Record>) -> impl Iterator<Item = String> {
        let topology = &self.settings.topology;
        let alerts = self.reporting(|report| {
            let alerts = report.observe(record, topology);
            report.add(Rc::clone(record));
            alerts
        });
        let is_told = self.logging != Logging::Off;
        alerts.into_iter().flatten().filter(move |_| is_told).map(|alert| json(&alert.show(topology)))
    }

    /// Counts a request that took part in a drill, which ends here if too many go wrong.
    fn count(&self, record: &Record, now: Timestamp) {
        let Some(drilled) = &record.drilled else { return };
        let Some(drill) = self.memory().drill(now).cloned() else { return };
        let row = row_of(record, drilled, &self.settings.topology);
        if changing(&self.drilled, |tally| tally.add(&drill, row, drilled.by)) {
            self.observe_drill_over(&drill.id, now);
        }
    }

    fn take(&self, id: FlowId) -> Option<Box<Flow>> {
        self.flows.borrow_mut().take(id)
    }

    fn keep(&self, id: FlowId, flow: Box<Flow>, now: Timestamp) {
        let forgotten = changing(&self.flows, |table| table.keep(id, flow, now));
        self.forget(forgotten, now);
    }

    fn forget(&self, forgotten: Forgotten, now: Timestamp) {
        forgotten.into_iter().for_each(|flow| self.observe(flow.abandon(), now));
    }

    fn refused(&self, problem: Problem, method: &str, now: Timestamp) -> Box<Rejection> {
        self.reporting(IsolateReport::refused);
        let line = (self.logging != Logging::Off).then(|| json(&Refused::new(&problem, method, now)));
        let mut rejection = Rejection::new(problem, access_of(method), self.settings.topology.edge_name(), now);
        rejection.log.extend(line);
        rejection
    }

    /// Takes in a view that the authority has published.
    pub fn observe_view(&self, text: &str, now: Timestamp) -> ViewTaken {
        let topology = &self.settings.topology;
        let read = Published::read(text, topology);
        let is_readable = read.is_some() || text.is_empty();
        self.observe(read.map(Observation::Published).into_iter().collect(), now);
        ViewTaken { is_whole: self.memory().published().names_all(topology), is_readable }
    }

    /// Takes in what a vantage point has found.
    pub fn observe_probes(&self, text: &str, now: Timestamp) {
        let probes = matrix::ProbeReport::read(text, &self.settings.topology);
        self.observe(probes.map(Observation::Measured).into_iter().collect(), now);
    }

    /// The store did not take what was to lie under that key: nobody waits for it to.
    pub fn observe_not_stored(&self, key: &str, now: Timestamp) {
        self.observe(vec![Observation::Refused(in_short(key))], now);
    }

    /// The drill of that name is over.
    pub fn observe_drill_over(&self, id: &str, now: Timestamp) {
        self.observe(vec![Observation::DrillOver(id.to_owned())], now);
    }

    fn observe(&self, observations: Vec<Observation>, now: Timestamp) {
        if observations.is_empty() {
            return;
        }
        if let Some(journal) = &self.journal {
            changing(journal, |journal| journal.extend_from_slice(&observations));
        }
        changing(&self.memos, |memos| observations.iter().for_each(|observation| memos.learn(observation)));
        self.remember(|memory| observations.into_iter().for_each(|observation| memory.observe(observation, now)));
    }

    /// Changes the report, which lies boxed: what is taken out and put back for each request is large.
    fn reporting<R>(&self, change: impl FnOnce(&mut IsolateReport) -> R) -> R {
        changing(&self.report, |report| change(report.get_or_insert_default()))
    }

    fn remember<R>(&self, change: impl FnOnce(&mut Memory) -> R) -> R {
        // By a copy where a trap has left a reader behind.
        changing(&self.memory, |memory| change(Rc::make_mut(memory.get_or_insert_default())))
    }

    /// What the isolate remembers. Let go of it before the next call, which would else learn by a copy of it.
    #[must_use]
    pub fn memory(&self) -> Rc<Memory> {
        self.memory.borrow().clone().unwrap_or_default()
    }

    /// All that was observed since this was last called; nothing without [`with_journal`](Self::with_journal).
    #[must_use]
    pub fn journal(&self) -> Vec<Observation> {
        self.journal.as_ref().map(RefCell::take).unwrap_or_default()
    }

    /// How many flows are under way.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.flows.borrow().len()
    }

    /// What the authority is to be told of a drill, as an input of it in JSON; empty if there is nothing new.
    #[must_use]
    pub fn take_drill_rows(&self) -> String {
        let untold = changing(&self.drilled, DrillTally::take);
        untold.map_or_else(String::new, |(drill, rows)| json(&Told { r#do: "drilled", drill, rows }))
    }

    /// Where to look at the regions from.
    #[must_use]
    pub fn vantages(&self, now: Timestamp) -> Vec<Vantage<'_>> {
        let matrix = Rc::clone(self.memory().matrix());
        let regions = self.settings.topology.regions();
        regions
            .map(|(id, region)| Vantage {
                region: &region.name,
                hint: hint(region),
                is_silent: !matrix.has_told(id, now),
            })
            .collect()
    }

    /// Where objects should be that stand beside no region; empty where nothing says so.
    #[must_use]
    pub fn home_hint(&self) -> &'static str {
        hint(self.settings.topology.region(self.settings.topology.default_home()))
    }

    /// What an operator should know of the settings; a line each.
    #[must_use]
    pub fn warnings(&self) -> Vec<String> {
        warnings(&self.settings)
    }

    /// This isolate's part of the snapshot for operators, as JSON. `memory_bytes` is the memory that it has taken.
    #[must_use]
    pub fn snapshot(&self, memory_bytes: usize, now: Timestamp) -> String {
        self.forget(changing(&self.flows, |table| table.sweep(now)), now);
        let own = snapshot::Isolate { node: self.node, in_flight: self.in_flight(), memory_bytes };
        let memory = self.memory();
        let view = View::capture(&self.settings, &memory, now);
        self.reporting(|report| json(&Snapshot::of(report, &view, memory.health(), &own)))
    }

    /// What the origins' `Homing-Wrote` says of their requests, as JSON: [`Suggestions`](crate::observe::suggest::Suggestions).
    #[must_use]
    pub fn suggestions(&self) -> String {
        self.reporting(|report| json(report.suggestions()))
    }
}

impl Turn {
    /// What the client gets, if this is where it gets it.
    #[must_use]
    pub fn settlement(&self) -> Option<&Settlement> {
        match &self.step {
            Step::Answer(settlement, _) | Step::Finish(settlement) => Some(settlement),
            _ => None,
        }
    }
}

impl Rejection {
    fn new(problem: Problem, access: Access, name: &str, now: Timestamp) -> Box<Self> {
        let (status, edits, body) = settle::refusal(&problem, access, name, now);
        Box::new(Self { problem, status, edits, body, log: Vec::new() })
    }

    /// A driver that cannot go on, for a reason of its own.
    #[must_use]
    pub fn internal(now: Timestamp) -> Box<Self> {
        Self::new(Problem::of(Refusal::Internal), Access::Read, ROUTER, now)
    }
}

impl Logging {
    /// As `LOG` says it; all where it says nothing that is known.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        match text {
            "off" => Self::Off,
            "problems" => Self::Problems,
            _ => Self::All,
        }
    }

    fn includes(self, settlement: &Settlement) -> bool {
        match self {
            Self::All => true,
            Self::Problems => settlement.status >= 500 || settlement.record.attempts > 1,
            Self::Off => false,
        }
    }
}

fn hint(region: &Region) -> &'static str {
    region.location.as_ref().map_or("", matrix::location_hint)
}

/// Takes out what is in there, changes it, and puts it back. A trap in between loses what was in there; the isolate lives.
fn changing<T: Default, R>(cell: &RefCell<T>, change: impl FnOnce(&mut T) -> R) -> R {
    let mut value = cell.take();
    let result = change(&mut value);
    cell.replace(value);
    result
}

fn json(of: &impl Serialize) -> String {
    serde_json::to_string(of).unwrap_or_default()
}

#[cfg(feature = "planted-panic")]
#[allow(clippy::panic, reason = "a test build plants this to show that a panic harms nobody else")]
fn planted() {
    panic!("planted");
}

#[cfg(test)]
#[path = "router_tests.rs"]
mod tests;
