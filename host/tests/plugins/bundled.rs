//! The bundled plugins in the real host, configured as `gateway.toml` shows them.

use std::collections::BTreeMap;

use wharf::plugins::{Pipeline, PluginState, RenderRequest};

use crate::support::{Place, allowed, rejected, subject, text};

/// The plugin entries of `gateway.toml`, including those that are commented out.
fn shown() -> String {
    let file = include_str!("../../../gateway.toml");
    let entries = &file[file.find("\n[[plugin]]").expect("an entry")..];
    let code = |line: &str| {
        line.starts_with('[')
            || line
                .split_once(" = ")
                .is_some_and(|(key, _)| !key.contains(' '))
    };
    let lines = entries.lines().map(|line| {
        line.strip_prefix("# ")
            .filter(|rest| code(rest))
            .unwrap_or(line)
    });
    lines
        .collect::<Vec<_>>()
        .join("\n")
        .replace("WEBHOOK_KEY", "WHARF_TEST_SECRET")
}

#[tokio::test]
async fn the_operators_file_shows_entries_that_work() {
    let place = Place::with(&["number_policy.wasm", "templates.wasm", "webhook.wasm"]).await;
    let host = place.load(&shown()).await.expect("all three load");
    let reports = host.reports();
    let states: Vec<_> = reports
        .iter()
        .map(|report| (report.name.as_str(), report.state.clone()))
        .collect();
    assert_eq!(
        states,
        ["number-policy", "templates", "webhook"].map(|name| (name, PluginState::Loaded))
    );

    let (_, verdicts) = allowed(host.validate(&subject("any"), text("hello")).await);
    assert_eq!(verdicts.len(), 1);
    let variables = BTreeMap::from([("name".to_owned(), "Ada".into())]);
    let request = RenderRequest {
        template: "greeting".into(),
        locale: Some("de-AT".into()),
        variables,
    };
    let content = host
        .render(&subject("any"), &request)
        .await
        .expect("rendered");
    assert_eq!(content.body(), Some("Hallo Ada!"));
}

#[tokio::test]
async fn a_daily_cap_counts_a_send_once_however_often_it_is_judged() {
    let place = Place::with(&["number_policy.wasm"]).await;
    let entry = "[[plugin]]\nname = \"number-policy\"\ngrants = { kv = \"1MiB\" }\nconfig = { daily_cap = 1 }\n";
    let host = place.load(entry).await.expect("loads");
    for _ in 0..2 {
        allowed(host.validate(&subject("any"), text("hello")).await);
    }
    let mut second = subject("any");
    second.id = "out_2".into();
    let (rejection, _) = rejected(host.validate(&second, text("hello")).await);
    assert_eq!(rejection.code, "daily_cap");
    assert!(rejection.retry_after.is_some());
}
