//! A restart: SIGTERM ends everything in order, and the login is kept.

use std::time::Duration;

use anyhow::{Result, ensure};
use wharf_e2e::{House, Plan, house::BOOT, until};

#[tokio::test]
async fn a_restart_needs_no_qr_and_leaves_no_process() -> Result<()> {
    let house = House::build(Plan::default()).await?;
    let mut gateway = house.open_linked().await?;
    ensure!(
        gateway.processes.browsers().len() == 1,
        "browsers: {:?}",
        gateway.processes.browsers()
    );
    gateway
        .api
        .send("4915123456789", "before")
        .await?
        .expect(200)?;
    let status = gateway.stop(Duration::from_secs(40)).await?;
    ensure!(status.code() == Some(0), "{status}");

    let mut gateway = house.open().await?;
    until("ready again", BOOT, async || {
        let state = gateway.api.state().await?;
        ensure!(
            state != "qr_ready",
            "a QR was shown although the login was kept"
        );
        Ok((state == "ready").then_some(()))
    })
    .await?;
    gateway
        .api
        .send("4915123456789", "after")
        .await?
        .expect(200)?;
    ensure!(house.arrived("before") == 1 && house.arrived("after") == 1);
    ensure!(
        gateway.processes.browsers().len() == 1,
        "browsers: {:?}",
        gateway.processes.browsers()
    );
    ensure!(
        house.standin.view().reports.is_empty(),
        "the page complained: {:?}",
        house.standin.view().reports
    );
    ensure!(gateway.stop(Duration::from_secs(40)).await?.code() == Some(0));
    Ok(())
}
