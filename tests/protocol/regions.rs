//! Regions by their numbers, so that what becomes of one is worked out once.

use std::{cell::RefCell, collections::HashMap, rc::Rc};

use serde_json::json;

use crate::{
    authority::{Id, Numbers},
    model::CLOCK,
    support::region::{Command, Region},
};

/// Every region as it ever was.
#[derive(Default)]
pub struct Regions {
    numbers: Numbers<Region>,
    commanded: RefCell<HashMap<(Id, Id), (Id, Id)>>,
    followed: RefCell<HashMap<(Id, Id, usize), Id>>,
}

impl Regions {
    pub fn of(&self, region: &Region) -> Id {
        self.numbers.of(region)
    }

    pub fn get(&self, id: Id) -> Rc<Region> {
        self.numbers.get(id)
    }

    /// What becomes of a region by a command, and what it answers.
    pub fn commanded(&self, region: Id, deed: Id, command: &Command, outcomes: &Numbers<String>) -> (Id, Id) {
        *self.commanded.borrow_mut().entry((region, deed)).or_insert_with(|| {
            let mut after = (*self.get(region)).clone();
            let (status, body) = after.command(command, CLOCK);
            (self.of(&after), outcomes.of(&json!({ "status": status, "body": body }).to_string()))
        })
    }

    /// What becomes of a region that follows another one's log.
    pub fn followed(&self, region: Id, source: Id, unit: usize, name: &str) -> Id {
        *self.followed.borrow_mut().entry((region, source, unit)).or_insert_with(|| {
            let mut after = (*self.get(region)).clone();
            after.follow(name, &self.get(source));
            self.of(&after)
        })
    }

    /// What becomes of a region when a pause ends by itself.
    pub fn expired(&self, region: Id, unit: &str) -> Id {
        let mut after = (*self.get(region)).clone();
        after.expire(unit);
        self.of(&after)
    }
}
