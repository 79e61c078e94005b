//! Measures the private memory of the process tree (gateway or node, and its browsers) with 1, 2
//! and 4 linked sessions at rest.

use anyhow::Result;
use serde_json::{Value, json};
use wharf_standin::{Options, Settings, Standin};

use crate::{machine, ours, peer::Peer, round};

const COUNTS: [usize; 3] = [1, 2, 4];
/// Targets: the memory per further session, relative to the peer's.
const ISOLATED: f64 = 0.5;
const SHARED: f64 = 0.25;

pub(crate) async fn run(browser: Option<&str>) -> Result<Value> {
    let ways = [
        ("isolated", browser.unwrap_or_default().to_owned()),
        ("shared", "mode = \"shared\"".to_owned()),
    ];
    let peer = peer().await?;
    let mut figures = json!({"bench": "memory", "unit": "MB, anonymous and shared-memory PSS of the process tree", "peer": row(&peer)});
    print("whatsapp-web.js", &peer);
    let mut met = true;
    for (mode, lines) in ways {
        let measured = gateway(&lines).await?;
        print(mode, &measured);
        let ratio = round(further(&measured) / further(&peer));
        met &= ratio <= if mode == "isolated" { ISOLATED } else { SHARED };
        figures[mode] = row(&measured);
        figures[mode]["ratio"] = json!(ratio);
    }
    println!("per further session: {}", figures_of(&figures));
    figures["target"] = json!({"isolated": ISOLATED, "shared": SHARED});
    figures["met"] = json!(met);
    Ok(figures)
}

async fn gateway(browser: &str) -> Result<Vec<f64>> {
    let mut all = Vec::new();
    for count in COUNTS {
        let house = ours::house(count, browser, 400, "").await?;
        let gateway = house.open().await?;
        ours::link(&house, &gateway, count).await?;
        all.push(megabytes(machine::settled(gateway.pid()?).await?));
        gateway.stop(ours::STOP).await?;
    }
    Ok(all)
}

async fn peer() -> Result<Vec<f64>> {
    let mut all = Vec::new();
    for count in COUNTS {
        let settings = Settings {
            sync_delay: 400,
            ..Settings::default()
        };
        let standin = Standin::start(Options {
            tls_port: Some(0),
            settings,
            ..Options::default()
        })
        .await?;
        let data = tempfile::tempdir()?;
        let mut peer = Peer::start(&standin, data.path(), count)?;
        for n in 1..=count {
            peer.link(&standin, &ours::number(n)).await?;
        }
        all.push(megabytes(machine::settled(peer.pid()?).await?));
        peer.stop().await?;
    }
    Ok(all)
}

#[expect(
    clippy::cast_precision_loss,
    reason = "bytes of memory are far below 2^53"
)]
fn megabytes(tree: machine::Tree) -> f64 {
    tree.private as f64 / 1e6
}

/// The average memory of the three further sessions.
fn further(measured: &[f64]) -> f64 {
    (measured[2] - measured[0]) / 3.0
}

fn row(measured: &[f64]) -> Value {
    json!({"1": round(measured[0]), "2": round(measured[1]), "4": round(measured[2]), "perFurtherSession": round(further(measured))})
}

fn print(name: &str, measured: &[f64]) {
    println!(
        "{name:<18} 1: {:>6.1} MB   2: {:>6.1} MB   4: {:>6.1} MB   per further session: {:>6.1} MB",
        measured[0],
        measured[1],
        measured[2],
        further(measured)
    );
}

fn figures_of(figures: &Value) -> String {
    ["isolated", "shared"]
        .map(|mode| format!("{mode} {} of the peer's", figures[mode]["ratio"]))
        .join(", ")
}
