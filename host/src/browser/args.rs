//! Which Chromium, and its command line.

use std::path::{Path, PathBuf};

use super::{
    BrowserError, LaunchOptions,
    places::{BROWSERS, SHELLS},
};
use crate::config::BrowserKind;

/// Features that cost memory or talk to the network and serve nobody here.
const DISABLED_FEATURES: &str = "WebUIOmniboxPopup,WebUIOmniboxAimPopup,Translate,OptimizationHints,MediaRouter,DialMediaRouteProvider,\
    AcceptCHFrame,CalculateNativeWinOcclusion,GlobalMediaControls,AutofillServerCommunication";

const SWITCHES: [&str; 25] = [
    "--remote-debugging-port=0",
    "--remote-debugging-address=127.0.0.1",
    "--no-first-run",
    "--no-default-browser-check",
    "--no-service-autorun",
    "--password-store=basic",
    "--use-mock-keychain",
    "--disable-background-networking",
    "--disable-breakpad",
    "--disable-client-side-phishing-detection",
    "--disable-component-extensions-with-background-pages",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-extensions",
    "--disable-gpu",
    "--disable-hang-monitor",
    "--disable-sync",
    "--metrics-recording-only",
    "--mute-audio",
    // A page that nobody sees is throttled otherwise, and misses its socket's pings.
    "--disable-background-timer-throttling",
    "--disable-backgrounding-occluded-windows",
    "--disable-renderer-backgrounding",
    "--disable-dev-shm-usage",
    "--disable-blink-features=AutomationControlled",
    // Two processes less, 10 to 17 MB a session. Nothing is drawn by a GPU here, and a browser that
    // dies with its network service is started anew as after any other crash.
    "--in-process-gpu",
];
const ENABLED_FEATURES: &str = "--enable-features=NetworkServiceInProcess2";

/// The Chromium to start, and of which kind it is.
///
/// # Errors
/// [`BrowserError::NoBrowser`] says what was looked for and how to install one.
pub fn find_executable(
    wanted: Option<&Path>,
    kind: BrowserKind,
) -> Result<(PathBuf, BrowserKind), BrowserError> {
    if let Some(path) = wanted {
        let wrong = || {
            BrowserError::NoBrowser(format!(
                "[browser] executable = {path:?} (or CHROMIUM) is not a file"
            ))
        };
        return if path.is_file() {
            Ok((path.to_owned(), named(path, kind)))
        } else {
            Err(wrong())
        };
    }
    let (places, package): (Vec<&str>, _) = match kind {
        BrowserKind::Auto => ([&SHELLS[..], &BROWSERS].concat(), "chromium-headless-shell"),
        BrowserKind::HeadlessShell => (SHELLS.into(), "chromium-headless-shell"),
        BrowserKind::Headless | BrowserKind::Headful => (BROWSERS.into(), "chromium"),
    };
    let found = places.iter().map(Path::new).find(|path| path.is_file());
    found.map(|path| (path.to_owned(), named(path, kind))).ok_or_else(|| {
        BrowserError::NoBrowser(format!(
            "no Chromium found in {}; install it (Debian: apt-get install {package}) or name it in [browser] executable",
            places.join(", ")
        ))
    })
}

fn named(path: &Path, kind: BrowserKind) -> BrowserKind {
    let is_shell = path.file_name().is_some_and(|name| {
        name.to_string_lossy().contains("headless-shell") || name == "headless_shell"
    });
    match kind {
        BrowserKind::Auto if is_shell => BrowserKind::HeadlessShell,
        BrowserKind::Auto => BrowserKind::Headless,
        other => other,
    }
}

pub(super) fn command_line(
    options: &LaunchOptions,
    kind: BrowserKind,
    user_agent: Option<&str>,
    root: bool,
) -> Vec<String> {
    let kind: &[&str] = match kind {
        BrowserKind::Auto | BrowserKind::Headless => &["--headless=new", "--window-size=1280,800"],
        BrowserKind::HeadlessShell => &["--headless", "--window-size=1280,800"],
        BrowserKind::Headful => &[],
    };
    let mut args = switches(options, kind, user_agent, root);
    args.push("about:blank".into());
    args
}

/// A browser without a window, to which others hand profiles over. New headless refuses those; a
/// full browser that draws on nothing takes them, and wants to be told how large nothing is.
pub(super) fn shared_command_line(
    options: &LaunchOptions,
    user_agent: Option<&str>,
    root: bool,
) -> Vec<String> {
    let kind = [
        "--silent-launch",
        "--no-startup-window",
        OZONE,
        "--ozone-override-screen-size=1280,800",
        "--window-size=1280,800",
    ];
    switches(options, &kind, user_agent, root)
}

