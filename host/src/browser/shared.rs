//! One browser for the profiles of many sessions.
//!
//! A profile is opened by a second, short-lived Chromium that hands it over to the running one: that is the only way in
//! from outside. The profiles stay where an isolated browser has them; the common folder only links to them, so that a
//! session changes its mode without anything being moved, and whatever is done to profiles is done in one place.

use std::{
    fs, io,
    os::unix::fs::{DirBuilderExt, symlink},
    path::{Path, PathBuf},
    process::Stdio,
    sync::Arc,
    time::Duration,
};

use chromiumoxide::{
    Page,
    cdp::browser_protocol::target::{CloseTargetParams, TargetId},
};
use tokio::{
    process::Command,
    sync::{Mutex, mpsc},
    time::{sleep, timeout},
};
use tracing::{debug, warn};

use super::{
    BrowserError, BrowserEvent, LaunchOptions, ProfileLock, Tab, TabError,
    args::{find_executable, hand_over_command_line},
    hold_profile, launch,
    tab::{Connection, attach, quick},
};
use crate::config::BrowserKind;

/// Where Chromium keeps a profile inside of its folder when nobody names one.
const DEFAULT: &str = "Default";

/// The browser that all share; started by the first who comes, closed by the last who leaves.
#[derive(Debug)]
pub struct SharedBrowser {
    /// Chromium's own folder, beside the profiles.
    folder: PathBuf,
    running: Mutex<Option<Running>>,
}

#[derive(Debug)]
struct Running {
    connection: Connection,
    pages: Vec<TargetId>,
}

/// The place of one page in it.
#[derive(Debug)]
pub(super) struct Place {
    browser: Arc<SharedBrowser>,
    connection: Connection,
    /// Nobody else works in the profile meanwhile.
    _lock: ProfileLock,
}

impl SharedBrowser {
    /// `folder` is made when the first page is opened.
    #[must_use]
    pub fn new(folder: PathBuf) -> Arc<Self> {
        Arc::new(Self { folder, running: Mutex::new(None) })
    }

    /// Opens a blank page in a profile, named by `options.profile` as for [`launch()`]. Switches of the first one count.
    ///
    /// # Errors
    /// See [`BrowserError`].
    pub async fn open(self: &Arc<Self>, options: &LaunchOptions) -> Result<(Tab, mpsc::Receiver<BrowserEvent>), BrowserError> {
        let failed = |error: TabError| BrowserError::Failed(error.to_string());
        let (folder, profile) = (self.folder.clone(), options.profile.clone());
        let linking = tokio::task::spawn_blocking(move || link(&folder, &profile)).await;
        let (lock, directory) = linking.map_err(|error| BrowserError::Failed(error.to_string()))??;

        let mut running = self.running.lock().await;
        let connection = match running.as_ref().filter(|running| running.connection.is_alive()) {
            Some(running) => running.connection.clone(),
            None => {
                let options = LaunchOptions {
                    profile: self.folder.clone(),
                    // New headless and the shell take no profiles of others.
                    kind: BrowserKind::Headless,
                    tag: "shared".into(),
                    ..options.clone()
                };
                let connection = launch::start(&options, true).await?;
                *running = Some(Running { connection: connection.clone(), pages: Vec::new() });
                connection
            }
        };
        let opened = timeout(options.launch_timeout, self.hand_over(options, &connection, &directory)).await;
        let page = match opened {
            Ok(Ok(page)) => page,
            Ok(Err(error)) => return Err(error),
            Err(_) => return Err(BrowserError::Failed(format!("the shared browser did not open the profile within {:?}", options.launch_timeout))),
        };
        if let Some(running) = running.as_mut() {
            running.pages.push(page.target_id().clone());
        }
        drop(running);
        let place = Arc::new(Place { browser: Arc::clone(self), connection: connection.clone(), _lock: lock });
        attach(connection, page, Some(place), options.tag.clone()).await.map_err(failed)
    }

    /// Starts the second Chromium and finds the page it asked for by its address.
    async fn hand_over(&self, options: &LaunchOptions, connection: &Connection, directory: &str) -> Result<Page, BrowserError> {
        let (executable, _) = find_executable(options.executable.as_deref(), BrowserKind::Headless)?;
        // Of `about:` Chromium makes its start page.
        let url = format!("data:text/html,wharf-{:016x}", rand::random::<u64>());
        let root = nix::unistd::geteuid().is_root();
        let status = Command::new(&executable)
            .args(hand_over_command_line(&self.folder, directory, &url, root))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .kill_on_drop(true)
            .status()
            .await
            .map_err(|error| BrowserError::Failed(format!("cannot start {}: {error}", executable.display())))?;
        debug!(%status, directory, "profile handed over");
        loop {
            if !connection.is_alive() {
                return Err(BrowserError::Failed("the shared browser ended".into()));
            }
            let pages = quick(async { connection.browser.lock().await.pages().await }).await.unwrap_or_default();
            for page in pages {
                if quick(page.url()).await.ok().flatten().is_some_and(|there| there == url) {
                    return Ok(page);
                }
            }
            sleep(Duration::from_millis(20)).await;
        }
    }
}

impl Place {
    /// Pages in the browser, this one included.
    pub(super) async fn neighbours(&self) -> u64 {
        let running = self.browser.running.lock().await;
        running.as_ref().map_or(1, |running| running.pages.len() as u64)
    }

    /// Closes a page. A browser that does not answer any more goes with all its pages: each session starts anew.
    pub(super) async fn leave(&self, page: &TargetId) {
        let mut running = self.browser.running.lock().await;
        if !self.connection.is_alive() {
            return;
        }
        let Some(now) = running.as_mut().filter(|now| Arc::ptr_eq(&now.connection.process, &self.connection.process)) else { return };
        now.pages.retain(|other| other != page);
        if now.pages.is_empty() {
            self.connection.process.leave().await;
            *running = None;
            return;
        }
        let closing = async {
            let browser = self.connection.browser.lock().await;
            browser.execute(CloseTargetParams::new(page.clone())).await
        };
        if let Err(error) = quick(closing).await {
            let answers = quick(async { self.connection.browser.lock().await.version().await }).await.is_ok();
            warn!(%error, answers, "a page of the shared browser did not close");
            if !answers {
                self.connection.process.kill().await;
                *running = None;
            }
        }
    }
}

/// Makes the folder, and in it the link by which Chromium finds the profile; takes the lock of the profile.
fn link(folder: &Path, profile: &Path) -> Result<(ProfileLock, String), BrowserError> {
    let wrong = |error: io::Error| BrowserError::Profile { profile: profile.to_owned(), reason: error.to_string() };
    let name = profile.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let private = |path: &Path| fs::DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(wrong);
    private(folder)?;
    private(&profile.join(DEFAULT))?;
    let lock = hold_profile(profile)?;
    let target = Path::new("..").join(&name).join(DEFAULT);
    let place = folder.join(&name);
    match fs::read_link(&place) {
        Ok(there) if there == target => {}
        Ok(_) => {
            fs::remove_file(&place).map_err(wrong)?;
            symlink(&target, &place).map_err(wrong)?;
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => symlink(&target, &place).map_err(wrong)?,
        Err(error) => return Err(wrong(error)),
    }
    Ok((lock, name))
}
