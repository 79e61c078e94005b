//! Bulk orders: one message to many recipients.
//!
//! The order is stored whole. Then its recipients are accepted one by one like any other message,
//! each under an idempotency key of its own, so that a crash in between neither duplicates nor
//! loses a message.

use std::{collections::BTreeMap, time::Duration};

use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::{task::JoinHandle, time::sleep};
use tracing::{error, info};

use super::{
    accept::{AcceptError, Requested, SendRequest},
    changes::ChangeError,
    handle::Outbox,
};
use crate::{
    model::{ClientId, Content, FailureCode, Priority, Recipient, Text, Timestamp},
    plugins::{RenderFailure, RenderRequest, Subject},
    store::{
        BulkAccept, BulkRecipient, BulkReport, Idempotency, NewBulk, OutboxId, Pending, StoreError,
        unreadable,
    },
    tasks::{self, Trouble},
};

/// Recipients that are accepted at a time.
const AT_ONCE: u32 = 64;
/// Pause before a failed attempt is repeated.
const TICK: Duration = Duration::from_secs(1);

/// The message that all recipients of an order have in common. It is stored as JSON.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BulkMessage {
    /// A text.
    pub text: Option<String>,
    /// Ids mentioned in the text.
    #[serde(default)]
    pub mentions: Vec<String>,
    /// Whether a link of the text may get a preview.
    #[serde(default = "allowed")]
    pub link_preview: bool,
    /// A template, instead of a text.
    pub template: Option<String>,
    /// Locale of the template, a BCP 47 tag.
    pub locale: Option<String>,
    /// Variables of the template. Those of a recipient override them.
    pub variables: BTreeMap<String, Value>,
    /// When to send it; `None` means at once.
    pub send_at: Option<Timestamp>,
    /// Sending does not begin after this time.
    pub expires_at: Option<Timestamp>,
    /// Priority of the messages in the queue.
    pub priority: Priority,
    /// Free-form key-value pairs of the caller.
    pub metadata: Vec<(String, String)>,
}

/// Orders of earlier versions lack the field.
fn allowed() -> bool {
    true
}

/// A bulk order to be accepted.
#[derive(Debug, Clone)]
pub struct BulkRequest {
    /// The session that sends it.
    pub client: ClientId,
    /// The message.
    pub message: BulkMessage,
    /// The recipients, each with its own variables.
    pub recipients: Vec<(Recipient, BTreeMap<String, Value>)>,
    /// Makes a retried request return the same order instead of creating a second one.
    pub idempotency: Option<Idempotency>,
}

impl Outbox {
    /// The id of the order that was accepted under a key before, or `None` if the key is new.
    ///
    /// # Errors
    /// When the key was used for another request, or the database cannot be read.
    pub async fn repeated_bulk(&self, key: &Idempotency) -> Result<Option<String>, AcceptError> {
        match self.inner.store.known_order(key).await? {
            None | Some(BulkAccept::New) => Ok(None),
            Some(BulkAccept::Known(id)) => Ok(Some(id)),
            Some(BulkAccept::Reused) => Err(AcceptError::KeyReused),
        }
    }

    /// Accepts an order and returns its id. When this returns, it is on the disk with all
    /// recipients.
    ///
    /// # Errors
    /// When there is no such template, the key was used for another request, or the database fails.
    pub async fn bulk(&self, request: BulkRequest) -> Result<String, AcceptError> {
        self.check_template(&request).await?;
        let id = format!(
            "bulk_{}",
            ulid::Ulid::generate().to_string().to_ascii_lowercase()
        );
        let mut recipients = Vec::with_capacity(request.recipients.len());
        for (recipient, variables) in request.recipients {
            recipients.push((
                recipient,
                serde_json::to_string(&variables).map_err(StoreError::from)?,
            ));
        }
        let new = NewBulk {
            id: id.clone(),
            client: request.client,
            wanted: serde_json::to_string(&request.message).map_err(StoreError::from)?,
            recipients,
            idempotency: request.idempotency,
        };
        match self.inner.store.create_bulk(new).await? {
            BulkAccept::New => {
                self.inner.ordered.notify_one();
                Ok(id)
            }
            BulkAccept::Known(id) => Ok(id),
            BulkAccept::Reused => Err(AcceptError::KeyReused),
        }
    }

