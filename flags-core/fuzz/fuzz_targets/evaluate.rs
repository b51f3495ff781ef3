#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| flags_core_fuzz::evaluate(bytes));
