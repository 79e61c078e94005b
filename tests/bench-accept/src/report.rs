//! Prints the results: a table for people and a line of JSON for programs.

use std::collections::BTreeMap;

use anyhow::Result;
use serde_json::{Value, json};

use crate::load::Figures;

/// Target: durable accepts per second with 64 connections.
const WANTED_RATE: f64 = 10_000.0;
/// Target: 99th percentile of the latency with 64 connections, in milliseconds.
const WANTED_P99: f64 = 30.0;
/// Target: the rate relative to the same server without a database.
const WANTED_SHARE: f64 = 0.7;
/// Target: that share with a full table, relative to the share with an empty one.
const WANTED_FLAT: f64 = 0.8;

const PEER: &str = "Express, whatsapp-web.js";

/// A server and the number of its connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Cell {
    pub(crate) server: &'static str,
    pub(crate) connections: usize,
}

#[derive(Debug, Default)]
pub(crate) struct Report {
    cells: BTreeMap<Cell, Vec<Figures>>,
    peer: Vec<(usize, Result<Figures>)>,
}

/// The median over the runs; each figure is taken by itself.
fn median(runs: &[Figures], of: impl Fn(&Figures) -> f64) -> f64 {
    let mut all: Vec<f64> = runs.iter().map(of).collect();
    all.sort_by(f64::total_cmp);
    all.get(all.len() / 2).copied().unwrap_or(0.0)
}

impl Report {
    pub(crate) fn add(&mut self, cell: Cell, figures: Figures) {
        self.cells.entry(cell).or_default().push(figures);
    }

    pub(crate) fn peer(&mut self, connections: usize, figures: Result<Figures>) {
        self.peer.push((connections, figures));
    }

    fn of(&self, server: &'static str, connections: usize) -> (f64, f64, f64) {
        let runs = self
            .cells
            .get(&Cell {
                server,
                connections,
            })
            .map_or(&[][..], Vec::as_slice);
        (
            median(runs, |run| run.rate),
            median(runs, |run| run.p50),
            median(runs, |run| run.p99),
        )
    }

    /// The median of the ratios of consecutive runs, because other work of the machine affects both
    /// runs alike.
    fn ratio(&self, above: &'static str, below: &'static str) -> f64 {
        let runs = |server| {
            self.cells
                .get(&Cell {
                    server,
                    connections: 64,
                })
                .map_or(&[][..], Vec::as_slice)
        };
        let mut all: Vec<f64> = runs(above)
            .iter()
            .zip(runs(below))
            .map(|(above, below)| above.rate / below.rate)
            .collect();
        all.sort_by(f64::total_cmp);
        all.get(all.len() / 2).copied().unwrap_or(0.0)
    }

    pub(crate) fn print(&self) {
        println!(
            "\n{:<24}{:>12}{:>14}{:>11}{:>11}",
            "server", "connections", "accepted/s", "p50 ms", "p99 ms"
        );
        let mut figures = Vec::new();
        for cell in self.cells.keys() {
            let (rate, p50, p99) = self.of(cell.server, cell.connections);
            println!(
                "{:<24}{:>12}{rate:>14.0}{p50:>11.2}{p99:>11.2}",
                cell.server, cell.connections
            );
            figures.push(json!({"server": cell.server, "connections": cell.connections, "rate": rate, "p50Ms": p50, "p99Ms": p99}));
        }
        let mut peers = Vec::new();
        for (connections, peer) in &self.peer {
            match peer {
                Ok(peer) => {
                    println!(
                        "{PEER:<24}{connections:>12}{:>14.0}{:>11.2}{:>11.2}",
                        peer.rate, peer.p50, peer.p99
                    );
                    peers.push(json!({"connections": connections, "rate": peer.rate, "p50Ms": peer.p50, "p99Ms": peer.p99}));
                }
                Err(error) => {
                    println!("{PEER:<24}{connections:>12}  not measured: {error:#}");
                    peers.push(json!({"connections": connections, "error": format!("{error:#}")}));
                }
            }
        }
        let (rate, _, p99) = self.of("gateway", 64);
        let (share, flat_share) = (
            self.ratio("gateway", "nothing"),
            self.ratio("gateway, full table", "nothing again"),
        );
        let flat = if share > 0.0 { flat_share / share } else { 0.0 };
        let (plain, ..) = self.of("plain", 64);
        let met =
            rate >= WANTED_RATE && p99 < WANTED_P99 && share >= WANTED_SHARE && flat >= WANTED_FLAT;
        println!(
            "\nwith 64 connections: {rate:.0}/s (target {WANTED_RATE:.0}), p99 {p99:.1} ms (under {WANTED_P99}), {share:.2} of the same without a \
             database (target {WANTED_SHARE}),\nwith a full table {flat:.2} of that share (target {WANTED_FLAT}), {:.1} times a plain insert for each request",
            rate / plain.max(1.0)
        );
        let line: Value = json!({
            "bench": "accept", "figures": figures, "peer": peers, "rate64": rate, "p99Ms64": p99, "shareOfNoDatabase": share, "flat": flat,
            "timesPlain": rate / plain.max(1.0), "met": met,
        });
        println!("{line}");
    }
}
