//! What arrived while nobody listened. WhatsApp Web confirms a message when it has stored it, and
//! the server does not send it again; when browser or gateway dies right then, only the page's own
//! database still has it.
//!
//! So each document is asked once, when it is ready, for what is newer than the last moment at
//! which everything was told, less a margin; the journal knows what was told before. That moment is
//! kept per account: another account's history is nobody's news.

use std::time::Duration;

use tracing::{info, warn};

use super::{Supervisor, state::CatchUpStage as Stage};
use crate::{
    model::Timestamp,
    session::{Arrival, Unread},
    whatsapp::PageError,
};

/// Clocks differ, and a message is stamped when it is sent.
const MARGIN: Duration = Duration::from_secs(600);

/// So often a document is asked again for what could not be read.
const ATTEMPTS: u8 = 3;

impl Supervisor {
    /// Asks the page, once per document.
    pub(super) async fn catch_up(&mut self) {
        if self.catch_up.stage != Stage::Due || !self.machine.can_send() {
            return;
        }
        let Some(account) = self.snapshot.borrow().account.clone() else {
            return;
        };
        match self
            .parts
            .journal
            .told_until(&self.parts.client, &account)
            .await
        {
            Ok(Some(until)) => {
                self.catch_up.stage = Stage::Asked;
                self.body.catch_up(until.minus(MARGIN));
            }
            Ok(None) => {
                self.catch_up.stage = Stage::Done;
                self.all_told(None).await;
            }
            // Taken for "nothing", what was missed would never be told: it stays due.
            Err(Unread) => {}
        }
    }

    /// The page has told all that it found; see
    /// [`PageEvent::CaughtUp`](crate::whatsapp::PageEvent::CaughtUp).
    pub(super) async fn caught_up(&mut self, complete: Option<bool>) {
        let client = &self.parts.client;
        // Otherwise one of them was not recorded, and is asked for again.
        if self.catch_up.stage != Stage::Asked {
            return;
        }
        self.catch_up.stage = Stage::Done;
        match complete {
            Some(true) => info!(%client, "caught up with what arrived meanwhile"),
            Some(false) => {
                warn!(%client, "more has arrived than could be read; the oldest of it is not told")
            }
            None => {
                self.catch_up.failures += 1;
                let again = self.catch_up.failures < ATTEMPTS;
                if again {
                    self.catch_up.stage = Stage::Due;
                }
                warn!(%client, again, "some of what arrived meanwhile was not read");
            }
        }
        self.all_told(None).await;
    }

    pub(super) async fn no_catch_up(&mut self, error: &PageError) {
        let client = &self.parts.client;
        // The next health check asks again, unless that changes nothing.
        self.catch_up.stage = if matches!(error, PageError::ContractBroken { .. }) {
            Stage::Done
        } else {
            Stage::Due
        };
        warn!(%client, %error, "what arrived meanwhile was not read");
        self.all_told(None).await;
    }

    /// Tells messages. What cannot be recorded now (a full disk) is asked for again.
    pub(super) async fn messages(&mut self, messages: Vec<Arrival>) {
        if messages.iter().any(|arrival| !arrival.missed) {
            self.care.message();
        }
        let account = self.snapshot.borrow().account.clone();
        let count = messages.len();
        if !self
            .parts
            .journal
            .messages(&self.parts.client, account.as_ref(), messages)
            .await
        {
            self.catch_up.stage = Stage::Due;
        }
        self.body.recorded(count);
    }

    /// Notes that nothing older is untold than what the page holds back, if anything.
    pub(super) async fn all_told(&self, held_back: Option<Timestamp>) {
        let Some(account) = self.snapshot.borrow().account.clone() else {
            return;
        };
        if self.catch_up.stage == Stage::Done && self.machine.can_send() {
            let now = Timestamp::now();
            self.parts
                .journal
                .all_told(
                    &self.parts.client,
                    &account,
                    held_back.map_or(now, |since| since.min(now)),
                )
                .await;
        }
    }
}
