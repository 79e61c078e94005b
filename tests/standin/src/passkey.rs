//! Passkeys at linking and at checkpoints: the requests and checks of the server, and the phone's
//! part.
//!
//! Signatures are real: the settings have the public keys of the credentials, and a test holds the
//! private ones.

mod settings;

use std::{collections::HashMap, sync::Arc, time::Duration};

use anyhow::{Context, Result, ensure};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD as BASE64URL};
use p256::ecdsa::{DerSignature, VerifyingKey, signature::Verifier};
use serde::Serialize;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tokio::sync::mpsc::UnboundedSender;

pub use self::settings::{Ask, Credential, PasskeySettings, Phone};
use crate::world::{Account, State, World};

const RP_ID: &str = "whatsapp.com";
const ORIGIN: &str = "https://web.whatsapp.com";
const USER_PRESENT: u8 = 1;
const USER_VERIFIED: u8 = 4;

/// The visible state of passkeys.
#[derive(Debug, Clone, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PasskeyView {
    /// The codes that phones show now, to be compared with the page's.
    pub codes: Vec<String>,
    /// Why assertions were refused, in order.
    pub refused: Vec<String>,
    /// Assertions that were accepted at linking.
    pub accepted: u32,
    /// How each credential looked to the page: its `String`, whether it is an instance of the
    /// WebAuthn interfaces, and whether `navigator.credentials` has a `get` of its own.
    pub looks: Vec<String>,
    /// The answers to requests for a credential of another kind (frame `ask-credential`): its type,
    /// null, or an error's name.
    pub others: Vec<String>,
    /// The prf output of each passed checkpoint; null when there was none.
    pub checkpoints: Vec<Option<String>>,
}

/// The server's state of passkeys.
#[derive(Debug, Default)]
pub(crate) struct Passkeys {
    ceremonies: HashMap<u64, Ceremony>,
    refused: Vec<String>,
    accepted: u32,
    looks: Vec<String>,
    others: Vec<String>,
    checkpoints: Vec<Option<String>>,
}

#[derive(Debug)]
struct Ceremony {
    account: Account,
    /// The secret that the phone has scanned or agreed on, which proves the hand-off.
    scanned: String,
    challenge: Option<(String, std::time::Instant)>,
    reference: Option<String>,
    code: Option<String>,
}

impl Passkeys {
    pub(crate) fn view(&self) -> PasskeyView {
        PasskeyView {
            codes: self
                .ceremonies
                .values()
                .filter_map(|ceremony| ceremony.code.clone())
                .collect(),
            refused: self.refused.clone(),
            accepted: self.accepted,
            looks: self.looks.clone(),
            others: self.others.clone(),
            checkpoints: self.checkpoints.clone(),
        }
    }

    pub(crate) fn forget(&mut self, connection: u64) {
        self.ceremonies.remove(&connection);
    }
}

fn fresh() -> String {
    BASE64URL.encode(rand::random::<[u8; 32]>())
}

/// The options of a request, as the real server sends them.
fn options(challenge: &str, settings: &PasskeySettings) -> String {
    json!({
        "challenge": challenge, "timeout": settings.timeout, "rpId": RP_ID, "allowCredentials": [], "userVerification": "required",
        "extensions": {"uvm": true},
    })
    .to_string()
}

fn challenge(ceremony: &mut Ceremony, settings: &PasskeySettings) -> String {
    let challenge = fresh();
    let until = std::time::Instant::now() + Duration::from_millis(settings.options_ttl);
    ceremony.challenge = Some((challenge.clone(), until));
    options(&challenge, settings)
}

fn request(state: &mut State, id: u64) -> Result<()> {
    let settings = state.settings.passkey.clone();
    let ceremony = state
        .passkeys
        .ceremonies
        .get_mut(&id)
        .context("no passkey is awaited")?;
    let options = settings
        .embedded_options
        .then(|| challenge(ceremony, &settings));
    let page = state.connections.get(&id).context("the page is gone")?;
    page.out
        .send(json!({
            "type": "passkey-prologue-request", "options": options, "handoffTtl": settings.handoff_ttl, "optionsTtl": settings.options_ttl,
            "passSkip": settings.pass_skip,
        }))
        .context("the page is gone")
}

