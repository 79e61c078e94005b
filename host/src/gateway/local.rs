//! Client of the gateway that is running on the same configuration. Commands use its API, because
//! another process must not change its database.

use std::time::Duration;

use reqwest::{Client, Method, Response, StatusCode, Url};

use crate::config::{Config, Sources};

/// Time limit of a call; longer than any answer takes.
const TIMEOUT: Duration = Duration::from_secs(60);

/// Time limit of a probe: `/readyz` answers within two seconds even while the database is locked,
/// and a busy machine needs some more.
const PROBE_TIMEOUT: Duration = Duration::from_secs(10);

pub(super) struct LocalGateway {
    base: String,
    client: Client,
    key: Option<String>,
}

impl LocalGateway {
    pub(super) fn of(config: &Config, sources: &Sources) -> Result<Self, reqwest::Error> {
        let host = match config.server.host {
            any if any.is_unspecified() => "127.0.0.1".to_owned(),
            one if one.is_ipv6() => format!("[{one}]"),
            one => one.to_string(),
        };
        let client = Client::builder().timeout(TIMEOUT).no_proxy().build()?;
        Ok(Self {
            base: format!("http://{host}:{}", config.server.port),
            client,
            key: sources.get("WHARF_API_KEY").map(str::to_owned),
        })
    }

    /// The base URL, `http://host:port`.
    pub(super) fn base(&self) -> &str {
        &self.base
    }

    /// Requests `/livez` and returns the status. Fails if nothing answers.
    pub(super) async fn alive(&self) -> Result<StatusCode, reqwest::Error> {
        Ok(self.probe("/livez").await?.status())
    }

    /// Requests a path that requires no key, without sending the key: another program may be
    /// listening there.
    pub(super) async fn probe(&self, path: &str) -> Result<Response, reqwest::Error> {
        self.client
            .get(format!("{}{path}", self.base))
            .timeout(PROBE_TIMEOUT)
            .send()
            .await
    }

    /// Calls the API, with the key from `WHARF_API_KEY` if it is set.
    pub(super) async fn call(
        &self,
        method: Method,
        path: &str,
        query: &[(&str, &str)],
    ) -> Result<Response, reqwest::Error> {
        let address = format!("{}{path}", self.base);
        let address = Url::parse_with_params(&address, query).map_or(address, String::from);
        let mut request = self.client.request(method, address);
        if let Some(key) = &self.key {
            request = request.bearer_auth(key);
        }
        request.send().await
    }
}
