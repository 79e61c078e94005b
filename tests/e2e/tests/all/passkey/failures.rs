//! Failures of a ceremony: after each one the session can be linked, and the reason is given in
//! words.

use wharf_standin::Phone;

use super::*;

/// A plan with a fast clock: the page's two minutes last four seconds, and a batch of QR codes
/// lasts five.
fn quick() -> Plan {
    Plan {
        standin: Settings {
            clock: 0.033,
            ..Settings::default()
        },
        overlay: "[sessions]\nqr_limit = 100000\n[whatsapp]\npasskey_step = \"10s\"".into(),
        ..Plan::default()
    }
}

async fn failed(gateway: &Gateway, words: &str) -> Result<Value> {
    let view = stage(gateway, "failed").await?;
    ensure!(
        view["reason"]
            .as_str()
            .is_some_and(|reason| reason.contains(words)),
        "{words}: {view}"
    );
    Ok(view)
}

#[tokio::test]
async fn silence_refusals_and_second_thoughts_lead_back_to_a_qr() -> Result<()> {
    let home = Home::build(quick()).await?;
    let gateway = home.house.open().await?;
    let api = &gateway.api;

    // The phone does not answer: the page's own time limit ends the ceremony, after the QR behind
    // its dialog has changed several times.
    home.set(|passkey| passkey.phone = Phone::Silent);
    let view = home.asked(&gateway).await?;
    api.post(PASSKEY, &home.sign(&view)).await?.expect(202)?;
    stage(&gateway, "phone").await?;
    api.post(PASSKEY, &home.sign(&view))
        .await?
        .problem_detail(409, "not_waiting_for_passkey")?;
    failed(&gateway, "the phone did not answer").await?;
    api.until_qr(BOOT).await?;

    // The code is not confirmed.
    home.set(|passkey| passkey.pass_skip = false);
    let view = home.asked(&gateway).await?;
    api.post(PASSKEY, &home.sign(&view)).await?.expect(202)?;
    stage(&gateway, "confirm").await?;
    failed(&gateway, "nobody confirmed the code").await?;

    // WhatsApp refuses once: there is a new challenge on the same connection, with a code to
    // compare. Then the ceremony is cancelled.
    home.set(|passkey| passkey.phone = Phone::ServerError);
    let first = home.asked(&gateway).await?;
    ensure!(
        api.post(PASSKEY, &home.sign(&first))
            .await?
            .problem_detail(502, "refused_by_whatsapp")?
            .contains("passkey of this account")
    );
    let second = stage(&gateway, "signing").await?;
    ensure!(
        second["publicKey"]["challenge"] != first["publicKey"]["challenge"]
            && second["helper"] != first["helper"],
        "{second}"
    );
    ensure!(
        second["codeWithout"].is_null() && second["reason"].is_string(),
        "{second}"
    );
    home.set(|_| {});
    api.post(PASSKEY, &home.sign(&first))
        .await?
        .problem_detail(409, "wrong_challenge")?;
    api.post(PASSKEY, &home.sign(&second)).await?.expect(202)?;
    stage(&gateway, "confirm").await?;
    cancel(&gateway).await?.expect(204)?;
    cancel(&gateway)
        .await?
        .problem_detail(404, "no_passkey_asked")?;
    api.until_qr(BOOT).await?;

    // After two refusals the ceremony has failed.
    home.set(|passkey| passkey.phone = Phone::ServerError);
    let view = home.asked(&gateway).await?;
    api.post(PASSKEY, &home.sign(&view))
        .await?
        .problem_detail(502, "refused_by_whatsapp")?;
    let view = stage(&gateway, "signing").await?;
    api.post(PASSKEY, &home.sign(&view))
        .await?
        .problem_detail(502, "refused_by_whatsapp")?;
    failed(&gateway, "WhatsApp refused the assertion").await?;
    let reports = home.house.standin.view().reports;
    ensure!(
        reports
            .iter()
            .any(|report| report.contains("internal-server-error")),
        "the page reports what fails: {reports:?}"
    );

    // The connection is lost.
    home.set(|_| {});
    home.asked(&gateway).await?;
    home.house.standin.network(false);
    failed(&gateway, "the connection to WhatsApp was lost").await?;
    home.house.standin.network(true);

    // The server sends a second challenge: a signature for the first one is not valid any more.
    let first = home.asked(&gateway).await?;
    home.house.standin.ask_passkey_again()?;
    let second = until("the second challenge", BOOT, async || {
        let view = api.get(PASSKEY).await?.json;
        Ok((view["stage"] == "signing" && view["publicKey"] != first["publicKey"]).then_some(view))
    })
    .await?;
    api.post(PASSKEY, &home.sign(&first))
        .await?
        .problem_detail(409, "wrong_challenge")?;
    api.post(PASSKEY, &home.sign(&second)).await?.expect(202)?;
    let view = stage(&gateway, "confirm").await?;
    api.post(
        &format!("{PASSKEY}/confirm"),
        &json!({"code": view["code"]}),
    )
    .await?
    .expect(202)?;
    api.until_state("ready", BOOT).await?;
    ensure!(gateway.stop(STOP).await?.success());
    Ok(())
}

