//! WhatsApp Web in a real Chromium: implements [`Page`] and [`Launcher`] with a browser tab and the
//! bridge.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use async_trait::async_trait;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tracing::warn;

use super::{
    launcher::{LaunchError, Launched, Launcher},
    login,
    news::{Said, parse},
    page::{
        BrowserReport, Call, Fault, Page, PageChannel, PageError, PageEvent, PageLife, PageLinking,
        PageReading, PageSending, PageStatus, Recorded, Status, ask, no_bridge,
    },
    script,
    window::Window,
};
use crate::{
    browser::{
        self, BrowserError, BrowserEvent, Guard, LaunchOptions, SharedBrowser, Tab, TabError,
    },
    config,
    model::ClientId,
};

const LAUNCH_TIMEOUT: Duration = Duration::from_secs(30);
const CLOSE_GRACE: Duration = Duration::from_secs(10);
/// How many events may wait for the session; further ones wait in the queue of the tab.
const NEWS: usize = 1024;

/// Starts Chromium on a session's profile and opens WhatsApp Web in it.
#[derive(Debug)]
pub struct ChromiumLauncher {
    whatsapp: config::WhatsApp,
    browser: config::Browser,
    profile: Profile,
    root: PathBuf,
    guard: Guard,
    shared: Option<Arc<SharedBrowser>>,
}

/// Returns the profile directory of a session below the first path, after checking that it can be
/// used. It may block on disk I/O.
pub type Profile = fn(&Path, &ClientId) -> Result<PathBuf, LaunchError>;

impl ChromiumLauncher {
    /// Makes a launcher for the profiles below `root`, which `profile` finds and checks. With
    /// `shared`, all sessions use that one browser.
    #[must_use]
    pub fn new(
        whatsapp: config::WhatsApp,
        browser: config::Browser,
        root: PathBuf,
        profile: Profile,
        guard: Guard,
        shared: Option<Arc<SharedBrowser>>,
    ) -> Self {
        Self {
            whatsapp,
            browser,
            profile,
            root,
            guard,
            shared,
        }
    }
}

#[async_trait]
impl Launcher for ChromiumLauncher {
    async fn launch(&self, client: &ClientId) -> Result<Launched, LaunchError> {
        let (profile, root, owner) = (self.profile, self.root.clone(), client.clone());
        let profile = tokio::task::spawn_blocking(move || profile(&root, &owner)).await;
        let profile = profile.map_err(|error| LaunchError::Failed(error.to_string()))??;
        let script = |login: Option<&login::Entries>| {
            script::script(self.whatsapp.bridge_script.as_deref(), login).map_err(|error| {
                LaunchError::Failed(format!(
                    "cannot read [whatsapp] bridge_script {:?}: {error}",
                    self.whatsapp.bridge_script.clone().unwrap_or_default()
                ))
            })
        };
        let bridge = script(None)?;
        let restoring = login::copy(&profile)
            .map(|copy| script(Some(&copy)))
            .transpose()?;
        let options = LaunchOptions {
            executable: self.browser.executable.clone(),
            kind: self.browser.kind,
            profile: profile.clone(),
            args: self.browser.args.clone(),
            user_agent: self.browser.user_agent.clone(),
            tag: client.to_string(),
            launch_timeout: self
                .browser
                .launch_timeout
                .map_or(LAUNCH_TIMEOUT, config::Millis::duration),
            close_grace: self
                .browser
                .close_grace
                .map_or(CLOSE_GRACE, config::Millis::duration),
            guard: self.guard.clone(),
        };
        let (tab, browser_events) = match &self.shared {
            None => browser::launch(&options).await?,
            Some(shared) => shared.open(&options).await?,
        };
        let (sender, events) = mpsc::channel(NEWS);
        let window = Arc::new(Window::default());
        tokio::spawn(forward(
            client.clone(),
            profile,
            browser_events,
            sender,
            Arc::clone(&window),
        ));
        let opened = async {
            let first = restoring.as_ref().unwrap_or(&bridge);
            let first = tab.prepare(script::BINDING, first).await?;
            tab.goto(&self.whatsapp.url, self.whatsapp.boot_timeout.duration())
                .await?;
            // A login is put back into the first document alone: at a log-out WhatsApp Web clears
            // all storage, and a later document that got the copy would be the old login again,
            // without its keys.
            if restoring.is_some() {
                tab.replace(first, &bridge).await?;
            }
            Ok::<_, TabError>(())
        };
        if let Err(error) = opened.await {
            tab.close().await;
            return Err(match error {
                TabError::Unreachable { url, reason } => LaunchError::Unreachable { url, reason },
                other => LaunchError::Failed(other.to_string()),
            });
        }
        let page: Arc<dyn Page> = Arc::new(ChromiumPage {
            tab,
            window,
            limit: self.whatsapp.call_timeout.duration(),
        });
        Ok(Launched { page, events })
    }
}

