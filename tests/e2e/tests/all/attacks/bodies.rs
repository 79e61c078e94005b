//! Request bodies that are large, malformed or endless.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use reqwest::Method;
use serde_json::json;
use wharf_e2e::{Api, House, api};

use super::{
    Area, held,
    wire::{KEY, Wire, exchange, keyed, status},
};

fn head(path: &str, key: &str, more: &str) -> String {
    format!(
        "POST {path} HTTP/1.1\r\nHost: x\r\nX-Api-Key: {key}\r\nContent-Type: application/json\r\n{more}\r\n"
    )
}

#[tokio::test]
async fn a_body_that_stalls_or_never_ends_is_refused() -> Result<()> {
    let house = House::build(keyed("[server]\nbody_timeout = '1s'\nbody_rate = '1MiB'")).await?;
    let gateway = house.open().await?;

    for (path, length) in [
        ("/api/whatsapp/send", 100),
        ("/v1/sessions", 100),
        ("/v1/bulk", 1 << 20),
    ] {
        let mut wire = Wire::open(&gateway).await?;
        wire.say(head(path, KEY, &format!("Content-Length: {length}\r\n")).as_bytes())
            .await?;
        wire.say(b"{\"numb").await?;
        let answer = wire.rest().await?;
        ensure!(
            status(&answer) == 408 && answer.contains("body_too_slow"),
            "{path}: {answer}"
        );
        ensure!(
            answer.starts_with("HTTP/1.1 408") && answer.contains("nosniff"),
            "{path}: {answer}"
        );
    }
    held(
        Area::Bodies,
        "a body that stops in the middle",
        "408 `body_too_slow` after `body_timeout`, and the connection is closed",
    )?;

    let mut wire = Wire::open(&gateway).await?;
    wire.say(head("/v1/bulk", KEY, "Transfer-Encoding: chunked\r\n").as_bytes())
        .await?;
    while wire.say(b"400\r\n").await.is_ok()
        && wire.say(&[b' '; 0x400]).await.is_ok()
        && wire.say(b"\r\n").await.is_ok()
    {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let answer = wire.rest().await?;
    ensure!(answer.is_empty() || status(&answer) == 408, "{answer}");
    held(
        Area::Bodies,
        "a body that arrives steadily, but slower than `body_rate`",
        "the gateway reads it for `body_timeout` plus the time that the received bytes take at `body_rate`, and no longer",
    )?;

    for (path, most) in [
        ("/api/whatsapp/send", 1),
        ("/v1/sessions/default/messages", 1),
        ("/v1/bulk", 16),
    ] {
        let mut wire = Wire::open(&gateway).await?;
        wire.say(head(path, KEY, "Transfer-Encoding: chunked\r\n").as_bytes())
            .await?;
        let chunk = [b"10000\r\n".as_slice(), &[b' '; 0x10000], b"\r\n"].concat();
        let mut sent = 0;
        while wire.say(&chunk).await.is_ok() && sent < 64 << 20 {
            sent += 0x10000;
        }
        ensure!(sent < 64 << 20, "{path} reads on and on");
        let answer = exchange(
            &gateway,
            &head(
                path,
                KEY,
                &format!("Content-Length: {}\r\n", (most << 20) + 1),
            ),
        )
        .await?;
        ensure!(
            status(&answer) == 413 && answer.contains("body_too_large"),
            "{path}: {answer}"
        );
    }
    held(
        Area::Bodies,
        "a body that never ends, or that declares a length above the limit of its call",
        "413 `body_too_large` above 1 MiB, for a bulk order above 16 MiB; the rest is not read",
    )
}

#[tokio::test]
async fn who_shows_no_key_is_refused_before_the_body_is_asked_for() -> Result<()> {
    let house = House::build(keyed("")).await?;
    let gateway = house.open().await?;
    for key in ["another-key-that-is-long-enough", ""] {
        let mut wire = Wire::open(&gateway).await?;
        wire.say(
            head(
                "/v1/bulk",
                key,
                "Content-Length: 16000000\r\nExpect: 100-continue\r\n",
            )
            .as_bytes(),
        )
        .await?;
        let answer = wire.rest().await?;
        ensure!(
            status(&answer) == 401 && !answer.contains("100 Continue"),
            "{answer}"
        );
    }
    // The refusal arrives although the body was being sent.
    let body = vec![b' '; 4 << 20];
    let request = Api::new(&gateway.api.url)?
        .request(Method::POST, "/v1/bulk")
        .header("x-api-key", "another-key-that-is-long-enough")
        .body(body);
    api::answer(request).await?.expect(401)?;
    held(
        Area::Bodies,
        "a body of 16 MB without a key or with a wrong key",
        "401 before the body is requested; the caller receives the answer even if it is already sending the body",
    )
}

#[tokio::test]
async fn eight_bulk_bodies_hold_up_no_probe() -> Result<()> {
    let house = House::build(keyed("")).await?;
    let gateway = house.open().await?;
    let filler = "x".repeat(1550);
    let recipients: Vec<_> = (0..10_000)
        .map(|n| json!({"to": format!("4915123{n:06}"), "variables": {"name": filler}}))
        .collect();
    let body =
        json!({"session": "default", "template": "nobody", "recipients": recipients}).to_string();
    ensure!(
        (15 << 20..16 << 20).contains(&body.len()),
        "{} bytes",
        body.len()
    );
    let body = Arc::new(body);
    let done = Arc::new(AtomicUsize::new(0));
    let orders: Vec<_> = (0..8)
        .map(|n| {
            let (url, body, done) = (
                gateway.api.url.clone(),
                Arc::clone(&body),
                Arc::clone(&done),
            );
            tokio::spawn(async move {
                let request = Api::new(&url)?
                    .request(Method::POST, "/v1/bulk")
                    .bearer_auth(KEY);
                let request = request
                    .header("content-type", "application/json")
                    .header("idempotency-key", format!("order-{n}"))
                    .body(String::clone(&body));
                let answer = api::answer(request).await;
                done.fetch_add(1, Ordering::SeqCst);
                answer
            })
        })
        .collect();
    let mut answered = 0;
    let probe = Api::new(&gateway.api.url)?;
    while done.load(Ordering::SeqCst) == 0 {
        probe.get("/livez").await?.expect(200)?;
        if done.load(Ordering::SeqCst) == 0 {
            answered += 1;
        }
    }
    for order in orders {
        let answer = order.await.context("an order")??;
        let is_judged = answer.status == 422 && answer.json["code"] == "unknown_template";
        ensure!(
            is_judged || (answer.status == 503 && answer.json["code"] == "busy"),
            "{}: {}",
            answer.status,
            answer.json
        );
    }
    ensure!(
        answered >= 10,
        "only {answered} probes were answered while eight orders were under way"
    );
    held(
        Area::Bodies,
        "eight bulk orders of 16 MB at the same time",
        "`/livez` is answered meanwhile: the bodies are read when `large_bodies` has room, and parsed on threads that serve no connections",
    )
}
