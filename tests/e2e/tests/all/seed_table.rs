//! Every call of the original service's table of calls, errors included.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use reqwest::{Method, header::ACCEPT};
use serde_json::{Value, json};
use wharf_e2e::{Answer, Gateway, House, Plan, api, house::BOOT, until};
use wharf_standin::{Account, Settings};

const SEND: &str = "/api/whatsapp/send";

#[tokio::test]
async fn each_call_answers_as_the_table_says_in_every_state() -> Result<()> {
    let plan = Plan {
        standin: Settings { page_status: Some(503), ..Settings::default() },
        // The page cannot be loaded at first, and no test waits for the next attempt.
        overlay: "[sessions]\nfirst_delay = '10m'\nretry_delay = '10m'\nmax_delay = '10m'\n[send]\ntimeout = '5s'".into(),
        ..Plan::default()
    };
    let house = House::build(plan).await?;
    let gateway = house.open().await?;
    before_a_qr(&gateway)
        .await
        .context("while the page cannot be loaded")?;
    house.standin.set(json!({"pageStatus": null}));
    reconnect(&gateway).await.context("reconnect")?;
    let qr = with_a_qr(&gateway).await.context("while a QR is shown")?;
    house.standin.scan(Some(&qr), Account::default()).await?;
    gateway.api.until_state("ready", BOOT).await?;
    when_ready(&gateway).await.context("when ready")?;
    sent(&house, &gateway)
        .await
        .context("a send that succeeds")?;
    not_accepted(&gateway)
        .await
        .context("a request that is wrong")?;
    not_sent(&house, &gateway)
        .await
        .context("a send that does not succeed")?;
    cleaned_up(&gateway).await.context("clean-up")?;
    ensure!(gateway.stop(Duration::from_secs(40)).await?.success());
    Ok(())
}

/// Checks `{"success":true,"data":{…},"message":"…"}` with these members of `data`.
fn success(answer: Answer, members: &[&str]) -> Result<Answer> {
    let answer = answer.expect(200)?;
    ensure!(
        answer.json["success"] == true && answer.json["message"].is_string(),
        "no success envelope: {}",
        answer.json
    );
    for member in members {
        ensure!(
            answer.json["data"].get(member).is_some(),
            "no data.{member}: {}",
            answer.json
        );
    }
    if members.contains(&"timestamp") {
        timestamp(&answer.json["data"]["timestamp"])?;
    }
    Ok(answer)
}

/// Checks `{"success":false,"error":"…","message":"…","timestamp":"…","code":"…"}`.
fn failure(answer: Answer, status: u16, code: &str) -> Result<Answer> {
    let answer = answer.expect(status)?;
    let json = &answer.json;
    ensure!(
        json["success"] == false && json["error"].is_string() && json["message"].is_string(),
        "no failure envelope: {json}"
    );
    ensure!(
        json["code"] == code,
        "code {} instead of {code}: {json}",
        json["code"]
    );
    timestamp(&json["timestamp"])?;
    Ok(answer)
}

/// Checks a timestamp: RFC 3339 in UTC with milliseconds.
fn timestamp(value: &Value) -> Result<()> {
    let text = value.as_str().unwrap_or_default();
    ensure!(
        text.len() == 24 && text.ends_with('Z') && text.as_bytes()[19] == b'.',
        "no timestamp of milliseconds in UTC: {value}"
    );
    Ok(())
}

async fn before_a_qr(gateway: &Gateway) -> Result<()> {
    let api = &gateway.api;
    let health = api.get("/health").await?.expect(200)?.json;
    ensure!(
        health["status"] == "ok"
            && health["uptime"].is_number()
            && health["version"] == env!("CARGO_PKG_VERSION"),
        "/health: {health}"
    );
    timestamp(&health["timestamp"])?;

    let status = success(
        api.get("/api/whatsapp/status").await?,
        &["isReady", "connectionStatus", "timestamp", "clientId"],
    )?;
    let state = status
        .data("connectionStatus")
        .as_str()
        .unwrap_or_default()
        .to_owned();
    ensure!(
        status.data("isReady") == false && status.data("clientId") == "default",
        "status: {}",
        status.json
    );
    ensure!(
        status.json["message"] == format!("WhatsApp client is {state}"),
        "status: {}",
        status.json
    );

    let qr = failure(api.get("/api/whatsapp/qr").await?, 404, "qr_not_available")?;
    ensure!(
        qr.json["error"] == "QR code not available" && qr.data("connectionStatus").is_string(),
        "qr: {}",
        qr.json
    );
    timestamp(qr.data("timestamp"))?;

    failure(
        api.send("4915123456789", "too early").await?,
        503,
        "not_ready",
    )?;
    // A session that is not linked is no reason to restart the process.
    for probe in ["/livez", "/readyz"] {
        ensure!(api.get(probe).await?.status == 200, "{probe} before a QR");
    }
    Ok(())
}

