//! The texts of QR codes and pairing codes. They are credentials, so they are kept here in memory
//! for notifiers that may see them, and never in the event log.
//!
//! Each session has its own codes, so sessions that are linked at the same time do not displace
//! each other's. A code event without its text would be useless, so it is not delivered once its
//! text has expired.

use std::{collections::HashMap, fmt};

use crate::model::{ClientId, Envelope, Event, EventId, Timestamp};

/// Maximum number of texts per session. A code lives at most a minute, so a few are enough.
const KEPT: usize = 8;

struct Code {
    event: EventId,
    text: String,
    expires_at: Timestamp,
}

#[derive(Default)]
pub(super) struct Credentials(HashMap<ClientId, Vec<Code>>);

/// Does not print the texts.
impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials")
            .field("sessions", &self.0.len())
            .finish_non_exhaustive()
    }
}

impl Credentials {
    /// Moves the text out of an event, if it has one.
    pub(super) fn take(
        &mut self,
        session: &ClientId,
        id: &EventId,
        event: &mut Event,
        now: Timestamp,
    ) {
        let expires_at = match event {
            Event::Qr { expires_at, .. } | Event::PairingCode { expires_at, .. } => *expires_at,
            _ => return,
        };
        let Some(text) = event.credential().map(std::mem::take) else {
            return;
        };
        self.0.retain(|_, codes| {
            codes.retain(|code| code.expires_at > now);
            !codes.is_empty()
        });
        let codes = self.0.entry(session.clone()).or_default();
        codes.push(Code {
            event: id.clone(),
            text,
            expires_at,
        });
        if codes.len() > KEPT {
            codes.remove(0);
        }
    }

    /// Puts the text back into its event. Returns `None` if the event had a text that has expired
    /// or is gone.
    pub(super) fn complete(&self, mut envelope: Envelope, now: Timestamp) -> Option<Envelope> {
        if let Some(text) = envelope.event.credential() {
            let codes = self.0.get(&envelope.session)?;
            let code = codes
                .iter()
                .find(|code| code.event == envelope.id && code.expires_at > now)?;
            text.clone_from(&code.text);
        }
        Some(envelope)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn qr(code: &str, expires_at: i64) -> Event {
        Event::Qr {
            code: code.into(),
            expires_at: Timestamp(expires_at),
            attempt: 1,
        }
    }

    fn envelope(session: &ClientId, id: &str, event: Event) -> Envelope {
        Envelope {
            id: EventId(id.into()),
            at: Timestamp(0),
            session: session.clone(),
            account: None,
            replayed: false,
            event,
        }
    }

    #[test]
    fn sessions_keep_their_codes_beside_each_other_until_they_expire() {
        let mut credentials = Credentials::default();
        let sessions: Vec<ClientId> = (0..40)
            .map(|n| format!("shop-{n}").parse().expect("id"))
            .collect();
        for (n, session) in sessions.iter().enumerate() {
            let mut event = qr(&format!("code-{n}"), 60_000);
            credentials.take(
                session,
                &EventId(format!("evt_{n}")),
                &mut event,
                Timestamp(0),
            );
            assert_eq!(event, qr("", 60_000), "the log does not get it");
        }
        assert!(
            !format!("{credentials:?}").contains("code-"),
            "nor does anybody who prints it"
        );
        for (n, session) in sessions.iter().enumerate() {
            let asked = |now| {
                credentials.complete(
                    envelope(session, &format!("evt_{n}"), qr("", 60_000)),
                    Timestamp(now),
                )
            };
            assert_eq!(
                asked(59_999).expect("there").event,
                qr(&format!("code-{n}"), 60_000)
            );
            assert_eq!(asked(60_000), None, "nobody can scan it any more");
        }
        // An id that this session never had, as after a restart.
        assert_eq!(
            credentials.complete(
                envelope(&sessions[0], "evt_1", qr("", 60_000)),
                Timestamp(0)
            ),
            None
        );
        let state = Event::Other {
            kind: "x".into(),
            json: "{}".into(),
        };
        assert!(
            credentials
                .complete(envelope(&sessions[0], "evt_other", state), Timestamp(0))
                .is_some()
        );
    }

    #[test]
    fn what_has_expired_is_not_kept() {
        let mut credentials = Credentials::default();
        for (n, session) in ["a", "b"].into_iter().enumerate() {
            let now = Timestamp(i64::try_from(n).expect("few") * 100);
            credentials.take(
                &session.parse().expect("id"),
                &EventId(format!("evt_{n}")),
                &mut qr("x", now.0 + 50),
                now,
            );
        }
        assert_eq!(credentials.0.len(), 1);
    }
}
