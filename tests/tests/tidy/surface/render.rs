//! The surface of a crate as text: a paragraph for each thing that has a public path, in the order of these.

use std::collections::{BTreeMap, BTreeSet};

use proc_macro2::{Delimiter, Group, TokenStream, TokenTree};
use quote::ToTokens;
use syn::{Attribute, Fields, ImplItem, Item, ItemImpl, TraitItem, Type, Visibility};

use super::source::{Source, attributes, defined_by_macro, is_public, name_of, used};

pub(super) fn surface(source: &Source, left_out: &[&str]) -> String {
    let mut surface = Surface { source, left_out, found: BTreeMap::new(), macros: BTreeSet::new() };
    surface.module(&source.name.clone());
    let mut text: Vec<String> = surface.found.into_values().collect();
    for module in source.modules.values() {
        for item in &module.items {
            if let Item::Macro(item) = item
                && item.ident.as_ref().is_some_and(|name| surface.macros.contains(&name.to_string()))
            {
                text.push(format!("{}\n", tidy(item)));
            }
        }
    }
    text.join("\n")
}

struct Surface<'a> {
    source: &'a Source,
    left_out: &'a [&'a str],
    /// A paragraph for each public path.
    found: BTreeMap<String, String>,
    /// The macros that make parts of it.
    macros: BTreeSet<String>,
}

impl Surface<'_> {
    fn module(&mut self, path: &str) {
        if self.left_out.contains(&path) {
            return;
        }
        let source = self.source;
        for item in &source.modules[path].items {
            match item {
                Item::Macro(item) if item.attrs.iter().any(|attribute| attribute.path().is_ident("macro_export")) => {
                    let name = format!("{}::{}!", source.name, item.ident.as_ref().expect("it is defined here"));
                    self.found.insert(name.clone(), format!("macro {name}\n"));
                }
                item if !is_public(item) => {}
                Item::Mod(item) => self.module(&format!("{path}::{}", item.ident)),
                Item::Use(item) => {
                    for used in used(&item.tree) {
                        let shown = format!("{path}::{}", used.name);
                        let place = source.resolve(path, &used.path);
                        let there = place.as_ref().and_then(|(module, rest)| match rest {
                            [name] => source.defined(module, name),
                            _ => None,
                        });
                        match (there, place) {
                            (Some((module, items)), _) => self.item(&shown, &used.name, &module, &items),
                            (None, Some((module, []))) => self.module(&module),
                            (None, _) => {
                                let line = format!("use {shown} = {}\n", used.path.join("::"));
                                self.found.insert(shown, line);
                            }
                        }
                    }
                }
                item => {
                    if let Some(name) = name_of(item) {
                        self.item(&format!("{path}::{name}"), &name, path, &[item]);
                    }
                }
            }
        }
    }

    /// Writes down what is defined in `module` under the name that it has there, and is seen as `path`.
    fn item(&mut self, path: &str, name: &str, module: &str, items: &[&Item]) {
        let mut lines = Vec::new();
        let mut kind = "";
        for item in items {
            match item {
                Item::Struct(item) => {
                    kind = "struct";
                    lines.extend(fields(&item.fields));
                }
                Item::Enum(item) => {
                    kind = "enum";
                    lines.extend(item.variants.iter().map(tidy));
                }
                Item::Trait(item) => {
                    kind = "trait";
                    lines.extend(item.supertraits.iter().map(|bound| format!("requires {}", tidy(bound))));
                    lines.extend(item.items.iter().map(trait_item));
                }
                Item::Fn(item) => lines.push(tidy(&item.sig)),
                Item::Const(item) => lines.push(format!("const: {} = {}", tidy(&item.ty), tidy(&item.expr))),
                Item::Static(item) => lines.push(format!("static: {}", tidy(&item.ty))),
                Item::Type(item) => lines.push(format!("= {}", tidy(&item.ty))),
                Item::Macro(item) => lines.push(self.invocation(item)),
                _ => {}
            }
            lines.extend(notes(attributes(item)));
        }
        if !kind.is_empty() || defined_by_macro(items) {
            lines.extend(self.implementations(name, module));
        }
        let head = if kind.is_empty() { path.to_owned() } else { format!("{kind} {path}") };
        let body: String = lines.iter().map(|line| format!("    {line}\n")).collect();
        self.found.insert(path.to_owned(), format!("{head}\n{body}"));
    }

    /// What is implemented for a type, in the whole crate, sorted.
    fn implementations(&mut self, name: &str, module: &str) -> BTreeSet<String> {
        let source = self.source;
        let mut lines = BTreeSet::new();
        for (at, place) in &source.modules {
            for item in &place.items {
                match item {
                    Item::Impl(item) if is_of(source, at, item, name, module) => lines.extend(implemented(item)),
                    // A macro is given the type that it is for first.
                    Item::Macro(call) if at == module && call.ident.is_none() && begins_with(call, name) => {
                        lines.insert(self.invocation(call));
                    }
                    _ => {}
                }
            }
        }
        lines
    }

    fn invocation(&mut self, item: &syn::ItemMacro) -> String {
        self.macros.extend(item.mac.path.segments.last().map(|segment| segment.ident.to_string()));
        tidy(item)
    }
}

