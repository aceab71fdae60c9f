//! The modules of a crate with their items, read from its sources.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use quote::ToTokens;
use syn::{Attribute, Item, UseTree, Visibility};

use crate::read;

/// A crate: its modules by path, which begins with the crate's name.
pub(super) struct Source {
    pub(super) name: String,
    pub(super) modules: BTreeMap<String, Module>,
}

/// The items of one module, those for tests alone left out.
pub(super) struct Module {
    pub(super) items: Vec<Item>,
}

/// A name that a `use` brings, and the path that it stands for.
pub(super) struct Used {
    pub(super) name: String,
    pub(super) path: Vec<String>,
}

pub(super) fn load(directory: &Path, name: &str) -> Source {
    let mut source = Source { name: name.to_owned(), modules: BTreeMap::new() };
    source.add(name.to_owned(), &directory.join("lib.rs"), directory);
    source
}

impl Source {
    /// Adds a module that has a file; `folder` is where its children have theirs.
    fn add(&mut self, path: String, file: &Path, folder: &Path) {
        let parsed = syn::parse_file(&read(file)).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        self.add_items(path, parsed.items, folder);
    }

    fn add_items(&mut self, path: String, mut items: Vec<Item>, folder: &Path) {
        // What lies elsewhere is shared with a program of its own, and offered by neither.
        items.retain(|item| !is_for_tests(item) && !lies_elsewhere(item));
        for item in &mut items {
            let Item::Mod(module) = item else { continue };
            let (child, folder) = (format!("{path}::{}", module.ident), folder.join(module.ident.to_string()));
            match module.content.take() {
                Some((_, items)) => self.add_items(child, items, &folder),
                None => self.add(child, &file_of(&folder), &folder),
            }
        }
        self.modules.insert(path, Module { items });
    }

    /// The module of a path that stands in module `at`, and what is left of the path; none where it leads elsewhere.
    pub(super) fn resolve<'a>(&self, at: &str, path: &'a [String]) -> Option<(String, &'a [String])> {
        let mut module = at.to_owned();
        let mut rest = path;
        while let [first, more @ ..] = rest {
            match first.as_str() {
                "crate" => module = self.name.clone(),
                "self" => {}
                "super" => module = module.rsplit_once("::")?.0.to_owned(),
                name => {
                    let child = format!("{module}::{name}");
                    if !self.modules.contains_key(&child) {
                        // A path of another crate begins with a name that is no module here.
                        let begins = rest.len() == path.len() && path.len() > 1;
                        return (!begins).then_some((module, rest));
                    }
                    module = child;
                }
            }
            rest = more;
        }
        Some((module, rest))
    }

    /// Where an item of that name, seen in a module, is defined: itself, or behind a `use`.
    pub(super) fn defined(&self, at: &str, name: &str) -> Option<(String, Vec<&Item>)> {
        let module = self.modules.get(at)?;
        let here: Vec<&Item> = module.items.iter().filter(|item| name_of(item).as_deref() == Some(name)).collect();
        if !here.is_empty() {
            return Some((at.to_owned(), here));
        }
        for item in &module.items {
            let Item::Use(item) = item else { continue };
            for used in used(&item.tree) {
                if used.name == name
                    && let Some((module, [name])) = self.resolve(at, &used.path)
                    && module != at
                {
                    return self.defined(&module, name);
                }
            }
        }
        // What a macro makes has its name among the words of the invocation.
        let makes = |item: &&Item| matches!(item, Item::Macro(made) if made.ident.is_none() && mentions(item, name));
        let made: Vec<&Item> = module.items.iter().filter(makes).collect();
        (!made.is_empty()).then(|| (at.to_owned(), made))
    }
}

/// Whether a word stands among the tokens of an item.
fn mentions(item: &Item, name: &str) -> bool {
    let text = item.to_token_stream().to_string();
    text.split(|c: char| !c.is_alphanumeric() && c != '_').any(|word| word == name)
}

/// Whether the items that stand for a name are invocations of macros.
pub(super) fn defined_by_macro(items: &[&Item]) -> bool {
    items.iter().all(|item| matches!(item, Item::Macro(_)))
}

/// The names that a `use` brings.
pub(super) fn used(tree: &UseTree) -> Vec<Used> {
    fn collect(tree: &UseTree, path: &mut Vec<String>, found: &mut Vec<Used>) {
        let mut leaf = |name: String, last: String| {
            let path = if last == "self" { path.clone() } else { [&path[..], &[last]].concat() };
            found.push(Used { name, path });
        };
        match tree {
            UseTree::Path(inner) => {
                path.push(inner.ident.to_string());
                collect(&inner.tree, path, found);
                path.pop();
            }
            UseTree::Group(group) => group.items.iter().for_each(|tree| collect(tree, path, found)),
            UseTree::Name(name) => leaf(name.ident.to_string(), name.ident.to_string()),
            UseTree::Rename(name) => leaf(name.rename.to_string(), name.ident.to_string()),
            UseTree::Glob(_) => leaf("*".to_owned(), "*".to_owned()),
        }
    }
    let mut found = Vec::new();
    collect(tree, &mut Vec::new(), &mut found);
    found
}

/// The name of an item that defines one, macros left out.
pub(super) fn name_of(item: &Item) -> Option<String> {
    Some(match item {
        Item::Struct(item) => item.ident.to_string(),
        Item::Enum(item) => item.ident.to_string(),
        Item::Trait(item) => item.ident.to_string(),
        Item::Type(item) => item.ident.to_string(),
        Item::Const(item) => item.ident.to_string(),
        Item::Static(item) => item.ident.to_string(),
        Item::Fn(item) => item.sig.ident.to_string(),
        _ => return None,
    })
}

pub(super) fn is_public(item: &Item) -> bool {
    let visibility = match item {
        Item::Struct(item) => &item.vis,
        Item::Enum(item) => &item.vis,
        Item::Trait(item) => &item.vis,
        Item::Type(item) => &item.vis,
        Item::Const(item) => &item.vis,
        Item::Static(item) => &item.vis,
        Item::Fn(item) => &item.vis,
        Item::Mod(item) => &item.vis,
        Item::Use(item) => &item.vis,
        _ => return false,
    };
    matches!(visibility, Visibility::Public(_))
}

/// The attributes of an item that may be public.
pub(super) fn attributes(item: &Item) -> &[Attribute] {
    match item {
        Item::Struct(item) => &item.attrs,
        Item::Enum(item) => &item.attrs,
        Item::Trait(item) => &item.attrs,
        Item::Fn(item) => &item.attrs,
        Item::Impl(item) => &item.attrs,
        Item::Mod(item) => &item.attrs,
        Item::Use(item) => &item.attrs,
        Item::Macro(item) => &item.attrs,
        _ => &[],
    }
}

fn is_for_tests(item: &Item) -> bool {
    attributes(item).iter().any(|attribute| attribute.to_token_stream().to_string() == "# [cfg (test)]")
}

fn lies_elsewhere(item: &Item) -> bool {
    matches!(item, Item::Mod(module) if module.attrs.iter().any(|attribute| attribute.path().is_ident("path")))
}

fn file_of(folder: &Path) -> PathBuf {
    let beside = folder.with_extension("rs");
    if beside.exists() { beside } else { folder.join("mod.rs") }
}
