//! Requests of plugins reach only a server whose certificate is for the name of the URL: those that a
//! plugin makes itself, and those of deliveries.

use std::fs;

use anyhow::{Context, Result, ensure};
use wharf_e2e::{
    Gateway, House, Plan,
    gateway::write_config,
    house::{BOOT, guests, plugins},
    until,
};

const NUMBER: &str = "4915123456789";

/// What the guest `reach` saw when it was asked about a message.
async fn seen(gateway: &Gateway) -> Result<String> {
    let refused = gateway.api.send_async(NUMBER, "hello").await?.expect(422)?;
    let reason = refused.json["data"]["reason"].as_str();
    let reason = reason.with_context(|| format!("no reason: {}", refused.json))?;
    Ok(reason.to_owned())
}

/// Why the last attempt of a delivery to this target failed.
async fn reason(gateway: &Gateway, target: &str) -> Result<String> {
    let path = format!("/v1/deliveries?target={target}");
    let read = async || {
        let page = gateway.api.get(&path).await?.expect(200)?.json;
        let reason = page["deliveries"][0]["reason"].as_str();
        Ok(reason.map(str::to_owned))
    };
    until("an attempt", BOOT, read).await
}

#[tokio::test]
async fn a_certificate_for_another_name_is_refused_at_every_point() -> Result<()> {
    let folder = tempfile::tempdir()?;
    for (from, file) in [(guests(), "reach.wasm"), (plugins(), "webhook.wasm")] {
        fs::copy(from.join(file), folder.path().join(file)).context(file)?;
    }
    // The gateway trusts the stand-in's certificate, as if it were one of the machine's.
    let trusted = folder.path().join("trusted.pem");
    let house = House::build(Plan {
        https: true,
        overlay: format!(
            "[browser]\nexecutable = '/nowhere/chromium'\n[plugins]\ndir = {:?}\n",
            folder.path()
        ),
        environment: vec![(
            "SSL_CERT_FILE".into(),
            trusted.to_str().context("no UTF-8")?.into(),
        )],
        ..Plan::default()
    })
    .await?;
    let certificate = house.standin.tls_certificate().context("no HTTPS")?;
    fs::write(&trusted, certificate)?;
    let port = house.standin.tls_port().context("no HTTPS")?;
    // The same server under a name of its certificate and under another one.
    let (good, bad) = (
        format!("https://localhost:{port}"),
        format!("https://127.0.0.1:{port}"),
    );
    let configure = |asked: &str| -> Result<()> {
        let file = house.folder().join("gateway.toml");
        let mut config: toml::Table = fs::read_to_string(file)?.parse()?;
        let entries: toml::Table = format!(
            "[[plugin]]\nname = 'reach'\ntimeout = '10s'\ncpu = '1s'\nconfig = {{ what = 'http', url = '{asked}/' }}\n\
             grants = {{ http = ['{good}', '{bad}'], http_private = true }}\n\
             [[plugin]]\nname = 'webhook'\ngrants = {{ http = ['{good}', '{bad}'], http_private = true }}\n\
             [[plugin.config.targets]]\nname = 'good'\nurl = '{good}/nothing-here'\nevents = ['*']\n\
             [[plugin.config.targets]]\nname = 'bad'\nurl = '{bad}/nothing-here'\nevents = ['*']\n"
        )
        .parse()?;
        config.remove("plugin");
        config.extend(entries);
        write_config(house.folder(), &toml::to_string(&config)?)
    };
    configure(&good)?;
    let gateway = house.open().await?;
    let answered = seen(&gateway).await?;
    let status = answered.split(' ').next().unwrap_or_default();
    ensure!(
        status.parse::<u16>().is_ok(),
        "the server answers under its own name: {answered}"
    );

    configure(&bad)?;
    gateway
        .api
        .post_nothing("/v1/plugins/reach/reload")
        .await?
        .expect(200)?;
    let refused = seen(&gateway).await?;
    ensure!(refused.starts_with("Unreachable"), "{refused}");

    // Both targets were told of the session's states, and neither accepts them.
    let good = reason(&gateway, "good").await?;
    ensure!(!good.contains("certificate"), "{good}");
    let bad = reason(&gateway, "bad").await?;
    ensure!(bad.contains("certificate"), "{bad}");
    let metrics = gateway.api.get("/metrics").await?.expect(200)?;
    let metrics = String::from_utf8_lossy(&metrics.body).into_owned();
    let counted = |outcome: &str| {
        metrics.lines().any(|line| {
            line.starts_with("wharf_plugin_http_requests_total")
                && line.contains("plugin=\"reach\"")
                && line.contains(&format!("outcome=\"{outcome}\""))
        })
    };
    ensure!(counted("answered") && counted("unreachable"), "{metrics}");
    Ok(())
}
