//! `/v1/messages/{id}/decisions`: what the plugins decided about a message, and why.
//!
//! Values that a plugin read from its storage are shown by their digest. They are the plugin's own
//! data, which may be about other sessions than the key's; `wharf plugin replay` uses them.

use std::{collections::BTreeMap, sync::Arc};

use axum::{
    Json,
    extract::{Path, State},
};
use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    api::{
        content::ShownContent,
        error::{ApiError, Code},
        extract::NoParams,
        openapi::{Operation, STORE},
        route::{Need::Of, Routes},
        time::Time,
    },
    config::Scope::Read,
    model::{ClientId, MessageId, OutboundMessage, Timestamp},
    outbox::{CallDetails, OutboxId, StoredCall, StoredDecision},
    plugins::{RecordedContext, StorageStep, WriteAnswer},
    services::Messages,
};

pub(super) fn routes() -> Routes {
    Routes::new().get(
        "/v1/messages/{id}/decisions",
        Of(Read),
        get,
        Operation::new("getDecisions", "What the plugins decided about a message, and what they saw")
            .more("Also for messages that a plugin rejected when they were to be accepted: the error of the request has their `id`. `details` is null once the content of the message was deleted (`[storage] keep_bodies`).")
            .refuses(&[Code::NotFound])
            .refuses(STORE),
    )
}

/// The decisions of the plugins about a message.
#[derive(Debug, Serialize, JsonSchema)]
struct MessageDecisions {
    /// The gateway's id of the message, `out_…`.
    id: OutboxId,
    /// The session that sends it, or would have sent it.
    session: ClientId,
    /// The decisions, oldest first: one for each time at which the plugins were asked. Empty if no
    /// plugin was asked, or if the message was accepted by a version of the gateway that stored no
    /// decisions.
    decisions: Vec<MessageDecision>,
}

/// The verdicts of the plugins at one time.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct MessageDecision {
    /// When it was stored.
    at: Time,
    /// Why the plugins were asked: `accept` when the message was to be accepted, `dispatch` when it
    /// was to be sent. Null if the decision cannot be read.
    when: Option<String>,
    /// Whether the message was refused, so that it was not accepted.
    refused: bool,
    /// Whether the details of the calls were deleted with the content of the message.
    details_deleted: bool,
    /// The calls, in the order in which the plugins were asked.
    calls: Vec<PluginCall>,
}

/// A call of a plugin.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct PluginCall {
    /// The plugin.
    plugin: String,
    /// SHA-256 of the plugin's component, in hexadecimal.
    component: String,
    /// SHA-256 of the plugin's configuration as it gets it (a JSON object), in hexadecimal.
    config: String,
    /// The verdict: `allow`, `reject`, `modify`, or how the call failed. A monitored plugin says
    /// `would_reject` and `would_modify`.
    verdict: String,
    /// Whether the plugin is monitored (`mode = "monitor"`), so that the verdict had no effect.
    monitored: bool,
    /// The code of a rejection.
    code: Option<String>,
    /// Milliseconds after which the plugin would allow the message.
    retry_after_ms: Option<u64>,
    /// Duration of the call in microseconds.
    micros: u64,
    /// What the call was told of itself.
    context: CallContext,
    /// The names of the secrets that the plugin asked for. Their values are stored nowhere.
    secrets: Vec<String>,
    /// What the plugin saw and read; null once it was deleted.
    details: Option<PluginCallDetails>,
}

/// The context of a call. The clock and the random numbers of the plugin follow from it.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct CallContext {
    /// The id of the call.
    call_id: String,
    /// The W3C trace context of the call.
    traceparent: String,
    /// The time that the plugin saw.
    now: Time,
    /// The number of the attempt, from 1.
    attempt: u32,
    /// The most time that the call had, in milliseconds.
    budget_ms: u32,
}

/// What a plugin saw and read in a call.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct PluginCallDetails {
    /// The message as the plugin saw it.
    input: SeenMessage,
    /// The message as the plugin changed it; null if it did not.
    changed: Option<SeenMessage>,
    /// The reason of a rejection, or a description of the failure.
    explanation: Option<String>,
    /// What the plugin asked of its storage, oldest request first.
    storage: Vec<StorageRequest>,
    /// Whether it asked for more than is recorded: 256 requests and 64 KiB of keys and values.
    storage_cut: bool,
}

/// A message in the form that a plugin sees.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct SeenMessage {
    /// The chat that it is addressed to.
    to: String,
    /// The recipient's phone number with its domain, if it was known.
    pn: Option<String>,
    /// The recipient's opaque id, if it was known.
    lid: Option<String>,
    /// Its content.
    content: ShownContent,
    /// The WhatsApp id of the message that it replies to.
    reply_to: Option<MessageId>,
    /// When it is to be sent; null means at once.
    send_at: Option<Time>,
    /// The caller's free-form pairs.
    metadata: BTreeMap<String, String>,
}

