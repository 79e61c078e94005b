//! Decides what follows an answer of the page, for messages from the queue, for those on the fast
//! path and for those that the page is asked about later.
//!
//! This module only decides; `follow` carries it out. A message that may have been sent is never
//! sent again, except by the page itself under the same id.

use crate::{
    model::{AckLevel, Address, FailureCode},
    store::Finish,
    whatsapp::{Found, PageError, Stored},
};

/// Pause in milliseconds before a page that is still loading gets the message again.
const BOOT_PAUSE: u64 = 500;

/// What to do with a message whose sending has begun.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Next {
    /// The page has it: record where. `had_it` means that the page had it before, so it is asked
    /// about the outcome.
    Note { stored: Stored, had_it: bool },
    /// WhatsApp's server has acknowledged it.
    Acknowledge(Address, AckLevel),
    /// It ends with this outcome.
    Finish(Finish),
    /// The page has never had it: put it back into the queue, to be tried again after `pause`
    /// milliseconds.
    Requeue { pause: u64, reason: String },
    /// The page has it but failed to send it: let the page send it again under the same id.
    Resend(Found),
    /// The page may or may not have it: ask later. Meanwhile no other message of its chat may
    /// overtake it.
    AskLater {
        error: PageError,
        what: &'static str,
    },
}

/// What follows the answer to a message that was handed to the page.
pub(super) fn after_send(answer: Result<Stored, PageError>) -> Next {
    match answer {
        Ok(stored) => Next::Note {
            had_it: stored.duplicate,
            stored,
        },
        // The page has not begun anything.
        Err(
            error @ (PageError::Refused { .. }
            | PageError::ContractBroken { .. }
            | PageError::QuoteNotFound { .. }
            | PageError::NoSuchChat),
        ) => {
            let code = match error {
                PageError::QuoteNotFound { .. } => FailureCode::QuoteNotFound,
                PageError::NoSuchChat => FailureCode::ChatNotFound,
                _ => FailureCode::PageError,
            };
            Next::Finish(Finish::NotSent(code, error.to_string()))
        }
        Err(error @ PageError::Booting { .. }) => Next::Requeue {
            pause: BOOT_PAUSE,
            reason: error.to_string(),
        },
        Err(error) => Next::AskLater {
            error,
            what: "sending a message was interrupted; the page will be asked for its id",
        },
    }
}

/// What follows the answer to the question whether the page has a message. `noted` means that the
/// page had stored it before.
pub(super) fn after_find(noted: bool, answer: Result<Option<Found>, PageError>) -> Next {
    match answer {
        Ok(Some(found)) => match found.ack {
            Some(level) => Next::Acknowledge(found.address, level),
            None if found.failed => Next::Resend(found),
            // It is in the page's own queue.
            None => note(found),
        },
        Ok(None) if noted => Next::Finish(Finish::Unknown(
            "the page no longer knows the message".into(),
        )),
        // The page stores a message before it sends it, so a message that it does not know was
        // never sent.
        Ok(None) => Next::Requeue {
            pause: 0,
            reason: "the page has never had the message".into(),
        },
        Err(error) => Next::AskLater {
            error,
            what: "the page cannot be asked about a message yet",
        },
    }
}

/// What follows the answer to the request to send again what the page failed to send.
pub(super) fn after_resend(found: Found, answer: Result<(), PageError>) -> Next {
    match answer {
        Ok(()) => note(found),
        // It cannot be told whether it was sent. Sending it under another id could duplicate it.
        Err(PageError::Refused { reason, .. }) => Next::Finish(Finish::Unknown(reason)),
        Err(error) => Next::AskLater {
            error,
            what: "a message cannot be sent again yet",
        },
    }
}

