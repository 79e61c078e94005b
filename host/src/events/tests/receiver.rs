//! A receiver of deliveries: a real server that hangs, refuses or accepts them. The tests of the
//! plugin host use it too.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::{JoinHandle, JoinSet},
};

fn of<T>(all: &Mutex<T>) -> MutexGuard<'_, T> {
    all.lock().unwrap_or_else(PoisonError::into_inner)
}

/// How the receiver answers.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Manner {
    /// With this status.
    Says(u16),
    /// With 200, after this time.
    After(Duration),
    /// Never.
    Hangs,
}

#[derive(Debug)]
struct Shared {
    manner: Mutex<Manner>,
    /// Bodies, as they came.
    calls: Mutex<Vec<String>>,
    /// Bodies that were answered with 200.
    taken: Mutex<Vec<String>>,
}

#[derive(Debug)]
pub(crate) struct Receiver {
    shared: Arc<Shared>,
    address: SocketAddr,
    task: JoinHandle<()>,
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Receiver {
    pub(crate) async fn that(manner: Manner) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let shared = Arc::new(Shared {
            manner: Mutex::new(manner),
            calls: Mutex::default(),
            taken: Mutex::default(),
        });
        let task = tokio::spawn(serve(listener, Arc::clone(&shared)));
        Self {
            shared,
            address,
            task,
        }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn now(&self, manner: Manner) {
        *of(&self.shared.manner) = manner;
    }

    pub(crate) fn calls(&self) -> Vec<String> {
        of(&self.shared.calls).clone()
    }

    pub(crate) fn taken(&self) -> Vec<String> {
        of(&self.shared.taken).clone()
    }
}

async fn serve(listener: TcpListener, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        connections.spawn(answer(stream, Arc::clone(&shared)));
    }
}

/// Serves one call per connection.
async fn answer(mut stream: TcpStream, shared: Arc<Shared>) {
    let mut text = Vec::new();
    let body = loop {
        let mut some = [0; 4096];
        let Ok(read @ 1..) = stream.read(&mut some).await else {
            return;
        };
        text.extend_from_slice(&some[..read]);
        if let Some(body) = whole(&text) {
            break body;
        }
    };
    of(&shared.calls).push(body.clone());
    let manner = *of(&shared.manner);
    let status = match manner {
        Manner::Hangs => return std::future::pending().await,
        Manner::After(time) => {
            tokio::time::sleep(time).await;
            200
        }
        Manner::Says(status) => status,
    };
    if status == 200 {
        of(&shared.taken).push(body);
    }
    let words = format!("HTTP/1.1 {status} x\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
    // The caller may be gone.
    let _ = stream.write_all(words.as_bytes()).await;
}

/// The body, once all of it is there.
fn whole(text: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(text);
    let (head, body) = text.split_once("\r\n\r\n")?;
    let length = head.lines().find_map(|line| {
        line.to_ascii_lowercase()
            .strip_prefix("content-length: ")?
            .parse::<usize>()
            .ok()
    })?;
    (body.len() >= length).then(|| body.to_owned())
}
