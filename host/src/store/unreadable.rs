//! Rows that cannot be read: written by another version, or broken. Whoever reads several rows
//! leaves those out and goes on; each is named once, in the log and in a metric.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex, PoisonError},
};

use tracing::error;

use super::error::StoreError;

/// Rows that are named; of more, the metric alone tells.
const NAMED: usize = 10_000;

#[derive(Debug, Clone, Default)]
pub(super) struct UnreadableRows(Arc<Mutex<HashSet<(&'static str, String)>>>);

impl UnreadableRows {
    /// What was read. None: it could not be, and that is named; `row` is the row's name in its
    /// table.
    pub(super) fn ok_or_report<T, E: Into<StoreError>>(
        &self,
        table: &'static str,
        row: impl FnOnce() -> String,
        read: Result<T, E>,
    ) -> Option<T> {
        match read {
            Ok(value) => Some(value),
            Err(error) => {
                self.name(table, row(), &error.into());
                None
            }
        }
    }

    fn name(&self, table: &'static str, row: String, reason: &StoreError) {
        let mut named = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if named.len() < NAMED && named.insert((table, row.clone())) {
            metrics::counter!("wharf_unreadable_rows_total", "table" => table).increment(1);
            error!(table, row, %reason, "a row of the database cannot be read: written by another version, or broken; it is left out");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

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
            // A statement that looks into addresses.
            assert_eq!(
                store.knows(&client(), &number.clone().into()).await,
                Ok(false)
            );
        }
    }
}
