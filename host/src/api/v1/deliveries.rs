//! `/v1/deliveries`: what waits for its receiver and what was given up, found, looked at, delivered
//! again, thrown away.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, State},
    http::StatusCode,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    api::{
        error::{ApiError, Code},
        extract::{NoParams, Params, time},
        openapi::{Operation, STORE},
        route::{
            Need::{All, Of},
            Routes,
        },
        time::{AnyTime, Time},
    },
    config::Scope::{Admin, Control, Read},
    events::{DeliveryFilter, DeliveryState, Letter, ReceiverReport},
    model::{ClientId, Envelope, Event, EventId, MessageId},
    services::Deliveries,
};

pub(super) fn routes() -> Routes {
    let found = |id, summary| {
        Operation::new(id, summary)
            .refuses(&[Code::NotFound])
            .refuses(STORE)
    };
    let many = |id, summary| {
        Operation::new(id, summary)
            .refuses(&[Code::InvalidTime])
            .refuses(STORE)
    };
    Routes::new()
        .get(
            "/v1/deliveries",
            Of(Read),
            list,
            many("listDeliveries", "One page of deliveries, newest first, without what their events say")
                .more("Dead letters are all found at once; of the other states a page looks at 100,000 deliveries, so it may be short and still have a `next`."),
        )
        .delete(
            "/v1/deliveries",
            All(Admin),
            purge_all,
            many("purgeDeliveries", "Deletes dead letters, or deliveries that wait, for good")
                .more("Wants `state` (`dead` or `pending`) and at least one of `plugin`, `target`, `since` and `until`. A call that is under way is not cut off."),
        )
        .get(
            "/v1/deliveries/receivers",
            All(Read),
            receivers,
            Operation::new("listReceivers", "The receivers for which something waits or is dead, and those that fail").refuses(STORE),
        )
        .post(
            "/v1/deliveries/retry",
            All(Control),
            retry_all,
            many("retryDeliveries", "Delivers again: dead letters, or with `state=pending` what waits")
                .more("Wants at least one of `plugin`, `target`, `since` and `until`.")
                .status(StatusCode::ACCEPTED),
        )
        .get("/v1/deliveries/{id}", Of(Read), get, found("getDelivery", "A delivery"))
        .delete(
            "/v1/deliveries/{id}",
            Of(Admin),
            purge,
            found("purgeDelivery", "Deletes a dead letter, or a delivery that waits, for good").refuses(&[Code::WrongState]),
        )
        .post(
            "/v1/deliveries/{id}/retry",
            Of(Control),
            retry,
            found("retryDelivery", "Delivers a dead letter again, or one that waits now").status(StatusCode::ACCEPTED).refuses(&[Code::WrongState]),
        )
}

/// Rows of a page, unless the caller says otherwise, and at most.
const PAGE: u32 = 50;
const MAX_PAGE: u32 = 200;

/// An event on its way to one receiver.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Delivery {
    /// Its id, `dlv_…`.
    id: String,
    /// The notifier plugin that delivers it.
    plugin: String,
    /// The plugin's name for the receiver; null while it could not say who is told.
    target: Option<String>,
    /// Where it stands.
    state: DeliveryState,
    /// Attempts since it was last taken up.
    attempt: u32,
    /// When it is tried again, while it is `pending`.
    next_at: Option<Time>,
    /// Why it failed last, for people.
    reason: Option<String>,
    /// When the event became a delivery.
    created_at: Time,
    /// When it last changed.
    updated_at: Time,
    /// What the event is about; null once it is not in the log any more.
    event: Option<EventSummary>,
}

/// What an event is about, without what it says.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct EventSummary {
    /// Its id.
    id: EventId,
    /// Its kind, `message.received`.
    kind: String,
    /// Of which session.
    session: ClientId,
    /// When it happened.
    at: Time,
    /// Whether it was found out about later than it happened, for instance after a start.
    replayed: bool,
    /// The WhatsApp id of the message that it is about.
    message_id: Option<MessageId>,
}

impl From<Letter> for Delivery {
    fn from(Letter { delivery, event }: Letter) -> Self {
        Self {
            id: delivery.id,
            plugin: delivery.plugin,
            target: Some(delivery.target).filter(|target| !target.is_empty()),
            state: delivery.state,
            attempt: delivery.attempt,
            next_at: (delivery.state == DeliveryState::Pending).then(|| delivery.next_at.into()),
            reason: delivery.reason,
            created_at: delivery.made_at.into(),
            updated_at: delivery.updated_at.into(),
            event: event.map(EventSummary::from),
        }
    }
}

