//! One state of the whole: the authority, what is on its way, the regions, what edges may believe, and what is true.

use std::{
    collections::{BTreeMap, BTreeSet},
    rc::Rc,
};

use crate::{
    authority::Id,
    support::{directory::Directory, region::Owned},
};

/// Something that the authority waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Flight {
    /// It is on its way there, or was never sent: the authority may have died.
    Asked(Id),
    /// It is done, and its outcome on the way back.
    Answered(Id, Id),
}

impl Flight {
    pub fn effect(self) -> Id {
        match self {
            Self::Asked(effect) | Self::Answered(effect, _) => effect,
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct State {
    pub ledger: Id,
    pub flights: BTreeSet<Flight>,
    /// Every command that was ever sent: it may come, and come again, at any time.
    pub sent: BTreeSet<Id>,
    pub regions: Vec<Id>,
    pub directory: Rc<Directory>,
    /// What the home store holds.
    pub stored: Rc<BTreeMap<String, String>>,
    /// What an edge may believe, by unit: all that was ever published or told.
    pub beliefs: Vec<Rc<BTreeSet<Owned>>>,
    /// How often each order came.
    pub ordered: Vec<u8>,
    /// Which of them were carried out.
    pub carried_out: Vec<bool>,
    pub writes: u8,
    pub truth: Vec<Rc<Truth>>,
}

/// What is true of a unit, whoever knows it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Truth {
    /// Its latest owner: the region that has taken it over by the highest epoch.
    pub owned: Owned,
    /// The latest epoch that began without the owner before: an operator has said that what that one alone has is lost.
    pub forced: u64,
    /// Acknowledged writes that nobody has given up.
    pub kept: Vec<u64>,
    /// Who has accepted writes, by epoch.
    pub accepted: BTreeMap<u64, String>,
}

impl Truth {
    /// A region owns the unit by a later epoch.
    ///
    /// # Errors
    /// If somebody else owns it by the same epoch, or, in a planned change, if the new owner lacks an acknowledged write.
    pub fn taken_over(&mut self, by: &Owned, log: &[u64], planned: bool) -> Result<(), String> {
        if by.1 == self.owned.1 && by.0 != self.owned.0 {
            return Err(format!("two owners: {} and {} by epoch {}", self.owned.0, by.0, by.1));
        }
        if by.1 <= self.owned.1 {
            return Ok(());
        }
        let lost: Vec<_> = self.kept.iter().filter(|write| !log.contains(write)).copied().collect();
        if planned && !lost.is_empty() {
            return Err(format!("lost: {} owns it by epoch {} without the writes {lost:?}", by.0, by.1));
        }
        self.kept.retain(|write| log.contains(write));
        self.forced = if planned { self.forced } else { by.1 };
        self.owned = by.clone();
        Ok(())
    }

    /// A region has accepted a write, which its client knows.
    ///
    /// # Errors
    /// If another one has in the same epoch, or the owner of an earlier epoch does that was deposed as planned.
    pub fn accepted(&mut self, write: u64, at: &str, epoch: u64) -> Result<(), String> {
        let other = self.accepted.entry(epoch).or_insert_with(|| at.to_owned());
        if other != at {
            return Err(format!("two owners: {other} and {at} have accepted writes in epoch {epoch}"));
        }
        if epoch == self.owned.1 && at == self.owned.0 {
            self.kept.push(write);
        } else if epoch >= self.forced {
            return Err(format!(
                "lost: {at} has accepted write {write} in epoch {epoch}, while {} owns it by epoch {}",
                self.owned.0, self.owned.1
            ));
        }
        Ok(())
    }
}
