//! `POST /api/whatsapp/send`: the original service's call, extended by the options of a text or a
//! template.

use std::{collections::BTreeMap, sync::Arc};

use axum::{
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use schemars::JsonSchema;
use serde::{
    Deserialize, Deserializer, Serialize,
    de::{Error, Unexpected},
};
use serde_json::Value;

use super::envelope::Success;
use crate::{
    api::{
        app::Defaults,
        bodies::Bodies,
        content,
        error::{ApiError, Code},
        extract::{ClientQuery, JsonBody, Params},
        fault::Fault,
        idempotency::NormalizedRequest,
        object,
        openapi::{Operation, Output},
        recipient::{self, RawRecipient},
        route::{Need::Of, Routes},
        submit::{self, Submission},
        time::{AnyTime, Time},
    },
    config::Scope::Send,
    model::{Content, MessageId, Outcome, Priority},
    outbox::{Accepted, OutboxId, Requested, RowState, SendRequest, Until},
    plugins::RenderRequest,
    services::SendReply,
};

pub(super) fn routes() -> Routes {
    let operation = Operation::new("seedSend", "Sends a text or a template")
        .more("The response has the outcome. With `Prefer: respond-async`, or if `sendAt` lies ahead, it is sent as soon as the message is stored.")
        .refuses(&[Code::InvalidJson, Code::InvalidField, Code::UnknownField, Code::InvalidClientId]);
    Routes::new().post("/api/whatsapp/send", Of(Send), send, operation)
}

/// A message to be sent. The original service had `number` and `message`; the other fields are
/// extensions. An empty string counts as absent.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[schemars(rename = "SeedSendRequest")]
struct SendFields {
    /// The recipient: a phone number or the id of a chat.
    number: Option<RawRecipient>,
    /// The text. Either this or `template` is required.
    #[schemars(length(max = 4096))]
    message: Option<String>,
    /// Phone numbers or ids of the people who are mentioned in the text as `@number`, at most 50.
    #[schemars(length(max = 50))]
    mentions: Option<Vec<String>>,
    /// Whether a link in the text may get a preview; default true.
    link_preview: Option<bool>,
    /// The name of a template. Either this or `message` is required.
    template: Option<String>,
    /// The variables of the template.
    #[schemars(with = "Option<BTreeMap<String, Value>>")]
    variables: Option<Value>,
    /// The language of the template as a BCP 47 tag, such as `de-CH`.
    locale: Option<String>,
    /// The session; default: that of the query, or the default session.
    #[schemars(regex(pattern = "^[A-Za-z0-9_-]{0,64}$"))]
    client_id: Option<String>,
    /// The WhatsApp id or the key of the message to reply to.
    reply_to: Option<String>,
    /// When to send it: RFC 3339 or milliseconds since the Unix epoch, within the next 366 days.
    #[schemars(with = "Option<AnyTime>")]
    send_at: Option<Value>,
    /// Sending does not begin after this time: RFC 3339 or milliseconds since the Unix epoch.
    #[schemars(with = "Option<AnyTime>")]
    expires_at: Option<Value>,
    /// Its priority in the queue; default `interactive`.
    #[serde(default, deserialize_with = "priority")]
    #[schemars(with = "Option<Priority>")]
    priority: Option<Priority>,
}

/// Reads a priority. An empty string means the default.
fn priority<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Priority>, D::Error> {
    match Option::<String>::deserialize(deserializer)?.as_deref() {
        None | Some("") => Ok(None),
        Some("interactive") => Ok(Some(Priority::Interactive)),
        Some("bulk") => Ok(Some(Priority::Bulk)),
        Some(other) => Err(Error::invalid_value(
            Unexpected::Str(other),
            &"interactive or bulk",
        )),
    }
}

/// WhatsApp's server has acknowledged the message.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "SeedSent")]
struct Sent {
    /// WhatsApp's key of the message, `true_<chat>_<id>`.
    message_id: String,
    /// When the server's acknowledgement was received.
    timestamp: Time,
    /// The chat it was sent to.
    to: String,
    /// The text that was sent.
    message: Option<String>,
    /// The gateway's id of the message.
    id: OutboxId,
}

/// The message is stored and will be sent as soon as possible.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "SeedAccepted")]
struct AcceptedSend {
    /// The gateway's id of the message.
    id: OutboxId,
    /// The WhatsApp id of the message, which is assigned before it is sent.
    message_id: MessageId,
    /// Its state.
    state: RowState,
    /// The path of the message.
    location: String,
    /// The time of the response.
    timestamp: Time,
}

/// Sent (200), or accepted (202).
#[derive(Debug)]
enum SendAnswer {
    Sent(Success<Sent>),
    Accepted(Accepted),
}

impl IntoResponse for SendAnswer {
    fn into_response(self) -> Response {
        match self {
            Self::Sent(sent) => sent.into_response(),
            Self::Accepted(accepted) => {
                let data = AcceptedSend {
                    id: accepted.id.clone(),
                    message_id: accepted.message_id.clone(),
                    state: accepted.state,
                    location: submit::location(&accepted),
                    timestamp: Time::now(),
                };
                submit::accepted(&accepted, Success::new(data, "Message accepted")).into_response()
            }
        }
    }
}

impl Output for SendAnswer {
    fn describe(operation: Operation) -> Operation {
        let sent = operation.answers::<Success<Sent>>(StatusCode::OK);
        let accepted = sent
            .answers::<Success<AcceptedSend>>(StatusCode::ACCEPTED)
            .with_header("Location", "The path of the message.");
        accepted.with_header("Preference-Applied", "Always `respond-async`.")
    }
}

/// `POST /api/whatsapp/send`: sends a text or a template and waits for the outcome, unless the
/// caller prefers not to.
async fn send(
    State(bodies): State<Arc<Bodies>>,
    submission: Submission,
    Params(query): Params<ClientQuery>,
    JsonBody(body, _): JsonBody<SendFields>,
) -> Result<SendAnswer, ApiError> {
    let call = bodies
        .apart(body.len(), || parse(submission.defaults(), &query, &body))
        .await;
    let said = match call.as_ref().map(|call| &call.content) {
        Ok(Requested::Content(content)) => content.body().map(str::to_owned),
        Ok(Requested::Template(_)) | Err(_) => None,
    };
    let waits = |otherwise| {
        if submission.prefers_async() {
            Until::Accepted
        } else {
            otherwise
        }
    };
    let normalized = || normalized(submission.defaults(), &query, &body);
    match submission.answer(normalized, call, waits).await? {
        SendReply::Accepted(accepted) => Ok(SendAnswer::Accepted(accepted)),
        SendReply::Done(row, outcome) => match outcome {
            Outcome::Sent {
                message_key,
                chat,
                at,
            } => {
                let message = said.or_else(|| row.message.content.body().map(str::to_owned));
                let data = Sent {
                    message_id: message_key,
                    timestamp: at.into(),
                    to: chat,
                    message,
                    id: row.id,
                };
                Ok(SendAnswer::Sent(Success::new(
                    data,
                    "Message sent successfully",
                )))
            }
            Outcome::NotSent { code, reason } => {
                Err(ApiError::not_sent(code, reason).with("id", row.id.0))
            }
            Outcome::Unknown { reason } => {
                let message = format!(
                    "{reason}. Do not send it again: read /v1/messages/{}, or repeat the call with the same Idempotency-Key",
                    row.id
                );
                Err(ApiError::new(Code::OutcomeUnknown, message)
                    .with("id", row.id.0)
                    .with("messageId", row.message_id.0))
            }
        },
    }
}

/// The request as its caller wrote it, with the session of the query when the body names none: the
/// same body for another session is another request. None when [`parse`] refuses the session: it is
/// invalid, or the query and the body name two.
fn normalized(defaults: &Defaults, query: &ClientQuery, body: &[u8]) -> Option<NormalizedRequest> {
    let client = query.client(defaults).ok()?;
    NormalizedRequest::seed(&client, body).filter(|request| {
        query.client_id.is_none() || request.0.get("session") == Some(&client.as_str().into())
    })
}

/// The error for a fault in the body, with the codes of this call.
fn refused(fault: &Fault) -> ApiError {
    if fault.is_of_whole() {
        return fault.of_body(Code::InvalidJson);
    }
    if fault.is_twice() {
        return fault.of_body(Code::InvalidField);
    }
    if fault.is_within("number") {
        return fault.of_body(Code::InvalidNumber);
    }
    ApiError::new(
        if fault.is_unknown() {
            Code::UnknownField
        } else {
            Code::InvalidField
        },
        fault.says("the body"),
    )
}

fn parse(defaults: &Defaults, query: &ClientQuery, body: &[u8]) -> Result<SendRequest, ApiError> {
    let wanted: SendFields = object::from_slice(body).map_err(|fault| refused(&fault))?;
    let given = |text: Option<String>| text.filter(|text| !text.is_empty());
    let missing = || {
        ApiError::new(
            Code::MissingFields,
            "number and message are required (or number and template)",
        )
    };
    let to = wanted
        .number
        .filter(|written| !written.text().is_empty())
        .ok_or_else(missing)?;
    let to = recipient::read(defaults.region, to.text())?;
    let content = match (
        content::text(given(wanted.message), wanted.mentions, wanted.link_preview)?,
        given(wanted.template),
    ) {
        (Some(_), Some(_)) => {
            return Err(ApiError::new(
                Code::MessageAndTemplate,
                "give message or template, not both",
            ));
        }
        (Some(words), None) => {
            Requested::Content(Content::Text(content::words(defaults.region, words)?))
        }
        (None, Some(template)) => {
            let variables: BTreeMap<String, Value> = match wanted.variables {
                None | Some(Value::Null) => BTreeMap::new(),
                Some(Value::Object(variables)) => variables.into_iter().collect(),
                Some(_) => {
                    return Err(ApiError::new(
                        Code::InvalidField,
                        "variables must be an object",
                    ));
                }
            };
            Requested::Template(RenderRequest {
                template,
                locale: given(wanted.locale),
                variables,
            })
        }
        (None, None) => return Err(missing()),
    };
    let client = match (given(wanted.client_id), &query.client_id) {
        (Some(id), Some(other)) if id != *other => {
            return Err(ApiError::new(
                Code::InvalidClientId,
                "the body and the address name two sessions; name one",
            ));
        }
        (Some(id), _) => id.parse()?,
        // As in every other call. A message whose session is given in the query must not be sent by
        // the default session.
        (None, _) => query.client(defaults)?,
    };
    let (send_at, expires_at) = submit::given(wanted.send_at.as_ref(), wanted.expires_at.as_ref())?;
    Ok(SendRequest {
        client,
        to,
        content,
        reply_to: given(wanted.reply_to)
            .as_deref()
            .map(content::bare)
            .transpose()?,
        send_at,
        expires_at,
        priority: wanted.priority.unwrap_or_default(),
        metadata: vec![],
        idempotency: None,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_same_body_for_another_session_of_the_query_is_another_request() {
        let defaults = Defaults {
            client: "default".parse().expect("id"),
            region: None,
        };
        let normalized = |query: Option<&str>, body_names: Option<&str>| {
            let query = ClientQuery {
                client_id: query.map(str::to_owned),
            };
            let body = json!({"number": "4915123456789", "message": "hi", "clientId": body_names});
            normalized(&defaults, &query, body.to_string().as_bytes())
        };
        let digested = |query, body_names| normalized(query, body_names).expect("a request");
        assert_ne!(digested(Some("a"), None), digested(Some("b"), None));
        assert_ne!(digested(Some("a"), None), digested(None, None));
        for (query, body_names) in [(Some("a"), Some("a")), (None, Some("a"))] {
            assert_eq!(digested(query, body_names), digested(Some("a"), None));
        }
        // The digests that earlier versions stored for these requests are still valid.
        for (query, body_names) in [(Some("default"), None), (None, Some("default"))] {
            assert_eq!(digested(query, body_names), digested(None, None));
        }
        // A repeated request with a session that is refused is refused, too.
        assert_eq!(normalized(Some(""), None), None);
        assert_eq!(normalized(Some("b"), Some("a")), None);
    }
}
