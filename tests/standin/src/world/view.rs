//! The state that is visible to tests, and waiting for a condition of it.

use std::time::Duration;

use anyhow::Result;
use serde::Serialize;

use super::{Connection, World, messages::Received};
use crate::{linking::LinkCode, media::Upload, passkey::PasskeyView};

/// The state that is visible to tests and to the control API.
#[derive(Debug, Clone, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct View {
    /// The number of QR codes that pages have shown.
    pub shown: u64,
    /// The QR texts that can be scanned now, oldest first.
    pub qrs: Vec<String>,
    /// The codes that can be typed on a phone now, oldest first.
    pub codes: Vec<LinkCode>,
    /// The accounts with a logged-in page, as digits.
    pub online: Vec<String>,
    /// The accounts with a linked device, as digits.
    pub linked: Vec<String>,
    /// The messages, in the order of their first arrival.
    pub messages: Vec<Received>,
    /// The ids of inbound messages that a page has confirmed, with repetitions.
    pub confirmed: Vec<String>,
    /// The typing states that were sent, in order: `(chat, composing | paused)`.
    pub typing: Vec<(String, String)>,
    /// The chats that were marked as seen, in order.
    pub seen: Vec<String>,
    /// The errors that the page has reported to its makers; a well-behaved client causes none.
    pub reports: Vec<String>,
    /// The number of connections ever made.
    pub connections: u64,
    /// The state of passkeys.
    pub passkey: PasskeyView,
    /// The files that pages have uploaded, or begun to, in the order of their first arrival.
    pub uploads: Vec<Upload>,
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
            uploads: state.media.uploads(),
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
                // This cannot fail: the sender lives as long as `self`.
                let _ = bell.changed().await;
            }
        };
        let view = tokio::time::timeout(limit, waiting).await;
        view.map_err(|_| anyhow::anyhow!("not within {limit:?}: {what}; but {:?}", self.view()))
    }
}
