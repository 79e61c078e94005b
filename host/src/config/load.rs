//! From file and environment to a checked [`Config`].
//!
//! What is wrong is said with file, line and key, and with what would be right; checks that need the whole
//! configuration are reported together.

use std::{fs, path::Path};

use super::{BrowserKind, BrowserMode, Config, ConfigErrors, Millis, Secret, Sources, level, sources};
use crate::model::{ClientId, Region};

/// Reads and checks the configuration.
///
/// # Errors
/// Names everything that is wrong.
pub fn load(sources: &Sources) -> Result<Config, ConfigErrors> {
    let mut errors = Vec::new();
    let mut config = match &sources.file {
        Some(path) => {
            let name = path.display().to_string();
            let text = fs::read_to_string(path).map_err(|error| ConfigErrors(vec![format!("{name}: {error}")]))?;
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
    if errors.is_empty() { Ok(config) } else { Err(ConfigErrors(errors)) }
}

fn parse(name: &str, text: &str) -> Result<Config, ConfigErrors> {
    let wrong = |error: &toml::de::Error, key: Option<String>| {
        let line = error.span().map_or(1, |span| text[..span.start.min(text.len())].matches('\n').count() + 1);
        // What was found may be a key, and would be repeated.
        let words = match key.as_deref() {
            Some(key) if key.starts_with("api.keys") => "must be a list of keys, each in quotes",
            Some(key) if key.starts_with("api.key[") && key.ends_with("].key") => "must be a key in quotes",
            _ => error.message(),
        };
        let key = key.filter(|key| key != ".").map(|key| format!("{key}: ")).unwrap_or_default();
        ConfigErrors(vec![format!("{name}:{line}: {key}{words}")])
    };
    let reader = toml::de::Deserializer::parse(text).map_err(|error| wrong(&error, None))?;
    serde_path_to_error::deserialize(reader).map_err(|error| {
        let key = error.path().to_string();
        wrong(error.inner(), Some(key))
    })
}

/// What is relative in a file is relative to the folder of that file, also the defaults: a line that is taken in with its
/// default changes nothing, and the gateway finds its logins from wherever it is started.
fn relative_to_file(config: &mut Config, file: &Path, sources: &Sources, errors: &mut Vec<String>) {
    let Some(folder) = file.parent().filter(|folder| !folder.as_os_str().is_empty()) else { return };
    let (profiles, database) = (config.sessions.path.clone(), config.storage.database.clone());
    let executable = config.browser.executable.as_mut().filter(|path| path.parent().is_some_and(|folder| !folder.as_os_str().is_empty()));
    let paths = [&mut config.sessions.path, &mut config.plugins.dir].into_iter();
    let options = [config.storage.database.as_mut(), config.plugins.cache.as_mut(), config.whatsapp.bridge_script.as_mut(), executable];
    for path in paths.chain(options.into_iter().flatten()).filter(|path| path.is_relative()) {
        *path = folder.join(path.strip_prefix(".").unwrap_or(path));
    }
    // It was the working directory once: logins and messages that lie there must not be passed over in silence.
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

/// Variables that are read and are not UTF-8. Others are nobody's business here.
fn readable(config: &Config, sources: &Sources, errors: &mut Vec<String>) {
    let secrets = config.plugin.iter().filter(|plugin| plugin.enabled).flat_map(|plugin| plugin.grants.secrets.iter().map(String::as_str));
    let mut read: Vec<&str> = sources::READ.into_iter().chain(secrets).filter(|name| sources.unreadable.contains(*name)).collect();
    read.sort_unstable();
    read.dedup();
    errors.extend(read.iter().map(|name| format!("environment: {name} is not UTF-8")));
}

/// The variables of the original service, and those that let a platform start the gateway without a file.
fn override_by_environment(config: &mut Config, sources: &Sources, errors: &mut Vec<String>) {
    fn set<T: std::str::FromStr>(slot: &mut T, sources: &Sources, name: &str, right: &str, errors: &mut Vec<String>) {
        if let Some(text) = sources.get(name) {
            match text.parse() {
                Ok(value) => *slot = value,
                Err(_) => errors.push(format!("environment: {name} = {text:?} must be {right}")),
            }
        }
    }
    set(&mut config.server.host, sources, "HOST", "an IP address, e.g. 127.0.0.1 or 0.0.0.0", errors);
    set(&mut config.server.port, sources, "PORT", "a port from 0 to 65535", errors);
    set(&mut config.sessions.path, sources, "SESSION_PATH", "a path", errors);
    set(&mut config.log.level, sources, "LOG_LEVEL", level::LEVELS, errors);
    set(&mut config.sessions.default_client, sources, "CLIENT_ID", "1 to 64 characters of A-Z, a-z, 0-9, '_' and '-'", errors);
    if let Some(url) = sources.get("PUBLIC_URL") {
        config.server.public_url = Some(url.to_owned());
    }
    if let Some(path) = sources.get("CHROMIUM") {
        config.browser.executable = Some(path.into());
    }
    if let Some(key) = sources.get("WHARF_API_KEY") {
        let key = Secret::new(key);
        errors.extend(key.fault().map(|fault| format!("environment: WHARF_API_KEY: {fault}")));
        config.api.keys.push(key);
    }
}

fn check(config: &Config, errors: &mut Vec<String>) {
    let server = &config.server;
    if !server.host.is_loopback() && !config.api.has_keys() {
        errors.push(format!(
            "[server] host = {}: anybody who reaches that address could send messages; set WHARF_API_KEY or [api] keys (`wharf keys new` makes one), or listen on 127.0.0.1",
            server.host
        ));
    }
    if let Some(url) = server.public_url.as_deref().filter(|url| !is_public_url(url)) {
        errors.push(format!(
            "[server] public_url = {url:?} must be an http or https URL without user, query and fragment, e.g. \"https://wharf.example.org\""
        ));
    }
    let named: Vec<_> = config.sessions.session.keys().chain([&config.sessions.default_client]).collect();
    if let Some((one, other)) = ClientId::differ_in_case_only(&named) {
        errors.push(format!("[sessions] names {one} and {other}, which differ in upper and lower case only; one session has one name"));
    }
    server.check(errors);
    config.api.check_together(errors);
    let kind = config.browser.kind;
    if config.browser.mode == BrowserMode::Shared && !matches!(kind, BrowserKind::Auto | BrowserKind::Headless) {
        errors.push("[browser] mode = \"shared\" needs the full browser without a window: kind must be \"auto\" or \"headless\"".into());
    }
    if !url::Url::parse(&config.whatsapp.url).is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host()) {
        errors.push(format!("[whatsapp] url = {:?} must be an http or https URL", config.whatsapp.url));
    }
    if let Some(region) = config.send.default_region.as_deref().filter(|region| region.parse::<Region>().is_err()) {
        errors.push(format!("[send] default_region = {region:?} must be a region such as \"DE\""));
    }
    if config.storage.keep_bodies > config.storage.keep_messages {
        errors.push("[storage] keep_bodies must not be longer than keep_messages: what a message says goes with it at the latest".into());
    }
    if config.send.max_length == 0 {
        errors.push("[send] max_length must be at least 1".into());
    }
    if config.delivery.concurrency == 0 || config.delivery.per_receiver == 0 || config.delivery.max_attempts == 0 {
        errors.push("[delivery] concurrency, per_receiver and max_attempts must be at least 1".into());
    }
    let durations: [(&str, Millis); 13] = [
        ("[whatsapp] boot_timeout", config.whatsapp.boot_timeout),
        ("[whatsapp] sync_timeout", config.whatsapp.sync_timeout),
        ("[whatsapp] call_timeout", config.whatsapp.call_timeout),
        ("[whatsapp] passkey_timeout", config.whatsapp.passkey_timeout),
        ("[whatsapp] passkey_step", config.whatsapp.passkey_step),
        ("[sessions] health_interval", config.sessions.health_interval),
        ("[sessions] max_delay", config.sessions.max_delay),
        ("[plugins] load_timeout", config.plugins.load_timeout),
        ("[send] timeout", config.send.timeout),
        ("[send] ack_timeout", config.send.ack_timeout),
        ("[delivery] timeout", config.delivery.timeout),
        ("[delivery] max_delay", config.delivery.max_delay),
        ("[delivery] max_age", config.delivery.max_age),
    ];
    errors.extend(durations.iter().filter(|(_, time)| time.0 == 0).map(|(name, _)| format!("{name} must be longer than 0")));
    let mut names: Vec<&str> = config.plugin.iter().map(|plugin| plugin.name.as_str()).collect();
    names.sort_unstable();
    errors.extend(names.windows(2).filter(|pair| pair[0] == pair[1]).map(|pair| format!("[[plugin]] name = {:?} occurs twice", pair[0])));
    for origin in &config.api.cors_origins {
        if !url::Url::parse(origin).is_ok_and(|url| url.origin().ascii_serialization() == *origin) {
            errors.push(format!("[api] cors_origins: {origin:?} must be an origin such as \"https://example.org\""));
        }
    }
}

fn is_public_url(text: &str) -> bool {
    url::Url::parse(text).is_ok_and(|url| {
        matches!(url.scheme(), "http" | "https")
            && url.has_host()
            && url.query().is_none()
            && url.fragment().is_none()
            && url.username().is_empty()
            && url.password().is_none()
    })
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, path::PathBuf};

    use serde_json::Value;
    use sha2::{Digest, Sha256};

    use super::*;

    fn with(text: &str, variables: &[(&str, &str)]) -> Result<Config, String> {
        let dir = tempfile::tempdir().expect("tempdir");
        let path = dir.path().join("gateway.toml");
        fs::write(&path, text).expect("written");
        let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let folder = format!("{}/", dir.path().display());
        load(&Sources { file: Some(path), variables, ..Sources::default() }).map_err(|errors| errors.to_string().replace(&folder, ""))
    }

    #[test]
    fn what_is_wrong_is_named_with_file_line_and_key() {
        for (text, said) in [
            ("[server]\nprot = 1\n", "gateway.toml:2: server"),
            ("[server]\nport = \"x\"\n", "gateway.toml:2: server.port: invalid type"),
            ("[send]\n\ntimeout = \"5 parsecs\"\n", "gateway.toml:3: send.timeout: \"5 parsecs\" is not a duration"),
            ("[[plugin]]\nname = \"a\"\nmemory = \"1MB\"\n", "gateway.toml:3: plugin[0].memory: \"1MB\" is not a size"),
            ("nonsense", "gateway.toml:1: "),
        ] {
            let error = with(text, &[]).expect_err(text);
            assert!(error.starts_with(said), "{text:?}: {error}");
        }
        assert!(with("[server]\nprot = 1\n", &[]).expect_err("typo").contains("`port`"), "what would be right is said");
    }

    #[test]
    fn checks_are_reported_together() {
        let text = "[server]\nhost = \"0.0.0.0\"\n[send]\ntimeout = \"0s\"\ndefault_region = \"XX\"\n[whatsapp]\nurl = \"ftp://x\"\n\
                    [[plugin]]\nname = \"a\"\n[[plugin]]\nname = \"a\"\n";
        let error = with(text, &[]).expect_err("many");
        for said in ["WHARF_API_KEY", "[send] timeout", "\"XX\"", "[whatsapp] url", "\"a\" occurs twice"] {
            assert!(error.contains(said), "{said}: {error}");
        }
        assert_eq!(error.lines().count(), 5);
    }

    #[test]
    fn the_address_for_people_is_a_plain_url_from_file_or_environment() {
        for url in ["ftp://x", "wharf.example.org", "https://user@x/", "https://x/?a=1", "https://x/#a", ""] {
            let error = with(&format!("[server]\npublic_url = {url:?}\n"), &[]).expect_err(url);
            assert!(error.contains("[server] public_url") && error.contains("https://wharf.example.org"), "{error}");
        }
        let config = with("[server]\npublic_url = \"http://10.0.0.1:3001/wharf\"\n", &[("PUBLIC_URL", "https://wharf.example.org")]).expect("good");
        assert_eq!(config.server.public_url.as_deref(), Some("https://wharf.example.org"));
        assert!(with("", &[("PUBLIC_URL", "wharf")]).expect_err("no URL").contains("public_url"));
    }

    #[test]
    fn bodies_are_not_kept_longer_than_their_messages() {
        let error = with("[storage]\nkeep_messages = \"1d\"\n", &[]).expect_err("the default of keep_bodies is longer");
        assert!(error.contains("[storage] keep_bodies") && error.contains("keep_messages"), "{error}");
        let config = with("[storage]\nkeep_bodies = \"0s\"\nkeep_messages = \"0s\"\n", &[]).expect("good");
        assert_eq!(config.storage.keep_bodies, Millis(0));
    }

    #[test]
    fn the_environment_wins_over_the_file_and_a_key_opens_the_door() {
        let file = "[server]\nport = 1\nhost = \"127.0.0.1\"\n[sessions]\ndefault_client = \"file\"\n";
        let variables = [("PORT", "4000"), ("HOST", "0.0.0.0"), ("CLIENT_ID", "rafi-scheme-manager"), ("SESSION_PATH", "/s"), ("LOG_LEVEL", "debug")];
        let key = [("WHARF_API_KEY", "0123456789abcdef")];
        let config = with(file, &[&variables[..], &key].concat()).expect("good");
        assert_eq!((config.server.port, config.sessions.default_client.as_str()), (4000, "rafi-scheme-manager"));
        assert_eq!((config.sessions.path, config.log.level.as_str()), (PathBuf::from("/s"), "debug"));
        assert!(with(file, &variables).expect_err("no key").contains("[server] host = 0.0.0.0"));
        assert!(with("", &[("PORT", "http")]).expect_err("no port").contains("PORT"));
        let short = with("", &[("WHARF_API_KEY", "hunter2")]).expect_err("short");
        assert!(!short.contains("hunter2"), "a key is never repeated: {short}");
    }

    /// A key is not shown; what callers have to show is told by its hash.
    fn are_keys(config: &Config, right: &[&str]) -> bool {
        config.api.keys.iter().map(Secret::digest).eq(right.iter().map(|key| <[u8; 32]>::from(Sha256::digest(key))))
    }

    #[test]
    fn variables_are_trimmed_and_what_cannot_be_used_is_refused_by_name() {
        let cases: Value = serde_json::from_str(include_str!("../../../tests/cases/env.json")).expect("JSON");
        for case in cases["environment"].as_array().expect("cases") {
            let text = |key: &str| case[key].as_str();
            let (name, value) = (text("name").expect("a name"), text("value").expect("a value"));
            match (with("", &[(name, value)]), text("refused")) {
                (Ok(config), None) => {
                    let right = text("right").expect("what is right");
                    let is_right = if name == "LOG_LEVEL" { config.log.level.to_string() == right } else { are_keys(&config, &[right]) };
                    assert!(is_right, "{name}={value:?}");
                }
                (Err(error), Some(named)) => {
                    assert!(error.contains(named) && (name == "LOG_LEVEL" || !error.contains(value.trim())), "{name}={value:?}: {error}");
                }
                (got, _) => panic!("{name}={value:?}: {got:?}"),
            }
        }
    }

    #[test]
    fn keys_of_the_file_are_trimmed_and_refused_by_their_number() {
        let config = with("[api]\nkeys = [\" 0123456789abcdef\\r\\n\"]\n", &[]).expect("good");
        assert!(are_keys(&config, &["0123456789abcdef"]));
        let error = with("[api]\nkeys = [\"0123456789abcdef\", \"0123\\u0001456789abcdef\", \"short\"]\n", &[]).expect_err("two");
        assert!(error.contains("number 2: holds a control character") && error.contains("number 3: must be at least 16"), "{error}");
        assert!(!error.contains("456789") && !error.contains("short"), "a key is never repeated: {error}");
        let error = with("[api]\nkeys = \"0123456789abcdef\"\n", &[]).expect_err("no list");
        assert_eq!(error, "gateway.toml:2: api.keys: must be a list of keys, each in quotes");
    }

    #[test]
    fn relative_paths_are_relative_to_the_files_folder_and_those_of_the_environment_are_not() {
        let dir = tempfile::tempdir().expect("tempdir");
        let file = dir.path().join("gateway.toml");
        let write = |text: &str| fs::write(&file, text).expect("written");
        let load = |variables: &[(&str, &str)]| {
            let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
            load(&Sources { file: Some(file.clone()), variables, ..Sources::default() }).expect("good")
        };
        write("");
        let config = load(&[]);
        assert_eq!((config.sessions.path, config.plugins.dir), (dir.path().join("whatsapp-session"), dir.path().join("plugins")), "defaults too");
        write(
            "[sessions]\npath = \"data/s\"\n[storage]\ndatabase = \"./db/w.db\"\n[plugins]\ndir = \"/p\"\ncache = \"c\"\n\
             [whatsapp]\nbridge_script = \"../bridge.js\"\n[browser]\nexecutable = \"bin/chromium\"\n",
        );
        let config = load(&[]);
        let at = |path: &str| Some(dir.path().join(path));
        assert_eq!((Some(config.sessions.path), config.plugins.cache), (at("data/s"), at("c")));
        assert_eq!((config.storage.database, config.plugins.dir), (at("db/w.db"), PathBuf::from("/p")));
        assert_eq!((config.whatsapp.bridge_script, config.browser.executable), (at("../bridge.js"), at("bin/chromium")));
        let config = load(&[("SESSION_PATH", "./s"), ("CHROMIUM", "./c")]);
        assert_eq!((config.sessions.path, config.browser.executable), (PathBuf::from("./s"), Some(PathBuf::from("./c"))));
        write("[browser]\nexecutable = \"chromium\"\n");
        assert_eq!(load(&[]).browser.executable, Some(PathBuf::from("chromium")), "a name is no path");
    }

    #[test]
    fn a_variable_that_is_not_utf8_is_named_where_it_is_read() {
        let dir = tempfile::tempdir().expect("tempdir");
        let file = dir.path().join("gateway.toml");
        let plugin = |enabled: bool| format!("[[plugin]]\nname = \"webhook\"\nenabled = {enabled}\ngrants = {{ secrets = [\"WEBHOOK_KEY\"] }}\n");
        let unreadable = BTreeSet::from(["PORT", "WEBHOOK_KEY", "ELSEWHERE"].map(String::from));
        let sources = Sources { file: Some(file.clone()), unreadable, ..Sources::default() };
        fs::write(&file, plugin(true)).expect("written");
        let error = load(&sources).expect_err("two").to_string();
        assert_eq!(error, "environment: PORT is not UTF-8\nenvironment: WEBHOOK_KEY is not UTF-8");
        fs::write(&file, plugin(false)).expect("written");
        assert!(!load(&sources).expect_err("one").to_string().contains("WEBHOOK_KEY"), "nobody reads it");
    }
}
