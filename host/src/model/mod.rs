//! The shared vocabulary of the gateway: names, addresses, messages, outcomes, events, states.
//!
//! Nothing here does I/O or depends on another room, so every room can use it. Values are parsed
//! once, where they enter the gateway, and are valid afterwards: a `ClientId` is a safe folder
//! name, a `Recipient` is international digits or the id of a chat.

mod address;
mod backoff;
mod client;
pub mod content;
mod event;
mod message;
mod message_id;
mod outcome;
mod recipient;
mod region;
mod restriction;
mod session;
mod time;

pub use address::Address;
pub use backoff::{Backoff, jittered};
pub use client::{ClientId, InvalidClientId};
pub use content::*;
pub use event::*;
pub use message::{AckLevel, InboundMessage, OutboundMessage, Priority};
pub use message_id::MessageId;
pub use outcome::{FailureCode, Outcome};
pub use recipient::{ChatId, InvalidRecipient, PhoneNumber, Recipient};
pub use region::{Region, UnknownRegion};
pub use restriction::{Restriction, RestrictionKind};
pub use session::{SessionState, Transition};
pub use time::{AnyTime, Timestamp, millis};
