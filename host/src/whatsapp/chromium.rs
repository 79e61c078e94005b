//! WhatsApp Web in a real Chromium: the ports [`Page`] and [`Launcher`] over a browser tab and the bridge.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use async_trait::async_trait;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tracing::warn;

use super::{
    login,
    news::{Answer, CodeAnswer, Established, KnownMessage, Said, parse},
    page::{
        BrowserReport, ContractReport, Fault, Found, LaunchError, Launched, Launcher, Page, PageError, PageEvent, PageSend, PageStatus, PairingCode,
        Stored,
    },
    passkey::PasskeyOrder,
    script,
    window::Window,
};
use crate::{
    browser::{self, BrowserError, BrowserEvent, Guard, LaunchOptions, SharedBrowser, Tab, TabError},
    config,
    model::{Address, ClientId, MessageId, PhoneNumber, Recipient, Timestamp},
};

const LAUNCH_TIMEOUT: Duration = Duration::from_secs(30);
const CLOSE_GRACE: Duration = Duration::from_secs(10);
/// A log-out waits for the server's word, bounded in the page itself.
const LOGOUT_TIMEOUT: Duration = Duration::from_secs(12);
/// News that wait for the session; a page says more of it as soon as there is room.
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

/// Says where below the first path a session's profile lies, when it can be used; it may wait for the disk.
pub type Profile = fn(&Path, &ClientId) -> Result<PathBuf, LaunchError>;

impl ChromiumLauncher {
    /// `profile` says where below `root` a session's profile lies; `shared`: the browser for all of them.
    #[must_use]
    pub fn new(
        whatsapp: config::WhatsApp,
        browser: config::Browser,
        root: PathBuf,
        profile: Profile,
        guard: Guard,
        shared: Option<Arc<SharedBrowser>>,
    ) -> Self {
        Self { whatsapp, browser, profile, root, guard, shared }
    }
}

#[async_trait]
impl Launcher for ChromiumLauncher {
    async fn launch(&self, client: &ClientId) -> Result<Launched, LaunchError> {
        let (profile, root, owner) = (self.profile, self.root.clone(), client.clone());
        let profile = tokio::task::spawn_blocking(move || profile(&root, &owner)).await;
        let profile = profile.map_err(|error| LaunchError::Failed(error.to_string()))??;
        let copy = login::copy(&profile);
        let script = script::script(self.whatsapp.bridge_script.as_deref(), copy.as_ref()).map_err(|error| {
            LaunchError::Failed(format!(
                "cannot read [whatsapp] bridge_script {:?}: {error}",
                self.whatsapp.bridge_script.clone().unwrap_or_default()
            ))
        })?;
        let options = LaunchOptions {
            executable: self.browser.executable.clone(),
            kind: self.browser.kind,
            profile: profile.clone(),
            args: self.browser.args.clone(),
            user_agent: self.browser.user_agent.clone(),
            tag: client.to_string(),
            launch_timeout: self.browser.launch_timeout.map_or(LAUNCH_TIMEOUT, config::Millis::duration),
            close_grace: self.browser.close_grace.map_or(CLOSE_GRACE, config::Millis::duration),
            guard: self.guard.clone(),
        };
        let (tab, browser_events) = match &self.shared {
            None => browser::launch(&options).await?,
            Some(shared) => shared.open(&options).await?,
        };
        let (sender, events) = mpsc::channel(NEWS);
        let window = Arc::new(Window::default());
        tokio::spawn(forward(client.clone(), profile, browser_events, sender, Arc::clone(&window)));
        let opened = async {
            tab.prepare(script::BINDING, &script).await?;
            tab.goto(&self.whatsapp.url, self.whatsapp.boot_timeout.duration()).await
        };
        if let Err(error) = opened.await {
            tab.close().await;
            return Err(match error {
                TabError::Unreachable { url, reason } => LaunchError::Unreachable { url, reason },
                other => LaunchError::Failed(other.to_string()),
            });
        }
        let page: Arc<dyn Page> = Arc::new(ChromiumPage { tab, window, limit: self.whatsapp.call_timeout.duration() });
        Ok(Launched { page, events })
    }
}

