//! `wharf plugin test`: runs cases on a component and says what differs.

use std::{
    path::{Path, PathBuf},
    time::Instant,
};

use serde_json::Value;

use super::{
    answer, building,
    case::{self, Case, Step},
    compare,
    input::Input,
    loaded::{ComponentFile, Loaded},
    output::Output,
    running::{self, shown},
    settings::Settings,
};
use crate::{cli, model::ClientId};

/// Runs the cases. Returns false if one differs.
pub(super) async fn test(
    path: &Path,
    cases: &[PathBuf],
    config: Option<&Path>,
    say: Output<'_>,
) -> Result<bool, String> {
    let (component, base, own) = if path.is_dir() {
        let built = building::build(path)?;
        let own = path.join("gateway.toml");
        (built, path, own.is_file().then_some(own))
    } else {
        (path.to_owned(), Path::new(""), None)
    };
    let places = match cases {
        [] => vec![base.join("tests/cases")],
        places => places.to_vec(),
    };
    let files = case::files(&places)?;
    let file = ComponentFile::new(&component)?;
    let settings = Settings::read(config.or(own.as_deref()))?;
    let name = file.name(&settings).await?;
    let (mut passed, mut failed) = (0, 0);
    for path in files {
        let (began, shown_path) = (Instant::now(), path.display());
        let outcome = match Case::read(&path) {
            Ok(case) => one(&case, &file, &settings, &name).await,
            Err(error) => Err(error),
        };
        let differences = outcome.unwrap_or_else(|error| vec![error]);
        if differences.is_empty() {
            passed += 1;
            say(&format!("ok    {shown_path} ({})", shown(began.elapsed())));
        } else {
            failed += 1;
            say(&format!("FAIL  {shown_path}"));
            for line in differences {
                say(&format!("      {}", line.replace('\n', "\n      ")));
            }
        }
    }
    say(&format!("{passed} passed, {failed} failed"));
    Ok(failed == 0)
}

/// What differs in one case. An error says why it could not be run.
async fn one(
    case: &Case,
    file: &ComponentFile,
    project: &Settings,
    name: &str,
) -> Result<Vec<String>, String> {
    let settings = match &case.plugin {
        Some(entry) => Settings::of_entry(entry.clone(), name)?,
        None => project.clone(),
    };
    let granted = file.entry(&settings, name)?.grants.secrets;
    if let Some(other) = case.secrets.keys().find(|name| !granted.contains(name)) {
        return Err(format!(
            "secrets.{other} is given, but not granted; grant it, e.g. grants = {{ secrets = [\"{other}\"] }}"
        ));
    }
    let secrets = (!case.secrets.is_empty()).then(|| case.secrets.clone());
    let session: ClientId = match &case.session {
        Some(session) => session.clone(),
        None => "default"
            .parse()
            .map_err(|_| "default is no session".to_owned())?,
    };
    let loaded = Loaded::open(file, name, &settings, secrets).await?;
    for (key, value) in &case.kv {
        loaded.keep(&session, key, value).await?;
    }
    let mut differences = Vec::new();
    for (at, step) in case.steps.iter().enumerate() {
        let found = performed(&loaded, step, &session)
            .await
            .map_err(|error| format!("step {}: {error}", at + 1))?;
        differences.extend(found.into_iter().map(|line| match case.steps.len() {
            1 => line,
            _ => format!("step {}: {line}", at + 1),
        }));
    }
    Ok(differences)
}

/// Performs one step, and returns what differs. If something does, what the plugin logged and wrote
/// follows.
async fn performed(
    loaded: &Loaded,
    step: &Step,
    session: &ClientId,
) -> Result<Vec<String>, String> {
    let input = Input::read(&step.input, session).map_err(|error| format!("input: {error}"))?;
    input.suits(None::<cli::Point>, &loaded.points())?;
    let now = step.now.as_deref().map(running::time).transpose()?;
    loaded.instruments.set_now(now);
    let answered = answer::ask(loaded, &input, session).await;
    let calls = loaded.instruments.take();
    let expected = Value::Object(step.expect.clone());
    let mut found = compare::differences(&expected, &answered.answer);
    for (key, expected) in &step.kv {
        let stored = loaded.stored(session, key).await?;
        if stored.as_deref() != Some(expected) {
            let stored =
                stored.map_or_else(|| "no such key".to_owned(), |text| format!("{text:?}"));
            found.push(format!("kv.{key}: expected {expected:?}, got {stored}"));
        }
    }
    if !found.is_empty() {
        for call in &calls {
            let lines = call.log.iter();
            found.extend(lines.map(|line| format!("{}: {}", line.level, line.message)));
            if !call.stderr.trim().is_empty() {
                found.push(format!("standard error: {}", call.stderr.trim()));
            }
        }
    }
    Ok(found)
}
