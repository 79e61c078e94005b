//! `/v1/bulk`: one message to many, and a report of what became of each.

use std::collections::{BTreeMap, HashSet};

use axum::{
    Extension, Json,
    body::Bytes,
    extract::{Path, State, rejection::BytesRejection},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::{
    api::{
        App, SendFailure,
        access::Caller,
        content,
        extract::{NoParams, Params},
        object,
        once::{self, Asked},
        problem::Problem,
        recipient::{self, Written},
        reply::Failure,
        submit,
    },
    model::{ClientId, Priority},
    outbox::{AcceptError, BulkMessage, BulkRecipient, BulkReport, BulkRequest, RowState},
};

/// Recipients of one order.
const MAX_RECIPIENTS: usize = 10_000;
/// Recipients of a page.
const PAGE: u32 = 500;

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Wanted {
    session: ClientId,
    recipients: Vec<Recipient>,
    text: Option<String>,
    mentions: Option<Vec<String>>,
    link_preview: Option<bool>,
    template: Option<String>,
    locale: Option<String>,
    #[serde(default)]
    variables: BTreeMap<String, Value>,
    send_at: Option<Value>,
    expires_at: Option<Value>,
    #[serde(default = "bulk")]
    priority: Priority,
    #[serde(default)]
    metadata: BTreeMap<String, String>,
}

fn bulk() -> Priority {
    Priority::Bulk
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Recipient {
    to: Written,
    #[serde(default)]
    variables: BTreeMap<String, Value>,
}

pub(in crate::api) async fn create(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
    _: NoParams,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Problem> {
    let body = submit::readable(&headers, body)?;
    let read = || {
        let wanted = object::from_slice(&body).map_err(|fault| content::not_to_many(&body).unwrap_or_else(|| fault.into()));
        wanted.map_err(Problem::from).and_then(|wanted| parse(&app, wanted))
    };
    let request = app.bodies.apart(body.len(), read).await;
    let id = ordered(&app, &headers, &caller, &body, request).await?;
    let order = find(&app, &id).await?;
    let place = format!("/v1/bulk/{id}");
    Ok((StatusCode::ACCEPTED, [(header::LOCATION, place)], Json(shape(&id, &order))).into_response())
}

/// The name of the order: a new one, or that of the same request before. `request` is what is understood, or why it is not;
/// its times are as given.
async fn ordered(app: &App, headers: &HeaderMap, caller: &Caller, body: &[u8], request: Result<BulkRequest, Problem>) -> Result<String, Problem> {
    let mut key = None;
    let named = || {
        let asked = Asked::bulk(body)?;
        let earlier = request.as_ref().map_or_else(|_| vec![], |request| asked.earlier_bulk(app.core.region(), request));
        Some(asked.key(app, headers, caller, earlier))
    };
    if once::is_keyed(headers)
        && let Some(named) = app.bodies.apart(body.len(), named).await
    {
        let named = named?;
        match app.core.repeated_bulk(&named).await {
            Ok(Some(id)) => return Ok(id),
            Ok(None) => key = Some(named),
            // Of a request that makes no sense that is said first.
            Err(failure) if request.is_ok() || !matches!(failure, SendFailure::Refused(AcceptError::KeyReused)) => {
                return Err(Failure::from(failure).into());
            }
            Err(_) => {}
        }
    }
    let mut request = request?;
    request.message.send_at = submit::times(request.message.send_at, request.message.expires_at)?;
    request.idempotency = key;
    Ok(app.core.create_bulk(request).await.map_err(Failure::from)?)
}

fn parse(app: &App, wanted: Wanted) -> Result<BulkRequest, Problem> {
    if !(1..=MAX_RECIPIENTS).contains(&wanted.recipients.len()) {
        return Err(Problem::bad("invalid_recipients", format!("an order has 1 to {MAX_RECIPIENTS} recipients")));
    }
    let text = content::text(wanted.text, wanted.mentions, wanted.link_preview)?.map(|words| content::words(app, words)).transpose()?;
    if text.is_some() == wanted.template.is_some() {
        return Err(Problem::bad("message_and_template", "give text or template, one of both"));
    }
    let own = wanted.recipients.iter().any(|recipient| !recipient.variables.is_empty());
    if text.is_some() && (own || !wanted.variables.is_empty()) {
        return Err(Problem::bad("invalid_body", "variables belong to a template; a text has none"));
    }
    let too_long = |(name, value): (&String, &String)| name.len() > submit::MAX_PAIR || value.len() > submit::MAX_PAIR;
    if wanted.metadata.len() > submit::MAX_METADATA || wanted.metadata.iter().any(too_long) {
        return Err(Problem::bad("metadata_too_large", format!("metadata may have {} pairs of {} bytes", submit::MAX_METADATA, submit::MAX_PAIR)));
    }
    let (send_at, expires_at) = submit::given(wanted.send_at.as_ref(), wanted.expires_at.as_ref())?;
    let (mut recipients, mut seen) = (Vec::with_capacity(wanted.recipients.len()), HashSet::new());
    for (place, recipient) in wanted.recipients.into_iter().enumerate() {
        let to = recipient::read(app, recipient.to.text()).map_err(|failure| Problem::from(failure).with("recipient", place))?;
        if !seen.insert(to.clone()) {
            return Err(Problem::bad("duplicate_recipient", format!("recipient {place} is {to}, who is one before it")).with("recipient", place));
        }
        recipients.push((to, recipient.variables));
    }
    let link_preview = text.as_ref().is_none_or(|text| text.preview_links);
    let (text, mentions) = text.map(|text| (text.body, text.mentions)).unzip();
    let message = BulkMessage {
        text,
        mentions: mentions.unwrap_or_default(),
        link_preview,
        template: wanted.template,
        locale: wanted.locale,
        variables: wanted.variables,
        send_at,
        expires_at,
        priority: wanted.priority,
        metadata: wanted.metadata.into_iter().collect(),
    };
    Ok(BulkRequest { client: wanted.session, message, recipients, idempotency: None })
}

fn shape(id: &str, order: &BulkReport) -> Value {
    let counts: Map<String, Value> = order.counts.iter().map(|(state, count)| (state.clone(), json!(count))).collect();
    let total: i64 = order.counts.iter().map(|(_, count)| count).sum();
    json!({"id": id, "session": order.client, "createdAt": order.created_at.rfc3339(), "total": total, "counts": counts, "location": format!("/v1/bulk/{id}")})
}

async fn find(app: &App, id: &str) -> Result<BulkReport, Problem> {
    let found = app.core.bulk(id).await?;
    found.ok_or_else(|| Problem::new(StatusCode::NOT_FOUND, "not_found", "there is no bulk order of that id"))
}

pub(in crate::api) async fn get(State(app): State<App>, Path(id): Path<String>, _: NoParams) -> Result<Response, Problem> {
    Ok(Json(shape(&id, &find(&app, &id).await?)).into_response())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct Page {
    state: Option<Standing>,
    #[serde(default)]
    cursor: i64,
}

/// How far a recipient has come: not taken in yet, refused, or where its message stands.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Standing {
    Pending,
    Refused,
    Queued,
    Sending,
    Unknown,
    Sent,
    NotSent,
}

impl Standing {
    fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Refused => "refused",
            Self::Queued => RowState::Queued.as_str(),
            Self::Sending => RowState::Sending.as_str(),
            Self::Unknown => RowState::Unknown.as_str(),
            Self::Sent => RowState::Sent.as_str(),
            Self::NotSent => RowState::NotSent.as_str(),
        }
    }
}

pub(in crate::api) async fn recipients(State(app): State<App>, Path(id): Path<String>, Params(page): Params<Page>) -> Result<Response, Problem> {
    let order = find(&app, &id).await?;
    let rows = app.core.bulk_recipients(&order, page.state.map(Standing::as_str), page.cursor, PAGE).await?;
    let full = rows.len() >= PAGE as usize;
    let next = rows.last().filter(|_| full).map(|last| (last.place + 1).to_string());
    let shape = |row: &BulkRecipient| json!({"recipient": row.place, "to": row.recipient, "number": (!row.recipient.contains('@')).then_some(&row.recipient), "message": row.message, "state": row.state, "code": row.code, "reason": row.reason});
    Ok(Json(json!({"recipients": rows.iter().map(shape).collect::<Vec<_>>(), "next": next})).into_response())
}

pub(in crate::api) async fn cancel(State(app): State<App>, Path(id): Path<String>, _: NoParams) -> Result<Response, Problem> {
    let order = find(&app, &id).await?;
    let cancelled = app.core.cancel_bulk(&order).await?;
    Ok(Json(json!({"id": id, "cancelled": cancelled})).into_response())
}
