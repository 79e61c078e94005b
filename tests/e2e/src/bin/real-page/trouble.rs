//! Faults of a session: kills, reloads, a lost network, refusals, another user of the login,
//! log-outs.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, ensure};
use reqwest::Method;
use serde_json::json;
use wharf_e2e::{Gateway, api, house::BOOT, until};

use crate::{
    ME, Scene,
    sending::{ANN, one, send},
    show, until_page,
};

const LIMIT: Duration = Duration::from_secs(60);
const SENDING: &str = "/v1/sessions/default/sending";

pub(crate) async fn run(scene: &mut Scene, gateway: Gateway) -> Result<()> {
    let gateway = killed(scene, gateway).await.context("kill -9")?;
    let result = alive(scene, &gateway).await;
    if result.is_ok() {
        let log = gateway.stop_for_log(BOOT).await?;
        return log.lacks(&["the bridge stumbled"]);
    }
    show(&scene.control, &gateway).await;
    result
}

async fn alive(scene: &mut Scene, gateway: &Gateway) -> Result<()> {
    reloaded(scene, gateway).await.context("a reload")?;
    cut(scene, gateway).await.context("the network")?;
    refused(scene, gateway).await.context("refusals")?;
    conflict(scene, gateway).await.context("conflict")?;
    failures(scene, gateway).await.context("refused logins")?;
    log_outs(scene, gateway).await.context("log-outs")
}

/// Kills the gateway, and with it its browser, while messages to one chat and to several are not
/// acknowledged.
async fn killed(scene: &mut Scene, gateway: Gateway) -> Result<Gateway> {
    let mut gateway = gateway;
    for (name, numbers) in [
        ("one chat", [ANN, ANN, ANN]),
        ("several chats", [ANN, "15556667777", "15558889999"]),
    ] {
        let before = scene.control.messages().await?.len();
        scene.control.ask("holdAcks", json!({"on": true})).await?;
        let mut ids = Vec::new();
        for (n, to) in numbers.iter().enumerate() {
            ids.push(
                gateway
                    .api
                    .accept(to, &format!("through a kill, {name}, {n}"))
                    .await?,
            );
        }
        until("a message on the wire", LIMIT, async || {
            Ok((scene.control.messages().await?.len() > before).then_some(()))
        })
        .await?;
        gateway.crash().await?;
        gateway = scene.house.open().await?;
        gateway
            .api
            .until_state("ready", BOOT)
            .await
            .with_context(|| format!("its log:\n{}", gateway.log().tail()))?;
        // Messages that were sent again before this point wait for their acknowledgement.
        acknowledge(scene).await?;
        let sent = match all_sent(&gateway, &ids).await {
            Ok(sent) => sent,
            Err(error) => {
                eprintln!("{}", gateway.log().tail());
                return Err(error);
            }
        };
        let messages = scene.control.messages().await?;
        ensure!(
            messages.len() == before + ids.len(),
            "{} messages became {} on the wire",
            ids.len(),
            messages.len() - before
        );
        let transmitted = sent.iter().map(|id| {
            messages[id]["count"]
                .as_u64()
                .with_context(|| format!("{id} never went out"))
        });
        let transmitted: Vec<u64> = transmitted.collect::<Result<_>>()?;
        scene.passed(
            &format!("kill -9, {name}"),
            &format!("each once, under its id; transmitted {transmitted:?} times"),
        );
    }
    Ok(gateway)
}

async fn acknowledge(scene: &Scene) -> Result<()> {
    until_page(&scene.control).await?;
    scene.control.ask("holdAcks", json!({"on": false})).await?;
    for (id, _) in scene
        .control
        .messages()
        .await?
        .iter()
        .filter(|(_, message)| message["acked"] != true)
    {
        scene.control.ask("serverAck", json!({"id": id})).await?;
    }
    Ok(())
}

/// Waits until all are sent; returns their WhatsApp message ids.
async fn all_sent(gateway: &Gateway, ids: &[String]) -> Result<Vec<String>> {
    let mut known = Vec::new();
    for id in ids {
        let mut last = serde_json::Value::Null;
        let sent = until("sent", LIMIT, async || {
            last = gateway
                .api
                .get(&format!("/v1/messages/{id}"))
                .await?
                .expect(200)?
                .json;
            Ok((last["state"] == "sent").then_some(()))
        });
        sent.await.with_context(|| last.to_string())?;
        known.push(last["messageId"].as_str().context("no id")?.to_owned());
    }
    Ok(known)
}

async fn reloaded(scene: &mut Scene, gateway: &Gateway) -> Result<()> {
    scene.control.ask("holdAcks", json!({"on": true})).await?;
    let id = gateway.api.accept(ANN, "through a reload").await?;
    one(scene, "through a reload").await?;
    let before = scene.control.messages().await?.len();
    scene
        .control
        .ask(
            "eval",
            json!({"js": "setTimeout(() => location.reload(), 50)"}),
        )
        .await?;
    gateway
        .until_log("the reload", LIMIT, |line| {
            line.contains("the page was loaded anew")
        })
        .await?;
    gateway.api.until_state("ready", BOOT).await?;
    acknowledge(scene).await?;
    let sent = all_sent(gateway, &[id]).await?;
    let messages = scene.control.messages().await?;
    ensure!(messages.len() == before, "it went out under another id");
    scene.passed(
        "reload, same id",
        &format!("transmitted {} times", messages[&sent[0]]["count"]),
    );
    Ok(())
}

