//! Incoming messages: a flood of them beside a send, and messages that cannot be read.

use std::{collections::BTreeMap, time::Duration};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use wharf_e2e::{Call, Gateway, House, Plan, until};
use wharf_standin::{HALF_EMOJI, Inbound};

const LIMIT: Duration = Duration::from_secs(120);
const FLOOD: usize = 1500;

fn from_ann(body: String) -> Inbound {
    Inbound {
        from: "4915198765432".into(),
        body,
        ..Inbound::default()
    }
}

async fn counted(gateway: &Gateway, name: &str) -> Result<f64> {
    let text = String::from_utf8(
        gateway
            .api
            .get("/metrics")
            .await?
            .expect(200)?
            .body
            .to_vec(),
    )?;
    let of_all = text
        .lines()
        .filter(|line| line.starts_with(name))
        .filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok());
    Ok(of_all.sum())
}

#[tokio::test]
async fn a_flood_is_told_once_each_while_sends_go_on_and_a_fault_is_told_to_everybody() -> Result<()>
{
    let house = House::build(Plan::default()).await?;
    let gateway = house.open_linked().await?;
    for n in 0..FLOOD {
        house.standin.inbound(from_ann(format!("flood {n}")))?;
    }
    // The acknowledgement comes while the flood is being reported.
    let sent = gateway
        .api
        .send("4915123456789", "in between")
        .await?
        .expect(200)?;
    ensure!(sent.data("messageId").is_string(), "{}", sent.json);
    let told = || {
        let mut told = BTreeMap::<String, usize>::new();
        for call in house.receiver.calls() {
            if let Some(body) = call.json["payload"]["body"]
                .as_str()
                .filter(|body| call.event() == "message" && body.starts_with("flood "))
            {
                *told.entry(body.to_owned()).or_default() += 1;
            }
        }
        told
    };
    until("every message told", LIMIT, async || {
        Ok((told().len() == FLOOD).then_some(()))
    })
    .await?;
    gateway.api.until_all_delivered(LIMIT).await?;
    ensure!(
        told().len() == FLOOD && told().values().all(|times| *times == 1),
        "one was told again"
    );
    ensure!(counted(&gateway, "wharf_messages_received_total").await? == FLOOD as f64);

    // A malformed field costs only that field: each of these messages is one event, also where the
    // webhook's text is made from the field.
    let half = format!("half {HALF_EMOJI}");
    for (kind, body, fields, told) in [
        (
            "chat",
            half.clone(),
            json!({}),
            json!({"body": "half \u{FFFD}"}),
        ),
        (
            "chat",
            "hi".into(),
            json!({"notifyName": half}),
            json!({"body": "hi"}),
        ),
        ("location", String::new(), json!({}), json!({"body": ""})),
        (
            "poll_creation",
            String::new(),
            json!({"pollName": "When?", "pollSelectableOptionsCount": 4_294_967_296_u64}),
            json!({}),
        ),
        (
            "image",
            String::new(),
            json!({"mimetype": "image/png", "size": 7.5}),
            json!({"hasMedia": true}),
        ),
    ] {
        let fields = serde_json::from_value(fields)?;
        let id = house.standin.inbound(Inbound {
            kind: Some(kind.into()),
            fields,
            ..from_ann(body)
        })?;
        let is_it = |call: &Call| {
            call.event() == "message"
                && call.json["payload"]["id"]
                    .as_str()
                    .is_some_and(|key| key.contains(&id))
        };
        let call = house
            .receiver
            .until_call(&format!("an odd {kind}"), LIMIT, is_it)
            .await?;
        for (name, value) in told.as_object().into_iter().flatten() {
            ensure!(call.json["payload"][name] == *value, "{}", call.json);
        }
    }

    // A message without an id cannot be reported; that is a fault.
    for _ in 0..3 {
        house.standin.inbound(Inbound {
            id: Some(String::new()),
            ..from_ann("nobody's".into())
        })?;
    }
    let fault = house
        .receiver
        .until_call("the fault", LIMIT, |call| call.event() == "bridge.fault")
        .await?;
    let payload = &fault.json["payload"];
    ensure!(
        payload["place"] == "take"
            && payload["error"] == "TypeError"
            && payload["count"] == 1
            && payload["since"].is_string(),
        "{payload}"
    );
    house.standin.inbound(from_ann("the last".into()))?;
    house
        .receiver
        .until_call("the last", LIMIT, |call| {
            call.json["payload"]["body"] == "the last"
        })
        .await?;
    gateway.api.until_all_delivered(LIMIT).await?;
    ensure!(
        house
            .receiver
            .calls()
            .iter()
            .filter(|call| call.event() == "bridge.fault")
            .count()
            == 1,
        "a fault is told once"
    );
    let info = gateway
        .api
        .get("/v1/sessions/default")
        .await?
        .expect(200)?
        .json;
    let notices = info["notices"].as_array().context("no notices")?;
    ensure!(
        notices
            .iter()
            .filter_map(Value::as_str)
            .any(|notice| notice.contains("take: TypeError")),
        "{notices:?}"
    );
    ensure!(counted(&gateway, "wharf_bridge_faults_total").await? >= 1.0);
    let log = gateway.stop_for_log(LIMIT).await?;
    log.lacks(&["nobody's", "flood 7"])
}
