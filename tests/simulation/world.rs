//! The world: one heap of what happens next, one source of chance, and everything that it happens to.

use std::collections::{BTreeMap, BinaryHeap};

use history::Record;
use homing_core::testing::model::time::Timestamp;

use crate::{
    bugs::Bug,
    client::{Action, Client, Place, Reply},
    control::{Call, Confirm, Control},
    data::{Data, Id, Message, Owner, REGIONS, Unit, WHOLE},
    directory::Directory,
    drive::Back,
    edge::{EDGES, Edge, Stored},
    faults::{self, Fault},
    network::Network,
    order::Shown,
    origin::{Habits, Shows, Visit},
    random::Random,
    request::InFlight,
    response::Response,
    timed::Timed,
};

pub const START: u64 = 1_767_225_600_000;
/// By then everything that was begun is over, in milliseconds.
const LONGEST: u64 = 4 * 3_600_000;
/// A client that has heard nothing for so long gives up.
const PATIENCE: u64 = 60_000;

/// What happens.
#[allow(clippy::large_enum_variant, reason = "each is made and taken once, and few wait at a time")]
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
    /// What was put into the home store can be read at an edge.
    Publish(usize, String, u64, String),
    /// An isolate has read the view.
    View(usize, usize, String),
    /// The directory is asked once more to keep a home.
    Confirm(Confirm, usize),
    /// A command of the authority is at its region.
    Call(Call),
    /// The authority hears what came of an effect, of that call.
    Heard(u64, serde_json::Value),
    /// The authority wanted to be woken then.
    Alarm(u64),
    Fault(Fault),
}

