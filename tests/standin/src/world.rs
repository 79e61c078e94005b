//! The server's state: accounts, linked devices, connections, and messages.
//!
//! It is plain data behind a lock; each change notifies the tasks that wait for a condition.

mod messages;
mod view;

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Mutex, MutexGuard, PoisonError},
    time::{SystemTime, UNIX_EPOCH},
};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::sync::{mpsc, watch};

pub use self::{
    messages::{Inbound, Received},
    view::View,
};
use crate::{
    linking::Hello,
    media::Files,
    passkey::Passkeys,
    settings::{Settings, SettingsPatch},
};

/// The account of the phone that scans.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Account {
    /// The phone number, as digits.
    pub pn: String,
    /// The account's own name.
    pub pushname: String,
    /// Whether its one-to-one chats are keyed by LID, as those of present-day accounts are.
    pub lid_migrated: bool,
}

impl Default for Account {
    fn default() -> Self {
        Self {
            pn: "4915112345678".into(),
            pushname: "Wharf Test".into(),
            lid_migrated: true,
        }
    }
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
    /// The challenge of the open checkpoint.
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
    pub(crate) media: Files,
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
    ended: watch::Sender<bool>,
}

pub(crate) fn now() -> i64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| i64::try_from(since.as_secs()).unwrap_or(0))
}

pub(crate) fn lid_of(digits: &str) -> String {
    let hash = digits
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
    format!("{}@lid", 100_000_000_000_000 + hash % 800_000_000_000_000)
}

impl World {
    pub(crate) fn new(settings: Settings) -> Self {
        Self {
            state: Mutex::new(State {
                settings,
                ..State::default()
            }),
            bell: watch::Sender::new(0),
            ended: watch::Sender::new(false),
        }
    }

    /// Changes the state and notifies the waiting tasks.
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

    /// Changes settings and returns all of them.
    ///
    /// # Errors
    /// As [`Settings::patched`]; then nothing is changed.
    pub(crate) fn patch(&self, patch: SettingsPatch) -> Result<Settings, serde_json::Error> {
        // Read and written under one lock: a page may use up a setting that counts down, such as
        // `nacks`, at any time.
        self.change(|state| {
            state.settings = state.settings.patched(patch)?;
            Ok(state.settings.clone())
        })
    }

    /// Ends every connection; no new one is accepted.
    pub(crate) fn end(&self) {
        self.ended.send_replace(true);
    }

    /// Waits for [`World::end`].
    pub(crate) fn ended(&self) -> impl Future<Output = ()> + use<> {
        let mut ended = self.ended.subscribe();
        async move {
            // This fails when the world is gone, which is the end too.
            let _ = ended.wait_for(|ended| *ended).await;
        }
    }

    pub(crate) fn connect(
        &self,
        out: mpsc::UnboundedSender<Value>,
        noise: String,
        identity: String,
    ) -> u64 {
        self.change(|state| {
            state.made += 1;
            state.connections.insert(
                state.made,
                Connection {
                    out,
                    noise,
                    identity,
                    qr: None,
                    online: false,
                    checkpoint: None,
                },
            );
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
            // Without a secret the QR cannot be scanned: the page has discarded it for a pairing
            // code.
            if let Some(connection) = state.connections.get_mut(&id).filter(|_| !adv.is_empty()) {
                connection.qr = Some((reference, adv));
                state.shown += 1;
            }
        });
    }

    /// Logs a page in. An older connection with the same credentials is told that it was replaced.
    pub(crate) fn login(&self, id: u64) -> Option<Device> {
        self.change(|state| {
            let noise = state.connections.get(&id)?.noise.clone();
            let device = state.devices.get(&noise)?.clone();
            for (other, connection) in &mut state.connections {
                if *other != id && connection.noise == noise {
                    connection.online = false;
                    // This fails when that page is gone.
                    let _ = connection
                        .out
                        .send(json!({"type": "stream-error", "conflict": "replaced"}));
                }
            }
            Some(device)
        })
    }

