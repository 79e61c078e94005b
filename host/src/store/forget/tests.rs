use std::{fs, path::Path};

use futures_util::future::{join, join_all};
use serde_json::json;
use sqlx::{Connection, Row, SqliteConnection};

use super::*;
use crate::{
    model::{
        AckLevel, Address, ClientId, Content, Envelope, Event, EventId, FailureCode, InboundMessage, MessageId, OutboundMessage, PhoneNumber,
        Priority,
    },
    store::{Accept, Ack, Begin, Begun, Filter, Finish, NewBulk, NewDelivery, NewRow, OutboxId, OutboxRow, RowState, Step, Update, Urgency, scratch},
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
    OutboundMessage { to: Address::of_number(&number()), content: Content::text(text), reply_to, send_at: None, metadata }
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
    Envelope { id: EventId::new(name), at: Timestamp::now(), session: client(), account: None, replayed: false, event }
}

async fn get(store: &Store, name: &str) -> OutboxRow {
    store.outbox_row(&OutboxId(name.into())).await.expect("read").expect("there")
}

async fn run(store: &Store, sql: &'static str) {
    sqlx::query(sql).execute(&mut *store.readers.get().await.expect("reader")).await.expect(sql);
}

async fn count(store: &Store, sql: &'static str) -> i64 {
    sqlx::query_scalar(sql).fetch_one(&mut *store.readers.get().await.expect("reader")).await.expect(sql)
}

/// As the sender does it: the row is written three times, and grows.
async fn begin(store: &Store, token: i64, name: &str) {
    let row = get(store, name).await;
    let to = Address { lid: Some("77123123123@lid".into()), chat: "77123123123@lid".into(), ..row.message.to.clone() };
    let message = OutboundMessage { to: to.clone(), ..row.message.clone() };
    assert_eq!(store.begin_send(&row, &message, vec![], Begin { token, counted: None }).await, Ok(Begun::Yes));
    store.stored_as(&row.id, &to, &format!("true_{}_{}", to.chat, row.message_id), Urgency::Now).await.expect("stored");
}

async fn acknowledge(store: &Store, name: &str) {
    let row = get(store, name).await;
    let id = row.message_id.clone();
    let told = name.to_owned();
    let tell =
        move |before: &OutboxRow, _: &Ack| vec![event(&told, Event::MessageSent { id: before.message_id.clone(), message: before.message.clone() })];
    let ack = Ack { id, address: row.message.to, level: AckLevel::Server, at: Timestamp::now() };
    store.acknowledge(&client(), vec![ack], tell).await.expect("acknowledged");
}

async fn fail(store: &Store, name: &str) {
    let row = get(store, name).await;
    let failed = Event::MessageFailed { id: row.message_id, code: "cancelled".into(), reason: "r".into(), message: row.message };
    let finish = Finish::NotSent(FailureCode::Cancelled, "r".into());
    assert_eq!(store.finish(&row.id, &[RowState::Queued], finish, vec![], event(name, failed)).await, Ok(true));
}

async fn unknown(store: &Store, name: &str) {
    let asked = event(name, Event::Other { kind: "message.unknown".into(), json: "{}".into() });
    let id = OutboxId(name.into());
    assert_eq!(store.finish(&id, &[RowState::Sending], Finish::Unknown("r".into()), vec![], asked).await, Ok(true));
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
    assert_eq!(store.append_inbound(vec![(id, event(name, Event::MessageReceived(message)))]).await, Ok(1));
}

/// Routes every event there is; those named `pending…` to a receiver.
async fn route(store: &Store) {
    let events = store.events_after(0, 10_000).await.expect("read");
    let new = events.iter().map(|event| {
        let name = event.envelope.id.0.clone();
        let told = name.contains("pending").then(|| NewDelivery { id: name, plugin: "p".into(), target: "t".into(), attempt: 0, again: None });
        (event.seq, told.into_iter().collect())
    });
    store.route("deliveries", new.collect()).await.expect("routed");
}

