//! An HTTP client of the gateway that checks every answer against the OpenAPI document.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use reqwest::{
    Client, Method, RequestBuilder,
    header::{AUTHORIZATION, HeaderMap, HeaderValue},
};
use serde_json::{Value, json};

use crate::{document, until};

/// Time limit of one request; no call of the gateway may take this long.
const LIMIT: Duration = Duration::from_secs(90);

/// A client of one gateway.
#[derive(Debug, Clone)]
pub struct Api {
    /// `http://127.0.0.1:PORT`, without a slash at the end.
    pub url: String,
    http: Client,
}

/// The answer to a request.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The response headers.
    pub headers: HeaderMap,
    /// The bytes of the body.
    pub body: Vec<u8>,
    /// The body as JSON; null when it is not JSON.
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

    /// Requires this status.
    ///
    /// # Errors
    /// When the status differs; the error shows the body.
    pub fn expect(self, status: u16) -> Result<Self> {
        ensure!(
            self.status == status,
            "{} instead of {status}: {}",
            self.status,
            String::from_utf8_lossy(&self.body)
        );
        Ok(self)
    }

    /// Requires a problem document (RFC 9457) with this status and code, and returns it.
    ///
    /// # Errors
    /// When the answer is another one, or the document lacks a member.
    pub fn problem(&self, status: u16, code: &str) -> Result<Value> {
        let json = &self.json;
        ensure!(
            self.status == status && json["code"] == code,
            "{status} {code} is not said: {} {json}",
            self.status
        );
        let kind = self.header("content-type");
        ensure!(kind == "application/problem+json", "{kind:?}: {json}");
        ensure!(
            !self.header("x-request-id").is_empty(),
            "no request id: {json}"
        );
        ensure!(
            json["status"] == status
                && json["type"] == "about:blank"
                && json["title"].is_string()
                && json["detail"].is_string()
                && json["success"].is_null(),
            "{json}"
        );
        Ok(json.clone())
    }

    /// [`Answer::problem`]; returns its `detail`.
    ///
    /// # Errors
    /// As [`Answer::problem`].
    pub fn problem_detail(&self, status: u16, code: &str) -> Result<String> {
        let problem = self.problem(status, code)?;
        Ok(problem["detail"].as_str().context("no detail")?.to_owned())
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

    /// A client that sends an API key with every request.
    ///
    /// # Errors
    /// When the TLS library cannot be set up, or when the key is not a valid header value.
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

    /// A request that the caller completes and passes to [`answer`].
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, format!("{}{path}", self.url))
    }

    /// `GET`.
    ///
    /// # Errors
    /// When the gateway does not answer, or when [`answer`] refuses the answer.
    pub async fn get(&self, path: &str) -> Result<Answer> {
        answer(self.request(Method::GET, path)).await
    }

    /// `POST` with JSON.
    ///
    /// # Errors
    /// When the gateway does not answer, or when [`answer`] refuses the answer.
    pub async fn post(&self, path: &str, body: &Value) -> Result<Answer> {
        answer(self.request(Method::POST, path).json(body)).await
    }

    /// `POST` without a body.
    ///
    /// # Errors
    /// When the gateway does not answer, or when [`answer`] refuses the answer.
    pub async fn post_nothing(&self, path: &str) -> Result<Answer> {
        answer(self.request(Method::POST, path)).await
    }

    /// [`Api::post`] with `Prefer: respond-async`: a send is answered when it is accepted.
    ///
    /// # Errors
    /// When the gateway does not answer, or when [`answer`] refuses the answer.
    pub async fn post_async(&self, path: &str, body: &Value) -> Result<Answer> {
        let request = self.request(Method::POST, path);
        answer(request.header("Prefer", "respond-async").json(body)).await
    }

    /// [`Api::send`] with `Prefer: respond-async`.
    ///
    /// # Errors
    /// When the gateway does not answer, or when [`answer`] refuses the answer.
    pub async fn send_async(&self, number: &str, message: &str) -> Result<Answer> {
        let body = json!({"number": number, "message": message});
        self.post_async("/api/whatsapp/send", &body).await
    }

    /// `POST /api/whatsapp/send`, the send of the original service's API.
    ///
    /// # Errors
    /// When the gateway does not answer, or when [`answer`] refuses the answer.
    pub async fn send(&self, number: &str, message: &str) -> Result<Answer> {
        self.post(
            "/api/whatsapp/send",
            &json!({"number": number, "message": message}),
        )
        .await
    }

    /// [`Api::send`] with an `Idempotency-Key`.
    ///
    /// # Errors
    /// When the gateway does not answer, or when [`answer`] refuses the answer.
    pub async fn send_once(&self, key: &str, number: &str, message: &str) -> Result<Answer> {
        let body = json!({"number": number, "message": message});
        answer(
            self.request(Method::POST, "/api/whatsapp/send")
                .header("Idempotency-Key", key)
                .json(&body),
        )
        .await
    }

    /// Lets the default session accept a text without waiting for the send; returns the message's
    /// id at the gateway.
    ///
    /// # Errors
    /// When it is not accepted.
    pub async fn accept(&self, to: &str, text: &str) -> Result<String> {
        let path = "/v1/sessions/default/messages";
        let answer = self
            .post_async(path, &json!({"to": to, "text": text}))
            .await?
            .expect(202)?;
        Ok(answer.json["id"].as_str().context("no id")?.to_owned())
    }

    /// The accepted message of this id, with its content and its history.
    ///
    /// # Errors
    /// When there is no such message.
    pub async fn message(&self, id: &str) -> Result<Value> {
        Ok(self
            .get(&format!("/v1/messages/{id}"))
            .await?
            .expect(200)?
            .json)
    }

    /// Waits until no message is queued or being sent. What has not been sent by then is not sent
    /// later.
    ///
    /// # Errors
    /// When one is left after `limit`.
    pub async fn until_all_sent(&self, limit: Duration) -> Result<()> {
        let queries = ["state=queued", "state=sending"];
        self.until_none("messages", &queries, limit).await
    }

    /// Waits until no event waits for its delivery. What has not been delivered by then, of the
    /// events that have happened, is not delivered later.
    ///
    /// # Errors
    /// When one is left after `limit`.
    pub async fn until_all_delivered(&self, limit: Duration) -> Result<()> {
        self.until_none("deliveries", &["state=pending"], limit)
            .await
    }

    /// [`Api::until_all_delivered`] for one receiver.
    ///
    /// # Errors
    /// When a delivery is left after `limit`.
    pub async fn until_all_delivered_to(&self, target: &str, limit: Duration) -> Result<()> {
        let query = format!("state=pending&target={target}");
        self.until_none("deliveries", &[&query], limit).await
    }

    /// Waits until the list `/v1/<list>` is empty for each of these queries.
    async fn until_none(&self, list: &str, queries: &[&str], limit: Duration) -> Result<()> {
        until(&format!("no {list} with {queries:?}"), limit, async || {
            for query in queries {
                let page = self.get(&format!("/v1/{list}?{query}&limit=1")).await?;
                let page = page.expect(200)?.json;
                // A page may be empty and still have a next one.
                if page[list] != json!([]) || !page["next"].is_null() {
                    return Ok(None);
                }
            }
            Ok(Some(()))
        })
        .await
    }

    /// The name of the session's state.
    ///
    /// # Errors
    /// When the gateway does not answer, or when [`answer`] refuses the answer.
    pub async fn state(&self) -> Result<String> {
        let answer = self.get("/api/whatsapp/status").await?.expect(200)?;
        Ok(answer
            .data("connectionStatus")
            .as_str()
            .unwrap_or_default()
            .to_owned())
    }

    /// Waits until the session is in this state.
    ///
    /// # Errors
    /// When the state is not reached within `limit`; the error names the last one seen.
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

    /// Waits for a QR code and returns its text.
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

/// Sends a request, reads the whole answer and checks it against the OpenAPI document.
///
/// # Errors
/// When the gateway does not answer, or when the document does not describe this answer.
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
