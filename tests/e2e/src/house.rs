//! One folder with a gateway's file and data, a stand-in for WhatsApp Web, and a receiver of
//! webhooks.

use std::{
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

/// The key of the webhooks' signature.
pub const HMAC_KEY: &str = "a-key-for-the-signature-of-webhooks";

/// Chromium's start and the page's boot on a busy machine.
pub const BOOT: Duration = Duration::from_secs(60);

/// What is to be built.
#[derive(Debug, Clone, Default)]
pub struct Plan {
    /// How the stand-in behaves from the start.
    pub standin: Settings,
    /// Ports: gateway, stand-in, receiver. 0 picks a free one.
    pub ports: (u16, u16, u16),
    /// The page is opened as `https://web.whatsapp.com/`, led to the stand-in: what a login was
    /// made under.
    pub https: bool,
    /// The address of another page than the stand-in's.
    pub page: Option<String>,
    /// TOML laid over the configuration below, table by table; arrays are replaced.
    pub overlay: String,
    /// More environment for the gateway.
    pub environment: Vec<(String, String)>,
}

/// All of it, without a running gateway.
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
    /// Builds it; the gateway is started by [`House::open`].
    ///
    /// # Errors
    /// When a port is taken or the overlay is not TOML.
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
            lay_over(
                &mut config,
                https(port)
                    .parse()
                    .context("the harness's own configuration")?,
            );
        }
        lay_over(&mut config, plan.overlay.parse().context("the overlay")?);
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

    /// Where the gateway's file and data are.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Starts the gateway; call it again for a restart.
    ///
    /// # Errors
    /// When it does not come up.
    pub async fn open(&self) -> Result<Gateway> {
        Gateway::start(self.folder(), &self.environment).await
    }

    /// Starts the gateway, waits for the QR and lets a phone scan it until the session is ready.
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

    /// How many different messages with this body arrived, whatever the number of transmissions.
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

/// The repository's `plugins/`, filled by `cargo xtask plugins`.
#[must_use]
pub fn plugins() -> PathBuf {
    project::root().join("plugins")
}

/// Waits are shorter than an operator wants them; everything else is the gateway's default.
fn config(folder: &Path, port: u16, page: &str, receiver: &str) -> Result<String> {
    let plugins = plugins();
    // Shared by all that run here: compiling the plugins costs seconds.
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

fn lay_over(base: &mut Table, over: Table) {
    for (key, value) in over {
        match (base.get_mut(&key), value) {
            (Some(Value::Table(base)), Value::Table(over)) => lay_over(base, over),
            (_, value) => {
                base.insert(key, value);
            }
        }
    }
}