    /// Marks the page as synced, so that it gets messages; returns those that have waited.
    pub(crate) fn online(&self, id: u64) -> Vec<Value> {
        self.change(|state| {
            let Some(connection) = state.connections.get_mut(&id) else {
                return vec![];
            };
            connection.online = true;
            let noise = connection.noise.clone();
            // Messages that were sent before and not confirmed are sent again; the page recognises
            // them by their ids.
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

    /// Blocks an id or removes it from the block list. An id that is not on the list is not an
    /// error.
    ///
    /// # Errors
    /// The code given in the settings.
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

    pub(crate) fn lookup(&self, wid: &str) -> Result<Value, u32> {
        let mut state = self.lock();
        if let Some(code) = state.settings.lookup_error {
            return Err(code);
        }
        let digits = match wid.strip_suffix("@lid") {
            Some(_) => state.lids.get(wid).cloned().unwrap_or_default(),
            None => wid
                .trim_start_matches('+')
                .split('@')
                .next()
                .unwrap_or_default()
                .to_owned(),
        };
        if digits.is_empty()
            || digits.starts_with("999")
            || state.settings.not_on_whatsapp.contains(&digits)
        {
            return Ok(Value::Null);
        }
        let lid = lid_of(&digits);
        state.lids.insert(lid.clone(), digits.clone());
        Ok(json!({"pn": format!("{digits}@c.us"), "lid": lid}))
    }

    pub(crate) fn network(&self, online: bool) {
        self.change(|state| {
            state.refuse_connections = !online;
            for connection in state.connections.values() {
                // This fails when that page is gone.
                let _ = connection.out.send(json!({"type": "_close"}));
            }
        });
    }

    pub(crate) fn push(&self, account: Option<&str>, frame: &Value) {
        let state = self.lock();
        let noise = state.noise_of(account);
        for connection in state
            .connections
            .values()
            .filter(|c| noise.is_none() || noise.as_ref() == Some(&c.noise))
        {
            // This fails when that page is gone.
            let _ = connection.out.send(frame.clone());
        }
    }

    pub(crate) fn remove_device(&self, account: Option<&str>) {
        self.push(
            account,
            &json!({"type": "stream-error", "conflict": "device_removed"}),
        );
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
            Some(pn) => self
                .devices
                .iter()
                .find(|(_, device)| device.account.pn == pn)
                .map(|(noise, _)| noise.clone()),
            None => self
                .last_linked
                .clone()
                .filter(|noise| self.devices.contains_key(noise)),
        }
    }
}

impl Connection {
    pub(crate) fn qr_text(&self) -> Option<String> {
        let (reference, adv) = self.qr.as_ref()?;
        Some(format!(
            "{reference},{},{},{adv}",
            self.noise, self.identity
        ))
    }
}

/// The four secret fields of a QR text, without the prefix, the platform and the suffix that builds
/// may add.
pub(crate) fn plain(qr: &str) -> &str {
    let text = qr.rsplit_once('#').map_or(qr, |(_, rest)| rest);
    text.match_indices(',')
        .nth(3)
        .map_or(text, |(at, _)| &text[..at])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_qr_is_known_by_its_four_secrets_whatever_stands_around_them() {
        for qr in [
            "r,n,i,a,1",
            "r,n,i,a",
            "https://wa.me/settings/linked_devices#r,n,i,a,1,https://faq.whatsapp.com/r/ld",
        ] {
            assert_eq!(plain(qr), "r,n,i,a");
        }
    }

    #[test]
    fn a_setting_that_does_not_exist_is_refused() {
        for wrong in [
            json!({"ackDelai": 1}),
            json!({"ackDelay": "5"}),
            json!("ackDelay"),
        ] {
            let world = World::new(Settings::default());
            assert!(world.patch(wrong.clone()).is_err(), "{wrong}");
            assert_eq!(world.lock().settings, Settings::default(), "{wrong}");
        }
        let world = World::new(Settings::default());
        let patched = world.patch(json!({"ackDelay": null})).expect("patched");
        assert_eq!(patched.ack_delay, None);
        assert_eq!(world.lock().settings, patched);
    }
}
