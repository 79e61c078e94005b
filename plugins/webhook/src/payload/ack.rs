//! Acknowledgements of a message, as a number and as a name.

use serde::Serialize;
use wharf_plugin::AckLevel;

use super::address::{Address, address, key};

/// WAHA's names of the acknowledgement levels.
#[derive(Debug, Clone, Copy, Default, Serialize)]
#[serde(rename_all = "UPPERCASE")]
#[cfg_attr(
    test,
    derive(schemars::JsonSchema),
    schemars(rename = "WebhookAckName")
)]
pub(super) enum AckName {
    Error,
    #[default]
    Server,
    Device,
    Read,
    Played,
}

/// A sent message reached a further level of acknowledgement.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "WebhookAck"))]
pub(crate) struct Ack<'a> {
    /// The key of the message.
    id: String,
    /// The account's own id.
    from: &'a str,
    /// The chat that the message was sent to.
    to: &'a str,
    /// Always empty.
    participant: &'a str,
    /// Always true.
    from_me: bool,
    /// The level: 1 WhatsApp's server, 2 a device of the recipient, 3 read, 4 played.
    #[cfg_attr(test, schemars(range(min = 1, max = 4)))]
    ack: i8,
    /// The name of the level.
    ack_name: AckName,
    /// Further data of the gateway.
    #[serde(rename = "_data")]
    data: AckData<'a>,
}

/// Further data of the gateway about an acknowledgement.
#[derive(Debug, Serialize)]
#[cfg_attr(
    test,
    derive(schemars::JsonSchema),
    schemars(rename = "WebhookAckData")
)]
struct AckData<'a> {
    /// The chat, in all known forms.
    chat: Address<'a>,
}

pub(super) fn acknowledgement<'a>(event: &'a wharf_plugin::Ack, me: &'a str) -> Ack<'a> {
    let (number, name) = ack(event.level);
    let chat = &event.chat.chat;
    Ack {
        id: key(true, chat, &event.id, ""),
        from: me,
        to: chat,
        participant: "",
        from_me: true,
        ack: number,
        ack_name: name,
        data: AckData {
            chat: address(&event.chat),
        },
    }
}

fn ack(level: AckLevel) -> (i8, AckName) {
    match level {
        AckLevel::Device => (2, AckName::Device),
        AckLevel::Read => (3, AckName::Read),
        AckLevel::Played => (4, AckName::Played),
        // The server's acknowledgement, which every level implies.
        _ => (1, AckName::Server),
    }
}
