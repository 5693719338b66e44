//! See [`fuzz::topology`].
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fuzz::topology::whatever(bytes));
