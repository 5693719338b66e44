//! A region's side of the ownership contract, as the authority and the edges meet it: the one specification of it that the tests of
//! the authority and the model of the protocol share. It knows no network: what it is asked, it does at once.

use std::collections::BTreeMap;

use serde_json::{Value, json};

/// Who owns a unit, as somebody knows it: the region's name and the epoch. Nobody, by epoch 0, while nothing was heard.
pub type Owned = (String, u64);

/// What a region does wrong, to see whether it is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Flaw {
    /// Writes are accepted without a look at who owns the unit.
    NoFence,
    /// It is deposed although the pause is over.
    DeposedUnpaused,
    /// A pause that is over counts anew when its command comes again.
    PausesTwice,
    /// An owner that it is told of is taken for the one whose log its copy has.
    WordsForTheLog,
    /// Positions are compared without the epoch of the log that they are in.
    BarePositions,
    /// Every copy is said to be far enough.
    AlwaysReached,
    /// Writes that are under way at a pause are not waited for.
    NotDrained,
    /// It takes itself for the owner by an epoch that it knows as somebody else's.
    GrantedAnyway,
    /// Writes on nobody's word are accepted where it has heard of no owner.
    Unclaimed,
}

/// A region.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Region {
    pub name: String,
    /// Datasets whose positions it does not report.
    pub silent: Vec<String>,
    pub flaw: Option<Flaw>,
    /// How many milliseconds it says that it is behind everybody; 10 where nobody says it.
    pub lag: Option<u64>,
    /// Whom it cannot reach.
    pub cut: Vec<String>,
    /// Whether it says where its copy is when it has not reached a position. The model leaves that out: it only ends a pause sooner.
    pub says_where: bool,
    pub units: BTreeMap<String, Unit>,
}

/// All that a region keeps of a unit.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Unit {
    pub owned: Owned,
    /// The last pause that was taken: its number, and when it ends. It is kept when it is over.
    pub pause: Option<(u64, u64)>,
    /// By whose epoch its copy of the log is: the mark is in the log itself, and may be behind what the region has heard.
    pub of: Owned,
    pub log: Vec<u64>,
}

/// What comes of a write.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Written {
    /// It is in the log, by that epoch.
    Accepted(u64),
    /// Somebody else owns the unit, or the same region by a later epoch.
    Misdirected(Owned),
    /// The write names nobody, and the subject's owner is not known here, or is another.
    OfSubject,
    /// Writes wait.
    Paused,
}

/// What comes of a read.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Read {
    /// The copy is so far in the log of that owner.
    Shown(Owned, usize),
    /// It was sent as to the owner, and another one is.
    Misdirected(Owned),
}

impl Unit {
    /// The number of the pause that holds.
    pub fn paused(&self, now: u64) -> Option<u64> {
        self.pause.filter(|(_, until)| *until > now).map(|(number, _)| number)
    }

    /// Takes in a later ownership, and the end of the pause that was asked for by an earlier one. Whoever becomes the owner goes
    /// on in the log as far as it has it.
    fn hear(&mut self, owned: &Owned, here: &str) {
        if owned.1 <= self.owned.1 {
            return;
        }
        self.owned = owned.clone();
        self.resume();
        if owned.0 == here {
            self.of = owned.clone();
        }
    }

    fn resume(&mut self) {
        if let Some((_, until)) = &mut self.pause {
            *until = 0;
        }
    }
}

/// A command of the authority, taken apart.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Command {
    pub method: String,
    /// The region that it goes to.
    pub region: String,
    pub path: String,
    pub query: Vec<(String, String)>,
}

impl Command {
    pub fn read(method: &str, url: &str) -> Self {
        let (host, target) = url.split_once("://").unwrap().1.split_once('/').unwrap();
        let region = host.strip_prefix("REGION_").unwrap_or(host).split('.').next().unwrap().to_lowercase();
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let pair = |pair: &str| pair.split_once('=').map(|(key, value)| (key.to_owned(), value.to_owned()));
        let query = query.split('&').filter_map(pair).collect();
        Self { method: method.to_owned(), region, path: path.to_owned(), query }
    }

    pub fn get(&self, name: &str) -> &str {
        self.query.iter().find(|(key, _)| key == name).map_or("", |(_, value)| value)
    }

    fn number(&self, name: &str) -> u64 {
        self.get(name).parse().unwrap()
    }

    /// The unit and the epoch that it is about.
    pub fn unit(&self) -> (&str, u64) {
        let unit = self.get("unit");
        unit.split_once('@').map_or((unit, 0), |(unit, epoch)| (unit, epoch.parse().unwrap()))
    }
}

