//! The built component in the plugin host: what unit tests cannot prove, which is that it fits the
//! gateway's limits, storage and clock.

use std::{env, path::PathBuf};

use serde_json::{Value, json};
use wharf_harness::{Harness, HarnessError};

/// The component, as `cargo xtask plugins` builds it.
fn component() -> PathBuf {
    let target = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("../wasm32-wasip2/plugin");
    env::var_os("WHARF_TEST_GUESTS")
        .map_or(target, PathBuf::from)
        .join("number_policy.wasm")
}

fn policy(entry: &str) -> Harness {
    Harness::new("number-policy", component()).entry(entry)
}

fn message() -> Value {
    json!({"to": "+4915123456789", "text": "Good morning"})
}

fn received(body: &str) -> Value {
    let sender = json!({"chat": "4915123456789@c.us", "pn": "4915123456789@c.us"});
    json!({"event": {"type": "message.received", "id": "3EB0", "chat": sender, "sender": sender, "from_me": false, "sent_at": 1_767_225_600_000_i64, "content": {"kind": "text", "body": body}}})
}

#[test]
fn the_cap_counts_messages_in_the_real_storage() {
    let plugin = policy("grants = { kv = \"1MiB\" }\nconfig = { daily_cap = 2 }");
    let answers = plugin
        .run(&[message(), message(), message()])
        .expect("answers");
    let verdicts: Vec<&Value> = answers
        .iter()
        .map(|answer| &answer.answer["verdict"])
        .collect();
    assert_eq!(verdicts, ["allow", "allow", "reject"], "{answers:#?}");
}

#[test]
fn who_opts_out_by_a_message_is_not_written_to() {
    let plugin =
        policy("grants = { kv = \"1MiB\" }\nconfig = { opt_out = { stop_words = [\"STOP\"] } }");
    let answers = plugin
        .run(&[message(), received("STOP"), message()])
        .expect("answers");
    assert_eq!(answers[0].answer["verdict"], "allow");
    assert_eq!(answers[1].answer["targets"], json!([]), "{answers:#?}");
    assert_eq!(answers[2].answer["verdict"], "reject", "{answers:#?}");
}

#[test]
fn quiet_hours_are_those_of_the_time_of_the_call() {
    let entry =
        "[plugin.config]\nzone = \"UTC\"\nquiet_hours = [{ from = \"21:00\", to = \"08:00\" }]";
    for (now, verdict) in [
        ("2026-01-31T22:00:00Z", "reject"),
        ("2026-01-31T12:00:00Z", "allow"),
    ] {
        let answers = policy(entry).now(now).run(&[message()]).expect("answers");
        assert_eq!(answers[0].answer["verdict"], verdict, "{now}: {answers:#?}");
    }
}

#[test]
fn a_call_fits_into_the_default_limits_with_room() {
    let answers = policy("").run(&[message()]).expect("answers");
    let call = &answers[0].calls[0];
    assert!(!answers[0].failed, "{answers:#?}");
    let memory = call["memoryBytes"].as_u64().expect("bytes");
    assert!(memory < 8 << 20, "{call}");
    assert_eq!(call["notGranted"], json!([]), "{call}");
}

#[test]
fn a_rule_without_its_grant_fails_and_names_the_capability() {
    let answers = policy("config = { daily_cap = 2 }")
        .run(&[message()])
        .expect("an answer");
    assert!(answers[0].failed, "{answers:#?}");
    assert_eq!(answers[0].calls[0]["notGranted"], json!(["kv"]));
}

#[test]
fn what_the_gateway_refuses_is_an_error_with_its_words() {
    let refused = policy("config = { daily_cap = 0 }").run(&[message()]);
    assert!(
        matches!(&refused, Err(HarnessError::Refused(reason)) if reason.contains("daily_cap")),
        "{refused:?}"
    );
    let refused = policy("").run(&[json!({"to": "+4915123456789"})]);
    assert!(
        matches!(&refused, Err(HarnessError::Refused(reason)) if reason.contains("to is required")),
        "{refused:?}"
    );
}
