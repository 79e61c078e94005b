//! A passkey ceremony beside the session's state: while linking the state stays `qr_ready`, at a
//! checkpoint `ready`.
//!
//! The ceremony has its own timer, because a session that is ready waits for something else at the
//! same time. If the page fails to send the assertion, or an answer arrives late, one new challenge
//! is requested on the same connection.

mod words;

use std::time::Duration;

use serde_json::Value;
use tokio::time::Instant;
use tracing::{info, warn};

use self::words::{notice, words};
use super::{Supervisor, state::Passkey};
use crate::{
    model::{Event, SessionState, Timestamp, millis},
    session::{
        machine::Input,
        passkey::{Done, PasskeyDone, PasskeyStage, PasskeyStep, PasskeyView, PastPasskey},
    },
    whatsapp::{PasskeyNews, PasskeyOrder, PasskeyPurpose},
};

/// How long after the request the page holds the proof that makes comparing a code unnecessary.
const CODE_WITHOUT: Duration = Duration::from_secs(300);
/// How many ended tokens are kept, so that their outcome can be explained.
const PAST: usize = 8;
/// The reasons that a session shows in the state `qr_ready`.
const AWAITED: &str = "WhatsApp asks for the account's passkey";
const NOT_AWAITED: &str = "a QR can be scanned";

impl Supervisor {
    fn passkey_view(&self) -> Option<PasskeyView> {
        self.snapshot.borrow().passkey.clone()
    }

    pub(super) async fn passkey_news(&mut self, news: PasskeyNews) {
        let stage = self.passkey_view().map(|view| view.stage);
        let step = self.parts.rules.passkey_step;
        match news {
            PasskeyNews::Asked => self.passkey_asked().await,
            PasskeyNews::Signing {
                id,
                purpose,
                public_key,
            } => self.passkey_signing(id, purpose, public_key).await,
            PasskeyNews::Phone => self.passkey_step(PasskeyStage::Phone, None, step).await,
            PasskeyNews::Confirm { code } => {
                let code = match code.split_at_checked(4) {
                    Some((first, rest)) if rest.len() == 4 => format!("{first}-{rest}"),
                    _ => code,
                };
                self.passkey_step(PasskeyStage::Confirm, Some(code), step)
                    .await;
            }
            PasskeyNews::Finishing => self.passkey_step(PasskeyStage::Finishing, None, step).await,
            PasskeyNews::Failed { reason } => match stage {
                // The server has refused what was sent.
                Some(PasskeyStage::Signing)
                    if reason == "server_error" && !self.passkey.retried =>
                {
                    self.passkey_anew("WhatsApp refused the assertion (was it the passkey of this account?); sign once more").await;
                }
                // The page reports the failure of a question that has already expired here.
                Some(PasskeyStage::Failed) | None => {}
                Some(stage) => {
                    self.passkey_failed(&words(stage, &reason, step), true)
                        .await
                }
            },
            PasskeyNews::Lost => {
                self.passkey_failed(
                    "the connection to WhatsApp was lost; scan the new QR",
                    false,
                )
                .await
            }
            PasskeyNews::Ended { reason } => self.passkey_over(&reason).await,
        }
    }

    async fn passkey_asked(&mut self) {
        self.take(Input::PasskeyAsked).await;
        if !self.machine.passkey {
            return;
        }
        let now = Timestamp::now();
        let life = self.parts.rules.passkey_timeout;
        let view = PasskeyView {
            // A second request in the same ceremony invalidates the proof.
            code_without: self
                .passkey_view()
                .is_none_or(|before| !before.is_pending())
                .then(|| now.plus_millis(millis(CODE_WITHOUT))),
            expires_at: now.plus_millis(millis(life)),
            ..PasskeyView::new(PasskeyStage::Asked, PasskeyPurpose::Link, now)
        };
        self.passkey.retried = false;
        self.retire_token("WhatsApp has asked anew; open the newest link");
        // No QR code may be scanned now.
        self.snapshot
            .send_modify(|snapshot| (snapshot.qr, snapshot.pairing) = (None, None));
        self.show_passkey(view, Some(life)).await;
    }

