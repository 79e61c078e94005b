//! `event-notification`: which targets an event goes to, what the HTTP call looks like, and what
//! its response means.

use std::{fmt::Debug, sync::Arc, time::Duration};

use async_trait::async_trait;

use self::bindings::exports::wharf::plugin::event_notification;
use super::point::{Point, Setting, exports};
use crate::{
    egress::HttpGrant,
    model::{AckLevel, Envelope, Event, OutboundMessage, PairingCodeShown, SessionState},
    plugins::{
        bindings::wharf::plugin::{calls, messages},
        convert::{same, time},
        guest::{Plugin, Ready},
        ports::{CallFailure, FailureKind, Subject},
        round::Round,
        text::{PluginText, TargetName},
    },
};

pub(in crate::plugins) const POINT: Point = Point {
    interface: "event-notification",
    world: "notifier",
    sdk_trait: "Notifier",
    decides: "who is notified of an event: names the targets, builds the HTTP request for each, and interprets the answer",
    since: "0.1.0",
    settings: &[Setting::Qr, Setting::Bodies],
    find: |component| Ok(Arc::new(event_notification::GuestIndices::new(component)?)),
};

exports!(event_notification);

mod bindings {
    #![allow(
        missing_docs,
        missing_debug_implementations,
        unreachable_pub,
        clippy::all,
        clippy::pedantic,
        reason = "generated"
    )]

    wasmtime::component::bindgen!({
        path: "../wit/v0.1",
        inline: "package wharf:host; world point { export wharf:plugin/event-notification@0.1.0; }",
        world: "wharf:host/point",
        exports: { default: async },
        require_store_data_send: true,
        with: {
            "wharf:plugin/calls": crate::plugins::bindings::wharf::plugin::calls,
            "wharf:plugin/messages": crate::plugins::bindings::wharf::plugin::messages,
        },
    });
}

/// The most targets of one event.
const MAX_TARGETS: usize = 1000;

/// Decides which targets an event goes to, shapes the HTTP calls, and judges their results.
#[async_trait]
pub trait Notifiers: Send + Sync + Debug {
    /// The notifiers as they are now, for all calls about one event or one attempt: a reload
    /// meanwhile does not mix two versions of a notifier.
    fn round(self: Arc<Self>) -> Arc<dyn Notifiers>;

    /// The names of the notifiers that want this event of this session.
    fn interested(&self, envelope: &Envelope) -> Vec<String>;

    /// The targets of one notifier for this event.
    async fn route(
        &self,
        plugin: &str,
        subject: &Subject,
        envelope: &Envelope,
    ) -> Result<Vec<TargetName>, CallFailure>;

    /// Shapes the call for one target. Asked again for every attempt.
    async fn request(
        &self,
        plugin: &str,
        subject: &Subject,
        target: &str,
        envelope: &Envelope,
    ) -> Result<NotifyRequest, CallFailure>;

    /// Says what the result of an attempt means.
    async fn judge(
        &self,
        plugin: &str,
        subject: &Subject,
        target: &str,
        attempt: &AttemptResult,
    ) -> Result<Judgement, CallFailure>;
}

/// One HTTP call, shaped by a plugin and made by the host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotifyRequest {
    /// The method, e.g. `POST`.
    pub method: String,
    /// The absolute URL.
    pub url: String,
    /// The headers of the plugin.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
    /// The time limit that the plugin asks for; the operator's limit applies as well.
    pub timeout: Option<Duration>,
    /// The origins that the operator allows this plugin to call.
    pub allowed: HttpGrant,
}

/// The result of an HTTP call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AttemptResult {
    /// The receiver answered.
    Answered {
        /// The HTTP status.
        status: u16,
        /// The headers of the answer.
        headers: Vec<(String, String)>,
        /// The first bytes of the body.
        body: Vec<u8>,
    },
    /// There was no answer: DNS, connection, TLS, time limit, or the grants do not allow the call.
    Unreachable(String),
}

/// What the result of an attempt means for the delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Judgement {
    /// The event is delivered.
    Delivered,
    /// The delivery is tried again, no sooner than after this time.
    RetryAfter(Duration),
    /// The delivery will never succeed, for this reason.
    GiveUp(PluginText),
}

