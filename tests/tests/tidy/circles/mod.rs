//! No circles of files: where a file imports from a second one, the second does not need the first, neither directly nor
//! through others. So each can be read, tested and moved after what it imports, and without what imports it.
//!
//! A path counts as an import of the file that it is looked up in: `super::Thing` is one of `mod.rs`, also where `mod.rs`
//! has it from elsewhere. To declare a module is no import of it.

mod attributes;
mod graph;
mod imports;
mod modules;
mod order;
mod tests;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use self::graph::{Import, circles};
use crate::{files, read, root};

/// The files that crates begin with, from the root of the repository.
const WITHOUT_CIRCLES: [&str; 6] = [
    "pod-core/src/lib.rs",
    "pod-backends/src/lib.rs",
    "pod-backends/spawner/main.rs",
    "pod-web/src/lib.rs",
    "pod-server/src/lib.rs",
    "pod-server/src/main.rs",
];

/// The imports between the files of the crate that begins with this file. Paths are from the root of the repository.
fn imports_of(crate_root: &str) -> Vec<Import> {
    let package = Path::new(crate_root).components().next().expect("a crate has a folder");
    let sources: BTreeMap<PathBuf, String> = files(&package.as_os_str().to_string_lossy(), ".rs")
        .into_iter()
        .map(|path| (path.strip_prefix(root()).expect("it is below the root").to_owned(), read(&path)))
        .collect();
    modules::load(Path::new(crate_root), &sources).imports()
}

#[test]
fn no_files_import_each_other_in_a_circle() {
    let mut found = Vec::new();
    for crate_root in WITHOUT_CIRCLES {
        let imports = imports_of(crate_root);
        assert!(imports.len() > 10, "the imports of {crate_root} can be read");
        found.extend(circles(&imports).iter().map(ToString::to_string));
    }
    assert!(
        found.is_empty(),
        "these files import each other in a circle; what they share gets a file that both import\n{}",
        found.join("\n")
    );
}

/// The parts of pod-core from the ground up. Each imports only what stands before it.
const PARTS_OF_CORE: [&str; 16] = [
    "domain",
    "archive",
    "observe",
    "link",
    "store",
    "scheduler",
    "executor",
    "fetcher",
    "provisioner",
    "api",
    "plan",
    "manager",
    "worker",
    "engine",
    "pod",
    "testing",
];

#[test]
fn pod_core_is_built_from_the_ground_up() {
    let imports = imports_of("pod-core/src/lib.rs");
    let wrong = order::against(&PARTS_OF_CORE, Path::new("pod-core/src"), &imports);
    assert!(
        wrong.is_empty(),
        "parts of pod-core import what stands behind them in PARTS_OF_CORE; see docs/ARCHITECTURE.md\n{}",
        wrong.join("\n")
    );
}
