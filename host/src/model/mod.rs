//! The plain vocabulary of the gateway: names, addresses, messages, outcomes, events, states.
//!
//! Nothing here does I/O or knows a library of another room, so every room can speak it. Values are
//! parsed once at the border and cannot be wrong afterwards: a `ClientId` is a safe folder name, a
//! `Recipient` is international digits or the id of a chat.

mod address;
mod client;
mod event;
mod message;
mod outcome;
mod recipient;
mod region;
mod restriction;
mod session;
mod time;
pub mod told;

pub use address::Address;
pub use client::{ClientId, InvalidClientId};
pub use event::{Account, Envelope, Event, EventId};
pub use message::{
    AckLevel, Contact, Content, Delete, Edit, InboundMessage, Location, Media, MediaKind, MessageId, OtherContent, OutboundMessage, Poll, Priority,
    Reaction, Text,
};
pub use outcome::{FailureCode, Outcome};
pub use recipient::{ChatId, InvalidRecipient, PhoneNumber, Recipient};
pub use region::{Region, UnknownRegion};
pub use restriction::{Restriction, RestrictionKind};
pub use session::{SessionState, Transition};
pub use time::Timestamp;
