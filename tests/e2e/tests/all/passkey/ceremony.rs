//! The regular ceremony in both kinds of browser: by QR and by code, the checkpoint, and a request
//! that is not for a passkey.

use super::*;

const CODE: &str = "/v1/sessions/default/pairing-code";

#[tokio::test]
async fn it_links_and_passes_checkpoints_in_the_headless_shell() -> Result<()> {
    links_and_passes("headless-shell").await
}

#[tokio::test]
async fn it_links_and_passes_checkpoints_in_the_full_browser() -> Result<()> {
    links_and_passes("headless").await
}

async fn links_and_passes(kind: &str) -> Result<()> {
    let home = Home::build(Plan {
        overlay: format!("[browser]\nkind = \"{kind}\""),
        ..Plan::default()
    })
    .await?;
    let gateway = home.house.open().await?;
    gateway
        .api
        .get(PASSKEY)
        .await?
        .problem_detail(404, "no_passkey_asked")?;
    let mut secrets = by_qr(&home, &gateway).await?;
    checkpoints(&home, &gateway).await?;
    gateway
        .api
        .post_nothing("/v1/sessions/default/logout")
        .await?
        .expect(200)?;
    secrets.codes.push(by_code(&home, &gateway).await?);
    let sent = gateway
        .api
        .send("4915123456789", "linked with a passkey")
        .await?
        .expect(200)?;
    home.no_reports()?;
    // Events are delivered in any order: this one is later than all events of the ceremonies.
    home.house
        .receiver
        .until_call("an event after the ceremonies", BOOT, |call| {
            call.event() == "message.ack" && call.json["payload"]["id"] == *sent.data("messageId")
        })
        .await?;
    gateway.api.until_all_delivered(BOOT).await?;
    for code in &secrets.codes {
        ensure!(
            !delivered(&home, code),
            "{code} went to a receiver of events"
        );
    }
    let log = gateway.stop_for_log(STOP).await?;
    let all = secrets.codes.iter().chain(&secrets.signed);
    log.lacks(&all.map(String::as_str).collect::<Vec<_>>())
}

/// What neither the log nor a receiver of events may contain.
struct Secrets {
    /// The token of the helper page and the code that is compared.
    codes: Vec<String>,
    /// Fields of an assertion; only the log is searched for them.
    signed: Vec<String>,
}

/// Links by QR. Within five minutes no code has to be compared.
async fn by_qr(home: &Home, gateway: &Gateway) -> Result<Secrets> {
    let api = &gateway.api;
    let view = home.asked(gateway).await?;
    ensure!(
        view["purpose"] == "link"
            && view["publicKey"]["rpId"] == "whatsapp.com"
            && view["codeWithout"].is_string(),
        "{view}"
    );
    ensure!(
        view["helperUrl"]
            .as_str()
            .is_some_and(|url| url.starts_with(&format!("{}/passkey/pk_", api.url))),
        "{view}"
    );
    ensure!(
        view["helperNote"].is_string(),
        "on loopback without public_url it is said that the link is local: {view}"
    );
    ensure!(
        api.get("/api/whatsapp/qr").await?.status == 404,
        "a QR is shown that would spoil the ceremony"
    );
    let info = api.get("/v1/sessions/default").await?.expect(200)?.json;
    ensure!(
        info["state"] == "qr_ready" && info["passkey"]["stage"] == "signing",
        "{info}"
    );
    ensure!(
        info["notices"].to_string().contains("passkey_needed"),
        "{}",
        info["notices"]
    );
    let refusal = api.post(CODE, &json!({"number": "4915112345678"})).await?;
    ensure!(
        refusal
            .problem_detail(409, "not_waiting_for_link")?
            .contains("WhatsApp asks for the account's passkey")
    );

    let signed = |circumstances: &Circumstances| home.key.sign(&view["publicKey"], circumstances);
    let wrong_origin = signed(&Circumstances {
        origin: "https://www.whatsapp.com".into(),
        ..Circumstances::default()
    });
    ensure!(
        api.post(PASSKEY, &wrong_origin)
            .await?
            .problem_detail(400, "invalid_assertion")?
            .contains("https://www.whatsapp.com")
    );
    let unverified = signed(&Circumstances {
        flags: 1,
        ..Circumstances::default()
    });
    ensure!(
        api.post(PASSKEY, &unverified)
            .await?
            .problem_detail(400, "invalid_assertion")?
            .contains("UV")
    );
    let other = home
        .key
        .sign(&json!({"challenge": "AAAA"}), &Circumstances::default());
    api.post(PASSKEY, &other)
        .await?
        .problem_detail(409, "wrong_challenge")?;
    api.post(PASSKEY, &json!({"id": 1}))
        .await?
        .problem_detail(400, "invalid_assertion")?;
    api.post(&format!("{PASSKEY}/confirm"), &json!({"code": "ABCD-EFGH"}))
        .await?
        .problem_detail(409, "not_waiting_for_code")?;
    ensure!(
        home.house.standin.view().passkey.refused.is_empty(),
        "WhatsApp was asked with a wrong assertion"
    );

    let good = home.sign(&view);
    let taken = api.post(PASSKEY, &good).await?.expect(202)?;
    ensure!(taken.json["publicKey"].is_null(), "{}", taken.json);
    let again = api.post(PASSKEY, &good).await?;
    ensure!(
        again.status == 404 || again.json["code"] == "not_waiting_for_passkey",
        "{}",
        again.json
    );
    api.until_state("ready", BOOT).await?;
    api.get(PASSKEY)
        .await?
        .problem_detail(404, "no_passkey_asked")?;

    let seen = home.house.standin.view();
    ensure!(
        seen.passkey.looks == ["[object PublicKeyCredential] true false"],
        "{:?}",
        seen.passkey
    );
    ensure!(
        seen.passkey.refused.is_empty() && seen.passkey.accepted == 1,
        "{:?}",
        seen.passkey
    );
    until("the end in the events", BOOT, async || {
        Ok(told(home)
            .last()
            .is_some_and(|stage| stage == "done")
            .then_some(()))
    })
    .await?;
    let stages = told(home);
    ensure!(
        stages.starts_with(&["asked".into(), "signing".into()])
            && stages.contains(&"finishing".into()),
        "{stages:?}"
    );
    ensure!(
        !stages.contains(&"confirm".into()),
        "a code had to be compared: {stages:?}"
    );
    let signed = ["signature", "authenticatorData", "userHandle"].map(|name| {
        good["response"][name]
            .as_str()
            .unwrap_or_default()
            .to_owned()
    });
    let token = view["helper"]
        .as_str()
        .unwrap_or_default()
        .trim_start_matches("/passkey/")
        .to_owned();
    Ok(Secrets {
        codes: vec![token],
        signed: signed.into(),
    })
}

