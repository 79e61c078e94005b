//! Runs the gateway with the user's own `gateway.toml` on the stand-in: `cargo xtask up --standin`.
//!
//! Settings, plugins and grants are taken from the file. The session and the database are not: they
//! are in a temporary folder that is deleted at the end, so that a real login never reaches the
//! stand-in.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{ExitCode, Stdio},
    time::Duration,
};

use anyhow::{Context, Result};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use tokio::{
    process::{Child, Command},
    signal::unix,
};
use toml::{Table, Value};
use wharf_e2e::gateway;
use wharf_standin::{Account, Options, Standin};

use crate::tell;

/// Settings that may be paths relative to the file's folder: `(section, key)`.
const PATHS: [(&str, &str); 4] = [
    ("plugins", "dir"),
    ("plugins", "cache"),
    ("whatsapp", "bridge_script"),
    ("browser", "executable"),
];

/// Runs until the gateway ends. SIGINT and SIGTERM are passed on to it.
///
/// # Errors
/// When the file is not TOML or something does not start.
pub(crate) async fn run(
    file: &Path,
    interrupt: &mut unix::Signal,
    terminate: &mut unix::Signal,
) -> Result<ExitCode> {
    let file = file
        .canonicalize()
        .with_context(|| format!("cannot read {}", file.display()))?;
    let here = file.parent().context("a file lies in a folder")?;
    let standin = Standin::start(Options::default()).await?;
    let folder = tempfile::Builder::new()
        .prefix("wharf-standin-")
        .tempdir()
        .context("no temporary folder")?;
    let text =
        fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
    let config = on_standin(&text, here, folder.path(), &standin.url())
        .with_context(|| format!("{} is wrong", file.display()))?;
    let copy = folder.path().join("gateway.toml");
    fs::write(&copy, config.to_string())
        .with_context(|| format!("cannot write {}", copy.display()))?;

    tell::note(&format!(
        "WhatsApp is a stand-in and the phone is simulated; the rest is as in {}.",
        file.display()
    ));
    tell::note(&format!(
        "The session lies in {} and goes when this ends.",
        folder.path().display()
    ));
    let mut command = Command::new(gateway::program()?);
    // The environment overrides the file, so the path is set there too. The gateway has its own
    // process group, so that it gets a Ctrl-C once, from us.
    command
        .arg("--config")
        .arg(&copy)
        .current_dir(here)
        .env("SESSION_PATH", sessions(folder.path()));
    let mut child = command
        .stdin(Stdio::null())
        .process_group(0)
        .kill_on_drop(true)
        .spawn()
        .context("cannot start the gateway")?;
    let mut phone = Phone {
        standin: &standin,
        linked: 0,
        told: 0,
    };
    loop {
        tokio::select! {
            status = child.wait() => {
                let code = status?.code().and_then(|code| u8::try_from(code).ok());
                return Ok(code.map_or(ExitCode::FAILURE, ExitCode::from));
            }
            _ = interrupt.recv() => stop(&child, Signal::SIGINT)?,
            _ = terminate.recv() => stop(&child, Signal::SIGTERM)?,
            () = tokio::time::sleep(Duration::from_millis(200)) => phone.look().await,
        }
    }
}

fn stop(child: &Child, signal: Signal) -> Result<()> {
    if let Some(pid) = child.id() {
        kill(Pid::from_raw(i32::try_from(pid)?), signal)?;
    }
    Ok(())
}

fn sessions(folder: &Path) -> PathBuf {
    folder.join("session")
}

/// The configuration changed to use the stand-in and a session in `folder`. Relative paths are
/// resolved against `here`, because the result is read from `folder`.
fn on_standin(text: &str, here: &Path, folder: &Path, url: &str) -> Result<Table> {
    let mut config: Table = text.parse()?;
    section(&mut config, "whatsapp")?.insert("url".into(), url.into());
    section(&mut config, "sessions")?.insert("path".into(), path(sessions(folder)));
    section(&mut config, "storage")?.remove("database");
    let plugins = section(&mut config, "plugins")?;
    plugins.entry("dir").or_insert("./plugins".into());
    // Compiling the plugins takes seconds, so the compiled code is kept between runs.
    plugins
        .entry("cache")
        .or_insert(path(gateway::program()?.with_file_name("plugin-cache")));
    for (name, key) in PATHS {
        // A program name without a folder is looked up on the `PATH`.
        if let Some(Value::String(value)) = section(&mut config, name)?.get_mut(key)
            && (key != "executable" || value.contains('/'))
        {
            *value = here.join(&*value).to_string_lossy().into_owned();
        }
    }
    Ok(config)
}

fn section<'a>(config: &'a mut Table, name: &str) -> Result<&'a mut Table> {
    config
        .entry(name)
        .or_insert(Value::Table(Table::new()))
        .as_table_mut()
        .with_context(|| format!("[{name}] must be a table"))
}

fn path(path: PathBuf) -> Value {
    path.to_string_lossy().into_owned().into()
}

/// The simulated phone. It scans every QR code, with a different account for each session, and
/// prints the messages that arrive.
struct Phone<'a> {
    standin: &'a Standin,
    linked: u64,
    told: usize,
}

impl Phone<'_> {
    async fn look(&mut self) {
        let view = self.standin.view();
        if let Some(qr) = view.qrs.last() {
            let number = 4_915_112_345_678 + self.linked;
            // The QR code may have been replaced meanwhile; the next one is scanned then.
            if self
                .standin
                .scan(
                    Some(qr),
                    Account {
                        pn: number.to_string(),
                        ..Account::default()
                    },
                )
                .await
                .is_ok()
            {
                self.linked += 1;
                tell::done(&format!("the phone of +{number} scanned the QR"));
            }
        }
        for message in view.messages.iter().skip(self.told) {
            tell::done(&format!("+{} got: {}", message.number, message.body));
        }
        self.told = view.messages.len();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_a_real_session_is_left_in_the_configuration() {
        let text = "[sessions]\npath = '/srv/real'\nqr_limit = 7\n[storage]\ndatabase = '/srv/real.db'\nkeep_events = '1d'\n\
                    [plugins]\ndir = 'mine'\n[[plugin]]\nname = 'webhook'\n";
        let config = on_standin(
            text,
            Path::new("/etc/wharf"),
            Path::new("/tmp/run"),
            "http://127.0.0.1:9/",
        )
        .expect("TOML");
        assert!(!config.to_string().contains("/srv/real"), "{config}");
        assert_eq!(
            config["sessions"]["path"].as_str(),
            Some("/tmp/run/session")
        );
        assert_eq!(config["sessions"]["qr_limit"].as_integer(), Some(7));
        assert_eq!(config["storage"]["keep_events"].as_str(), Some("1d"));
        assert_eq!(
            config["whatsapp"]["url"].as_str(),
            Some("http://127.0.0.1:9/")
        );
        assert_eq!(config["plugins"]["dir"].as_str(), Some("/etc/wharf/mine"));
        assert_eq!(config["plugin"][0]["name"].as_str(), Some("webhook"));
    }

    #[test]
    fn the_folder_of_the_plugins_is_the_files_by_default() {
        let config = on_standin(
            "",
            Path::new("/etc/wharf"),
            Path::new("/tmp/run"),
            "http://127.0.0.1:9/",
        )
        .expect("TOML");
        assert_eq!(
            config["plugins"]["dir"].as_str(),
            Some("/etc/wharf/./plugins")
        );
        assert!(on_standin("plugins = 1", Path::new("/"), Path::new("/"), "").is_err());
    }
}
