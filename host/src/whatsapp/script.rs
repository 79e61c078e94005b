//! The bridge script and its contract.
//!
//! Every name of WhatsApp Web that the script uses is listed in `contract.json`, so that a build
//! can be probed for all of them; a test keeps the two equal.

use std::{io, path::Path};

use super::login::Entries;
use crate::{browser::MOST_SAID, files};

/// The CDP binding through which the page reports.
pub(super) const BINDING: &str = "__wharfTell";

/// The largest script of an operator, in bytes; the built-in one has about a hundred thousand.
const LIMIT: u64 = 8 << 20;
const CONTRACT: &str = include_str!("bridge/contract.json");
const PARTS: [&str; 20] = [
    include_str!("bridge/core.js"),
    include_str!("bridge/calls.js"),
    include_str!("bridge/tell.js"),
    include_str!("bridge/keys.js"),
    include_str!("bridge/login.js"),
    include_str!("bridge/status.js"),
    include_str!("bridge/report.js"),
    include_str!("bridge/qr.js"),
    include_str!("bridge/pairing.js"),
    include_str!("bridge/passkey.js"),
    include_str!("bridge/content.js"),
    include_str!("bridge/kinds.js"),
    include_str!("bridge/messages.js"),
    include_str!("bridge/catch_up.js"),
    include_str!("bridge/refusals.js"),
    include_str!("bridge/previews.js"),
    include_str!("bridge/send.js"),
    include_str!("bridge/sent.js"),
    include_str!("bridge/people.js"),
    include_str!("bridge/start.js"),
];

/// The script for a page: the built-in one, or the operator's from a file. With `login` it puts that
/// back where it is lost.
///
/// # Errors
/// When the file cannot be read.
pub(super) fn script(replacement: Option<&Path>, login: Option<&Entries>) -> io::Result<String> {
    let body = match replacement {
        Some(path) => files::read_text(path, LIMIT)?,
        None => PARTS.join("\n"),
    };
    let login = serde_json::to_string(&login)?;
    Ok(format!(
        "(() => {{ \"use strict\";\nif (window.top !== window || !location.protocol.startsWith(\"http\") || window.__wharf) return;\n\
         const BINDING = \"{BINDING}\";\nconst MOST_SAID = {MOST_SAID};\nconst CONTRACT = {CONTRACT};\nconst LOGIN = {login};\n{body}\n}})();"
    ))
}

#[cfg(test)]
mod tests {
    use std::{
        collections::{BTreeMap, BTreeSet},
        fs,
    };

    use super::*;

    #[test]
    fn the_script_touches_what_the_contract_names_and_nothing_else() {
        #[derive(serde::Deserialize)]
        struct Entry {
            feature: String,
            parts: Vec<String>,
        }
        let contract: BTreeMap<String, Entry> = serde_json::from_str(CONTRACT).expect("contract");
        assert!(
            contract.values().all(|entry| !entry.feature.is_empty()),
            "what is lost has a name"
        );
        let named: BTreeSet<&str> = contract
            .values()
            .flat_map(|entry| &entry.parts)
            .map(String::as_str)
            .collect();
        let text = PARTS.join("\n");
        let mut touched: BTreeSet<&str> = BTreeSet::new();
        for start in ["use(\"", "need(\"", "known(\"", "listen(\""] {
            for (at, _) in text.match_indices(start) {
                touched.extend(text[at + start.len()..].split('"').next());
            }
        }
        assert_eq!(touched, named);
        for name in ["._serialized", "require(\"W"] {
            assert!(
                !text.contains(name),
                "{name}: ids are found by value and modules through the loader's map"
            );
        }
    }

    #[test]
    fn an_operators_script_replaces_ours_and_a_missing_one_is_an_error() {
        let dir = tempfile::tempdir().expect("tempdir");
        let path = dir.path().join("bridge.js");
        fs::write(&path, "/* mine */").expect("write");
        let text = script(Some(&path), None).expect("script");
        assert!(
            text.contains("/* mine */")
                && text.contains(BINDING)
                && !text.contains("function use(")
        );
        assert!(script(Some(Path::new("/nowhere.js")), None).is_err());
    }
}