/// A ready session is asked for its passkey, with and without a prf result. A request that is not
/// for a passkey is left to the browser.
async fn checkpoints(home: &Home, gateway: &Gateway) -> Result<()> {
    let passed = || home.house.standin.view().passkey.checkpoints;
    for (prf, kept) in [
        (
            Some(vec![7; 32]),
            Some("BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc".to_owned()),
        ),
        (None, None),
    ] {
        home.house.standin.checkpoint();
        let view = stage(gateway, "signing").await?;
        ensure!(
            view["purpose"] == "checkpoint" && view["codeWithout"].is_null(),
            "{view}"
        );
        ensure!(
            view["publicKey"]["extensions"]["prf"]["eval"]["first"] == "d2hhdHNhcHAtY2hhbGxlbmdl",
            "{view}"
        );
        ensure!(gateway.api.state().await? == "ready");
        // The user is not verified, because the options only prefer that.
        let answer = home.key.sign(
            &view["publicKey"],
            &Circumstances {
                flags: 1,
                prf,
                ..Circumstances::default()
            },
        );
        let before = passed().len();
        gateway.api.post(PASSKEY, &answer).await?.expect(202)?;
        until("the checkpoint", BOOT, async || {
            Ok((passed().len() > before).then_some(()))
        })
        .await?;
        ensure!(passed().last() == Some(&kept), "{:?}", passed());
        until("no notice", BOOT, async || {
            Ok(
                (gateway.api.get("/v1/sessions/default").await?.json["notices"] == json!([]))
                    .then_some(()),
            )
        })
        .await?;
    }
    gateway
        .api
        .get(PASSKEY)
        .await?
        .problem_detail(404, "no_passkey_asked")?;
    home.house.standin.push(
        None,
        json!({"type": "ask-credential", "options": {"password": true, "mediation": "silent"}}),
    );
    let others = || home.house.standin.view().passkey.others;
    until("the browser's own answer", BOOT, async || {
        Ok((!others().is_empty()).then_some(()))
    })
    .await?;
    ensure!(
        others() == ["null"] || others() == ["NotSupportedError"],
        "{:?}",
        others()
    );
    gateway
        .api
        .get(PASSKEY)
        .await?
        .problem_detail(404, "no_passkey_asked")?;
    Ok(())
}

/// Links by pairing code. After the hand-off key is forgotten, a code has to be compared, which is
/// returned.
async fn by_code(home: &Home, gateway: &Gateway) -> Result<String> {
    let api = &gateway.api;
    home.set(|passkey| {
        passkey.handoff_ttl = 0;
        passkey.embedded_options = false;
    });
    api.until_qr(BOOT).await?;
    let code = api
        .post(CODE, &json!({"number": "4915112345678"}))
        .await?
        .expect(200)?
        .json["code"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    home.house
        .standin
        .enter_code(&code, Account::default())
        .await?;
    let view = stage(gateway, "signing").await?;
    // A new pairing code at this point would replace the secret of the ceremony.
    home.house
        .standin
        .push(None, json!({"type": "alt-refresh"}));
    api.post(PASSKEY, &home.sign(&view)).await?.expect(202)?;
    let view = stage(gateway, "confirm").await?;
    let shown = view["code"].as_str().unwrap_or_default().to_owned();
    let on_phone = home.house.standin.view().passkey.codes;
    ensure!(
        shown.len() == 9 && on_phone == [shown.replace('-', "")],
        "{shown} and {on_phone:?}"
    );
    api.post(&format!("{PASSKEY}/confirm"), &json!({"code": "AAAA-AAAA"}))
        .await?
        .problem_detail(409, "wrong_code")?;
    api.post(&format!("{PASSKEY}/confirm"), &json!({}))
        .await?
        .problem_detail(400, "invalid_body")?;
    let confirm = json!({"code": shown});
    api.post(&format!("{PASSKEY}/confirm"), &confirm)
        .await?
        .expect(202)?;
    let twice = api.post(&format!("{PASSKEY}/confirm"), &confirm).await?;
    ensure!(matches!(twice.status, 404 | 409), "{}", twice.json);
    api.until_state("ready", BOOT).await?;
    Ok(shown)
}

fn delivered(home: &Home, text: &str) -> bool {
    home.house
        .receiver
        .calls()
        .iter()
        .any(|call| String::from_utf8_lossy(&call.body).contains(text))
}
