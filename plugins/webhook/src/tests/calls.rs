//! Tests of the call itself: its signature, its secrets and its retries.

use wharf_plugin::{
    AttemptResult, Error, HttpResponse, Judgement, Notifier,
    testing::{Host, json},
};

use super::{NOON, sent, webhook};

#[test]
fn the_call_is_signed_over_the_bytes_it_sends() {
    let host = Host::new();
    host.set_secret("HMAC_KEY", "my-secret-key");
    host.set_secret("TOKEN", "Bearer x");
    let plugin = webhook(json!([{
        "name": "a", "url": "https://example.com/hook", "hmac_secret": "HMAC_KEY", "timeout_seconds": 20,
        "headers": {"X-Source": "wharf"}, "secret_headers": {"Authorization": "TOKEN"},
    }]));
    let mut ctx = host.call("d1");
    ctx.traceparent = "00-a-b-01".into();
    ctx.attempt = 2;
    let request = plugin.request(&ctx, "a", &sent()).unwrap();
    assert_eq!(
        (
            request.method.as_str(),
            request.url.as_str(),
            request.timeout_ms
        ),
        ("POST", "https://example.com/hook", Some(20_000))
    );
    let signature = crate::sign::hmac_sha512(b"my-secret-key", &request.body);
    let want = [
        ("X-Source", "wharf"),
        ("Authorization", "Bearer x"),
        ("Content-Type", "application/json"),
        ("X-Webhook-Request-Id", "d1"),
        ("X-Webhook-Timestamp", "1768478400000"),
        ("X-Webhook-Hmac", &signature),
        ("X-Webhook-Hmac-Algorithm", "sha512"),
        ("traceparent", "00-a-b-01"),
    ];
    assert_eq!(
        request.headers,
        want.map(|(name, value)| (name.to_owned(), value.to_owned()))
    );
    ctx.attempt = 3;
    ctx.now = NOON + 60_000;
    let again = plugin.request(&ctx, "a", &sent()).unwrap();
    assert_eq!(
        again.body, request.body,
        "the body is the same on every attempt"
    );
}

#[test]
fn a_missing_secret_stops_the_call() {
    let host = Host::new();
    for target in [
        json!({"name": "a", "url": "https://e.com/", "hmac_secret": "K"}),
        json!({"name": "a", "url": "https://e.com/", "secret_headers": {"A": "K"}}),
    ] {
        let answer = webhook(json!([target])).request(&host.call("d1"), "a", &sent());
        assert!(
            matches!(&answer, Err(Error::NotGranted(why)) if why.contains("\"K\"")),
            "{answer:?}"
        );
    }
}

#[test]
fn a_target_that_is_gone_is_invalid_input() {
    let host = Host::new();
    let plugin = webhook(json!([]));
    assert!(matches!(
        plugin.request(&host.call("d1"), "a", &sent()),
        Err(Error::InvalidInput(_))
    ));
    assert!(matches!(
        plugin.judge(
            &host.call("d1"),
            "a",
            &AttemptResult::Unreachable(String::new())
        ),
        Err(Error::InvalidInput(_))
    ));
}

#[test]
fn each_target_has_its_own_retries() {
    let host = Host::new();
    let plugin = webhook(json!([
        {"name": "a", "url": "https://e.com/"},
        {"name": "b", "url": "https://e.com/", "retry": {"policy": "constant", "delay_seconds": 7, "attempts": 2}},
    ]));
    let down = AttemptResult::Answered(HttpResponse::new(503));
    assert_eq!(
        plugin.judge(&host.call("d1"), "a", &down),
        Ok(Judgement::RetryAfter(2000))
    );
    assert_eq!(
        plugin.judge(&host.call("d1"), "b", &down),
        Ok(Judgement::RetryAfter(7000))
    );
}
