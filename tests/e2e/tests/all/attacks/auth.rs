//! Who is let in: keys, browsers of this machine, headers that lie.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use reqwest::Method;
use serde_json::{Value, json};
use wharf_e2e::{Answer, Gateway, House, api};

use super::{
    Area, held,
    wire::{KEY, Wire, bare, exchange, keyed, status},
};

const STATUS: &str = "/api/whatsapp/status";

/// A request with these header lines beside `Host: localhost`.
fn get(path: &str, more: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{more}\r\n")
}

async fn refused(gateway: &Gateway, request: &str, status_wanted: u16, code: &str) -> Result<()> {
    let answer = exchange(gateway, request).await?;
    ensure!(status(&answer) == status_wanted && answer.contains(&format!("\"code\":\"{code}\"")), "{request}\n{answer}");
    let head = answer.split("\r\n\r\n").next().unwrap_or_default();
    for sign in ["x-content-type-options: nosniff", "cross-origin-resource-policy: same-origin", "x-request-id: "] {
        ensure!(head.contains(sign), "{sign} is missing\n{head}");
    }
    Ok(())
}

async fn passes(gateway: &Gateway, request: &str) -> Result<String> {
    let answer = exchange(gateway, request).await?;
    ensure!(status(&answer) == 200, "{request}\n{answer}");
    Ok(answer)
}

#[tokio::test]
async fn without_keys_no_page_and_no_proxy_speaks_for_others() -> Result<()> {
    let house = House::build(bare("[api]\ncors_origins = ['https://app.example.org']")).await?;
    let gateway = house.open().await?;
    let foreign = "Sec-Fetch-Site: cross-site\r\n";
    for more in ["Sec-Fetch-Mode: no-cors\r\nSec-Fetch-Dest: image\r\n", "Sec-Fetch-Mode: navigate\r\nSec-Fetch-Dest: document\r\n", ""] {
        refused(&gateway, &get("/api/whatsapp/qr", &format!("{foreign}{more}")), 403, "cross_site").await?;
    }
    let post = format!(
        "POST /api/whatsapp/reconnect HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n{foreign}Sec-Fetch-Mode: navigate\r\nSec-Fetch-Dest: document\r\n\r\n"
    );
    refused(&gateway, &post, 403, "cross_site").await?;
    for more in ["Sec-Fetch-Site: none\r\n", "Sec-Fetch-Site: same-origin\r\n", "Sec-Fetch-Site: same-site\r\nOrigin: http://localhost:8080\r\n", ""]
    {
        passes(&gateway, &get(STATUS, more)).await?;
    }
    let link = format!("{foreign}Sec-Fetch-Mode: navigate\r\nSec-Fetch-Dest: document\r\n");
    let page = exchange(&gateway, &get("/passkey/pk_0", &link)).await?;
    ensure!(status(&page) == 404 && page.contains("<html"), "a link leads to the helper page, though to none that is open: {page}");
    let frame = format!("{foreign}Sec-Fetch-Mode: navigate\r\nSec-Fetch-Dest: iframe\r\n");
    refused(&gateway, &get("/passkey/pk_0", &frame), 403, "cross_site").await?;
    held(
        Area::Auth,
        "without configured keys: images, scripts, frames, forms and links of a page of another site (`Sec-Fetch-Site: cross-site`)",
        "403 `cross_site`, except for a link to the passkey helper, which people open; another port of this machine is the same site",
    )?;

    for sign in ["X-Forwarded-For: 203.0.113.9", "X-Forwarded-Proto: https", "Forwarded: for=203.0.113.9", "Via: 1.1 proxy", "X-Real-IP: 203.0.113.9"]
    {
        refused(&gateway, &get(STATUS, &format!("{sign}\r\n")), 403, "proxy_without_api_keys").await?;
    }
    held(
        Area::Auth,
        "without configured keys: a request through a reverse proxy",
        "403 `proxy_without_api_keys`; the answer says what to configure",
    )?;

    let twice = format!("GET {STATUS} HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n\r\n");
    refused(&gateway, &twice, 400, "ambiguous_request").await?;
    refused(&gateway, &get(STATUS, "Origin: http://localhost\r\nOrigin: https://evil.example\r\n"), 400, "ambiguous_request").await?;
    held(Area::Auth, "two `Host` or two `Origin` headers", "400 `ambiguous_request`, with and without configured keys")?;
    let absolute = format!("GET http://evil.example{STATUS} HTTP/1.1\r\nHost: localhost\r\n\r\n");
    refused(&gateway, &absolute, 403, "host_not_loopback").await?;
    let rebound = format!("GET {STATUS} HTTP/1.1\r\nHost: localhost.evil.example\r\n\r\n");
    refused(&gateway, &rebound, 403, "host_not_loopback").await?;
    held(
        Area::Auth,
        "without configured keys: the name of another host in `Host` (DNS rebinding) or in the request line",
        "403 `host_not_loopback`",
    )?;

    let preflight = |origin: &str| {
        format!("OPTIONS {STATUS} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nOrigin: {origin}\r\nAccess-Control-Request-Method: GET\r\n\r\n")
    };
    refused(&gateway, &preflight("https://evil.example"), 403, "origin_not_allowed").await?;
    let answer = exchange(&gateway, &preflight("https://app.example.org")).await?;
    ensure!(status(&answer) == 204 && answer.contains("access-control-allow-origin: https://app.example.org"), "{answer}");
    let page = passes(&gateway, &get(STATUS, "Origin: https://app.example.org\r\nSec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: cors\r\n")).await?;
    for name in ["location", "retry-after", "preference-applied", "x-request-id"] {
        ensure!(page.lines().any(|line| line.starts_with("access-control-expose-headers: ") && line.contains(name)), "{name} is not shown: {page}");
    }
    held(
        Area::Auth,
        "`OPTIONS` from a web page that may not call",
        "refused like every other call; only preflight requests from an origin in `cors_origins` are answered without a key",
    )
}

