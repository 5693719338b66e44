//! A client with a valid session of its own who uses it against others: in links that they open, as a cookie beside theirs, from
//! an earlier time, or not at all. What may never come of that is noted here; what sessions are promised is the checker's.

use homing_core::testing::{
    decide::attempt::Attempt,
    http::{cookies::COOKIE, target::Target},
    model::token::Token,
    session::{self, carried::PARAMETER},
    settle::{Publish, Settlement},
};

use crate::{
    client::{Action, Client, MALLORY, Place, Reply},
    control::Order,
    data::{Owner, REGIONS, Unit, is_shared},
    edge::EDGES,
    faults::Fault,
    origin::told,
    region::number,
    request::InFlight,
    response::Fields,
    settings::settings,
    world::{Event, World},
};

/// What is done to a request, by whoever sends it or by somebody else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trick {
    /// It comes of a link with another's session in the query.
    Link(String),
    /// It comes of a link with pins in the query that a redirect has carried along for another.
    Token(String),
    /// Another's session is a cookie of the same name, before theirs.
    Planted(String),
    /// The same behind a blank that no browser takes for one, so that no rule about the name holds for it.
    Blank(String),
    /// It carries the application's login and no session of the router.
    Bare,
    /// It carries a session that its client had before.
    Replayed(String),
}

impl Trick {
    /// Whether its client may expect what its session was promised; of who takes the session away nobody can.
    pub fn leaves_session(&self) -> bool {
        matches!(self, Self::Link(_) | Self::Token(_) | Self::Blank(_))
    }

    pub fn query(&self) -> Option<String> {
        match self {
            Self::Link(sealed) | Self::Token(sealed) => Some(format!("?{PARAMETER}={sealed}")),
            _ => None,
        }
    }

    /// The fields of a request on which it was played.
    pub fn play(&self, fields: &mut Fields) {
        let cookie = fields.iter_mut().find(|(name, _)| name == "cookie");
        match (self, cookie) {
            (Self::Planted(sealed), Some((_, line))) => *line = format!("{COOKIE}={sealed}; {line}"),
            (Self::Blank(sealed), Some((_, line))) => *line = format!("\u{2000}{COOKIE}={sealed}; {line}"),
            _ => {}
        }
    }
}

impl World {
    /// One in which somebody is hostile, whose own home has moved, so that it has seen later epochs than others.
    pub fn hostile(seed: u64, bug: Option<crate::bugs::Bug>, tells: bool) -> Self {
        let mut world = Self::new(seed, bug, tells);
        let mut mallory = Client::hostile(&mut world.random);
        mallory.left = 60;
        world.clients.push(mallory);
        world.after(0, Event::Begin(world.clients.len() - 1));
        for at in [1000, 9000, 20_000] {
            let to = world.random.index(REGIONS.len());
            world.after(at, Event::Fault(Fault::Orders(Order::Move(Unit::User(MALLORY), to))));
        }
        world
    }

    /// One in which all is well, but that somebody makes an address of the application fail, again and again and at every edge.
    pub fn failing(seed: u64, bug: Option<crate::bugs::Bug>, tells: bool) -> Self {
        let mut world = Self::healthy(seed, bug, tells);
        world.failing = true;
        let mallory = Client::hostile(&mut world.random);
        world.clients.push(mallory);
        let place = Place { dataset: 0, subject: 0, key: 0 };
        for time in 0..600 {
            let edge = world.random.index(EDGES);
            let action = Action { deed: Reply::Fails, place, stale: false, edge, repeatable: false, again: None };
            world.after(time * 50, Event::Act(world.clients.len() - 1, action));
        }
        world
    }

    /// Law: nobody is kept away from a region by what somebody else has made fail there.
    pub fn weigh_gates(&mut self, at: usize, settlement: &Settlement) {
        let InFlight { client, action, .. } = self.requests[at];
        if action.deed == Reply::Fails {
            return self.count("failures that somebody made");
        }
        let closed = |token| matches!(token, Token::BreakerOpen | Token::LastResort);
        let told = || settlement.record.trace.tokens().map(|(token, _)| token);
        if self.failing && told().any(closed) {
            let by = self.clients[client].name.clone();
            let told: Vec<_> = told().map(Token::as_str).collect();
            self.foul(format!("{by} {:?} was kept away: {told:?}", action.deed));
        }
    }

