//! `/v1/deliveries`: lists, shows, retries and deletes deliveries of events, pending ones and dead
//! letters.

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
    events::{DeliveryFilter, DeliveryState, DeliveryWithEvent, ReceiverReport},
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
            many("listDeliveries", "One page of deliveries, newest first, without the content of their events")
                .more("For other states than `dead`, a page examines at most 100,000 deliveries, so it may be short and still have a `next`."),
        )
        .delete(
            "/v1/deliveries",
            All(Admin),
            purge_all,
            many("purgeDeliveries", "Deletes dead letters or pending deliveries for good")
                .more("Requires `state` (`dead` or `pending`) and at least one of `plugin`, `target`, `since` and `until`. An attempt in progress is not interrupted."),
        )
        .get(
            "/v1/deliveries/receivers",
            All(Read),
            receivers,
            Operation::new("listReceivers", "The receivers with pending deliveries or dead letters, and those that fail").refuses(STORE),
        )
        .post(
            "/v1/deliveries/retry",
            All(Control),
            retry_all,
            many("retryDeliveries", "Retries dead letters, or pending deliveries with `state=pending`")
                .more("Requires at least one of `plugin`, `target`, `since` and `until`.")
                .status(StatusCode::ACCEPTED),
        )
        .get("/v1/deliveries/{id}", Of(Read), get, found("getDelivery", "A delivery"))
        .delete(
            "/v1/deliveries/{id}",
            Of(Admin),
            purge,
            found("purgeDelivery", "Deletes a dead letter or a pending delivery for good").refuses(&[Code::WrongState]),
        )
        .post(
            "/v1/deliveries/{id}/retry",
            Of(Control),
            retry,
            found("retryDelivery", "Retries a dead letter, or a pending delivery at once").status(StatusCode::ACCEPTED).refuses(&[Code::WrongState]),
        )
}

/// The default and the largest number of rows of a page.
const PAGE: u32 = 50;
const MAX_PAGE: u32 = 200;

/// The delivery of an event to one receiver.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Delivery {
    /// Its id, `dlv_…`.
    id: String,
    /// The notifier plugin that delivers it.
    plugin: String,
    /// The plugin's name for the receiver; null while the plugin has not named the receivers of the
    /// event.
    target: Option<String>,
    /// Its state.
    state: DeliveryState,
    /// Attempts since it was created or last retried by an operator.
    attempt: u32,
    /// When the next attempt is due, while it is `pending`.
    next_at: Option<Time>,
    /// Why the last attempt failed, for people.
    reason: Option<String>,
    /// When the delivery was created.
    created_at: Time,
    /// When it last changed.
    updated_at: Time,
    /// A summary of the event; null once the event is no longer in the log.
    event: Option<EventSummary>,
}

/// A summary of an event, without the content of messages.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct EventSummary {
    /// Its id.
    id: EventId,
    /// Its kind, such as `message.received`.
    kind: String,
    /// The session that it concerns.
    session: ClientId,
    /// When it happened.
    at: Time,
    /// Whether it was noticed later than it happened, for instance after a start.
    replayed: bool,
    /// The WhatsApp id of the message that it concerns.
    message_id: Option<MessageId>,
}

