//! The composition root as a whole, without a browser.

use metrics_exporter_prometheus::PrometheusBuilder;

use super::*;
use crate::{config::Session, model::SessionState};

#[tokio::test]
async fn a_start_that_fails_stops_the_sessions_that_it_has_started() {
    let dir = tempfile::tempdir().expect("tempdir");
    let mut config = Config::default();
    config.sessions.path = dir.path().to_owned();
    config.server.port = 0;
    config.browser.executable = Some("/nowhere/chromium".into());
    let [first, second] = ["a", "b"].map(|id| id.parse::<ClientId>().expect("id"));
    for client in [&first, &second] {
        config
            .sessions
            .session
            .insert(client.clone(), Session::default());
    }
    // The first session is started before the row of the second one is found to be unreadable.
    let store = Store::open(&database(&config)).await.expect("store");
    store
        .spoil("INSERT INTO session (client, state, reason, since, linked) VALUES ('b', 'ready', CAST(x'ff' AS TEXT), 0, 1)")
        .await;
    store.session(&second).await.expect_err("unreadable");
    store.close().await;

    let metrics = PrometheusBuilder::new().build_recorder().handle();
    let error = Gateway::start(config.clone(), Arc::default(), metrics)
        .await
        .expect_err("the row cannot be read");
    assert!(matches!(&error, StartError::Store(_)), "{error}");
    let store = Store::open(&database(&config)).await.expect("store");
    let row = store.session(&first).await.expect("read");
    let row = row.expect("the first session was started");
    assert_eq!(
        (row.state, row.reason.as_str()),
        (SessionState::Disconnected, "the gateway is stopping")
    );
    store.close().await;
}
