//! A webhook receiver: a real HTTP server that records the calls.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use anyhow::{Context, Result};
use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, StatusCode, Uri},
};
use hmac::{Hmac, KeyInit, Mac};
use serde_json::Value;
use sha2::Sha512;
use tokio::{net::TcpListener, sync::oneshot};

use crate::until;

/// One recorded call.
#[derive(Debug, Clone)]
pub struct Call {
    /// The path, e.g. `/hook`.
    pub path: String,
    /// The request headers.
    pub headers: HeaderMap,
    /// The raw body.
    pub body: Bytes,
    /// The body as JSON; null when it is not JSON.
    pub json: Value,
    /// The status it was answered with.
    pub answered: u16,
}

impl Call {
    /// A header as text; empty when it is missing.
    #[must_use]
    pub fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
    }

    /// `event` of the envelope.
    #[must_use]
    pub fn event(&self) -> &str {
        self.json["event"].as_str().unwrap_or_default()
    }

    /// Whether the signature header is the HMAC-SHA-512 of the raw body under `key`.
    #[must_use]
    pub fn is_signed_with(&self, key: &str) -> bool {
        let Ok(mut mac) = Hmac::<Sha512>::new_from_slice(key.as_bytes()) else {
            return false;
        };
        mac.update(&self.body);
        let signature = hex::decode(self.header("x-webhook-hmac")).unwrap_or_default();
        self.header("x-webhook-hmac-algorithm") == "sha512" && mac.verify_slice(&signature).is_ok()
    }
}

#[derive(Debug, Default)]
struct Memory {
    calls: Vec<Call>,
    refuse: Vec<u16>,
}

/// A running receiver; it stops listening and closes its connections when the value is dropped.
#[derive(Debug)]
pub struct Receiver {
    memory: Arc<Mutex<Memory>>,
    address: SocketAddr,
    /// The server runs until this is dropped.
    _running: oneshot::Sender<()>,
}

impl Receiver {
    /// Starts a receiver on the loopback address; port 0 picks a free one.
    ///
    /// # Errors
    /// When the port is taken.
    pub async fn start(port: u16) -> Result<Self> {
        let memory = Arc::new(Mutex::new(Memory::default()));
        let listener = TcpListener::bind(("127.0.0.1", port))
            .await
            .with_context(|| format!("the receiver cannot listen on port {port}"))?;
        let address = listener.local_addr()?;
        let router = Router::new().fallback(take).with_state(Arc::clone(&memory));
        let (running, ended) = oneshot::channel::<()>();
        // Aborting the server's task would leave the tasks of its connections.
        let server = axum::serve(listener, router).with_graceful_shutdown(async {
            // The error says that the sender is dropped.
            let _ = ended.await;
        });
        tokio::spawn(server.into_future());
        Ok(Self {
            memory,
            address,
            _running: running,
        })
    }

    /// `http://127.0.0.1:PORT`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Answers the next calls with these statuses, one each; later calls get 200.
    pub fn refuse(&self, statuses: &[u16]) {
        lock(&self.memory).refuse.extend_from_slice(statuses);
    }

    /// All calls in order, refused ones included.
    #[must_use]
    pub fn calls(&self) -> Vec<Call> {
        lock(&self.memory).calls.clone()
    }

    /// Maps the calls that were answered with 2xx through `read`, in order.
    pub fn filtered<T>(&self, read: impl Fn(&Call) -> Option<T>) -> Vec<T> {
        lock(&self.memory)
            .calls
            .iter()
            .filter(|call| call.answered < 300)
            .filter_map(read)
            .collect()
    }

    /// Waits for a call that was answered with 2xx.
    ///
    /// # Errors
    /// When none comes within `limit`; the error shows the bodies of all calls that came.
    pub async fn until_call(
        &self,
        what: &str,
        limit: Duration,
        wanted: impl Fn(&Call) -> bool,
    ) -> Result<Call> {
        let came = until(what, limit, async || {
            Ok(self
                .calls()
                .into_iter()
                .find(|call| call.answered < 300 && wanted(call)))
        });
        came.await.with_context(|| {
            format!(
                "webhooks that came: {:?}",
                self.calls()
                    .iter()
                    .map(|call| call.json.to_string())
                    .collect::<Vec<_>>()
            )
        })
    }
}

fn lock(memory: &Mutex<Memory>) -> MutexGuard<'_, Memory> {
    memory.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn take(
    State(memory): State<Arc<Mutex<Memory>>>,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> StatusCode {
    let mut memory = lock(&memory);
    let answered = if memory.refuse.is_empty() {
        200
    } else {
        memory.refuse.remove(0)
    };
    let json = serde_json::from_slice(&body).unwrap_or(Value::Null);
    memory.calls.push(Call {
        path: uri.path().into(),
        headers,
        body,
        json,
        answered,
    });
    StatusCode::from_u16(answered).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_published_test_vector_of_the_signature_holds_and_another_key_does_not() {
        let mut headers = HeaderMap::new();
        let signature = "208f8a55dde9e05519e898b10b89bf0d0b3b0fdf11fdbf09b6b90476301b98d8097c462b2b17a6ce93b6b47a136cf2e78a33a63f6752c2c1631777076153fa89";
        headers.insert("x-webhook-hmac", signature.parse().expect("a header"));
        headers.insert(
            "x-webhook-hmac-algorithm",
            "sha512".parse().expect("a header"),
        );
        let body =
            Bytes::from_static(br#"{"event":"message","session":"default","engine":"WEBJS"}"#);
        let call = Call {
            path: "/".into(),
            headers,
            body,
            json: Value::Null,
            answered: 200,
        };
        assert!(call.is_signed_with("my-secret-key"));
        assert!(!call.is_signed_with("another-key"));
    }
}