impl From<Envelope> for EventSummary {
    fn from(envelope: Envelope) -> Self {
        let message_id = match &envelope.event {
            Event::MessageSent { id, .. }
            | Event::MessageFailed { id, .. }
            | Event::MessageAck { id, .. } => Some(id.clone()),
            Event::MessageReceived(message) => Some(message.id.clone()),
            _ => None,
        };
        Self {
            kind: envelope.event.kind().to_owned(),
            id: envelope.id,
            session: envelope.session,
            at: envelope.at.into(),
            replayed: envelope.replayed,
            message_id,
        }
    }
}

fn not_found() -> ApiError {
    ApiError::new(Code::NotFound, "there is no delivery of that id")
}

/// Which deliveries; every call takes the same words.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Which {
    /// In this state.
    state: Option<DeliveryState>,
    /// Of this notifier plugin.
    plugin: Option<String>,
    /// To this receiver.
    target: Option<String>,
    /// Of events that became a delivery at this time or later: RFC 3339, or milliseconds since the
    /// Unix epoch.
    #[schemars(with = "Option<AnyTime>")]
    since: Option<String>,
    /// Of events that became a delivery before this time: RFC 3339, or milliseconds since the Unix
    /// epoch.
    #[schemars(with = "Option<AnyTime>")]
    until: Option<String>,
    /// Rows of a page, 1 to 200; default 50. Of a list alone.
    #[schemars(range(min = 1, max = 200))]
    limit: Option<u32>,
    /// The `next` of the page before. Of a list alone.
    cursor: Option<String>,
}

fn read(mut which: Which) -> Result<(Which, DeliveryFilter), ApiError> {
    let filter = DeliveryFilter {
        state: which.state,
        plugin: which.plugin.take(),
        target: which.target.take(),
        since: time("since", which.since.take())?,
        until: time("until", which.until.take())?,
    };
    Ok((which, filter))
}

/// For calls that change many: the state, and which of them, so that nobody changes more than they
/// meant.
fn chosen(which: Which, verb: &str) -> Result<DeliveryFilter, ApiError> {
    let wrong = |detail: String| Err(ApiError::new(Code::InvalidQuery, detail));
    let (which, filter) = read(which)?;
    if which.limit.is_some() || which.cursor.is_some() {
        return wrong(format!(
            "limit and cursor are of a list; to {verb} takes all that is meant"
        ));
    }
    if !matches!(
        filter.state,
        None | Some(DeliveryState::Dead | DeliveryState::Pending)
    ) {
        return wrong(format!(
            "state must be dead or pending: nothing else can be told to {verb}"
        ));
    }
    let any = filter.plugin.is_some()
        || filter.target.is_some()
        || filter.since.is_some()
        || filter.until.is_some();
    if any {
        Ok(filter)
    } else {
        wrong(format!(
            "say which are to {verb}: by plugin, target, since or until"
        ))
    }
}

/// One page of deliveries, newest first.
#[derive(Debug, Serialize, JsonSchema)]
struct DeliveryPage {
    /// The deliveries.
    deliveries: Vec<Delivery>,
    /// The `cursor` of the next page; null: this was the last one.
    next: Option<String>,
}

/// `GET /v1/deliveries`: one page of deliveries, newest first.
async fn list(
    State(deliveries): State<Arc<dyn Deliveries>>,
    Params(which): Params<Which>,
) -> Result<Json<DeliveryPage>, ApiError> {
    let (which, filter) = read(which)?;
    let limit = which.limit.unwrap_or(PAGE);
    if !(1..=MAX_PAGE).contains(&limit) {
        return Err(ApiError::new(
            Code::InvalidQuery,
            format!("limit must be 1 to {MAX_PAGE}"),
        ));
    }
    let (letters, next) = deliveries
        .list(&filter, which.cursor.as_deref(), limit)
        .await?;
    Ok(Json(DeliveryPage {
        deliveries: letters.into_iter().map(Delivery::from).collect(),
        next,
    }))
}

/// The receivers of events.
#[derive(Debug, Serialize, JsonSchema)]
struct ReceiverList {
    /// Those for which something waits or is dead, and those that fail.
    receivers: Vec<Receiver>,
}

/// A receiver with what waits for it.
#[derive(Debug, Serialize, JsonSchema)]
struct Receiver {
    /// The notifier plugin that delivers to it.
    plugin: String,
    /// The plugin's name for it; null: the plugin could not say who is told.
    target: Option<String>,
    /// Deliveries that wait.
    pending: u64,
    /// Deliveries that were given up.
    dead: u64,
    /// How it fails; null: it does not.
    failing: Option<Failing>,
}

/// How a receiver fails.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "ReceiverFailing")]
struct Failing {
    /// Since when.
    since: Time,
    /// Failures in a row.
    failures: u32,
    /// Why the last one, for people.
    reason: String,
    /// Whether it is asked by one call at a time.
    circuit: Circuit,
}

