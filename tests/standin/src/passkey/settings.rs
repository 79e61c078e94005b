//! How passkeys are asked for.

use serde::{Deserialize, Serialize};

/// How WhatsApp asks for passkeys. A patch of the settings replaces all of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct PasskeySettings {
    /// When a passkey is asked for.
    pub ask: Ask,
    /// What the phone does once the assertion was sent.
    pub phone: Phone,
    /// How long the phone takes for it, in milliseconds.
    pub after_ms: u64,
    /// Milliseconds after which the page has forgotten the hand-off key, so that a code has to be
    /// compared.
    pub handoff_ttl: u64,
    /// Milliseconds after which the page and the server have forgotten a challenge.
    pub options_ttl: u64,
    /// `timeout` in the options, in milliseconds.
    pub timeout: u64,
    /// Whether the request brings its options; otherwise the page asks for them.
    pub embedded_options: bool,
    /// Whether the page says that no code has to be compared; early builds do not.
    pub pass_skip: bool,
    /// Passkeys of the accounts.
    pub credentials: Vec<Credential>,
}

impl Default for PasskeySettings {
    fn default() -> Self {
        Self {
            ask: Ask::Off,
            phone: Phone::Answers,
            after_ms: 20,
            handoff_ttl: 300_000,
            options_ttl: 600_000,
            timeout: 600_000,
            embedded_options: true,
            pass_skip: true,
            credentials: vec![],
        }
    }
}

/// When a passkey is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ask {
    /// Never.
    Off,
    /// After the scan of a QR and after a typed code.
    Link,
    /// Of a linked account, at each login.
    Checkpoint,
}

/// What the phone or the server does with an assertion.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phone {
    /// Goes on.
    Answers,
    /// Says nothing more.
    Silent,
    /// The server refuses the assertion with an error of its own.
    ServerError,
}

/// A passkey that the server knows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Credential {
    /// Its id, base64url without padding.
    pub id: String,
    /// Its P-256 public key as an uncompressed point, base64url without padding.
    pub public_key: String,
}
