//! A test case: a TOML or JSON file with the entry of the plugin, what it is given, and the answers
//! that are expected.

use std::{collections::BTreeMap, fs, path::Path, path::PathBuf};

use serde::Deserialize;
use serde_json::Value;

use super::settings;
use crate::model::ClientId;

/// A test case. Its steps share the plugin's storage.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Case {
    /// The `[[plugin]]` entry without its name. Without one it is that of the project's
    /// `gateway.toml`.
    pub(super) plugin: Option<toml::Table>,
    /// The session of the calls; default `default`.
    pub(super) session: Option<ClientId>,
    /// Values of granted secrets, in place of the environment.
    #[serde(default)]
    pub(super) secrets: BTreeMap<String, String>,
    /// What the plugin's storage holds before the first step.
    #[serde(default)]
    pub(super) kv: BTreeMap<String, String>,
    #[serde(rename = "step")]
    pub(super) steps: Vec<Step>,
}

/// One input with the expected answer.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Step {
    pub(super) input: Value,
    /// The fields of the answer that are compared.
    pub(super) expect: serde_json::Map<String, Value>,
    /// The time of the calls, RFC 3339; default the present time.
    pub(super) now: Option<String>,
    /// What the plugin's storage must hold after the step.
    #[serde(default)]
    pub(super) kv: BTreeMap<String, String>,
}

impl Case {
    /// Reads a case.
    pub(super) fn read(file: &Path) -> Result<Self, String> {
        let text = settings::read(file)?;
        let value = if is(file, "json") {
            serde_json::from_str(&text).map_err(|error| error.to_string())?
        } else {
            let table: toml::Table = toml::from_str(&text).map_err(|error| error.to_string())?;
            json(toml::Value::Table(table))?
        };
        let case: Self = serde_path_to_error::deserialize(value).map_err(|error| {
            match error.path().to_string().as_str() {
                "." => error.inner().to_string(),
                path => format!("{path}: {}", error.inner()),
            }
        })?;
        if case.steps.is_empty() {
            return Err("it has no [[step]]; a step has an input and what to expect".into());
        }
        match case.steps.iter().position(|step| step.expect.is_empty()) {
            Some(at) => Err(format!(
                "step {}: expect is empty, so it would pass whatever the plugin answers; expect e.g. {{ verdict = \"allow\" }}",
                at + 1
            )),
            None => Ok(case),
        }
    }
}

/// TOML as JSON. A date becomes its text, as inputs have it.
fn json(value: toml::Value) -> Result<Value, String> {
    Ok(match value {
        toml::Value::String(text) => text.into(),
        toml::Value::Integer(number) => number.into(),
        toml::Value::Float(number) => serde_json::Number::from_f64(number)
            .ok_or_else(|| format!("{number} cannot be written as JSON"))?
            .into(),
        toml::Value::Boolean(truth) => truth.into(),
        toml::Value::Datetime(time) => time.to_string().into(),
        toml::Value::Array(list) => list.into_iter().map(json).collect::<Result<Value, _>>()?,
        toml::Value::Table(table) => Value::Object(
            table
                .into_iter()
                .map(|(name, value)| Ok((name, json(value)?)))
                .collect::<Result<_, String>>()?,
        ),
    })
}

fn is(file: &Path, extension: &str) -> bool {
    file.extension().is_some_and(|found| found == extension)
}

/// The files of cases in these places: each is a file, or a folder of such files.
pub(super) fn files(places: &[PathBuf]) -> Result<Vec<PathBuf>, String> {
    let mut found = Vec::new();
    for place in places {
        let shown = place.display();
        let wrong = |error: std::io::Error| {
            format!("cannot read the cases in {shown}: {error}; --cases names a file or a folder")
        };
        if !fs::metadata(place).map_err(wrong)?.is_dir() {
            found.push(place.clone());
            continue;
        }
        let mut inside = fs::read_dir(place)
            .map_err(wrong)?
            .map(|entry| entry.map(|entry| entry.path()))
            .collect::<Result<Vec<PathBuf>, _>>()
            .map_err(wrong)?;
        inside.retain(|path| {
            !path
                .file_name()
                .is_some_and(|name| name.to_string_lossy().starts_with('.'))
        });
        inside.sort();
        if inside.is_empty() {
            return Err(format!("there is no case in {shown}"));
        }
        found.extend(inside);
    }
    // A misspelt extension would leave a case out without a word.
    match found
        .iter()
        .find(|path| !is(path, "toml") && !is(path, "json"))
    {
        Some(other) => Err(format!(
            "{}: a case is a .toml or a .json file",
            other.display()
        )),
        None => Ok(found),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(name: &str, text: &str) -> Result<Case, String> {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join(name);
        fs::write(&file, text).expect("written");
        Case::read(&file)
    }

    #[test]
    fn a_case_in_toml_and_one_in_json_are_the_same() {
        let toml = "kv = { a = \"1\" }\n[[step]]\nnow = 2026-01-31T09:00:00Z\ninput = { to = \"77@lid\", text = \"hi\" }\nexpect = { verdict = \"allow\" }";
        let json = r#"{"kv": {"a": "1"}, "step": [{"now": "2026-01-31T09:00:00Z", "input": {"to": "77@lid", "text": "hi"}, "expect": {"verdict": "allow"}}]}"#;
        let (toml, json) = (
            read("a.toml", toml).expect("read"),
            read("a.json", json).expect("read"),
        );
        assert_eq!(format!("{toml:?}"), format!("{json:?}"));
    }

    #[test]
    fn a_case_that_could_not_fail_is_refused() {
        for (text, words) in [
            ("", "missing field `step`"),
            ("step = []", "it has no [[step]]"),
            (
                "[[step]]\ninput = {}\nexpect = {}",
                "step 1: expect is empty",
            ),
            ("[[step]]\ninput = {}", "step[0]: missing field `expect`"),
            (
                "[[step]]\ninput = {}\nexpected = {}\nexpect = { a = 1 }",
                "step[0].expected: unknown field `expected`",
            ),
        ] {
            let error = read("a.toml", text).expect_err("refused");
            assert!(error.contains(words), "{text}: {error}");
        }
    }
}
