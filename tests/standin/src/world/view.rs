//! What can be seen from outside, and waiting until something can be seen.

use std::time::Duration;

use anyhow::Result;
use serde::Serialize;

use super::{Connection, World, messages::Received};
use crate::{linking::LinkCode, passkey::PasskeyView};

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
    /// Chats whose other side was shown that somebody types, or has stopped: `(chat, composing |
    /// paused)`, in order.
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

impl World {
    pub(crate) fn view(&self) -> View {
        let state = self.lock();
        let account = |noise: &String| {
            state
                .devices
                .get(noise)
                .map(|device| device.account.pn.clone())
        };
        View {
            shown: state.shown,
            codes: state.link_codes(),
            qrs: state
                .connections
                .values()
                .filter_map(Connection::qr_text)
                .collect(),
            online: state
                .connections
                .values()
                .filter(|c| c.online)
                .filter_map(|c| account(&c.noise))
                .collect(),
            linked: state
                .devices
                .values()
                .map(|device| device.account.pn.clone())
                .collect(),
            messages: state.messages.clone(),
            confirmed: state.confirmed.clone(),
            typing: state.typing.clone(),
            seen: state.seen.clone(),
            reports: state.reports.clone(),
            connections: state.made,
            passkey: state.passkeys.view(),
        }
    }

    pub(crate) async fn wait_for(
        &self,
        what: &str,
        limit: Duration,
        condition: impl Fn(&View) -> bool,
    ) -> Result<View> {
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
}
