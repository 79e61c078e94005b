//! Which inbound messages were reported as events, and up to which time that is complete.

use sqlx::SqliteConnection;

use super::{Store, StoreError, aliases::Pair, events, pacing, recipients, script::Script};
use crate::model::{Account, ClientId, Envelope, Event, MessageId, Timestamp};

/// See [`untold`].
pub(super) const UNTOLD: &str = "SELECT min(key) FROM json_each(?2) AS one
     WHERE NOT EXISTS (SELECT 1 FROM inbound WHERE client = ?1 AND message_id = one.value)
       AND NOT EXISTS (SELECT 1 FROM outbox WHERE message_id = one.value AND client = ?1 AND attempt > 0)
     GROUP BY value ORDER BY min(key)";

impl Store {
    /// Appends the events of messages that arrived in one session, in their order, and records the
    /// messages as reported in the same commit. Messages that were reported before and the
    /// gateway's own messages are skipped. Returns the number of new messages.
    ///
    /// # Errors
    /// When the database cannot store a message. The others are stored all the same.
    pub async fn append_inbound(
        &self,
        arrived: Vec<(MessageId, Envelope)>,
    ) -> Result<u64, StoreError> {
        match self.append_together(arrived.clone()).await {
            Err(StoreError::Database(_) | StoreError::Corrupt(_)) if arrived.len() > 1 => {}
            appended => return appended,
        }
        let (mut new, mut failed) = (0, None);
        for one in arrived {
            match self.append_together(vec![one]).await {
                Ok(appended) => new += appended,
                Err(error) => failed = Some(error),
            }
        }
        failed.map_or(Ok(new), Err)
    }

    async fn append_together(
        &self,
        arrived: Vec<(MessageId, Envelope)>,
    ) -> Result<u64, StoreError> {
        let session = arrived
            .first()
            .map(|(_, envelope)| envelope.session.to_string())
            .unwrap_or_default();
        let (appended, learned) = self
            .writer
            .write_then(move |connection| {
                Box::pin(async move {
                    let mut rest = Script::default();
                    let Some((_, first)) = arrived.first() else { return Ok(((0, vec![]), rest)) };
                    let client = first.session.as_str();
                    let new = untold(connection, client, &arrived).await?;
                    let ids: Vec<_> = new.iter().map(|(id, envelope)| (id, envelope.at)).collect();
                    let sql = "INSERT INTO inbound (client, message_id, at) SELECT ?, value ->> 0, value ->> 1 FROM json_each(?)";
                    sqlx::query(sql).bind(client).bind(serde_json::to_string(&ids)?).execute(&mut *connection).await?;
                    // A message that was reported before says what was true then, so neither the
                    // table nor the cache learns from it.
                    let learned: Vec<Pair> = new.iter().flat_map(|(_, envelope)| pairs(envelope)).collect();
                    recipients::learn(connection, client, learned.clone()).await?;
                    let who: Vec<_> = new.iter().filter_map(|(_, envelope)| sender(envelope)).collect();
                    pacing::know(connection, client, &who).await?;
                    if !new.is_empty() {
                        events::insert_all(&mut rest, new.iter().map(|(_, envelope)| envelope))?;
                    }
                    Ok(((new.len() as u64, learned), rest))
                })
            })
            .await?;
        self.aliases.keep(&session, &learned);
        Ok(appended)
    }

    /// The time up to which every message of the account was reported.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn told_until(
        &self,
        client: &ClientId,
        account: &Account,
    ) -> Result<Option<Timestamp>, StoreError> {
        let sql = "SELECT until FROM told WHERE client = ? AND account = ?";
        Ok(sqlx::query_scalar(sql)
            .bind(client.as_str())
            .bind(name(account))
            .fetch_optional(&mut *self.readers.get().await?)
            .await?
            .map(Timestamp))
    }

    /// Records that every message of the account from before `at` was reported.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn all_told(
        &self,
        client: &ClientId,
        account: &Account,
        at: Timestamp,
    ) -> Result<(), StoreError> {
        let sql = "INSERT INTO told (client, account, until) VALUES (?, ?, ?) ON CONFLICT (client, account) DO UPDATE SET until = excluded.until";
        self.writer
            .statement(
                sqlx::query(sql)
                    .bind(client.to_string())
                    .bind(name(account).to_owned())
                    .bind(at.0),
            )
            .await
            .map(drop)
    }
}