    /// Refuses an unknown template, which is wrong for every recipient. Other template errors
    /// depend on the recipient and appear in the report.
    async fn check_template(&self, request: &BulkRequest) -> Result<(), RenderFailure> {
        let Some(template) = request.message.template.clone() else {
            return Ok(());
        };
        let subject = Subject {
            session: request.client.clone(),
            id: "bulk".into(),
            attempt: 1,
        };
        let wanted = RenderRequest {
            template,
            locale: request.message.locale.clone(),
            variables: request.message.variables.clone(),
        };
        match self.inner.pipeline.render(&subject, &wanted).await {
            Err(unknown @ RenderFailure::UnknownTemplate { .. }) => Err(unknown),
            _ => Ok(()),
        }
    }

    /// The progress of an order, or `None` if there is no order of that id.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn bulk_report(&self, id: &str) -> Result<Option<BulkReport>, StoreError> {
        self.inner.store.bulk(id).await
    }

    /// The recipients of an order from position `from` on, optionally only those in one state.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn bulk_recipients(
        &self,
        order: &BulkReport,
        state: Option<&str>,
        from: i64,
        limit: u32,
    ) -> Result<Vec<BulkRecipient>, StoreError> {
        self.inner
            .store
            .bulk_recipients(order.seq, state, from, limit)
            .await
    }

    /// Cancels the pending recipients and the queued messages of an order. Returns their number.
    ///
    /// # Errors
    /// When the database fails; the recipients that are not cancelled by then are still sent to.
    pub async fn cancel_bulk(&self, order: &BulkReport) -> Result<u64, StoreError> {
        let mut cancelled = self.inner.store.cancel_pending(order.seq).await?;
        for ids in self.inner.store.bulk_queued(order.seq).await?.chunks(500) {
            for done in futures_util::future::join_all(ids.iter().map(|id| self.cancel(id))).await {
                cancelled += u64::from(done.is_ok());
            }
        }
        Ok(cancelled)
    }

    /// Accepts the recipients of orders, until the returned handle is aborted.
    #[must_use]
    pub fn take_orders(&self) -> JoinHandle<()> {
        let outbox = self.clone();
        tasks::forever("outbox.orders", move || outbox.clone().taking_orders())
    }

    async fn taking_orders(self) {
        let mut trouble = Trouble::default();
        loop {
            let taken = self.take_some().await;
            if taken.is_ok() && trouble.is_over() {
                info!("recipients of bulk orders are accepted again");
            }
            match taken {
                Ok(true) => {}
                Ok(false) => self.inner.ordered.notified().await,
                Err(error) => {
                    if trouble.is_new(&error) {
                        error!(%error, "recipients of a bulk order cannot be accepted; it is retried until they can");
                    }
                    sleep(TICK).await;
                }
            }
        }
    }

    /// Accepts the next recipients. Returns `false` if there are none.
    pub(super) async fn take_some(&self) -> Result<bool, StoreError> {
        let _orders = self.inner.orders.lock().await;
        let pending = self.inner.store.pending(AT_ONCE).await?;
        let all =
            futures_util::future::join_all(pending.iter().map(|recipient| self.take(recipient)))
                .await;
        all.into_iter().collect::<Result<Vec<()>, _>>()?;
        Ok(!pending.is_empty())
    }

    async fn take(&self, recipient: &Pending) -> Result<(), StoreError> {
        let Ok(request) = request(recipient) else {
            // The order was written by another version or is damaged. Other orders are not
            // affected.
            error!(
                order = recipient.id,
                recipient = recipient.place,
                "a recipient of a bulk order cannot be read; the report says so"
            );
            return self
                .inner
                .store
                .taken_in(recipient.bulk, recipient.place, Err(unreadable()))
                .await
                .map(drop);
        };
        let known = match &request.idempotency {
            Some(key) => self.repeated(key).await,
            None => Ok(None),
        };
        let taken = match known {
            Ok(None) => self.accept(request).await,
            Ok(Some(known)) => Ok(known),
            Err(error) => Err(error),
        };
        let done = match taken {
            Ok(accepted) => Ok(accepted.id),
            // It was accepted before a crash that came before that was recorded.
            Err(AcceptError::InFlight(id)) => Ok(id),
            // It was accepted before, and the stored message cannot be read.
            Err(AcceptError::Store(StoreError::Corrupt(_))) => Err(unreadable()),
            Err(AcceptError::Store(error)) => return Err(error),
            // Neither allowed nor rejected, so it is tried again.
            Err(AcceptError::Busy(_) | AcceptError::Render(RenderFailure::Busy(_))) => {
                return Err(StoreError::Busy);
            }
            Err(error) => Err((code(&error), error.to_string())),
        };
        let wanted = self
            .inner
            .store
            .taken_in(recipient.bulk, recipient.place, done.clone())
            .await?;
        match done {
            // If its sending has begun already, it cannot be cancelled, and the report shows its
            // state.
            Ok(id) if !wanted => match self.cancel(&id).await {
                Err(ChangeError::Store(error)) => Err(error),
                _ => Ok(()),
            },
            _ => Ok(()),
        }
    }
}

