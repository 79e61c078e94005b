//! Kills the gateway at the two critical moments: nothing is lost, nothing is sent twice, and no
//! browser stays.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::json;
use wharf_e2e::{Gateway, House, Plan, house::BOOT, until};

const NUMBER: &str = "4915123456789";

#[tokio::test]
async fn a_killed_gateway_sends_each_accepted_message_once() -> Result<()> {
    let house = House::build(Plan::default()).await?;
    let gateway = house.open_linked().await?;
    let gateway = between_commit_and_send(&house, gateway)
        .await
        .context("between commit and send")?;
    let gateway = between_send_and_answer(&house, gateway)
        .await
        .context("between send and answer")?;
    ensure!(gateway.stop(Duration::from_secs(40)).await?.success());
    Ok(())
}

/// The message is committed, but the look-up of the recipient fails, so nothing has been sent.
async fn between_commit_and_send(house: &House, gateway: Gateway) -> Result<Gateway> {
    house.standin.set(json!({"lookupError": 500}));
    gateway
        .api
        .send_async(NUMBER, "committed")
        .await?
        .expect(202)?;
    gateway.crash().await?;
    ensure!(
        house.arrived("committed") == 0,
        "it was sent before the crash, so this tests nothing"
    );
    house.standin.set(json!({"lookupError": null}));
    let gateway = reopen(house).await?;
    arrives_once(house, &gateway, "committed").await?;
    Ok(gateway)
}

/// The recipient has the message, but the server has not acknowledged it.
async fn between_send_and_answer(house: &House, gateway: Gateway) -> Result<Gateway> {
    house.standin.set(json!({"ackDelay": null}));
    let api = gateway.api.clone();
    let waiting = tokio::spawn(async move { api.send_once("a-key", NUMBER, "transmitted").await });
    house
        .standin
        .wait_for("the message", BOOT, |view| {
            view.messages.iter().any(|m| m.body == "transmitted")
        })
        .await?;
    ensure!(
        !waiting.is_finished(),
        "it was answered before the crash, so this tests nothing"
    );
    gateway.crash().await?;
    ensure!(waiting.await?.is_err(), "an answer after the crash");
    house.standin.set(json!({"ackDelay": 5}));
    let gateway = reopen(house).await?;
    let known = until("the outcome under the key", BOOT, async || {
        let answer = gateway
            .api
            .send_once("a-key", NUMBER, "transmitted")
            .await?;
        Ok((answer.status == 200).then_some(answer))
    });
    let known = known.await?;
    let id = house
        .standin
        .view()
        .messages
        .iter()
        .find(|m| m.body == "transmitted")
        .map(|m| m.id.clone())
        .unwrap_or_default();
    ensure!(
        known
            .data("messageId")
            .as_str()
            .is_some_and(|key| key.contains(&id)),
        "{} is not about {id}",
        known.json
    );
    arrives_once(house, &gateway, "transmitted").await?;
    Ok(gateway)
}

/// Starts the gateway again; the login was kept.
async fn reopen(house: &House) -> Result<Gateway> {
    let gateway = house.open().await?;
    gateway.api.until_state("ready", BOOT).await?;
    Ok(gateway)
}

/// Waits for the message and checks that it arrived once. A second message to the same recipient
/// shows that the outbox has passed the first.
async fn arrives_once(house: &House, gateway: &Gateway, body: &str) -> Result<()> {
    until(body, BOOT, async || {
        Ok((house.arrived(body) > 0).then_some(()))
    })
    .await?;
    let after = format!("after {body}");
    gateway.api.send(NUMBER, &after).await?.expect(200)?;
    ensure!(
        house.arrived(body) == 1,
        "{} arrivals of {body:?}: {:?}",
        house.arrived(body),
        house.standin.view().messages
    );
    ensure!(house.arrived(&after) == 1);
    Ok(())
}
