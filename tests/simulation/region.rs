//! A region's side of ownership, as the origin kit keeps it: the same pure rules (`homing_origin::Standing`), and in front of them what
//! the kit's layer and its ownership address do with a claim and with a command of the authority (`src/origin/src/homing.rs`,
//! `src/origin/src/address.rs`).

use std::{sync::LazyLock, time::Duration};

use homing_origin::{Denied, Ownership, Refusal, Standing, Unit as Name, subject_id};
use serde_json::{Value, json};

use crate::{
    bugs::Bug,
    client::{TENANTS, USERS},
    data::{DATASETS, Data, Owner, REGIONS, Unit},
};

/// All that a region keeps of a unit; a pause is kept with its end.
#[derive(Clone, Debug, Default)]
pub struct Kept {
    standing: Standing,
    ends: u64,
}

impl Kept {
    pub fn owner(&self) -> Option<Owner> {
        self.standing.owner.as_ref().map(|owner| Owner { home: number(&owner.home), epoch: owner.epoch })
    }

    fn at(&self, now: u64) -> Standing {
        let mut standing = self.standing.clone();
        if let Some(pause) = &mut standing.pause {
            pause.left = Duration::from_millis(self.ends.saturating_sub(now));
        }
        standing
    }

    /// One step of the store.
    fn change<T>(&mut self, now: u64, change: impl FnOnce(&mut Standing) -> T) -> T {
        let mut standing = self.at(now);
        let came_of = change(&mut standing);
        self.ends = standing.pause.as_ref().map_or(0, |pause| now + u64::try_from(pause.left.as_millis()).unwrap());
        self.standing = standing;
        came_of
    }
}

/// Units by the names that the authority and the kit give them.
static NAMES: LazyLock<Vec<Name>> = LazyLock::new(|| {
    let name = |unit| match unit {
        Unit::Whole(dataset) => Name::dataset(DATASETS[dataset].name),
        Unit::User(user) => Name::subject(&subject_id("user", USERS[user])),
        Unit::Tenant(tenant) => Name::subject(&subject_id("tenant", TENANTS[tenant])),
    };
    Unit::all().map(name).collect()
});

impl Unit {
    pub fn name(self) -> &'static Name {
        &NAMES[self.at()]
    }

    pub fn named(text: &str) -> Option<Self> {
        Self::all().find(|unit| unit.name().as_str() == text)
    }

    /// The datasets in which it has data.
    fn within(self) -> &'static [usize] {
        match self {
            Self::Whole(dataset) => &WHOLE_ALONE[dataset..=dataset],
            Self::User(_) => &[2, 5],
            Self::Tenant(_) => &[3],
        }
    }
}

const WHOLE_ALONE: [usize; 5] = [0, 1, 2, 3, 4];

pub fn number(name: &str) -> usize {
    REGIONS.iter().position(|region| *region == name).unwrap()
}

fn ownership(owner: Owner) -> Ownership {
    Ownership::new(REGIONS[owner.home], owner.epoch)
}

/// A command of the authority, taken apart.
#[derive(Clone, Debug)]
pub struct Command {
    pub region: usize,
    method: String,
    path: String,
    query: Vec<(String, String)>,
}

impl Command {
    pub fn read(method: &str, url: &str) -> Self {
        let (host, target) = url.split_once("://").unwrap().1.split_once('/').unwrap();
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let pair = |pair: &str| pair.split_once('=').map(|(key, value)| (key.to_owned(), value.to_owned()));
        let region = number(host.split('.').next().unwrap());
        let query = query.split('&').filter_map(pair).collect();
        Self { region, method: method.to_owned(), path: path.to_owned(), query }
    }

    pub fn get(&self, name: &str) -> &str {
        self.query.iter().find(|(key, _)| key == name).map_or("", |(_, value)| value)
    }

    fn number(&self, name: &str) -> u64 {
        self.get(name).parse().unwrap_or_default()
    }

