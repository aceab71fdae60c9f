//! Dependencies point one way: `pod-core ← {pod-backends, pod-web} ← pod-server`.

use std::{
    collections::{BTreeMap, BTreeSet},
    process::Command,
};

use crate::root;

/// Every package that `package` is built from (development dependencies left out), by name.
fn dependencies(package: &str) -> BTreeSet<String> {
    let output = Command::new(env!("CARGO"))
        .args(["tree", "--offline", "--locked", "--edges", "normal,build", "--prefix", "none", "--format", "{p}"])
        .args(["--package", package])
        .current_dir(root())
        .output()
        .expect("cargo can be run");
    assert!(output.status.success(), "cargo tree failed: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout)
        .lines()
        .filter_map(|line| line.split_whitespace().next().map(str::to_owned))
        .collect()
}

#[test]
fn dependencies_point_one_way() {
    let forbidden = BTreeMap::from([
        (
            "pod-core",
            vec!["axum", "sqlx", "sqlx-core", "bollard", "reqwest", "hyper", "pod-backends", "pod-web", "pod-server"],
        ),
        ("pod-backends", vec!["axum", "clap", "pod-web", "pod-server"]),
        ("pod-web", vec!["sqlx", "reqwest", "clap", "pod-backends", "pod-server"]),
    ]);
    for (package, forbidden) in forbidden {
        let found = dependencies(package);
        assert!(found.contains(package), "cargo tree lists {package} itself");
        let wrong: Vec<_> = forbidden.into_iter().filter(|name| found.contains(*name)).collect();
        assert!(wrong.is_empty(), "{package} must know nothing of {wrong:?}; see docs/ARCHITECTURE.md");
    }
}

/// One TLS implementation, one executor, and none of what was decided against in deny.toml.
#[test]
fn nothing_denied_is_in_the_lock_file() {
    let lock = std::fs::read_to_string(root().join("Cargo.lock")).expect("the lock file is committed");
    for name in ["bincode", "openssl-sys", "native-tls", "aws-sdk-ec2", "tonic", "async-std"] {
        assert!(!lock.contains(&format!("\nname = \"{name}\"\n")), "{name} is denied, see deny.toml for the reason");
    }
}
