//! The state of one isolate: settings, memory, the flows in flight, the report.
//!
//! A panic on Wasm is a trap: nothing is unwound, so a borrow that was held then would be held for ever, and fail every later
//! request. So none is held while anything is computed. A flow is taken out of the table while it is stepped, and the memory is
//! shared with it; what changes is taken out, changed and put back ([`changing`]). A panic in a flow loses that flow alone.

use std::{
    cell::{Cell, RefCell},
    collections::HashMap,
    hash::{DefaultHasher, Hash, Hasher},
    rc::Rc,
    thread::LocalKey,
};

use serde::Serialize;

use crate::wire;
use homing_core::{
    cache::key::in_short,
    flow::{Flow, step::Step},
    http::{
        method::{ROUTER, access_of},
        problem::Problem,
    },
    model::{access::Access, clock::StampClock, geo::Location, ids::RegionId, reasons::Refusal, time::Timestamp},
    observe::{
        report::{IsolateReport, LogLine, Refused},
        snapshot::{self, Snapshot},
        tally::{DrillRow, DrillTally, row_of},
    },
    request::admit::admit,
    settle::{Settlement, record::Record},
    state::{
        matrix,
        memory::{Memory, Observation},
        published::Published,
        view::View,
    },
    topology::{
        Region,
        secrets::{self, Secrets},
        settings::Settings,
    },
};

/// Which requests are logged.
#[derive(Clone, Copy, PartialEq)]
enum Log {
    All,
    Problems,
    Off,
}

/// What an isolate holds.
struct Isolate {
    settings: Rc<Settings>,
    log: Log,
    node: u32,
}

/// The table of flows is swept when it has grown to this, or to twice what the last sweep left.
const SWEEP: usize = 64;

thread_local! {
    static ISOLATE: RefCell<Option<Rc<Isolate>>> = const { RefCell::new(None) };
    static MEMORY: RefCell<Option<Rc<Memory>>> = const { RefCell::new(None) };
    static REPORT: RefCell<IsolateReport> = RefCell::default();
    static DRILLED: RefCell<DrillTally> = RefCell::default();
    static CLOCK: Cell<StampClock> = Cell::new(StampClock::new(0));
    static FLOWS: RefCell<HashMap<u32, Box<Flow>>> = RefCell::default();
    static NEXT_SWEEP: Cell<usize> = const { Cell::new(SWEEP) };
    static NEXT_ID: Cell<u32> = const { Cell::new(1) };
    static CHANCE: Cell<Chance> = const { Cell::new(Chance { secret: [0; 2], drawn: 0 }) };
}

pub(crate) fn configure(vars: &str, secrets: &Secrets<'_>, flags: &str) -> Result<(), String> {
    let settings = secrets::read(vars, secrets, flags, || {
        let (high, low) = (getrandom::u64().ok()?, getrandom::u64().ok()?);
        Some(u128::from(high) << 64 | u128::from(low))
    })?;
    let log = match flags.split(',').next_back() {
        Some("off") => Log::Off,
        Some("problems") => Log::Problems,
        _ => Log::All,
    };
    let random = || getrandom::u64().map_err(|error| format!("no randomness: {error}"));
    CHANCE.set(Chance { secret: [random()?, random()?], drawn: 0 });
    // Drawn by itself: every origin and operator sees it.
    let node = getrandom::u32().map_err(|error| format!("no randomness: {error}"))?;
    CLOCK.set(StampClock::new(node));
    ISOLATE.replace(Some(Rc::new(Isolate { settings: Rc::new(settings), log, node })));
    Ok(())
}

/// What decides where chance does, of a secret that never leaves: who sees some of these numbers can tell neither it nor the
/// others (SipHash). Drawn once an isolate, so that a request needs no crossing into JavaScript for it.
#[derive(Clone, Copy)]
struct Chance {
    secret: [u64; 2],
    drawn: u64,
}

fn entropy() -> u64 {
    let mut chance = CHANCE.get();
    chance.drawn = chance.drawn.wrapping_add(1);
    CHANCE.set(chance);
    let mut hasher = DefaultHasher::new();
    (chance.secret, chance.drawn).hash(&mut hasher);
    hasher.finish()
}

fn isolate() -> Option<Rc<Isolate>> {
    ISOLATE.with_borrow(Clone::clone)
}

