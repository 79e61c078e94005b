//! Plugins for these tests. They validate messages by their text, render templates, and notify
//! nobody.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use async_trait::async_trait;

use crate::{
    model::{Content, Envelope, OutboundMessage, Poll},
    plugins::{
        AttemptResult, Busy, CallFailure, Decision, Judgement, Notifiers, NotifyRequest, Pipeline,
        Rejection, RenderFailure, RenderRequest, Subject, TargetName,
    },
};

/// Set once the text "no room later" was refused for want of capacity.
pub(super) static NO_ROOM: AtomicBool = AtomicBool::new(false);

/// Rejects texts that ask for it, and notifies nobody.
#[derive(Debug)]
pub(super) struct Words;

#[async_trait]
impl Pipeline for Words {
    async fn validate(&self, subject: &Subject, message: OutboundMessage) -> Decision {
        match message.content.body() {
            Some("not by id") if message.to.lid.is_some() => {
                let rejection = Rejection {
                    message: "out_1".into(),
                    plugin: "words".into(),
                    code: "by_id".into(),
                    reason: "an id".into(),
                    retry_after: None,
                };
                Decision::Reject(rejection, vec![])
            }
            Some(text)
                if text == "reject me" || (text == "reject me later" && subject.attempt > 1) =>
            {
                let rejection = Rejection {
                    message: "out_1".into(),
                    plugin: "words".into(),
                    code: "bad_word".into(),
                    reason: "a bad word".into(),
                    retry_after: None,
                };
                Decision::Reject(rejection, vec![])
            }
            Some("long one") => Decision::Allow(
                OutboundMessage {
                    content: Content::text("x".repeat(1 << 20)),
                    ..message
                },
                vec![],
            ),
            Some("no room") => Decision::Busy(
                Busy {
                    plugin: "words".into(),
                    reason: "none left".into(),
                },
                vec![],
            ),
            Some("no room later")
                if subject.attempt > 1 && !NO_ROOM.swap(true, Ordering::Relaxed) =>
            {
                Decision::Busy(
                    Busy {
                        plugin: "words".into(),
                        reason: "none left".into(),
                    },
                    vec![],
                )
            }
            _ => Decision::Allow(message, vec![]),
        }
    }
    async fn render(&self, _: &Subject, request: &RenderRequest) -> Result<Content, RenderFailure> {
        let said = |name: &str| {
            request
                .variables
                .get(name)
                .and_then(|value| value.as_str())
                .unwrap_or_default()
        };
        if said("name") == "nobody" {
            return Err(RenderFailure::MissingVariable {
                template: request.template.clone(),
                variable: "name".into(),
            });
        }
        if request.template == "poll" {
            return Ok(poll());
        }
        Ok(Content::text(format!(
            "rendered {} for {} about {}",
            request.template,
            said("name"),
            said("order")
        )))
    }
}

pub(super) fn poll() -> Content {
    Content::Poll(Poll {
        question: "When?".into(),
        options: vec!["now".into(), "later".into()],
        selectable: 1,
    })
}

#[async_trait]
impl Notifiers for Words {
    fn round(self: Arc<Self>) -> Arc<dyn Notifiers> {
        self
    }

    fn interested(&self, _: &Envelope) -> Vec<String> {
        vec![]
    }
    async fn route(
        &self,
        _: &str,
        _: &Subject,
        _: &Envelope,
    ) -> Result<Vec<TargetName>, CallFailure> {
        Ok(vec![])
    }
    async fn request(
        &self,
        plugin: &str,
        _: &Subject,
        _: &str,
        _: &Envelope,
    ) -> Result<NotifyRequest, CallFailure> {
        let kind = crate::plugins::FailureKind::Host;
        Err(CallFailure {
            plugin: plugin.into(),
            kind,
            detail: "not in this test".into(),
        })
    }
    async fn judge(
        &self,
        _: &str,
        _: &Subject,
        _: &str,
        _: &AttemptResult,
    ) -> Result<Judgement, CallFailure> {
        Ok(Judgement::Delivered)
    }
}
