//! Notification: who is told, how the call looks, what its answer means.

use std::time::Duration;

use async_trait::async_trait;

use super::{
    bindings::exports::wharf::plugin::event_notification as notification,
    convert,
    guest::Plugin,
    host::PluginHost,
    ports::{AttemptResult, CallFailure, FailureKind, Judgement, Notifiers, NotifyRequest, Subject},
};
use crate::model::Envelope;

/// Calls one function of a notifier's fresh instance.
macro_rules! call {
    ($plugin:expr, $subject:expr, $function:literal, $method:ident, $($argument:expr),*) => {{
        let plugin = $plugin;
        let answer = plugin.call($function, $subject, |mut call| {
            Box::pin(async move {
                call.ready().await?;
                let point = call.points.notification.as_ref().ok_or_else(|| wasmtime::Error::msg("no notification"))?;
                point.load(&mut call.store, &call.instance)?.$method(&mut call.store, &call.context, $($argument),*).await
            })
        });
        answer.await?.map_err(|error| convert::failure(&plugin.entry.name, error))
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
                && plugin.events.iter().any(|pattern| matches(pattern, envelope.event.kind()))
        };
        self.plugins.iter().filter(wants).map(|plugin| plugin.entry.name.clone()).collect()
    }

    async fn route(&self, plugin: &str, subject: &Subject, envelope: &Envelope) -> Result<Vec<String>, CallFailure> {
        let plugin = self.notifier(plugin)?;
        let envelope = self.envelope(plugin, envelope);
        call!(plugin, subject, "route", call_route, &envelope)
    }

    async fn request(&self, plugin: &str, subject: &Subject, target: &str, envelope: &Envelope) -> Result<NotifyRequest, CallFailure> {
        let plugin = self.notifier(plugin)?;
        let (envelope, target) = (self.envelope(plugin, envelope), target.to_owned());
        let request = call!(plugin, subject, "request", call_request, &target, &envelope)?;
        Ok(NotifyRequest {
            method: request.method,
            url: request.url,
            headers: request.headers,
            body: request.body,
            timeout: request.timeout_ms.map(|millis| Duration::from_millis(millis.into())),
            allowed: plugin.http.clone(),
        })
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
        Ok(match call!(plugin, subject, "judge", call_judge, &target, &attempt)? {
            notification::Judgement::Delivered => Judgement::Delivered,
            notification::Judgement::RetryAfter(millis) => Judgement::RetryAfter(Duration::from_millis(millis)),
            notification::Judgement::GiveUp(reason) => Judgement::GiveUp(reason),
        })
    }
}

/// `*`, `message.*` or the very name.
fn matches(pattern: &str, kind: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(prefix) => kind.starts_with(prefix),
        None => pattern == kind,
    }
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn patterns_are_names_or_beginnings() {
        for (pattern, wanted) in [("*", true), ("message.*", true), ("message.ack", true), ("message", false), ("session.*", false), ("", false)] {
            assert_eq!(matches(pattern, "message.ack"), wanted, "{pattern}");
        }
    }
}