pub(crate) fn begin(now: Timestamp, location: Option<Location>, text: &str) -> String {
    let Some(isolate) = isolate() else { return internal(now) };
    let Some(incoming) = wire::incoming(text, location, now, entropy(), isolate.node) else { return internal(now) };
    let mut clock = CLOCK.get();
    let admitted = admit(&incoming, &isolate.settings, &mut clock);
    CLOCK.set(clock);
    match admitted {
        Err(problem) => {
            changing(&REPORT, IsolateReport::refused);
            let line = (isolate.log != Log::Off).then(|| json(&Refused::new(&problem, incoming.method, now)));
            let name = isolate.settings.topology.edge_name();
            wire::refusal(&problem, access_of(incoming.method), name, now, line.as_deref())
        }
        Ok(request) => {
            let id = NEXT_ID.get();
            NEXT_ID.set(id.wrapping_add(1));
            let memory = memory();
            #[cfg(feature = "planted-panic")]
            if incoming.headers.has("planted-panic") {
                planted();
            }
            let view = Rc::new(View::capture(&isolate.settings, &memory, now));
            let (flow, step) = Flow::start(request, view, &memory, now);
            drop(memory);
            advance(&isolate, id, Box::new(flow), step, now)
        }
    }
}

pub(crate) fn resume(id: u32, now: Timestamp, text: &str) -> String {
    let Some(isolate) = isolate() else { return internal(now) };
    // Before the flow is taken out of the table: what cannot be read must not lose it.
    let Some(event) = wire::event(text) else { return internal(now) };
    let Some(mut flow) = FLOWS.with_borrow_mut(|flows| flows.remove(&id)) else {
        let name = isolate.settings.topology.edge_name();
        return wire::refusal(&Problem::of(Refusal::DeadlineExceeded), Access::Read, name, now, None);
    };
    let memory = memory();
    #[cfg(feature = "planted-panic")]
    if text.contains("\nplanted-panic\n") {
        planted();
    }
    let step = flow.on(event, memory.health(), now);
    drop(memory);
    advance(&isolate, id, flow, step, now)
}

fn advance(isolate: &Isolate, id: u32, mut flow: Box<Flow>, step: Step, now: Timestamp) -> String {
    // Before anything else happens: the next request must find what this one does.
    observe(flow.take_observations(), now);
    match step {
        Step::Finish(settlement) => finish(isolate, *settlement, now, wire::finish),
        Step::Answer(settlement, key) => {
            keep(id, flow, now);
            finish(isolate, *settlement, now, |end, said| wire::answered(id, &key, end, said))
        }
        step => {
            let text = wire::step(id, &step);
            keep(id, flow, now);
            text
        }
    }
}

fn finish(
    isolate: &Isolate,
    mut settlement: Settlement,
    now: Timestamp,
    write: impl FnOnce(&Settlement, &wire::Said) -> String,
) -> String {
    settlement.forgo_storing_in_vain(&memory(), now);
    observe(std::mem::take(&mut settlement.observations), now);
    let logged = match isolate.log {
        Log::All => true,
        Log::Problems => settlement.status >= 500 || settlement.record.attempts > 1,
        Log::Off => false,
    };
    let (record, topology) = (&settlement.record, &isolate.settings.topology);
    let line = logged.then(|| json(&LogLine::of(record, topology)));
    let alarm = changing(&REPORT, |report| report.weigh(record, topology));
    let alarm = alarm.filter(|_| isolate.log != Log::Off).map(|alarm| json(&alarm.show(topology)));
    let log = line.into_iter().chain(alarm).collect();
    let view_is_old = remembering(Memory::take_outdone);
    let text = write(&settlement, &wire::Said { log, view_is_old });
    count(isolate, &settlement.record, now);
    changing(&REPORT, |report| report.add(settlement.record));
    text
}

fn observe(observations: Vec<Observation>, now: Timestamp) {
    if !observations.is_empty() {
        remembering(|memory| observations.into_iter().for_each(|observation| memory.observe(observation, now)));
    }
}

/// Shared with whoever reads it: the next observation is learned by a copy where a trap has left a reader behind.
fn memory() -> Rc<Memory> {
    MEMORY.with_borrow(Clone::clone).unwrap_or_default()
}

fn remembering<R>(change: impl FnOnce(&mut Memory) -> R) -> R {
    changing(&MEMORY, |memory| change(Rc::make_mut(memory.get_or_insert_default())))
}

/// Takes out what is in there, changes it, and puts it back. A trap in between loses what was in there; the isolate lives.
fn changing<T: Default, R>(cell: &'static LocalKey<RefCell<T>>, change: impl FnOnce(&mut T) -> R) -> R {
    let mut value = cell.take();
    let result = change(&mut value);
    cell.set(value);
    result
}

/// Counts a request that took part in a drill, which ends here if too many go wrong.
fn count(isolate: &Isolate, record: &Record, now: Timestamp) {
    let Some(drilled) = &record.drilled else { return };
    let Some(drill) = memory().drill(now).cloned() else { return };
    let row = row_of(record, drilled, &isolate.settings.topology);
    if changing(&DRILLED, |tally| tally.add(&drill, row, drilled.by)) {
        observe(vec![Observation::DrillOver(drill.id.clone())], now);
    }
}

