//! Keys that are limited to scopes or sessions: calls outside of a key's scopes are refused, and
//! other sessions look as if they did not exist.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use reqwest::Method;
use serde_json::{Value, json};
use wharf_e2e::{Answer, Gateway, House, api};

use super::{
    Area,
    auth::STATUS,
    held,
    wire::{KEY, keyed},
};

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

async fn call(
    gateway: &Gateway,
    key: &str,
    method: Method,
    path: &str,
    body: Option<Value>,
) -> Result<Answer> {
    let request = gateway
        .api
        .request(method, path)
        .bearer_auth(format!("{key}-key-0123456789"))
        .header("Prefer", "respond-async");
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
    let needs = async |key: &str,
                       method: Method,
                       path: &str,
                       body: Option<Value>,
                       scope: &str|
           -> Result<()> {
        let answer = call(&gateway, key, method.clone(), path, body).await?;
        let said = answer.json["detail"]
            .as_str()
            .or_else(|| answer.json["message"].as_str())
            .unwrap_or_default();
        ensure!(
            answer.status == 403 && answer.json["code"] == "scope_missing",
            "{method} {path}: {} {}",
            answer.status,
            answer.json
        );
        ensure!(
            said.contains(&format!("{scope:?}")) && said.contains(&format!("{key:?}")),
            "{said}"
        );
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
        call(&gateway, "reader", method.clone(), path, None)
            .await?
            .expect(200)?;
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
        (
            Method::DELETE,
            "/v1/messages?state=queued&session=sales",
            "admin",
        ),
        (
            Method::DELETE,
            "/v1/deliveries?state=dead&target=x",
            "admin",
        ),
        (Method::POST, "/api/whatsapp/cleanup-sessions", "admin"),
        (Method::GET, "/metrics", "admin"),
        (Method::GET, "/v1/plugins", "admin"),
        (Method::POST, "/v1/plugins/webhook/reload", "admin"),
        (Method::PUT, "/v1/sessions/sales/plugins/webhook", "admin"),
        (
            Method::DELETE,
            "/v1/sessions/sales/plugins/webhook",
            "admin",
        ),
    ] {
        needs("reader", method, path, None, scope).await?;
    }
    needs(
        "reader",
        Method::POST,
        "/v1/sessions/sales/messages",
        Some(send.clone()),
        "send",
    )
    .await?;
    needs(
        "reader",
        Method::POST,
        "/api/whatsapp/send",
        Some(json!({"number": "4915123456789", "message": "x"})),
        "send",
    )
    .await?;
    let sent = call(
        &gateway,
        "sender",
        Method::POST,
        "/v1/sessions/support/messages",
        Some(send),
    )
    .await?
    .expect(202)?;
    let place = sent.header("location").to_owned();
    needs("sender", Method::GET, &place, None, "read").await?;
    call(&gateway, "reader", Method::GET, &place, None)
        .await?
        .expect(200)?;
    call(
        &gateway,
        "sender",
        Method::POST,
        &format!("{place}/cancel"),
        None,
    )
    .await?
    .expect(200)?;
    ensure!(
        call(&gateway, "reader", Method::GET, "/v1/nothing", None)
            .await?
            .status
            == 404
    );
    ensure!(
        call(&gateway, "reader", Method::PUT, "/v1/messages", None)
            .await?
            .status
            == 405
    );
    let log = gateway.stop_for_log(Duration::from_secs(20)).await?;
    log.lacks(&["key-0123456789"])?;
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
    let sales = async |method: Method, path: &str, body: Option<Value>| {
        call(&gateway, "sales", method, path, body).await
    };
    let text = |to: &str| json!({"to": to, "text": "hello"});
    let foreign = call(
        &gateway,
        "sender",
        Method::POST,
        "/v1/sessions/support/messages",
        Some(text("4915123456780")),
    )
    .await?
    .expect(202)?;
    let foreign = foreign.json["id"].as_str().context("an id")?.to_owned();
    let order = |session: &str| json!({"session": session, "text": "hello", "recipients": [{"to": "4915123456781"}]});
    let bulk = call(
        &gateway,
        "sender",
        Method::POST,
        "/v1/bulk",
        Some(order("support")),
    )
    .await?
    .expect(202)?
    .header("location")
    .to_owned();

    // A session of others and one that does not exist are answered alike.
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
            (Method::GET, format!("/v1/sessions/{id}/plugins")),
            (Method::DELETE, format!("/v1/sessions/{id}/plugins/webhook")),
            (
                Method::DELETE,
                format!("/v1/messages?state=queued&session={id}"),
            ),
            (Method::GET, format!("{STATUS}?clientId={id}")),
            (
                Method::GET,
                format!("/api/whatsapp/session-info?clientId={id}"),
            ),
            (Method::GET, format!("/api/whatsapp/qr?clientId={id}")),
            (
                Method::POST,
                format!("/api/whatsapp/reconnect?clientId={id}"),
            ),
        ] {
            let answer = sales(method.clone(), &path, None).await?;
            ensure!(
                answer.status == 404 && answer.json["code"] == "unknown_client",
                "{method} {path}: {} {}",
                answer.status,
                answer.json
            );
        }
        for (path, body) in [
            (format!("/v1/sessions/{id}/messages"), text("4915123456789")),
            (
                "/api/whatsapp/send".to_owned(),
                json!({"number": "4915123456789", "message": "x", "clientId": id}),
            ),
            (
                format!("/api/whatsapp/send?clientId={id}"),
                json!({"number": "4915123456789", "message": "x"}),
            ),
            ("/v1/bulk".to_owned(), order(id)),
            (
                format!("/v1/sessions/{id}/pairing-code"),
                json!({"number": "4915123456789"}),
            ),
            (
                "/api/whatsapp/pairing-code".to_owned(),
                json!({"number": "4915123456789", "clientId": id}),
            ),
            ("/v1/sessions".to_owned(), json!({"id": id, "start": false})),
        ] {
            let answer = sales(Method::POST, &path, Some(body)).await?;
            ensure!(
                answer.status == 404 && answer.json["code"] == "unknown_client",
                "{path}: {} {}",
                answer.status,
                answer.json
            );
        }
    }
    // The key does not include the default session.
    ensure!(sales(Method::GET, STATUS, None).await?.status == 404);
    ensure!(
        sales(
            Method::POST,
            "/api/whatsapp/send",
            Some(json!({"number": "4915123456789", "message": "x"}))
        )
        .await?
        .status
            == 404
    );
    for id in [foreign.as_str(), "out_00000000000000000000000000"] {
        for (method, path) in [
            (Method::GET, ""),
            (Method::POST, "/cancel"),
            (Method::POST, "/retry"),
        ] {
            let answer = sales(method, &format!("/v1/messages/{id}{path}"), None).await?;
            ensure!(
                answer.status == 404 && answer.json["code"] == "not_found",
                "{id}{path}: {}",
                answer.json
            );
        }
    }
    for (method, path) in [
        (Method::GET, ""),
        (Method::GET, "/recipients"),
        (Method::POST, "/cancel"),
    ] {
        ensure!(
            sales(method, &format!("{bulk}{path}"), None).await?.status == 404,
            "{bulk}{path}"
        );
    }
    for (method, path) in [
        (Method::GET, "/metrics"),
        (Method::GET, "/v1/deliveries/receivers"),
        (Method::POST, "/v1/deliveries/retry?target=x"),
        (Method::DELETE, "/v1/deliveries?state=dead&target=x"),
        (Method::POST, "/api/whatsapp/cleanup-sessions"),
    ] {
        ensure!(
            sales(method, path, None).await?.status == 403,
            "{path} is about all sessions"
        );
    }

    // The key finds its own sessions and messages, and lists have nothing else.
    let own = sales(
        Method::POST,
        "/v1/sessions/sales/messages",
        Some(text("4915123456782")),
    )
    .await?
    .expect(202)?;
    let own = own.json["id"].as_str().context("an id")?.to_owned();
    sales(
        Method::POST,
        "/v1/sessions",
        Some(json!({"id": "new", "start": false})),
    )
    .await?
    .expect(201)?;
    let ids = |answer: &Answer, list: &str| -> Vec<String> {
        let rows = answer.json[list].as_array().cloned().unwrap_or_default();
        rows.iter()
            .filter_map(|row| row["id"].as_str().map(str::to_owned))
            .collect()
    };
    let sessions = ids(
        &sales(Method::GET, "/v1/sessions", None)
            .await?
            .expect(200)?,
        "sessions",
    );
    ensure!(sessions == ["new", "sales"], "{sessions:?}");
    for path in [
        "/v1/messages".to_owned(),
        format!("/v1/messages?q={own}"),
        "/v1/messages?session=sales".to_owned(),
    ] {
        let messages = ids(
            &sales(Method::GET, &path, None).await?.expect(200)?,
            "messages",
        );
        ensure!(messages == [own.clone()], "{path}: {messages:?}");
    }
    let none = ids(
        &sales(Method::GET, &format!("/v1/messages?q={foreign}"), None)
            .await?
            .expect(200)?,
        "messages",
    );
    ensure!(none.is_empty(), "{none:?}");
    sales(Method::GET, &format!("/v1/messages/{own}"), None)
        .await?
        .expect(200)?;
    sales(Method::POST, &format!("/v1/messages/{own}/cancel"), None)
        .await?
        .expect(200)?;
    sales(Method::GET, &format!("{STATUS}?clientId=sales"), None)
        .await?
        .expect(200)?;
    let all = ids(
        &api::answer(
            gateway
                .api
                .request(Method::GET, "/v1/messages")
                .bearer_auth(KEY),
        )
        .await?
        .expect(200)?,
        "messages",
    );
    ensure!(
        all.contains(&own) && all.contains(&foreign),
        "a key of all sessions sees all"
    );
    held(
        Area::Auth,
        "a key for some sessions, used for another session: in the path, as `clientId`, as the default, by the id of a message or a bulk order, in lists",
        "404, as for a session that does not exist; lists contain only the sessions of the key; calls about all sessions get 403",
    )
}
