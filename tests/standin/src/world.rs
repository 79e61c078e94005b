//! What is so on the server's side: accounts, linked devices, connections, and what was said.
//!
//! A plain lock around plain data; whoever changes it rings a bell that waiting tests hear.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use anyhow::{Context, Result};
use axum::body::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::sync::{mpsc, watch};

use crate::{
    linking::{Hello, LinkCode},
    passkey::{PasskeyView, Passkeys},
    settings::{Settings, SettingsPatch},
};

/// Who scans.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Account {
    /// Digits.
    pub pn: String,
    /// What the account calls itself.
    pub pushname: String,
    /// Present-day accounts are: their one-to-one chats are keyed by LID.
    pub lid_migrated: bool,
}

impl Default for Account {
    fn default() -> Self {
        Self { pn: "4915112345678".into(), pushname: "Wharf Test".into(), lid_migrated: true }
    }
}

/// A message for an account.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Inbound {
    /// The account, by digits; none: the one that was linked last.
    pub account: Option<String>,
    /// The other side, by digits.
    pub from: String,
    /// What it says.
    pub body: String,
    /// The sender's name.
    pub pushname: Option<String>,
    /// WhatsApp's type; none: `chat`.
    pub kind: Option<String>,
    /// Typed on the account's own phone.
    pub from_me: bool,
    /// `<digits>@g.us` for a group.
    pub group: Option<String>,
    /// Arrives undecrypted and is decrypted a moment later.
    pub ciphertext: bool,
    /// Bare id; none: a fresh one. An id twice is a redelivery.
    pub id: Option<String>,
    /// Seconds since the epoch; none: now.
    pub t: Option<i64>,
    /// Bare id of the message it answers.
    pub quoted: Option<String>,
    /// Wids that the body mentions.
    pub mentions: Vec<String>,
    /// What its kind has of its own, in the page's field names: `lat`, `vcardFormattedName`, `pollName` …
    pub fields: BTreeMap<String, Value>,
}

/// A message as the recipient got it: once per id, however often it was transmitted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Received {
    /// The sending account, by digits.
    pub account: String,
    /// Bare id.
    pub id: String,
    /// The chat it was addressed to.
    pub to: String,
    /// The recipient, by digits.
    pub number: String,
    /// WhatsApp's type.
    pub kind: String,
    /// What it says; of a contact card, the card.
    pub body: String,
    /// Wids that the body mentions.
    pub mentions: Vec<String>,
    /// The message it answers: `id`, `participant`, `body`.
    pub quoted: Option<Value>,
    /// The preview of its link: `title`, `description`, `canonicalUrl`, `matchedText`.
    pub preview: Option<Value>,
    /// Where it points to: `lat`, `lng`, `loc`.
    pub location: Option<Value>,
    /// The name on its contact card.
    pub contact: Option<String>,
    /// How often it was transmitted.
    pub transmissions: u32,
    /// The server refused it with this code.
    pub refused: Option<u32>,
}

/// What can be seen from outside.
#[derive(Debug, Clone, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct View {
    /// QR codes that pages have ever shown.
    pub shown: u64,
    /// QR texts that can be scanned now, oldest first.
    pub qrs: Vec<String>,
    /// Codes that can be typed on a phone now, oldest first.
    pub codes: Vec<LinkCode>,
    /// Digits of accounts with a logged-in page.
    pub online: Vec<String>,
    /// Digits of accounts with a linked device.
    pub linked: Vec<String>,
    /// Messages, in order of their first arrival.
    pub messages: Vec<Received>,
    /// Ids of inbound messages that a page has confirmed, with repetitions.
    pub confirmed: Vec<String>,
    /// Chats whose other side was shown that somebody types, or has stopped: `(chat, composing | paused)`, in order.
    pub typing: Vec<(String, String)>,
    /// Chats that were said to be seen, in order.
    pub seen: Vec<String>,
    /// Errors the page has reported to its makers: a well-behaved client causes none.
    pub reports: Vec<String>,
    /// Connections ever made.
    pub connections: u64,
    /// Passkeys at linking and at checkpoints.
    pub passkey: PasskeyView,
}

