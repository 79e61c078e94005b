//! `wharf doctor` without a running gateway, beside one, and with a page that cannot be reached.

use anyhow::{Context, Result, ensure};
use wharf_e2e::{House, Plan, gateway};

async fn doctor(house: &House) -> Result<String> {
    let output = gateway::command(house.folder())?
        .arg("doctor")
        .env("WEBHOOK_HMAC_KEY", "a-key-for-the-doctor")
        .output()
        .await?;
    let said = String::from_utf8(output.stdout)?;
    let advice = said.lines().any(|line| line.starts_with("LOOK"));
    ensure!(
        output.status.success() != advice,
        "{}\n{said}{}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(said)
}

fn line<'a>(said: &'a str, part: &str) -> Result<&'a str> {
    said.lines()
        .find(|line| line.contains(part))
        .with_context(|| format!("no line with {part:?} in:\n{said}"))
}

#[tokio::test]
async fn the_doctor_sees_the_machine_the_plugins_the_profiles_and_the_page() -> Result<()> {
    let house = House::build(Plan::default()).await?;
    let said = doctor(&house).await?;
    ensure!(line(&said, "MiB of memory")?.starts_with("ok"));
    ensure!(line(&said, "Chromium 1")?.starts_with("ok"), "{said}");
    ensure!(line(&said, "session default")?.contains("it will show a QR"));
    ensure!(line(&said, "plugin number-policy")?.starts_with("ok"));
    ensure!(line(&said, "is WhatsApp Web 2.3000.1038137223 and shows a QR")?.starts_with("ok"));
    ensure!(house.standin.view().messages.is_empty());

    let running = house.open_linked().await?;
    let config = house.folder().join("gateway.toml");
    let port = running.api.url.rsplit(':').next().context("a port")?;
    let text = std::fs::read_to_string(&config)?;
    std::fs::write(&config, text.replace("port = 0", &format!("port = {port}")))?;
    let said = doctor(&house).await?;
    ensure!(line(&said, "a gateway runs at")?.starts_with("ok"));
    ensure!(line(&said, "session default: ready")?.starts_with("ok"));
    ensure!(line(&said, "has all")?.starts_with("ok"), "{said}");
    ensure!(
        line(&said, "its profile holds a login")?.contains("in use by process"),
        "{said}"
    );
    running.stop(std::time::Duration::from_secs(40)).await?;
    Ok(())
}

#[tokio::test]
async fn a_page_that_cannot_be_reached_comes_with_advice() -> Result<()> {
    let house = House::build(Plan {
        overlay: "[whatsapp]\nurl = \"http://127.0.0.1:9/\"".into(),
        ..Plan::default()
    })
    .await?;
    let said = doctor(&house).await?;
    ensure!(
        line(&said, "cannot reach http://127.0.0.1:9/")?.starts_with("LOOK"),
        "{said}"
    );
    ensure!(
        said.contains("-> look at DNS, firewall and proxy"),
        "{said}"
    );
    Ok(())
}
