//! What the host offers a plugin: `log`, `kv`, `secrets`.
//!
//! Each function has one body here and reaches a `backend`: the imports of the component in wasm,
//! the in-memory host of [`crate::testing`] natively.

pub mod kv;
pub mod log;
pub mod secrets;

#[cfg(target_family = "wasm")]
pub(crate) use crate::glue::imports as backend;
#[cfg(not(target_family = "wasm"))]
pub(crate) use crate::testing::backend;
