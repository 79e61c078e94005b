//! Sending by a page: who is written to, the messages themselves, and what became of them.

use std::time::Duration;

use async_trait::async_trait;
use serde::{Deserialize, Deserializer, Serialize};

use super::{
    error::PageError,
    question::{Limit, PageChannel, Question, ask},
};
use crate::model::{
    AckLevel, Address, Content, MessageId, PhoneNumber, Recipient, content, millis,
};

/// A page, as far as messages are sent by it.
#[async_trait]
pub trait PageSending: PageChannel {
    /// Looks a number up at WhatsApp. `Ok(None)` is WhatsApp's answer "not on WhatsApp"; a failed
    /// look-up is an error and says nothing about the number.
    async fn resolve(&self, number: &PhoneNumber) -> Result<Option<Address>, PageError> {
        ask(
            self,
            &Resolve {
                number: number.digits(),
            },
        )
        .await
    }

    /// Both forms of a chat's address, as far as this page knows them without asking anybody.
    async fn address(&self, chat: &str) -> Result<Address, PageError> {
        ask(self, &BothForms { chat }).await
    }

    /// Those of the recipients with whom there has been a conversation, as far as this page knows
    /// without asking anybody.
    async fn established(&self, recipients: &[Recipient]) -> Result<Vec<Recipient>, PageError> {
        let chats: Vec<String> = recipients
            .iter()
            .map(|recipient| Address::of(recipient).chat)
            .collect();
        let known = ask(self, &Established { chats: &chats }).await?;
        let known = recipients
            .iter()
            .zip(&chats)
            .filter(|(_, chat)| known.contains(chat));
        Ok(known.map(|(recipient, _)| recipient.clone()).collect())
    }

    /// Shows the other side of a chat that somebody types, and ends when that is over. It works as
    /// long as the page wants to: no send depends on it.
    async fn typing(&self, chat: &str, how_long: Duration) -> Result<(), PageError> {
        ask(
            self,
            &Typing {
                chat,
                millis: millis(how_long),
            },
        )
        .await
    }

    /// Asks for the preview of a message's link, which the phone makes, and keeps it for
    /// [`PageSending::send`] of the same id. It ends in a few seconds, whatever became of it;
    /// nobody is sent anything.
    async fn preview(&self, send: &PageSend) -> Result<(), PageError> {
        ask(self, &Preview(send)).await
    }

    /// Puts a message of whatever kind with our own id into the page's queue; `Ok` means the page
    /// has stored it durably, not that the server has it: that comes as
    /// [`PageEvent::Send`](super::PageEvent::Send). A kind that the page cannot make is refused.
    async fn send(&self, send: &PageSend) -> Result<Stored, PageError> {
        ask(self, &NewMessage(send)).await
    }

    /// Looks an own message up by its bare id. None: it never left this profile.
    async fn find(&self, id: &MessageId, chat: &str) -> Result<Option<Found>, PageError> {
        ask(self, &Find { id, chat }).await
    }

    /// Sends a message again that the page knows but the server never took, under the same id.
    async fn resend(&self, id: &MessageId, chat: &str) -> Result<(), PageError> {
        ask(self, &Resend { id, chat }).await
    }
}

#[derive(Serialize)]
struct Resolve<'a> {
    number: &'a str,
}

impl Question for Resolve<'_> {
    const NAME: &'static str = "resolve";
    type Answer = Option<Address>;
}

#[derive(Serialize)]
struct BothForms<'a> {
    chat: &'a str,
}

impl Question for BothForms<'_> {
    const NAME: &'static str = "address";
    type Answer = Address;
}

#[derive(Serialize)]
struct Established<'a> {
    chats: &'a [String],
}

impl Question for Established<'_> {
    const NAME: &'static str = "established";
    type Answer = Vec<String>;
}

#[derive(Serialize)]
struct Typing<'a> {
    chat: &'a str,
    millis: u64,
}

impl Question for Typing<'_> {
    const NAME: &'static str = "typing";
    type Answer = ();

    fn limit(&self) -> Limit {
        Limit::After(Duration::from_millis(self.millis))
    }
}

#[derive(Serialize)]
#[serde(transparent)]
struct Preview<'a>(&'a PageSend);

impl Question for Preview<'_> {
    const NAME: &'static str = "preview";
    type Answer = ();
}

#[derive(Serialize)]
#[serde(transparent)]
struct NewMessage<'a>(&'a PageSend);

impl Question for NewMessage<'_> {
    const NAME: &'static str = "send";
    type Answer = Stored;
}

#[derive(Serialize)]
struct Find<'a> {
    id: &'a MessageId,
    chat: &'a str,
}

impl Question for Find<'_> {
    const NAME: &'static str = "find";
    type Answer = Option<Found>;
}

#[derive(Serialize)]
struct Resend<'a> {
    id: &'a MessageId,
    chat: &'a str,
}

impl Question for Resend<'_> {
    const NAME: &'static str = "resend";
    type Answer = ();
}

/// A message to send, as the bridge gets it.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PageSend {
    /// Our own, stored before.
    pub id: MessageId,
    /// As [`PageSending::resolve`] gave it, or a group's.
    pub chat: String,
    /// What it says.
    #[serde(with = "content::bridge")]
    pub content: Content,
    /// Bare id of the message it answers; it must be in the same chat.
    pub reply_to: Option<MessageId>,
}

/// The page has a message in its own database.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Stored {
    /// The chat it really is in: LID or number, as the account has it.
    pub address: Address,
    /// The serialized key, `true_<chat>_<id>`.
    pub key: String,
    /// The id was known before: nothing was queued, look at its state.
    pub duplicate: bool,
}

/// An own message found in the page.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Found {
    /// Where it is.
    pub address: Address,
    /// The serialized key.
    pub key: String,
    /// None: the server has not taken it.
    #[serde(deserialize_with = "level")]
    pub ack: Option<AckLevel>,
    /// The page has given up on it (or it was unsent at a reload): it goes nowhere without
    /// [`PageSending::resend`].
    pub failed: bool,
}

/// A number that is no level: the server has not taken it.
fn level<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<AckLevel>, D::Error> {
    Ok(Option::<i64>::deserialize(deserializer)?.and_then(AckLevel::from_number))
}
