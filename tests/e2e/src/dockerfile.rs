//! Parses a Dockerfile into stages and instructions, and makes the variant that Railway builds.
//!
//! It supports only what the repository's file uses: no here-documents and no other escape
//! character.

use std::fmt::Write;

use anyhow::{Context, Result, bail, ensure};

/// One instruction, with its continuation lines joined.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Instruction {
    /// The keyword in upper case, e.g. `RUN`.
    pub word: String,
    /// Flags before the arguments, without the dashes, e.g. `from=builder`.
    pub flags: Vec<String>,
    /// Everything after the flags.
    pub arguments: String,
}

impl Instruction {
    /// The arguments of an instruction in the exec form, which is a JSON array.
    ///
    /// # Errors
    /// When they are in the shell form.
    pub fn exec(&self) -> Result<Vec<String>> {
        let json = self.arguments.trim_start_matches("CMD").trim();
        serde_json::from_str(json)
            .with_context(|| format!("{} {json} is not in the exec form", self.word))
    }
}

/// One build stage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stage {
    /// The base image with its tag.
    pub base: String,
    /// The name given by `AS`.
    pub name: Option<String>,
    /// The instructions after `FROM`.
    pub instructions: Vec<Instruction>,
}

impl Stage {
    /// Every instruction with this keyword.
    #[must_use]
    pub fn all(&self, word: &str) -> Vec<&Instruction> {
        self.instructions
            .iter()
            .filter(|instruction| instruction.word == word)
            .collect()
    }

    /// The last instruction with this keyword, which is the one that takes effect.
    ///
    /// # Errors
    /// When there is none.
    pub fn last(&self, word: &str) -> Result<&Instruction> {
        self.all(word)
            .pop()
            .with_context(|| format!("the stage {} has no {word}", self.base))
    }

    /// The variables that `ENV` sets, as pairs of name and value.
    ///
    /// # Errors
    /// When an entry is not of the form `NAME=value`.
    pub fn environment(&self) -> Result<Vec<(String, String)>> {
        let words = self.all("ENV").into_iter().flat_map(|env| {
            env.arguments
                .split_whitespace()
                .map(ToOwned::to_owned)
                .collect::<Vec<_>>()
        });
        words
            .map(|word| {
                word.split_once('=')
                    .map(|(name, value)| (name.to_owned(), value.to_owned()))
                    .context(word)
            })
            .collect()
    }
}

/// The stages of a Dockerfile.
///
/// # Errors
/// When an instruction precedes the first `FROM`, has no arguments or contains a here-document.
pub fn stages(text: &str) -> Result<Vec<Stage>> {
    let mut stages: Vec<Stage> = Vec::new();
    for line in logical_lines(text) {
        let (word, rest) = line
            .split_once(char::is_whitespace)
            .with_context(|| format!("{line:?} has no arguments"))?;
        let (word, mut rest) = (word.to_ascii_uppercase(), rest.trim());
        ensure!(!rest.contains("<<"), "here-documents are not read: {line}");
        if word == "FROM" {
            let (base, name) = rest
                .split_once(" AS ")
                .map_or((rest, None), |(base, name)| {
                    (base, Some(name.trim().to_owned()))
                });
            stages.push(Stage {
                base: base.trim().into(),
                name,
                instructions: Vec::new(),
            });
            continue;
        }
        let mut flags = Vec::new();
        while let Some(flag) = rest.strip_prefix("--") {
            let (flag, more) = flag.split_once(char::is_whitespace).unwrap_or((flag, ""));
            flags.push(flag.to_owned());
            rest = more.trim_start();
        }
        let Some(stage) = stages.last_mut() else {
            bail!("{word} before the first FROM")
        };
        stage.instructions.push(Instruction {
            word,
            flags,
            arguments: rest.into(),
        });
    }
    Ok(stages)
}

/// The lines without comments; each one includes its continuation lines.
fn logical_lines(text: &str) -> Vec<String> {
    let mut lines = Vec::new();
    let mut begun = String::new();
    for line in text
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
    {
        let (part, goes_on) = line
            .strip_suffix('\\')
            .map_or((line, false), |part| (part.trim_end(), true));
        if !begun.is_empty() {
            begun.push(' ');
        }
        begun.push_str(part);
        if !goes_on {
            lines.push(std::mem::take(&mut begun));
        }
    }
    lines
}

/// The Dockerfile for Railway. Railway refuses `VOLUME`, because it mounts volumes itself, and
/// cache mounts whose id does not begin with the id of a Railway service.
#[must_use]
pub fn railway(text: &str) -> String {
    let mut out = String::from(
        "# Generated from the Dockerfile by `cargo xtask image --write`, without what Railway refuses. Do not edit.\n\n",
    );
    let body = text.find("FROM ").map_or(text, |at| &text[at..]);
    for line in body.lines() {
        if line.starts_with("VOLUME ") {
            continue;
        }
        let kept: Vec<&str> = line
            .split(' ')
            .filter(|word| !word.starts_with("--mount=type=cache"))
            .collect();
        // Writing to a string does not fail.
        let _ = writeln!(out, "{}", kept.join(" "));
    }
    out.replace("RUN \\\n    cargo", "RUN cargo")
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "# a\nFROM rust:1 AS builder\nRUN --mount=type=cache,id=a,target=/a --mount=type=cache,id=b,target=/b \\\n    cargo build\n\
                        # why\nFROM debian:x\nRUN apt-get update \\\n    # between\n    && true\nENV A=1 \\\n    B=/x\nVOLUME [\"/x\"]\n\
                        COPY --from=builder /out/ /\nHEALTHCHECK --retries=3 CMD [\"w\", \"health\"]\n";

    #[test]
    fn stages_have_their_instructions_with_flags_and_joined_lines() {
        let stages = stages(FILE).expect("read");
        assert_eq!(
            (
                stages.len(),
                stages[0].name.as_deref(),
                stages[1].base.as_str()
            ),
            (2, Some("builder"), "debian:x")
        );
        assert_eq!(stages[0].instructions[0].flags.len(), 2);
        assert_eq!(
            stages[1].last("RUN").expect("one").arguments,
            "apt-get update && true"
        );
        assert_eq!(
            stages[1].environment().expect("pairs"),
            [("A".into(), "1".into()), ("B".into(), "/x".into())]
        );
        assert_eq!(stages[1].last("COPY").expect("one").flags, ["from=builder"]);
        assert_eq!(
            stages[1]
                .last("HEALTHCHECK")
                .expect("one")
                .exec()
                .expect("exec"),
            ["w", "health"]
        );
        assert!(stages[1].last("USER").is_err() && super::stages("RUN x").is_err());
    }

    #[test]
    fn railways_file_has_neither_volumes_nor_caches_and_is_the_same_otherwise() {
        let made = railway(FILE);
        assert!(
            !made.contains("VOLUME") && !made.contains("--mount"),
            "{made}"
        );
        let (mut before, after) = (stages(FILE).expect("read"), stages(&made).expect("read"));
        before[0].instructions[0].flags.clear();
        before[1]
            .instructions
            .retain(|instruction| instruction.word != "VOLUME");
        assert_eq!(before, after);
    }
}