/// The words that begin with `body-` anywhere in the database's files.
fn bodies(dir: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for file in ["wharf.db", "wharf.db-wal"] {
        let raw = fs::read(dir.join(file)).unwrap_or_default();
        let begins = raw.windows(5).enumerate().filter(|(_, window)| *window == b"body-").map(|(at, _)| at);
        let word =
            |at: usize| raw[at..].iter().take_while(|byte| byte.is_ascii_alphanumeric() || **byte == b'-').map(|byte| char::from(*byte)).collect();
        found.extend(begins.map(word));
    }
    found.sort();
    found.dedup();
    found
}

async fn settle(store: &Store) {
    assert_eq!(store.empty_log().await, Ok(true), "nobody reads");
}

#[tokio::test]
async fn what_a_message_said_goes_and_what_is_known_of_it_stays() {
    let (dir, store) = scratch().await;
    let token = store.lease(&client()).await.expect("leased");
    for name in ["sent", "failed", "gone", "asked", "waits"] {
        store.accept(row(name, &format!("body-{name} \"\u{1F980}\0"))).await.expect("stored");
    }
    // Longer than a page of the file.
    store.accept(row("long", &"body-long ".repeat(2000))).await.expect("stored");
    for name in ["sent", "long", "gone"] {
        begin(&store, token, name).await;
    }
    acknowledge(&store, "sent").await;
    acknowledge(&store, "long").await;
    fail(&store, "failed").await;
    unknown(&store, "gone").await;
    store.profile_gone(&client()).await.expect("noted");
    begin(&store, token, "asked").await;
    unknown(&store, "asked").await;
    receive(&store, "inbound", "body-inbound").await;

    assert_eq!(store.redact(Timestamp(1)).await, Ok(false), "nothing is so old");
    let before = (get(&store, "sent").await, store.history(get(&store, "sent").await.seq).await.expect("history"));
    route(&store).await;
    assert_eq!(store.redact(future()).await, Ok(true));
    settle(&store).await;
    assert_eq!(bodies(dir.path()), ["body-asked", "body-waits"], "only those that are still needed");

    let after = get(&store, "sent").await;
    assert!(after.redacted && after.message.content.body().is_none());
    assert_eq!(store.history(after.seq).await.expect("history"), before.1);
    let content = after.message.content.clone();
    let as_before = OutboundMessage { content, ..before.0.message.clone() };
    assert_eq!(after, OutboxRow { redacted: true, message: as_before, ..before.0 }, "all else is as it was");
    for event in store.events_after(0, 100).await.expect("every event can be read") {
        match event.envelope.event {
            Event::MessageReceived(message) => assert_eq!((message.content.body(), message.push_name.as_deref()), (None, Some("Ada"))),
            Event::MessageSent { message, .. } | Event::MessageFailed { message, .. } => {
                assert_eq!((message.content.body(), message.metadata.len()), (None, 1));
            }
            _ => {}
        }
    }
    assert_eq!(store.redact(future()).await, Ok(false), "nothing is done twice");
    assert_eq!(store.retry(&OutboxId("failed".into())).await, Ok(false), "nobody knows what to send");
    assert_eq!(get(&store, "failed").await.state, RowState::NotSent);
}

#[tokio::test]
async fn what_is_still_to_be_delivered_keeps_its_text() {
    let (dir, store) = scratch().await;
    receive(&store, "pending-one", "body-one").await;
    receive(&store, "pending-two", "body-two").await;
    receive(&store, "told", "body-told").await;
    assert_eq!(store.redact(future()).await, Ok(false), "nothing is routed yet");
    route(&store).await;
    receive(&store, "new", "body-new").await;
    store.redact(future()).await.expect("redacted");
    settle(&store).await;
    assert_eq!(bodies(dir.path()), ["body-new", "body-one", "body-two"]);
    store.attempted(&[("evt_pending-one".to_owned(), Update::Delivered)]).await.expect("noted");
    store.attempted(&[("evt_pending-two".to_owned(), Update::Dead("given up".into()))]).await.expect("noted");
    route(&store).await;
    store.redact(future()).await.expect("redacted");
    settle(&store).await;
    assert_eq!(bodies(dir.path()), Vec::<String>::new(), "delivered, given up, and nobody's");
    assert_eq!(store.retry_delivery("evt_pending-two").await, Ok(true));
    let seq = store.delivery_lines(9).await.expect("read")[0].event_seq;
    let told = store.envelopes(&[seq]).await.expect("read").remove(&seq).expect("there").expect("readable");
    assert!(matches!(&told.event, Event::MessageReceived(message) if message.content.body().is_none()));
}

