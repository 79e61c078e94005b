//! Accepting messages: render the template, ask the plugins, commit. Nothing here uses the network.

use std::{sync::Arc, time::Duration};

use serde_json::json;
use tracing::warn;

use super::{handle::Outbox, links::may_have_link};
use crate::{
    model::{
        Address, ClientId, Content, MessageId, OutboundMessage, Priority, Recipient, Timestamp,
    },
    plugins::{Busy, Decision, Rejection, RenderFailure, RenderRequest, Subject, Verdict},
    store::{Accept, Accepted, Idempotency, NewRow, OutboxId, RowState, Step, StoreError},
};

/// A message that a caller wants to send.
#[derive(Debug, Clone)]
pub struct SendRequest {
    /// The session that sends it.
    pub client: ClientId,
    /// The recipient.
    pub to: Recipient,
    /// The content or the template.
    pub content: Requested,
    /// Bare WhatsApp id of the message that it answers.
    pub reply_to: Option<MessageId>,
    /// When to send it; `None` means at once.
    pub send_at: Option<Timestamp>,
    /// Sending does not begin after this time.
    pub expires_at: Option<Timestamp>,
    /// Its priority in the queue.
    pub priority: Priority,
    /// Free-form key-value pairs of the caller.
    pub metadata: Vec<(String, String)>,
    /// Makes a retried request return the same message instead of sending a second one.
    pub idempotency: Option<Idempotency>,
}

/// Where the content of a message comes from.
#[derive(Debug, Clone)]
pub enum Requested {
    /// The content itself.
    Content(Content),
    /// The result of rendering a template.
    Template(RenderRequest),
}

