//! What the published crates offer is written down in `docs/api`, so that a change of it is seen when it is made.
//!
//! It is read from the sources alone, which takes no compiler and no network, and a fraction of a second. Macros are not
//! expanded: what one gives a type stands there as its invocation, and its definition at the end.

mod render;
mod source;

use std::fs;

use similar::TextDiff;

use crate::{read, root};

const UPDATE: &str = "POD_UPDATE_API=1 cargo nextest run --workspace -E 'binary(tidy) and test(surface)'";

/// The crates that are written down, and what of them is not: what is open to the simulator and to benchmarks, and
/// promises nothing to others.
const CRATES: [(&str, &[&str]); 2] = [
    ("pod-core", &["pod_core::manager", "pod_core::plan", "pod_core::testing::simulator", "pod_core::worker::state"]),
    ("pod-backends", &[]),
];

#[test]
fn what_the_crates_offer_is_as_it_is_written_down() {
    let mut changed = Vec::new();
    for (name, left_out) in CRATES {
        let crate_source = source::load(&root().join(name).join("src"), &name.replace('-', "_"));
        let now = render::surface(&crate_source, left_out);
        let file = root().join(format!("docs/api/{name}.txt"));
        if std::env::var_os("POD_UPDATE_API").is_some() {
            fs::create_dir_all(root().join("docs/api")).expect("docs can be written to");
            fs::write(&file, &now).expect("docs can be written to");
            continue;
        }
        let before = if file.exists() { read(&file) } else { String::new() };
        if before != now {
            let diff = TextDiff::from_lines(&before, &now);
            changed.push(format!("docs/api/{name}.txt\n{}", diff.unified_diff().context_radius(2)));
        }
    }
    assert!(
        changed.is_empty(),
        "what others build upon has changed. If that is meant, write it down, and tell in CHANGELOG.md what breaks:\n  \
         {UPDATE}\n\n{}",
        changed.join("\n")
    );
}
