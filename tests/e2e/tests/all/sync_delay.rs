//! A session becomes ready however soon the first sync ends, and messages of that moment are
//! reported: the bridge subscribes first and then reads the state, so no event can be missed.

use std::time::Duration;

use anyhow::{Result, ensure};
use serde_json::json;
use wharf_e2e::{House, Plan, house::BOOT, until};
use wharf_standin::{Account, Inbound, Settings};

/// The time from CONNECTED to the end of the sync, in milliseconds.
const DELAYS: [u64; 4] = [0, 100, 300, 2_500];

#[tokio::test]
async fn ready_is_reached_whenever_the_sync_ends() -> Result<()> {
    let house = House::build(Plan {
        standin: Settings {
            sync_delay: DELAYS[0],
            ..Settings::default()
        },
        ..Plan::default()
    })
    .await?;
    let mut gateway = house.open_linked().await?;
    for delay in DELAYS {
        ensure!(gateway.stop(Duration::from_secs(40)).await?.success());
        house.standin.set(json!({"syncDelay": delay}));
        let body = format!("sent before a sync of {delay} ms");
        let account = Some(Account::default().pn);
        house.standin.inbound(Inbound {
            from: "4915198765432".into(),
            body: body.clone(),
            account,
            ..Inbound::default()
        })?;

        gateway = house.open().await?;
        gateway.api.until_state("ready", BOOT).await?;
        let told = || {
            house
                .receiver
                .calls()
                .iter()
                .filter(|call| {
                    call.event() == "message" && call.json["payload"]["body"] == body.as_str()
                })
                .count()
        };
        until("the message that came with the sync", BOOT, async || {
            Ok((told() > 0).then_some(()))
        })
        .await?;
        gateway
            .api
            .send("4915123456789", &body)
            .await?
            .expect(200)?;
        ensure!(
            told() == 1 && house.arrived(&body) == 1,
            "{delay} ms: told {}, arrived {}",
            told(),
            house.arrived(&body)
        );
    }
    ensure!(gateway.stop(Duration::from_secs(40)).await?.success());
    Ok(())
}
