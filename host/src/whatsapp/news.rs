//! Parses what the bridge reports. A page is not trusted to be well-formed: anything that cannot be
//! read becomes a fault, never a panic.

use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;

use super::{
    inbound,
    login::Entries,
    page::{Fault, PageEvent, PageStatus, PairingCode, SendNews, SendProgress, life},
    passkey::PasskeyNews,
    window::Ticket,
};
use crate::{
    browser::read_json,
    model::{AckLevel, Address, MessageId, Timestamp},
};

/// The life of a QR code for which the page named no usable one, and the longest that is accepted.
const LONGEST_QR: Duration = Duration::from_secs(120);

#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Raw {
    Hello,
    Status {
        status: PageStatus,
    },
    Qr {
        code: String,
        ttl: f64,
    },
    QrExhausted,
    PairingCode(PairingCode),
    PairingEnded {
        reason: String,
    },
    Passkey(PasskeyNews),
    Ack {
        id: MessageId,
        address: Address,
        level: i64,
    },
    Refused {
        id: MessageId,
        address: Address,
        reason: String,
        #[serde(default)]
        code: Value,
        #[serde(default)]
        until: Option<f64>,
    },
    Fault {
        r#where: String,
        error: String,
        #[serde(default = "one")]
        count: u64,
    },
    Message(RawMessage),
    CaughtUp {
        complete: Option<bool>,
    },
    LoggedOut {
        reason: String,
    },
    Banned {
        code: String,
        expire: Option<f64>,
    },
    Login {
        entries: Entries,
    },
}

fn one() -> u64 {
    1
}

/// A message, and its position among those of its document.
#[derive(Deserialize)]
struct RawMessage {
    #[serde(default)]
    message: Value,
    #[serde(default)]
    missed: Value,
    #[serde(default)]
    page: Value,
    #[serde(default)]
    number: Value,
}

/// A parsed report of the bridge.
#[derive(Debug)]
pub(super) enum Said {
    /// An event for the session.
    News(PageEvent),
    /// A message, or a fault in its place. The page waits to hear that it was recorded.
    Message(PageEvent, Option<Ticket>),
    /// The entries of Local Storage that make up the login; kept by this module.
    Login(Entries),
}

/// Parses one report; `None` for an acknowledgement of no interest. The first report of every
/// document is a navigation. A report that cannot be read becomes a fault with only the kind of the
/// error, because the text may contain a message.
pub(super) fn parse(payload: &str) -> Option<Said> {
    match read_json(payload) {
        Ok(raw) => said(raw),
        Err(error) => Some(Said::News(unreadable(&format!("{:?}", error.classify())))),
    }
}

fn unreadable(error: &str) -> PageEvent {
    PageEvent::Fault(Fault {
        place: "reading what the bridge says".into(),
        error: error.to_owned(),
        count: 1,
    })
}

fn said(raw: Raw) -> Option<Said> {
    let event = match raw {
        Raw::Hello => PageEvent::Navigated,
        Raw::Status { status } => PageEvent::Status(status),
        Raw::Qr { code, ttl } => PageEvent::Qr {
            code,
            ttl: life(ttl, LONGEST_QR),
        },
        Raw::QrExhausted => PageEvent::QrExhausted,
        Raw::PairingCode(code) => PageEvent::PairingCode(code),
        Raw::PairingEnded { reason } => PageEvent::PairingEnded(reason),
        Raw::Passkey(news) => PageEvent::Passkey(news),
        Raw::Ack { id, address, level } => PageEvent::Send(SendNews {
            id,
            address,
            what: SendProgress::Ack(AckLevel::from_number(level)?),
        }),
        Raw::Refused {
            id,
            address,
            reason,
            code,
            until,
        } => {
            let code = code.as_u64().and_then(|code| u32::try_from(code).ok());
            let code = code
                .or_else(|| (reason == "UserReachedMaxMonthlyLimitForNewMessages").then_some(475));
            PageEvent::Send(SendNews {
                id,
                address,
                what: SendProgress::Refused {
                    code,
                    until: until.and_then(moment),
                    reason,
                },
            })
        }
        Raw::Fault {
            r#where,
            error,
            count,
        } => PageEvent::Fault(Fault {
            place: r#where,
            error,
            count,
        }),
        Raw::Message(raw) => return Some(message(raw)),
        Raw::CaughtUp { complete } => PageEvent::CaughtUp { complete },
        Raw::LoggedOut { reason } => PageEvent::LoggedOut(reason),
        Raw::Login { entries } => return Some(Said::Login(entries)),
        Raw::Banned { code, expire } => PageEvent::Banned {
            until: expire.and_then(ban_end),
            code,
        },
    };
    Some(Said::News(event))
}

fn message(mut raw: RawMessage) -> Said {
    let ticket = raw
        .page
        .as_str()
        .zip(raw.number.as_u64())
        .map(|(page, number)| Ticket {
            page: page.to_owned(),
            number,
        });
    let event = match raw.message.as_object_mut().and_then(inbound::read) {
        Some(message) if raw.missed == true => PageEvent::Missed(message),
        Some(message) => PageEvent::Message(message),
        None => unreadable("NoMessage"),
    };
    Said::Message(event, ticket)
}

