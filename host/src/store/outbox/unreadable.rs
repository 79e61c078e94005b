//! Outbox rows that cannot be read because they were written by another version or are damaged.
//! They are reported and set aside: 4 is added to `held`, which preserves the reason for which a
//! row was held before. Such a row is neither sent nor asked about, and nothing waits for it. Each
//! start puts the rows back, because they may be readable after an upgrade.

use sqlx::{Row, sqlite::SqliteRow};

use super::{OutboxRow, read};
use crate::{
    model::{ClientId, Timestamp},
    store::{Store, StoreError},
};

impl Store {
    /// Returns the rows that can be read, and sets the others aside.
    pub(super) async fn readable(&self, rows: &[SqliteRow]) -> Result<Vec<OutboxRow>, StoreError> {
        let (mut good, mut bad) = (Vec::with_capacity(rows.len()), Vec::new());
        for row in rows {
            match self.readable_row(row) {
                Some(row) => good.push(row),
                None => bad.push(row.try_get::<i64, _>("seq")?),
            }
        }
        if !bad.is_empty() {
            let sql = "UPDATE outbox SET held = held + 4 WHERE seq IN (SELECT value FROM json_each(?)) AND held < 4 AND state IN ('queued', 'sending', 'unknown')";
            self.writer
                .statement(sqlx::query(sql).bind(serde_json::to_string(&bad)?))
                .await?;
        }
        Ok(good)
    }

    /// As [`Store::readable`], but returns `None` if rows were set aside. The caller then repeats
    /// its query, because other rows may take their places.
    pub(super) async fn all_readable(
        &self,
        rows: &[SqliteRow],
    ) -> Result<Option<Vec<OutboxRow>>, StoreError> {
        let good = self.readable(rows).await?;
        Ok((good.len() == rows.len()).then_some(good))
    }

    /// Reads a row. Returns `None` and reports the row if it cannot be read.
    pub(super) fn readable_row(&self, row: &SqliteRow) -> Option<OutboxRow> {
        self.unreadable.ok_or_report(
            "outbox",
            || row.try_get("id").unwrap_or_default(),
            read(row),
        )
    }

