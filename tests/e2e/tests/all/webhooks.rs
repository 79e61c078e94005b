//! Events reach the receiver signed and in the documented form, and are sent again when it refuses
//! them.

use std::{collections::BTreeSet, time::Duration};

use anyhow::{Result, ensure};
use wharf_e2e::{
    Call, House, Plan,
    house::{BOOT, HMAC_KEY},
};
use wharf_standin::Inbound;

const LIMIT: Duration = Duration::from_secs(60);

#[tokio::test]
async fn events_come_signed_and_are_sent_again_until_they_are_taken() -> Result<()> {
    let house = House::build(Plan::default()).await?;
    let gateway = house.open_linked().await?;
    house
        .receiver
        .until_call("the session became ready", BOOT, |call| {
            call.event() == "session.status" && call.json["payload"]["status"] == "WORKING"
        })
        .await?;

    house.receiver.refuse(&[500, 503]);
    let sent = gateway
        .api
        .send("4915123456789", "hello")
        .await?
        .expect(200)?;
    for level in 1..=3 {
        let wanted =
            |call: &Call| call.event() == "message.ack" && call.json["payload"]["ack"] == level;
        let ack = house.receiver.until_call("an ack", LIMIT, wanted).await?;
        ensure!(
            &ack.json["payload"]["id"] == sent.data("messageId"),
            "{} is not about {}",
            ack.json,
            sent.json
        );
    }
    ensure!(
        house
            .receiver
            .calls()
            .iter()
            .filter(|call| call.answered >= 500)
            .count()
            == 2,
        "the receiver has refused nothing"
    );
    for refused in house
        .receiver
        .calls()
        .iter()
        .filter(|call| call.answered >= 500)
    {
        let again = house
            .receiver
            .until_call("the refused one again", LIMIT, |call| {
                call.json["id"] == refused.json["id"]
            })
            .await?;
        ensure!(again.json["payload"] == refused.json["payload"]);
    }

    let inbound = Inbound {
        from: "4915198765432".into(),
        body: "Hi!".into(),
        pushname: Some("Ada".into()),
        id: Some("3EB0AAAAAAAAAAAAAAAAAA".into()),
        ..Inbound::default()
    };
    house.standin.inbound(inbound.clone())?;
    // The same message again, as WhatsApp does when it is not sure that it was received.
    house.standin.inbound(inbound)?;
    house.standin.inbound(Inbound {
        from: "4915198765432".into(),
        body: "the last".into(),
        ..Inbound::default()
    })?;
    let message = |body: &'static str| {
        move |call: &Call| call.event() == "message" && call.json["payload"]["body"] == body
    };
    house
        .receiver
        .until_call("the last inbound message", LIMIT, message("the last"))
        .await?;
    let first = house
        .receiver
        .until_call("the first inbound message", LIMIT, message("Hi!"))
        .await?;
    ensure!(
        first.json["session"] == "default" && first.json["payload"]["fromMe"] == false,
        "{}",
        first.json
    );
    gateway.api.until_all_delivered(LIMIT).await?;
    let ids: BTreeSet<String> = house
        .receiver
        .calls()
        .iter()
        .filter(|call| message("Hi!")(call))
        .map(|call| call.json["id"].to_string())
        .collect();
    ensure!(
        ids.len() == 1,
        "a redelivered message became {} events",
        ids.len()
    );

    for call in house.receiver.calls() {
        ensure!(
            call.is_signed_with(HMAC_KEY),
            "no valid signature on {}",
            call.json
        );
        ensure!(
            !call.header("x-webhook-request-id").is_empty()
                && !call.header("x-webhook-timestamp").is_empty()
        );
        ensure!(
            call.json["id"]
                .as_str()
                .is_some_and(|id| id.starts_with("evt_"))
                && call.json["engine"].is_string()
                && call.json["environment"].is_object()
        );
        ensure!(
            call.event() != "qr" && !call.json.to_string().contains("qrText"),
            "a QR left without the grant: {}",
            call.json
        );
    }
    ensure!(
        gateway
            .api
            .get("/metrics")
            .await?
            .expect(200)?
            .body
            .windows(17)
            .any(|w| w == b"wharf_sends_total")
    );
    let log = gateway.stop_for_log(LIMIT).await?;
    log.lacks(&["hello", "Hi!"])
}
