//! Three sessions with messages in both directions while a fault happens every few seconds: nothing
//! may be lost, doubled or leaked.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use rand::{RngExt, SeedableRng, rngs::StdRng, seq::IndexedRandom};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::{
    task::JoinHandle,
    time::{Instant, sleep},
};
use wharf_e2e::{Gateway, House, api::answer, until};
use wharf_standin::Inbound;

use crate::{machine, median, ours};

const SESSIONS: usize = 3;
const PAUSE: Duration = Duration::from_millis(250);
/// Time limit for all accepted messages to arrive and all incoming ones to be reported.
const SETTLE: Duration = Duration::from_secs(180);
/// Delays are short, so that many faults fit into minutes.
pub(crate) const WAITS: &str = r#"
[sessions]
health_interval = "1s"
stable_after = "1s"
offline_grace = "500ms"
first_delay = "500ms"
retry_delay = "1s"
max_attempts = 1000
[whatsapp]
call_timeout = "5s"
boot_timeout = "20s"
sync_timeout = "10s"
"#;

const FAULTS: [&str; 6] = [
    "renderer killed",
    "browser killed",
    "network gone for a second",
    "connection dropped",
    "page reloaded",
    "session restarted",
];

/// The messages that were accepted and that arrived.
#[derive(Default)]
struct Traffic {
    accepted: Vec<String>,
    arrived: Vec<String>,
}

pub(crate) async fn run(minutes: f64, seed: Option<u64>) -> Result<Value> {
    let seed = seed.unwrap_or_else(rand::random);
    println!(
        "seed {seed}: cargo xtask bench soak --minutes {minutes} --seed {seed} repeats the faults"
    );
    let house = Arc::new(ours::house(SESSIONS, "", 300, WAITS).await?);
    let mut gateway = house.open().await?;
    ours::link(&house, &gateway, SESSIONS).await?;
    let pid = gateway.pid()?;

    let stop = Arc::new(AtomicBool::new(false));
    let mut sides: Vec<JoinHandle<Result<Traffic>>> = Vec::new();
    for n in 1..=SESSIONS {
        sides.push(tokio::spawn(send(
            gateway.api.clone(),
            n,
            Arc::clone(&stop),
        )));
        sides.push(tokio::spawn(receive(
            Arc::clone(&house),
            n,
            Arc::clone(&stop),
        )));
    }
    // A warm-up, so that every path has been used once.
    sleep(Duration::from_secs(10)).await;
    let (files, processes) = (machine::files(pid)?, gateway.processes.alive().len());
    let (made, memory) = break_things(&house, &mut gateway, minutes, seed).await?;
    stop.store(true, Ordering::Relaxed);
    let mut traffic = Traffic::default();
    for side in sides {
        let side = side.await??;
        traffic.accepted.extend(side.accepted);
        traffic.arrived.extend(side.arrived);
    }
    for n in 1..=SESSIONS {
        ours::until_ready(&gateway, n, SETTLE).await?;
    }
    let (lost, doubled) = settle(&house, &traffic).await;
    let (files_after, processes_after) = leftovers(&mut gateway, pid, files, processes).await?;
    gateway.stop(ours::STOP).await?;

    let quarter = (memory.len() / 4).max(1);
    let (start, end) = (
        median(memory[..quarter].to_vec()),
        median(memory[memory.len() - quarter..].to_vec()),
    );
    let flat = end <= start * 1.2 + 8.0;
    let leaked = files_after > files + 8 || processes_after > processes;
    for (name, count) in &made {
        println!("{count:>5} x {name}");
    }
    println!(
        "{} sends accepted, {} messages arrived; lost {lost}, doubled {doubled}",
        traffic.accepted.len(),
        traffic.arrived.len()
    );
    println!(
        "open files {files} -> {files_after}, processes {processes} -> {processes_after}, gateway memory {start:.1} -> {end:.1} MB"
    );
    Ok(json!({
        "bench": "soak", "minutes": minutes, "seed": seed, "sessions": SESSIONS, "faults": made,
        "sent": traffic.accepted.len(), "received": traffic.arrived.len(), "lost": lost, "doubled": doubled,
        "files": [files, files_after], "processes": [processes, processes_after], "gatewayMegabytes": [crate::round(start), crate::round(end)],
        "met": lost == 0 && doubled == 0 && !leaked && flat && !made.is_empty(),
    }))
}

/// Sends messages until `stop`; each call is retried with its key until it is accepted.
async fn send(api: wharf_e2e::Api, n: usize, stop: Arc<AtomicBool>) -> Result<Traffic> {
    let mut traffic = Traffic::default();
    for count in 0.. {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        let body = format!("out {n}/{count}");
        let path = format!("/api/whatsapp/send?clientId={}", ours::name(n));
        let message = json!({"number": format!("4915{n}0000{:04}", count % 50), "message": body});
        loop {
            let call = api
                .request(Method::POST, &path)
                .header("Prefer", "respond-async")
                .header("Idempotency-Key", &body)
                .json(&message);
            match answer(call).await {
                Ok(answer) if (200..300).contains(&answer.status) => break,
                Ok(answer) => ensure!(answer.status == 409 || answer.status >= 500, "{answer:?}"),
                Err(_) => {}
            }
            sleep(PAUSE).await;
        }
        traffic.accepted.push(body);
        sleep(PAUSE).await;
    }
    Ok(traffic)
}

