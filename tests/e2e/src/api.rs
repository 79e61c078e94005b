//! A plain HTTP client of the gateway.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use reqwest::{
    Client, Method, RequestBuilder,
    header::{AUTHORIZATION, HeaderMap, HeaderValue},
};
use serde_json::{Value, json};

use crate::{document, until};

/// Longer than any call of the gateway may take.
const LIMIT: Duration = Duration::from_secs(90);

/// A client.
#[derive(Debug, Clone)]
pub struct Api {
    /// `http://127.0.0.1:PORT`, without a slash at the end.
    pub url: String,
    http: Client,
}

/// What came back.
#[derive(Debug, Clone)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// Header lines.
    pub headers: HeaderMap,
    /// The bytes of the body.
    pub body: Vec<u8>,
    /// The body as JSON; null when it is none.
    pub json: Value,
}

impl Answer {
    /// A member of `data`.
    #[must_use]
    pub fn data(&self, name: &str) -> &Value {
        &self.json["data"][name]
    }

    /// A header as text; empty when it is missing.
    #[must_use]
    pub fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
    }

    /// Insists on a status.
    ///
    /// # Errors
    /// When it is another; the error shows the body.
    pub fn expect(self, status: u16) -> Result<Self> {
        ensure!(
            self.status == status,
            "{} instead of {status}: {}",
            self.status,
            String::from_utf8_lossy(&self.body)
        );
        Ok(self)
    }
}

impl Api {
    /// A client of the gateway at `url`.
    ///
    /// # Errors
    /// When the TLS library cannot be set up.
    pub fn new(url: &str) -> Result<Self> {
        let http = Client::builder()
            .timeout(LIMIT)
            .build()
            .context("HTTP client")?;
        Ok(Self {
            url: url.trim_end_matches('/').into(),
            http,
        })
    }

    /// A client that shows a key.
    ///
    /// # Errors
    /// When the TLS library cannot be set up, or no header can carry the key.
    pub fn with_key(url: &str, key: &str) -> Result<Self> {
        let shown = HeaderMap::from_iter([(
            AUTHORIZATION,
            HeaderValue::from_str(&format!("Bearer {key}"))?,
        )]);
        let http = Client::builder()
            .timeout(LIMIT)
            .default_headers(shown)
            .build()
            .context("HTTP client")?;
        Ok(Self {
            http,
            ..Self::new(url)?
        })
    }

    /// A request to finish by hand.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, format!("{}{path}", self.url))
    }

    /// `GET`.
    ///
    /// # Errors
    /// When nobody answers.
    pub async fn get(&self, path: &str) -> Result<Answer> {
        answer(self.request(Method::GET, path)).await
    }

    /// `POST` with JSON.
    ///
    /// # Errors
    /// When nobody answers.
    pub async fn post(&self, path: &str, body: &Value) -> Result<Answer> {
        answer(self.request(Method::POST, path).json(body)).await
    }

    /// `POST` without a body.
    ///
    /// # Errors
    /// When nobody answers.
    pub async fn post_nothing(&self, path: &str) -> Result<Answer> {
        answer(self.request(Method::POST, path)).await
    }

    /// The seed's send.
    ///
    /// # Errors
    /// When nobody answers.
    pub async fn send(&self, number: &str, message: &str) -> Result<Answer> {
        self.post(
            "/api/whatsapp/send",
            &json!({"number": number, "message": message}),
        )
        .await
    }

    /// The seed's send under an idempotency key.
    ///
    /// # Errors
    /// When nobody answers.
    pub async fn send_once(&self, key: &str, number: &str, message: &str) -> Result<Answer> {
        let body = json!({"number": number, "message": message});
        answer(
            self.request(Method::POST, "/api/whatsapp/send")
                .header("Idempotency-Key", key)
                .json(&body),
        )
        .await
    }

    /// The session's state by its name.
    ///
    /// # Errors
    /// When nobody answers.
    pub async fn state(&self) -> Result<String> {
        let answer = self.get("/api/whatsapp/status").await?.expect(200)?;
        Ok(answer
            .data("connectionStatus")
            .as_str()
            .unwrap_or_default()
            .to_owned())
    }

    /// Waits for a state.
    ///
    /// # Errors
    /// When it is not reached within `limit`; the error names the state that was.
    pub async fn until_state(&self, wanted: &str, limit: Duration) -> Result<()> {
        let mut last = String::new();
        let reached = until(wanted, limit, async || {
            last = self.state().await?;
            Ok((last == wanted).then_some(()))
        });
        reached
            .await
            .with_context(|| format!("the state {wanted} was not reached; it is {last}"))
    }

    /// Waits for a QR and returns its text.
    ///
    /// # Errors
    /// When there is none within `limit`.
    pub async fn until_qr(&self, limit: Duration) -> Result<String> {
        until("a QR", limit, async || {
            let answer = self.get("/api/whatsapp/qr").await?;
            Ok(answer.data("qrText").as_str().map(ToOwned::to_owned))
        })
        .await
    }
}

/// Sends it, reads everything, and holds the answer against the API's document.
///
/// # Errors
/// When nobody answers, or when the document has no such answer.
pub async fn answer(request: RequestBuilder) -> Result<Answer> {
    let (http, request) = request.build_split();
    let request = request.context("the request")?;
    let (method, path) = (request.method().clone(), request.url().path().to_owned());
    let response = http
        .execute(request)
        .await
        .context("no answer from the gateway")?;
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    let body = response
        .bytes()
        .await
        .context("the answer broke off")?
        .to_vec();
    let json = serde_json::from_slice(&body).unwrap_or(Value::Null);
    let answer = Answer {
        status,
        headers,
        body,
        json,
    };
    document::check(method.as_str(), &path, &answer)?;
    Ok(answer)
}