/// A request of a plugin to its storage, and the answer.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(tag = "op", rename_all = "snake_case", rename_all_fields = "camelCase")]
enum StorageRequest {
    /// A key was read.
    #[schemars(title = "StorageGet")]
    Get {
        /// The key.
        key: String,
        /// The version of the key; null if it did not exist.
        version: Option<u64>,
        /// The length of the value in bytes.
        bytes: Option<u64>,
        /// SHA-256 of the value, in hexadecimal; null for API keys that are limited to sessions.
        sha256: Option<String>,
        /// Whether the value is recorded, so that the call can be made again. A value of more than
        /// 4096 bytes is not.
        recorded: bool,
    },
    /// A key was written.
    #[schemars(title = "StorageSet")]
    Set {
        /// The key.
        key: String,
        /// The answer: `written`, `conflict`, `quota_exceeded` or `too_large`.
        answer: String,
    },
    /// Keys were listed.
    #[schemars(title = "StorageList")]
    List {
        /// What the keys begin with.
        prefix: String,
        /// The key after which the list began; null if it began with the first.
        cursor: Option<String>,
        /// The most keys that were asked for.
        limit: u32,
        /// The keys; none for API keys that are limited to sessions, because they may be about
        /// other sessions.
        keys: Vec<String>,
    },
}

impl From<&StorageStep> for StorageRequest {
    fn from(step: &StorageStep) -> Self {
        match step.clone() {
            StorageStep::Get { key, found } => Self::Get {
                key,
                version: found.as_ref().map(|found| found.version),
                bytes: found.as_ref().map(|found| found.bytes),
                recorded: found.as_ref().is_none_or(|found| found.value.is_some()),
                sha256: found
                    .map(|found| found.sha256)
                    .filter(|digest| !digest.is_empty()),
            },
            StorageStep::Set { key, answer } => Self::Set {
                key,
                answer: match answer {
                    WriteAnswer::Written => "written",
                    WriteAnswer::Conflict => "conflict",
                    WriteAnswer::QuotaExceeded => "quota_exceeded",
                    WriteAnswer::TooLarge => "too_large",
                }
                .to_owned(),
            },
            StorageStep::List {
                prefix,
                cursor,
                limit,
                keys,
            } => Self::List {
                prefix,
                cursor,
                limit,
                keys,
            },
        }
    }
}

impl From<&OutboundMessage> for SeenMessage {
    fn from(message: &OutboundMessage) -> Self {
        Self {
            to: message.to.chat.clone(),
            pn: message.to.pn.clone(),
            lid: message.to.lid.clone(),
            content: ShownContent::new(&message.content),
            reply_to: message.reply_to.clone(),
            send_at: message.send_at.map(Time),
            metadata: message.metadata.iter().cloned().collect(),
        }
    }
}

impl From<&CallDetails> for PluginCallDetails {
    fn from(details: &CallDetails) -> Self {
        Self {
            input: (&*details.input).into(),
            changed: details.changed.as_deref().map(SeenMessage::from),
            explanation: details.explanation.clone(),
            storage: details
                .storage
                .steps
                .iter()
                .map(StorageRequest::from)
                .collect(),
            storage_cut: details.storage.cut,
        }
    }
}

impl From<&RecordedContext> for CallContext {
    fn from(context: &RecordedContext) -> Self {
        Self {
            call_id: context.call_id.clone(),
            traceparent: context.traceparent.clone(),
            now: Timestamp(i64::try_from(context.now).unwrap_or(i64::MAX)).into(),
            attempt: context.attempt,
            budget_ms: context.budget_ms,
        }
    }
}

impl From<&StoredCall> for PluginCall {
    fn from(StoredCall { facts, details }: &StoredCall) -> Self {
        Self {
            plugin: facts.plugin.clone(),
            component: facts.component.clone(),
            config: facts.config.clone(),
            verdict: facts.verdict.clone(),
            monitored: facts.monitored,
            code: facts.code.clone(),
            retry_after_ms: facts.retry_after_ms,
            micros: facts.micros,
            context: (&facts.context).into(),
            secrets: facts.secrets.clone(),
            details: details.as_ref().map(PluginCallDetails::from),
        }
    }
}

impl From<&StoredDecision> for MessageDecision {
    fn from(decision: &StoredDecision) -> Self {
        let (when, calls) = decision
            .calls
            .as_ref()
            .map(|(when, calls)| (when.clone(), &**calls))
            .unzip();
        let calls = calls.unwrap_or_default();
        Self {
            at: decision.at.into(),
            when,
            refused: decision.refused,
            details_deleted: calls.iter().any(|call| call.details.is_none()),
            calls: calls.iter().map(PluginCall::from).collect(),
        }
    }
}

/// `GET /v1/messages/{id}/decisions`: what the plugins decided about a message.
async fn get(
    State(messages): State<Arc<dyn Messages>>,
    Path(id): Path<String>,
    _: NoParams,
) -> Result<Json<MessageDecisions>, ApiError> {
    let id = OutboxId(id);
    let (session, decisions) = messages.decisions(&id).await?.ok_or_else(|| {
        ApiError::new(
            Code::NotFound,
            "there is no message of that id, neither accepted nor refused",
        )
    })?;
    Ok(Json(MessageDecisions {
        id,
        session,
        decisions: decisions.iter().map(MessageDecision::from).collect(),
    }))
}
