//! The same request twice is one message.

use std::time::Duration;

use anyhow::{Result, ensure};
use serde_json::json;
use wharf_e2e::{House, Plan, house::BOOT, until};

const NUMBER: &str = "4915123456789";

#[tokio::test]
async fn a_key_makes_repeating_a_send_safe() -> Result<()> {
    let house = House::build(Plan { overlay: "[send]\ntimeout = '3s'".into(), ..Plan::default() }).await?;
    let gateway = house.open_linked().await?;
    let api = &gateway.api;

    let first = api.send_once("key-1", NUMBER, "once").await?.expect(200)?;
    let again = api.send_once("key-1", NUMBER, "once").await?.expect(200)?;
    ensure!(first.data("messageId") == again.data("messageId"), "two ids: {} {}", first.json, again.json);
    ensure!(house.arrived("once") == 1, "{:?}", house.standin.view().messages);

    let other = api.send_once("key-1", NUMBER, "something else").await?.expect(422)?;
    ensure!(other.json["code"] == "idempotency_key_reused", "{}", other.json);

    // Nothing is stored for what created no row.
    let rejected = api.send_once("key-2", "19005550199", "no").await?.expect(422)?;
    ensure!(rejected.json["code"] == "blocked_prefix", "{}", rejected.json);
    api.send_once("key-2", NUMBER, "allowed").await?.expect(200)?;

    house.standin.set(json!({"ackDelay": null}));
    let begun = api.clone();
    let waiting = tokio::spawn(async move { begun.send_once("key-3", NUMBER, "in flight").await });
    house.standin.wait_for("the message", BOOT, |view| view.messages.iter().any(|m| m.body == "in flight")).await?;
    let meanwhile = api.send_once("key-3", NUMBER, "in flight").await?.expect(409)?;
    ensure!(meanwhile.json["code"].as_str().is_some_and(|code| code.contains("in_flight")), "{}", meanwhile.json);
    let unknown = waiting.await??.expect(504)?;
    ensure!(unknown.json["code"] == "outcome_unknown", "{}", unknown.json);

    // A new page is asked what became of it; from then on the key has the outcome.
    house.standin.set(json!({"ackDelay": 5}));
    api.post_nothing("/api/whatsapp/reconnect").await?.expect(200)?;
    let known = until("the reconciled outcome under the key", Duration::from_secs(60), async || {
        let answer = api.send_once("key-3", NUMBER, "in flight").await?;
        Ok((answer.status == 200).then_some(answer))
    });
    let known = known.await?;
    let id = house.standin.view().messages.iter().find(|m| m.body == "in flight").map(|m| m.id.clone()).unwrap_or_default();
    ensure!(known.data("messageId").as_str().is_some_and(|key| key.contains(&id)), "{} is not about {id}", known.json);
    ensure!(house.arrived("in flight") == 1, "{:?}", house.standin.view().messages);
    ensure!(house.arrived("something else") == 0);
    Ok(())
}