impl From<BrowserError> for LaunchError {
    fn from(error: BrowserError) -> Self {
        match error {
            BrowserError::NoBrowser(reason) => Self::NoBrowser(reason),
            BrowserError::ProfileInUse { profile, pid } => Self::ProfileInUse { profile, pid },
            BrowserError::Profile { profile, reason } => {
                Self::Profile(format!("{}: {reason}", profile.display()))
            }
            BrowserError::Failed(reason) => Self::Failed(reason),
        }
    }
}

/// Turns the browser's news into the page's, until the browser or whoever takes them has gone. Every
/// document says hello first: the second one is a reload.
async fn forward(
    client: ClientId,
    profile: PathBuf,
    mut browser: mpsc::Receiver<BrowserEvent>,
    page: mpsc::Sender<PageEvent>,
    window: Arc<Window>,
) {
    let mut greeted = false;
    loop {
        let event = tokio::select! {
            // What was said last may be that the login has ended, which concerns its copy.
            biased;
            event = browser.recv() => event,
            // Nobody takes the page's news any more: a page that says nothing would be listened to
            // for ever.
            () = page.closed() => return,
        };
        let Some(event) = event else { return };
        let event = match event {
            BrowserEvent::Binding(payload) => match parse(&payload) {
                Some(Said::Login(entries)) => {
                    let profile = profile.clone();
                    warn_of(&client, "kept", move || login::keep(&profile, &entries)).await;
                    continue;
                }
                Some(Said::News(PageEvent::Navigated))
                    if !std::mem::replace(&mut greeted, true) =>
                {
                    continue;
                }
                Some(Said::News(event)) => event,
                Some(Said::Message(event, ticket)) => {
                    match event {
                        PageEvent::Fault(_) => window.lost(ticket),
                        _ => window.told(ticket),
                    }
                    event
                }
                None => continue,
            },
            BrowserEvent::TooLarge(bytes) => {
                warn!(%client, bytes, "a report of the bridge was too large and is dropped");
                PageEvent::Fault(Fault {
                    place: "what the bridge says at a time".into(),
                    error: "TooLarge".into(),
                    count: 1,
                })
            }
            BrowserEvent::Crashed(reason) => PageEvent::Crashed(reason),
            BrowserEvent::Closed(reason) => PageEvent::Closed(reason),
        };
        if matches!(event, PageEvent::LoggedOut(_) | PageEvent::Qr { .. }) {
            let profile = profile.clone();
            warn_of(&client, "removed", move || login::forget(&profile)).await;
        }
        // Fails when nobody takes it.
        let _ = page.send(event).await;
    }
}

/// Reads or writes the copy of the login; a failure is only logged.
async fn warn_of(
    client: &ClientId,
    what: &str,
    work: impl FnOnce() -> std::io::Result<()> + Send + 'static,
) {
    if let Ok(Err(error)) = tokio::task::spawn_blocking(work).await {
        warn!(%client, %error, "the copy of the login was not {what}");
    }
}

#[derive(Debug)]
struct ChromiumPage {
    tab: Tab,
    window: Arc<Window>,
    limit: Duration,
}

/// Calls the bridge if there is one, and returns the third argument otherwise.
const CALL: &str =
    "(name, request, without) => (window.__wharf ? window.__wharf.call(name, request) : without)";

#[async_trait]
impl PageChannel for ChromiumPage {
    async fn call(&self, call: Call) -> Result<Value, PageError> {
        let (what, limit) = (call.name, call.limit.with(self.limit));
        self.tab
            .call(CALL, &[json!(what), call.request, no_bridge()], limit)
            .await
            .map_err(|error| match error {
                TabError::Timeout(limit) => PageError::Timeout { what, limit },
                TabError::Script(reason) => PageError::Failed { what, reason },
                other => PageError::Gone {
                    what,
                    reason: other.to_string(),
                },
            })
    }
}

#[async_trait]
impl PageLife for ChromiumPage {
    async fn status(&self) -> Result<PageStatus, PageError> {
        ask(self, &Status(self.window.recorded(0))).await
    }

    async fn reload(&self) -> Result<(), PageError> {
        self.tab.reload().await.map_err(|error| PageError::Gone {
            what: "reload",
            reason: error.to_string(),
        })
    }

    async fn browser(&self) -> BrowserReport {
        let report = self.tab.report().await;
        BrowserReport {
            pid: Some(report.pid),
            version: Some(report.product),
            memory_bytes: Some(report.memory_bytes),
            processes: Some(report.processes),
            cpu_millis: Some(report.cpu_millis),
        }
    }

    async fn close(&self) {
        self.tab.close().await;
    }
}

#[async_trait]
impl PageReading for ChromiumPage {
    async fn recorded(&self, messages: usize) -> Result<(), PageError> {
        match self.window.recorded(messages) {
            Some(ticket) => ask(self, &Recorded(ticket)).await,
            None => Ok(()),
        }
    }
}

impl PageLinking for ChromiumPage {}

impl PageSending for ChromiumPage {}