    /// The unit and the epoch that it is about.
    pub fn unit(&self) -> Option<(Unit, u64)> {
        let text = self.get("unit");
        let (unit, epoch) = text.split_once('@').map_or((text, 0), |(unit, epoch)| (unit, epoch.parse().unwrap()));
        Some((Unit::named(unit)?, epoch))
    }

    pub fn op(&self) -> &str {
        self.get("op")
    }
}

impl Data {
    fn kept(&mut self, region: usize, unit: Unit) -> &mut Kept {
        &mut self.regions[region][unit.at()]
    }

    /// Takes a later owner in.
    pub fn hear(&mut self, region: usize, unit: Unit, owner: Owner) {
        let heard = &mut self.heard[region][unit.at()];
        *heard = (*heard).max(owner.epoch);
        let own = self.regions[region][unit.at()].owner().is_some_and(|own| own.home == region);
        if self.bug == Some(Bug::Zombie) && own && owner.home != region {
            return;
        }
        self.kept(region, unit).standing.advance(&ownership(owner));
    }

    /// The same, as a request, a command or a log tells it; whoever becomes the owner by it tells its peers before it writes.
    pub fn observe(&mut self, region: usize, unit: Unit, owner: Owner) {
        let known = self.regions[region][unit.at()].owner();
        self.hear(region, unit, owner);
        let counts = self.regions[region][unit.at()].owner();
        if let Some(counts) = counts.filter(|counts| Some(*counts) != known && counts.home == region) {
            self.announce(region, unit, counts);
        }
    }

    /// The fence: whether a write may go through by that claim, which says nothing of another unit.
    pub fn enter(&mut self, region: usize, unit: Unit, claim: Option<Owner>, now: u64) -> Result<(), Refusal> {
        let known = self.regions[region][unit.at()].owner();
        // Where the application itself knows where the data is, a claim that it is here is a guess of the router.
        let guessed = |known: Owner, claim: &Owner| {
            known.epoch == Ownership::BEFORE && known.home != region && claim.home == region
        };
        let believed = |claim: &Owner| known.is_none_or(|known| known.epoch < claim.epoch && !guessed(known, claim));
        if let Some(claim) = claim.filter(believed) {
            self.observe(region, unit, claim);
        }
        let standing = self.kept(region, unit).change(now, |standing| {
            if standing.pause.as_ref().is_some_and(|pause| pause.left.is_zero()) {
                standing.wake();
            }
            standing.clone()
        });
        match standing.admit(unit.name(), REGIONS[region], claim.map(ownership).as_ref()) {
            Err(Refusal::Paused(_)) if self.bug == Some(Bug::PausesNobody) => Ok(()),
            // Planted: what nobody has told of an owner is anybody's.
            Err(Refusal::OfSubject(_)) if self.bug == Some(Bug::Unclaimed) => Ok(()),
            other => other,
        }
    }

