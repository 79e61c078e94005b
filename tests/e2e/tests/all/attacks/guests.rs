//! Malicious plugins: what they log and return, which addresses they call, and what they leak.

use std::{collections::BTreeSet, time::Duration};

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use wharf_e2e::{Gateway, House, Plan, house::guests, until};

use super::{Area, held};

const SOON: Duration = Duration::from_secs(30);
const NUMBER: &str = "4915123456789";

/// A gateway whose browser cannot be started: a message is validated when it is accepted, and a
/// session that cannot start is an event.
fn plan(entries: &str) -> Plan {
    let head = format!(
        "[browser]\nexecutable = '/nowhere/chromium'\n[delivery]\nmax_attempts = 1\n[plugins]\ndir = {:?}\n",
        guests()
    );
    Plan {
        overlay: format!("{head}{entries}"),
        ..Plan::default()
    }
}

fn odd(behaviour: &str, settings: &str) -> String {
    format!("[[plugin]]\nname = 'odd'\n{settings}\nconfig.behaviour = '{behaviour}'\n")
}

async fn metrics(gateway: &Gateway) -> Result<String> {
    Ok(String::from_utf8_lossy(&gateway.api.get("/metrics").await?.expect(200)?.body).into_owned())
}

/// Whether the text has characters that end, colour or reverse a line. No log line or answer may
/// have them.
fn misleads(text: &str) -> bool {
    text.chars()
        .any(|c| c.is_control() || ('\u{202a}'..='\u{202e}').contains(&c))
}

fn texts(value: &Value) -> Vec<&str> {
    match value {
        Value::String(text) => vec![text],
        Value::Array(all) => all.iter().flat_map(texts).collect(),
        Value::Object(all) => all.values().flat_map(texts).collect(),
        _ => vec![],
    }
}

#[tokio::test]
async fn a_reason_of_two_megabytes_is_a_line_of_a_kilobyte() -> Result<()> {
    let house = House::build(plan(&odd("megabytes", ""))).await?;
    let gateway = house.open().await?;
    let refused = gateway.api.send_async(NUMBER, "hello").await?.expect(422)?;
    ensure!(refused.json["code"] == "much_too_much", "{}", refused.json);
    ensure!(
        refused.json.to_string().len() < 4096 && !texts(&refused.json).into_iter().any(misleads),
        "{}",
        refused.json
    );
    let house = House::build(plan(&odd("long-error", "on_error = 'allow'"))).await?;
    let gateway = house.open().await?;
    let accepted = gateway.api.send_async(NUMBER, "hello").await?.expect(202)?;
    let message = gateway
        .api
        .get(accepted.header("location"))
        .await?
        .expect(200)?;
    ensure!(
        message.json.to_string().len() < 8192 && !texts(&message.json).into_iter().any(misleads),
        "{}",
        message.json
    );
    let log = gateway.stop_for_log(SOON).await?;
    let log: usize = log.lines().iter().map(String::len).sum();
    ensure!(log < 32 << 10, "{log} bytes of log");
    held(
        Area::Guests,
        "a plugin returns 1.9 MB with control characters as the code and reason of a rejection, and as its error",
        "the answer, the database row and the log have a `snake_case` code and one escaped line of at most 1 KiB",
    )
}

#[tokio::test]
async fn lines_of_the_log_cannot_be_forged() -> Result<()> {
    for format in ["pretty", "json"] {
        let entries = odd("forge", "on_error = 'allow'\nmode = 'monitor'");
        let mut plan = plan(&format!("[log]\nformat = '{format}'\n{entries}"));
        plan.environment.push(("NO_COLOR".into(), "1".into()));
        let house = House::build(plan).await?;
        let gateway = house.open().await?;
        gateway.api.send_async(NUMBER, "hello").await?.expect(202)?;
        let line = gateway
            .until_log("the plugin's line", SOON, |line| {
                line.contains("a line of mine")
            })
            .await?;
        let told = gateway
            .until_log("the monitored refusal", SOON, |line| {
                line.contains("monitor: would have been rejected")
            })
            .await?;
        ensure!(told.contains("odd") && told.contains("forge"), "{told}");
        let log = gateway.stop_for_log(SOON).await?;
        for line in log.lines() {
            ensure!(!misleads(&line), "{format}: {line:?}");
            ensure!(
                !line.starts_with("2026-01-01T00:00:00Z"),
                "{format}: a line of the plugin's own: {line}"
            );
        }
        if format == "json" {
            let line: Value = serde_json::from_str(&line)?;
            ensure!(
                line["level"] == "INFO" && line["plugin"] == "odd" && line["session"] == "default",
                "{line}"
            );
            ensure!(
                line["fields"]["level"] == "ERROR"
                    && line["fields"]
                        .as_object()
                        .is_some_and(|fields| fields.len() == 2),
                "{line}"
            );
        }
    }
    held(
        Area::Guests,
        "a plugin logs line ends, colours, right-to-left marks, and fields called `level` and `plugin`",
        "the log has one escaped line under the plugin's name; the plugin's fields are in an object of their own",
    )
}