/// Calls one function of a notifier; `$read` converts its answer.
macro_rules! call {
    ($plugin:expr, $subject:expr, $function:literal, $method:ident($($argument:expr),*), $read:expr) => {{
        let plugin = $plugin;
        let work = |mut call: Ready<event_notification::Guest>| async move {
            call.functions.$method(&mut call.store, &call.context, $($argument),*).await
        };
        let read = |answer: Result<_, calls::Error>| answer.map_err(|error| plugin.returned_error(error)).and_then($read);
        plugin.call::<event_notification::GuestIndices, _, _, _>($function, $subject, work, read).await
    }};
}

impl Round {
    fn notifier(&self, name: &str) -> Result<&Plugin, CallFailure> {
        let missing = || CallFailure {
            plugin: name.to_owned(),
            kind: FailureKind::Host,
            detail: "it is not loaded".into(),
        };
        self.plugin::<event_notification::GuestIndices>(name)
            .ok_or_else(missing)
    }

    /// A notifier that may see this event. Its grant may be another one than when the delivery was
    /// made.
    fn told(&self, name: &str, envelope: &Envelope) -> Result<&Plugin, CallFailure> {
        let plugin = self.notifier(name)?;
        if envelope.event.is_credential() && !plugin.entry.grants.qr {
            return Err(CallFailure {
                plugin: name.to_owned(),
                kind: FailureKind::Host,
                detail: "QR texts and pairing codes are not granted to it (grants.qr)".into(),
            });
        }
        Ok(plugin)
    }

    fn envelope(&self, plugin: &Plugin, envelope: &Envelope) -> event_notification::Envelope {
        converted(
            envelope,
            &self.metadata(&envelope.session),
            plugin.entry.grants.bodies.unwrap_or(true),
        )
    }
}

#[async_trait]
impl Notifiers for Round {
    fn round(self: Arc<Self>) -> Arc<dyn Notifiers> {
        self
    }

    fn interested(&self, envelope: &Envelope) -> Vec<String> {
        let is_credential = envelope.event.is_credential();
        let wants = |plugin: &&Plugin| {
            (!is_credential || plugin.entry.grants.qr)
                && plugin
                    .events
                    .iter()
                    .any(|pattern| pattern.matches(envelope.event.kind()))
        };
        let notifiers = self.exporting::<event_notification::GuestIndices>(&envelope.session);
        notifiers
            .filter(wants)
            .map(|plugin| plugin.entry.name.clone())
            .collect()
    }

    async fn route(
        &self,
        plugin: &str,
        subject: &Subject,
        envelope: &Envelope,
    ) -> Result<Vec<TargetName>, CallFailure> {
        let plugin = self.told(plugin, envelope)?;
        let envelope = self.envelope(plugin, envelope);
        call!(
            plugin,
            subject,
            "route",
            call_route(&envelope),
            |names: Vec<String>| targets(&names).map_err(|reason| plugin.invalid_answer(reason))
        )
    }

    async fn request(
        &self,
        plugin: &str,
        subject: &Subject,
        target: &str,
        envelope: &Envelope,
    ) -> Result<NotifyRequest, CallFailure> {
        let plugin = self.told(plugin, envelope)?;
        let (envelope, target) = (self.envelope(plugin, envelope), target.to_owned());
        call!(
            plugin,
            subject,
            "request",
            call_request(&target, &envelope),
            |request: event_notification::HttpRequest| Ok(NotifyRequest {
                method: request.method,
                url: request.url,
                headers: request.headers,
                body: request.body,
                timeout: request
                    .timeout_ms
                    .map(|millis| Duration::from_millis(millis.into())),
                allowed: plugin.http.clone(),
            })
        )
    }