    async fn passkey_signing(&mut self, id: String, purpose: PasskeyPurpose, public_key: Value) {
        if purpose == PasskeyPurpose::Link && !self.machine.passkey {
            // The page asked without announcing it.
            self.passkey_asked().await;
            if !self.machine.passkey {
                return;
            }
        }
        let asked = self
            .passkey_view()
            .filter(|view| view.stage == PasskeyStage::Asked && view.purpose == purpose);
        let own = public_key["timeout"]
            .as_u64()
            .filter(|millis| *millis > 0)
            .map_or(Duration::MAX, Duration::from_millis);
        let life = self.parts.rules.passkey_timeout.min(own);
        let now = Timestamp::now();
        let asked_at = asked.as_ref().map_or(now, |view| view.asked_at);
        if asked.is_none() {
            self.passkey.retried = false;
            self.retire_token("WhatsApp has asked anew; open the newest link");
        }
        let view = PasskeyView {
            id: Some(id),
            public_key: Some(public_key),
            code_without: asked.as_ref().and_then(|view| view.code_without),
            expires_at: now.plus_millis(millis(life)),
            token: Some(format!("pk_{:032x}", rand::random::<u128>())),
            reason: asked.and_then(|view| view.reason),
            ..PasskeyView::new(PasskeyStage::Signing, purpose, asked_at)
        };
        self.show_passkey(view, Some(life)).await;
    }

    async fn passkey_step(&mut self, stage: PasskeyStage, code: Option<String>, life: Duration) {
        let Some(view) = self.passkey_view().filter(PasskeyView::is_pending) else {
            return;
        };
        let expires_at = Timestamp::now().plus_millis(millis(life));
        let view = PasskeyView {
            stage,
            id: None,
            public_key: None,
            code,
            code_without: None,
            expires_at,
            reason: None,
            ..view
        };
        self.show_passkey(view, Some(life)).await;
    }

    /// Requests a new challenge on the same connection.
    async fn passkey_anew(&mut self, reason: &str) {
        let Some(view) = self.passkey_view() else {
            return;
        };
        self.passkey.retried = true;
        self.retire_token(reason);
        let (now, life) = (Timestamp::now(), self.parts.rules.passkey_timeout);
        // The proof that makes comparing a code unnecessary was used up by the first attempt.
        let view = PasskeyView {
            expires_at: now.plus_millis(millis(life)),
            reason: Some(reason.to_owned()),
            ..PasskeyView::new(PasskeyStage::Asked, view.purpose, now)
        };
        self.order(PasskeyOrder::Again);
        self.show_passkey(view, Some(life)).await;
    }

    /// Handles an answer that arrived late.
    pub(super) async fn passkey_again(&mut self) {
        if self.passkey_view().is_some_and(|view| view.again) {
            self.passkey_anew("the answer came too late; sign once more")
                .await;
        }
    }

    pub(super) async fn passkey_cancel(&mut self) {
        if self.passkey_view().is_some() {
            self.order(PasskeyOrder::Cancel);
            self.passkey_over("given up").await;
        }
    }

    /// The timer of the current stage has fired.
    pub(super) async fn passkey_tick(&mut self) {
        let Some(view) = self.passkey_view() else {
            return;
        };
        let step = self.parts.rules.passkey_step;
        match view.stage {
            PasskeyStage::Asked | PasskeyStage::Signing => {
                let again = !self.passkey.retried && view.public_key.is_some();
                let words = format!(
                    "nobody answered the challenge within {} s",
                    self.passkey.life.as_secs_f64().ceil()
                );
                if !again {
                    return self.passkey_expired(&words).await;
                }
                // QR codes stay suspended, so that a late answer can restart the ceremony on this
                // connection.
                self.order(PasskeyOrder::Expire);
                let expires_at = Timestamp::now().plus_millis(millis(step));
                let view = PasskeyView {
                    stage: PasskeyStage::Failed,
                    id: None,
                    expires_at,
                    reason: Some(words),
                    expired: true,
                    again,
                    ..view
                };
                self.show_passkey(view, Some(step)).await;
            }
            PasskeyStage::Failed => {
                let reason = view.reason.clone().unwrap_or_default();
                self.passkey_expired(&reason).await;
            }
            stage => {
                self.passkey_failed(&words(stage, "timeout", step), true)
                    .await
            }
        }
    }

    /// The challenge has expired for good; every later answer is too late.
    async fn passkey_expired(&mut self, reason: &str) {
        self.snapshot.send_modify(|snapshot| {
            if let Some(view) = &mut snapshot.passkey {
                view.expired = true;
            }
        });
        self.passkey_failed(reason, true).await;
    }

