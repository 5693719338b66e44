//! What goes wrong, and what operators do about it.

use homing::routing::{Memory, subject::SubjectId, topology::SubjectKind};

use crate::{
    bugs::Bug,
    client::{HONEST, TENANTS, USERS},
    data::REGIONS,
    edge::{EDGES, ISOLATES},
    world::{Event, World},
};

/// Something that begins or ends.
#[derive(Clone, Copy, Debug)]
pub enum Fault {
    Slow {
        from: usize,
        to: usize,
        millis: u64,
    },
    Cut {
        from: usize,
        to: usize,
    },
    Whole {
        from: usize,
        to: usize,
    },
    Dies(usize),
    Returns(usize),
    Lossy(u64),
    SlowNetwork(u64),
    NoStore(bool),
    /// The isolate forgets what it knew.
    Restart(usize, usize),
    Evict(usize),
    /// A planned move of what a group owns; so many looks whether the new home has everything are left.
    Move(Group, usize, u32),
    /// An operator gives up what a dead home alone has.
    Force(usize, usize),
}

/// What moves together: a dataset that is not split, a user, or a tenant.
#[derive(Clone, Copy, Debug)]
pub enum Group {
    Whole(usize),
    User(usize),
    Tenant(usize),
}

impl Group {
    fn parts(self) -> (Vec<usize>, usize) {
        match self {
            Self::Whole(dataset) => (vec![dataset], 0),
            Self::User(user) => (vec![2, 5], user),
            Self::Tenant(tenant) => (vec![3], tenant),
        }
    }
}

/// Half of the datasets that are not split report positions; the third does not.
const WHOLE: [usize; 3] = [0, 1, 4];

pub fn plan(world: &mut World) {
    let crowded = world.crowded;
    for _ in 0..world.random.within(2, 8) {
        // A crowd is soon done.
        let at = world.random.below(if crowded { 12_000 } else { 50_000 });
        let long = world.random.within(500, 15_000);
        let (from, to) = (world.random.index(3), world.random.index(3));
        let (begins, ends) = match world.random.below(12) {
            0 | 1 => {
                let millis = world.random.within(1000, 20_000);
                (Fault::Slow { from, to, millis }, Some(Fault::Slow { from, to, millis: 0 }))
            }
            2 | 3 => (Fault::Cut { from, to }, Some(Fault::Whole { from, to })),
            4 | 5 => {
                isolate(world, from, at, long);
                (Fault::Dies(from), Some(Fault::Returns(from)))
            }
            6 => (Fault::Lossy(world.random.within(20, 300)), Some(Fault::Lossy(0))),
            7 => (Fault::SlowNetwork(world.random.within(500, 15_000)), Some(Fault::SlowNetwork(0))),
            8 => (Fault::NoStore(true), Some(Fault::NoStore(false))),
            9 => (Fault::Restart(world.random.index(EDGES), world.random.index(ISOLATES)), None),
            10 => (Fault::Evict(world.random.index(EDGES)), None),
            _ => {
                let group = match world.random.below(3) {
                    0 => Group::Whole(WHOLE[world.random.index(WHOLE.len())]),
                    1 => Group::User(from % HONEST),
                    _ => Group::Tenant(from % TENANTS.len()),
                };
                (Fault::Move(group, to, 50), None)
            }
        };
        world.after(at, Event::Fault(begins));
        if let Some(ends) = ends {
            world.after(at + long, Event::Fault(ends));
        }
    }
}

/// A region that dies has often been cut off before, so that it alone has its last writes; and when it comes back, it
/// hears of what was done in its place only later.
fn isolate(world: &mut World, region: usize, dies: u64, long: u64) {
    for other in (0..REGIONS.len()).filter(|other| *other != region) {
        if world.random.chance(500) {
            let before = world.random.below(3000);
            world.after(dies.saturating_sub(before), Event::Fault(Fault::Cut { from: region, to: other }));
            world.after(dies + long, Event::Fault(Fault::Whole { from: region, to: other }));
        }
        if world.random.chance(500) {
            let after = world.random.within(500, 20_000);
            world.after(dies, Event::Fault(Fault::Cut { from: other, to: region }));
            world.after(dies + long + after, Event::Fault(Fault::Whole { from: other, to: region }));
        }
    }
}

