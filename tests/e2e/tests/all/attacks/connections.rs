//! Connections: too many, too slow, or silent.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use reqwest::Method;
use tokio::time::{Instant, sleep, timeout};
use wharf_e2e::{Api, House, api, until};

use super::{
    Area, held,
    wire::{KEY, Wire, keyed, status},
};

/// Raises the limit of open files, because the tests open more connections than the default allows.
fn many_descriptors() -> Result<()> {
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    setrlimit(Resource::RLIMIT_NOFILE, soft.max(hard.min(8192)), hard)?;
    Ok(())
}

#[tokio::test]
async fn silent_connections_keep_nobody_out() -> Result<()> {
    many_descriptors()?;
    let house = House::build(keyed(
        "[server]\nmax_connections = 1000\nheader_timeout = '5m'\nidle_timeout = '5m'",
    ))
    .await?;
    let gateway = house.open().await?;
    let mut silent = Vec::new();
    for n in 0..1300 {
        let mut wire = Wire::open(&gateway).await?;
        match n % 3 {
            0 => {}
            1 => {
                wire.say(b"GET /v1/sessions HTTP/1.1\r\nHost: x\r\nX-Slow: ")
                    .await?
            }
            // Sends a request and then nothing more.
            _ => wire.say(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n").await?,
        }
        silent.push(wire);
    }
    for _ in 0..20 {
        // Each client has its own connection.
        let fresh = Api::new(&gateway.api.url)?;
        fresh.get("/livez").await?.expect(200)?;
        fresh.get("/readyz").await?.expect(200)?;
        api::answer(
            Api::new(&gateway.api.url)?
                .request(Method::GET, "/v1/sessions")
                .bearer_auth(KEY),
        )
        .await?
        .expect(200)?;
    }
    drop(silent);
    let log = gateway.stop_for_log(Duration::from_secs(20)).await?;
    log.lacks(&["cannot be accepted"])
        .context("it ran out of descriptors")?;
    held(
        Area::Connections,
        "1,300 connections without a key, silent, with half a header or idle, when 1,000 may be open",
        "the gateway closes the oldest of them, first those without a complete header; it answers probes and calls with a key at once",
    )
}

/// When a connection must be closed whose time-out is 1 or 2 seconds. The default time-outs are
/// longer, so that ignored settings are noticed.
const IN_TIME: Duration = Duration::from_secs(5);

/// Checks that a connection was closed by a `header_timeout` of one second.
fn in_time(began: Instant) -> Result<()> {
    let took = began.elapsed();
    ensure!(
        (Duration::from_millis(900)..IN_TIME).contains(&took),
        "closed after {took:?}"
    );
    Ok(())
}

#[tokio::test]
async fn what_takes_its_time_is_closed() -> Result<()> {
    let house = House::build(keyed(
        "[server]\nheader_timeout = '1s'\nidle_timeout = '2s'",
    ))
    .await?;
    let gateway = house.open().await?;

    let began = Instant::now();
    let mut dripping = Wire::open(&gateway).await?;
    dripping.say(b"GET /livez HTTP/1.1\r\nX-Slow: ").await?;
    let dripped = timeout(Duration::from_secs(30), async {
        while dripping.say(b"x").await.is_ok() {
            sleep(Duration::from_millis(50)).await;
        }
    });
    ensure!(
        dripped.await.is_ok(),
        "a header that never ends is read for ever"
    );
    in_time(began)?;
    held(
        Area::Connections,
        "a request header that is sent one byte at a time",
        "the connection is closed after `header_timeout`, however steadily the bytes come",
    )?;

    let began = Instant::now();
    let mut silent = Wire::open(&gateway).await?;
    ensure!(silent.rest().await?.is_empty());
    in_time(began)?;
    held(
        Area::Connections,
        "a connection on which nothing is sent",
        "the connection is closed after `header_timeout`, without an answer",
    )?;

    let mut resting = Wire::open(&gateway).await?;
    for _ in 0..3 {
        resting
            .say(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n")
            .await?;
        ensure!(status(&resting.answer().await?) == 200);
        // Longer than `header_timeout`, which does not apply to a resting connection.
        sleep(Duration::from_millis(1200)).await;
    }
    // 1.2 of the 2 seconds have passed.
    let began = Instant::now();
    ensure!(resting.rest().await?.is_empty());
    ensure!(began.elapsed() < IN_TIME, "{:?}", began.elapsed());
    held(
        Area::Connections,
        "a connection that stays idle after its answer",
        "the connection is closed after `idle_timeout`",
    )?;

    // A stop waits for requests that are being answered, not for connections without one.
    let _silent = Wire::open(&gateway).await?;
    let began = Instant::now();
    ensure!(gateway.stop(Duration::from_secs(20)).await?.success());
    ensure!(
        began.elapsed() < Duration::from_secs(14),
        "a silent connection held up the stop"
    );
    Ok(())
}

#[tokio::test]
async fn while_all_are_at_work_probes_are_answered() -> Result<()> {
    let house = House::build(keyed("[server]\nmax_connections = 8\nbody_timeout = '5m'")).await?;
    let gateway = house.open().await?;
    let mut working = Vec::new();
    for _ in 0..8 {
        // The client that waited for the gateway's start still has a resting connection, which
        // makes room only when it is old enough.
        let mut wire = until("a place", Duration::from_secs(30), async || {
            let mut wire = Wire::open(&gateway).await?;
            wire.say(
                format!("GET /v1/sessions HTTP/1.1\r\nHost: x\r\nX-Api-Key: {KEY}\r\n\r\n")
                    .as_bytes(),
            )
            .await?;
            Ok((status(&wire.answer().await?) == 200).then_some(wire))
        })
        .await?;
        let head = format!(
            "POST /api/whatsapp/send HTTP/1.1\r\nHost: x\r\nX-Api-Key: {KEY}\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n{{"
        );
        wire.say(head.as_bytes()).await?;
        working.push(wire);
    }
    let call = async |path: &str| {
        api::answer(
            Api::new(&gateway.api.url)?
                .request(Method::GET, path)
                .bearer_auth(KEY),
        )
        .await
    };
    let refused = until("a full gateway", Duration::from_secs(30), async || {
        Ok(Some(call("/v1/sessions").await?).filter(|answer| answer.status == 503))
    });
    let refused = refused.await?;
    ensure!(
        refused.json["code"] == "too_many_connections" && !refused.header("retry-after").is_empty(),
        "{}",
        refused.json
    );
    for probe in ["/livez", "/readyz", "/health", "/metrics"] {
        call(probe).await?.expect(200)?;
    }
    for wire in &mut working {
        wire.say(b"\"a\": 1} ").await?;
        ensure!(
            status(&wire.answer().await?) == 400,
            "what was at work was cut off"
        );
    }
    until("room again", Duration::from_secs(30), async || {
        Ok((call("/v1/sessions").await?.status == 200).then_some(()))
    })
    .await?;
    held(
        Area::Connections,
        "as many calls with a key in progress as connections may be open",
        "none of them is cut off; other calls get 503 `too_many_connections` with `Retry-After`; probes and metrics are answered on connections that are reserved for them",
    )
}

#[tokio::test]
async fn an_answer_that_nobody_takes_is_cut_off() -> Result<()> {
    let house = House::build(keyed(
        "[server]\nanswer_timeout = '1s'\nidle_timeout = '5m'\nheader_timeout = '5m'",
    ))
    .await?;
    let gateway = house.open().await?;
    let mut greedy = Wire::open(&gateway).await?;
    let ask = format!("GET /metrics HTTP/1.1\r\nHost: x\r\nX-Api-Key: {KEY}\r\n\r\n");
    // Sends requests and reads nothing: soon the buffers of both sides are full.
    let cut = timeout(Duration::from_secs(45), async {
        while greedy.say(ask.repeat(64).as_bytes()).await.is_ok() {}
    });
    ensure!(cut.await.is_ok(), "it is waited for for ever");
    held(
        Area::Connections,
        "a caller that keeps sending requests and reads no answer",
        "the connection is closed after `answer_timeout`",
    )
}

#[tokio::test]
async fn without_a_descriptor_left_accepting_goes_on() -> Result<()> {
    let house = House::build(keyed("[server]\nheader_timeout = '5m'")).await?;
    let gateway = house.open().await?;
    let pid = gateway.pid()?;
    let open = std::fs::read_dir(format!("/proc/{pid}/fd"))?.count();
    // As on a system that has run out of descriptors, the gateway gets fewer than it expected.
    let limit = format!("--nofile={}:", open + 10);
    let done = tokio::process::Command::new("prlimit")
        .args(["--pid", &pid.to_string(), &limit])
        .status()
        .await?;
    ensure!(done.success(), "prlimit (util-linux) is needed");
    let mut silent = Vec::new();
    for _ in 0..40 {
        silent.push(Wire::open(&gateway).await?);
    }
    gateway
        .until_log("the want of descriptors", Duration::from_secs(30), |line| {
            line.contains("cannot be accepted")
        })
        .await?;
    for _ in 0..3 {
        Api::new(&gateway.api.url)?
            .get("/livez")
            .await?
            .expect(200)?;
    }
    drop(silent);
    let log = gateway.stop_for_log(Duration::from_secs(20)).await?;
    let lines = log.lines().into_iter();
    let said = lines.filter(|line| line.contains("cannot be accepted"));
    let said = said.count();
    ensure!(said <= 2, "it is said {said} times");
    held(
        Area::Connections,
        "more silent connections than the system gives file descriptors",
        "the gateway closes them, the oldest first, and continues to accept connections; it logs the shortage once a minute",
    )
}
