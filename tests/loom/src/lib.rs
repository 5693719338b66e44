//! A pause ends when no write of its unit is in flight: neither before, nor never because a wake-up was lost. loom tries every order in which
//! the threads may meet, as the C11 memory model allows it (Norris and Demsky, CDSChecker, OOPSLA 2013).
//!
//! `RUSTFLAGS="--cfg loom" cargo test --release -p gate-model --target-dir target/loom`; `make test` runs it.
#![cfg(loom)]

mod notify;

use notify::Notify;

// The very file of the kit: it needs nothing but the name of a unit.
#[allow(dead_code, unreachable_pub, reason = "what the kit shows to others")]
#[path = "../../../src/origin/src/gate.rs"]
mod gate;

/// What is written.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Unit(&'static str);

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use loom::{
        future::block_on,
        sync::{
            Arc,
            atomic::{AtomicUsize, Ordering::SeqCst},
        },
        thread,
    };

    use super::{Unit, gate::Gate};

    const ITEMS: Unit = Unit("items");
    const OTHERS: Unit = Unit("others");

    /// In every order of the threads in which none is interrupted more than three times; nearly all mistakes show with two (Musuvathi and
    /// Qadeer, Iterative context bounding, PLDI 2007).
    fn in_every_order(run: impl Fn() + Sync + Send + 'static) {
        let mut model = loom::model::Builder::new();
        model.preemption_bound = Some(3);
        model.check(run);
    }

    /// Writes of these units are in flight, each in a thread of its own, while a pause of the first waits for them.
    fn pause_beside(units: &'static [Unit]) {
        in_every_order(move || {
            let gate = std::sync::Arc::new(Gate::default());
            let ended = Arc::new(AtomicUsize::new(0));
            let writes: Vec<_> = units
                .iter()
                .map(|unit| {
                    let (permit, ended, counts) = (gate.enter(unit), Arc::clone(&ended), *unit == ITEMS);
                    thread::spawn(move || {
                        ended.fetch_add(usize::from(counts), SeqCst);
                        drop(permit);
                    })
                })
                .collect();
            block_on(gate.drained(&ITEMS));
            let expected = units.iter().filter(|unit| **unit == ITEMS).count();
            assert_eq!(ended.load(SeqCst), expected, "the pause ended while a write was in flight");
            writes.into_iter().for_each(|write| write.join().unwrap());
        });
    }

    #[test]
    fn a_pause_waits_for_a_write_and_is_woken_by_its_end() {
        pause_beside(&[ITEMS]);
    }

    #[test]
    fn a_pause_waits_for_the_last_of_two_writes() {
        pause_beside(&[ITEMS, ITEMS]);
    }

    #[test]
    fn the_end_of_another_units_write_neither_ends_a_pause_nor_hides_that_of_its_own() {
        pause_beside(&[ITEMS, OTHERS]);
    }

    #[test]
    fn a_write_that_comes_while_a_pause_waits_is_waited_for_or_sees_it() {
        in_every_order(|| {
            let gate = std::sync::Arc::new(Gate::default());
            let paused = Arc::new(AtomicUsize::new(0));
            let committed = Arc::new(AtomicUsize::new(0));
            let write = {
                let (gate, paused, committed) =
                    (std::sync::Arc::clone(&gate), Arc::clone(&paused), Arc::clone(&committed));
                thread::spawn(move || {
                    // Counted before it looks, as the layer does it.
                    let permit = gate.enter(&ITEMS);
                    if paused.load(SeqCst) == 0 {
                        committed.fetch_add(1, SeqCst);
                    }
                    drop(permit);
                })
            };
            paused.store(1, SeqCst);
            block_on(gate.drained(&ITEMS));
            let before = committed.load(SeqCst);
            write.join().unwrap();
            assert_eq!(committed.load(SeqCst), before, "a write was done behind the pause");
        });
    }
}
