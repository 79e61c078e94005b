//! The document as the gateway keeps it: its text, made when somebody first asks for it.

use std::sync::OnceLock;

use axum::body::Bytes;

/// The OpenAPI document, made when it is first asked for.
#[derive(Debug)]
pub(in crate::api) struct Document {
    make: fn() -> String,
    made: OnceLock<Bytes>,
}

impl Document {
    /// One that is made so.
    pub(in crate::api) fn new(make: fn() -> String) -> Self {
        Self {
            make,
            made: OnceLock::new(),
        }
    }

    /// Its text.
    pub(super) fn json(&self) -> Bytes {
        self.made.get_or_init(|| (self.make)().into()).clone()
    }
}
