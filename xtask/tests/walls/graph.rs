//! A graph of the files of a crate: which file uses names that another one defines.
//!
//! An arrow leads to the file that defines an item. Re-exports are followed, so a `mod.rs` that
//! only re-exports gets no arrow, and `pub use` itself makes none. Items under `#[cfg(test)]` are
//! left out. Method calls are not followed, because they name no path: an `impl` in another file
//! than its type makes arrows only from that file.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use proc_macro2::{TokenStream, TokenTree};
use syn::{
    Attribute, Item, UseTree, Visibility,
    visit::{self, Visit},
};

/// A module path from the root, e.g. `["api", "seed"]`.
type Module = Vec<String>;

/// The arrows between the files of a crate, which are named by their paths below its source folder.
#[derive(Debug, Default)]
pub(crate) struct Graph {
    /// From which file to which, with the names that are used.
    pub(crate) arrows: BTreeMap<(String, String), BTreeSet<String>>,
    /// From which file to which top module, as written: `crate::outbox::StoreError` names `outbox`,
    /// wherever it is defined.
    pub(crate) rooms: BTreeSet<(String, String)>,
}

#[derive(Debug, Default)]
struct Scope {
    file: String,
    items: BTreeSet<String>,
    children: BTreeSet<String>,
    /// The names that a `use` brings into scope, with their paths.
    uses: BTreeMap<String, Vec<String>>,
    globs: Vec<Vec<String>>,
    /// The paths in the code of this module.
    named: BTreeSet<Vec<String>>,
}

impl Graph {
    /// Reads a crate, starting with its root file.
    ///
    /// # Errors
    /// When a file is missing or is not valid Rust.
    pub(crate) fn read(source: &Path, root: &str) -> Result<Self> {
        let mut scopes = BTreeMap::new();
        read_file(source, &source.join(root), Vec::new(), &mut scopes)?;
        let mut graph = Self::default();
        for (module, scope) in &scopes {
            for path in &scope.named {
                if let [first, room, ..] = path.as_slice()
                    && first == "crate"
                {
                    graph.rooms.insert((scope.file.clone(), room.clone()));
                }
                if let Some((file, name)) = resolve(&scopes, module, path, 0)
                    && file != scope.file
                {
                    graph
                        .arrows
                        .entry((scope.file.clone(), file))
                        .or_default()
                        .insert(name);
                }
            }
        }
        Ok(graph)
    }

    /// The groups of files that reach each other (strongly connected components).
    #[must_use]
    pub(crate) fn circles(&self) -> Vec<Vec<String>> {
        let mut next = BTreeMap::<&str, Vec<&str>>::new();
        for (from, to) in self.arrows.keys() {
            next.entry(from).or_default().push(to);
        }
        let reach: BTreeMap<&str, BTreeSet<&str>> = next
            .keys()
            .map(|file| (*file, reached(&next, file)))
            .collect();
        let (mut seen, mut circles) = (BTreeSet::new(), Vec::new());
        for (file, reached) in &reach {
            if reached.contains(file) && !seen.contains(file) {
                let back = |other: &&&str| {
                    reach
                        .get(**other)
                        .is_some_and(|theirs| theirs.contains(file))
                };
                let group: Vec<&str> = reached.iter().filter(back).copied().collect();
                seen.extend(group.iter().copied());
                circles.push(group.into_iter().map(str::to_owned).collect());
            }
        }
        circles
    }
}

/// The files that can be reached from `from`; `from` itself only if it is in a circle.
fn reached<'a>(next: &BTreeMap<&'a str, Vec<&'a str>>, from: &str) -> BTreeSet<&'a str> {
    let (mut found, mut open) = (BTreeSet::new(), vec![from]);
    while let Some(file) = open.pop() {
        for to in next.get(file).into_iter().flatten() {
            if found.insert(*to) {
                open.push(to);
            }
        }
    }
    found
}