fn begins_with(call: &syn::ItemMacro, name: &str) -> bool {
    call.mac.tokens.clone().into_iter().next().is_some_and(|token| token.to_string() == name)
}

/// Whether an implementation that stands in module `at` is for the type of that name in `module`.
fn is_of(source: &Source, at: &str, item: &ItemImpl, name: &str, module: &str) -> bool {
    let Type::Path(path) = &*item.self_ty else { return false };
    let segments: Vec<String> = path.path.segments.iter().map(|segment| segment.ident.to_string()).collect();
    let Some(last) = segments.last() else { return false };
    if last != name {
        return false;
    }
    let found = source.resolve(at, &segments).and_then(|(at, rest)| match rest {
        [name] => source.defined(&at, name).map(|(module, _)| module),
        _ => None,
    });
    found.is_some_and(|found| found == module)
}

fn implemented(item: &ItemImpl) -> Vec<String> {
    if let Some((_, of, _)) = &item.trait_ {
        return vec![format!("impl {}", tidy(of))];
    }
    let public = |visibility: &Visibility| matches!(visibility, Visibility::Public(_));
    let member = |item: &ImplItem| match item {
        ImplItem::Fn(item) if public(&item.vis) => Some(tidy(&item.sig)),
        ImplItem::Const(item) if public(&item.vis) => Some(format!("const {}: {}", item.ident, tidy(&item.ty))),
        _ => None,
    };
    item.items.iter().filter_map(member).collect()
}

fn fields(fields: &Fields) -> Vec<String> {
    let public = |field: &&syn::Field| matches!(field.vis, Visibility::Public(_));
    let mut lines: Vec<String> = fields
        .iter()
        .filter(public)
        .map(|field| match &field.ident {
            Some(name) => format!("{name}: {}", tidy(&field.ty)),
            None => format!("0: {}", tidy(&field.ty)),
        })
        .collect();
    if lines.len() < fields.len() {
        lines.push("..".to_owned());
    }
    lines
}

fn trait_item(item: &TraitItem) -> String {
    match item {
        TraitItem::Fn(item) => {
            format!("{}{}", tidy(&item.sig), if item.default.is_some() { " { .. }" } else { "" })
        }
        TraitItem::Type(item) => format!("type {}", item.ident),
        TraitItem::Const(item) => format!("const {}: {}", item.ident, tidy(&item.ty)),
        other => tidy(other),
    }
}

/// What attributes say to users: derived traits, sorted, and what may grow.
fn notes(attributes: &[Attribute]) -> Vec<String> {
    let mut notes = Vec::new();
    for attribute in attributes {
        if attribute.path().is_ident("derive") {
            let derived = attribute.meta.require_list().expect("a list").tokens.to_string();
            let sorted: BTreeSet<&str> = derived.split(',').map(str::trim).filter(|name| !name.is_empty()).collect();
            notes.push(format!("derive {}", sorted.into_iter().collect::<Vec<_>>().join(", ")).replace(" :: ", "::"));
        }
        if attribute.path().is_ident("non_exhaustive") {
            notes.push("non_exhaustive".to_owned());
        }
    }
    notes
}

/// Tokens without attributes and documentation.
fn bare(tokens: TokenStream) -> TokenStream {
    let mut kept: Vec<TokenTree> = Vec::new();
    for token in tokens {
        match token {
            TokenTree::Group(group) => {
                let is_attribute = group.delimiter() == Delimiter::Bracket
                    && matches!(kept.last(), Some(TokenTree::Punct(mark)) if mark.as_char() == '#');
                if is_attribute {
                    kept.pop();
                } else {
                    kept.push(Group::new(group.delimiter(), bare(group.stream())).into());
                }
            }
            other => kept.push(other),
        }
    }
    kept.into_iter().collect()
}

/// Tokens as text, spaced as people write it, or nearly.
fn tidy(tokens: &impl ToTokens) -> String {
    let mut text = bare(tokens.to_token_stream()).to_string().replace('\n', " ");
    for (from, to) in [
        (" :: ", "::"),
        (":: ", "::"),
        (" ::", "::"),
        (" <", "<"),
        ("< ", "<"),
        (" >", ">"),
        (" ,", ","),
        (" ;", ";"),
        (" :", ":"),
        ("& ", "&"),
        (" (", "("),
        ("( ", "("),
        (" )", ")"),
        ("->(", "-> ("),
        (",(", ", ("),
        (":(", ": ("),
        ("=(", "= ("),
        ("[ ", "["),
        (" ]", "]"),
        (" . ", "."),
        (" !", "!"),
        ("* ", "*"),
        ("# [", "#["),
        (", )", ")"),
        (",)", ")"),
        ("dyn<", "dyn <"),
        ("= &", "= &"),
    ] {
        text = text.replace(from, to);
    }
    text
}
