//! The graph of files, and the circles in it.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    fmt,
    path::{Path, PathBuf},
};

/// A file needs another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Import {
    pub(super) from: PathBuf,
    pub(super) line: usize,
    pub(super) path: String,
    pub(super) of: PathBuf,
}

/// The shortest way from a file back to itself, and how many files there are that each need all the others.
#[derive(Debug)]
pub(super) struct Circle<'a> {
    pub(super) way: Vec<&'a Import>,
    pub(super) files: BTreeSet<&'a Path>,
}

impl fmt::Display for Circle<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "  a circle of {} in a knot of {} files:", self.way.len(), self.files.len())?;
        for Import { from, line, path, of } in &self.way {
            writeln!(f, "    {}:{line}: {path}  of {}", from.display(), of.display())?;
        }
        let others: Vec<_> = self
            .files
            .iter()
            .filter(|file| !self.way.iter().any(|import| import.from == **file))
            .map(|file| file.display().to_string())
            .collect();
        if !others.is_empty() {
            writeln!(f, "    and in the same knot: {}", others.join(", "))?;
        }
        Ok(())
    }
}

type Graph<'a> = BTreeMap<&'a Path, Vec<&'a Import>>;

/// A shortest circle of every knot: of all files that can be reached from each other.
pub(super) fn circles(imports: &[Import]) -> Vec<Circle<'_>> {
    let mut graph = Graph::new();
    for import in imports {
        graph.entry(&import.from).or_default().push(import);
    }
    let reached: BTreeMap<&Path, BTreeSet<&Path>> = graph.keys().map(|file| (*file, all_from(&graph, file))).collect();
    let mut done: BTreeSet<&Path> = BTreeSet::new();
    let mut found = Vec::new();
    for (file, all) in &reached {
        if done.contains(file) || !all.contains(file) {
            continue;
        }
        let knot: BTreeSet<&Path> =
            all.iter().copied().filter(|other| reached.get(other).is_some_and(|back| back.contains(file))).collect();
        done.extend(&knot);
        let way = knot.iter().filter_map(|file| way_back(&graph, file)).min_by_key(Vec::len).expect("it is a knot");
        found.push(Circle { way, files: knot });
    }
    found
}

/// All that a file needs, itself only where it is in a circle.
fn all_from<'a>(graph: &Graph<'a>, file: &Path) -> BTreeSet<&'a Path> {
    let mut found = BTreeSet::new();
    let mut todo = vec![file];
    while let Some(file) = todo.pop() {
        for import in graph.get(file).into_iter().flatten() {
            if found.insert(import.of.as_path()) {
                todo.push(&import.of);
            }
        }
    }
    found
}

/// The shortest way from a file back to itself.
fn way_back<'a>(graph: &Graph<'a>, file: &Path) -> Option<Vec<&'a Import>> {
    let mut came_by: BTreeMap<&Path, &Import> = BTreeMap::new();
    let mut todo = VecDeque::from([file]);
    while let Some(at) = todo.pop_front() {
        for import in graph.get(at).into_iter().flatten() {
            came_by.entry(&import.of).or_insert_with(|| {
                todo.push_back(&import.of);
                import
            });
        }
        if let Some(last) = came_by.get(file) {
            let mut way = vec![*last];
            while way[way.len() - 1].from != file {
                way.push(came_by[way[way.len() - 1].from.as_path()]);
            }
            way.reverse();
            return Some(way);
        }
    }
    None
}
