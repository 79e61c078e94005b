//! The settings of passkeys.

use serde::{Deserialize, Serialize};

/// When and how WhatsApp asks for passkeys. A patch of the settings replaces the whole value.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct PasskeySettings {
    /// When a passkey is asked for.
    pub ask: Ask,
    /// What the phone does after the assertion was sent.
    pub phone: Phone,
    /// How long the phone takes for that, in milliseconds.
    pub after_ms: u64,
    /// Milliseconds after which the page has forgotten the hand-off key, so that a code has to be
    /// compared.
    pub handoff_ttl: u64,
    /// Milliseconds after which the page and the server have forgotten a challenge.
    pub options_ttl: u64,
    /// `timeout` in the options, in milliseconds.
    pub timeout: u64,
    /// Whether the request includes its options; otherwise the page asks for them.
    pub embedded_options: bool,
    /// Whether the page reports that no code has to be compared; early builds do not.
    pub pass_skip: bool,
    /// The passkeys of the accounts.
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
    /// At linking, after a QR was scanned or a code was typed.
    Link,
    /// At each login of a linked account.
    Checkpoint,
}

/// What the phone or the server does with an assertion.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phone {
    /// The phone continues.
    Answers,
    /// The phone does not answer.
    Silent,
    /// The server refuses the assertion with an internal error.
    ServerError,
}

/// A passkey that the server knows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Credential {
    /// The credential's id, base64url without padding.
    pub id: String,
    /// The P-256 public key as an uncompressed point, base64url without padding.
    pub public_key: String,
}
