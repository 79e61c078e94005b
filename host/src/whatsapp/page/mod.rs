//! The one door to WhatsApp Web: what `session` and `outbox` may ask of a page, and what it tells
//! them.
//!
//! A page is split by who uses it: its life, linking, sending, reading. Each is a trait whose
//! questions are written as provided methods over [`PageChannel`], so a new question costs its
//! request, its answer and its method, in one file. A fake in a test overrides the methods that its
//! test needs; every other question reaches the fake's channel, which fails the test.
//!
//! A call says what it *started*; how it *ended* comes as an event, because the page may be
//! reloaded or die in between and the answer must not hang on one call.

mod error;
mod event;
#[cfg(test)]
pub(crate) mod fake;
mod life;
mod linking;
mod question;
mod reading;
mod sending;

pub use self::{
    error::PageError,
    event::{Fault, PageEvent, SendNews, SendProgress},
    life::{
        BrowserReport, Capability, ContractReport, PageLife, PageStatus, Renamed, Stage, TimeLock,
    },
    linking::{PageLinking, PairingCode},
    question::{Call, Limit, PageChannel},
    reading::PageReading,
    sending::{Found, PageSend, PageSending, Stored},
};
pub(super) use self::{
    life::Status,
    linking::life,
    question::{ask, no_bridge},
    reading::Recorded,
};

/// A running page of one session, for those who use all of it.
///
/// Every call has its own deadline inside and ends; a [`PageError`] never means that a login is
/// bad.
pub trait Page: PageLife + PageLinking + PageSending + PageReading {}

impl<T: PageLife + PageLinking + PageSending + PageReading> Page for T {}
