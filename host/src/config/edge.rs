//! `[server]` and `[api]`: where the gateway listens, the limits of its connections, and who may
//! call.

use std::{fmt, net::IpAddr, str::FromStr};

use serde::Deserialize;

use super::{ByteSize, Millis};

/// Maximum size in bytes of a request body of any call. `large_bodies` must have room for one.
pub const MAX_LARGE_BODY: usize = 16 << 20;

/// `[server]`: where the gateway listens, and the limits of its connections.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Server {
    /// The address to listen on. Default 127.0.0.1. Any other address needs at least one API key.
    /// Environment: `HOST`.
    pub host: IpAddr,
    /// The port to listen on. Default 3001; 0 lets the system choose a free one. Environment:
    /// `PORT`.
    pub port: u16,
    /// The address at which people reach the gateway, e.g. `https://wharf.example.org`; links to
    /// the passkey helper begin with it. Default: the address where the gateway listens, which
    /// works on this machine only unless `host` says otherwise. Environment: `PUBLIC_URL`.
    pub public_url: Option<String>,
    /// How long a shutdown may take before the rest is aborted. Default 30s.
    pub shutdown: Millis,
    /// How long a request's header may take, from its first byte or from the start of the
    /// connection. Default 10s.
    pub header_timeout: Millis,
    /// How long a connection may wait for its next request. Default 75s.
    pub idle_timeout: Millis,
    /// How long a request's body may take, in addition to the time that its bytes need at
    /// `body_rate`. Default 30s.
    pub body_timeout: Millis,
    /// Minimum rate of a body after `body_timeout`, in bytes per second. Default 16KiB.
    pub body_rate: ByteSize,
    /// How long a caller may read nothing of its response. Default 30s.
    pub answer_timeout: Millis,
    /// Maximum number of connections, not counting a few that are reserved for probes; fewer if the
    /// system allows fewer descriptors. Default 4096.
    pub max_connections: usize,
    /// Memory for all request bodies over 64 KiB together; bodies that find no room wait. Default
    /// 64MiB.
    pub large_bodies: ByteSize,
}

impl Default for Server {
    fn default() -> Self {
        Self {
            host: IpAddr::from([127, 0, 0, 1]),
            port: 3001,
            public_url: None,
            shutdown: Millis::secs(30),
            header_timeout: Millis::secs(10),
            idle_timeout: Millis::secs(75),
            body_timeout: Millis::secs(30),
            body_rate: ByteSize(16 << 10),
            answer_timeout: Millis::secs(30),
            max_connections: 4096,
            large_bodies: ByteSize(64 << 20),
        }
    }
}

impl Server {
    pub(super) fn check(&self, errors: &mut Vec<String>) {
        let times = [
            ("header_timeout", self.header_timeout),
            ("idle_timeout", self.idle_timeout),
            ("body_timeout", self.body_timeout),
            ("answer_timeout", self.answer_timeout),
            ("shutdown", self.shutdown),
        ];
        errors.extend(
            times
                .iter()
                .filter(|(_, time)| time.0 == 0)
                .map(|(name, _)| format!("[server] {name} must be longer than 0")),
        );
        if self.body_rate.0 == 0 {
            errors.push("[server] body_rate must be at least 1B".into());
        }
        if self.max_connections < 8 {
            errors.push("[server] max_connections must be at least 8".into());
        }
        if self.large_bodies.0 < MAX_LARGE_BODY as u64 || self.large_bodies.0 > 1 << 31 {
            errors.push(
                "[server] large_bodies must be 16MiB to 2GiB: a bulk order may have 16 MiB".into(),
            );
        }
    }
}

/// `[api]`: who may call.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Api {
    /// API keys, each at least 16 characters, or better their hashes: `sha256:<64 hex>`. They may
    /// do everything. Environment: `WHARF_API_KEY` adds one.
    pub keys: Vec<Secret>,
    /// `[[api.key]]`: keys with limited permissions.
    pub key: Vec<Key>,
    /// Origins whose web pages may call the API. Default none.
    pub cors_origins: Vec<String>,
    /// Whether `/metrics` is available without a key. Default false.
    pub open_metrics: bool,
}

