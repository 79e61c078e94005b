//! Attacks on the running gateway, and their outcome.
//!
//! Each test checks its rows of `docs/attacks.md`, or writes them with `WHARF_WRITE_DOCS=1`. So the
//! table says nothing that the tests have not observed.

mod auth;
mod bodies;
mod chromium;
mod connections;
mod files;
mod guests;
mod plugin_files;
mod receivers;
mod scopes;
mod wire;

use std::{
    collections::BTreeMap,
    fs,
    sync::{Mutex, PoisonError},
};

use anyhow::{Context, Result, ensure};
use wharf_e2e::project;

/// The target of an attack, in the order of the page.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Area {
    Connections,
    Bodies,
    Auth,
    Files,
    Guests,
    Receivers,
}

impl Area {
    const ALL: [Self; 6] = [
        Self::Connections,
        Self::Bodies,
        Self::Auth,
        Self::Files,
        Self::Guests,
        Self::Receivers,
    ];

    fn title(self) -> &'static str {
        match self {
            Self::Connections => "Connections",
            Self::Bodies => "Request bodies",
            Self::Auth => "Authentication and access",
            Self::Files => "Files",
            Self::Guests => "Plugins",
            Self::Receivers => "Receivers of webhooks",
        }
    }
}

const HEAD: &str = "# Attacks\n\nThe tests in `tests/e2e/tests/all/attacks` write this page. Each row is an attack that a test makes against the running gateway, and the result that the test has seen. A row whose test is missing or sees another result fails the tests. `WHARF_WRITE_DOCS=1` writes the page again.\n";

static PAGE: Mutex<()> = Mutex::new(());

/// The rows of the page: from area and attempt to what happened.
fn rows(text: &str) -> BTreeMap<(Area, String), String> {
    let mut area = Area::Connections;
    let mut rows = BTreeMap::new();
    for line in text.lines() {
        if let Some(title) = line.strip_prefix("## ") {
            area = Area::ALL
                .into_iter()
                .find(|area| area.title() == title)
                .unwrap_or(area);
        } else if let Some((tried, held)) = line
            .strip_prefix("| ")
            .and_then(|line| line.strip_suffix(" |")?.split_once(" | "))
            && tried != "attack"
        {
            rows.insert((area, tried.to_owned()), held.to_owned());
        }
    }
    rows
}

fn page(rows: &BTreeMap<(Area, String), String>) -> String {
    let mut text = HEAD.to_owned();
    for area in Area::ALL {
        let of_it = rows
            .iter()
            .filter(|((of, _), _)| *of == area)
            .map(|((_, tried), held)| format!("| {tried} | {held} |\n"));
        text += &format!(
            "\n## {}\n\n| attack | result |\n|---|---|\n{}",
            area.title(),
            of_it.collect::<String>()
        );
    }
    text
}

/// Records that the attack `tried` on a running gateway had the outcome `held`. `docs/attacks.md`
/// must have this row in the same words.
fn held(area: Area, tried: &str, held: &str) -> Result<()> {
    let path = project::root().join("docs/attacks.md");
    let _one = PAGE.lock().unwrap_or_else(PoisonError::into_inner);
    let mut rows = rows(&fs::read_to_string(&path).unwrap_or_default());
    if std::env::var_os("WHARF_WRITE_DOCS").is_some() {
        rows.insert((area, tried.to_owned()), held.to_owned());
        return fs::write(&path, page(&rows)).context("docs/attacks.md cannot be written");
    }
    let said = rows.get(&(area, tried.to_owned()));
    ensure!(
        said.is_some_and(|said| said == held),
        "docs/attacks.md is old: run this test with WHARF_WRITE_DOCS=1\nin the page: {said:?}\nseen now:    {held:?}"
    );
    Ok(())
}

/// Checks the other direction: every row of the page is in the source of a test.
#[test]
fn every_row_has_its_test() -> Result<()> {
    let sources: Vec<String> = fs::read_dir("tests/all/attacks")?
        .map(|entry| Ok(fs::read_to_string(entry?.path())?))
        .collect::<Result<_>>()?;
    let text = fs::read_to_string(project::root().join("docs/attacks.md"))?;
    let rows = rows(&text);
    ensure!(
        text == page(&rows),
        "docs/attacks.md was edited by hand: run the tests with WHARF_WRITE_DOCS=1"
    );
    let orphans: Vec<&String> = rows
        .keys()
        .map(|(_, tried)| tried)
        .filter(|tried| {
            !sources
                .iter()
                .any(|source| source.contains(&format!("{tried:?}")))
        })
        .collect();
    ensure!(orphans.is_empty(), "no test says {orphans:?}");
    Ok(())
}
