//! Cargo, with its progress on one line.

use std::{process::Command, time::Duration};

use anyhow::{Result, bail};

use crate::{project, step};

/// Cold, on two busy cores, a build takes about ten minutes.
const LIMIT: Duration = Duration::from_secs(40 * 60);

/// `cargo <args>`, see [`watched`].
///
/// # Errors
/// See [`watched`].
pub(crate) fn build(what: &str, args: &[&str]) -> Result<()> {
    let mut command = project::cargo();
    command.args(args);
    watched(what, &mut command)
}

/// Runs a cargo command that builds; shows how far it is, and its diagnostics only when it fails.
///
/// # Errors
/// When it fails, with what the compiler said.
pub(crate) fn watched(what: &str, command: &mut Command) -> Result<()> {
    // Cargo's own bar, which tells the number of units; it is read here, not shown.
    command
        .env("CARGO_TERM_PROGRESS_WHEN", "always")
        .env("CARGO_TERM_PROGRESS_WIDTH", "120");
    let mut progress = step::Progress::start(what);
    let (mut compiled, mut place) = (0, String::new());
    let output = step::capture(command, LIMIT, |line| {
        let keep = match line.map(read) {
            Some(Said::Bar(now)) => {
                place = now;
                false
            }
            Some(Said::Status(word)) => {
                compiled += usize::from(word == "Compiling");
                false
            }
            Some(Said::Other) => true,
            None => false,
        };
        progress.say(&place);
        keep
    })?;
    if output.status.success() {
        progress.end(&if compiled == 0 {
            "up to date".to_owned()
        } else {
            format!("{compiled} crates compiled")
        });
        return Ok(());
    }
    progress.end("failed");
    bail!("{what}: cargo {}\n\n{}", output.status, output.text)
}

enum Said {
    /// `120 of 531 crates`.
    Bar(String),
    /// `Compiling serde v1.0` and its like.
    Status(&'static str),
    Other,
}

fn read(line: &str) -> Said {
    let plain = without_colours(line);
    let text = plain.trim_start();
    if let Some((_, rest)) = text
        .strip_prefix("Building [")
        .and_then(|rest| rest.split_once("] "))
        && let Some((done, all)) = rest
            .split(':')
            .next()
            .and_then(|counts| counts.trim().split_once('/'))
    {
        return Said::Bar(format!("{done} of {all} crates"));
    }
    const WORDS: [&str; 14] = [
        "Compiling",
        "Checking",
        "Documenting",
        "Finished",
        "Downloading",
        "Downloaded",
        "Updating",
        "Locking",
        "Blocking",
        "Adding",
        "Fresh",
        "Running",
        "Executable",
        "Building",
    ];
    WORDS
        .into_iter()
        .find(|word| text.starts_with(word))
        .map_or(Said::Other, Said::Status)
}

fn without_colours(line: &str) -> String {
    let mut text = String::new();
    let mut rest = line.chars();
    while let Some(c) = rest.next() {
        if c == '\x1b' {
            rest.find(char::is_ascii_alphabetic);
        } else {
            text.push(c);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cargos_bar_is_read_and_a_diagnostic_is_kept() {
        let bar = "\x1b[K\x1b[1m\x1b[36m    Building\x1b[0m [=====>     ] 120/531: serde, chromiumoxide_cdp(build)";
        assert!(matches!(read(bar), Said::Bar(place) if place == "120 of 531 crates"));
        assert!(matches!(
            read("\x1b[1m\x1b[32m   Compiling\x1b[0m serde v1.0.228"),
            Said::Status("Compiling")
        ));
        assert!(matches!(
            read("error[E0308]: mismatched types"),
            Said::Other
        ));
    }
}
