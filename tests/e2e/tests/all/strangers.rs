//! A restriction by WhatsApp holds back only messages to strangers; pacing, typing, and callers
//! that do not wait.

use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, ensure};
use reqwest::Method;
use serde_json::{Value, json};
use wharf_e2e::{Answer, Api, Gateway, House, Plan, api, house::BOOT, until};
use wharf_standin::Inbound;

const SENDING: &str = "/v1/sessions/default/sending";
const KNOWN: &str = "4915123456789";

#[tokio::test]
async fn a_restriction_holds_back_strangers_until_it_is_over() -> Result<()> {
    let house = House::build(Plan::default()).await?;
    let gateway = house.open_linked().await?;
    gateway
        .api
        .send(KNOWN, "to somebody known")
        .await?
        .expect(200)?;
    let gateway = the_monthly_limit(&house, gateway).await.context("475")?;
    the_time_lock(&house, &gateway.api).await.context("463")?;
    let told = || {
        house.receiver.filtered(|call| {
            (call.event() == "session.restriction").then(|| call.json["payload"]["active"] == true)
        })
    };
    until("the beginning and the end of both", BOOT, async || {
        Ok((told().len() == 4).then_some(()))
    })
    .await?;
    ensure!(told() == [true, false, true, false], "{:?}", told());
    gateway.stop(BOOT).await?;
    Ok(())
}

async fn until_held(api: &Api, id: &str) -> Result<()> {
    until("a message that is held back", BOOT, async || {
        let message = api.message(id).await?;
        let held = message["history"]
            .as_array()
            .into_iter()
            .flatten()
            .any(|step| step["what"] == "held" && step["reason"] == "restricted");
        Ok((held && message["state"] == "queued").then_some(()))
    })
    .await
}

/// Checks that a message still waits, after a later one to somebody known was sent: the queue is
/// processed in order.
async fn still_waits(house: &House, api: &Api, id: &str, text: &str) -> Result<()> {
    let message = api.message(id).await?;
    ensure!(message["state"] == "queued", "{message}");
    ensure!(house.arrived(text) == 0, "{text:?} was sent");
    Ok(())
}

async fn restrictions(api: &Api) -> Result<Vec<Value>> {
    Ok(api.get(SENDING).await?.expect(200)?.json["restrictions"]
        .as_array()
        .context("no restrictions")?
        .clone())
}

async fn until_restricted(api: &Api, kind: Option<&str>) -> Result<()> {
    until(&format!("restricted: {kind:?}"), BOOT, async || {
        let now = restrictions(api).await?;
        Ok((now.first().and_then(|one| one["kind"].as_str()) == kind).then_some(()))
    })
    .await
}

async fn until_arrived(house: &House, text: &str) -> Result<()> {
    until(&format!("{text:?} at its recipient"), BOOT, async || {
        Ok((house.arrived(text) == 1).then_some(()))
    })
    .await
}

async fn the_monthly_limit(house: &House, gateway: Gateway) -> Result<Gateway> {
    let api = &gateway.api;
    house.standin.set(json!({"nacks": [475]}));
    let refused = api
        .send("4915100000001", "one too many")
        .await?
        .expect(503)?;
    ensure!(refused.json["code"] == "restricted", "{}", refused.json);
    let now = restrictions(api).await?;
    ensure!(
        now.len() == 1
            && now[0]["kind"] == "new_chat_limit"
            && now[0]["code"] == 475
            && now[0]["until"].is_string(),
        "{now:?}"
    );

    let waits = api.accept("4915100000002", "to a stranger").await?;
    until_held(api, &waits).await?;
    api.send(KNOWN, "the known one goes on")
        .await?
        .expect(200)?;
    let will_write = api.accept("4915100000003", "to one who will write").await?;
    until_held(api, &will_write).await?;
    gateway.crash().await?;
    let gateway = house.open().await?;
    let api = &gateway.api;
    api.until_state("ready", BOOT).await?;
    api.send(KNOWN, "after a crash").await?.expect(200)?;
    for (id, text) in [
        (&waits, "to a stranger"),
        (&will_write, "to one who will write"),
    ] {
        still_waits(house, api, id, text).await?;
    }

    house.standin.inbound(Inbound {
        from: "4915100000003".into(),
        body: "hello?".into(),
        ..Inbound::default()
    })?;
    until_arrived(house, "to one who will write").await?;
    api.send(KNOWN, "after an answer").await?.expect(200)?;
    still_waits(house, api, &waits, "to a stranger").await?;
    let info = api.get("/v1/sessions/default").await?.expect(200)?.json;
    ensure!(
        info["notices"].to_string().contains("475"),
        "{}",
        info["notices"]
    );
    let lifted = api
        .post_nothing(&format!("{SENDING}/lift"))
        .await?
        .expect(200)?
        .json;
    ensure!(lifted["restrictions"] == json!([]), "{lifted}");
    until_arrived(house, "to a stranger").await?;
    Ok(gateway)
}

