//! Client of the gateway that is running on the same configuration. Commands use its API, because
//! another process must not change its database.
//!
//! Any program may listen on the configured port, and a development server answers 200 to every
//! path. So the API key is sent only through a [`RunningGateway`], which [`LocalGateway::recognise`]
//! creates after `/livez` has answered as this gateway does.

use std::{net::IpAddr, time::Duration};

use reqwest::{Client, Method, Response, StatusCode, Url, redirect::Policy};
use serde_json::Value;

use crate::config::{Config, Sources};

/// Time limit of a call; longer than any answer takes.
const TIMEOUT: Duration = Duration::from_secs(60);

/// Time limit of a probe: `/readyz` answers within two seconds even while the database is locked,
/// and a busy machine needs some more.
const PROBE_TIMEOUT: Duration = Duration::from_secs(10);

/// Why no gateway was found at the configured address.
#[derive(Debug, thiserror::Error)]
pub(super) enum LocalError {
    /// The configuration does not say where the gateway listens.
    #[error(
        "[server] port = 0 lets the system choose a port, so this command cannot know where the gateway listens; set a port"
    )]
    NoPort,
    /// The HTTP client cannot be built.
    #[error("the HTTP client cannot be set up: {0}")]
    Client(#[from] reqwest::Error),
    /// No answer.
    #[error("no gateway answers at {base}: {why}")]
    Silent {
        /// The base URL.
        base: String,
        /// Why there was no answer.
        why: &'static str,
    },
    /// The answer is not that of this gateway.
    #[error("another program answers at {base} ({seen}); check [server] port")]
    Foreign {
        /// The base URL.
        base: String,
        /// What it answered.
        seen: String,
    },
}

/// Why a call of the API has no usable result.
#[derive(Debug, thiserror::Error)]
pub(super) enum CallError {
    /// No answer.
    #[error("the gateway at {base} does not answer: {error}")]
    Silent {
        /// The base URL.
        base: String,
        /// Why there was no answer.
        error: reqwest::Error,
    },
    /// The API requires a key, and none, or an unknown one, was sent.
    #[error("the gateway requires an API key: set WHARF_API_KEY to one of its keys")]
    NoKey,
    /// Another status than success, with the gateway's explanation.
    #[error("{}", .detail.clone().unwrap_or_else(|| format!("the gateway answered {}", .status)))]
    Refused {
        /// The status.
        status: StatusCode,
        /// The `detail` or `message` of the answer.
        detail: Option<String>,
    },
    /// A success whose body is not JSON, or is not complete.
    #[error("the gateway's answer to {path} is not the expected JSON: {reason}")]
    Unreadable {
        /// The path that was requested.
        path: String,
        /// What is wrong with the body.
        reason: String,
    },
}

/// The address where the configuration says that the gateway listens.
#[derive(Debug)]
pub(super) struct LocalGateway {
    base: String,
    client: Client,
    key: Option<String>,
}

