//! `event-notification`: which targets an event goes to, what the HTTP call looks like, and what
//! its response means.

mod convert;

use std::{fmt::Debug, sync::Arc, time::Duration};

use async_trait::async_trait;
use wasmtime::Store;

use self::{
    bindings::exports::wharf::plugin::event_notification,
    convert::{Converted, converted},
};
use super::point::{Point, Setting, exports};
use crate::{
    egress::HttpGrant,
    model::Envelope,
    plugins::{
        bindings::wharf::plugin::calls,
        guest::{Plugin, Ready},
        host_state::HostState,
        lines::{
            Line,
            v0_1::{
                self,
                bindings::exports::wharf::plugin::event_notification as event_notification_0_1,
            },
        },
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
    line: Line::V0_1,
    find,
};

exports!(event_notification, V0_1 => event_notification_0_1);

pub(in crate::plugins) mod bindings;

impl Functions {
    async fn route(
        &self,
        store: &mut Store<HostState>,
        context: &calls::CallContext,
        event: &Converted,
    ) -> wasmtime::Result<Result<Vec<String>, calls::Error>> {
        let Converted { envelope, untyped } = event;
        match self {
            Self::Current(guest) => guest.call_route(store, context, envelope).await,
            Self::V0_1(guest) => {
                v0_1::route(guest, store, context, envelope, untyped.as_ref()).await
            }
        }
    }

    async fn request(
        &self,
        store: &mut Store<HostState>,
        context: &calls::CallContext,
        target: &str,
        event: &Converted,
    ) -> wasmtime::Result<Result<event_notification::HttpRequest, calls::Error>> {
        let Converted { envelope, untyped } = event;
        match self {
            Self::Current(guest) => guest.call_request(store, context, target, envelope).await,
            Self::V0_1(guest) => {
                v0_1::request(guest, store, context, target, envelope, untyped.as_ref()).await
            }
        }
    }

    async fn judge(
        &self,
        store: &mut Store<HostState>,
        context: &calls::CallContext,
        target: &str,
        attempt: &event_notification::AttemptResult,
    ) -> wasmtime::Result<Result<event_notification::Judgement, calls::Error>> {
        match self {
            Self::Current(guest) => guest.call_judge(store, context, target, attempt).await,
            Self::V0_1(guest) => v0_1::judge(guest, store, context, target, attempt).await,
        }
    }
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
        let work = |mut call: Ready<Functions>| async move {
            call.functions.$method(&mut call.store, &call.context, $($argument),*).await
        };
        let read = |answer: Result<_, calls::Error>| answer.map_err(|error| plugin.returned_error(error)).and_then($read);
        plugin.call::<Exported, _, _, _>($function, $subject, work, read).await
    }};
}

impl Round {
    fn notifier(&self, name: &str) -> Result<&Plugin, CallFailure> {
        let missing = || CallFailure {
            plugin: name.to_owned(),
            kind: FailureKind::Host,
            detail: "it is not loaded".into(),
        };
        self.plugin::<Exported>(name).ok_or_else(missing)
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

    fn envelope(&self, plugin: &Plugin, envelope: &Envelope) -> Converted {
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
        let notifiers = self.exporting::<Exported>(&envelope.session);
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
        call!(plugin, subject, "route", route(&envelope), |names: Vec<
            String,
        >| {
            targets(&names).map_err(|reason| plugin.invalid_answer(reason))
        })
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
            request(&target, &envelope),
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
                extra: vec![],
            }),
            AttemptResult::Unreachable(words) => {
                event_notification::AttemptResult::Unreachable(words)
            }
        };
        call!(
            plugin,
            subject,
            "judge",
            judge(&target, &attempt),
            |judgement| match judgement {
                event_notification::Judgement::Delivered => Ok(Judgement::Delivered),
                event_notification::Judgement::RetryAfter(millis) =>
                    Ok(Judgement::RetryAfter(Duration::from_millis(millis))),
                event_notification::Judgement::GiveUp(reason) =>
                    Ok(Judgement::GiveUp(reason.as_str().into())),
                event_notification::Judgement::Other(other) =>
                    Err(plugin.invalid_answer(&*format!(
                        "it gave the judgement {:?}, which this gateway does not know",
                        other.kind
                    ))),
            }
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
