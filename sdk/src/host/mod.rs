//! The host's functions for plugins: `log`, `kv`, `secrets`.
//!
//! Each function calls a `backend`: in wasm the imports of the component, natively the in-memory
//! host of [`crate::testing`].

pub mod kv;
pub mod log;
pub mod secrets;

#[cfg(target_family = "wasm")]
pub(crate) use crate::glue::imports as backend;
#[cfg(not(target_family = "wasm"))]
pub(crate) use crate::testing::backend;
