//! `event-notification`: decides which targets an event goes to, and what the HTTP calls look like.
//! The host makes the calls, stores one delivery for each target before anything is sent, and keeps
//! the dead letters.

use crate::{CallContext, Envelope, Error, Plugin};

/// Decides which targets an event goes to, shapes the HTTP calls, and judges their results.
pub trait Notifier: Plugin {
    /// The names of the targets that this event goes to; empty when there are none.
    ///
    /// # Errors
    /// A failure of the plugin itself. The host calls this function again later.
    fn route(&self, ctx: &CallContext, envelope: &Envelope) -> Result<Vec<String>, Error>;

    /// Shapes the call to one target. Called again for every attempt.
    ///
    /// # Errors
    /// A failure of the plugin itself.
    fn request(
        &self,
        ctx: &CallContext,
        target: &str,
        envelope: &Envelope,
    ) -> Result<HttpRequest, Error>;

    /// Judges the result of an attempt. `ctx.attempt` is the number of the attempt.
    ///
    /// # Errors
    /// A failure of the plugin itself.
    fn judge(
        &self,
        ctx: &CallContext,
        target: &str,
        attempt: &AttemptResult,
    ) -> Result<Judgement, Error>;
}

/// One HTTP call, shaped by the plugin and made by the host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpRequest {
    /// The method, e.g. `POST`.
    pub method: String,
    /// The absolute URL.
    pub url: String,
    /// The headers. Those of the connection are set by the host.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
    /// The time limit of the call in milliseconds; the operator's limit applies as well.
    pub timeout_ms: Option<u32>,
}

/// The response of a target.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct HttpResponse {
    /// The HTTP status.
    pub status: u16,
    /// The headers of the answer.
    pub headers: Vec<(String, String)>,
    /// The first bytes of the body; the host cuts the rest.
    pub body: Vec<u8>,
}

impl HttpResponse {
    /// The first header of this name, whatever its case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }
}

/// The result of an HTTP call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AttemptResult {
    /// The target answered.
    Answered(HttpResponse),
    /// There was no answer: DNS, connection, TLS, time limit, or the grants do not allow the call.
    Unreachable(String),
}

/// What the result of an attempt means for the delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Judgement {
    /// The event is delivered.
    Delivered,
    /// The delivery is tried again, no sooner than this many milliseconds from now.
    RetryAfter(u64),
    /// The delivery will never succeed; the host moves it to the dead letters with this reason.
    GiveUp(String),
}

/// Checks for `export!` that a plugin implements this extension point.
#[doc(hidden)]
pub const fn required<P: Notifier>() {}

/// The generated types; in a component only.
#[cfg(target_family = "wasm")]
pub mod bindings {
    #![allow(
        missing_docs,
        missing_debug_implementations,
        unreachable_pub,
        clippy::all,
        reason = "generated"
    )]

    wit_bindgen::generate!({
        path: "../wit/v0.1",
        inline: "package wharf:sdk; world notifier { export wharf:plugin/event-notification@0.1.0; }",
        world: "wharf:sdk/notifier",
        pub_export_macro: true,
        default_bindings_module: "wharf_plugin::points::notifier::bindings",
        with: {
            "wharf:plugin/calls@0.1.0": crate::glue::core::wharf::plugin::calls,
            "wharf:plugin/messages@0.1.0": crate::glue::core::wharf::plugin::messages,
            "wharf:plugin/event-notification@0.1.0": generate,
        },
    });
}

#[cfg(target_family = "wasm")]
mod glue {
    use super::{
        AttemptResult, HttpRequest, HttpResponse, Judgement, Notifier,
        bindings::exports::wharf::plugin::event_notification,
    };
    use crate::{
        Account, Ack, AckLevel, Envelope, Event, Failure, OtherEvent, QrCode, Sent, SessionChange,
        SessionState,
        glue::{Exported, Instance, core::wharf::plugin::calls, instance},
    };

    impl<P: Instance + Notifier> event_notification::Guest for Exported<P> {
        fn route(
            ctx: calls::CallContext,
            envelope: event_notification::Envelope,
        ) -> Result<Vec<String>, calls::Error> {
            Ok(instance::<P>()?.route(&ctx.into(), &envelope.into())?)
        }

        fn request(
            ctx: calls::CallContext,
            target: String,
            envelope: event_notification::Envelope,
        ) -> Result<event_notification::HttpRequest, calls::Error> {
            Ok(instance::<P>()?
                .request(&ctx.into(), &target, &envelope.into())?
                .into())
        }

