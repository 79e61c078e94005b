//! The browser of a session, whether requested, running or closing, and the tasks that work on it.

use std::{future::Future, sync::Arc, time::Duration};

use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, oneshot},
    task::{JoinError, JoinSet},
    time::timeout,
};
use tracing::warn;

use super::{
    done::{Done, Start},
    heard::Heard,
};
use crate::{
    model::{ClientId, Timestamp, millis},
    session::Journal,
    tasks,
    whatsapp::{LaunchError, Launcher, Page, PageError, PageLife, PageReading},
};

/// After this time a launch no longer counts towards the limit of concurrent launches.
const SLOW: Duration = Duration::from_secs(10);

pub(super) struct Body {
    client: ClientId,
    launcher: Arc<dyn Launcher>,
    journal: Arc<dyn Journal>,
    starts: Arc<Semaphore>,
    /// A single permit; its holder may have a browser on the profile.
    profile: Arc<Semaphore>,
    running: Option<Running>,
    generation: u64,
    work: JoinSet<Done>,
}

struct Running {
    page: Arc<dyn Page>,
    heard: Heard,
    permit: OwnedSemaphorePermit,
}

impl Body {
    pub(super) fn new(
        client: ClientId,
        launcher: Arc<dyn Launcher>,
        journal: Arc<dyn Journal>,
        starts: Arc<Semaphore>,
        profile: Arc<Semaphore>,
    ) -> Self {
        Self {
            client,
            launcher,
            journal,
            starts,
            profile,
            running: None,
            generation: 0,
            work: JoinSet::new(),
        }
    }

    pub(super) fn page(&self) -> Option<Arc<dyn Page>> {
        self.running
            .as_ref()
            .map(|running| Arc::clone(&running.page))
    }

    pub(super) fn is_current(&self, generation: u64) -> bool {
        generation == self.generation
    }

    /// Whether a task is still running.
    pub(super) fn busy(&self) -> bool {
        !self.work.is_empty()
    }

    /// The next event of the page or result of a task; waits forever when there is neither.
    pub(super) async fn next(&mut self) -> Done {
        tokio::select! {
            news = heard(self.running.as_mut(), &*self.journal) => news,
            Some(done) = self.work.join_next(), if !self.work.is_empty() => done.unwrap_or_else(|error| lost_task(&error)),
        }
    }

    pub(super) fn launch(&mut self) {
        self.generation += 1;
        let generation = self.generation;
        let (client, launcher) = (self.client.clone(), Arc::clone(&self.launcher));
        let (profile, starts) = (Arc::clone(&self.profile), Arc::clone(&self.starts));
        let (tell, told) = oneshot::channel();
        // This task is not in `work`, whose tasks are aborted with the supervisor: a browser that
        // comes up after that is closed here.
        tokio::spawn(async move {
            let result = async {
                let closed = |_| LaunchError::Failed("the gateway is stopping".into());
                let permit = profile.acquire_owned().await.map_err(closed)?;
                let turn = starts.acquire().await.map_err(closed)?;
                let mut launching = launcher.launch(&client);
                let launched = match timeout(SLOW, &mut launching).await {
                    Ok(launched) => launched?,
                    // The launch hangs, or the machine is slow; other sessions do not wait for it.
                    Err(_) => {
                        drop(turn);
                        launching.await?
                    }
                };
                Ok(Start { launched, permit })
            };
            if let Err(Ok(Start { launched, permit })) = tell.send(result.await) {
                launched.page.close().await;
                drop(permit);
            }
        });
        self.work.spawn(async move {
            // The session waits for the result, so it gets one even if the launch panics.
            let result = told
                .await
                .unwrap_or_else(|_| Err(LaunchError::Failed("the launch panicked".into())));
            Done::Launched { generation, result }
        });
    }