fn note(found: Found) -> Next {
    Next::Note {
        stored: Stored {
            address: found.address,
            key: found.key,
            duplicate: true,
        },
        had_it: false,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn address() -> Address {
        Address {
            chat: "1@c.us".into(),
            pn: None,
            lid: None,
        }
    }

    fn stored(duplicate: bool) -> Stored {
        Stored {
            address: address(),
            key: "true_1@c.us_3EB0".into(),
            duplicate,
        }
    }

    fn found(ack: Option<AckLevel>, failed: bool) -> Found {
        Found {
            address: address(),
            key: "true_1@c.us_3EB0".into(),
            ack,
            failed,
        }
    }

    fn gone() -> PageError {
        PageError::Gone {
            what: "send",
            reason: "closed".into(),
        }
    }

    #[test]
    fn a_send_is_noted_ended_queued_again_or_asked_about() {
        assert_eq!(
            after_send(Ok(stored(false))),
            Next::Note {
                stored: stored(false),
                had_it: false
            }
        );
        assert_eq!(
            after_send(Ok(stored(true))),
            Next::Note {
                stored: stored(true),
                had_it: true
            }
        );
        let nothing_begun = [
            (
                PageError::Refused {
                    what: "send",
                    reason: "no".into(),
                },
                FailureCode::PageError,
            ),
            (
                PageError::ContractBroken {
                    what: "send",
                    missing: vec!["Chat".into()],
                },
                FailureCode::PageError,
            ),
            (
                PageError::QuoteNotFound {
                    reason: "gone".into(),
                },
                FailureCode::QuoteNotFound,
            ),
            (PageError::NoSuchChat, FailureCode::ChatNotFound),
        ];
        for (error, code) in nothing_begun {
            assert_eq!(
                after_send(Err(error.clone())),
                Next::Finish(Finish::NotSent(code, error.to_string())),
                "{error:?}"
            );
        }
        let booting = PageError::Booting { what: "send" };
        assert_eq!(
            after_send(Err(booting.clone())),
            Next::Requeue {
                pause: BOOT_PAUSE,
                reason: booting.to_string()
            }
        );
        let in_doubt = [
            PageError::Timeout {
                what: "send",
                limit: Duration::from_secs(1),
            },
            gone(),
            PageError::NoBridge { what: "send" },
            PageError::Failed {
                what: "send",
                reason: "TypeError".into(),
            },
            PageError::RateLimited { what: "send" },
            PageError::NotAvailable { what: "send" },
        ];
        for error in in_doubt {
            assert!(
                matches!(after_send(Err(error.clone())), Next::AskLater { .. }),
                "whatever may have begun is never given again: {error:?}"
            );
        }
    }

    #[test]
    fn only_what_the_page_has_never_had_is_queued_again() {
        assert_eq!(
            after_find(true, Ok(Some(found(Some(AckLevel::Server), false)))),
            Next::Acknowledge(address(), AckLevel::Server)
        );
        assert_eq!(
            after_find(false, Ok(Some(found(Some(AckLevel::Read), true)))),
            Next::Acknowledge(address(), AckLevel::Read)
        );
        assert_eq!(
            after_find(false, Ok(Some(found(None, true)))),
            Next::Resend(found(None, true))
        );
        for noted in [false, true] {
            assert_eq!(
                after_find(noted, Ok(Some(found(None, false)))),
                note(found(None, false))
            );
            assert!(matches!(
                after_find(noted, Err(gone())),
                Next::AskLater { .. }
            ));
        }
        assert!(matches!(
            after_find(false, Ok(None)),
            Next::Requeue { pause: 0, .. }
        ));
        assert!(
            matches!(after_find(true, Ok(None)), Next::Finish(Finish::Unknown(_))),
            "it may have left"
        );
    }

    #[test]
    fn what_the_page_will_not_send_again_stays_unknown() {
        assert_eq!(
            after_resend(found(None, true), Ok(())),
            note(found(None, true))
        );
        let refused = PageError::Refused {
            what: "resend",
            reason: "no".into(),
        };
        assert_eq!(
            after_resend(found(None, true), Err(refused)),
            Next::Finish(Finish::Unknown("no".into()))
        );
        assert!(matches!(
            after_resend(found(None, true), Err(gone())),
            Next::AskLater { .. }
        ));
    }
}
