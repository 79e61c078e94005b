//! Asks a loaded plugin about an input, and writes its answer as JSON: the form that is printed and
//! that test cases expect.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::{event::EventInput, input::Input, loaded::Loaded};
use crate::{
    api::written,
    model::{ClientId, OutboundMessage, millis},
    plugins::{
        CallFailure, Decision, Judgement, Notifiers, NotifyRequest, Pipeline, RenderFailure,
        RenderRequest, Subject,
    },
};

/// The answer to one input.
#[derive(Debug)]
pub(super) struct Answered {
    pub(super) answer: Value,
    /// Whether the plugin failed. A rejection is no failure.
    pub(super) failed: bool,
}

/// Verdicts that are answers of the plugin, and not failures of it.
const ANSWERS: [&str; 5] = ["allow", "reject", "modify", "would_reject", "would_modify"];

/// Asks the plugin, in the given session.
pub(super) async fn ask(loaded: &Loaded, input: &Input, session: &ClientId) -> Answered {
    let number = loaded.next_subject();
    let subject = |kind: &str| Subject {
        session: session.clone(),
        id: format!("{kind}_{number}"),
        attempt: 1,
    };
    match input {
        Input::Message(message) => validated(loaded, &subject("out"), message).await,
        Input::Template(request) => rendered(loaded, &subject("out"), request).await,
        Input::Event(event) => notified(loaded, &subject("dlv"), event).await,
    }
}

async fn validated(loaded: &Loaded, subject: &Subject, message: &OutboundMessage) -> Answered {
    let (decision, verdicts, more) = match loaded.host.validate(subject, message.clone()).await {
        Decision::Allow(now, verdicts) => {
            let changed = (now != *message).then(|| ("message", shown(&now)));
            ("allow", verdicts, changed.into_iter().collect())
        }
        Decision::Reject(rejection, verdicts) => {
            let wait = rejection.retry_after;
            let more: Vec<(&str, Value)> = wait
                .map(|wait| ("retryAfterMs", millis(wait).into()))
                .into_iter()
                .collect();
            ("reject", verdicts, more)
        }
        Decision::Busy(_, verdicts) => ("busy", verdicts, vec![]),
    };
    let mut answer = Map::new();
    let mut failed = true;
    if let Some(verdict) = verdicts.last() {
        failed = !ANSWERS.contains(&verdict.verdict);
        answer.insert("verdict".into(), verdict.verdict.into());
        let detail = if failed { "detail" } else { "code" };
        let texts = [(detail, &verdict.detail), ("reason", &verdict.reason)];
        for (name, text) in texts {
            if let Some(text) = text {
                answer.insert(name.into(), text.as_str().into());
            }
        }
    }
    answer.extend(
        more.into_iter()
            .map(|(name, value)| (name.to_owned(), value)),
    );
    answer.insert("decision".into(), decision.into());
    Answered {
        answer: Value::Object(answer),
        failed,
    }
}

/// A message in the form of the API.
fn shown(message: &OutboundMessage) -> Value {
    let mut shown = written::content(&message.content);
    let metadata: BTreeMap<&str, &str> = message
        .metadata
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    shown["to"] = message.to.chat.as_str().into();
    shown["replyTo"] = message.reply_to.as_ref().map(|id| id.0.as_str()).into();
    shown["sendAt"] = message.send_at.map(|at| at.rfc3339()).into();
    shown["metadata"] = json!(metadata);
    shown
}

async fn rendered(loaded: &Loaded, subject: &Subject, request: &RenderRequest) -> Answered {
    let failure = match loaded.host.render(subject, request).await {
        Ok(content) => {
            return Answered {
                answer: json!({"content": written::content(&content)}),
                failed: false,
            };
        }
        Err(failure) => failure,
    };
    let (code, failed) = match &failure {
        RenderFailure::UnknownTemplate { .. } => ("unknown_template", false),
        RenderFailure::MissingVariable { .. } => ("missing_variable", false),
        RenderFailure::BadVariable { .. } => ("bad_variable", false),
        RenderFailure::Busy(_) => ("busy", true),
        RenderFailure::Failed { .. } => ("failed", true),
    };
    Answered {
        answer: json!({"error": code, "reason": failure.to_string()}),
        failed,
    }
}

async fn notified(loaded: &Loaded, subject: &Subject, input: &EventInput) -> Answered {
    let (host, name) = (&loaded.host, loaded.name.as_str());
    host.set_metadata(subject.session.clone(), input.metadata.clone());
    if host.interested(&input.envelope).is_empty() {
        let answer = json!({"interested": false});
        return Answered {
            answer,
            failed: false,
        };
    }
    let targets = match host.route(name, subject, &input.envelope).await {
        Ok(targets) => targets,
        Err(failure) => {
            let answer = json!({"interested": true, "failure": failed(&failure)});
            return Answered {
                answer,
                failed: true,
            };
        }
    };
    let (mut notified, mut any_failed) = (Vec::new(), false);
    for target in targets {
        let target = target.as_str();
        let mut shown = json!({"target": target});
        let result = async {
            let request = host.request(name, subject, target, &input.envelope).await?;
            shown["request"] = requested(&request);
            if let Some(why) = request.allowed.refusal(&request.url) {
                shown["refused"] = why.into();
            }
            host.judge(name, subject, target, &input.attempt).await
        };
        match result.await {
            Ok(judgement) => shown["judgement"] = judged(&judgement),
            Err(failure) => {
                any_failed = true;
                shown["failure"] = failed(&failure);
            }
        }
        notified.push(shown);
    }
    Answered {
        answer: json!({"interested": true, "targets": notified}),
        failed: any_failed,
    }
}

fn failed(failure: &CallFailure) -> Value {
    json!({"kind": failure.kind.as_str(), "detail": failure.detail.as_str()})
}

/// An HTTP request. Headers that are given twice are joined by a comma, which means the same. A
/// body that is JSON is shown as JSON, any other as text.
fn requested(request: &NotifyRequest) -> Value {
    let mut headers = Map::new();
    for (name, value) in &request.headers {
        let joined = match headers.get(name).and_then(Value::as_str) {
            Some(before) => format!("{before}, {value}"),
            None => value.clone(),
        };
        headers.insert(name.clone(), joined.into());
    }
    let body: Value = serde_json::from_slice(&request.body)
        .unwrap_or_else(|_| String::from_utf8_lossy(&request.body).into());
    json!({
        "method": request.method,
        "url": request.url,
        "headers": headers,
        "body": body,
        "timeoutMs": request.timeout.map(millis),
    })
}

fn judged(judgement: &Judgement) -> Value {
    match judgement {
        Judgement::Delivered => json!("delivered"),
        Judgement::RetryAfter(pause) => json!({"retryAfterMs": millis(*pause)}),
        Judgement::GiveUp(reason) => json!({"giveUp": reason.as_str()}),
    }
}