async fn the_time_lock(house: &House, api: &Api) -> Result<()> {
    // The page does not react to a 463 by itself: the gateway asks WhatsApp, which returns the end
    // of the lock.
    let ends = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs() + 3600;
    house
        .standin
        .set(json!({"nacks": [463], "timelockEnds": ends}));
    let refused = api
        .send("4915100000005", "one too many")
        .await?
        .expect(503)?;
    ensure!(refused.json["code"] == "restricted", "{}", refused.json);
    let now = restrictions(api).await?;
    let until_told = now[0]["until"]
        .as_str()
        .context("no end")?
        .parse::<jiff::Timestamp>()?
        .as_second();
    ensure!(
        now.len() == 1
            && now[0]["kind"] == "reach_out_time_lock"
            && u64::try_from(until_told)? == ends,
        "{now:?}"
    );
    let waits = api.accept("4915100000004", "while it is locked").await?;
    until_held(api, &waits).await?;
    // While the lock lasts, a refusal for another reason is reported with that reason.
    house.standin.set(json!({"nacks": [429]}));
    let refused = api.send(KNOWN, "refused all the same").await?.expect(502)?;
    ensure!(
        refused.json["code"] == "refused_by_whatsapp"
            && refused.json["message"]
                .as_str()
                .is_some_and(|text| text.contains("429")),
        "{}",
        refused.json
    );
    api.send(KNOWN, "and this goes").await?.expect(200)?;
    house.standin.set(json!({"timelockEnds": null}));
    house
        .standin
        .push(None, json!({"type": "reachout-timelock", "locked": false}));
    until_restricted(api, None).await?;
    until_arrived(house, "while it is locked").await
}

#[tokio::test]
async fn a_paced_session_types_keeps_its_distance_and_says_so() -> Result<()> {
    let overlay = "[send]\nwhen_busy = 'reject'\n[sessions.session.default.pacing]\ntyping = '20ms'\ntyping_max = '300ms'\nmin_gap = '1h'";
    let house = House::build(Plan {
        overlay: overlay.into(),
        ..Plan::default()
    })
    .await?;
    let gateway = house.open_linked().await?;
    let api = &gateway.api;
    api.send(KNOWN, "typed by hand").await?.expect(200)?;
    let typed = house.standin.view().typing;
    let shown: Vec<&str> = typed.iter().map(|(_, what)| what.as_str()).collect();
    ensure!(
        shown == ["composing", "paused"] && typed[0].0.ends_with("@lid"),
        "{typed:?}"
    );

    let held = api.send(KNOWN, "too soon").await?.expect(429)?;
    ensure!(
        held.json["code"] == "held_back"
            && held.json["message"]
                .as_str()
                .is_some_and(|text| text.contains("pacing")),
        "{}",
        held.json
    );
    ensure!(
        held.header("retry-after")
            .parse::<u64>()
            .is_ok_and(|seconds| (3000..=3600).contains(&seconds)),
        "{}",
        held.header("retry-after")
    );
    let key = |text: &str| json!({"number": KNOWN, "message": text});
    let once = async |body: Value| -> Result<Answer> {
        api::answer(
            api.request(Method::POST, "/api/whatsapp/send")
                .header("Idempotency-Key", "k")
                .json(&body),
        )
        .await
    };
    once(key("nothing was stored")).await?.expect(429)?;
    let accepted = api.accept(KNOWN, "who does not wait is accepted").await?;
    let message = api.message(&accepted).await?;
    ensure!(message["state"] == "queued", "{message}");
    ensure!(house.arrived("too soon") == 0 && house.arrived("typed by hand") == 1);
    gateway.stop(BOOT).await?;
    Ok(())
}
