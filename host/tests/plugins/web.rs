//! A real HTTP server that answers by the path: as a service that plugins ask, and as one that
//! misbehaves.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::{JoinHandle, JoinSet},
};

/// See the module. It ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Web {
    port: u16,
    asked: Arc<AtomicUsize>,
    task: JoinHandle<()>,
}

impl Drop for Web {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Web {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let asked = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&asked);
        let task = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                connections.spawn(serve(stream, Arc::clone(&counter)));
            }
        });
        Self { port, asked, task }
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn origin(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// The number of requests so far.
    pub(crate) fn asked(&self) -> usize {
        self.asked.load(Ordering::Relaxed)
    }
}

/// Serves one request. The caller may go away at any time.
async fn serve(mut stream: TcpStream, asked: Arc<AtomicUsize>) {
    let mut text = Vec::new();
    let end = loop {
        let mut some = [0; 4096];
        let Ok(read @ 1..) = stream.read(&mut some).await else {
            return;
        };
        text.extend_from_slice(&some[..read]);
        if let Some(end) = text.windows(4).position(|four| four == b"\r\n\r\n") {
            break end + 4;
        }
    };
    asked.fetch_add(1, Ordering::Relaxed);
    let head = String::from_utf8_lossy(&text[..end]).to_ascii_lowercase();
    let length: usize = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length: ")?.parse().ok())
        .unwrap_or(0);
    let mut got = text.len() - end;
    while got < length {
        let mut some = [0; 4096];
        let Ok(read @ 1..) = stream.read(&mut some).await else {
            return;
        };
        got += read;
    }
    let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
    let close = "connection: close\r\n";
    let whole = |status: &str, more: &str, body: &str| {
        format!(
            "HTTP/1.1 {status}\r\n{close}{more}content-length: {}\r\n\r\n{body}",
            body.len()
        )
    };
    let answer = match path.as_str() {
        "/ok" => whole("200 ok", "", "hello"),
        "/late" => {
            tokio::time::sleep(Duration::from_millis(300)).await;
            whole("200 ok", "", "late")
        }
        "/missing" => whole("404 no", "", "nothing"),
        "/redirect" => whole("302 found", "location: /ok\r\n", ""),
        "/traceparent" | "/host" | "/user-agent" | "/authorization" => {
            let name = format!("{}: ", &path[1..]);
            let value = head.lines().find_map(|line| line.strip_prefix(&name));
            whole("200 ok", "", value.unwrap_or("none"))
        }
        "/length" => whole("200 ok", "", &got.to_string()),
        "/large" => whole("200 ok", "", &"x".repeat((1 << 20) + 1)),
        "/most" => whole("200 ok", "", &"x".repeat(1 << 20)),
        "/headers" => whole("200 ok", &format!("x-much: {}\r\n", "v".repeat(40_000)), ""),
        "/no-http" => "this is no HTTP\r\n\r\n".into(),
        "/cut" => format!("HTTP/1.1 200 ok\r\n{close}content-length: 100\r\n\r\nnot all"),
        "/silent" => return std::future::pending().await,
        "/endless" => {
            let head = format!("HTTP/1.1 200 ok\r\n{close}transfer-encoding: chunked\r\n\r\n");
            if stream.write_all(head.as_bytes()).await.is_err() {
                return;
            }
            let chunk = format!("{:x}\r\n{}\r\n", 4096, "y".repeat(4096));
            while stream.write_all(chunk.as_bytes()).await.is_ok() {}
            return;
        }
        "/drip" => {
            let head = format!("HTTP/1.1 200 ok\r\n{close}content-length: 100000\r\n\r\n");
            if stream.write_all(head.as_bytes()).await.is_err() {
                return;
            }
            while stream.write_all(b"z").await.is_ok() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            return;
        }
        _ => whole("500 what", "", ""),
    };
    let _ = stream.write_all(answer.as_bytes()).await;
    let _ = stream.shutdown().await;
}
