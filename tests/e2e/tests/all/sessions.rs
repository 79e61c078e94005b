//! Several sessions in one gateway, created and controlled through `/v1/sessions`.

use std::time::Duration;

use anyhow::{Result, ensure};
use reqwest::Method;
use serde_json::json;
use wharf_e2e::{
    Gateway, House, Plan,
    api::{Answer, answer},
    house::BOOT,
    until,
};
use wharf_standin::Account;

const STOP: Duration = Duration::from_secs(40);

async fn session(gateway: &Gateway, id: &str) -> Result<Answer> {
    gateway.api.get(&format!("/v1/sessions/{id}")).await
}

async fn until_state(gateway: &Gateway, id: &str, wanted: &str) -> Result<()> {
    until(&format!("{id} {wanted}"), BOOT, async || {
        Ok((session(gateway, id).await?.json["state"] == wanted).then_some(()))
    })
    .await
}

async fn link(house: &House, gateway: &Gateway, id: &str, pn: &str) -> Result<()> {
    let code = until("a QR", BOOT, async || {
        let qr = gateway.api.get(&format!("/v1/sessions/{id}/qr")).await?;
        Ok(qr.data("qrText").as_str().map(ToOwned::to_owned))
    });
    house
        .standin
        .scan(
            Some(&code.await?),
            Account {
                pn: pn.into(),
                ..Account::default()
            },
        )
        .await?;
    until_state(gateway, id, "ready").await
}