impl Api {
    /// Whether callers must authenticate with a key.
    #[must_use]
    pub fn has_keys(&self) -> bool {
        !(self.keys.is_empty() && self.key.is_empty())
    }

    /// Checks each key of the file by itself.
    pub(super) fn check(&self, errors: &mut Vec<String>) {
        for (n, key) in self.keys.iter().enumerate() {
            errors.extend(
                key.fault()
                    .map(|fault| format!("[api] keys, number {}: {fault}", n + 1)),
            );
        }
        for (n, entry) in self.key.iter().enumerate() {
            let Key {
                name,
                key,
                scopes,
                sessions,
            } = entry;
            let at = format!("[[api.key]] number {} ({name:?})", n + 1);
            if name.is_empty()
                || name.len() > 64
                || !name
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.'))
            {
                errors.push(format!(
                    "{at}: name must be 1 to 64 characters of A-Z, a-z, 0-9, '_', '-' and '.'"
                ));
            }
            if self.key.iter().take(n).any(|before| before.name == *name) {
                errors.push(format!("{at}: the name occurs twice"));
            }
            errors.extend(key.fault().map(|fault| format!("{at}: key {fault}")));
            if scopes.is_empty() {
                errors.push(format!(
                    "{at}: scopes must name at least one of {}",
                    Scope::NAMES
                ));
            }
            let named = sessions
                .iter()
                .all(|id| id.parse::<crate::model::ClientId>().is_ok());
            if sessions.is_empty() || !(named || sessions.iter().all(|id| id == "*")) {
                errors.push(format!("{at}: sessions must be [\"*\"] or client ids"));
            }
        }
    }

    /// Checks that no key occurs twice, including the one from the environment.
    pub(super) fn check_together(&self, errors: &mut Vec<String>) {
        let mut digests: Vec<[u8; 32]> = self
            .keys
            .iter()
            .chain(self.key.iter().map(|entry| &entry.key))
            .map(Secret::digest)
            .collect();
        digests.sort_unstable();
        if digests.windows(2).any(|pair| pair[0] == pair[1]) {
            errors.push("[api]: one key occurs twice, so its permissions are ambiguous; make another one with `wharf keys new`".into());
        }
    }
}

/// `[[api.key]]`: a key with limited permissions.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Key {
    /// The name of the key in logs and error messages.
    pub name: String,
    /// The key, at least 16 characters, or better its hash: `sha256:<64 hex>`.
    pub key: Secret,
    /// What the key may do: `read`, `send`, `control`, `admin`. No scope includes another.
    pub scopes: Vec<Scope>,
    /// Client ids of the sessions that the key may access, or `*` for all. Default `["*"]`.
    #[serde(default = "all_sessions")]
    pub sessions: Vec<String>,
}

/// The default of `sessions`, for keys and for plugins: all of them.
pub(super) fn all_sessions() -> Vec<String> {
    vec!["*".into()]
}

/// A permission of an API key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// Read sessions and messages.
    Read,
    /// Send, cancel and retry messages.
    Send,
    /// Create, link, start, stop and pause sessions, and retry deliveries.
    Control,
    /// Destructive calls, and calls that concern all sessions.
    Admin,
}

impl Scope {
    const NAMES: &str = "read, send, control, admin";

    /// The name in the configuration.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Send => "send",
            Self::Control => "control",
            Self::Admin => "admin",
        }
    }
}

impl FromStr for Scope {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let all = [Self::Read, Self::Send, Self::Control, Self::Admin];
        all.into_iter()
            .find(|scope| scope.as_str() == text)
            .ok_or_else(|| format!("unknown scope {text:?}; expected one of {}", Self::NAMES))
    }
}

/// An API key or its hash. `Debug` does not show it.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(from = "String")]
pub struct Secret(String);

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self::new(&text)
    }
}

