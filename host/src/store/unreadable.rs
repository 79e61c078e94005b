//! Rows that cannot be read because they were written by another version or are damaged. Queries of
//! several rows skip them. Each is reported once, in the log and in a metric.
//!
//! The memory for that is bounded: the first [`NAMED`] rows are reported once. Further ones are only
//! counted, and again each time they are read, because a metric that stands still would say that no
//! more rows are affected.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex, PoisonError},
};

use tracing::error;

use super::error::StoreError;

/// Maximum number of rows that are remembered as reported, and so are logged by name.
const NAMED: usize = 10_000;

/// Whether a row that cannot be read was reported before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Known {
    /// Yes.
    Yes,
    /// No; it is remembered now.
    No,
    /// That is not known, because [`NAMED`] others are remembered.
    TooMany,
}

#[derive(Debug, Clone, Default)]
pub(super) struct UnreadableRows(Arc<Mutex<HashSet<(&'static str, String)>>>);

impl UnreadableRows {
    /// The value that was read. Returns `None` and reports the row if it could not be read; `row`
    /// identifies it within `table`.
    pub(super) fn ok_or_report<T, E: Into<StoreError>>(
        &self,
        table: &'static str,
        row: impl FnOnce() -> String,
        read: Result<T, E>,
    ) -> Option<T> {
        match read {
            Ok(value) => Some(value),
            Err(error) => {
                self.report(table, row(), &error.into());
                None
            }
        }
    }

    fn report(&self, table: &'static str, row: String, reason: &StoreError) {
        let known = self.remember(table, row.clone());
        if known == Known::Yes {
            return;
        }
        metrics::counter!("wharf_unreadable_rows_total", "table" => table).increment(1);
        if known == Known::No {
            error!(table, row, %reason, "a database row cannot be read and is skipped: it was written by another version or is damaged");
        }
    }

    fn remember(&self, table: &'static str, row: String) -> Known {
        let mut named = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let row = (table, row);
        if named.contains(&row) {
            return Known::Yes;
        }
        if named.len() >= NAMED {
            return Known::TooMany;
        }
        named.insert(row);
        if named.len() == NAMED {
            error!(
                "{NAMED} database rows that cannot be read were named; further ones are only counted, in wharf_unreadable_rows_total"
            );
        }
        Known::No
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{Known, NAMED, UnreadableRows};
    use crate::{
        model::{
            Account, Address, ClientId, Content, Envelope, Event, EventId, InboundMessage,
            MessageId, PhoneNumber, Restriction, RestrictionKind, SessionState, Timestamp,
            Transition,
        },
        store::{NewDelivery, SessionWish, Store, scratch},
    };

    fn client() -> ClientId {
        "test".parse().expect("id")
    }

    fn envelope(id: &str) -> Envelope {
        let event = Event::Other {
            kind: "test".into(),
            json: "{}".into(),
        };
        Envelope {
            id: EventId::new(id),
            at: Timestamp(1),
            session: client(),
            account: None,
            replayed: false,
            event,
        }
    }

    #[test]
    fn rows_are_counted_also_when_no_more_can_be_named() {
        let rows = UnreadableRows::default();
        for n in 0..NAMED {
            assert_eq!(rows.remember("event", n.to_string()), Known::No);
        }
        assert_eq!(rows.remember("event", "0".into()), Known::Yes);
        for row in ["0", "1"] {
            assert_eq!(rows.remember("outbox", row.into()), Known::TooMany);
        }
    }

    #[tokio::test]
    async fn events_that_cannot_be_read_stop_neither_routing_nor_delivery_nor_retention() {
        let (_dir, store) = scratch().await;
        for n in 1..=100 {
            store
                .append_event(envelope(&n.to_string()))
                .await
                .expect("appended");
        }
        let new = |seq: i64| NewDelivery {
            id: format!("dlv_{seq}"),
            plugin: "p".into(),
            target: "t".into(),
            attempt: 0,
            again: None,
        };
        store
            .route(
                "deliveries",
                (96..=100).map(|seq| (seq, vec![new(seq)])).collect(),
            )
            .await
            .expect("routed");
        store
            .spoil("UPDATE event SET envelope = 'no JSON', body = 1 WHERE seq < 96")
            .await;
        store.spoil("UPDATE event SET envelope = json_set(envelope, '$.event.type', 'of another version') WHERE seq = 98").await;
        let seqs = async |after, limit| {
            store
                .events_after(after, limit)
                .await
                .expect("read")
                .iter()
                .map(|event| event.seq)
                .collect::<Vec<_>>()
        };
        assert_eq!(
            seqs(0, 2).await,
            [96, 97],
            "more that cannot be read than are asked for"
        );
        assert_eq!(seqs(97, 2).await, [99, 100]);
        assert_eq!(seqs(0, 64).await, [96, 97, 99, 100]);
        let lines = store.delivery_lines(10).await.expect("read");
        assert_eq!(lines.len(), 5);
        let envelopes = store.envelopes(&[96, 97, 98, 99, 100]).await.expect("read");
        assert_eq!(
            [96, 97, 98, 99, 100].map(|seq| envelopes[&seq].is_ok()),
            [true, true, false, true, true]
        );
        store
            .redact(Timestamp(2))
            .await
            .expect("what is no JSON is forgotten too");
    }

    #[tokio::test]
    async fn an_event_whose_message_was_written_by_another_version_is_told_as_far_as_it_is_understood()
     {
        let (_dir, store) = scratch().await;
        let address = Address {
            chat: "1@c.us".into(),
            pn: None,
            lid: None,
        };
        for id in ["1", "2", "3"] {
            let message = InboundMessage {
                id: MessageId("3EB0".into()),
                chat: address.clone(),
                sender: address.clone(),
                from_me: false,
                push_name: None,
                sent_at: Timestamp(1),
                content: Content::text("hello"),
                reply_to: None,
            };
            store
                .append_event(Envelope {
                    event: Event::MessageReceived(message),
                    ..envelope(id)
                })
                .await
                .expect("appended");
        }
        store.spoil("UPDATE event SET envelope = json_remove(envelope, '$.event.content.v') WHERE seq = 1").await;
        store.spoil("UPDATE event SET envelope = json_set(envelope, '$.event.content.v', 2) WHERE seq = 2").await;
        store.spoil("UPDATE event SET envelope = json_set(envelope, '$.event.content.colour', 'red', '$.colour', 'red') WHERE seq = 3").await;
        let told = store.events_after(0, 10).await.expect("read");
        let body = |event: &Event| matches!(event, Event::MessageReceived(message) if message.content == Content::text("hello"));
        assert_eq!(
            told.iter()
                .map(|event| (event.seq, body(&event.envelope.event)))
                .collect::<Vec<_>>(),
            [(1, true), (3, true)]
        );
    }

    #[tokio::test]
    async fn a_session_that_cannot_be_read_keeps_its_login_and_hides_no_other() {
        let (_dir, store) = scratch().await;
        let (before, after) = (SessionState::Loading, SessionState::Ready);
        let step = Transition {
            client: client(),
            at: Timestamp(1),
            before,
            after,
            reason: "r".into(),
        };
        store
            .record_transition(&step, Some(&Account::default()), true, envelope("1"))
            .await
            .expect("recorded");
        store
            .spoil("UPDATE session SET state = 'floating', account = '{'")
            .await;
        store.spoil("INSERT INTO transition (client, at, before, after, reason) VALUES ('test', 2, 'ready', 'floating', 'r')").await;
        assert!(
            store
                .session(&client())
                .await
                .expect("read")
                .expect("there")
                .linked
        );
        assert_eq!(
            store.transitions(&client(), 10).await.expect("read"),
            [step]
        );

        let wish = SessionWish {
            client: client(),
            wanted: true,
            made: true,
            metadata: vec![],
        };
        store.wish_session(wish.clone()).await.expect("kept");
        store
            .spoil("UPDATE session_wish SET metadata = 'no JSON'")
            .await;
        store
            .spoil("INSERT INTO session_wish VALUES ('no/id', 1, 1, '[]')")
            .await;
        assert_eq!(store.session_wishes().await.expect("read"), [wish]);
    }

    #[tokio::test]
    async fn a_restriction_of_another_version_holds_strangers_back_until_it_is_over() {
        let (_dir, store) = scratch().await;
        let known = Restriction {
            kind: RestrictionKind::NewChatLimit,
            since: Timestamp(1),
            until: Timestamp(9),
        };
        store
            .restrict(&client(), known, true, || envelope("1"))
            .await
            .expect("noted");
        store
            .spoil("INSERT INTO restriction VALUES ('test', 'of another version', 1, 5)")
            .await;
        assert_eq!(store.restrictions(&client()).await.expect("read"), [known]);
        store
            .lift_unknown(&client(), Some(Timestamp(4)))
            .await
            .expect("lifted");
        store
            .lift(&client(), known.kind, envelope("2"))
            .await
            .expect("lifted");
        assert!(
            store.sending(&client()).await.expect("read").restricted,
            "not over yet"
        );
        store
            .lift_unknown(&client(), Some(Timestamp(5)))
            .await
            .expect("lifted");
        assert!(!store.sending(&client()).await.expect("read").restricted);
    }

    #[tokio::test]
    async fn an_address_that_cannot_be_read_is_looked_up_anew() {
        let dir = tempfile::tempdir().expect("tempdir");
        let open = async |path: &Path| Store::open(&path.join("wharf.db")).await.expect("store");
        let numbers = ["4915123456781", "4915123456782", "4915123456783"]
            .map(|number| number.parse::<PhoneNumber>().expect("number"));
        let store = open(dir.path()).await;
        for number in &numbers {
            store
                .cache_address(&client(), number, &Address::of_number(number))
                .await
                .expect("kept");
        }
        store
            .spoil("UPDATE address SET address = 'no JSON' WHERE number LIKE '%1'")
            .await;
        store
            .spoil("UPDATE address SET address = '[]' WHERE number LIKE '%2'")
            .await;
        store.close().await;
        let store = open(dir.path()).await;
        for (number, known) in numbers.iter().zip([false, false, true]) {
            assert_eq!(
                store
                    .cached_address(&client(), number, Timestamp(0))
                    .await
                    .expect("read")
                    .is_some(),
                known,
                "{number}"
            );
            // A statement that extracts JSON fields from addresses.
            assert_eq!(
                store.knows(&client(), &number.clone().into()).await,
                Ok(false)
            );
        }
    }
}
