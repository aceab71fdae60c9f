//! The detector on small crates that are made up.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use super::{graph::circles, modules};

/// The circles of a crate of these files, each told by the files on its way.
fn found(files: &[(&str, &str)]) -> Vec<String> {
    let sources: BTreeMap<PathBuf, String> =
        files.iter().map(|(path, text)| (PathBuf::from(path), (*text).to_owned())).collect();
    let imports = modules::load(Path::new(files[0].0), &sources).imports();
    circles(&imports)
        .iter()
        .map(|circle| {
            let way: Vec<_> = circle.way.iter().map(|import| import.from.display().to_string()).collect();
            way.join(" ")
        })
        .collect()
}

#[test]
fn files_in_layers_make_none() {
    let files = [
        ("src/lib.rs", "mod a; mod b; mod c; pub use a::A;"),
        ("src/a.rs", "use crate::b::B; use crate::c::{self, C}; use std::collections::HashMap;"),
        ("src/b.rs", "use super::c::*;"),
        ("src/c.rs", "pub struct C;"),
    ];
    assert!(found(&files).is_empty());
}

#[test]
fn two_files_that_import_each_other() {
    let files =
        [("src/lib.rs", "mod a; mod b;"), ("src/a.rs", "use crate::b::B;"), ("src/b.rs", "use super::{a::{A, More}};")];
    assert_eq!(found(&files), ["src/a.rs src/b.rs"]);
}

#[test]
fn three_files_and_how_they_are_shown() {
    let files = [
        ("src/lib.rs", "mod a; mod b; mod c;"),
        ("src/a.rs", "use crate::b::B;"),
        ("src/b.rs", "\nuse crate::c;"),
        ("src/c.rs", "use crate::{\n    a::A,\n};"),
    ];
    assert_eq!(found(&files), ["src/a.rs src/b.rs src/c.rs"]);
    let sources = files.map(|(path, text)| (PathBuf::from(path), text.to_owned())).into();
    let imports = modules::load(Path::new("src/lib.rs"), &sources).imports();
    assert_eq!(
        circles(&imports)[0].to_string(),
        "  a circle of 3 in a knot of 3 files:\n    src/a.rs:1: crate::b::B  of src/b.rs\n    \
         src/b.rs:2: crate::c  of src/c.rs\n    src/c.rs:2: crate::a::A  of src/a.rs\n"
    );
}

#[test]
fn a_child_and_the_parent_that_uses_it() {
    let child = ("src/a/child.rs", "use super::Shared;");
    let lib = ("src/lib.rs", "mod a;");
    let uses = ["pub use self::child::Child;", "use child::Child;", "fn f() { child::run(); }"];
    for used in uses {
        let parent = format!("mod child; pub struct Shared; {used}");
        assert_eq!(found(&[lib, ("src/a/mod.rs", &parent), child]), ["src/a/child.rs src/a/mod.rs"], "{used}");
        // The folder's module may as well be a file beside it.
        assert_eq!(found(&[lib, ("src/a.rs", &parent), child]), ["src/a/child.rs src/a.rs"], "{used}");
    }
    // To declare it is no use of it.
    assert!(found(&[lib, ("src/a/mod.rs", "mod child; pub struct Shared;"), child]).is_empty());
}

#[test]
fn a_name_through_the_face_of_another_module_counts_for_the_face() {
    let files = |import| {
        [
            ("src/lib.rs", "mod a; mod b;"),
            ("src/a/mod.rs", "mod deep; mod low; pub use deep::Deep; pub use low::Low;"),
            ("src/a/deep.rs", "use crate::b::B;"),
            ("src/a/low.rs", "pub struct Low;"),
            ("src/b.rs", import),
        ]
    };
    assert_eq!(found(&files("use crate::a::Low;")), ["src/a/deep.rs src/b.rs src/a/mod.rs"]);
    assert!(found(&files("use crate::a::low::Low;")).is_empty());
}

#[test]
fn paths_in_code_and_in_macros_count() {
    let users =
        ["fn f() { let x = crate::b::new(); }", "fn f(x: &crate::b::B) {}", "fn f() { vec![super::b::new()]; }"];
    for user in users {
        let files = [("src/lib.rs", "mod a; mod b;"), ("src/a.rs", user), ("src/b.rs", "use crate::a::A;")];
        assert_eq!(found(&files), ["src/a.rs src/b.rs"], "{user}");
    }
}

#[test]
fn a_module_can_be_elsewhere() {
    let files = [
        ("src/lib.rs", "mod a;"),
        ("src/a/mod.rs", "#[path = \"../../other/wire.rs\"] mod wire; mod b;"),
        ("src/a/b.rs", "use super::wire::Wire;"),
        ("other/wire.rs", "use super::b::B;"),
    ];
    assert_eq!(found(&files), ["other/wire.rs src/a/b.rs"]);
}

#[test]
fn a_module_within_a_file_is_part_of_the_file() {
    let files = [
        ("src/lib.rs", "mod a; mod b;"),
        ("src/a.rs", "pub mod inner { use super::Own; use super::super::b::B; } pub struct Own;"),
        ("src/b.rs", "use crate::a::inner::Thing;"),
    ];
    assert_eq!(found(&files), ["src/a.rs src/b.rs"]);
}

#[test]
fn tests_may_import_what_they_like() {
    let test_only = [
        "#[cfg(test)] mod tests { use crate::b::B; }",
        "#[cfg(test)] mod tests;",
        "#[cfg(all(test, unix))] use crate::b::B;",
        "#[test] fn f() { crate::b::new(); }",
    ];
    for text in test_only {
        let files = [("src/lib.rs", "mod a; mod b;"), ("src/a.rs", text), ("src/b.rs", "use crate::a::A;")];
        assert!(found(&files).is_empty(), "{text}");
    }
    let not_only = "#[cfg(any(test, feature = \"testing\"))] use crate::b::B;";
    let files = [("src/lib.rs", "mod a; mod b;"), ("src/a.rs", not_only), ("src/b.rs", "use crate::a::A;")];
    assert_eq!(found(&files), ["src/a.rs src/b.rs"]);
}
