//! See [`fuzz::flow`].
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fuzz::flow::whatever(bytes));
