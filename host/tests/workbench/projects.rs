//! Projects that `wharf plugin new` makes.

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
};

use crate::support::{Desk, Ran, finish, target};

/// Prepares a Rust project for a build in this repository: its build results are kept between runs,
/// and it uses the versions of dependencies that the repository uses.
fn lock(desk: &Desk, project: &str) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    for name in ["Cargo.lock", "rust-toolchain.toml"] {
        fs::copy(root.join(name), desk.path(project).join(name)).expect("copied");
    }
}

/// The SDK of the repository: with another target folder, the program would not find it.
const SDK: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../sdk");

fn in_project(desk: &Desk, project: &str, arguments: &[&str]) -> Ran {
    let mut command = desk.command(project, arguments);
    command.env("CARGO_TARGET_DIR", target().join("tmp/projects"));
    // What cargo has set for this test is not there in an author's shell.
    for name in ["CARGO_MANIFEST_DIR", "RUSTFLAGS", "CARGO_ENCODED_RUSTFLAGS"] {
        command.env_remove(name);
    }
    finish(command, "")
}

#[test]
fn a_new_project_with_every_extension_point_builds_and_passes_its_cases() {
    let desk = Desk::new();
    let out = desk
        .run(&[
            "new",
            "all-points",
            "--point",
            "validator",
            "--point",
            "templater",
            "--point",
            "notifier",
            "--sdk",
            SDK,
        ])
        .exits(0)
        .out;
    assert!(
        out.contains("a plugin called all-points") && out.contains("wharf plugin test"),
        "{out}"
    );
    lock(&desk, "all-points");
    let ran = in_project(&desk, "all-points", &["test"]).exits(0);
    assert!(ran.out.ends_with("4 passed, 0 failed\n"), "{ran:#?}");
    let ran = in_project(&desk, "all-points", &["build"]).exits(0);
    assert!(
        ran.out.contains("build/all-points.wasm: ") && ran.out.contains("sha256 "),
        "{ran:#?}"
    );
    let check = ["check", "build/all-points.wasm", "--config", "gateway.toml"];
    let ran = in_project(&desk, "all-points", &check).exits(0);
    assert!(
        ran.out
            .contains("send-validation, message-templating, event-notification"),
        "{ran:#?}"
    );

    // A source that does not compile leaves the component as it was.
    let built = fs::read(desk.path("all-points/build/all-points.wasm")).expect("built");
    desk.write("all-points/src/lib.rs", "nonsense");
    let ran = in_project(&desk, "all-points", &["test"]).exits(2);
    assert!(
        ran.err.contains("src/lib.rs") && ran.err.contains("cargo build failed"),
        "{ran:#?}"
    );
    let kept = fs::read(desk.path("all-points/build/all-points.wasm")).expect("kept");
    assert!(kept == built);
}

#[test]
fn each_single_point_makes_a_source_without_warnings() {
    for point in ["validator", "templater", "notifier"] {
        let desk = Desk::new();
        desk.run(&["new", "one", "--point", point, "--sdk", SDK])
            .exits(0);
        lock(&desk, "one");
        let ran = in_project(&desk, "one", &["test"]).exits(0);
        assert!(
            ran.out.contains(", 0 failed") && !ran.err.contains("warning"),
            "{point}: {ran:#?}"
        );
    }
}

#[test]
fn what_a_project_lacks_is_said_with_the_command_that_helps() {
    let desk = Desk::new();
    let err = desk.run(&["build"]).exits(2).err;
    assert!(
        err.contains("it has no plugin.toml") && err.contains("wharf plugin new"),
        "{err}"
    );
    desk.write("a/plugin.toml", "name = \"a\"\nlanguage = \"cobol\"\n");
    let err = desk.run(&["build", "a"]).exits(2).err;
    assert!(
        err.contains("\"cobol\" is not a language; expected one of rust, javascript, python"),
        "{err}"
    );

    for (language, tool, setup) in [
        ("python", "componentize-py", "pip install componentize-py=="),
        ("javascript", "componentize-js", "npm install"),
        ("rust", "rustc", "https://rustup.rs"),
    ] {
        let sdk: &[&str] = match language {
            "rust" => &["--sdk", SDK],
            _ => &[],
        };
        let new = ["new", language, "--language", language];
        desk.run(&[&new, sdk].concat()).exits(0);
        let mut command = desk.command(language, &["build"]);
        command.env("PATH", "/nowhere");
        let err = finish(command, "").exits(2).err;
        assert!(
            err.contains(&format!("{tool} was not found")) && err.contains(setup),
            "{language}: {err}"
        );
    }
}

#[test]
fn new_refuses_what_it_would_have_to_guess() {
    let desk = Desk::new();
    desk.write("full/file", "");
    for (arguments, words) in [
        (vec!["new", "full"], "full is not empty"),
        (
            vec!["new", "Banned_Words"],
            "the folder's name is the plugin's",
        ),
        (
            vec!["new", "a", "--name", "B"],
            "--name: \"B\" cannot be the name",
        ),
        (
            vec!["new", "a", "--sdk", "nowhere"],
            "nowhere is not the SDK",
        ),
        (
            vec!["new", "a", "--language", "python", "--sdk", "x"],
            "--sdk is for Rust",
        ),
        (
            vec!["new", "a", "--language", "python", "--point", "notifier"],
            "`new` has no notifier in Python",
        ),
        (vec!["new", "a", "--language", "go"], "javascript, python"),
    ] {
        let ran = desk.run(&arguments).exits(2);
        assert!(ran.err.contains(words), "{arguments:?}: {ran:#?}");
        assert!(!desk.path("a").exists(), "{arguments:?}");
    }
}

/// The WIT package of a project in another language is whole: a tool that reads it accepts it, and
/// the world has the extension point.
#[test]
fn a_project_in_another_language_has_the_package_and_valid_source() {
    let desk = Desk::new();
    desk.run(&["new", "words", "--language", "python"]).exits(0);
    let world = fs::read_to_string(desk.path("words/wit/plugin.wit")).expect("a world");
    assert!(world.contains("include validator;"), "{world}");
    let package = Path::new(env!("CARGO_MANIFEST_DIR")).join("../wit/v0.2");
    for entry in fs::read_dir(package).expect("the package") {
        let entry = entry.expect("an entry");
        let copy = desk.path("words/wit").join(entry.file_name());
        assert_eq!(
            fs::read(entry.path()).expect("original"),
            fs::read(copy).expect("copy")
        );
    }
    let compiled = Command::new("python3")
        .args(["-c", "import ast; ast.parse(open('plugin.py').read())"])
        .current_dir(desk.path("words"))
        .stdout(Stdio::null())
        .status();
    assert!(
        compiled.expect("python3").success(),
        "plugin.py is not Python"
    );
    desk.run(&["new", "script", "--language", "javascript"])
        .exits(0);
    let checked = Command::new("node")
        .args(["--check", "plugin.js"])
        .current_dir(desk.path("script"))
        .status();
    assert!(
        checked.expect("node").success(),
        "plugin.js is not a module"
    );
}
