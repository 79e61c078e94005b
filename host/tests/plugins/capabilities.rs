//! What a guest can reach: nothing without grants, and only what was granted.

use wharf::plugins::{Pipeline, PluginHost};

use crate::support::{Place, assert_serves_on, odd, odd_and_good, rejected, subject, text};

/// What the guest `odd` observed, which it gives as the reason of its refusal.
async fn seen(host: &PluginHost, session: &str) -> String {
    let (rejection, verdicts) = rejected(host.validate(&subject(session), text("hello")).await);
    assert_eq!(verdicts[0].verdict, "reject", "{verdicts:?}");
    rejection.reason.into()
}

#[tokio::test]
async fn without_grants_every_capability_is_refused_and_says_so() {
    let closed = [
        ("secret", "none"),
        ("socket", "PermissionDenied"),
        ("udp", "PermissionDenied"),
        ("lookup", "refused"),
        ("read", "refused"),
        ("write", "refused"),
        ("environment", "0 variables, 0 arguments"),
        ("http", "HttpRequestDenied"),
    ];
    for (behaviour, answer) in closed {
        let host = odd(behaviour, "").await;
        let seen = seen(&host, "odd").await;
        assert!(seen.contains(answer), "{behaviour}: {seen}");
        assert_serves_on(&host).await;
    }
}

#[tokio::test]
async fn ungranted_storage_is_a_failure_of_the_plugin_that_needs_it() {
    let host = odd("kv", "").await;
    let (rejection, verdicts) = rejected(host.validate(&subject("odd"), text("hello")).await);
    assert_eq!(
        (rejection.code.as_str(), verdicts[0].verdict),
        ("plugin_failed", "failed")
    );
    assert!(
        verdicts[0]
            .detail
            .as_deref()
            .is_some_and(|detail| detail.contains("kv")),
        "{verdicts:?}"
    );
    assert_serves_on(&host).await;
}

#[tokio::test]
async fn granted_storage_is_kept_between_calls_and_apart_by_session() {
    let place = Place::with(&["odd.wasm", "good.wasm"]).await;
    let entries =
        odd_and_good("count", "grants.kv = \"1MiB\"").replace("[\"odd\"]", "[\"odd\", \"other\"]");
    let host = place.load(&entries).await.expect("both load");
    assert_eq!(seen(&host, "odd").await, "1 true calls");
    assert_eq!(seen(&host, "odd").await, "2 true calls");
    assert_eq!(seen(&host, "other").await, "1 true calls");

    // The namespace shared by all sessions is a different one, and it outlives the host.
    let shared = entries.replace("grants.kv =", "grants.kv_shared = true\ngrants.kv =");
    assert_eq!(
        seen(&place.load(&shared).await.expect("both load"), "odd").await,
        "1 true calls"
    );
    assert_eq!(
        seen(&place.load(&shared).await.expect("both load"), "other").await,
        "2 true calls"
    );
}

#[tokio::test]
async fn storage_beyond_the_quota_is_refused() {
    let host = odd("count", "grants.kv = \"1B\"").await;
    let (_, verdicts) = rejected(host.validate(&subject("odd"), text("hello")).await);
    assert_eq!(verdicts[0].verdict, "failed");
    assert!(
        verdicts[0]
            .detail
            .as_deref()
            .is_some_and(|detail| detail.contains("QuotaExceeded")),
        "{verdicts:?}"
    );
}

#[tokio::test]
async fn a_granted_secret_is_there_and_no_other() {
    let host = odd("secret", "grants.secrets = [\"WHARF_TEST_SECRET\"]").await;
    assert_eq!(seen(&host, "odd").await, "open sesame");
}

#[tokio::test]
async fn the_clock_stands_at_the_time_of_the_call() {
    let host = odd("clock", "").await;
    assert_eq!(seen(&host, "odd").await, "true true");
}

#[tokio::test]
async fn each_call_has_its_own_chance() {
    let host = odd("chance", "").await;
    assert_ne!(seen(&host, "odd").await, seen(&host, "odd").await);
}
