//! Reads `gateway.toml` and the environment into checked, typed values.
//!
//! Every section is a plain struct with its defaults; each room receives its section and never sees
//! a file. Unknown keys are errors: a misspelt limit that is silently ignored is worse than a
//! refusal to start.

mod dotenv;
mod edge;
mod errors;
mod level;
mod load;
mod sections;
mod send;
mod sessions;
mod sources;
mod units;

pub use edge::{Api, Key, MAX_LARGE_BODY, Scope, Secret, Server};
pub use errors::ConfigErrors;
pub use level::LogLevel;
pub use load::load;
pub use sections::{
    Candidate, Config, Delivery, Grants, Log, LogFormat, OnError, Plugin, PluginMode, Plugins,
    Quarantine, Storage,
};
pub use send::{Pacing, PacingOverride, Send, WhenBusy};
pub use sessions::{Browser, BrowserKind, BrowserMode, Relink, Session, Sessions, WhatsApp};
pub use sources::Sources;
pub use units::{ByteSize, Millis};

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = include_str!("../../../gateway.toml");

    #[test]
    fn the_operators_file_is_good_and_names_every_key() {
        let sources = Sources {
            file: Some("../gateway.toml".into()),
            ..Sources::default()
        };
        let config = load(&sources).expect("good");
        assert!(config.server.host.is_loopback());
        let keys = [
            include_str!("edge.rs"),
            include_str!("sections.rs"),
            include_str!("sessions.rs"),
            include_str!("send.rs"),
        ]
        .into_iter()
        .flat_map(str::lines)
        .filter_map(|line| line.trim().strip_prefix("pub ")?.split_once(':'))
        .map(|(key, _)| key)
        .filter(|key| !key.starts_with("fn ") && !key.starts_with("const "));
        let missing: Vec<&str> = keys
            .filter(|key| {
                !FILE.contains(&format!("{key} = "))
                    && !FILE.contains(&format!("[{key}"))
                    && !FILE.contains(&format!(".{key}"))
            })
            .collect();
        assert_eq!(
            missing,
            Vec::<&str>::new(),
            "keys that gateway.toml does not show"
        );
    }

    /// Removing the comment marks of all keys gives a file that parses and has the defaults.
    #[test]
    fn the_commented_keys_are_real() {
        let start = FILE.split("[[plugin]]").next().unwrap_or(FILE);
        let open: String = start
            .lines()
            .take_while(|line| !line.starts_with("# Plugins, in pipeline order"))
            .map(|line| match line.strip_prefix("# ") {
                Some(rest)
                    if rest.starts_with('[')
                        || rest.split_once(" = ").is_some_and(|(key, _)| {
                            key.bytes().all(|b| b.is_ascii_lowercase() || b == b'_')
                        }) =>
                {
                    rest
                }
                _ => line,
            })
            .collect::<Vec<_>>()
            .join("\n");
        let config: Config =
            toml::from_str(&open).unwrap_or_else(|error| panic!("{error}\n{open}"));
        assert_eq!(config.send.timeout, Send::default().timeout);
        assert!(config.browser.executable.is_some() && !config.sessions.session.is_empty());
    }
}
