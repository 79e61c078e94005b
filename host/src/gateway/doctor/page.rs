//! Checks WhatsApp Web if no gateway is running: opens it in a browser as a session would, up to
//! the QR code.

use tokio::time::{Instant, timeout_at};

use super::{finding::Finding, usable_profile};
use crate::{
    browser::Guard,
    config::Config,
    model::ClientId,
    whatsapp::{ChromiumLauncher, LaunchError, Launched, Launcher, PageEvent},
};

/// The capabilities that a page needs until it is linked; the modules of the others are loaded only
/// afterwards.
const BEFORE_THE_LINK: [&str; 3] = ["link", "refresh_qr", "status"];

pub(super) async fn examine(config: &Config) -> Finding {
    let root = match tempfile::Builder::new().prefix("wharf-doctor-").tempdir() {
        Ok(root) => root,
        Err(error) => {
            return Finding::look(
                format!("cannot create a temporary folder for a profile: {error}"),
                "free space in the folder for temporary files, or set TMPDIR to another one",
            );
        }
    };
    let finding = open(config, root.path()).await;
    let path = root.path().display().to_string();
    match root.close() {
        Ok(()) => finding,
        Err(error) => Finding::look(format!("{path} was not removed: {error}"), "remove it"),
    }
}

async fn open(config: &Config, root: &std::path::Path) -> Finding {
    let url = &config.whatsapp.url;
    let guard = match Guard::current_exe() {
        Ok(guard) => guard,
        Err(error) => {
            return Finding::look(
                format!("the path of this program cannot be determined: {error}"),
                "start it by its full path",
            );
        }
    };
    let client: ClientId = config.sessions.default_client.clone();
    let launcher = ChromiumLauncher::new(
        config.whatsapp.clone(),
        config.browser.clone(),
        root.to_owned(),
        usable_profile,
        guard,
        None,
    );
    let Launched { page, mut events } = match launcher.launch(&client).await {
        Ok(launched) => launched,
        Err(error @ LaunchError::Unreachable { .. }) => {
            return Finding::look(
                error.to_string(),
                "look at DNS, firewall and proxy (a proxy: [browser] args = [\"--proxy-server=…\"])",
            );
        }
        Err(error) => {
            return Finding::look(
                error.to_string(),
                "no session can start until this is solved",
            );
        }
    };
    let deadline = Instant::now() + config.whatsapp.boot_timeout.duration();
    let waits_for_scan = async {
        while let Some(event) = events.recv().await {
            match event {
                PageEvent::Qr { .. } => return Ok(()),
                PageEvent::Crashed(reason) | PageEvent::Closed(reason) => return Err(reason),
                _ => {}
            }
        }
        Err("the browser ended".to_owned())
    };
    let shown = timeout_at(deadline, waits_for_scan).await;
    let contract = page.contract().await;
    page.close().await;
    let report = match contract {
        Ok(report) => report,
        Err(error) => {
            return Finding::look(
                format!("{url} was opened, but it is not WhatsApp Web: {error}"),
                "check [whatsapp] url",
            );
        }
    };
    let version = report.version.as_deref().unwrap_or("of an unknown version");
    let missing: Vec<&str> = report
        .capabilities
        .iter()
        .filter(|one| BEFORE_THE_LINK.contains(&one.name.as_str()))
        .flat_map(|one| one.missing.iter().map(String::as_str))
        .collect();
    match shown {
        Ok(Ok(())) => Finding::good(format!("{url} is WhatsApp Web {version} and shows a QR")),
        _ if !missing.is_empty() => Finding::look(
            format!(
                "WhatsApp Web {version} at {url} lacks {}",
                missing.join(", ")
            ),
            "it has changed: a newer gateway or [whatsapp] bridge_script is needed",
        ),
        Ok(Err(reason)) => Finding::look(
            format!("{url} was opened, then the page ended: {reason}"),
            "start `wharf run` and look at its log",
        ),
        Err(_) => Finding::look(
            format!("WhatsApp Web {version} at {url} shows no QR within [whatsapp] boot_timeout"),
            "the network may be slow: set a longer boot_timeout",
        ),
    }
}
