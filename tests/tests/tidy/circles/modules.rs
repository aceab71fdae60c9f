//! The modules of a crate and the files that they are in. Those for tests alone are left out.

use std::{
    collections::{BTreeMap, HashMap},
    path::{Path, PathBuf},
};

use syn::{Item, ItemMod};

use super::{
    attributes::{is_for_tests, path_of},
    graph::Import,
    imports::{Named, named_in},
};

/// The place of a module in [`Modules`].
type Index = usize;

/// All modules of a crate.
#[derive(Debug)]
pub(super) struct Modules {
    modules: Vec<Module>,
}

#[derive(Debug)]
struct Module {
    file: PathBuf,
    parent: Option<Index>,
    children: HashMap<String, Index>,
    /// The paths that stand in it.
    named: Vec<Named>,
}

/// Where the files of a module's children are looked for.
struct Folders<'a> {
    /// For a child of which only the name is known.
    by_name: &'a Path,
    /// For a child that tells its path.
    by_path: &'a Path,
}

/// Reads the crate that begins with `crate_root`; `sources` has its files.
pub(super) fn load(crate_root: &Path, sources: &BTreeMap<PathBuf, String>) -> Modules {
    let mut modules = Modules { modules: Vec::new() };
    let folder = crate_root.parent().unwrap_or(Path::new(""));
    modules.add_file(crate_root, None, folder, sources);
    modules
}

impl Modules {
    fn add_file(
        &mut self,
        file: &Path,
        parent: Option<Index>,
        folder: &Path,
        sources: &BTreeMap<PathBuf, String>,
    ) -> Index {
        let text = sources.get(file).unwrap_or_else(|| panic!("{}: there is no such file", file.display()));
        let parsed = syn::parse_file(text).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        let folders = Folders { by_name: folder, by_path: file.parent().unwrap_or(Path::new("")) };
        self.add(file, parent, &folders, &parsed.items, sources)
    }

    fn add(
        &mut self,
        file: &Path,
        parent: Option<Index>,
        folders: &Folders<'_>,
        items: &[Item],
        sources: &BTreeMap<PathBuf, String>,
    ) -> Index {
        let index = self.modules.len();
        self.modules.push(Module { file: file.to_owned(), parent, children: HashMap::new(), named: named_in(items) });
        for item in items {
            let Item::Mod(module) = item else { continue };
            if is_for_tests(&module.attrs) {
                continue;
            }
            let name = module.ident.to_string();
            let child = match &module.content {
                Some((_, items)) => {
                    let folder = folders.by_name.join(&name);
                    let folders = Folders { by_name: &folder, by_path: &folder };
                    self.add(file, Some(index), &folders, items, sources)
                }
                None => {
                    let (file, folder) = file_of(module, folders, sources);
                    self.add_file(&file, Some(index), &folder, sources)
                }
            };
            self.modules[index].children.entry(name).or_insert(child);
        }
        index
    }

    /// What files import from each other.
    pub(super) fn imports(&self) -> Vec<Import> {
        let mut imports = Vec::new();
        for (index, module) in self.modules.iter().enumerate() {
            for named in &module.named {
                let Some(of) = self.look_up(index, &named.segments) else { continue };
                if self.modules[of].file != module.file {
                    imports.push(Import {
                        from: module.file.clone(),
                        line: named.line,
                        path: named.segments.join("::"),
                        of: self.modules[of].file.clone(),
                    });
                }
            }
        }
        imports
    }

    /// The innermost module on the way of a path that stands in module `at`; none where it leads out of the crate or
    /// begins with a name that some import has brought.
    fn look_up(&self, at: Index, segments: &[String]) -> Option<Index> {
        let mut segments = segments.iter().map(String::as_str).peekable();
        let mut module = at;
        match *segments.peek()? {
            "crate" => {
                module = 0;
                segments.next();
            }
            "self" => {
                segments.next();
            }
            "super" => {}
            name if self.modules[at].children.contains_key(name) => {}
            _ => return None,
        }
        while segments.next_if_eq(&"super").is_some() {
            module = self.modules[module].parent?;
        }
        for name in segments {
            let Some(child) = self.modules[module].children.get(name) else { break };
            module = *child;
        }
        Some(module)
    }
}

/// The file of a module that is declared only, and the folder of its children.
fn file_of(module: &ItemMod, folders: &Folders<'_>, sources: &BTreeMap<PathBuf, String>) -> (PathBuf, PathBuf) {
    if let Some(path) = path_of(&module.attrs) {
        let file = without_dots(&folders.by_path.join(path));
        let folder = file.parent().unwrap_or(Path::new("")).to_owned();
        return (file, folder);
    }
    let folder = folders.by_name.join(module.ident.to_string());
    let beside = folder.with_extension("rs");
    let file = if sources.contains_key(&beside) { beside } else { folder.join("mod.rs") };
    (file, folder)
}

fn without_dots(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in path {
        if part == ".." {
            plain.pop();
        } else if part != "." {
            plain.push(part);
        }
    }
    plain
}