/// The messages that were not reported yet, each once, in their order. They are matched by
/// position, not by id, because SQLite may change unusual texts such as those with a NUL character.
async fn untold<'a>(
    connection: &mut SqliteConnection,
    client: &str,
    arrived: &'a [(MessageId, Envelope)],
) -> Result<Vec<&'a (MessageId, Envelope)>, StoreError> {
    let ids: Vec<&MessageId> = arrived.iter().map(|(id, _)| id).collect();
    let places: Vec<i64> = sqlx::query_scalar(UNTOLD)
        .bind(client)
        .bind(serde_json::to_string(&ids)?)
        .fetch_all(connection)
        .await?;
    Ok(places
        .iter()
        .filter_map(|place| arrived.get(usize::try_from(*place).ok()?))
        .collect())
}

/// Who is no longer a stranger after this message: a number, or a LID while its number is not
/// known.
fn sender(envelope: &Envelope) -> Option<String> {
    let Event::MessageReceived(message) = &envelope.event else {
        return None;
    };
    message
        .chat
        .number()
        .map(|number| number.digits().to_owned())
        .or_else(|| message.chat.lid.clone())
}

/// The pairs of opaque id and number that a message reveals.
fn pairs(envelope: &Envelope) -> Vec<Pair> {
    let Event::MessageReceived(message) = &envelope.event else {
        return vec![];
    };
    [&message.chat, &message.sender]
        .into_iter()
        .filter_map(recipients::pair)
        .collect()
}