impl Region {
    pub fn new(name: &str, owned: &[(&str, &str)]) -> Self {
        let unit = |home: &str| {
            let owned = (home.to_owned(), 1);
            Unit { owned: owned.clone(), of: owned, ..Unit::default() }
        };
        let units = owned.iter().map(|(name, home)| ((*name).to_owned(), unit(home))).collect();
        Self { name: name.to_owned(), units, ..Self::default() }
    }

    /// The same, without a word about those datasets' positions.
    pub fn silent(mut self, datasets: &[&str]) -> Self {
        self.silent.extend(datasets.iter().map(|name| (*name).to_owned()));
        self
    }

    pub fn unit(&self, name: &str) -> Unit {
        self.units.get(name).cloned().unwrap_or_default()
    }

    pub fn units(&self) -> impl Iterator<Item = (&str, &Unit)> {
        self.units.iter().map(|(name, unit)| (name.as_str(), unit))
    }

    /// Ends a pause before its time, or by it.
    pub fn expire(&mut self, name: &str) {
        self.units.entry(name.to_owned()).or_default().resume();
    }

    /// Does what the authority asks; status and body.
    pub fn command(&mut self, command: &Command, now: u64) -> (u16, Value) {
        if command.path == ".well-known/homing" {
            return self.health();
        }
        let name = command.unit().0.to_owned();
        match (command.method.as_str(), command.get("op")) {
            ("GET", _) if !command.get("reached").is_empty() => self.reached(command),
            ("GET", _) => {
                let (home, epoch) = self.unit(&name).owned;
                (200, json!({ "units": [{ "unit": name, "home": home, "epoch": epoch }] }))
            }
            ("POST", "pause") => self.pause(&name, command, now),
            ("POST", "resume") => {
                let unit = self.units.entry(name).or_default();
                // That pause is over, were it still on its way.
                if unit.pause.is_none_or(|(last, _)| last <= command.number("id")) {
                    unit.pause = Some((command.number("id"), 0));
                }
                (200, json!({}))
            }
            ("POST", "depose") => self.depose(&name, command, now),
            ("POST", "grant") => self.grant(&name, command),
            ("POST", "learn") => {
                let owned = (command.get("home").to_owned(), command.unit().1);
                let unit = self.units.entry(name).or_default();
                unit.hear(&owned, &self.name);
                if self.flaw == Some(Flaw::WordsForTheLog) {
                    unit.of = unit.owned.clone();
                }
                let (home, epoch) = unit.owned.clone();
                (200, json!({ "home": home, "epoch": epoch }))
            }
            // What a lease does is the kit's to show; the authority never counts on its answer.
            ("POST", "renew") => (200, json!({})),
            other => panic!("an unknown command: {other:?}"),
        }
    }

    fn health(&self) -> (u16, Value) {
        let known: serde_json::Map<_, _> = self
            .units()
            .filter(|(name, _)| !name.starts_with('~'))
            .map(|(name, unit)| (name.to_owned(), json!(unit.log.len())))
            .collect();
        let lag = self.lag.unwrap_or(10);
        let lag = json!({ "us": lag, "eu": lag, "ap": lag });
        let cut: serde_json::Map<_, _> = self.cut.iter().map(|peer| (peer.clone(), json!(false))).collect();
        (200, json!({ "region": self.name, "position": known, "lag_ms": lag, "reachable": cut }))
    }

    /// Has this copy come as far as that position in the log of that owner, by the epoch that is in the copy?
    fn reached(&self, command: &Command) -> (u16, Value) {
        let dataset = command.get("reached");
        // A dataset itself, or that part of it.
        let unit = self.units.get(dataset).or_else(|| self.units.get(command.unit().0));
        let unit = unit.cloned().unwrap_or_default();
        let same = unit.of == (command.get("of").to_owned(), command.number("epoch"));
        let far_enough = unit.log.len() as u64 >= command.number("position");
        let reached = match self.flaw {
            Some(Flaw::AlwaysReached) => true,
            Some(Flaw::BarePositions) => far_enough,
            _ => same && far_enough,
        };
        let place = self.says_where.then(|| unit.log.len().to_string());
        (
            200,
            place.map_or_else(
                || json!({ "reached": reached }),
                |place| json!({ "reached": reached, "position": place }),
            ),
        )
    }

