//! Decisions of plugins are explained by the API, and made again by `wharf plugin replay` from the
//! database of a gateway that runs or has stopped. The plugin is the bundled number-policy, whose
//! daily cap reads and writes its storage.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use reqwest::Method;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use wharf_e2e::{Answer, Api, House, Plan, api, gateway, house, house::BOOT, until};

const SEND: &str = "/v1/sessions/default/messages";
const NUMBER: &str = "4915123456789";
const STOP: Duration = Duration::from_secs(40);

/// A gateway without a browser, so that accepted messages wait.
fn plan(config: &str) -> Plan {
    let overlay = format!(
        "[browser]\nexecutable = '/nowhere/chromium'\n[[plugin]]\nname = 'number-policy'\n\
         grants = {{ kv = '1MiB', kv_shared = true }}\n[plugin.config]\n{config}\n"
    );
    Plan {
        overlay,
        ..Plan::default()
    }
}

struct Said {
    status: Option<i32>,
    out: String,
    err: String,
}

impl Said {
    fn expect(self, status: i32, words: &[&str]) -> Result<Self> {
        let all = words
            .iter()
            .all(|words| self.out.contains(words) || self.err.contains(words));
        ensure!(
            self.status == Some(status) && all,
            "{:?} instead of {status} and {words:?}\n{}\n{}",
            self.status,
            self.out,
            self.err
        );
        Ok(self)
    }
}

async fn replay(folder: &Path, config: Option<&Path>, words: &[&str]) -> Result<Said> {
    let mut command = gateway::command(folder)?;
    command.args(["plugin", "replay"]).args(words);
    if let Some(config) = config {
        // The last one counts, as for every option of a parent command.
        command.arg("--config").arg(config);
    }
    let output = tokio::time::timeout(BOOT * 3, command.output())
        .await
        .context("it does not end")??;
    Ok(Said {
        status: output.status.code(),
        out: String::from_utf8(output.stdout)?,
        err: String::from_utf8(output.stderr)?,
    })
}

/// Asks the gateway to accept a message, without waiting for it to be sent.
async fn send(api: &Api, to: &str, text: &str) -> Result<Answer> {
    let request = api
        .request(Method::POST, SEND)
        .header("Prefer", "respond-async")
        .json(&json!({"to": to, "text": text}));
    api::answer(request).await
}

/// Lets the gateway accept a message, and returns its id.
async fn accept(api: &Api, text: &str) -> Result<String> {
    let accepted = send(api, NUMBER, text).await?.expect(202)?;
    Ok(accepted.json["id"].as_str().context("no id")?.to_owned())
}

async fn decisions(api: &Api, id: &str) -> Result<Value> {
    Ok(api
        .get(&format!("/v1/messages/{id}/decisions"))
        .await?
        .expect(200)?
        .json)
}

/// Writes the configuration with a change beside it.
fn changed(folder: &Path, name: &str, from: &str, to: &str) -> Result<PathBuf> {
    let config = fs::read_to_string(folder.join("gateway.toml"))?;
    ensure!(config.contains(from), "{from} is not in {config}");
    let path = folder.join(name);
    fs::write(&path, config.replace(from, to))?;
    Ok(path)
}

