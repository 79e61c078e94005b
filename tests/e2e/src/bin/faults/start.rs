//! Faults at the start and the end: starts that fail, ends in every state of a session, and twenty
//! sessions at once.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use wharf_e2e::{Gateway, House, Plan, until};
use wharf_standin::{Account, Settings};

use crate::{
    Run, alone,
    report::Row,
    scene::{LIMIT, OVERLAY},
};

const STOP: Duration = Duration::from_secs(40);
const SESSIONS: usize = 20;

pub(crate) async fn all(run: &mut Run) -> Result<()> {
    alone!(run, "Chromium missing", missing);
    alone!(run, "QR codes used up", used_up);
    alone!(run, "gateway SIGTERM in each state", terminated);
    alone!(run, "gateway SIGKILL in each state", killed);
    alone!(run, "twenty sessions at once", twenty);
    Ok(())
}

async fn reason(gateway: &Gateway) -> Result<String> {
    let info = gateway
        .api
        .get("/v1/sessions/default")
        .await?
        .expect(200)?
        .json;
    Ok(format!(
        "`{}`: {}",
        info["state"].as_str().unwrap_or_default(),
        info["reason"].as_str().unwrap_or_default()
    ))
}

async fn missing(name: &str) -> Result<Row> {
    let overlay = format!("{OVERLAY}executable = \"/nowhere/chromium\"\n");
    let house = House::build(Plan {
        overlay,
        ..Plan::default()
    })
    .await?;
    let gateway = house.open().await?;
    gateway.api.until_state("error", LIMIT).await?;
    let said = reason(&gateway).await?;
    ensure!(said.contains("/nowhere/chromium"), "{said}");
    gateway
        .api
        .send("4915123456789", "hello")
        .await?
        .expect(503)?;
    gateway.stop(STOP).await?;
    Ok(Row {
        name: name.into(),
        made: "`[browser] executable` names no file",
        said,
        recovered: "ends; the API answers".into(),
        lost: "nothing",
    })
}

async fn used_up(name: &str) -> Result<Row> {
    let overlay = format!("{OVERLAY}[sessions.session]\n")
        .replace("[sessions]\n", "[sessions]\nqr_limit = 8\n");
    let standin = Settings {
        clock: 0.02,
        ..Settings::default()
    };
    let house = House::build(Plan {
        overlay,
        standin,
        ..Plan::default()
    })
    .await?;
    let gateway = house.open().await?;
    gateway.api.until_state("disconnected", LIMIT).await?;
    let said = reason(&gateway).await?;
    ensure!(said.contains("nobody scanned any of 8 QR codes"), "{said}");
    gateway
        .api
        .post_nothing("/api/whatsapp/reconnect")
        .await?
        .expect(200)?;
    let qr = gateway.api.until_qr(LIMIT).await?;
    ensure!(!qr.is_empty());
    gateway.stop(STOP).await?;
    let made = "nobody scans: one batch of six, a second one asked for, the limit of 8 reached";
    Ok(Row {
        name: name.into(),
        made,
        said,
        recovered: "a person reconnects".into(),
        lost: "nothing",
    })
}

