//! Tests of connections over real sockets, with a router of their own.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use axum::{body::Bytes, routing::get};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::{Notify, oneshot},
    task::JoinHandle,
    time::timeout,
};

use super::*;
use crate::config::{ByteSize, Millis, Server};

const ASK: &[u8] = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n";

struct Running {
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    server: JoinHandle<io::Result<()>>,
    /// Lets the request to `/slow` be answered.
    go_on: Arc<Notify>,
}

async fn start() -> Running {
    let settings = Server {
        header_timeout: Millis(300),
        idle_timeout: Millis(300),
        body_timeout: Millis(300),
        body_rate: ByteSize(1 << 20),
        ..Server::default()
    };
    let go_on = Arc::new(Notify::new());
    let slow = Arc::clone(&go_on);
    let router = Router::new()
        .route(
            "/",
            get(|| async { "quick" }).post(|body: Bytes| async move { body.len().to_string() }),
        )
        .route("/slow", get(|| async move { slow.notified().await }));
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("port");
    let address = listener.local_addr().expect("address");
    let (stop, stopped) = oneshot::channel::<()>();
    let server = tokio::spawn(async move {
        serve(
            listener,
            router,
            &settings,
            async move { drop(stopped.await) },
        )
        .await
    });
    Running {
        address,
        stop,
        server,
        go_on,
    }
}

impl Running {
    async fn say(&self, bytes: &[u8]) -> TcpStream {
        let mut stream = TcpStream::connect(self.address).await.expect("connected");
        stream.write_all(bytes).await.expect("sent");
        stream
    }
}

/// Everything received until the server closes the connection.
async fn rest(stream: &mut TcpStream) -> String {
    let mut all = Vec::new();
    let read = timeout(Duration::from_secs(20), stream.read_to_end(&mut all))
        .await
        .expect("it is closed");
    drop(read);
    String::from_utf8_lossy(&all).into_owned()
}

#[tokio::test]
async fn a_slow_answer_is_not_cut_off_by_any_deadline_of_its_caller() {
    let running = start().await;
    let began = Instant::now();
    let mut slow = running.say(b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n").await;
    // A later connection that is idle is closed meanwhile, which shows that the deadlines apply.
    let mut idle = running.say(ASK).await;
    assert!(rest(&mut idle).await.contains("quick"));
    let mut silent = running.say(b"").await;
    assert_eq!(rest(&mut silent).await, "");
    assert!(
        began.elapsed() >= Duration::from_millis(500),
        "both had their time"
    );
    running.go_on.notify_one();
    assert!(
        rest(&mut slow).await.starts_with("HTTP/1.1 200"),
        "and then it may rest, and is closed"
    );
}

#[tokio::test]
async fn a_header_has_its_time_from_its_first_byte() {
    let running = start().await;
    let mut wire = running.say(ASK).await;
    let dripping = async {
        for byte in b"GET / HTTP/1.1\r\nX-Long: "
            .iter()
            .chain(std::iter::repeat(&b'x'))
        {
            if wire.write_all(&[*byte]).await.is_err() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(Duration::from_secs(20), dripping)
        .await
        .expect("it is closed");
}

#[tokio::test]
async fn a_stop_waits_for_answers_and_for_nobody_who_might_ask() {
    let running = start().await;
    let _silent = running.say(b"GET / HTT").await;
    let mut slow = running.say(b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n").await;
    let mut idle = running.say(ASK).await;
    let mut first = [0; 12];
    idle.read_exact(&mut first).await.expect("its answer");
    running.stop.send(()).expect("it runs");
    let _ = rest(&mut idle).await;
    assert!(!running.server.is_finished(), "an answer is still to come");
    running.go_on.notify_one();
    let answer = rest(&mut slow).await;
    assert!(
        answer.starts_with("HTTP/1.1 200") && answer.contains("connection: close"),
        "{answer}"
    );
    timeout(Duration::from_secs(20), running.server)
        .await
        .expect("it ends")
        .expect("no panic")
        .expect("well");
}

#[tokio::test]
async fn a_body_has_its_time_and_more_for_what_has_come() {
    let running = start().await;
    let mut whole = running
        .say(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 6\r\n\r\nabc")
        .await;
    whole.write_all(b"def").await.expect("sent");
    assert!(rest(&mut whole).await.ends_with('6'));
    let mut stalled = running
        .say(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 6\r\n\r\nabc")
        .await;
    let answer = rest(&mut stalled).await;
    assert!(answer.starts_with("HTTP/1.1 4"), "{answer}");
}

#[tokio::test]
async fn requests_may_follow_each_other_without_waiting() {
    let running = start().await;
    let mut wire = running.say(&ASK.repeat(3)).await;
    assert_eq!(rest(&mut wire).await.matches("quick").count(), 3);
}
