//! `/v1/bulk`: bulk orders, each of which sends one message to many recipients, and the state of
//! each recipient.

use std::{
    collections::{BTreeMap, HashSet},
    sync::Arc,
};

use axum::{
    Json,
    extract::{Path, State},
    http::{HeaderMap, HeaderName, StatusCode, header},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    api::{
        app::Defaults,
        bodies::Bodies,
        caller::Caller,
        content,
        error::{ApiError, Code},
        extract::{JsonBody, NoParams, Params},
        idempotency::{self, NormalizedRequest},
        object,
        openapi::{Header, Operation, STORE},
        recipient::{self, RawRecipient},
        route::{Need::Of, Routes},
        submit,
        time::{AnyTime, Time},
    },
    config::Scope::{Read, Send},
    model::{ClientId, Priority},
    outbox::{
        AcceptError, BulkMessage, BulkRecipient, BulkReport, BulkRequest, OutboxId, RowState,
    },
    services::{BulkOrders, SendFailure},
};

pub(super) fn routes() -> Routes {
    let found = |id, summary| {
        Operation::new(id, summary)
            .refuses(&[Code::NotFound])
            .refuses(STORE)
    };
    Routes::new()
        .post_large(
            "/v1/bulk",
            Of(Send),
            create,
            Operation::new("createBulkOrder", "Sends one message to many recipients")
                .more("The order is stored before the response is sent. Its recipients are then processed one by one, and after a crash nobody gets the message twice.")
                .status(StatusCode::ACCEPTED)
                .header(Header::IdempotencyKey)
                .refuses(&[
                    Code::InvalidBody,
                    Code::InvalidClientId,
                    Code::InvalidRecipients,
                    Code::DuplicateRecipient,
                    Code::InvalidNumber,
                    Code::RecipientNotSupported,
                    Code::InvalidMention,
                    Code::MentionNotInText,
                    Code::TooManyMentions,
                    Code::TextMissing,
                    Code::MessageAndTemplate,
                    Code::MessageTooLong,
                    Code::MetadataTooLarge,
                    Code::InvalidTime,
                    Code::UnknownClient,
                    Code::UnknownTemplate,
                    Code::KindNotSupported,
                    Code::NotFound,
                ])
                .refuses(submit::REPEATED)
                .refuses(STORE),
        )
        .get("/v1/bulk/{id}", Of(Read), get, found("getBulkOrder", "The progress of a bulk order"))
        .get(
            "/v1/bulk/{id}/recipients",
            Of(Read),
            recipients,
            found("listBulkRecipients", "The states of the recipients of a bulk order, 500 per page, in their order"),
        )
        .post("/v1/bulk/{id}/cancel", Of(Send), cancel, found("cancelBulkOrder", "Cancels all recipients of a bulk order whose messages are not being sent yet"))
}

/// The most recipients of one order.
const MAX_RECIPIENTS: usize = 10_000;
/// The most recipients of one page.
const PAGE: u32 = 500;

/// A bulk order: one text or template for many recipients.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[schemars(rename = "NewBulkOrder")]
struct NewOrder {
    /// The session that sends it.
    session: ClientId,
    /// The recipients: 1 to 10000, each once.
    #[schemars(length(min = 1, max = 10000))]
    recipients: Vec<NewRecipient>,
    /// The text. Either this or `template` is required.
    #[schemars(length(max = 4096))]
    text: Option<String>,
    /// Phone numbers or ids of the people who are mentioned in the text as `@number`, at most 50.
    #[schemars(length(max = 50))]
    mentions: Option<Vec<String>>,
    /// Whether a link in the text may get a preview; default true.
    link_preview: Option<bool>,
    /// The name of a template. Either this or `text` is required.
    template: Option<String>,
    /// The language of the template as a BCP 47 tag, such as `de-CH`.
    locale: Option<String>,
    /// Variables of the template for all recipients.
    #[serde(default)]
    variables: BTreeMap<String, Value>,
    /// When to send it: RFC 3339 or milliseconds since the Unix epoch, within the next 366 days.
    #[schemars(with = "Option<AnyTime>")]
    send_at: Option<Value>,
    /// Sending does not begin after this time: RFC 3339 or milliseconds since the Unix epoch.
    #[schemars(with = "Option<AnyTime>")]
    expires_at: Option<Value>,
    /// The priority of its messages in the queue; default `bulk`.
    #[serde(default = "bulk")]
    priority: Priority,
    /// Free-form pairs, at most 50; names and values have at most 1000 bytes each.
    #[serde(default)]
    #[schemars(extend("maxProperties" = 50))]
    metadata: BTreeMap<String, String>,
}

fn bulk() -> Priority {
    Priority::Bulk
}

