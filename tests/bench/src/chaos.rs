//! Clients that retry with their idempotency keys while gateway, browser, renderer and network fail
//! at random: each message arrives once or is reported as not sent, each chat keeps its order, and
//! every client learns the outcome of its message.

use std::{
    collections::{BTreeMap, HashMap},
    net::TcpListener,
    sync::Arc,
    time::Duration,
};

use anyhow::{Context, Result, bail};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use rand::{RngExt, SeedableRng, rngs::StdRng, seq::IndexedRandom};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::{
    task::JoinSet,
    time::{Instant, sleep},
};
use wharf_e2e::{Api, Gateway, House, Plan, api::answer};

use crate::{ours, soak::WAITS};

const CLIENTS: usize = 8;
/// The pause between two messages of a client, so that a run is long enough for many faults.
const THINK: Duration = Duration::from_millis(400);
const RETRY: Duration = Duration::from_millis(100);
/// Time limit for a client to learn the outcome of one message.
const PATIENCE: Duration = Duration::from_secs(180);
const FAULTS: [&str; 4] = [
    "gateway killed",
    "browser killed",
    "renderer killed",
    "network gone",
];

/// The outcome that a client was told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Told {
    Sent,
    NotSent,
    Unknown,
}

pub(crate) async fn run(messages: usize, seed: Option<u64>) -> Result<Value> {
    let seed = seed.unwrap_or_else(rand::random);
    println!(
        "seed {seed}: cargo xtask bench chaos --messages {messages} --seed {seed} repeats the faults"
    );
    // The port is fixed, so that clients find the gateway again after a restart.
    let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
    let overlay = format!("{WAITS}\n[send]\ntimeout = \"5s\"\n");
    let house = Arc::new(
        House::build(Plan {
            overlay,
            ports: (port, 0, 0),
            ..Plan::default()
        })
        .await?,
    );
    let mut gateway = house.open_linked().await?;
    let began = Instant::now();
    let mut clients = JoinSet::new();
    for client in 0..CLIENTS {
        clients.spawn(send_all(
            gateway.api.clone(),
            client,
            messages / CLIENTS + usize::from(client < messages % CLIENTS),
        ));
    }
    let mut random = StdRng::seed_from_u64(seed);
    let (mut told, mut made) = (HashMap::new(), BTreeMap::new());
    while !clients.is_empty() {
        let pause = Duration::from_millis(random.random_range(300..2000));
        tokio::select! {
            Some(client) = clients.join_next() => told.extend(client??),
            () = sleep(pause) => {
                let name = FAULTS.choose(&mut random).copied().context("no fault")?;
                gateway = fault(&house, gateway, name, random.random_range(0..1000)).await?;
                *made.entry(name).or_insert(0) += 1;
            }
        }
    }
    let seconds = began.elapsed().as_secs_f64();
    gateway.stop(ours::STOP).await?;
    Ok(judge(
        &house,
        &told,
        &json!({"bench": "chaos", "seed": seed, "clients": CLIENTS, "faults": made, "seconds": crate::round(seconds)}),
    ))
}

async fn fault(house: &House, mut gateway: Gateway, name: &str, place: usize) -> Result<Gateway> {
    let end = |pids: Vec<i32>| {
        if !pids.is_empty() {
            // It may have ended already.
            let _ = kill(Pid::from_raw(pids[place % pids.len()]), Signal::SIGKILL);
        }
    };
    match name {
        "gateway killed" => {
            gateway.crash().await?;
            return house.open().await;
        }
        "browser killed" => end(gateway.processes.browsers()),
        "renderer killed" => end(gateway.processes.renderers()),
        _ => {
            house.standin.network(false);
            sleep(Duration::from_millis(500)).await;
            house.standin.network(true);
        }
    }
    Ok(gateway)
}

/// One client, which writes to one chat in order. Half of the clients wait for each outcome; the
/// others hand in all messages first.
async fn send_all(api: Api, client: usize, count: usize) -> Result<Vec<(String, Told)>> {
    let number = format!("4915123400{client:02}");
    let bodies: Vec<String> = (0..count).map(|n| format!("{client}/{n}")).collect();
    let mut told = Vec::new();
    if client.is_multiple_of(2) {
        for body in bodies {
            let outcome = wait_for(&api, &number, &body).await?;
            told.push((body, outcome));
            sleep(THINK).await;
        }
        return Ok(told);
    }
    let mut ids = Vec::new();
    for body in &bodies {
        ids.push(hand_in(&api, &number, body).await?);
        sleep(THINK).await;
    }
    for (body, id) in bodies.into_iter().zip(ids) {
        told.push((body, ask(&api, &id).await?));
    }
    Ok(told)
}

async fn post(
    api: &Api,
    number: &str,
    body: &str,
    prefer: Option<&str>,
) -> Result<wharf_e2e::Answer> {
    let mut call = api
        .request(Method::POST, "/api/whatsapp/send")
        .header("Idempotency-Key", body);
    if let Some(prefer) = prefer {
        call = call.header("Prefer", prefer);
    }
    answer(call.json(&json!({"number": number, "message": body}))).await
}

