//! The effect of deleting bodies on senders: rows accepted for 64 concurrent callers while nothing
//! is deleted, and while the texts of 200,000 messages are.
//!
//! Compare the two times with each other only: they depend on the machine and its disk.

#![allow(
    clippy::expect_used,
    missing_docs,
    reason = "a bench that cannot go on says why; criterion's macros make undocumented items"
)]

use std::{
    path::Path,
    sync::Mutex,
    time::{Duration, Instant},
};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use futures_util::future::join_all;
use tokio::runtime::Runtime;
use wharf::{
    model::{Address, Content, MessageId, OutboundMessage, PhoneNumber, Priority, Timestamp},
    store::{Accept, NewRow, OutboxId, Store},
};

const ROWS: usize = 64;
/// More messages than can be deleted during the measurement.
const ENDED: usize = 200_000;

fn row() -> NewRow {
    let number = "4915123456789".parse::<PhoneNumber>().expect("number");
    let to = Address::of_number(&number);
    NewRow {
        id: OutboxId(format!("out_{}", ulid::Ulid::generate())),
        client: "bench".parse().expect("id"),
        message_id: MessageId::from_random(rand::random()),
        recipient: number.into(),
        message: OutboundMessage {
            to,
            content: Content::text("Your order is on its way. ".repeat(4)),
            reply_to: None,
            send_at: None,
            metadata: vec![],
        },
        priority: Priority::Interactive,
        expires_at: None,
        idempotency: None,
        fast_path: None,
        history: vec![],
    }
}

/// Accepts one batch and records how long each row waited.
async fn batch(store: &Store, waits: &Mutex<Vec<Duration>>) {
    let all = join_all((0..ROWS).map(|_| async {
        let begun = Instant::now();
        let done = store.accept(row()).await;
        (done, begun.elapsed())
    }));
    let done = all.await;
    assert!(done.iter().all(|(done, _)| *done == Ok(Accept::New)));
    waits
        .lock()
        .expect("nobody panicked")
        .extend(done.iter().map(|(_, wait)| *wait));
}

fn tell(name: &str, waits: &Mutex<Vec<Duration>>) {
    let mut waits = waits.lock().expect("nobody panicked");
    waits.sort_unstable();
    let at = |share: f64| {
        waits
            .get(((waits.len() as f64) * share) as usize)
            .copied()
            .unwrap_or_default()
    };
    println!(
        "{name}: p50 {:?}, p99 {:?}, longest {:?}",
        at(0.5),
        at(0.99),
        waits.last().copied().unwrap_or_default()
    );
}

/// Marks all messages as sent, as the sender does. It is done by SQL, because sending them would
/// take minutes.
async fn end_all(path: &Path) {
    let pool = sqlx::SqlitePool::connect(&format!("sqlite://{}", path.display()))
        .await
        .expect("opened");
    sqlx::query("UPDATE outbox SET state = 'sent', updated_at = seq")
        .execute(&pool)
        .await
        .expect("ended");
    pool.close().await;
}

fn accept(criterion: &mut Criterion) {
    let runtime = Runtime::new().expect("runtime");
    let dir = tempfile::tempdir().expect("tempdir");
    let path = dir.path().join("bench.db");
    let store = runtime.block_on(Store::open(&path)).expect("store");
    let old = runtime.block_on(async {
        let unheard = Mutex::default();
        for _ in 0..ENDED / ROWS {
            batch(&store, &unheard).await;
        }
        end_all(&path).await;
        Timestamp::now().minus(Duration::from_secs(3600))
    });
    let mut group = criterion.benchmark_group("accept 64 rows at once");
    group
        .throughput(Throughput::Elements(ROWS as u64))
        .sample_size(20);
    let waits = Mutex::default();
    group.bench_function("nothing is deleted", |bencher| {
        bencher
            .to_async(&runtime)
            .iter(async || batch(&store, &waits).await)
    });
    tell("nothing is deleted", &waits);
    let waits = Mutex::default();
    let deleting = runtime.spawn({
        let store = store.clone();
        async move { store.redact(old).await }
    });
    group.bench_function("bodies are deleted", |bencher| {
        bencher
            .to_async(&runtime)
            .iter(async || batch(&store, &waits).await)
    });
    tell("bodies are deleted", &waits);
    println!(
        "{}",
        if deleting.is_finished() {
            "WORTHLESS: all were deleted before the end"
        } else {
            "deleted until the end"
        }
    );
    deleting.abort();
    group.finish();
}

criterion_group!(benches, accept);
criterion_main!(benches);
