//! Conversions of the other modules' errors into API errors: one place for each, whatever path was
//! called.

use axum::http::StatusCode;

use super::{
    codes::Code,
    refusal::{ApiError, INTERNAL},
};
use crate::{
    model::{InvalidClientId, InvalidRecipient},
    outbox::{AcceptError, StoreError},
    plugins::{ReloadError, RenderFailure},
    services::{LinkFailure, PasskeyFailure, PluginFailure, SendFailure, SessionFailure},
    session::{AskError, LogoutError, PasskeyError},
    whatsapp::{AssertionFault, PageError},
};

/// `Retry-After` in seconds: for a lack of capacity, and for a full disk or a moved database.
const BUSY: u64 = 1;
const FULL: u64 = 60;
/// WhatsApp does not say for how long it issues no pairing codes; as observed, it is minutes.
const PAIRING: u64 = 300;

/// The message has neither SQLite's error text nor the path of the database: those go to the log
/// only.
impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        let answer = match &error {
            StoreError::Busy => {
                let words = "the database is busy: too many writes are waiting, or another program holds its lock";
                Self::new(Code::Busy, words).after(BUSY)
            }
            StoreError::Full => {
                let words = "the disk is full: the database cannot be written until there is space";
                Self::new(Code::StorageFull, words).after(FULL)
            }
            StoreError::Moved { .. } => {
                let words = "the database was moved away or replaced while the gateway runs; nothing is accepted until it is back";
                Self::new(Code::StorageMoved, words).after(FULL)
            }
            StoreError::Corrupt(_) => {
                let words = "what is stored cannot be read: written by another version, or broken; the gateway's log says what, under this request's id";
                Self::new(Code::Unreadable, words)
            }
            StoreError::Open { .. } | StoreError::TooNew { .. } | StoreError::Database(_) => {
                Self::new(Code::Internal, INTERNAL)
            }
        };
        // The store itself logs temporary conditions, once when they begin.
        if answer.0.status == StatusCode::INTERNAL_SERVER_ERROR {
            answer.because(error)
        } else {
            answer
        }
    }
}

impl From<InvalidClientId> for ApiError {
    fn from(error: InvalidClientId) -> Self {
        Self::new(Code::InvalidClientId, error.to_string())
    }
}

impl From<InvalidRecipient> for ApiError {
    fn from(error: InvalidRecipient) -> Self {
        let code = match error {
            InvalidRecipient::NotUnderstood(_) => Code::InvalidNumber,
            InvalidRecipient::NotSupported { .. } => Code::RecipientNotSupported,
        };
        Self::new(code, error.to_string())
    }
}

impl From<SessionFailure> for ApiError {
    fn from(failure: SessionFailure) -> Self {
        let code = match failure {
            SessionFailure::Store(error) => return error.into(),
            SessionFailure::Failed(_) => return Self::internal(failure),
            SessionFailure::Profile(_) => {
                let words = "the profile could not be taken away, so the session is still there, stopped; the gateway's log says why, under this request's id";
                return Self::new(Code::CleanupFailed, words).because(failure);
            }
            SessionFailure::Unknown(_) => Code::UnknownClient,
            SessionFailure::Exists(_) => Code::SessionExists,
            SessionFailure::Named(_) => Code::SessionInConfiguration,
            SessionFailure::Logout(LogoutError::NotLinked(_)) => Code::NotLinked,
            SessionFailure::Logout(LogoutError::NotConfirmed(_)) => Code::LogoutNotConfirmed,
        };
        Self::new(code, failure.to_string())
    }
}

impl From<PluginFailure> for ApiError {
    fn from(failure: PluginFailure) -> Self {
        let code = match failure {
            PluginFailure::Session(failure) => return failure.into(),
            PluginFailure::Failed(_) => return Self::internal(failure),
            PluginFailure::Unknown(_) | PluginFailure::Reload(ReloadError::Unknown(_)) => {
                Code::UnknownPlugin
            }
            PluginFailure::NoCandidate(_) => Code::NotFound,
            PluginFailure::Reload(ReloadError::Configuration(_)) => Code::ConfigurationInvalid,
            PluginFailure::Reload(ReloadError::Refused { .. }) => Code::PluginRefused,
        };
        Self::new(code, failure.to_string())
    }
}

