//! The applications' data: what is committed where, what has arrived where, and in whose epoch it counts.
//!
//! Each region has a log of its own, with the writes of all that it owns one behind the other, and a second one for the data without
//! positions. The others have a beginning of each. That a unit has a new owner is said in the log (an announcement), with the
//! stretches of the earlier owners' logs that count from now on: whatever else an earlier owner wrote is lost, and a copy
//! without all of them is no copy of the new epoch yet.

use std::{collections::BTreeSet, rc::Rc};

use homing_origin::Ownership;

use crate::{
    bugs::Bug,
    client::{Place, TENANTS, USERS},
    region::Kept,
};

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

/// What has one owner: a dataset that is not split, or somebody's part of all datasets of a kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    Whole(usize),
    User(usize),
    Tenant(usize),
}

/// The datasets that are not split.
pub const WHOLE: [usize; 3] = [0, 1, 4];
pub const UNITS: usize = WHOLE.len() + USERS.len() + TENANTS.len();

impl Unit {
    pub fn all() -> impl Iterator<Item = Self> {
        let users = (0..USERS.len()).map(Self::User);
        WHOLE.into_iter().map(Self::Whole).chain(users).chain((0..TENANTS.len()).map(Self::Tenant))
    }

    /// Its place in lists of units.
    pub fn at(self) -> usize {
        match self {
            Self::Whole(dataset) => WHOLE.iter().position(|whole| *whole == dataset).unwrap(),
            Self::User(user) => WHOLE.len() + user,
            Self::Tenant(tenant) => WHOLE.len() + USERS.len() + tenant,
        }
    }

    /// What that is a part of; of what several write, nothing.
    pub fn of(place: Place) -> Option<Self> {
        match place.dataset {
            2 | 5 => Some(Self::User(place.subject)),
            3 => Some(Self::Tenant(place.subject)),
            SHARED | TAGS => None,
            whole => Some(Self::Whole(whole)),
        }
    }

    /// In which of a region's two logs it has data.
    pub fn channels(self) -> &'static [usize] {
        match self {
            Self::Whole(4) => &[1],
            Self::Whole(_) | Self::Tenant(_) => &[0],
            Self::User(_) => &[0, 1],
        }
    }
}

/// A dataset of the simulated application.
#[derive(Clone, Copy, Debug)]
pub struct Dataset {
    pub name: &'static str,
    /// How many subjects it is split by; one where it is not.
    pub subjects: usize,
    /// Its origins report positions.
    pub positions: bool,
}

/// Whoever is near writes it, and all writes count; without positions.
pub const SHARED: usize = 6;
/// The same, and copies say how far each owner's log has arrived.
pub const TAGS: usize = 7;
pub const MANY: usize = 8;
pub const DATASETS: [Dataset; MANY] = {
    const fn dataset(name: &'static str, positions: bool, subjects: usize) -> Dataset {
        Dataset { name, subjects, positions }
    }
    [
        dataset("orders", true, 1),
        dataset("prices", true, 1),
        dataset("mail", true, USERS.len()),
        dataset("notes", true, TENANTS.len()),
        dataset("news", false, 1),
        dataset("profile", false, USERS.len()),
        dataset("likes", false, 1),
        dataset("tags", true, 1),
    ]
};

/// Whether several regions write it.
pub fn is_shared(dataset: usize) -> bool {
    matches!(dataset, SHARED | TAGS)
}

/// The log in which a dataset's writes are.
pub fn channel(dataset: usize) -> usize {
    usize::from(!DATASETS[dataset].positions)
}

/// What is replicated: a region's log, up to there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Message {
    pub source: usize,
    pub channel: usize,
    pub length: usize,
}

/// A stretch of an earlier owner's log that counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stretch {
    epoch: u64,
    home: usize,
    upto: usize,
}

/// That a unit has a new owner, in the log of that region.
#[derive(Clone, Debug)]
struct Announced {
    log: usize,
    /// After how much of it one knows; nothing is needed for what was configured.
    upto: usize,
    owner: Owner,
    stretches: Rc<[Stretch]>,
}