impl From<BrowserError> for LaunchError {
    fn from(error: BrowserError) -> Self {
        match error {
            BrowserError::NoBrowser(reason) => Self::NoBrowser(reason),
            BrowserError::ProfileInUse { profile, pid } => Self::ProfileInUse { profile, pid },
            BrowserError::Profile { profile, reason } => Self::Profile(format!("{}: {reason}", profile.display())),
            BrowserError::Failed(reason) => Self::Failed(reason),
        }
    }
}

/// Turns the browser's news into the page's. Every document says hello first: the second one is a reload.
async fn forward(client: ClientId, profile: PathBuf, mut browser: mpsc::Receiver<BrowserEvent>, page: mpsc::Sender<PageEvent>, window: Arc<Window>) {
    let mut greeted = false;
    while let Some(event) = browser.recv().await {
        let event = match event {
            BrowserEvent::Binding(payload) => match parse(&payload) {
                Some(Said::Login(entries)) => {
                    let profile = profile.clone();
                    warn_of(&client, "kept", move || login::keep(&profile, &entries)).await;
                    continue;
                }
                Some(Said::News(PageEvent::Navigated)) if !std::mem::replace(&mut greeted, true) => continue,
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
                warn!(%client, bytes, "the bridge said more at a time than is taken");
                PageEvent::Fault(Fault { place: "what the bridge says at a time".into(), error: "TooLarge".into(), count: 1 })
            }
            BrowserEvent::Crashed(reason) => PageEvent::Crashed(reason),
            BrowserEvent::Closed(reason) => PageEvent::Closed(reason),
        };
        if matches!(event, PageEvent::LoggedOut(_) | PageEvent::Qr { .. }) {
            let profile = profile.clone();
            warn_of(&client, "removed", move || login::forget(&profile)).await;
        }
        if page.send(event).await.is_err() {
            return;
        }
    }
}