#[derive(Debug, Clone)]
pub(crate) struct Device {
    pub(crate) account: Account,
}

#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) out: mpsc::UnboundedSender<Value>,
    pub(crate) noise: String,
    identity: String,
    pub(crate) qr: Option<(String, String)>,
    pub(crate) online: bool,
    /// The challenge of the checkpoint that is open.
    pub(crate) checkpoint: Option<String>,
}

#[derive(Debug, Default)]
pub(crate) struct State {
    pub(crate) settings: Settings,
    pub(crate) devices: HashMap<String, Device>,
    pub(crate) last_linked: Option<String>,
    pub(crate) connections: BTreeMap<u64, Connection>,
    made: u64,
    messages: Vec<Received>,
    confirmed: Vec<String>,
    typing: Vec<(String, String)>,
    seen: Vec<String>,
    pub(crate) reports: Vec<String>,
    shown: u64,
    backlog: HashMap<String, Vec<Value>>,
    lids: HashMap<String, String>,
    pub(crate) media: HashMap<String, Bytes>,
    pub(crate) pairing: HashMap<u64, Result<(), String>>,
    pub(crate) hellos: Vec<Hello>,
    pub(crate) finished: HashMap<u64, Result<String, String>>,
    pub(crate) refuse_connections: bool,
    pub(crate) passkeys: Passkeys,
}

#[derive(Debug)]
pub(crate) struct World {
    state: Mutex<State>,
    bell: watch::Sender<u64>,
}

pub(crate) fn now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| i64::try_from(since.as_secs()).unwrap_or(0))
}

pub(crate) fn lid_of(digits: &str) -> String {
    let hash = digits.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    format!("{}@lid", 100_000_000_000_000 + hash % 800_000_000_000_000)
}

fn random_id() -> String {
    let bytes: [u8; 9] = rand::random();
    bytes.iter().fold("3EB0".to_owned(), |text, byte| format!("{text}{byte:02X}"))
}

impl World {
    pub(crate) fn new(settings: Settings) -> Self {
        Self { state: Mutex::new(State { settings, ..State::default() }), bell: watch::Sender::new(0) }
    }

