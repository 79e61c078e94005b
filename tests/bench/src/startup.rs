//! Measures the time from the start of the process to the first QR code, and from a restart to
//! ready, with a sync of 400 ms. The gateway's and the peer's rounds alternate, so that other work
//! of the machine affects both alike.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};
use serde_json::{Value, json};
use wharf_e2e::{Gateway, House, house::BOOT};
use wharf_standin::{Options, Settings, Standin};

use crate::{median, ours, peer::Peer, round};

/// The duration of the stand-in's sync in milliseconds.
const SYNC: u64 = 400;
const TARGET: f64 = 0.7;
/// Milliseconds of a day.
const DAY: f64 = 86_400_000.0;

#[derive(Default)]
struct Times {
    qr: Vec<f64>,
    ready: Vec<f64>,
}

pub(crate) async fn run(rounds: usize) -> Result<Value> {
    let (mut ours, mut theirs) = (Times::default(), Times::default());
    // The very first start compiles the plugins and keeps the code, so it is not measured.
    gateway(&mut Times::default()).await?;
    for n in 1..=rounds {
        gateway(&mut ours).await?;
        peer(&mut theirs).await?;
        println!(
            "round {n}: QR {:>5.0} ms, peer {:>5.0} ms; ready {:>5.0} ms, peer {:>5.0} ms",
            ours.qr[n - 1],
            theirs.qr[n - 1],
            ours.ready[n - 1],
            theirs.ready[n - 1]
        );
    }
    let row = |times: Times| (median(times.qr), median(times.ready));
    let ((our_qr, our_ready), (peer_qr, peer_ready)) = (row(ours), row(theirs));
    let (qr, ready) = (round(our_qr / peer_qr), round(our_ready / peer_ready));
    println!(
        "median: QR {our_qr:.0} ms, {qr} of the peer's {peer_qr:.0} ms; ready {our_ready:.0} ms, {ready} of the peer's {peer_ready:.0} ms"
    );
    Ok(json!({
        "bench": "startup", "unit": "ms from the start of the process, median", "rounds": rounds, "syncDelay": SYNC,
        "ours": {"qr": our_qr, "ready": our_ready}, "peer": {"qr": peer_qr, "ready": peer_ready},
        "ratio": {"qr": qr, "ready": ready}, "target": TARGET, "met": qr <= TARGET && ready <= TARGET,
    }))
}

/// The time in milliseconds since the epoch.
fn now() -> Result<f64> {
    Ok(SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs_f64() * 1000.0)
}

async fn gateway(times: &mut Times) -> Result<()> {
    let house = ours::house(1, "", SYNC, "").await?;
    let (gateway, qr) = timed(&house, "qr_ready").await?;
    times.qr.push(qr);
    ours::link(&house, &gateway, 1).await?;
    gateway.stop(ours::STOP).await?;
    let (gateway, ready) = timed(&house, "ready").await?;
    times.ready.push(ready);
    gateway.stop(ours::STOP).await?;
    Ok(())
}

/// Starts the gateway and returns the milliseconds until the session entered `state`, by the time
/// stamp in its log.
async fn timed(house: &House, state: &str) -> Result<(Gateway, f64)> {
    let began = now()?;
    let gateway = house.open().await?;
    let entered = |line: &str| {
        let line: Value = serde_json::from_str(line).ok()?;
        (line["message"] == "session" && line["after"] == state)
            .then(|| line["timestamp"].as_str().map(ToOwned::to_owned))?
    };
    let line = gateway
        .until_log(state, BOOT, |line| entered(line).is_some())
        .await?;
    let at = entered(&line).context("a time stamp")?;
    let at = millis_of_day(&at).context("an RFC 3339 time")?;
    // Also where midnight is in between.
    Ok((gateway, (at - began).rem_euclid(DAY)))
}

/// The milliseconds since midnight of a time such as `2026-01-02T03:04:05.678901Z`.
fn millis_of_day(text: &str) -> Option<f64> {
    let time = text.split_once('T')?.1.trim_end_matches('Z');
    let mut parts = time.splitn(3, ':').map(|part| part.parse::<f64>().ok());
    let (hours, minutes, seconds) = (parts.next()??, parts.next()??, parts.next()??);
    Some(((hours * 60.0 + minutes) * 60.0 + seconds) * 1000.0)
}

async fn peer(times: &mut Times) -> Result<()> {
    let settings = Settings {
        sync_delay: SYNC,
        ..Settings::default()
    };
    let standin = Standin::start(Options {
        tls_port: Some(0),
        settings,
        ..Options::default()
    })
    .await?;
    let data = tempfile::tempdir()?;
    let began = now()?;
    let mut peer = Peer::start(&standin, data.path(), 1)?;
    let qr = peer.event("qr").await?;
    times.qr.push(qr["at"].as_f64().context("a time")? - began);
    standin
        .scan(qr["qr"].as_str(), wharf_standin::Account::default())
        .await?;
    peer.event("ready").await?;
    // Chromium writes a new login to the disk only after a few seconds.
    tokio::time::sleep(Duration::from_secs(3)).await;
    peer.stop().await?;
    let began = now()?;
    let mut peer = Peer::start(&standin, data.path(), 1)?;
    let ready = peer.event("ready").await?;
    times
        .ready
        .push(ready["at"].as_f64().context("a time")? - began);
    peer.stop().await
}