/// Works on the copy of the login; that it failed is no reason to stop.
async fn warn_of(client: &ClientId, what: &str, work: impl FnOnce() -> std::io::Result<()> + Send + 'static) {
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

impl ChromiumPage {
    async fn call<T: DeserializeOwned>(&self, what: &'static str, args: Value, limit: Duration) -> Result<T, PageError> {
        // A bridge that is not there (an error page, a replaced script that is broken) has begun nothing, but
        // neither can it be told from a page that is just being loaded.
        let function = "(name, args) => { if (!window.__wharf) throw new Error('no bridge in this page'); return window.__wharf.call(name, args) }";
        let gone = |reason: String| PageError::Gone { what, reason };
        let mut answer = self.tab.call(function, &[json!(what), args], limit).await.map_err(|error| match error {
            TabError::Timeout(limit) => PageError::Timeout { what, limit },
            other => gone(other.to_string()),
        })?;
        if let Some(missing) = answer.get_mut("broken").filter(|missing| missing.is_array() && what != "status") {
            let missing = serde_json::from_value(missing.take()).unwrap_or_default();
            return Err(PageError::ContractBroken { what, missing });
        }
        if answer.get("booting").is_some() {
            return Err(PageError::Booting { what });
        }
        if answer.get("noChat").is_some() {
            return Err(PageError::NoSuchChat);
        }
        if let Some(reason) = answer.get("unquotable").and_then(Value::as_str) {
            return Err(PageError::QuoteNotFound { reason: reason.to_owned() });
        }
        if let Some(reason) = answer.get("refused").and_then(Value::as_str) {
            return Err(PageError::Refused { what, reason: reason.to_owned() });
        }
        serde_json::from_value(answer).map_err(|error| gone(format!("an unreadable answer ({:?})", error.classify())))
    }
}

#[async_trait]
impl Page for ChromiumPage {
    async fn status(&self) -> Result<PageStatus, PageError> {
        let recorded = self.window.recorded(0);
        self.call("status", recorded.map_or_else(|| json!({}), |ticket| json!(ticket)), self.limit).await
    }

    async fn contract(&self) -> Result<ContractReport, PageError> {
        self.call("contract", json!({}), self.limit).await
    }

    async fn resolve(&self, number: &PhoneNumber) -> Result<Option<Address>, PageError> {
        let answer: Answer<Address> = self.call("resolve", json!({"number": number.digits()}), self.limit).await?;
        Ok(answer.found)
    }

    async fn address(&self, chat: &str) -> Result<Address, PageError> {
        self.call("address", json!({"chat": chat}), self.limit).await
    }

    async fn established(&self, recipients: &[Recipient]) -> Result<Vec<Recipient>, PageError> {
        let chats: Vec<String> = recipients.iter().map(|recipient| Address::of(recipient).chat).collect();
        let answer: Established = self.call("established", json!({"chats": chats}), self.limit).await?;
        let known = recipients.iter().zip(&chats).filter(|(_, chat)| answer.chats.contains(chat));
        Ok(known.map(|(recipient, _)| recipient.clone()).collect())
    }

    async fn typing(&self, chat: &str, how_long: Duration) -> Result<(), PageError> {
        let millis = u64::try_from(how_long.as_millis()).unwrap_or(u64::MAX);
        self.call::<Value>("typing", json!({"chat": chat, "millis": millis}), self.limit.saturating_add(how_long)).await.map(|_| ())
    }

    async fn preview(&self, send: &PageSend) -> Result<(), PageError> {
        self.call::<Value>("preview", json!(send), self.limit).await.map(|_| ())
    }

    async fn send(&self, send: &PageSend) -> Result<Stored, PageError> {
        let known: KnownMessage = self.call("send", json!(send), self.limit).await?;
        Ok(known.into())
    }

    async fn find(&self, id: &MessageId, chat: &str) -> Result<Option<Found>, PageError> {
        let answer: Answer<KnownMessage> = self.call("find", json!({"id": id, "chat": chat}), self.limit).await?;
        Ok(answer.found.map(Found::from))
    }

    async fn resend(&self, id: &MessageId, chat: &str) -> Result<(), PageError> {
        self.call::<Value>("resend", json!({"id": id, "chat": chat}), self.limit).await.map(|_| ())
    }

    async fn catch_up(&self, since: Timestamp) -> Result<(), PageError> {
        self.call::<Value>("catch_up", json!({"since": since}), self.limit).await.map(|_| ())
    }

    async fn recorded(&self, messages: usize) -> Result<(), PageError> {
        match self.window.recorded(messages) {
            Some(ticket) => self.call::<Value>("recorded", json!(ticket), self.limit).await.map(|_| ()),
            None => Ok(()),
        }
    }

    async fn refresh_qr(&self) -> Result<(), PageError> {
        self.call::<Value>("refresh_qr", json!({}), self.limit).await.map(|_| ())
    }

    async fn pairing_code(&self, number: &PhoneNumber) -> Result<PairingCode, PageError> {
        let answer: CodeAnswer = self.call("pairing_code", json!({"number": number.digits()}), self.limit).await?;
        answer.read("pairing_code")
    }

    async fn cancel_pairing(&self) -> Result<(), PageError> {
        self.call::<Value>("cancel_pairing", json!({}), self.limit).await.map(|_| ())
    }

    async fn passkey(&self, order: &PasskeyOrder) -> Result<(), PageError> {
        self.call::<Value>("passkey", json!(order), self.limit).await.map(|_| ())
    }

    async fn logout(&self) -> Result<(), PageError> {
        match self.call::<Value>("logout", json!({}), LOGOUT_TIMEOUT).await {
            // The reload took the answer with it.
            Ok(_) | Err(PageError::Gone { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }

    async fn reload(&self) -> Result<(), PageError> {
        self.tab.reload().await.map_err(|error| PageError::Gone { what: "reload", reason: error.to_string() })
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
