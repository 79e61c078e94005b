//! `send-validation`: whether a message may be sent.
//!
//! A plugin's answer is not yet the gateway's decision: the operator's settings (`mode`,
//! `on_error`, `may_modify`) are applied to it here, and each answer becomes a [`Verdict`] in the
//! history of the message.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use tracing::{debug, info, warn};
use wasmtime::Store;

use self::bindings::exports::wharf::plugin::send_validation;
use super::{
    point::{Point, Setting, exports},
    verdict::{Answer, Made, Rejection, Verdict, WOULD_MODIFY, WOULD_REJECT, answered, verdict},
};
use crate::{
    config::{OnError, PluginMode},
    model::{MessageId, OutboundMessage},
    plugins::{
        bindings::wharf::plugin::{calls, messages},
        convert::unusable,
        guest::{Plugin, Ready},
        host_state::{HostState, Scene},
        lines::{
            Line,
            v0_1::{
                self, bindings::exports::wharf::plugin::send_validation as send_validation_0_1,
            },
        },
        ports::{Busy, CallFailure, FailureKind, Subject},
        recorded::{Answered, RecordedContext},
        round::Round,
    },
};

pub(in crate::plugins) const POINT: Point = Point {
    interface: "send-validation",
    world: "validator",
    sdk_trait: "Validator",
    decides: "whether a message may be sent: allows it, rejects it with a code and a reason, or (if the operator allows it) changes it",
    since: "0.1.0",
    settings: &[Setting::Mode, Setting::OnError, Setting::MayModify],
    line: Line::V0_1,
    find,
};

exports!(send_validation, V0_1 => send_validation_0_1);

pub(in crate::plugins) mod bindings;

impl Functions {
    async fn validate(
        &self,
        store: &mut Store<HostState>,
        context: &calls::CallContext,
        message: &messages::OutboundMessage,
    ) -> wasmtime::Result<Result<send_validation::Verdict, calls::Error>> {
        match self {
            Self::Current(guest) => guest.call_validate(store, context, message).await,
            Self::V0_1(guest) => v0_1::validate(guest, store, context, message).await,
        }
    }
}

/// Limits of a message that a plugin has changed, as in the API: pairs of metadata, bytes of a name
/// or value, bytes of a message id.
const MAX_METADATA: usize = 50;
const MAX_PAIR: usize = 1000;
const MAX_ID: usize = 128;

/// What the validators decided about a message.
#[derive(Debug, Clone, PartialEq)]
#[allow(
    clippy::large_enum_variant,
    reason = "there is one at a time, and it is taken apart at once"
)]
pub enum Decision {
    /// It may be sent, in the form that is given here. The verdicts are those of all plugins that
    /// were asked.
    Allow(OutboundMessage, Vec<Verdict>),
    /// It may not be sent. The last verdict is the one that says why.
    Reject(Rejection, Vec<Verdict>),
    /// A plugin could not be asked, because the gateway itself lacks room. The message is neither
    /// allowed nor rejected, whatever `on_error` says.
    Busy(Busy, Vec<Verdict>),
}

