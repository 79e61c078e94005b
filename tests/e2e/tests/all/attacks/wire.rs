//! HTTP as raw bytes, for requests that no regular client sends.

use std::time::Duration;

use anyhow::{Context, Result};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};
use wharf_e2e::{Gateway, Plan};

/// An API key with all scopes.
pub(super) const KEY: &str = "a-key-that-is-long-enough-to-be-one";

/// Time limit of an operation, longer than any deadline that a test sets.
const LIMIT: Duration = Duration::from_secs(60);

/// A gateway without plugins whose browser cannot be started.
pub(super) fn bare(more: &str) -> Plan {
    Plan {
        overlay: format!("plugin = []\n[browser]\nexecutable = '/nowhere/chromium'\n{more}"),
        ..Plan::default()
    }
}

/// [`bare`] with an API key.
pub(super) fn keyed(more: &str) -> Plan {
    bare(&format!("[api]\nkeys = ['{KEY}']\n{more}"))
}

/// A TCP connection to the gateway.
pub(super) struct Wire(TcpStream);

impl Wire {
    pub(super) async fn open(gateway: &Gateway) -> Result<Self> {
        let address = gateway.api.url.trim_start_matches("http://");
        Ok(Self(
            TcpStream::connect(address).await.context("no connection")?,
        ))
    }

    /// Sends bytes; fails when the gateway has closed the connection.
    pub(super) async fn say(&mut self, bytes: &[u8]) -> Result<()> {
        timeout(LIMIT, self.0.write_all(bytes))
            .await
            .context("nothing is taken")?
            .context("it was closed")
    }

    /// Reads one answer, whose length is given by `Content-Length`.
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

    /// Reads everything until the connection is closed.
    pub(super) async fn rest(&mut self) -> Result<String> {
        let mut all = Vec::new();
        let _ = timeout(LIMIT, self.0.read_to_end(&mut all))
            .await
            .context("it was not closed")?;
        Ok(String::from_utf8_lossy(&all).into_owned())
    }
}

/// Sends `request` on a new connection and returns everything until the connection is closed.
pub(super) async fn exchange(gateway: &Gateway, request: &str) -> Result<String> {
    let mut wire = Wire::open(gateway).await?;
    wire.say(request.as_bytes()).await?;
    wire.rest().await
}

/// The status of an answer; 0 when there is none.
pub(super) fn status(answer: &str) -> u16 {
    answer
        .split(' ')
        .nth(1)
        .and_then(|status| status.parse().ok())
        .unwrap_or_default()
}