#[tokio::test]
async fn an_order_says_nothing_any_more_once_everybody_is_taken_in() {
    let (dir, store) = scratch().await;
    for (id, recipients) in [("bulk_small", 3), ("bulk_large", 250), ("bulk_open", 3)] {
        let text = format!("body-{}", &id[5..]);
        let wanted = json!({"text": text, "template": null, "locale": null, "variables": {"a": text}, "metadata": [["m", "kept"]]}).to_string();
        let recipients = (0..recipients).map(|n| (number().into(), json!({"name": format!("{text}-{n}")}).to_string())).collect();
        store.create_bulk(NewBulk { id: id.into(), client: client(), wanted, recipients, idempotency: None }).await.expect("stored");
    }
    for recipient in store.pending(255).await.expect("read") {
        store.taken_in(recipient.bulk, recipient.place, Err(("x".into(), "y".into()))).await.expect("noted");
    }
    assert_eq!(store.pending(9).await.expect("read").len(), 1);
    store.redact(future()).await.expect("redacted");
    assert_eq!(count(&store, "SELECT count(*) FROM bulk_recipient WHERE variables <> '{}'").await, 3, "somebody of the last is not taken in");
    settle(&store).await;
    let left = bodies(dir.path());
    assert!(!left.iter().any(|word| word.starts_with("body-small")) && !left.contains(&"body-large".into()), "{left:?}");
    assert!(left.contains(&"body-open".into()), "{left:?}");
    assert_eq!(store.cancel_pending(3).await, Ok(1));
    store.redact(future()).await.expect("redacted");
    assert_eq!(count(&store, "SELECT count(*) FROM bulk_recipient WHERE variables <> '{}'").await, 0);
    assert_eq!(count(&store, "SELECT count(*) FROM bulk WHERE wanted LIKE '%kept%' AND wanted NOT LIKE '%body-%'").await, 3);
    assert_eq!(count(&store, "SELECT count(*) FROM bulk_recipient WHERE code IS NOT NULL AND recipient <> ''").await, 256);
    store.prune_outbox(future(), future()).await.expect("pruned");
    assert_eq!(count(&store, "SELECT (SELECT count(*) FROM bulk) + (SELECT count(*) FROM bulk_recipient)").await, 0);
}

#[tokio::test]
async fn what_nobody_can_be_asked_about_is_forgotten_in_its_time() {
    let (_dir, store) = scratch().await;
    let token = store.lease(&client()).await.expect("leased");
    for name in ["gone", "begun and gone", "asked"] {
        store.accept(row(name, "x")).await.expect("stored");
    }
    for name in ["gone", "begun and gone"] {
        begin(&store, token, name).await;
    }
    unknown(&store, "gone").await;
    store.profile_gone(&client()).await.expect("noted");
    begin(&store, token, "asked").await;
    unknown(&store, "asked").await;
    store.prune_outbox(future(), future()).await.expect("pruned");
    let left = store.messages(&Filter { limit: 9, ..Filter::default() }).await.expect("listed").rows;
    assert_eq!(left.iter().map(|row| row.id.0.as_str()).collect::<Vec<_>>(), ["asked"]);
}

#[tokio::test]
async fn old_events_go_and_dead_letters_keep_theirs() {
    let (_dir, store) = scratch().await;
    for name in ["told", "pending-delivered", "pending-dead", "pending"] {
        receive(&store, name, "x").await;
    }
    route(&store).await;
    receive(&store, "not routed", "x").await;
    store.attempted(&[("evt_pending-delivered".to_owned(), Update::Delivered)]).await.expect("noted");
    store.attempted(&[("evt_pending-dead".to_owned(), Update::Dead("r".into()))]).await.expect("noted");
    assert_eq!(store.prune_events(Timestamp(1)).await, Ok(false));
    assert_eq!(store.prune_events(future()).await, Ok(true));
    let left = store.events_after(0, 9).await.expect("read");
    let left: Vec<&str> = left.iter().map(|event| event.envelope.id.0.as_str()).collect();
    assert_eq!(left, ["evt_pending-dead", "evt_pending", "evt_not routed"]);
    assert_eq!(count(&store, "SELECT count(*) FROM delivery").await, 2);
}

