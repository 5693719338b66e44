//! The switches of the mutants: this file stands in the copy of the core, and each mutant asks it whether it is on.
//!
//! `HOMING_MUTANT` is the number of the one that is on. `HOMING_REACHED` is a file to which each mutant's number is added when it is
//! asked for the first time.

use std::{
    env,
    fs::{File, OpenOptions},
    io::Write,
    sync::{
        OnceLock,
        atomic::{AtomicBool, Ordering},
    },
};

/// More than there are mutants.
const MOST: usize = 1 << 14;

struct Switch {
    on: u32,
    reached: Option<(File, Vec<AtomicBool>)>,
}

static SWITCH: OnceLock<Switch> = OnceLock::new();

/// Whether that mutant is on.
pub fn on(number: u32) -> bool {
    let switch = SWITCH.get_or_init(read);
    if let Some((file, seen)) = &switch.reached
        && let Some(seen) = seen.get(number as usize)
        && !seen.swap(true, Ordering::Relaxed)
    {
        // One write: several processes add to one file.
        let _ = (&*file).write_all(format!("{number}\n").as_bytes());
    }
    switch.on == number
}

fn read() -> Switch {
    let on = env::var("HOMING_MUTANT").ok().and_then(|number| number.parse().ok()).unwrap_or(0);
    let file =
        env::var("HOMING_REACHED").ok().and_then(|path| OpenOptions::new().append(true).create(true).open(path).ok());
    Switch { on, reached: file.map(|file| (file, (0..MOST).map(|_| AtomicBool::new(false)).collect())) }
}
