//! Checks WhatsApp Web if no gateway is running: opens it in a browser as a session would, up to
//! the QR code.

use std::{io, path::Path};

use tokio::time::{Instant, timeout_at};

use super::{finding::Finding, machine, usable_profile};
use crate::{
    browser::Guard,
    config::Config,
    model::ClientId,
    whatsapp::{ChromiumLauncher, LaunchError, Launched, Launcher, PageEvent},
};

/// The capabilities that a page needs until it is linked; the modules of the others are loaded only
/// afterwards.
const BEFORE_THE_LINK: [&str; 3] = ["link", "refresh_qr", "status"];

pub(super) async fn examine(config: &Config) -> Vec<Finding> {
    let root = match tempfile::Builder::new().prefix("wharf-doctor-").tempdir() {
        Ok(root) => root,
        Err(error) => {
            return vec![Finding::look(
                format!("cannot create a temporary folder for a profile: {error}"),
                "free space in the folder for temporary files, or set TMPDIR to another one",
            )];
        }
    };
    let finding = open(config, root.path()).await;
    let path = root.path().to_owned();
    with_removal(finding, &path, root.close())
}

/// What was found in the page, and whether the temporary folder could not be removed.
fn with_removal(finding: Finding, path: &Path, removed: io::Result<()>) -> Vec<Finding> {
    let left = removed.err().map(|error| {
        Finding::look(
            format!("{} was not removed: {error}", path.display()),
            "remove it",
        )
    });
    [finding].into_iter().chain(left).collect()
}

/// Reports that Chromium, or the page in it, could not be started. `restriction` is a setting of
/// the system that may explain why Chromium did not start.
fn not_started(error: &LaunchError, restriction: Option<String>) -> Finding {
    let advice: String = match error {
        LaunchError::Unreachable { .. } => {
            "look at DNS, firewall and proxy (a proxy: [browser] args = [\"--proxy-server=…\"])"
                .into()
        }
        LaunchError::Failed(_) => ["no session can start until this is solved".to_owned()]
            .into_iter()
            .chain(restriction)
            .collect::<Vec<_>>()
            .join("; "),
        _ => "no session can start until this is solved".into(),
    };
    Finding::look(error.to_string(), advice)
}

async fn open(config: &Config, root: &Path) -> Finding {
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
        Err(error) => return not_started(&error, machine::sandbox_restriction(config)),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_that_stays_does_not_hide_what_was_found() {
        let (found, path) = (
            Finding::good("it shows a QR"),
            Path::new("/tmp/wharf-doctor-x"),
        );
        assert_eq!(
            with_removal(found.clone(), path, Ok(())),
            std::slice::from_ref(&found)
        );
        let both = with_removal(found.clone(), path, Err(io::Error::other("busy")));
        assert_eq!(both.first(), Some(&found));
        assert!(
            both.len() == 2
                && both[1]
                    .seen
                    .contains("/tmp/wharf-doctor-x was not removed: busy"),
            "{both:?}"
        );
    }

    #[test]
    fn a_setting_of_the_system_explains_only_a_chromium_that_does_not_start() {
        let restriction = || Some("a possible cause: a setting".to_owned());
        let advice = |error: LaunchError| {
            not_started(&error, restriction())
                .advice
                .unwrap_or_default()
        };
        assert!(
            advice(LaunchError::Failed("Chromium ended: 1".into()))
                .ends_with("; a possible cause: a setting")
        );
        let unreachable = LaunchError::Unreachable {
            url: "https://web.whatsapp.com/".into(),
            reason: "net::ERR_NAME_NOT_RESOLVED".into(),
        };
        for other in [unreachable, LaunchError::NoBrowser("none".into())] {
            assert!(!advice(other).contains("a setting"));
        }
        let alone = not_started(&LaunchError::Failed("it ended".into()), None);
        assert_eq!(
            alone.advice.as_deref(),
            Some("no session can start until this is solved")
        );
    }
}
