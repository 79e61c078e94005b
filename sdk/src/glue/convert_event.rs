//! From generated types to plain ones and back: events, HTTP calls, judgements.

use super::event_notification as wit;
use crate::{
    Account, Ack, AckLevel, AttemptResult, Envelope, Event, Failure, HttpRequest, HttpResponse, Judgement, OtherEvent, QrCode, Sent, SessionChange,
    SessionState,
};

impl From<wit::SessionState> for SessionState {
    fn from(state: wit::SessionState) -> Self {
        match state {
            wit::SessionState::Disconnected => Self::Disconnected,
            wit::SessionState::Loading => Self::Loading,
            wit::SessionState::QrReady => Self::QrReady,
            wit::SessionState::Authenticated => Self::Authenticated,
            wit::SessionState::Ready => Self::Ready,
            wit::SessionState::Reconnecting => Self::Reconnecting,
            wit::SessionState::AuthFailure => Self::AuthFailure,
            wit::SessionState::Error => Self::Error,
            wit::SessionState::MaxReconnectExceeded => Self::MaxReconnectExceeded,
        }
    }
}

impl From<wit::AckLevel> for AckLevel {
    fn from(level: wit::AckLevel) -> Self {
        match level {
            wit::AckLevel::Server => Self::Server,
            wit::AckLevel::Device => Self::Device,
            wit::AckLevel::Read => Self::Read,
            wit::AckLevel::Played => Self::Played,
        }
    }
}

impl From<wit::Event> for Event {
    fn from(event: wit::Event) -> Self {
        match event {
            wit::Event::SessionState(wit::SessionChange { before, after, reason }) => {
                Self::SessionState(SessionChange { before: before.into(), after: after.into(), reason })
            }
            wit::Event::Qr(wit::QrCode { code, expires_at }) => Self::Qr(QrCode { code, expires_at }),
            wit::Event::MessageSent(wit::Sent { id, message }) => Self::MessageSent(Sent { id, message: message.into() }),
            wit::Event::MessageFailed(wit::Failure { id, code, reason, message }) => {
                Self::MessageFailed(Failure { id, code, reason, message: message.into() })
            }
            wit::Event::MessageAck(wit::Ack { id, chat, level }) => Self::MessageAck(Ack { id, chat: chat.into(), level: level.into() }),
            wit::Event::MessageReceived(message) => Self::MessageReceived(message.into()),
            wit::Event::Other(wit::OtherEvent { kind, json }) => Self::Other(OtherEvent { kind, json }),
        }
    }
}

impl From<wit::Envelope> for Envelope {
    fn from(envelope: wit::Envelope) -> Self {
        let wit::Envelope { id, at, kind, account, metadata, gateway, replayed, event } = envelope;
        let account = account.map(|wit::Account { pn, lid, push_name }| Account { pn, lid, push_name });
        Self { id, at, kind, account, metadata, gateway, replayed, event: event.into() }
    }
}

impl From<HttpRequest> for wit::HttpRequest {
    fn from(HttpRequest { method, url, headers, body, timeout_ms }: HttpRequest) -> Self {
        Self { method, url, headers, body, timeout_ms }
    }
}

impl From<wit::AttemptResult> for AttemptResult {
    fn from(attempt: wit::AttemptResult) -> Self {
        match attempt {
            wit::AttemptResult::Answered(wit::HttpResponse { status, headers, body }) => Self::Answered(HttpResponse { status, headers, body }),
            wit::AttemptResult::Unreachable(why) => Self::Unreachable(why),
        }
    }
}

impl From<Judgement> for wit::Judgement {
    fn from(judgement: Judgement) -> Self {
        match judgement {
            Judgement::Delivered => Self::Delivered,
            Judgement::RetryAfter(ms) => Self::RetryAfter(ms),
            Judgement::GiveUp(why) => Self::GiveUp(why),
        }
    }
}
