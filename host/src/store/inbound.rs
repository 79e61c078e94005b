//! Which messages were told, and until when all of them were.

use super::{Store, StoreError, aliases, events, pacing};
use crate::model::{Account, ClientId, Envelope, Event, MessageId, Timestamp};

impl Store {
    /// Appends the event of a message that arrived, unless that message was told before or is one of the outbox; both
    /// in one commit. True: it is new.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn append_inbound(&self, id: &MessageId, envelope: Envelope) -> Result<bool, StoreError> {
        let id = id.0.clone();
        self.writer
            .write(move |connection| {
                Box::pin(async move {
                    let sql = "INSERT OR IGNORE INTO inbound (client, message_id, at) SELECT ?1, ?2, ?3 \
                               WHERE NOT EXISTS (SELECT 1 FROM outbox WHERE message_id = ?2 AND client = ?1 AND attempt > 0)";
                    let done = sqlx::query(sql).bind(envelope.session.as_str()).bind(id).bind(envelope.at.0).execute(&mut *connection).await?;
                    let new = done.rows_affected() == 1;
                    if new {
                        if let Event::MessageReceived(message) = &envelope.event {
                            let session = envelope.session.as_str();
                            let pairs: Vec<_> = [&message.chat, &message.sender].into_iter().filter_map(aliases::pair).collect();
                            aliases::learn(connection, session, &pairs).await?;
                            let number = message.chat.number().map(|number| number.digits().to_owned());
                            if let Some(who) = number.or_else(|| message.chat.lid.clone()) {
                                pacing::know(connection, session, &[who]).await?;
                            }
                        }
                        events::insert(connection, &envelope).await?;
                    }
                    Ok(new)
                })
            })
            .await
    }

    /// The last moment at which every message of the account was told.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn told_until(&self, client: &ClientId, account: &Account) -> Result<Option<Timestamp>, StoreError> {
        let sql = "SELECT until FROM told WHERE client = ? AND account = ?";
        Ok(sqlx::query_scalar(sql).bind(client.as_str()).bind(name(account)).fetch_optional(&mut *self.readers.get().await?).await?.map(Timestamp))
    }

    /// Notes that every message of the account from before `at` was told.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn all_told(&self, client: &ClientId, account: &Account, at: Timestamp) -> Result<(), StoreError> {
        let sql = "INSERT INTO told (client, account, until) VALUES (?, ?, ?) ON CONFLICT (client, account) DO UPDATE SET until = excluded.until";
        self.writer.statement(sqlx::query(sql).bind(client.to_string()).bind(name(account).to_owned()).bind(at.0)).await.map(drop)
    }
}

/// An account's number stays when its other form becomes known later.
fn name(account: &Account) -> &str {
    account.pn.as_deref().or(account.lid.as_deref()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        model::{Event, EventId},
        store::scratch,
    };

    fn envelope(id: &str, at: i64) -> Envelope {
        let event = Event::Other { kind: "message".into(), json: "{}".into() };
        let session = "a".parse().expect("id");
        Envelope { id: EventId::new(id), at: Timestamp(at), session, account: None, replayed: false, event }
    }

    #[tokio::test]
    async fn a_message_becomes_one_event() {
        let (_dir, store) = scratch().await;
        let id = MessageId("3EB0".into());
        assert_eq!(store.append_inbound(&id, envelope("1", 5)).await, Ok(true));
        assert_eq!(store.append_inbound(&id, envelope("2", 6)).await, Ok(false));
        assert_eq!(store.events_after(0, 10).await.expect("read").len(), 1);
        store.prune_inbound(Timestamp(6)).await.expect("pruned");
        assert_eq!(store.append_inbound(&id, envelope("3", 7)).await, Ok(true), "forgotten");
    }

    #[tokio::test]
    async fn each_account_has_its_own_moment() {
        let (_dir, store) = scratch().await;
        let client: ClientId = "a".parse().expect("id");
        let [one, two] = ["1@c.us", "2@c.us"].map(|pn| Account { pn: Some(pn.into()), ..Account::default() });
        store.all_told(&client, &one, Timestamp(5)).await.expect("noted");
        store.all_told(&client, &one, Timestamp(9)).await.expect("noted");
        assert_eq!(store.told_until(&client, &one).await, Ok(Some(Timestamp(9))));
        assert_eq!(store.told_until(&client, &two).await, Ok(None));
    }
}
