//! Catching up with messages that arrived while the gateway was not listening. WhatsApp Web
//! confirms a message when it has stored it, and the server does not send it again; if the browser
//! or the gateway dies at that moment, only the page's own database has the message.
//!
//! So each document is asked once, when it is ready, for everything newer than the time up to which
//! all messages were recorded, less a margin; the journal skips what was recorded before. That time
//! is kept per account, because the history of another account must not be reported.

use std::time::Duration;

use tracing::{info, warn};

use super::{Supervisor, state::CatchUpStage as Stage};
use crate::{
    model::Timestamp,
    session::{Arrival, Unread},
    whatsapp::PageError,
};

/// The margin: clocks differ, and a message is stamped when it is sent.
const MARGIN: Duration = Duration::from_secs(600);

/// How often a document is asked for messages that it could not read.
const ATTEMPTS: u8 = 3;

impl Supervisor {
    /// Asks the page, once for each document.
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
            // If this counted as "none", missed messages would never be reported. So catching up
            // stays due.
            Err(Unread) => {}
        }
    }

    /// The page has reported all that it found; see
    /// [`PageEvent::CaughtUp`](crate::whatsapp::PageEvent::CaughtUp).
    pub(super) async fn caught_up(&mut self, complete: Option<bool>) {
        let client = &self.parts.client;
        // In any other stage one of the messages could not be recorded, and catching up is
        // repeated.
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
        // The next health check asks again, unless the build lacks the capability.
        self.catch_up.stage = if matches!(error, PageError::ContractBroken { .. }) {
            Stage::Done
        } else {
            Stage::Due
        };
        warn!(%client, %error, "what arrived meanwhile was not read");
        self.all_told(None).await;
    }

    /// Records messages. If some cannot be recorded now (a full disk), they are asked for again.
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

    /// Notes the time up to which all messages are recorded: now, or the time since which the page
    /// holds a message back.
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