impl Secret {
    /// Removes surrounding white space: mounted secrets end in a line break, which no header can
    /// contain.
    #[must_use]
    pub fn new(text: &str) -> Self {
        Self(text.trim().to_owned())
    }

    /// The SHA-256 of the key.
    #[must_use]
    pub fn digest(&self) -> [u8; 32] {
        use sha2::{Digest, Sha256};
        match self
            .0
            .strip_prefix("sha256:")
            .and_then(|hash| hex::decode(hash).ok()?.try_into().ok())
        {
            Some(digest) => digest,
            None => Sha256::digest(&self.0).into(),
        }
    }

    /// Why this is not a valid key, or `None`. The text never contains the key itself.
    pub(super) fn fault(&self) -> Option<&'static str> {
        let is_good = match self.0.strip_prefix("sha256:") {
            Some(hash) => hash.len() == 64 && hash.bytes().all(|b| b.is_ascii_hexdigit()),
            None => self.0.len() >= 16,
        };
        if !self.0.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
            Some(
                "holds a control character or one that is not ASCII, which no HTTP header can carry; `wharf keys new` makes a key",
            )
        } else if !is_good {
            Some("must be at least 16 characters, or sha256: and 64 hex digits")
        } else {
            None
        }
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(secret)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrong(text: &str) -> String {
        let api: Api = toml::from_str(text).expect("toml");
        let mut errors = vec![];
        api.check(&mut errors);
        api.check_together(&mut errors);
        errors.join("\n")
    }

    #[test]
    fn what_is_wrong_with_a_key_is_named_and_the_key_is_not() {
        let good = "[[key]]\nname = \"crm\"\nkey = \"0123456789abcdef\"\nscopes = [\"read\", \"send\"]\nsessions = [\"sales\"]\n";
        assert_eq!(wrong(good), "");
        for (entry, said) in [
            (
                "name = \"a b\"\nkey = \"0123456789abcdef\"\nscopes = [\"read\"]",
                "name must be",
            ),
            (
                "name = \"a\"\nkey = \"hunter2hunter2\"\nscopes = [\"read\"]",
                "at least 16 characters",
            ),
            (
                "name = \"a\"\nkey = \"sha256:00\"\nscopes = [\"read\"]",
                "64 hex digits",
            ),
            (
                "name = \"a\"\nkey = \"0123456789abcdef\"\nscopes = []",
                "read, send, control, admin",
            ),
            (
                "name = \"a\"\nkey = \"0123456789abcdef\"\nscopes = [\"read\"]\nsessions = []",
                "client ids",
            ),
            (
                "name = \"a\"\nkey = \"0123456789abcdef\"\nscopes = [\"read\"]\nsessions = [\"*\", \"sales\"]",
                "client ids",
            ),
            (
                "name = \"a\"\nkey = \"0123456789abcdef\"\nscopes = [\"read\"]\nsessions = [\"../x\"]",
                "client ids",
            ),
        ] {
            let errors = wrong(&format!("[[key]]\n{entry}\n"));
            assert!(
                errors.contains(said) && !errors.contains("hunter2") && errors.lines().count() == 1,
                "{entry}: {errors}"
            );
        }
        assert!(wrong(&format!("{good}{good}")).contains("the name occurs twice"));
        assert!(
            wrong(&format!("keys = [\"0123456789abcdef\"]\n{good}"))
                .contains("one key occurs twice")
        );
        let typo = toml::from_str::<Api>(&good.replace("send", "sent"))
            .expect_err("no scope")
            .to_string();
        assert!(
            typo.contains("`read`, `send`, `control`, `admin`"),
            "{typo}"
        );
        let api: Api =
            toml::from_str(&format!("keys = [\"fedcba9876543210\"]\n{good}")).expect("toml");
        let shown = format!("{api:?}");
        assert!(
            shown.contains("crm")
                && !shown.contains("0123456789abcdef")
                && !shown.contains("fedcba"),
            "{shown}"
        );
    }
}
