//! Benchmarks of the running gateway; several of them measure unmodified whatsapp-web.js in the
//! same run. Each prints a table and, as its last line, JSON with its figures and whether the
//! target is met.

mod chaos;
mod hooks;
mod hostile;
mod machine;
mod memory;
mod ours;
mod page;
mod peer;
mod plugin_start;
mod soak;
mod startup;
mod swap;

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};
use serde_json::Value;

/// Measures the gateway.
#[derive(Debug, Parser)]
struct Args {
    #[command(subcommand)]
    bench: Bench,
}

#[derive(Debug, Subcommand)]
enum Bench {
    /// Measures the time from the start of the process to a QR code, and from a restart to ready.
    Startup {
        /// Rounds; the median counts.
        #[arg(long, default_value_t = 7)]
        rounds: usize,
    },
    /// Measures the private memory of 1, 2 and 4 sessions.
    Memory {
        /// The gateway's `[browser]` settings instead of the defaults, e.g. `kind = "headless"`.
        #[arg(long)]
        browser: Option<String>,
    },
    /// Measures sends through the page, and many messages received in one chat.
    Page {
        /// Rounds; their sends are counted together.
        #[arg(long, default_value_t = 3)]
        rounds: usize,
        /// Messages that arrive in one chat.
        #[arg(long, default_value_t = 2000)]
        received: usize,
    },
    /// Lets clients retry with their keys while everything fails at random.
    Chaos {
        /// Messages of all eight clients together.
        #[arg(long, default_value_t = 500)]
        messages: usize,
        /// The seed of a run to be repeated.
        #[arg(long)]
        seed: Option<u64>,
    },
    /// Measures a plugin that behaves well, alone and beside hostile ones.
    Hostile {
        /// How long each of both is measured, in seconds.
        #[arg(long, default_value_t = 10)]
        seconds: u64,
        /// Callers of each hostile plugin.
        #[arg(long, default_value_t = 4)]
        callers: usize,
    },
    /// Sends messages in both directions during random faults.
    Soak {
        /// How long faults are caused.
        #[arg(long, default_value_t = 5.0)]
        minutes: f64,
        /// The seed of a run to be repeated.
        #[arg(long)]
        seed: Option<u64>,
    },
    /// Measures one rule as plugins of several languages, and in other ways.
    Hooks {
        /// Turns; in each, all are called.
        #[arg(long, default_value_t = 20)]
        rounds: usize,
        /// Calls of each in one turn.
        #[arg(long, default_value_t = 200)]
        calls: usize,
    },
    /// Measures the start of the plugin host with the bundled plugins and a warm cache.
    PluginStart {
        /// Starts that are measured.
        #[arg(long, default_value_t = 20)]
        rounds: usize,
    },
    /// Exchanges two plugins again and again while they are called.
    Swap {
        /// How long.
        #[arg(long, default_value_t = 10)]
        seconds: u64,
    },
}

#[tokio::main]
async fn main() -> Result<ExitCode> {
    let result = match Args::parse().bench {
        Bench::Startup { rounds } => startup::run(rounds.max(1)).await?,
        Bench::Memory { browser } => memory::run(browser.as_deref()).await?,
        Bench::Page { rounds, received } => page::run(rounds.max(1), received).await?,
        Bench::Chaos { messages, seed } => chaos::run(messages, seed).await?,
        Bench::Hostile { seconds, callers } => hostile::run(seconds.max(1), callers).await?,
        Bench::Soak { minutes, seed } => soak::run(minutes, seed).await?,
        Bench::Hooks { rounds, calls } => hooks::run(rounds.max(1), calls.max(1)).await?,
        Bench::PluginStart { rounds } => plugin_start::run(rounds.max(1)).await?,
        Bench::Swap { seconds } => swap::run(seconds).await?,
    };
    println!("{result}");
    Ok(if result["met"] == Value::Bool(true) {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// The median; of two middle values the lower one.
fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values
        .get(values.len().saturating_sub(1) / 2)
        .copied()
        .unwrap_or(f64::NAN)
}

/// Rounds to two digits after the point, which is more than the measurement's precision.
fn round(value: f64) -> f64 {
    (value * 100.0).round() / 100.0
}
