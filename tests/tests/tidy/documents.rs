//! The documentation holds together.

use std::path::{Path, PathBuf};

use crate::{assert_none, files, read, root, shown};

fn documents() -> Vec<PathBuf> {
    let mut documents = files("docs", ".md");
    documents.extend(["README.md", "CHANGELOG.md"].map(|name| root().join(name)));
    documents
}

/// The targets of the links in a page, those in code left out.
fn links(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut in_block = false;
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            in_block = !in_block;
        }
        if in_block {
            continue;
        }
        for piece in line.split("](").skip(1) {
            if let Some((target, _)) = piece.split_once(')') {
                found.push(target.to_owned());
            }
        }
    }
    found
}

/// The name that a heading gets in a page: as the usual renderers make it.
fn anchor(heading: &str) -> String {
    heading
        .trim_start_matches('#')
        .trim()
        .chars()
        .filter_map(|c| match c {
            ' ' => Some('-'),
            '-' | '_' => Some(c),
            c if c.is_alphanumeric() => Some(c.to_ascii_lowercase()),
            _ => None,
        })
        .collect()
}

fn has_anchor(page: &Path, wanted: &str) -> bool {
    read(page).lines().filter(|line| line.starts_with('#')).any(|line| anchor(line) == wanted)
}

#[test]
fn every_link_leads_somewhere() {
    let mut complaints = Vec::new();
    for page in documents() {
        for link in links(&read(&page)) {
            if link.starts_with("http://") || link.starts_with("https://") {
                continue;
            }
            let (path, part) = link.split_once('#').unwrap_or((&link, ""));
            let target = if path.is_empty() { page.clone() } else { page.with_file_name(path) };
            let there = target.exists() && (part.is_empty() || has_anchor(&target, part));
            if !there {
                complaints.push(format!("{}: {link}", shown(&page)));
            }
        }
    }
    assert_none(&complaints, "these links lead nowhere");
}

#[test]
fn every_page_can_be_reached() {
    let pages = documents();
    let reachable: Vec<PathBuf> = pages
        .iter()
        .flat_map(|page| {
            links(&read(page)).into_iter().filter_map(|link| {
                let path = link.split('#').next().unwrap_or_default();
                (!path.is_empty()).then(|| page.with_file_name(path).canonicalize().ok()).flatten()
            })
        })
        .collect();
    let complaints: Vec<_> = pages
        .iter()
        .filter(|page| !page.ends_with("README.md") || page.parent() != Some(root().as_path()))
        .filter(|page| !reachable.contains(&page.canonicalize().expect("it was listed")))
        .map(|page| shown(page))
        .collect();
    assert_none(&complaints, "no page links to these");
}

#[test]
fn every_decision_is_in_the_index() {
    let index = read(&root().join("docs/adr/README.md"));
    let complaints: Vec<_> = files("docs/adr", ".md")
        .iter()
        .filter(|path| !path.ends_with("README.md"))
        .filter(|path| {
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            !index.contains(&format!("]({name})"))
        })
        .map(|path| shown(path))
        .collect();
    assert_none(&complaints, "docs/adr/README.md does not list these");
}

/// A script that is not executable fails only on the machine of whoever clones it.
#[test]
fn scripts_can_be_executed() {
    use std::os::unix::fs::PermissionsExt as _;
    let mut scripts = files("docs/examples", ".sh");
    scripts.extend(["tests/run", ".ci/run"].map(|name| root().join(name)));
    let complaints: Vec<_> = scripts
        .iter()
        .filter(|path| std::fs::metadata(path).map_or(0, |metadata| metadata.permissions().mode()) & 0o111 == 0)
        .map(|path| shown(path))
        .collect();
    assert_none(&complaints, "these scripts are not executable");
}

/// The README shows the heart of the guide's program, which is compiled as a documentation test.
#[test]
fn the_readme_shows_what_compiles() {
    let guide = read(&root().join("docs/embedding.md"));
    let readme = read(&root().join("README.md"));
    let shown =
        readme.split_once("```rust\n").and_then(|(_, rest)| rest.split_once("```")).expect("it has an example").0;
    let complaints: Vec<_> = shown
        .lines()
        .map(|line| line.split("//").next().unwrap_or_default().trim())
        .filter(|line| !line.is_empty() && !guide.contains(line))
        .map(str::to_owned)
        .collect();
    assert_none(&complaints, "these lines of the README are not in docs/embedding.md");
}
