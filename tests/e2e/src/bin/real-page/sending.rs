//! Normal operation of a session: each kind of message with its acknowledgements, and incoming
//! messages.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use wharf_e2e::{Api, Gateway, until};

use crate::Scene;

pub(crate) const ANN: &str = "15552223333";
const BOB: &str = "15554445555";
const SEND: &str = "/v1/sessions/default/messages";
const LIMIT: Duration = Duration::from_secs(30);

pub(crate) async fn run(scene: &mut Scene, gateway: &Gateway) -> Result<()> {
    let api = &gateway.api;
    scene
        .control
        .ask("cfg", json!({"deliveredDelay": 100, "readDelay": 200}))
        .await?;
    let sent = send(api, &json!({"to": ANN, "text": "hello from the gateway"})).await?;
    acknowledged(api, &sent, 3).await?;
    let out = one(scene, "hello from the gateway").await?;
    ensure!(
        out["to"]
            .as_str()
            .is_some_and(|to| to.contains("@lid") == scene.lid),
        "the chat is addressed as {}",
        out["to"]
    );
    scene.passed(
        "send, acks 1, 2, 3",
        &format!("to {}", out["to"].as_str().unwrap_or_default()),
    );

    let question = scene
        .control
        .ask(
            "inbound",
            json!({"from": ANN, "text": "how much is it?", "pushname": "Ann"}),
        )
        .await?;
    let told = told(scene, "how much is it?").await?;
    let from = told["from"].as_str().unwrap_or_default();
    ensure!(
        told["fromMe"] == false && (from.starts_with(ANN) || from.contains("@lid")),
        "{told}"
    );
    scene.passed("inbound", from);

    send(api, &json!({"to": from, "text": "answered as it stands"})).await?;
    let answer = one(scene, "answered as it stands").await?;
    ensure!(
        answer["to"] == out["to"],
        "{} is not {}",
        answer["to"],
        out["to"]
    );
    scene.passed("answered by the id it came from", from);

    let nowhere = api
        .post(
            SEND,
            &json!({"to": "120363000000000000@g.us", "text": "to nobody"}),
        )
        .await?;
    ensure!(
        nowhere.status == 422 && nowhere.json["code"] == "chat_not_found",
        "{}",
        nowhere.json
    );
    scene.passed("a group that this account is not in", "chat_not_found");

    send(
        api,
        &json!({"to": ANN, "text": "an answer", "replyTo": question["id"]}),
    )
    .await?;
    let answer = one(scene, "an answer").await?["plain"].to_string();
    ensure!(
        answer.contains("how much is it?")
            && answer.contains(question["id"].as_str().context("no id")?),
        "no quote in {answer}"
    );
    scene.passed("quote", "");

    send(
        api,
        &json!({"to": ANN, "text": format!("@{BOB} will come"), "mentions": [BOB]}),
    )
    .await?;
    let mention = one(scene, "will come").await?["plain"].to_string();
    ensure!(
        mention.contains("mentionedJid") && mention.contains(BOB),
        "no mention in {mention}"
    );
    scene.passed("mention", "");

    send(api, &json!({"to": ANN, "location": {"latitude": 52.5163, "longitude": 13.3777, "name": "Brandenburg Gate"}})).await?;
    let place = one(scene, "Brandenburg Gate").await?["plain"].to_string();
    ensure!(
        place.contains("locationMessage") && place.contains("52.5163"),
        "no place in {place}"
    );
    scene.passed("location", "");

    let card = "BEGIN:VCARD\nVERSION:3.0\nFN:Ada Lovelace\nTEL:+15550009999\nEND:VCARD";
    send(
        api,
        &json!({"to": ANN, "contact": {"displayName": "Ada Lovelace", "vcard": card}}),
    )
    .await?;
    let contact = one(scene, "Ada Lovelace").await?["plain"].to_string();
    ensure!(
        contact.contains("contactMessage") && contact.contains("BEGIN:VCARD"),
        "no card in {contact}"
    );
    scene.passed("contact", "");

    scene
        .control
        .ask(
            "fromPhone",
            json!({"to": ANN, "text": "typed on the phone"}),
        )
        .await?;
    ensure!(
        self::told(scene, "typed on the phone").await?["fromMe"] == true,
        "it does not count as ours"
    );
    scene.passed("typed on the phone", "");

    odd(scene).await.context("a message that is odd")?;

    let missing = api.send("99955501234", "nobody").await?;
    ensure!(
        missing.json["code"] == "not_on_whatsapp",
        "{}",
        missing.json
    );
    scene.passed("not on WhatsApp", "");
    Ok(())
}

