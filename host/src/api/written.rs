//! Messages in files: authors of plugins write and read them in the form of the API.
//!
//! The reader is that of `POST /v1/sessions/{id}/messages`, so what an author tries is what a caller
//! can send, and a mistake has the same words.

use serde_json::Value;

use super::{app::Defaults, content::ShownContent, v1};
use crate::{
    model::{ClientId, Content},
    outbox::SendRequest,
};

/// Reads a message that `session` is to send. Phone numbers must be in the international form.
///
/// # Errors
/// The API would refuse it, for this reason.
pub fn message(session: &ClientId, body: &[u8]) -> Result<SendRequest, String> {
    let defaults = Defaults {
        client: session.clone(),
        region: None,
    };
    v1::parse_message(&defaults, session.clone(), body).map_err(|error| error.message().to_owned())
}

/// A content as the API shows it: the fields of a request, with the `kind`.
#[must_use]
pub fn content(content: &Content) -> Value {
    serde_json::to_value(ShownContent::new(content)).unwrap_or_default()
}
