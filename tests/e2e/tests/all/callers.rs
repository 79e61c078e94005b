//! Which callers are accepted, and configurations with which the gateway refuses to start. No page
//! is loaded here.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use reqwest::Method;
use wharf_e2e::{House, Plan, api, gateway};

const KEY: &str = "a-key-that-is-long-enough-to-be-one";

/// A gateway without plugins whose browser cannot be started.
fn bare(more: &str) -> Plan {
    Plan {
        overlay: format!("plugin = []\n[browser]\nexecutable = '/nowhere/chromium'\n{more}"),
        ..Plan::default()
    }
}

#[tokio::test]
async fn on_loopback_only_loopback_names_and_json_get_in() -> Result<()> {
    let house = House::build(bare("")).await?;
    let gateway = house.open().await?;
    let status = |name: &'static str, value: &'static str| {
        let request = gateway
            .api
            .request(Method::GET, "/api/whatsapp/status")
            .header(name, value);
        async move { api::answer(request).await.map(|answer| answer.status) }
    };
    ensure!(status("host", "localhost:3001").await? == 200);
    ensure!(
        status("host", "evil.example:3001").await? == 403,
        "another host's name got in"
    );
    let send = |kind: &'static str| {
        gateway
            .api
            .request(Method::POST, "/api/whatsapp/send")
            .header("content-type", kind)
            .body("{}")
    };
    ensure!(
        api::answer(send("text/plain")).await?.status == 415,
        "a form of a foreign page got in"
    );
    ensure!(api::answer(send("application/json")).await?.status == 400);
    let post = |origin: &'static str| {
        gateway
            .api
            .request(Method::POST, "/api/whatsapp/cleanup-sessions")
            .header("origin", origin)
    };
    ensure!(
        api::answer(post("https://evil.example")).await?.status == 403,
        "a foreign page's POST got in"
    );
    ensure!(api::answer(post("http://localhost:3001")).await?.status == 200);
    // Without a browser no session is ready, and the API says so.
    ensure!(gateway.api.send("4915123456789", "x").await?.status == 503);
    ensure!(gateway.stop(Duration::from_secs(20)).await?.success());
    Ok(())
}

#[tokio::test]
async fn with_a_key_only_its_bearer_gets_in() -> Result<()> {
    let house = House::build(Plan {
        environment: vec![("WHARF_API_KEY".into(), KEY.into())],
        ..bare("")
    })
    .await?;
    let gateway = house.open().await?;
    let call = |path: &'static str, header: Option<(&'static str, String)>| {
        let request = gateway.api.request(Method::GET, path);
        let request = match header {
            Some((name, value)) => request.header(name, value),
            None => request,
        };
        async move { api::answer(request).await.map(|answer| answer.status) }
    };
    ensure!(call("/api/whatsapp/status", None).await? == 401);
    ensure!(
        call(
            "/api/whatsapp/status",
            Some(("x-api-key", "another-key-of-enough-length".into()))
        )
        .await?
            == 401
    );
    ensure!(call("/api/whatsapp/status", Some(("x-api-key", KEY.into()))).await? == 200);
    ensure!(
        call(
            "/api/whatsapp/status",
            Some(("authorization", format!("Bearer {KEY}")))
        )
        .await?
            == 200
    );
    for open in ["/health", "/livez"] {
        ensure!(call(open, None).await? == 200, "{open} asks for a key");
    }
    let log = gateway.stop_for_log(Duration::from_secs(20)).await?;
    log.lacks(&[KEY])
}

/// Starts a gateway that must refuse to start; returns its output.
pub(crate) async fn refusal(house: &House) -> Result<String> {
    let ended = tokio::time::timeout(
        Duration::from_secs(30),
        gateway::command(house.folder())?.output(),
    );
    let output = ended.await.context("it started")??;
    ensure!(!output.status.success(), "it ended with success");
    Ok(format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    ))
}

#[tokio::test]
async fn an_open_address_without_a_key_is_refused_with_the_reason() -> Result<()> {
    let said = refusal(&House::build(bare("[server]\nhost = '0.0.0.0'")).await?).await?;
    ensure!(said.contains("0.0.0.0") && said.contains("key"), "{said}");
    Ok(())
}

#[tokio::test]
async fn a_misspelt_key_is_refused_with_file_line_and_key() -> Result<()> {
    let said = refusal(&House::build(bare("[send]\ntimeuot = '5s'")).await?).await?;
    ensure!(
        said.contains("gateway.toml")
            && said.contains("timeuot")
            && said.contains("line") | said.contains("gateway.toml:"),
        "{said}"
    );
    Ok(())
}

#[tokio::test]
async fn a_send_leaves_by_the_session_that_the_address_names_or_not_at_all() -> Result<()> {
    let house = House::build(bare("")).await?;
    let gateway = house.open().await?;
    let send = async |path: &str, client: serde_json::Value| {
        let body =
            serde_json::json!({"number": "4915123456789", "message": "hello", "clientId": client});
        gateway.api.post_async(path, &body).await
    };
    let null = serde_json::Value::Null;
    ensure!(
        send("/api/whatsapp/send?clientId=nobody", null.clone())
            .await?
            .expect(404)?
            .json["code"]
            == "unknown_client"
    );
    ensure!(
        send("/api/whatsapp/send?clientId=nobody", "default".into())
            .await?
            .expect(400)?
            .json["code"]
            == "invalid_client_id"
    );
    for (path, client) in [
        ("/api/whatsapp/send?clientId=default", null.clone()),
        ("/api/whatsapp/send?clientId=default", "default".into()),
        ("/api/whatsapp/send", null),
    ] {
        send(path, client).await?.expect(202)?;
    }
    Ok(())
}
