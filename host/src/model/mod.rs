//! The plain vocabulary of the gateway: names, addresses, messages, outcomes, events, states.
//!
//! Nothing here does I/O or knows a library of another room, so every room can speak it. Values are
//! parsed once at the border and cannot be wrong afterwards: a `ClientId` is a safe folder name, a
//! `PhoneNumber` is international digits.

mod address;
mod client;
mod event;
mod message;
mod outcome;
mod region;
mod restriction;
mod session;
mod time;

pub use address::{Address, InvalidNumber, PhoneNumber};
pub use client::{ClientId, InvalidClientId};
pub use event::{Account, Envelope, Event, EventId};
pub use message::{
    AckLevel, Contact, Content, Delete, Edit, InboundMessage, Location, Media, MediaKind, MessageId, OtherContent, OutboundMessage, Poll, Priority,
    Reaction, Text,
};
pub use outcome::{FailureCode, Outcome};
pub use region::calling_code;
pub use restriction::{Restriction, RestrictionKind};
pub use session::{SessionState, Transition};
pub use time::Timestamp;
