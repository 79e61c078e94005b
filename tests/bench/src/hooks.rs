//! What a hook costs: one rule (no message may contain a banned word) as a plugin in Rust, in
//! JavaScript and in Python, as a native function, as a Node function in a worker thread, and as an
//! HTTP callback, beside the floor under every plugin call (`wharf::plugins::Floor`).
//!
//! All run in one process and in turns, so that other work of the machine affects them alike. What
//! counts are the ratios of one turn.

mod callback;
mod host;
mod worker;

use std::{hint::black_box, time::Instant};

use anyhow::{Result, anyhow};
use serde_json::{Value, json};
use wharf::plugins::Floor;

use self::{callback::Callback, host::Host, worker::Worker};
use crate::{median, round};

/// The text of the message that all are asked about.
const TEXT: &str = "Good morning Ada! Your order 4711 will arrive on Tuesday between 9 and 12 o'clock. Reply MOVE to choose another day.";
const WORDS: [&str; 3] = ["lottery", "casino", "prize"];

/// Target: p50 of a full call of the Rust plugin beside the floor.
const FULL: f64 = 2.0;
/// Target: its p99 beside its p50.
const TAIL: f64 = 10.0;

/// The names of the rows whose ratios have targets.
const FLOOR: &str = "bare instance, empty call";
const RUST: &str = "plugin in Rust";

/// The calls of one contender, in microseconds.
struct Row {
    name: &'static str,
    all: Vec<f64>,
    /// The median of each turn.
    medians: Vec<f64>,
    /// The most memory of an instance, in bytes.
    memory: Option<u64>,
}

impl Row {
    fn new(name: &'static str) -> Self {
        Self {
            name,
            all: Vec::new(),
            medians: Vec::new(),
            memory: None,
        }
    }

    fn add(&mut self, turn: Vec<f64>) {
        self.medians.push(median(turn.clone()));
        self.all.extend(turn);
    }

    /// The smallest value that is not exceeded by `percent` percent.
    fn percentile(&self, percent: usize) -> f64 {
        let mut sorted = self.all.clone();
        sorted.sort_by(f64::total_cmp);
        let rank = (sorted.len() * percent).div_ceil(100).max(1);
        sorted.get(rank - 1).copied().unwrap_or(f64::NAN)
    }

    /// The median of the ratios of the turns.
    fn beside(&self, other: &Self) -> f64 {
        let ratios = self.medians.iter().zip(&other.medians);
        median(ratios.map(|(this, other)| this / other).collect())
    }
}

/// The rule, natively.
fn is_banned(words: &[String], text: &str) -> bool {
    let text = text.to_lowercase();
    words.iter().any(|word| text.contains(word.as_str()))
}

/// The durations of these many calls, in microseconds.
async fn timed(calls: usize, mut call: impl AsyncFnMut() -> Result<()>) -> Result<Vec<f64>> {
    let mut took = Vec::with_capacity(calls);
    for _ in 0..calls {
        let began = Instant::now();
        call().await?;
        took.push(began.elapsed().as_secs_f64() * 1e6);
    }
    Ok(took)
}

pub(crate) async fn run(rounds: usize, calls: usize) -> Result<Value> {
    // As in a gateway, where every call is counted.
    let _metrics = wharf::telemetry::start_metrics();
    let floor = Floor::new().map_err(|error| anyhow!(error))?;
    let hosts = host::hosts().await?;
    let words: Vec<String> = WORDS.map(str::to_owned).to_vec();
    let callback = Callback::start(words.clone()).await?;
    let mut node = Worker::start(&words)?;
    let names = hosts.iter().map(|host| host.name);
    let mut rows: Vec<Row> = [FLOOR]
        .into_iter()
        .chain(names)
        .chain([
            "native function in Rust",
            "Node worker thread",
            "HTTP callback",
        ])
        .map(Row::new)
        .collect();
    // The first turn fills caches and is not counted.
    for turn in 0..=rounds {
        let mut taken = vec![
            timed(calls, async || {
                floor.call().await.map_err(|error| anyhow!(error))
            })
            .await?,
        ];
        for host in &hosts {
            taken.push(timed(calls, async || host.validate().await).await?);
        }
        taken.push(
            timed(calls, async || {
                anyhow::ensure!(!is_banned(black_box(&words), black_box(TEXT)));
                Ok(())
            })
            .await?,
        );
        taken.push(node.calls(calls).await?);
        taken.push(timed(calls, async || callback.ask().await).await?);
        if turn > 0 {
            for (row, turn) in rows.iter_mut().zip(taken) {
                row.add(turn);
            }
        }
    }
    for row in &mut rows {
        if let Some(host) = hosts.iter().find(|host| host.name == row.name) {
            row.memory = Some(host.memory().await?);
        }
    }
    let parts = instantiation(&hosts, calls).await?;
    node.stop().await?;
    Ok(report(&rows, parts, rounds))
}

/// The median time of a full call in which the instance of the Rust plugin is made, and that of the
/// whole call, in microseconds.
async fn instantiation(hosts: &[Host], calls: usize) -> Result<Option<(f64, f64)>> {
    match hosts.iter().find(|host| host.name == RUST) {
        Some(host) => host.parts(calls).await.map(Some),
        None => Ok(None),
    }
}

fn report(rows: &[Row], parts: Option<(f64, f64)>, rounds: usize) -> Value {
    let floor = rows.iter().find(|row| row.name == FLOOR);
    let rust = rows.iter().find(|row| row.name == RUST);
    println!(
        "\n{:<28}{:>12}{:>12}{:>10}{:>12}{:>12}{:>12}",
        "", "p50 µs", "p99 µs", "p99/p50", "× floor", "× Rust", "memory MiB"
    );
    let mut figures = Vec::new();
    for row in rows {
        let (p50, p99) = (row.percentile(50), row.percentile(99));
        let beside = |other: Option<&Row>| other.map_or(f64::NAN, |other| row.beside(other));
        let (of_floor, of_rust) = (beside(floor), beside(rust));
        #[expect(clippy::cast_precision_loss, reason = "memory has far fewer bytes")]
        let memory = row.memory.map(|bytes| bytes as f64 / f64::from(1 << 20));
        let shown = memory.map_or_else(|| "–".to_owned(), |memory| format!("{memory:.2}"));
        println!(
            "{:<28}{p50:>12.2}{p99:>12.2}{:>10.1}{of_floor:>12.3}{of_rust:>12.3}{shown:>12}",
            row.name,
            p99 / p50
        );
        figures.push(json!({
            "name": row.name, "p50Micros": round(p50), "p99Micros": round(p99), "calls": row.all.len(),
            "timesFloor": of_floor, "timesRust": of_rust, "memoryBytes": row.memory,
        }));
    }
    let full = match (rust, floor) {
        (Some(rust), Some(floor)) => rust.beside(floor),
        _ => f64::NAN,
    };
    let tail = rust.map_or(f64::NAN, |rust| rust.percentile(99) / rust.percentile(50));
    println!(
        "\na full call of the plugin in Rust takes {full:.2} times the floor (target {FULL}); its p99 is {tail:.1} times its p50 (target {TAIL})"
    );
    if let Some((instance, whole)) = parts {
        println!(
            "making its instance takes {instance:.1} of {whole:.1} µs: without a single call, {:.2} of the whole",
            instance / whole
        );
    }
    json!({
        "bench": "hooks", "rounds": rounds, "figures": figures, "timesFloor": full, "tail": tail,
        "instanceMicros": parts.map(|parts| round(parts.0)), "observedMicros": parts.map(|parts| round(parts.1)),
        "met": full <= FULL && tail <= TAIL,
    })
}