/// Why a message was not accepted. No row was stored; [`AcceptError::InFlight`] refers to an
/// earlier one. If plugins were asked, their decision is stored.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum AcceptError {
    /// The template could not be rendered.
    #[error(transparent)]
    Render(#[from] RenderFailure),
    /// A plugin rejected the message.
    #[error("{}: {}", .0.plugin, .0.reason)]
    Rejected(Rejection),
    /// A plugin could not be called because the gateway has no capacity left. The message is
    /// neither allowed nor rejected.
    #[error(transparent)]
    Busy(Busy),
    /// This version knows the kind of message but cannot send it.
    #[error("a message of the kind {kind} cannot be sent yet; those that can are {}", Content::sendable().join(", "))]
    KindNotSupported {
        /// As [`Content::kind`] names it.
        kind: &'static str,
    },
    /// The text is longer than the configured limit, in UTF-16 code units.
    #[error("the message has {length} characters; at most {limit} are allowed")]
    TooLong {
        /// Length of the text.
        length: usize,
        /// Maximum length.
        limit: usize,
    },
    /// The same request was accepted under this key and has no outcome yet.
    #[error("the request with this Idempotency-Key is still in flight")]
    InFlight(OutboxId),
    /// The key was used for another request.
    #[error("this Idempotency-Key was used for another request; use a new one for a new message")]
    KeyReused,
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Outbox {
    /// The message that was accepted under a key before, or `None` if the key is new. Call it
    /// before a request is checked, because the clock, limits, templates and plugins may give
    /// another result than the first time.
    ///
    /// # Errors
    /// [`AcceptError::InFlight`] while it has no outcome, [`AcceptError::KeyReused`] when the key
    /// belongs to another request, or when the database cannot be read.
    pub async fn repeated(&self, key: &Idempotency) -> Result<Option<Accepted>, AcceptError> {
        match self.inner.store.known_send(key).await? {
            Some(known) => self.known(known).await.map(Some),
            None => Ok(None),
        }
    }

    /// Accepts a message. When this returns, it is on the disk under its WhatsApp id. If two
    /// requests with the same key arrive at once, one is stored.
    ///
    /// # Errors
    /// See [`AcceptError`].
    pub async fn accept(&self, request: SendRequest) -> Result<Accepted, AcceptError> {
        let inner = &self.inner;
        let id = OutboxId(format!(
            "out_{}",
            ulid::Ulid::generate().to_string().to_ascii_lowercase()
        ));
        let subject = Subject {
            session: request.client.clone(),
            id: id.0.clone(),
            attempt: 1,
        };
        let template = match &request.content {
            Requested::Content(_) => None,
            Requested::Template(template) => Some(template.template.clone()),
        };
        let content = match request.content {
            Requested::Content(content) => content,
            Requested::Template(template) => inner.pipeline.render(&subject, &template).await?,
        };
        fits(&content, inner.settings.max_length)?;
        let (to, looked_up) = self.address(&request.client, &request.to).await?;
        let message = OutboundMessage {
            to: to.clone(),
            content,
            reply_to: request.reply_to,
            send_at: request.send_at,
            metadata: request.metadata,
        };
        let (message, verdicts) = match inner.pipeline.validate(&subject, message).await {
            Decision::Allow(message, verdicts) => (message, verdicts),
            Decision::Reject(rejection, verdicts) => {
                metrics::counter!("wharf_sends_total", "outcome" => "rejected").increment(1);
                self.note_refusal(&id, &request.client, &verdicts).await;
                return Err(AcceptError::Rejected(rejection));
            }
            Decision::Busy(busy, verdicts) => {
                self.note_refusal(&id, &request.client, &verdicts).await;
                return Err(AcceptError::Busy(busy));
            }
        };
        // A plugin may have changed the content.
        if let Err(error) = fits(&message.content, inner.settings.max_length) {
            self.note_refusal(&id, &request.client, &verdicts).await;
            return Err(error);
        }
        let message_id = MessageId::from_random(rand::random());
        let accepted = json!({"priority": request.priority, "sendAt": request.send_at, "expiresAt": request.expires_at, "template": template});
        let mut history = vec![Step::new("accepted", accepted)];
        history.extend(verdicts.iter().map(|verdict| judged(verdict, "accept")));
        // A message that needs a link preview waits in the queue, where it holds back only its own
        // chat.
        let now =
            request.send_at.is_none() && request.expires_at.is_none_or(|at| at > Timestamp::now());
        let at_once = now && !may_have_link(&message.content);
        let permit = if looked_up && at_once {
            inner.fast_paths.permit(&request.client, &id)
        } else {
            None
        };
        // Plugins may change neither the time nor the recipient.
        let row = NewRow {
            id: id.clone(),
            client: request.client,
            message_id: message_id.clone(),
            recipient: request.to,
            message: OutboundMessage {
                send_at: request.send_at,
                to,
                ..message
            },
            priority: request.priority,
            expires_at: request.expires_at,
            idempotency: request.idempotency,
            history,
            fast_path: permit.as_ref().map(|permit| permit.fast_path),
        };
        match inner.store.accept(row).await? {
            Accept::New => {
                inner.accepted.notify_waiters();
                Ok(Accepted {
                    id,
                    message_id,
                    state: RowState::Queued,
                    known: false,
                })
            }
            Accept::Begun(row) => {
                if let Some(permit) = permit {
                    permit.go(*row);
                }
                Ok(Accepted {
                    id,
                    message_id,
                    state: RowState::Sending,
                    known: false,
                })
            }
            other => self.known(other).await,
        }
    }

    /// Stores why a message was refused. The refusal does not depend on it: a full disk is no
    /// reason to let a message pass.
    async fn note_refusal(&self, id: &OutboxId, client: &ClientId, verdicts: &[Verdict]) {
        let steps: Vec<Step> = verdicts
            .iter()
            .map(|verdict| judged(verdict, "accept"))
            .collect();
        if let Err(error) = self.inner.store.refused(id, client, &steps).await {
            warn!(%client, %id, %error, "the decision about a refused message is not stored");
        }
    }

    /// The known address of the recipient, and whether it is the one that the page will use. If so,
    /// the plugins need not be asked again.
    async fn address(
        &self,
        client: &ClientId,
        recipient: &Recipient,
    ) -> Result<(Address, bool), StoreError> {
        let (store, oldest) = (&self.inner.store, self.inner.oldest_address());
        if let Recipient::Number(number) = recipient
            && let Some(address) = store.cached_address(client, number, oldest).await?
        {
            return Ok((address, true));
        }
        let known = store.known_address(client, recipient).await?;
        let looked_up = recipient.is_group() || (recipient.is_lid() && known.pn.is_some());
        Ok((known, looked_up))
    }

    async fn known(&self, accept: Accept) -> Result<Accepted, AcceptError> {
        let Accept::Known(id) = accept else {
            return Err(AcceptError::KeyReused);
        };
        let Some(row) = self.get(&id).await? else {
            return Err(AcceptError::Store(StoreError::Corrupt(format!(
                "the message {id} of an Idempotency-Key"
            ))));
        };
        match row.state {
            RowState::Queued | RowState::Sending => Err(AcceptError::InFlight(id)),
            state @ (RowState::Unknown | RowState::Sent | RowState::NotSent) => Ok(Accepted {
                id,
                message_id: row.message_id,
                state,
                known: true,
            }),
        }
    }
}

/// Refuses kinds of messages that the page would refuse, before the message is accepted.
///
/// # Errors
/// [`AcceptError::KindNotSupported`].
pub fn sendable(content: &Content) -> Result<(), AcceptError> {
    if content.can_be_sent() {
        Ok(())
    } else {
        Err(AcceptError::KindNotSupported {
            kind: content.kind(),
        })
    }
}

/// As [`sendable`], and also refuses texts of more than `limit` UTF-16 code units, whether a
/// caller, a template or a validator made them.
pub(super) fn fits(content: &Content, limit: usize) -> Result<(), AcceptError> {
    sendable(content)?;
    let length = content.body().map_or(0, |body| body.encode_utf16().count());
    if length > limit {
        Err(AcceptError::TooLong { length, limit })
    } else {
        Ok(())
    }
}

/// A plugin's verdict as a history step. `when` is `accept` or `dispatch`.
pub(super) fn judged(verdict: &Verdict, when: &str) -> Step {
    let mut detail = json!(verdict);
    detail["when"] = when.into();
    Step::verdict(detail, Arc::clone(&verdict.record))
}

/// Verdicts of plugins are valid for this long. A message that waited longer is validated again
/// before it is sent.
pub(super) const JUDGED_FOR: Duration = Duration::from_secs(60);
