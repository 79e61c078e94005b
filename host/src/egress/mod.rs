//! Outgoing HTTP calls for plugins: what an operator has granted, and the one client that makes
//! them.
//!
//! Two callers share it: the event log makes the calls that notifiers describe, and the plugin host
//! those that a plugin makes itself through `wasi:http`. Grants, addresses and limits are checked
//! here and nowhere else, so there is one place where a forbidden address could get through.

mod addresses;
mod client;
#[cfg(test)]
mod fuzz;
mod grant;
mod limits;

pub use client::{Answer, BodyLimit, Client, SendError, TimeLimits, Unreachable};
pub use grant::{HttpGrant, Refused};
pub use limits::{Fault, MAX_BODY, MAX_HEADER_BYTES, Part, Request, sets_only_gateway};
