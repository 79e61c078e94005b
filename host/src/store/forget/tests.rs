//! Retention, tested on a database whose files are searched for texts that must be gone.

mod decisions;
mod file;
mod prune;
mod redact;

use std::{fs, path::Path};

use futures_util::future::join_all;
use serde_json::json;

use super::*;
use crate::{
    model::{
        AckLevel, Address, ClientId, Content, Envelope, Event, EventId, FailureCode,
        InboundMessage, MessageId, OutboundMessage, PhoneNumber, Priority,
    },
    store::{
        Ack, Begin, Begun, Finish, NewDelivery, NewRow, OutboxId, OutboxRow, RowState, Step,
        Update, Urgency, scratch,
    },
};

const NUMBER: &str = "4915123456789";

fn client() -> ClientId {
    "test".parse().expect("id")
}

fn number() -> PhoneNumber {
    NUMBER.parse::<PhoneNumber>().expect("number")
}

fn future() -> Timestamp {
    Timestamp::now().plus_millis(1000)
}

fn message(text: &str) -> OutboundMessage {
    let reply_to = Some(MessageId("3EB0ANSWERED".into()));
    let metadata = vec![("order".into(), "7".into())];
    OutboundMessage {
        to: Address::of_number(&number()),
        content: Content::text(text),
        reply_to,
        send_at: None,
        metadata,
    }
}

fn row(name: &str, text: &str) -> NewRow {
    NewRow {
        id: OutboxId(name.into()),
        client: client(),
        message_id: MessageId(format!("3EB0{name}")),
        recipient: number().into(),
        message: message(text),
        priority: Priority::Interactive,
        expires_at: None,
        idempotency: None,
        fast_path: None,
        history: vec![Step::new("accepted", json!({}))],
    }
}

fn event(name: &str, event: Event) -> Envelope {
    Envelope {
        id: EventId::new(name),
        at: Timestamp::now(),
        session: client(),
        account: None,
        replayed: false,
        event,
    }
}

async fn get(store: &Store, name: &str) -> OutboxRow {
    store
        .outbox_row(&OutboxId(name.into()))
        .await
        .expect("read")
        .expect("there")
}

async fn run(store: &Store, sql: &'static str) {
    sqlx::query(sql)
        .execute(&mut *store.readers.get().await.expect("reader"))
        .await
        .expect(sql);
}

async fn count(store: &Store, sql: &'static str) -> i64 {
    sqlx::query_scalar(sql)
        .fetch_one(&mut *store.readers.get().await.expect("reader"))
        .await
        .expect(sql)
}

/// Sends a message as the sender does, which rewrites the row and lets it grow.
async fn begin(store: &Store, token: i64, name: &str) {
    let row = get(store, name).await;
    let to = Address {
        lid: Some("77123123123@lid".into()),
        chat: "77123123123@lid".into(),
        ..row.message.to.clone()
    };
    let message = OutboundMessage {
        to: to.clone(),
        ..row.message.clone()
    };
    assert_eq!(
        store
            .begin_send(
                &row,
                &message,
                vec![],
                Begin {
                    token,
                    counted: None
                }
            )
            .await,
        Ok(Begun::Yes)
    );
    store
        .stored_as(
            &row.id,
            &to,
            &format!("true_{}_{}", to.chat, row.message_id),
            Urgency::Now,
        )
        .await
        .expect("stored");
}

async fn acknowledge(store: &Store, name: &str) {
    let row = get(store, name).await;
    let id = row.message_id.clone();
    let told = name.to_owned();
    let tell = move |before: &OutboxRow, _: &Ack| {
        vec![event(
            &told,
            Event::MessageSent {
                id: before.message_id.clone(),
                message: before.message.clone(),
            },
        )]
    };
    let ack = Ack {
        id,
        address: row.message.to,
        level: AckLevel::Server,
        at: Timestamp::now(),
    };
    store
        .acknowledge(&client(), vec![ack], tell)
        .await
        .expect("acknowledged");
}

async fn fail(store: &Store, name: &str) {
    let row = get(store, name).await;
    let failed = Event::MessageFailed {
        id: row.message_id,
        code: "cancelled".into(),
        reason: "r".into(),
        message: row.message,
    };
    let finish = Finish::NotSent(FailureCode::Cancelled, "r".into());
    assert_eq!(
        store
            .finish(
                &row.id,
                &[RowState::Queued],
                finish,
                vec![],
                event(name, failed)
            )
            .await,
        Ok(true)
    );
}

async fn unknown(store: &Store, name: &str) {
    let asked = event(
        name,
        Event::Other {
            kind: "message.unknown".into(),
            json: "{}".into(),
        },
    );
    let id = OutboxId(name.into());
    assert_eq!(
        store
            .finish(
                &id,
                &[RowState::Sending],
                Finish::Unknown("r".into()),
                vec![],
                asked
            )
            .await,
        Ok(true)
    );
}

async fn receive(store: &Store, name: &str, text: &str) {
    let to = Address::of_number(&number());
    let message = InboundMessage {
        id: MessageId(name.into()),
        chat: to.clone(),
        sender: to,
        from_me: false,
        push_name: Some("Ada".into()),
        sent_at: Timestamp(1),
        content: Content::text(text),
        reply_to: None,
    };
    let id = message.id.clone();
    assert_eq!(
        store
            .append_inbound(vec![(id, event(name, Event::MessageReceived(message)))])
            .await,
        Ok(1)
    );
}

/// Routes all events. Those whose id contains `pending` get a delivery.
async fn route(store: &Store) {
    let events = store.events_after(0, 10_000).await.expect("read");
    let new = events.iter().map(|event| {
        let name = event.envelope.id.0.clone();
        let told = name.contains("pending").then(|| NewDelivery {
            id: name,
            plugin: "p".into(),
            target: "t".into(),
            attempt: 0,
            again: None,
        });
        (event.seq, told.into_iter().collect())
    });
    store
        .route("deliveries", new.collect())
        .await
        .expect("routed");
}

/// All words that begin with `body-` anywhere in the database's files.
fn bodies(dir: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for file in ["wharf.db", "wharf.db-wal"] {
        let raw = fs::read(dir.join(file)).unwrap_or_default();
        let begins = raw
            .windows(5)
            .enumerate()
            .filter(|(_, window)| *window == b"body-")
            .map(|(at, _)| at);
        let word = |at: usize| {
            raw[at..]
                .iter()
                .take_while(|byte| byte.is_ascii_alphanumeric() || **byte == b'-')
                .map(|byte| char::from(*byte))
                .collect()
        };
        found.extend(begins.map(word));
    }
    found.sort();
    found.dedup();
    found
}

async fn settle(store: &Store) {
    assert_eq!(store.empty_log().await, Ok(true), "nobody reads");
}

/// Stores `number` messages that have ended, each with a text of `bytes` bytes.
async fn ended(store: &Store, number: usize, bytes: usize) {
    let text = "body-x ".repeat(bytes / 7);
    let names: Vec<String> = (0..number).map(|n| format!("out_{n}")).collect();
    for names in names.chunks(500) {
        join_all(names.iter().map(|name| store.accept(row(name, &text)))).await;
    }
    run(store, "UPDATE outbox SET state = 'not_sent'").await;
}
