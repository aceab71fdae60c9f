//! The order of the parts of a crate.

use std::path::Path;

use super::graph::Import;

/// The part that a file of the crate belongs to: its top-level module. None for the root of the crate.
fn part<'a>(source: &Path, file: &'a Path) -> Option<&'a str> {
    let below = file.strip_prefix(source).ok()?;
    let first = below.components().next()?.as_os_str().to_str()?;
    let name = first.strip_suffix(".rs").unwrap_or(first);
    (name != "lib").then_some(name)
}

/// The imports that go against an order of parts, or are of a part that is not in it.
pub(super) fn against(order: &[&str], source: &Path, imports: &[Import]) -> Vec<String> {
    let place = |file: &Path| {
        let part = part(source, file)?;
        Some((order.iter().position(|other| *other == part), part.to_owned()))
    };
    let wrong = |import: &&Import| match (place(&import.from), place(&import.of)) {
        (Some((Some(from), _)), Some((Some(of), _))) => of > from,
        // The root of the crate shows everything that there is, and macros name it.
        (None, _) | (_, None) => false,
        _ => true,
    };
    let shown = |import: &Import| {
        let Import { from, line, path, of } = import;
        format!("  {}:{line}: {path}  of {}", from.display(), of.display())
    };
    imports.iter().filter(wrong).map(shown).collect()
}

#[test]
fn an_import_against_the_order_is_found() {
    let import = |from: &str, of: &str| Import {
        from: Path::new("src").join(from),
        line: 1,
        path: "x".to_owned(),
        of: Path::new("src").join(of),
    };
    let against = |from, of| against(&["low", "high"], Path::new("src"), &[import(from, of)]).len();
    assert_eq!(against("high/a.rs", "low.rs"), 0);
    assert_eq!(against("high/a.rs", "high/mod.rs"), 0);
    assert_eq!(against("lib.rs", "high/mod.rs"), 0);
    assert_eq!(against("low.rs", "high/a.rs"), 1);
    assert_eq!(against("unheard_of.rs", "low.rs"), 1, "a part that is not in the order");
}