impl Round {
    /// Asks the validators of the session in the operator's order. The first rejection ends the
    /// round; a changed message is what the next validator sees.
    pub(in crate::plugins) async fn decide(
        &self,
        subject: &Subject,
        message: OutboundMessage,
    ) -> Decision {
        let mut message = Arc::new(message);
        let mut verdicts = Vec::new();
        for plugin in self.exporting::<Exported>(&subject.session) {
            let began = Instant::now();
            let trace = Arc::default();
            let scene = plugin.recorded_scene(subject, &trace);
            let context = RecordedContext::of(&scene.context);
            let answer = ask(plugin, subject, scene, &message).await;
            let made = Made {
                plugin,
                context,
                message: &message,
                trace: &trace,
                took: began.elapsed(),
            };
            let verdict = verdict(made, &answer);
            self.report_verdict(subject, &verdict);
            if let Some(candidate) = self.set.candidate(&plugin.entry.name) {
                candidate.offer(subject, &verdict.record);
            }
            verdicts.push(verdict);
            if plugin.entry.mode == PluginMode::Monitor {
                continue;
            }
            match answer {
                Ok(Answer::Allow) => {}
                Ok(Answer::Modify(changed)) => message = changed,
                Ok(Answer::Reject(rejection)) => return Decision::Reject(rejection, verdicts),
                Err(failure) if failure.kind == FailureKind::Busy => {
                    warn!(%failure, subject = subject.id, "a plugin could not be asked");
                    return Decision::Busy(
                        Busy {
                            plugin: failure.plugin,
                            reason: failure.detail,
                        },
                        verdicts,
                    );
                }
                Err(failure) => {
                    let quarantined = failure.kind == FailureKind::Quarantined;
                    // The beginning of a quarantine is logged once.
                    if !quarantined {
                        warn!(%failure, subject = subject.id, on_error = ?plugin.entry.on_error, "a plugin failed");
                    }
                    if plugin.entry.on_error == OnError::Reject {
                        let (code, what) = if quarantined {
                            ("plugin_quarantined", failure.detail.to_string())
                        } else {
                            ("plugin_failed", failure.kind.to_string())
                        };
                        let reason = format!(
                            "the plugin failed ({what}), and the gateway is set to send nothing that it has not allowed"
                        );
                        let (code, reason) = (code.into(), reason.as_str().into());
                        return Decision::Reject(
                            Rejection {
                                message: subject.id.clone(),
                                plugin: plugin.entry.name.clone(),
                                code,
                                reason,
                                retry_after: None,
                            },
                            verdicts,
                        );
                    }
                }
            }
        }
        Decision::Allow(Arc::unwrap_or_clone(message), verdicts)
    }

    /// Counts a verdict, and logs what a monitored plugin would have rejected: once for each
    /// message.
    fn report_verdict(&self, subject: &Subject, verdict: &Verdict) {
        let Verdict {
            plugin,
            verdict,
            monitored,
            detail,
            reason,
            micros,
            ..
        } = verdict;
        let mode = if *monitored { "monitor" } else { "enforce" };
        debug!(
            plugin,
            subject = subject.id,
            mode,
            verdict,
            detail = detail.as_deref(),
            micros,
            "verdict"
        );
        metrics::counter!("wharf_plugin_verdicts_total", "plugin" => plugin.clone(), "verdict" => *verdict, "mode" => mode).increment(1);
        if !monitored
            || matches!(*verdict, "allow" | WOULD_MODIFY | "quarantined")
            || !self.reported().is_new(plugin, &subject.id)
        {
            return;
        }
        let (session, subject, detail) = (
            subject.session.as_str(),
            &subject.id,
            detail.as_deref().unwrap_or_default(),
        );
        if *verdict == WOULD_REJECT {
            info!(
                plugin,
                session,
                subject,
                code = detail,
                reason = reason.as_deref(),
                "monitor: would have been rejected"
            );
        } else {
            warn!(
                plugin,
                session,
                subject,
                failure = verdict,
                detail,
                "monitor: the plugin failed"
            );
        }
    }
}

/// Asks a plugin again, as in the recorded call, with the storage in `scene`.
pub(in crate::plugins) async fn ask_again(
    plugin: &Plugin,
    subject: &Subject,
    scene: Scene,
    message: &OutboundMessage,
) -> Answered {
    answered(&ask(plugin, subject, scene, message).await)
}

