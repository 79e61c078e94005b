//! The OpenAPI document's text, generated on the first request and then kept.

use std::sync::OnceLock;

use axum::body::Bytes;

/// The OpenAPI document, generated on first use.
#[derive(Debug)]
pub(in crate::api) struct Document {
    make: fn() -> String,
    made: OnceLock<Bytes>,
}

impl Document {
    /// A document that `make` generates.
    pub(in crate::api) fn new(make: fn() -> String) -> Self {
        Self {
            make,
            made: OnceLock::new(),
        }
    }

    /// The document as JSON text.
    pub(super) fn json(&self) -> Bytes {
        self.made.get_or_init(|| (self.make)().into()).clone()
    }
}