async fn reconnect(gateway: &Gateway) -> Result<()> {
    let answer = success(
        gateway.api.post_nothing("/api/whatsapp/reconnect").await?,
        &["message", "timestamp"],
    )?;
    ensure!(
        answer.json["message"] == "Reconnection initiated successfully",
        "{}",
        answer.json
    );
    Ok(())
}

async fn with_a_qr(gateway: &Gateway) -> Result<String> {
    let api = &gateway.api;
    let text = api.until_qr(BOOT).await?;
    let qr = success(
        api.get("/api/whatsapp/qr").await?,
        &[
            "qrCode",
            "connectionStatus",
            "timestamp",
            "qrText",
            "expiresAt",
            "attempt",
        ],
    )?;
    ensure!(
        qr.data("connectionStatus") == "qr_ready" && qr.data("attempt").is_number(),
        "qr: {}",
        qr.json
    );
    ensure!(
        qr.data("qrCode")
            .as_str()
            .is_some_and(|url| url.starts_with("data:image/png;base64,")),
        "qr: no data URL"
    );

    let png = api::answer(
        api.request(Method::GET, "/api/whatsapp/qr")
            .header(ACCEPT, "image/png"),
    )
    .await?
    .expect(200)?;
    ensure!(
        png.header("content-type") == "image/png" && png.body.starts_with(b"\x89PNG"),
        "no PNG"
    );
    let svg = api::answer(
        api.request(Method::GET, "/api/whatsapp/qr")
            .header(ACCEPT, "image/svg+xml"),
    )
    .await?
    .expect(200)?;
    ensure!(
        svg.header("content-type").starts_with("image/svg+xml")
            && String::from_utf8_lossy(&svg.body).contains("<svg"),
        "no SVG"
    );

    failure(
        api.send("4915123456789", "still too early").await?,
        503,
        "not_ready",
    )?;
    Ok(text)
}

async fn when_ready(gateway: &Gateway) -> Result<()> {
    let api = &gateway.api;
    let status = success(api.get("/api/whatsapp/status").await?, &[])?;
    ensure!(
        status.data("isReady") == true && status.json["message"] == "WhatsApp client is ready",
        "status: {}",
        status.json
    );

    let qr = success(
        api.get("/api/whatsapp/qr").await?,
        &["qrCode", "connectionStatus", "timestamp"],
    )?;
    ensure!(
        qr.data("qrCode").is_null() && qr.data("connectionStatus") == "ready",
        "qr: {}",
        qr.json
    );

    let health = success(
        api.get("/api/whatsapp/health").await?,
        &[
            "service",
            "status",
            "connectionStatus",
            "isReady",
            "timestamp",
            "uptime",
        ],
    )?;
    ensure!(
        health.data("service") == "WhatsApp API"
            && health.data("status") == "operational"
            && health.data("isReady") == true,
        "{}",
        health.json
    );

    let info = success(api.get("/api/whatsapp/session-info").await?, &[])?;
    let data = info.json["data"].to_string();
    ensure!(info.data("clientId") == "default", "session-info: {data}");
    for word in ["qr_ready", "browser", "pid", "memory", "profile", "version"] {
        ensure!(
            data.contains(word),
            "session-info tells nothing of {word}: {data}"
        );
    }
    ensure!(
        !data.contains("/tmp/"),
        "session-info gives an absolute path away: {data}"
    );
    Ok(())
}

async fn sent(house: &House, gateway: &Gateway) -> Result<()> {
    for (number, digits) in [
        ("1234567890", "1234567890"),
        ("+49 (151) 234-56789", "4915123456789"),
    ] {
        let text = format!("to {digits}");
        let answer = success(
            gateway.api.send(number, &text).await?,
            &["messageId", "timestamp", "to", "message"],
        )?;
        ensure!(
            answer.json["message"] == "Message sent successfully"
                && answer.data("message") == &json!(text),
            "{}",
            answer.json
        );
        let id = answer
            .data("messageId")
            .as_str()
            .unwrap_or_default()
            .to_owned();
        let got = house
            .standin
            .wait_for("the message", BOOT, |view| {
                view.messages.iter().any(|m| m.body == text)
            })
            .await?;
        let got = got
            .messages
            .into_iter()
            .find(|m| m.body == text)
            .context("arrived")?;
        ensure!(
            got.number == digits,
            "arrived at {} instead of {digits}",
            got.number
        );
        ensure!(
            id.starts_with("true_") && id.contains(&got.id),
            "messageId {id} does not name the message {}",
            got.id
        );
    }
    Ok(())
}

