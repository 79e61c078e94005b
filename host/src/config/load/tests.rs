//! Loads configurations from text and checks the results and errors.

use std::{collections::BTreeSet, path::PathBuf};

use serde_json::Value;
use sha2::{Digest, Sha256};

use super::*;
use crate::config::{Millis, Secret};

fn with(text: &str, variables: &[(&str, &str)]) -> Result<Config, String> {
    let dir = tempfile::tempdir().expect("tempdir");
    let path = dir.path().join("gateway.toml");
    fs::write(&path, text).expect("written");
    let variables = variables
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
    let folder = format!("{}/", dir.path().display());
    load(&Sources {
        file: Some(path),
        variables,
        ..Sources::default()
    })
    .map_err(|errors| errors.to_string().replace(&folder, ""))
}

#[test]
fn what_is_wrong_is_named_with_file_line_and_key() {
    for (text, said) in [
        ("[server]\nprot = 1\n", "gateway.toml:2: server"),
        (
            "[server]\nport = \"x\"\n",
            "gateway.toml:2: server.port: invalid type",
        ),
        (
            "[send]\n\ntimeout = \"5 parsecs\"\n",
            "gateway.toml:3: send.timeout: \"5 parsecs\" is not a duration",
        ),
        (
            "[[plugin]]\nname = \"a\"\nmemory = \"1MB\"\n",
            "gateway.toml:3: plugin[0].memory: \"1MB\" is not a size",
        ),
        ("nonsense", "gateway.toml:1: "),
    ] {
        let error = with(text, &[]).expect_err(text);
        assert!(error.starts_with(said), "{text:?}: {error}");
    }
    assert!(
        with("[server]\nprot = 1\n", &[])
            .expect_err("typo")
            .contains("`port`"),
        "what would be right is said"
    );
}

#[test]
fn checks_are_reported_together() {
    let text = "[server]\nhost = \"0.0.0.0\"\n[send]\ntimeout = \"0s\"\ndefault_region = \"XX\"\n[whatsapp]\nurl = \"ftp://x\"\n\
                [[plugin]]\nname = \"a\"\n[[plugin]]\nname = \"a\"\n";
    let error = with(text, &[]).expect_err("many");
    for said in [
        "WHARF_API_KEY",
        "[send] timeout",
        "\"XX\"",
        "[whatsapp] url",
        "\"a\" occurs twice",
    ] {
        assert!(error.contains(said), "{said}: {error}");
    }
    assert_eq!(error.lines().count(), 5);
}

#[test]
fn the_address_for_people_is_a_plain_url_from_file_or_environment() {
    for url in [
        "ftp://x",
        "wharf.example.org",
        "https://user@x/",
        "https://x/?a=1",
        "https://x/#a",
        "",
    ] {
        let error = with(&format!("[server]\npublic_url = {url:?}\n"), &[]).expect_err(url);
        assert!(
            error.contains("[server] public_url") && error.contains("https://wharf.example.org"),
            "{error}"
        );
    }
    let config = with(
        "[server]\npublic_url = \"http://10.0.0.1:3001/wharf\"\n",
        &[("PUBLIC_URL", "https://wharf.example.org")],
    )
    .expect("good");
    assert_eq!(
        config.server.public_url.as_deref(),
        Some("https://wharf.example.org")
    );
    assert!(
        with("", &[("PUBLIC_URL", "wharf")])
            .expect_err("no URL")
            .contains("public_url")
    );
}

#[test]
fn bodies_are_not_kept_longer_than_their_messages() {
    let error = with("[storage]\nkeep_messages = \"1d\"\n", &[])
        .expect_err("the default of keep_bodies is longer");
    assert!(
        error.contains("[storage] keep_bodies") && error.contains("keep_messages"),
        "{error}"
    );
    let config = with(
        "[storage]\nkeep_bodies = \"0s\"\nkeep_messages = \"0s\"\n",
        &[],
    )
    .expect("good");
    assert_eq!(config.storage.keep_bodies, Millis(0));
}

#[test]
fn the_environment_wins_over_the_file_and_a_key_opens_the_door() {
    let file = "[server]\nport = 1\nhost = \"127.0.0.1\"\n[sessions]\ndefault_client = \"file\"\n";
    let variables = [
        ("PORT", "4000"),
        ("HOST", "0.0.0.0"),
        ("CLIENT_ID", "rafi-scheme-manager"),
        ("SESSION_PATH", "/s"),
        ("LOG_LEVEL", "debug"),
    ];
    let key = [("WHARF_API_KEY", "0123456789abcdef")];
    let config = with(file, &[&variables[..], &key].concat()).expect("good");
    assert_eq!(
        (config.server.port, config.sessions.default_client.as_str()),
        (4000, "rafi-scheme-manager")
    );
    assert_eq!(
        (config.sessions.path, config.log.level.as_str()),
        (PathBuf::from("/s"), "debug")
    );
    assert!(
        with(file, &variables)
            .expect_err("no key")
            .contains("[server] host = 0.0.0.0")
    );
    assert!(
        with("", &[("PORT", "http")])
            .expect_err("no port")
            .contains("PORT")
    );
    let short = with("", &[("WHARF_API_KEY", "hunter2")]).expect_err("short");
    assert!(
        !short.contains("hunter2"),
        "a key is never repeated: {short}"
    );
}

