//! Passkeys as the page tells of them, and what it can be told.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::assertion::Assertion;

/// What a passkey is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PasskeyPurpose {
    /// Before this device is linked.
    Link,
    /// Of an account that is linked: the page blocks until it is answered.
    Checkpoint,
}

/// News of a passkey ceremony. Its `Debug` form has the stage alone: codes are for the person who
/// compares them.
#[derive(Clone, PartialEq, Deserialize)]
#[serde(
    tag = "stage",
    rename_all = "snake_case",
    rename_all_fields = "camelCase"
)]
pub enum PasskeyNews {
    /// WhatsApp wants a passkey before it links; the page is being asked for the challenge. No QR
    /// can be scanned meanwhile.
    Asked,
    /// The page waits for an assertion.
    Signing {
        /// Names this question: an answer to an older one is refused.
        id: String,
        /// What it is for.
        purpose: PasskeyPurpose,
        /// `PublicKeyCredentialRequestOptions` in the standard's JSON form.
        public_key: Value,
    },
    /// The assertion was sent; the phone has to answer.
    Phone,
    /// A person has to compare this code with the phone's.
    Confirm {
        /// Eight letters and digits.
        code: String,
    },
    /// The code needs no person, or was confirmed.
    Finishing,
    /// The ceremony has failed, with the page's reason (`timeout`, `server_error`) or the bridge's
    /// words.
    Failed {
        /// Why.
        reason: String,
    },
    /// The connection was lost and the ceremony with it; QR codes follow by themselves.
    Lost,
    /// The ceremony is over: `linked`, or `answered` where the page does not tell what came of it.
    Ended {
        /// How.
        reason: String,
    },
}

impl fmt::Debug for PasskeyNews {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Asked => "Asked",
            Self::Signing { .. } => "Signing",
            Self::Phone => "Phone",
            Self::Confirm { .. } => "Confirm",
            Self::Finishing => "Finishing",
            Self::Failed { .. } => "Failed",
            Self::Lost => "Lost",
            Self::Ended { .. } => "Ended",
        })
    }
}

/// What a page can be told of a passkey. Each is answered when it is taken; what comes of it is
/// told as [`PasskeyNews`].
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "order", rename_all = "snake_case")]
pub enum PasskeyOrder {
    /// Answers the question of that name.
    Answer {
        /// As [`PasskeyNews::Signing`] told it.
        id: String,
        /// Checked.
        assertion: Box<Assertion>,
    },
    /// A person says that the phone shows the same code.
    Confirm,
    /// Nobody answers any more: the page's question fails, and no QR is shown yet.
    Expire,
    /// Asks for a fresh challenge on the same connection.
    Again,
    /// Ends the ceremony; the page goes back to QR codes where it waits for a link.
    Cancel,
}