pub(super) fn request(recipient: &Pending) -> Result<SendRequest, StoreError> {
    let wanted: BulkMessage = serde_json::from_str(&recipient.wanted)?;
    let own: BTreeMap<String, Value> = serde_json::from_str(&recipient.variables)?;
    let content = match (wanted.template, wanted.text) {
        (Some(template), _) => {
            let variables = wanted.variables.into_iter().chain(own).collect();
            Requested::Template(RenderRequest {
                template,
                locale: wanted.locale,
                variables,
            })
        }
        (None, text) => {
            let body = text.unwrap_or_default();
            Requested::Content(Content::Text(Text {
                body,
                mentions: wanted.mentions,
                preview_links: wanted.link_preview,
            }))
        }
    };
    let key = format!("{}/{}", recipient.id, recipient.place);
    Ok(SendRequest {
        client: recipient.client.clone(),
        to: recipient.recipient.clone(),
        content,
        reply_to: None,
        send_at: wanted.send_at,
        expires_at: wanted.expires_at,
        priority: wanted.priority,
        metadata: wanted.metadata,
        idempotency: Some(Idempotency::own("bulk", key)),
    })
}

/// The stable code of why a recipient was refused.
fn code(error: &AcceptError) -> String {
    match error {
        AcceptError::Rejected(rejection) => rejection.code.clone().into(),
        AcceptError::Render(RenderFailure::UnknownTemplate { .. }) => "unknown_template".into(),
        AcceptError::Render(RenderFailure::MissingVariable { .. }) => "missing_variable".into(),
        AcceptError::Render(RenderFailure::BadVariable { .. }) => "bad_variable".into(),
        AcceptError::Render(RenderFailure::Failed { .. }) => "template_failed".into(),
        AcceptError::TooLong { .. } => "message_too_long".into(),
        AcceptError::KindNotSupported { .. } => "kind_not_supported".into(),
        AcceptError::Busy(_) | AcceptError::Render(RenderFailure::Busy(_)) => "busy".into(),
        AcceptError::InFlight(OutboxId(_)) | AcceptError::KeyReused | AcceptError::Store(_) => {
            FailureCode::PageError.as_str().into()
        }
    }
}
