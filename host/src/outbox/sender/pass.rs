//! A pass over the queue, which sends the next messages that nothing holds back.
//!
//! The messages of a chat go one after the other, each after the page has stored the previous one,
//! so they keep their order. Several chats go at a time, and their messages are marked as being
//! sent in one commit. Acknowledgements are not waited for here. A message that has to wait, or
//! that the page may or may not have, holds back the later ones of its chat, and no other chat.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, atomic::Ordering},
};

use tokio::time::Instant;
use tracing::debug;

use super::state::Sender;
use crate::{
    model::{Recipient, Timestamp},
    outbox::pace::{self, Turn},
    store::{OutboxRow, Sending, StoreError},
    whatsapp::PageSending,
};

/// Rows of the queue that are read at a time. So an interactive message waits for at most this many
/// bulk messages.
const PASS: u32 = 16;
/// Longest pause before a retry, in milliseconds. A longer one was written before the clock was set
/// back, and is ignored.
const LONGEST_PAUSE: u64 = 60_000;

/// The result of a pass over the queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::outbox) enum Progress {
    /// Something was sent; there may be more.
    More,
    /// Nothing more may be sent now.
    Idle,
    /// Pacing allows the next message at this time.
    Until(Instant),
    /// Another sender has taken the lease of this session.
    LeaseLost,
}

/// Whether a message waits for its next try.
fn pauses(row: &OutboxRow) -> bool {
    let left = row.retry_at.since(Timestamp::now());
    left > 0 && left <= LONGEST_PAUSE
}

impl Sender {
    /// Sends the next messages of the queue that nothing holds back.
    pub(in crate::outbox) async fn pass(
        &self,
        page: &Arc<dyn PageSending>,
    ) -> Result<Progress, StoreError> {
        let (store, pacing) = (&self.inner.store, &self.pacing);
        let reading = self.reading.lock().await;
        let mut rows = store.next_queued(&self.client, None, PASS).await?;
        if rows.is_empty() {
            return Ok(Progress::Idle);
        }
        // Set before the query, so that a task that ends a message after the query sees it and
        // wakes the queue.
        self.queue_waits.store(true, Ordering::Release);
        let (sending, mut waiting) = store.look(&self.client).await?;
        drop(reading);
        waiting.extend(self.unsettled().iter().cloned());
        if sending.paused_at.is_some() {
            return Ok(Progress::Idle);
        }
        if pacing.counts()
            && let Some(turn) = self.turn(sending).await?
        {
            return Ok(Progress::Until(turn));
        }
        let mut strangers_may = pace::strangers(pacing, store, &self.client, sending).await?;
        let mut sent = false;
        loop {
            let Some(last) = rows.last() else {
                return Ok(Progress::Idle);
            };
            let after = Some((last.priority, last.seq));
            let all = rows.len() < usize::try_from(PASS).unwrap_or(usize::MAX);
            let told_apart = pacing.counts() || sending.restricted || sending.parked;
            let strangers = if told_apart {
                self.strangers(page, sending, &rows).await?
            } else {
                HashSet::new()
            };
            let first = if sending.parked && !strangers.is_empty() {
                store.first_parked(&self.client, &strangers).await?
            } else {
                HashMap::new()
            };
            let mut together: Vec<Vec<OutboxRow>> = Vec::new();
            let (mut parked, mut until) = (Vec::new(), None);
            for row in rows {
                let cold = strangers.contains(&row.queue);
                // If it stayed in the queue, it would overtake an earlier message that is parked.
                let behind = first
                    .get(&(row.queue.clone(), row.priority))
                    .is_some_and(|seq| *seq < row.seq);
                if cold && (!strangers_may || behind) {
                    waiting.insert(row.queue.clone());
                    parked.push(row.seq);
                    continue;
                }
                if waiting.contains(&row.queue) {
                    continue;
                }
                if pauses(&row) {
                    waiting.insert(row.queue.clone());
                    continue;
                }
                if !pacing.counts() {
                    match together
                        .iter_mut()
                        .find(|chat| chat.first().is_some_and(|first| first.queue == row.queue))
                    {
                        Some(chat) => chat.push(row),
                        None => together.push(vec![row]),
                    }
                    continue;
                }
                until = self.turn(sending).await?;
                if until.is_some() {
                    break;
                }
                let given = self.send(page, vec![vec![row]], Some(cold)).await?;
                sent |= given.left;
                waiting.extend(given.held);
                if self.has_lost_lease() {
                    return Ok(Progress::LeaseLost);
                }
                strangers_may = strangers_may
                    && (!cold || pace::strangers(pacing, store, &self.client, sending).await?);
            }
            if !parked.is_empty() {
                store
                    .park(
                        &self.client,
                        parked,
                        if sending.restricted {
                            "restricted"
                        } else {
                            "cold_budget"
                        },
                    )
                    .await?;
            }
            if let Some(turn) = until {
                return Ok(Progress::Until(turn));
            }
            let given = self.send(page, together, None).await?;
            sent |= given.left;
            waiting.extend(given.held);
            if self.has_lost_lease() {
                return Ok(Progress::LeaseLost);
            }
            if all {
                // Rows accepted from here on wake us through `accepted`.
                return Ok(Progress::Idle);
            }
            if sent {
                return Ok(Progress::More);
            }
            rows = store.next_queued(&self.client, after, PASS).await?;
        }
    }

    /// When pacing allows the next message; `None` means now.
    async fn turn(&self, sending: Sending) -> Result<Option<Instant>, StoreError> {
        let now = Timestamp::now();
        Ok(
            match pace::next(&self.pacing, &self.inner.store, &self.client, sending, now).await? {
                Turn::Now => None,
                Turn::At(at) => Some(Instant::now() + pace::left(at, now)),
            },
        )
    }

    /// The recipients of `rows` that are strangers. Chats that are older than the gateway's
    /// database are known only to the page, so it is asked about them.
    async fn strangers(
        &self,
        page: &Arc<dyn PageSending>,
        sending: Sending,
        rows: &[OutboxRow],
    ) -> Result<HashSet<Recipient>, StoreError> {
        let store = &self.inner.store;
        let mut strangers = HashSet::new();
        for row in rows {
            if !strangers.contains(&row.queue) && !store.knows(&self.client, &row.queue).await? {
                strangers.insert(row.queue.clone());
            }
        }
        if strangers.is_empty() || !(sending.restricted || self.pacing.cold_per_day > 0) {
            return Ok(strangers);
        }
        let asked: Vec<Recipient> = strangers.iter().cloned().collect();
        // If the page cannot answer, the recipients stay strangers.
        let known = page.established(&asked).await.unwrap_or_else(|error| {
            debug!(client = %self.client, %error, "the page cannot tell which recipients it has a chat with");
            vec![]
        });
        if !known.is_empty() {
            strangers.retain(|stranger| !known.contains(stranger));
            store.know(&self.client, known).await?;
        }
        Ok(strangers)
    }
}