    /// Rings the bell: call it for changes.
    pub(crate) fn change<T>(&self, work: impl FnOnce(&mut State) -> T) -> T {
        let result = work(&mut self.lock());
        self.bell.send_modify(|count| *count += 1);
        result
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn bell(&self) -> watch::Receiver<u64> {
        self.bell.subscribe()
    }

    pub(crate) fn view(&self) -> View {
        let state = self.lock();
        let account = |noise: &String| state.devices.get(noise).map(|device| device.account.pn.clone());
        View {
            shown: state.shown,
            codes: state.link_codes(),
            qrs: state.connections.values().filter_map(Connection::qr_text).collect(),
            online: state.connections.values().filter(|c| c.online).filter_map(|c| account(&c.noise)).collect(),
            linked: state.devices.values().map(|device| device.account.pn.clone()).collect(),
            messages: state.messages.clone(),
            confirmed: state.confirmed.clone(),
            typing: state.typing.clone(),
            seen: state.seen.clone(),
            reports: state.reports.clone(),
            connections: state.made,
            passkey: state.passkeys.view(),
        }
    }

    pub(crate) async fn wait_for(&self, what: &str, limit: Duration, condition: impl Fn(&View) -> bool) -> Result<View> {
        let mut bell = self.bell.subscribe();
        let waiting = async {
            loop {
                let view = self.view();
                if condition(&view) {
                    return view;
                }
                // The sender lives as long as self.
                let _ = bell.changed().await;
            }
        };
        let view = tokio::time::timeout(limit, waiting).await;
        view.map_err(|_| anyhow::anyhow!("not within {limit:?}: {what}; but {:?}", self.view()))
    }

    pub(crate) fn patch(&self, patch: SettingsPatch) {
        let patched = self.lock().settings.patched(patch);
        match patched {
            Ok(settings) => self.change(|state| state.settings = settings),
            Err(error) => eprintln!("settings not changed: {error}"),
        }
    }

    pub(crate) fn connect(&self, out: mpsc::UnboundedSender<Value>, noise: String, identity: String) -> u64 {
        self.change(|state| {
            state.made += 1;
            state.connections.insert(state.made, Connection { out, noise, identity, qr: None, online: false, checkpoint: None });
            state.made
        })
    }

    pub(crate) fn disconnect(&self, id: u64) {
        self.change(|state| {
            state.connections.remove(&id);
            state.forget_hellos(id);
            state.passkeys.forget(id);
        });
    }

    pub(crate) fn showed(&self, id: u64, reference: String, adv: String) {
        self.change(|state| {
            // Without a secret nothing can be scanned: the page has given it up for a code.
            if let Some(connection) = state.connections.get_mut(&id).filter(|_| !adv.is_empty()) {
                connection.qr = Some((reference, adv));
                state.shown += 1;
            }
        });
    }

    /// A login: the older connection of the same credentials is thrown out without a word to its user.
    pub(crate) fn login(&self, id: u64) -> Option<Device> {
        self.change(|state| {
            let noise = state.connections.get(&id)?.noise.clone();
            let device = state.devices.get(&noise)?.clone();
            for (other, connection) in &mut state.connections {
                if *other != id && connection.noise == noise {
                    connection.online = false;
                    // Fails when that page is gone.
                    let _ = connection.out.send(json!({"type": "stream-error", "conflict": "replaced"}));
                }
            }
            Some(device)
        })
    }

    /// Synced: from now on the page gets messages; returns those that waited.
    pub(crate) fn online(&self, id: u64) -> Vec<Value> {
        self.change(|state| {
            let Some(connection) = state.connections.get_mut(&id) else { return vec![] };
            connection.online = true;
            let noise = connection.noise.clone();
            // What was sent before and not confirmed comes again: the page tells it by its id.
            state.backlog.get(&noise).cloned().unwrap_or_default()
        })
    }

    pub(crate) fn paired(&self, id: u64, answer: Result<(), String>) {
        self.change(|state| state.pairing.insert(id, answer));
    }

    pub(crate) fn unpair(&self, id: u64) {
        self.change(|state| {
            if let Some(noise) = state.connections.get(&id).map(|c| c.noise.clone()) {
                state.devices.remove(&noise);
            }
        });
    }

    /// Notes a message. Returns the code to refuse it with, or whether its ack is to be lost.
    pub(crate) fn sent(&self, id: u64, frame: &Value) -> (Option<u32>, bool) {
        self.change(|state| {
            let text = |key: &str| frame[key].as_str().unwrap_or_default().to_owned();
            let account = state.connections.get(&id).and_then(|c| state.devices.get(&c.noise)).map(|d| d.account.pn.clone()).unwrap_or_default();
            let refused = if state.settings.nacks.is_empty() { None } else { Some(state.settings.nacks.remove(0)) };
            let lost = refused.is_none() && state.settings.lose_acks > 0;
            if lost {
                state.settings.lose_acks -= 1;
            }
            let (message, to) = (text("id"), text("to"));
            let number =
                text("pn").split('@').next().filter(|pn| !pn.is_empty()).unwrap_or_else(|| to.split('@').next().unwrap_or_default()).to_owned();
            match state.messages.iter_mut().find(|m| m.id == message && m.account == account) {
                Some(known) => {
                    known.transmissions += 1;
                    known.refused = refused;
                }
                None => {
                    let some = |key: &str| frame.get(key).filter(|value| !value.is_null()).cloned();
                    let mentions = frame["mentions"].as_array().into_iter().flatten().filter_map(|wid| wid.as_str().map(ToOwned::to_owned)).collect();
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
                        transmissions: 1,
                        refused,
                    });
                }
            }
            (refused, lost)
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

    /// Blocks that id or takes it off the list. An id that is not on it is no error.
    ///
    /// # Errors
    /// The code that the settings want.
    pub(crate) fn block(&self, wid: &str, block: bool) -> Result<(), u32> {
        self.change(|state| {
            if let Some(code) = state.settings.block_error {
                return Err(code);
            }
            let user = wid.split('@').next().unwrap_or_default().to_owned();
            state.settings.blocked.retain(|blocked| *blocked != user);
            if block {
                state.settings.blocked.push(user);
            }
            Ok(())
        })
    }

    /// Whether that is acknowledged.
    pub(crate) fn seen(&self, chat: String) -> bool {
        self.change(|state| {
            state.seen.push(chat);
            state.settings.seen_ack
        })
    }

    pub(crate) fn shown_typing(&self, chat: String, what: String) {
        self.change(|state| state.typing.push((chat, what)));
    }

    pub(crate) fn lookup(&self, wid: &str) -> Result<Value, u32> {
        let mut state = self.lock();
        if let Some(code) = state.settings.lookup_error {
            return Err(code);
        }
        let digits = match wid.strip_suffix("@lid") {
            Some(_) => state.lids.get(wid).cloned().unwrap_or_default(),
            None => wid.trim_start_matches('+').split('@').next().unwrap_or_default().to_owned(),
        };
        if digits.is_empty() || digits.starts_with("999") || state.settings.not_on_whatsapp.contains(&digits) {
            return Ok(Value::Null);
        }
        let lid = lid_of(&digits);
        state.lids.insert(lid.clone(), digits.clone());
        Ok(json!({"pn": format!("{digits}@c.us"), "lid": lid}))
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
            state.lids.insert(lid_of(&message.from), message.from.clone());
            let noise = state.noise_of(message.account.as_deref()).context("no account of that number is linked")?;
            if let Some(page) = state.connections.values().find(|c| c.online && c.noise == noise) {
                // Fails when that page is gone.
                let _ = page.out.send(frame.clone());
            }
            // Kept until the page has confirmed it.
            state.backlog.entry(noise).or_default().push(frame);
            Ok(id)
        })
    }

