//! The fuzz targets: each takes any bytes, hands them to a parser of what strangers send, and panics where the parser
//! breaks a promise. `tests/tests/fuzz` runs them over their corpora and mutations of these, `fuzz/` under libFuzzer.

mod archive;
mod frames;
mod mutate;

use pod_core::domain::{ActivityName, Millis, OutputSegment, Rules, StoreId};

pub use mutate::Mutator;

/// A target: its name, which is that of its directory in `fuzz/corpus`, and what it does.
pub type Target = (&'static str, fn(&[u8]));

/// All of them.
pub const TARGETS: &[Target] = &[
    ("frames_from_worker", frames::from_worker),
    ("frames_to_worker", frames::to_worker),
    ("archive", archive::archive),
    ("bodies", pod_server::fuzz::bodies),
    ("queries", queries),
    ("cookies", cookies),
    ("ansi", pod_web::fuzz::ansi),
    ("lists", lists),
];

/// The target of a name.
#[must_use]
pub fn target(name: &str) -> fn(&[u8]) {
    TARGETS
        .iter()
        .find(|(known, _)| *known == name)
        .map_or_else(|| panic!("there is no target {name}"), |(_, run)| *run)
}

fn queries(data: &[u8]) {
    pod_server::fuzz::queries(data);
    pod_web::fuzz::queries(data);
}

fn cookies(data: &[u8]) {
    pod_server::fuzz::cookies(data);
    pod_web::fuzz::cookies(data);
}

fn lists(data: &[u8]) {
    pod_server::fuzz::lists(data);
    let (mut log, mut last) = (data, Millis(0));
    while let Some(run) = OutputSegment::decode(&mut log, last) {
        assert!(run.since >= last, "time goes back in {data:?}");
        last = run.since;
    }
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Ok(rules) = Rules::parse_text(text) {
        let again = Rules::complete(rules.clone());
        assert_eq!(again.as_ref(), Ok(&rules), "what was completed is complete");
    }
    if let Ok(name) = ActivityName::new(text) {
        assert_eq!(name.as_str(), text);
    }
    let _ = text.parse::<StoreId>();
    let _ = text.parse::<pod_backends::docker::Mount>();
}
