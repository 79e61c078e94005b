//! What arrived while nobody listened. WhatsApp Web confirms a message when it has stored it, and the server does not
//! send it again; when browser or gateway dies right then, only the page's own database still has it.
//!
//! So each document is asked once, when it is ready, for what is newer than the last moment at which everything was
//! told, less a margin; the journal knows what was told before. That moment is kept per account: another account's
//! history is nobody's news.

use std::time::Duration;

use tracing::{info, warn};

use super::Supervisor;
use crate::{
    model::{InboundMessage, Timestamp},
    session::Unread,
    whatsapp::PageError,
};

/// Clocks differ, and a message is stamped when it is sent.
const MARGIN: Duration = Duration::from_secs(600);

/// How far the present document has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum CatchUp {
    Due,
    Asked,
    Done,
}

impl Supervisor {
    /// Asks the page, once per document.
    pub(super) async fn catch_up(&mut self) {
        if self.catch_up != CatchUp::Due || !self.machine.can_send() {
            return;
        }
        let Some(account) = self.snapshot.borrow().account.clone() else { return };
        match self.parts.journal.told_until(&self.parts.client, &account).await {
            Ok(Some(until)) => {
                self.catch_up = CatchUp::Asked;
                self.body.catch_up(until.minus(MARGIN));
            }
            Ok(None) => {
                self.catch_up = CatchUp::Done;
                self.all_told().await;
            }
            // Taken for "nothing", what was missed would never be told: it stays due.
            Err(Unread) => {}
        }
    }

    pub(super) async fn caught_up(&mut self, result: Result<bool, PageError>) {
        let client = &self.parts.client;
        if self.catch_up == CatchUp::Asked {
            self.catch_up = CatchUp::Done;
        }
        match result {
            Ok(true) => info!(%client, "caught up with what arrived meanwhile"),
            Ok(false) => warn!(%client, "more has arrived than could be read; the oldest of it is not told"),
            Err(error @ PageError::ContractBroken { .. }) => warn!(%client, %error, "what arrived meanwhile cannot be read"),
            // The next health check asks again.
            Err(error) => {
                self.catch_up = CatchUp::Due;
                warn!(%client, %error, "what arrived meanwhile was not read");
            }
        }
        self.all_told().await;
    }

    /// Tells a message. One that cannot be told now (a full disk) is asked for again.
    pub(super) async fn message(&mut self, message: InboundMessage, missed: bool) {
        let account = self.snapshot.borrow().account.clone();
        if !self.parts.journal.message(&self.parts.client, account.as_ref(), message, missed).await {
            self.catch_up = CatchUp::Due;
        }
    }

    /// Notes that nothing older is untold.
    pub(super) async fn all_told(&self) {
        let Some(account) = self.snapshot.borrow().account.clone() else { return };
        if self.catch_up == CatchUp::Done && self.machine.can_send() {
            self.parts.journal.all_told(&self.parts.client, &account, Timestamp::now()).await;
        }
    }
}