#[tokio::test]
async fn with_keys_one_is_shown_once_and_in_a_header() -> Result<()> {
    let house = House::build(keyed("cors_origins = ['https://app.example.org']")).await?;
    let gateway = house.open().await?;
    for path in [STATUS, "/v1/sessions"] {
        refused(&gateway, &get(path, ""), 401, "missing_api_key").await?;
        refused(&gateway, &get(path, "X-Api-Key: another-key-of-enough-length\r\n"), 401, "invalid_api_key").await?;
        refused(&gateway, &get(path, "Authorization: Basic YTpi\r\n"), 401, "missing_api_key").await?;
        let options = format!("OPTIONS {path} HTTP/1.1\r\nHost: x\r\nOrigin: https://evil.example\r\nAccess-Control-Request-Method: GET\r\n\r\n");
        refused(&gateway, &options, 401, "missing_api_key").await?;
        let options = format!(
            "OPTIONS {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nOrigin: https://app.example.org\r\nAccess-Control-Request-Method: GET\r\n\r\n"
        );
        ensure!(status(&exchange(&gateway, &options).await?) == 204);
    }
    let problem = exchange(&gateway, &get("/v1/sessions", "")).await?;
    ensure!(problem.contains("application/problem+json") && problem.contains("www-authenticate: Bearer"), "{problem}");
    held(
        Area::Auth,
        "with configured keys: a request with no key, a wrong key or another authorization scheme, or `OPTIONS`",
        "401, except for the calls that need no key",
    )?;

    for more in [
        format!("Authorization: Bearer {KEY}\r\nAuthorization: Bearer {KEY}\r\n"),
        format!("Authorization: Bearer wrong-key-of-enough-length\r\nX-Api-Key: {KEY}\r\n"),
        format!("X-Api-Key: {KEY}\r\nX-Api-Key: wrong-key-of-enough-length\r\n"),
    ] {
        refused(&gateway, &get(STATUS, &more), 400, "several_api_keys").await?;
    }
    for name in ["api_key", "key", "access_token", "X-Api-Key"] {
        refused(&gateway, &get(&format!("{STATUS}?{name}={KEY}"), ""), 401, "api_key_in_address").await?;
    }
    ensure!(!gateway.log().lines().iter().any(|line| line.contains(KEY)), "the key is in the log");
    held(
        Area::Auth,
        "with configured keys: a request with two keys, or with a key in the address",
        "400 `several_api_keys`, or 401 `api_key_in_address`; no answer and no log line contains a key",
    )?;

    let key = format!("X-Api-Key: {KEY}\r\n");
    let twice = format!("GET {STATUS} HTTP/1.1\r\nHost: a\r\nHost: b\r\n{key}\r\n");
    refused(&gateway, &twice, 400, "ambiguous_request").await?;
    let answer = passes(&gateway, &get(STATUS, &format!("{key}X-Request-Id: order-4711\r\n"))).await?;
    ensure!(answer.contains("x-request-id: order-4711"), "{answer}");
    for id in ["x".repeat(129), "a b".to_owned(), "gr\u{fc}n".to_owned(), "a\r\nX-Request-Id: b".to_owned()] {
        let answer = passes(&gateway, &get(STATUS, &format!("{key}X-Request-Id: {id}\r\n"))).await?;
        let given = answer.lines().find_map(|line| line.strip_prefix("x-request-id: ")).context("an id")?;
        ensure!(given.len() == 36 && given.bytes().all(|b| b.is_ascii_hexdigit() || b == b'-'), "{given}");
    }
    held(
        Area::Auth,
        "an `X-Request-Id` that is too long, has a space or a character that is not ASCII, or occurs twice",
        "the gateway uses a new id instead",
    )?;

    let large = exchange(&gateway, &get(STATUS, &format!("{key}X-Large: {}\r\n", "x".repeat(80 << 10)))).await;
    ensure!(large.is_err() || large.is_ok_and(|answer| answer.is_empty() || status(&answer) == 431));
    let many: String = (0..200).map(|n| format!("X-{n}: x\r\n")).collect();
    ensure!(status(&exchange(&gateway, &get(STATUS, &format!("{key}{many}"))).await?) == 431);
    held(Area::Auth, "a request header of more than 64 KiB or more than 100 lines", "431, and the connection is closed")
}

