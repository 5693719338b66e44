//! The world: one heap of what happens next, one source of chance, and everything that it happens to.

use std::collections::{BTreeMap, BinaryHeap, HashMap};

use history::Record;
use homing::routing::Timestamp;

use crate::{
    bugs::Bug,
    client::{Action, Client, Deed, Place},
    data::{Dataset, Id, Message, REGIONS},
    drive::Back,
    edge::{EDGES, Edge, Stored},
    faults::{self, Fault},
    network::Network,
    origin::{Habits, Shows, Visit},
    random::Random,
    request::Request,
    response::Response,
    timed::Timed,
};

pub const START: u64 = 1_767_225_600_000;
/// A client that has heard nothing for so long gives up.
const PATIENCE: u64 = 60_000;

/// What happens.
pub enum Event {
    /// A client does the next thing.
    Begin(usize),
    /// A client does this.
    Act(usize, Action),
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
    /// Copies are in the store of an edge.
    Keep(usize, String, Stored),
    /// A home can be read at an edge.
    Publish(usize, String, String),
    Fault(Fault),
}

pub struct World {
    pub now: u64,
    order: u64,
    heap: BinaryHeap<Timed>,
    pub random: Random,
    pub datasets: Vec<Dataset>,
    pub network: Network,
    /// Where every subject lives, by the directory's word.
    pub directory: HashMap<String, String>,
    pub edges: Vec<Edge>,
    pub clients: Vec<Client>,
    pub requests: Vec<Request>,
    pub habits: Habits,
    /// Everybody wants the same, and at once.
    pub crowded: bool,
    /// Nothing is wrong with any region.
    pub failing: bool,
    /// What may never happen and has.
    pub foul: Vec<String>,
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
    pub habits: Habits,
    pub records: Vec<Record>,
    pub seen: BTreeMap<&'static str, u64>,
    pub story: Vec<String>,
    /// Reads that were not answered although nothing was wrong any more.
    pub unanswered: Vec<String>,
    /// What may never happen and has.
    pub foul: Vec<String>,
}

impl World {
    /// One where everything happens by chance.
    pub fn new(seed: u64, bug: Option<Bug>, tells: bool) -> Self {
        let mut world = Self::healthy(seed, bug, tells);
        faults::plan(&mut world);
        world
    }

    /// One where clients do what they like, and nothing goes wrong on a large scale.
    pub fn healthy(seed: u64, bug: Option<Bug>, tells: bool) -> Self {
        let mut world = Self::still(seed, bug, tells);
        for client in 0..world.clients.len() {
            world.clients[client].left = 40;
            let at = world.random.below(500);
            world.after(at, Event::Begin(client));
        }
        world
    }

    /// One where nothing happens by itself.
    pub fn still(seed: u64, bug: Option<Bug>, tells: bool) -> Self {
        let mut random = Random::new(seed);
        let homes: [usize; 3] = std::array::from_fn(|_| random.index(3));
        let tenants: [usize; 2] = std::array::from_fn(|_| random.index(3));
        let dataset = |at, name, positions, split, homes: &[usize]| Dataset::new(at, name, positions, split, homes);
        let fresh = |random: &mut Random| random.below(10);
        let during = if random.chance(500) { random.below(5) } else { 0 };
        let habits = Habits {
            later_epochs_do: random.chance(500),
            fences_reads: random.chance(500),
            reads_say: random.chance(700),
            says_least: random.chance(700),
            says_wrote: random.chance(500),
            shows: [Shows::Nothing, Shows::OfUnit, Shows::OfKey][random.index(3)],
            // Without positions a copy may not live longer than a window, less what replication takes.
            fresh: [fresh(&mut random), fresh(&mut random), fresh(&mut random), fresh(&mut random), 1, 1],
            while_revalidate: [during, during, during, during, 0, 0],
            validates: random.chance(500),
            dawdles: [4, 40, 300, 3000][random.index(4)],
            bug,
        };
        let habits = bug.map_or(habits, |bug| bug.suits(habits));
        let crowd = random.chance(300).then(|| Place { dataset: random.index(2), subject: 0, key: 0 });
        let mut world = Self {
            crowded: crowd.is_some(),
            failing: false,
            foul: Vec::new(),
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
            directory: HashMap::new(),
            edges: (0..EDGES).map(Edge::new).collect(),
            clients: (0..5).map(|at| Client::new(at, crowd, &mut random)).collect(),
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
        let Some(mut story) = self.story.take() else { return };
        story.push(format!("{:>8} {}", self.now, what(self)));
        self.story = Some(story);
    }

    /// Until nothing happens any more; then all is well, and every client reads everything everywhere once more.
    pub fn run(mut self) -> Outcome {
        self.until_quiet();
        self.calm = true;
        let unanswered = self.read_all();
        self.tell_the_end();
        Outcome {
            habits: self.habits,
            records: self.records,
            seen: self.seen,
            story: self.story.unwrap_or_default(),
            unanswered,
            foul: self.foul,
        }
    }

    pub fn until_quiet(&mut self) {
        while let Some(Timed { at, event, .. }) = self.heap.pop() {
            self.now = at;
            self.happen(event);
        }
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Begin(client) => self.begin(client),
            Event::Act(client, action) => self.send(client, action),
            Event::Arrive(request) => self.arrive(request),
            Event::Back(request, attempt, back) => self.back(request, attempt, back),
            Event::Visit(request, attempt, visit) => self.visit(request, attempt, visit),
            Event::Answer(request, answer) => self.answered(request, Some(answer)),
            Event::GiveUp(request) => self.answered(request, None),
            Event::Deliver(region, message) => self.deliver(region, message),
            Event::Keep(edge, key, variants) => _ = self.edges[edge].store.insert(key, variants),
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

    pub fn send(&mut self, client: usize, action: Action) {
        let request = self.requests.len();
        let trick = self.trick(client);
        if trick.as_ref().is_some_and(|trick| !trick.leaves_session()) {
            self.clients[client].lives += 1;
        }
        self.requests.push(Request::new(client, action, self.now, trick));
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
            let pause = Client::pause(self.crowded, &mut self.random);
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
}
