//! `POST /v1/sessions/{id}/messages`: sends a message of any kind.

use std::{borrow::Cow, collections::BTreeMap, sync::Arc};

use axum::{
    Json,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::messages::Message;
use crate::{
    api::{
        app::Defaults,
        bodies::Bodies,
        content::{self, ContentFields},
        error::{ApiError, Code},
        extract::{JsonBody, Params, Session},
        idempotency::NormalizedRequest,
        openapi::{Operation, Output},
        recipient::{self, RawRecipient},
        route::{Need::Of, Routes},
        submit::{self, Submission},
        time::AnyTime,
    },
    config::Scope::Send,
    model::{CallFields, ClientId, MessageId, Outcome, Priority},
    outbox::{Accepted, OutboxId, RowState, SendRequest, Until},
    plugins::RenderRequest,
    services::SendReply,
};

pub(super) fn routes() -> Routes {
    let operation = Operation::new("sendMessage", "Sends a message")
        .more("The response has the outcome. With `Prefer: respond-async`, or if `sendAt` lies ahead, it is sent as soon as the message is stored. After 504 do not send the message again: the gateway determines the outcome by its id.")
        .refuses(&[Code::InvalidBody, Code::SeveralKinds, Code::MetadataTooLarge])
        .refuses(&content::codes());
    Routes::new().post("/v1/sessions/{id}/messages", Of(Send), send, operation)
}

/// A message to be sent, without the fields of the other kinds ([`crate::model::CallFields`]).
/// Exactly one of `text`, `template` and those fields is required.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[schemars(rename = "SendRequest")]
struct SendFields {
    /// The recipient: a phone number or the id of a chat.
    to: RawRecipient,
    /// The text of a text message.
    #[schemars(length(max = 4096))]
    text: Option<String>,
    /// Phone numbers or ids of the people who are mentioned in the text as `@number`, at most 50.
    #[schemars(length(max = 50))]
    mentions: Option<Vec<String>>,
    /// Whether a link in the text may get a preview; default true.
    link_preview: Option<bool>,
    /// The name of a template.
    template: Option<String>,
    /// The language of the template as a BCP 47 tag, such as `de-CH`.
    locale: Option<String>,
    /// The variables of the template.
    variables: Option<BTreeMap<String, Value>>,
    /// The WhatsApp id or the key of the message to reply to.
    reply_to: Option<String>,
    /// When to send it: RFC 3339 or milliseconds since the Unix epoch, within the next 366 days.
    #[schemars(with = "Option<AnyTime>")]
    send_at: Option<Value>,
    /// Sending does not begin after this time: RFC 3339 or milliseconds since the Unix epoch.
    #[schemars(with = "Option<AnyTime>")]
    expires_at: Option<Value>,
    /// Its priority in the queue; default `interactive`.
    #[serde(default)]
    priority: Priority,
    /// Free-form pairs, at most 50; names and values have at most 1000 bytes each.
    #[serde(default)]
    #[schemars(extend("maxProperties" = 50))]
    metadata: BTreeMap<String, String>,
}

/// The schema of the body: the fields of [`SendFields`] and those of the other kinds.
struct SendBody;

impl JsonSchema for SendBody {
    fn schema_name() -> Cow<'static, str> {
        SendFields::schema_name()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let mut schema = SendFields::json_schema(generator);
        let kinds = CallFields::schemas(generator);
        if let Some(properties) = schema.get_mut("properties").and_then(Value::as_object_mut) {
            properties.extend(
                kinds
                    .into_iter()
                    .map(|(name, kind)| (name.to_owned(), kind.to_value())),
            );
        }
        schema
    }
}

/// What the response waits for.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Waiting {
    /// The stage that the message must have reached; default `sent`, or `accepted` while `sendAt`
    /// lies ahead.
    until: Option<Moment>,
}

/// A stage of a message.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "WaitUntil")]
enum Moment {
    /// It is stored on the gateway's disk.
    Accepted,
    /// WhatsApp Web has stored it in its own database and sends it as soon as it is connected.
    Stored,
    /// It has an outcome.
    Sent,
}

fn waits(until: Option<Moment>, otherwise: Until) -> Until {
    match until {
        Some(Moment::Accepted) => Until::Accepted,
        Some(Moment::Stored) if otherwise == Until::Sent => Until::Stored,
        None | Some(Moment::Stored | Moment::Sent) => otherwise,
    }
}