/// A timestamp from milliseconds since the epoch; `None` outside the years 2001 to 5138.
#[expect(clippy::cast_possible_truncation, reason = "the range is checked")]
fn moment(millis: f64) -> Option<Timestamp> {
    (1e12..1e14)
        .contains(&millis)
        .then_some(Timestamp(millis as i64))
}

/// When a ban ends. The page gives seconds from now, or seconds or milliseconds since the epoch;
/// the size of the number tells which.
#[expect(clippy::cast_possible_truncation, reason = "the range is checked")]
fn ban_end(expire: f64) -> Option<Timestamp> {
    match expire {
        e if !(1.0..1e13).contains(&e) => None,
        e if e < 1e9 => Some(Timestamp(Timestamp::now().0 + (e * 1000.0) as i64)),
        e if e < 1e12 => Some(Timestamp((e * 1000.0) as i64)),
        e => Some(Timestamp(e as i64)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_page_says_is_read() {
        let address = r#"{"chat":"1@lid","pn":"2@c.us","lid":"1@lid"}"#;
        let ack = parse(&format!(
            r#"{{"page":"p","n":1,"type":"ack","id":"3EB0","address":{address},"level":2}}"#
        ));
        let Some(Said::News(PageEvent::Send(news))) = ack else {
            panic!("{ack:?}")
        };
        assert_eq!(news.what, SendProgress::Ack(AckLevel::Device));

        let message = format!(
            r#"{{"type":"message","missed":false,"message":{{"id":"A","chat":{address},"sender":{address},"fromMe":false,"pushName":null,"sentAt":1000,
            "content":{{"kind":"text","body":"hi","mentions":[],"preview_links":false}},"replyTo":null}}}}"#
        );
        let Some(Said::Message(PageEvent::Message(message), None)) = parse(&message) else {
            panic!("no message")
        };
        assert_eq!(
            (message.content.body(), message.sent_at),
            (Some("hi"), Timestamp(1000))
        );
    }

    #[test]
    fn nonsense_is_a_fault_and_no_panic() {
        for text in [
            "",
            "null",
            "{}",
            r#"{"type":"new in 2030"}"#,
            r#"{"type":"ack","id":1}"#,
            r#"{"type":"qr","code":"x","ttl":"long"}"#,
        ] {
            let said = parse(text);
            assert!(
                matches!(&said, Some(Said::News(PageEvent::Fault(Fault { error, .. }))) if !error.contains("2030")),
                "{text}: {said:?}"
            );
        }
        let qr = parse(r#"{"type":"qr","code":"x","ttl":-5}"#);
        assert!(
            matches!(
                qr,
                Some(Said::News(PageEvent::Qr {
                    ttl: LONGEST_QR,
                    ..
                }))
            ),
            "{qr:?}"
        );
        let half = parse(r#"{"type":"logged_out","reason":"half \ud83d"}"#);
        assert!(
            matches!(&half, Some(Said::News(PageEvent::LoggedOut(reason))) if reason == "half \u{FFFD}"),
            "{half:?}"
        );
        let address = r#"{"chat":"1@lid","pn":null,"lid":null}"#;
        let refused = parse(&format!(
            r#"{{"type":"refused","id":"A","address":{address},"reason":"r","code":-1,"until":null}}"#
        ));
        let Some(Said::News(PageEvent::Send(news))) = refused else {
            panic!("{refused:?}")
        };
        assert_eq!(
            news.what,
            SendProgress::Refused {
                code: None,
                until: None,
                reason: "r".into()
            },
            "an odd code costs the code"
        );
    }

    #[test]
    fn a_pairing_code_is_shown_in_two_halves() {
        let Some(Said::News(PageEvent::PairingCode(code))) =
            parse(r#"{"type":"pairing_code","code":"ABCD1234","ttl":180000}"#)
        else {
            panic!("no code")
        };
        assert_eq!(
            (code.code.as_str(), code.ttl),
            ("ABCD-1234", Duration::from_secs(180))
        );
        assert!(
            !format!("{code:?}").contains("ABCD"),
            "a code is a credential"
        );
    }

    #[test]
    fn stages_of_a_passkey_are_read_and_their_codes_are_not_for_logs() {
        let stage =
            |text: &str| match parse(&format!(r#"{{"page":"p","n":1,"type":"passkey",{text}}}"#)) {
                Some(Said::News(PageEvent::Passkey(news))) => news,
                other => panic!("{other:?}"),
            };
        let signing = stage(
            r#""stage":"signing","id":"p-1","purpose":"checkpoint","publicKey":{"challenge":"AA"}"#,
        );
        let PasskeyNews::Signing { id, public_key, .. } = &signing else {
            panic!("{signing:?}")
        };
        assert_eq!(
            (id.as_str(), &public_key["challenge"]),
            ("p-1", &serde_json::json!("AA"))
        );
        assert_eq!(stage(r#""stage":"asked""#), PasskeyNews::Asked);
        let confirm = stage(r#""stage":"confirm","code":"ABCDEFGH""#);
        assert!(!format!("{confirm:?}").contains("ABCD"));
    }

    #[test]
    fn the_end_of_a_ban_is_relative_or_absolute() {
        assert_eq!(ban_end(1_800_000_000.0), Some(Timestamp(1_800_000_000_000)));
        assert!(ban_end(60.0).is_some_and(|end| end > Timestamp::now()));
        assert_eq!(ban_end(-1.0), None);
        assert_eq!(ban_end(f64::NAN), None);
    }
}
