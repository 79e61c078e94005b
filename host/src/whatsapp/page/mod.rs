//! The interface to a page of WhatsApp Web: what `session` and `outbox` may ask of it, and the
//! events that it emits.
//!
//! The interface is split by use: life, linking, sending, reading. Each part is a trait whose
//! questions are provided methods over [`PageChannel`], so a new question needs only its request,
//! its answer and its method, all in one file. A fake in a test overrides the methods that its test
//! needs; every other question reaches the fake's channel, which fails the test.
//!
//! A call reports what it *started*; how that *ended* arrives as an event. The page may be reloaded
//! or crash in between, so the outcome must not depend on one call.

mod error;
mod event;
#[cfg(test)]
pub(crate) mod fake;
mod life;
mod linking;
mod question;
mod reading;
mod sending;

pub use self::{error::*, event::*, life::*, linking::*, question::*, reading::*, sending::*};
pub(super) use self::{
    life::Status,
    linking::life,
    question::{ask, no_bridge},
    reading::Recorded,
};

/// A running page of one session, for callers that use all of it.
///
/// Every call has its own deadline, so it always ends. A [`PageError`] never means that the login
/// is invalid.
pub trait Page: PageLife + PageLinking + PageSending + PageReading {}

impl<T: PageLife + PageLinking + PageSending + PageReading> Page for T {}