impl LocalGateway {
    pub(super) fn of(config: &Config, sources: &Sources) -> Result<Self, LocalError> {
        if config.server.port == 0 {
            return Err(LocalError::NoPort);
        }
        // With `net.ipv6.bindv6only`, a gateway on `::` does not listen on 127.0.0.1.
        let host = match config.server.host {
            IpAddr::V4(any) if any.is_unspecified() => "127.0.0.1".to_owned(),
            IpAddr::V6(any) if any.is_unspecified() => "[::1]".to_owned(),
            IpAddr::V6(one) => format!("[{one}]"),
            IpAddr::V4(one) => one.to_string(),
        };
        // The gateway redirects none of these paths; another program might lead elsewhere.
        let client = Client::builder()
            .timeout(TIMEOUT)
            .no_proxy()
            .redirect(Policy::none())
            .build()?;
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

    /// Requests a path that requires no key, without sending the key. Returns the status and the
    /// JSON of the body; `Value::Null` if the body is not JSON.
    pub(super) async fn probe(&self, path: &str) -> Result<(StatusCode, Value), LocalError> {
        let answer = self
            .client
            .get(format!("{}{path}", self.base))
            .timeout(PROBE_TIMEOUT)
            .send()
            .await
            .map_err(|error| LocalError::Silent {
                base: self.base.clone(),
                why: if error.is_timeout() {
                    "it took too long"
                } else {
                    "nothing listens there, or the connection was lost"
                },
            })?;
        let status = answer.status();
        Ok((status, answer.json().await.unwrap_or_default()))
    }

    /// What is listening there if it is not this gateway.
    pub(super) fn foreign(&self, status: StatusCode) -> LocalError {
        let seen = if status.is_success() {
            format!("{status}, but not as this gateway answers")
        } else {
            status.to_string()
        };
        LocalError::Foreign {
            base: self.base.clone(),
            seen,
        }
    }

    /// Requests `/livez`, without the key, and requires the answer of this gateway.
    pub(super) async fn recognise(self) -> Result<RunningGateway, LocalError> {
        let (status, said) = self.probe("/livez").await?;
        if status.is_success() && said["status"] == "ok" {
            Ok(RunningGateway(self))
        } else {
            Err(self.foreign(status))
        }
    }
}

/// A gateway that has answered `/livez` as this one does, and may be sent the key.
#[derive(Debug)]
pub(super) struct RunningGateway(LocalGateway);

impl RunningGateway {
    /// The base URL, `http://host:port`.
    pub(super) fn base(&self) -> &str {
        self.0.base()
    }

    /// As [`LocalGateway::probe`].
    pub(super) async fn probe(&self, path: &str) -> Result<(StatusCode, Value), LocalError> {
        self.0.probe(path).await
    }

    /// Calls the API and returns the JSON of its answer; `Value::Null` for a success without a
    /// body.
    pub(super) async fn json(
        &self,
        method: Method,
        path: &str,
        query: &[(&str, &str)],
    ) -> Result<Value, CallError> {
        let body = self.text(method, path, query).await?;
        if body.trim().is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_str(&body).map_err(|error| CallError::Unreadable {
            path: path.to_owned(),
            reason: error.to_string(),
        })
    }

    /// Calls the API with a JSON body and returns the JSON of its answer.
    pub(super) async fn post(
        &self,
        path: &str,
        query: &[(&str, &str)],
        body: &Value,
    ) -> Result<Value, CallError> {
        let answer = self.answer(Method::POST, path, query, Some(body)).await?;
        serde_json::from_str(&answer).map_err(|error| CallError::Unreadable {
            path: path.to_owned(),
            reason: error.to_string(),
        })
    }

    /// Calls the API and returns the body of its answer.
    pub(super) async fn text(
        &self,
        method: Method,
        path: &str,
        query: &[(&str, &str)],
    ) -> Result<String, CallError> {
        self.answer(method, path, query, None).await
    }

    async fn answer(
        &self,
        method: Method,
        path: &str,
        query: &[(&str, &str)],
        body: Option<&Value>,
    ) -> Result<String, CallError> {
        let answer = self
            .call(method, path, query, body)
            .await
            .map_err(|error| CallError::Silent {
                base: self.base().to_owned(),
                error,
            })?;
        let status = answer.status();
        if status == StatusCode::UNAUTHORIZED {
            return Err(CallError::NoKey);
        }
        if status.is_success() {
            return answer.text().await.map_err(|error| CallError::Unreadable {
                path: path.to_owned(),
                reason: error.to_string(),
            });
        }
        let said: Value = answer.json().await.unwrap_or_default();
        let detail = said["detail"].as_str().or_else(|| said["message"].as_str());
        Err(CallError::Refused {
            status,
            detail: detail.map(str::to_owned),
        })
    }