    /// Does what the authority asks; status and body. None while writes that are under way have to end first.
    pub fn command(&mut self, command: &Command, by_data: bool, now: u64) -> Option<(u16, Value)> {
        let region = command.region;
        if command.path == ".well-known/homing" {
            return Some((200, self.health(region)));
        }
        let Some((unit, epoch)) = command.unit() else { return Some((400, json!({ "state": "malformed" }))) };
        let own = Owner { home: region, epoch };
        let id = command.number("id");
        Some(match (command.method.as_str(), command.op()) {
            ("GET", _) if !command.get("reached").is_empty() => (200, self.reached(command, unit, by_data)),
            ("GET", _) => {
                let owner = self.regions[region][unit.at()].owner();
                let (home, epoch) = owner.map(|owner| (REGIONS[owner.home], owner.epoch)).unzip();
                let said = json!({ "unit": unit.name().as_str(), "home": home, "epoch": epoch.unwrap_or(0) });
                (200, json!({ "region": REGIONS[region], "units": [said] }))
            }
            (_, "pause") => {
                self.observe(region, unit, own);
                let time = Duration::from_millis(command.number("for_ms"));
                let held = ownership(own);
                match self.kept(region, unit).change(now, |standing| standing.pause(&held, id, time)) {
                    Err(denied) => conflict(&denied),
                    Ok(()) if self.in_flight[region][unit.at()] > 0 => return None,
                    Ok(()) => (200, json!({ "positions": self.settled(region, unit, by_data) })),
                }
            }
            (_, "resume") => {
                self.observe(region, unit, own);
                self.kept(region, unit).change(now, |standing| standing.resume(id));
                (200, json!({}))
            }
            (_, "depose") => {
                let (held, to) = (ownership(own), command.get("to").to_owned());
                match self.kept(region, unit).change(now, |standing| standing.depose(&held, id, &to)) {
                    Err(denied) => conflict(&denied),
                    Ok(next) => {
                        let next = Owner { home: number(&next.home), epoch: next.epoch };
                        self.hear(region, unit, next);
                        self.owned(unit, next);
                        self.announce(region, unit, next);
                        (200, said(Some(next)))
                    }
                }
            }
            (_, "grant") => {
                let known = self.regions[region][unit.at()].owner();
                let later = |known: &Owner| known.epoch > epoch || (known.epoch == epoch && *known != own);
                if let Some(known) = known.filter(later) {
                    let mut body = said(Some(known));
                    body["state"] = json!("later");
                    return Some((409, body));
                }
                self.owned(unit, own);
                self.hear(region, unit, own);
                self.announce(region, unit, own);
                (200, said(Some(own)))
            }
            (_, "learn") => {
                self.observe(region, unit, Owner { home: number(command.get("home")), epoch });
                (200, said(self.regions[region][unit.at()].owner()))
            }
            other => panic!("an unknown command: {other:?}"),
        })
    }

    fn health(&self, region: usize) -> Value {
        let place = |dataset: usize| {
            let label = self.label(region, Unit::Whole(dataset), 0, false)?;
            Some((DATASETS[dataset].name.to_owned(), json!(label.place)))
        };
        let position: serde_json::Map<_, _> = [0, 1].into_iter().filter_map(place).collect();
        json!({ "region": REGIONS[region], "position": position, "lag_ms": { "us": 60, "eu": 60, "ap": 60 } })
    }

    /// Has this copy come as far as that position in the log of that owner, by the epoch that is in the copy?
    fn reached(&self, command: &Command, unit: Unit, by_data: bool) -> Value {
        let owner = Owner { home: number(command.get("of")), epoch: command.number("epoch") };
        let wanted: usize = command.get("position").parse().unwrap();
        let label = self.label(command.region, unit, 0, by_data);
        let reached = label.is_some_and(|label| label.owner == owner && label.place >= wanted);
        json!({ "reached": reached || self.bug == Some(Bug::MovesTooEarly) })
    }

    fn settled(&self, region: usize, unit: Unit, by_data: bool) -> Value {
        let reported = unit.within().iter().filter(|dataset| DATASETS[**dataset].positions);
        let position = |dataset: &usize| {
            let label = self.label(region, unit, 0, by_data)?;
            Some((DATASETS[*dataset].name.to_owned(), json!(label.place.to_string())))
        };
        Value::Object(reported.filter_map(position).collect())
    }

    /// Notes who owns a unit from now on.
    pub fn owned(&mut self, unit: Unit, owner: Owner) {
        if !self.ever[unit.at()].contains(&owner) {
            self.ever[unit.at()].push(owner);
        }
    }
}

fn conflict(denied: &Denied) -> (u16, Value) {
    let body = match denied {
        Denied::NotOwner(known) => {
            let (home, epoch) = known.as_ref().map(|known| (known.home.clone(), known.epoch)).unzip();
            json!({ "state": "not-owner", "home": home, "epoch": epoch.unwrap_or(0) })
        }
        Denied::Paused(id) => json!({ "state": "paused", "id": id }),
        Denied::NotPaused => json!({ "state": "not-paused" }),
        Denied::Over => json!({ "state": "over" }),
    };
    (409, body)
}

fn said(owner: Option<Owner>) -> Value {
    json!({ "home": owner.map(|owner| REGIONS[owner.home]), "epoch": owner.map_or(0, |owner| owner.epoch) })
}
