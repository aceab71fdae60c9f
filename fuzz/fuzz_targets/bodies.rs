//! The target `bodies` of `pod_tests::fuzz`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| pod_tests::fuzz::target("bodies")(data));
