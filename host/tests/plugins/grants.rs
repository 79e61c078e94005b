//! The documentation names only grants that exist.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

#[path = "../../../xtask/src/root.rs"]
mod root;

use root::root;

/// Collects every text that an operator or a plugin author reads: documentation, the contract, the
/// SDK, and the bundled plugins.
fn texts(folder: &Path, found: &mut Vec<(PathBuf, String)>) {
    for entry in fs::read_dir(folder)
        .expect("a folder")
        .map(|entry| entry.expect("an entry").path())
    {
        if entry.is_dir() {
            texts(&entry, found);
        } else if entry.extension().is_some_and(|extension| {
            ["md", "wit", "rs", "toml", "json", "py"]
                .iter()
                .any(|known| extension == *known)
        }) {
            found.push((entry.clone(), fs::read_to_string(entry).expect("text")));
        }
    }
}

/// The keys of `[plugin.grants]` in the configuration's source.
fn known() -> BTreeSet<String> {
    let source =
        fs::read_to_string(root().join("host/src/config/sections.rs")).expect("the configuration");
    let (_, of_grants) = source
        .split_once("pub struct Grants {")
        .expect("the grants");
    let (fields, _) = of_grants.split_once("\n}").expect("their end");
    fields
        .lines()
        .filter_map(|line| line.trim().strip_prefix("pub ")?.split_once(':'))
        .map(|(name, _)| name.to_owned())
        .collect()
}

/// The names of grants in a text: `` `x` grant ``, `grants.x`, and the keys of `grants = { … }`.
fn named(text: &str) -> Vec<String> {
    let name = |text: &str| {
        text.bytes()
            .take_while(|byte| byte.is_ascii_lowercase() || *byte == b'_')
            .count()
    };
    let quoted = text
        .match_indices("` grant")
        .filter_map(|(at, _)| text[..at].rsplit('`').next());
    let mut names: Vec<String> = quoted.map(ToOwned::to_owned).collect();
    names.extend(
        text.split("grants.")
            .skip(1)
            .map(|after| after[..name(after)].to_owned())
            .filter(|name| !name.is_empty() && name != "rs" && name != "md"),
    );
    for after in text.split("grants = {").skip(1) {
        let Some((inside, _)) = after.split_once('}') else {
            continue;
        };
        if let Ok(table) = toml::from_str::<toml::Table>(&format!("grants = {{{inside}}}")) {
            names.extend(
                table["grants"]
                    .as_table()
                    .into_iter()
                    .flat_map(|grants| grants.keys().cloned()),
            );
        }
    }
    names
}

#[test]
fn no_text_names_a_grant_that_does_not_exist() {
    let known = known();
    assert!(
        known.contains("kv") && known.contains("bodies") && known.len() >= 7,
        "{known:?}"
    );
    let mut all = Vec::new();
    for folder in ["docs", "sdk", "wit", "plugins"] {
        texts(&root().join(folder), &mut all);
    }
    for file in ["README.md", "gateway.toml"] {
        all.push((
            file.into(),
            fs::read_to_string(root().join(file)).expect(file),
        ));
    }
    let seen: Vec<(PathBuf, String)> = all
        .iter()
        .flat_map(|(path, text)| named(text).into_iter().map(|name| (path.clone(), name)))
        .collect();
    assert!(seen.len() > 20, "only {seen:?}");
    let unknown: Vec<_> = seen
        .iter()
        .filter(|(_, name)| !known.contains(name))
        .collect();
    assert!(
        unknown.is_empty(),
        "there are {known:?}, and no {unknown:?}"
    );
    // The author's guide describes each grant.
    let guide = fs::read_to_string(root().join("docs/plugins/grants.md")).expect("the guide");
    let missing: Vec<_> = known
        .iter()
        .filter(|name| !guide.contains(&format!("| `{name} = ")))
        .collect();
    assert!(
        missing.is_empty(),
        "docs/plugins/grants.md does not say what {missing:?} gives"
    );
}

#[test]
fn a_grant_is_found_however_it_is_named() {
    let text = "without the `clock` grant; grants.random is none; `grants = { kv = \"1MiB\", disk = true }`; `[plugin.grants]`";
    assert_eq!(named(text), ["clock", "random", "disk", "kv"]);
}
