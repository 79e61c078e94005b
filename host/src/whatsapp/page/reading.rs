//! Reading by a page: what arrived while nobody listened, and how far ahead it may tell.

use async_trait::async_trait;
use serde::Serialize;

use super::{
    error::PageError,
    question::{PageChannel, Question, ask},
};
use crate::{model::Timestamp, whatsapp::window::Ticket};

/// A page, as far as messages are read from it.
#[async_trait]
pub trait PageReading: PageChannel {
    /// Begins to tell what arrived at or after `since` as
    /// [`PageEvent::Missed`](super::PageEvent::Missed), also what was told before;
    /// [`PageEvent::CaughtUp`](super::PageEvent::CaughtUp) follows. One that still goes on is given
    /// up for this one.
    async fn catch_up(&self, since: Timestamp) -> Result<(), PageError> {
        ask(self, &CatchUp { since }).await
    }

    /// Says that so many more of the messages that were told,
    /// [`PageEvent::Message`](super::PageEvent::Message) and
    /// [`PageEvent::Missed`](super::PageEvent::Missed) in their order, are recorded: a page tells
    /// only a few of them ahead.
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

/// Names the last message that is recorded.
#[derive(Debug, Serialize)]
#[serde(transparent)]
pub(in crate::whatsapp) struct Recorded(pub(in crate::whatsapp) Ticket);

impl Question for Recorded {
    const NAME: &'static str = "recorded";
    type Answer = ();
}
