//! The short run of every target: its corpus, then made-up bytes by a fixed seed. `make fuzz` is the long one.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

use std::{
    env, fs,
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
};

use fuzz::{TARGETS, Target};

/// xorshift64*: no more than spread is needed.
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// Short inputs and long ones alike; zeros, so that choices fall on the first, and what is neither.
    fn bytes(&mut self) -> Vec<u8> {
        let length = (self.next() % 2048) >> (self.next() % 6);
        let dull = self.next() % 4;
        (0..length).map(|_| if self.next() % 4 < dull { 0 } else { self.next().to_le_bytes()[3] }).collect()
    }
}

fn tried(name: &str, target: Target, bytes: &[u8], what: &str) {
    if catch_unwind(AssertUnwindSafe(|| target(bytes))).is_err() {
        let place = env::temp_dir().join(format!("fuzz-{name}"));
        fs::write(&place, bytes).unwrap();
        panic!("{name} fails for {what}; its bytes are in {}", place.display());
    }
}

fn run(name: &str) {
    let (_, target) = *TARGETS.iter().find(|(known, _)| *known == name).unwrap();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(name);
    let mut kept: Vec<_> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    kept.sort();
    assert!(kept.len() >= 10, "{} holds {}", folder.display(), kept.len());
    for path in kept {
        tried(name, target, &fs::read(&path).unwrap(), &path.display().to_string());
    }
    let times: u32 = env::var("FUZZ_TIMES").map_or(10_000, |times| times.parse().unwrap());
    let mut chance = Chance(0x9e37_79b9_7f4a_7c15);
    for time in 0..times {
        tried(name, target, &chance.bytes(), &format!("input {time}"));
    }
}

macro_rules! each {
    ($($name:ident)+) => { $(#[test] fn $name() { run(stringify!($name)); })+ };
}

each!(session entry fields target topology wire flow);
