//! One browser for the profiles of many sessions.
//!
//! A profile is opened by a second, short-lived Chromium that hands it over to the running one;
//! there is no other way to open a profile from outside. The profiles stay where an isolated
//! browser has them, and the common folder only links to them. So a session can change its mode
//! without moving anything, and all other work on profiles has one place.

use std::{
    fs, io,
    os::unix::fs::{DirBuilderExt, symlink},
    path::{Path, PathBuf},
    process::Stdio,
    sync::{Arc, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use chromiumoxide::{
    Page,
    cdp::browser_protocol::target::{CloseTargetParams, TargetId},
};
use tokio::{
    process::Command,
    sync::{Mutex, mpsc},
    time::{Instant, sleep, timeout},
};
use tracing::{debug, info, warn};

use super::{
    BrowserError, BrowserEvent, LaunchOptions, ProfileLock, Tab, TabError,
    args::{find_executable, hand_over_command_line},
    connection::{Connection, quick},
    launch, lock,
    tab::{SharedPlace, attach},
};
use crate::config::BrowserKind;

/// The folder in which Chromium keeps a profile by default, inside its user data directory.
const DEFAULT: &str = "Default";

/// How long to wait for a page that may still appear after its request has timed out.
const LATE: Duration = Duration::from_secs(60);

/// The shared browser. It is started for the first page and closed with the last one.
#[derive(Debug)]
pub struct SharedBrowser {
    /// Chromium's user data directory, beside the profiles.
    folder: PathBuf,
    /// Locked while the browser itself is started or closed, which affects all sessions; never
    /// while a page is opened.
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    running: Option<Running>,
    /// The last failed start: when it failed, and why.
    failed: Option<(Instant, BrowserError)>,
}

#[derive(Debug)]
struct Running {
    connection: Connection,
    /// The number of pages in it, including those that are being opened.
    places: u64,
}

/// The place of one page in the shared browser, from before the page is opened until it is closed.
/// Dropping it gives up the place too.
#[derive(Debug)]
pub(super) struct Place {
    browser: Arc<SharedBrowser>,
    connection: Connection,
    /// `None` once the place was given up.
    held: std::sync::Mutex<Option<Held>>,
}

/// The contents of a place until it is given up.
#[derive(Debug)]
struct Held {
    /// The address by which the page is found.
    url: String,
    /// The page; `None` until it has appeared.
    page: Option<TargetId>,
    /// The lock on the profile, so that nothing else works in it meanwhile.
    _lock: ProfileLock,
}

impl SharedBrowser {
    /// Makes a shared browser that is not started yet; `folder` is created when the first page is
    /// opened.
    #[must_use]
    pub fn new(folder: PathBuf) -> Arc<Self> {
        Arc::new(Self {
            folder,
            state: Mutex::default(),
        })
    }

    /// Opens a blank page in a profile, which `options.profile` names as for [`launch()`]. The
    /// command-line switches of the session that starts the browser apply to all. Pages are opened
    /// concurrently; a page whose opening fails is closed again.
    ///
    /// # Errors
    /// See [`BrowserError`].
    pub async fn open(
        self: &Arc<Self>,
        options: &LaunchOptions,
    ) -> Result<(Tab, mpsc::Receiver<BrowserEvent>), BrowserError> {
        let (folder, profile) = (self.folder.clone(), options.profile.clone());
        let grace = options.close_grace;
        let linking = tokio::task::spawn_blocking(move || link(&folder, &profile, grace)).await;
        let (lock, directory) =
            linking.map_err(|error| BrowserError::Failed(error.to_string()))??;
        let place = Arc::new(self.enter(options, lock).await?);
        let opened = async {
            let page =
                match timeout(options.launch_timeout, place.hand_over(options, &directory)).await {
                    Ok(page) => page?,
                    Err(_) => {
                        return Err(BrowserError::Failed(format!(
                            "the shared browser did not open the profile within {:?}",
                            options.launch_timeout
                        )));
                    }
                };
            let attached = attach(
                place.connection.clone(),
                page,
                Some(Arc::clone(&place) as Arc<dyn SharedPlace>),
                options.tag.clone(),
            )
            .await;
            attached.map_err(|error| BrowserError::Failed(error.to_string()))
        };
        let opened = opened.await;
        if opened.is_err() {
            place.leave().await;
        }
        opened
    }

    /// Takes a place in the browser, and starts the browser if it is not running.
    async fn enter(
        self: &Arc<Self>,
        options: &LaunchOptions,
        lock: ProfileLock,
    ) -> Result<Place, BrowserError> {
        let came = Instant::now();
        let mut state = self.state.lock().await;
        let connection = match state
            .running
            .as_mut()
            .filter(|running| running.connection.is_alive())
        {
            Some(running) => {
                running.places += 1;
                running.connection.clone()
            }
            None => {
                // A caller that waited for a start that failed does not wait for another one.
                if let Some((at, error)) = &state.failed
                    && *at >= came
                {
                    return Err(error.clone());
                }
                let options = LaunchOptions {
                    profile: self.folder.clone(),
                    // New headless mode and the headless shell cannot take over further profiles.
                    kind: BrowserKind::Headless,
                    tag: "shared".into(),
                    ..options.clone()
                };
                match launch::start(&options, true).await {
                    Ok(connection) => {
                        state.running = Some(Running {
                            connection: connection.clone(),
                            places: 1,
                        });
                        connection
                    }
                    Err(error) => {
                        state.failed = Some((Instant::now(), error.clone()));
                        return Err(error);
                    }
                }
            }
        };
        // Chromium would replace an `about:` address with its start page.
        let url = format!("data:text/html,wharf-{:016x}", rand::random::<u64>());
        Ok(Place {
            browser: Arc::clone(self),
            connection,
            held: Some(Held {
                url,
                page: None,
                _lock: lock,
            })
            .into(),
        })
    }

    /// Gives up a place: closes its page, and the browser when no other place is left. A browser
    /// that no longer answers is killed with all its pages, and each session starts again.
    async fn leave(&self, connection: &Connection, held: Held) {
        // A browser that is gone has no pages any more, and the start of the next one must not be
        // waited for.
        if !connection.is_alive() {
            return;
        }
        let mut state = self.state.lock().await;
        let Some(now) = state.running_on(connection) else {
            return;
        };
        now.places = now.places.saturating_sub(1);
        if now.places == 0 {
            connection.process.leave().await;
            state.running = None;
            return;
        }
        drop(state);
        let page = match held.page {
            Some(page) => page,
            None => match find(connection, &held.url).await {
                Some(page) => page.target_id().clone(),
                None => return drop(tokio::spawn(close_late(connection.clone(), held.url))),
            },
        };
        if let Err(error) = close(connection, page).await {
            let answers = quick(async { connection.browser.lock().await.version().await })
                .await
                .is_ok();
            warn!(%error, answers, "a page of the shared browser did not close");
            if !answers {
                connection.process.kill().await;
                let mut state = self.state.lock().await;
                if state.running_on(connection).is_some() {
                    state.running = None;
                }
            }
        }
    }
}

impl State {
    /// The running browser, if it is the one of this connection.
    fn running_on(&mut self, connection: &Connection) -> Option<&mut Running> {
        self.running
            .as_mut()
            .filter(|now| Arc::ptr_eq(&now.connection.process, &connection.process))
    }
}

impl Place {
    fn held(&self) -> std::sync::MutexGuard<'_, Option<Held>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts the second Chromium, and finds the page that it requests by its address.
    async fn hand_over(
        &self,
        options: &LaunchOptions,
        directory: &str,
    ) -> Result<Page, BrowserError> {
        let (executable, _) =
            find_executable(options.executable.as_deref(), BrowserKind::Headless)?;
        let url = self
            .held()
            .as_ref()
            .map(|held| held.url.clone())
            .unwrap_or_default();
        let root = nix::unistd::geteuid().is_root();
        let status = Command::new(&executable)
            .args(hand_over_command_line(
                &self.browser.folder,
                directory,
                &url,
                root,
            ))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .kill_on_drop(true)
            .status()
            .await
            .map_err(|error| {
                BrowserError::Failed(format!("cannot start {}: {error}", executable.display()))
            })?;
        debug!(%status, directory, "profile handed over");
        loop {
            if !self.connection.is_alive() {
                return Err(BrowserError::Failed("the shared browser ended".into()));
            }
            if let Some(page) = find(&self.connection, &url).await {
                if let Some(held) = self.held().as_mut() {
                    held.page = Some(page.target_id().clone());
                }
                return Ok(page);
            }
            sleep(Duration::from_millis(20)).await;
        }
    }
}

#[async_trait]
impl SharedPlace for Place {
    async fn neighbours(&self) -> u64 {
        if !self.connection.is_alive() {
            return 1;
        }
        self.browser
            .state
            .lock()
            .await
            .running_on(&self.connection)
            .map_or(1, |running| running.places)
    }

    async fn leave(&self) {
        let held = self.held().take();
        if let Some(held) = held {
            self.browser.leave(&self.connection, held).await;
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let held = self.held().take();
        if let (Some(held), Ok(runtime)) = (held, tokio::runtime::Handle::try_current()) {
            let (browser, connection) = (Arc::clone(&self.browser), self.connection.clone());
            runtime.spawn(async move { browser.leave(&connection, held).await });
        }
    }
}

/// The page with that address.
async fn find(connection: &Connection, url: &str) -> Option<Page> {
    let pages = quick(async { connection.browser.lock().await.pages().await })
        .await
        .unwrap_or_default();
    for page in pages {
        if quick(page.url())
            .await
            .ok()
            .flatten()
            .is_some_and(|there| there == url)
        {
            return Some(page);
        }
    }
    None
}

async fn close(connection: &Connection, page: TargetId) -> Result<(), TabError> {
    quick(async {
        connection
            .browser
            .lock()
            .await
            .execute(CloseTargetParams::new(page))
            .await
    })
    .await
    .map(drop)
}

/// Closes a page that appears after its request has timed out. It would stay open for ever
/// otherwise.
async fn close_late(connection: Connection, url: String) {
    let until = Instant::now() + LATE;
    while connection.is_alive() && Instant::now() < until {
        if let Some(page) = find(&connection, &url).await {
            let closed = close(&connection, page.target_id().clone()).await;
            return info!(
                closed = closed.is_ok(),
                "a page of the shared browser came late, and nobody waited for it"
            );
        }
        sleep(Duration::from_millis(250)).await;
    }
}

/// Makes the folder, and in it the link by which Chromium finds the profile; takes the right to the
/// profile, also from the guard of an isolated browser that a crash of the gateway has left.
fn link(
    folder: &Path,
    profile: &Path,
    close_grace: Duration,
) -> Result<(ProfileLock, String), BrowserError> {
    let wrong = |error: io::Error| BrowserError::Profile {
        profile: profile.to_owned(),
        reason: error.to_string(),
    };
    let name = profile
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    let private = |path: &Path| {
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(path)
            .map_err(wrong)
    };
    private(folder)?;
    private(&profile.join(DEFAULT))?;
    let lock = lock::take(profile, close_grace)?;
    let target = Path::new("..").join(&name).join(DEFAULT);
    let place = folder.join(&name);
    match fs::read_link(&place) {
        Ok(there) if there == target => {}
        Ok(_) => {
            fs::remove_file(&place).map_err(wrong)?;
            symlink(&target, &place).map_err(wrong)?;
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            symlink(&target, &place).map_err(wrong)?
        }
        Err(error) => return Err(wrong(error)),
    }
    Ok((lock, name))
}