impl From<DeliveryWithEvent> for Delivery {
    fn from(DeliveryWithEvent { delivery, event }: DeliveryWithEvent) -> Self {
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

/// A filter of deliveries, the same for every call.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Which {
    /// Only deliveries in this state.
    state: Option<DeliveryState>,
    /// Only deliveries of this notifier plugin.
    plugin: Option<String>,
    /// Only deliveries to this receiver.
    target: Option<String>,
    /// Only deliveries created at this time or later: RFC 3339 or milliseconds since the Unix
    /// epoch.
    #[schemars(with = "Option<AnyTime>")]
    since: Option<String>,
    /// Only deliveries created before this time: RFC 3339 or milliseconds since the Unix epoch.
    #[schemars(with = "Option<AnyTime>")]
    until: Option<String>,
    /// The number of deliveries per page, 1 to 200; default 50. For lists only.
    #[schemars(range(min = 1, max = 200))]
    limit: Option<u32>,
    /// The `next` of the previous page. For lists only.
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

/// The filter of a call that changes many deliveries. It must select some of them, so that nobody
/// changes more than they meant.
fn chosen(which: Which, verb: &str) -> Result<DeliveryFilter, ApiError> {
    let wrong = |detail: String| Err(ApiError::new(Code::InvalidQuery, detail));
    let (which, filter) = read(which)?;
    if which.limit.is_some() || which.cursor.is_some() {
        return wrong(format!(
            "limit and cursor are for lists only: {verb} applies to all selected deliveries"
        ));
    }
    if !matches!(
        filter.state,
        None | Some(DeliveryState::Dead | DeliveryState::Pending)
    ) {
        return wrong(format!(
            "state must be dead or pending: {verb} applies to no other deliveries"
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
            "{verb} requires at least one of plugin, target, since and until"
        ))
    }
}

/// One page of deliveries, newest first.
#[derive(Debug, Serialize, JsonSchema)]
struct DeliveryPage {
    /// The deliveries.
    deliveries: Vec<Delivery>,
    /// The `cursor` of the next page; null after the last page.
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
    let (found, next) = deliveries
        .list(&filter, which.cursor.as_deref(), limit)
        .await?;
    Ok(Json(DeliveryPage {
        deliveries: found.into_iter().map(Delivery::from).collect(),
        next,
    }))
}

/// The receivers of events.
#[derive(Debug, Serialize, JsonSchema)]
struct ReceiverList {
    /// The receivers with pending deliveries or dead letters, and those that fail.
    receivers: Vec<Receiver>,
}

/// A receiver with its numbers of pending deliveries and dead letters.
#[derive(Debug, Serialize, JsonSchema)]
struct Receiver {
    /// The notifier plugin that delivers to it.
    plugin: String,
    /// The plugin's name for it; null for events whose receivers the plugin has not named yet.
    target: Option<String>,
    /// The number of pending deliveries.
    pending: u64,
    /// The number of dead letters.
    dead: u64,
    /// How it fails; null if it does not.
    failing: Option<Failing>,
}

/// How a receiver fails.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "ReceiverFailing")]
struct Failing {
    /// Since when it has failed.
    since: Time,
    /// The number of consecutive failures.
    failures: u32,
    /// The reason of the last failure, for people.
    reason: String,
    /// The state of its circuit breaker.
    circuit: Circuit,
}

/// The state of a receiver's circuit breaker.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "ReceiverCircuit")]
enum Circuit {
    /// One call at a time tests whether the receiver works again; pending deliveries use up no
    /// attempts.
    Open,
    /// Calls are made as usual.
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

/// `GET /v1/deliveries/receivers`: the receivers with pending deliveries or dead letters, and those
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
    let found = deliveries.get(&id).await?.ok_or_else(not_found)?;
    Ok(Json(found.into()))
}

/// `POST /v1/deliveries/{id}/retry`: makes a dead letter or a pending delivery due now.
async fn retry(
    State(deliveries): State<Arc<dyn Deliveries>>,
    Path(id): Path<String>,
    _: NoParams,
) -> Result<(StatusCode, Json<Delivery>), ApiError> {
    let done = deliveries.retry(&id).await?;
    let found = changed(&deliveries, &id, done, "retry").await?;
    Ok((
        StatusCode::ACCEPTED,
        Json(found.ok_or_else(not_found)?.into()),
    ))
}

/// The number of deleted deliveries.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "PurgedDeliveries")]
struct Purged {
    /// The number of deliveries.
    purged: u64,
}

/// `DELETE /v1/deliveries/{id}`: deletes a dead letter or a pending delivery.
async fn purge(
    State(deliveries): State<Arc<dyn Deliveries>>,
    Path(id): Path<String>,
    _: NoParams,
) -> Result<Json<Purged>, ApiError> {
    let done = deliveries.purge(&id).await?;
    changed(&deliveries, &id, done, "purge").await?;
    Ok(Json(Purged { purged: 1 }))
}

/// The delivery as it is now; an error if it was not changed.
async fn changed(
    deliveries: &Arc<dyn Deliveries>,
    id: &str,
    done: bool,
    verb: &str,
) -> Result<Option<DeliveryWithEvent>, ApiError> {
    let found = deliveries.get(id).await?;
    if done {
        return Ok(found);
    }
    let state = found.ok_or_else(not_found)?.delivery.state;
    let detail = format!(
        "cannot {verb} the delivery: it is {}; expected pending or dead",
        state.as_str()
    );
    Err(ApiError::new(Code::WrongState, detail).with("state", state.as_str()))
}

/// The number of deliveries that were made due.
#[derive(Debug, Serialize, JsonSchema)]
struct Retried {
    /// The number of deliveries.
    retried: u64,
}

/// `POST /v1/deliveries/retry`: makes all selected deliveries due now.
async fn retry_all(
    State(deliveries): State<Arc<dyn Deliveries>>,
    Params(which): Params<Which>,
) -> Result<(StatusCode, Json<Retried>), ApiError> {
    let filter = chosen(which, "retry")?;
    let retried = deliveries.retry_all(&filter).await?;
    Ok((StatusCode::ACCEPTED, Json(Retried { retried })))
}

/// `DELETE /v1/deliveries`: deletes all selected deliveries.
async fn purge_all(
    State(deliveries): State<Arc<dyn Deliveries>>,
    Params(which): Params<Which>,
) -> Result<Json<Purged>, ApiError> {
    let filter = chosen(which, "purge")?;
    if filter.state.is_none() {
        let detail = "state=dead or state=pending is required, because purged deliveries are lost";
        return Err(ApiError::new(Code::InvalidQuery, detail));
    }
    let purged = deliveries.purge_all(&filter).await?;
    Ok(Json(Purged { purged }))
}
