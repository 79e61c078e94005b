//! The way in: template, plugins, commit. No network on this path.

use std::time::Duration;

use serde_json::json;

use super::{handle::Outbox, links::may_have_link};
use crate::{
    model::{
        Address, ClientId, Content, MessageId, OutboundMessage, Priority, Recipient, Timestamp,
    },
    plugins::{Busy, Decision, Rejection, RenderFailure, RenderRequest, Subject, Verdict},
    store::{Accept, Accepted, Idempotency, NewRow, OutboxId, RowState, Step, StoreError},
};

/// What a caller wants sent.
#[derive(Debug, Clone)]
pub struct SendRequest {
    /// By which session.
    pub client: ClientId,
    /// To whom.
    pub to: Recipient,
    /// What.
    pub content: Requested,
    /// Bare id of the message it answers.
    pub reply_to: Option<MessageId>,
    /// When; none: at once, whatever the clock says.
    pub send_at: Option<Timestamp>,
    /// Not to be begun after.
    pub expires_at: Option<Timestamp>,
    /// What goes first.
    pub priority: Priority,
    /// Free-form pairs of the caller.
    pub metadata: Vec<(String, String)>,
    /// So that a retry is not a second message.
    pub idempotency: Option<Idempotency>,
}

/// What a message shall say.
#[derive(Debug, Clone)]
pub enum Requested {
    /// Just this.
    Content(Content),
    /// What the template makes of its variables.
    Template(RenderRequest),
}

/// Why nothing was accepted. No row exists then, except for [`AcceptError::InFlight`].
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum AcceptError {
    /// The template gave nothing.
    #[error(transparent)]
    Render(#[from] RenderFailure),
    /// A plugin said no.
    #[error("{}: {}", .0.plugin, .0.reason)]
    Rejected(Rejection),
    /// A plugin could not be asked for want of room in the gateway: the message is neither allowed
    /// nor refused.
    #[error(transparent)]
    Busy(Busy),
    /// It is known and cannot be sent by this version.
    #[error("a message of the kind {kind} cannot be sent yet; those that can are {}", Content::sendable().join(", "))]
    KindNotSupported {
        /// As [`Content::kind`] names it.
        kind: &'static str,
    },
    /// Longer than WhatsApp or the operator allows, in UTF-16 units.
    #[error("the message has {length} characters, {limit} are allowed")]
    TooLong {
        /// Of this message.
        length: usize,
        /// Allowed.
        limit: usize,
    },
    /// The same request under the same key is being sent right now.
    #[error("the request with this Idempotency-Key is still in flight")]
    InFlight(OutboxId),
    /// The key belongs to another request.
    #[error("this Idempotency-Key was used for another request; use a new one for a new message")]
    KeyReused,
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Outbox {
    /// The send that was accepted under a key before; none: the key is new. Asked before a request
    /// is judged: what judges it (the clock, limits, templates, plugins) may say something else
    /// than it did then.
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

    /// Takes a send in. When this returns, the send is on the disk under its WhatsApp id. Of two
    /// under one key that come at once one is stored.
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
            traceparent: String::new(),
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
            Decision::Reject(rejection, _) => {
                metrics::counter!("wharf_sends_total", "outcome" => "rejected").increment(1);
                return Err(AcceptError::Rejected(rejection));
            }
            Decision::Busy(busy, _) => return Err(AcceptError::Busy(busy)),
        };
        // A plugin may have made something else of it.
        fits(&message.content, inner.settings.max_length)?;
        let message_id = MessageId::from_random(rand::random());
        let accepted = json!({"priority": request.priority, "sendAt": request.send_at, "expiresAt": request.expires_at, "template": template});
        let mut history = vec![Step::new("accepted", accepted)];
        history.extend(verdicts.iter().map(|verdict| judged(verdict, "accept")));
        // A send for which the phone is asked first waits in the queue, where it holds up its own
        // chat alone.
        let now =
            request.send_at.is_none() && request.expires_at.is_none_or(|at| at > Timestamp::now());
        let at_once = now && !may_have_link(&message.content);
        let permit = if looked_up && at_once {
            inner.fast_paths.permit(&request.client, &id)
        } else {
            None
        };
        // No plugin may move it in time, or to somebody else.
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

    /// What is known of the recipient, and whether that is what the page will use: then plugins
    /// need not be asked again.
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
                "the send {id} of an Idempotency-Key"
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

/// Refuses what the page would refuse: said at once rather than to a message that was taken in.
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

/// As [`sendable`], and no longer than `limit` UTF-16 units: whoever wrote it, a caller, a template
/// or a validator.
pub(super) fn fits(content: &Content, limit: usize) -> Result<(), AcceptError> {
    sendable(content)?;
    let length = content.body().map_or(0, |body| body.encode_utf16().count());
    if length > limit {
        Err(AcceptError::TooLong { length, limit })
    } else {
        Ok(())
    }
}

/// A plugin's verdict as a step of the history; `when` it was asked.
pub(super) fn judged(verdict: &Verdict, when: &str) -> Step {
    let mut detail = json!(verdict);
    detail["when"] = when.into();
    Step::new("verdict", detail)
}

/// A send that waited longer than this is judged again when it is begun.
pub(super) const JUDGED_FOR: Duration = Duration::from_secs(60);