/// What a write has made of a key.
#[derive(Clone, Debug)]
struct Version {
    epoch: u64,
    home: usize,
    upto: usize,
    id: Id,
    list: Rc<[Id]>,
    /// The stamp of what several write, where applications keep it.
    stamp: Option<String>,
}

/// What a unit comes to once everything has arrived.
#[derive(Clone, Debug)]
struct Truth {
    owner: Owner,
    stretches: Rc<[Stretch]>,
}

impl Version {
    /// It was written before the router was there, or on the application's own word.
    fn is_of_before(&self) -> bool {
        self.epoch == 0
    }
}

pub struct Data {
    /// How long each region's logs are.
    lengths: [[usize; 2]; 3],
    /// How much a region has of another's log.
    applied: [[[usize; 2]; 3]; 3],
    announced: Vec<[Vec<Announced>; 2]>,
    versions: Vec<Vec<Version>>,
    truth: Vec<[Option<Truth>; 2]>,
    /// Units that were taken from an owner by force, and the epoch that followed it.
    forced: BTreeSet<(usize, u64)>,
    /// All who ever owned a unit, by somebody's word.
    pub ever: Vec<Vec<Owner>>,
    /// By whom each epoch of a unit was written.
    writers: Vec<Vec<Owner>>,
    pub regions: [Vec<Kept>; 3],
    /// How many admitted writes have not said their position yet.
    pub in_flight: [[u32; UNITS]; 3],
    /// The latest epoch of which a region has been told, believed or not.
    pub heard: [[u64; UNITS]; 3],
    /// What forced changes gave up.
    pub lost: Vec<(Place, Id)>,
    /// What sets out to the other regions.
    pub outbox: Vec<Message>,
    /// What may never happen and has.
    pub foul: Vec<String>,
    pub bug: Option<Bug>,
}

impl Place {
    fn number(self) -> usize {
        (self.dataset * USERS.len().max(TENANTS.len()) + self.subject) * KEYS + self.key
    }

    pub fn all() -> impl Iterator<Item = Self> {
        let keys = |dataset, subject| (0..KEYS).map(move |key| Self { dataset, subject, key });
        let subjects = move |(dataset, of): (usize, &Dataset)| (0..of.subjects).flat_map(move |at| keys(dataset, at));
        DATASETS.iter().enumerate().flat_map(subjects)
    }
}

impl Data {
    pub fn new(bug: Option<Bug>) -> Self {
        Self {
            lengths: [[0; 2]; 3],
            applied: [[[0; 2]; 3]; 3],
            announced: vec![Default::default(); UNITS],
            versions: vec![Vec::new(); DATASETS.len() * USERS.len().max(TENANTS.len()) * KEYS],
            truth: vec![[None, None]; UNITS],
            forced: BTreeSet::new(),
            ever: vec![Vec::new(); UNITS],
            writers: vec![Vec::new(); UNITS],
            regions: std::array::from_fn(|_| vec![Kept::default(); UNITS]),
            in_flight: [[0; UNITS]; 3],
            heard: [[0; UNITS]; 3],
            lost: Vec::new(),
            outbox: Vec::new(),
            foul: Vec::new(),
            bug,
        }
    }

    /// All regions know from the beginning who owns it.
    pub fn configure(&mut self, unit: Unit, owner: Owner) {
        for channel in unit.channels() {
            let stretches: Rc<[Stretch]> = Rc::default();
            let announced = Announced { log: owner.home, upto: 0, owner, stretches: Rc::clone(&stretches) };
            self.announced[unit.at()][*channel].push(announced);
            self.truth[unit.at()][*channel] = Some(Truth { owner, stretches });
        }
        self.ever[unit.at()].push(owner);
        for region in 0..REGIONS.len() {
            self.hear(region, unit, owner);
        }
    }

    /// The latest announcement that a region's copy has, and whether all that counts has arrived with it.
    fn latest(&self, region: usize, unit: Unit, channel: usize) -> Option<(&Announced, bool)> {
        let has = |announced: &&Announced| self.applied[region][announced.log][channel] >= announced.upto;
        let whole = |announced: &Announced| {
            announced.stretches.iter().all(|stretch| self.applied[region][stretch.home][channel] >= stretch.upto)
        };
        let known = || self.announced[unit.at()][channel].iter().filter(has);
        let latest = known().max_by_key(|of| (of.owner.epoch, whole(of)))?;
        // Planted: it lacks what any of them demands.
        let lacks = |of: &Announced| of.owner == latest.owner && !whole(of);
        let is_whole = whole(latest) && !(self.bug == Some(Bug::DemandsAllLogs) && known().any(lacks));
        Some((latest, is_whole))
    }

