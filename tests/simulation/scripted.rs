//! Worlds with a script in place of chance, for races that chance alone meets too rarely.

use crate::{
    bugs::Bug,
    client::{Action, Place, Reply, TENANTS},
    control::Order,
    data::{MANY, SHARED, Unit},
    faults::Fault,
    origin::Habits,
    world::{Event, Outcome, World},
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Script {
    /// The home dies with writes that nobody else has; another takes its place, and the old one comes back and does not hear
    /// of it. Its own log is longer than the new one.
    Promotion,
    /// A write arrives at a copy while that copy reads.
    SlowCopy,
    /// The same, and one of the edges has not heard of the new home.
    Unheard,
    /// A dataset moves as planned, and a third region has the new owner's log long before it has the old one's.
    ThirdRegion,
    /// A dataset moves as planned, and the old owner has something of a third region that the new one has not.
    Unrelated,
    /// A session has more pins than it can keep, and one of them is on what several regions write.
    ManyPins,
}

/// Every script.
pub const ALL: [Script; 6] =
    [Script::Promotion, Script::SlowCopy, Script::Unheard, Script::ThirdRegion, Script::Unrelated, Script::ManyPins];

/// The orders, whose home is the first region.
const ORDERS: Place = Place { dataset: 0, subject: 0, key: 0 };

pub fn play(script: Script, seed: u64, bug: Option<Bug>, tells: bool) -> Outcome {
    let mut world = World::still(seed, bug, tells);
    let habits = Habits {
        later_epochs_do: false,
        fences_reads: false,
        reads_say: true,
        fresh: [0; MANY],
        while_revalidate: [0; MANY],
        validates: false,
        // Nobody can wait where windows of seconds are tried.
        dawdles: if script == Script::ManyPins { 4 } else { 3000 },
        ..world.habits
    };
    world.habits = bug.map_or(habits, |bug| bug.suits(habits));
    // The script names its own.
    world.next_id = 100;
    // Nothing goes wrong but what the script says.
    world.calm = true;
    match script {
        Script::Promotion => promotion(&mut world, &[0, 1]),
        Script::Unheard => promotion(&mut world, &[1]),
        Script::Unrelated => unrelated(&mut world),
        Script::ManyPins => many_pins(&mut world),
        Script::SlowCopy => slow_copy(&mut world),
        Script::ThirdRegion => third_region(&mut world),
    }
    world.run()
}

fn promotion(world: &mut World, heard: &[usize]) {
    let (old, new, other) = (0, 1, 2);
    let faults = [
        (0, Fault::Cut { from: old, to: new }),
        (0, Fault::Cut { from: old, to: other }),
        (45_000, Fault::Dies(old)),
        (45_000, Fault::Deaf(old, true)),
        (45_000, Fault::Orders(Order::Force(Unit::Whole(ORDERS.dataset), new))),
        (45_000, Fault::Cut { from: new, to: old }),
        (60_000, Fault::Returns(old)),
        (200_000, Fault::Deaf(old, false)),
        (200_000, Fault::Whole { from: new, to: old }),
        (200_000, Fault::Whole { from: old, to: new }),
        (200_000, Fault::Whole { from: old, to: other }),
    ];
    for (at, fault) in faults {
        world.after(at, Event::Fault(fault));
    }
    for id in 1..4 {
        act(world, u64::from(id) * 10_000, 0, Reply::Write(id), old);
    }
    // By then their edges have heard of the new one from the published view: no client's mark may tell it.
    hear(world, 125_000, heard);
    act(world, 160_000, 1, Reply::Write(4), new);
    act(world, 170_000, 1, Reply::Read, old);
}

fn slow_copy(world: &mut World) {
    let (home, copy) = (0, 1);
    world.after(0, Event::Fault(Fault::Slow { from: home, to: copy, millis: 6000 }));
    act(world, 10, 0, Reply::Write(1), home);
    act(world, 5500, 0, Reply::Read, copy);
}

fn third_region(world: &mut World) {
    let (old, new, third) = (0, 1, 2);
    world.after(0, Event::Fault(Fault::Slow { from: old, to: third, millis: 150_000 }));
    act(world, 10, 0, Reply::Write(1), old);
    world.after(1000, Event::Fault(Fault::Orders(Order::Move(Unit::Whole(ORDERS.dataset), new))));
    act(world, 5000, 0, Reply::Read, new);
    hear(world, 70_000, &[third]);
    for at in [110_000, 120_000] {
        act(world, at, 0, Reply::Read, third);
    }
}

fn unrelated(world: &mut World) {
    let (new, third) = (1, 2);
    let notes = Place { dataset: 3, subject: 0, key: 0 };
    world.after(0, Event::Fault(Fault::Orders(Order::Move(Unit::Tenant(0), third))));
    world.after(20_000, Event::Fault(Fault::Cut { from: third, to: new }));
    act_on(world, 25_000, (1, third), Reply::Write(1), notes);
    world.after(30_000, Event::Fault(Fault::Orders(Order::Move(Unit::Whole(ORDERS.dataset), new))));
    world.after(110_000, Event::Fault(Fault::Slow { from: new, to: third, millis: 50_000 }));
    hear(world, 60_000, &[new, third]);
    act(world, 120_000, 0, Reply::Write(2), new);
    act(world, 132_000, 0, Reply::Read, third);
    world.after(300_000, Event::Fault(Fault::Whole { from: third, to: new }));
}

fn many_pins(world: &mut World) {
    let place = |dataset: usize, subject: usize| Place { dataset, subject, key: 0 };
    let (here, there) = (0, 1);
    let wholes = [place(0, 0), place(1, 0)];
    let marked: Vec<_> = wholes.into_iter().chain((0..TENANTS.len()).map(|tenant| place(3, tenant))).collect();
    for (at, place) in (0u32..).zip(&marked) {
        act_on(world, u64::from(at) * 500, (0, here), Reply::Write(at), *place);
    }
    let likes = place(SHARED, 0);
    act_on(world, 10_000, (0, here), Reply::Write(50), likes);
    act_on(world, 10_150, (0, here), Reply::Write(51), place(4, 0));
    act_on(world, 10_300, (0, there), Reply::Read, likes);
    act_on(world, 10_450, (0, there), Reply::Read, place(4, 0));
}

/// Somebody reads at those edges often enough for all of their isolates to have read the view.
fn hear(world: &mut World, from: u64, edges: &[usize]) {
    for time in 0..8 {
        for edge in edges {
            act(world, from + time * 4000, 2 + edge, Reply::Read, *edge);
        }
    }
}

fn act(world: &mut World, at: u64, client: usize, deed: Reply, edge: usize) {
    act_on(world, at, (client, edge), deed, ORDERS);
}

fn act_on(world: &mut World, at: u64, (client, edge): (usize, usize), deed: Reply, place: Place) {
    let action = Action { deed, place, stale: false, edge, repeatable: false, again: None };
    world.after(at, Event::Act(client, action));
}