impl From<SendFailure> for ApiError {
    fn from(failure: SendFailure) -> Self {
        let words = failure.to_string();
        let of = |code| Self::new(code, words.clone());
        match failure {
            SendFailure::UnknownClient(_) => of(Code::UnknownClient),
            SendFailure::NotReady { state, .. } => of(Code::NotReady).with("state", state.as_str()),
            SendFailure::HeldBack(held) => {
                of(Code::HeldBack).after(held.retry_after.map(|time| time.as_secs().max(1)))
            }
            SendFailure::Refused(AcceptError::Rejected(rejection)) => {
                let seconds = rejection.retry_after.map(|time| time.as_secs().max(1));
                let (plugin, reason, id) = (rejection.plugin, rejection.reason, rejection.message);
                let error = Self::rejected(rejection.code.into(), reason.clone().into());
                error
                    .with_in_problem("id", id)
                    .with("plugin", plugin)
                    .with("reason", String::from(reason))
                    .with("retryAfterSeconds", seconds)
                    .after(seconds)
            }
            SendFailure::Refused(AcceptError::Render(failure)) => match failure {
                RenderFailure::UnknownTemplate { .. } => of(Code::UnknownTemplate),
                RenderFailure::MissingVariable { .. } => of(Code::MissingVariable),
                RenderFailure::BadVariable { .. } => of(Code::BadVariable),
                RenderFailure::Busy(_) => of(Code::Busy).after(BUSY),
                RenderFailure::Failed { .. } => of(Code::TemplateFailed),
            },
            SendFailure::Refused(AcceptError::KindNotSupported { .. }) => {
                of(Code::KindNotSupported)
            }
            SendFailure::Refused(AcceptError::TooLong { .. }) => of(Code::MessageTooLong),
            SendFailure::Refused(AcceptError::InFlight(id)) => {
                of(Code::IdempotencyInFlight).with("id", id.0).after(BUSY)
            }
            SendFailure::Refused(AcceptError::KeyReused) => of(Code::IdempotencyKeyReused),
            // The message was neither allowed nor refused: the gateway lacked the capacity to ask
            // the plugin.
            SendFailure::Refused(AcceptError::Busy(_)) => of(Code::Busy).after(BUSY),
            SendFailure::Refused(AcceptError::Store(error)) => error.into(),
        }
    }
}

impl From<LinkFailure> for ApiError {
    fn from(failure: LinkFailure) -> Self {
        let words = failure.to_string();
        match failure {
            LinkFailure::Unknown(_) => Self::new(Code::UnknownClient, words),
            LinkFailure::Pairing(AskError::NotNow { state, .. }) => {
                Self::new(Code::NotWaitingForLink, words).with("state", state.as_str())
            }
            LinkFailure::Pairing(AskError::Page(PageError::RateLimited { .. })) => {
                Self::new(Code::PairingRateLimited, words)
                    .with_in_problem("retryAfterSeconds", PAIRING)
                    .after(PAIRING)
            }
            LinkFailure::Pairing(AskError::Page(PageError::NotAvailable { .. })) => {
                Self::new(Code::PairingNotAvailable, words)
            }
            LinkFailure::Pairing(AskError::Page(_)) => {
                let told = "WhatsApp Web made no pairing code; the gateway's log says why, under this request's id";
                Self::new(Code::PageError, told)
                    .titled("WhatsApp Web made no pairing code")
                    .because(words)
            }
        }
    }
}

impl From<PasskeyFailure> for ApiError {
    fn from(failure: PasskeyFailure) -> Self {
        let words = failure.to_string();
        let error = match failure {
            PasskeyFailure::Unknown(_) => return Self::new(Code::UnknownClient, words),
            PasskeyFailure::Passkey(error) => error,
        };
        match error {
            PasskeyError::NotAsked => Self::new(Code::NoPasskeyAsked, words),
            PasskeyError::NotWaiting(stage) => {
                Self::new(Code::NotWaitingForPasskey, words).with("stage", stage.as_str())
            }
            PasskeyError::Invalid(AssertionFault::WrongChallenge) => {
                Self::new(Code::WrongChallenge, words)
            }
            PasskeyError::Invalid(_) => Self::new(Code::InvalidAssertion, words),
            PasskeyError::Expired { again } => {
                Self::new(Code::ChallengeExpired, words).with("again", again)
            }
            PasskeyError::Refused(_) => Self::new(Code::RefusedByWhatsapp, words),
            PasskeyError::NotConfirming(stage) => {
                Self::new(Code::NotWaitingForCode, words).with("stage", stage.as_str())
            }
            PasskeyError::WrongCode => Self::new(Code::WrongCode, words),
            PasskeyError::Page(_) => {
                let told = "WhatsApp Web could not take it; the gateway's log says why, under this request's id";
                Self::new(Code::PageError, told).because(words)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_another_try_may_mend_is_503_with_a_time() {
        for (error, status, code, retry) in [
            (StoreError::Busy, 503, "busy", true),
            (StoreError::Full, 503, "storage_full", true),
            (
                StoreError::Moved {
                    path: "wharf.db".into(),
                },
                503,
                "storage_moved",
                true,
            ),
            (StoreError::Corrupt("row".into()), 500, "unreadable", false),
            (StoreError::Database("words".into()), 500, "internal", false),
        ] {
            let told = ApiError::from(error.clone());
            assert_eq!(
                (
                    told.0.status.as_u16(),
                    told.code(),
                    told.retry_after().is_some()
                ),
                (status, code, retry),
                "{error}"
            );
            assert!(
                !told.message().contains("wharf.db") && !told.message().contains("words"),
                "{told:?}"
            );
        }
    }
}
