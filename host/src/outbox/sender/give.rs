//! Beginning rows and giving them to the page, from the queue and on the fast path.

use std::{
    collections::HashSet,
    sync::{Arc, atomic::Ordering},
};

use futures_util::{
    StreamExt, TryStreamExt,
    future::join_all,
    stream::{self, FuturesUnordered},
};

use super::{
    answer::after_send,
    page_send::page_send,
    prepare::{Prepared, Ready},
    state::Sender,
};
use crate::{
    model::{Recipient, Timestamp},
    outbox::{
        claims::Claim,
        fast_path::{self, Receiver},
    },
    store::{Begin, Begun, OutboxRow, RowState, StoreError, Urgency},
    whatsapp::{PageSend, PageSending},
};

/// Chats that are sent to at a time. The page has one thread: more would only wait in it.
const CHATS: usize = 4;

/// What giving some chats' rows to the page came to.
#[derive(Default)]
pub(super) struct Given {
    /// The chats that have to wait, or of which the page may have a row: nothing in them may be
    /// sent now.
    pub(super) held: Vec<Recipient>,
    /// Something left the queue.
    pub(super) left: bool,
}

/// A row that was begun and is to be given to the page.
struct Beginning {
    row: OutboxRow,
    send: PageSend,
    _claim: Claim,
}

impl Sender {
    /// Sends the rows of some chats, each chat's in order.
    pub(super) async fn send(
        &self,
        page: &Arc<dyn PageSending>,
        chats: Vec<Vec<OutboxRow>>,
        counted: Option<bool>,
    ) -> Result<Given, StoreError> {
        let preparing =
            stream::iter(chats.into_iter().map(|rows| self.prepare(page, rows))).buffered(CHATS);
        let mut chats: Vec<Prepared> = preparing.try_collect().await?;
        // Two chats that turn out to be one keep the order of acceptance: the later one goes with
        // the next pass.
        let mut queues = HashSet::new();
        for chat in &mut chats {
            if chat.queues.iter().any(|queue| queues.contains(queue)) {
                chat.waits = true;
                chat.rows.clear();
            }
            queues.extend(chat.queues.iter().cloned());
        }
        if counted.is_some() {
            self.type_first(page, &chats).await;
        }
        // All at once, so that they share a commit.
        let beginning = chats.into_iter().map(|chat| async move {
            let prepared = chat.rows.len();
            let begun = join_all(
                chat.rows
                    .into_iter()
                    .map(|ready| self.begin(ready, counted)),
            )
            .await;
            let rows = begun
                .into_iter()
                .filter_map(Result::transpose)
                .collect::<Result<Vec<_>, _>>()?;
            // One that was cancelled meanwhile has left the queue as well.
            let left = chat.ended || prepared > 0;
            Ok::<_, StoreError>((chat.queues, chat.waits, left, rows))
        });
        let begun = join_all(beginning)
            .await
            .into_iter()
            .collect::<Result<Vec<_>, _>>()?;
        let delivering = stream::iter(begun.into_iter().map(
            |(queues, waits, left, rows)| async move {
                let done = self.deliver(page, rows).await?;
                Ok::<_, StoreError>((queues, waits || !done, left))
            },
        ));
        let chats: Vec<(Vec<Recipient>, bool, bool)> =
            delivering.buffered(CHATS).try_collect().await?;
        let mut given = Given::default();
        for (queues, held, left) in chats {
            given.left |= left && !held;
            given.held.extend(queues.into_iter().filter(|_| held));
        }
        given.left &= !self.has_lost_lease();
        Ok(given)
    }

    /// Begins a row: from here on the page may have it. None: it is not in the queue any more, or
    /// somebody else sends for this session now.
    async fn begin(
        &self,
        ready: Ready,
        counted: Option<bool>,
    ) -> Result<Option<Beginning>, StoreError> {
        let Ready {
            row,
            judged,
            send,
            claim,
        } = ready;
        match self
            .inner
            .store
            .begin_send(
                &row,
                &row.message,
                judged,
                Begin {
                    token: self.token,
                    counted,
                },
            )
            .await?
        {
            Begun::Yes => {
                let row = OutboxRow {
                    chat: Some(send.chat.clone()),
                    state: RowState::Sending,
                    ..row
                };
                Ok(Some(Beginning {
                    row,
                    send,
                    _claim: claim,
                }))
            }
            Begun::NotQueued => Ok(None),
            Begun::LeaseLost => {
                self.lease_lost.store(true, Ordering::Release);
                Ok(None)
            }
        }
    }

    /// Gives the page what was begun in a chat, one after the other. False: one of them has to
    /// wait, or the page may have it; those after it are in the queue again.
    async fn deliver(
        &self,
        page: &Arc<dyn PageSending>,
        rows: Vec<Beginning>,
    ) -> Result<bool, StoreError> {
        let mut held = false;
        for Beginning { row, send, _claim } in rows {
            if held {
                self.put_back(
                    &row,
                    Timestamp(0),
                    "it waits for the one before it in this chat",
                )
                .await?;
            } else {
                held = !self.give(page, &row, &send, Urgency::Now).await?;
            }
        }
        Ok(!held)
    }

    /// Gives a send that was begun to the page, and does what follows from its answer. See
    /// [`Sender::follow`].
    async fn give(
        &self,
        page: &Arc<dyn PageSending>,
        row: &OutboxRow,
        send: &PageSend,
        urgency: Urgency,
    ) -> Result<bool, StoreError> {
        let answer = page.send(send).await;
        self.follow(page, row, after_send(answer), urgency).await
    }

    /// From here on sends may take the fast path.
    pub(in crate::outbox) fn open_fast_path(&self) -> Receiver {
        self.inner.fast_paths.open(self.client.clone(), self.token)
    }

    /// Gives the page what was begun as it was accepted. Each is the only one of its chat.
    pub(super) async fn serve_fast_path(
        &self,
        page: &Arc<dyn PageSending>,
        mut receiver: Receiver,
    ) -> Result<(), StoreError> {
        let mut giving = FuturesUnordered::new();
        loop {
            tokio::select! {
                begun = receiver.next() => match begun {
                    Some(begun) => giving.push(self.give_begun(page, begun)),
                    None => return Ok(()),
                },
                Some(result) = giving.next() => result?,
            }
        }
    }

    /// Gives the page one send of the fast path. Nothing of its chat waits for it to be noted, so
    /// that is deferrable; it is found done by whatever is written next.
    pub(in crate::outbox) async fn give_begun(
        &self,
        page: &Arc<dyn PageSending>,
        begun: fast_path::Begun,
    ) -> Result<(), StoreError> {
        let row = &begun.row;
        self.give(
            page,
            row,
            &page_send(&row.message_id, &row.message),
            Urgency::FirstDeferrable,
        )
        .await?;
        self.wake_queue();
        Ok(())
    }
}