async fn cut(scene: &mut Scene, gateway: &Gateway) -> Result<()> {
    scene
        .control
        .ask("disconnect", json!({"refuse": true}))
        .await?;
    gateway.api.until_state("reconnecting", BOOT).await?;
    let id = gateway.api.accept(ANN, "while it was cut").await?;
    scene.control.ask("reconnect", json!({})).await?;
    gateway.api.until_state("ready", LIMIT).await?;
    all_sent(gateway, &[id]).await?;
    one(scene, "while it was cut").await?;
    scene.passed("connection lost and back", "");
    Ok(())
}

async fn refused(scene: &mut Scene, gateway: &Gateway) -> Result<()> {
    let api = &gateway.api;
    let ends = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs() + 3600;
    scene.control.ask("nacks", json!({"codes": [463]})).await?;
    let lock = json!({"is_active": true, "time_enforcement_ends": ends.to_string(), "enforcement_type": "DEFAULT"});
    scene.control.ask("cfg", json!({"timelock": lock})).await?;
    let answer = api
        .send("15551110001", "to a stranger")
        .await?
        .expect(503)?;
    ensure!(answer.json["code"] == "restricted", "{}", answer.json);
    let now = api.get(SENDING).await?.expect(200)?.json["restrictions"].clone();
    let until_told = now[0]["until"]
        .as_str()
        .context("no end")?
        .parse::<jiff::Timestamp>()?
        .as_second();
    ensure!(
        now[0]["code"] == 463 && u64::try_from(until_told)? == ends,
        "{now}"
    );
    scene.passed("463", "with the end of the lock");

    scene.control.ask("nacks", json!({"codes": [429]})).await?;
    let answer = api
        .send(ANN, "refused for another reason")
        .await?
        .expect(502)?;
    ensure!(
        answer.json["message"]
            .as_str()
            .is_some_and(|text| text.contains("429")),
        "{}",
        answer.json
    );
    scene.passed("429 while it is locked", "told as 429");

    let id = api.accept("15551110002", "to another stranger").await?;
    send(api, &json!({"to": ANN, "text": "acquaintances go on"})).await?;
    ensure!(
        scene.control.sent("to another stranger").await?.is_empty(),
        "a stranger was written to while it is locked"
    );
    scene.control.ask("cfg", json!({"timelock": null})).await?;
    scene.control.ask("timelock", json!({"on": false})).await?;
    all_sent(gateway, &[id]).await?;
    scene.passed("the lock is lifted", "by the page's word");

    scene.control.ask("nacks", json!({"codes": [475]})).await?;
    let answer = api
        .send("15551110003", "one new chat too many")
        .await?
        .expect(503)?;
    ensure!(answer.json["code"] == "restricted", "{}", answer.json);
    let now = api.get(SENDING).await?.expect(200)?.json["restrictions"].clone();
    ensure!(now[0]["code"] == 475, "{now}");
    api.post_nothing(&format!("{SENDING}/lift"))
        .await?
        .expect(200)?;
    scene.passed("475", "");
    Ok(())
}

/// The login is opened elsewhere; the gateway takes it back once, by a reload.
async fn conflict(scene: &mut Scene, gateway: &Gateway) -> Result<()> {
    scene.control.ask("replaced", json!({})).await?;
    gateway
        .until_log("the conflict", LIMIT, |line| {
            line.contains("opened elsewhere")
        })
        .await?;
    gateway.api.until_state("ready", BOOT).await?;
    send(
        &gateway.api,
        &json!({"to": ANN, "text": "after the conflict"}),
    )
    .await?;
    scene.passed("conflict", "taken back by a reload");
    Ok(())
}

async fn failures(scene: &mut Scene, gateway: &Gateway) -> Result<()> {
    until_page(&scene.control).await?;
    scene
        .control
        .ask("failure", json!({"reason": 402, "code": 101, "expire": 5}))
        .await?;
    gateway
        .until_log("the ban", LIMIT, |line| {
            line.contains("has banned this account until")
        })
        .await?;
    gateway.api.until_state("ready", LIMIT).await?;
    scene.passed("temporary ban (402)", "over by itself");
    until_page(&scene.control).await?;
    scene.control.ask("failure", json!({"reason": 405})).await?;
    gateway
        .until_log("the refusal", LIMIT, |line| {
            line.contains("refuses this version")
        })
        .await?;
    gateway.api.until_state("ready", LIMIT).await?;
    send(
        &gateway.api,
        &json!({"to": ANN, "text": "after a refused version"}),
    )
    .await?;
    scene.passed("version refused (405)", "");
    Ok(())
}

async fn log_outs(scene: &mut Scene, gateway: &Gateway) -> Result<()> {
    let api = &gateway.api;
    until_page(&scene.control).await?;
    scene.control.ask("logout", json!({})).await?;
    api.until_qr(BOOT).await?;
    scene.passed("log-out on the phone", "a new QR");

    let mut made = api::answer(
        api.request(Method::POST, "/v1/sessions/default/pairing-code")
            .json(&json!({"number": ME})),
    )
    .await?
    .expect(200)?;
    let code = made.json["code"].take();
    until_page(&scene.control).await?;
    scene
        .control
        .ask(
            "enterCode",
            json!({"code": code, "pn": ME, "lidMigrated": scene.lid}),
        )
        .await?;
    api.until_state("ready", BOOT).await?;
    send(api, &json!({"to": ANN, "text": "linked by a code"})).await?;
    scene.passed("pairing code", "");

    api.post_nothing("/v1/sessions/default/logout").await?;
    api.until_qr(BOOT).await?;
    scene.link(gateway).await?;
    send(api, &json!({"to": ANN, "text": "linked once more"})).await?;
    scene.passed("log-out by the API, linked again", "");
    Ok(())
}