    /// Cancels the queued messages of a session that cannot be read. There is no event, because
    /// their content is unknown. Returns their number.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn cancel_unreadable(
        &self,
        client: &ClientId,
        reason: &str,
    ) -> Result<u64, StoreError> {
        let sql = "UPDATE outbox SET state = 'not_sent', code = 'cancelled', reason = ?, updated_at = ? WHERE held >= 4 AND client = ? AND state = 'queued'";
        self.writer
            .statement(
                sqlx::query(sql)
                    .bind(reason.to_owned())
                    .bind(Timestamp::now().0)
                    .bind(client.to_string()),
            )
            .await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        model::{AckLevel, Address, Content, MessageId, OutboundMessage, PhoneNumber, Priority},
        store::{Ack, DOUBTS, Doubtful, Filter, NewRow, OutboxId, scratch},
    };

    fn client() -> ClientId {
        "test".parse().expect("id")
    }

    async fn accepted(store: &Store, name: &str, number: &str) {
        let number = number.parse::<PhoneNumber>().expect("number");
        let message = OutboundMessage {
            to: Address::of_number(&number),
            content: Content::text("hello"),
            reply_to: None,
            send_at: None,
            metadata: vec![],
        };
        let row = NewRow {
            id: OutboxId(name.into()),
            client: client(),
            message_id: MessageId(format!("3EB0{name}")),
            recipient: number.into(),
            message,
            priority: Priority::Interactive,
            expires_at: None,
            idempotency: None,
            history: vec![],
            fast_path: None,
        };
        store.accept(row).await.expect("accepted");
    }

    fn names(rows: &[OutboxRow]) -> Vec<&str> {
        rows.iter().map(|row| row.id.0.as_str()).collect()
    }

    #[tokio::test]
    async fn a_row_that_cannot_be_read_stops_no_queue_and_no_list_and_comes_back_after_an_upgrade()
    {
        let dir = tempfile::tempdir().expect("tempdir");
        let path = dir.path().join("wharf.db");
        let store = Store::open(&path).await.expect("store");
        for n in 0..40 {
            accepted(&store, &format!("out_{n:02}"), "4915123456789").await;
        }
        // All but one, which is more than one query returns.
        store.spoil("UPDATE outbox SET message = json_set(message, '$.content.kind', 'hologram') WHERE id <> 'out_39'").await;
        for _ in 0..2 {
            assert_eq!(
                names(&store.next_queued(&client(), None, 16).await.expect("read")),
                ["out_39"]
            );
        }
        assert_eq!(
            names(&store.queued(&client()).await.expect("read")),
            ["out_39"]
        );
        let listed = store
            .messages(&Filter {
                limit: 10,
                ..Filter::default()
            })
            .await
            .expect("read");
        assert_eq!(
            (names(&listed.rows), listed.unreadable.len()),
            (vec!["out_39"], 9)
        );
        assert_eq!(listed.unreadable[0], OutboxId("out_38".into()));
        let rest = store
            .messages(&Filter {
                limit: 200,
                before: listed.next,
                ..Filter::default()
            })
            .await
            .expect("read");
        assert_eq!((rest.rows.len(), rest.unreadable.len()), (0, 30));
        assert_eq!(
            names(&store.find_messages("out_39", "api").await.expect("read")),
            ["out_39"]
        );
        assert!(
            matches!(
                store.outbox_row(&OutboxId("out_00".into())).await,
                Err(StoreError::Corrupt(_))
            ),
            "one that is asked for by name is told"
        );

        // Some become readable, as after an upgrade.
        store.spoil("UPDATE outbox SET message = json_set(message, '$.content.kind', 'text') WHERE id < 'out_10'").await;
        store.close().await;
        let store = Store::open(&path).await.expect("store");
        assert_eq!(
            store
                .next_queued(&client(), None, 16)
                .await
                .expect("read")
                .len(),
            11
        );
        assert_eq!(store.cancel_unreadable(&client(), "purged").await, Ok(29));
        assert_eq!(store.cancel_unreadable(&client(), "purged").await, Ok(0));
    }

    #[tokio::test]
    async fn a_row_of_another_version_is_read_as_far_as_it_is_understood_and_otherwise_left_as_it_is()
     {
        let (_dir, store) = scratch().await;
        for name in ["out_1", "out_2", "out_3", "out_4"] {
            accepted(&store, name, "4915123456789").await;
        }
        store.spoil("UPDATE outbox SET message = json_remove(message, '$.content.v', '$.content.mentions') WHERE id = 'out_1'").await;
        store
            .spoil("UPDATE outbox SET message = json_set(message, '$.colour', 'red', '$.content.colour', json('{\"v\": 2}')) WHERE id = 'out_2'")
            .await;
        store.spoil("UPDATE outbox SET message = json_set(message, '$.content.v', 2) WHERE id = 'out_3'").await;
        store
            .spoil("UPDATE outbox SET message = json_set(message, '$.content', json('{\"kind\": \"hologram\", \"v\": 1}')) WHERE id = 'out_4'")
            .await;
        let text = async |name: &'static str| {
            let sql = "SELECT message FROM outbox WHERE id = ?";
            let text: String = sqlx::query_scalar(sql)
                .bind(name)
                .fetch_one(&mut *store.readers.get().await.expect("reader"))
                .await
                .expect("read");
            text
        };
        let before = [text("out_3").await, text("out_4").await];
        let line = store.next_queued(&client(), None, 16).await.expect("read");
        assert_eq!(names(&line), ["out_1", "out_2"]);
        assert!(
            line.iter()
                .all(|row| row.message.content == Content::text("hello")),
            "{line:?}"
        );
        let listed = store
            .messages(&Filter {
                limit: 10,
                ..Filter::default()
            })
            .await
            .expect("read");
        assert_eq!(
            listed.unreadable,
            [OutboxId("out_4".into()), OutboxId("out_3".into())]
        );
        assert_eq!([text("out_3").await, text("out_4").await], before);
    }

    #[tokio::test]
    async fn what_was_held_before_is_held_again_when_it_can_be_read() {
        let dir = tempfile::tempdir().expect("tempdir");
        let path = dir.path().join("wharf.db");
        let store = Store::open(&path).await.expect("store");
        for name in ["out_1", "out_2", "out_3"] {
            accepted(&store, name, "4915123456789").await;
        }
        store
            .spoil("UPDATE outbox SET held = 1, not_before = 9000000000000 WHERE id = 'out_1'")
            .await;
        store
            .spoil("UPDATE outbox SET held = 2 WHERE id = 'out_2'")
            .await;
        store.spoil("UPDATE outbox SET message = 'no JSON'").await;
        assert_eq!(store.queued(&client()).await, Ok(vec![]));
        store.close().await;
        let store = Store::open(&path).await.expect("store");
        let held: Vec<i64> = sqlx::query_scalar("SELECT held FROM outbox ORDER BY id")
            .fetch_all(&mut *store.readers.get().await.expect("reader"))
            .await
            .expect("read");
        assert_eq!(held, [1, 2, 0]);
    }

    #[tokio::test]
    async fn what_could_not_be_read_when_the_account_changed_is_held_when_it_can_be() {
        let dir = tempfile::tempdir().expect("tempdir");
        let path = dir.path().join("wharf.db");
        let store = Store::open(&path).await.expect("store");
        accepted(&store, "out_1", "4915123456789").await;
        store
            .spoil("UPDATE outbox SET message = json_set(message, '$.content.kind', 'hologram')")
            .await;
        assert_eq!(store.next_queued(&client(), None, 16).await, Ok(vec![]));
        store.begin_anew(&client()).await.expect("begun anew");
        store
            .spoil("UPDATE outbox SET message = json_set(message, '$.content.kind', 'text')")
            .await;
        store.close().await;
        let store = Store::open(&path).await.expect("store");
        assert_eq!(
            store.next_queued(&client(), None, 16).await,
            Ok(vec![]),
            "it would be sent from another account"
        );
        assert_eq!(
            names(&store.kept(&client()).await.expect("read")),
            ["out_1"]
        );
    }

    #[tokio::test]
    async fn a_begun_row_that_cannot_be_read_holds_nobody_back_and_no_acknowledgement() {
        let (_dir, store) = scratch().await;
        accepted(&store, "out_1", "4915123456781").await;
        accepted(&store, "out_2", "4915123456782").await;
        store
            .spoil("UPDATE outbox SET state = 'sending', attempt = 1")
            .await;
        store
            .spoil("UPDATE outbox SET message = 'no JSON' WHERE id = 'out_1'")
            .await;
        let in_doubt = async || store.look(&client()).await.expect("read").1.len();
        assert_eq!(in_doubt().await, 2);
        assert_eq!(
            names(
                &store
                    .begun(&client(), Doubtful::All, 0)
                    .await
                    .expect("read")
            ),
            ["out_2"]
        );
        assert_eq!(in_doubt().await, 1, "its chat waits for nobody's answer");
        assert_eq!(
            store
                .unacknowledged(&client(), Timestamp::now().plus_millis(1000))
                .await,
            Ok(1)
        );
        assert_eq!(
            store
                .outbox_by_message(&client(), &MessageId("3EB0out_1".into()))
                .await,
            Ok(None)
        );

        let ack = |name: &str| {
            let address = Address {
                chat: "1@c.us".into(),
                pn: None,
                lid: None,
            };
            Ack {
                id: MessageId(format!("3EB0{name}")),
                address,
                level: AckLevel::Server,
                at: Timestamp(1),
            }
        };
        let before = store
            .acknowledge(&client(), vec![ack("out_1"), ack("out_2")], |_, _| vec![])
            .await
            .expect("noted");
        assert_eq!(names(&before), ["out_2"]);
    }

    #[tokio::test]
    async fn a_page_of_doubts_is_full_although_some_of_them_cannot_be_read() {
        let (_dir, store) = scratch().await;
        let names: Vec<String> = (0..DOUBTS + 10).map(|n| format!("out_{n:03}")).collect();
        futures_util::future::join_all(
            names
                .iter()
                .map(|name| accepted(&store, name, "4915123456781")),
        )
        .await;
        store
            .spoil("UPDATE outbox SET state = 'unknown', attempt = 1")
            .await;
        store
            .spoil("UPDATE outbox SET message = 'no JSON' WHERE seq <= 7")
            .await;
        let page = store
            .begun(&client(), Doubtful::All, 0)
            .await
            .expect("read");
        assert_eq!((page.len(), page[0].seq), (DOUBTS, 8));
        let rest = store
            .begun(&client(), Doubtful::All, page[DOUBTS - 1].seq)
            .await
            .expect("read");
        assert_eq!(rest.len(), 3);
    }

    #[tokio::test]
    async fn deadlines_histories_and_texts_pass_over_what_cannot_be_read() {
        let (_dir, store) = scratch().await;
        for name in ["out_1", "out_2", "out_3"] {
            accepted(&store, name, "4915123456781").await;
        }
        store
            .spoil("UPDATE outbox SET message = 'no JSON', expires_at = 1 WHERE id = 'out_1'")
            .await;
        store
            .spoil("UPDATE outbox SET expires_at = 1 WHERE id = 'out_2'")
            .await;
        for _ in 0..2 {
            assert_eq!(
                names(&store.expired(&client(), Timestamp(2)).await.expect("read")),
                ["out_2"]
            );
        }
        store
            .spoil("UPDATE outbox SET state = 'sent', updated_at = 1")
            .await;
        store.redact(Timestamp(2)).await.expect("forgotten");
        let row = store
            .outbox_row(&OutboxId("out_3".into()))
            .await
            .expect("read")
            .expect("there");
        assert_eq!(
            (row.redacted, row.message.content.body()),
            (true, None),
            "though one before it is no JSON"
        );

        store.spoil("INSERT INTO message_history VALUES (3, 1, 1, 'accepted', 'no JSON'), (3, 2, 1, 'sent', '{}')").await;
        let history = store.history(3).await.expect("read");
        assert_eq!(
            history
                .iter()
                .map(|step| step.kind.as_str())
                .collect::<Vec<_>>(),
            ["unreadable", "sent"]
        );
    }
}
