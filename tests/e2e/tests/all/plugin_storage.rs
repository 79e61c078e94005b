//! Operators read and change what a plugin stores, over the API and by command, and the plugin sees
//! it from its next call on.

use anyhow::{Context, Result, ensure};
use reqwest::{Method, Url};
use serde_json::json;
use wharf_e2e::{Gateway, House, Plan, api, gateway, house::BOOT};

const NUMBER: &str = "4915123456789";
const KV: &str = "/v1/plugins/number-policy/kv";

/// Runs `wharf kv …` and returns its standard output, or its standard error if it fails.
async fn kv(house: &House, words: &[&str]) -> Result<Result<String, String>> {
    let output = gateway::command(house.folder())?
        .arg("kv")
        .args(words)
        .output()
        .await?;
    let text = |bytes| String::from_utf8(bytes).map(|text| text.trim_end().to_owned());
    Ok(if output.status.success() {
        Ok(text(output.stdout)?)
    } else {
        Err(text(output.stderr)?)
    })
}

/// As [`kv`], for a command that must succeed.
async fn done(house: &House, words: &[&str]) -> Result<String> {
    let said = kv(house, words).await?;
    said.map_err(|error| anyhow::anyhow!("wharf kv {words:?}: {error}"))
}

/// One parameter of a query, escaped.
fn query(name: &str, value: &str) -> String {
    let url = Url::parse_with_params("http://gateway/", [(name, value)]).expect("a URL");
    url.query().unwrap_or_default().to_owned()
}

async fn house() -> Result<(House, Gateway)> {
    let overlay = "[[plugin]]\nname = 'number-policy'\ngrants = { kv = '4KiB', kv_shared = true }\n\
         config = { number_length = false, opt_out = { stop_words = ['STOP'], start_words = ['START'] } }\n";
    let house = House::build(Plan {
        overlay: overlay.into(),
        ..Plan::default()
    })
    .await?;
    let gateway = house.open().await?;
    // The commands read the port from the configuration.
    let config = house.folder().join("gateway.toml");
    let port = gateway.api.url.rsplit(':').next().context("a port")?;
    let text = std::fs::read_to_string(&config)?;
    std::fs::write(&config, text.replace("port = 0", &format!("port = {port}")))?;
    Ok((house, gateway))
}

#[tokio::test]
async fn what_an_operator_writes_is_what_the_plugin_decides_by() -> Result<()> {
    let (house, gateway) = house().await?;
    let key = format!("optout/{NUMBER}");
    let empty = done(&house, &["list", "number-policy"]).await?;
    ensure!(
        empty == "all sessions share one namespace, at most 4096 bytes in each\nnothing is stored",
        "{empty}"
    );
    gateway.api.send_async(NUMBER, "one").await?.expect(202)?;
    let set = done(
        &house,
        &["set", "number-policy", &key, "by hand", "--shared"],
    )
    .await?;
    ensure!(set == "written, version 1", "{set}");
    let refused = gateway.api.send_async(NUMBER, "two").await?.expect(422)?;
    ensure!(refused.json["code"] == "opted_out", "{}", refused.json);

    let got = done(&house, &["get", "number-policy", &key, "--shared"]).await?;
    ensure!(got == "by hand", "{got}");
    let listed = done(
        &house,
        &["list", "number-policy", "--shared", "--prefix", "optout/"],
    )
    .await?;
    ensure!(listed == format!("{key}: 7 bytes, version 1"), "{listed}");
    let usage = done(&house, &["list", "number-policy"]).await?;
    ensure!(
        usage.ends_with(&format!("shared: {} bytes", key.len() + 7)),
        "{usage}"
    );
    let deleted = done(&house, &["delete", "number-policy", &key, "--shared"]).await?;
    ensure!(deleted == "deleted", "{deleted}");
    gateway.api.send_async(NUMBER, "three").await?.expect(202)?;

    // Everything that is refused says what would be right.
    for (words, said) in [
        (
            &["get", "number-policy", "none", "--shared"][..],
            "no such key",
        ),
        (
            &["delete", "number-policy", "none", "--shared"],
            "no such key",
        ),
        (&["get", "number-policy", "none"], "--session"),
        (&["list", "nobody"], "there is no plugin \"nobody\""),
        (&["list", "../sessions"], "is not the name of a plugin"),
        (
            &["set", "number-policy", "a", "b", "--session", "default"],
            "expected shared=true",
        ),
        (
            &["set", "templates", "a", "b", "--shared"],
            "nothing is stored under this name",
        ),
        (
            &["set", "number-policy", "a", "b", "--shared", "--ttl", "0"],
            "--ttl",
        ),
    ] {
        let error = kv(&house, words)
            .await?
            .err()
            .context(format!("{words:?}"))?;
        ensure!(error.contains(said), "{words:?}: {error}");
    }
    let metrics = String::from_utf8(gateway.api.get("/metrics").await?.expect(200)?.body)?;
    ensure!(
        metrics.lines().any(|line| {
            line.starts_with("wharf_plugin_kv_operations_total{")
                && line.contains("operation=\"get\"")
                && line.contains("outcome=\"ok\"")
        }),
        "{metrics}"
    );
    gateway.stop(BOOT).await?;
    let late = kv(&house, &["list", "number-policy"]).await?.err();
    ensure!(
        late.as_ref()
            .is_some_and(|late| late.contains("no gateway answers at")),
        "{late:?}"
    );
    Ok(())
}

