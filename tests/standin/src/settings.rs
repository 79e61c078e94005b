//! The settings of the stand-in.

use serde::{Deserialize, Serialize};

use crate::passkey::PasskeySettings;

/// How the stand-in behaves. The defaults are a fast WhatsApp without faults.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Settings {
    /// The page's version, `Debug.VERSION`.
    pub version: String,
    /// Multiplies the page's delays (a QR is valid for 60 s or 20 s, a reconnect comes after 1 s or
    /// more).
    pub clock: f64,
    /// The time from the login to `hasSynced`, in milliseconds.
    pub sync_delay: u64,
    /// The time from the end of the sync to the end of the offline delivery, in milliseconds. Until
    /// then the page sends nothing. `None`: it does not end, unless a frame `offline-end` is pushed.
    pub offline_delay: Option<u64>,
    /// The time from a message to the server's ack, in milliseconds; `None`: no ack, unless one is
    /// pushed.
    pub ack_delay: Option<u64>,
    /// The time from the ack to the delivery receipt, in milliseconds; `None`: no receipt.
    pub delivered_delay: Option<u64>,
    /// The time from the delivery to the read receipt, in milliseconds; `None`: no receipt.
    pub read_delay: Option<u64>,
    /// Codes with which the next messages are refused, one each.
    pub nacks: Vec<u32>,
    /// Codes with which the next logins are refused, one each.
    pub login_failures: Vec<u32>,
    /// The end of the reach-out time lock in seconds since the epoch: until then the account may
    /// not write to new people. `None`: there is no lock. The page asks for it at each start; a
    /// change in between is sent by the frame `reachout-timelock`.
    pub timelock_ends: Option<i64>,
    /// The number of next acks that are lost: the message arrives, but the connection breaks.
    pub lose_acks: u32,
    /// Numbers without an account, besides those that begin with 999.
    pub not_on_whatsapp: Vec<String>,
    /// The code with which look-ups of numbers fail.
    pub lookup_error: Option<u32>,
    /// The content of link previews, with the page's field names (`title`, `description`); `None`:
    /// there are no previews.
    pub link_preview: Option<serde_json::Value>,
    /// The time from the request of a link preview to its answer, in milliseconds.
    pub link_preview_delay: u64,
    /// The code with which link previews fail.
    pub link_preview_error: Option<u32>,
    /// The error with which a pairing code is refused, e.g. `IQErrorRateOverlimit`.
    pub pairing_error: Option<String>,
    /// When and how passkeys are asked for.
    pub passkey: PasskeySettings,
    /// The users that the account has blocked.
    pub blocked: Vec<String>,
    /// The code with which changes of the block list fail.
    pub block_error: Option<u32>,
    /// Whether the server acknowledges that a chat was seen; otherwise the page waits for it.
    pub seen_ack: bool,
    /// HTTP statuses with which the next downloads from the media host fail, one each; 0 breaks the
    /// connection.
    pub media_failures: Vec<u16>,
    /// Modules (`WAWebX`) and exports (`WAWebX.y`) that the page lacks.
    pub missing: Vec<String>,
    /// Whether the serialised message key has another name, as in newer builds.
    pub hidden_serialized: bool,
    /// The loader's own map of modules (`require("__debug").modulesMap`): `map` as in builds so
    /// far, `none`, or `other` with records of another form.
    pub module_map: ModuleMap,
    /// The time that the page needs to read messages of a chat from its database, in milliseconds.
    pub history_delay: u64,
    /// The number of next page loads in which the browser refuses the page its storage.
    pub storage_failures: u32,
    /// The HTTP status with which the page is answered, e.g. 503; `None`: it is served.
    pub page_status: Option<u16>,
    /// HTTP statuses with which the next uploads to the media host fail, one each; 0 breaks the
    /// connection.
    pub upload_failures: Vec<u16>,
    /// HTTP statuses with which the next questions how much of an upload is there fail, one each; 0
    /// breaks the connection.
    pub resume_failures: Vec<u16>,
    /// After so many bytes the connections of the next uploads break, one each; the host keeps what
    /// has arrived.
    pub upload_cuts: Vec<u64>,
    /// After so many bytes the connections of the next downloads break, one each.
    pub download_cuts: Vec<u64>,
    /// Whether the media host lets uploads wait.
    pub upload_hold: bool,
    /// Whether the media host lets downloads wait.
    pub download_hold: bool,
    /// How long the links are valid that the media host gives, in seconds.
    pub media_validity: u64,
    /// Whether the media host takes every link for expired.
    pub media_expired: bool,
}

/// The form of `require("__debug").modulesMap`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ModuleMap {
    /// Records with dependencies and their position.
    Map,
    /// The map does not exist.
    None,
    /// Records of another form.
    Other,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            version: "2.3000.1038137223".into(),
            clock: 1.0,
            sync_delay: 600,
            offline_delay: Some(0),
            ack_delay: Some(5),
            delivered_delay: Some(20),
            read_delay: Some(50),
            nacks: vec![],
            login_failures: vec![],
            timelock_ends: None,
            lose_acks: 0,
            not_on_whatsapp: vec![],
            lookup_error: None,
            link_preview: None,
            link_preview_delay: 0,
            link_preview_error: None,
            pairing_error: None,
            passkey: PasskeySettings::default(),
            blocked: vec![],
            block_error: None,
            seen_ack: true,
            media_failures: vec![],
            missing: vec![],
            hidden_serialized: false,
            module_map: ModuleMap::Map,
            history_delay: 0,
            storage_failures: 0,
            page_status: None,
            upload_failures: vec![],
            resume_failures: vec![],
            upload_cuts: vec![],
            download_cuts: vec![],
            upload_hold: false,
            download_hold: false,
            media_validity: 864_000,
            media_expired: false,
        }
    }
}

/// A JSON object with the settings to change; the others stay.
pub type SettingsPatch = serde_json::Value;

impl Settings {
    /// The settings with the keys of `patch` replaced.
    ///
    /// # Errors
    /// On an unknown key or a wrong type.
    pub fn patched(&self, patch: SettingsPatch) -> Result<Self, serde_json::Error> {
        let patch: serde_json::Map<_, _> = serde_json::from_value(patch)?;
        let mut all: serde_json::Map<_, _> = serde_json::from_value(serde_json::to_value(self)?)?;
        all.extend(patch);
        serde_json::from_value(all.into())
    }
}
