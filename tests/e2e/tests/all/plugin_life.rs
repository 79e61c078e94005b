//! The life of plugins over the API of the running gateway: reloads, switches for single sessions,
//! and what survives a restart.
//!
//! Validation happens when a message is accepted, so no browser is needed: `Prefer: respond-async`
//! is answered at the commit.

use std::{fs, path::Path, time::Duration};

use anyhow::{Context, Result, ensure};
use reqwest::Method;
use serde_json::json;
use tempfile::TempDir;
use wharf_e2e::{
    Gateway, House, Plan,
    api::{Answer, answer},
    gateway::{self, write_config},
    house::guests,
    until,
};

const NUMBER: &str = "4915123456789";
const STOP: Duration = Duration::from_secs(30);

/// A house whose plugin folder has the guests `good` and `odd`, with an entry for `good`.
async fn house() -> Result<(House, TempDir)> {
    let folder = tempfile::tempdir()?;
    let plugins = folder.path();
    for file in ["good.wasm", "odd.wasm"] {
        fs::copy(guests().join(file), plugins.join(file)).context("a guest")?;
    }
    let overlay = format!(
        "[browser]\nexecutable = '/nowhere/chromium'\n[plugins]\ndir = {plugins:?}\n[[plugin]]\nname = 'good'\n"
    );
    let plan = Plan {
        overlay,
        ..Plan::default()
    };
    Ok((House::build(plan).await?, folder))
}

/// Replaces the plugin entries of the gateway's file.
fn set_entries(folder: &Path, entries: &str) -> Result<()> {
    let text = fs::read_to_string(folder.join("gateway.toml"))?;
    let mut config: toml::Table = text.parse()?;
    let new: toml::Table = entries.parse()?;
    config.remove("plugin");
    config.extend(new);
    write_config(folder, &toml::to_string(&config)?)
}

async fn reload(gateway: &Gateway, name: &str) -> Result<Answer> {
    gateway
        .api
        .post_nothing(&format!("/v1/plugins/{name}/reload"))
        .await
}

/// The status of a message with a word that the guest `good` forbids: 422, or 202 without it.
async fn said(gateway: &Gateway) -> Result<u16> {
    Ok(gateway.api.send_async(NUMBER, "forbidden").await?.status)
}

async fn switch(gateway: &Gateway, path: &str, body: &serde_json::Value) -> Result<Answer> {
    answer(gateway.api.request(Method::PUT, path).json(body)).await
}

#[tokio::test]
async fn a_plugin_is_added_changed_refused_and_removed_by_a_reload() -> Result<()> {
    let (house, _plugins) = house().await?;
    let gateway = house.open().await?;
    let good = "[[plugin]]\nname = 'good'\n";
    let odd = |behaviour: &str| {
        format!("{good}[[plugin]]\nname = 'odd'\nconfig = {{ behaviour = '{behaviour}' }}\n")
    };
    reload(&gateway, "odd")
        .await?
        .problem(404, "unknown_plugin")?;

    set_entries(house.folder(), &odd("exit"))?;
    let added = reload(&gateway, "odd").await?.expect(200)?.json;
    ensure!(
        added["before"].is_null() && added["after"]["version"] == "0.0.1",
        "{added}"
    );
    let refused = gateway.api.send_async(NUMBER, "hello").await?.expect(422)?;
    ensure!(refused.json["code"] == "plugin_failed", "{}", refused.json);
    set_entries(house.folder(), &odd("allow"))?;
    let changed = reload(&gateway, "odd").await?.expect(200)?.json;
    ensure!(
        changed["before"]["component"] == changed["after"]["component"]
            && changed["before"]["component"].is_string(),
        "{changed}"
    );
    gateway.api.send_async(NUMBER, "hello").await?.expect(202)?;

    // What an operator may write is what the entry grants that is in use.
    let entry = "/v1/plugins/odd/kv/entry?session=default&key=a";
    let write = || {
        answer(
            gateway
                .api
                .request(Method::POST, entry)
                .json(&json!({"text": "b"})),
        )
    };
    write().await?.problem(422, "grant_missing")?;
    set_entries(
        house.folder(),
        &(odd("allow") + "grants = { kv = '1KiB' }\n"),
    )?;
    reload(&gateway, "odd").await?.expect(200)?;
    write().await?.expect(200)?;

    set_entries(house.folder(), &odd("x"))?;
    let detail = reload(&gateway, "odd")
        .await?
        .problem_detail(422, "plugin_refused")?;
    ensure!(detail.contains("behaviour"), "{detail}");
    write_config(house.folder(), "[[plugin]]\nname = 'odd'\nfile =")?;
    let detail = reload(&gateway, "odd")
        .await?
        .problem_detail(422, "configuration_invalid")?;
    ensure!(detail.contains("gateway.toml"), "{detail}");
    gateway.api.send_async(NUMBER, "hello").await?.expect(202)?;
    let listed = gateway.api.get("/v1/plugins").await?.expect(200)?.json;
    let [one, other] = [&listed["plugins"][0], &listed["plugins"][1]];
    ensure!(
        one["name"] == "good" && one["state"] == "loaded" && one["failedReload"].is_null(),
        "{listed}"
    );
    ensure!(
        other["name"] == "odd"
            && other["state"] == "loaded"
            && other["loadedAt"].is_string()
            && other["failedReload"]["reason"]
                .as_str()
                .is_some_and(|reason| reason.contains("behaviour")),
        "{listed}"
    );
    Ok(())
}

