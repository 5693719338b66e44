//! See [`fuzz::fields`].
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fuzz::fields::whatever(bytes));
