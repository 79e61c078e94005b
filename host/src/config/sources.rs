//! The sources of the configuration: a file, the environment, and a `.env` in the working
//! directory.

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

/// The sources of the configuration: a file, the environment, and a `.env` in the working
/// directory.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    /// The configuration file, which must exist; `None` uses the defaults.
    pub file: Option<PathBuf>,
    /// Environment variables; see [`Sources::environment`].
    pub variables: BTreeMap<String, String>,
    /// Names of variables whose value is not UTF-8. This is an error only for variables that are
    /// read.
    pub unreadable: BTreeSet<String>,
    /// The `.env` that was read, if one exists.
    pub dotenv: Option<PathBuf>,
}

impl Sources {
    /// Reads the process's environment, which overrides a `.env` file in the working directory.
    ///
    /// # Errors
    /// When a `.env` exists but cannot be read, or has an invalid line.
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

    /// One variable, without surrounding white space: a mounted secret ends in a line break, which
    /// no header can contain and no receiver signs with. An empty variable counts as not set.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.variables
            .get(name)
            .map(|value| value.trim())
            .filter(|value| !value.is_empty())
    }

    /// As [`Sources::get`], but a variable of `.env` is read from the file as it is now, so that a
    /// secret can be changed without a restart. The environment of a process does not change.
    #[must_use]
    pub fn get_anew(&self, name: &str) -> Option<String> {
        let at_start = || self.get(name).map(str::to_owned);
        let Some(dotenv) = &self.dotenv else {
            return at_start();
        };
        if env::var_os(name).is_some() {
            return at_start();
        }
        // A file that cannot be read, or that is being written, says nothing.
        let Ok(Some(pairs)) = read(dotenv) else {
            return at_start();
        };
        let now = Self {
            variables: pairs.into_iter().collect(),
            ..Self::default()
        };
        now.get(name).map(str::to_owned)
    }

    /// The names of the variables that are set, among those that override the file and those in
    /// `wanted`.
    #[must_use]
    pub fn names_set<'a>(&self, wanted: impl IntoIterator<Item = &'a str>) -> Vec<&'a str> {
        READ.into_iter()
            .chain(wanted)
            .filter(|name| self.get(name).is_some())
            .collect()
    }
}

/// Reads a `.env` file; `None` if it does not exist. Errors never quote a line, which may be a
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_of_the_dotenv_file_is_the_one_that_is_there_now() {
        let dir = tempfile::tempdir().expect("tempdir");
        let path = dir.path().join(".env");
        fs::write(&path, "WHARF_TEST_ANEW=new\n").expect("written");
        let at_start = |name: &str| (name.to_owned(), "old".to_owned());
        let sources = Sources {
            variables: ["WHARF_TEST_ANEW", "WHARF_TEST_GONE"].map(at_start).into(),
            dotenv: Some(path.clone()),
            ..Sources::default()
        };
        assert_eq!(sources.get_anew("WHARF_TEST_ANEW").as_deref(), Some("new"));
        assert_eq!(sources.get_anew("WHARF_TEST_GONE"), None);
        fs::write(&path, "WHARF_TEST_ANEW is half\n").expect("written");
        assert_eq!(sources.get_anew("WHARF_TEST_ANEW").as_deref(), Some("old"));
        let without = Sources {
            dotenv: None,
            ..sources
        };
        assert_eq!(without.get_anew("WHARF_TEST_ANEW").as_deref(), Some("old"));
    }
}
