//! A set over small numbers that is emptied in no time.

/// Which numbers are in the set.
#[derive(Clone, Debug, Default)]
pub(crate) struct Marks {
    stamps: Vec<u64>,
    now: u64,
}

impl Marks {
    /// The set of these, all below `most`.
    pub(crate) fn set(&mut self, most: usize, members: &[usize]) {
        self.now += 1;
        if self.stamps.len() < most {
            self.stamps.resize(most, 0);
        }
        for member in members {
            self.stamps[*member] = self.now;
        }
    }

    /// Adds one; whether it was not there before.
    pub(crate) fn add(&mut self, member: usize) -> bool {
        std::mem::replace(&mut self.stamps[member], self.now) != self.now
    }

    /// Whether it is there.
    pub(crate) fn has(&self, member: usize) -> bool {
        self.stamps[member] == self.now
    }
}
