//! Linking a device: a phone scans a QR, or its owner types the code that the page shows.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde::Serialize;
use serde_json::{Value, json};

use crate::world::{Account, Device, State, View, World, lid_of, plain};

/// How long a code is valid, multiplied by the setting `clock`.
const HELLO_LIFE: Duration = Duration::from_secs(180);
const ANSWER: Duration = Duration::from_secs(10);

/// A code that can be typed on the phone of that number.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LinkCode {
    /// The phone number, as digits.
    pub phone: String,
    /// The code: eight letters and digits.
    pub code: String,
    /// Whether the phone was told to show a notification.
    pub push: bool,
}

/// A code that a page has registered.
#[derive(Debug)]
pub(crate) struct Hello {
    connection: u64,
    reference: String,
    shown: LinkCode,
    until: Instant,
}

impl State {
    pub(crate) fn link_codes(&self) -> Vec<LinkCode> {
        self.hellos
            .iter()
            .filter(|hello| hello.until > Instant::now())
            .map(|hello| hello.shown.clone())
            .collect()
    }

    pub(crate) fn forget_hellos(&mut self, connection: u64) {
        self.hellos.retain(|hello| hello.connection != connection);
    }
}

impl World {
    /// Waits until the server knows the QR, which is a moment after the page shows it.
    async fn shown(&self, qr: Option<&str>) {
        let known = |view: &View| {
            qr.map_or(!view.qrs.is_empty(), |text| {
                view.qrs.iter().any(|shown| shown == plain(text))
            })
        };
        // When it does not come, the scan fails with the reason.
        let _ = self.wait_for("the QR", Duration::from_secs(1), known).await;
    }

    pub(crate) async fn scan(&self, qr: Option<&str>, account: Account) -> Result<()> {
        self.shown(qr).await;
        let (id, adv) = {
            let state = self.lock();
            let shown = state
                .connections
                .iter()
                .rev()
                .filter(|(_, c)| c.qr.is_some());
            let mut valid = shown
                .filter(|(_, c)| qr.is_none_or(|text| c.qr_text().as_deref() == Some(plain(text))));
            let (id, connection) = valid.next().context("this QR is not valid (any more)")?;
            let adv = match qr {
                Some(text) => plain(text).split(',').nth(3).unwrap_or_default().to_owned(),
                None => connection
                    .qr
                    .as_ref()
                    .map(|(_, adv)| adv.clone())
                    .unwrap_or_default(),
            };
            (*id, adv)
        };
        self.pair(id, &adv, account).await
    }

    /// Registers a code that a page has made for a phone; returns the answer to the page.
    pub(crate) fn companion_hello(&self, id: u64, frame: &Value) -> Value {
        let text = |key: &str| frame[key].as_str().unwrap_or_default().to_owned();
        self.change(|state| {
            let request = &frame["request"];
            if let Some(name) = &state.settings.pairing_error {
                return json!({"type": "companion-hello", "request": request, "error": name});
            }
            let reference = format!("alt-{:016x}", rand::random::<u64>());
            state.forget_hellos(id);
            // The page's initialisation has discarded the secret of the QR on show.
            if let Some(connection) = state.connections.get_mut(&id) {
                connection.qr = None;
            }
            let shown = LinkCode {
                phone: text("phone"),
                code: text("code"),
                push: frame["push"] == true,
            };
            let until = Instant::now() + HELLO_LIFE.mul_f64(state.settings.clock);
            state.hellos.push(Hello {
                connection: id,
                reference: reference.clone(),
                shown,
                until,
            });
            json!({"type": "companion-hello", "request": request, "ref": reference})
        })
    }

    /// Records the page's answer to a phone: the shared secret, or the reason of a refusal.
    pub(crate) fn companion_finish(&self, id: u64, answer: Result<String, String>) {
        self.change(|state| state.finished.insert(id, answer));
    }

    /// Lets the owner of `account` type a code on the phone.
    pub(crate) async fn enter_code(&self, code: &str, account: Account) -> Result<()> {
        let typed: String = code
            .chars()
            .filter(char::is_ascii_alphanumeric)
            .map(|c| c.to_ascii_uppercase())
            .collect();
        let known = |view: &View| view.codes.iter().any(|shown| shown.phone == account.pn);
        // When it does not come, the next statement fails with the reason.
        let _ = self
            .wait_for("the code", Duration::from_secs(1), known)
            .await;
        let id = self.change(|state| {
            let now = Instant::now();
            let hello = state
                .hellos
                .iter()
                .rev()
                .find(|hello| hello.shown.phone == account.pn && hello.until > now);
            let hello = hello.context("no page has a code for this number (any more)")?;
            let page = state
                .connections
                .get(&hello.connection)
                .context("the page is gone")?;
            page.out
                .send(json!({"type": "primary-hello", "ref": hello.reference, "code": typed}))
                .context("the page is gone")?;
            Ok::<_, anyhow::Error>(hello.connection)
        })?;
        match self.answer(|state| state.finished.remove(&id)).await {
            Ok(adv) => self.pair(id, &adv, account).await,
            Err(reason) => bail!("the code was refused: {reason}"),
        }
    }

    /// Links the page with the account if the page confirms the secret, or asks for a passkey
    /// first.
    async fn pair(&self, id: u64, adv: &str, account: Account) -> Result<()> {
        if self.wants_passkey(id, adv, &account)? {
            Ok(())
        } else {
            self.pair_now(id, adv, account).await
        }
    }

    pub(crate) async fn pair_now(&self, id: u64, adv: &str, account: Account) -> Result<()> {
        let noise = self.change(|state| {
            let connection = state.connections.get(&id).context("the page is gone")?;
            let number = u32::try_from(state.devices.len()).unwrap_or(0) + 1;
            let frame = json!({
                "type": "pair-success", "adv": adv, "pn": account.pn, "device": number, "platform": "android",
                "lid": lid_of(&account.pn).trim_end_matches("@lid"), "pushname": account.pushname, "lidMigrated": account.lid_migrated,
            });
            connection.out.send(frame).context("the page is gone")?;
            let noise = connection.noise.clone();
            state.devices.insert(noise.clone(), Device { account });
            Ok::<_, anyhow::Error>(noise)
        })?;
        match self.answer(|state| state.pairing.remove(&id)).await {
            Ok(()) => {
                self.change(|state| state.last_linked = Some(noise));
                Ok(())
            }
            Err(reason) => {
                self.change(|state| state.devices.remove(&noise));
                bail!("the pairing was refused: {reason}")
            }
        }
    }

    /// Waits for the answer of a page.
    async fn answer<T>(
        &self,
        take: impl Fn(&mut State) -> Option<Result<T, String>>,
    ) -> Result<T, String> {
        let mut bell = self.bell();
        let answer = tokio::time::timeout(ANSWER, async {
            loop {
                if let Some(answer) = take(&mut self.lock()) {
                    return answer;
                }
                // This cannot fail: the sender lives as long as `self`.
                let _ = bell.changed().await;
            }
        });
        answer
            .await
            .unwrap_or_else(|_| Err("the page did not answer".into()))
    }
}
