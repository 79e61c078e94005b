//! Builds a checked [`Config`] from the file and the environment.
//!
//! An error names the file, the line and the key, and says what is accepted. Violations of rules
//! that concern the whole configuration are reported together.

mod check;
mod environment;
#[cfg(test)]
mod fuzz;
#[cfg(test)]
mod tests;

use std::{fs, path::Path};

use self::{
    check::check,
    environment::{override_by_environment, readable},
};
use super::{Config, ConfigErrors, Sources};

/// Reads and checks the configuration.
///
/// # Errors
/// A file that cannot be read or parsed, or else all violated rules.
pub fn load(sources: &Sources) -> Result<Config, ConfigErrors> {
    let mut errors = Vec::new();
    let mut config = match &sources.file {
        Some(path) => {
            let name = path.display().to_string();
            let text = fs::read_to_string(path)
                .map_err(|error| ConfigErrors(vec![format!("{name}: {error}")]))?;
            let mut config = parse(&name, &text)?;
            relative_to_file(&mut config, path, sources, &mut errors);
            config
        }
        None => Config::default(),
    };
    readable(&config, sources, &mut errors);
    config.api.check(&mut errors);
    override_by_environment(&mut config, sources, &mut errors);
    check(&config, &mut errors);
    if errors.is_empty() {
        Ok(config)
    } else {
        Err(ConfigErrors(errors))
    }
}

fn parse(name: &str, text: &str) -> Result<Config, ConfigErrors> {
    let wrong = |error: &toml::de::Error, key: Option<String>| {
        let line = error.span().map_or(1, |span| {
            text[..span.start.min(text.len())].matches('\n').count() + 1
        });
        // The parser's message may repeat an API key, so it is replaced.
        let words = match key.as_deref() {
            Some(key) if key.starts_with("api.keys") => "must be a list of keys, each in quotes",
            Some(key) if key.starts_with("api.key[") && key.ends_with("].key") => {
                "must be a key in quotes"
            }
            _ => error.message(),
        };
        let key = key
            .filter(|key| key != ".")
            .map(|key| format!("{key}: "))
            .unwrap_or_default();
        ConfigErrors(vec![format!("{name}:{line}: {key}{words}")])
    };
    let reader = toml::de::Deserializer::parse(text).map_err(|error| wrong(&error, None))?;
    serde_path_to_error::deserialize(reader).map_err(|error| {
        let key = error.path().to_string();
        wrong(error.inner(), Some(key))
    })
}

/// Makes the file's relative paths relative to the folder of the file, also the defaults: enabling
/// a commented line with its default must not change anything, and the gateway finds its logins
/// from whichever directory it is started.
fn relative_to_file(config: &mut Config, file: &Path, sources: &Sources, errors: &mut Vec<String>) {
    let Some(folder) = file
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty())
    else {
        return;
    };
    let (profiles, database) = (
        config.sessions.path.clone(),
        config.storage.database.clone(),
    );
    let executable = config.browser.executable.as_mut().filter(|path| {
        path.parent()
            .is_some_and(|folder| !folder.as_os_str().is_empty())
    });
    let paths = [&mut config.sessions.path, &mut config.plugins.dir].into_iter();
    let options = [
        config.storage.database.as_mut(),
        config.plugins.cache.as_mut(),
        config.whatsapp.bridge_script.as_mut(),
        executable,
    ];
    for path in paths
        .chain(options.into_iter().flatten())
        .filter(|path| path.is_relative())
    {
        *path = folder.join(path.strip_prefix(".").unwrap_or(path));
    }
    // Earlier versions used the working directory: logins and messages there must not be ignored
    // silently.
    let mut left = Vec::new();
    if sources.get("SESSION_PATH").is_none() && profiles.join(".wwebjs_auth").is_dir() {
        left.push(("[sessions] path", &profiles, &config.sessions.path));
    }
    if let (Some(before), Some(now)) = (&database, &config.storage.database)
        && before.is_file()
    {
        left.push(("[storage] database", before, now));
    }
    errors.extend(left.into_iter().filter(|(_, _, now)| !now.exists()).map(|(key, before, now)| {
        let now = now.display();
        format!(
            "{key} = {before:?} is relative to the folder of the configuration file, and {now} is not there, but {before:?} in the working directory \
             is: move it, or write its whole path"
        )
    }));
}