/// Brings a session into each of five states and ends the gateway there with `end`; then checks
/// that the login still works. Returns the names of the states.
async fn in_each_state(end: impl AsyncFn(Gateway) -> Result<()>) -> Result<Vec<&'static str>> {
    let mut done = Vec::new();
    let house = House::build(Plan {
        overlay: OVERLAY.into(),
        ..Plan::default()
    })
    .await?;
    // Before the first link there is only a QR code.
    let gateway = house.open().await?;
    gateway.api.until_qr(LIMIT).await?;
    end(gateway).await?;
    done.push("qr_ready");

    let gateway = house.open_linked().await?;
    end(gateway).await?;
    done.push("ready");

    let states: [(&str, &str); 3] = [
        ("loading", r#"{"pageStatus":null}"#),
        ("authenticated", r#"{"syncDelay":600000}"#),
        ("reconnecting", r#"{"pageStatus":503}"#),
    ];
    for (state, patch) in states {
        house.standin.set(serde_json::from_str(patch)?);
        let gateway = house.open().await?;
        // Each of these states lasts long enough to be seen by asking every 50 ms.
        until(state, LIMIT, async || {
            Ok((gateway.api.state().await? == state).then_some(()))
        })
        .await?;
        end(gateway).await?;
        done.push(state);
        house
            .standin
            .set(serde_json::json!({"syncDelay": 300, "pageStatus": null}));
    }
    let gateway = house.open().await?;
    until("ready without a QR", LIMIT, async || {
        let state = gateway.api.state().await?;
        ensure!(state != "qr_ready", "the login was lost");
        Ok((state == "ready").then_some(()))
    })
    .await?;
    gateway
        .api
        .send("4915123456789", "all the same")
        .await?
        .expect(200)?;
    gateway.stop(STOP).await?;
    Ok(done)
}

async fn terminated(name: &str) -> Result<Row> {
    let states = in_each_state(async |gateway| {
        let status = gateway.stop(STOP).await?;
        ensure!(status.code() == Some(0), "{status}");
        Ok(())
    })
    .await?;
    let said = format!("exit status 0 in {}; no process left", states.join(", "));
    Ok(Row {
        name: name.into(),
        made: "SIGTERM, then a start",
        said,
        recovered: "at the next start".into(),
        lost: "nothing, no QR",
    })
}

async fn killed(name: &str) -> Result<Row> {
    let states = in_each_state(async |gateway| {
        // Chromium writes a new login to the disk seconds later; the guard process gives it that
        // time.
        gateway.crash().await
    })
    .await?;
    let said = format!("killed in {}; no process left", states.join(", "));
    Ok(Row {
        name: name.into(),
        made: "`kill -9`, then a start",
        said,
        recovered: "at the next start".into(),
        lost: "nothing, no QR",
    })
}

async fn twenty(name: &str) -> Result<Row> {
    let mut overlay = OVERLAY.replace("boot_timeout = \"8s\"", "boot_timeout = \"60s\"");
    for n in 1..SESSIONS {
        overlay.push_str(&format!("[sessions.session.s{n}]\n"));
    }
    let house = House::build(Plan {
        overlay,
        ..Plan::default()
    })
    .await?;
    let began = Instant::now();
    let gateway = house.open().await?;
    let limit = LIMIT * 5;
    until("twenty QR codes", limit, async || {
        let all = gateway.api.get("/v1/sessions").await?.expect(200)?.json;
        let all = all["sessions"].as_array().cloned().unwrap_or_default();
        ensure!(all.len() == SESSIONS, "{} sessions", all.len());
        let wrong: Vec<_> = all
            .iter()
            .filter(|one| {
                !matches!(
                    one["state"].as_str(),
                    Some("disconnected" | "loading" | "qr_ready")
                )
            })
            .collect();
        ensure!(wrong.is_empty(), "{wrong:#?}");
        Ok(all
            .iter()
            .all(|one| one["state"] == "qr_ready")
            .then_some(()))
    })
    .await?;
    let recovered = format!("{:.1} s", began.elapsed().as_secs_f32());
    house.standin.scan(None, Account::default()).await?;
    until("a linked one among them", LIMIT, async || {
        let all = gateway.api.get("/v1/sessions").await?.json;
        Ok(all["sessions"]
            .as_array()
            .is_some_and(|all| all.iter().any(|one| one["state"] == "ready"))
            .then_some(()))
    })
    .await?;
    gateway.stop(STOP * 2).await?;
    let said = "two start at a time; all reach `qr_ready` without a failed attempt".to_owned();
    Ok(Row {
        name: name.into(),
        made: "twenty sessions in `gateway.toml`, one gateway start",
        said,
        recovered,
        lost: "nothing",
    })
}