#[tokio::test]
async fn a_removed_plugin_decides_nothing_and_a_quarantined_one_is_told_of() -> Result<()> {
    let (house, _plugins) = house().await?;
    let gateway = house.open().await?;
    ensure!(said(&gateway).await? == 422);
    let odd = "[[plugin]]\nname = 'odd'\nquarantine = { failures = 2, within = '1h', pause = '1h' }\nconfig = { behaviour = 'panic' }\n";
    set_entries(house.folder(), odd)?;
    let removed = reload(&gateway, "good").await?.expect(200)?.json;
    ensure!(removed["after"].is_null(), "{removed}");
    ensure!(said(&gateway).await? == 202);
    reload(&gateway, "odd").await?.expect(200)?;
    let mut codes = Vec::new();
    for _ in 0..3 {
        let refused = gateway.api.send_async(NUMBER, "hello").await?.expect(422)?;
        codes.push(refused.json["code"].clone());
    }
    ensure!(
        codes == ["plugin_failed", "plugin_failed", "plugin_quarantined"],
        "{codes:?}"
    );
    let listed = gateway.api.get("/v1/plugins").await?.expect(200)?.json;
    ensure!(
        listed["plugins"][0]["quarantinedUntil"].is_string(),
        "{listed}"
    );
    // The event is recorded beside the call.
    let counted = until("the metrics", STOP, async || {
        let metrics = gateway.api.get("/metrics").await?.expect(200)?;
        let metrics = String::from_utf8_lossy(&metrics.body).into_owned();
        let has = |name: &str, labels: &[&str]| {
            metrics.lines().any(|line| {
                line.starts_with(name)
                    && labels.iter().all(|label| line.contains(label))
                    && line.ends_with(" 1")
            })
        };
        let all = has("wharf_plugin_quarantines_total", &["plugin=\"odd\""])
            && has(
                "wharf_plugin_reloads_total",
                &["plugin=\"good\"", "outcome=\"removed\""],
            )
            && has("wharf_events_total", &["kind=\"plugin.quarantined\""]);
        Ok(all.then_some(()))
    });
    counted.await?;

    // A reload ends the quarantine, which is told too.
    reload(&gateway, "odd").await?.expect(200)?;
    until("the end of the quarantine", STOP, async || {
        let metrics = gateway.api.get("/metrics").await?.expect(200)?;
        let metrics = String::from_utf8_lossy(&metrics.body).into_owned();
        let ended = |line: &str| {
            line.starts_with("wharf_events_total")
                && line.contains("kind=\"plugin.quarantine_ended\"")
                && line.ends_with(" 1")
        };
        Ok(metrics.lines().any(ended).then_some(()))
    })
    .await
}

