//! Messages of accounts and their outcome, messages for accounts, and read and typing states.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{World, lid_of, now};
use crate::media::{ReceivedMedia, Sealed};

/// A message for an account.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Inbound {
    /// The receiving account, as digits; `None`: the one that was linked last.
    pub account: Option<String>,
    /// The sender, as digits.
    pub from: String,
    /// The text.
    pub body: String,
    /// The sender's name.
    pub pushname: Option<String>,
    /// WhatsApp's type of the message; `None`: `chat`.
    pub kind: Option<String>,
    /// Whether it was written on the account's own phone.
    pub from_me: bool,
    /// The group, `<digits>@g.us`; `None`: one to one.
    pub group: Option<String>,
    /// Whether it arrives encrypted and is decrypted a moment later.
    pub ciphertext: bool,
    /// The bare id; `None`: a new one. The same id again is a redelivery.
    pub id: Option<String>,
    /// The time in seconds since the epoch; `None`: now.
    pub t: Option<i64>,
    /// The bare id of the message that it replies to.
    pub quoted: Option<String>,
    /// The wids that the body mentions.
    pub mentions: Vec<String>,
    /// The fields of its type, with the page's names: `lat`, `vcardFormattedName`, `pollName` …
    pub fields: BTreeMap<String, Value>,
}

/// A message as its recipient got it: one per id, however often it was transmitted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Received {
    /// The sending account, as digits.
    pub account: String,
    /// The bare id.
    pub id: String,
    /// The chat it was addressed to.
    pub to: String,
    /// The recipient, as digits.
    pub number: String,
    /// WhatsApp's type of the message.
    pub kind: String,
    /// The text; of a contact, its vCard.
    pub body: String,
    /// The wids that the body mentions.
    pub mentions: Vec<String>,
    /// The message that it replies to: `id`, `participant`, `body`.
    pub quoted: Option<Value>,
    /// The preview of its link: `title`, `description`, `canonicalUrl`, `matchedText`.
    pub preview: Option<Value>,
    /// Its location: `lat`, `lng`, `loc`.
    pub location: Option<Value>,
    /// The name of its contact.
    pub contact: Option<String>,
    /// Its file.
    pub media: Option<ReceivedMedia>,
    /// How often it was transmitted.
    pub transmissions: u32,
    /// The code with which the server refused it.
    pub refused: Option<u32>,
}

impl World {
    /// Records a message, with its file as its recipient has opened it. Returns the code to refuse
    /// it with, and whether its ack is lost.
    pub(crate) fn sent(
        &self,
        id: u64,
        frame: &Value,
        media: Option<(ReceivedMedia, Option<Sealed>)>,
    ) -> (Option<u32>, bool) {
        self.change(|state| {
            let text = |key: &str| frame[key].as_str().unwrap_or_default().to_owned();
            let account = state
                .connections
                .get(&id)
                .and_then(|c| state.devices.get(&c.noise))
                .map(|d| d.account.pn.clone())
                .unwrap_or_default();
            let refused = if state.settings.nacks.is_empty() {
                None
            } else {
                Some(state.settings.nacks.remove(0))
            };
            let lost = refused.is_none() && state.settings.lose_acks > 0;
            if lost {
                state.settings.lose_acks -= 1;
            }
            let (message, to) = (text("id"), text("to"));
            let number = text("pn")
                .split('@')
                .next()
                .filter(|pn| !pn.is_empty())
                .unwrap_or_else(|| to.split('@').next().unwrap_or_default())
                .to_owned();
            match state
                .messages
                .iter_mut()
                .find(|m| m.id == message && m.account == account)
            {
                Some(known) => {
                    known.transmissions += 1;
                    known.refused = refused;
                }
                None => {
                    let some = |key: &str| frame.get(key).filter(|value| !value.is_null()).cloned();
                    let mentions = frame["mentions"]
                        .as_array()
                        .into_iter()
                        .flatten()
                        .filter_map(|wid| wid.as_str().map(ToOwned::to_owned))
                        .collect();
                    let (media, sealed) = media.unzip();
                    if let Some(sealed) = sealed.flatten() {
                        state.media.seal(message.clone(), sealed);
                    }
                    state.messages.push(Received {
                        account,
                        id: message,
                        to,
                        number,
                        kind: text("kind"),
                        body: text("body"),
                        mentions,
                        quoted: some("quoted"),
                        preview: some("preview"),
                        location: some("location"),
                        contact: frame["contact"].as_str().map(ToOwned::to_owned),
                        media,
                        transmissions: 1,
                        refused,
                    });
                }
            }
            (refused, lost)
        })
    }

    pub(crate) fn inbound(&self, message: Inbound) -> Result<String> {
        let id = message.id.clone().unwrap_or_else(random_id);
        let frame = json!({
            "type": "message", "id": id, "pn": format!("{}@c.us", message.from), "lid": lid_of(&message.from), "body": message.body,
            "pushname": message.pushname, "kind": message.kind, "fromMe": message.from_me, "group": message.group,
            "ciphertext": message.ciphertext, "t": message.t.unwrap_or_else(now), "quoted": message.quoted, "mentions": message.mentions,
            "fields": message.fields,
        });
        self.change(|state| {
            state
                .lids
                .insert(lid_of(&message.from), message.from.clone());
            let noise = state
                .noise_of(message.account.as_deref())
                .context("no account of that number is linked")?;
            if let Some(page) = state
                .connections
                .values()
                .find(|c| c.online && c.noise == noise)
            {
                // This fails when that page is gone.
                let _ = page.out.send(frame.clone());
            }
            // The message is kept until the page has confirmed it.
            state.backlog.entry(noise).or_default().push(frame);
            Ok(id)
        })
    }

    pub(crate) fn confirm(&self, message: &str) {
        self.change(|state| {
            state.confirmed.push(message.to_owned());
            for waiting in state.backlog.values_mut() {
                waiting.retain(|frame| frame["id"] != message);
            }
        });
    }

    /// Records that a chat was seen; returns whether the server acknowledges it.
    pub(crate) fn seen(&self, chat: String) -> bool {
        self.change(|state| {
            state.seen.push(chat);
            state.settings.seen_ack
        })
    }

    pub(crate) fn shown_typing(&self, chat: String, what: String) {
        self.change(|state| state.typing.push((chat, what)));
    }
}

fn random_id() -> String {
    let bytes: [u8; 9] = rand::random();
    bytes
        .iter()
        .fold("3EB0".to_owned(), |text, byte| format!("{text}{byte:02X}"))
}
