//! One send through the page, and many received in one chat: the gateway beside unmodified
//! whatsapp-web.js behind Express and beside the bare page call, all on one stand-in, webhooks on.
//!
//! Everybody is kept running and measured in turn, round by round, so that whatever else the
//! machine does falls on all.

mod contender;
mod inbound;

use anyhow::Result;
use serde_json::{Value, json};
use wharf_standin::Account;

use crate::{median, ours, round};
use contender::{Bare, Contender, Express, Figures, Gate};

/// What is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// The page has stored it.
    Stored,
    /// WhatsApp's server has it.
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
/// One client at a time, and all of them. Enough that a page cannot put off most of its work until
/// after the run.
const SENDS: [(usize, usize); 2] = [(1, 400), (CLIENTS, 320)];
/// Ours to the bare call's median, one client.
const TO_BARE: f64 = 1.4;
/// Ours to the peer's sends a second, one client and all of them.
const TO_PEER: [f64; 2] = [1.5, 1.3];
/// Ours to the peer's processor time a send.
const CPU: f64 = 0.7;
const PEER: &str = "4915170000002";
const BARE: &str = "4915170000003";

pub(crate) async fn run(rounds: usize, received: usize) -> Result<Value> {
    // Of a quicker sync the peer misses its ready.
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

/// Prints a row of the table and judges it.
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

/// The account that the gateway is linked to.
fn our_account() -> String {
    Account {
        pn: ours::number(1),
        ..Account::default()
    }
    .pn
}

/// The growth of the time that equal parts take.
fn growth(parts: &[f64]) -> f64 {
    let half = parts.len() / 2;
    median(parts[half..].to_vec()) / median(parts[..half].to_vec())
}