    /// Processes the result of a launch. `None`: the launch belongs to an older generation, and its
    /// browser is closed again.
    pub(super) fn launched(
        &mut self,
        generation: u64,
        result: Result<Start, LaunchError>,
    ) -> Option<Result<(), LaunchError>> {
        let current = self.is_current(generation);
        match result {
            Ok(Start { launched, permit }) => {
                let running = Running {
                    page: launched.page,
                    heard: Heard::new(launched.events),
                    permit,
                };
                if current {
                    self.running = Some(running);
                } else {
                    self.end(running);
                }
                current.then_some(Ok(()))
            }
            Err(error) => current.then_some(Err(error)),
        }
    }

    /// Closes the running browser, and abandons one that is being launched.
    pub(super) fn close(&mut self) {
        self.generation += 1;
        if let Some(running) = self.running.take() {
            self.end(running);
        }
    }

    fn end(&mut self, running: Running) {
        self.work.spawn(async move {
            running.page.close().await;
            drop(running.permit);
            Done::Nothing
        });
    }

    /// Asks the page for something whose effect arrives as an event.
    pub(super) fn ask<F, Fut>(&mut self, what: &'static str, call: F)
    where
        F: FnOnce(Arc<dyn Page>) -> Fut + Send + 'static,
        Fut: Future<Output = Result<(), PageError>> + Send,
    {
        let Some(page) = self.page() else { return };
        let client = self.client.clone();
        self.work.spawn(async move {
            if let Err(error) = call(page).await {
                warn!(%client, %error, "{what}");
            }
            Done::Nothing
        });
    }

    pub(super) fn probe_contract(&mut self) {
        let Some(page) = self.page() else { return };
        let generation = self.generation;
        self.work.spawn(async move {
            Done::Contract {
                generation,
                result: answer("contract", page.contract()).await,
            }
        });
    }

    pub(super) fn catch_up(&mut self, since: Timestamp) {
        let Some(page) = self.page() else { return };
        let (page, generation): (Arc<dyn PageReading>, _) = (page, self.generation);
        self.work.spawn(async move {
            match answer("catch_up", page.catch_up(since)).await {
                Ok(()) => Done::Nothing,
                Err(error) => Done::NoCatchUp { generation, error },
            }
        });
    }

    /// Tells the page what is recorded, so that it reports more. If this call fails, the next one
    /// or the next health check carries the same information.
    pub(super) fn recorded(&mut self, messages: usize) {
        let Some(page) = self.page() else { return };
        let page: Arc<dyn PageReading> = page;
        self.work.spawn(async move {
            // The end of a page that is gone is handled elsewhere.
            let _ = page.recorded(messages).await;
            Done::Nothing
        });
    }

    /// Asks for the status and the measurements of the browser. `after` returns with the result.
    pub(super) fn check_health(&mut self, after: u64) {
        let Some(page) = self.page() else { return };
        let (page, generation): (Arc<dyn PageLife>, _) = (page, self.generation);
        self.work.spawn(async move {
            let began = tokio::time::Instant::now();
            let result = answer("status", page.status()).await;
            let page_millis = millis(began.elapsed());
            Done::Health {
                generation,
                after,
                page_millis,
                result,
                browser: page.browser().await,
            }
        });
    }
}

/// The answer of the page to a call that the session waits for; a call that panics counts as
/// refused.
async fn answer<T>(
    what: &'static str,
    call: impl Future<Output = Result<T, PageError>>,
) -> Result<T, PageError> {
    tasks::unless_panics(call).await.unwrap_or_else(|| {
        Err(PageError::Refused {
            what,
            reason: "the call panicked".into(),
        })
    })
}

async fn heard(running: Option<&mut Running>, journal: &dyn Journal) -> Done {
    match running {
        Some(running) => running.heard.next(journal).await,
        None => std::future::pending().await,
    }
}

fn lost_task(error: &JoinError) -> Done {
    warn!(%error, "a task of the session ended early");
    Done::Nothing
}
