//! The effect of group commit: rows accepted for 64 concurrent callers, beside the same rows for
//! one caller after the other.
//!
//! Compare the two times with each other only: they depend on the machine and its disk.

#![allow(
    clippy::expect_used,
    missing_docs,
    reason = "a bench that cannot go on says why; criterion's macros make undocumented items"
)]

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use futures_util::future::join_all;
use tokio::runtime::Runtime;
use wharf::{
    model::{Address, Content, MessageId, OutboundMessage, PhoneNumber, Priority},
    store::{Accept, NewRow, OutboxId, Store},
};

const ROWS: usize = 64;

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
            content: Content::text("hello"),
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

fn accept(criterion: &mut Criterion) {
    let runtime = Runtime::new().expect("runtime");
    let dir = tempfile::tempdir().expect("tempdir");
    let store = runtime
        .block_on(Store::open(&dir.path().join("bench.db")))
        .expect("store");
    let mut group = criterion.benchmark_group("accept 64 rows");
    group
        .throughput(Throughput::Elements(ROWS as u64))
        .sample_size(20);
    group.bench_function("one after the other", |bencher| {
        bencher.to_async(&runtime).iter(async || {
            for _ in 0..ROWS {
                assert_eq!(store.accept(row()).await, Ok(Accept::New));
            }
        });
    });
    group.bench_function("at once", |bencher| {
        bencher.to_async(&runtime).iter(async || {
            let all = join_all((0..ROWS).map(|_| store.accept(row()))).await;
            assert!(all.iter().all(|done| *done == Ok(Accept::New)));
        });
    });
    group.finish();
}

criterion_group!(benches, accept);
criterion_main!(benches);