#[tokio::test]
async fn a_candidate_decides_nothing_and_what_it_would_have_answered_is_listed() -> Result<()> {
    const CANDIDATE: &str = "/v1/plugins/odd/candidate";
    let (house, _plugins) = house().await?;
    let gateway = house.open().await?;
    let odd = "[[plugin]]\nname = 'odd'\nconfig = { behaviour = 'allow' }\n";
    set_entries(house.folder(), odd)?;
    reload(&gateway, "odd").await?.expect(200)?;
    let get = async |path: &str| gateway.api.get(path).await;
    get(CANDIDATE).await?.problem(404, "not_found")?;
    get("/v1/plugins/none/candidate")
        .await?
        .problem(404, "unknown_plugin")?;
    get(&format!("{CANDIDATE}/differences?cursor=x"))
        .await?
        .problem(400, "invalid_query")?;

    // Without the grant, the guest says in a rejection that it has no secret.
    let with = format!("{odd}candidate = {{ config = {{ behaviour = 'secret' }} }}\n");
    set_entries(house.folder(), &with)?;
    reload(&gateway, "odd").await?.expect(200)?;
    let mut ids = Vec::new();
    for _ in 0..2 {
        let accepted = answer(
            gateway
                .api
                .request(Method::POST, "/v1/sessions/default/messages")
                .header("Prefer", "respond-async")
                .json(&json!({"to": NUMBER, "text": "hello"})),
        );
        ids.push(accepted.await?.expect(202)?.json["id"].clone());
    }
    let told = until("both answers", STOP, async || {
        let page = get(&format!("{CANDIDATE}/differences"))
            .await?
            .expect(200)?;
        let both = page.json["differences"]
            .as_array()
            .is_some_and(|all| all.len() == 2);
        Ok(both.then_some(page.json))
    });
    let told = told.await?;
    let [newest, oldest] = [&told["differences"][0], &told["differences"][1]];
    ensure!(
        newest["message"] == ids[1] && oldest["message"] == ids[0],
        "{told} {ids:?}"
    );
    ensure!(
        newest["differs"] == json!(["verdict"])
            && newest["session"] == "default"
            && newest["plugin"]["verdict"] == "allow"
            && newest["candidate"]["verdict"] == "reject"
            && newest["candidate"]["code"] == "secret"
            && newest["candidate"]["explanation"] == "none"
            && told["next"].is_null(),
        "{told}"
    );
    let first = get(&format!("{CANDIDATE}/differences?limit=1"))
        .await?
        .expect(200)?
        .json;
    let next = first["next"].as_str().context("no next page")?;
    let second = get(&format!("{CANDIDATE}/differences?limit=1&cursor={next}"))
        .await?
        .expect(200)?
        .json;
    ensure!(
        second["differences"][0] == *oldest && second["next"].is_null(),
        "{second}"
    );
    let report = get(CANDIDATE).await?.expect(200)?.json;
    ensure!(
        report["reason"].is_null()
            && report["version"] == "0.0.1"
            && report["component"] == newest["candidate"]["component"]
            && report["counts"]["differing"] == 2,
        "{report}"
    );

    // The command reads the port from the configuration.
    let config = house.folder().join("gateway.toml");
    let port = gateway.api.url.rsplit(':').next().context("a port")?;
    let text = fs::read_to_string(&config)?.replace("port = 0", &format!("port = {port}"));
    write_config(house.folder(), &text)?;
    let mut command = gateway::command(house.folder())?;
    let output = command
        .args(["plugin", "candidate", "odd"])
        .output()
        .await?;
    let said = String::from_utf8(output.stdout)?;
    ensure!(
        output.status.success()
            && said.contains("differing: 2")
            && said.contains("allow → reject (secret) (verdict): none"),
        "{said}"
    );
    gateway.stop(STOP).await?;

    let gateway = house.open().await?;
    let report = gateway.api.get(CANDIDATE).await?.expect(200)?.json;
    ensure!(report["counts"]["differing"] == 0, "counted anew: {report}");
    let kept = gateway
        .api
        .get(&format!("{CANDIDATE}/differences"))
        .await?
        .expect(200)?
        .json;
    ensure!(kept == told, "{kept}");
    Ok(())
}

#[tokio::test]
async fn a_switch_for_a_session_is_kept_over_reloads_and_restarts_until_it_is_taken_back()
-> Result<()> {
    let (house, _plugins) = house().await?;
    let gateway = house.open().await?;
    let path = "/v1/sessions/default/plugins/good";
    ensure!(said(&gateway).await? == 422);
    for (body, code) in [
        (json!({"enabled": "no"}), "invalid_body"),
        (json!({}), "invalid_body"),
        (json!({"enabled": true, "more": 1}), "invalid_body"),
    ] {
        switch(&gateway, path, &body).await?.problem(400, code)?;
    }
    let off = json!({"enabled": false});
    switch(&gateway, "/v1/sessions/default/plugins/none", &off)
        .await?
        .problem(404, "unknown_plugin")?;
    switch(&gateway, "/v1/sessions/none/plugins/good", &off)
        .await?
        .problem(404, "unknown_client")?;

    let switched = switch(&gateway, path, &off).await?.expect(200)?.json;
    ensure!(
        switched["serves"] == false && switched["because"] == "switch",
        "{switched}"
    );
    ensure!(said(&gateway).await? == 202);
    reload(&gateway, "good").await?.expect(200)?;
    ensure!(said(&gateway).await? == 202);
    gateway.stop(STOP).await?;

    let gateway = house.open().await?;
    ensure!(said(&gateway).await? == 202);
    let listed = gateway
        .api
        .get("/v1/sessions/default/plugins")
        .await?
        .expect(200)?
        .json;
    ensure!(
        listed["plugins"][0]["plugin"] == "good" && listed["plugins"][0]["enabled"] == false,
        "{listed}"
    );
    let back = answer(gateway.api.request(Method::DELETE, path))
        .await?
        .expect(200)?
        .json;
    ensure!(
        back["serves"] == true && back["because"] == "sessions" && back["enabled"].is_null(),
        "{back}"
    );
    ensure!(said(&gateway).await? == 422);
    Ok(())
}
