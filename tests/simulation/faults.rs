//! What goes wrong, and what operators do about it.

use homing_core::testing::model::subject::{SubjectId, SubjectKind};

use crate::{
    client::{HONEST, TENANTS, USERS},
    control::Order,
    data::{Owner, REGIONS, Unit, WHOLE},
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
    /// What the authority tells a region does not arrive, or does again.
    Deaf(usize, bool),
    Lossy(u64),
    SlowNetwork(u64),
    NoStore(bool),
    /// The isolate forgets what it knew.
    Restart(usize, usize),
    Evict(usize),
    /// An edge's wall clock is set to so far ahead of the slowest.
    SetClock(usize, u64),
    /// The client's session is gone, and the application's login stays.
    LosesSession(usize),
    /// An operator gives an order.
    Orders(Order),
    /// An operator gives up what a dead region alone has.
    GivesUp(usize),
}

/// A unit that honest clients use.
fn unit(world: &mut World) -> Unit {
    match world.random.below(5) {
        0 | 1 => Unit::Whole(WHOLE[world.random.index(WHOLE.len())]),
        2 | 3 => Unit::User(world.random.index(HONEST)),
        _ => Unit::Tenant(world.random.index(TENANTS.len())),
    }
}

pub fn plan(world: &mut World) {
    let long_ago = if world.crowded { 12_000 } else { 50_000 };
    for _ in 0..world.random.within(2, 8) {
        // A crowd is soon done.
        let at = world.random.below(long_ago);
        let long = world.random.within(500, 15_000);
        let (from, to) = (world.random.index(3), world.random.index(3));
        let (begins, ends) = match world.random.below(11) {
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
            _ => (Fault::Evict(world.random.index(EDGES)), None),
        };
        world.after(at, Event::Fault(begins));
        if let Some(ends) = ends {
            world.after(at + long, Event::Fault(ends));
        }
    }
    // Whoever moves somebody of whom the directory has never heard must have imported the homes that the regions know.
    for _ in 0..if world.known { 0 } else { world.random.within(0, 5) } {
        let at = world.random.below(long_ago);
        operate(world, at);
    }
    for client in 0..world.clients.len() {
        if world.random.chance(300) {
            let at = world.random.below(long_ago);
            world.after(at, Event::Fault(Fault::LosesSession(client)));
        }
    }
}

/// Operators move things about, now and then one thing at once with another, and change their minds.
fn operate(world: &mut World, at: u64) {
    let (from, to) = (world.random.index(3), world.random.index(3));
    let order = match world.random.below(12) {
        0..=6 => Order::Move(unit(world), to),
        7 | 8 if from != to => Order::Sweep(from, to),
        9 => Order::ReadOnly(from, world.random.within(2, 15)),
        10 => Order::Down(from, world.random.within(2, 15)),
        _ => Order::Drain(from, world.random.within(2, 30)),
    };
    world.after(at, Event::Fault(Fault::Orders(order)));
    let is_change = matches!(order, Order::Move(..) | Order::Sweep(..));
    if is_change && world.random.chance(300) {
        let later = world.random.below(2500);
        world.after(at + later, Event::Fault(Fault::Orders(Order::Abort)));
    }
    if is_change && world.random.chance(300) {
        let later = world.random.below(3000);
        let order = Order::Move(unit(world), world.random.index(3));
        world.after(at + later, Event::Fault(Fault::Orders(order)));
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
    if world.random.chance(300) {
        let after = world.random.within(500, 20_000);
        world.after(dies, Event::Fault(Fault::Deaf(region, true)));
        world.after(dies + long + after, Event::Fault(Fault::Deaf(region, false)));
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
            Fault::Deaf(region, deaf) => self.network.deaf[region] = deaf,
            Fault::Lossy(chance) => self.network.lossy = chance,
            Fault::SlowNetwork(millis) => self.network.slow = millis,
            Fault::NoStore(none) => self.network.no_store = none,
            Fault::Restart(edge, isolate) => {
                self.edges[edge].restart(isolate);
            }
            Fault::Evict(edge) => self.edges[edge].store.clear(),
            Fault::SetClock(edge, ahead) => self.edges[edge].ahead = ahead,
            Fault::LosesSession(client) => self.loses_session(client),
            Fault::Orders(order) => self.order(order),
            Fault::GivesUp(region) => self.give_up(region),
        }
    }

    fn loses_session(&mut self, client: usize) {
        let client = &mut self.clients[client];
        if client.sealed.take().is_some() {
            client.lives += 1;
            self.count("sessions that were lost while the login stayed");
        }
    }

    fn dies(&mut self, region: usize) {
        self.network.dead[region] = true;
        self.count("regions that died");
        if self.random.chance(600) {
            let patience = self.random.within(500, 6000);
            self.after(patience, Event::Fault(Fault::GivesUp(region)));
        }
        // Who sees a change stand still gives it up, by word if need be.
        if self.random.chance(300) {
            let patience = self.random.within(500, 6000);
            let order = if self.random.chance(500) { Order::Abort } else { Order::AbortByWord };
            self.after(patience, Event::Fault(Fault::Orders(order)));
        }
    }

    fn give_up(&mut self, region: usize) {
        // It came back meanwhile.
        if !self.network.dead[region] {
            return;
        }
        let to = (region + 1 + self.random.index(2)) % REGIONS.len();
        if self.random.chance(300) {
            return self.order(Order::ForceAll(region, to));
        }
        let owned: Vec<_> =
            Unit::all().filter(|unit| self.data.owner(*unit).is_some_and(|of| of.home == region)).collect();
        for unit in owned {
            if self.random.chance(500) {
                self.order(Order::Force(unit, to));
            }
        }
    }

    /// Every subject has a home from the beginning, and not every edge has heard of it: that a look-up finds nothing proves
    /// nothing.
    pub fn publish_homes(&mut self, homes: &[usize], tenants: &[usize]) {
        let users = USERS.iter().zip(homes).enumerate().map(|(at, of)| (Unit::User(at), SubjectKind::User, of));
        let tenants =
            TENANTS.iter().zip(tenants).enumerate().map(|(at, of)| (Unit::Tenant(at), SubjectKind::Tenant, of));
        for (unit, kind, (name, home)) in users.chain(tenants).collect::<Vec<_>>() {
            let owner = Owner { home: *home, epoch: 1 };
            self.data.configure(unit, owner);
            let id = SubjectId::of(kind, name).as_str().to_owned();
            self.directory.settle(&id, kind.token(), owner);
            let home = format!(r#"{{"home":"{}","epoch":1}}"#, REGIONS[*home]);
            for edge in &mut self.edges {
                if self.random.chance(500) {
                    edge.stored.insert(format!("home:{id}"), (0, home.clone()));
                }
            }
        }
    }
}
