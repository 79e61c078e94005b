//! The account of a session. The journal must know it before anything can be sent, because waiting
//! messages may have been accepted for another account.

use super::Supervisor;
use crate::{model::Account, whatsapp::PageStatus};

impl Supervisor {
    /// Processes the account that the page reports.
    pub(super) async fn account(&mut self, status: &PageStatus) {
        let before = self.snapshot.borrow().account.clone();
        match &status.account {
            Some(account) => {
                if !self.owner.noted || before.is_none_or(|before| !before.is(account)) {
                    self.note_account(Some(account)).await;
                }
                self.owner.unknown = false;
                self.snapshot
                    .send_modify(|snapshot| snapshot.account = Some(account.clone()));
            }
            None if !self.owner.noted => self.note_account(before.as_ref()).await,
            None => {}
        }
    }

    /// Called when the session becomes ready.
    pub(super) async fn owned(&mut self) {
        if self.owner.unknown {
            self.note_account(None).await;
        }
    }

    /// Called when the login has ended.
    pub(super) fn disowned(&mut self) {
        self.owner.unknown = true;
        self.snapshot
            .send_modify(|snapshot| snapshot.account = None);
    }

    async fn note_account(&mut self, account: Option<&Account>) {
        self.owner.noted = self
            .parts
            .journal
            .account(&self.parts.client, account)
            .await;
        self.look_for_restrictions().await;
        self.notice(None).await;
    }
}
