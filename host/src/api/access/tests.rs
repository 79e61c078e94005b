//! Tests of access control, with API keys and without.

use axum::response::IntoResponse;

use super::{guard::is_ambiguous, *};
use crate::api::{paths::Paths, routes};

fn check(
    keys: &[&str],
    method: &Method,
    path: &str,
    headers: &[(&str, &str)],
) -> Result<String, u16> {
    let settings = config::Api {
        keys: keys.iter().map(|key| config::Secret::new(key)).collect(),
        ..config::Api::default()
    };
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        map.append(
            name.parse::<HeaderName>().expect("name"),
            value.parse().expect("value"),
        );
    }
    let access = Access::new(&settings, "https://wharf.example.org");
    let (_, calls) = routes::all().split();
    let route = Paths::new(calls.iter()).of(path).map(str::to_owned);
    let need = route.and_then(|route| calls.need(&route, method));
    let uri = path.parse().expect("uri");
    let answer = is_ambiguous(&map).and_then(|()| access.check(method, &uri, &map, need));
    answer
        .map(|admitted| admitted.caller.0)
        .map_err(|error| error.into_response().status().as_u16())
}

#[test]
fn without_keys_only_this_machine_is_answered_and_no_web_page() {
    let get = |headers: &[(&str, &str)]| check(&[], &Method::GET, "/api/whatsapp/status", headers);
    for host in ["localhost:3001", "127.0.0.1", "[::1]:3001", "LOCALHOST"] {
        assert!(get(&[("host", host)]).is_ok(), "{host}");
    }
    for host in [
        "evil.example",
        "localhost.evil.example",
        "10.0.0.1:3001",
        "127.0.0.1.nip.io",
    ] {
        assert_eq!(get(&[("host", host)]), Err(403), "{host}");
    }
    assert_eq!(get(&[]), Err(403), "no Host");
    assert_eq!(
        get(&[("host", "localhost"), ("origin", "https://evil.example")]),
        Err(403)
    );
    assert!(get(&[("host", "localhost"), ("origin", "http://localhost:8080")]).is_ok());

    let post =
        |headers: &[(&str, &str)]| check(&[], &Method::POST, "/api/whatsapp/reconnect", headers);
    assert!(post(&[("host", "localhost")]).is_ok(), "no body, no Origin");
    assert!(
        post(&[
            ("host", "localhost"),
            ("content-length", "2"),
            ("content-type", "application/json; charset=utf-8")
        ])
        .is_ok()
    );
    assert_eq!(
        post(&[
            ("host", "localhost"),
            ("content-length", "2"),
            ("content-type", "text/plain")
        ]),
        Err(415),
        "a form of another site"
    );
    assert_eq!(
        post(&[("host", "localhost"), ("origin", "null")]),
        Err(403),
        "a sandboxed page"
    );
}

#[test]
fn with_keys_one_must_be_shown_by_either_header() {
    let hashed = format!(
        "sha256:{}",
        hex::encode(Sha256::digest("second-key-0123456789"))
    );
    let keys = ["first-key-0123456789", hashed.as_str()];
    let get = |path: &str, headers: &[(&str, &str)]| check(&keys, &Method::GET, path, headers);
    let status = "/api/whatsapp/status";
    assert_eq!(get(status, &[("host", "localhost")]), Err(401));
    assert_eq!(
        get(status, &[("x-api-key", "wrong-key-0123456789")]),
        Err(401)
    );
    let first = get(status, &[("authorization", "Bearer first-key-0123456789")]).expect("known");
    let second = get(status, &[("x-api-key", "second-key-0123456789")]).expect("known by its hash");
    assert_ne!(first, second, "keys have scopes of their own");
    for path in ["/livez", "/readyz", "/health"] {
        assert!(get(path, &[]).is_ok(), "{path}");
    }
    assert_eq!(get("/metrics", &[]), Err(401));
}

#[test]
fn what_needs_no_key_is_what_the_table_of_calls_says() {
    let (_, calls) = routes::all().split();
    for call in calls.iter() {
        let path = call.path.replace(['{', '}'], "");
        let path = call.verbs.first().map_or(path, |verb| {
            call.path.replace("{verb}", verb).replace(['{', '}'], "")
        });
        let answer = check(&["first-key-0123456789"], &call.method, &path, &[]);
        assert_eq!(
            answer.is_ok(),
            call.need.scope().is_none(),
            "{} {path}: {answer:?}",
            call.method
        );
        let monitoring = ["/livez", "/readyz", "/health", "/metrics"];
        assert_eq!(
            call.need.is_of_monitoring(),
            monitoring.contains(&call.path),
            "{path}"
        );
    }
    for path in ["/docs/a/b", "/passkey/pk_0/other/x", "/nowhere"] {
        let answer = check(&["first-key-0123456789"], &Method::GET, path, &[]);
        assert_eq!(answer, Err(401), "{path} is no call");
    }
    let other_method = check(&["first-key-0123456789"], &Method::POST, "/livez", &[]);
    assert!(other_method.is_ok(), "the router answers it with 405");
}

#[test]
fn a_helper_page_needs_a_key_or_an_address_that_people_were_told() {
    let page = "/passkey/pk_0";
    assert!(
        check(
            &["first-key-0123456789"],
            &Method::GET,
            page,
            &[("host", "10.0.0.1")]
        )
        .is_ok(),
        "its token is the key"
    );
    assert!(check(&[], &Method::GET, page, &[("host", "localhost:3001")]).is_ok());
    assert!(check(&[], &Method::GET, page, &[("host", "wharf.example.org")]).is_ok());
    assert_eq!(
        check(&[], &Method::GET, page, &[("host", "10.0.0.1:3001")]),
        Err(403)
    );
    assert_eq!(
        check(
            &[],
            &Method::GET,
            "/v1/sessions",
            &[("host", "wharf.example.org")]
        ),
        Err(403),
        "that door is the helper's alone"
    );
}