/// A recipient of a bulk order.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "NewBulkRecipient")]
struct NewRecipient {
    /// The recipient: a phone number or the id of a chat.
    to: RawRecipient,
    /// Variables of the template for this recipient. They take precedence over those for all
    /// recipients.
    #[serde(default)]
    variables: BTreeMap<String, Value>,
}

/// A bulk order and its progress.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "BulkOrder")]
struct Order {
    /// Its id, `bulk_…`.
    id: String,
    /// The session that sends it.
    session: ClientId,
    /// When it was accepted.
    created_at: Time,
    /// The number of its recipients.
    total: i64,
    /// The number of recipients in each state: `pending`, `refused`, or the state of their message.
    counts: BTreeMap<String, i64>,
    /// The path of the order.
    location: String,
}

impl Order {
    fn new(id: String, order: BulkReport) -> Self {
        Self {
            location: location(&id),
            id,
            session: order.client,
            created_at: order.created_at.into(),
            total: order.counts.iter().map(|(_, count)| count).sum(),
            counts: order.counts.into_iter().collect(),
        }
    }
}

fn location(id: &str) -> String {
    format!("/v1/bulk/{id}")
}

/// The response 202 with the path of the order.
type Accepted<T> = (StatusCode, [(HeaderName, String); 1], Json<T>);

/// `POST /v1/bulk`: accepts a bulk order.
async fn create(
    State(orders): State<Arc<dyn BulkOrders>>,
    State(defaults): State<Arc<Defaults>>,
    State(bodies): State<Arc<Bodies>>,
    caller: Caller,
    headers: HeaderMap,
    _: NoParams,
    JsonBody(body, _): JsonBody<NewOrder>,
) -> Result<Accepted<Order>, ApiError> {
    let read = || {
        let wanted = object::from_slice(&body)
            .map_err(|fault| content::not_to_many(&body).unwrap_or_else(|| fault.into()));
        wanted.and_then(|wanted| parse(&defaults, wanted))
    };
    let request = bodies.apart(body.len(), read).await;
    let key = Key {
        defaults: &defaults,
        headers: &headers,
        caller: &caller,
    };
    let id = ordered(&orders, &bodies, &key, &body, request).await?;
    let order = find(&orders, &id).await?;
    Ok((
        StatusCode::ACCEPTED,
        [(header::LOCATION, location(&id))],
        Json(Order::new(id, order)),
    ))
}

/// What an idempotency key is made from, besides the body.
struct Key<'a> {
    defaults: &'a Defaults,
    headers: &'a HeaderMap,
    caller: &'a Caller,
}

/// The id of the order: a new one, or the one that the same request created before. `request` is
/// the parsed request, with its times as given, or the reason why it is invalid.
async fn ordered(
    orders: &Arc<dyn BulkOrders>,
    bodies: &Bodies,
    given: &Key<'_>,
    body: &[u8],
    request: Result<BulkRequest, ApiError>,
) -> Result<String, ApiError> {
    let mut key = None;
    let named = || {
        let normalized = NormalizedRequest::bulk(body)?;
        let earlier = request.as_ref().map_or_else(
            |_| vec![],
            |request| normalized.earlier_bulk(given.defaults.region, request),
        );
        Some(normalized.key(given.defaults, given.headers, given.caller, earlier))
    };
    if idempotency::is_keyed(given.headers)
        && let Some(named) = bodies.apart(body.len(), named).await
    {
        let named = named?;
        match orders.repeated(&named).await {
            Ok(Some(id)) => return Ok(id),
            Ok(None) => key = Some(named),
            // An invalid request is reported as such rather than as a reused key.
            Err(failure)
                if request.is_ok()
                    || !matches!(failure, SendFailure::Refused(AcceptError::KeyReused)) =>
            {
                return Err(failure.into());
            }
            Err(_) => {}
        }
    }
    let mut request = request?;
    request.message.send_at = submit::times(request.message.send_at, request.message.expires_at)?;
    request.idempotency = key;
    Ok(orders.create(request).await?)
}