fn read_file(
    source: &Path,
    path: &Path,
    module: Module,
    scopes: &mut BTreeMap<Module, Scope>,
) -> Result<()> {
    let text = fs::read_to_string(path).with_context(|| path.display().to_string())?;
    let file = syn::parse_file(&text).with_context(|| path.display().to_string())?;
    let name = path.strip_prefix(source)?.to_string_lossy().into_owned();
    // The folder of this file's child modules.
    let stem = path
        .file_stem()
        .and_then(|stem| stem.to_str())
        .unwrap_or_default();
    let folder = match (path.parent(), stem) {
        (Some(parent), "mod" | "lib" | "main") => parent.to_owned(),
        (Some(parent), stem) => parent.join(stem),
        (None, _) => PathBuf::new(),
    };
    read_items(source, &folder, &name, file.items, module, scopes)
}

fn read_items(
    source: &Path,
    folder: &Path,
    file: &str,
    items: Vec<Item>,
    module: Module,
    scopes: &mut BTreeMap<Module, Scope>,
) -> Result<()> {
    let mut scope = Scope {
        file: file.to_owned(),
        ..Scope::default()
    };
    for item in items {
        if attributes(&item).iter().any(is_test) {
            continue;
        }
        if let Some(name) = name_of(&item) {
            scope.items.insert(name);
        }
        match item {
            Item::Mod(inner) => {
                let name = inner.ident.to_string();
                scope.children.insert(name.clone());
                let mut child = module.clone();
                child.push(name.clone());
                match inner.content {
                    Some((_, items)) => {
                        read_items(source, &folder.join(&name), file, items, child, scopes)?
                    }
                    None => {
                        let flat = folder.join(format!("{name}.rs"));
                        let path = if flat.is_file() {
                            flat
                        } else {
                            folder.join(&name).join("mod.rs")
                        };
                        read_file(source, &path, child, scopes)?;
                    }
                }
            }
            Item::Use(item) => {
                let reexport = !matches!(item.vis, Visibility::Inherited);
                let mut paths = Vec::new();
                flatten(&item.tree, &mut Vec::new(), &mut paths);
                for (name, path) in paths {
                    match name {
                        Some(name) => {
                            if !reexport {
                                scope.named.insert(path.clone());
                            }
                            scope.uses.insert(name, path);
                        }
                        None => scope.globs.push(path),
                    }
                }
            }
            item => {
                let mut names = Names::default();
                names.visit_item(&item);
                scope.named.extend(names.0);
            }
        }
    }
    scopes.insert(module, scope);
    Ok(())
}

fn attributes(item: &Item) -> &[Attribute] {
    match item {
        Item::Const(item) => &item.attrs,
        Item::Enum(item) => &item.attrs,
        Item::Fn(item) => &item.attrs,
        Item::Impl(item) => &item.attrs,
        Item::Macro(item) => &item.attrs,
        Item::Mod(item) => &item.attrs,
        Item::Static(item) => &item.attrs,
        Item::Struct(item) => &item.attrs,
        Item::Trait(item) => &item.attrs,
        Item::Type(item) => &item.attrs,
        Item::Use(item) => &item.attrs,
        _ => &[],
    }
}

fn is_test(attribute: &Attribute) -> bool {
    let cfg = attribute.path().is_ident("cfg");
    cfg && matches!(&attribute.meta, syn::Meta::List(list) if list.tokens.to_string() == "test")
}

fn name_of(item: &Item) -> Option<String> {
    let ident = match item {
        Item::Const(item) => &item.ident,
        Item::Enum(item) => &item.ident,
        Item::Fn(item) => &item.sig.ident,
        Item::Static(item) => &item.ident,
        Item::Struct(item) => &item.ident,
        Item::Trait(item) => &item.ident,
        Item::Type(item) => &item.ident,
        Item::Union(item) => &item.ident,
        Item::Macro(item) => item.ident.as_ref()?,
        _ => return None,
    };
    Some(ident.to_string())
}

