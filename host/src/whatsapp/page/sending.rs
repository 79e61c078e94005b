//! Sending through a page: resolving the recipient, sending a message, and finding out what became
//! of it.

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

/// The calls that send messages through a page.
#[async_trait]
pub trait PageSending: PageChannel {
    /// Looks a number up at WhatsApp. `Ok(None)` means that WhatsApp says the number is not
    /// registered; a failed look-up is an error and says nothing about the number.
    async fn resolve(&self, number: &PhoneNumber) -> Result<Option<Address>, PageError> {
        ask(
            self,
            &Resolve {
                number: number.digits(),
            },
        )
        .await
    }

    /// Both forms of a chat's address, from what the page knows without a network request.
    async fn address(&self, chat: &str) -> Result<Address, PageError> {
        ask(self, &BothForms { chat }).await
    }

    /// The subset of `recipients` with an existing conversation, from what the page knows without a
    /// network request.
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

    /// Shows the recipient that this account is typing, and returns when `how_long` is over. This
    /// is best effort: no send depends on it.
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

    /// Asks for the preview of the link in a message, which the phone makes, and keeps it for
    /// [`PageSending::send`] of the same id. Returns within a few seconds, with or without a
    /// preview; nothing is sent.
    async fn preview(&self, send: &PageSend) -> Result<(), PageError> {
        ask(self, &Preview(send)).await
    }

    /// Puts a message with our own id into the page's queue. `Ok` means that the page has stored it
    /// durably, not that the server has it, which [`PageEvent::Send`](super::PageEvent::Send)
    /// reports. A kind of message that the page cannot make is refused.
    async fn send(&self, send: &PageSend) -> Result<Stored, PageError> {
        ask(self, &NewMessage(send)).await
    }

    /// Looks up a message of this account by its bare id. `None`: it never left this profile.
    async fn find(&self, id: &MessageId, chat: &str) -> Result<Option<Found>, PageError> {
        ask(self, &Find { id, chat }).await
    }

    /// Sends a message again, under the same id, that the page has stored and the server has not
    /// accepted.
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

/// A message to send, as the bridge receives it.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PageSend {
    /// The id that the gateway made and stored before.
    pub id: MessageId,
    /// The chat, as [`PageSending::resolve`] returned it, or a group's id.
    pub chat: String,
    /// The content of the message.
    #[serde(with = "content::bridge")]
    pub content: Content,
    /// Bare id of the message that it replies to; that one must be in the same chat.
    pub reply_to: Option<MessageId>,
}

/// A message that the page has stored in its own database.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Stored {
    /// The chat that the message is actually in: by LID or by number, as the account has it.
    pub address: Address,
    /// The serialized message key, `true_<chat>_<id>`.
    pub key: String,
    /// The id was known before and nothing was queued; look at the state of that message.
    pub duplicate: bool,
}

/// A message of this account that was found in the page.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Found {
    /// The chat that the message is in.
    pub address: Address,
    /// The serialized message key.
    pub key: String,
    /// The highest acknowledgement; `None` while the server has not accepted the message.
    #[serde(deserialize_with = "level")]
    pub ack: Option<AckLevel>,
    /// The page has given up on the message, or it was unsent at a reload: it is not sent without
    /// [`PageSending::resend`].
    pub failed: bool,
}

/// Reads an acknowledgement level. A number that is no level means that the server has not accepted
/// the message.
fn level<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<AckLevel>, D::Error> {
    Ok(Option::<i64>::deserialize(deserializer)?.and_then(AckLevel::from_number))
}