#[tokio::test]
async fn one_request_is_not_taken_for_two() -> Result<()> {
    let house = House::build(keyed("")).await?;
    let gateway = house.open().await?;
    let hidden = format!("GET /v1/sessions HTTP/1.1\r\nHost: x\r\nX-Api-Key: {KEY}\r\n\r\n");
    let head = format!("POST /v1/sessions HTTP/1.1\r\nHost: x\r\nX-Api-Key: {KEY}\r\nContent-Type: application/json\r\n");
    for lengths in ["Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n"] {
        let answer = exchange(&gateway, &format!("{head}{lengths}\r\n0\r\n\r\n{hidden}")).await?;
        ensure!(answer.matches("HTTP/1.1 ").count() == 1, "what came behind it was answered too:\n{answer}");
    }
    for lengths in [
        "Content-Length: 5\r\nContent-Length: 6\r\n",
        "Transfer-Encoding: chunked, identity\r\n",
        "Content-Length: +5\r\n",
        "Content-Length: 5, 6\r\n",
    ] {
        let answer = exchange(&gateway, &format!("{head}{lengths}\r\n0\r\n\r\n{hidden}")).await?;
        ensure!(answer.matches("HTTP/1.1 ").count() <= 1 && matches!(status(&answer), 0 | 400), "{lengths}\n{answer}");
    }
    let folded = exchange(&gateway, &format!("GET {STATUS} HTTP/1.1\r\nHost: x\r\nX-Api-Key:\r\n {KEY}\r\n\r\n")).await?;
    ensure!(status(&folded) != 200, "{folded}");
    let space = exchange(&gateway, &format!("GET {STATUS} HTTP/1.1\r\nHost: x\r\nX-Api-Key : {KEY}\r\n\r\n")).await?;
    ensure!(status(&space) != 200, "{space}");
    held(
        Area::Auth,
        "request smuggling: `Content-Length` with `Transfer-Encoding`, two lengths, unusual encodings, folded header lines",
        "400, or one answer after which the connection is closed",
    )?;
    // Well-formed ones may follow each other.
    let mut wire = Wire::open(&gateway).await?;
    wire.say(hidden.repeat(2).as_bytes()).await?;
    ensure!(status(&wire.answer().await?) == 200);
    ensure!(gateway.stop(Duration::from_secs(20)).await?.success());
    Ok(())
}

