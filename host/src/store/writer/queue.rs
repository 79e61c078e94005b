//! The writer's queue, which decides what goes into the next batch.
//!
//! Requests that queue up while a batch is committed form the next one. Deferrable jobs wait some
//! milliseconds longer, because a commit of their own would cost more than the job. Urgent requests
//! do not wait for them, unless so many are committed that it makes no difference.

use std::{mem, time::Duration};

use tokio::{
    sync::mpsc,
    time::{Instant, timeout_at},
};

use super::job::{Request, Urgency};

/// Maximum number of queued requests; further ones are refused as busy.
pub(super) const CAPACITY: usize = 4096;
/// Requests that are taken from the channel at a time.
const BATCH: usize = 256;
/// How long deferrable jobs wait at most.
const LINGER: Duration = Duration::from_millis(10);
/// Up to this many urgent requests are committed without deferrable ones.
pub(super) const FEW: usize = 4;

pub(super) struct Queue {
    inbox: mpsc::Receiver<Request>,
    deferred: Vec<Request>,
    /// When the deferred requests are committed at the latest.
    deadline: Instant,
}

impl Queue {
    pub(super) fn new(inbox: mpsc::Receiver<Request>) -> Self {
        Self {
            inbox,
            deferred: Vec::new(),
            deadline: Instant::now(),
        }
    }

    /// The next batch, or `None` if all senders are gone and nothing is left.
    pub(super) async fn next(&mut self) -> Option<Vec<Request>> {
        loop {
            let mut urgent = Vec::with_capacity(BATCH);
            let received = self.inbox.recv_many(&mut urgent, BATCH);
            let received = if self.deferred.is_empty() {
                Ok(received.await)
            } else {
                timeout_at(self.deadline, received).await
            };
            match received {
                Ok(0) if self.deferred.is_empty() => return None,
                Ok(0) | Err(_) => return Some(mem::take(&mut self.deferred)),
                Ok(_) => {}
            }
            if self.deferred.is_empty() {
                self.deadline = Instant::now() + LINGER;
            }
            self.deferred
                .extend(urgent.extract_if(.., |request| request.urgency() != Urgency::Now));
            if urgent.len() > FEW || self.deferred.len() >= BATCH || self.deadline <= Instant::now()
            {
                self.deferred.append(&mut urgent);
                return Some(mem::take(&mut self.deferred));
            }
            if !urgent.is_empty() {
                let first = self
                    .deferred
                    .extract_if(.., |request| request.urgency() == Urgency::FirstDeferrable);
                return Some(first.chain(urgent).collect());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::oneshot;

    use super::*;
    use crate::store::{script::Script, writer::job::Job};

    fn request(sql: &'static str, urgency: Urgency) -> Request {
        let mut script = Script::default();
        script.add(sql);
        Request::Job(Job::Script(script, oneshot::channel().0), urgency)
    }

    /// The urgencies of the requests in the next batch.
    async fn next(queue: &mut Queue) -> Vec<Urgency> {
        queue
            .next()
            .await
            .expect("a batch")
            .iter()
            .map(Request::urgency)
            .collect()
    }

    fn filled(urgencies: &[Urgency]) -> (mpsc::Sender<Request>, Queue) {
        let (sender, inbox) = mpsc::channel(CAPACITY);
        for urgency in urgencies {
            sender
                .try_send(request("SELECT 1", *urgency))
                .expect("room");
        }
        (sender, Queue::new(inbox))
    }

    #[tokio::test]
    async fn few_urgent_requests_go_without_deferrable_ones_but_after_those_that_come_first() {
        use Urgency::{Deferrable, FirstDeferrable, Now};

        let (_sender, mut queue) = filled(&[Deferrable, Now, FirstDeferrable, Now]);
        assert_eq!(next(&mut queue).await, [FirstDeferrable, Now, Now]);
        let asked = Instant::now();
        assert_eq!(next(&mut queue).await, [Deferrable]);
        assert!(
            asked.elapsed() <= 10 * LINGER,
            "it waits for the linger at most"
        );
    }

    #[tokio::test]
    async fn many_urgent_requests_take_the_deferrable_ones_along() {
        let (_sender, mut queue) =
            filled(&[[Urgency::Deferrable].as_slice(), &[Urgency::Now; FEW + 1]].concat());
        assert_eq!(next(&mut queue).await.len(), FEW + 2);
    }

    #[tokio::test]
    async fn deferrable_requests_share_a_batch_and_are_done_at_the_end() {
        let (sender, mut queue) = filled(&[Urgency::Deferrable, Urgency::FirstDeferrable]);
        sender
            .try_send(request("SELECT 1", Urgency::Deferrable))
            .expect("room");
        assert_eq!(next(&mut queue).await.len(), 3);
        sender
            .try_send(request("SELECT 1", Urgency::Deferrable))
            .expect("room");
        drop(sender);
        assert_eq!(next(&mut queue).await, [Urgency::Deferrable]);
        assert!(queue.next().await.is_none());
    }
}
