//! A test environment: a folder with the gateway's configuration and data, a stand-in for WhatsApp
//! Web, and a webhook receiver.

use std::{
    env,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, Result};
use tempfile::TempDir;
use toml::{Table, Value};
use wharf_standin::{Account, Options, Settings, Standin};

use crate::{
    Gateway, Receiver,
    gateway::{self, write_config},
    project,
};

/// The key that signs the webhooks.
pub const HMAC_KEY: &str = "a-key-for-the-signature-of-webhooks";

/// Time limit for Chromium's start and the page's boot, long enough for a busy machine.
pub const BOOT: Duration = Duration::from_secs(60);

/// What [`House::build`] sets up.
#[derive(Debug, Clone, Default)]
pub struct Plan {
    /// The stand-in's settings from the start.
    pub standin: Settings,
    /// The ports of gateway, stand-in and receiver; 0 picks a free one.
    pub ports: (u16, u16, u16),
    /// Whether the page is opened as `https://web.whatsapp.com/`, with that name resolved to the
    /// stand-in. A login belongs to the origin it was made under.
    pub https: bool,
    /// The address of a page to open instead of the stand-in's.
    pub page: Option<String>,
    /// TOML that is merged into the default test configuration, table by table; arrays are
    /// replaced.
    pub overlay: String,
    /// Further environment variables of the gateway.
    pub environment: Vec<(String, String)>,
}

/// A test environment; the gateway is started separately.
#[derive(Debug)]
pub struct House {
    /// The stand-in.
    pub standin: Standin,
    /// The receiver.
    pub receiver: Receiver,
    environment: Vec<(String, String)>,
    folder: TempDir,
}

impl House {
    /// Sets up the environment; [`House::open`] starts the gateway.
    ///
    /// # Errors
    /// When a port is taken, when the overlay is not TOML, or when the gateway has not been built.
    pub async fn build(plan: Plan) -> Result<Self> {
        let (port, standin, receiver) = plan.ports;
        let standin = Standin::start(Options {
            port: standin,
            tls_port: plan.https.then_some(0),
            settings: plan.standin,
        })
        .await?;
        let receiver = Receiver::start(receiver).await?;
        let folder = tempfile::Builder::new()
            .prefix("wharf-")
            .tempdir()
            .context("no temporary folder")?;
        let mut config: Table = config(
            folder.path(),
            port,
            plan.page.as_deref().unwrap_or(&standin.url()),
            &receiver.url(),
        )?
        .parse()
        .context("the harness's own configuration")?;
        if let Some(port) = standin.tls_port() {
            merge(
                &mut config,
                https(port)
                    .parse()
                    .context("the harness's own configuration")?,
            );
        }
        merge(&mut config, plan.overlay.parse().context("the overlay")?);
        write_config(folder.path(), &toml::to_string(&config)?)?;
        let mut environment = vec![("WEBHOOK_HMAC_KEY".to_owned(), HMAC_KEY.to_owned())];
        environment.extend(plan.environment);
        Ok(Self {
            standin,
            receiver,
            environment,
            folder,
        })
    }

    /// The folder of the gateway's configuration and data.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Starts the gateway; call it again for a restart.
    ///
    /// # Errors
    /// When the gateway does not start.
    pub async fn open(&self) -> Result<Gateway> {
        Gateway::start(self.folder(), &self.environment).await
    }

    /// Starts the gateway, lets a simulated phone scan the QR code, and waits until the session is
    /// ready.
    ///
    /// # Errors
    /// When a step takes too long.
    pub async fn open_linked(&self) -> Result<Gateway> {
        let gateway = self.open().await?;
        let qr = gateway
            .api
            .until_qr(BOOT)
            .await
            .with_context(|| format!("its log:\n{}", gateway.log().tail()))?;
        self.standin.scan(Some(&qr), Account::default()).await?;
        gateway.api.until_state("ready", BOOT).await?;
        Ok(gateway)
    }

    /// How many different messages with this body arrived; repeated transmissions of one message
    /// count once.
    #[must_use]
    pub fn arrived(&self, body: &str) -> usize {
        self.standin
            .view()
            .messages
            .iter()
            .filter(|message| message.body == body && message.refused.is_none())
            .count()
    }
}

/// The repository's `plugins/` folder, into which `cargo xtask plugins` puts the built plugins.
#[must_use]
pub fn plugins() -> PathBuf {
    project::root().join("plugins")
}

/// The folder of the test guests, which `cargo xtask test` builds: the plugins of `tests/guests`.
#[must_use]
pub fn guests() -> PathBuf {
    env::var_os("WHARF_TEST_GUESTS").map_or_else(
        || project::target().join("wasm32-wasip2/plugin"),
        PathBuf::from,
    )
}

/// The configuration of the tests: delays are shorter than in production, and everything else that
/// is not set here is the gateway's default.
fn config(folder: &Path, port: u16, page: &str, receiver: &str) -> Result<String> {
    let plugins = plugins();
    // All gateways under test share one cache, because compiling the plugins takes seconds.
    let cache = gateway::program()?.with_file_name("plugin-cache");
    // Absolute, so that Chromium's command line names the folder and [`crate::processes`] finds it.
    let sessions = folder.join("session");
    Ok(format!(
        r#"
[server]
port = {port}

[log]
format = "json"

[whatsapp]
url = "{page}"

[sessions]
path = {sessions:?}
first_delay = "500ms"
retry_delay = "1s"
max_delay = "2s"

[plugins]
dir = {plugins:?}
cache = {cache:?}

[[plugin]]
name = "number-policy"
grants = {{ kv = "1MiB", kv_shared = true }}
[plugin.config]
# The example number of the original service has a digit less than numbers of its country.
number_length = false
block_prefixes = ["1900"]

[[plugin]]
name = "templates"
[plugin.config.templates.greeting.bodies]
en = "Hello {{{{ name }}}}, your order {{{{ order }}}} is on its way."
de = "Hallo {{{{ name }}}}, deine Bestellung {{{{ order }}}} ist unterwegs."
[plugin.config.templates.greeting.variables]
name = {{ kind = "text" }}
order = {{ kind = "text" }}

[[plugin]]
name = "webhook"
grants = {{ http = ["{receiver}"], http_private = true, secrets = ["WEBHOOK_HMAC_KEY"] }}
[[plugin.config.targets]]
name = "receiver"
url = "{receiver}/hook"
events = ["*"]
hmac_secret = "WEBHOOK_HMAC_KEY"
retry = {{ policy = "constant", delay_seconds = 1 }}
"#
    ))
}

fn https(port: u16) -> String {
    format!(
        "[whatsapp]\nurl = 'https://web.whatsapp.com/'\n[browser]\n\
         args = ['--host-resolver-rules=MAP web.whatsapp.com 127.0.0.1:{port}', '--ignore-certificate-errors']"
    )
}

fn merge(base: &mut Table, over: Table) {
    for (key, value) in over {
        match (base.get_mut(&key), value) {
            (Some(Value::Table(base)), Value::Table(over)) => merge(base, over),
            (_, value) => {
                base.insert(key, value);
            }
        }
    }
}