#[tokio::test]
async fn a_flood_of_log_lines_is_cut() -> Result<()> {
    let house = House::build(plan(&odd("flood-large", "cpu = '10s'\ntimeout = '10s'"))).await?;
    let gateway = house.open().await?;
    gateway.api.send_async(NUMBER, "hello").await?.expect(202)?;
    let told = gateway
        .until_log("what was dropped", SOON, |line| {
            line.contains("log lines of a plugin were dropped")
        })
        .await?;
    ensure!(told.contains("odd"), "{told}");
    let log = gateway.stop_for_log(SOON).await?;
    let of_plugin: Vec<String> = log
        .lines()
        .into_iter()
        .filter(|line| line.contains("line 0 z") || line.contains(" zzz"))
        .collect();
    ensure!(
        !of_plugin.is_empty() && of_plugin.len() <= 16,
        "{} lines",
        of_plugin.len()
    );
    held(
        Area::Guests,
        "a plugin writes 1,000 log lines of 1.5 KB in one call",
        "16 KiB of them are logged, and one line says how many were dropped",
    )
}

#[tokio::test]
async fn a_panic_does_not_take_the_message_into_the_log() -> Result<()> {
    let house = House::build(plan(&odd("quote", ""))).await?;
    let gateway = house.open().await?;
    let refused = gateway
        .api
        .send_async(NUMBER, "the code is 4711-0815")
        .await?
        .expect(422)?;
    ensure!(
        refused.json["code"] == "plugin_failed"
            && refused.json["message"]
                .as_str()
                .is_some_and(|words| words.contains("trapped")),
        "{}",
        refused.json
    );
    let line = gateway
        .until_log("where it panicked", SOON, |line| line.contains("odd.rs:"))
        .await?;
    ensure!(line.contains("odd") && line.contains("trapped"), "{line}");
    let metrics = metrics(&gateway).await?;
    ensure!(
        metrics
            .lines()
            .any(|line| line.starts_with("wharf_plugin_calls_total{")
                && line.contains("trapped")
                && line.ends_with(" 1")),
        "{metrics}"
    );
    ensure!(
        metrics.contains("# HELP wharf_plugin_calls_total "),
        "{metrics}"
    );
    let log = gateway.stop_for_log(SOON).await?;
    log.lacks(&["4711"])?;
    held(
        Area::Guests,
        "a plugin panics with the text of the message",
        "the log has the plugin, the call and the place in the plugin's source, but not the text; with `log_stderr = true` it has the text, escaped",
    )
}

/// Waits for a dead delivery of the notifier `loud` and returns its reason.
async fn reason(gateway: &Gateway, target: &str) -> Result<String> {
    Ok(dead_letters(gateway, target, 1).await?.remove(0))
}

/// Waits until at least this many deliveries of the notifier `loud` are dead; returns their
/// reasons.
async fn dead_letters(gateway: &Gateway, target: &str, count: usize) -> Result<Vec<String>> {
    let path = format!("/v1/deliveries?plugin=loud&state=dead{target}");
    let what = format!("{count} dead letters");
    let found = until(&what, SOON, async || {
        let page = gateway.api.get(&path).await?.expect(200)?;
        let letters = page.json["deliveries"].as_array().into_iter().flatten();
        let reasons = letters.filter_map(|letter| Some(letter["reason"].as_str()?.to_owned()));
        Ok(Some(reasons.collect::<Vec<_>>()).filter(|reasons| reasons.len() >= count))
    });
    found
        .await
        .with_context(|| format!("its log:\n{}", gateway.log().tail()))
}

fn loud(behaviour: &str, url: &str, grants: &str) -> String {
    format!(
        "[[plugin]]\nname = 'loud'\n{grants}\nconfig.behaviour = '{behaviour}'\nconfig.url = '{url}'\n"
    )
}

#[tokio::test]
async fn a_call_goes_where_it_was_granted_and_is_framed_by_the_gateway() -> Result<()> {
    for (behaviour, named) in [
        ("host", "\"Host\""),
        ("framing", "\"transfer-encoding\""),
        ("hop", "\"Connection\""),
    ] {
        let receiver = wharf_e2e::Receiver::start(0).await?;
        let (url, origin) = (receiver.url(), receiver.url());
        let house = House::build(plan(&loud(
            behaviour,
            &url,
            &format!("grants.http = ['{origin}']\ngrants.http_private = true"),
        )))
        .await?;
        let gateway = house.open().await?;
        let reason = reason(&gateway, "&target=loud").await.context(behaviour)?;
        ensure!(
            reason.contains(named) && reason.contains("leave it out"),
            "{behaviour}: {reason}"
        );
        receiver
            .until_call("what is said rightly", SOON, |call| call.path == "/ok")
            .await?;
        ensure!(
            receiver.calls().iter().all(|call| call.path == "/ok"),
            "{behaviour}: the call was made"
        );
    }
    held(
        Area::Guests,
        "a notifier sets `Host`, `Transfer-Encoding` or `Connection` on its call",
        "no call is made; the dead letter names the header",
    )
}

