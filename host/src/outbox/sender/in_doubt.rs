//! Messages in doubt: their sending has begun without a known outcome, and the page is asked for
//! their ids to find it out.
//!
//! This happens beside the queue, which never waits for it. The page is asked about a message of
//! unknown outcome with pauses that grow with its age. After `[send] give_up_after` it is unknown
//! for good. If WhatsApp acknowledges it later, it still becomes sent.

use std::{collections::HashSet, sync::Arc, time::Duration};

use futures_util::{StreamExt, TryStreamExt, stream};
use tokio::{
    sync::Notify,
    time::{Instant, sleep},
};

use super::state::Sender;
use crate::{
    model::{ClientId, Timestamp},
    outbox::{handle::Outbox, outcome::BEGUN},
    store::{DOUBTS, Doubtful, Finish, OutboxRow, RowState, StoreError},
    whatsapp::PageSending,
};

/// How often the table is checked.
const TICK: Duration = Duration::from_secs(1);
/// How often the page is asked about messages that it may or may not have. Their chats wait for the
/// answer.
const ASK_SOON: Duration = Duration::from_secs(2);
/// Minimum and maximum pause between two questions about a message of unknown outcome, in
/// milliseconds.
const PAUSES: (u64, u64) = (30_000, 3_600_000);
/// Between these limits, the pause is the message's age divided by this.
const GROWTH: u64 = 4;
/// Chats that the page is asked about at a time. The page has only one thread, so more would not be
/// faster.
const AT_ONCE: usize = 4;

/// Milliseconds from now until the page is asked again about a message that has been unknown for
/// `age` milliseconds.
fn pause(age: u64) -> u64 {
    (age / GROWTH).clamp(PAUSES.0, PAUSES.1)
}

impl Outbox {
    /// Ends messages whose sending was begun by a login that has ended or by a session that was
    /// deleted, because no page can be asked about them any more. Returns their number.
    ///
    /// # Errors
    /// When the database fails; calling it again ends the rest.
    pub async fn login_ended(&self, client: &ClientId, why: &str) -> Result<u64, StoreError> {
        let (mut ended, mut after) = (0, 0);
        loop {
            let rows = self.inner.store.begun(client, Doubtful::All, after).await?;
            let Some(last) = rows.last() else { break };
            after = last.seq;
            for row in rows {
                ended += u64::from(self.inner.lose(&row, why).await?);
            }
        }
        self.inner.store.profile_gone(client).await?;
        Ok(ended)
    }

    /// Ends messages that have been in doubt for `[send] give_up_after` and belong to none of the
    /// sessions `there`, because no page is asked about them. Returns their number.
    ///
    /// # Errors
    /// When the database fails; calling it again ends the rest.
    pub async fn give_up_strays(&self, there: &[ClientId]) -> Result<u64, StoreError> {
        let (limit, mut ended) = (self.inner.settings.give_up_after.0, 0);
        for client in self
            .inner
            .store
            .doubted_clients()
            .await?
            .iter()
            .filter(|client| !there.contains(client))
        {
            let mut after = 0;
            loop {
                let rows = self.inner.store.begun(client, Doubtful::All, after).await?;
                let Some(last) = rows.last() else { break };
                after = last.seq;
                for row in rows
                    .iter()
                    .filter(|row| Timestamp::now().since(row.updated_at) >= limit)
                {
                    ended += u64::from(
                        self.inner
                            .lose(row, "there is no session of that name any more")
                            .await?,
                    );
                }
            }
        }
        Ok(ended)
    }
}

impl Sender {
    /// Holds back the chats in which a new page may have to send something again. Until that is
    /// settled, no other message of these chats may overtake it.
    pub(super) async fn unsettle(&self) -> Result<(), StoreError> {
        let (mut chats, mut after) = (HashSet::new(), 0);
        loop {
            let rows = self
                .inner
                .store
                .begun(&self.client, Doubtful::All, after)
                .await?;
            let Some(last) = rows.last() else { break };
            after = last.seq;
            chats.extend(rows.into_iter().map(|row| row.queue));
        }
        *self.unsettled() = chats;
        Ok(())
    }

    /// Finds out the outcome of messages, until it is dropped together with its page. `settled` is
    /// notified once the messages are settled whose sending began before this page existed.
    pub(super) async fn find_out(
        &self,
        page: &Arc<dyn PageSending>,
        settled: &Notify,
    ) -> Result<(), StoreError> {
        self.settle(page).await?;
        settled.notify_one();
        let mut asked_soon = Instant::now();
        loop {
            sleep(TICK).await;
            let ask_soon = asked_soon.elapsed() >= ASK_SOON;
            if ask_soon {
                asked_soon = Instant::now();
            }
            self.overdue(page, ask_soon).await?;
        }
    }

    /// Asks the page about the messages whose sending began before this page existed, regardless of
    /// when they were last asked about.
    pub(in crate::outbox) async fn settle(
        &self,
        page: &Arc<dyn PageSending>,
    ) -> Result<(), StoreError> {
        self.each(Doubtful::All, |row| self.ask(page, row)).await?;
        self.unsettled().clear();
        self.wake_queue();
        Ok(())
    }