    async fn judge(
        &self,
        plugin: &str,
        subject: &Subject,
        target: &str,
        attempt: &AttemptResult,
    ) -> Result<Judgement, CallFailure> {
        let plugin = self.notifier(plugin)?;
        let target = target.to_owned();
        let attempt = match attempt.clone() {
            AttemptResult::Answered {
                status,
                headers,
                body,
            } => event_notification::AttemptResult::Answered(event_notification::HttpResponse {
                status,
                headers,
                body,
            }),
            AttemptResult::Unreachable(words) => {
                event_notification::AttemptResult::Unreachable(words)
            }
        };
        call!(
            plugin,
            subject,
            "judge",
            call_judge(&target, &attempt),
            |judgement| Ok(match judgement {
                event_notification::Judgement::Delivered => Judgement::Delivered,
                event_notification::Judgement::RetryAfter(millis) =>
                    Judgement::RetryAfter(Duration::from_millis(millis)),
                event_notification::Judgement::GiveUp(reason) =>
                    Judgement::GiveUp(reason.as_str().into()),
            })
        )
    }
}

/// The targets by name, all of them or none.
fn targets(names: &[String]) -> Result<Vec<TargetName>, PluginText> {
    if names.len() > MAX_TARGETS {
        return Err(format!(
            "it named {} targets, and may name {MAX_TARGETS}",
            names.len()
        )
        .as_str()
        .into());
    }
    names.iter().map(|name| name.parse()).collect()
}

same!(
    AckLevel,
    event_notification::AckLevel,
    Server,
    Device,
    Read,
    Played
);
same!(
    SessionState,
    event_notification::SessionState,
    Disconnected,
    Loading,
    QrReady,
    Authenticated,
    Ready,
    Reconnecting,
    AuthFailure,
    Error,
    MaxReconnectExceeded
);

/// The event as the plugin sees it. Unless `bodies`, everything that people wrote is removed.
fn converted(
    envelope: &Envelope,
    metadata: &[(String, String)],
    bodies: bool,
) -> event_notification::Envelope {
    let outbound = |message: &OutboundMessage| {
        let mut message = message.clone();
        if !bodies {
            message.content.conceal();
        }
        messages::OutboundMessage::from(&message)
    };
    let event = match &envelope.event {
        Event::SessionState {
            before,
            after,
            reason,
        } => event_notification::Event::SessionState(event_notification::SessionChange {
            before: (*before).into(),
            after: (*after).into(),
            reason: reason.clone(),
        }),
        Event::Qr {
            code, expires_at, ..
        } => event_notification::Event::Qr(event_notification::QrCode {
            code: code.clone(),
            expires_at: time(*expires_at),
        }),
        Event::PairingCode {
            code,
            expires_at,
            attempt,
        } => event_notification::Event::Other(event_notification::OtherEvent {
            kind: envelope.event.kind().to_owned(),
            json: serde_json::to_string(&PairingCodeShown {
                code: code.clone(),
                expires_at: *expires_at,
                attempt: *attempt,
            })
            .unwrap_or_default(),
        }),
        Event::MessageSent { id, message } => {
            event_notification::Event::MessageSent(event_notification::Sent {
                id: id.0.clone(),
                message: outbound(message),
            })
        }
        Event::MessageFailed {
            id,
            code,
            reason,
            message,
        } => event_notification::Event::MessageFailed(event_notification::Failure {
            id: Some(id.0.clone()),
            code: code.clone(),
            reason: reason.clone(),
            message: outbound(message),
        }),
        Event::MessageAck { id, chat, level } => {
            event_notification::Event::MessageAck(event_notification::Ack {
                id: id.0.clone(),
                chat: chat.into(),
                level: (*level).into(),
            })
        }
        Event::MessageReceived(message) => {
            let mut message = message.clone();
            if !bodies {
                message.content.conceal();
            }
            event_notification::Event::MessageReceived((&message).into())
        }
        Event::Other { kind, json } => {
            event_notification::Event::Other(event_notification::OtherEvent {
                kind: kind.clone(),
                json: json.clone(),
            })
        }
    };
    let account = envelope.account.as_ref();
    event_notification::Envelope {
        id: envelope.id.0.clone(),
        at: time(envelope.at),
        kind: envelope.event.kind().to_owned(),
        account: account.map(|me| event_notification::Account {
            pn: me.pn.clone(),
            lid: me.lid.clone(),
            push_name: me.push_name.clone(),
        }),
        metadata: metadata.to_vec(),
        gateway: env!("CARGO_PKG_VERSION").to_owned(),
        replayed: envelope.replayed,
        event,
    }
}
