//! Malicious webhook receivers.
//!
//! Each is a plain socket, because no HTTP library sends answers as malformed as these. No session
//! is linked: its state changes are events enough.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::{JoinHandle, JoinSet},
};
use wharf_e2e::{Gateway, House, Plan, Receiver, house::BOOT, until};

use super::{Area, held};

/// What the receiver does after the header of a request has arrived.
#[derive(Debug, Clone)]
enum Manner {
    /// Sends these bytes and closes the connection.
    Says(Vec<u8>),
    /// Sends the first text, then the second again and again until the connection is closed.
    Floods(&'static str, Vec<u8>),
    /// Sends an endless status line byte by byte.
    Drips,
    /// Reads the request and does not answer.
    Hangs,
}

struct Odd {
    name: &'static str,
    address: SocketAddr,
    calls: Arc<AtomicUsize>,
    /// Connections that the gateway has closed, or on which everything was sent.
    ended: Arc<AtomicUsize>,
    task: JoinHandle<()>,
}

impl Odd {
    async fn start(name: &'static str, manner: Manner) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let (calls, ended) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let counters = (Arc::clone(&calls), Arc::clone(&ended));
        let task = tokio::spawn(async move {
            let mut open = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let (manner, (calls, ended)) = (manner.clone(), counters.clone());
                open.spawn(async move {
                    // A broken connection is the expected end.
                    let _ = serve(stream, manner, &calls).await;
                    ended.fetch_add(1, Ordering::Relaxed);
                });
            }
        });
        Ok(Self {
            name,
            address,
            calls,
            ended,
            task,
        })
    }

    fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

impl Drop for Odd {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(mut stream: TcpStream, manner: Manner, calls: &AtomicUsize) -> std::io::Result<()> {
    let mut seen = Vec::new();
    while !seen.windows(4).any(|end| end == b"\r\n\r\n") {
        if stream.read_buf(&mut seen).await? == 0 {
            return Ok(());
        }
    }
    calls.fetch_add(1, Ordering::Relaxed);
    match manner {
        Manner::Says(bytes) => stream.write_all(&bytes).await,
        Manner::Floods(head, piece) => {
            stream.write_all(head.as_bytes()).await?;
            loop {
                stream.write_all(&piece).await?;
            }
        }
        Manner::Drips => {
            for byte in b"HTTP/1.1 200 ".iter().chain(std::iter::repeat(&b'x')) {
                stream.write_all(&[*byte]).await?;
                // This pause is the attack and does not wait for anything.
                tokio::time::sleep(std::time::Duration::from_millis(200)).await;
            }
            Ok(())
        }
        Manner::Hangs => loop {
            if stream.read_buf(&mut seen).await? == 0 {
                return Ok(());
            }
        },
    }
}

fn target(name: &str, url: &str) -> String {
    format!(
        "[[plugin.config.targets]]\nname = {name:?}\nurl = \"{url}/hook\"\nretry = {{ policy = \"constant\", delay_seconds = 1, attempts = 100 }}\n"
    )
}

fn plan(targets: &[(&str, String)], private: bool) -> Plan {
    let origins: Vec<&String> = targets.iter().map(|(_, url)| url).collect();
    let tables: String = targets
        .iter()
        .map(|(name, url)| target(name, url))
        .collect();
    let overlay = format!(
        "[delivery]\ntimeout = \"2s\"\n[[plugin]]\nname = \"webhook\"\ngrants = {{ http = {origins:?}, http_private = {private} }}\n{tables}"
    );
    Plan {
        overlay,
        ..Plan::default()
    }
}

/// Waits until the gateway reports a receiver as failing; returns the reason.
async fn failing(gateway: &Gateway, target: &str) -> Result<String> {
    let told = until(&format!("{target} is said to fail"), BOOT, async || {
        let receivers = gateway
            .api
            .get("/v1/deliveries/receivers")
            .await?
            .expect(200)?
            .json;
        let of_it = |one: &&Value| one["target"] == target && one["failing"]["reason"].is_string();
        Ok(receivers["receivers"]
            .as_array()
            .and_then(|all| all.iter().find(of_it))
            .cloned())
    })
    .await
    .with_context(|| format!("its log:\n{}", gateway.log().tail()))?;
    ensure!(
        told["pending"].as_u64() > Some(0) && told["dead"] == 0,
        "nothing of it is lost: {told}"
    );
    Ok(told["failing"]["reason"]
        .as_str()
        .unwrap_or_default()
        .to_owned())
}

#[tokio::test]
async fn a_receiver_that_means_harm_costs_a_bounded_call_and_no_other_receiver() -> Result<()> {
    let inner = Receiver::start(0).await?;
    let moved = format!(
        "HTTP/1.1 307 Temporary Redirect\r\nLocation: {}/stolen\r\nContent-Length: 0\r\n\r\n",
        inner.url()
    );
    let endless = "HTTP/1.1 200 OK\r\nContent-Length: 100000000000\r\n\r\n";
    let odd = [
        Odd::start("elsewhere", Manner::Says(moved.into_bytes())).await?,
        Odd::start(
            "header-flood",
            Manner::Floods(
                "HTTP/1.1 200 OK\r\n",
                format!("X-More: {}\r\n", "x".repeat(8000)).into_bytes(),
            ),
        )
        .await?,
        Odd::start("no-http", Manner::Says(vec![0xff; 4096])).await?,
        Odd::start("hangs", Manner::Hangs).await?,
        Odd::start("drips", Manner::Drips).await?,
    ];
    let flood = Odd::start("body-flood", Manner::Floods(endless, vec![b'x'; 65536])).await?;
    let good = Receiver::start(0).await?;
    let mut targets: Vec<(&str, String)> = odd
        .iter()
        .chain([&flood])
        .map(|one| (one.name, one.url()))
        .collect();
    targets.push(("good", good.url()));
    let house = House::build(plan(&targets, true)).await?;
    let gateway = house.open().await?;
    gateway.api.until_qr(BOOT).await?;
    good.until_call("the receiver that means well", BOOT, |call| {
        call.event() == "session.status"
    })
    .await?;

    for one in &odd {
        let reason = failing(&gateway, one.name).await?;
        let words = match one.name {
            "elsewhere" => "307",
            "hangs" | "drips" => "no answer within 2s",
            _ => "",
        };
        ensure!(
            reason.contains(words) && !reason.is_empty() && reason.len() <= 500,
            "{}: {reason:?}",
            one.name
        );
        ensure!(
            one.calls.load(Ordering::Relaxed) > 0,
            "{} was not called",
            one.name
        );
    }
    ensure!(
        inner.calls().is_empty(),
        "a redirect was followed: {:?}",
        inner.calls()
    );
    // The status was received, so the event counts as delivered and the rest of the body is not
    // waited for.
    until("the end of a flood", BOOT, async || {
        Ok((flood.ended.load(Ordering::Relaxed) > 0).then_some(()))
    })
    .await?;
    let delivered = gateway
        .api
        .get("/v1/deliveries?state=delivered&target=body-flood")
        .await?
        .expect(200)?
        .json;
    ensure!(
        delivered["deliveries"]
            .as_array()
            .is_some_and(|all| !all.is_empty()),
        "{delivered}"
    );
    gateway.stop(BOOT).await?;
    held(
        Area::Receivers,
        "a redirect to an internal server",
        "the redirect is not followed; the delivery is tried again",
    )?;
    held(
        Area::Receivers,
        "an answer with an endless header",
        "the call ends; the delivery is tried again",
    )?;
    held(
        Area::Receivers,
        "an answer that is not HTTP",
        "the call ends; the delivery is tried again",
    )?;
    held(
        Area::Receivers,
        "no answer, or an answer that is sent one byte at a time",
        "`[delivery] timeout` ends the call, however much was received; the delivery is tried again",
    )?;
    held(
        Area::Receivers,
        "an answer with a body of 100 GB",
        "the gateway reads 64 KiB and closes the connection; the status of the answer decides",
    )?;
    held(
        Area::Receivers,
        "all of these at the same time, beside a receiver that works",
        "the receiver that works gets each event",
    )
}

#[tokio::test]
async fn a_target_inside_is_not_called_without_the_grant() -> Result<()> {
    let inner = Receiver::start(0).await?;
    let port = inner.url().rsplit(':').next().context("a port")?.to_owned();
    let hosts = [
        ("literal", "127.0.0.1"),
        ("by-name", "localhost"),
        ("mapped", "[::ffff:7f00:1]"),
        ("decimal", "2130706433"),
        ("short", "127.1"),
    ];
    let targets: Vec<(&str, String)> = hosts
        .iter()
        .map(|(name, host)| (*name, format!("http://{host}:{port}")))
        .collect();
    let house = House::build(plan(&targets, false)).await?;
    let gateway = house.open().await?;
    for (name, host) in hosts {
        let reason = failing(&gateway, name).await?;
        ensure!(reason.contains("private network"), "{host}: {reason:?}");
    }
    ensure!(inner.calls().is_empty(), "{:?}", inner.calls());
    gateway.stop(BOOT).await?;
    held(
        Area::Receivers,
        "a target on this machine, by address, by name and in three other spellings",
        "without `http_private` no connection is made, and the reason of the delivery says so",
    )
}