/// The key of an account. The number comes first, so that the key stays the same when the LID
/// becomes known later.
fn name(account: &Account) -> &str {
    account
        .pn
        .as_deref()
        .or(account.lid.as_deref())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        model::{Address, Content, Event, EventId, InboundMessage, PhoneNumber},
        store::scratch,
    };

    fn envelope(id: &str, at: i64) -> Envelope {
        let event = Event::Other {
            kind: "message".into(),
            json: "{}".into(),
        };
        let session = "a".parse().expect("id");
        Envelope {
            id: EventId::new(id),
            at: Timestamp(at),
            session,
            account: None,
            replayed: false,
            event,
        }
    }

    #[tokio::test]
    async fn a_message_becomes_one_event() {
        let (_dir, store) = scratch().await;
        let one = |id: &str, event: &str, at| (MessageId(id.into()), envelope(event, at));
        assert_eq!(store.append_inbound(vec![one("3EB0", "1", 5)]).await, Ok(1));
        assert_eq!(store.append_inbound(vec![one("3EB0", "2", 6)]).await, Ok(0));
        assert_eq!(store.events_after(0, 10).await.expect("read").len(), 1);
        store.prune_inbound(Timestamp(6)).await.expect("pruned");
        assert_eq!(
            store.append_inbound(vec![one("3EB0", "3", 7)]).await,
            Ok(1),
            "forgotten"
        );
        assert_eq!(store.append_inbound(vec![]).await, Ok(0));
    }

    #[tokio::test]
    async fn a_message_that_was_told_before_teaches_nothing() {
        let (_dir, store) = scratch().await;
        let (client, number): (ClientId, PhoneNumber) = (
            "a".parse().expect("id"),
            "4915123456789".parse().expect("number"),
        );
        let from = |lid: &str, id: &str| {
            let address = Address {
                lid: Some(lid.into()),
                ..Address::of_number(&number)
            };
            let message = InboundMessage {
                id: MessageId(id.into()),
                chat: address.clone(),
                sender: address,
                from_me: false,
                push_name: None,
                sent_at: Timestamp(1),
                content: Content::text("hello"),
                reply_to: None,
            };
            let event = Event::MessageReceived(message);
            let envelope = Envelope {
                event,
                ..envelope(&format!("{id}{lid}"), 5)
            };
            vec![(MessageId(id.into()), envelope)]
        };
        for (arrived, new) in [
            (from("77@lid", "first"), 1),
            (from("88@lid", "second"), 1),
            (from("77@lid", "first"), 0),
        ] {
            assert_eq!(store.append_inbound(arrived).await, Ok(new));
        }
        let lid: String = sqlx::query_scalar("SELECT lid FROM alias")
            .fetch_one(&mut *store.readers.get().await.expect("reader"))
            .await
            .expect("read");
        assert_eq!(lid, "88@lid");
        assert_eq!(
            store.aliases.lid(&client, &number),
            Some(Some(lid)),
            "the cache says what the table says"
        );
    }

    #[tokio::test]
    async fn messages_that_come_together_are_told_together_in_their_order_and_each_once() {
        let (_dir, store) = scratch().await;
        let one = |id: &str, event: &str| (MessageId(id.into()), envelope(event, 5));
        assert_eq!(store.append_inbound(vec![one("known", "a")]).await, Ok(1));
        let (odd, other) = ("half \u{0} of \" \u{FFFD} an id", "half \u{0} another");
        let arrived = [
            ("z", "b"),
            ("known", "c"),
            (odd, "d"),
            ("a", "e"),
            ("z", "f"),
            (odd, "g"),
            (other, "h"),
        ]
        .map(|(id, event)| one(id, event));
        assert_eq!(store.append_inbound(arrived.to_vec()).await, Ok(4));
        assert_eq!(store.append_inbound(arrived.to_vec()).await, Ok(0));
        let told: Vec<_> = store
            .events_after(0, 10)
            .await
            .expect("read")
            .into_iter()
            .map(|event| event.envelope.id.0)
            .collect();
        assert_eq!(told, ["evt_a", "evt_b", "evt_d", "evt_e", "evt_h"]);
    }

    #[tokio::test]
    async fn one_that_cannot_be_stored_does_not_take_its_neighbours_with_it() {
        let (_dir, store) = scratch().await;
        let poison = store.writer.write(|connection| {
            Box::pin(async move {
                let sql = "CREATE TRIGGER poison BEFORE INSERT ON inbound WHEN NEW.message_id = 'poison' BEGIN SELECT RAISE(ABORT, 'no'); END";
                sqlx::query(sql).execute(connection).await?;
                Ok(())
            })
        });
        poison.await.expect("made");
        let arrived = ["a", "poison", "b"].map(|id| (MessageId(id.into()), envelope(id, 5)));
        assert!(
            matches!(
                store.append_inbound(arrived.to_vec()).await,
                Err(StoreError::Database(_))
            ),
            "the page is asked again"
        );
        let told: Vec<_> = store
            .events_after(0, 10)
            .await
            .expect("read")
            .into_iter()
            .map(|event| event.envelope.id.0)
            .collect();
        assert_eq!(told, ["evt_a", "evt_b"]);
    }

    #[tokio::test]
    async fn each_account_has_its_own_moment() {
        let (_dir, store) = scratch().await;
        let client: ClientId = "a".parse().expect("id");
        let [one, two] = ["1@c.us", "2@c.us"].map(|pn| Account {
            pn: Some(pn.into()),
            ..Account::default()
        });
        store
            .all_told(&client, &one, Timestamp(5))
            .await
            .expect("noted");
        store
            .all_told(&client, &one, Timestamp(9))
            .await
            .expect("noted");
        assert_eq!(
            store.told_until(&client, &one).await,
            Ok(Some(Timestamp(9)))
        );
        assert_eq!(store.told_until(&client, &two).await, Ok(None));
    }
}
