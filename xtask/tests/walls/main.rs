//! Checks what docs/ARCHITECTURE.md says of the host's files: which rooms and crates a room may
//! name, that files have no circles, how long a file may be, and where `unsafe` is.

#![expect(
    clippy::expect_used,
    reason = "a test that cannot read the tree has to fail"
)]

mod graph;
#[path = "../../src/root.rs"]
mod root;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use graph::Graph;
use root::root;

/// A crate, and the only folder below `host/src` that may name it.
const ROOMS: [(&str, &str); 4] = [
    ("wasmtime", "plugins/"),
    ("chromiumoxide", "browser/"),
    ("sqlx", "store/"),
    ("axum", "api/"),
];

const LONGEST: usize = 600;

fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        let name = path
            .file_name()
            .and_then(|name| name.to_str())
            .unwrap_or_default();
        if path.is_dir() && !matches!(name, "target" | "node_modules" | ".git") {
            found.extend(sources(&path));
        } else if matches!(
            path.extension().and_then(|e| e.to_str()),
            Some("rs" | "js" | "mjs")
        ) {
            found.push(path);
        }
    }
    found
}

/// Whether a line of code (not a comment) names the crate, as a path or in a `use`.
fn names(line: &str, krate: &str) -> bool {
    let code = line.split("//").next().unwrap_or_default();
    code.match_indices(krate).any(|(at, _)| {
        let before = code[..at].chars().next_back();
        let after = &code[at + krate.len()..];
        let boundary =
            before.is_none_or(|c| !c.is_alphanumeric() && c != '_' && c != '-' && c != '"');
        // `wasmtime_wasi::` belongs to the same room as `wasmtime::`.
        boundary
            && (after.starts_with("::")
                || after.starts_with(';')
                || (after.starts_with('_') && after.contains("::")))
    })
}

