//! The paths and answers of the original service.

use std::collections::BTreeMap;

use axum::{
    Extension,
    body::Bytes,
    extract::{RawQuery, State, rejection::BytesRejection},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use base64::{Engine, prelude::BASE64_STANDARD};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{
    App, SendCall, SendFailure, SendReply,
    access::Caller,
    content, object,
    once::Asked,
    params::Params,
    recipient::{self, Written},
    reply::{Failure, INTERNAL, success},
    sending,
};
use crate::{
    model::{ClientId, Content, Outcome, Priority, SessionState, Timestamp},
    outbox::{Requested, Until},
    plugins::RenderRequest,
    qr,
    session::Snapshot,
};

/// What a send may say. The original service knew the first two.
const FIELDS: [&str; 12] =
    ["number", "message", "mentions", "linkPreview", "template", "variables", "locale", "clientId", "replyTo", "sendAt", "expiresAt", "priority"];

fn now() -> String {
    Timestamp::now().rfc3339()
}

/// `?clientId=`: the original service knew one client; a call that names none means the default one.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Whose {
    client_id: Option<String>,
}

pub(super) fn client(app: &App, whose: &Whose) -> Result<ClientId, Failure> {
    let Some(id) = &whose.client_id else { return Ok(app.core.default_client().clone()) };
    id.parse().map_err(|error: crate::model::InvalidClientId| bad("invalid_client_id", "Invalid client id", error.to_string()))
}

fn session(app: &App, whose: &Whose) -> Result<(ClientId, Snapshot), Failure> {
    let client = client(app, whose)?;
    match app.core.session(&client) {
        Some(now) => Ok((client, now)),
        None => Err(SendFailure::UnknownClient(client).into()),
    }
}

pub(super) async fn server_health(State(app): State<App>) -> Response {
    let version = env!("CARGO_PKG_VERSION");
    axum::Json(json!({"status": "ok", "uptime": app.started.elapsed().as_secs_f64(), "version": version, "timestamp": now()})).into_response()
}

pub(super) async fn status(State(app): State<App>, Params(whose): Params<Whose>) -> Result<Response, Failure> {
    let (client, now) = session(&app, &whose)?;
    let state = now.state;
    let data = json!({
        "isReady": state == SessionState::Ready, "connectionStatus": state, "timestamp": self::now(), "clientId": client,
    });
    Ok(success(&data, &format!("WhatsApp client is {state}")))
}

pub(super) async fn health(State(app): State<App>, Params(whose): Params<Whose>) -> Result<Response, Failure> {
    let state = session(&app, &whose)?.1.state;
    let data = json!({
        "service": "WhatsApp API", "status": "operational", "connectionStatus": state, "isReady": state == SessionState::Ready,
        "timestamp": now(), "uptime": app.started.elapsed().as_secs_f64(),
    });
    Ok(success(&data, "WhatsApp API is operational"))
}

pub(super) async fn qr(State(app): State<App>, Params(whose): Params<Whose>, headers: HeaderMap) -> Result<Response, Failure> {
    let (_, session) = session(&app, &whose)?;
    if let Some(picture) = picture(&session, &headers).map_err(Failure::internal)? {
        return Ok(picture);
    }
    let place = json!({"connectionStatus": session.state, "timestamp": now()});
    if matches!(session.state, SessionState::Authenticated | SessionState::Ready) && !wants(&headers, "image/") {
        let data = json!({"qrCode": null, "connectionStatus": session.state, "timestamp": now()});
        return Ok(success(&data, "Already authenticated"));
    }
    let words = format!("the session is {}: {}", session.state, session.reason);
    Err(Failure::new(StatusCode::NOT_FOUND, "qr_not_available", "QR code not available", words).with(place))
}

fn wants(headers: &HeaderMap, kind: &str) -> bool {
    headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).is_some_and(|accept| accept.contains(kind))
}

