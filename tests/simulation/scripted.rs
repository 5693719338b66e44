//! Worlds with a script in place of chance, for races that chance alone meets too rarely.

use crate::{
    bugs::Bug,
    client::{Action, Deed, Place},
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
}

/// The orders, whose home is the first region.
const ORDERS: Place = Place { dataset: 0, subject: 0, key: 0 };

pub fn play(script: Script, seed: u64, bug: Option<Bug>) -> Outcome {
    let mut world = World::still(seed, bug, false);
    let habits = Habits {
        later_epochs_do: false,
        fences_reads: false,
        reads_say: true,
        fresh: [0; 6],
        while_revalidate: [0; 6],
        validates: false,
        dawdles: 3000,
        ..world.habits
    };
    world.habits = bug.map_or(habits, |bug| bug.suits(habits));
    // Nothing goes wrong but what the script says.
    world.calm = true;
    match script {
        Script::Promotion => promotion(&mut world),
        Script::SlowCopy => slow_copy(&mut world),
    }
    world.run()
}

fn promotion(world: &mut World) {
    let (old, new, other) = (0, 1, 2);
    let faults = [
        (0, Fault::Cut { from: old, to: new }),
        (0, Fault::Cut { from: old, to: other }),
        (45_000, Fault::Dies(old)),
        (45_000, Fault::Force(ORDERS.dataset, new)),
        (45_000, Fault::Cut { from: new, to: old }),
        (46_000, Fault::Returns(old)),
        (100_000, Fault::Whole { from: new, to: old }),
        (100_000, Fault::Whole { from: old, to: new }),
        (100_000, Fault::Whole { from: old, to: other }),
    ];
    for (at, fault) in faults {
        world.after(at, Event::Fault(fault));
    }
    for id in 1..4 {
        act(world, u64::from(id) * 10_000, 0, Deed::Write(id), old);
    }
    act(world, 50_000, 1, Deed::Write(4), new);
    // By which the edge beside the old home hears of the new one: no client's mark may tell it.
    act(world, 60_000, 2, Deed::Write(5), old);
    act(world, 70_000, 1, Deed::Read, old);
}

fn slow_copy(world: &mut World) {
    let (home, copy) = (0, 1);
    world.after(0, Event::Fault(Fault::Slow { from: home, to: copy, millis: 6000 }));
    act(world, 10, 0, Deed::Write(1), home);
    act(world, 5500, 0, Deed::Read, copy);
}

fn act(world: &mut World, at: u64, client: usize, deed: Deed, edge: usize) {
    let action = Action { deed, place: ORDERS, stale: false, edge, repeatable: false };
    world.after(at, Event::Act(client, action));
}