#[test]
fn each_crate_is_named_in_its_own_room_alone() {
    let source = root().join("host/src");
    let mut wrong = Vec::new();
    for path in sources(&source) {
        let place = path
            .strip_prefix(&source)
            .expect("below")
            .to_string_lossy()
            .into_owned();
        let text = fs::read_to_string(&path).expect("text");
        for (krate, room) in ROOMS {
            let allowed = place.starts_with(room);
            let lines = text
                .lines()
                .enumerate()
                .filter(|(_, line)| !allowed && names(line, krate));
            wrong.extend(lines.map(|(at, line)| {
                format!(
                    "host/src/{place}:{}: {krate} belongs to {room}: {}",
                    at + 1,
                    line.trim()
                )
            }));
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

fn host() -> Graph {
    Graph::read(&root().join("host/src"), "lib.rs").expect("the host's files")
}

/// A top module of the host: a folder, or a file beside `lib.rs`.
fn room(file: &str) -> String {
    let first = file.split('/').next().unwrap_or_default();
    first.strip_suffix(".rs").unwrap_or(first).to_owned()
}

/// The table "Which way things depend" of docs/ARCHITECTURE.md: a room, and the rooms that it may
/// name.
fn allowed() -> BTreeMap<String, BTreeSet<String>> {
    let page = fs::read_to_string(root().join("docs/ARCHITECTURE.md")).expect("the page");
    let words = |cell: &str| {
        cell.split('`')
            .skip(1)
            .step_by(2)
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    let rows = page
        .lines()
        .skip_while(|line| !line.starts_with("| room | names |"))
        .skip(2)
        .take_while(|line| line.starts_with('|'));
    rows.map(|row| {
        let cells: Vec<&str> = row.trim_matches('|').split('|').collect();
        let name = words(cells.first().expect("a room"))
            .pop()
            .expect("a name in backticks");
        (
            name,
            words(cells.get(1).expect("the rooms it names"))
                .into_iter()
                .collect(),
        )
    })
    .collect()
}

#[test]
fn each_room_names_those_that_the_architecture_says_and_no_other() {
    let mut named = BTreeMap::<String, BTreeSet<String>>::new();
    for (file, to) in host().rooms {
        let from = room(&file);
        if from != "lib" && from != to {
            named.entry(from).or_default().insert(to);
        }
    }
    let allowed = allowed();
    assert!(
        allowed.len() > 8,
        "the table of docs/ARCHITECTURE.md was not found: {allowed:?}"
    );
    let rows: Vec<String> = named
        .iter()
        .filter(|(room, names)| allowed.get(*room) != Some(names))
        .map(|(room, names)| {
            let names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
            format!("| `{room}` | {} |", names.join(", "))
        })
        .collect();
    let gone: Vec<&String> = allowed
        .keys()
        .filter(|room| !named.contains_key(*room))
        .collect();
    assert!(
        rows.is_empty() && gone.is_empty(),
        "the table of docs/ARCHITECTURE.md differs from the code; the rows should be\n{}\nand there should be none for {gone:?}",
        rows.join("\n")
    );
}

#[test]
fn no_files_of_the_host_reach_each_other() {
    let graph = host();
    assert!(
        graph.arrows.len() > 500,
        "only {} arrows were found",
        graph.arrows.len()
    );
    let mut lines = Vec::new();
    for circle in graph.circles() {
        lines.push(format!("a circle of {} files:", circle.len()));
        let inside = graph
            .arrows
            .iter()
            .filter(|((from, to), _)| circle.contains(from) && circle.contains(to));
        lines.extend(inside.map(|((from, to), names)| {
            format!(
                "  {from} -> {to}: {}",
                Vec::from_iter(names.iter().map(String::as_str)).join(", ")
            )
        }));
    }
    assert!(lines.is_empty(), "\n{}", lines.join("\n"));
}

#[test]
fn of_the_sessions_only_profiles_know_browsers() {
    let session: Vec<String> = host()
        .rooms
        .into_iter()
        .filter(|(file, to)| room(file) == "session" && to == "browser")
        .map(|(file, _)| file)
        .collect();
    assert!(
        session
            .iter()
            .all(|file| file.starts_with("session/profiles/")),
        "{session:?}"
    );
}

/// Whether a line of code has the keyword `unsafe`: of a block, an item or an attribute.
fn is_unsafe(line: &str) -> bool {
    line.match_indices("unsafe").any(|(at, word)| {
        let before = line[..at].chars().next_back();
        let after = line[at + word.len()..].chars().next();
        before.is_none_or(|c| !c.is_alphanumeric() && !matches!(c, '_' | '"' | '\''))
            && after.is_none_or(|c| matches!(c, ' ' | '('))
    })
}

/// The text of a file without the items under `#[cfg(test)]`. It relies on the form that rustfmt
/// gives them: an item ends on its first line, or with a bracket at its own indentation.
fn without_tests(text: &str) -> String {
    let (mut kept, mut lines) = (String::new(), text.lines());
    while let Some(line) = lines.next() {
        if line.trim() != "#[cfg(test)]" {
            kept.push_str(line);
            kept.push('\n');
            continue;
        }
        let indent = line.len() - line.trim_start().len();
        let mut item = lines
            .by_ref()
            .skip_while(|line| line.trim_start().starts_with(['#', '/']));
        let first = item.next().unwrap_or_default();
        if first.ends_with([';', ',', '}']) {
            continue;
        }
        item.find(|line| {
            let rest = line.get(indent..).unwrap_or_default();
            rest.starts_with('}') || (rest.starts_with(')') && rest.ends_with(';'))
        });
    }
    kept
}

#[test]
fn unsafe_code_is_where_the_architecture_says() {
    let source = root().join("host/src");
    let mut places = Vec::new();
    for path in sources(&source) {
        let text = fs::read_to_string(&path).expect("text");
        let code = text
            .lines()
            .filter(|line| !line.trim_start().starts_with("//"));
        let count = code.filter(|line| is_unsafe(line)).count();
        let place = path
            .strip_prefix(&source)
            .expect("below")
            .to_string_lossy()
            .into_owned();
        places.extend((count > 0).then_some((place, count)));
    }
    places.sort();
    assert_eq!(
        places,
        [("lib.rs".to_owned(), 1), ("plugins/cache.rs".to_owned(), 1)]
    );
}

#[test]
fn only_the_room_for_it_knows_the_modules_of_whatsapp_web() {
    let source = root().join("host/src");
    // Unit tests quote names that a build may lack.
    let is_test = |path: &Path| {
        path.components()
            .any(|part| matches!(part.as_os_str().to_str(), Some("tests" | "tests.rs")))
    };
    for path in sources(&source)
        .into_iter()
        .filter(|path| !path.starts_with(source.join("whatsapp")) && !is_test(path))
    {
        let text = fs::read_to_string(&path).expect("text");
        assert!(
            !without_tests(&text).contains("WAWeb"),
            "{} names a module of WhatsApp Web",
            path.display()
        );
    }
}

#[test]
fn no_file_is_longer_than_a_reader_likes() {
    let long: Vec<_> = sources(root())
        .into_iter()
        .map(|path| {
            (
                fs::read_to_string(&path).map_or(0, |text| text.lines().count()),
                path,
            )
        })
        .filter(|(lines, _)| *lines > LONGEST)
        .collect();
    assert!(long.is_empty(), "longer than {LONGEST} lines: {long:?}");
}

#[test]
fn no_test_is_switched_off() {
    let ignore = concat!("#[", "ignore");
    for path in sources(root()) {
        assert!(
            !fs::read_to_string(&path).is_ok_and(|text| text.contains(ignore)),
            "{} switches a test off",
            path.display()
        );
    }
}

#[test]
fn the_check_itself_can_fail() {
    assert!(names("use wasmtime::Engine;", "wasmtime"));
    assert!(names("    let x: wasmtime_wasi::WasiCtx = y;", "wasmtime"));
    assert!(!names("// wasmtime::Engine is not named here", "wasmtime"));
    assert!(!names("\"wasmtime::engine=error\"", "wasmtime"));
    for line in [
        "unsafe impl Send for X {}",
        "    let x = unsafe { y() };",
        "pub unsafe trait T {",
        "unsafe extern \"C\" {",
        "#[unsafe(no_mangle)]",
    ] {
        assert!(is_unsafe(line), "{line}");
    }
    for line in [
        "#![forbid(unsafe_code)]",
        "const POLICY: &str = \"style-src 'unsafe-inline'\";",
        "contains(\"unsafe\")",
    ] {
        assert!(!is_unsafe(line), "{line}");
    }
}

#[test]
fn what_stands_behind_tests_is_checked_and_the_tests_are_not() {
    let text = "a\n#[cfg(test)]\nmod tests;\nb\nimpl X {\n    #[cfg(test)]\n    #[must_use]\n    fn t(\n        x: u8,\n    ) -> u8 {\n        x\n    }\n    c\n}\n#[cfg(test)]\nmod more {\n    d\n}\ne\n";
    assert_eq!(without_tests(text), "a\nb\nimpl X {\n    c\n}\ne\n");
}

#[test]
fn a_circle_is_found_through_re_exports_and_macros_and_tests_are_left_out() {
    let folder = std::env::temp_dir().join(format!("wharf-walls-{}", std::process::id()));
    fs::create_dir_all(folder.join("a")).expect("a folder");
    let files = [
        ("lib.rs", "pub mod a; mod c;"),
        (
            "a/mod.rs",
            "mod one; mod two; pub use one::One; pub struct Lone;",
        ),
        (
            "a/one.rs",
            "pub struct One; fn f() { println!(\"{:?}\", super::two::g()); }",
        ),
        ("a/two.rs", "use crate::a; pub fn g() -> a::One { todo!() }"),
        (
            "c.rs",
            "pub struct C; #[cfg(test)] mod tests { use crate::a::One; }",
        ),
    ];
    for (name, text) in files {
        fs::write(folder.join(name), text).expect("written");
    }
    let graph = Graph::read(&folder, "lib.rs").expect("read");
    fs::remove_dir_all(&folder).expect("removed");
    assert_eq!(graph.circles(), [["a/one.rs", "a/two.rs"]]);
    assert_eq!(
        graph.rooms,
        BTreeSet::from([("a/two.rs".to_owned(), "a".to_owned())])
    );
}