    pub(crate) fn network(&self, online: bool) {
        self.change(|state| {
            state.refuse_connections = !online;
            for connection in state.connections.values() {
                // Fails when that page is gone.
                let _ = connection.out.send(json!({"type": "_close"}));
            }
        });
    }

    pub(crate) fn push(&self, account: Option<&str>, frame: &Value) {
        let state = self.lock();
        let noise = state.noise_of(account);
        for connection in state.connections.values().filter(|c| noise.is_none() || noise.as_ref() == Some(&c.noise)) {
            // Fails when that page is gone.
            let _ = connection.out.send(frame.clone());
        }
    }

    pub(crate) fn remove_device(&self, account: Option<&str>) {
        self.push(account, &json!({"type": "stream-error", "conflict": "device_removed"}));
        self.change(|state| {
            if let Some(noise) = state.noise_of(account) {
                state.devices.remove(&noise);
            }
        });
    }
}

impl State {
    fn noise_of(&self, account: Option<&str>) -> Option<String> {
        match account {
            Some(pn) => self.devices.iter().find(|(_, device)| device.account.pn == pn).map(|(noise, _)| noise.clone()),
            None => self.last_linked.clone().filter(|noise| self.devices.contains_key(noise)),
        }
    }
}

impl Connection {
    pub(crate) fn qr_text(&self) -> Option<String> {
        let (reference, adv) = self.qr.as_ref()?;
        Some(format!("{reference},{},{},{adv}", self.noise, self.identity))
    }
}

/// The four secret fields of a QR, without the prefix, the platform and the suffix that builds may add.
pub(crate) fn plain(qr: &str) -> &str {
    let text = qr.rsplit_once('#').map_or(qr, |(_, rest)| rest);
    text.match_indices(',').nth(3).map_or(text, |(at, _)| &text[..at])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_qr_is_known_by_its_four_secrets_whatever_stands_around_them() {
        for qr in ["r,n,i,a,1", "r,n,i,a", "https://wa.me/settings/linked_devices#r,n,i,a,1,https://faq.whatsapp.com/r/ld"] {
            assert_eq!(plain(qr), "r,n,i,a");
        }
    }

    #[test]
    fn a_setting_that_does_not_exist_is_refused() {
        assert!(Settings::default().patched(json!({"ackDelai": 1})).is_err());
        assert_eq!(Settings::default().patched(json!({"ackDelay": null})).expect("patched").ack_delay, None);
    }
}
