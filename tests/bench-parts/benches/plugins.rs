//! The cost of a plugin call: one validation in a new instance of `number-policy`, beside the
//! pipeline without plugins.
//!
//! Compare the two times with each other only: they depend on the machine.

#![allow(
    clippy::expect_used,
    missing_docs,
    reason = "a bench that cannot go on says why; criterion's macros make undocumented items"
)]

use std::{hint::black_box, sync::Arc};

use criterion::{Criterion, criterion_group, criterion_main};
use tokio::runtime::Runtime;
use wharf::{
    config::Config,
    model::{Address, Content, OutboundMessage},
    plugins::{Pipeline, PluginHost, Subject},
    store::Store,
};

fn message() -> OutboundMessage {
    let chat = "4915123456789@c.us".to_owned();
    OutboundMessage {
        to: Address {
            pn: Some(chat.clone()),
            chat,
            lid: None,
        },
        content: Content::text("hello"),
        reply_to: None,
        send_at: None,
        metadata: vec![],
    }
}

fn validate(criterion: &mut Criterion) {
    let runtime = Runtime::new().expect("runtime");
    let dir = tempfile::tempdir().expect("tempdir");
    let load = async |entries: &str| {
        let mut config: Config = toml::from_str(entries).expect("entries");
        // `cargo xtask plugins` builds the plugins and puts them there.
        config.plugins.dir = wharf_e2e::house::plugins();
        let store = Store::open(&dir.path().join("bench.db"))
            .await
            .expect("store");
        PluginHost::load(
            &config.plugins,
            &config.plugin,
            &dir.path().join("cache"),
            Arc::new(store),
            Arc::new(|_: &str| None),
        )
        .await
        .expect("loaded")
    };
    let subject = Subject {
        session: "bench".parse().expect("id"),
        id: "out_1".into(),
        attempt: 1,
    };
    let mut group = criterion.benchmark_group("validate");
    for (name, entries) in [
        ("no plugin", ""),
        ("number-policy", "[[plugin]]\nname = \"number-policy\"\n"),
    ] {
        let host = runtime.block_on(load(entries));
        group.bench_function(name, |bencher| {
            bencher
                .to_async(&runtime)
                .iter(async || black_box(host.validate(&subject, message()).await));
        });
    }
    group.finish();
}

criterion_group!(benches, validate);
criterion_main!(benches);
