//! How `/v1` refuses requests: in one form, in terms of the API, and without ignoring anything that
//! the caller may have meant. No session is linked here; accepted messages stay queued.

mod addresses;
mod bodies;
mod content;

use std::{fs, io, time::Duration};

use anyhow::{Context, Result, ensure};
use reqwest::Method;
use serde_json::json;
use wharf_e2e::{Answer, Api, Gateway, House, Plan, api};

const ANN: &str = "4915123456789";
const SEND: &str = "/v1/sessions/default/messages";
const SEED: &str = "/api/whatsapp/send";
const KEY: &str = "a-key-that-is-long-enough-to-be-one";

/// A gateway whose browser cannot be started.
fn bare() -> Plan {
    Plan {
        overlay: "[browser]\nexecutable = '/nowhere/chromium'\n".into(),
        ..Plan::default()
    }
}

#[tokio::test]
async fn the_own_layer_has_one_form_and_the_seed_keeps_its_own() -> Result<()> {
    let house = House::build(bare()).await?;
    let gateway = house.open().await?;
    let api = &gateway.api;
    forms(api).await.context("forms")?;
    addresses::paths(api).await.context("paths")?;
    addresses::parameters(api).await.context("parameters")?;
    addresses::sessions(api).await.context("unknown sessions")?;
    bodies::wrong_bodies(api).await.context("wrong bodies")?;
    content::not_yet(api)
        .await
        .context("what cannot be sent yet")?;
    content::cards(api).await.context("cards")?;
    ensure!(
        api.get("/v1/messages").await?.expect(200)?.json["messages"] == json!([]),
        "something was stored"
    );
    content::nulls_and_times(api)
        .await
        .context("nulls and times")?;
    inside(&house, gateway).await.context("errors inside")
}

#[tokio::test]
async fn a_caller_without_a_key_is_refused_in_the_layers_form() -> Result<()> {
    let house = House::build(Plan {
        environment: vec![("WHARF_API_KEY".into(), KEY.into())],
        ..bare()
    })
    .await?;
    let gateway = house.open().await?;
    gateway
        .api
        .get("/v1/sessions")
        .await?
        .problem_detail(401, "missing_api_key")?;
    gateway
        .api
        .get("/v1/nothing")
        .await?
        .problem_detail(401, "missing_api_key")?;
    envelope(
        &gateway.api.get("/api/whatsapp/status").await?,
        401,
        "missing_api_key",
    )?;
    Ok(())
}

async fn raw(api: &Api, path: &str, body: &str) -> Result<Answer> {
    api::answer(
        api.request(Method::POST, path)
            .header("content-type", "application/json")
            .body(body.to_owned()),
    )
    .await
}

async fn call(api: &Api, method: &str, path: &str) -> Result<Answer> {
    let request = api.request(method.parse()?, path);
    let request = if method == "POST" {
        request
            .header("content-type", "application/json")
            .body("{}")
    } else {
        request
    };
    api::answer(request).await
}

/// Checks an error envelope of the original service and returns its `message`.
fn envelope(answer: &Answer, status: u16, code: &str) -> Result<String> {
    let json = &answer.json;
    ensure!(
        answer.status == status && json["code"] == code,
        "{status} {code} is not said: {} {json}",
        answer.status
    );
    ensure!(
        answer.header("content-type") == "application/json"
            && json["success"] == false
            && json["error"].is_string(),
        "{json}"
    );
    ensure!(
        json["timestamp"].is_string() && json["title"].is_null(),
        "{json}"
    );
    Ok(json["message"].as_str().context("no message")?.to_owned())
}

async fn forms(api: &Api) -> Result<()> {
    let foreign = |path: &'static str| {
        api::answer(
            api.request(Method::GET, path)
                .header("host", "evil.example"),
        )
    };
    foreign("/v1/sessions")
        .await?
        .problem_detail(403, "host_not_loopback")?;
    envelope(
        &foreign("/api/whatsapp/status").await?,
        403,
        "host_not_loopback",
    )?;
    let plain = |path: &'static str| {
        api::answer(
            api.request(Method::POST, path)
                .header("content-type", "text/plain")
                .body("{}"),
        )
    };
    plain(SEND)
        .await?
        .problem_detail(415, "unsupported_media_type")?;
    envelope(&plain(SEED).await?, 415, "unsupported_media_type")?;
    let large = "x".repeat(2 << 20);
    raw(api, "/v1/sessions", &large)
        .await?
        .problem_detail(413, "body_too_large")?;
    raw(api, SEND, &large)
        .await?
        .problem_detail(413, "body_too_large")?;
    envelope(&raw(api, SEED, &large).await?, 413, "body_too_large")?;
    api.get("/v1/messages/%ff")
        .await?
        .problem_detail(400, "invalid_path")?;
    raw(api, SEND, "[")
        .await?
        .problem_detail(400, "invalid_body")?;
    envelope(&raw(api, SEED, "[").await?, 400, "invalid_json")?;
    envelope(
        &api.get("/api/whatsapp/status?clientId=a&clientId=b")
            .await?,
        400,
        "duplicate_parameter",
    )?;
    ensure!(
        api.get("/api/whatsapp/status?verbose=1&verbose=2")
            .await?
            .status
            == 200,
        "the seed's calls ignore what they do not know"
    );
    Ok(())
}

/// A file in place of the folder of logins: the caller gets a request id, and the log has the
/// reason.
async fn inside(house: &House, gateway: Gateway) -> Result<()> {
    let folder = house.folder().join("session/.wwebjs_auth");
    fs::remove_dir_all(&folder).or_else(|error| {
        if error.kind() == io::ErrorKind::NotFound {
            Ok(())
        } else {
            Err(error)
        }
    })?;
    fs::write(&folder, "no folder")?;
    let answer = gateway
        .api
        .post_nothing("/api/whatsapp/cleanup-sessions")
        .await?;
    let words = envelope(&answer, 500, "cleanup_failed")?;
    let id = answer.header("x-request-id").to_owned();
    ensure!(
        answer.json["requestId"] == id && !words.contains("os error") && !words.contains("wwebjs"),
        "{}",
        answer.json
    );
    let log = gateway.stop_for_log(Duration::from_secs(20)).await?;
    let mut told = log.lines();
    told.retain(|line| line.contains(&id));
    ensure!(
        told.len() == 1 && told[0].contains("ERROR") && told[0].contains("os error"),
        "{told:?}"
    );
    Ok(())
}
