//! Requests that plugins make themselves: what reaches the receiver, what is refused and by which
//! name, and that the limits of a call hold.

use std::time::{Duration, Instant};

use metrics_exporter_prometheus::PrometheusBuilder;
use tracing_subscriber::layer::SubscriberExt;
use wharf::plugins::{Pipeline, PluginHost};

use crate::{
    calls::Lines,
    support::{Place, assert_serves_on, rejected, subject, text},
    web::Web,
};

/// A host in which the guest `reach` makes a request when it validates. `good` works beside it.
async fn asking(grants: &str, config: &str) -> PluginHost {
    let place = Place::with(&["reach.wasm", "good.wasm"]).await;
    let entries = format!(
        "[[plugin]]\nname = \"reach\"\nsessions = [\"odd\"]\ntimeout = \"5s\"\ncpu = \"1s\"\n{grants}\n\
         config = {{ what = \"http\", {config} }}\n[[plugin]]\nname = \"good\"\n"
    );
    place.load(&entries).await.expect("both load")
}

/// What the guest saw.
async fn seen(host: &PluginHost) -> String {
    let (rejection, verdicts) = rejected(host.validate(&subject("odd"), text("hello")).await);
    assert_eq!(verdicts[0].verdict, "reject", "{verdicts:?}");
    rejection.reason.into()
}

/// What a guest sees that may call the server, private networks included.
async fn granted(web: &Web, path: &str, config: &str) -> String {
    let origin = web.origin();
    let grants = format!("grants = {{ http = [\"{origin}\"], http_private = true }}");
    let host = asking(&grants, &format!("url = \"{origin}{path}\", {config}")).await;
    seen(&host).await
}

#[tokio::test]
async fn a_validator_asks_a_service_and_gets_its_answer() {
    let web = Web::start().await;
    assert_eq!(granted(&web, "/ok", "").await, "200 5 hello");
    assert_eq!(granted(&web, "/missing", "").await, "404 7 nothing");
    assert_eq!(
        granted(&web, "/length", "method = \"POST\", body = 100000").await,
        "200 6 100000",
        "a body of many parts arrives whole"
    );
    let most = granted(&web, "/most", "").await;
    assert!(most.starts_with("200 1048576 xxx"), "{most}");
    assert_eq!(
        granted(
            &web,
            "/authorization",
            "headers = { Authorization = \"Bearer Y\" }"
        )
        .await,
        "200 8 bearer y"
    );
    let host = granted(&web, "/host", "").await;
    assert!(
        host.ends_with(&format!("127.0.0.1:{}", web.port())),
        "{host}"
    );
    assert_eq!(web.asked(), 6);
}

#[tokio::test]
async fn a_request_belongs_to_the_trace_of_its_call_unless_the_plugin_says_otherwise() {
    let web = Web::start().await;
    let first = granted(&web, "/traceparent", "").await;
    let again = granted(&web, "/traceparent", "").await;
    assert!(first.starts_with("200 55 00-"), "{first}");
    assert_eq!(first[..42], again[..42], "the same subject, one trace");
    assert_ne!(first, again, "another call");
    let own = "headers = { Traceparent = \"of-my-own\" }";
    assert_eq!(granted(&web, "/traceparent", own).await, "200 9 of-my-own");
}

#[tokio::test]
async fn a_redirect_is_an_answer_and_is_not_followed() {
    let web = Web::start().await;
    assert_eq!(granted(&web, "/redirect", "").await, "302 0");
    assert_eq!(web.asked(), 1);
}