#[tokio::test]
async fn a_decision_is_explained_and_made_again_until_its_message_is_forgotten() -> Result<()> {
    let house = House::build(plan(
        "number_length = false\nblock_prefixes = ['1900']\ndaily_cap = 2",
    ))
    .await?;
    let folder = house.folder();
    let running = house.open().await?;
    let api = &running.api;
    let first = accept(api, "zebra one").await?;
    let second = accept(api, "zebra two").await?;
    let refused = async |to: &str| -> Result<Value> {
        Ok(send(api, to, "zebra three").await?.expect(422)?.json)
    };
    let capped = refused(NUMBER).await?;
    ensure!(capped["code"] == "daily_cap", "{capped}");
    let capped = capped["id"].as_str().context("no id")?.to_owned();
    let blocked = refused("19005551234").await?;
    ensure!(blocked["code"] == "blocked_prefix", "{blocked}");
    let blocked = blocked["id"].as_str().context("no id")?.to_owned();

    // What was decided, by which version, and why.
    let component = fs::read(house::plugins().join("number_policy.wasm"))?;
    let digest = hex::encode(Sha256::digest(&component));
    let told = decisions(api, &second).await?;
    let decision = &told["decisions"][0];
    let call = &decision["calls"][0];
    ensure!(
        told["session"] == "default"
            && decision["when"] == "accept"
            && decision["refused"] == false
            && call["plugin"] == "number-policy"
            && call["component"] == digest
            && call["verdict"] == "allow"
            && call["details"]["input"]["content"]["text"] == "zebra two",
        "{told}"
    );
    let storage = call["details"]["storage"]
        .as_array()
        .context("no storage")?;
    ensure!(
        storage.iter().any(|step| step["op"] == "get"
            && step["version"].is_u64()
            && step["recorded"] == true)
            && storage
                .iter()
                .any(|step| step["op"] == "set" && step["answer"] == "written"),
        "the cap that the first message has left: {told}"
    );
    ensure!(!told.to_string().contains("\"value\""), "{told}");
    let told = decisions(api, &capped).await?;
    let call = &told["decisions"][0]["calls"][0];
    ensure!(
        told["decisions"][0]["refused"] == true
            && call["verdict"] == "reject"
            && call["code"] == "daily_cap"
            && call["retryAfterMs"].is_u64()
            && call["details"]["input"]["content"]["text"] == "zebra three",
        "{told}"
    );
    let unknown = api.get("/v1/messages/out_nobody/decisions").await?;
    ensure!(unknown.expect(404)?.json["code"] == "not_found");

    // The same again, from the database of the running gateway. The storage has moved on since: by
    // what it holds now, the first message would be the third one.
    for id in [&first, &second, &capped, &blocked] {
        replay(folder, None, &[id])
            .await?
            .expect(0, &["number-policy: the same: "])?;
    }
    replay(folder, None, &["--since", "1h"])
        .await?
        .expect(0, &["4 calls from ", "the same: 4"])?;
    replay(folder, None, &["out_nobody"])
        .await?
        .expect(2, &["there is no message out_nobody in "])?;
    replay(folder, None, &["--since", "yesterday"])
        .await?
        .expect(2, &["--since \"yesterday\" is no time"])?;

    // With other settings.
    let stricter = changed(folder, "stricter.toml", "\"1900\"", "\"1900\", \"49\"")?;
    let other = "allow → reject (blocked_prefix)";
    replay(folder, Some(&stricter), &[&first])
        .await?
        .expect(0, &["number-policy: the same: allow"])?;
    replay(folder, Some(&stricter), &[&first, "--current-config"])
        .await?
        .expect(1, &[other, "another config: "])?;
    replay(
        folder,
        Some(&stricter),
        &["--since", "1h", "--current-config"],
    )
    .await?
    .expect(
        1,
        &[
            "the same: 1",
            "differ: 3",
            &format!("2: number-policy: {other}, e.g. "),
            "1: number-policy: reject (daily_cap) → reject (blocked_prefix)",
            &first,
        ],
    )?;

    // With another version: the same code with a custom section, so its digest is another one.
    let build = folder.join("build");
    fs::create_dir(&build)?;
    let version = build.join("number_policy.wasm");
    fs::write(&version, [component, vec![0, 2, 1, b'x']].concat())?;
    let version = version.to_str().context("no UTF-8")?;
    replay(folder, None, &[&second, "--component", version])
        .await?
        .expect(0, &["the same: allow", "another component: "])?;
    let moved = changed(
        folder,
        "moved.toml",
        &format!("dir = {:?}", house::plugins()),
        &format!("dir = {build:?}"),
    )?;
    let needed = format!("the call was made by the component {digest}");
    replay(folder, Some(&moved), &[&second])
        .await?
        .expect(1, &["not replayed", &needed])?;
    fs::remove_file(build.join("number_policy.wasm"))?;
    replay(folder, Some(&moved), &[&second])
        .await?
        .expect(1, &["not replayed", &needed])?;
    replay(folder, None, &[&second, "--component", version])
        .await?
        .expect(2, &["there is no such file"])?;

    // After the retention only the facts are left.
    for id in [&first, &second] {
        let cancel = format!("/v1/messages/{id}/cancel");
        api.post_nothing(&cancel).await?.expect(200)?;
    }
    ensure!(running.stop(STOP).await?.success());
    replay(folder, None, &[&second])
        .await?
        .expect(0, &["the same: allow"])?;
    let config = fs::read_to_string(folder.join("gateway.toml"))?;
    gateway::write_config(
        folder,
        &format!("{config}\n[storage]\nkeep_bodies = \"0s\"\n"),
    )?;
    let running = house.open().await?;
    for id in [&second, &capped] {
        let gone = async || {
            let told = decisions(&running.api, id).await?;
            let decision = told["decisions"][0].clone();
            Ok((decision["detailsDeleted"] == true).then_some(decision))
        };
        let decision = until("the details to be deleted", BOOT, gone).await?;
        let call = &decision["calls"][0];
        ensure!(
            call["details"].is_null() && call["component"] == digest,
            "{decision}"
        );
    }
    ensure!(running.stop(STOP).await?.success());
    replay(folder, None, &[&second]).await?.expect(
        1,
        &["not replayed: what the plugin saw was deleted with the content of the message"],
    )?;
    let running = house.open().await?;
    let gone = async || {
        let files = ["wharf.db", "wharf.db-wal"]
            .map(|name| fs::read(folder.join("session").join(name)).unwrap_or_default());
        let raw = files.concat();
        Ok((!raw.windows(5).any(|window| window == b"zebra")).then_some(()))
    };
    until("no text in the files of the database", BOOT, gone).await?;
    ensure!(running.stop(STOP).await?.success());
    Ok(())
}