const SCOPED: &str = "
[sessions.session.sales]
[sessions.session.support]
[[api.key]]
name = 'reader'
key = 'reader-key-0123456789'
scopes = ['read']
[[api.key]]
name = 'sales'
key = 'sales-key-0123456789'
scopes = ['read', 'send', 'control', 'admin']
sessions = ['sales', 'new']
[[api.key]]
name = 'sender'
key = 'sender-key-0123456789'
scopes = ['send']
";

async fn call(gateway: &Gateway, key: &str, method: Method, path: &str, body: Option<Value>) -> Result<Answer> {
    let request = gateway.api.request(method, path).bearer_auth(format!("{key}-key-0123456789")).header("Prefer", "respond-async");
    api::answer(match body {
        Some(body) => request.json(&body),
        None => request,
    })
    .await
}

#[tokio::test]
async fn a_key_does_what_its_scopes_say() -> Result<()> {
    let house = House::build(keyed(SCOPED)).await?;
    let gateway = house.open().await?;
    let needs = async |key: &str, method: Method, path: &str, body: Option<Value>, scope: &str| -> Result<()> {
        let answer = call(&gateway, key, method.clone(), path, body).await?;
        let said = answer.json["detail"].as_str().or_else(|| answer.json["message"].as_str()).unwrap_or_default();
        ensure!(answer.status == 403 && answer.json["code"] == "scope_missing", "{method} {path}: {} {}", answer.status, answer.json);
        ensure!(said.contains(&format!("{scope:?}")) && said.contains(&format!("{key:?}")), "{said}");
        Ok(())
    };
    let send = json!({"to": "4915123456789", "text": "hello"});
    for (method, path) in [
        (Method::GET, STATUS),
        (Method::GET, "/api/whatsapp/session-info"),
        (Method::GET, "/v1/sessions/sales"),
        (Method::GET, "/v1/messages"),
        (Method::GET, "/v1/deliveries/receivers"),
    ] {
        call(&gateway, "reader", method.clone(), path, None).await?.expect(200)?;
        needs("sender", method, path, None, "read").await?;
    }
    for (method, path, scope) in [
        (Method::GET, "/api/whatsapp/qr", "control"),
        (Method::GET, "/v1/sessions/sales/qr", "control"),
        (Method::GET, "/v1/sessions/sales/passkey", "control"),
        (Method::POST, "/v1/sessions/sales/stop", "control"),
        (Method::POST, "/v1/sessions/sales/sending/pause", "control"),
        (Method::POST, "/v1/messages/out_1/retry", "send"),
        (Method::DELETE, "/v1/sessions/sales", "admin"),
        (Method::DELETE, "/v1/messages?state=queued&session=sales", "admin"),
        (Method::DELETE, "/v1/deliveries?state=dead&target=x", "admin"),
        (Method::POST, "/api/whatsapp/cleanup-sessions", "admin"),
        (Method::GET, "/metrics", "admin"),
    ] {
        needs("reader", method, path, None, scope).await?;
    }
    needs("reader", Method::POST, "/v1/sessions/sales/messages", Some(send.clone()), "send").await?;
    needs("reader", Method::POST, "/api/whatsapp/send", Some(json!({"number": "4915123456789", "message": "x"})), "send").await?;
    let sent = call(&gateway, "sender", Method::POST, "/v1/sessions/support/messages", Some(send)).await?.expect(202)?;
    let place = sent.header("location").to_owned();
    needs("sender", Method::GET, &place, None, "read").await?;
    call(&gateway, "reader", Method::GET, &place, None).await?.expect(200)?;
    call(&gateway, "sender", Method::POST, &format!("{place}/cancel"), None).await?.expect(200)?;
    ensure!(call(&gateway, "reader", Method::GET, "/v1/nothing", None).await?.status == 404);
    ensure!(call(&gateway, "reader", Method::PUT, "/v1/messages", None).await?.status == 405);
    let lines = gateway.log().lines();
    ensure!(!lines.iter().any(|line| line.contains("key-0123456789")), "a key is in the log");
    held(
        Area::Auth,
        "a key with scopes, used for the calls of every other scope",
        "403 `scope_missing`, with the required scope and the name of the key",
    )
}