    fn mallory(&self) -> Option<&Client> {
        self.clients.iter().find(|client| client.hostile)
    }

    /// What is done to the next request of a client.
    pub fn trick(&mut self, client: usize) -> Option<Trick> {
        let hoard = self.mallory()?.hoard.clone();
        let chance = if self.clients[client].hostile { 600 } else { 200 };
        if self.calm || hoard.is_empty() || !self.random.chance(chance) {
            return None;
        }
        // The latest is of the latest epoch, and an earlier one is worth a try.
        let latest = hoard.len() - 1;
        let at = if self.random.chance(700) { latest } else { self.random.index(hoard.len()) };
        let sealed = hoard[at].clone();
        let kind = self.random.below(5);
        let token = self.token(&sealed);
        let trick = match (self.clients[client].hostile, kind) {
            (true, 0 | 1) => Trick::Bare,
            (true, _) => Trick::Replayed(sealed),
            (false, 0 | 1) => Trick::Link(sealed),
            (false, 2) if token.is_some() => Trick::Token(token?),
            (false, 2 | 3) => Trick::Blank(sealed),
            (false, _) if self.random.chance(500) => Trick::Planted(sealed),
            (false, _) => Trick::Bare,
        };
        self.count(match trick {
            Trick::Link(_) => "links with another's session",
            Trick::Token(_) => "tokens of another in a link",
            Trick::Planted(_) => "cookies of another beside the own",
            Trick::Blank(_) => "cookies of another behind a blank",
            Trick::Bare => "requests without their session",
            Trick::Replayed(_) => "sessions from before",
        });
        Some(trick)
    }

    /// What a redirect from another host of the application carries along for that session.
    fn token(&self, sealed: &str) -> Option<String> {
        let (settings, now) = (settings(), self.timestamp());
        let session = Client::open(sealed, now);
        let to = "https://example.com/";
        let from = Target::read("https://shop.example.com/")?;
        let url = session::along(to, &from, &session, &settings.topology, &settings.session_keys, now)?;
        url.split_once(&format!("{PARAMETER}=")).map(|(_, token)| token.to_owned())
    }

    /// What a request says that it is about.
    fn unit_of(&self, dataset: usize, id: Option<&str>) -> Option<Unit> {
        match dataset {
            2 | 3 | 5 => Unit::named(&format!("~{}", id?)),
            whole => Some(Unit::Whole(whole)),
        }
    }

    /// Law: a request goes out by no ownership that was never one of its own subject.
    pub fn weigh_claim(&mut self, at: usize, attempt: &Attempt) {
        let (Some(home), Some(epoch)) = (told(attempt, "homing-home"), told(attempt, "homing-epoch")) else { return };
        let claim = Owner { home: number(home), epoch: epoch.parse().unwrap() };
        let dataset = self.requests[at].action.place.dataset;
        if is_shared(dataset) {
            return;
        }
        let unit = self.unit_of(dataset, told(attempt, "homing-subject"));
        let is_true = unit.is_some_and(|unit| self.data.ever[unit.at()].contains(&claim));
        if is_true {
            return self.count("claims that were true of their subject");
        }
        let InFlight { client, action, trick, .. } = &self.requests[at];
        let by = &self.clients[*client].name;
        let line = format!(
            "{by} {:?} {:?} with {trick:?} was sent as {claim:?}, which it never was",
            action.deed, action.place
        );
        self.foul(line);
    }

    /// Law: the home store learns nothing of a subject that was never so.
    pub fn weigh_publish(&mut self, publish: &Publish) {
        let stored: serde_json::Value = serde_json::from_str(&publish.value).unwrap();
        let owner = Owner { home: number(stored["home"].as_str().unwrap()), epoch: stored["epoch"].as_u64().unwrap() };
        let unit = Unit::named(&format!("~{}", publish.subject.as_str()));
        if !unit.is_some_and(|unit| self.data.ever[unit.at()].contains(&owner)) {
            self.foul(format!("the home store was told {publish:?}"));
        }
    }

    pub fn foul(&mut self, line: String) {
        self.tell(|_| format!("FOUL {line}"));
        self.foul.push(line);
    }

    /// Whether nothing is promised to the session of that request from one to the next.
    pub fn is_loose(&self, at: usize) -> bool {
        let InFlight { client, action, had_session, .. } = &self.requests[at];
        self.clients[*client].hostile || (action.deed == Reply::Read && !had_session)
    }
}