    /// Sends a request, with the key from `WHARF_API_KEY` if it is set.
    async fn call(
        &self,
        method: Method,
        path: &str,
        query: &[(&str, &str)],
        body: Option<&Value>,
    ) -> Result<Response, reqwest::Error> {
        let LocalGateway { base, client, key } = &self.0;
        let address = format!("{base}{path}");
        let address = Url::parse_with_params(&address, query).map_or(address, String::from);
        let mut request = client.request(method, address);
        if let Some(body) = body {
            request = request.json(body);
        }
        if let Some(key) = key {
            request = request.bearer_auth(key);
        }
        request.send().await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gateway::fake::{FakeProgram, json};

    fn base(host: &str) -> String {
        let mut config = Config::default();
        config.server.host = host.parse().expect("an address");
        let gateway = LocalGateway::of(&config, &Sources::default()).expect("a client");
        gateway.base().to_owned()
    }

    #[test]
    fn an_unspecified_address_is_asked_by_its_own_loopback() {
        assert_eq!(base("0.0.0.0"), "http://127.0.0.1:3001");
        assert_eq!(base("::"), "http://[::1]:3001");
        assert_eq!(base("::1"), "http://[::1]:3001");
        assert_eq!(base("192.0.2.7"), "http://192.0.2.7:3001");
    }

    #[tokio::test]
    async fn only_the_answer_of_this_gateway_is_recognised() {
        for (answer, seen) in [
            (json(200, "<html></html>"), "200 OK, but not as"),
            (json(200, "{}"), "200 OK, but not as"),
            (json(200, r#"{"status":"up"}"#), "200 OK, but not as"),
            (json(404, r#"{"status":"ok"}"#), "(404 Not Found)"),
            (
                "HTTP/1.1 302 Found\r\nlocation: /elsewhere\r\ncontent-length: 0\r\n\r\n".into(),
                "(302 Found)",
            ),
        ] {
            let program = FakeProgram::start(move |_| answer.clone()).await;
            let error = program.gateway().recognise().await.expect_err(seen);
            let said = error.to_string();
            assert!(
                said.contains("another program answers at") && said.contains(seen),
                "{said}"
            );
            assert_eq!(program.asked().len(), 1, "no redirect is followed");
        }
        let program = FakeProgram::start(|_| json(200, r#"{"status":"ok"}"#)).await;
        let gateway = program.gateway().recognise().await.expect("recognised");
        assert!(program.keys_received().is_empty(), "a probe needs no key");
        gateway
            .json(Method::GET, "/v1/sessions", &[])
            .await
            .expect("an answer");
        assert_eq!(program.keys_received(), ["/v1/sessions"]);
    }

    #[tokio::test]
    async fn an_answer_that_is_not_json_is_an_error_and_no_body_is_none() {
        let cut =
            "HTTP/1.1 200 OK\r\ncontent-length: 100\r\nconnection: close\r\n\r\n{\"receivers\":";
        let program = FakeProgram::start(move |path| match path {
            "/livez" => json(200, r#"{"status":"ok"}"#),
            "/html" => json(200, "<html></html>"),
            "/cut" => cut.to_owned(),
            "/nothing" => "HTTP/1.1 204 No Content\r\n\r\n".to_owned(),
            "/refused" => json(403, r#"{"detail":"the key lacks the scope read"}"#),
            _ => json(503, ""),
        })
        .await;
        let gateway = program.gateway().recognise().await.expect("recognised");
        let get = async |path: &str| gateway.json(Method::GET, path, &[]).await;
        for path in ["/html", "/cut"] {
            let error = get(path).await.expect_err(path);
            assert!(matches!(&error, CallError::Unreadable { .. }), "{error}");
        }
        assert_eq!(get("/nothing").await.expect("a success"), Value::Null);
        let said = get("/refused").await.expect_err("refused").to_string();
        assert_eq!(said, "the key lacks the scope read");
        let said = get("/other").await.expect_err("refused").to_string();
        assert_eq!(said, "the gateway answered 503 Service Unavailable");
    }
}