fn parse(defaults: &Defaults, wanted: NewOrder) -> Result<BulkRequest, ApiError> {
    if !(1..=MAX_RECIPIENTS).contains(&wanted.recipients.len()) {
        return Err(ApiError::new(
            Code::InvalidRecipients,
            format!("an order has 1 to {MAX_RECIPIENTS} recipients"),
        ));
    }
    let text = content::text(wanted.text, wanted.mentions, wanted.link_preview)?
        .map(|words| content::words(defaults.region, words))
        .transpose()?;
    if text.is_some() == wanted.template.is_some() {
        return Err(ApiError::new(
            Code::MessageAndTemplate,
            "give either text or template",
        ));
    }
    let own = wanted
        .recipients
        .iter()
        .any(|recipient| !recipient.variables.is_empty());
    if text.is_some() && (own || !wanted.variables.is_empty()) {
        return Err(ApiError::new(
            Code::InvalidBody,
            "variables belong to a template; a text has none",
        ));
    }
    let metadata = submit::metadata(wanted.metadata)?;
    let (send_at, expires_at) = submit::given(wanted.send_at.as_ref(), wanted.expires_at.as_ref())?;
    let (mut recipients, mut seen) = (Vec::with_capacity(wanted.recipients.len()), HashSet::new());
    for (place, recipient) in wanted.recipients.into_iter().enumerate() {
        let to = recipient::read(defaults.region, recipient.to.text())
            .map_err(|error| error.with("recipient", place))?;
        if !seen.insert(to.clone()) {
            return Err(ApiError::new(
                Code::DuplicateRecipient,
                format!("recipient {place} is {to}, which an earlier recipient is already"),
            )
            .with("recipient", place));
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
        metadata,
    };
    Ok(BulkRequest {
        client: wanted.session,
        message,
        recipients,
        idempotency: None,
    })
}

async fn find(orders: &Arc<dyn BulkOrders>, id: &str) -> Result<BulkReport, ApiError> {
    let found = orders.get(id).await?;
    found.ok_or_else(|| ApiError::new(Code::NotFound, "there is no bulk order of that id"))
}

/// `GET /v1/bulk/{id}`: the progress of an order.
async fn get(
    State(orders): State<Arc<dyn BulkOrders>>,
    Path(id): Path<String>,
    _: NoParams,
) -> Result<Json<Order>, ApiError> {
    let order = find(&orders, &id).await?;
    Ok(Json(Order::new(id, order)))
}

/// Which recipients to list.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Page {
    /// Only recipients in this state.
    state: Option<RecipientState>,
    /// The `next` of the previous page; default 0.
    #[serde(default)]
    cursor: i64,
}

/// The state of a recipient.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "BulkRecipientState")]
enum RecipientState {
    /// Not processed yet.
    Pending,
    /// Refused, so there is no message.
    Refused,
    /// The message waits to be sent.
    Queued,
    /// The message is being sent.
    Sending,
    /// The message may have been sent.
    Unknown,
    /// WhatsApp's server has acknowledged the message.
    Sent,
    /// The message was not sent and will not be.
    NotSent,
}

impl RecipientState {
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

/// One page of at most 500 recipients, in the order of the request.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "BulkRecipientPage")]
struct RecipientPage {
    /// The recipients.
    recipients: Vec<Recipient>,
    /// The `cursor` of the next page; null after the last page.
    next: Option<String>,
}

/// A recipient and its state.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "BulkRecipient")]
struct Recipient {
    /// Its index in the order, from 0.
    recipient: i64,
    /// The recipient: the digits of a phone number, or the id of a chat.
    to: String,
    /// The digits of the phone number; null for the id of a chat.
    number: Option<String>,
    /// The gateway's id of its message, once that is accepted.
    message: Option<OutboxId>,
    /// `pending`, `refused` or the state of its message; `forgotten` once the message is deleted.
    state: String,
    /// Why it was refused or not sent, as a machine-readable code.
    code: Option<String>,
    /// Why it was refused or not sent, for people.
    reason: Option<String>,
}

impl From<BulkRecipient> for Recipient {
    fn from(row: BulkRecipient) -> Self {
        let number = (!row.recipient.contains('@')).then(|| row.recipient.clone());
        Self {
            recipient: row.place,
            to: row.recipient,
            number,
            message: row.message,
            state: row.state,
            code: row.code,
            reason: row.reason,
        }
    }
}

/// `GET /v1/bulk/{id}/recipients`: the state of each recipient.
async fn recipients(
    State(orders): State<Arc<dyn BulkOrders>>,
    Path(id): Path<String>,
    Params(page): Params<Page>,
) -> Result<Json<RecipientPage>, ApiError> {
    let order = find(&orders, &id).await?;
    let rows = orders
        .recipients(
            &order,
            page.state.map(RecipientState::as_str),
            page.cursor,
            PAGE,
        )
        .await?;
    let full = rows.len() >= PAGE as usize;
    let next = rows
        .last()
        .filter(|_| full)
        .map(|last| (last.place + 1).to_string());
    Ok(Json(RecipientPage {
        recipients: rows.into_iter().map(Recipient::from).collect(),
        next,
    }))
}

/// The number of cancelled recipients.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "CancelledOrder")]
struct Cancelled {
    /// The id of the order.
    id: String,
    /// The number of cancelled recipients.
    cancelled: u64,
}

/// `POST /v1/bulk/{id}/cancel`: cancels all recipients of an order whose messages are not being
/// sent yet.
async fn cancel(
    State(orders): State<Arc<dyn BulkOrders>>,
    Path(id): Path<String>,
    _: NoParams,
) -> Result<Json<Cancelled>, ApiError> {
    let order = find(&orders, &id).await?;
    let cancelled = orders.cancel(&order).await?;
    Ok(Json(Cancelled { id, cancelled }))
}
