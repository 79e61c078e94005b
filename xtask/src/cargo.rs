//! Runs cargo and shows its progress on one line.

use std::{process::Command, time::Duration};

use anyhow::{Result, bail};

use crate::{project, step};

/// Time limit of a build; a cold one takes about ten minutes on two busy cores.
const LIMIT: Duration = Duration::from_secs(40 * 60);

/// Runs `cargo <args>` through [`watched`].
///
/// # Errors
/// As [`watched`].
pub(crate) fn build(what: &str, args: &[&str]) -> Result<()> {
    let mut command = project::cargo();
    command.args(args);
    watched(what, &mut command)
}

/// Runs a cargo command that builds. Shows the progress; diagnostics are shown only when it fails.
///
/// # Errors
/// When the command fails; the error has the compiler's output.
pub(crate) fn watched(what: &str, command: &mut Command) -> Result<()> {
    // Cargo's progress bar has the number of units; it is read here and not shown.
    command
        .env("CARGO_TERM_PROGRESS_WHEN", "always")
        .env("CARGO_TERM_PROGRESS_WIDTH", "120");
    let mut progress = step::Progress::start(what);
    let (mut compiled, mut place) = (0, String::new());
    let output = step::capture(command, LIMIT, |line| {
        let keep = match line.map(read) {
            Some(CargoLine::Bar(now)) => {
                place = now;
                false
            }
            Some(CargoLine::Status(word)) => {
                compiled += usize::from(word == "Compiling");
                false
            }
            Some(CargoLine::Other) => true,
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

enum CargoLine {
    /// Progress, e.g. `120 of 531 crates`.
    Bar(String),
    /// A status line such as `Compiling serde v1.0`.
    Status(&'static str),
    Other,
}

fn read(line: &str) -> CargoLine {
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
        return CargoLine::Bar(format!("{done} of {all} crates"));
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
        .map_or(CargoLine::Other, CargoLine::Status)
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
        assert!(matches!(read(bar), CargoLine::Bar(place) if place == "120 of 531 crates"));
        assert!(matches!(
            read("\x1b[1m\x1b[32m   Compiling\x1b[0m serde v1.0.228"),
            CargoLine::Status("Compiling")
        ));
        assert!(matches!(
            read("error[E0308]: mismatched types"),
            CargoLine::Other
        ));
    }
}
