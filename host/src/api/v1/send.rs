//! `POST /v1/sessions/{id}/messages`.

use std::collections::BTreeMap;

use axum::{
    Extension, Json,
    body::Bytes,
    extract::{Path, State, rejection::BytesRejection},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::messages;
use crate::{
    api::{
        App, SendCall, SendReply,
        access::Caller,
        content::{self, Said},
        extract::Params,
        object,
        once::Asked,
        problem::Problem,
        recipient::{self, Written},
        reply::{Failure, bad},
        submit::{self, MAX_METADATA, MAX_PAIR},
    },
    model::{ClientId, MessageId, Outcome, Priority},
    outbox::{Accepted, OutboxId, RowState, Until},
    plugins::RenderRequest,
};

/// The body of `POST /v1/sessions/{id}/messages`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Wanted {
    to: Written,
    text: Option<String>,
    mentions: Option<Vec<String>>,
    link_preview: Option<bool>,
    template: Option<String>,
    locale: Option<String>,
    variables: Option<BTreeMap<String, Value>>,
    location: Option<content::LocationFields>,
    contact: Option<content::ContactFields>,
    reply_to: Option<String>,
    send_at: Option<Value>,
    expires_at: Option<Value>,
    #[serde(default)]
    priority: Priority,
    #[serde(default)]
    metadata: BTreeMap<String, String>,
}

/// `POST /v1/sessions/{id}/messages`.
pub(in crate::api) async fn send(
    State(app): State<App>,
    Path(id): Path<String>,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
    Params(Waiting { until }): Params<Waiting>,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Problem> {
    let body = submit::readable(&headers, body)?;
    let waits = |otherwise| if submit::prefers_async(&headers) { Until::Accepted } else { waits(until, otherwise) };
    let call = app.bodies.apart(body.len(), || parse(&app, &id, &body)).await;
    let answer = submit::answer(&app, &headers, &caller, || Asked::message(&id, &body), call, waits).await?;
    match answer {
        SendReply::Accepted(accepted) => Ok(submit::accepted_response(&accepted, Json(shape(&accepted)).into_response())),
        SendReply::Done(row, outcome) => match outcome {
            Outcome::Sent { .. } => Ok(Json(messages::shape(&row)).into_response()),
            Outcome::NotSent { code, reason } => Err(Problem::from(Failure::not_sent(code, reason)).with("id", row.id.0)),
            Outcome::Unknown { reason } => {
                let place = format!("/v1/messages/{}", row.id);
                let detail = format!("{reason}. Do not send it again: ask {place}, or repeat the call with the same Idempotency-Key");
                let problem = Problem::new(StatusCode::GATEWAY_TIMEOUT, "outcome_unknown", detail);
                Err(problem.with("id", row.id.0).with("messageId", row.message_id.0).with("location", place))
            }
        },
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Shape<'a> {
    id: &'a OutboxId,
    message_id: &'a MessageId,
    state: RowState,
    location: String,
}

fn shape(accepted: &Accepted) -> Shape<'_> {
    Shape { id: &accepted.id, message_id: &accepted.message_id, state: accepted.state, location: submit::location(accepted) }
}

fn parse(app: &App, id: &str, body: &[u8]) -> Result<SendCall, Failure> {
    let wanted: Wanted = object::from_slice(body).map_err(|fault| content::not_yet(body).unwrap_or_else(|| fault.into()))?;
    let client: ClientId =
        id.parse().map_err(|error: crate::model::InvalidClientId| bad("invalid_client_id", "Invalid client id", error.to_string()))?;
    let to = recipient::read(app, wanted.to.text())?;
    let (locale, variables) = (wanted.locale, wanted.variables.unwrap_or_default());
    let said = Said {
        text: content::text(wanted.text, wanted.mentions, wanted.link_preview)?,
        template: wanted.template.map(|template| RenderRequest { template, locale, variables }),
        location: wanted.location,
        contact: wanted.contact,
    };
    let content = content::requested(app, said)?;
    if wanted.metadata.len() > MAX_METADATA || wanted.metadata.iter().any(|(name, value)| name.len() > MAX_PAIR || value.len() > MAX_PAIR) {
        let message = format!("metadata may have {MAX_METADATA} pairs of at most {MAX_PAIR} bytes each");
        return Err(bad("metadata_too_large", "Metadata too large", message));
    }
    let (send_at, expires_at) = submit::given(wanted.send_at.as_ref(), wanted.expires_at.as_ref())?;
    Ok(SendCall {
        client,
        to,
        content,
        reply_to: wanted.reply_to.as_deref().map(content::bare).transpose()?,
        send_at,
        expires_at,
        priority: wanted.priority,
        metadata: wanted.metadata.into_iter().collect(),
        idempotency: None,
        until: Until::Sent,
    })
}

/// `?until=`: what the answer waits for.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct Waiting {
    until: Option<Moment>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Moment {
    Accepted,
    Stored,
    Sent,
}

fn waits(until: Option<Moment>, otherwise: Until) -> Until {
    match until {
        Some(Moment::Accepted) => Until::Accepted,
        Some(Moment::Stored) if otherwise == Until::Sent => Until::Stored,
        None | Some(Moment::Stored | Moment::Sent) => otherwise,
    }
}
