//! The configuration that the tests of the linter change.
#![allow(dead_code, reason = "each test file uses its own part")]

use std::fs;

pub use homing_tests::at;

use homing_core::testing::topology::{
    Topology,
    error::{Complaints, KeyPath},
    parse,
    raw::{self, Raw},
};

pub fn base() -> Raw {
    raw::from_json(&fs::read_to_string(at("tests/golden/topology/base.json")).unwrap()).unwrap()
}

pub fn check(vars: &Raw) -> Result<(Topology, Complaints), Complaints> {
    parse(vars, &KeyPath::default().key("vars"))
}

pub fn accept(vars: &Raw) -> Topology {
    check(vars).map(|(topology, _)| topology).unwrap_or_else(|complaints| panic!("{complaints}"))
}