    /// How far a region's copy is, by the epoch that is in the data. One without the announcement of whom it has heard of, or without
    /// all that counts in that epoch, is no copy of it; one that goes by the data alone is still one of the epoch before.
    pub fn label(&self, region: usize, unit: Unit, channel: usize, by_data: bool) -> Option<Label> {
        let told = self.regions[region][unit.at()].owner();
        let label = |owner: Owner| Label { owner, place: self.applied[region][owner.home][channel] };
        if self.bug == Some(Bug::LabelAheadOfData) {
            return told.map(label);
        }
        let (announced, whole) = self.latest(region, unit, channel)?;
        let counts = whole && (by_data || told == Some(announced.owner));
        counts.then(|| label(announced.owner))
    }

    fn counts(stretches: &[Stretch], owner: Owner, upto: usize, of: &Version) -> bool {
        let own = Stretch { epoch: owner.epoch, home: owner.home, upto };
        let within =
            |stretch: &Stretch| (stretch.epoch, stretch.home) == (of.epoch, of.home) && of.upto <= stretch.upto;
        within(&own) || stretches.iter().any(within)
    }

    /// The last version of a key that a region's copy has.
    fn version(&self, region: usize, place: Place) -> Option<&Version> {
        let (unit, channel) = (Unit::of(place)?, channel(place.dataset));
        let latest = self.latest(region, unit, channel).map(|(announced, _)| announced);
        let in_epoch =
            |version: &Version| latest.is_some_and(|of| Self::counts(&of.stretches, of.owner, usize::MAX, version));
        let arrived = |version: &Version| self.applied[region][version.home][channel] >= version.upto;
        let counts = |version: &&Version| arrived(version) && (version.is_of_before() || in_epoch(version));
        self.versions[place.number()].iter().filter(counts).max_by_key(|version| (version.epoch, version.upto))
    }

    /// What a region's copy shows of a key.
    pub fn list(&self, region: usize, place: Place) -> Vec<Id> {
        let versions = &self.versions[place.number()];
        if is_shared(place.dataset) {
            // They are merged: what was done twice, by a repeat elsewhere, counts once.
            let channel = channel(place.dataset);
            let arrived = |of: &&Version| self.applied[region][of.home][channel] >= of.upto;
            let mut ids: Vec<_> = versions.iter().filter(arrived).map(|version| version.id).collect();
            ids.sort_unstable();
            ids.dedup();
            return ids;
        }
        self.version(region, place).map(|version| version.list.to_vec()).unwrap_or_default()
    }

    /// The newest write that had any part in what a copy of that owner's epoch shows: of the key, or of the whole unit.
    pub fn shows(&self, region: usize, place: Place, owner: Owner, of_unit: bool) -> usize {
        let keys = if of_unit { (0..KEYS).collect() } else { vec![place.key] };
        let versions = keys.into_iter().filter_map(|key| self.version(region, Place { key, ..place }));
        let own = versions.filter(|version| (version.epoch, version.home) == (owner.epoch, owner.home));
        own.map(|version| version.upto).max().unwrap_or(0)
    }

    /// How far a region's copy has each owner's log, of data that several write.
    pub fn vector(&self, region: usize) -> [usize; 3] {
        self.applied[region].map(|logs| logs[channel(TAGS)])
    }

    /// The newest write of each owner that had any part in what a copy shows of what several write: of the key, or of all.
    pub fn shows_of_each(&self, region: usize, place: Place, of_all: bool) -> [usize; 3] {
        let keys = if of_all { (0..KEYS).collect() } else { vec![place.key] };
        let versions = keys.into_iter().flat_map(|key| &self.versions[Place { key, ..place }.number()]);
        let mut shows = [0; 3];
        for Version { home, upto, .. } in versions {
            if self.applied[region][*home][channel(TAGS)] >= *upto {
                shows[*home] = (*upto).max(shows[*home]);
            }
        }
        shows
    }