#[tokio::test]
async fn sessions_are_made_told_and_deleted_while_others_work_on() -> Result<()> {
    let house = House::build(Plan::default()).await?;
    let gateway = house.open_linked().await?;

    let made = gateway
        .api
        .post(
            "/v1/sessions",
            &json!({"id": "sales", "metadata": {"team": "sales"}}),
        )
        .await?
        .expect(201)?;
    ensure!(made.header("location") == "/v1/sessions/sales", "{made:?}");
    let twice = gateway
        .api
        .post("/v1/sessions", &json!({"id": "sales"}))
        .await?
        .expect(409)?;
    ensure!(
        twice.json["code"] == "session_exists"
            && twice.header("content-type") == "application/problem+json",
        "{twice:?}"
    );
    ensure!(
        gateway
            .api
            .post("/v1/sessions", &json!({"id": "../x"}))
            .await?
            .expect(400)?
            .json["code"]
            == "invalid_body"
    );
    ensure!(session(&gateway, "nobody").await?.expect(404)?.json["code"] == "unknown_client");
    let started = answer(
        gateway
            .api
            .request(Method::POST, "/v1/sessions/sales/dance"),
    )
    .await?
    .expect(404)?;
    ensure!(
        started.json["detail"]
            .as_str()
            .is_some_and(|words| words.contains("restart")),
        "{started:?}"
    );

    link(&house, &gateway, "sales", "4915200000001").await?;
    let body = json!({"number": "4915123456789", "message": "from sales", "clientId": "sales"});
    gateway
        .api
        .post("/api/whatsapp/send", &body)
        .await?
        .expect(200)?;
    let view = house.standin.view();
    ensure!(
        view.messages
            .iter()
            .any(|message| message.account == "4915200000001" && message.body == "from sales"),
        "{:?}",
        view.messages
    );
    let status = gateway
        .api
        .get("/api/whatsapp/status?clientId=sales")
        .await?
        .expect(200)?;
    ensure!(
        status.data("clientId") == "sales" && status.data("isReady") == true,
        "{status:?}"
    );
    let list = gateway.api.get("/v1/sessions").await?.expect(200)?;
    ensure!(
        list.json["sessions"]
            .as_array()
            .is_some_and(|all| all.len() == 2),
        "{list:?}"
    );
    until("a webhook with the session's own pairs", BOOT, async || {
        Ok(house
            .receiver
            .calls()
            .iter()
            .any(|call| call.json["session"] == "sales" && call.json["metadata"]["team"] == "sales")
            .then_some(()))
    })
    .await?;

    // A session that was stopped stays stopped after a restart.
    let stopped = gateway
        .api
        .post_nothing("/v1/sessions/sales/stop")
        .await?
        .expect(200)?;
    ensure!(
        stopped.json["state"] == "disconnected" && stopped.json["linked"] == true,
        "{stopped:?}"
    );
    gateway.stop(STOP).await?;
    let mut gateway = house.open().await?;
    gateway.api.until_state("ready", BOOT).await?;
    ensure!(session(&gateway, "sales").await?.json["state"] == "disconnected");
    ensure!(
        gateway.processes.browsers().len() == 1,
        "a stopped session has a browser"
    );
    gateway
        .api
        .post_nothing("/v1/sessions/sales/start")
        .await?
        .expect(200)?;
    until_state(&gateway, "sales", "ready").await?;

    // Deleting a session moves its login to the quarantine.
    let delete = |path: &str| gateway.api.request(Method::DELETE, path);
    ensure!(
        answer(delete("/v1/sessions/default"))
            .await?
            .expect(409)?
            .json["code"]
            == "session_in_configuration"
    );
    // What cannot be set aside is still there, and so is its session, at rest.
    let shelf = house.folder().join("session/.quarantine");
    std::fs::write(&shelf, "no folder")?;
    let failed = answer(delete("/v1/sessions/sales")).await?.expect(500)?;
    ensure!(failed.json["code"] == "cleanup_failed", "{failed:?}");
    let still = session(&gateway, "sales").await?.expect(200)?;
    ensure!(
        still.json["state"] == "disconnected" && still.json["linked"] == true,
        "{still:?}"
    );
    std::fs::remove_file(&shelf)?;
    let gone = answer(delete("/v1/sessions/sales")).await?.expect(200)?;
    let aside = gone.json["quarantined"][0]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    ensure!(
        house
            .folder()
            .join("session")
            .join(&aside)
            .join("Default/Local Storage")
            .is_dir(),
        "{gone:?}"
    );
    session(&gateway, "sales").await?.expect(404)?;
    until("one browser", BOOT, async || {
        Ok((gateway.processes.browsers().len() == 1).then_some(()))
    })
    .await?;
    gateway
        .api
        .send("4915123456789", "still here")
        .await?
        .expect(200)?;

    // A log-out ends the login and shows a new QR.
    gateway
        .api
        .post_nothing("/v1/sessions/default/logout")
        .await?
        .expect(200)?;
    ensure!(
        house.standin.view().linked == ["4915200000001"],
        "{:?}",
        house.standin.view().linked
    );
    gateway.api.until_state("qr_ready", BOOT).await?;
    let refused = gateway
        .api
        .post_nothing("/v1/sessions/default/logout")
        .await?
        .expect(409)?;
    ensure!(refused.json["code"] == "not_linked", "{refused:?}");
    gateway.stop(STOP).await?;
    Ok(())
}

/// Waits for the QR code of the default session and lets the phone of that number scan it.
async fn relink(house: &House, gateway: &Gateway, pn: &str) -> Result<()> {
    gateway.api.until_state("qr_ready", BOOT).await?;
    link(house, gateway, "default", pn).await
}

