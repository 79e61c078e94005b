//! Helpers: an author's folder, and the program in it.

use std::{
    env,
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use serde_json::Value;
use tempfile::TempDir;

/// What a command has printed, and its exit status.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) status: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Ran {
    /// Requires the exit status.
    pub(crate) fn exits(self, status: i32) -> Self {
        assert_eq!(self.status, status, "{self:#?}");
        self
    }

    /// Each line of the output as JSON.
    pub(crate) fn json(&self) -> Vec<Value> {
        self.out
            .lines()
            .map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("{self:#?}")))
            .collect()
    }
}

/// A folder in which an author works.
pub(crate) struct Desk(pub(crate) TempDir);

impl Desk {
    pub(crate) fn new() -> Self {
        Self(TempDir::new().expect("a folder"))
    }

    /// A folder with these guests of `tests/guests` and bundled plugins.
    pub(crate) fn with(guests: &[&str]) -> Self {
        let desk = Self::new();
        for file in guests {
            let from = target().join("wasm32-wasip2/plugin").join(file);
            let from = env::var_os("WHARF_TEST_GUESTS")
                .map_or(from, |folder| PathBuf::from(folder).join(file));
            std::fs::copy(&from, desk.path(file)).unwrap_or_else(|error| {
                panic!("{}: {error}; build it: cargo build -p wharf-test-guests -p number-policy --target wasm32-wasip2 --profile plugin", from.display())
            });
        }
        desk
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        std::fs::write(path, text).expect("written");
    }

    /// The program with a command of `wharf plugin` in a folder of the desk.
    pub(crate) fn command(&self, folder: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_wharf"));
        command
            .arg("plugin")
            .args(arguments)
            .current_dir(self.path(folder))
            // Shared by all tests, because an unoptimised compiler is slow.
            .env(
                "XDG_CACHE_HOME",
                Path::new(env!("CARGO_TARGET_TMPDIR")).join("workbench"),
            )
            .env_remove("WHARF_CONFIG")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    /// Runs a command of `wharf plugin` with this standard input.
    pub(crate) fn pipe(&self, arguments: &[&str], input: &str) -> Ran {
        finish(self.command("", arguments), input)
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Ran {
        self.pipe(arguments, "")
    }
}

pub(crate) fn finish(mut command: Command, input: &str) -> Ran {
    let mut child = command.spawn().expect("started");
    let mut stdin = child.stdin.take().expect("a pipe");
    // A command that refuses its arguments does not read its input.
    let _ = stdin.write_all(input.as_bytes());
    drop(stdin);
    let output = child.wait_with_output().expect("ended");
    Ran {
        status: output.status.code().unwrap_or(-1),
        out: String::from_utf8_lossy(&output.stdout).into_owned(),
        err: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// Cargo's target folder.
pub(crate) fn target() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR"))
        .parent()
        .expect("the target folder")
        .to_owned()
}
