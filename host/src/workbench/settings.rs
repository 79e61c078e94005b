//! The `[[plugin]]` entry of the component: from a `gateway.toml`, from a test case, or the
//! defaults. It is read with the types of the configuration, so a key means here what it means
//! there.

use std::{fs, path::Path};

use crate::config::{Config, Grants, Plugin, Plugins};

/// The most bytes of a file that an author writes: settings, inputs and cases.
pub(super) const MAX_TEXT: u64 = 8 << 20;

/// How a component is loaded: `[plugins]`, and the entries of which one is the component's.
#[derive(Debug, Clone, Default)]
pub(super) struct Settings {
    plugins: Plugins,
    /// The file of the entries; none if there is none.
    file: Option<String>,
    entries: Vec<Plugin>,
    grants: Option<Grants>,
}

impl Settings {
    /// Reads a `gateway.toml`. Without one every setting has its default.
    pub(super) fn read(file: Option<&Path>) -> Result<Self, String> {
        let Some(path) = file else {
            return Ok(Self::default());
        };
        let text = read(path)?;
        let config: Config =
            toml::from_str(&text).map_err(|error| format!("{}: {error}", path.display()))?;
        Ok(Self {
            plugins: config.plugins,
            file: Some(path.display().to_string()),
            entries: config.plugin,
            grants: None,
        })
    }

    /// The settings of one entry without its name, as in a test case.
    pub(super) fn of_entry(mut entry: toml::Table, name: &str) -> Result<Self, String> {
        entry
            .entry("name")
            .or_insert_with(|| toml::Value::String(name.to_owned()));
        let entry: Plugin =
            serde_path_to_error::deserialize(toml::Value::Table(entry)).map_err(|error| {
                let place = match error.path().to_string().as_str() {
                    "." => String::new(),
                    path => format!(".{path}"),
                };
                format!("plugin{place}: {}", error.inner().message())
            })?;
        Ok(Self {
            entries: vec![entry],
            ..Self::default()
        })
    }

    /// Replaces the grants of the entry by those of `--grants`.
    pub(super) fn with_grants(mut self, grants: Option<&str>) -> Result<Self, String> {
        #[derive(serde::Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Given {
            grants: Grants,
        }
        if let Some(text) = grants {
            let given: Given = toml::from_str(&format!("grants = {{ {text} }}")).map_err(|error| {
                format!(
                    "--grants: {}; write it as in gateway.toml, e.g. kv = \"1MiB\", secrets = [\"KEY\"]",
                    error.message()
                )
            })?;
            self.grants = Some(given.grants);
        }
        Ok(self)
    }

    /// `[plugins]`, with the folder of the component.
    pub(super) fn plugins(&self, dir: &Path) -> Plugins {
        Plugins {
            dir: dir.to_owned(),
            ..self.plugins.clone()
        }
    }

    /// An entry for a component whose name is not known yet.
    pub(super) fn unnamed(file: &str) -> Result<Plugin, String> {
        let mut entry = default("unnamed")?;
        entry.file = Some(file.to_owned());
        Ok(entry)
    }

    /// The entry of this name. Without a file it has the defaults; a file must have it.
    pub(super) fn entry(&self, name: &str, file: &str) -> Result<Plugin, String> {
        let found = self.entries.iter().find(|entry| entry.name == name);
        let mut entry = match (found, &self.file) {
            (Some(entry), _) => entry.clone(),
            (None, None) => match self.entries.first() {
                // A test case names another plugin than the one that is tested.
                Some(other) => other.clone(),
                None => default(name)?,
            },
            (None, Some(path)) => {
                let names: Vec<&str> = self.entries.iter().map(|e| e.name.as_str()).collect();
                return Err(format!(
                    "{path} has no [[plugin]] entry with name = {name:?}, which this component calls itself; it has {names:?}"
                ));
            }
        };
        entry.file = Some(file.to_owned());
        if let Some(grants) = &self.grants {
            entry.grants = grants.clone();
        }
        Ok(entry)
    }
}

fn default(name: &str) -> Result<Plugin, String> {
    let table = toml::Table::from_iter([("name".to_owned(), toml::Value::from(name))]);
    table
        .try_into()
        .map_err(|error: toml::de::Error| error.to_string())
}

/// The text of a file that an author has written.
pub(super) fn read(path: &Path) -> Result<String, String> {
    let wrong = |error: std::io::Error| format!("cannot read {}: {error}", path.display());
    let size = fs::metadata(path).map_err(wrong)?.len();
    if size > MAX_TEXT {
        return Err(format!(
            "{} has {size} bytes; at most {MAX_TEXT} are read",
            path.display()
        ));
    }
    fs::read_to_string(path).map_err(wrong)
}
