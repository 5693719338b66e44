//! Laws that say how often they have met what they are about. One that hardly ever meets it would hold without having seen anything, so it
//! fails.
#![allow(dead_code, unused_macros, reason = "each test file uses its own part")]

use std::{cell::RefCell, collections::BTreeMap};

thread_local! {
    /// What the law that runs on this thread has met; each test has a thread of its own.
    static MET: RefCell<BTreeMap<&'static str, u64>> = const { RefCell::new(BTreeMap::new()) };
}

/// Counts a case of that kind, if it is one. Returns whether it is.
pub fn met(kind: &'static str, is_one: bool) -> bool {
    if is_one {
        MET.with_borrow_mut(|met| *met.entry(kind).or_default() += 1);
    }
    is_one
}

/// Says what was met, and fails if a kind came up less often than its bound says, or if one was counted that has no bound. The bounds are
/// for 4,000 cases.
pub fn assert_met(law: &str, cases: u32, least: &[(&'static str, u64)]) {
    let met = MET.take();
    for (kind, least) in least {
        let count = met.get(kind).copied().unwrap_or_default();
        println!("{law}: {kind}: {count} of {cases} cases, least {least} of 4000");
        let enough = count * 4000 >= least * u64::from(cases);
        assert!(enough, "{law}: {kind}: met {count} times in {cases} cases, expected {least} in 4000 at least");
    }
    let unbounded: Vec<_> = met.keys().filter(|kind| !least.iter().any(|(known, _)| known == *kind)).collect();
    assert!(unbounded.is_empty(), "{law} counts {unbounded:?} and gives no bound");
}

/// Laws over cases made at random: `fn law(world in a_world()) meets ["a second send": 20] { … }`, where the body counts what it meets
/// ([`met`]) and the number is the least in 4,000 cases.
macro_rules! laws {
    ($config:expr; $($(#[$attribute:meta])* fn $law:ident($($given:pat in $strategy:expr),+ $(,)?) meets [$($kind:literal: $least:literal),+ $(,)?] $body:block)+) => {
        $(
            $(#[$attribute])*
            #[test]
            fn $law() {
                let config = $config;
                let cases = config.cases;
                proptest!(config, |($($given in $strategy),+)| $body);
                assert_met(stringify!($law), cases, &[$(($kind, $least)),+]);
            }
        )+
    };
}
