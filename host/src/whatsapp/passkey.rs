//! Passkey ceremonies: what the page reports about them, and the orders that it takes.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::assertion::Assertion;

/// What a passkey is needed for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PasskeyPurpose {
    /// To link this device.
    Link,
    /// To confirm an account that is already linked (a checkpoint): the page is blocked until it
    /// has an answer.
    Checkpoint,
}

/// Progress of a passkey ceremony. The `Debug` form contains only the stage, because codes are
/// meant for the person who compares them.
#[derive(Clone, PartialEq, Deserialize)]
#[serde(
    tag = "stage",
    rename_all = "snake_case",
    rename_all_fields = "camelCase"
)]
pub enum PasskeyNews {
    /// WhatsApp wants a passkey before it links, and the page is being asked for the challenge. No
    /// QR code can be scanned meanwhile.
    Asked,
    /// The page waits for an assertion.
    Signing {
        /// Identifies this question: an answer to an older one is refused.
        id: String,
        /// What the passkey is for.
        purpose: PasskeyPurpose,
        /// `PublicKeyCredentialRequestOptions` in the standard's JSON form.
        public_key: Value,
    },
    /// The assertion was sent; now the phone has to answer.
    Phone,
    /// A person has to compare this code with the one on the phone.
    Confirm {
        /// Eight letters and digits.
        code: String,
    },
    /// The code was confirmed, or needs no confirmation by a person.
    Finishing,
    /// The ceremony has failed.
    Failed {
        /// The reason of the page (`timeout`, `server_error`), or an error text of the bridge.
        reason: String,
    },
    /// The connection was lost, and with it the ceremony; QR codes follow without a further
    /// request.
    Lost,
    /// The ceremony has ended.
    Ended {
        /// `linked`, or `answered` where the page does not report the outcome.
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

/// An order to a page about a passkey. The call is answered when the page has accepted the order;
/// the outcome is reported as [`PasskeyNews`].
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "order", rename_all = "snake_case")]
pub enum PasskeyOrder {
    /// Answers the question with this id.
    Answer {
        /// The id from [`PasskeyNews::Signing`].
        id: String,
        /// The assertion, already checked.
        assertion: Box<Assertion>,
    },
    /// A person confirms that the phone shows the same code.
    Confirm,
    /// No answer will come: the page's question fails, but no QR code is shown yet.
    Expire,
    /// Asks for a new challenge on the same connection.
    Again,
    /// Ends the ceremony; a page that waits to be linked goes back to QR codes.
    Cancel,
}