#[tokio::test]
async fn no_spelling_of_an_address_gets_past_the_grants() {
    let web = Web::start().await;
    let port = web.port();
    // Each origin is granted, private networks are not.
    for host in [
        "127.0.0.1",
        "127.1",
        "0x7f000001",
        "2130706433",
        "0177.0.0.1",
        "localhost",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[64:ff9b::127.0.0.1]",
        "[64:ff9b::a9fe:a9fe]",
        "[2002:7f00:1::]",
        "169.254.169.254",
        "10.0.0.1",
        "[fd00::1]",
    ] {
        let origin = format!("http://{host}:{port}");
        let host = asking(
            &format!("grants.http = [\"{origin}\"]"),
            &format!("url = \"{origin}/ok\""),
        )
        .await;
        let seen = seen(&host).await;
        assert!(seen.starts_with("PrivateAddress"), "{origin}: {seen}");
    }
    // What is granted is one origin: no other port, scheme, or host behind an at sign.
    let own = web.origin();
    for url in [
        "http://127.0.0.1:9/".to_owned(),
        format!("https://127.0.0.1:{port}/ok"),
        format!("http://localhost:{port}/ok"),
        format!("http://127.0.0.1:{port}@localhost:{port}/ok"),
        format!("http://127.0.0.1@[::1]:{port}/ok"),
    ] {
        let grants = format!("grants = {{ http = [\"{own}\"], http_private = true }}");
        let host = asking(&grants, &format!("url = \"{url}\"")).await;
        let seen = seen(&host).await;
        assert!(seen.starts_with("NotGranted"), "{url}: {seen}");
        assert_serves_on(&host).await;
    }
    assert_eq!(web.asked(), 0, "nobody was called");
}

#[tokio::test]
async fn what_only_the_gateway_decides_is_refused_by_name() {
    let web = Web::start().await;
    for (config, said) in [
        ("method = \"CONNECT\"", "method"),
        ("method = \"TRACE\"", "method"),
        ("headers = { Host = \"other.example\" }", "Host"),
        (
            "headers = { Transfer-Encoding = \"chunked\" }",
            "Transfer-Encoding",
        ),
        (
            "headers = { Proxy-Authorization = \"x\" }",
            "Proxy-Authorization",
        ),
        ("headers = { Connection = \"x\" }", "Connection"),
        ("headers = { TE = \"x\" }", "TE"),
        ("headers = { Expect = \"100-continue\" }", "Expect"),
        (
            "headers = { Content-Length = \"5\" }, method = \"POST\", body = 7",
            "Content-Length",
        ),
        ("method = \"POST\", body = 2097153", "2 MiB"),
    ] {
        let seen = granted(&web, "/length", config).await;
        assert!(
            seen.starts_with("InvalidRequest") && seen.contains(said),
            "{config}: {seen}"
        );
    }
    assert_eq!(web.asked(), 0, "nobody was called");
}

#[tokio::test]
async fn an_answer_that_is_too_large_broken_or_late_has_its_name() {
    let web = Web::start().await;
    for (path, said) in [
        ("/large", "TooLarge"),
        ("/endless", "TooLarge"),
        ("/headers", "TooLarge"),
        ("/no-http", "Unreachable"),
        ("/cut", "Unreachable"),
    ] {
        let seen = granted(&web, path, "").await;
        assert!(seen.starts_with(said), "{path}: {seen}");
    }
    let begun = Instant::now();
    assert_eq!(granted(&web, "/silent", "wait = 50").await, "TimedOut");
    assert!(begun.elapsed() < Duration::from_secs(4), "{begun:?}");
    let closed = {
        let gone = Web::start().await;
        gone.origin()
    };
    let grants = format!("grants = {{ http = [\"{closed}\"], http_private = true }}");
    let host = asking(&grants, &format!("url = \"{closed}/ok\"")).await;
    let seen = seen(&host).await;
    assert!(seen.starts_with("Unreachable"), "{seen}");
}

#[tokio::test]
async fn a_slow_answer_ends_before_the_call_and_the_plugin_decides() {
    let web = Web::start().await;
    let slow = async |path: &str| {
        let begun = Instant::now();
        assert_eq!(
            granted(&web, path, "wait = 60000").await,
            "TimedOut",
            "{path}"
        );
        let took = begun.elapsed();
        assert!(took > Duration::from_millis(4400), "{path}: {took:?}");
    };
    // The call may take 5 s. If a request took as long, the verdict would be `timed_out`.
    tokio::join!(slow("/silent"), slow("/drip"));
}

#[tokio::test]
async fn waiting_for_an_answer_is_not_cpu_time() {
    let web = Web::start().await;
    let origin = web.origin();
    let place = Place::with(&["reach.wasm"]).await;
    let entry = format!(
        "[[plugin]]\nname = \"reach\"\ntimeout = \"10s\"\ncpu = \"150ms\"\n\
         grants = {{ http = [\"{origin}\"], http_private = true }}\n\
         config = {{ what = \"http\", url = \"{origin}/late\" }}\n"
    );
    let host = place.load(&entry).await.expect("it loads");
    let begun = Instant::now();
    assert_eq!(seen(&host).await, "200 4 late");
    assert!(begun.elapsed() >= Duration::from_millis(300), "{begun:?}");
}

