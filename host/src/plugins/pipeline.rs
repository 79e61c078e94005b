//! Validation and templating.

use std::time::{Duration, Instant};

use async_trait::async_trait;
use futures_util::future::BoxFuture;
use tracing::{debug, info, warn};

use super::{
    bindings::{
        exports::wharf::plugin::{message_templating, send_validation},
        wharf::plugin::calls,
    },
    guest::{Call, Plugin},
    host::PluginHost,
    ports::{Busy, CallFailure, Decision, FailureKind, Pipeline, Rejection, RenderFailure, RenderRequest, Subject, Verdict},
    said::{MAX_NAME, Said},
};
use crate::{
    config::{OnError, PluginMode},
    model::{Content, MessageId, OutboundMessage},
};

/// What a message that a plugin has changed may carry, as the API allows it.
const MAX_METADATA: usize = 50;
const MAX_PAIR: usize = 1000;
const MAX_ID: usize = 128;
/// Names that are told when a template is not known.
const MAX_KNOWN: usize = 50;

/// A plugin's word, before the operator's settings are applied to it.
enum Word {
    Allow,
    Reject(Rejection),
    Modify(Box<OutboundMessage>),
}

#[async_trait]
impl Pipeline for PluginHost {
    async fn validate(&self, subject: &Subject, mut message: OutboundMessage) -> Decision {
        let mut verdicts = Vec::new();
        for plugin in self.plugins.iter().filter(|plugin| plugin.points.validation.is_some() && plugin.serves(&subject.session)) {
            let began = Instant::now();
            let word = ask(plugin, subject, &message).await;
            let verdict = verdict(plugin, &word, began.elapsed());
            self.tell(subject, &verdict);
            verdicts.push(verdict);
            if plugin.entry.mode == PluginMode::Monitor {
                continue;
            }
            match word {
                Ok(Word::Allow) => {}
                Ok(Word::Modify(changed)) => message = *changed,
                Ok(Word::Reject(rejection)) => return Decision::Reject(rejection, verdicts),
                Err(failure) if failure.kind == FailureKind::Busy => {
                    warn!(%failure, subject = subject.id, "a plugin could not be asked");
                    return Decision::Busy(Busy { plugin: failure.plugin, reason: failure.detail }, verdicts);
                }
                Err(failure) => {
                    warn!(%failure, subject = subject.id, on_error = ?plugin.entry.on_error, "a plugin failed");
                    if plugin.entry.on_error == OnError::Reject {
                        let reason = format!("the plugin failed ({}), and the gateway is set to send nothing that it has not allowed", failure.kind);
                        let (code, reason) = ("plugin_failed".into(), reason.as_str().into());
                        return Decision::Reject(Rejection { plugin: plugin.entry.name.clone(), code, reason, retry_after: None }, verdicts);
                    }
                }
            }
        }
        Decision::Allow(message, verdicts)
    }

    async fn render(&self, subject: &Subject, request: &RenderRequest) -> Result<Content, RenderFailure> {
        let templaters = || self.plugins.iter().filter(|plugin| plugin.points.templating.is_some() && plugin.serves(&subject.session));
        let template = request.template.clone();
        let named = |name: &String| Said::within(MAX_NAME, name);
        let Some(plugin) = templaters().find(|plugin| plugin.templates.contains(&template)) else {
            let known = templaters().flat_map(|plugin| &plugin.templates).take(MAX_KNOWN).map(named).collect();
            return Err(RenderFailure::UnknownTemplate { template, known });
        };
        let wanted = message_templating::RenderRequest::from(request);
        let work = |mut call: Call| -> BoxFuture<'static, _> {
            Box::pin(async move {
                call.ready().await?;
                let point = call.points.templating.as_ref().ok_or_else(|| wasmtime::Error::msg("no templating"))?;
                point.load(&mut call.store, &call.instance)?.call_render(&mut call.store, &call.context, &wanted).await
            })
        };
        let failed = |reason: Said| RenderFailure::Failed { plugin: plugin.entry.name.clone(), template: template.clone(), reason };
        let read = |answer: Result<_, message_templating::RenderError>| match answer {
            Ok(content) => Ok(Ok(Content::from(content))),
            Err(message_templating::RenderError::Failed(error)) => Err(plugin.erred(error)),
            Err(message_templating::RenderError::UnknownTemplate(_)) => {
                let known = plugin.templates.iter().take(MAX_KNOWN).map(named).collect();
                Ok(Err(RenderFailure::UnknownTemplate { template: template.clone(), known }))
            }
            Err(message_templating::RenderError::MissingVariable(variable)) => {
                Ok(Err(RenderFailure::MissingVariable { template: template.clone(), variable: named(&variable) }))
            }
            Err(message_templating::RenderError::BadVariable((variable, reason))) => {
                let (variable, reason) = (named(&variable), reason.as_str().into());
                Ok(Err(RenderFailure::BadVariable { template: template.clone(), variable, reason }))
            }
        };
        match plugin.call("render", subject, work, read).await {
            Ok(rendered) => rendered,
            Err(failure) if failure.kind == FailureKind::Busy => Err(RenderFailure::Busy(Busy { plugin: failure.plugin, reason: failure.detail })),
            Err(failure @ CallFailure { kind: FailureKind::Failed { .. }, .. }) => Err(failed(failure.detail)),
            Err(failure) => {
                warn!(%failure, subject = subject.id, template, "a plugin failed");
                Err(failed(format!("{}: {}", failure.kind, failure.detail).as_str().into()))
            }
        }
    }
}

