//! Environment variables override the file.

use crate::config::{Config, Secret, Sources, level, sources};

/// Reports variables that are not UTF-8, if the gateway reads them. Others do not matter.
pub(super) fn readable(config: &Config, sources: &Sources, errors: &mut Vec<String>) {
    let secrets = config
        .plugin
        .iter()
        .filter(|plugin| plugin.enabled)
        .flat_map(|plugin| plugin.grants.secrets.iter().map(String::as_str));
    let mut read: Vec<&str> = sources::READ
        .into_iter()
        .chain(secrets)
        .filter(|name| sources.unreadable.contains(*name))
        .collect();
    read.sort_unstable();
    read.dedup();
    errors.extend(
        read.iter()
            .map(|name| format!("environment: {name} is not UTF-8")),
    );
}

/// Applies the variables of the service that Wharf replaces, and those that let a platform start
/// the gateway without a file.
pub(super) fn override_by_environment(
    config: &mut Config,
    sources: &Sources,
    errors: &mut Vec<String>,
) {
    fn set<T: std::str::FromStr>(
        slot: &mut T,
        sources: &Sources,
        name: &str,
        right: &str,
        errors: &mut Vec<String>,
    ) {
        if let Some(text) = sources.get(name) {
            match text.parse() {
                Ok(value) => *slot = value,
                Err(_) => errors.push(format!("environment: {name} = {text:?} must be {right}")),
            }
        }
    }
    set(
        &mut config.server.host,
        sources,
        "HOST",
        "an IP address, e.g. 127.0.0.1 or 0.0.0.0",
        errors,
    );
    set(
        &mut config.server.port,
        sources,
        "PORT",
        "a port from 0 to 65535",
        errors,
    );
    set(
        &mut config.sessions.path,
        sources,
        "SESSION_PATH",
        "a path",
        errors,
    );
    set(
        &mut config.log.level,
        sources,
        "LOG_LEVEL",
        level::LEVELS,
        errors,
    );
    set(
        &mut config.sessions.default_client,
        sources,
        "CLIENT_ID",
        "1 to 64 characters of A-Z, a-z, 0-9, '_' and '-'",
        errors,
    );
    if let Some(url) = sources.get("PUBLIC_URL") {
        config.server.public_url = Some(url.to_owned());
    }
    if let Some(path) = sources.get("CHROMIUM") {
        config.browser.executable = Some(path.into());
    }
    if let Some(key) = sources.get("WHARF_API_KEY") {
        let key = Secret::new(key);
        errors.extend(
            key.fault()
                .map(|fault| format!("environment: WHARF_API_KEY: {fault}")),
        );
        config.api.keys.push(key);
    }
}