#[tokio::test]
async fn a_call_makes_as_many_requests_as_the_operator_allows() {
    let web = Web::start().await;
    let origin = web.origin();
    for (setting, times, said, asked) in [
        ("http_requests = 2", 3, "TooManyRequests", 2),
        ("http_requests = 0", 1, "TooManyRequests", 0),
        ("", 10, "200 5 hello", 10),
        ("", 11, "TooManyRequests", 10),
    ] {
        let before = web.asked();
        let grants =
            format!("{setting}\ngrants = {{ http = [\"{origin}\"], http_private = true }}");
        let host = asking(&grants, &format!("url = \"{origin}/ok\", times = {times}")).await;
        assert_eq!(seen(&host).await, said, "{setting} {times}");
        assert_eq!(web.asked() - before, asked, "{setting} {times}");
    }
    let place = Place::with(&["reach.wasm"]).await;
    let refused = place
        .load("[[plugin]]\nname = \"reach\"\nhttp_requests = 101\n")
        .await
        .expect_err("too many");
    assert!(
        refused
            .to_string()
            .contains("http_requests is 101; it must be 0 to 100"),
        "{refused}"
    );
}

#[tokio::test]
async fn a_refusal_is_one_warning_with_the_line_that_would_grant_the_call() {
    let web = Web::start().await;
    let origin = web.origin();
    let port = web.port();
    for (grants, url, line) in [
        (
            "grants.http = [\"https://crm.example.org\"]".to_owned(),
            format!("{origin}/ok?token=secret"),
            format!("grants = {{ http = [\"https://crm.example.org\", \"{origin}\"] }}"),
        ),
        (
            format!("grants.http = [\"http://localhost:{port}\"]"),
            format!("http://localhost:{port}/ok?token=secret"),
            format!("grants = {{ http = [\"http://localhost:{port}\"], http_private = true }}"),
        ),
    ] {
        let host = asking(&grants, &format!("url = \"{url}\", times = 3")).await;
        let lines = Lines::default();
        let guard =
            tracing::subscriber::set_default(tracing_subscriber::registry().with(lines.clone()));
        for _ in 0..2 {
            seen(&host).await;
        }
        drop(guard);
        let log = lines.1.lock().expect("no panic").clone();
        let told: Vec<&String> = log
            .iter()
            .filter(|line| line.contains("a call was not made"))
            .collect();
        let wanted = format!("{line:?}");
        assert!(
            told.len() == 1 && (told[0].contains(&line) || told[0].contains(&wanted)),
            "{line}: {log:?}"
        );
        assert!(!log.concat().contains("secret"), "{log:?}");
    }
}

#[tokio::test]
async fn every_request_is_counted_once_by_its_outcome() {
    let recorder = PrometheusBuilder::new().build_recorder();
    let _local = metrics::set_default_local_recorder(&recorder);
    let web = Web::start().await;
    granted(&web, "/ok", "times = 11").await;
    granted(&web, "/large", "").await;
    granted(&web, "/silent", "wait = 10").await;
    granted(&web, "/no-http", "").await;
    granted(&web, "/ok", "method = \"TRACE\"").await;
    let origin = web.origin();
    let host = asking("", &format!("url = \"{origin}/ok\"")).await;
    assert!(seen(&host).await.starts_with("NotGranted"));
    let metrics = recorder.handle().render();
    for (outcome, times) in [
        ("answered", 10),
        ("too_many", 1),
        ("too_large", 1),
        ("timed_out", 1),
        ("unreachable", 1),
        ("invalid", 1),
        ("not_granted", 1),
    ] {
        let line = format!(
            "wharf_plugin_http_requests_total{{plugin=\"reach\",outcome=\"{outcome}\"}} {times}"
        );
        assert!(metrics.contains(&line), "{line}:\n{metrics}");
    }
    assert!(!metrics.contains("abandoned"), "{metrics}");
}
