//! Linking by phone number: a code is requested, entered on the phone, and the session becomes
//! ready.

use std::time::Duration;

use anyhow::{Result, ensure};
use reqwest::Method;
use serde_json::json;
use wharf_e2e::{Answer, House, Plan, api, house::BOOT};
use wharf_standin::Account;

const CODE: &str = "/api/whatsapp/pairing-code";

#[tokio::test]
async fn a_code_that_is_typed_on_the_phone_links_and_each_refusal_has_a_name() -> Result<()> {
    let house = House::build(Plan::default()).await?;
    let gateway = house.open().await?;
    let api = &gateway.api;
    let phone = json!({"number": "+49 151 12345678"});

    let early = refused(api.post(CODE, &phone).await?, 409, "not_waiting_for_link")?;
    ensure!(
        early.data("connectionStatus") == "loading",
        "{}",
        early.json
    );
    api.until_qr(BOOT).await?;
    refused(
        api.post(CODE, &json!({"number": "hello"})).await?,
        400,
        "invalid_number",
    )?;
    refused(api.post(CODE, &json!({})).await?, 400, "missing_fields")?;
    refused(
        api.post(&format!("{CODE}?clientId=nobody"), &phone).await?,
        404,
        "unknown_client",
    )?;

    house
        .standin
        .set(json!({"pairingError": "IQErrorRateOverlimit"}));
    let limited = refused(api.post(CODE, &phone).await?, 429, "pairing_rate_limited")?;
    ensure!(!limited.header("retry-after").is_empty(), "no Retry-After");
    api.until_qr(BOOT).await?;
    house
        .standin
        .set(json!({"pairingError": "IQErrorFeatureNotAvailable"}));
    let nowhere = api
        .post("/v1/sessions/default/pairing-code", &phone)
        .await?
        .expect(422)?;
    ensure!(
        nowhere.json["code"] == "pairing_not_available",
        "{}",
        nowhere.json
    );
    api.until_qr(BOOT).await?;
    house.standin.set(json!({"pairingError": null}));

    // After the code is withdrawn, QR codes are shown again.
    let made = api.post(CODE, &phone).await?.expect(200)?;
    ensure!(
        made.data("expiresAt").is_string() && made.header("cache-control") == "no-store",
        "{}",
        made.json
    );
    ensure!(
        api.get("/api/whatsapp/qr").await?.status == 404,
        "a QR that cannot be scanned is shown"
    );
    api::answer(api.request(Method::DELETE, CODE))
        .await?
        .expect(200)?;
    let qr = api.until_qr(BOOT).await?;
    ensure!(
        house
            .standin
            .view()
            .qrs
            .contains(&qr.rsplitn(2, ',').last().unwrap_or_default().to_owned()),
        "this QR cannot be scanned"
    );

    let made = api
        .post("/v1/sessions/default/pairing-code", &phone)
        .await?
        .expect(200)?;
    let code = made.json["code"].as_str().unwrap_or_default().to_owned();
    ensure!(
        code.len() == 9 && code.as_bytes()[4] == b'-',
        "the code is not ABCD-EFGH"
    );
    ensure!(
        house
            .standin
            .enter_code("WRON-GONE", Account::default())
            .await
            .is_err(),
        "any code links"
    );
    house.standin.enter_code(&code, Account::default()).await?;
    api.until_state("ready", BOOT).await?;
    let late = refused(api.post(CODE, &phone).await?, 409, "not_waiting_for_link")?;
    ensure!(late.data("connectionStatus") == "ready", "{}", late.json);
    let sent = api
        .send("4915123456789", "linked by a code")
        .await?
        .expect(200)?;

    // Events are delivered in any order: this one is later than all events of the pairing.
    house
        .receiver
        .until_call("an event after the pairing", BOOT, |call| {
            call.event() == "message.ack" && call.json["payload"]["id"] == *sent.data("messageId")
        })
        .await?;
    api.until_all_delivered(BOOT).await?;
    let told = house
        .receiver
        .calls()
        .iter()
        .any(|call| String::from_utf8_lossy(&call.body).contains(&code));
    ensure!(!told, "a code was delivered without a grant");
    ensure!(
        house.standin.view().reports.is_empty(),
        "the page complained: {:?}",
        house.standin.view().reports
    );
    let log = gateway.stop_for_log(Duration::from_secs(40)).await?;
    log.lacks(&[&code, &code.replace('-', "")])
}

/// Checks an error envelope of the original service.
fn refused(answer: Answer, status: u16, code: &str) -> Result<Answer> {
    let answer = answer.expect(status)?;
    ensure!(
        answer.json["success"] == false && answer.json["code"] == code,
        "{code}: {}",
        answer.json
    );
    Ok(answer)
}
