//! `[browser] mode = "shared"`: many sessions in one browser, the same recovery, and a login that
//! changes its mode.

use std::time::Duration;

use anyhow::{Result, ensure};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde_json::{Value, json};
use wharf_e2e::{Gateway, House, Plan, gateway::write_config, house::BOOT, until};
use wharf_standin::{Account, Inbound};

const STOP: Duration = Duration::from_secs(40);
const SESSIONS: [(&str, &str); 2] = [("default", "4915170000001"), ("shop", "4915170000002")];

async fn session(gateway: &Gateway, id: &str) -> Result<Value> {
    Ok(gateway
        .api
        .get(&format!("/v1/sessions/{id}"))
        .await?
        .expect(200)?
        .json)
}

async fn all_ready(gateway: &Gateway) -> Result<()> {
    for (id, _) in SESSIONS {
        until(&format!("{id} ready"), BOOT, async || {
            let state = session(gateway, id).await?["state"].clone();
            ensure!(state != "qr_ready", "{id} asks for a QR");
            Ok((state == "ready").then_some(()))
        })
        .await?;
    }
    Ok(())
}

/// Sends one message in each direction for each session.
async fn exchange(house: &House, gateway: &Gateway, round: &str) -> Result<()> {
    for (id, pn) in SESSIONS {
        let body = format!("{round} of {id}");
        let message = json!({"number": "4915123456789", "message": body});
        gateway
            .api
            .post(&format!("/api/whatsapp/send?clientId={id}"), &message)
            .await?
            .expect(200)?;
        ensure!(
            house.arrived(&body) == 1,
            "{body} arrived {} times",
            house.arrived(&body)
        );
        let from = Inbound {
            from: "4915198765432".into(),
            body: body.clone(),
            account: Some(pn.into()),
            ..Inbound::default()
        };
        house.standin.inbound(from)?;
        let told = house.receiver.until_call(&body, BOOT, |call| {
            call.event() == "message" && call.json["payload"]["body"] == body.as_str()
        });
        ensure!(told.await?.json["session"] == id);
    }
    Ok(())
}

fn set_mode(house: &House, mode: &str) -> Result<()> {
    let text = std::fs::read_to_string(house.folder().join("gateway.toml"))?;
    let mut config: toml::Table = text.parse()?;
    let browser = config
        .entry("browser")
        .or_insert_with(|| toml::Table::new().into());
    browser
        .as_table_mut()
        .expect("a table")
        .insert("mode".into(), mode.into());
    write_config(house.folder(), &toml::to_string(&config)?)
}

#[tokio::test]
async fn sessions_share_a_browser_and_change_the_mode_without_a_scan() -> Result<()> {
    let house = House::build(Plan {
        overlay: "[sessions.session.shop]".into(),
        ..Plan::default()
    })
    .await?;
    let mut gateway = house.open().await?;
    for (id, pn) in SESSIONS {
        let path = format!("/v1/sessions/{id}/qr");
        let qr = until("a QR", BOOT, async || {
            Ok(gateway
                .api
                .get(&path)
                .await?
                .data("qrText")
                .as_str()
                .map(ToOwned::to_owned))
        })
        .await?;
        house
            .standin
            .scan(
                Some(&qr),
                Account {
                    pn: pn.into(),
                    ..Account::default()
                },
            )
            .await?;
        until("linked", BOOT, async || {
            Ok((session(&gateway, id).await?["state"] == "ready").then_some(()))
        })
        .await?;
    }
    all_ready(&gateway).await?;
    ensure!(
        gateway.processes.browsers().len() == 2,
        "isolated: {:?}",
        gateway.processes.browsers()
    );
    gateway.stop(STOP).await?;

    set_mode(&house, "shared")?;
    gateway = house.open().await?;
    all_ready(&gateway).await?;
    let browsers = gateway.processes.browsers();
    ensure!(browsers.len() == 1, "shared: {browsers:?}");
    exchange(&house, &gateway, "shared").await?;

    // A restart of one page does not affect the other.
    let launches = session(&gateway, "default").await?["reconnect"]["launches"].clone();
    gateway
        .api
        .post_nothing("/v1/sessions/shop/restart")
        .await?
        .expect(200)?;
    until("shop at its second launch", BOOT, async || {
        Ok((session(&gateway, "shop").await?["reconnect"]["launches"] == 2).then_some(()))
    })
    .await?;
    all_ready(&gateway).await?;
    ensure!(
        gateway.processes.browsers() == browsers
            && session(&gateway, "default").await?["reconnect"]["launches"] == launches
    );

    kill(Pid::from_raw(browsers[0]), Signal::SIGKILL)?;
    until("another browser", BOOT, async || {
        Ok(
            (gateway.processes.browsers() != browsers && gateway.processes.browsers().len() == 1)
                .then_some(()),
        )
    })
    .await?;
    all_ready(&gateway).await?;
    exchange(&house, &gateway, "after a crash").await?;
    gateway.stop(STOP).await?;

    set_mode(&house, "isolated")?;
    gateway = house.open().await?;
    all_ready(&gateway).await?;
    exchange(&house, &gateway, "isolated again").await?;
    ensure!(gateway.stop(STOP).await?.code() == Some(0));
    Ok(())
}
