//! Measures sends through the page, and many messages received in one chat: the gateway beside
//! unmodified whatsapp-web.js behind Express and beside the bare page call, all on one stand-in
//! with webhooks enabled.
//!
//! All of them keep running and are measured in turn, round by round, so that other work of the
//! machine affects all alike.

mod contender;
mod inbound;

use anyhow::Result;
use serde_json::{Value, json};

use crate::{median, ours, round};
use contender::{Bare, Contender, Express, Figures, Gate};

/// What a send waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// The page has stored the message.
    Stored,
    /// WhatsApp's server has acknowledged the message.
    Acked,
}

impl Stage {
    const fn name(self) -> &'static str {
        match self {
            Self::Stored => "stored in the page",
            Self::Acked => "acknowledged",
        }
    }
}

const CLIENTS: usize = 16;
/// Pairs of clients and sends. There are enough sends that a page cannot put off most of its work
/// until after the run.
const SENDS: [(usize, usize); 2] = [(1, 400), (CLIENTS, 320)];
/// Target: our median latency relative to the bare call's, with one client.
const TO_BARE: f64 = 1.4;
/// Targets: our sends per second relative to the peer's, with one client and with all.
const TO_PEER: [f64; 2] = [1.5, 1.3];
/// Target: our processor time per send relative to the peer's.
const CPU: f64 = 0.7;
const PEER: &str = "4915170000002";
const BARE: &str = "4915170000003";

pub(crate) async fn run(rounds: usize, received: usize) -> Result<Value> {
    // With a quicker sync the peer would miss its ready event.
    let house = ours::house(1, "", 600, "").await?;
    let gateway = house.open().await?;
    ours::link(&house, &gateway, 1).await?;
    let mut gate = Gate::new(&gateway)?;
    let mut peer = Express::start(&house.standin, PEER).await?;
    let mut bare = Bare::start(&house.standin, BARE).await?;
    for all in [&mut gate as &mut dyn Contender, &mut peer, &mut bare] {
        all.run(CLIENTS, 64, Stage::Stored).await?;
    }
    let mut rows = Vec::new();
    let mut met = true;
    for stage in [Stage::Stored, Stage::Acked] {
        for (at, (clients, sends)) in SENDS.into_iter().enumerate() {
            let mut all = [Figures::default(), Figures::default(), Figures::default()];
            for _ in 0..rounds {
                all[0].add(gate.run(clients, sends, stage).await?);
                all[1].add(peer.run(clients, sends, stage).await?);
                all[2].add(bare.run(clients, sends, stage).await?);
            }
            let row = compare(&all, clients, stage, at);
            met &= row["met"] == true;
            rows.push(row);
        }
    }
    bare.stop().await?;
    let inbound = inbound::run(&house, &peer, received).await?;
    met &= inbound["met"] == true;
    peer.stop().await?;
    gateway.stop(ours::STOP).await?;
    Ok(json!({
        "bench": "page", "rounds": rounds, "sends": rows, "inbound": inbound,
        "target": {"p50ToBare": TO_BARE, "rateToPeer": TO_PEER, "cpuToPeer": CPU}, "met": met,
    }))
}

/// Prints the rows of the table for one load and compares them with the targets.
fn compare(all: &[Figures; 3], clients: usize, stage: Stage, at: usize) -> Value {
    if at == 0 {
        println!(
            "\n{}: {:>8} {:>9} {:>9} {:>9} {:>12} {:>16}",
            stage.name(),
            "clients",
            "p50 ms",
            "p99 ms",
            "sends/s",
            "CPU ms/send",
            "without browser"
        );
    }
    for (name, figures) in ["wharf", "whatsapp-web.js", "bare call"].iter().zip(all) {
        println!(
            "  {name:<22} {clients:>4} {:>9.1} {:>9.1} {:>9.0} {:>12.1} {:>16.1}",
            figures.quantile(0.5),
            figures.quantile(0.99),
            figures.rate(),
            figures.cpu(),
            figures.own()
        );
    }
    let [ours, peer, bare] = all;
    let (to_bare, to_peer, cpu) = (
        ours.quantile(0.5) / bare.quantile(0.5),
        ours.rate() / peer.rate(),
        ours.cpu() / peer.cpu(),
    );
    let met = (clients > 1 || to_bare <= TO_BARE) && to_peer >= TO_PEER[at] && cpu <= CPU;
    let row = |figures: &Figures| json!({"p50": round(figures.quantile(0.5)), "p99": round(figures.quantile(0.99)), "rate": round(figures.rate()), "cpu": round(figures.cpu()), "own": round(figures.own())});
    json!({
        "until": stage.name(), "clients": clients, "ours": row(ours), "peer": row(peer), "bare": row(bare),
        "ratio": {"p50ToBare": round(to_bare), "rateToPeer": round(to_peer), "cpuToPeer": round(cpu)}, "met": met,
    })
}

/// The median time of the later half of the parts, relative to the earlier half.
fn growth(parts: &[f64]) -> f64 {
    let half = parts.len() / 2;
    median(parts[half..].to_vec()) / median(parts[..half].to_vec())
}