async fn ask(
    plugin: &Plugin,
    subject: &Subject,
    scene: Scene,
    message: &OutboundMessage,
) -> Result<Answer, CallFailure> {
    let outbound = message.into();
    let work = |mut call: Ready<Functions>| async move {
        call.functions
            .validate(&mut call.store, &call.context, &outbound)
            .await
    };
    let read = |answer: Result<send_validation::Verdict, calls::Error>| match answer
        .map_err(|error| plugin.returned_error(error))?
    {
        send_validation::Verdict::Allow => Ok(Answer::Allow),
        send_validation::Verdict::Reject(rejection) => Ok(Answer::Reject(Rejection {
            message: subject.id.clone(),
            plugin: plugin.entry.name.clone(),
            code: rejection.code.as_str().into(),
            reason: rejection.reason.as_str().into(),
            retry_after: rejection
                .retry_after_ms
                .map(|millis| Duration::from_millis(millis.into())),
        })),
        send_validation::Verdict::Other(other) => Err(plugin.invalid_answer(&*format!(
            "it gave the verdict {:?}, which this gateway does not know",
            other.kind
        ))),
        send_validation::Verdict::Modify(changed) => {
            let changed = OutboundMessage::from(changed);
            match forbidden_change(plugin.entry.may_modify, message, &changed) {
                Some(reason) => Err(plugin.invalid_answer(reason)),
                None => Ok(Answer::Modify(Arc::new(changed))),
            }
        }
    };
    plugin
        .call_in::<Exported, _, _, _>("validate", subject, scene, work, read)
        .await
}

/// Why a plugin may not change the message like this; none when it may. The length of the new text
/// is checked where the message is accepted, with the limits of the API.
pub(in crate::plugins) fn forbidden_change(
    may_modify: bool,
    message: &OutboundMessage,
    changed: &OutboundMessage,
) -> Option<&'static str> {
    let too_long =
        |(name, value): &(String, String)| name.len() > MAX_PAIR || value.len() > MAX_PAIR;
    let is_id = |id: &MessageId| {
        (1..=MAX_ID).contains(&id.0.len()) && id.0.bytes().all(|byte| byte.is_ascii_graphic())
    };
    if !may_modify {
        Some("it changed the message, but `may_modify` is not set")
    } else if changed.to != message.to {
        Some("it changed the recipient, which no plugin may")
    } else if changed.metadata.len() > MAX_METADATA || changed.metadata.iter().any(too_long) {
        Some("it gave the message more metadata than 50 pairs of 1000 bytes each")
    } else if changed.reply_to.as_ref().is_some_and(|reply| !is_id(reply)) {
        Some("it made the message answer something that is no message id")
    } else {
        unusable(&changed.content)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Address, Content, Location};

    #[test]
    fn a_changed_message_has_the_bounds_of_a_callers() {
        let to = Address {
            chat: "1@c.us".into(),
            pn: None,
            lid: None,
        };
        let message = OutboundMessage {
            to,
            content: Content::text("hi"),
            reply_to: None,
            send_at: None,
            metadata: vec![],
        };
        let pair = |size: usize| ("k".to_owned(), "v".repeat(size));
        for (may, changed, said) in [
            (
                true,
                OutboundMessage {
                    content: Content::text("two\nlines\u{1b}"),
                    ..message.clone()
                },
                None,
            ),
            (
                true,
                OutboundMessage {
                    metadata: vec![pair(1000)],
                    reply_to: Some(MessageId("3EB0".into())),
                    ..message.clone()
                },
                None,
            ),
            (
                true,
                OutboundMessage {
                    content: Content::Location(Location {
                        latitude: f64::NAN,
                        longitude: 0.0,
                        name: None,
                    }),
                    ..message.clone()
                },
                Some("earth"),
            ),
            (false, message.clone(), Some("may_modify")),
            (
                true,
                OutboundMessage {
                    metadata: vec![pair(1001)],
                    ..message.clone()
                },
                Some("metadata"),
            ),
            (
                true,
                OutboundMessage {
                    metadata: vec![pair(1); 51],
                    ..message.clone()
                },
                Some("metadata"),
            ),
            (
                true,
                OutboundMessage {
                    reply_to: Some(MessageId("3EB0\n".into())),
                    ..message.clone()
                },
                Some("message id"),
            ),
            (
                true,
                OutboundMessage {
                    reply_to: Some(MessageId("A".repeat(2 << 20))),
                    ..message.clone()
                },
                Some("message id"),
            ),
        ] {
            let found = forbidden_change(may, &message, &changed);
            assert!(
                found
                    .zip(said)
                    .map_or(found.is_none() && said.is_none(), |(found, said)| found
                        .contains(said)),
                "{found:?} {said:?}"
            );
        }
    }
}
