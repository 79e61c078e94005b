//! How the stand-in behaves.

use serde::{Deserialize, Serialize};

use crate::passkey::PasskeySettings;

/// All knobs with their defaults: a fast, healthy WhatsApp.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Settings {
    /// `Debug.VERSION`.
    pub version: String,
    /// Multiplies the page's waits (QR life of 60 s and 20 s, reconnects of 1 s and more).
    pub clock: f64,
    /// From the login to `hasSynced`, in milliseconds.
    pub sync_delay: u64,
    /// From a message to the server's ack, in milliseconds; none: no ack until one is sent by hand.
    pub ack_delay: Option<u64>,
    /// From the ack to the delivery receipt; none: never.
    pub delivered_delay: Option<u64>,
    /// From the delivery to the read receipt; none: never.
    pub read_delay: Option<u64>,
    /// The next messages are refused with these codes, one each.
    pub nacks: Vec<u32>,
    /// The next logins are refused with these codes, one each.
    pub login_failures: Vec<u32>,
    /// Until when, in seconds since the epoch, the account may write to nobody new; none: it may.
    /// The page asks for it at each start; what changes in between is told by the frame
    /// `reachout-timelock`.
    pub timelock_ends: Option<i64>,
    /// So many acks are lost: the message arrives, the connection breaks.
    pub lose_acks: u32,
    /// Numbers without an account, besides those that begin with 999.
    pub not_on_whatsapp: Vec<String>,
    /// Number look-ups fail with this code.
    pub lookup_error: Option<u32>,
    /// What a link preview says, in the page's own field names (`title`, `description`); none:
    /// there are no previews.
    pub link_preview: Option<serde_json::Value>,
    /// From the question for a link preview to its answer, in milliseconds.
    pub link_preview_delay: u64,
    /// Link previews fail with this code.
    pub link_preview_error: Option<u32>,
    /// A code for a phone number is refused with this error, e.g. `IQErrorRateOverlimit`.
    pub pairing_error: Option<String>,
    /// When and how passkeys are asked for.
    pub passkey: PasskeySettings,
    /// Users the account has blocked.
    pub blocked: Vec<String>,
    /// A change of the block list fails with this code.
    pub block_error: Option<u32>,
    /// Whether the server acknowledges that a chat was seen; else the page waits for it.
    pub seen_ack: bool,
    /// The next downloads from the media host fail with these HTTP statuses, one each.
    pub media_failures: Vec<u16>,
    /// Modules (`WAWebX`) and exports (`WAWebX.y`) that the page lacks.
    pub missing: Vec<String>,
    /// The serialised message key has another name, as in newer builds.
    pub hidden_serialized: bool,
    /// The loader's own map of modules (`require("__debug").modulesMap`): `map` as in builds so
    /// far, `none`, or `other` with records of another form.
    pub module_map: ModuleMap,
    /// In the next page loads the browser refuses the page its storage.
    pub storage_failures: u32,
    /// HTTP status for the page itself, e.g. 503; none: it is served.
    pub page_status: Option<u16>,
}

/// What `require("__debug").modulesMap` is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ModuleMap {
    /// Records with dependencies and their position.
    Map,
    /// There is none.
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
            storage_failures: 0,
            page_status: None,
        }
    }
}

/// A JSON object with the keys to change; the others stay.
pub type SettingsPatch = serde_json::Value;

impl Settings {
    /// The settings with the keys of `patch` replaced.
    ///
    /// # Errors
    /// On an unknown key or a wrong type; nothing is changed then.
    pub fn patched(&self, patch: SettingsPatch) -> Result<Self, serde_json::Error> {
        let mut all = serde_json::to_value(self)?;
        if let (Some(all), serde_json::Value::Object(patch)) = (all.as_object_mut(), patch) {
            all.extend(patch);
        }
        serde_json::from_value(all)
    }
}