/// `number` sends that ended, each with a text of so many bytes.
async fn ended(store: &Store, number: usize, bytes: usize) {
    let text = "body-x ".repeat(bytes / 7);
    let names: Vec<String> = (0..number).map(|n| format!("out_{n}")).collect();
    for names in names.chunks(500) {
        join_all(names.iter().map(|name| store.accept(row(name, &text)))).await;
    }
    run(store, "UPDATE outbox SET state = 'not_sent'").await;
}

#[tokio::test]
async fn a_send_that_comes_in_between_is_stored_before_the_next_step() {
    let (_dir, store) = scratch().await;
    ended(&store, 1000, 70).await;
    let left = async || count(&store, "SELECT count(*) FROM outbox WHERE redacted = 0 AND state = 'not_sent'").await;
    for n in 1..=9_i64 {
        // Asked for while the step is under way.
        let name = format!("new_{n}");
        let (more, accepted) = join(store.redact_sends(future()), store.accept(row(&name, "x"))).await;
        assert_eq!((more, accepted), (Ok(true), Ok(Accept::New)));
        assert_eq!(get(&store, &name).await.state, RowState::Queued);
        assert_eq!(left().await, 1000 - n * i64::from(STEP), "a step is no longer than that");
    }
    assert_eq!(store.redact(future()).await, Ok(true));
    assert_eq!(left().await, 0);
}

#[tokio::test]
async fn the_file_gets_smaller_in_steps() {
    let (dir, store) = scratch().await;
    ended(&store, 1200, 8000).await;
    settle(&store).await;
    let size = || fs::metadata(dir.path().join("wharf.db")).expect("there").len();
    let before = size();
    assert!(before > 9 << 20, "{before}");
    assert_eq!(store.give_back().await, Ok(false), "every page is in use");
    store.redact(future()).await.expect("redacted");
    let empty = store.empty_pages().await.expect("read");
    // Within the writer's transaction, beside the work of others.
    let (given, accepted) = join(store.give_some_back(), store.accept(row("new", "x"))).await;
    assert_eq!((given, accepted), (Ok(()), Ok(Accept::New)));
    let step = empty - store.empty_pages().await.expect("read");
    assert!((1..=64).contains(&step), "{step} pages in a step");
    assert_eq!(store.give_back().await, Ok(true));
    settle(&store).await;
    assert!(size() < before / 3, "{} of {before} are left", size());
    assert_eq!(count(&store, "SELECT count(*) FROM outbox").await, 1201);
    let checked: String =
        sqlx::query_scalar("PRAGMA integrity_check").fetch_one(&mut *store.readers.get().await.expect("reader")).await.expect("checked");
    assert_eq!(checked, "ok");
}

#[tokio::test]
async fn the_log_is_emptied_when_nobody_reads_and_nobody_is_waited_for() {
    let (dir, store) = scratch().await;
    store.accept(row("out_1", "x")).await.expect("stored");
    let log = || fs::metadata(dir.path().join("wharf.db-wal")).expect("there").len();
    let mut reader = store.readers.get().await.expect("reader");
    let mut reader = reader.begin().await.expect("begun");
    sqlx::query("SELECT count(*) FROM outbox").fetch_one(&mut *reader).await.expect("read");
    store.accept(row("out_2", "x")).await.expect("stored");
    let asked = std::time::Instant::now();
    assert_eq!(store.empty_log().await, Ok(false));
    assert!(asked.elapsed() < crate::store::file::BUSY_TIMEOUT, "a reader was waited for");
    assert!(log() > 0);
    reader.rollback().await.expect("ended");
    assert_eq!(store.empty_log().await, Ok(true));
    assert_eq!(log(), 0);
    assert_eq!(store.accept(row("out_3", "x")).await, Ok(Accept::New));
}

