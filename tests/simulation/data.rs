//! The applications' data: what is committed where, what has arrived where, and who owns what.
//!
//! A single-writer dataset is one log. A promotion begins a new epoch of it: a copy of the log as far as the new home has it,
//! with a mark of its own, so that the epoch is replicated with the data. What only the old epoch has is lost.
//! A dataset split by subject is one log per region, with the writes of all subjects that live there. A subject that moves
//! is taken over whole into its new home's log, with its new epoch.

pub const REGIONS: [&str; 3] = ["us", "eu", "ap"];
/// Keys of a subject, or of a dataset that is not split.
pub const KEYS: usize = 2;

pub type Id = u32;

/// Who may write, and since which epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Owner {
    pub home: usize,
    pub epoch: u64,
}

/// How far a copy is: by whose log, and where in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Label {
    pub owner: Owner,
    pub place: usize,
}

/// What is replicated: the log of that source in that epoch, up to there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Message {
    pub dataset: usize,
    pub source: usize,
    pub epoch: u64,
    pub length: usize,
}

#[derive(Clone, Debug)]
struct Entry {
    subject: usize,
    epoch: u64,
    what: What,
}

#[derive(Clone, Debug)]
enum What {
    Append(usize, Id),
    /// The subject's lists so far, taken over from its old home.
    TakeOver(Vec<Vec<Id>>),
    /// A new epoch of the whole log begins.
    Promotion,
}

/// A dataset of the simulated application, and its copies.
#[derive(Clone, Debug)]
pub struct Dataset {
    pub name: &'static str,
    pub split: bool,
    /// Its origins report positions.
    pub positions: bool,
    at: usize,
    /// Of a whole dataset by epoch, of a split one by home.
    logs: Vec<Vec<Entry>>,
    /// The home of a whole dataset by epoch; the first home of a split one by subject.
    homes: Vec<usize>,
    pub owners: Vec<Owner>,
    /// All who ever were, by subject.
    pub ever: Vec<Vec<Owner>>,
    copies: [Copy; 3],
    /// Subjects whose writes wait for a move.
    pub paused: Vec<bool>,
    /// Keys and ids that promotions gave up.
    pub lost: Vec<(usize, Id)>,
}

#[derive(Clone, Debug)]
struct Copy {
    /// Of a whole dataset.
    epoch: u64,
    length: usize,
    /// Of a split one, by home.
    applied: [usize; 3],
    /// The owners that this region has been told of.
    told: Vec<Owner>,
}

impl Dataset {
    pub fn new(at: usize, name: &'static str, positions: bool, split: bool, homes: &[usize]) -> Self {
        let owners: Vec<_> = homes.iter().map(|home| Owner { home: *home, epoch: 1 }).collect();
        let copy = Copy { epoch: 1, length: 0, applied: [0; 3], told: owners.clone() };
        Self {
            name,
            split,
            positions,
            at,
            logs: vec![Vec::new(); if split { REGIONS.len() } else { 1 }],
            paused: vec![false; owners.len()],
            homes: homes.to_vec(),
            ever: owners.iter().map(|owner| vec![*owner]).collect(),
            owners,
            copies: std::array::from_fn(|_| copy.clone()),
            lost: Vec::new(),
        }
    }

    fn timeline(&self, epoch: u64) -> &[Entry] {
        &self.logs[usize::try_from(epoch).unwrap() - 1]
    }

    /// How far a region's copy is for that subject, by the epoch that is in the data.
    pub fn label(&self, region: usize, subject: usize) -> Label {
        let copy = &self.copies[region];
        if !self.split {
            let home = self.homes[usize::try_from(copy.epoch).unwrap() - 1];
            return Label { owner: Owner { home, epoch: copy.epoch }, place: copy.length };
        }
        let mut owner = Owner { home: self.homes[subject], epoch: 1 };
        for home in 0..REGIONS.len() {
            let applied = self.logs[home][..copy.applied[home]].iter();
            let epoch = applied.filter(|entry| entry.subject == subject).map(|entry| entry.epoch).max();
            if let Some(epoch) = epoch.filter(|epoch| *epoch > owner.epoch) {
                owner = Owner { home, epoch };
            }
        }
        Label { owner, place: copy.applied[owner.home] }
    }

    /// What a region's copy shows of a key.
    pub fn list(&self, region: usize, subject: usize, key: usize) -> Vec<Id> {
        let copy = &self.copies[region];
        let append = |entry: &Entry| match entry.what {
            What::Append(of, id) if of == key && entry.subject == subject => Some(id),
            _ => None,
        };
        if !self.split {
            return self.timeline(copy.epoch)[..copy.length].iter().filter_map(append).collect();
        }
        let Label { owner, place } = self.label(region, subject);
        let mut list = Vec::new();
        let own = self.logs[owner.home][..place].iter();
        for entry in own.filter(|entry| entry.subject == subject && entry.epoch == owner.epoch) {
            match &entry.what {
                What::TakeOver(lists) => list.clone_from(&lists[key]),
                _ => list.extend(append(entry)),
            }
        }
        list
    }

