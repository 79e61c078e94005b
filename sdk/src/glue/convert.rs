//! Conversions of calls and messages between the generated types and the types that authors see.
//! The conversions of contents and of each extension point are in files of their own.

use super::core::wharf::plugin::{calls, messages as wit};
use crate::{Address, CallContext, Error, Extra, InboundMessage, OutboundMessage};

impl From<calls::CallContext> for CallContext {
    fn from(ctx: calls::CallContext) -> Self {
        let calls::CallContext {
            session,
            call_id,
            subject_id,
            traceparent,
            now,
            attempt,
            budget_ms,
            extra,
        } = ctx;
        Self {
            session,
            call_id,
            subject_id,
            traceparent,
            now,
            attempt,
            budget_ms,
            extra: Extra(extra),
        }
    }
}

impl From<Error> for calls::Error {
    fn from(error: Error) -> Self {
        match error {
            Error::InvalidInput(why) => Self::InvalidInput(why),
            Error::Unavailable(why) => Self::Unavailable(why),
            Error::NotGranted(why) => Self::NotGranted(why),
            Error::Internal(why) => Self::Internal(why),
        }
    }
}

impl From<wit::Address> for Address {
    fn from(wit::Address { chat, pn, lid }: wit::Address) -> Self {
        Self { chat, pn, lid }
    }
}

impl From<Address> for wit::Address {
    fn from(Address { chat, pn, lid }: Address) -> Self {
        Self { chat, pn, lid }
    }
}

impl From<wit::OutboundMessage> for OutboundMessage {
    fn from(message: wit::OutboundMessage) -> Self {
        let wit::OutboundMessage {
            to,
            content,
            reply_to,
            send_at,
            metadata,
            extra,
        } = message;
        Self {
            to: to.into(),
            content: content.into(),
            reply_to,
            send_at,
            metadata,
            extra: Extra(extra),
        }
    }
}

impl From<OutboundMessage> for wit::OutboundMessage {
    fn from(message: OutboundMessage) -> Self {
        let OutboundMessage {
            to,
            content,
            reply_to,
            send_at,
            metadata,
            extra,
        } = message;
        Self {
            to: to.into(),
            content: content.into(),
            reply_to,
            send_at,
            metadata,
            extra: extra.0,
        }
    }
}

impl From<wit::InboundMessage> for InboundMessage {
    fn from(message: wit::InboundMessage) -> Self {
        let wit::InboundMessage {
            id,
            chat,
            sender,
            from_me,
            push_name,
            sent_at,
            content,
            reply_to,
            extra,
        } = message;
        Self {
            id,
            chat: chat.into(),
            sender: sender.into(),
            from_me,
            push_name,
            sent_at,
            content: content.into(),
            reply_to,
            extra: Extra(extra),
        }
    }
}
