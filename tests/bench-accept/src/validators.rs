//! `cargo xtask bench accept --validators`: what three validators cost an accept, with 64
//! connections. Runs with and without them alternate, and the ratio of each pair counts.

use std::{fs, time::Duration};

use anyhow::{Context, Result};
use serde_json::json;

use crate::{
    load::{self, Target},
    measured,
    server::Kind,
    start,
};

const CONNECTIONS: usize = 64;
/// Target: the most that they may cost of the rate.
const TARGET: f64 = 0.05;
/// One that is bundled and reads its storage, one that is made with the SDK, and one that is not.
const ENTRIES: &str = r#"
[[plugin]]
name = "number-policy"
grants = { kv = "1MiB", kv_shared = true }

[[plugin]]
name = "banned-words"
config = { words = ["lottery", "casino", "prize"] }

[[plugin]]
name = "good"
"#;

pub(crate) async fn bench(rounds: usize, time: Duration) -> Result<()> {
    let folder = tempfile::Builder::new().prefix("wharf-accept-").tempdir()?;
    let plugins = folder.path().join("plugins");
    fs::create_dir(&plugins)?;
    let guests = wharf_e2e::house::guests();
    for from in [
        wharf_e2e::house::plugins().join("number_policy.wasm"),
        guests.join("banned_words.wasm"),
        guests.join("good.wasm"),
    ] {
        let name = from.file_name().context("a file has a name")?;
        fs::copy(&from, plugins.join(name))
            .with_context(|| format!("cannot copy {}", from.display()))?;
    }
    let without = start(Kind::Gateway, &folder.path().join("without"), &plugins, "").await?;
    let with = start(
        Kind::Gateway,
        &folder.path().join("with"),
        &plugins,
        ENTRIES,
    )
    .await?;
    for server in [&without, &with] {
        load::run(server.port, Target::Wharf, 16, Duration::from_secs(1)).await?;
    }
    let mut ratios = Vec::new();
    let (mut rates, mut bare_rates) = (Vec::new(), Vec::new());
    for _ in 0..rounds.max(1) {
        let bare = measured(&without, CONNECTIONS, time).await?;
        let full = measured(&with, CONNECTIONS, time).await?;
        ratios.push(full.rate / bare.rate);
        rates.push(full.rate);
        bare_rates.push(bare.rate);
    }
    for server in [without, with] {
        server.stop().await?;
    }
    let cost = 1.0 - median(ratios);
    let (rate, bare) = (median(rates), median(bare_rates));
    println!(
        "\nwith {CONNECTIONS} connections: {bare:.0}/s without a plugin, {rate:.0}/s with three validators; they cost {:.1} % (target {:.0} %)",
        100.0 * cost,
        100.0 * TARGET
    );
    println!(
        "{}",
        json!({"bench": "accept-validators", "without": bare, "with": rate, "cost": cost, "target": TARGET, "met": cost < TARGET})
    );
    Ok(())
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
