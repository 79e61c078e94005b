//! Benches against the running binary, beside unmodified whatsapp-web.js on the same stand-in in
//! the same run. Each prints a table and, as its last line, JSON with its figures and whether the
//! target is met.

mod chaos;
mod machine;
mod memory;
mod ours;
mod page;
mod peer;
mod soak;
mod startup;

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
    /// From the start of the process to a QR, and from a restart to ready.
    Startup {
        /// Rounds of each; the median counts.
        #[arg(long, default_value_t = 7)]
        rounds: usize,
    },
    /// Private memory with 1, 2 and 4 sessions.
    Memory {
        /// `[browser]` settings of ours, e.g. `kind = "headless"`, in place of the defaults.
        #[arg(long)]
        browser: Option<String>,
    },
    /// One send through the page, and many received in one chat.
    Page {
        /// Rounds of each; their sends count together.
        #[arg(long, default_value_t = 3)]
        rounds: usize,
        /// Messages that arrive in one chat.
        #[arg(long, default_value_t = 2000)]
        received: usize,
    },
    /// Clients that retry with their keys while everything fails at random.
    Chaos {
        /// From eight clients together.
        #[arg(long, default_value_t = 500)]
        messages: usize,
        /// Of a run to be repeated.
        #[arg(long)]
        seed: Option<u64>,
    },
    /// Messages both ways through random faults.
    Soak {
        /// How long faults are made.
        #[arg(long, default_value_t = 5.0)]
        minutes: f64,
        /// Of a run to be repeated.
        #[arg(long)]
        seed: Option<u64>,
    },
}

#[tokio::main]
async fn main() -> Result<ExitCode> {
    let result = match Args::parse().bench {
        Bench::Startup { rounds } => startup::run(rounds.max(1)).await?,
        Bench::Memory { browser } => memory::run(browser.as_deref()).await?,
        Bench::Page { rounds, received } => page::run(rounds.max(1), received).await?,
        Bench::Chaos { messages, seed } => chaos::run(messages, seed).await?,
        Bench::Soak { minutes, seed } => soak::run(minutes, seed).await?,
    };
    println!("{result}");
    Ok(if result["met"] == Value::Bool(true) {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// The middle one; the lower of two.
fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values
        .get(values.len().saturating_sub(1) / 2)
        .copied()
        .unwrap_or(f64::NAN)
}

/// Two digits after the point are more than can be believed.
fn round(value: f64) -> f64 {
    (value * 100.0).round() / 100.0
}