/// Keys cannot be read back, so they are compared by their hashes.
fn are_keys(config: &Config, right: &[&str]) -> bool {
    config.api.keys.iter().map(Secret::digest).eq(right
        .iter()
        .map(|key| <[u8; 32]>::from(Sha256::digest(key))))
}

#[test]
fn variables_are_trimmed_and_what_cannot_be_used_is_refused_by_name() {
    let cases: Value =
        serde_json::from_str(include_str!("../../../../tests/cases/env.json")).expect("JSON");
    for case in cases["environment"].as_array().expect("cases") {
        let text = |key: &str| case[key].as_str();
        let (name, value) = (
            text("name").expect("a name"),
            text("value").expect("a value"),
        );
        match (with("", &[(name, value)]), text("refused")) {
            (Ok(config), None) => {
                let right = text("right").expect("what is right");
                let is_right = if name == "LOG_LEVEL" {
                    config.log.level.to_string() == right
                } else {
                    are_keys(&config, &[right])
                };
                assert!(is_right, "{name}={value:?}");
            }
            (Err(error), Some(named)) => {
                assert!(
                    error.contains(named) && (name == "LOG_LEVEL" || !error.contains(value.trim())),
                    "{name}={value:?}: {error}"
                );
            }
            (got, _) => panic!("{name}={value:?}: {got:?}"),
        }
    }
}

#[test]
fn keys_of_the_file_are_trimmed_and_refused_by_their_number() {
    let config = with("[api]\nkeys = [\" 0123456789abcdef\\r\\n\"]\n", &[]).expect("good");
    assert!(are_keys(&config, &["0123456789abcdef"]));
    let error = with(
        "[api]\nkeys = [\"0123456789abcdef\", \"0123\\u0001456789abcdef\", \"short\"]\n",
        &[],
    )
    .expect_err("two");
    assert!(
        error.contains("number 2: holds a control character")
            && error.contains("number 3: must be at least 16"),
        "{error}"
    );
    assert!(
        !error.contains("456789") && !error.contains("short"),
        "a key is never repeated: {error}"
    );
    let error = with("[api]\nkeys = \"0123456789abcdef\"\n", &[]).expect_err("no list");
    assert_eq!(
        error,
        "gateway.toml:2: api.keys: must be a list of keys, each in quotes"
    );
}

#[test]
fn relative_paths_are_relative_to_the_files_folder_and_those_of_the_environment_are_not() {
    let dir = tempfile::tempdir().expect("tempdir");
    let file = dir.path().join("gateway.toml");
    let write = |text: &str| fs::write(&file, text).expect("written");
    let load = |variables: &[(&str, &str)]| {
        let variables = variables
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        load(&Sources {
            file: Some(file.clone()),
            variables,
            ..Sources::default()
        })
        .expect("good")
    };
    write("");
    let config = load(&[]);
    assert_eq!(
        (config.sessions.path, config.plugins.dir),
        (
            dir.path().join("whatsapp-session"),
            dir.path().join("plugins")
        ),
        "defaults too"
    );
    write(
        "[sessions]\npath = \"data/s\"\n[storage]\ndatabase = \"./db/w.db\"\n[plugins]\ndir = \"/p\"\ncache = \"c\"\n\
         [whatsapp]\nbridge_script = \"../bridge.js\"\n[browser]\nexecutable = \"bin/chromium\"\n",
    );
    let config = load(&[]);
    let at = |path: &str| Some(dir.path().join(path));
    assert_eq!(
        (Some(config.sessions.path), config.plugins.cache),
        (at("data/s"), at("c"))
    );
    assert_eq!(
        (config.storage.database, config.plugins.dir),
        (at("db/w.db"), PathBuf::from("/p"))
    );
    assert_eq!(
        (config.whatsapp.bridge_script, config.browser.executable),
        (at("../bridge.js"), at("bin/chromium"))
    );
    let config = load(&[("SESSION_PATH", "./s"), ("CHROMIUM", "./c")]);
    assert_eq!(
        (config.sessions.path, config.browser.executable),
        (PathBuf::from("./s"), Some(PathBuf::from("./c")))
    );
    write("[browser]\nexecutable = \"chromium\"\n");
    assert_eq!(
        load(&[]).browser.executable,
        Some(PathBuf::from("chromium")),
        "a name is no path"
    );
}

#[test]
fn a_variable_that_is_not_utf8_is_named_where_it_is_read() {
    let dir = tempfile::tempdir().expect("tempdir");
    let file = dir.path().join("gateway.toml");
    let plugin = |enabled: bool| {
        format!(
            "[[plugin]]\nname = \"webhook\"\nenabled = {enabled}\ngrants = {{ secrets = [\"WEBHOOK_KEY\"] }}\n"
        )
    };
    let unreadable = BTreeSet::from(["PORT", "WEBHOOK_KEY", "ELSEWHERE"].map(String::from));
    let sources = Sources {
        file: Some(file.clone()),
        unreadable,
        ..Sources::default()
    };
    fs::write(&file, plugin(true)).expect("written");
    let error = load(&sources).expect_err("two").to_string();
    assert_eq!(
        error,
        "environment: PORT is not UTF-8\nenvironment: WEBHOOK_KEY is not UTF-8"
    );
    fs::write(&file, plugin(false)).expect("written");
    assert!(
        !load(&sources)
            .expect_err("one")
            .to_string()
            .contains("WEBHOOK_KEY"),
        "nobody reads it"
    );
}