impl World {
    /// Asks for the passkey instead of linking at once; returns false when the settings do not ask
    /// for one.
    pub(crate) fn wants_passkey(&self, id: u64, adv: &str, account: &Account) -> Result<bool> {
        self.change(|state| {
            if state.settings.passkey.ask != Ask::Link {
                return Ok(false);
            }
            let ceremony = Ceremony {
                account: account.clone(),
                scanned: adv.to_owned(),
                challenge: None,
                reference: None,
                code: None,
            };
            state.passkeys.ceremonies.insert(id, ceremony);
            request(state, id).map(|()| true)
        })
    }

    /// Asks the newest waiting page again, with another challenge.
    pub(crate) fn ask_passkey_again(&self) -> Result<()> {
        self.change(|state| {
            let id = state
                .passkeys
                .ceremonies
                .keys()
                .max()
                .copied()
                .context("no passkey is awaited")?;
            request(state, id)
        })
    }

    /// Sends a checkpoint to every page that is online.
    pub(crate) fn checkpoint(&self) {
        self.change(|state| {
            for connection in state
                .connections
                .values_mut()
                .filter(|connection| connection.online)
            {
                challenge_online(connection);
            }
        });
    }

    /// Sends a checkpoint after a login, when the settings ask for it.
    pub(crate) fn checkpoint_at_login(&self, id: u64) {
        self.change(|state| {
            if state.settings.passkey.ask == Ask::Checkpoint
                && let Some(connection) = state.connections.get_mut(&id)
            {
                challenge_online(connection);
            }
        });
    }
}

fn challenge_online(connection: &mut crate::world::Connection) {
    let challenge = fresh();
    connection.checkpoint = Some(challenge.clone());
    // This fails when the page is gone.
    let _ = connection
        .out
        .send(json!({"type": "integrity-challenge", "challenge": challenge}));
}

/// Handles a frame of the page about passkeys.
pub(crate) fn take(world: &Arc<World>, id: u64, out: &UnboundedSender<Value>, frame: &Value) {
    let answer = |more: Value| {
        let mut answer = json!({"type": "passkey-answer", "request": frame["request"]});
        if let (Some(answer), Value::Object(more)) = (answer.as_object_mut(), more) {
            answer.extend(more);
        }
        // This fails when the page is gone.
        let _ = out.send(answer);
    };
    match frame["type"].as_str().unwrap_or_default() {
        "passkey-options" => answer(world.change(|state| {
            let settings = state.settings.passkey.clone();
            match state.passkeys.ceremonies.get_mut(&id) {
                Some(ceremony) => json!({"options": challenge(ceremony, &settings)}),
                None => json!({"error": "no passkey is awaited"}),
            }
        })),
        "passkey-ref" => answer(world.change(|state| {
            let reference = fresh();
            if let Some(ceremony) = state.passkeys.ceremonies.get_mut(&id) {
                ceremony.reference = Some(reference.clone());
            }
            json!({"ref": reference})
        })),
        "passkey-prologue" => match world.change(|state| prologue(state, id, frame)) {
            Ok(()) => {
                answer(json!({}));
                let settings = world.lock().settings.passkey.clone();
                if settings.phone == Phone::Answers {
                    let out = out.clone();
                    tokio::spawn(async move {
                        tokio::time::sleep(Duration::from_millis(settings.after_ms)).await;
                        // This fails when the page is gone.
                        let _ = out.send(json!({"type": "crsc-continuation"}));
                    });
                }
            }
            Err(error) => {
                world.change(|state| state.passkeys.refused.push(error.to_string()));
                answer(json!({"error": error.to_string()}));
            }
        },
        "credential-answer" => world.change(|state| {
            state
                .passkeys
                .others
                .push(frame["answer"].as_str().unwrap_or_default().to_owned())
        }),
        "passkey-looks" => world.change(|state| {
            state
                .passkeys
                .looks
                .push(frame["looks"].as_str().unwrap_or_default().to_owned())
        }),
        "passkey-code" => world.change(|state| {
            if let Some(ceremony) = state.passkeys.ceremonies.get_mut(&id) {
                ceremony.code = frame["code"].as_str().map(ToOwned::to_owned);
            }
        }),
        "passkey-pair" => {
            let (world, adv) = (
                Arc::clone(world),
                frame["adv"].as_str().unwrap_or_default().to_owned(),
            );
            let Some(ceremony) = world.change(|state| state.passkeys.ceremonies.remove(&id)) else {
                return;
            };
            tokio::spawn(async move {
                if let Err(error) = world.pair_now(id, &adv, ceremony.account).await {
                    world.change(|state| state.passkeys.refused.push(error.to_string()));
                }
            });
        }
        "integrity-response" => {
            let passed = world.change(|state| passed(state, id, &frame["response"]));
            if let Err(error) = &passed {
                world.change(|state| state.passkeys.refused.push(error.to_string()));
            }
            // This fails when the page is gone.
            let _ = out.send(json!({"type": "answer", "request": frame["request"], "value": {"success": passed.is_ok()}}));
        }
        _ => {}
    }
}

