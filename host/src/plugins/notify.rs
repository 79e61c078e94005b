//! Notification: who is told, how the call looks, what its answer means.

use std::time::Duration;

use async_trait::async_trait;
use futures_util::future::BoxFuture;

use super::{
    bindings::{exports::wharf::plugin::event_notification as notification, wharf::plugin::calls},
    convert,
    guest::{Call, Plugin},
    host::PluginHost,
    ports::{AttemptResult, CallFailure, FailureKind, Judgement, Notifiers, NotifyRequest, Subject},
    said::{Said, TargetName},
};
use crate::model::Envelope;

/// Targets of one event.
const MAX_TARGETS: usize = 1000;

/// Calls one function of a notifier's fresh instance; `$read` makes our value of what it answered.
macro_rules! call {
    ($plugin:expr, $subject:expr, $function:literal, $method:ident($($argument:expr),*), $read:expr) => {{
        let plugin = $plugin;
        let work = |mut call: Call| -> BoxFuture<'static, _> {
            Box::pin(async move {
                call.ready().await?;
                let point = call.points.notification.as_ref().ok_or_else(|| wasmtime::Error::msg("no notification"))?;
                point.load(&mut call.store, &call.instance)?.$method(&mut call.store, &call.context, $($argument),*).await
            })
        };
        let read = |answer: Result<_, calls::Error>| answer.map_err(|error| plugin.erred(error)).and_then($read);
        plugin.call($function, $subject, work, read).await
    }};
}

impl PluginHost {
    fn notifier(&self, name: &str) -> Result<&Plugin, CallFailure> {
        let gone = || CallFailure { plugin: name.to_owned(), kind: FailureKind::Host, detail: "it is not loaded".into() };
        self.plugins.iter().find(|plugin| plugin.entry.name == name && plugin.points.notification.is_some()).ok_or_else(gone)
    }

    fn envelope(&self, plugin: &Plugin, envelope: &Envelope) -> notification::Envelope {
        convert::envelope(envelope, &self.metadata(&envelope.session), plugin.entry.grants.bodies.unwrap_or(true))
    }
}

#[async_trait]
impl Notifiers for PluginHost {
    fn interested(&self, envelope: &Envelope) -> Vec<String> {
        let is_credential = envelope.event.is_credential();
        let wants = |plugin: &&Plugin| {
            plugin.points.notification.is_some()
                && plugin.serves(&envelope.session)
                && (!is_credential || plugin.entry.grants.qr)
                && plugin.events.iter().any(|pattern| pattern.matches(envelope.event.kind()))
        };
        self.plugins.iter().filter(wants).map(|plugin| plugin.entry.name.clone()).collect()
    }

    async fn route(&self, plugin: &str, subject: &Subject, envelope: &Envelope) -> Result<Vec<TargetName>, CallFailure> {
        let plugin = self.notifier(plugin)?;
        let envelope = self.envelope(plugin, envelope);
        call!(plugin, subject, "route", call_route(&envelope), |names: Vec<String>| targets(&names).map_err(|words| plugin.wrong(words)))
    }

    async fn request(&self, plugin: &str, subject: &Subject, target: &str, envelope: &Envelope) -> Result<NotifyRequest, CallFailure> {
        let plugin = self.notifier(plugin)?;
        let (envelope, target) = (self.envelope(plugin, envelope), target.to_owned());
        call!(plugin, subject, "request", call_request(&target, &envelope), |request: notification::HttpRequest| Ok(NotifyRequest {
            method: request.method,
            url: request.url,
            headers: request.headers,
            body: request.body,
            timeout: request.timeout_ms.map(|millis| Duration::from_millis(millis.into())),
            allowed: plugin.http.clone(),
        }))
    }

    async fn judge(&self, plugin: &str, subject: &Subject, target: &str, attempt: &AttemptResult) -> Result<Judgement, CallFailure> {
        let plugin = self.notifier(plugin)?;
        let target = target.to_owned();
        let attempt = match attempt.clone() {
            AttemptResult::Answered { status, headers, body } => {
                notification::AttemptResult::Answered(notification::HttpResponse { status, headers, body })
            }
            AttemptResult::Unreachable(words) => notification::AttemptResult::Unreachable(words),
        };
        call!(plugin, subject, "judge", call_judge(&target, &attempt), |judgement| Ok(match judgement {
            notification::Judgement::Delivered => Judgement::Delivered,
            notification::Judgement::RetryAfter(millis) => Judgement::RetryAfter(Duration::from_millis(millis)),
            notification::Judgement::GiveUp(reason) => Judgement::GiveUp(reason.as_str().into()),
        }))
    }
}

/// The targets by name, all of them or none.
fn targets(names: &[String]) -> Result<Vec<TargetName>, Said> {
    if names.len() > MAX_TARGETS {
        return Err(format!("it named {} targets, and may name {MAX_TARGETS}", names.len()).as_str().into());
    }
    names.iter().map(|name| name.parse()).collect()
}