    /// Marks messages that were not acknowledged in time as unknown, and asks the page about them
    /// and about those that are due. `ask_soon` also asks about messages that the page may or may
    /// not have.
    pub(in crate::outbox) async fn overdue(
        &self,
        page: &Arc<dyn PageSending>,
        ask_soon: bool,
    ) -> Result<(), StoreError> {
        let limit = self.inner.settings.ack_timeout.duration();
        let look = |row: OutboxRow| async move {
            let waited = Duration::from_millis(Timestamp::now().since(row.updated_at));
            if row.state == RowState::Sending && waited < limit {
                // Its chat waits for the answer.
                return if ask_soon && row.message_key.is_none() {
                    self.ask(page, row).await
                } else {
                    Ok(())
                };
            }
            if row.state == RowState::Unknown {
                return self.ask(page, row).await;
            }
            self.inner
                .finish(
                    &row,
                    &[RowState::Sending],
                    Finish::Unknown(format!("no acknowledgement within {limit:?}")),
                    vec![],
                )
                .await?;
            self.ask(
                page,
                OutboxRow {
                    state: RowState::Unknown,
                    updated_at: Timestamp::now(),
                    ..row
                },
            )
            .await
        };
        self.each(Doubtful::Due(Timestamp::now()), look).await
    }

    /// Calls `what` for each selected message that no other task works on, for a few chats at a
    /// time.
    async fn each<F: Future<Output = Result<(), StoreError>>>(
        &self,
        which: Doubtful,
        what: impl Fn(OutboxRow) -> F,
    ) -> Result<(), StoreError> {
        let mut after = 0;
        loop {
            let rows = self.inner.store.begun(&self.client, which, after).await?;
            let Some(last) = rows.last() else {
                return Ok(());
            };
            after = last.seq;
            let whole = rows.len() < DOUBTS;
            // Messages of one chat are handled one after the other, so that those that are sent
            // again keep their order.
            let mut chats: Vec<Vec<OutboxRow>> = Vec::new();
            for row in rows {
                match chats
                    .iter_mut()
                    .find(|chat| chat.first().is_some_and(|first| first.queue == row.queue))
                {
                    Some(chat) => chat.push(row),
                    None => chats.push(vec![row]),
                }
            }
            let asking = chats.into_iter().map(|chat| self.chat(chat, whole, &what));
            stream::iter(asking)
                .buffer_unordered(AT_ONCE)
                .try_collect::<()>()
                .await?;
        }
    }

    /// Calls `what` for the messages of one chat, one after the other. `whole` means that there are
    /// no further pages, so the chat is settled afterwards.
    async fn chat<F: Future<Output = Result<(), StoreError>>>(
        &self,
        rows: Vec<OutboxRow>,
        whole: bool,
        what: &impl Fn(OutboxRow) -> F,
    ) -> Result<(), StoreError> {
        let chat = rows.first().map(|row| row.queue.clone());
        for row in rows {
            self.alone(row, what).await?;
        }
        if let Some(chat) = chat.filter(|_| whole) {
            self.unsettled().remove(&chat);
        }
        self.wake_queue();
        Ok(())
    }

    /// Calls `what` for a message, unless another task works on it.
    async fn alone<F: Future<Output = Result<(), StoreError>>>(
        &self,
        row: OutboxRow,
        what: &impl Fn(OutboxRow) -> F,
    ) -> Result<(), StoreError> {
        let Some(claim) = self.claims.claim(&row.id, usize::MAX) else {
            return Ok(());
        };
        if self.inner.fast_paths.has(&self.client, &row.id) {
            return Ok(());
        }
        // Read again, because it may have changed before it was claimed.
        if let Some(row) = self
            .inner
            .store
            .outbox_row(&row.id)
            .await?
            .filter(|row| BEGUN.contains(&row.state))
        {
            what(row).await?;
        }
        drop(claim);
        Ok(())
    }

    /// Asks the page about a message. If its outcome has been unknown for `[send] give_up_after`,
    /// it ends, even if the page still has it in its own queue: otherwise it would never end while
    /// the page cannot send it. If the page sends it later, the acknowledgement still counts.
    async fn ask(&self, page: &Arc<dyn PageSending>, row: OutboxRow) -> Result<(), StoreError> {
        let in_page = self.reconcile(page, &row).await?;
        let (now, limit) = (Timestamp::now(), self.inner.settings.give_up_after);
        let age = now.since(row.updated_at);
        if row.state != RowState::Unknown {
            return Ok(());
        }
        if age >= limit.0 {
            let limit = limit.duration();
            let why = if in_page {
                format!(
                    "WhatsApp has not acknowledged it within {limit:?}; WhatsApp Web still has it in its own queue and may send it later"
                )
            } else {
                format!("nobody could tell within {limit:?} whether it was sent")
            };
            // Has no effect if the page's answer has given it another state.
            return self.inner.lose(&row, &why).await.map(drop);
        }
        self.inner
            .store
            .ask_again(row.seq, now.plus_millis(pause(age)))
            .await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_older_the_doubt_the_longer_the_pause() {
        let minute = 60_000;
        for (age, wanted) in [
            (0, 30_000),
            (minute, 30_000),
            (10 * minute, 150_000),
            (60 * minute, 15 * minute),
            (9000 * minute, 60 * minute),
        ] {
            assert_eq!(pause(age), wanted, "{age}");
        }
    }
}