/// Hands a profile over to the browser that runs on the same folder, and ends.
pub(super) fn hand_over_command_line(
    user_data_dir: &Path,
    directory: &str,
    url: &str,
    root: bool,
) -> Vec<String> {
    let mut args = vec![
        OZONE.to_owned(),
        format!("--user-data-dir={}", user_data_dir.display()),
        format!("--profile-directory={directory}"),
    ];
    args.extend(
        [
            "--no-first-run",
            "--no-default-browser-check",
            "--password-store=basic",
            "--new-window",
        ]
        .map(ToOwned::to_owned),
    );
    if root {
        args.push("--no-sandbox".into());
    }
    args.push(url.to_owned());
    args
}

const OZONE: &str = "--ozone-platform=headless";

fn switches(
    options: &LaunchOptions,
    kind: &[&str],
    user_agent: Option<&str>,
    root: bool,
) -> Vec<String> {
    let mut args: Vec<String> = SWITCHES
        .iter()
        .chain(kind)
        .map(ToString::to_string)
        .collect();
    args.push(format!("--user-data-dir={}", options.profile.display()));
    if root {
        args.push("--no-sandbox".into());
    }
    if let Some(agent) = user_agent {
        args.push(format!("--user-agent={agent}"));
    }
    // Chromium takes the last of each list only, so the operator's is merged into ours.
    let (mut disabled, mut enabled) = (DISABLED_FEATURES.to_owned(), ENABLED_FEATURES.to_owned());
    for arg in &options.args {
        if let Some(more) = arg.strip_prefix("--disable-features=") {
            disabled = format!("{disabled},{more}");
        } else if let Some(more) = arg.strip_prefix("--enable-features=") {
            enabled = format!("{enabled},{more}");
        } else {
            args.push(arg.clone());
        }
    }
    args.push(format!("--disable-features={disabled}"));
    args.push(enabled);
    args
}

/// The user agent of a Chromium that says this of its version, without the word that makes WhatsApp
/// Web refuse it.
pub(super) fn plain_user_agent(version: &str) -> Option<String> {
    let major = version.split_whitespace().find_map(|word| {
        word.split('.')
            .next()
            .filter(|n| word.contains('.') && n.parse::<u32>().is_ok())
    })?;
    // Chromium itself reports only the major version here since 101.
    Some(format!(
        "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/{major}.0.0.0 Safari/537.36"
    ))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::browser::Guard;

    #[test]
    fn the_operators_features_are_merged_because_the_last_switch_wins() {
        let options = LaunchOptions {
            executable: None,
            kind: BrowserKind::Headless,
            profile: "/p".into(),
            args: vec![
                "--disable-features=Mine".into(),
                "--lang=de".into(),
                "--enable-features=Yours".into(),
            ],
            user_agent: None,
            tag: "t".into(),
            launch_timeout: Duration::from_secs(1),
            close_grace: Duration::from_secs(1),
            guard: Guard {
                program: "/wharf".into(),
                args: vec![],
            },
        };
        let line = command_line(&options, BrowserKind::Headless, None, true);
        let features: Vec<_> = line
            .iter()
            .filter(|arg| arg.starts_with("--disable-features="))
            .collect();
        assert_eq!(features.len(), 1);
        assert!(features[0].ends_with(",Mine") && features[0].contains("WebUIOmniboxPopup"));
        assert!(line.contains(&format!("{ENABLED_FEATURES},Yours")));
        assert!(
            line.contains(&"--lang=de".to_owned()) && line.contains(&"--no-sandbox".to_owned())
        );
        assert!(
            !command_line(&options, BrowserKind::Headless, None, false)
                .contains(&"--no-sandbox".to_owned()),
            "the sandbox stays on where it can"
        );
    }

    #[test]
    fn a_missing_browser_is_named_with_the_way_to_get_one() {
        let error = find_executable(Some(Path::new("/nowhere/chromium")), BrowserKind::Headless)
            .expect_err("not there");
        assert!(error.to_string().contains("/nowhere/chromium"));
    }

    #[test]
    fn auto_knows_a_shell_by_its_name() {
        for (path, kind) in [
            ("/x/chromium-headless-shell", BrowserKind::HeadlessShell),
            ("/x/chromium", BrowserKind::Headless),
        ] {
            assert_eq!(named(Path::new(path), BrowserKind::Auto), kind);
            assert_eq!(
                named(Path::new(path), BrowserKind::Headful),
                BrowserKind::Headful
            );
        }
    }
}