/// Messages that other programs send: each must be reported, whatever the page makes of it.
async fn odd(scene: &mut Scene) -> Result<()> {
    for (step, inbound, end) in [
        (
            "half an emoji",
            json!({"text": "half HALF", "pushname": "Ann HALF"}),
            Some("half \u{FFFD}"),
        ),
        (
            "a text that is too long",
            json!({"text": "x".repeat(200_000)}),
            Some("x… [cut: 200000 characters]"),
        ),
        (
            "a place that is none",
            json!({"proto": {"locationMessage": {"name": "nowhere"}}}),
            None,
        ),
        (
            "a place out of the world",
            json!({"proto": {"locationMessage": {"degreesLatitude": 1e9, "degreesLongitude": 2}}}),
            None,
        ),
        (
            "a card without a card",
            json!({"proto": {"contactMessage": {}}}),
            None,
        ),
    ] {
        let mut inbound = inbound;
        inbound["from"] = json!(ANN);
        let id = scene
            .control
            .ask_text("inbound", inbound.to_string().replace("HALF", "\\ud83d"))
            .await?["id"]
            .as_str()
            .context("no id")?
            .to_owned();
        let is_it = |call: &wharf_e2e::Call| {
            call.event() == "message"
                && call.json["payload"]["id"]
                    .as_str()
                    .is_some_and(|key| key.contains(&id))
        };
        let told = scene.house.receiver.until_call(step, LIMIT, is_it).await?;
        let body = told.json["payload"]["body"].as_str().unwrap_or_default();
        ensure!(
            end.is_none_or(|end| body.ends_with(end)),
            "{} bytes, which end with {:?}",
            body.len(),
            body.chars().rev().take(40).collect::<String>()
        );
        scene.passed(
            step,
            told.json["payload"]["_data"]["type"]
                .as_str()
                .unwrap_or_default(),
        );
    }
    Ok(())
}

pub(crate) async fn send(api: &Api, body: &Value) -> Result<Value> {
    Ok(api.post(SEND, body).await?.expect(200)?.json)
}

/// Waits until a message is acknowledged up to a level.
async fn acknowledged(api: &Api, sent: &Value, level: u8) -> Result<()> {
    let path = format!("/v1/messages/{}", sent["id"].as_str().context("no id")?);
    let mut last = Value::Null;
    let reached = until("the acknowledgement", LIMIT, async || {
        last = api.get(&path).await?.expect(200)?.json;
        Ok((last["ack"] == level).then_some(()))
    });
    reached.await.with_context(|| format!("{last}"))
}

/// Waits for a message with this text to go out; fails when there are two.
pub(crate) async fn one(scene: &Scene, text: &str) -> Result<Value> {
    until(&format!("{text:?} on the wire"), LIMIT, async || {
        let mut sent = scene.control.sent(text).await?;
        ensure!(sent.len() < 2, "{text:?} went out under {} ids", sent.len());
        Ok(sent.pop())
    })
    .await
}

/// Waits for the event of a message with this body and returns its payload.
async fn told(scene: &Scene, body: &str) -> Result<Value> {
    let about = |call: &wharf_e2e::Call| {
        call.event().starts_with("message")
            && call.event() != "message.ack"
            && call.json["payload"]["body"] == body
    };
    let call = scene.house.receiver.until_call(body, LIMIT, about).await?;
    Ok(call.json["payload"].clone())
}