/// The circuit breaker of a receiver.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "ReceiverCircuit")]
enum Circuit {
    /// One call at a time asks whether the receiver is back; what waits for it uses up no attempts.
    Open,
    /// Calls are made as ever.
    Closed,
}

impl From<ReceiverReport> for Receiver {
    fn from(ReceiverReport { count, failing }: ReceiverReport) -> Self {
        let failing = failing.map(|it| Failing {
            since: it.since.into(),
            failures: it.failures,
            reason: it.reason,
            circuit: if it.open {
                Circuit::Open
            } else {
                Circuit::Closed
            },
        });
        let target = Some(count.target).filter(|target| !target.is_empty());
        Self {
            plugin: count.plugin,
            target,
            pending: count.pending,
            dead: count.dead,
            failing,
        }
    }
}

/// `GET /v1/deliveries/receivers`: the receivers for which something waits or is dead, and those
/// that fail.
async fn receivers(
    State(deliveries): State<Arc<dyn Deliveries>>,
    _: NoParams,
) -> Result<Json<ReceiverList>, ApiError> {
    let receivers = deliveries.receivers().await?;
    Ok(Json(ReceiverList {
        receivers: receivers.into_iter().map(Receiver::from).collect(),
    }))
}

/// `GET /v1/deliveries/{id}`: one delivery.
async fn get(
    State(deliveries): State<Arc<dyn Deliveries>>,
    Path(id): Path<String>,
    _: NoParams,
) -> Result<Json<Delivery>, ApiError> {
    let letter = deliveries.get(&id).await?.ok_or_else(not_found)?;
    Ok(Json(letter.into()))
}

/// `POST /v1/deliveries/{id}/retry`: makes a dead letter, or a delivery that waits, due now.
async fn retry(
    State(deliveries): State<Arc<dyn Deliveries>>,
    Path(id): Path<String>,
    _: NoParams,
) -> Result<(StatusCode, Json<Delivery>), ApiError> {
    let done = deliveries.retry(&id).await?;
    let letter = changed(&deliveries, &id, done, "retry").await?;
    Ok((
        StatusCode::ACCEPTED,
        Json(letter.ok_or_else(not_found)?.into()),
    ))
}

/// How many deliveries were deleted.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "PurgedDeliveries")]
struct Purged {
    /// How many.
    purged: u64,
}

/// `DELETE /v1/deliveries/{id}`: deletes a dead letter, or a delivery that waits.
async fn purge(
    State(deliveries): State<Arc<dyn Deliveries>>,
    Path(id): Path<String>,
    _: NoParams,
) -> Result<Json<Purged>, ApiError> {
    let done = deliveries.purge(&id).await?;
    changed(&deliveries, &id, done, "purge").await?;
    Ok(Json(Purged { purged: 1 }))
}

/// The delivery as it is now; an error when nothing was done to it.
async fn changed(
    deliveries: &Arc<dyn Deliveries>,
    id: &str,
    done: bool,
    verb: &str,
) -> Result<Option<Letter>, ApiError> {
    let letter = deliveries.get(id).await?;
    if done {
        return Ok(letter);
    }
    let state = letter.ok_or_else(not_found)?.delivery.state;
    let detail = format!(
        "the delivery cannot be told to {verb}: it is {}, and only what waits or is dead can",
        state.as_str()
    );
    Err(ApiError::new(Code::WrongState, detail).with("state", state.as_str()))
}

/// How many deliveries are due now.
#[derive(Debug, Serialize, JsonSchema)]
struct Retried {
    /// How many.
    retried: u64,
}

/// `POST /v1/deliveries/retry`: makes all that is meant due now.
async fn retry_all(
    State(deliveries): State<Arc<dyn Deliveries>>,
    Params(which): Params<Which>,
) -> Result<(StatusCode, Json<Retried>), ApiError> {
    let filter = chosen(which, "retry")?;
    let retried = deliveries.retry_all(&filter).await?;
    Ok((StatusCode::ACCEPTED, Json(Retried { retried })))
}

/// `DELETE /v1/deliveries`: deletes all that is meant.
async fn purge_all(
    State(deliveries): State<Arc<dyn Deliveries>>,
    Params(which): Params<Which>,
) -> Result<Json<Purged>, ApiError> {
    let filter = chosen(which, "purge")?;
    if filter.state.is_none() {
        let detail =
            "say state=dead or state=pending as well: what is purged is delivered to nobody";
        return Err(ApiError::new(Code::InvalidQuery, detail));
    }
    let purged = deliveries.purge_all(&filter).await?;
    Ok(Json(Purged { purged }))
}