pub struct World {
    pub now: u64,
    order: u64,
    heap: BinaryHeap<Timed>,
    pub random: Random,
    pub data: Data,
    pub control: Control,
    pub network: Network,
    /// Where every subject lives, by the directory's word.
    pub directory: Directory,
    pub edges: Vec<Edge>,
    pub clients: Vec<Client>,
    pub requests: Vec<InFlight>,
    pub habits: Habits,
    /// Everybody wants the same, and at once.
    pub crowded: bool,
    /// Nothing is wrong with any region.
    pub failing: bool,
    /// How many of a thousand answers do not get to their client.
    flaky: u64,
    /// Everybody is signed in at the application, and the router has never seen anybody.
    pub adopted: bool,
    /// The regions alone know who lives where.
    pub known: bool,
    /// Edges do not agree on the time.
    pub skewed: bool,
    /// The stamps that were given, and for which request.
    pub stamps: BTreeMap<String, usize>,
    /// Clients are away for so long at times that what was kept for some minutes has gone.
    slow: bool,
    /// What sessions were shown and wrote, for the order across keys.
    pub shown: Vec<Shown>,
    /// What may never happen and has.
    pub foul: Vec<String>,
    pub records: Vec<Record>,
    /// How often what has happened.
    pub seen: BTreeMap<&'static str, u64>,
    /// All is healed: nothing goes wrong any more.
    pub calm: bool,
    /// What is told of it, where somebody wants to know.
    pub story: Option<Vec<String>>,
    pub next_id: Id,
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
        world.awake();
        world
    }

    fn awake(&mut self) {
        for client in 0..self.clients.len() {
            self.clients[client].left = 40;
            let at = self.random.below(500);
            self.after(at, Event::Begin(client));
        }
    }

    /// One where nothing happens by itself.
    pub fn still(seed: u64, bug: Option<Bug>, tells: bool) -> Self {
        let mut world = Self::empty(seed, bug, tells);
        let users: [usize; 3] = std::array::from_fn(|_| world.random.index(3));
        let tenants: [usize; 4] = std::array::from_fn(|_| world.random.index(3));
        world.publish_homes(&users, &tenants);
        world
    }

    /// The day on which the router is put in front of an application: everybody is signed in there, and has data; nobody has a
    /// session, and nobody but perhaps the regions knows who lives where.
    pub fn adoption(seed: u64, bug: Option<Bug>, tells: bool) -> Self {
        let mut world = Self::empty(seed, bug, tells);
        world.adopted = true;
        world.begin_with_data();
        world.known = world.random.chance(500);
        let known = world.known;
        for unit in Unit::all().filter(|unit| known && !matches!(unit, Unit::Whole(_))) {
            let home = world.random.index(3);
            world.data.lives_in(unit, home);
        }
        for client in &mut world.clients {
            client.signed_in = true;
        }
        // Some come back only when a home that was meant for some minutes has gone.
        world.slow = world.random.chance(500);
        world.awake();
        faults::plan(&mut world);
        world
    }

    /// One of which the directory knows nobody.
    fn empty(seed: u64, bug: Option<Bug>, tells: bool) -> Self {
        let mut random = Random::new(seed);
        let fresh = |random: &mut Random| random.below(10);
        let during = if random.chance(500) { random.below(5) } else { 0 };
        let habits = Habits {
            later_epochs_do: random.chance(500),
            by_data: random.chance(500),
            fences_reads: random.chance(500),
            reads_say: random.chance(700),
            says_least: random.chance(700),
            shows: [Shows::Nothing, Shows::OfKey, Shows::OfUnit][random.index(3)],
            says_wrote: random.chance(500),
            // Without positions a copy may not live longer than a window, less what replication takes.
            fresh: [
                fresh(&mut random),
                fresh(&mut random),
                fresh(&mut random),
                fresh(&mut random),
                1,
                1,
                1,
                fresh(&mut random),
            ],
            while_revalidate: [during, during, during, during, 0, 0, 0, during],
            validates: random.chance(500),
            dawdles: [4, 40, 300, 3000][random.index(4)],
            tells_stamps: false,
            bug,
        };
        let habits = bug.map_or(habits, |bug| bug.suits(habits));
        let crowd = random.chance(300).then(|| Place { dataset: random.index(2), subject: 0, key: 0 });
        let mut world = Self {
            crowded: crowd.is_some(),
            failing: false,
            flaky: if random.chance(200) { 100 } else { 3 },
            adopted: false,
            known: false,
            skewed: false,
            stamps: BTreeMap::new(),
            slow: false,
            shown: Vec::new(),
            foul: Vec::new(),
            now: 0,
            order: 0,
            heap: BinaryHeap::new(),
            data: Data::new(bug),
            control: Control::default(),
            network: Network::default(),
            directory: Directory::default(),
            edges: (0..EDGES).map(|at| Edge::new(at, seed)).collect(),
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
        for (dataset, home) in WHOLE.into_iter().zip([0, 1, 0]) {
            world.data.configure(Unit::Whole(dataset), Owner { home, epoch: 1 });
        }
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
        self.count_up(what, 1);
    }

    pub fn count_up(&mut self, what: &'static str, by: u64) {
        *self.seen.entry(what).or_default() += by;
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
        self.settle_down();
        let unanswered = self.try_all();
        self.weigh_order();
        self.count_up("tentative homes that have gone", self.directory.gone);
        self.count_up("homes that were corrected", self.directory.corrected);
        self.tell_the_end();
        Outcome {
            habits: self.habits,
            records: self.records,
            seen: self.seen,
            story: self.story.unwrap_or_default(),
            unanswered,
            foul: self.foul.into_iter().chain(self.data.foul).collect(),
        }
    }

    pub fn until_quiet(&mut self) {
        while let Some(Timed { at, event, .. }) = self.heap.pop() {
            self.now = at;
            self.happen(event);
            if self.now > LONGEST {
                self.heap.clear();
                self.foul("it does not come to an end".to_owned());
            }
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
            Event::Publish(edge, key, put, value) => self.published(edge, key, put, value),
            Event::View(edge, isolate, text) => self.view(edge, isolate, &text),
            Event::Confirm(confirm, tries) => self.confirm(&confirm, tries),
            Event::Call(call) => self.called(call),
            Event::Heard(call, input) => self.heard(call, &input),
            Event::Alarm(at) => self.alarm(at),
            Event::Fault(fault) => self.fault(fault),
        }
    }

    fn begin(&mut self, client: usize) {
        if let Some(action) = self.clients[client].repeats.take() {
            let edge = self.random.index(EDGES);
            self.count("writes that their client repeated");
            return self.send(client, Action { edge, ..action });
        }
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
        let life = self.clients[client].lives;
        self.requests.push(InFlight::new((client, life), action, self.now, trick));
        let hop = self.random.within(1, 10);
        self.after(hop, Event::Arrive(request));
    }

    /// Sends what was committed to all other regions.
    pub fn replicate(&mut self) {
        for message in std::mem::take(&mut self.data.outbox) {
            for region in (0..REGIONS.len()).filter(|region| *region != message.source) {
                let millis = if message.channel == 0 {
                    self.network.arrival(message.source, region, self.now, &mut self.random) - self.now
                } else {
                    // Without positions a promise is kept only as long as lag stays inside of the window.
                    self.random.within(5, 900)
                };
                self.after(millis, Event::Deliver(region, message));
            }
        }
    }

    fn deliver(&mut self, region: usize, message: Message) {
        if message.channel == 0 && !self.network.is_open(message.source, region) {
            return self.network.link(message.source, region).held.push(message);
        }
        self.data.deliver(region, message);
        self.replicate();
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
        self.learn_stamps(at, answer.as_ref());
        self.record(at, answer.as_ref());
        if let (Some(answer), Reply::SignIn(user)) = (&answer, self.requests[at].action.deed)
            && answer.status == 200
        {
            self.signs_in(client, user);
        }
        self.requests[at].answered = answer;
        if !self.calm {
            let away = self.slow && self.random.chance(50);
            let pause = if away { self.random.below(1_500_000) } else { Client::pause(self.crowded, &mut self.random) };
            self.after(pause, Event::Begin(client));
        }
    }

    /// From now on the application takes the client for that user.
    fn signs_in(&mut self, client: usize, user: usize) {
        let client = &mut self.clients[client];
        client.signed_in = true;
        if std::mem::replace(&mut client.user, user) != user {
            // What somebody has seen who is not here any more binds nobody.
            client.lives += 1;
            self.count("users who changed in one browser");
        }
    }

    /// The answer to a client sets out; some are lost.
    pub fn answer(&mut self, request: usize, answer: Response) {
        let hop = self.random.within(1, 10);
        if !self.calm && self.random.chance(self.flaky + self.network.lossy / 4) {
            self.count("answers lost on their way to the client");
            // Some clients see their connection break, others wait.
            let late = if self.random.chance(500) { hop } else { PATIENCE };
            return self.after(late, Event::GiveUp(request));
        }
        self.after(hop, Event::Answer(request, answer));
    }
}