    /// Whether the copy holds that write, so that a repeated request need not be applied again.
    pub fn has(&self, region: usize, place: Place, id: Id) -> bool {
        if self.bug == Some(Bug::KeysStayBehind) {
            return self.versions[place.number()].iter().any(|version| version.id == id && version.home == region);
        }
        self.list(region, place).contains(&id)
    }

    /// The latest stamp that a region's copy of what several write has applied.
    pub fn latest_stamp(&self, region: usize, dataset: usize) -> Option<&str> {
        let places = Place::all().filter(|place| place.dataset == dataset);
        let versions = places.flat_map(|place| &self.versions[place.number()]);
        let arrived = versions.filter(|of| self.applied[region][of.home][channel(dataset)] >= of.upto);
        arrived.filter_map(|version| version.stamp.as_deref()).max()
    }

    /// The stamp of a write; of one that was repeated elsewhere the earlier, for a copy may have that alone.
    pub fn stamp_of(&self, place: Place, id: Id) -> Option<&str> {
        let versions = self.versions[place.number()].iter().filter(|version| version.id == id);
        versions.filter_map(|version| version.stamp.as_deref()).min()
    }

    /// All regions know from before where its data is, and nobody has made anybody its owner.
    pub fn lives_in(&mut self, unit: Unit, home: usize) {
        let owner = Owner { home, epoch: Ownership::BEFORE };
        (0..REGIONS.len()).for_each(|region| self.hear(region, unit, owner));
        self.ever[unit.at()].push(owner);
    }

    /// Everybody has that from before.
    pub fn begin_with(&mut self, place: Place, id: Id) {
        self.versions[place.number()].push(Version { epoch: 0, home: 0, upto: 0, id, list: [id].into(), stamp: None });
    }

    /// Commits a write at a region, by the ownership that it has.
    pub fn commit(&mut self, region: usize, place: Place, id: Id, stamp: Option<String>) {
        let channel = channel(place.dataset);
        let list = if is_shared(place.dataset) { Vec::new() } else { self.list(region, place) };
        self.lengths[region][channel] += 1;
        let upto = self.lengths[region][channel];
        let epoch = Unit::of(place).map_or(0, |unit| self.written_by(region, unit, (place, id)));
        let list = list.into_iter().chain([id]).collect();
        self.versions[place.number()].push(Version { epoch, home: region, upto, id, list, stamp });
        if let Some(unit) = Unit::of(place)
            && self.is_given_up(region, unit, epoch)
        {
            self.lost.push((place, id));
        }
        self.send(region, channel);
    }

    /// Law: nobody writes by an epoch of another, nor by one that is over by its own knowledge.
    fn written_by(&mut self, region: usize, unit: Unit, (place, id): (Place, Id)) -> u64 {
        let Some(owner) = self.regions[region][unit.at()].owner() else {
            let line = format!("{} took {id} of {place:?} on nobody's word", REGIONS[region]);
            self.foul.push(line);
            return 0;
        };
        let by = Owner { home: region, epoch: owner.epoch };
        if let Some(other) =
            self.writers[unit.at()].iter().find(|other| other.epoch == by.epoch && other.home != region)
        {
            let line = format!("two owners wrote {unit:?} in epoch {}: {other:?} and {by:?}", by.epoch);
            self.foul.push(line);
        }
        if owner.home != region || self.heard[region][unit.at()] > owner.epoch {
            self.foul.push(format!("{} wrote {unit:?} behind the fence of a later owner", REGIONS[region]));
        }
        if !self.writers[unit.at()].contains(&by) {
            self.writers[unit.at()].push(by);
        }
        owner.epoch
    }

    /// Whether an owner was given up by force and has not heard of it: what it still takes is lost with the rest.
    fn is_given_up(&self, region: usize, unit: Unit, epoch: u64) -> bool {
        self.forced.contains(&(unit.at(), epoch + 1)) && self.heard[region][unit.at()] <= epoch
    }

    fn send(&mut self, region: usize, channel: usize) {
        let length = self.lengths[region][channel];
        self.applied[region][region][channel] = length;
        self.outbox.push(Message { source: region, channel, length });
    }

