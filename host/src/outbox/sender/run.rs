//! The loop of a sender: waits for a page, works with it, and takes the lease again if it was lost.

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::{Notify, watch},
    task::JoinHandle,
    time::{Instant, sleep, sleep_until},
};
use tracing::{error, info};

use super::{
    pass::Progress,
    state::{LEASE_PAUSE, Sender},
};
use crate::{
    model::ClientId,
    outbox::handle::{Inner, Outbox},
    store::StoreError,
    tasks::{self, Trouble},
    whatsapp::PageSending,
};

/// Maximum time between two checks of the queue and of deadlines.
const TICK: Duration = Duration::from_secs(1);

impl Outbox {
    /// Starts the sender of a session. It sends while the session has a page, and ends when `pages`
    /// is closed.
    pub fn attach(
        &self,
        client: ClientId,
        pages: watch::Receiver<Option<Arc<dyn PageSending>>>,
    ) -> JoinHandle<()> {
        let inner = Arc::clone(&self.inner);
        inner.keep_page(client.clone(), pages.clone());
        tasks::until_done("outbox.sender", move || {
            run(Arc::clone(&inner), client.clone(), pages.clone())
        })
    }
}

async fn run(
    inner: Arc<Inner>,
    client: ClientId,
    mut pages: watch::Receiver<Option<Arc<dyn PageSending>>>,
) {
    let mut sender = Sender::lease(Arc::clone(&inner), client.clone()).await;
    let (mut late, mut stopped) = (Trouble::default(), Trouble::default());
    loop {
        if sender.has_lost_lease() {
            metrics::counter!("wharf_leases_lost_total", "session" => client.to_string())
                .increment(1);
            error!(%client, "another process has taken the lease for sending in this session; it is taken back");
            // The other process does the same. Without a pause the two would do nothing else.
            sleep(LEASE_PAUSE).await;
            sender = Sender::lease(Arc::clone(&inner), client.clone()).await;
        }
        let page = pages.borrow_and_update().clone();
        match page {
            None => {
                tokio::select! {
                    changed = pages.changed() => {
                        if changed.is_err() {
                            return;
                        }
                    }
                    () = sleep(TICK) => {
                        if let Err(error) = sender.clock().await {
                            if late.is_new(&error) {
                                error!(client = %sender.client, %error, "messages past their deadline cannot be ended");
                            }
                        } else if late.is_over() {
                            info!(client = %sender.client, "messages past their deadline are ended again");
                        }
                    }
                }
            }
            Some(page) => {
                let gone = async {
                    // An error means that the session has ended.
                    let _ = pages.changed().await;
                };
                let began = Instant::now();
                tokio::select! {
                    result = sender.work(&page) => {
                        if let Err(error) = result {
                            // After this long without an error it counts as a new one.
                            if began.elapsed() > 10 * TICK {
                                stopped.is_over();
                            }
                            if stopped.is_new(&error) {
                                error!(client = %sender.client, %error, "sending has stopped because of an error; it is retried every second");
                            }
                            sleep(TICK).await;
                        }
                    }
                    () = gone => {}
                }
                if pages.has_changed().is_err() {
                    return;
                }
            }
        }
    }
}

impl Sender {
    /// Works with one page until it is replaced. The future may be dropped at any point: as after a
    /// crash, the rows say what was begun.
    async fn work(&self, page: &Arc<dyn PageSending>) -> Result<(), StoreError> {
        self.previews.forget();
        self.unsettle().await?;
        let settled = Notify::new();
        let fast_path = async {
            settled.notified().await;
            if self.pacing.counts() {
                return std::future::pending().await;
            }
            self.serve_fast_path(page, self.open_fast_path()).await
        };
        tokio::select! {
            result = self.work_queue(page) => result,
            result = fast_path => result,
            result = self.find_out(page, &settled) => result,
        }
    }

    /// Processes the queue and the timers until the lease is lost.
    async fn work_queue(&self, page: &Arc<dyn PageSending>) -> Result<(), StoreError> {
        let (mut look, mut clock) = (Instant::now() + TICK, Instant::now());
        loop {
            let accepted = self.inner.accepted.notified();
            if Instant::now() >= clock {
                self.clock().await?;
                clock = Instant::now() + TICK;
            }
            let mut progress = Progress::More;
            while progress == Progress::More {
                progress = self.pass(page).await?;
            }
            let turn = match progress {
                Progress::LeaseLost => return Ok(()),
                Progress::Until(turn) => turn.min(look),
                Progress::More | Progress::Idle => look,
            };
            tokio::select! {
                () = accepted => {}
                // An absolute time, because messages may be accepted so often that a `sleep` would
                // never end.
                () = sleep_until(turn) => {
                    if Instant::now() >= look {
                        look = Instant::now() + TICK;
                    }
                }
            }
        }
    }
}
