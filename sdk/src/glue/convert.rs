//! From generated types to plain ones and back: calls, messages, verdicts, templates. What a message says has its own file.

use super::{calls, message_templating as mt, messages as wit, send_validation as sv};
use crate::{Address, CallContext, Error, InboundMessage, OutboundMessage, RenderError, RenderRequest, TemplateInfo, Value, Verdict};

impl From<calls::CallContext> for CallContext {
    fn from(ctx: calls::CallContext) -> Self {
        let calls::CallContext { session, call_id, subject_id, traceparent, now, attempt, budget_ms } = ctx;
        Self { session, call_id, subject_id, traceparent, now, attempt, budget_ms }
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
        let wit::OutboundMessage { to, content, reply_to, send_at, metadata } = message;
        Self { to: to.into(), content: content.into(), reply_to, send_at, metadata }
    }
}

impl From<OutboundMessage> for wit::OutboundMessage {
    fn from(message: OutboundMessage) -> Self {
        let OutboundMessage { to, content, reply_to, send_at, metadata } = message;
        Self { to: to.into(), content: content.into(), reply_to, send_at, metadata }
    }
}

impl From<wit::InboundMessage> for InboundMessage {
    fn from(message: wit::InboundMessage) -> Self {
        let wit::InboundMessage { id, chat, sender, from_me, push_name, sent_at, content, reply_to } = message;
        Self { id, chat: chat.into(), sender: sender.into(), from_me, push_name, sent_at, content: content.into(), reply_to }
    }
}

impl From<Verdict> for sv::Verdict {
    fn from(verdict: Verdict) -> Self {
        match verdict {
            Verdict::Allow => Self::Allow,
            Verdict::Reject(crate::Rejection { code, reason, retry_after_ms }) => Self::Reject(sv::Rejection { code, reason, retry_after_ms }),
            Verdict::Modify(message) => Self::Modify(message.into()),
        }
    }
}

impl From<mt::Value> for Value {
    fn from(value: mt::Value) -> Self {
        match value {
            mt::Value::Text(text) => Self::Text(text),
            mt::Value::Integer(number) => Self::Integer(number),
            mt::Value::Number(number) => Self::Number(number),
            mt::Value::Boolean(value) => Self::Boolean(value),
            mt::Value::Json(json) => Self::Json(json),
        }
    }
}

impl From<mt::RenderRequest> for RenderRequest {
    fn from(request: mt::RenderRequest) -> Self {
        let mt::RenderRequest { template, locale, variables } = request;
        Self { template, locale, variables: variables.into_iter().map(|(name, value)| (name, value.into())).collect() }
    }
}

impl From<RenderError> for mt::RenderError {
    fn from(error: RenderError) -> Self {
        match error {
            RenderError::UnknownTemplate(name) => Self::UnknownTemplate(name),
            RenderError::MissingVariable(name) => Self::MissingVariable(name),
            RenderError::BadVariable { name, reason } => Self::BadVariable((name, reason)),
            RenderError::Failed(error) => Self::Failed(error.into()),
        }
    }
}

impl From<TemplateInfo> for mt::TemplateInfo {
    fn from(TemplateInfo { name, locales, variables }: TemplateInfo) -> Self {
        let variable = |crate::Variable { name, kind, required }: crate::Variable| mt::Variable { name, kind: kind.as_str().to_owned(), required };
        Self { name, locales, variables: variables.into_iter().map(variable).collect() }
    }
}