    /// Marks the ceremony as failed. `cancel`: tell the page to go back to QR codes, which it does
    /// by itself where the connection was lost.
    async fn passkey_failed(&mut self, reason: &str, cancel: bool) {
        let Some(view) = self
            .passkey_view()
            .filter(|view| view.is_pending() || view.again)
        else {
            return;
        };
        if cancel {
            self.order(PasskeyOrder::Cancel);
        }
        let view = PasskeyView {
            stage: PasskeyStage::Failed,
            id: None,
            public_key: None,
            code: None,
            code_without: None,
            reason: Some(reason.to_owned()),
            again: false,
            ..view
        };
        self.show_passkey(view, None).await;
        self.take(Input::PasskeyEnded).await;
    }

    /// Ends the ceremony and removes it from the snapshot.
    async fn passkey_over(&mut self, reason: &str) {
        let Some(view) = self.passkey_view() else {
            return;
        };
        self.retire_token(reason);
        self.passkey = Passkey::default();
        self.snapshot
            .send_modify(|snapshot| snapshot.passkey = None);
        if view.is_pending() || view.again {
            info!(client = %self.parts.client, reason, "no passkey is awaited any more");
            let done = PasskeyDone {
                stage: Done::Done,
                purpose: view.purpose,
                reason: reason.to_owned(),
            };
            self.tell_passkey(&PasskeyStep::Done(done)).await;
        }
        self.care.passkey = None;
        self.notice(None).await;
        // A finished ceremony waits for the login; QR codes stay suspended until then.
        if reason != "linked" && self.machine.passkey {
            self.snapshot
                .send_modify(|snapshot| NOT_AWAITED.clone_into(&mut snapshot.reason));
            Box::pin(self.take(Input::PasskeyEnded)).await;
        }
    }

    /// Ends the ceremony when the session leaves the state that it belongs to.
    pub(super) async fn passkey_follows(&mut self) {
        let Some(view) = self.passkey_view() else {
            return;
        };
        let state = self.machine.state;
        let stays = match view.purpose {
            PasskeyPurpose::Link => state == SessionState::QrReady,
            PasskeyPurpose::Checkpoint => {
                self.machine.open && !matches!(state, SessionState::Loading | SessionState::QrReady)
            }
        };
        if stays {
            return;
        }
        let linked = view.purpose == PasskeyPurpose::Link
            && matches!(state, SessionState::Authenticated | SessionState::Ready);
        let reason = if linked {
            "linked".to_owned()
        } else {
            format!("the session is {state}: {}", self.snapshot.borrow().reason)
        };
        self.passkey_over(&reason).await;
    }

    /// Publishes a step, reports it, and sets its timer.
    async fn show_passkey(&mut self, view: PasskeyView, life: Option<Duration>) {
        let client = &self.parts.client;
        let (stage, reason) = (view.stage.as_str(), view.reason.as_deref());
        match view.stage {
            PasskeyStage::Failed => warn!(%client, stage, reason, "passkey"),
            _ => info!(%client, stage, reason, purpose = ?view.purpose, "passkey"),
        }
        self.passkey.life = life.unwrap_or_default();
        self.passkey.clock = life.and_then(|life| Instant::now().checked_add(life));
        self.care.passkey = notice(&view, client.as_str());
        let step = view.told();
        self.snapshot.send_modify(|snapshot| {
            if view.purpose == PasskeyPurpose::Link {
                (if view.is_pending() || view.again {
                    AWAITED
                } else {
                    NOT_AWAITED
                })
                .clone_into(&mut snapshot.reason);
            }
            snapshot.passkey = Some(view);
        });
        self.tell_passkey(&step).await;
        self.notice(None).await;
    }

    async fn tell_passkey(&self, step: &PasskeyStep) {
        let account = self.snapshot.borrow().account.clone();
        self.parts
            .journal
            .report(&self.parts.client, account.as_ref(), Event::report(step))
            .await;
    }

    /// Invalidates the token, which is for one challenge only, and keeps the outcome for those who
    /// still have the token.
    fn retire_token(&self, reason: &str) {
        self.snapshot.send_modify(|snapshot| {
            if let Some(token) = snapshot.passkey.as_mut().and_then(|view| view.token.take()) {
                snapshot.past_passkeys.push(PastPasskey {
                    token,
                    reason: reason.to_owned(),
                });
                let more = snapshot.past_passkeys.len().saturating_sub(PAST);
                snapshot.past_passkeys.drain(..more);
            }
        });
    }

    fn order(&mut self, order: PasskeyOrder) {
        self.body
            .ask("passkey", |page| async move { page.passkey(&order).await });
    }
}