#[tokio::test]
async fn a_private_address_is_known_in_every_form() -> Result<()> {
    // Nothing listens on the port, because the address must be refused before a connection is made.
    let forms = [
        "127.1",
        "0x7f.1",
        "2130706433",
        "0177.0.0.1",
        "localhost",
        "[::1]",
        "[::127.0.0.1]",
        "[::ffff:127.0.0.1]",
        "[64:ff9b::127.0.0.1]",
        "[2002:7f00:1::]",
        "[fec0::1]",
        "169.254.169.254",
    ];
    for form in forms {
        let origin = format!("http://{form}:9");
        let house = House::build(plan(&loud(
            "fine",
            &origin,
            &format!("grants.http = ['{origin}']"),
        )))
        .await?;
        let gateway = house.open().await?;
        let reason = reason(&gateway, "").await.context(form)?;
        ensure!(reason.contains("private network"), "{form}: {reason}");
    }
    held(
        Area::Guests,
        "a notifier calls a private address without `http_private`: as a number, in octal, as a name, or inside an IPv6 address",
        "no connection is made; the dead letter says that the address is in a private network",
    )
}

#[tokio::test]
async fn an_origin_that_is_not_granted_is_told_with_the_line_to_add() -> Result<()> {
    let granted = "grants.http = ['https://hooks.example']";
    let house = House::build(plan(&loud("elsewhere", "https://hooks.example", granted))).await?;
    let gateway = house.open().await?;
    let reason = reason(&gateway, "&target=loud").await?;
    ensure!(
        reason.contains("https://elsewhere.example is not granted"),
        "{reason}"
    );
    let line = gateway
        .until_log("the line to add", SOON, |line| {
            line.contains("elsewhere.example") && line.contains("gateway.toml")
        })
        .await?;
    let line: Value = serde_json::from_str(&line)?;
    ensure!(
        line["plugin"] == "loud"
            && line["add"]
                == r#"grants = { http = ["https://hooks.example", "https://elsewhere.example"] }"#,
        "{line}"
    );
    // Another event, which makes a second call.
    gateway
        .api
        .post_nothing("/api/whatsapp/reconnect")
        .await?
        .expect(200)?;
    let reasons = dead_letters(&gateway, "&target=loud", 2).await?;
    ensure!(
        BTreeSet::from_iter(&reasons).len() == 1,
        "the second call failed for another reason: {reasons:?}"
    );
    let log = gateway.stop_for_log(SOON).await?;
    let lines = log.lines();
    let told = lines
        .iter()
        .filter(|line| line.contains("elsewhere.example") && line.contains("\"add\""));
    ensure!(
        told.count() == 1,
        "it is told more than once:\n{}",
        log.tail()
    );
    log.lacks(&["a-secret"])?;
    held(
        Area::Guests,
        "a notifier calls an origin that is not granted, with a secret in the address",
        "no call is made; the log says once which line of `gateway.toml` would grant the origin, and does not contain the address; the dead letter has the reason",
    )
}

#[tokio::test]
async fn a_monitored_refusal_is_in_the_history_and_the_metrics_as_what_it_is() -> Result<()> {
    let house = House::build(plan(&odd("long", "mode = 'monitor'"))).await?;
    let gateway = house.open().await?;
    let accepted = gateway.api.send_async(NUMBER, "hello").await?.expect(202)?;
    let message = gateway
        .api
        .get(accepted.header("location"))
        .await?
        .expect(200)?;
    let steps = message.json["history"]
        .as_array()
        .cloned()
        .unwrap_or_default();
    let step = steps
        .iter()
        .find(|step| step["plugin"] == "odd")
        .with_context(|| message.json.to_string())?;
    ensure!(
        step["verdict"] == "would_reject"
            && step["monitored"] == true
            && step["detail"] == "quiet_hours_",
        "{step}"
    );
    ensure!(
        step["reason"]
            .as_str()
            .is_some_and(|reason| reason.len() <= 1024 && reason.starts_with('ä')),
        "{step}"
    );
    let metrics = metrics(&gateway).await?;
    let counted = |line: &&str| {
        line.starts_with("wharf_plugin_verdicts_total{")
            && line.contains("would_reject")
            && line.contains("monitor")
    };
    ensure!(
        metrics
            .lines()
            .find(counted)
            .is_some_and(|line| line.ends_with(" 1")),
        "{metrics}"
    );
    Ok(())
}

#[tokio::test]
async fn an_error_of_a_plugin_is_a_failed_call() -> Result<()> {
    let house = House::build(plan(&odd("unavailable", ""))).await?;
    let gateway = house.open().await?;
    gateway.api.send_async(NUMBER, "hello").await?.expect(422)?;
    let metrics = metrics(&gateway).await?;
    let counted =
        |line: &&str| line.starts_with("wharf_plugin_calls_total{") && line.contains("validate");
    ensure!(
        metrics
            .lines()
            .filter(counted)
            .all(|line| line.contains("outcome=\"failed\"")),
        "{metrics}"
    );
    ensure!(metrics.lines().any(|line| counted(&line)), "{metrics}");
    Ok(())
}
