//! With every log target at `trace`, no log line contains a secret or a message.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use wharf_e2e::{
    Api, House, Plan, api,
    house::{BOOT, HMAC_KEY},
};
use wharf_standin::{Account, Inbound};

const LIMIT: Duration = Duration::from_secs(60);
const KEY: &str = "a-key-that-no-line-of-the-log-has";
const LEVEL: &str = "trace,wharf=trace,plugin=trace,tokio_tungstenite=trace,tungstenite=trace,async_tungstenite=trace,chromiumoxide=trace,hyper=trace,\
                     hyper_util=trace,h2=trace,reqwest=trace,rustls=trace,axum=trace,tower_http=trace,sqlx=trace,wasmtime=trace,log=trace";

#[tokio::test]
async fn with_everything_on_no_line_has_a_qr_a_message_a_card_a_name_a_key_or_a_secret()
-> Result<()> {
    let environment = vec![
        ("WHARF_API_KEY".to_owned(), KEY.to_owned()),
        ("LOG_LEVEL".to_owned(), LEVEL.to_owned()),
    ];
    let house = House::build(Plan {
        environment,
        ..Plan::default()
    })
    .await?;
    let gateway = house.open().await?;
    let client = Api::with_key(&gateway.api.url, KEY)?;
    let qr = client
        .until_qr(BOOT)
        .await
        .with_context(|| gateway.log().tail())?;
    house.standin.scan(Some(&qr), Account::default()).await?;
    client.until_state("ready", BOOT).await?;

    client
        .send("4915123456789", "outbound-text-zanzibar")
        .await?
        .expect(200)?;
    let card = json!({"displayName": "Name-On-The-Card", "vcard": "BEGIN:VCARD\nVERSION:3.0\nFN:Name-In-The-Card\nEND:VCARD"});
    let sent = client
        .post(
            "/v1/sessions/default/messages",
            &json!({"to": "4915123456789", "contact": card}),
        )
        .await?;
    ensure!(sent.status == 200, "{}", sent.json);
    let inbound = Inbound {
        from: "4915198765432".into(),
        body: "inbound-text-quetzal".into(),
        pushname: Some("Pushname-Of-Ada".into()),
        ..Inbound::default()
    };
    house.standin.inbound(inbound)?;
    let told = house
        .receiver
        .until_call("the inbound message", LIMIT, |call| {
            call.json["payload"]["body"] == "inbound-text-quetzal"
        })
        .await?;
    ensure!(told.is_signed_with(HMAC_KEY));
    // A wrong key and a body that cannot be read are errors, and errors are logged.
    Api::with_key(&gateway.api.url, "a-wrong-key-from-somewhere")?
        .send("4915123456789", "never-sent-text")
        .await?
        .expect(401)?;
    let broken = client
        .request(reqwest::Method::POST, "/api/whatsapp/send")
        .header("content-type", "application/json")
        .body("{\"message\": \"broken-body-text\"");
    api::answer(broken).await?.expect(400)?;

    let log = gateway.stop_for_log(Duration::from_secs(40)).await?;
    let lines = log.lines();
    ensure!(
        lines.iter().any(|line| line.contains("\"stopped\"")),
        "the log has no end: {}",
        log.tail()
    );
    let levels: Vec<Value> = lines
        .iter()
        .filter_map(|line| Some(serde_json::from_str::<Value>(line).ok()?["level"].clone()))
        .collect();
    ensure!(levels.contains(&json!("DEBUG")), "not everything is on");
    let mut secrets = vec![
        KEY,
        HMAC_KEY,
        "a-wrong-key-from-somewhere",
        "outbound-text-zanzibar",
        "inbound-text-quetzal",
        "never-sent-text",
        "broken-body-text",
        "Name-On-The-Card",
        "Name-In-The-Card",
        "BEGIN:VCARD",
        "Pushname-Of-Ada",
        qr.as_str(),
    ];
    secrets.extend(qr.split(',').filter(|part| part.len() > 16));
    log.lacks(&secrets)?;
    ensure!(
        !levels.contains(&json!("ERROR")),
        "a clean run and a clean stop have errors: {:#?}",
        lines
            .iter()
            .filter(|line| line.contains("ERROR"))
            .collect::<Vec<_>>()
    );
    Ok(())
}
