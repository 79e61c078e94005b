//! The connection to a browser, and the processes behind it.
//!
//! Every call over it has a deadline of its own, because CDP never answers after a crash of the
//! renderer.

use std::{sync::Arc, time::Duration};

use chromiumoxide::{
    Browser, Handler, cdp::browser_protocol::target::SetDiscoverTargetsParams, error::CdpError,
};
use futures_util::StreamExt;
use tokio::{
    io::AsyncWriteExt,
    process::{Child, ChildStdin},
    sync::{Mutex, watch},
    time::timeout,
};
use tracing::debug;

use super::TabError;

/// The deadline for calls that a healthy browser answers at once.
pub(super) const QUICK: Duration = Duration::from_secs(10);

/// The processes behind a page: the guard and its Chromium.
#[derive(Debug)]
pub(super) struct Process {
    pid: u32,
    guard: Mutex<Child>,
    input: Mutex<Option<ChildStdin>>,
    end: watch::Sender<Option<String>>,
}

impl Process {
    pub(super) fn new(mut guard: Child, pid: u32) -> Self {
        let input = Mutex::new(guard.stdin.take());
        Self {
            pid,
            guard: Mutex::new(guard),
            input,
            end: watch::Sender::new(None),
        }
    }

    /// Process id of Chromium's main process.
    pub(super) fn pid(&self) -> u32 {
        self.pid
    }

    /// Called when the output of the guard has ended: reaps the guard and wakes those that wait for
    /// its end.
    pub(super) async fn ended(&self, said: String) {
        let status = self.guard.lock().await.wait().await;
        debug!(?status, said, "guard ended");
        self.end.send_replace(Some(said));
    }

    pub(super) async fn wait(&self) -> String {
        let mut end = self.end.subscribe();
        let said = end.wait_for(Option::is_some).await;
        said.ok().and_then(|said| said.clone()).unwrap_or_default()
    }

    /// Makes the guard close the browser: cleanly, or with a kill after its grace time. Returns
    /// when the browser is gone.
    pub(super) async fn leave(&self) {
        self.input.lock().await.take();
        self.wait().await;
    }

    pub(super) async fn kill(&self) {
        if let Some(mut input) = self.input.lock().await.take() {
            // This fails when the guard has already exited.
            let _ = input.write_all(b"kill\n").await;
        }
        self.wait().await;
    }
}

/// A connected browser.
#[derive(Debug, Clone)]
pub(super) struct Connection {
    pub(super) browser: Arc<Mutex<Browser>>,
    pub(super) process: Arc<Process>,
    /// The product and version, e.g. `Chrome/156.0.8078.79`.
    pub(super) product: String,
    /// How the browser or the connection has ended; `None` while it is alive.
    pub(super) end: watch::Receiver<Option<String>>,
}

impl Connection {
    /// Starts the connection to a browser, and asks it for its version.
    pub(super) async fn start(
        browser: Browser,
        handler: Handler,
        process: Arc<Process>,
    ) -> Result<Self, TabError> {
        let (sender, end) = watch::channel(None);
        tokio::spawn(drive(handler, Arc::clone(&process), sender));
        let asking = async {
            browser.execute(SetDiscoverTargetsParams::new(true)).await?;
            browser.version().await
        };
        let product = quick(asking).await?.product;
        Ok(Self {
            browser: Arc::new(Mutex::new(browser)),
            process,
            product,
            end,
        })
    }

    pub(super) fn is_alive(&self) -> bool {
        // The task that drives the connection may have ended without setting a reason.
        self.end.borrow().is_none() && self.end.has_changed().is_ok()
    }
}

/// Runs the connection until it or the browser ends. A message that cannot be read (from a newer
/// CDP) does not end it; any other error does. Dropping the handler makes pending calls return.
async fn drive(mut handler: Handler, process: Arc<Process>, end: watch::Sender<Option<String>>) {
    let ended = tokio::select! {
        said = process.wait() => said,
        () = async {
            while let Some(step) = handler.next().await {
                match step {
                    Ok(()) | Err(CdpError::Serde(_)) => {}
                    Err(error) => {
                        debug!(%error, "CDP connection");
                        break;
                    }
                }
            }
        } => "the connection to the browser ended".to_owned(),
    };
    drop(handler);
    end.send_replace(Some(ended));
}

pub(super) async fn quick<T>(
    work: impl Future<Output = Result<T, CdpError>>,
) -> Result<T, TabError> {
    bounded(QUICK, work).await
}

pub(super) async fn bounded<T>(
    limit: Duration,
    work: impl Future<Output = Result<T, CdpError>>,
) -> Result<T, TabError> {
    match timeout(limit, work).await {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(CdpError::Timeout)) | Err(_) => Err(TabError::Timeout(limit)),
        Ok(Err(error)) => Err(TabError::Gone(error.to_string())),
    }
}