#[tokio::test]
async fn a_database_of_an_older_gateway_is_written_anew_once() {
    let dir = tempfile::tempdir().expect("tempdir");
    let path = dir.path().join("wharf.db");
    let pool = sqlx::SqlitePool::connect(&format!("sqlite://{}?mode=rwc", path.display())).await.expect("made");
    let mut older = sqlx::migrate!("src/store/migrations");
    older.migrations = older.migrations.iter().filter(|step| step.version <= 7).cloned().collect();
    older.run(&pool).await.expect("the older tables");
    let text = serde_json::to_string(&message(&"body-old ".repeat(2000))).expect("json");
    for n in 0..300_i64 {
        let sql = "INSERT INTO outbox (id, client, message_id, number, state, attempt, created_at, updated_at, message)
                   VALUES ('out_' || ?1, 'test', '3EB0' || ?1, '4915123456789', 'sent', 1, 5, 5, ?2)";
        sqlx::query(sql).bind(n).bind(&text).execute(&pool).await.expect("inserted");
    }
    let sent = event("sent", Event::MessageSent { id: MessageId("3EB00".into()), message: message("body-event") });
    let sent = serde_json::to_string(&sent).expect("json");
    sqlx::query("INSERT INTO event (id, at, envelope) VALUES ('evt_sent', 5, ?)").bind(sent).execute(&pool).await.expect("inserted");
    let mode =
        async |connection: &mut SqliteConnection| sqlx::query_scalar::<_, i64>("PRAGMA auto_vacuum").fetch_one(connection).await.expect("read");
    assert_eq!(mode(&mut *pool.acquire().await.expect("connection")).await, 0);
    pool.close().await;

    let store = Store::open(&path).await.expect("upgraded");
    assert_eq!(mode(&mut *store.readers.get().await.expect("reader")).await, 2);
    assert_eq!(get(&store, "out_299").await.state, RowState::Sent);
    let size = || fs::metadata(&path).expect("there").len();
    let before = size();
    route(&store).await;
    assert_eq!(store.redact(future()).await, Ok(true));
    assert_eq!(store.give_back().await, Ok(true));
    settle(&store).await;
    assert_eq!(store.forget_copies(future()).await, Ok(true), "the copy from before the upgrade");
    assert_eq!(bodies(dir.path()), Vec::<String>::new(), "also of rows from before");
    assert!(size() < before / 2, "{} of {before}", size());
    store.close().await;
    let store = Store::open(&path).await.expect("opened");
    assert_eq!(mode(&mut *store.readers.get().await.expect("reader")).await, 2);
}

#[tokio::test]
async fn nothing_that_is_done_every_minute_looks_at_every_row() {
    let (_dir, store) = scratch().await;
    for (sql, index) in [
        (
            "SELECT seq FROM outbox WHERE redacted = 0 AND (state IN ('sent', 'not_sent') OR (state IN ('sending', 'unknown') AND profile_gone = 1)) \
             AND updated_at < ? ORDER BY updated_at LIMIT ?",
            "outbox_done",
        ),
        ("SELECT at, seq FROM event WHERE body = 1 AND at < ? AND (at, seq) > (?, ?) ORDER BY at, seq LIMIT ?", "event_body"),
        ("SELECT seq FROM bulk WHERE redacted = 0 AND created_at < ? LIMIT 1", "bulk_body"),
        ("SELECT client, message_id FROM inbound WHERE at < ? LIMIT ?", "inbound_age"),
    ] {
        let plan = sqlx::query(sqlx::AssertSqlSafe(format!("EXPLAIN QUERY PLAN {sql}")))
            .fetch_all(&mut *store.readers.get().await.expect("reader"))
            .await
            .expect("plan");
        let plan: Vec<String> = plan.iter().map(|row| row.get("detail")).collect();
        assert!(plan.iter().all(|line| line.contains(index) && !line.contains("TEMP")), "{sql}: {plan:?}");
    }
}