#[tokio::test]
async fn keys_and_values_of_any_form_come_back_as_they_were() -> Result<()> {
    let (_house, gateway) = house().await?;
    let api = &gateway.api;
    let entry = |key: &str| format!("{KV}/entry?shared=true&{}", query("key", key));
    for key in [
        "a/b",
        "ä €",
        "a%2Fb",
        "a\"b",
        "key with space+plus",
        "..",
        "\u{1b}[31m",
    ] {
        let written = api
            .post(&entry(key), &json!({"base64": "AAH/"}))
            .await?
            .expect(200)?;
        ensure!(
            written.json["base64"] == "AAH/"
                && written.json["text"].is_null()
                && written.json["bytes"] == 3,
            "{key}: {}",
            written.json
        );
        let read = api.get(&entry(key)).await?.expect(200)?;
        ensure!(read.json == written.json, "{key}: {}", read.json);
        ensure!(read.json["key"] == key, "{key}: {}", read.json);
    }
    // Pages of two keys each.
    let (mut keys, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = api
            .get(&format!("{KV}/keys?shared=true&limit=2{cursor}"))
            .await?
            .expect(200)?;
        for key in page.json["keys"].as_array().context("keys")? {
            keys.push(key["key"].as_str().context("a key")?.to_owned());
        }
        let Some(next) = page.json["next"].as_str() else {
            break;
        };
        cursor = format!("&{}", query("cursor", next));
    }
    ensure!(keys.len() == 7 && keys.is_sorted(), "{keys:?}");

    // A version that is named must be the present one.
    let one = entry("a/b");
    let version = api.get(&one).await?.json["version"].clone();
    let absent = api
        .post(&one, &json!({"text": "x", "ifVersion": 0}))
        .await?;
    absent.problem(409, "version_conflict")?;
    let next = api
        .post(
            &one,
            &json!({"text": "x", "ifVersion": version, "ttlMs": 60_000}),
        )
        .await?
        .expect(200)?;
    ensure!(
        next.json["text"] == "x" && next.json["expiresAt"].is_string(),
        "{}",
        next.json
    );
    let stale = api
        .post(&one, &json!({"text": "y", "ifVersion": version}))
        .await?;
    stale.problem(409, "version_conflict")?;

    for (body, code, status) in [
        (json!({}), "invalid_body", 400),
        (json!({"text": "a", "base64": "YQ=="}), "invalid_body", 400),
        (json!({"base64": "no base64"}), "invalid_body", 400),
        (json!({"text": "a", "ttlMs": 0}), "invalid_body", 400),
        (json!({"text": "a", "more": 1}), "invalid_body", 400),
        (json!({"text": "x".repeat(5000)}), "quota_exceeded", 422),
        (
            json!({"text": "x".repeat((1 << 20) + 1)}),
            "invalid_body",
            400,
        ),
    ] {
        api.post(&one, &body).await?.problem(status, code)?;
    }
    let long = entry(&"k".repeat(513));
    api.post(&long, &json!({"text": "a"}))
        .await?
        .problem(400, "invalid_body")?;
    for path in [
        format!("{KV}/keys"),
        format!("{KV}/keys?session=default&shared=true"),
        format!("{KV}/keys?shared=false"),
        format!("{KV}/keys?shared=true&limit=0"),
        format!("{KV}/keys?shared=true&limit=1001"),
        format!("{KV}/entry?key=a"),
        format!("{KV}/entry?shared=true"),
    ] {
        let answer = api.get(&path).await?;
        ensure!(answer.status == 400, "{path}: {}", answer.status);
    }
    let other = format!("{KV}/entry?session=default&key=a");
    api.post(&other, &json!({"text": "a"}))
        .await?
        .problem(422, "grant_missing")?;
    api.get(&other).await?.problem(404, "not_found")?;
    let gone = api::answer(api.request(Method::DELETE, &one))
        .await?
        .expect(200)?;
    ensure!(gone.json == json!({"deleted": 1}), "{}", gone.json);
    api.get(&one).await?.problem(404, "not_found")?;
    Ok(())
}