/// The QR that can be scanned now, in the form the caller accepts; none: there is none.
pub(super) fn picture(session: &Snapshot, headers: &HeaderMap) -> Result<Option<Response>, String> {
    let Some(code) = session.qr.as_ref().filter(|code| code.expires_at > Timestamp::now()) else { return Ok(None) };
    let too_long = |error: qr::TooLong| error.to_string();
    // A QR is a credential: nothing on the way may keep it.
    let no_store = (header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if wants(headers, "image/svg+xml") {
        let picture = qr::svg(&code.code).map_err(too_long)?;
        return Ok(Some(([(header::CONTENT_TYPE, HeaderValue::from_static("image/svg+xml")), no_store], picture).into_response()));
    }
    let picture = qr::png(&code.code).map_err(too_long)?;
    if wants(headers, "image/png") {
        return Ok(Some(([(header::CONTENT_TYPE, HeaderValue::from_static("image/png")), no_store], picture).into_response()));
    }
    let data = json!({
        "qrCode": format!("data:image/png;base64,{}", BASE64_STANDARD.encode(picture)), "qrText": code.code,
        "expiresAt": code.expires_at.rfc3339(), "attempt": code.attempt, "connectionStatus": session.state, "timestamp": now(),
    });
    Ok(Some(([no_store], success(&data, "QR code generated successfully")).into_response()))
}

pub(super) async fn session_info(State(app): State<App>, Params(whose): Params<Whose>) -> Result<Response, Failure> {
    let (client, _) = session(&app, &whose)?;
    let info = app.core.session_info(&client).await?;
    Ok(success(&info, "Session information retrieved successfully"))
}

pub(super) async fn reconnect(State(app): State<App>, Params(whose): Params<Whose>) -> Result<Response, Failure> {
    let (client, _) = session(&app, &whose)?;
    app.core.reconnect(&client).await?;
    let data = json!({"message": "The session is being started anew", "timestamp": now()});
    Ok(success(&data, "Reconnection initiated successfully"))
}

#[derive(serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Cleaning {
    #[serde(default)]
    dry_run: bool,
}

pub(super) async fn cleanup(State(app): State<App>, RawQuery(query): RawQuery) -> Result<Response, Failure> {
    let wanted: Cleaning =
        object::from_query(query.as_deref().unwrap_or_default()).map_err(|fault| bad("invalid_field", "Invalid field", fault.says("the query")))?;
    let failed = |words: String| Failure::new(StatusCode::INTERNAL_SERVER_ERROR, "cleanup_failed", "Clean-up failed", INTERNAL).because(words);
    let done = app.core.cleanup(wanted.dry_run).await.map_err(failed)?;
    let (would, message) = if done.dry_run { ("would be ", "Session cleanup planned") } else { ("", "Session cleanup completed successfully") };
    let words = format!(
        "{} {would}removed, {} {would}set aside, {} bytes {would}freed; no login is touched",
        done.removed.len(),
        done.quarantined.len(),
        done.bytes_freed
    );
    let data = json!({
        "message": words, "timestamp": now(), "dryRun": done.dry_run, "removed": done.removed, "quarantined": done.quarantined,
        "bytesFreed": done.bytes_freed,
    });
    Ok(success(&data, message))
}

pub(super) async fn send(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Params(whose): Params<Whose>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Failure> {
    let body = sending::readable(&headers, body)?;
    let call = app.bodies.apart(body.len(), || parse(&app, &whose, &body)).await;
    let said = match call.as_ref().map(|call| &call.content) {
        Ok(Requested::Content(content)) => content.body().map(str::to_owned),
        Ok(Requested::Template(_)) | Err(_) => None,
    };
    let waits = |otherwise| if sending::prefers_async(&headers) { Until::Accepted } else { otherwise };
    let asked = || Asked::seed(app.core.default_client(), &body);
    match sending::answer(&app, &headers, &caller, asked, call, waits).await? {
        SendReply::Accepted(accepted) => {
            let data = json!({
                "id": accepted.id, "messageId": accepted.message_id, "state": accepted.state, "location": sending::location(&accepted),
                "timestamp": now(),
            });
            Ok(sending::accepted_response(&accepted, success(&data, "Message accepted")))
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

pub(super) fn bad(code: &str, error: &str, message: impl Into<String>) -> Failure {
    Failure::new(StatusCode::BAD_REQUEST, code, error, message)
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
    if let Some(unknown) = sending::unknown_field(fields.keys(), &FIELDS) {
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
    let (send_at, expires_at) = sending::given(fields.get("sendAt"), fields.get("expiresAt"))?;
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
