//! `wharf plugin check` and `wharf plugin inspect`.

use std::path::Path;

use super::{
    loaded::{ComponentFile, Loaded},
    output::Output,
    running::mebibytes,
    settings::Settings,
};
use crate::plugins::Inspection;

/// Loads a component as a gateway does, and says what it is.
pub(super) async fn check(
    file: &Path,
    config: Option<&Path>,
    say: Output<'_>,
) -> Result<(), String> {
    let (file, settings) = (ComponentFile::new(file)?, Settings::read(config)?);
    let name = file.name(&settings).await?;
    let loaded = Loaded::open(&file, &name, &settings, None).await?;
    let Some(report) = loaded.report() else {
        return Err("the gateway has no report of it".into());
    };
    say(&format!(
        "{} {}: a gateway loads it{}",
        report.name,
        report.version,
        match config {
            Some(path) => format!(" with {}", path.display()),
            None => " without a configuration".to_owned(),
        }
    ));
    say(&format!("  extension points: {}", report.points.join(", ")));
    if let Some(line) = report.line {
        say(&format!("  contract: {line}"));
    }
    for setting in &report.unread_settings {
        say(&format!(
            "  warning: `{setting}` has no effect: the plugin exports no extension point that reads it"
        ));
    }
    Ok(())
}

/// Describes a component.
pub(super) async fn inspect(
    file: &Path,
    config: Option<&Path>,
    json: bool,
    say: Output<'_>,
) -> Result<(), String> {
    let (file, settings) = (ComponentFile::new(file)?, Settings::read(config)?);
    let mut found = file.inspect(&settings, None).await?;
    if config.is_some() {
        let entry = file.entry(&settings, &found.name)?;
        found = file.inspect(&settings, Some(&entry)).await?;
    }
    if json {
        let text = serde_json::to_string_pretty(&found).map_err(|error| error.to_string())?;
        say(&text);
    } else {
        describe(&found, say);
    }
    Ok(())
}

fn describe(found: &Inspection, say: Output<'_>) {
    say(&format!("{} {}", found.name, found.version));
    say(&format!("  {}", found.description));
    say(&format!("sha256: {}", found.component));
    say(&format!(
        "size: {} ({} functions); one call needs {} memories and {} tables",
        mebibytes(found.bytes),
        found.functions,
        found.memories,
        found.tables
    ));
    say(&format!("contract: {}", found.line));
    list("extension points", &found.points, say);
    list("exports", &found.exports, say);
    list("imports", &found.imports, say);
    if !found.events.is_empty() {
        list("events", &found.events, say);
    }
    if let Some(templates) = found.templates.as_ref().filter(|all| !all.is_empty()) {
        say("templates:");
        for template in templates {
            let variables: Vec<String> = template
                .variables
                .iter()
                .map(|variable| {
                    let optional = if variable.required { "" } else { ", optional" };
                    format!("{} ({}{optional})", variable.name, variable.kind)
                })
                .collect();
            say(&format!(
                "  {} [{}]: {}",
                template.name,
                template.locales.join(", "),
                variables.join(", ")
            ));
        }
    }
    match &found.config_schema {
        Some(schema) => say(&format!("configuration: {schema}")),
        None => say("configuration: none"),
    }
    if let Some(issues) = &found.config_issues {
        say(&format!(
            "it refuses this configuration ({issues}); --config names a gateway.toml with its entry"
        ));
    }
}

fn list(title: &str, lines: &[impl AsRef<str>], say: Output<'_>) {
    say(&format!("{title}:"));
    for line in lines {
        say(&format!("  {}", line.as_ref()));
    }
}
