//! Access to the helper page: its link needs no API key and gives access to one challenge only.

use super::*;

const KEY: &str = "0123456789abcdef-a-key";

#[tokio::test]
async fn whoever_has_the_link_needs_no_key_and_gets_this_challenge_alone() -> Result<()> {
    let overlay = format!(
        "[server]\npublic_url = \"https://wharf.example.org/w/\"\n[api]\nkeys = [\"{KEY}\"]"
    );
    let home = Home::build(Plan {
        overlay,
        ..Plan::default()
    })
    .await?;
    let gateway = home.house.open().await?;
    let api = &gateway.api;
    let keyed = async |method: Method, path: &str| {
        api::answer(api.request(method, path).bearer_auth(KEY)).await
    };
    let asked = async || -> Result<Value> {
        until("a scan", BOOT, async || {
            ensure!(keyed(Method::GET, "/api/whatsapp/qr").await?.status != 401);
            Ok(home.house.standin.scan(None, Account::default()).await.ok())
        })
        .await?;
        until("the challenge", BOOT, async || {
            Ok(Some(keyed(Method::GET, PASSKEY).await?.json)
                .filter(|view| view["stage"] == "signing"))
        })
        .await
    };
    let view = asked().await?;
    ensure!(
        api.get(PASSKEY).await?.status == 401,
        "the API needs its key"
    );
    let path = view["helper"].as_str().context("a helper")?.to_owned();
    ensure!(
        view["helperUrl"] == format!("https://wharf.example.org/w{path}")
            && view["helperNote"].is_null(),
        "{view}"
    );

    let page = api.get(&path).await?.expect(200)?;
    let policy = page.header("content-security-policy");
    ensure!(
        policy.contains("default-src 'none'")
            && policy.contains("connect-src 'self'")
            && !policy.contains("unsafe"),
        "{policy}"
    );
    ensure!(
        page.header("cache-control") == "no-store"
            && page.header("referrer-policy") == "no-referrer"
    );
    let text = String::from_utf8_lossy(&page.body).into_owned();
    ensure!(
        text.contains("allow pasting") && !text.contains("http://") && !text.contains("https://"),
        "an external part"
    );
    let look = async |path: &str| {
        api::answer(
            api.request(Method::GET, path)
                .header("Accept", "application/json"),
        )
        .await
    };
    let state = look(&path).await?.expect(200)?.json;
    let challenge = view["publicKey"]["challenge"]
        .as_str()
        .context("a challenge")?;
    ensure!(
        state["snippet"]
            .as_str()
            .is_some_and(|snippet| snippet.contains(challenge)),
        "{state}"
    );
    look("/passkey/pk_00000000000000000000000000000000")
        .await?
        .problem_detail(404, "unknown_token")?;
    ensure!(
        api.get("/passkey/pk_0").await?.status == 404,
        "a page for nothing"
    );

    let good = home.sign(&view);
    let plain = api
        .request(Method::POST, &path)
        .header("Content-Type", "text/plain")
        .body(good.to_string());
    api::answer(plain)
        .await?
        .problem_detail(415, "unsupported_media_type")?;
    api.post(&path, &json!({}))
        .await?
        .problem_detail(400, "invalid_assertion")?;
    home.set(|passkey| passkey.handoff_ttl = 0);
    api.post(&path, &good).await?.expect(202)?;
    // The page forgets the hand-off key only for later requests; this one needs no code.
    until("ready", BOOT, async || {
        Ok(
            (keyed(Method::GET, "/v1/sessions/default").await?.json["state"] == "ready")
                .then_some(()),
        )
    })
    .await?;
    let over = look(&path).await?.expect(200)?.json;
    ensure!(
        over == json!({"stage": "done", "reason": "linked"}),
        "{over}"
    );
    api.post(&path, &good)
        .await?
        .problem_detail(410, "challenge_expired")?;

    // A different code belongs to another phone, so the user answers no.
    api::answer(
        api.request(Method::POST, "/v1/sessions/default/logout")
            .bearer_auth(KEY),
    )
    .await?
    .expect(200)?;
    let view = asked().await?;
    let path = view["helper"].as_str().context("a helper")?.to_owned();
    api.post(&path, &home.sign(&view)).await?.expect(202)?;
    let state = until("the code", BOOT, async || {
        Ok(Some(look(&path).await?.json).filter(|state| state["stage"] == "confirm"))
    })
    .await?;
    let answer = api
        .post(
            &format!("{path}/confirm"),
            &json!({"code": state["code"], "same": false}),
        )
        .await?
        .expect(202)?;
    ensure!(answer.json["stage"] == "done", "{}", answer.json);
    keyed(Method::GET, PASSKEY)
        .await?
        .problem_detail(404, "no_passkey_asked")?;

    // Guessing tokens is rate-limited.
    let limited = until("the limit", BOOT, async || {
        Ok(Some(look("/passkey/pk_1").await?).filter(|answer| answer.status == 429))
    })
    .await?;
    ensure!(!limited.header("retry-after").is_empty(), "no Retry-After");
    ensure!(gateway.stop(STOP).await?.success());
    Ok(())
}
