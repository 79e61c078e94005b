//! The arguments of `wharf kv`.

use clap::{Args, Subcommand, builder::RangedU64ValueParser};

use crate::model::ClientId;

/// What can be done with the storage of plugins. The gateway must run. If it requires a key,
/// `WHARF_API_KEY` must be one of its keys with the scope `admin`.
#[derive(Debug, Clone, PartialEq, Eq, Subcommand)]
pub enum Kv {
    /// List the keys of a namespace, with their sizes and versions. Without `--session` or
    /// `--shared`, list the plugin's namespaces with their usage and the quota.
    List {
        /// The name of the plugin.
        plugin: String,
        /// The session whose namespace is listed.
        #[arg(long, conflicts_with = "shared")]
        session: Option<ClientId>,
        /// List the namespace that all sessions share.
        #[arg(long)]
        shared: bool,
        /// Only keys that begin with this text.
        #[arg(long, default_value = "")]
        prefix: String,
        /// The most keys to list, at least 1.
        #[arg(long, default_value_t = 100, value_parser = RangedU64ValueParser::<usize>::new().range(1..))]
        limit: usize,
    },
    /// Print the value of a key.
    Get {
        /// The key.
        #[command(flatten)]
        place: Place,
        /// Print the value in base64, so that any value can be printed.
        #[arg(long)]
        base64: bool,
    },
    /// Write a key. The plugin sees the value from its next call on.
    Set {
        /// The key.
        #[command(flatten)]
        place: Place,
        /// The value.
        value: String,
        /// The value is given in base64.
        #[arg(long)]
        base64: bool,
        /// When the key expires, in seconds from now. Default: never.
        #[arg(long, value_parser = clap::value_parser!(u64).range(1..=1_000_000_000_000))]
        ttl: Option<u64>,
        /// Write only over this version; 0 writes only if the key does not exist.
        #[arg(long)]
        if_version: Option<u64>,
    },
    /// Delete a key.
    Delete {
        /// The key.
        #[command(flatten)]
        place: Place,
    },
}

/// A key in a namespace of a plugin.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub struct Place {
    /// The name of the plugin.
    pub plugin: String,
    /// The key.
    pub key: String,
    /// The session whose namespace is meant.
    #[arg(long, required_unless_present = "shared", conflicts_with = "shared")]
    pub session: Option<ClientId>,
    /// The namespace that all sessions share (`kv_shared = true` in the plugin's grants).
    #[arg(long)]
    pub shared: bool,
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::cli::{Cli, Command};

    #[test]
    fn a_key_is_in_one_namespace() {
        let set = |words: &[&str]| {
            Cli::try_parse_from(["wharf", "kv", "set", "p", "k", "v"].iter().chain(words))
        };
        let place = Place {
            plugin: "p".into(),
            key: "k".into(),
            session: None,
            shared: true,
        };
        let wanted = Kv::Set {
            place,
            value: "v".into(),
            base64: false,
            ttl: Some(60),
            if_version: Some(0),
        };
        let given = set(&["--shared", "--ttl", "60", "--if-version", "0"]).expect("good");
        assert_eq!(given.command, Some(Command::Kv(wanted)));
        assert!(set(&["--session", "shop"]).is_ok());
        for words in [
            &[][..],
            &["--session", "shop", "--shared"],
            &["--session", "../x"],
            &["--shared", "--ttl", "0"],
        ] {
            assert!(set(words).is_err(), "{words:?}");
        }
        let list =
            |words: &[&str]| Cli::try_parse_from(["wharf", "kv", "list", "p"].iter().chain(words));
        assert!(list(&[]).is_ok() && list(&["--shared"]).is_ok());
        assert!(list(&["--limit", "0"]).is_err());
    }
}