#[tokio::test]
async fn a_key_of_some_sessions_finds_no_other_however_it_is_named() -> Result<()> {
    let house = House::build(keyed(SCOPED)).await?;
    let gateway = house.open().await?;
    let sales = async |method: Method, path: &str, body: Option<Value>| call(&gateway, "sales", method, path, body).await;
    let text = |to: &str| json!({"to": to, "text": "hello"});
    let foreign = call(&gateway, "sender", Method::POST, "/v1/sessions/support/messages", Some(text("4915123456780"))).await?.expect(202)?;
    let foreign = foreign.json["id"].as_str().context("an id")?.to_owned();
    let order = |session: &str| json!({"session": session, "text": "hello", "recipients": [{"to": "4915123456781"}]});
    let bulk = call(&gateway, "sender", Method::POST, "/v1/bulk", Some(order("support"))).await?.expect(202)?.header("location").to_owned();

    // What is there and not ours, and what is not there, look alike.
    for id in ["support", "nobody"] {
        for (method, path) in [
            (Method::GET, format!("/v1/sessions/{id}")),
            (Method::GET, format!("/v1/sessions/{id}/qr")),
            (Method::GET, format!("/v1/sessions/{id}/held")),
            (Method::GET, format!("/v1/sessions/{id}/sending")),
            (Method::GET, format!("/v1/sessions/{id}/passkey")),
            (Method::POST, format!("/v1/sessions/{id}/stop")),
            (Method::POST, format!("/v1/sessions/{id}/sending/pause")),
            (Method::POST, format!("/v1/sessions/{id}/held/cancel")),
            (Method::DELETE, format!("/v1/sessions/{id}")),
            (Method::DELETE, format!("/v1/messages?state=queued&session={id}")),
            (Method::GET, format!("{STATUS}?clientId={id}")),
            (Method::GET, format!("/api/whatsapp/session-info?clientId={id}")),
            (Method::GET, format!("/api/whatsapp/qr?clientId={id}")),
            (Method::POST, format!("/api/whatsapp/reconnect?clientId={id}")),
        ] {
            let answer = sales(method.clone(), &path, None).await?;
            ensure!(answer.status == 404 && answer.json["code"] == "unknown_client", "{method} {path}: {} {}", answer.status, answer.json);
        }
        for (path, body) in [
            (format!("/v1/sessions/{id}/messages"), text("4915123456789")),
            ("/api/whatsapp/send".to_owned(), json!({"number": "4915123456789", "message": "x", "clientId": id})),
            (format!("/api/whatsapp/send?clientId={id}"), json!({"number": "4915123456789", "message": "x"})),
            ("/v1/bulk".to_owned(), order(id)),
            (format!("/v1/sessions/{id}/pairing-code"), json!({"number": "4915123456789"})),
            ("/api/whatsapp/pairing-code".to_owned(), json!({"number": "4915123456789", "clientId": id})),
            ("/v1/sessions".to_owned(), json!({"id": id, "start": false})),
        ] {
            let answer = sales(Method::POST, &path, Some(body)).await?;
            ensure!(answer.status == 404 && answer.json["code"] == "unknown_client", "{path}: {} {}", answer.status, answer.json);
        }
    }
    // The default session is not one of its own either.
    ensure!(sales(Method::GET, STATUS, None).await?.status == 404);
    ensure!(sales(Method::POST, "/api/whatsapp/send", Some(json!({"number": "4915123456789", "message": "x"}))).await?.status == 404);
    for id in [foreign.as_str(), "out_00000000000000000000000000"] {
        for (method, path) in [(Method::GET, ""), (Method::POST, "/cancel"), (Method::POST, "/retry")] {
            let answer = sales(method, &format!("/v1/messages/{id}{path}"), None).await?;
            ensure!(answer.status == 404 && answer.json["code"] == "not_found", "{id}{path}: {}", answer.json);
        }
    }
    for (method, path) in [(Method::GET, ""), (Method::GET, "/recipients"), (Method::POST, "/cancel")] {
        ensure!(sales(method, &format!("{bulk}{path}"), None).await?.status == 404, "{bulk}{path}");
    }
    for (method, path) in [
        (Method::GET, "/metrics"),
        (Method::GET, "/v1/deliveries/receivers"),
        (Method::POST, "/v1/deliveries/retry?target=x"),
        (Method::DELETE, "/v1/deliveries?state=dead&target=x"),
        (Method::POST, "/api/whatsapp/cleanup-sessions"),
    ] {
        ensure!(sales(method, path, None).await?.status == 403, "{path} is about all sessions");
    }

    // Its own it finds, and lists have nothing else.
    let own = sales(Method::POST, "/v1/sessions/sales/messages", Some(text("4915123456782"))).await?.expect(202)?;
    let own = own.json["id"].as_str().context("an id")?.to_owned();
    sales(Method::POST, "/v1/sessions", Some(json!({"id": "new", "start": false}))).await?.expect(201)?;
    let ids = |answer: &Answer, list: &str| -> Vec<String> {
        let rows = answer.json[list].as_array().cloned().unwrap_or_default();
        rows.iter().filter_map(|row| row["id"].as_str().map(str::to_owned)).collect()
    };
    let sessions = ids(&sales(Method::GET, "/v1/sessions", None).await?.expect(200)?, "sessions");
    ensure!(sessions == ["new", "sales"], "{sessions:?}");
    for path in ["/v1/messages".to_owned(), format!("/v1/messages?q={own}"), "/v1/messages?session=sales".to_owned()] {
        let messages = ids(&sales(Method::GET, &path, None).await?.expect(200)?, "messages");
        ensure!(messages == [own.clone()], "{path}: {messages:?}");
    }
    let none = ids(&sales(Method::GET, &format!("/v1/messages?q={foreign}"), None).await?.expect(200)?, "messages");
    ensure!(none.is_empty(), "{none:?}");
    sales(Method::GET, &format!("/v1/messages/{own}"), None).await?.expect(200)?;
    sales(Method::POST, &format!("/v1/messages/{own}/cancel"), None).await?.expect(200)?;
    sales(Method::GET, &format!("{STATUS}?clientId=sales"), None).await?.expect(200)?;
    let all = ids(&api::answer(gateway.api.request(Method::GET, "/v1/messages").bearer_auth(KEY)).await?.expect(200)?, "messages");
    ensure!(all.contains(&own) && all.contains(&foreign), "a key of all sessions sees all");
    held(
        Area::Auth,
        "a key for some sessions, used for another session: in the path, as `clientId`, as the default, by the id of a message or a bulk order, in lists",
        "404, as for a session that does not exist; lists contain only the sessions of the key; calls about all sessions get 403",
    )
}