/// Sends a message and repeats the call with its key until the answer is an outcome.
async fn wait_for(api: &Api, number: &str, body: &str) -> Result<Told> {
    let end = Instant::now() + PATIENCE;
    let mut last = String::new();
    while Instant::now() < end {
        match post(api, number, body, None).await {
            Ok(answer) if answer.status == 200 => return Ok(Told::Sent),
            Ok(answer) => {
                let code = answer.json["code"].as_str().unwrap_or_default().to_owned();
                match code.as_str() {
                    "not_sent_in_time" | "page_error" => return Ok(Told::NotSent),
                    "not_ready" | "busy" | "idempotency_in_flight" | "outcome_unknown" => {}
                    _ => bail!("{body}: {answer:?}"),
                }
                last = code;
            }
            Err(error) => last = error.to_string(),
        }
        sleep(RETRY).await;
    }
    if last == "outcome_unknown" {
        Ok(Told::Unknown)
    } else {
        bail!("{body}: no outcome within {PATIENCE:?}; the last answer: {last}")
    }
}

/// Repeats the call with its key until the message is accepted; returns its id.
async fn hand_in(api: &Api, number: &str, body: &str) -> Result<String> {
    let end = Instant::now() + PATIENCE;
    while Instant::now() < end {
        if let Ok(answer) = post(api, number, body, Some("respond-async")).await {
            match answer.status {
                200 | 202 => {
                    return Ok(answer
                        .data("id")
                        .as_str()
                        .with_context(|| format!("no id in {}", answer.json))?
                        .to_owned());
                }
                409 | 500.. => {}
                _ => bail!("{body}: {answer:?}"),
            }
        }
        sleep(RETRY).await;
    }
    bail!("{body}: not accepted within {PATIENCE:?}")
}

/// Asks for a message by its id until it has an outcome.
async fn ask(api: &Api, id: &str) -> Result<Told> {
    let end = Instant::now() + PATIENCE;
    let mut last = None;
    while Instant::now() < end {
        if let Ok(answer) = api.get(&format!("/v1/messages/{id}")).await {
            match answer.json["state"].as_str() {
                Some("sent") => return Ok(Told::Sent),
                Some("not_sent") => return Ok(Told::NotSent),
                Some("unknown") => last = Some(Told::Unknown),
                _ => last = None,
            }
        }
        sleep(RETRY).await;
    }
    last.with_context(|| format!("{id}: no outcome within {PATIENCE:?}"))
}

/// Compares the outcomes that clients were told with the messages that recipients have.
fn judge(house: &House, told: &HashMap<String, Told>, facts: &Value) -> Value {
    let (mut arrived, mut chats): (HashMap<String, usize>, HashMap<String, Vec<usize>>) =
        (HashMap::new(), HashMap::new());
    for message in house
        .standin
        .view()
        .messages
        .into_iter()
        .filter(|message| message.refused.is_none())
    {
        if let Some((client, place)) = message.body.split_once('/') {
            chats
                .entry(client.to_owned())
                .or_default()
                .extend(place.parse::<usize>());
        }
        *arrived.entry(message.body).or_default() += 1;
    }
    let count = |wanted: Told| told.values().filter(|outcome| **outcome == wanted).count();
    let came = |body: &String| arrived.get(body).copied().unwrap_or(0);
    let lost: Vec<_> = told
        .iter()
        .filter(|(body, outcome)| **outcome == Told::Sent && came(body) == 0)
        .map(|(body, _)| body)
        .collect();
    let denied: Vec<_> = told
        .iter()
        .filter(|(body, outcome)| **outcome == Told::NotSent && came(body) > 0)
        .map(|(body, _)| body)
        .collect();
    let doubled: Vec<_> = arrived
        .iter()
        .filter(|(_, count)| **count > 1)
        .map(|(body, _)| body)
        .collect();
    let disordered: Vec<_> = chats
        .iter()
        .filter(|(_, places)| !places.is_sorted())
        .map(|(client, places)| format!("{client}: {places:?}"))
        .collect();
    for (what, bodies) in [
        ("lost", &lost),
        ("said to be not sent, and arrived", &denied),
        ("twice", &doubled),
    ] {
        for body in bodies {
            println!("{what}: {body}");
        }
    }
    for chat in &disordered {
        println!("out of order: {chat}");
    }
    let (sent, not_sent, unknown) = (
        count(Told::Sent),
        count(Told::NotSent),
        count(Told::Unknown),
    );
    println!(
        "{} messages: {sent} sent, {not_sent} not sent, {unknown} unknown; faults {}",
        told.len(),
        facts["faults"]
    );
    let mut result = facts.clone();
    result["messages"] = json!(told.len());
    result["told"] = json!({"sent": sent, "notSent": not_sent, "unknown": unknown});
    result["lost"] = json!(lost.len());
    result["doubled"] = json!(doubled.len());
    result["denied"] = json!(denied.len());
    result["disordered"] = json!(disordered.len());
    let faults = facts["faults"].as_object().map_or(0, serde_json::Map::len);
    result["met"] = json!(
        lost.is_empty()
            && doubled.is_empty()
            && denied.is_empty()
            && disordered.is_empty()
            && faults > 0
    );
    result
}