/// Sends messages to an account until `stop`.
async fn receive(house: Arc<House>, n: usize, stop: Arc<AtomicBool>) -> Result<Traffic> {
    let mut traffic = Traffic::default();
    for count in 0.. {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        let body = format!("in {n}/{count}");
        let from = format!("4917{n}0000{:04}", count % 20);
        house.standin.inbound(Inbound {
            from,
            body: body.clone(),
            account: Some(ours::number(n)),
            ..Inbound::default()
        })?;
        traffic.arrived.push(body);
        sleep(PAUSE).await;
    }
    Ok(traffic)
}

/// Causes faults until the time is over; returns the number of each, and the gateway's memory in
/// megabytes over time.
async fn break_things(
    house: &House,
    gateway: &mut Gateway,
    minutes: f64,
    seed: u64,
) -> Result<(HashMap<&'static str, u32>, Vec<f64>)> {
    let mut random = StdRng::seed_from_u64(seed);
    let end = Instant::now() + Duration::from_secs_f64(minutes * 60.0);
    let (mut made, mut memory) = (HashMap::new(), Vec::new());
    while Instant::now() < end {
        let name = FAULTS.choose(&mut random).copied().context("no fault")?;
        let session = random.random_range(1..=SESSIONS);
        let place = random.random_range(0..1000);
        fault(house, gateway, name, session, place).await?;
        *made.entry(name).or_default() += 1;
        sleep(Duration::from_millis(random.random_range(2000..5000))).await;
        memory.push(megabytes(machine::private(gateway.pid()?)?));
    }
    Ok((made, memory))
}

#[expect(
    clippy::cast_precision_loss,
    reason = "bytes of memory are far below 2^53"
)]
fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}

async fn fault(
    house: &House,
    gateway: &mut Gateway,
    name: &str,
    session: usize,
    place: usize,
) -> Result<()> {
    let end = |pids: Vec<i32>| {
        if !pids.is_empty() {
            // It may have ended already.
            let _ = kill(Pid::from_raw(pids[place % pids.len()]), Signal::SIGKILL);
        }
    };
    match name {
        "renderer killed" => end(gateway.processes.renderers()),
        "browser killed" => end(gateway.processes.browsers()),
        "network gone for a second" => {
            house.standin.network(false);
            sleep(Duration::from_secs(1)).await;
            house.standin.network(true);
        }
        "connection dropped" => house.standin.network(true),
        "page reloaded" => house
            .standin
            .push(Some(&ours::number(session)), json!({"type": "navigate"})),
        _ => {
            gateway
                .api
                .post_nothing(&format!("/v1/sessions/{}/restart", ours::name(session)))
                .await?
                .expect(200)?;
        }
    }
    Ok(())
}

/// Waits until every message has arrived; returns how many were lost and how many were doubled.
async fn settle(house: &House, traffic: &Traffic) -> (usize, usize) {
    let missing = |have: &HashMap<String, usize>, wanted: &[String]| {
        wanted
            .iter()
            .filter(|body| !have.contains_key(*body))
            .count()
    };
    let through = until("everything through", SETTLE, async || {
        let lost =
            missing(&arrived(house), &traffic.accepted) + missing(&told(house), &traffic.arrived);
        Ok((lost == 0).then_some(()))
    });
    if let Err(error) = through.await {
        println!("{error}");
    }
    let (arrived, told) = (arrived(house), told(house));
    for body in traffic
        .accepted
        .iter()
        .filter(|body| !arrived.contains_key(*body))
        .chain(
            traffic
                .arrived
                .iter()
                .filter(|body| !told.contains_key(*body)),
        )
    {
        println!("lost: {body}");
    }
    let doubled = arrived
        .iter()
        .chain(&told)
        .filter(|(_, count)| **count > 1)
        .inspect(|(body, count)| println!("{count} times: {body}"))
        .count();
    (
        missing(&arrived, &traffic.accepted) + missing(&told, &traffic.arrived),
        doubled,
    )
}

/// The bodies that recipients have, with the number of different messages of each.
fn arrived(house: &House) -> HashMap<String, usize> {
    let mut all = HashMap::new();
    for message in house
        .standin
        .view()
        .messages
        .into_iter()
        .filter(|message| message.refused.is_none())
    {
        *all.entry(message.body).or_default() += 1;
    }
    all
}

/// The bodies that webhooks reported, with the number of different events of each.
fn told(house: &House) -> HashMap<String, usize> {
    let mut events: HashMap<String, Vec<String>> = HashMap::new();
    for call in house
        .receiver
        .calls()
        .into_iter()
        .filter(|call| call.event() == "message")
    {
        let ids = events
            .entry(
                call.json["payload"]["body"]
                    .as_str()
                    .unwrap_or_default()
                    .to_owned(),
            )
            .or_default();
        let id = call.json["id"].to_string();
        if !ids.contains(&id) {
            ids.push(id);
        }
    }
    events
        .into_iter()
        .map(|(body, ids)| (body, ids.len()))
        .collect()
}

/// The number of open files and processes, after up to 20 s for processes that are just ending.
async fn leftovers(
    gateway: &mut Gateway,
    pid: i32,
    files: usize,
    processes: usize,
) -> Result<(usize, usize)> {
    let mut now = (machine::files(pid)?, gateway.processes.alive().len());
    for _ in 0..20 {
        if now.0 <= files && now.1 <= processes {
            break;
        }
        sleep(Duration::from_secs(1)).await;
        now = (machine::files(pid)?, gateway.processes.alive().len());
    }
    Ok(now)
}
