//! The directory, as `src/edge/directory.mjs` keeps it: the last word on where each subject lives. Whom only a client has named is
//! tentative, and goes after a while unless an origin says yes; whoever gets the subject then has a later epoch.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::data::{Owner, REGIONS};

/// How long a tentative home is kept from the last request on, in milliseconds.
const TENTATIVE_MS: u64 = 600_000;
/// How many subjects are listed at a time: fewer than the real one, so that there is more than one page.
const PAGE: usize = 2;

#[derive(Clone, Debug)]
struct Row {
    kind: String,
    owner: Owner,
}

#[derive(Debug, Default)]
pub struct Directory {
    homes: BTreeMap<String, Row>,
    tentative: BTreeMap<String, (Row, u64)>,
    /// Whom an operator has moved.
    moved: BTreeSet<String>,
    /// By the first character of a subject's id.
    floors: BTreeMap<char, u64>,
    /// How many tentative homes have gone.
    pub gone: u64,
    /// How many homes were corrected.
    pub corrected: u64,
}

/// What the directory says to who asks for a home.
pub struct Assigned {
    pub owner: Owner,
    pub text: String,
    /// A home is made, and not only repeated.
    pub new: bool,
    pub tentative: bool,
}

fn shard(subject: &str) -> char {
    subject.chars().next().unwrap()
}

impl Directory {
    pub fn settle(&mut self, subject: &str, kind: &str, owner: Owner) {
        let row = Row { kind: kind.to_owned(), owner };
        let held = self.homes.entry(subject.to_owned()).or_insert_with(|| row.clone());
        if held.owner.epoch < owner.epoch {
            *held = row;
        }
        self.tentative.remove(subject);
    }

    fn find(&self, subject: &str) -> Option<&Row> {
        self.homes.get(subject).or_else(|| self.tentative.get(subject).map(|(row, _)| row))
    }

    pub fn assign(&mut self, subject: &str, kind: &str, home: usize, named: bool, now: u64) -> Assigned {
        self.clean(now);
        let said = |owner: Owner, new: bool, tentative: bool| {
            let mut text = json!({ "kind": kind, "home": REGIONS[owner.home], "epoch": owner.epoch, "new": new });
            if tentative {
                text["tentative"] = json!(true);
            }
            Assigned { owner, text: text.to_string(), new, tentative }
        };
        if let Some(known) = self.homes.get(subject) {
            return said(known.owner, false, false);
        }
        let held = self.tentative.get(subject).map(|(row, _)| row.owner);
        let floor = self.floors.get(&shard(subject)).copied().unwrap_or(0);
        let owner = held.unwrap_or(Owner { home, epoch: floor + 1 });
        if named {
            self.settle(subject, kind, owner);
        } else {
            let row = Row { kind: kind.to_owned(), owner };
            self.tentative.insert(subject.to_owned(), (row, now + TENTATIVE_MS));
        }
        said(owner, held.is_none(), !named)
    }

    /// What it says to who only asks.
    pub fn known(&self, subject: &str) -> Option<String> {
        let row = self.find(subject)?;
        let mut text = said(row);
        if !self.homes.contains_key(subject) {
            text["tentative"] = json!(true);
        }
        Some(text.to_string())
    }

    /// Another home in place of one that its region declines: only if that still counts, and no operator has ordered it. Whom a client
    /// alone has named stays tentative.
    pub fn correct(&mut self, (subject, kind): (&str, &str), home: usize, named: bool, declined: Owner, now: u64) {
        let held = self.find(subject).map_or(declined, |row| row.owner);
        if held == declined && !self.moved.contains(subject) {
            let floor = self.floors.get(&shard(subject)).copied().unwrap_or(0);
            let owner = Owner { home, epoch: held.epoch.max(floor) + 1 };
            self.corrected += 1;
            if named || self.homes.contains_key(subject) {
                return self.settle(subject, kind, owner);
            }
            let row = Row { kind: kind.to_owned(), owner };
            self.tentative.insert(subject.to_owned(), (row, now + TENTATIVE_MS));
        }
    }

    /// An origin has said yes to a subject who has that home.
    pub fn confirm(&mut self, subject: &str, kind: &str, owner: Owner, now: u64) -> Owner {
        self.clean(now);
        let held = self.find(subject).map(|row| row.owner).filter(|held| held.epoch > owner.epoch);
        let owner = held.unwrap_or(owner);
        self.settle(subject, kind, owner);
        owner
    }

    /// Lets go of what nobody has said yes to.
    fn clean(&mut self, now: u64) {
        let over: Vec<_> = self.tentative.iter().filter(|(_, (_, until))| *until <= now).collect();
        let over: Vec<_> = over.into_iter().map(|(subject, (row, _))| (subject.clone(), row.owner.epoch)).collect();
        for (subject, epoch) in over {
            let floor = self.floors.entry(shard(&subject)).or_default();
            *floor = (*floor).max(epoch);
            self.tentative.remove(&subject);
            self.gone += 1;
        }
    }

    /// What it answers to an effect of the authority; none if the effect is not for it.
    pub fn answer(&mut self, effect: &Value, now: u64) -> Option<Value> {
        self.clean(now);
        let text = |key: &str| effect[key].as_str().unwrap_or_default();
        match effect["do"].as_str()? {
            "find" => Some(self.find(text("subject")).map_or(Value::Null, said)),
            "record" => {
                let (subject, epoch) = (text("subject"), effect["epoch"].as_u64().unwrap());
                let later = Row {
                    kind: text("kind").to_owned(),
                    owner: Owner { home: crate::region::number(text("home")), epoch },
                };
                let held = self.find(subject).filter(|held| held.owner.epoch >= epoch).cloned().unwrap_or(later);
                self.settle(subject, &held.kind, held.owner);
                self.moved.insert(subject.to_owned());
                self.find(subject).map(said)
            }
            "count" => Some(json!(self.homes.values().filter(|row| REGIONS[row.owner.home] == text("home")).count())),
            "list" => {
                let lives = |(id, row): &(&String, &Row)| {
                    REGIONS[row.owner.home] == text("home") && id.as_str() > text("after")
                };
                let page = self.homes.iter().filter(lives).take(PAGE);
                Some(page.map(|(id, row)| json!({ "subject": id, "kind": row.kind })).collect())
            }
            _ => None,
        }
    }
}

fn said(row: &Row) -> Value {
    json!({ "kind": row.kind, "home": REGIONS[row.owner.home], "epoch": row.owner.epoch })
}