#[tokio::test]
async fn what_waits_for_one_account_does_not_leave_from_another() -> Result<()> {
    let house = House::build(Plan {
        overlay: "[sessions]\nhealth_interval = '1s'".into(),
        ..Plan::default()
    })
    .await?;
    let gateway = house.open_linked().await?;
    let api = &gateway.api;
    let before = session(&gateway, "default").await?.json["account"]["pn"].clone();
    api.post_nothing("/v1/sessions/default/sending/pause")
        .await?
        .expect(200)?;
    for text in ["for the first account", "not for another"] {
        api.accept("4915123456789", text).await?;
    }
    let order =
        json!({"session": "default", "text": "to many", "recipients": [{"to": "4915123456780"}]});
    api.post("/v1/bulk", &order).await?.expect(202)?;
    api.post_nothing("/v1/sessions/default/logout")
        .await?
        .expect(200)?;
    relink(&house, &gateway, "4915200000002").await?;

    let held = api
        .get("/v1/sessions/default/held")
        .await?
        .expect(200)?
        .json;
    ensure!(
        held["messages"].as_u64().unwrap_or(0) + held["recipients"].as_u64().unwrap_or(0) == 3,
        "{held}"
    );
    ensure!(
        api.get("/v1/sessions/default/sending")
            .await?
            .expect(200)?
            .json["paused"]
            == false,
        "it inherits the pause"
    );
    until("a notice", BOOT, async || {
        let now = session(&gateway, "default").await?.json;
        Ok(now["notices"]
            .as_array()
            .into_iter()
            .flatten()
            .any(|notice| {
                notice
                    .as_str()
                    .is_some_and(|words| words.contains("another account"))
            })
            .then_some(()))
    })
    .await?;
    let told = until("the event", BOOT, async || {
        Ok(house
            .receiver
            .calls()
            .into_iter()
            .find(|call| call.json.to_string().contains("session.relinked")))
    })
    .await?;
    let told = told.json.to_string();
    ensure!(
        before.as_str().is_some_and(|pn| told.contains(pn)) && told.contains("4915200000002"),
        "{told}"
    );
    api.send("4915123456789", "from the second account")
        .await?
        .expect(200)?;
    for text in ["for the first account", "not for another", "to many"] {
        ensure!(
            house.arrived(text) == 0,
            "{text:?} left from another account"
        );
    }
    let listed = api
        .get("/v1/messages?session=default&state=queued")
        .await?
        .expect(200)?
        .json;
    let second = listed["messages"][0]["id"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    api.post_nothing(&format!("/v1/messages/{second}/cancel"))
        .await?
        .expect(200)?;

    ensure!(
        api.post_nothing("/v1/sessions/default/held/forget")
            .await?
            .expect(404)?
            .json["code"]
            == "not_found"
    );
    ensure!(
        api.post_nothing("/v1/sessions/nobody/held/release")
            .await?
            .expect(404)?
            .json["code"]
            == "unknown_client"
    );
    let released = api
        .post_nothing("/v1/sessions/default/held/release")
        .await?
        .expect(200)?
        .json;
    ensure!(
        released["messages"] == 0 && released["recipients"] == 0,
        "{released}"
    );
    until("what was released", BOOT, async || {
        Ok((house.arrived("for the first account") == 1).then_some(()))
    })
    .await?;
    let view = house.standin.view();
    ensure!(
        view.messages
            .iter()
            .all(|message| message.body != "for the first account"
                || message.account == "4915200000002"),
        "{:?}",
        view.messages
    );
    gateway.stop(STOP).await?;

    // The same account keeps everything over a restart and a new scan.
    let gateway = house.open().await?;
    gateway.api.until_state("ready", BOOT).await?;
    gateway
        .api
        .post_nothing("/v1/sessions/default/sending/pause")
        .await?
        .expect(200)?;
    gateway
        .api
        .post_nothing("/v1/sessions/default/logout")
        .await?
        .expect(200)?;
    relink(&house, &gateway, "4915200000002").await?;
    ensure!(
        gateway
            .api
            .get("/v1/sessions/default/sending")
            .await?
            .expect(200)?
            .json["paused"]
            == true
    );
    gateway.stop(STOP).await?;
    Ok(())
}

#[tokio::test]
async fn a_session_that_is_made_again_inherits_nothing() -> Result<()> {
    let house = House::build(Plan::default()).await?;
    let gateway = house.open().await?;
    let api = &gateway.api;
    let sending = "/v1/sessions/sales/sending";
    api.post("/v1/sessions", &json!({"id": "sales", "start": false}))
        .await?
        .expect(201)?;
    api.post_nothing(&format!("{sending}/pause"))
        .await?
        .expect(200)?;
    answer(api.request(Method::DELETE, "/v1/sessions/sales"))
        .await?
        .expect(200)?;
    api.post("/v1/sessions", &json!({"id": "sales", "start": false}))
        .await?
        .expect(201)?;
    ensure!(api.get(sending).await?.expect(200)?.json["paused"] == false);
    gateway.stop(STOP).await?;
    Ok(())
}
