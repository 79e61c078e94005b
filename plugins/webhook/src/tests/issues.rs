//! Tests of configuration issues that the schema cannot express.

use serde_json::Value;
use wharf_plugin::{
    ConfigIssue,
    testing::{configure, json},
};

use crate::Webhook;

fn issue_paths(targets: Value) -> Vec<String> {
    let issues: Vec<ConfigIssue> =
        configure::<Webhook>(json!({"targets": targets})).expect_err("a bad configuration");
    issues.into_iter().map(|issue| issue.path).collect()
}

#[test]
fn what_the_schema_cannot_say_is_checked() {
    assert_eq!(
        issue_paths(
            json!([{"name": "a", "url": "https://e.com"}, {"name": "a", "url": "ftp://e.com"}])
        ),
        ["/targets/1/name", "/targets/1/url"]
    );
    for url in [
        "https://",
        "https:///x",
        "http://user:pw@e.com/",
        "https://e.com/a b",
        "e.com",
        "https://:80/",
    ] {
        assert_eq!(
            issue_paths(json!([{"name": "a", "url": url}])),
            ["/targets/0/url"],
            "{url}"
        );
    }
    let headers =
        json!({"Content-Type": "x", "x-webhook-hmac": "x", "a b": "x", "X-Ok": "line\nbreak"});
    let want = [
        "/targets/0/headers/Content-Type",
        "/targets/0/headers/a b",
        "/targets/0/headers/x-webhook-hmac",
        "/targets/0/headers/X-Ok",
    ];
    assert_eq!(
        issue_paths(json!([{"name": "a", "url": "https://e.com", "headers": headers}])),
        want
    );
    let retry = json!({"attempts": 0, "delay_seconds": 9, "max_delay_seconds": 8});
    assert_eq!(
        issue_paths(json!([{"name": "a", "url": "https://e.com", "retry": retry}])),
        [
            "/targets/0/retry/attempts",
            "/targets/0/retry/delay_seconds"
        ]
    );
    assert_eq!(
        issue_paths(json!([{"name": "a", "url": "https://e.com", "event": []}])).len(),
        1
    );
}