#[tokio::test]
async fn a_late_answer_is_refused_and_begins_anew_once() -> Result<()> {
    let home = Home::build(quick()).await?;
    let gateway = home.house.open().await?;
    let api = &gateway.api;
    home.set(|passkey| passkey.timeout = 500);
    let view = home.asked(&gateway).await?;
    let late = failed(&gateway, "nobody answered the challenge within 1 s").await?;
    ensure!(
        late["publicKey"]["challenge"] == view["publicKey"]["challenge"],
        "{late}"
    );
    ensure!(
        api.get("/api/whatsapp/qr").await?.status == 404,
        "a late answer can begin anew only while no QR is shown"
    );
    home.set(|_| {});
    let answer = api.post(PASSKEY, &home.sign(&view)).await?;
    ensure!(answer.json["again"] == true, "{}", answer.json);
    answer.problem_detail(410, "challenge_expired")?;
    let view = stage(&gateway, "signing").await?;
    api.post(PASSKEY, &home.sign(&view)).await?.expect(202)?;
    let view = stage(&gateway, "confirm").await?;
    api.post(
        &format!("{PASSKEY}/confirm"),
        &json!({"code": view["code"]}),
    )
    .await?
    .expect(202)?;
    api.until_state("ready", BOOT).await?;

    // Without a late answer, a QR is shown next.
    gateway
        .api
        .post_nothing("/v1/sessions/default/logout")
        .await?
        .expect(200)?;
    home.set(|passkey| passkey.timeout = 500);
    let view = home.asked(&gateway).await?;
    failed(&gateway, "nobody answered").await?;
    api.until_qr(BOOT).await?;
    let answer = api.post(PASSKEY, &home.sign(&view)).await?;
    ensure!(answer.json["again"] == false, "{}", answer.json);
    answer.problem_detail(410, "challenge_expired")?;
    ensure!(gateway.stop(STOP).await?.success());
    Ok(())
}

#[tokio::test]
async fn a_gateway_that_is_killed_in_the_middle_begins_with_a_new_qr() -> Result<()> {
    let home = Home::build(Plan::default()).await?;
    for wanted in ["signing", "phone"] {
        home.set(|passkey| {
            passkey.phone = if wanted == "phone" {
                Phone::Silent
            } else {
                Phone::Answers
            }
        });
        let gateway = home.house.open().await?;
        let view = home.asked(&gateway).await?;
        if wanted == "phone" {
            gateway
                .api
                .post(PASSKEY, &home.sign(&view))
                .await?
                .expect(202)?;
            stage(&gateway, "phone").await?;
        }
        gateway.crash().await?;

        let gateway = home.house.open().await?;
        home.set(|_| {});
        gateway.api.until_qr(BOOT).await?;
        gateway
            .api
            .get(PASSKEY)
            .await?
            .problem_detail(404, "no_passkey_asked")?;
        let old = api::answer(
            gateway
                .api
                .request(Method::GET, view["helper"].as_str().unwrap_or_default())
                .header("Accept", "application/json"),
        )
        .await?;
        old.problem_detail(404, "unknown_token")?;
        if wanted == "phone" {
            let view = home.asked(&gateway).await?;
            gateway
                .api
                .post(PASSKEY, &home.sign(&view))
                .await?
                .expect(202)?;
            gateway.api.until_state("ready", BOOT).await?;
        }
        ensure!(gateway.stop(STOP).await?.success());
    }
    Ok(())
}

/// Without the modules of this feature the events are missing, but linking works: the bridge clicks
/// the page's own button.
#[tokio::test]
async fn a_build_that_keeps_its_parts_elsewhere_is_told_by_its_button() -> Result<()> {
    let missing = [
        "WAWebShortcakeLinkingAction",
        "WAWebShortcakeLinkingApi",
        "WAWebLinkDeviceEvents",
    ]
    .map(ToOwned::to_owned)
    .to_vec();
    let home = Home::build(Plan {
        standin: Settings {
            missing,
            ..Settings::default()
        },
        ..Plan::default()
    })
    .await?;
    let gateway = home.house.open().await?;
    let view = home.asked(&gateway).await?;
    gateway
        .api
        .post(PASSKEY, &home.sign(&view))
        .await?
        .expect(202)?;
    gateway.api.until_state("ready", BOOT).await?;
    home.no_reports()?;
    ensure!(gateway.stop(STOP).await?.success());
    Ok(())
}

/// The session continues to work, and a late answer to a checkpoint makes the page ask again.
#[tokio::test]
async fn a_checkpoint_that_nobody_answers_is_asked_again_by_a_late_answer() -> Result<()> {
    let home = Home::build(Plan {
        overlay: "[whatsapp]\npasskey_timeout = \"1500ms\"".into(),
        ..Plan::default()
    })
    .await?;
    home.set(|passkey| passkey.ask = Ask::Off);
    let gateway = home.house.open_linked().await?;
    home.house.standin.checkpoint();
    let view = stage(&gateway, "signing").await?;
    failed(&gateway, "nobody answered the challenge within 2 s").await?;
    ensure!(gateway.api.state().await? == "ready");
    gateway
        .api
        .send("4915123456789", "behind the dialog")
        .await?
        .expect(200)?;
    let notices = gateway.api.get("/v1/sessions/default").await?.json["notices"].to_string();
    ensure!(notices.contains("passkey_needed"), "{notices}");
    gateway
        .api
        .post(PASSKEY, &home.sign(&view))
        .await?
        .problem_detail(410, "challenge_expired")?;
    let view = stage(&gateway, "signing").await?;
    gateway
        .api
        .post(PASSKEY, &home.sign(&view))
        .await?
        .expect(202)?;
    let passed = || home.house.standin.view().passkey.checkpoints.len();
    until("the checkpoint", BOOT, async || {
        Ok((passed() == 1).then_some(()))
    })
    .await?;
    ensure!(gateway.stop(STOP).await?.success());
    Ok(())
}
