//! A browser whose page is scripted by the test.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use tokio::sync::{Notify, mpsc};

use crate::{
    model::{ClientId, PhoneNumber, Timestamp},
    whatsapp::{
        BrowserReport, Call, ContractReport, LaunchError, Launched, Launcher, Page, PageChannel,
        PageError, PageEvent, PageLife, PageLinking, PageReading, PageSending, PageStatus,
        PairingCode, PasskeyOrder, fake::Unanswered,
    },
};

/// A page that is scripted by the test.
#[derive(Debug, Default)]
pub(super) struct ScriptedPage {
    pub(super) contract: Mutex<ContractReport>,
    /// What the next question for the contract ends with in place of an answer.
    pub(super) no_contract: Mutex<Option<PageError>>,
    pub(super) status: Mutex<Option<PageStatus>>,
    pub(super) log: Mutex<Vec<&'static str>>,
    pub(super) browser: Mutex<BrowserReport>,
    /// Whoever holds it keeps the browser from being measured.
    pub(super) unmeasured: tokio::sync::Mutex<()>,
    pub(super) measuring: Notify,
    pub(super) caught_up: Mutex<Vec<Timestamp>>,
    pub(super) recorded: AtomicUsize,
    pub(super) unanswered: Unanswered,
}

#[async_trait]
impl PageChannel for ScriptedPage {
    async fn call(&self, call: Call) -> Result<serde_json::Value, PageError> {
        self.unanswered.refuse(&call)
    }
}

#[async_trait]
impl PageLife for ScriptedPage {
    async fn status(&self) -> Result<PageStatus, PageError> {
        let status = self.status.lock().expect("lock").clone();
        status.ok_or(PageError::Timeout {
            what: "status",
            limit: Duration::from_secs(1),
        })
    }
    async fn contract(&self) -> Result<ContractReport, PageError> {
        match self.no_contract.lock().expect("lock").take() {
            Some(error) => Err(error),
            None => Ok(self.contract.lock().expect("lock").clone()),
        }
    }
    async fn reload(&self) -> Result<(), PageError> {
        self.log.lock().expect("lock").push("reload");
        Ok(())
    }
    async fn browser(&self) -> BrowserReport {
        self.measuring.notify_one();
        let _ = self.unmeasured.lock().await;
        self.browser.lock().expect("lock").clone()
    }
    async fn close(&self) {
        self.log.lock().expect("lock").push("close");
    }
}

#[async_trait]
impl PageLinking for ScriptedPage {
    async fn refresh_qr(&self) -> Result<(), PageError> {
        self.log.lock().expect("lock").push("refresh_qr");
        Ok(())
    }
    async fn pairing_code(&self, _: &PhoneNumber) -> Result<PairingCode, PageError> {
        Ok(PairingCode {
            code: "SECR-ETCD".into(),
            ttl: Duration::from_secs(180),
        })
    }
    async fn passkey(&self, order: &PasskeyOrder) -> Result<(), PageError> {
        self.log.lock().expect("lock").push(match order {
            PasskeyOrder::Answer { .. } => "answer",
            PasskeyOrder::Confirm => "confirm",
            PasskeyOrder::Expire => "expire",
            PasskeyOrder::Again => "again",
            PasskeyOrder::Cancel => "cancel",
        });
        Ok(())
    }
}

#[async_trait]
impl PageReading for ScriptedPage {
    async fn catch_up(&self, since: Timestamp) -> Result<(), PageError> {
        self.caught_up.lock().expect("lock").push(since);
        Ok(())
    }
    async fn recorded(&self, messages: usize) -> Result<(), PageError> {
        self.recorded.fetch_add(messages, Ordering::Relaxed);
        Ok(())
    }
}

impl PageSending for ScriptedPage {}

/// Launches scripted pages, and keeps the senders of their events.
#[derive(Debug, Default)]
pub(super) struct ScriptedLauncher {
    pub(super) page: Arc<ScriptedPage>,
    pub(super) news: Mutex<Vec<mpsc::Sender<PageEvent>>>,
    pub(super) failures: Mutex<Vec<LaunchError>>,
    /// The number of launches that hang until they are released.
    pub(super) hanging: AtomicU64,
    pub(super) goes_on: Notify,
}

impl ScriptedLauncher {
    pub(super) fn tell(&self, event: PageEvent) {
        self.news
            .lock()
            .expect("lock")
            .last()
            .expect("a page")
            .try_send(event)
            .expect("a listener with room");
    }
}

#[async_trait]
impl Launcher for ScriptedLauncher {
    async fn launch(&self, _: &ClientId) -> Result<Launched, LaunchError> {
        if let Some(error) = self.failures.lock().expect("lock").pop() {
            return Err(error);
        }
        if self.hanging.load(Ordering::Relaxed) > 0 {
            self.hanging.fetch_sub(1, Ordering::Relaxed);
            self.goes_on.notified().await;
        }
        let (sender, events) = mpsc::channel(1024);
        self.news.lock().expect("lock").push(sender);
        let page: Arc<dyn Page> = Arc::<ScriptedPage>::clone(&self.page);
        Ok(Launched { page, events })
    }
}
