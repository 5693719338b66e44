//! The world: one heap of what happens next, one source of chance, and everything that it happens to.

use std::{
    cmp::Ordering,
    collections::{BTreeMap, BinaryHeap},
};

use history::{Action as Shown, Operation, Record, Status};
use homing::routing::Timestamp;

use crate::{
    bugs::Bug,
    client::{Action, Client, Deed, Place, TENANTS, USERS},
    data::{Dataset, Id, Message, REGIONS},
    drive::{Back, Request},
    edge::{EDGES, Edge, Response},
    faults::{self, Fault},
    network::Network,
    origin::{Habits, Visit},
    random::Random,
};

pub const START: u64 = 1_767_225_600_000;
/// A client that has heard nothing for so long gives up.
const PATIENCE: u64 = 60_000;

/// What happens.
pub enum Event {
    /// A client does the next thing.
    Begin(usize),
    /// A request is at its edge.
    Arrive(usize),
    /// Something comes back to a request at its edge.
    Back(usize, u32, Back),
    /// A request is at a region.
    Visit(usize, u32, Visit),
    /// An answer is at its client.
    Answer(usize, Response),
    /// A client has waited long enough.
    GiveUp(usize),
    /// A message is at a region.
    Deliver(usize, Message),
    /// A copy is in the store of an edge.
    Keep(usize, String, Response),
    /// A home can be read at an edge.
    Publish(usize, String, String),
    Fault(Fault),
}

struct Timed {
    at: u64,
    order: u64,
    event: Event,
}

impl Ord for Timed {
    fn cmp(&self, other: &Self) -> Ordering {
        (other.at, other.order).cmp(&(self.at, self.order))
    }
}

impl PartialOrd for Timed {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Timed {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Timed {}

pub struct World {
    pub now: u64,
    order: u64,
    heap: BinaryHeap<Timed>,
    pub random: Random,
    pub datasets: Vec<Dataset>,
    pub network: Network,
    pub edges: Vec<Edge>,
    pub clients: Vec<Client>,
    pub requests: Vec<Request>,
    pub habits: Habits,
    pub records: Vec<Record>,
    /// How often what has happened.
    pub seen: BTreeMap<&'static str, u64>,
    /// All is healed: nothing goes wrong any more.
    pub calm: bool,
    /// What is told of it, where somebody wants to know.
    pub story: Option<Vec<String>>,
    next_id: Id,
}

/// What came of a world.
pub struct Outcome {
    pub records: Vec<Record>,
    pub seen: BTreeMap<&'static str, u64>,
    pub story: Vec<String>,
    /// Reads that were not answered although nothing was wrong any more.
    pub unanswered: Vec<String>,
}

impl World {
    pub fn new(seed: u64, bug: Option<Bug>, tells: bool) -> Self {
        let mut random = Random::new(seed);
        let homes: [usize; 2] = std::array::from_fn(|_| random.index(3));
        let tenants: [usize; 2] = std::array::from_fn(|_| random.index(3));
        let dataset = |at, name, positions, split, homes: &[usize]| Dataset::new(at, name, positions, split, homes);
        let fresh = |random: &mut Random| random.below(10);
        let habits = Habits {
            later_epochs_do: random.chance(500),
            fences_reads: random.chance(500),
            says_least: random.chance(700),
            says_wrote: random.chance(500),
            // Without positions a copy may not live longer than a window, less what replication takes.
            fresh: [fresh(&mut random), fresh(&mut random), fresh(&mut random), fresh(&mut random), 1, 1],
            bug,
        };
        let mut world = Self {
            now: 0,
            order: 0,
            heap: BinaryHeap::new(),
            datasets: vec![
                dataset(0, "orders", true, false, &[0]),
                dataset(1, "prices", true, false, &[1]),
                dataset(2, "mail", true, true, &homes),
                dataset(3, "notes", true, true, &tenants),
                dataset(4, "news", false, false, &[0]),
                dataset(5, "profile", false, true, &homes),
            ],
            network: Network::default(),
            edges: (0..EDGES).map(Edge::new).collect(),
            clients: (0..5).map(|at| Client::new(at, &mut random)).collect(),
            requests: Vec::new(),
            habits,
            records: Vec::new(),
            seen: BTreeMap::new(),
            calm: false,
            story: tells.then(Vec::new),
            next_id: 1,
            random,
        };
        world.publish_homes();
        for client in 0..world.clients.len() {
            world.clients[client].left = 40;
            let at = world.random.below(500);
            world.after(at, Event::Begin(client));
        }
        faults::plan(&mut world);
        world
    }

