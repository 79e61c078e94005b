//! `/v1/messages` and the calls that send: messages are accepted, found, cancelled, retried and
//! sent, each with its history.

mod backlog;
mod sending;

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use wharf_e2e::{Api, Gateway, House, Plan, house::BOOT};
use wharf_standin::Account;

const NUMBER: &str = "4915123456789";
const SEND: &str = "/v1/sessions/default/messages";

#[tokio::test]
async fn each_call_about_messages_does_what_the_docs_say() -> Result<()> {
    let house = House::build(Plan {
        overlay: "[send]\ntimeout = '10s'".into(),
        ..Plan::default()
    })
    .await?;
    let gateway = house.open().await?;
    wrong_requests_store_nothing(&gateway.api)
        .await
        .context("wrong requests")?;
    let kept = backlog::before_there_is_a_login(&gateway.api)
        .await
        .context("before there is a login")?;
    let qr = gateway.api.until_qr(BOOT).await?;
    house.standin.scan(Some(&qr), Account::default()).await?;
    gateway.api.until_state("ready", BOOT).await?;
    backlog::taken_up_again_and_sent(&house, &gateway.api, &kept)
        .await
        .context("a message that was taken up again")?;
    sending::waited_for(&house, &gateway.api)
        .await
        .context("a send that is waited for")?;
    sending::later(&house, &gateway.api)
        .await
        .context("a send for later")?;
    sending::paused(&house, &gateway.api)
        .await
        .context("a paused session")?;
    sending::to_many(&house, &gateway.api)
        .await
        .context("one message to many")?;
    found_after_a_crash(&house, gateway, &kept)
        .await
        .context("after a crash")
}

async fn all(api: &Api, query: &str) -> Result<Vec<Value>> {
    let answer = api
        .get(&format!("/v1/messages?{query}"))
        .await?
        .expect(200)?;
    Ok(answer.json["messages"]
        .as_array()
        .context("no messages")?
        .clone())
}

async fn wrong_requests_store_nothing(api: &Api) -> Result<()> {
    let good = json!({"to": NUMBER, "text": "x"});
    let with = |name: &str, value: Value| {
        let mut body = good.clone();
        body[name] = value;
        body
    };
    for (body, status, code) in [
        (
            with("sendat", json!("2099-01-01T00:00:00Z")),
            400,
            "invalid_body",
        ),
        (with("to", json!("hello")), 400, "invalid_number"),
        (with("text", json!("")), 400, "missing_fields"),
        (
            with("template", json!("greeting")),
            400,
            "message_and_template",
        ),
        (
            with("text", json!("x".repeat(4097))),
            400,
            "message_too_long",
        ),
        (with("sendAt", json!("yesterday")), 400, "invalid_time"),
        (
            with("expiresAt", json!("2020-01-01T00:00:00Z")),
            400,
            "invalid_time",
        ),
        (with("priority", json!("urgent")), 400, "invalid_body"),
        (with("to", json!("19005550199")), 422, "blocked_prefix"),
        (
            json!({"to": NUMBER, "template": "no such"}),
            422,
            "unknown_template",
        ),
        (
            with("text", json!("x".repeat(2 << 20))),
            413,
            "body_too_large",
        ),
    ] {
        let answer = api.post_async(SEND, &body).await?;
        ensure!(
            (answer.header("connection") == "close") == (status == 413),
            "{answer:?}"
        );
        answer.problem(status, code)?;
    }
    api.post("/v1/sessions/nobody/messages", &good)
        .await?
        .problem(404, "unknown_client")?;
    api.post(SEND, &good).await?.problem(503, "not_ready")?;
    let seed = api
        .post(
            "/api/whatsapp/send",
            &json!({"number": NUMBER, "message": "x", "mesage": "y"}),
        )
        .await?
        .expect(400)?;
    ensure!(
        seed.json["code"] == "unknown_field"
            && seed.json["message"]
                .as_str()
                .is_some_and(|words| words.contains("mesage")),
        "{}",
        seed.json
    );
    let large = api
        .post(
            "/api/whatsapp/send",
            &json!({"number": NUMBER, "message": "x".repeat(2 << 20)}),
        )
        .await?
        .expect(413)?;
    ensure!(large.json["code"] == "body_too_large", "{}", large.json);
    ensure!(all(api, "").await?.is_empty(), "something was stored");
    for query in [
        "state=lost",
        "limit=0",
        "limit=201",
        "cursor=x",
        "since=now",
        "sort=up",
    ] {
        ensure!(
            api.get(&format!("/v1/messages?{query}")).await?.status == 400,
            "{query}"
        );
    }
    api.get("/v1/messages/out_nobody")
        .await?
        .problem(404, "not_found")?;
    Ok(())
}

async fn found_after_a_crash(house: &House, gateway: Gateway, id: &str) -> Result<()> {
    let before = gateway.api.message(id).await?;
    gateway.crash().await?;
    let gateway = house.open().await?;
    let after = gateway.api.message(id).await?;
    ensure!(
        after["history"] == before["history"],
        "the history is another one: {after}"
    );
    ensure!(gateway.stop(Duration::from_secs(40)).await?.success());
    Ok(())
}
