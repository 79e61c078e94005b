//! The layering, kept: which crate may be named where, and how long a file may be.

#![expect(clippy::expect_used, reason = "a test that cannot read the tree has to fail")]

use std::{
    fs,
    path::{Path, PathBuf},
};

/// A crate, and the only folder below `host/src` that may name it.
const ROOMS: [(&str, &str); 4] = [("wasmtime", "plugins/"), ("chromiumoxide", "browser/"), ("sqlx", "store/"), ("axum", "api/")];

const LONGEST: usize = 600;

/// Tests run in their package's folder. Its path is not compiled in: a copied checkout would look at the old place.
fn root() -> PathBuf {
    Path::new("..").canonicalize().expect("the repository")
}

fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if path.is_dir() && !matches!(name, "target" | "node_modules" | ".git") {
            found.extend(sources(&path));
        } else if matches!(path.extension().and_then(|e| e.to_str()), Some("rs" | "js" | "mjs")) {
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
        let boundary = before.is_none_or(|c| !c.is_alphanumeric() && c != '_' && c != '-' && c != '"');
        // `wasmtime_wasi::` belongs to the same room as `wasmtime::`.
        boundary && (after.starts_with("::") || after.starts_with(';') || (after.starts_with('_') && after.contains("::")))
    })
}

#[test]
fn each_crate_is_named_in_its_own_room_alone() {
    let source = root().join("host/src");
    let mut wrong = Vec::new();
    for path in sources(&source) {
        let place = path.strip_prefix(&source).expect("below").to_string_lossy().into_owned();
        let text = fs::read_to_string(&path).expect("text");
        for (krate, room) in ROOMS {
            let allowed = place.starts_with(room);
            let lines = text.lines().enumerate().filter(|(_, line)| !allowed && names(line, krate));
            wrong.extend(lines.map(|(at, line)| format!("host/src/{place}:{}: {krate} belongs to {room}: {}", at + 1, line.trim())));
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn the_vocabulary_and_the_files_name_no_other_room() {
    let rooms = ["config", "whatsapp", "browser", "session", "outbox", "events", "plugins", "store", "api", "telemetry", "gateway"];
    for path in ["host/src/model", "host/src/files"].into_iter().flat_map(|room| sources(&root().join(room))) {
        let text = fs::read_to_string(&path).expect("text");
        for room in rooms {
            assert!(!text.contains(&format!("crate::{room}")), "{} names {room}", path.display());
        }
    }
}

#[test]
fn no_file_is_longer_than_a_reader_likes() {
    let long: Vec<_> = sources(&root())
        .into_iter()
        .map(|path| (fs::read_to_string(&path).map_or(0, |text| text.lines().count()), path))
        .filter(|(lines, _)| *lines > LONGEST)
        .collect();
    assert!(long.is_empty(), "longer than {LONGEST} lines: {long:?}");
}

#[test]
fn no_test_is_switched_off() {
    let ignore = concat!("#[", "ignore");
    for path in sources(&root()) {
        assert!(!fs::read_to_string(&path).is_ok_and(|text| text.contains(ignore)), "{} switches a test off", path.display());
    }
}

#[test]
fn the_check_itself_can_fail() {
    assert!(names("use wasmtime::Engine;", "wasmtime"));
    assert!(names("    let x: wasmtime_wasi::WasiCtx = y;", "wasmtime"));
    assert!(!names("// wasmtime::Engine is not named here", "wasmtime"));
    assert!(!names("\"wasmtime::engine=error\"", "wasmtime"));
}
