//! `POST /api/whatsapp/send`: the original service's call, with what a text or a template may say beside it.

use std::collections::BTreeMap;

use axum::{
    Extension,
    body::Bytes,
    extract::{State, rejection::BytesRejection},
    http::{HeaderMap, StatusCode},
    response::Response,
};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::client::{Whose, client, now};
use crate::{
    api::{
        App, SendCall, SendReply,
        access::Caller,
        content,
        extract::Params,
        object,
        once::Asked,
        recipient::{self, Written},
        reply::{Failure, bad, success},
        submit,
    },
    model::{ClientId, Content, Outcome, Priority},
    outbox::{Requested, Until},
    plugins::RenderRequest,
};

/// What a send may say. The original service knew the first two.
const FIELDS: [&str; 12] =
    ["number", "message", "mentions", "linkPreview", "template", "variables", "locale", "clientId", "replyTo", "sendAt", "expiresAt", "priority"];

pub(in crate::api) async fn send(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Params(whose): Params<Whose>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Failure> {
    let body = submit::readable(&headers, body)?;
    let call = app.bodies.apart(body.len(), || parse(&app, &whose, &body)).await;
    let said = match call.as_ref().map(|call| &call.content) {
        Ok(Requested::Content(content)) => content.body().map(str::to_owned),
        Ok(Requested::Template(_)) | Err(_) => None,
    };
    let waits = |otherwise| if submit::prefers_async(&headers) { Until::Accepted } else { otherwise };
    let asked = || Asked::seed(app.core.default_client(), &body);
    match submit::answer(&app, &headers, &caller, asked, call, waits).await? {
        SendReply::Accepted(accepted) => {
            let data = json!({
                "id": accepted.id, "messageId": accepted.message_id, "state": accepted.state, "location": submit::location(&accepted),
                "timestamp": now(),
            });
            Ok(submit::accepted_response(&accepted, success(&data, "Message accepted")))
        }
        SendReply::Done(row, outcome) => match outcome {
            Outcome::Sent { message_key, chat, at } => {
                let message = said.or_else(|| row.message.content.body().map(str::to_owned));
                let data = json!({"messageId": message_key, "timestamp": at.rfc3339(), "to": chat, "message": message, "id": row.id});
                Ok(success(&data, "Message sent successfully"))
            }
            Outcome::NotSent { code, reason } => Err(Failure::not_sent(code, reason).with(json!({"id": row.id}))),
            Outcome::Unknown { reason } => {
                let message =
                    format!("{reason}. Do not send it again: ask /v1/messages/{}, or repeat the call with the same Idempotency-Key", row.id);
                let failure = Failure::new(StatusCode::GATEWAY_TIMEOUT, "outcome_unknown", "Outcome unknown", message);
                Err(failure.with(json!({"id": row.id, "messageId": row.message_id})))
            }
        },
    }
}

/// A field of some type; none: it is not there, or null.
fn value<T: serde::de::DeserializeOwned>(fields: &Map<String, Value>, name: &str) -> Result<Option<T>, serde_json::Error> {
    fields.get(name).cloned().map_or(Ok(None), serde_json::from_value)
}

/// The field `number` of a body that was found to be an object; none: it is not there, null or empty.
fn number(body: &[u8]) -> Result<Option<Written>, Failure> {
    #[derive(Deserialize)]
    struct Fields {
        number: Option<Written>,
    }

    let Fields { number } = object::from_slice(body).map_err(|fault| fault.of_body("invalid_number", "Invalid phone number format"))?;
    Ok(number.filter(|written| !written.text().is_empty()))
}

fn parse(app: &App, whose: &Whose, body: &[u8]) -> Result<SendCall, Failure> {
    let fields: Map<String, Value> = object::from_slice(body).map_err(|fault| {
        let (code, title) = if fault.is_of_whole() { ("invalid_json", "Invalid JSON") } else { ("invalid_field", "Invalid field") };
        fault.of_body(code, title)
    })?;
    if let Some(unknown) = submit::unknown_field(fields.keys(), &FIELDS) {
        return Err(unknown);
    }
    let text = |name: &str| match fields.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) if text.is_empty() => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(_) => Err(bad("invalid_field", "Invalid field", format!("{name} must be a text"))),
    };
    let (to, message, template) = (number(body)?, text("message")?, text("template")?);
    let missing = || bad("missing_fields", "Missing required fields", "number and message are required (or number and template)");
    let to = recipient::read(app, to.ok_or_else(missing)?.text())?;
    let wrong = |message: &str| bad("invalid_field", "Invalid field", message);
    let mentions: Option<Vec<String>> = value(&fields, "mentions").map_err(|_| wrong("mentions must be a list of texts"))?;
    let link_preview: Option<bool> = value(&fields, "linkPreview").map_err(|_| wrong("linkPreview must be true or false"))?;
    let content = match (content::text(message, mentions, link_preview)?, template) {
        (Some(_), Some(_)) => return Err(bad("message_and_template", "Invalid fields", "give message or template, not both")),
        (Some(words), None) => Requested::Content(Content::Text(content::words(app, words)?)),
        (None, Some(template)) => {
            let variables: BTreeMap<String, Value> = match fields.get("variables") {
                None | Some(Value::Null) => BTreeMap::new(),
                Some(Value::Object(variables)) => variables.clone().into_iter().collect(),
                Some(_) => return Err(bad("invalid_field", "Invalid field", "variables must be an object")),
            };
            Requested::Template(RenderRequest { template, locale: text("locale")?, variables })
        }
        (None, None) => return Err(missing()),
    };
    let client = match (text("clientId")?, &whose.client_id) {
        (Some(id), Some(other)) if id != *other => {
            return Err(bad("invalid_client_id", "Invalid client id", "the body and the address name two sessions; name one"));
        }
        (Some(id), _) => id.parse::<ClientId>().map_err(|error| bad("invalid_client_id", "Invalid client id", error.to_string()))?,
        // As every other call: a message must not leave by the default session because its own is named in the address.
        (None, _) => client(app, whose)?,
    };
    let priority = match text("priority")? {
        None => Priority::default(),
        Some(name) => {
            serde_json::from_value(name.into()).map_err(|_| bad("invalid_field", "Invalid field", "priority must be interactive or bulk"))?
        }
    };
    let (send_at, expires_at) = submit::given(fields.get("sendAt"), fields.get("expiresAt"))?;
    Ok(SendCall {
        client,
        to,
        content,
        reply_to: text("replyTo")?.as_deref().map(content::bare).transpose()?,
        send_at,
        expires_at,
        priority,
        metadata: vec![],
        idempotency: None,
        until: Until::Sent,
    })
}
