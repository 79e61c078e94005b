//! The rule as an HTTP callback: a server on this machine, and one connection that is kept.

use std::sync::Arc;

use anyhow::{Result, ensure};
use axum::{Json, Router, extract::State, routing::post};
use serde_json::{Value, json};
use tokio::{net::TcpListener, task::JoinHandle};

use super::{TEXT, is_banned};

/// The server and its client. The server ends when this is dropped.
pub(super) struct Callback {
    client: reqwest::Client,
    url: String,
    server: JoinHandle<std::io::Result<()>>,
}

impl Drop for Callback {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn validate(
    State(words): State<Arc<Vec<String>>>,
    Json(message): Json<Value>,
) -> Json<Value> {
    let banned = is_banned(&words, message["text"].as_str().unwrap_or_default());
    Json(if banned {
        json!({"verdict": "reject", "code": "banned_word"})
    } else {
        json!({"verdict": "allow"})
    })
}

impl Callback {
    pub(super) async fn start(words: Vec<String>) -> Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let url = format!("http://{}/validate", listener.local_addr()?);
        let router = Router::new()
            .route("/validate", post(validate))
            .with_state(Arc::new(words));
        let server = tokio::spawn(async move { axum::serve(listener, router).await });
        let client = reqwest::Client::builder()
            .no_proxy()
            .tcp_nodelay(true)
            .build()?;
        Ok(Self {
            client,
            url,
            server,
        })
    }

    /// One request and its answer.
    pub(super) async fn ask(&self) -> Result<()> {
        let message = json!({"to": "4915123456789@c.us", "text": TEXT});
        let answer = self.client.post(&self.url).json(&message).send().await?;
        let answer: Value = answer.json().await?;
        ensure!(
            answer["verdict"] == "allow",
            "the message is not allowed: {answer}"
        );
        Ok(())
    }
}
