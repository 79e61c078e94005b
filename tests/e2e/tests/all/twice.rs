//! A second gateway on the same session path or database is refused.

use std::time::Duration;

use anyhow::{Result, ensure};
use wharf_e2e::{Gateway, House, Plan, gateway::command, house::BOOT};

const STOP: Duration = Duration::from_secs(40);

/// Starts a second gateway, which must be refused; returns its output.
async fn refused(house: &House, first: &Gateway) -> Result<String> {
    let mut command = command(house.folder())?;
    let output =
        tokio::time::timeout(BOOT, command.env("WEBHOOK_HMAC_KEY", "x").output()).await??;
    ensure!(output.status.code() == Some(1), "{output:?}");
    let said = String::from_utf8_lossy(&output.stdout).into_owned()
        + &String::from_utf8_lossy(&output.stderr);
    ensure!(
        said.contains(&format!("process {}", first.pid()?)),
        "it does not say who is there: {said}"
    );
    Ok(said)
}

#[tokio::test]
async fn a_second_gateway_is_refused_at_its_start_and_disturbs_nobody() -> Result<()> {
    let house = House::build(Plan::default()).await?;
    let first = house.open_linked().await?;
    let said = refused(&house, &first).await?;
    ensure!(
        said.contains("another gateway uses the session path"),
        "{said}"
    );

    let database = house.folder().join("session/wharf.db");
    let other = House::build(Plan {
        overlay: format!("[storage]\ndatabase = {database:?}"),
        ..Plan::default()
    })
    .await?;
    let said = refused(&other, &first).await?;
    ensure!(said.contains("another gateway uses the database"), "{said}");
    ensure!(
        !other
            .folder()
            .join("session/.wwebjs_auth/session-default")
            .exists(),
        "it opened a browser"
    );

    first
        .api
        .send("4915123456789", "undisturbed")
        .await?
        .expect(200)?;
    let doctor = command(house.folder())?.arg("doctor").output().await?;
    let said = String::from_utf8_lossy(&doctor.stdout).into_owned();
    ensure!(
        said.contains("a gateway uses the session path")
            && said.contains(&format!("process {}", first.pid()?)),
        "{said}"
    );

    // The lock ends with its process, also after a kill.
    first.crash().await?;
    let next = house.open().await?;
    next.api.until_state("ready", BOOT).await?;
    next.api
        .send("4915123456789", "after a crash")
        .await?
        .expect(200)?;
    next.stop(STOP).await?;
    Ok(())
}