fn flatten(
    tree: &UseTree,
    before: &mut Vec<String>,
    found: &mut Vec<(Option<String>, Vec<String>)>,
) {
    match tree {
        UseTree::Path(path) => {
            before.push(path.ident.to_string());
            flatten(&path.tree, before, found);
            before.pop();
        }
        UseTree::Group(group) => group
            .items
            .iter()
            .for_each(|tree| flatten(tree, before, found)),
        UseTree::Glob(_) => found.push((None, before.clone())),
        UseTree::Name(_) | UseTree::Rename(_) => {
            let (ident, name) = match tree {
                UseTree::Name(name) => (name.ident.to_string(), name.ident.to_string()),
                UseTree::Rename(rename) => (rename.ident.to_string(), rename.rename.to_string()),
                _ => return,
            };
            let mut path = before.clone();
            let name = if ident == "self" {
                path.last()
                    .cloned()
                    .filter(|_| name == "self")
                    .unwrap_or(name)
            } else {
                name
            };
            if ident != "self" {
                path.push(ident);
            }
            found.push((Some(name), path));
        }
    }
}

/// The paths in a piece of code, including those in macro calls.
#[derive(Default)]
struct Names(BTreeSet<Vec<String>>);

impl Names {
    fn tokens(&mut self, tokens: TokenStream) {
        let mut path: Vec<String> = Vec::new();
        let (mut colons, mut fresh) = (0, true);
        for token in tokens {
            match token {
                TokenTree::Ident(ident) => {
                    if colons != 2 || fresh {
                        self.keep(&mut path);
                    }
                    path.push(ident.to_string());
                    (colons, fresh) = (0, false);
                }
                TokenTree::Punct(punct) if punct.as_char() == ':' => colons += 1,
                TokenTree::Group(group) => {
                    self.keep(&mut path);
                    fresh = true;
                    self.tokens(group.stream());
                }
                _ => {
                    self.keep(&mut path);
                    fresh = true;
                }
            }
        }
        self.keep(&mut path);
    }

    fn keep(&mut self, path: &mut Vec<String>) {
        if !path.is_empty() {
            self.0.insert(std::mem::take(path));
        }
    }
}

impl<'ast> Visit<'ast> for Names {
    fn visit_path(&mut self, path: &'ast syn::Path) {
        self.0.insert(
            path.segments
                .iter()
                .map(|segment| segment.ident.to_string())
                .collect(),
        );
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, call: &'ast syn::Macro) {
        self.visit_path(&call.path);
        self.tokens(call.tokens.clone());
    }

    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        let mut paths = Vec::new();
        flatten(&item.tree, &mut Vec::new(), &mut paths);
        self.0.extend(paths.into_iter().map(|(_, path)| path));
    }
}

/// Resolves a path seen from a module to the file that defines it and its name there; `None` when
/// it belongs to another crate.
fn resolve(
    scopes: &BTreeMap<Module, Scope>,
    from: &[String],
    path: &[String],
    depth: u8,
) -> Option<(String, String)> {
    if depth > 12 {
        return None;
    }
    let mut at = from.to_vec();
    let mut rest = path;
    match path.first()?.as_str() {
        "crate" => (at, rest) = (Vec::new(), &path[1..]),
        "self" => rest = &path[1..],
        "super" => {
            while rest.first().is_some_and(|part| part == "super") {
                at.pop()?;
                rest = &rest[1..];
            }
        }
        _ => {}
    }
    loop {
        let scope = scopes.get(&at)?;
        let (name, after) = rest.split_first()?;
        if scope.items.contains(name) {
            return Some((scope.file.clone(), name.clone()));
        }
        if scope.children.contains(name) {
            at.push(name.clone());
            rest = after;
            if rest.is_empty() {
                return None;
            }
            continue;
        }
        if let Some(target) = scope.uses.get(name) {
            if target.first() == Some(name) && target.len() == 1 {
                return None;
            }
            let mut target = target.clone();
            target.extend(after.iter().cloned());
            return resolve(scopes, &at, &target, depth + 1);
        }
        return scope.globs.iter().find_map(|glob| {
            let mut target = glob.clone();
            target.extend(rest.iter().cloned());
            resolve(scopes, &at, &target, depth + 1)
        });
    }
}