    pub fn after(&mut self, millis: u64, event: Event) {
        self.order += 1;
        self.heap.push(Timed { at: self.now + millis, order: self.order, event });
    }

    pub fn timestamp(&self) -> Timestamp {
        Timestamp(START + self.now)
    }

    pub fn count(&mut self, what: &'static str) {
        *self.seen.entry(what).or_default() += 1;
    }

    pub fn tell(&mut self, what: impl FnOnce(&Self) -> String) {
        if self.story.is_some() {
            let line = format!("{:>8} {}", self.now, what(self));
            self.story.as_mut().unwrap().push(line);
        }
    }

    /// Until nothing happens any more; then all is well, and every client reads everything everywhere once more.
    pub fn run(mut self) -> Outcome {
        self.until_quiet();
        self.calm = true;
        let unanswered = self.read_all();
        self.tell_the_end();
        Outcome { records: self.records, seen: self.seen, story: self.story.unwrap_or_default(), unanswered }
    }

    fn until_quiet(&mut self) {
        while let Some(Timed { at, event, .. }) = self.heap.pop() {
            self.now = at;
            self.happen(event);
        }
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Begin(client) => self.begin(client),
            Event::Arrive(request) => self.arrive(request),
            Event::Back(request, attempt, back) => self.back(request, attempt, back),
            Event::Visit(request, attempt, visit) => self.visit(request, attempt, visit),
            Event::Answer(request, answer) => self.answered(request, Some(answer)),
            Event::GiveUp(request) => self.answered(request, None),
            Event::Deliver(region, message) => self.deliver(region, message),
            Event::Keep(edge, key, response) => _ = self.edges[edge].store.insert(key, response),
            Event::Publish(edge, subject, home) => _ = self.edges[edge].homes.insert(subject, home),
            Event::Fault(fault) => self.fault(fault),
        }
    }

    fn begin(&mut self, client: usize) {
        if self.clients[client].left == 0 {
            return;
        }
        self.clients[client].left -= 1;
        let id = self.next_id;
        self.next_id += 1;
        let action = self.clients[client].next(id, &mut self.random);
        self.send(client, action);
    }

    fn send(&mut self, client: usize, action: Action) {
        let request = self.requests.len();
        self.requests.push(Request::new(client, action, self.now));
        let hop = self.random.within(1, 10);
        self.after(hop, Event::Arrive(request));
    }

    /// Sends a message to all other regions.
    pub fn replicate(&mut self, message: Message) {
        for region in (0..REGIONS.len()).filter(|region| *region != message.source) {
            let millis = if self.datasets[message.dataset].positions {
                self.network.arrival(message.source, region, self.now, &mut self.random) - self.now
            } else {
                // Without positions a promise is kept only as long as lag stays inside of the window.
                self.random.within(5, 900)
            };
            self.after(millis, Event::Deliver(region, message));
        }
    }

    fn deliver(&mut self, region: usize, message: Message) {
        if self.datasets[message.dataset].positions && !self.network.is_open(message.source, region) {
            return self.network.link(message.source, region).held.push(message);
        }
        self.datasets[message.dataset].deliver(region, &message);
    }

    /// What waited at a link goes on.
    pub fn release(&mut self, from: usize, to: usize) {
        for message in std::mem::take(&mut self.network.link(from, to).held) {
            let at = self.network.arrival(from, to, self.now, &mut self.random);
            self.after(at - self.now, Event::Deliver(to, message));
        }
    }

    /// An answer is at its client, or none will come.
    fn answered(&mut self, at: usize, answer: Option<Response>) {
        let client = self.requests[at].client;
        let answer = answer.map(|answer| self.take_session(at, answer));
        self.record(at, answer.as_ref());
        if let (Some(answer), Deed::SignIn) = (&answer, self.requests[at].action.deed) {
            self.clients[client].signed_in |= answer.status == 200;
        }
        self.requests[at].answered = answer;
        if !self.calm {
            let pause = Client::pause(&mut self.random);
            self.after(pause, Event::Begin(client));
        }
    }

