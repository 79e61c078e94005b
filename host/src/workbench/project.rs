//! The manifest of a project, `plugin.toml`: what `wharf plugin build` has to know of it.

use std::path::Path;

use serde::Deserialize;

use super::settings;
use crate::cli::Language;

/// The file name of the manifest.
pub(super) const MANIFEST: &str = "plugin.toml";
/// The folder of a project in which its component is built.
pub(super) const BUILD: &str = "build";

/// `plugin.toml`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Manifest {
    /// The name of the plugin, which is that of the component's file too.
    pub(super) name: String,
    /// `rust`, `javascript` or `python`.
    #[serde(deserialize_with = "language")]
    pub(super) language: Language,
}

fn language<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Language, D::Error> {
    use clap::ValueEnum;

    let word = String::deserialize(from)?;
    Language::from_str(&word, false).map_err(|_| {
        let known: Vec<String> = Language::value_variants()
            .iter()
            .filter_map(|language| Some(language.to_possible_value()?.get_name().to_owned()))
            .collect();
        serde::de::Error::custom(format!(
            "{word:?} is not a language; expected one of {}",
            known.join(", ")
        ))
    })
}

impl Manifest {
    /// Reads the manifest of a project.
    pub(super) fn read(folder: &Path) -> Result<Self, String> {
        let file = folder.join(MANIFEST);
        if !file.is_file() {
            return Err(format!(
                "{} is no project of a plugin: it has no {MANIFEST}; `wharf plugin new <folder>` makes one",
                folder.display()
            ));
        }
        let manifest: Self = toml::from_str(&settings::read(&file)?)
            .map_err(|error| format!("{}: {error}", file.display()))?;
        check_name(&manifest.name).map_err(|error| format!("{}: {error}", file.display()))?;
        Ok(manifest)
    }
}

/// A name of a plugin is in kebab case.
pub(super) fn check_name(name: &str) -> Result<(), String> {
    let part = |part: &str| {
        !part.is_empty()
            && part
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
    };
    let starts_with_letter = name.starts_with(|first: char| first.is_ascii_lowercase());
    if name.len() <= 64 && starts_with_letter && name.split('-').all(part) {
        Ok(())
    } else {
        Err(format!(
            "{name:?} cannot be the name of a plugin; expected kebab case such as banned-words: small letters, digits and single hyphens, at most 64, a letter first"
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_in_kebab_case() {
        for good in ["a", "banned-words", "v2-rules"] {
            assert_eq!(check_name(good), Ok(()), "{good}");
        }
        for bad in ["", "Banned", "a_b", "a--b", "-a", "a-", "2a", "ä"] {
            assert!(check_name(bad).is_err(), "{bad}");
        }
    }
}