impl World {
    pub fn fault(&mut self, fault: Fault) {
        self.tell(|_| format!("{fault:?}"));
        match fault {
            Fault::Slow { from, to, millis } => self.network.link(from, to).slow = millis,
            Fault::Cut { from, to } => self.network.link(from, to).cut = true,
            Fault::Whole { from, to } => {
                self.network.link(from, to).cut = false;
                self.release(from, to);
            }
            Fault::Dies(region) => self.dies(region),
            Fault::Returns(region) => {
                self.network.dead[region] = false;
                (0..REGIONS.len()).for_each(|from| self.release(from, region));
            }
            Fault::Lossy(chance) => self.network.lossy = chance,
            Fault::SlowNetwork(millis) => self.network.slow = millis,
            Fault::NoStore(none) => self.network.no_store = none,
            Fault::Restart(edge, isolate) => self.edges[edge].memories[isolate] = Memory::default(),
            Fault::Evict(edge) => self.edges[edge].store.clear(),
            Fault::Move(group, to, looks) => self.move_group(group, to, looks),
            Fault::Force(dataset, region) => self.force(dataset, region),
        }
    }

    fn dies(&mut self, region: usize) {
        self.network.dead[region] = true;
        self.count("regions that died");
        for dataset in [0, 1] {
            if self.datasets[dataset].owners[0].home == region && self.random.chance(600) {
                let to = (region + 1 + self.random.index(2)) % REGIONS.len();
                let patience = self.random.within(500, 6000);
                self.after(patience, Event::Fault(Fault::Force(dataset, to)));
            }
        }
    }

    fn force(&mut self, dataset: usize, to: usize) {
        let home = self.datasets[dataset].owners[0].home;
        // It came back meanwhile, or there is nobody to promote.
        if !self.network.dead[home] || self.network.dead[to] || home == to || self.datasets[dataset].paused[0] {
            return;
        }
        self.count("forced promotions");
        let message = self.datasets[dataset].promote(to, 0);
        self.replicate(message);
    }

    /// Writes wait until the new home has everything, or somebody loses patience.
    fn move_group(&mut self, group: Group, to: usize, looks: u32) {
        let (datasets, subject) = group.parts();
        let home = self.datasets[datasets[0]].owners[subject].home;
        let is_possible = home != to && !self.network.dead[home] && !self.network.dead[to];
        let hurries = self.habits.bug == Some(Bug::MovesTooEarly);
        let ready = hurries || datasets.iter().all(|dataset| self.datasets[*dataset].is_caught_up(to, subject));
        let paused = is_possible && !ready && looks > 0;
        for dataset in datasets.iter().copied() {
            self.datasets[dataset].paused[subject] = paused;
        }
        if paused {
            return self.after(200, Event::Fault(Fault::Move(group, to, looks - 1)));
        }
        if !is_possible || !ready {
            return;
        }
        self.count("planned moves");
        for dataset in datasets {
            // A planned move may lose nothing, so nothing is declared lost.
            let declared = self.datasets[dataset].lost.len();
            let message = self.datasets[dataset].promote(to, subject);
            self.datasets[dataset].lost.truncate(declared);
            self.replicate(message);
        }
        let id = match group {
            Group::Whole(_) => return,
            Group::User(user) => SubjectId::of(SubjectKind::User, USERS[user]),
            Group::Tenant(tenant) => SubjectId::of(SubjectKind::Tenant, TENANTS[tenant]),
        };
        let owner = self.datasets[if matches!(group, Group::User(_)) { 2 } else { 3 }].owners[subject];
        let home = format!(r#"{{"home":"{}","epoch":{}}}"#, REGIONS[owner.home], owner.epoch);
        self.directory.insert(id.as_str().to_owned(), home.clone());
        self.publish(id.as_str(), &home);
    }

    /// The home store is read at each edge sooner or later.
    pub fn publish(&mut self, subject: &str, home: &str) {
        for edge in 0..EDGES {
            let late = if self.random.chance(500) { self.random.below(200) } else { self.random.below(60_000) };
            self.after(late, Event::Publish(edge, subject.to_owned(), home.to_owned()));
        }
    }

    /// Every subject has a home from the beginning, and not every edge has heard of it: that a look-up finds nothing proves
    /// nothing.
    pub fn publish_homes(&mut self) {
        let users = USERS.iter().enumerate().map(|(at, name)| (2, at, SubjectKind::User, *name));
        let tenants = TENANTS.iter().enumerate().map(|(at, name)| (3, at, SubjectKind::Tenant, *name));
        for (dataset, subject, kind, name) in users.chain(tenants) {
            let home = REGIONS[self.datasets[dataset].owners[subject].home];
            let home = format!(r#"{{"home":"{home}","epoch":1}}"#);
            let id = SubjectId::of(kind, name).as_str().to_owned();
            for edge in &mut self.edges {
                if self.random.chance(500) {
                    edge.homes.insert(id.clone(), home.clone());
                }
            }
            self.directory.insert(id, home);
        }
    }
}
