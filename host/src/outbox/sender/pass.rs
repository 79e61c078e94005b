//! A pass over the queue: the next rows that nothing holds back are sent.
//!
//! A chat's rows go one after the other, each when the page has stored the one before, so they keep
//! their order; some chats go at a time, and their rows are begun in one commit. Acknowledgements
//! are not waited for here. A row that has to wait, or that the page may or may not have, holds
//! back those after it in the same chat, and no other chat.

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

/// Rows of the queue read at a time. An interactive message waits for so many bulk ones at the
/// most.
const PASS: u32 = 16;
/// No row is told to wait longer, in milliseconds. One that seems to be was written before the
/// clock went back.
const LONGEST_PAUSE: u64 = 60_000;

/// How far a pass over the queue has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::outbox) enum Progress {
    /// Something was sent; there may be more.
    More,
    /// There is nothing that may be sent now.
    Idle,
    /// The pace lets the next one go then.
    Until(Instant),
    /// Somebody else has taken over the sending of this session.
    LeaseLost,
}

/// Whether a row waits for its next try.
fn pauses(row: &OutboxRow) -> bool {
    let left = row.retry_at.since(Timestamp::now());
    left > 0 && left <= LONGEST_PAUSE
}

impl Sender {
    /// Sends the next rows of the queue that nothing holds back.
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
        // Set before the look: whoever ends a send after the look sees it and wakes the queue.
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
            let mut parked = Vec::new();
            for row in rows {
                let cold = strangers.contains(&row.queue);
                // Left in the queue, it would overtake the one that is parked.
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
                if let Some(turn) = self.turn(sending).await? {
                    return Ok(Progress::Until(turn));
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

    /// When the pace lets the next send go; none: now.
    async fn turn(&self, sending: Sending) -> Result<Option<Instant>, StoreError> {
        let now = Timestamp::now();
        Ok(
            match pace::next(&self.pacing, &self.inner.store, &self.client, sending, now).await? {
                Turn::Now => None,
                Turn::At(at) => Some(Instant::now() + pace::left(at, now)),
            },
        )
    }

    /// Which of the recipients are strangers. A chat that is older than the gateway is known to the
    /// page alone.
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
        // A recipient of whom the page cannot tell stays a stranger.
        let known = page.established(&asked).await.unwrap_or_else(|error| {
            debug!(client = %self.client, %error, "the page cannot say whom it has a chat with");
            vec![]
        });
        if !known.is_empty() {
            strangers.retain(|stranger| !known.contains(stranger));
            store.know(&self.client, known).await?;
        }
        Ok(strangers)
    }
}
