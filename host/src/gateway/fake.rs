//! A program that listens on a port of its own and answers as a test says: the gateway, or any
//! other.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
    task::JoinHandle,
};

use super::local::LocalGateway;
use crate::config::{Config, Sources};

/// The key in the environment of the commands that ask.
const KEY: &str = "0123456789abcdef";

/// See the module. It ends when this is dropped.
pub(super) struct FakeProgram {
    port: u16,
    /// The heads of the requests.
    requests: Arc<Mutex<Vec<String>>>,
    task: JoinHandle<()>,
}

impl FakeProgram {
    /// Starts it. `answer` maps a path, without its query, to a whole HTTP response.
    pub(super) async fn start(answer: impl Fn(&str) -> String + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&requests);
        let task = tokio::spawn(async move {
            while let Ok((mut connection, _)) = listener.accept().await {
                let mut head = Vec::new();
                while !head.ends_with(b"\r\n\r\n") {
                    match connection.read_u8().await {
                        Ok(byte) => head.push(byte),
                        Err(_) => break,
                    }
                }
                let head = String::from_utf8_lossy(&head).into_owned();
                let answer = answer(&path(&head));
                seen.lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .push(head);
                // Fails if the command has gone away.
                let _ = connection.write_all(answer.as_bytes()).await;
                let _ = connection.shutdown().await;
            }
        });
        Self {
            port,
            requests,
            task,
        }
    }

    /// A configuration whose gateway would listen here.
    pub(super) fn config(&self) -> Config {
        let mut config = Config::default();
        config.server.port = self.port;
        config
    }

    /// An environment with a key.
    pub(super) fn sources() -> Sources {
        let mut sources = Sources::default();
        sources
            .variables
            .insert("WHARF_API_KEY".into(), KEY.to_owned());
        sources
    }

    pub(super) fn gateway(&self) -> LocalGateway {
        LocalGateway::of(&self.config(), &Self::sources()).expect("a client")
    }

    /// The paths that were requested.
    pub(super) fn asked(&self) -> Vec<String> {
        self.heads().iter().map(|head| path(head)).collect()
    }

    /// The paths that were requested with the key.
    pub(super) fn keys_received(&self) -> Vec<String> {
        let heads = self.heads();
        let with_key = heads.iter().filter(|head| head.contains(KEY));
        with_key.map(|head| path(head)).collect()
    }

    fn heads(&self) -> Vec<String> {
        self.requests
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

impl Drop for FakeProgram {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// The path of a request's head, without its query.
fn path(head: &str) -> String {
    let target = head.split(' ').nth(1).unwrap_or_default();
    target.split('?').next().unwrap_or_default().to_owned()
}

/// A response with this status and body.
pub(super) fn json(status: u16, body: &str) -> String {
    let length = body.len();
    format!(
        "HTTP/1.1 {status} \r\ncontent-type: application/json\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
    )
}
