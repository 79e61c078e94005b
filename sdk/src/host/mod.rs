//! The host's functions for plugins: `log`, `kv`, `secrets`, and HTTP.
//!
//! Each function calls a `backend`: in wasm the imports of the component, natively the in-memory
//! host of [`crate::testing`].

pub mod http;
pub mod kv;
pub mod log;
pub mod secrets;

#[cfg(target_family = "wasm")]
pub(crate) use crate::glue::backend;
#[cfg(not(target_family = "wasm"))]
pub(crate) use crate::testing::backend;