impl PluginHost {
    /// Counts a verdict; what a plugin that is only watched would have refused is also told.
    fn tell(&self, subject: &Subject, verdict: &Verdict) {
        let Verdict { plugin, verdict: word, monitored, detail, reason, micros, .. } = verdict;
        let mode = if *monitored { "monitor" } else { "enforce" };
        debug!(plugin, subject = subject.id, mode, verdict = word, detail = detail.as_deref(), micros, "verdict");
        metrics::counter!("wharf_plugin_verdicts_total", "plugin" => plugin.clone(), "verdict" => *word, "mode" => mode).increment(1);
        if !monitored || matches!(*word, "allow" | WOULD_MODIFY) || !self.told.is_new(plugin, &subject.id) {
            return;
        }
        let (session, subject, detail) = (subject.session.as_str(), &subject.id, detail.as_deref().unwrap_or_default());
        if *word == WOULD_REJECT {
            info!(plugin, session, subject, code = detail, reason = reason.as_deref(), "monitor: would have been rejected");
        } else {
            warn!(plugin, session, subject, failure = word, detail, "monitor: the plugin failed");
        }
    }
}

const WOULD_REJECT: &str = "would_reject";
const WOULD_MODIFY: &str = "would_modify";

fn verdict(plugin: &Plugin, word: &Result<Word, CallFailure>, took: Duration) -> Verdict {
    let monitored = plugin.entry.mode == PluginMode::Monitor;
    let (verdict, detail, reason) = match word {
        Ok(Word::Allow) => ("allow", None, None),
        Ok(Word::Modify(_)) => (if monitored { WOULD_MODIFY } else { "modify" }, None, None),
        Ok(Word::Reject(Rejection { code, reason, .. })) => {
            (if monitored { WOULD_REJECT } else { "reject" }, Some(Said::from(&**code)), Some(reason.clone()))
        }
        Err(failure) => (failure.kind.as_str(), Some(failure.detail.clone()), None),
    };
    let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
    Verdict { plugin: plugin.entry.name.clone(), component: plugin.component.clone(), verdict, monitored, detail, reason, micros }
}

async fn ask(plugin: &Plugin, subject: &Subject, message: &OutboundMessage) -> Result<Word, CallFailure> {
    let asked = message.into();
    let work = |mut call: Call| -> BoxFuture<'static, _> {
        Box::pin(async move {
            call.ready().await?;
            let point = call.points.validation.as_ref().ok_or_else(|| wasmtime::Error::msg("no validation"))?;
            point.load(&mut call.store, &call.instance)?.call_validate(&mut call.store, &call.context, &asked).await
        })
    };
    let read = |answer: Result<send_validation::Verdict, calls::Error>| match answer.map_err(|error| plugin.erred(error))? {
        send_validation::Verdict::Allow => Ok(Word::Allow),
        send_validation::Verdict::Reject(rejection) => Ok(Word::Reject(Rejection {
            plugin: plugin.entry.name.clone(),
            code: rejection.code.as_str().into(),
            reason: rejection.reason.as_str().into(),
            retry_after: rejection.retry_after_ms.map(|millis| Duration::from_millis(millis.into())),
        })),
        send_validation::Verdict::Modify(changed) => {
            let changed = OutboundMessage::from(changed);
            match fault(plugin.entry.may_modify, message, &changed) {
                Some(words) => Err(plugin.wrong(words)),
                None => Ok(Word::Modify(Box::new(changed))),
            }
        }
    };
    plugin.call("validate", subject, work, read).await
}

/// Why a message may not be changed like this; none: it may. How long its text may be is looked at where it is accepted.
fn fault(may_modify: bool, message: &OutboundMessage, changed: &OutboundMessage) -> Option<&'static str> {
    let too_long = |(name, value): &(String, String)| name.len() > MAX_PAIR || value.len() > MAX_PAIR;
    let id = |id: &MessageId| (1..=MAX_ID).contains(&id.0.len()) && id.0.bytes().all(|byte| byte.is_ascii_graphic());
    if !may_modify {
        Some("it changed the message, but `may_modify` is not set")
    } else if changed.to != message.to {
        Some("it changed the recipient, which no plugin may")
    } else if changed.metadata.len() > MAX_METADATA || changed.metadata.iter().any(too_long) {
        Some("it gave the message more metadata than 50 pairs of 1000 bytes each")
    } else if changed.reply_to.as_ref().is_some_and(|reply| !id(reply)) {
        Some("it made the message answer something that is no message id")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_changed_message_has_the_bounds_of_a_callers() {
        let to = crate::model::Address { chat: "1@c.us".into(), pn: None, lid: None };
        let message = OutboundMessage { to, content: Content::text("hi"), reply_to: None, send_at: None, metadata: vec![] };
        let pair = |size: usize| ("k".to_owned(), "v".repeat(size));
        for (may, changed, said) in [
            (true, OutboundMessage { content: Content::text("two\nlines\u{1b}"), ..message.clone() }, None),
            (true, OutboundMessage { metadata: vec![pair(1000)], reply_to: Some(MessageId("3EB0".into())), ..message.clone() }, None),
            (false, message.clone(), Some("may_modify")),
            (true, OutboundMessage { metadata: vec![pair(1001)], ..message.clone() }, Some("metadata")),
            (true, OutboundMessage { metadata: vec![pair(1); 51], ..message.clone() }, Some("metadata")),
            (true, OutboundMessage { reply_to: Some(MessageId("3EB0\n".into())), ..message.clone() }, Some("message id")),
            (true, OutboundMessage { reply_to: Some(MessageId("A".repeat(2 << 20))), ..message.clone() }, Some("message id")),
        ] {
            let found = fault(may, &message, &changed);
            assert!(found.zip(said).map_or(found.is_none() && said.is_none(), |(found, said)| found.contains(said)), "{found:?} {said:?}");
        }
    }
}
