//! Generates load: each connection sends its next request when the previous one was answered.
//!
//! The client shares the machine with the server, so it does as little as possible: it builds the
//! bytes of a request by hand and reads only status and length of an answer.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::JoinSet,
};

/// The server under load.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Target {
    /// The gateway's API, called without waiting for the outcome.
    Wharf,
    /// The peer, which answers after the send. It gets few different recipients, because each new
    /// one costs it a look-up.
    Peer,
}

impl Target {
    fn request(self) -> String {
        const TEXT: &str =
            "Your order 48213 is on its way and will be there tomorrow between 9 and 12.";
        let (path, prefer, body) = match self {
            Self::Wharf => {
                // There are ten million recipients, so hardly any occurs twice.
                let number = 4_915_100_000_000_u64 + u64::from(rand::random::<u32>() % 10_000_000);
                (
                    "/v1/sessions/default/messages",
                    "Prefer: respond-async\r\n",
                    format!(r#"{{"to":"{number}","text":"{TEXT}"}}"#),
                )
            }
            Self::Peer => {
                let number = 4_915_100_000_000_u64 + u64::from(rand::random::<u32>() % 20);
                (
                    "/send",
                    "",
                    format!(r#"{{"number":"{number}","message":"{TEXT}"}}"#),
                )
            }
        };
        let length = body.len();
        format!(
            "POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n{prefer}Content-Length: {length}\r\n\r\n{body}"
        )
    }

    fn accepted(self) -> u16 {
        match self {
            Self::Wharf => 202,
            Self::Peer => 200,
        }
    }
}

/// The result of a run.
#[derive(Debug, Clone, Default)]
pub(crate) struct Figures {
    /// The number of accepted requests.
    pub(crate) accepted: u64,
    /// Accepted requests per second.
    pub(crate) rate: f64,
    /// Median latency in milliseconds.
    pub(crate) p50: f64,
    /// The 99th percentile of the latency in milliseconds.
    pub(crate) p99: f64,
    /// The number of requests that were not accepted.
    pub(crate) refused: u64,
}

/// Sends over `connections` connections for `time`.
pub(crate) async fn run(
    port: u16,
    target: Target,
    connections: usize,
    time: Duration,
) -> Result<Figures> {
    let mut tasks = JoinSet::new();
    let began = Instant::now();
    let until = began + time;
    for _ in 0..connections {
        tasks.spawn(connection(port, target, until));
    }
    let (mut took, mut refused) = (Vec::new(), 0);
    while let Some(done) = tasks.join_next().await {
        let (times, other) = done??;
        took.extend(times);
        refused += other;
    }
    let seconds = began.elapsed().as_secs_f64();
    took.sort_unstable();
    let at = |share: f64| {
        took.get(((took.len() as f64 * share) as usize).min(took.len().saturating_sub(1)))
            .map_or(0.0, |time| *time as f64 / 1000.0)
    };
    Ok(Figures {
        accepted: took.len() as u64,
        rate: took.len() as f64 / seconds,
        p50: at(0.5),
        p99: at(0.99),
        refused,
    })
}

async fn connection(port: u16, target: Target, until: Instant) -> Result<(Vec<u32>, u64)> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))
        .await
        .context("connect")?;
    stream.set_nodelay(true)?;
    let (mut took, mut refused) = (Vec::with_capacity(1 << 14), 0);
    let mut buffer = vec![0; 16 << 10];
    while Instant::now() < until {
        let request = target.request();
        let began = Instant::now();
        stream.write_all(request.as_bytes()).await?;
        if answer(&mut stream, &mut buffer).await? == target.accepted() {
            took.push(u32::try_from(began.elapsed().as_micros()).unwrap_or(u32::MAX));
        } else {
            refused += 1;
        }
    }
    Ok((took, refused))
}

/// Reads one answer completely and returns its status.
async fn answer(stream: &mut TcpStream, buffer: &mut [u8]) -> Result<u16> {
    let mut filled = 0;
    loop {
        let read = stream.read(&mut buffer[filled..]).await?;
        if read == 0 {
            bail!("the server closed the connection");
        }
        filled += read;
        let Some(head) = buffer[..filled]
            .windows(4)
            .position(|four| four == b"\r\n\r\n")
        else {
            continue;
        };
        let text = std::str::from_utf8(&buffer[..head])?;
        let status = text
            .get(9..12)
            .and_then(|status| status.parse().ok())
            .context("no status")?;
        let length = text.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.eq_ignore_ascii_case("content-length")
                .then(|| value.trim().parse::<usize>().ok())
                .flatten()
        });
        let end = head + 4 + length.context("no content-length")?;
        while filled < end {
            let read = stream.read(&mut buffer[filled..]).await?;
            if read == 0 {
                bail!("the answer broke off");
            }
            filled += read;
        }
        return Ok(status);
    }
}