    /// The answer to a client sets out; some are lost.
    pub fn answer(&mut self, request: usize, answer: Response) {
        let hop = self.random.within(1, 10);
        if !self.calm && self.random.chance(3 + self.network.lossy / 4) {
            self.count("answers lost on their way to the client");
            return self.after(PATIENCE, Event::GiveUp(request));
        }
        self.after(hop, Event::Answer(request, answer));
    }

    fn record(&mut self, at: usize, answer: Option<&Response>) {
        let Request { client, action, began, had_session, .. } = self.requests[at];
        let sequence = self.clients[client].sequence;
        self.clients[client].sequence += 1;
        let status = status_of(action.deed, answer);
        let shown = match action.deed {
            Deed::SignIn => return,
            Deed::Write(id) => Shown::Write { id: id.to_string() },
            Deed::Read => Shown::Read { list: answer.map(|answer| texts(&answer.body)).unwrap_or_default() },
        };
        let stale = answer.is_some_and(|answer| answer.get("homing-consistency").is_some());
        if stale {
            self.count("stale answers");
        }
        // Without a session nothing is promised from one request to the next.
        let is_anonymous = action.deed == Deed::Read && !had_session;
        let name = &self.clients[client].name;
        let session = if is_anonymous { format!("{name}-before-{sequence}") } else { name.clone() };
        self.records.push(Record::Operation(Operation {
            session,
            seq: sequence,
            key: action.place.name(&self.datasets),
            action: shown,
            status,
            start: began as f64,
            end: self.now as f64,
            region: answer.and_then(|answer| answer.get("homing-region").map(str::to_owned)),
            epoch: None,
            stale,
        }));
        let line = self.records.len();
        self.tell(|world| format!("[{line}] {}", world.requests[at].told(answer, status)));
    }

    /// Everything once more for everybody; what two tries do not answer is told.
    fn read_all(&mut self) -> Vec<String> {
        let mut unanswered = Vec::new();
        let places = self.places();
        for client in 0..self.clients.len() {
            for place in places.iter().copied() {
                if !self.clients[client].may_read(place) {
                    continue;
                }
                let edge = self.random.index(EDGES);
                let action = Action { deed: Deed::Read, place, stale: false, edge, repeatable: false };
                let mut tries = 0..2;
                let answered = tries.any(|_| {
                    let request = self.requests.len();
                    self.send(client, action);
                    self.until_quiet();
                    self.requests[request].answered.as_ref().is_some_and(|answer| answer.status == 200)
                });
                if !answered {
                    let told = self.requests.last().unwrap().told(None, Status::Fail);
                    unanswered.push(format!("{}: {told}", place.name(&self.datasets)));
                }
            }
        }
        unanswered
    }

    fn places(&self) -> Vec<Place> {
        let subjects = |dataset: &Dataset| if dataset.split { USERS.len().max(TENANTS.len()) } else { 1 };
        let of = |(dataset, of): (usize, &Dataset)| {
            (0..subjects(of))
                .flat_map(move |subject| (0..crate::data::KEYS).map(move |key| Place { dataset, subject, key }))
        };
        self.datasets.iter().enumerate().flat_map(of).collect()
    }

    fn tell_the_end(&mut self) {
        for place in self.places() {
            let Place { dataset, subject, key } = place;
            let name = place.name(&self.datasets);
            for (region, named) in REGIONS.iter().enumerate() {
                let list = texts(&self.datasets[dataset].list(region, subject, key));
                self.records.push(Record::Final { region: (*named).to_owned(), key: name.clone(), list });
            }
            let lost = self.datasets[dataset].lost.iter().filter(|(of, _)| *of == key);
            let ids = lost.map(|(_, id)| id.to_string()).collect();
            self.records.push(Record::Lost { key: name, ids });
        }
    }
}

fn texts(ids: &[Id]) -> Vec<String> {
    ids.iter().map(Id::to_string).collect()
}

/// What a client knows of its request by the answer.
fn status_of(deed: Deed, answer: Option<&Response>) -> Status {
    let Some(answer) = answer else { return Status::Unknown };
    match (answer.status, answer.get("homing-write-outcome")) {
        (200, _) => Status::Ok,
        (_, Some("unknown")) => Status::Unknown,
        (_, Some("committed")) => Status::Ok,
        (_, Some("not-sent" | "refused")) => Status::Fail,
        _ if deed == Deed::Read => Status::Fail,
        (421, None) => Status::Fail,
        (status, outcome) => panic!("a write ended with {status} and the outcome {outcome:?}"),
    }
}
