//! Checks that the gateway uses a login made by unmodified whatsapp-web.js without a scan, both in
//! place and moved by the commands of `wharf profile`.

use std::{path::Path, time::Duration};

use anyhow::{Context, Result, ensure};
use wharf_e2e::{House, Plan, gateway, house::BOOT};

use crate::node;

const STOP: Duration = Duration::from_secs(40);

pub(crate) async fn run() -> Result<()> {
    let house = House::build(Plan {
        https: true,
        ..Plan::default()
    })
    .await?;
    let folder = house.folder();
    let logins = folder.join("session/.wwebjs_auth");
    let login = logins.join("session-default");
    let linked = node(
        "link.mjs",
        &house.standin,
        folder,
        &["--data-path", text(&logins)?, "--client-id", "default"],
    )
    .await?;
    ensure!(linked.success(), "whatsapp-web.js did not link: {linked}");
    ensure!(
        login.is_dir(),
        "LocalAuth's layout is another than {}",
        login.display()
    );

    // At this point only whatsapp-web.js has used the profile.
    profile(folder, &["adopt", text(&login)?, "--client", "spare"]).await?;
    ready_without_a_scan(&house).await.context("in place")?;

    let file = folder.join("spare.tar.gz");
    profile(folder, &["backup", "spare", text(&file)?]).await?;
    let refused = profile(folder, &["restore", "default", text(&file)?]).await;
    ensure!(
        refused
            .as_ref()
            .is_err_and(|error| error.to_string().contains("already there")),
        "a profile was overwritten: {refused:?}"
    );
    profile(folder, &["quarantine", "default"]).await?;
    profile(folder, &["restore", "default", text(&file)?]).await?;
    ready_without_a_scan(&house)
        .await
        .context("adopted, backed up and restored")?;
    let list = profile(folder, &["list"]).await?;
    ensure!(
        list.contains("spare:") && list.contains("session-default-"),
        "{list}"
    );
    println!(
        "ok  a login of whatsapp-web.js is used in place, adopted, backed up and restored without a scan"
    );
    Ok(())
}

async fn ready_without_a_scan(house: &House) -> Result<()> {
    let before = house.standin.view().shown;
    let gateway = house.open().await?;
    gateway.api.until_state("ready", BOOT).await?;
    let info = gateway
        .api
        .get("/api/whatsapp/session-info")
        .await?
        .expect(200)?;
    let states: Vec<_> = info
        .data("transitions")
        .as_array()
        .context("no transitions")?
        .iter()
        .map(|step| step["to"].clone())
        .collect();
    ensure!(
        !states.iter().any(|state| state == "qr_ready"),
        "a QR was asked for: {states:?}"
    );
    ensure!(house.standin.view().shown == before, "a page showed a QR");
    gateway
        .api
        .send("4915123456789", "from an adopted login")
        .await?
        .expect(200)?;
    let busy = profile(house.folder(), &["backup", "default", "busy.tar.gz"]).await;
    ensure!(
        busy.as_ref()
            .is_err_and(|error| error.to_string().contains("stop what uses it")),
        "a backup of a running session: {busy:?}"
    );
    ensure!(gateway.stop(STOP).await?.code() == Some(0));
    Ok(())
}

/// Runs `wharf profile …`; returns its output, or an error with what it reported.
async fn profile(folder: &Path, args: &[&str]) -> Result<String> {
    let output = gateway::command(folder)?
        .arg("profile")
        .args(args)
        .output()
        .await?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    ensure!(
        output.status.success(),
        "wharf profile {args:?}: {}{said}",
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(said)
}

fn text(path: &Path) -> Result<&str> {
    path.to_str().context("a path that is no text")
}
