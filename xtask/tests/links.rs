//! Every link between the pages of the repository leads to a file, and to a heading if it names
//! one. Sources, messages and configuration that name a page of `docs` name one that exists.
//!
//! Links to other servers are not tried, because a test must not depend on them.

#![expect(
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot read the tree has to fail"
)]

#[path = "../src/root.rs"]
mod root;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Component, Path, PathBuf},
};

use root::root;

/// Folders with files of others, or that are built.
const FOREIGN: [&str; 4] = ["target", "node_modules", ".git", "whatsapp-session"];

fn files(folder: &Path, extensions: &[&str]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let extension = path.extension().unwrap_or_default().to_string_lossy();
        if path.is_dir() && !FOREIGN.contains(&&*name) {
            found.extend(files(&path, extensions));
        } else if path.is_file() && extensions.contains(&&*extension) {
            found.push(path);
        }
    }
    found.sort();
    found
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The lines of a page that are not inside of a fenced block.
fn prose(text: &str) -> Vec<&str> {
    let mut fenced = false;
    text.lines()
        .filter(|line| {
            let fence = line.trim_start().starts_with("```");
            fenced ^= fence;
            !fenced && !fence
        })
        .collect()
}

/// A text without what is between backticks.
fn without_code(line: &str) -> String {
    line.split('`').step_by(2).collect()
}

/// The targets of the links in a page, as `[text](target)`.
fn links(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for line in prose(text) {
        let line = without_code(line);
        for after in line.split("](").skip(1) {
            found.extend(after.split_once(')').map(|(target, _)| target.to_owned()));
        }
    }
    found
}

/// The anchors of a page's headings, made as GitHub makes them.
fn anchors(text: &str) -> BTreeSet<String> {
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    let mut anchors = BTreeSet::new();
    for heading in prose(text).into_iter().filter(|line| line.starts_with('#')) {
        let text = heading.trim_start_matches('#').trim().to_lowercase();
        let anchor: String = text
            .chars()
            .filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'))
            .map(|c| if c == ' ' { '-' } else { c })
            .collect();
        let before = seen.entry(anchor.clone()).or_default();
        anchors.insert(match *before {
            0 => anchor,
            number => format!("{anchor}-{number}"),
        });
        *before += 1;
    }
    anchors
}

/// A path without `.` and `..`.
fn plain(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => {
                plain.pop();
            }
            part => plain.push(part),
        }
    }
    plain
}

/// What is wrong with a link of a page, if anything is.
fn wrong(page: &Path, link: &str) -> Option<String> {
    if link.contains("://") || link.starts_with("mailto:") {
        return None;
    }
    let (path, anchor) = link.split_once('#').unwrap_or((link, ""));
    let target = match path {
        "" => page.to_owned(),
        path => plain(&page.parent().expect("a folder").join(path)),
    };
    if !target.exists() {
        return Some(format!("{link}: there is no such file"));
    }
    let missing = !anchor.is_empty() && !anchors(&read(&target)).contains(anchor);
    missing.then(|| format!("{link}: the page has no such heading"))
}

#[test]
fn every_link_leads_somewhere() {
    let mut faults = Vec::new();
    let mut seen = 0;
    for page in files(root(), &["md"]) {
        for link in links(&read(&page)) {
            seen += 1;
            let shown = page.strip_prefix(root()).unwrap_or(&page);
            faults.extend(wrong(&page, &link).map(|fault| format!("{}: {fault}", shown.display())));
        }
    }
    assert!(seen > 100, "only {seen} links were found");
    assert!(faults.is_empty(), "{faults:#?}");
}

/// The pages of `docs` that a text names.
fn named(text: &str) -> Vec<&str> {
    text.match_indices("docs/")
        .filter_map(|(at, _)| {
            let name = text[at..]
                .split(|c: char| !(c.is_ascii_alphanumeric() || "/._-".contains(c)))
                .next()?;
            let end = name.find(".md")? + ".md".len();
            name.get(..end)
        })
        .collect()
}

#[test]
fn every_page_that_a_source_names_exists() {
    let mut faults = Vec::new();
    let mut seen = 0;
    let extensions = ["rs", "toml", "wit", "py", "js", "mjs", "yaml", "service"];
    for source in files(root(), &extensions) {
        // This file names pages that do not exist.
        if source.ends_with("xtask/tests/links.rs") {
            continue;
        }
        let text = read(&source);
        for page in named(&text) {
            seen += 1;
            if !root().join(page).is_file() {
                faults.push(format!("{}: {page}", source.display()));
            }
        }
    }
    assert!(seen > 20, "only {seen} names were found");
    assert!(faults.is_empty(), "{faults:#?}");
}

#[test]
fn a_link_that_leads_nowhere_is_found() {
    let page = root().join("README.md");
    for (link, fault) in [
        ("docs/plugins.md", None),
        ("https://example.org/x", None),
        ("#more", None),
        ("docs/no-page.md", Some("no such file")),
        ("docs/plugins.md#no-heading", Some("no such heading")),
    ] {
        let found = wrong(&page, link);
        assert_eq!(found.is_some(), fault.is_some(), "{link}: {found:?}");
        assert!(fault.is_none_or(|fault| found.is_some_and(|found| found.contains(fault))));
    }
    assert_eq!(
        links("[a](b.md#c) `[d](e)`\n```\n[f](g)\n```\n[h](i)"),
        ["b.md#c", "i"]
    );
    assert_eq!(
        anchors("# `wharf kv`: A, b\n## A\n## A")
            .into_iter()
            .collect::<Vec<_>>(),
        ["a", "a-1", "wharf-kv-a-b"]
    );
    assert_eq!(named("see (docs/a/b-c.md), docs/x.json"), ["docs/a/b-c.md"]);
}
