//! Where configuration comes from: a file, the environment, and a `.env` of the working directory.

use std::{
    collections::{BTreeMap, BTreeSet},
    env, fs, io,
    path::{Path, PathBuf},
};

use super::{ConfigErrors, dotenv};

/// The variables that override the file; `[[plugin]] grants.secrets` names more.
pub(super) const READ: [&str; 8] = [
    "HOST",
    "PORT",
    "PUBLIC_URL",
    "SESSION_PATH",
    "CLIENT_ID",
    "CHROMIUM",
    "LOG_LEVEL",
    "WHARF_API_KEY",
];

/// Where configuration comes from.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    /// The file; it must exist.
    pub file: Option<PathBuf>,
    /// Environment variables; see [`Sources::environment`].
    pub variables: BTreeMap<String, String>,
    /// Variables whose value is not UTF-8. Only one that is read is a fault.
    pub unreadable: BTreeSet<String>,
    /// The `.env` that was read.
    pub dotenv: Option<PathBuf>,
}

impl Sources {
    /// The process's environment, over a `.env` file in the working directory.
    ///
    /// # Errors
    /// When there is a `.env` that cannot be read, or a line of it that is not understood.
    pub fn environment(file: Option<PathBuf>) -> Result<Self, ConfigErrors> {
        let dotenv = PathBuf::from(".env");
        let mut sources = Self {
            file,
            ..Self::default()
        };
        if let Some(pairs) = read(&dotenv)? {
            sources.variables.extend(pairs);
            sources.dotenv = Some(dotenv);
        }
        for (name, value) in env::vars_os() {
            let name = name.to_string_lossy().into_owned();
            match value.into_string() {
                Ok(value) => drop(sources.variables.insert(name, value)),
                Err(_) => drop(sources.unreadable.insert(name)),
            }
        }
        Ok(sources)
    }

    /// One variable, without white space around it: a mounted secret ends in a line end, which no
    /// header can carry and no receiver signs with. An empty one counts as not set.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.variables
            .get(name)
            .map(|value| value.trim())
            .filter(|value| !value.is_empty())
    }

    /// The names among `wanted`, and those that override the file, that are set.
    #[must_use]
    pub fn names_set<'a>(&self, wanted: impl IntoIterator<Item = &'a str>) -> Vec<&'a str> {
        READ.into_iter()
            .chain(wanted)
            .filter(|name| self.get(name).is_some())
            .collect()
    }
}

/// None: there is no such file. The words of an error never hold what a line does, which may be a
/// secret.
fn read(path: &Path) -> Result<Option<Vec<(String, String)>>, ConfigErrors> {
    let name = path.display();
    let bytes = match fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => {
            return Err(ConfigErrors(vec![format!(
                "{name}: cannot be read: {error}"
            )]));
        }
    };
    let text = String::from_utf8(bytes).map_err(|error| {
        let good = error
            .as_bytes()
            .get(..error.utf8_error().valid_up_to())
            .unwrap_or_default();
        let line = good.iter().filter(|byte| **byte == b'\n').count() + 1;
        ConfigErrors(vec![format!("{name}:{line}: is not UTF-8")])
    })?;
    let pairs = dotenv::parse(&text)
        .map_err(|(line, why)| ConfigErrors(vec![format!("{name}:{line}: {why}")]))?;
    Ok(Some(pairs))
}