    /// A message arrives: what it tells of owners is heard with it. Whom one of the two logs names may be ahead of the other, so the new
    /// owner announces itself in both before it writes: what it wrote in the log that is behind would not count even for itself.
    pub fn deliver(&mut self, region: usize, Message { source, channel, length }: Message) {
        let applied = &mut self.applied[region][source][channel];
        let before = std::mem::replace(applied, length.max(*applied));
        for unit in Unit::all() {
            let new = |of: &&Announced| of.log == source && of.upto > before && of.upto <= length;
            let told: Vec<_> = self.announced[unit.at()][channel].iter().filter(new).map(|of| of.owner).collect();
            told.into_iter().for_each(|owner| self.observe(region, unit, owner));
        }
    }

    /// Tells the others of an owner, in the log of that region: with the stretches that count of all that was there before.
    pub fn announce(&mut self, region: usize, unit: Unit, owner: Owner) {
        for channel in unit.channels().iter().copied() {
            let all = &self.announced[unit.at()][channel];
            if all.iter().any(|of| of.log == region && of.owner == owner) {
                continue;
            }
            let before = all.iter().filter(|of| of.owner.epoch < owner.epoch);
            let before = before.filter(|of| self.applied[region][of.log][channel] >= of.upto);
            let before = before.max_by_key(|of| of.owner.epoch);
            let mut stretches = before.map(|of| of.stretches.to_vec()).unwrap_or_default();
            stretches.extend(before.map(|of| {
                let (Owner { home, epoch }, applied) = (of.owner, &self.applied[region]);
                Stretch { epoch, home, upto: applied[home][channel] }
            }));
            if self.bug == Some(Bug::DemandsAllLogs) {
                // Also those that have nothing to do with it.
                let all = (0..REGIONS.len()).map(|home| Stretch {
                    epoch: 0,
                    home,
                    upto: self.applied[region][home][channel],
                });
                stretches.extend(all);
            }
            let stretches: Rc<[Stretch]> = stretches.into();
            self.lengths[region][channel] += 1;
            let upto = self.lengths[region][channel];
            let announced = Announced { log: region, upto, owner, stretches: Rc::clone(&stretches) };
            self.announced[unit.at()][channel].push(announced);
            if owner.home == region {
                self.settle_truth(unit, channel, Truth { owner, stretches });
            }
            self.send(region, channel);
        }
    }

    /// From now on that counts. What counted before and does not any more is lost; by force alone may anything be.
    fn settle_truth(&mut self, unit: Unit, channel: usize, new: Truth) {
        let old = self.truth[unit.at()][channel].replace(new.clone());
        let Some(old) = old.filter(|old| old.owner.epoch < new.owner.epoch) else { return };
        if !self.forced.contains(&(unit.at(), new.owner.epoch)) {
            return;
        }
        let of_unit = |place: &Place| Unit::of(*place) == Some(unit) && self::channel(place.dataset) == channel;
        for place in Place::all().filter(of_unit) {
            let gone = self.versions[place.number()].iter().filter(|version| {
                Self::counts(&old.stretches, old.owner, usize::MAX, version)
                    && !Self::counts(&new.stretches, new.owner, 0, version)
            });
            let gone: Vec<_> = gone.map(|version| (place, version.id)).collect();
            self.lost.extend(gone);
        }
    }

    /// The unit is taken from its owner by force, and that epoch follows.
    pub fn give_up(&mut self, unit: Unit, epoch: u64) {
        self.forced.insert((unit.at(), epoch));
    }

    /// By which epoch the unit is owned in the end.
    pub fn owner(&self, unit: Unit) -> Option<Owner> {
        let owners = self.truth[unit.at()].iter().flatten().map(|truth| truth.owner);
        owners.max_by_key(|owner| owner.epoch)
    }

    /// The places of writes that count, for the order that is promised across keys: epoch and place of each id of a part.
    pub fn places(&self, place: Place) -> impl Iterator<Item = (Id, (u64, usize))> {
        self.versions[place.number()].iter().map(|version| (version.id, (version.epoch, version.upto)))
    }
}
