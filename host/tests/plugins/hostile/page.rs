//! `docs/plugins/hostile.md`: what the attacks did and what was seen. Each test checks its section,
//! or writes it with `WHARF_WRITE_DOCS=1`.

use std::{
    env, fs,
    path::Path,
    sync::{Mutex, PoisonError},
};

/// A part of the page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Section {
    Loading,
    Calls,
    Imports,
    Requests,
    Files,
}

impl Section {
    const ALL: [Self; 5] = [
        Self::Loading,
        Self::Calls,
        Self::Imports,
        Self::Requests,
        Self::Files,
    ];

    fn title(self) -> &'static str {
        match self {
            Self::Loading => "Components that are forged or too costly",
            Self::Calls => "Code and answers",
            Self::Imports => "What the gateway and WASI provide",
            Self::Requests => "HTTP requests",
            Self::Files => "Files",
        }
    }
}

/// One attack.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) does: String,
    pub(crate) stopped_by: String,
    /// What the caller and the operator see.
    pub(crate) seen: String,
}

const HEAD: &str = "# Hostile plugins\n\nEach row is a plugin that attacks the gateway. The tests in `host/tests/plugins/hostile` load it beside a plugin that behaves well, see that the attack is contained, named and counted (`wharf_plugin_calls_total`), and that the other plugin answers each of its calls rightly meanwhile. They write this page (`WHARF_WRITE_DOCS=1`), and fail when they see something else. What is seen is the verdict in the history of the message with its detail, which is also in the log, or the reason why the plugin is not loaded, which `wharf check` and `GET /v1/plugins` show.\n\n[Attacks](../attacks.md) has those on the running gateway.\n";
const COLUMNS: &str = "| the plugin … | what contains it | what is seen |\n|---|---|---|\n";
/// The most characters of what is seen.
const MAX_SEEN: usize = 150;

static PAGE: Mutex<()> = Mutex::new(());

fn cell(text: &str) -> String {
    let mut cut: String = text.chars().take(MAX_SEEN).collect();
    if cut.len() < text.len() {
        cut.push('…');
    }
    cut.replace('|', "\\|").replace('<', "&lt;")
}

/// The text of each section, in the order of the page; empty if the page does not have it.
fn sections(page: &str) -> Vec<String> {
    let text_of = |section: &Section| {
        let title = format!("\n## {}\n\n", section.title());
        let rest = page.split_once(&title).map_or("", |(_, rest)| rest);
        rest.split("\n## ")
            .next()
            .unwrap_or_default()
            .trim_end()
            .to_owned()
    };
    Section::ALL.iter().map(text_of).collect()
}

/// Checks that the page has these rows, in their order.
pub(crate) fn check(section: Section, rows: Vec<Row>) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/plugins/hostile.md");
    let of_rows: String = rows
        .iter()
        .map(|row| {
            format!(
                "| {} | {} | {} |\n",
                row.does,
                row.stopped_by,
                cell(&row.seen)
            )
        })
        .collect();
    let wanted = format!("{COLUMNS}{}", of_rows.trim_end());
    let _one = PAGE.lock().unwrap_or_else(PoisonError::into_inner);
    let page = fs::read_to_string(&path).unwrap_or_default();
    let mut texts = sections(&page);
    let index = Section::ALL
        .iter()
        .position(|one| *one == section)
        .expect("a section");
    if env::var_os("WHARF_WRITE_DOCS").is_none() {
        assert_eq!(
            texts[index], wanted,
            "docs/plugins/hostile.md is old: run the tests with WHARF_WRITE_DOCS=1"
        );
        return;
    }
    texts[index] = wanted;
    let mut page = HEAD.to_owned();
    for (section, text) in Section::ALL.iter().zip(texts) {
        page += &format!("\n## {}\n\n{text}\n", section.title());
    }
    fs::write(&path, page).expect("the page");
}

/// The page has at least as many attacks as were promised, and each of its sections.
#[test]
fn the_page_has_every_section() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/plugins/hostile.md");
    let page = fs::read_to_string(path).expect("the page");
    assert!(page.starts_with(HEAD), "the page was edited by hand");
    for (section, text) in Section::ALL.iter().zip(sections(&page)) {
        assert!(text.starts_with(COLUMNS), "{section:?} is missing");
    }
}
