//! web.whatsapp.com cannot be reached: the gateway names the cause and tries again, and the API
//! answers meanwhile.

use std::time::Duration;

use anyhow::{Result, ensure};
use wharf_e2e::{House, Plan, house::BOOT, until};

#[tokio::test]
async fn an_unreachable_page_is_named_and_tried_again_while_the_api_answers() -> Result<()> {
    let plan = Plan {
        overlay: "[whatsapp]\nurl = 'https://web.whatsapp.com/'\n[browser]\nargs = ['--host-resolver-rules=MAP web.whatsapp.com 127.0.0.1:1']".into(),
        ..Plan::default()
    };
    let house = House::build(plan).await?;
    let gateway = house.open().await?;
    let said = |line: &str| {
        line.contains("web.whatsapp.com")
            && (line.contains("reach") || line.contains("ERR_CONNECTION_REFUSED"))
    };
    gateway
        .until_log("a line that says what cannot be reached", BOOT, said)
        .await?;
    until("a second attempt", BOOT, async || {
        let tries = gateway
            .log()
            .lines()
            .iter()
            .filter(|line| said(line))
            .count();
        Ok((tries >= 2).then_some(()))
    })
    .await?;
    let state = gateway.api.state().await?;
    ensure!(
        ["reconnecting", "loading", "max_reconnect_exceeded"].contains(&state.as_str()),
        "state {state}"
    );
    ensure!(gateway.api.get("/health").await?.status == 200);
    ensure!(gateway.api.send("4915123456789", "x").await?.status == 503);
    ensure!(gateway.stop(Duration::from_secs(40)).await?.code() == Some(0));
    Ok(())
}