    /// The newest write that had any part in what the region's copy shows of a key, or, where no key is named, of the subject; 0 if none
    /// had. What a new owner has taken over counts as one write.
    pub fn newest(&self, region: usize, subject: usize, key: Option<usize>) -> usize {
        let Label { owner, place } = self.label(region, subject);
        let log = if self.split { &self.logs[owner.home] } else { self.timeline(owner.epoch) };
        let had_part = |entry: &Entry| {
            let of_key = matches!(entry.what, What::Append(of, _) if key.is_none_or(|key| key == of));
            let of_all = matches!(entry.what, What::TakeOver(_) | What::Promotion);
            entry.subject == subject && (of_key || of_all)
        };
        log[..place].iter().rposition(had_part).map_or(0, |at| at + 1)
    }

    /// Whether the region owns the subject's data, or who does as far as it has been told.
    pub fn fence(&self, region: usize, subject: usize) -> Result<(), Owner> {
        if self.owners[subject].home == region {
            return Ok(());
        }
        let told = self.copies[region].told[subject];
        let copied = self.label(region, subject).owner;
        let known = if copied.epoch > told.epoch { copied } else { told };
        // A region that has heard of nothing newer is no owner all the same.
        Err(if known.home == region { self.owners[subject] } else { known })
    }

    /// Whether the copy at home holds that id, so that a repeated request need not be applied again.
    pub fn has(&self, region: usize, subject: usize, key: usize, id: Id) -> bool {
        self.list(region, subject, key).contains(&id)
    }

    /// Commits a write at a region, and what is to be replicated.
    pub fn commit(&mut self, region: usize, subject: usize, key: usize, id: Id) -> Message {
        // A region writes by the epoch that it has; only the owner has the latest.
        let epoch = if self.split { self.label(region, subject).owner.epoch } else { self.copies[region].epoch };
        let log = if self.split { region } else { usize::try_from(epoch).unwrap() - 1 };
        self.logs[log].push(Entry { subject, epoch, what: What::Append(key, id) });
        self.tell(region, log)
    }

    /// The whole log of a region is its own copy; a message brings it elsewhere.
    fn tell(&mut self, region: usize, log: usize) -> Message {
        let length = self.logs[log].len();
        let copy = &mut self.copies[region];
        let epoch = if self.split {
            copy.applied[region] = length;
            0
        } else {
            (copy.epoch, copy.length) = (log as u64 + 1, length);
            copy.epoch
        };
        Message { dataset: self.at, source: region, epoch, length }
    }

    /// A message arrives: a copy never goes back, but a later epoch may replace what it had.
    pub fn deliver(&mut self, region: usize, message: &Message) {
        let copy = &mut self.copies[region];
        if self.split {
            copy.applied[message.source] = copy.applied[message.source].max(message.length);
        } else if (message.epoch, message.length) > (copy.epoch, copy.length) {
            (copy.epoch, copy.length) = (message.epoch, message.length);
        }
    }

    /// Whether a region has all that the subject's owner has.
    pub fn is_caught_up(&self, region: usize, subject: usize) -> bool {
        let Owner { home, epoch } = self.owners[subject];
        let copy = &self.copies[region];
        if self.split {
            copy.applied[home] == self.logs[home].len()
        } else {
            (copy.epoch, copy.length) == (epoch, self.timeline(epoch).len())
        }
    }

    /// Moves a subject's home to a region; what that region does not have is lost. The old home is told at once.
    pub fn promote(&mut self, region: usize, subject: usize) -> Message {
        let old = self.owners[subject];
        let new = Owner { home: region, epoch: old.epoch + 1 };
        let lists: Vec<_> = (0..KEYS).map(|key| self.list(region, subject, key)).collect();
        self.owners[subject] = new;
        self.owned(subject);
        for home in [old.home, region] {
            self.copies[home].told[subject] = new;
        }
        if self.split {
            let what = What::TakeOver(lists);
            self.logs[region].push(Entry { subject, epoch: new.epoch, what });
            return self.tell(region, region);
        }
        let gone = self.timeline(old.epoch).iter().filter_map(|entry| match entry.what {
            What::Append(key, id) if !lists[key].contains(&id) => Some((key, id)),
            _ => None,
        });
        let gone: Vec<_> = gone.collect();
        self.lost.extend(gone);
        let Copy { epoch, length, .. } = self.copies[region];
        let mut log = self.timeline(epoch)[..length].to_vec();
        log.push(Entry { subject, epoch: new.epoch, what: What::Promotion });
        self.logs.push(log);
        self.homes.push(region);
        self.tell(region, self.logs.len() - 1)
    }
}
