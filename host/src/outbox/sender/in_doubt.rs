//! Sends in doubt: they were begun, and the page is asked for their ids to find out what became of
//! them.
//!
//! This goes on beside the queue, which never waits for it. A send whose outcome is unknown is
//! asked about with pauses that grow with its age; one of which nobody could tell for `[send]
//! give_up_after` is unknown for good. Should WhatsApp acknowledge it after that, it counts as sent
//! all the same.

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

/// A look at the table so often.
const TICK: Duration = Duration::from_secs(1);
/// Sends that broke off in the page are asked about so often; their chats wait.
const ASK_SOON: Duration = Duration::from_secs(2);
/// The shortest and the longest pause between two questions about a send of unknown outcome, in
/// milliseconds.
const PAUSES: (u64, u64) = (30_000, 3_600_000);
/// In between, a question comes when it has been unknown for so much longer, as a part of its age.
const GROWTH: u64 = 4;
/// Chats asked about at a time. The page has one thread: more would only wait in it.
const AT_ONCE: usize = 4;

/// When a send that has been unknown for `age` milliseconds is asked about again, from now.
fn pause(age: u64) -> u64 {
    (age / GROWTH).clamp(PAUSES.0, PAUSES.1)
}

impl Outbox {
    /// Ends what was begun by a login that has ended, or by a session that is gone: no page can be
    /// asked about it any more. How many those were.
    ///
    /// # Errors
    /// When the database fails; the rest is ended when it is tried again.
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

    /// Ends what is in doubt for `[send] give_up_after` and was begun by a session that is none of
    /// `there`: nobody asks about it. How many those were.
    ///
    /// # Errors
    /// When the database fails; the rest is ended when it is tried again.
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
    /// Holds back the chats of which a new page may have to send something again: until they are
    /// settled nothing of them may pass that.
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

    /// Finds out what became of sends, until it is dropped with its page. `settled` hears when
    /// those are settled that were begun before this page was there.
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

    /// Finds out what became of those that were begun before this page was there, whenever they
    /// were asked about last.
    pub(in crate::outbox) async fn settle(
        &self,
        page: &Arc<dyn PageSending>,
    ) -> Result<(), StoreError> {
        self.each(Doubtful::All, |row| self.ask(page, row)).await?;
        self.unsettled().clear();
        self.wake_queue();
        Ok(())
    }

    /// Rows that were begun and not acknowledged in time: nobody knows, so the caller is told just
    /// that, and the page is asked. `ask_soon`: also about those that it may or may not have.
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

    /// Does something with the sends that were begun and that nobody works on, a few at a time.
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
            // One chat's go one after the other: those that are sent again keep their order.
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

    /// Does something with the sends of one chat, one after the other; `whole`: there are no more
    /// of it.
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

    /// Does something with a send that was begun, unless somebody works on it.
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
        // As it is now that nobody else works on it.
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

    /// Asks about a send; when nobody could tell for long enough, it ends.
    async fn ask(&self, page: &Arc<dyn PageSending>, row: OutboxRow) -> Result<(), StoreError> {
        self.reconcile(page, &row).await?;
        let (now, limit) = (Timestamp::now(), self.inner.settings.give_up_after);
        let age = now.since(row.updated_at);
        if row.state != RowState::Unknown {
            return Ok(());
        }
        if age >= limit.0 {
            // Does nothing to one of which the page could tell.
            return self
                .inner
                .lose(
                    &row,
                    &format!(
                        "nobody could tell within {:?} whether it was sent",
                        limit.duration()
                    ),
                )
                .await
                .map(drop);
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
