//! The clients: each carries its session from edge to edge, and does one thing after another.

use homing_core::testing::session::{self, Session};

use crate::{
    data::{DATASETS, Id, KEYS, SHARED},
    edge::EDGES,
    random::Random,
    response::Response,
    settings::keys,
};

/// The last one is hostile.
pub const USERS: [&str; 3] = ["ada", "grace", "mallory"];
pub const HONEST: usize = 2;
pub const MALLORY: usize = 2;
/// So many that the parts of a session are more than its pins.
pub const TENANTS: [&str; 4] = ["acme", "bolt", "cove", "dell"];

/// One key of one subject of a dataset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    pub dataset: usize,
    pub subject: usize,
    pub key: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reply {
    Read,
    Write(Id),
    /// As that user, whoever was signed in before.
    SignIn(usize),
    /// An address of the application that says 502 to whoever asks so.
    Fails,
}

/// What a client does next.
#[derive(Clone, Copy, Debug)]
pub struct Action {
    pub deed: Reply,
    pub place: Place,
    /// By the route that would rather be stale than silent.
    pub stale: bool,
    pub edge: usize,
    /// The client says that repeating is harmless.
    pub repeatable: bool,
    /// The client does the same once more because it does not know what came of it; it began with that then.
    pub again: Option<u64>,
}

pub struct Client {
    pub name: String,
    pub user: usize,
    /// Carries its session in a header of its own.
    pub headers: bool,
    pub signed_in: bool,
    pub hostile: bool,
    pub sealed: Option<String>,
    /// The sessions that it has had.
    pub hoard: Vec<String>,
    /// How often its session was taken away: nothing is promised from before to after.
    pub lives: u32,
    /// What it does once more.
    pub repeats: Option<Action>,
    /// Where it has written last what several regions write, and how often that was another region than before.
    pub wrote_at: (Option<String>, u32),
    /// The latest stamp that its session has written or seen, and how often it had lost its session by then.
    pub latest: (u32, String),
    /// Users that share this browser.
    pub shares: bool,
    edge: usize,
    /// Keys that it likes to come back to.
    favourites: [Place; 3],
    pub left: u32,
    pub sequence: u64,
}

fn a_place(user: usize, random: &mut Random) -> Place {
    let dataset = random.index(DATASETS.len());
    let subject = match dataset {
        2 | 5 => user,
        3 => random.index(TENANTS.len()),
        _ => 0,
    };
    Place { dataset, subject, key: random.index(KEYS) }
}

impl Client {
    /// In a crowd everybody wants the same.
    pub fn new(at: usize, crowd: Option<Place>, random: &mut Random) -> Self {
        let user = random.index(HONEST);
        Self {
            name: format!("s{at}"),
            user,
            headers: random.chance(250),
            signed_in: false,
            hostile: false,
            sealed: None,
            hoard: Vec::new(),
            lives: 0,
            repeats: None,
            wrote_at: (None, 0),
            latest: (0, String::new()),
            shares: random.chance(300),
            edge: random.index(EDGES),
            favourites: std::array::from_fn(|_| crowd.unwrap_or_else(|| a_place(user, random))),
            left: 0,
            sequence: 0,
        }
    }

    /// One that uses what it has against others.
    pub fn hostile(random: &mut Random) -> Self {
        let own = Place { dataset: 2, subject: MALLORY, key: 0 };
        let favourites = [own, own, a_place(MALLORY, random)];
        Self {
            name: "mallory".to_owned(),
            user: MALLORY,
            hostile: true,
            headers: false,
            favourites,
            ..Self::new(0, None, random)
        }
    }

    /// Whether the data is of users; only who is signed in has such.
    fn is_personal(place: Place) -> bool {
        matches!(place.dataset, 2 | 5)
    }

    /// Whether it may ask for that: what is of a user is for that user alone.
    pub fn may_read(&self, place: Place) -> bool {
        !Self::is_personal(place) || (self.signed_in && self.user == place.subject)
    }

    pub fn next(&mut self, id: Id, random: &mut Random) -> Action {
        if random.chance(450) {
            self.edge = random.index(EDGES);
        }
        let mut place = if random.chance(800) { self.favourites[random.index(3)] } else { a_place(self.user, random) };
        let deed = if !self.signed_in && (self.sequence == 0 || random.chance(200)) {
            Reply::SignIn(self.user)
        } else if self.shares && self.signed_in && random.chance(30) {
            Reply::SignIn((self.user + 1) % HONEST)
        } else if random.chance(350) {
            Reply::Write(id)
        } else {
            Reply::Read
        };
        if Self::is_personal(place) {
            place = match self.signed_in {
                true => Place { subject: self.user, ..place },
                false => Place { dataset: 0, subject: 0, key: place.key },
            };
        }
        let stale = random.chance(200) && place.dataset != SHARED;
        Action { deed, place, stale, edge: self.edge, repeatable: random.chance(500), again: None }
    }

    /// How long it thinks before it goes on; nobody does in a crowd.
    pub fn pause(crowded: bool, random: &mut Random) -> u64 {
        match random.below(10) {
            0..=8 if crowded => random.below(80),
            0..=5 => random.below(40),
            6..=8 => random.below(1500),
            _ => random.below(9000),
        }
    }

    /// The session that an answer brings.
    pub fn session_in(answer: &Response) -> Option<String> {
        let cookie = answer.fields.iter().filter(|(name, _)| name == "set-cookie").find_map(|(_, line)| {
            line.split(';').next()?.strip_prefix(session::COOKIE)?.strip_prefix('=').map(str::to_owned)
        });
        cookie.or_else(|| answer.get("homing-session").map(str::to_owned))
    }

    /// What a sealed session says.
    pub fn open(sealed: &str, now: homing_core::testing::model::time::Timestamp) -> Session {
        session::open(sealed, &keys(), now).session
    }
}

impl Action {
    pub fn path(&self) -> String {
        let Place { dataset, subject, key } = self.place;
        let stale = if self.stale { "stale/" } else { "" };
        match (self.deed, dataset) {
            (Reply::SignIn(_), _) => "/login".to_owned(),
            (Reply::Fails, _) => "/reports/1".to_owned(),
            (_, 3) => format!("/t/{}/notes/{stale}{key}", TENANTS[subject]),
            _ => format!("/{}/{stale}{key}", DATASETS[dataset].name),
        }
    }

    pub fn method(&self) -> &'static str {
        if self.deed == Reply::Read { "GET" } else { "POST" }
    }
}

impl Place {
    /// The key in the history.
    pub fn name(self) -> String {
        let Self { dataset, subject, key } = self;
        let whose = match dataset {
            2 | 5 => USERS[subject],
            3 => TENANTS[subject],
            _ => "all",
        };
        format!("{}/{whose}/{key}", DATASETS[dataset].name)
    }
}
