//! The answer of a validator, and what is recorded of it.
//!
//! An answer is recorded as the plugin gave it and with the operator's settings beside it, so that
//! the record says both what the plugin said and what came of it.

use std::{sync::Arc, time::Duration};

use serde::Serialize;

use crate::{
    config::PluginMode,
    model::OutboundMessage,
    plugins::{
        guest::Plugin,
        ports::CallFailure,
        recorded::{Answered, CallFacts, CallRecord, RecordedContext},
        text::{Code, PluginText},
        trace::Trace,
    },
};

/// The verdicts of a monitored plugin, which decide nothing.
pub(super) const WOULD_REJECT: &str = "would_reject";
pub(super) const WOULD_MODIFY: &str = "would_modify";

/// Why a message may not be sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Rejection {
    /// The id of the message, `out_…`, under which the decision is stored.
    pub message: String,
    /// The plugin that rejected it.
    pub plugin: String,
    /// The plugin's code, or `plugin_failed` when the plugin itself failed and `on_error =
    /// "reject"`, or `plugin_quarantined` when it has failed too often and was not called.
    pub code: Code,
    /// The plugin's reason, for people.
    pub reason: PluginText,
    /// How long to wait before the message may be sent again.
    pub retry_after: Option<Duration>,
}

/// The answer of one plugin about one message, as it is recorded in the history of the message.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Verdict {
    /// The plugin.
    pub plugin: String,
    /// SHA-256 of the plugin's component, in hex.
    pub component: String,
    /// `allow`, `reject`, `modify`, or how the call failed (`trapped`, `over_cpu`, `over_memory`,
    /// `timed_out`, `failed`, `busy`, `host`, `quarantined`). A monitored plugin says `would_reject` and
    /// `would_modify`.
    pub verdict: &'static str,
    /// Whether the plugin is monitored (`mode = "monitor"`): then its verdict decided nothing.
    pub monitored: bool,
    /// The code of a rejection, or a description of the failure.
    pub detail: Option<PluginText>,
    /// The reason of a rejection.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<PluginText>,
    /// Duration of the call in microseconds of wall time.
    pub micros: u64,
    /// What is needed to explain the answer and to ask again.
    #[serde(skip)]
    pub record: Arc<CallRecord>,
}

/// A plugin's answer, before the operator's settings are applied to it.
pub(in crate::plugins) enum Answer {
    Allow,
    Reject(Rejection),
    Modify(Arc<OutboundMessage>),
}

/// A call that was made: its context, its message, and what it asked for.
pub(super) struct Made<'a> {
    pub(super) plugin: &'a Plugin,
    pub(super) context: RecordedContext,
    pub(super) message: &'a Arc<OutboundMessage>,
    pub(super) trace: &'a Trace,
    pub(super) took: Duration,
}

/// The verdict of a call, with its record.
pub(super) fn verdict(made: Made<'_>, answer: &Result<Answer, CallFailure>) -> Verdict {
    let Made {
        plugin,
        context,
        message,
        trace,
        took,
    } = made;
    let monitored = plugin.entry.mode == PluginMode::Monitor;
    let (verdict, detail, reason) = match answer {
        Ok(Answer::Allow) => ("allow", None, None),
        Ok(Answer::Modify(_)) => (if monitored { WOULD_MODIFY } else { "modify" }, None, None),
        Ok(Answer::Reject(Rejection { code, reason, .. })) => (
            if monitored { WOULD_REJECT } else { "reject" },
            Some(PluginText::from(&**code)),
            Some(reason.clone()),
        ),
        Err(failure) => (failure.kind.as_str(), Some(failure.detail.clone()), None),
    };
    let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
    let taken = trace.take();
    let answered = answered(answer);
    let record = CallRecord {
        facts: CallFacts {
            plugin: plugin.entry.name.clone(),
            component: plugin.component.clone(),
            config: plugin.config_digest.clone(),
            verdict: verdict.to_owned(),
            monitored,
            code: answered.code,
            retry_after_ms: answered.retry_after_ms,
            micros,
            context,
            secrets: taken.secrets,
        },
        input: Arc::clone(message),
        changed: answered.changed,
        explanation: answered.explanation,
        storage: taken.storage,
    };
    Verdict {
        plugin: plugin.entry.name.clone(),
        component: plugin.component.clone(),
        verdict,
        monitored,
        detail,
        reason,
        micros,
        record: Arc::new(record),
    }
}

/// The answer in the form in which it is recorded.
pub(super) fn answered(answer: &Result<Answer, CallFailure>) -> Answered {
    let plain = |verdict| Answered {
        verdict,
        code: None,
        explanation: None,
        retry_after_ms: None,
        changed: None,
    };
    match answer {
        Ok(Answer::Allow) => plain("allow"),
        Ok(Answer::Modify(changed)) => Answered {
            changed: Some(Arc::clone(changed)),
            ..plain("modify")
        },
        Ok(Answer::Reject(rejection)) => Answered {
            code: Some(String::from(rejection.code.clone())),
            explanation: Some(String::from(rejection.reason.clone())),
            retry_after_ms: rejection
                .retry_after
                .map(|time| u64::try_from(time.as_millis()).unwrap_or(u64::MAX)),
            ..plain("reject")
        },
        Err(failure) => Answered {
            explanation: Some(String::from(failure.detail.clone())),
            ..plain(failure.kind.as_str())
        },
    }
}
