//! The steps of the demo, in order.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use wharf_e2e::{
    Answer, Gateway, House, Plan,
    house::{BOOT, HMAC_KEY},
};
use wharf_standin::{Account, Inbound};

use crate::tell;

/// Time limit of each step after the session is ready.
const STEP: Duration = Duration::from_secs(30);

const TAKEN: &str = "the demo did not start; when a port is taken, choose another with --port N";

/// The running environment and the result of the steps.
pub(crate) struct Shown {
    pub(crate) house: House,
    pub(crate) gateway: Gateway,
    /// The result as one line of JSON.
    pub(crate) summary: String,
}

/// Runs all steps once.
///
/// # Errors
/// When a step takes too long or has another result than expected; nothing is left running then.
pub(crate) async fn show(ports: (u16, u16, u16)) -> Result<Shown> {
    tell::note(
        "From the first QR to the last webhook. WhatsApp is a stand-in, the phone is simulated, the rest is real.",
    );
    let house = House::build(Plan {
        ports,
        ..Plan::default()
    })
    .await
    .context(TAKEN)?;
    tell::done(&format!(
        "stand-in for WhatsApp Web on {}",
        house.standin.url()
    ));
    tell::done(&format!("webhook receiver on {}", house.receiver.url()));
    let gateway = house.open().await.context(TAKEN)?;
    tell::done(&format!(
        "gateway on {} with the plugins number-policy, templates, webhook",
        gateway.api.url
    ));

    link(&house, &gateway).await?;
    let sent = send_plain(&house, &gateway).await?;
    let acks = acks(&house, &sent).await?;
    send_templated(&house, &gateway).await?;
    let rejected = be_rejected(&house, &gateway).await?;
    let inbound = inbound(&house).await?;

    let calls = house.receiver.calls();
    let signed = calls
        .iter()
        .filter(|call| call.is_signed_with(HMAC_KEY))
        .count();
    ensure!(
        signed == calls.len(),
        "{} of {} webhooks bear no valid signature",
        calls.len() - signed,
        calls.len()
    );
    tell::done(&format!(
        "{signed} webhooks came, each with a valid HMAC-SHA-512 signature"
    ));
    let sent = house.standin.view().messages.len();
    let acks = json!(acks);
    let summary = format!(
        r#"{{"qr":true,"ready":true,"sent":{sent},"acks":{acks},"rejected":{rejected},"webhooks":{signed},"inbound":{inbound}}}"#
    );
    Ok(Shown {
        house,
        gateway,
        summary,
    })
}

async fn link(house: &House, gateway: &Gateway) -> Result<()> {
    tell::note("  Chromium opens the page…");
    let qr = gateway.api.until_qr(BOOT).await?;
    tell::command(&format!("curl {}/api/whatsapp/qr", gateway.api.url));
    tell::qr(&qr);
    house.standin.scan(Some(&qr), Account::default()).await?;
    tell::done("a phone scanned the QR");
    gateway.api.until_state("ready", BOOT).await?;
    tell::done("ready: linked, synchronised, able to send");
    Ok(())
}

/// Prints the `curl` command of the original service's README and sends that request.
async fn send(gateway: &Gateway, body: &str) -> Result<Answer> {
    let url = format!("{}/api/whatsapp/send", gateway.api.url);
    tell::post(&url, body);
    gateway
        .api
        .post("/api/whatsapp/send", &serde_json::from_str(body)?)
        .await
}

async fn send_plain(house: &House, gateway: &Gateway) -> Result<String> {
    let text = "Hello from WhatsApp API!";
    let answer = send(
        gateway,
        &format!(r#"{{"number": "1234567890", "message": "{text}"}}"#),
    )
    .await?
    .expect(200)?;
    let id = answer
        .data("messageId")
        .as_str()
        .context("an answer without messageId")?
        .to_owned();
    tell::done(&format!("200 {id}"));
    arrived(house, text).await?;
    Ok(id)
}

async fn arrived(house: &House, text: &str) -> Result<()> {
    let view = house
        .standin
        .wait_for("the message at the recipient", STEP, |view| {
            view.messages.iter().any(|m| m.body == text)
        })
        .await?;
    let number = view
        .messages
        .iter()
        .find(|m| m.body == text)
        .map(|m| m.number.as_str())
        .unwrap_or_default();
    tell::done(&format!("+{number} got: {text}"));
    Ok(())
}

/// Waits for the webhooks of the acknowledgement levels 1 to 3: server, delivered, read.
async fn acks(house: &House, id: &str) -> Result<Vec<u64>> {
    let mut seen = Vec::new();
    for level in 1..=3 {
        let wanted = |call: &wharf_e2e::Call| {
            call.event() == "message.ack"
                && call.json["payload"]["id"] == id
                && call.json["payload"]["ack"] == level
        };
        let call = house
            .receiver
            .until_call(&format!("webhook of ack {level}"), STEP, wanted)
            .await?;
        tell::done(&format!("webhook {}", tell::webhook(&call)));
        seen.push(level);
    }
    Ok(seen)
}

async fn send_templated(house: &House, gateway: &Gateway) -> Result<()> {
    let body = r#"{"number": "+49 151 23456789", "template": "greeting", "locale": "de", "variables": {"name": "Ada", "order": "A-17"}}"#;
    let answer = send(gateway, body).await?.expect(200)?;
    tell::done("200 the plugin `templates` wrote the text");
    let text = answer
        .data("message")
        .as_str()
        .context("an answer without message")?;
    arrived(house, text).await
}

async fn be_rejected(house: &House, gateway: &Gateway) -> Result<Value> {
    let before = house.standin.view().messages.len();
    let answer = send(
        gateway,
        r#"{"number": "+1 900 555 0199", "message": "You have won!"}"#,
    )
    .await?
    .expect(422)?;
    ensure!(
        house.standin.view().messages.len() == before,
        "the rejected message was sent"
    );
    let (code, reason) = (&answer.json["code"], &answer.json["message"]);
    tell::done(&format!(
        "422 the plugin `number-policy` rejected it: {} ({})",
        code.as_str().unwrap_or_default(),
        reason.as_str().unwrap_or_default()
    ));
    Ok(json!({"code": code, "reason": reason}))
}

async fn inbound(house: &House) -> Result<usize> {
    let text = "Where is my order?";
    house.standin.inbound(Inbound {
        from: "4915198765432".into(),
        body: text.into(),
        pushname: Some("Ada".into()),
        ..Inbound::default()
    })?;
    tell::note("");
    tell::done(&format!("+4915198765432 writes: {text}"));
    let call = house
        .receiver
        .until_call("webhook of the inbound message", STEP, |call| {
            call.event() == "message" && call.json["payload"]["body"] == text
        })
        .await?;
    tell::done(&format!("webhook {}", tell::webhook(&call)));
    Ok(1)
}