    fn pause(&mut self, name: &str, command: &Command, now: u64) -> (u16, Value) {
        let own = (self.name.clone(), command.unit().1);
        let unit = self.units.entry(name.to_owned()).or_default();
        // Of a subject it may not have heard.
        unit.hear(&own, &self.name);
        if unit.owned != own {
            return not_owner(&unit.owned);
        }
        let number = command.number("id");
        // What is late on its way pauses nobody anew.
        let over = unit.pause.is_some_and(|(last, until)| number < last || (number == last && until <= now));
        if over && self.flaw != Some(Flaw::PausesTwice) {
            return (409, json!({ "state": "over" }));
        }
        unit.pause = Some((number, now + command.number("for_ms")));
        let place = unit.log.len().to_string();
        let datasets: &[&str] = if name.starts_with('~') { &["cart", "mail", "notes"] } else { &[name] };
        let reported = datasets.iter().filter(|name| !self.silent.iter().any(|silent| silent == *name));
        let positions: serde_json::Map<_, _> = reported.map(|name| ((*name).to_owned(), json!(place))).collect();
        (200, json!({ "positions": positions }))
    }

    fn depose(&mut self, name: &str, command: &Command, now: u64) -> (u16, Value) {
        let epoch = command.unit().1;
        let to = (command.get("to").to_owned(), epoch + 1);
        let unit = self.units.entry(name.to_owned()).or_default();
        if unit.owned == to {
            return (200, json!({}));
        }
        if unit.owned != (self.name.clone(), epoch) {
            return not_owner(&unit.owned);
        }
        let held = unit.paused(now) == Some(command.number("id"));
        if !held && self.flaw != Some(Flaw::DeposedUnpaused) {
            return (409, json!({ "state": "not-paused" }));
        }
        unit.hear(&to, &self.name);
        (200, json!({}))
    }

    fn grant(&mut self, name: &str, command: &Command) -> (u16, Value) {
        let own = (self.name.clone(), command.unit().1);
        let unit = self.units.entry(name.to_owned()).or_default();
        if self.flaw == Some(Flaw::GrantedAnyway) {
            unit.owned = own.clone();
        }
        if unit.owned.1 >= own.1 && unit.owned != own {
            return (409, json!({ "state": "later", "home": unit.owned.0, "epoch": unit.owned.1 }));
        }
        unit.hear(&own, &self.name);
        (200, json!({}))
    }

    /// A client's write by that claim, as an edge sends it.
    pub fn write(&mut self, name: &str, claim: Option<&Owned>, write: u64, now: u64) -> Written {
        let unit = self.units.entry(name.to_owned()).or_default();
        let Some(claim) = claim else {
            let nobody = unit.owned.1 == 0 && self.flaw == Some(Flaw::Unclaimed);
            return match unit.paused(now) {
                _ if unit.owned.0 != self.name && !nobody => Written::OfSubject,
                Some(_) => Written::Paused,
                None => {
                    unit.log.push(write);
                    Written::Accepted(unit.owned.1)
                }
            };
        };
        unit.hear(claim, &self.name);
        if self.flaw != Some(Flaw::NoFence) && (unit.owned.0 != self.name || claim.1 < unit.owned.1) {
            return Written::Misdirected(unit.owned.clone());
        }
        if unit.paused(now).is_some() && self.flaw != Some(Flaw::NotDrained) {
            return Written::Paused;
        }
        unit.log.push(write);
        Written::Accepted(unit.owned.1)
    }

    /// A client's read, by that claim if it was sent as to the owner. Nothing is believed of it.
    pub fn read(&self, name: &str, claim: Option<&Owned>) -> Read {
        let unit = self.unit(name);
        if claim.is_some_and(|claim| claim.0 == self.name) && unit.owned.1 > 0 && unit.owned.0 != self.name {
            return Read::Misdirected(unit.owned);
        }
        Read::Shown(unit.of, unit.log.len())
    }

    /// Follows another region's log to its end, where that is ahead. An owner follows nobody: one that does not know yet that it is
    /// none any more has to be told. The epoch comes with the log.
    pub fn follow(&mut self, name: &str, other: &Self) {
        let source = other.unit(name);
        let unit = self.units.entry(name.to_owned()).or_default();
        let ahead = source.of.1 > unit.of.1 || (source.of == unit.of && source.log.len() > unit.log.len());
        if !ahead || unit.owned.0 == self.name {
            return;
        }
        unit.hear(&source.of, &self.name);
        (unit.of, unit.log) = (source.of, source.log);
    }
}

fn not_owner(owned: &Owned) -> (u16, Value) {
    (409, json!({ "state": "not-owner", "home": owned.0, "epoch": owned.1 }))
}
