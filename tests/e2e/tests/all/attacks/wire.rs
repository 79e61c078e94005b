//! HTTP as bytes: what no well-behaved client sends.

use std::time::Duration;

use anyhow::{Context, Result};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};
use wharf_e2e::{Gateway, Plan};

/// A key that may do everything.
pub(super) const KEY: &str = "a-key-that-is-long-enough-to-be-one";

/// Longer than any deadline that a test sets.
const LIMIT: Duration = Duration::from_secs(60);

/// A gateway without plugins and without a browser it could start.
pub(super) fn bare(more: &str) -> Plan {
    Plan {
        overlay: format!("plugin = []\n[browser]\nexecutable = '/nowhere/chromium'\n{more}"),
        ..Plan::default()
    }
}

/// The same with a key.
pub(super) fn keyed(more: &str) -> Plan {
    bare(&format!("[api]\nkeys = ['{KEY}']\n{more}"))
}

/// One connection.
pub(super) struct Wire(TcpStream);

impl Wire {
    pub(super) async fn open(gateway: &Gateway) -> Result<Self> {
        let address = gateway.api.url.trim_start_matches("http://");
        Ok(Self(
            TcpStream::connect(address).await.context("no connection")?,
        ))
    }

    /// Fails when the other side has closed.
    pub(super) async fn say(&mut self, bytes: &[u8]) -> Result<()> {
        timeout(LIMIT, self.0.write_all(bytes))
            .await
            .context("nothing is taken")?
            .context("it was closed")
    }

    /// One answer to a request whose answer has a length.
    pub(super) async fn answer(&mut self) -> Result<String> {
        let mut text = String::new();
        loop {
            if let Some((head, body)) = text.split_once("\r\n\r\n") {
                let length = head.lines().find_map(|line| {
                    line.to_ascii_lowercase()
                        .strip_prefix("content-length: ")
                        .map(str::to_owned)
                });
                if body.len() >= length.unwrap_or_default().parse().unwrap_or_default() {
                    return Ok(text);
                }
            }
            let mut bytes = [0; 4096];
            let read = timeout(LIMIT, self.0.read(&mut bytes))
                .await
                .context("no answer")??;
            anyhow::ensure!(read > 0, "closed after {text:?}");
            text += &String::from_utf8_lossy(&bytes[..read]);
        }
    }

    /// All that comes until it is closed.
    pub(super) async fn rest(&mut self) -> Result<String> {
        let mut all = Vec::new();
        let _ = timeout(LIMIT, self.0.read_to_end(&mut all))
            .await
            .context("it was not closed")?;
        Ok(String::from_utf8_lossy(&all).into_owned())
    }
}

/// Says `request` on a connection of its own, and returns what comes until it is closed.
pub(super) async fn exchange(gateway: &Gateway, request: &str) -> Result<String> {
    let mut wire = Wire::open(gateway).await?;
    wire.say(request.as_bytes()).await?;
    wire.rest().await
}

/// The status of an answer.
pub(super) fn status(answer: &str) -> u16 {
    answer
        .split(' ')
        .nth(1)
        .and_then(|status| status.parse().ok())
        .unwrap_or_default()
}
