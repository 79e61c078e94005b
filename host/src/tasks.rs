//! Tasks that run as long as the gateway, or as long as what they serve. Each task has a name and
//! an owner. A task that panics, or that ends although it must not, is logged by its name, counted
//! and restarted.
//!
//! The state of such a task is in the database, so a restart of the task is as good as a restart of
//! the gateway.

use std::{fmt::Display, future::Future, panic::AssertUnwindSafe, time::Duration};

use futures_util::FutureExt;
use tokio::{task::JoinHandle, time::sleep};
use tracing::error;

/// The pause before a task is restarted.
const PAUSE: Duration = Duration::from_secs(1);

/// Spawns a task that runs until its handle is aborted. It is restarted when it panics or ends.
pub fn forever<F, Fut>(name: &'static str, begin: F) -> JoinHandle<()>
where
    F: FnMut() -> Fut + Send + 'static,
    Fut: Future<Output = ()> + Send + 'static,
{
    tokio::spawn(run(name, false, begin))
}

/// Spawns a task that runs until it ends. It is restarted only when it panics.
pub fn until_done<F, Fut>(name: &'static str, begin: F) -> JoinHandle<()>
where
    F: FnMut() -> Fut + Send + 'static,
    Fut: Future<Output = ()> + Send + 'static,
{
    tokio::spawn(run(name, true, begin))
}

async fn run<F, Fut>(name: &'static str, may_end: bool, mut begin: F)
where
    F: FnMut() -> Fut + Send,
    Fut: Future<Output = ()> + Send + 'static,
{
    loop {
        let why = match unless_panics(async { begin().await }).await {
            Some(()) if may_end => return,
            Some(()) => "it ended",
            None => "it panicked",
        };
        begins_anew(name, why);
        sleep(PAUSE).await;
    }
}

/// Awaits a future. Returns `None` if it panics.
pub async fn unless_panics<T>(work: impl Future<Output = T>) -> Option<T> {
    AssertUnwindSafe(work).catch_unwind().await.ok()
}

/// Logs and counts the restart of a task.
pub fn begins_anew(name: &'static str, why: &str) {
    metrics::counter!("wharf_task_restarts_total", "task" => name).increment(1);
    error!(
        task = name,
        why, "a task of the gateway failed and is restarted"
    );
}

/// Remembers why a loop that retries fails, so that each cause is logged once and not at each
/// attempt.
#[derive(Debug, Default)]
pub struct Trouble(Option<String>);

impl Trouble {
    /// Records a failure. Returns whether its cause differs from that of the previous attempt.
    pub fn is_new(&mut self, cause: &impl Display) -> bool {
        let cause = cause.to_string();
        let known = self.0.as_ref() == Some(&cause);
        self.0 = Some(cause);
        !known
    }

    /// Records a success. Returns whether the previous attempt failed.
    pub fn is_over(&mut self) -> bool {
        self.0.take().is_some()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    };

    use tokio::sync::Notify;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_task_that_panics_or_ends_is_begun_anew() {
        let (begun, third) = (Arc::new(AtomicU32::new(0)), Arc::new(Notify::new()));
        let (count, told) = (Arc::clone(&begun), Arc::clone(&third));
        let task = forever("test", move || {
            let (count, told) = (Arc::clone(&count), Arc::clone(&told));
            async move {
                match count.fetch_add(1, Ordering::Relaxed) {
                    0 => panic!("of its own free will"),
                    1 => {}
                    _ => {
                        told.notify_one();
                        std::future::pending().await
                    }
                }
            }
        });
        third.notified().await;
        assert_eq!(begun.load(Ordering::Relaxed), 3);
        task.abort();
        assert!(
            task.await
                .expect_err("it does not end by itself")
                .is_cancelled()
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_task_that_may_end_is_begun_anew_after_a_panic_alone() {
        let begun = Arc::new(AtomicU32::new(0));
        let count = Arc::clone(&begun);
        let task = until_done("test", move || {
            let count = Arc::clone(&count);
            async move {
                assert!(
                    count.fetch_add(1, Ordering::Relaxed) > 0,
                    "of its own free will"
                )
            }
        });
        task.await.expect("done");
        assert_eq!(begun.load(Ordering::Relaxed), 2);
    }

    #[test]
    fn a_cause_is_new_once_until_it_changes_or_is_over() {
        let mut trouble = Trouble::default();
        assert!(!trouble.is_over());
        assert!(trouble.is_new(&"the disk is full"));
        assert!(!trouble.is_new(&"the disk is full"));
        assert!(trouble.is_new(&"busy"));
        assert!(trouble.is_over() && !trouble.is_over());
        assert!(trouble.is_new(&"busy"));
    }
}
