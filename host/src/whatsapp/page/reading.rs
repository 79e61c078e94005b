//! Reading messages from a page: those that arrived earlier, and how far ahead it may report.

use async_trait::async_trait;
use serde::Serialize;

use super::{
    error::PageError,
    question::{PageChannel, Question, ask},
};
use crate::{model::Timestamp, whatsapp::window::Ticket};

/// The calls that read messages from a page.
#[async_trait]
pub trait PageReading: PageChannel {
    /// Begins to report what arrived at or after `since` as
    /// [`PageEvent::Missed`](super::PageEvent::Missed), including what was reported before;
    /// [`PageEvent::CaughtUp`](super::PageEvent::CaughtUp) follows. A catch-up that is still
    /// running is abandoned for the new one.
    async fn catch_up(&self, since: Timestamp) -> Result<(), PageError> {
        ask(self, &CatchUp { since }).await
    }

    /// Tells the page that `messages` more of the messages that it has reported,
    /// [`PageEvent::Message`](super::PageEvent::Message) and
    /// [`PageEvent::Missed`](super::PageEvent::Missed) in their order, have been recorded. A page
    /// reports only a limited number of messages ahead.
    async fn recorded(&self, messages: usize) -> Result<(), PageError>;
}

#[derive(Serialize)]
struct CatchUp {
    since: Timestamp,
}

impl Question for CatchUp {
    const NAME: &'static str = "catch_up";
    type Answer = ();
}

/// Names the last message that has been recorded.
#[derive(Debug, Serialize)]
#[serde(transparent)]
pub(in crate::whatsapp) struct Recorded(pub(in crate::whatsapp) Ticket);

impl Question for Recorded {
    const NAME: &'static str = "recorded";
    type Answer = ();
}
