//! `event-notification`: decides which targets an event goes to, and what the HTTP calls look like.
//! The host makes the calls, stores one delivery for each target before anything is sent, and keeps
//! the dead letters.

use crate::{CallContext, Envelope, Error, Extra, Plugin};

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
#[non_exhaustive]
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

impl HttpRequest {
    /// A request without headers and body.
    #[must_use]
    pub fn new(method: impl Into<String>, url: impl Into<String>) -> Self {
        Self {
            method: method.into(),
            url: url.into(),
            headers: Vec::new(),
            body: Vec::new(),
            timeout_ms: None,
        }
    }

    /// A POST request with a JSON body.
    #[must_use]
    pub fn json(url: impl Into<String>, body: &serde_json::Value) -> Self {
        Self::new("POST", url)
            .header("content-type", "application/json")
            .body(body.to_string())
    }

    /// Adds a header.
    #[must_use]
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Sets the body.
    #[must_use]
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    /// Sets the time limit in milliseconds.
    #[must_use]
    pub fn timeout_ms(mut self, millis: u32) -> Self {
        self.timeout_ms = Some(millis);
        self
    }
}

/// The response of a target.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct HttpResponse {
    /// The HTTP status.
    pub status: u16,
    /// The headers of the answer.
    pub headers: Vec<(String, String)>,
    /// The first bytes of the body; the host cuts the rest.
    pub body: Vec<u8>,
    /// What this version has no field for.
    pub extra: Extra,
}

impl HttpResponse {
    /// A response without headers and body.
    #[must_use]
    pub fn new(status: u16) -> Self {
        Self {
            status,
            ..Self::default()
        }
    }

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
#[non_exhaustive]
pub enum AttemptResult {
    /// The target answered.
    Answered(HttpResponse),
    /// There was no answer: DNS, connection, TLS, time limit, or the grants do not allow the call.
    Unreachable(String),
}

/// What the result of an attempt means for the delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
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
        path: "wit/v0.2",
        inline: "package wharf:sdk; world notifier { export wharf:plugin/event-notification@0.2.0; }",
        world: "wharf:sdk/notifier",
        pub_export_macro: true,
        default_bindings_module: "wharf_plugin::points::notifier::bindings",
        with: {
            "wharf:plugin/calls@0.2.0": crate::glue::core::wharf::plugin::calls,
            "wharf:plugin/messages@0.2.0": crate::glue::core::wharf::plugin::messages,
            "wharf:plugin/event-notification@0.2.0": generate,
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
        Account, Ack, AckLevel, BridgeFault, Envelope, Event, Extra, Failure, Notices, OtherEvent,
        PairingCode, Passkey, QrCode, Quarantine, Relinked, Restriction, Sent, SessionChange,
        SessionState, UnknownOutcome,
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
                event_notification::SessionState::Other(name) => Self::Other(name),
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

    /// Payloads whose fields have the same names as in the contract, each with the way its fields
    /// are converted.
    macro_rules! payloads {
        ($($Name:ident { $($field:ident $(=> $convert:path)?),+ $(,)? })+) => {
            $(impl From<event_notification::$Name> for $Name {
                fn from(
                    event_notification::$Name { $($field),+ }: event_notification::$Name,
                ) -> Self {
                    Self { $($field: payloads!(@ $field $(, $convert)?)),+ }
                }
            })+
        };
        (@ $field:ident) => { $field.into() };
        (@ $field:ident, $convert:path) => { $convert($field) };
    }
    payloads! {
        SessionChange { before, after, reason }
        QrCode { code, expires_at, attempt }
        Sent { id, message }
        Failure { id, code, reason, message }
        Ack { id, chat, level }
        PairingCode { code, expires_at, attempt }
        Passkey { stage, purpose, public_key, asked_at, code_without, expires_at, reason }
        Notices { notices }
        Relinked {
            previous,
            account => known,
            held_messages,
            held_recipients,
        }
        Restriction { kind, code, active, since, until }
        UnknownOutcome { id, reason, to, is_final }
        Quarantine { plugin, component, outcome, failures, within_ms, until }
        BridgeFault { place, error, count, since }
        OtherEvent { kind, json }
        Account { pn, lid, push_name }
        Envelope {
            id,
            at,
            kind,
            account => known,
            metadata,
            gateway,
            replayed,
            event,
            extra => Extra,
        }
        HttpResponse { status, headers, body, extra => Extra }
    }

    fn known(account: Option<event_notification::Account>) -> Option<Account> {
        account.map(Into::into)
    }

    /// Events with a payload of their own.
    macro_rules! events {
        ($($Case:ident),+ $(,)?) => {
            impl From<event_notification::Event> for Event {
                fn from(event: event_notification::Event) -> Self {
                    match event {
                        $(event_notification::Event::$Case(payload) => Self::$Case(payload.into()),)+
                    }
                }
            }
        };
    }
    events! {
        SessionState,
        Qr,
        MessageSent,
        MessageFailed,
        MessageAck,
        MessageReceived,
        MessageUnknown,
        PairingCode,
        Passkey,
        Notices,
        Relinked,
        Restriction,
        Quarantine,
        BridgeFault,
        Other,
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
                extra: Vec::new(),
            }
        }
    }

    impl From<event_notification::AttemptResult> for AttemptResult {
        fn from(attempt: event_notification::AttemptResult) -> Self {
            match attempt {
                event_notification::AttemptResult::Answered(answer) => {
                    Self::Answered(answer.into())
                }
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
