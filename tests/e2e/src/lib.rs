//! The test harness: the real gateway on the stand-in, with a receiver for its webhooks.
//!
//! Nothing here uses the gateway's internals. A test or the demo observes it as a client, an
//! operator or a recipient would: over HTTP, in the log, in `/proc`, or in the stand-in's list of
//! the messages that arrived.

pub mod api;
pub mod dockerfile;
mod document;
pub mod gateway;
pub mod house;
pub mod processes;
pub mod project;
pub mod receiver;
pub mod wait;

pub use api::{Answer, Api};
pub use gateway::Gateway;
pub use house::{House, Plan};
pub use receiver::{Call, Receiver};
pub use wait::until;
