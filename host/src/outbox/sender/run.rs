//! The loop of a sender: waits for a page, works with it, and takes its lease again when that is
//! lost.

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

/// The queue is looked at so often at least: rows become due, and acknowledgements stay away.
const TICK: Duration = Duration::from_secs(1);

impl Outbox {
    /// Sends the rows of a session while it has a page; ends when the session does.
    pub fn attach(
        &self,
        client: ClientId,
        pages: watch::Receiver<Option<Arc<dyn PageSending>>>,
    ) -> JoinHandle<()> {
        let inner = Arc::clone(&self.inner);
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
            error!(%client, "somebody else has taken over the sending of this session in the database; it is taken back");
            // Whoever it is does the same; two that do it all the time would do nothing else.
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
                                error!(client = %sender.client, %error, "sends whose deadline is over cannot be ended");
                            }
                        } else if late.is_over() {
                            info!(client = %sender.client, "sends whose deadline is over are ended again");
                        }
                    }
                }
            }
            Some(page) => {
                let gone = async {
                    // An error: the session has ended.
                    let _ = pages.changed().await;
                };
                let began = Instant::now();
                tokio::select! {
                    result = sender.work(&page) => {
                        if let Err(error) = result {
                            // After work that went well for so long it is another trouble.
                            if began.elapsed() > 10 * TICK {
                                stopped.is_over();
                            }
                            if stopped.is_new(&error) {
                                error!(client = %sender.client, %error, "the outbox stops; it tries to go on every moment");
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
    /// Works with one page until it is replaced. Being dropped in the middle is as good as a crash:
    /// the rows tell.
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

    /// Works off the queue, and what the clock brings about, until the lease is lost.
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
                // Not `sleep`: accepts may come so often that it would never end.
                () = sleep_until(turn) => {
                    if Instant::now() >= look {
                        look = Instant::now() + TICK;
                    }
                }
            }
        }
    }
}
