//! Version 2 of the validator `relay-b`; see `relay.rs`.

#[cfg(target_family = "wasm")]
const NAME: &str = "relay-b";
#[cfg(target_family = "wasm")]
const VERSION: &str = "2.0.0";

#[cfg(target_family = "wasm")]
#[path = "../relay.rs"]
mod guest;

fn main() {}
