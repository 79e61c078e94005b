//! Linking an account to a page, and unlinking it.

use std::{fmt, time::Duration};

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use super::{
    error::PageError,
    question::{Limit, PageChannel, Question, ask},
};
use crate::{model::PhoneNumber, whatsapp::passkey::PasskeyOrder};

/// How long a log-out may take. The bridge itself stops waiting for WhatsApp after 8 s.
const LOGOUT_TIMEOUT: Duration = Duration::from_secs(12);
/// The longest life of a pairing code; a longer one that the page names is cut to this.
const LONGEST_CODE: Duration = Duration::from_mins(10);

/// The calls that link an account to a page, and unlink it.
#[async_trait]
pub trait PageLinking: PageChannel {
    /// Asks for a new batch of QR codes.
    async fn refresh_qr(&self) -> Result<(), PageError> {
        ask(self, &RefreshQr).await
    }

    /// Asks for a pairing code that the owner of `number` types on the phone to link it. The code,
    /// and those that replace it later, are also reported as
    /// [`PageEvent::PairingCode`](super::PageEvent::PairingCode). No QR code can be scanned
    /// meanwhile.
    async fn pairing_code(&self, number: &PhoneNumber) -> Result<PairingCode, PageError> {
        ask(
            self,
            &NewCode {
                number: number.digits(),
            },
        )
        .await
    }

    /// Discards the pairing code and goes back to QR codes.
    async fn cancel_pairing(&self) -> Result<(), PageError> {
        ask(self, &CancelPairing).await
    }

    /// Gives the page an order about the passkey that it asks for; `Ok` means that the page has
    /// accepted it. A page that does not wait for this order refuses.
    async fn passkey(&self, order: &PasskeyOrder) -> Result<(), PageError> {
        ask(self, order).await
    }

    /// Unlinks the account and waits until the page says so or is reloaded. A page that fails at it,
    /// or has no bridge, has not said so.
    async fn logout(&self) -> Result<(), PageError> {
        match ask(self, &Logout).await {
            // The reload has discarded the answer.
            Err(PageError::Gone { .. }) => Ok(()),
            answered => answered,
        }
    }
}

#[derive(Serialize)]
struct RefreshQr;

impl Question for RefreshQr {
    const NAME: &'static str = "refresh_qr";
    type Answer = ();
}

#[derive(Serialize)]
struct NewCode<'a> {
    number: &'a str,
}

impl Question for NewCode<'_> {
    const NAME: &'static str = "pairing_code";
    type Answer = PairingCode;
}

#[derive(Serialize)]
struct CancelPairing;

impl Question for CancelPairing {
    const NAME: &'static str = "cancel_pairing";
    type Answer = ();
}

impl Question for PasskeyOrder {
    const NAME: &'static str = "passkey";
    type Answer = ();
}

#[derive(Serialize)]
struct Logout;

impl Question for Logout {
    const NAME: &'static str = "logout";
    type Answer = ();

    fn limit(&self) -> Limit {
        Limit::Exactly(LOGOUT_TIMEOUT)
    }
}

/// A pairing code, which links when it is typed on the phone.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(from = "Code")]
pub struct PairingCode {
    /// The code as people read it, `ABCD-EFGH`. It is a credential.
    pub code: String,
    /// How long the code is valid, from now.
    pub ttl: Duration,
}

impl fmt::Debug for PairingCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PairingCode")
            .field("ttl", &self.ttl)
            .finish_non_exhaustive()
    }
}

/// A pairing code as the bridge gives it.
#[derive(Deserialize)]
struct Code {
    code: String,
    ttl: f64,
}

impl From<Code> for PairingCode {
    fn from(raw: Code) -> Self {
        let code = match raw.code.split_at_checked(4) {
            Some((first, rest)) if rest.len() == 4 && raw.code.is_ascii() => {
                format!("{first}-{rest}")
            }
            _ => raw.code,
        };
        Self {
            code,
            ttl: life(raw.ttl, LONGEST_CODE),
        }
    }
}

/// How long a code is valid: the milliseconds that the page gave, at most `longest`.
pub(in crate::whatsapp) fn life(millis: f64, longest: Duration) -> Duration {
    Duration::try_from_secs_f64(millis / 1000.0)
        .unwrap_or(longest)
        .min(longest)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::whatsapp::{Call, page::no_bridge};

    /// A page with one answer.
    #[derive(Debug)]
    struct Answers(Result<Value, PageError>);

    #[async_trait]
    impl PageChannel for Answers {
        async fn call(&self, _: Call) -> Result<Value, PageError> {
            self.0.clone()
        }
    }

    impl PageLinking for Answers {}

    #[tokio::test]
    async fn a_log_out_has_begun_when_the_page_is_reloaded_and_not_when_it_fails() {
        let what = "logout";
        let logout = async |answer| Answers(answer).logout().await;
        assert_eq!(logout(Ok(json!({"ok": null}))).await, Ok(()));
        let reloaded = PageError::Gone {
            what,
            reason: "the page was loaded anew".into(),
        };
        assert_eq!(logout(Err(reloaded)).await, Ok(()));
        assert_eq!(
            logout(Ok(
                json!({"error": {"kind": "failed", "reason": "no socket"}})
            ))
            .await,
            Err(PageError::Failed {
                what,
                reason: "no socket".into()
            })
        );
        assert_eq!(
            logout(Ok(no_bridge())).await,
            Err(PageError::NoBridge { what })
        );
    }
}