/// What the authority takes in of a drill.
#[derive(Serialize)]
struct Told {
    r#do: &'static str,
    drill: String,
    rows: Vec<DrillRow>,
}

fn json(of: &impl Serialize) -> String {
    serde_json::to_string(of).unwrap_or_default()
}

/// What the authority is to be told of a drill; empty if there is nothing new.
pub(crate) fn drilled() -> String {
    let untold = changing(&DRILLED, DrillTally::take);
    untold.map_or_else(String::new, |(drill, rows)| json(&Told { r#do: "drilled", drill, rows }))
}

/// The drill of that name is over.
pub(crate) fn drill_over(id: &str, now: Timestamp) {
    observe(vec![Observation::DrillOver(id.to_owned())], now);
}

fn keep(id: u32, flow: Box<Flow>, now: Timestamp) {
    let forgotten = changing(&FLOWS, |flows| {
        let mut forgotten = Vec::new();
        if flows.len() >= NEXT_SWEEP.get() {
            forgotten.extend(flows.extract_if(|_, flow| flow.forgettable() <= now).map(|(_, flow)| flow));
            NEXT_SWEEP.set((flows.len() * 2).max(SWEEP));
        }
        flows.insert(id, flow);
        forgotten
    });
    forgotten.into_iter().for_each(|flow| observe(flow.abandon(), now));
}

/// See [`super::router::published`].
pub(crate) fn published(text: &str, now: Timestamp) -> u8 {
    let Some(settings) = settings() else { return 0 };
    let read = Published::read(text, &settings.topology);
    let unreadable = read.is_none() && !text.is_empty();
    observe(read.map(Observation::Published).into_iter().collect(), now);
    let whole = memory().published().names_all(&settings.topology);
    u8::from(!whole) + 2 * u8::from(unreadable)
}

/// The store did not take what was to lie under that key: nobody waits for it to.
pub(crate) fn not_stored(key: &str, now: Timestamp) {
    observe(vec![Observation::Refused(in_short(key))], now);
}

pub(crate) fn measured(text: &str, now: Timestamp) {
    let Some(settings) = settings() else { return };
    observe(matrix::ProbeReport::read(text, &settings.topology).map(Observation::Measured).into_iter().collect(), now);
}

/// The regions, a line each: name, the platform's hint for an object near it, and 1 if no report from there is known that still counts.
pub(crate) fn vantages(now: Timestamp) -> String {
    let Some(settings) = settings() else { return String::new() };
    let matrix = Rc::clone(memory().matrix());
    let line = |(id, region): (RegionId, &Region)| {
        let silent = if matrix.has_told(id, now) { "" } else { "1" };
        format!("{}\t{}\t{silent}", region.name, hint(region))
    };
    settings.topology.regions().map(line).collect::<Vec<_>>().join("\n")
}

/// The hint of the default home.
pub(crate) fn home_hint() -> String {
    settings().map_or("", |settings| hint(settings.topology.region(settings.topology.default_home()))).to_owned()
}

fn hint(region: &Region) -> &'static str {
    region.location.as_ref().map_or("", matrix::location_hint)
}

pub(crate) fn abandon(id: u32, now: Timestamp) {
    let gone = FLOWS.with_borrow_mut(|flows| flows.remove(&id));
    observe(gone.map(|flow| flow.abandon()).unwrap_or_default(), now);
}

fn internal(now: Timestamp) -> String {
    wire::refusal(&Problem::of(Refusal::Internal), Access::Read, ROUTER, now, None)
}

fn settings() -> Option<Rc<Settings>> {
    isolate().map(|isolate| Rc::clone(&isolate.settings))
}

pub(crate) fn warnings() -> String {
    settings().map(|settings| homing_core::topology::warnings::warnings(&settings).join("\n")).unwrap_or_default()
}

/// This isolate's part of the snapshot, as JSON.
pub(crate) fn snapshot(now: Timestamp) -> String {
    let Some(isolate) = isolate() else { return String::new() };
    let in_flight = FLOWS.with_borrow(HashMap::len);
    let own =
        snapshot::Isolate { node: isolate.node, in_flight, memory_bytes: core::arch::wasm32::memory_size(0) * 65536 };
    let memory = memory();
    let view = View::capture(&isolate.settings, &memory, now);
    changing(&REPORT, |report| json(&Snapshot::of(report, &view, memory.health(), &own)))
}

/// Route lines to add, as JSON or as TOML.
pub(crate) fn suggestions(as_toml: bool) -> String {
    let Some(settings) = settings() else { return String::new() };
    changing(&REPORT, |report| {
        let all = report.suggestions();
        if as_toml { all.toml(&settings.topology) } else { json(&all.show(&settings.topology)) }
    })
}

#[cfg(feature = "planted-panic")]
#[allow(clippy::panic, reason = "a test build plants this to show that a panic harms nobody else")]
fn planted() {
    panic!("planted");
}