fn prologue(state: &mut State, id: u64, frame: &Value) -> Result<()> {
    let settings = state.settings.passkey.clone();
    let ceremony = state
        .passkeys
        .ceremonies
        .get_mut(&id)
        .context("no passkey is awaited")?;
    ensure!(
        settings.phone != Phone::ServerError,
        "internal-server-error"
    );
    ensure!(
        ceremony.reference.is_some() && ceremony.reference.as_deref() == frame["ref"].as_str(),
        "the ref belongs to another stream"
    );
    let (challenge, until) = ceremony.challenge.take().context("no challenge is open")?;
    ensure!(
        until > std::time::Instant::now(),
        "the challenge has expired"
    );
    if let Some(proof) = frame["proof"].as_str() {
        ensure!(
            proof == ceremony.scanned,
            "the hand-off proof is not of the secret that was scanned"
        );
    }
    let response = &frame["assertion"]["response"];
    let part = |name: &str| response[name].as_str().unwrap_or_default();
    let id = frame["assertion"]["id"].as_str().unwrap_or_default();
    verify(
        &settings,
        &challenge,
        id,
        [
            part("clientDataJSON"),
            part("authenticatorData"),
            part("signature"),
        ],
        USER_PRESENT | USER_VERIFIED,
    )?;
    state.passkeys.accepted += 1;
    Ok(())
}

fn passed(state: &mut State, id: u64, response: &Value) -> Result<()> {
    let settings = state.settings.passkey.clone();
    let challenge = state
        .connections
        .get_mut(&id)
        .and_then(|page| page.checkpoint.take())
        .context("no checkpoint is open")?;
    let part = |name: &str| response[name].as_str().unwrap_or_default();
    let parts = [
        part("client_data_json"),
        part("authenticator_data"),
        part("signature"),
    ];
    verify(
        &settings,
        &challenge,
        part("credential_id"),
        parts,
        USER_PRESENT,
    )?;
    state
        .passkeys
        .checkpoints
        .push(response["prf_output"].as_str().map(ToOwned::to_owned));
    Ok(())
}

/// Verifies an assertion as a relying party does.
fn verify(
    settings: &PasskeySettings,
    challenge: &str,
    id: &str,
    parts: [&str; 3],
    flags: u8,
) -> Result<()> {
    let decode = |text: &str| {
        BASE64URL
            .decode(text)
            .context("not base64url without padding")
    };
    let [client_data, authenticator_data, signature] = parts;
    let (client_data, authenticator_data, signature) = (
        decode(client_data)?,
        decode(authenticator_data)?,
        decode(signature)?,
    );
    let said: Value = serde_json::from_slice(&client_data).context("clientDataJSON")?;
    ensure!(said["type"] == "webauthn.get", "type {}", said["type"]);
    ensure!(
        said["challenge"] == challenge,
        "the challenge is not the one that was asked"
    );
    ensure!(said["origin"] == ORIGIN, "origin {}", said["origin"]);
    ensure!(
        authenticator_data.len() >= 37,
        "authenticatorData is too short"
    );
    ensure!(
        authenticator_data[..32] == Sha256::digest(RP_ID)[..],
        "rpIdHash"
    );
    ensure!(
        authenticator_data[32] & flags == flags,
        "flags {:#04x}",
        authenticator_data[32]
    );
    let credential = settings
        .credentials
        .iter()
        .find(|credential| credential.id == id)
        .context("an unknown credential")?;
    let key = VerifyingKey::from_sec1_bytes(&decode(&credential.public_key)?)
        .context("the public key in the settings")?;
    let signed = [
        authenticator_data.as_slice(),
        Sha256::digest(&client_data).as_slice(),
    ]
    .concat();
    let signature = DerSignature::from_bytes(&signature).context("the signature is not DER")?;
    key.verify(&signed, &signature)
        .context("the signature is not of this passkey")
}
