//! What WhatsApp reports about the gateway's own messages: acknowledgements and refusals.

use std::time::Duration;

use tracing::info;

use super::handle::Outbox;
use crate::{
    model::{
        Account, ClientId, Event, FailureCode, MessageId, OutboundMessage, RestrictionKind,
        Timestamp,
    },
    store::{Ack, Finish, OutboxRow, RowState, StoreError},
    whatsapp::{SendNews, SendProgress},
};

impl Outbox {
    /// Processes news of own messages, in their order. The order matters because a refusal may be
    /// reported twice, and the first report is the one with the reason.
    ///
    /// # Errors
    /// When the database cannot be written; the page will be asked again.
    pub async fn on_send_news(
        &self,
        client: &ClientId,
        account: Option<&Account>,
        news: Vec<SendNews>,
    ) -> Result<(), StoreError> {
        let at = Timestamp::now();
        let mut acks = Vec::new();
        for SendNews { id, address, what } in news {
            match what {
                SendProgress::Ack(level) => acks.push(Ack {
                    id,
                    address,
                    level,
                    at,
                }),
                SendProgress::Refused {
                    code,
                    until,
                    reason,
                } => {
                    self.acknowledged(client, account, std::mem::take(&mut acks))
                        .await?;
                    if let Some(kind) = code.and_then(RestrictionKind::from_code) {
                        self.inner.restrict(client, account, kind, until).await?;
                    }
                    self.refused(client, &id, code, &reason).await?;
                }
            }
        }
        self.acknowledged(client, account, acks).await
    }

    async fn acknowledged(
        &self,
        client: &ClientId,
        account: Option<&Account>,
        acks: Vec<Ack>,
    ) -> Result<(), StoreError> {
        if acks.is_empty() {
            return Ok(());
        }
        let (events, me, owner) = (self.inner.events.clone(), account.cloned(), client.clone());
        let tell = move |before: &OutboxRow, ack: &Ack| {
            let mut told = Vec::new();
            if before.state != RowState::Sent {
                let message = OutboundMessage {
                    to: ack.address.clone(),
                    ..before.message.clone()
                };
                told.push(events.prepare(
                    &owner,
                    me.as_ref(),
                    Event::MessageSent {
                        id: ack.id.clone(),
                        message,
                    },
                ));
            }
            let event = Event::MessageAck {
                id: ack.id.clone(),
                chat: ack.address.clone(),
                level: ack.level,
            };
            told.push(events.prepare(&owner, me.as_ref(), event));
            told
        };
        let _noting = self.inner.waiters.acked(&acks).await;
        let rows = self.inner.store.acknowledge(client, acks, tell).await?;
        if !rows.is_empty() {
            self.inner.events.committed();
        }
        for before in rows {
            self.inner.waiters.wake(&before.id);
            if before.state != RowState::Sent {
                metrics::counter!("wharf_sends_total", "outcome" => "sent").increment(1);
                let took = Duration::from_millis(Timestamp::now().since(before.created_at));
                metrics::histogram!("wharf_send_seconds").record(took.as_secs_f64());
                info!(%client, id = %before.id, "sent");
            }
        }
        Ok(())
    }

    async fn refused(
        &self,
        client: &ClientId,
        id: &MessageId,
        code: Option<u32>,
        reason: &str,
    ) -> Result<(), StoreError> {
        let failure = match code.and_then(RestrictionKind::from_code) {
            Some(_) => FailureCode::Restricted,
            None if reason.contains("Blocked") => FailureCode::Blocked,
            None => FailureCode::RefusedByWhatsapp,
        };
        let Some(row) = self.inner.store.outbox_by_message(client, id).await? else {
            return Ok(());
        };
        let words = match code {
            None => format!("WhatsApp refused it: {reason}"),
            // The page's generic texts add nothing to the code.
            Some(code) if matches!(reason, "ack -1" | "ERROR_UNKNOWN") => {
                format!("WhatsApp refused it with code {code}")
            }
            Some(code) => format!("WhatsApp refused it with code {code}: {reason}"),
        };
        self.inner
            .finish(
                &row,
                &[RowState::Sending, RowState::Unknown],
                Finish::NotSent(failure, words),
                vec![],
            )
            .await
            .map(drop)
    }
}
