//! A stand-in for web.whatsapp.com: a server and a page that behave to a client as the real ones
//! do.
//!
//! It does not depend on the gateway. What people and networks do to WhatsApp is done through its
//! control API (`/_control/…`, see the README) or the methods of [`Standin`]; unmodified
//! third-party clients run on it.

mod authenticator;
mod control;
mod linking;
mod media;
mod pages;
mod passkey;
mod settings;
mod socket;
mod tls;
mod world;

use std::{net::SocketAddr, sync::Arc, time::Duration};

use anyhow::{Context, Result};
use axum::serve::ListenerExt;
use tokio::{net::TcpListener, task::JoinHandle};

pub use authenticator::{Authenticator, Circumstances};
pub use linking::LinkCode;
pub use media::{ReceivedMedia, Upload};
pub use passkey::{Ask, Credential, PasskeySettings, PasskeyView, Phone};
pub use settings::{Settings, SettingsPatch};
pub use socket::HALF_EMOJI;
use tls::Front;
use world::World;
pub use world::{Account, Inbound, Received, View};

/// A running stand-in; it stops listening and closes its connections when the value is dropped.
#[derive(Debug)]
pub struct Standin {
    world: Arc<World>,
    address: SocketAddr,
    tls: Option<Front>,
    tls_task: Option<JoinHandle<()>>,
}

/// Where to listen and how to behave; port 0 picks a free one.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// The port of plain HTTP.
    pub port: u16,
    /// The port of HTTPS with a self-signed certificate for web.whatsapp.com; `None`: not offered.
    pub tls_port: Option<u16>,
    /// The settings from the start.
    pub settings: Settings,
}

impl Standin {
    /// Starts a stand-in on the loopback address.
    ///
    /// # Errors
    /// When a port is taken or the certificate cannot be made.
    pub async fn start(options: Options) -> Result<Self> {
        let world = Arc::new(World::new(options.settings));
        let listener = TcpListener::bind(("127.0.0.1", options.port))
            .await
            .with_context(|| format!("cannot listen on port {}", options.port))?;
        let address = listener.local_addr()?;
        let router = pages::router(&world)
            .merge(socket::router(&world))
            .merge(control::router(&world))
            .merge(media::router(&world));
        // Frames are small: with Nagle's algorithm they would be delayed by 40 ms.
        let listener = listener.tap_io(|stream| drop(stream.set_nodelay(true)));
        // Aborting the server's task would leave the tasks of its connections.
        let server = axum::serve(listener, router).with_graceful_shutdown(world.ended());
        tokio::spawn(server.into_future());
        let mut standin = Self {
            world,
            address,
            tls: None,
            tls_task: None,
        };
        if let Some(port) = options.tls_port {
            let (front, task) = tls::front(port, address).await?;
            (standin.tls, standin.tls_task) = (Some(front), Some(task));
        }
        Ok(standin)
    }

    /// The address of the page.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}/", self.address)
    }

    /// The port of the HTTPS front.
    #[must_use]
    pub fn tls_port(&self) -> Option<u16> {
        self.tls.as_ref().map(|front| front.address.port())
    }

    /// The certificate of the HTTPS front in PEM. It is good for `web.whatsapp.com` and `localhost`.
    #[must_use]
    pub fn tls_certificate(&self) -> Option<&str> {
        self.tls.as_ref().map(|front| front.certificate.as_str())
    }

    /// SHA-256 of the public key of the front's certificate, for Chromium's switch
    /// `--ignore-certificate-errors-spki-list`. With it the page has no certificate errors, which
    /// Chromium requires for passkeys.
    #[must_use]
    pub fn tls_key(&self) -> Option<&str> {
        self.tls.as_ref().map(|front| front.key.as_str())
    }

    /// Asks the page that waits for a passkey again, with another challenge.
    ///
    /// # Errors
    /// When no page waits for a passkey.
    pub fn ask_passkey_again(&self) -> Result<()> {
        self.world.ask_passkey_again()
    }

    /// Asks every page that is online for its account's passkey.
    pub fn checkpoint(&self) {
        self.world.checkpoint();
    }

    /// The current state.
    #[must_use]
    pub fn view(&self) -> View {
        self.world.view()
    }

    /// Waits until the state meets a condition.
    ///
    /// # Errors
    /// When the condition is not met within `limit`; the error shows the state.
    pub async fn wait_for(
        &self,
        what: &str,
        limit: Duration,
        condition: impl Fn(&View) -> bool,
    ) -> Result<View> {
        self.world.wait_for(what, limit, condition).await
    }

    /// Lets a phone scan this QR, or the newest one that is shown.
    ///
    /// # Errors
    /// When the QR is not valid now or the page refuses the pairing.
    pub async fn scan(&self, qr: Option<&str>, account: Account) -> Result<()> {
        self.world.scan(qr, account).await
    }

    /// Lets the owner of the account type a code on the phone; dashes and case make no difference.
    ///
    /// # Errors
    /// When no page has a code for that number, or the code is not the one the page shows.
    pub async fn enter_code(&self, code: &str, account: Account) -> Result<()> {
        self.world.enter_code(code, account).await
    }

    /// Sends a message to an account; returns its id.
    ///
    /// # Errors
    /// When the account is not linked.
    pub fn inbound(&self, message: Inbound) -> Result<String> {
        self.world.inbound(message)
    }

    /// Changes settings.
    ///
    /// # Panics
    /// On an unknown key or a wrong type: without its fault, a test would pass and show nothing.
    #[track_caller]
    #[expect(clippy::panic, reason = "a mistake in the test itself")]
    pub fn set(&self, patch: SettingsPatch) {
        let shown = patch.to_string();
        if let Err(error) = self.world.patch(patch) {
            panic!("the settings {shown} are wrong: {error}");
        }
    }

    /// Cuts every connection; with `false` new ones are refused until `true`.
    pub fn network(&self, online: bool) {
        self.world.network(online);
    }

    /// Sends one frame of the page's protocol, e.g. a stream error, to the account's pages.
    pub fn push(&self, account: Option<&str>, frame: serde_json::Value) {
        self.world.push(account, &frame);
    }

    /// Removes the linked device, as the phone does.
    pub fn remove_device(&self, account: Option<&str>) {
        self.world.remove_device(account);
    }
}

impl Drop for Standin {
    fn drop(&mut self) {
        self.world.end();
        if let Some(task) = &self.tls_task {
            task.abort();
        }
    }
}