async fn not_accepted(gateway: &Gateway) -> Result<()> {
    let api = &gateway.api;
    for body in [
        json!({}),
        json!({"number": "4915123456789"}),
        json!({"message": "x"}),
        json!({"number": "", "message": "x"}),
    ] {
        let answer = failure(api.post(SEND, &body).await?, 400, "missing_fields")?;
        ensure!(
            answer.json["error"] == "Missing required fields",
            "{body}: {}",
            answer.json
        );
    }
    for number in ["hello", "0151234567", "+", "12345678901234567890"] {
        let answer = failure(api.send(number, "x").await?, 400, "invalid_number")?;
        ensure!(
            answer.json["error"] == "Invalid phone number format",
            "{number}: {}",
            answer.json
        );
    }
    // 2049 letters of two UTF-16 units each.
    let answer = failure(
        api.send("4915123456789", &"😀".repeat(2049)).await?,
        400,
        "message_too_long",
    )?;
    ensure!(
        answer.json["error"] == "Message too long",
        "{}",
        answer.json
    );

    let answer = failure(
        api.send("+1 900 555 0199", "x").await?,
        422,
        "blocked_prefix",
    )?;
    ensure!(
        answer.json["message"]
            .as_str()
            .is_some_and(|reason| reason.contains("+1900")),
        "no reason: {}",
        answer.json
    );

    let broken = api::answer(
        api.request(Method::POST, SEND)
            .header("content-type", "application/json")
            .body("{"),
    )
    .await?;
    ensure!(
        broken.status == 400 && broken.json["success"] == false,
        "broken JSON: {} {}",
        broken.status,
        broken.json
    );
    let lost = api.get("/api/whatsapp/nowhere").await?;
    ensure!(
        lost.status == 404 && lost.json["success"] == false,
        "unknown path: {} {}",
        lost.status,
        lost.json
    );
    let wrong = api.get(SEND).await?;
    ensure!(wrong.status == 405, "GET {SEND}: {}", wrong.status);
    Ok(())
}

async fn not_sent(house: &House, gateway: &Gateway) -> Result<()> {
    let api = &gateway.api;
    let nobody = api.send("99912345678", "is anybody there?").await?;
    failure(nobody, 422, "not_on_whatsapp")?;

    house.standin.set(json!({"nacks": [400]}));
    let refused = api.send("4915123456789", "refused").await?;
    ensure!(
        refused.status >= 400
            && refused.json["success"] == false
            && refused.json["code"] == "refused_by_whatsapp",
        "{}",
        refused.json
    );

    house.standin.set(json!({"lookupError": 500}));
    failure(
        api.send("4915100000001", "the look-up fails").await?,
        503,
        "not_sent_in_time",
    )?;
    house.standin.set(json!({"lookupError": null}));

    house.standin.set(json!({"ackDelay": null}));
    failure(
        api.send("4915123456789", "no acknowledgement").await?,
        504,
        "outcome_unknown",
    )?;
    house.standin.set(json!({"ackDelay": 5}));
    ensure!(
        house.arrived("no acknowledgement") == 1
            && house.arrived("the look-up fails") == 0
            && house.arrived("is anybody there?") == 0
    );
    // The message that was cancelled after its time limit stays cancelled although look-ups work
    // again.
    let later = api.send("4915100000002", "after all that").await?;
    success(later, &["messageId"])?;
    until("the last message", BOOT, async || {
        Ok((house.arrived("after all that") == 1).then_some(()))
    })
    .await?;
    ensure!(
        house.arrived("the look-up fails") == 0,
        "a send that was answered with 503 was sent"
    );
    Ok(())
}

async fn cleaned_up(gateway: &Gateway) -> Result<()> {
    let answer = success(
        gateway
            .api
            .post_nothing("/api/whatsapp/cleanup-sessions")
            .await?,
        &[
            "message",
            "timestamp",
            "removed",
            "quarantined",
            "bytesFreed",
        ],
    )?;
    ensure!(
        answer.data("bytesFreed").is_number() && answer.data("dryRun") == false,
        "{}",
        answer.json
    );
    let dry = success(
        gateway
            .api
            .post_nothing("/api/whatsapp/cleanup-sessions?dryRun=true")
            .await?,
        &["removed"],
    )?;
    ensure!(dry.data("dryRun") == true, "{}", dry.json);
    failure(
        gateway
            .api
            .post_nothing("/api/whatsapp/cleanup-sessions?dryRun=perhaps")
            .await?,
        400,
        "invalid_field",
    )?;
    ensure!(
        gateway.api.state().await? == "ready",
        "the clean-up disturbed the session"
    );
    Ok(())
}
