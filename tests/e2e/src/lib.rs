//! The harness: the real gateway on the stand-in, with a receiver for its webhooks.
//!
//! Nothing here reaches into the gateway. What a test or the demo learns, it learns as a client, an
//! operator or a recipient would: over HTTP, from the log, from `/proc`, or from the stand-in's
//! list of what arrived.

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
