//! Checks the plugin written in Python in the unmodified gateway: `wharf-python <folder with
//! banned_words.wasm>`. `cargo xtask python` builds the plugin and runs this program; it is not a
//! test, because the tools that build the component are downloaded.

use std::{
    env,
    path::PathBuf,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use wharf_e2e::{House, Plan, gateway};

#[tokio::main]
async fn main() -> Result<()> {
    let folder = PathBuf::from(
        env::args_os()
            .nth(1)
            .context("usage: wharf-python <folder with banned_words.wasm>")?,
    );
    // The plugin runs with the default limits.
    let entry = "[[plugin]]\nname = 'banned-words'\nconfig.words = ['lottery']\n";
    let overlay = format!(
        "[browser]\nexecutable = '/nowhere/chromium'\n[plugins]\ndir = {folder:?}\n{entry}"
    );
    let house = House::build(Plan {
        overlay,
        ..Plan::default()
    })
    .await?;
    // This compiles the plugin; from here on its code is in the cache.
    let check = gateway::command(house.folder())?
        .arg("check")
        .output()
        .await?;
    let said = String::from_utf8_lossy(&check.stdout).into_owned()
        + &String::from_utf8_lossy(&check.stderr);
    ensure!(
        check.status.success() && said.contains("plugin banned-words 0.1.0: loaded"),
        "{said}"
    );

    let gateway = house.open().await?;
    let began = Instant::now();
    let refused = gateway
        .api
        .send_async("4915123456789", "You won the LOTTERY")
        .await?
        .expect(422)?;
    let first = began.elapsed();
    ensure!(
        refused.json["code"] == "banned_word" && refused.data("plugin") == "banned-words",
        "{}",
        refused.json
    );
    let line = gateway
        .until_log("its line", Duration::from_secs(5), |line| {
            line.contains("stopped a message")
        })
        .await?;
    let line: Value = serde_json::from_str(&line)?;
    ensure!(
        line["plugin"] == "banned-words" && line["fields"]["words"] == "1",
        "{line}"
    );
    let began = Instant::now();
    for _ in 0..10 {
        gateway
            .api
            .send_async("4915123456789", "hello")
            .await?
            .expect(202)?;
    }
    println!("first send {first:?}, then {:?} each", began.elapsed() / 10);
    // What the schema cannot express is checked by the plugin's `configure`.
    let wrong = House::build(Plan {
        overlay: format!(
            "[plugins]\ndir = {folder:?}\n{}",
            entry.replace("lottery", " ")
        ),
        ..Plan::default()
    })
    .await?;
    let check = gateway::command(wrong.folder())?
        .arg("check")
        .output()
        .await?;
    let said = String::from_utf8_lossy(&check.stdout).into_owned()
        + &String::from_utf8_lossy(&check.stderr);
    ensure!(
        !check.status.success() && said.contains("config at /words/0: must not be blank"),
        "{said}"
    );
    Ok(())
}
