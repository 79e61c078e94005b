//! Messages and addresses of WhatsApp.

use crate::{Content, Extra};

/// A WhatsApp id: `15551234567@c.us`, `…@lid`, `…@g.us`, `…@newsletter`, `status@broadcast`.
pub type Wid = String;
/// The bare id of a message (`3EB0…`), never its serialized key, because the key depends on the
/// form of the chat's address.
pub type MessageId = String;
/// Milliseconds since the Unix epoch, UTC.
pub type Timestamp = u64;

/// The address of a person or a chat. It has both forms when both are known, because WhatsApp is
/// moving from phone numbers (`pn`) to opaque ids (`lid`).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Address {
    /// The chat.
    pub chat: Wid,
    /// The phone-number form, `…@c.us`, when known.
    pub pn: Option<Wid>,
    /// The opaque form, `…@lid`, when known.
    pub lid: Option<Wid>,
}

impl Address {
    /// The address of a chat whose other forms are not known.
    #[must_use]
    pub fn new(chat: impl Into<Wid>) -> Self {
        Self {
            chat: chat.into(),
            pn: None,
            lid: None,
        }
    }

    /// Sets the phone-number form, `…@c.us`.
    #[must_use]
    pub fn pn(mut self, pn: impl Into<Wid>) -> Self {
        self.pn = Some(pn.into());
        self
    }

    /// Sets the opaque form, `…@lid`.
    #[must_use]
    pub fn lid(mut self, lid: impl Into<Wid>) -> Self {
        self.lid = Some(lid.into());
        self
    }

    /// The address of an international phone number, digits only.
    #[must_use]
    pub fn of_number(digits: &str) -> Self {
        let wid = format!("{digits}@c.us");
        Self {
            chat: wid.clone(),
            pn: Some(wid),
            lid: None,
        }
    }

    /// The digits of the phone number, when one is known.
    #[must_use]
    pub fn number(&self) -> Option<&str> {
        let digits = self
            .pn
            .as_deref()
            .unwrap_or(&self.chat)
            .strip_suffix("@c.us")?;
        (!digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit())).then_some(digits)
    }
}

/// A message to be sent.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct OutboundMessage {
    /// The recipient.
    pub to: Address,
    /// Its content.
    pub content: Content,
    /// The message that it replies to.
    pub reply_to: Option<MessageId>,
    /// When the caller wants it to be sent; none means now.
    pub send_at: Option<Timestamp>,
    /// Free-form pairs from the API caller, e.g. a campaign id.
    pub metadata: Vec<(String, String)>,
    /// What this version has no field for.
    pub extra: Extra,
}

impl OutboundMessage {
    /// A message with only a recipient and a content.
    #[must_use]
    pub fn new(to: Address, content: Content) -> Self {
        Self {
            to,
            content,
            reply_to: None,
            send_at: None,
            metadata: Vec::new(),
            extra: Extra::default(),
        }
    }
}

/// A message that arrived, or that was typed on another device of this account.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct InboundMessage {
    /// The bare id.
    pub id: MessageId,
    /// The chat it is in.
    pub chat: Address,
    /// The author; in a group this differs from the chat.
    pub sender: Address,
    /// Whether it was written on the phone or on another device of this account.
    pub from_me: bool,
    /// The name that the sender gives themselves.
    pub push_name: Option<String>,
    /// The time of the message on WhatsApp's server.
    pub sent_at: Timestamp,
    /// Its content. Without the `bodies` grant, everything in it that a person wrote is empty.
    pub content: Content,
    /// The message that it replies to.
    pub reply_to: Option<MessageId>,
    /// What this version has no field for.
    pub extra: Extra,
}

impl InboundMessage {
    /// A message of another person, in a chat with that person alone.
    #[must_use]
    pub fn new(
        id: impl Into<MessageId>,
        sender: Address,
        sent_at: Timestamp,
        content: Content,
    ) -> Self {
        Self {
            id: id.into(),
            chat: sender.clone(),
            sender,
            from_me: false,
            push_name: None,
            sent_at,
            content,
            reply_to: None,
            extra: Extra::default(),
        }
    }
}
