//! Version 1 of the validator `relay-b`; see `relay.rs`.

#[cfg(target_family = "wasm")]
const NAME: &str = "relay-b";
#[cfg(target_family = "wasm")]
const VERSION: &str = "1.0.0";

#[cfg(target_family = "wasm")]
#[path = "../relay.rs"]
mod guest;

fn main() {}