        fn judge(
            ctx: calls::CallContext,
            target: String,
            attempt: event_notification::AttemptResult,
        ) -> Result<event_notification::Judgement, calls::Error> {
            Ok(instance::<P>()?
                .judge(&ctx.into(), &target, &attempt.into())?
                .into())
        }
    }

    impl From<event_notification::SessionState> for SessionState {
        fn from(state: event_notification::SessionState) -> Self {
            match state {
                event_notification::SessionState::Disconnected => Self::Disconnected,
                event_notification::SessionState::Loading => Self::Loading,
                event_notification::SessionState::QrReady => Self::QrReady,
                event_notification::SessionState::Authenticated => Self::Authenticated,
                event_notification::SessionState::Ready => Self::Ready,
                event_notification::SessionState::Reconnecting => Self::Reconnecting,
                event_notification::SessionState::AuthFailure => Self::AuthFailure,
                event_notification::SessionState::Error => Self::Error,
                event_notification::SessionState::MaxReconnectExceeded => {
                    Self::MaxReconnectExceeded
                }
            }
        }
    }

    impl From<event_notification::AckLevel> for AckLevel {
        fn from(level: event_notification::AckLevel) -> Self {
            match level {
                event_notification::AckLevel::Server => Self::Server,
                event_notification::AckLevel::Device => Self::Device,
                event_notification::AckLevel::Read => Self::Read,
                event_notification::AckLevel::Played => Self::Played,
            }
        }
    }

    impl From<event_notification::Event> for Event {
        fn from(event: event_notification::Event) -> Self {
            match event {
                event_notification::Event::SessionState(event_notification::SessionChange {
                    before,
                    after,
                    reason,
                }) => Self::SessionState(SessionChange {
                    before: before.into(),
                    after: after.into(),
                    reason,
                }),
                event_notification::Event::Qr(event_notification::QrCode { code, expires_at }) => {
                    Self::Qr(QrCode { code, expires_at })
                }
                event_notification::Event::MessageSent(event_notification::Sent {
                    id,
                    message,
                }) => Self::MessageSent(Sent {
                    id,
                    message: message.into(),
                }),
                event_notification::Event::MessageFailed(event_notification::Failure {
                    id,
                    code,
                    reason,
                    message,
                }) => Self::MessageFailed(Failure {
                    id,
                    code,
                    reason,
                    message: message.into(),
                }),
                event_notification::Event::MessageAck(event_notification::Ack {
                    id,
                    chat,
                    level,
                }) => Self::MessageAck(Ack {
                    id,
                    chat: chat.into(),
                    level: level.into(),
                }),
                event_notification::Event::MessageReceived(message) => {
                    Self::MessageReceived(message.into())
                }
                event_notification::Event::Other(event_notification::OtherEvent { kind, json }) => {
                    Self::Other(OtherEvent { kind, json })
                }
            }
        }
    }

    impl From<event_notification::Envelope> for Envelope {
        fn from(envelope: event_notification::Envelope) -> Self {
            let event_notification::Envelope {
                id,
                at,
                kind,
                account,
                metadata,
                gateway,
                replayed,
                event,
            } = envelope;
            let account =
                account.map(
                    |event_notification::Account { pn, lid, push_name }| Account {
                        pn,
                        lid,
                        push_name,
                    },
                );
            Self {
                id,
                at,
                kind,
                account,
                metadata,
                gateway,
                replayed,
                event: event.into(),
            }
        }
    }

    impl From<HttpRequest> for event_notification::HttpRequest {
        fn from(
            HttpRequest {
                method,
                url,
                headers,
                body,
                timeout_ms,
            }: HttpRequest,
        ) -> Self {
            Self {
                method,
                url,
                headers,
                body,
                timeout_ms,
            }
        }
    }

    impl From<event_notification::AttemptResult> for AttemptResult {
        fn from(attempt: event_notification::AttemptResult) -> Self {
            match attempt {
                event_notification::AttemptResult::Answered(event_notification::HttpResponse {
                    status,
                    headers,
                    body,
                }) => Self::Answered(HttpResponse {
                    status,
                    headers,
                    body,
                }),
                event_notification::AttemptResult::Unreachable(why) => Self::Unreachable(why),
            }
        }
    }

    impl From<Judgement> for event_notification::Judgement {
        fn from(judgement: Judgement) -> Self {
            match judgement {
                Judgement::Delivered => Self::Delivered,
                Judgement::RetryAfter(ms) => Self::RetryAfter(ms),
                Judgement::GiveUp(why) => Self::GiveUp(why),
            }
        }
    }
}
