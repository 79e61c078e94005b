//! Validation and templating.

use std::time::{Duration, Instant};

use async_trait::async_trait;
use tracing::{debug, warn};

use super::{
    bindings::exports::wharf::plugin::{message_templating, send_validation},
    convert,
    guest::Plugin,
    host::PluginHost,
    ports::{Busy, CallFailure, Decision, FailureKind, Pipeline, Rejection, RenderFailure, RenderRequest, Subject, Verdict},
};
use crate::{
    config::{OnError, PluginMode},
    model::{Content, OutboundMessage},
};

/// Bytes of a rejection's code and reason.
const MAX_CODE: usize = 64;
const MAX_REASON: usize = 1024;

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
            let (verdict, detail) = match &word {
                Ok(Word::Allow) => ("allow", None),
                Ok(Word::Reject(rejection)) => ("reject", Some(rejection.code.clone())),
                Ok(Word::Modify(_)) => ("modify", None),
                Err(failure) => (failure.kind.as_str(), Some(failure.detail.clone())),
            };
            let micros = u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX);
            debug!(plugin = plugin.entry.name, subject = subject.id, verdict, detail, micros, "verdict");
            metrics::counter!("wharf_plugin_verdicts_total", "plugin" => plugin.entry.name.clone(), "verdict" => verdict).increment(1);
            verdicts.push(Verdict {
                plugin: plugin.entry.name.clone(),
                component: plugin.component.clone(),
                verdict: verdict.to_owned(),
                detail,
                micros,
            });
            match word {
                _ if plugin.entry.mode == PluginMode::Monitor => {}
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
                        let rejection = Rejection { plugin: plugin.entry.name.clone(), code: "plugin_failed".into(), reason, retry_after: None };
                        return Decision::Reject(rejection, verdicts);
                    }
                }
            }
        }
        Decision::Allow(message, verdicts)
    }

    async fn render(&self, subject: &Subject, request: &RenderRequest) -> Result<Content, RenderFailure> {
        let templaters = || self.plugins.iter().filter(|plugin| plugin.points.templating.is_some() && plugin.serves(&subject.session));
        let Some(plugin) = templaters().find(|plugin| plugin.templates.contains(&request.template)) else {
            let known = templaters().flat_map(|plugin| plugin.templates.clone()).collect();
            return Err(RenderFailure::UnknownTemplate { template: request.template.clone(), known });
        };
        let wanted = message_templating::RenderRequest::from(request);
        let answer = plugin.call("render", subject, |mut call| {
            Box::pin(async move {
                call.ready().await?;
                let point = call.points.templating.as_ref().ok_or_else(|| wasmtime::Error::msg("no templating"))?;
                point.load(&mut call.store, &call.instance)?.call_render(&mut call.store, &call.context, &wanted).await
            })
        });
        let template = request.template.clone();
        let failed = |reason: String| RenderFailure::Failed { plugin: plugin.entry.name.clone(), template: request.template.clone(), reason };
        match answer.await {
            Ok(Ok(content)) => Ok(content.into()),
            Ok(Err(message_templating::RenderError::UnknownTemplate(_))) => {
                Err(RenderFailure::UnknownTemplate { template, known: plugin.templates.clone() })
            }
            Ok(Err(message_templating::RenderError::MissingVariable(variable))) => Err(RenderFailure::MissingVariable { template, variable }),
            Ok(Err(message_templating::RenderError::BadVariable((variable, reason)))) => {
                Err(RenderFailure::BadVariable { template, variable, reason })
            }
            Ok(Err(message_templating::RenderError::Failed(error))) => Err(failed(convert::failure(&plugin.entry.name, error).detail)),
            Err(failure) if failure.kind == FailureKind::Busy => Err(RenderFailure::Busy(Busy { plugin: failure.plugin, reason: failure.detail })),
            Err(failure) => Err(failed(format!("{}: {}", failure.kind, failure.detail))),
        }
    }
}

async fn ask(plugin: &Plugin, subject: &Subject, message: &OutboundMessage) -> Result<Word, CallFailure> {
    let asked = message.into();
    let answer = plugin.call("validate", subject, |mut call| {
        Box::pin(async move {
            call.ready().await?;
            let point = call.points.validation.as_ref().ok_or_else(|| wasmtime::Error::msg("no validation"))?;
            point.load(&mut call.store, &call.instance)?.call_validate(&mut call.store, &call.context, &asked).await
        })
    });
    match answer.await?.map_err(|error| convert::failure(&plugin.entry.name, error))? {
        send_validation::Verdict::Allow => Ok(Word::Allow),
        send_validation::Verdict::Reject(rejection) => Ok(Word::Reject(Rejection {
            plugin: plugin.entry.name.clone(),
            code: snake_case(&rejection.code),
            reason: rejection.reason[..rejection.reason.floor_char_boundary(MAX_REASON)].to_owned(),
            retry_after: rejection.retry_after_ms.map(|millis| Duration::from_millis(millis.into())),
        })),
        send_validation::Verdict::Modify(changed) => {
            let changed = OutboundMessage::from(changed);
            let refuse = |words: &str| {
                let kind = FailureKind::Failed { transient: false };
                Err(CallFailure { plugin: plugin.entry.name.clone(), kind, detail: words.to_owned() })
            };
            if !plugin.entry.may_modify {
                return refuse("it changed the message, but `may_modify` is not set");
            }
            if changed.to != message.to {
                return refuse("it changed the recipient, which no plugin may");
            }
            Ok(Word::Modify(Box::new(changed)))
        }
    }
}

/// Codes become part of API answers: whatever a plugin says, they are `snake_case`.
fn snake_case(code: &str) -> String {
    let clean: String = code.chars().take(MAX_CODE).map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '_' }).collect();
    if clean.is_empty() { "rejected".into() } else { clean }
}

#[cfg(test)]
mod tests {
    #[test]
    fn codes_are_made_safe() {
        assert_eq!(super::snake_case("Quiet Hours!"), "quiet_hours_");
        assert_eq!(super::snake_case(""), "rejected");
        assert_eq!(super::snake_case(&"x".repeat(100)).len(), 64);
    }
}
