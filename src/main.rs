//! The native command `homing`.
fn main() {}