/// An accepted message: it is stored and will be sent as soon as possible.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct AcceptedMessage {
    /// The gateway's id of the message.
    id: OutboxId,
    /// The WhatsApp id of the message, which is assigned before it is sent.
    message_id: MessageId,
    /// Its state.
    state: RowState,
    /// The path of the message.
    location: String,
}

impl From<&Accepted> for AcceptedMessage {
    fn from(accepted: &Accepted) -> Self {
        Self {
            id: accepted.id.clone(),
            message_id: accepted.message_id.clone(),
            state: accepted.state,
            location: submit::location(accepted),
        }
    }
}

/// Sent (200), or accepted (202).
#[derive(Debug)]
enum SendAnswer {
    Sent(Box<Message>),
    Accepted(Accepted),
}

impl IntoResponse for SendAnswer {
    fn into_response(self) -> Response {
        match self {
            Self::Sent(message) => Json(message).into_response(),
            Self::Accepted(accepted) => {
                submit::accepted(&accepted, Json(AcceptedMessage::from(&accepted))).into_response()
            }
        }
    }
}

impl Output for SendAnswer {
    fn describe(operation: Operation) -> Operation {
        let sent = operation.answers::<Message>(StatusCode::OK);
        let accepted = sent
            .answers::<AcceptedMessage>(StatusCode::ACCEPTED)
            .with_header("Location", "The path of the message.");
        accepted.with_header("Preference-Applied", "Always `respond-async`.")
    }
}

/// `POST /v1/sessions/{id}/messages`: sends a message and waits for the outcome, unless the caller
/// prefers not to.
async fn send(
    State(bodies): State<Arc<Bodies>>,
    submission: Submission,
    Params(Waiting { until }): Params<Waiting>,
    Session(client): Session,
    JsonBody(body, _): JsonBody<SendBody>,
) -> Result<SendAnswer, ApiError> {
    let waits = |otherwise| {
        if submission.prefers_async() {
            Until::Accepted
        } else {
            waits(until, otherwise)
        }
    };
    let call = bodies
        .apart(body.len(), || {
            parse(submission.defaults(), client.clone(), &body)
        })
        .await;
    match submission
        .answer(
            || NormalizedRequest::message(client.as_str(), &body),
            call,
            waits,
        )
        .await?
    {
        SendReply::Accepted(accepted) => Ok(SendAnswer::Accepted(accepted)),
        SendReply::Done(row, outcome) => match outcome {
            Outcome::Sent { .. } => Ok(SendAnswer::Sent(Box::new(Message::from(&*row)))),
            Outcome::NotSent { code, reason } => {
                Err(ApiError::not_sent(code, reason).with("id", row.id.0))
            }
            Outcome::Unknown { reason } => {
                let place = format!("/v1/messages/{}", row.id);
                let detail = format!(
                    "{reason}. Do not send it again: read {place}, or repeat the call with the same Idempotency-Key"
                );
                let error = ApiError::new(Code::OutcomeUnknown, detail);
                Err(error
                    .with("id", row.id.0)
                    .with("messageId", row.message_id.0)
                    .with("location", place))
            }
        },
    }
}

/// Reads the body of the call.
pub(in crate::api) fn parse(
    defaults: &Defaults,
    client: ClientId,
    body: &[u8],
) -> Result<SendRequest, ApiError> {
    let (wanted, kinds): (SendFields, _) = content::read(body)?;
    let to = recipient::read(defaults.region, wanted.to.text())?;
    let (locale, variables) = (wanted.locale, wanted.variables.unwrap_or_default());
    let fields = ContentFields {
        text: content::text(wanted.text, wanted.mentions, wanted.link_preview)?,
        template: wanted.template.map(|template| RenderRequest {
            template,
            locale,
            variables,
        }),
        kinds,
    };
    let content = content::requested(defaults.region, fields)?;
    let metadata = submit::metadata(wanted.metadata)?;
    let (send_at, expires_at) = submit::given(wanted.send_at.as_ref(), wanted.expires_at.as_ref())?;
    Ok(SendRequest {
        client,
        to,
        content,
        reply_to: wanted.reply_to.as_deref().map(content::bare).transpose()?,
        send_at,
        expires_at,
        priority: wanted.priority,
        metadata,
        idempotency: None,
    })
}
