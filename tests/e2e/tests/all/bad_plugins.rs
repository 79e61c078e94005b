//! Misbehaving plugins: each has a named outcome, and the gateway continues to serve.
//!
//! Validation happens when a message is accepted, so no browser is needed: `Prefer: respond-async`
//! is answered at the commit.

use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use futures_util::future::join_all;
use serde_json::json;
use wharf_e2e::{Gateway, House, Plan, house::guests};

use crate::callers::refusal;

const NUMBER: &str = "4915123456789";
/// Time limit of a line that was written, on its way into the log.
const SOON: Duration = Duration::from_secs(10);

/// A gateway with the guest `good`, which forbids one word, followed by these plugins.
fn plan(entries: &str) -> Plan {
    let more = format!(
        "[plugins]\ndir = {:?}\n[[plugin]]\nname = 'good'\n{entries}",
        guests()
    );
    Plan {
        overlay: format!("[browser]\nexecutable = '/nowhere/chromium'\n{more}"),
        ..Plan::default()
    }
}

/// Checks that the API answers and that the guest `good` is still asked.
async fn serves_on(gateway: &Gateway) -> Result<()> {
    for probe in ["/livez", "/readyz"] {
        gateway.api.get(probe).await?.expect(200)?;
    }
    let refused = gateway
        .api
        .send_async(NUMBER, "forbidden")
        .await?
        .expect(422)?;
    ensure!(
        refused.json["code"] == "forbidden_word" && refused.data("plugin") == "good",
        "{}",
        refused.json
    );
    Ok(())
}

#[tokio::test]
async fn a_plugin_that_fails_while_it_decides_is_named_and_the_operators_word_holds() -> Result<()>
{
    let slow = "cpu = '10s'\ntimeout = '10s'\nmemory = '8MiB'";
    let cases = [
        ("spin", "cpu = '50ms'", "over_cpu"),
        ("bomb", slow, "over_memory"),
        ("panic", "", "trapped"),
        ("sleep", "timeout = '100ms'", "timed_out"),
        // The guest returns its own error after the host's refusal.
        ("kv", "", "failed"),
    ];
    for (behaviour, settings, kind) in cases {
        let entry =
            format!("[[plugin]]\nname = 'odd'\n{settings}\nconfig.behaviour = '{behaviour}'\n");
        fails_as(&entry, kind)
            .await
            .with_context(|| format!("{behaviour}, on_error = reject"))?;
        let entry = format!(
            "[[plugin]]\nname = 'odd'\non_error = 'allow'\n{settings}\nconfig.behaviour = '{behaviour}'\n"
        );
        let gateway = House::build(plan(&entry)).await?;
        let gateway = gateway.open().await?;
        gateway
            .api
            .send_async(NUMBER, "hello")
            .await?
            .expect(202)
            .with_context(|| format!("{behaviour}, on_error = allow"))?;
        serves_on(&gateway).await?;
    }
    Ok(())
}

async fn fails_as(entry: &str, kind: &str) -> Result<()> {
    let house = House::build(plan(entry)).await?;
    let gateway = house.open().await?;
    let refused = gateway.api.send_async(NUMBER, "hello").await?.expect(422)?;
    ensure!(
        refused.json["code"] == "plugin_failed" && refused.data("plugin") == "odd",
        "{}",
        refused.json
    );
    ensure!(
        refused.json["message"]
            .as_str()
            .is_some_and(|words| words.contains(kind)),
        "{kind} is not named: {}",
        refused.json
    );
    gateway
        .until_log(kind, SOON, |line| {
            line.contains("a plugin failed") && line.contains("odd") && line.contains(kind)
        })
        .await?;
    serves_on(&gateway).await
}

/// The guest rejects the message and gives what it observed as the reason.
#[tokio::test]
async fn what_was_not_granted_is_refused_to_the_plugin() -> Result<()> {
    for (behaviour, seen) in [
        ("secret", "none"),
        ("socket", "PermissionDenied"),
        ("http", "HttpRequestDenied"),
        ("read", "refused"),
    ] {
        let house = House::build(plan(&format!(
            "[[plugin]]\nname = 'odd'\nconfig.behaviour = '{behaviour}'\n"
        )))
        .await?;
        let gateway = house.open().await?;
        let refused = gateway.api.send_async(NUMBER, "hello").await?.expect(422)?;
        ensure!(
            refused.json["code"] == behaviour,
            "{behaviour}: {}",
            refused.json
        );
        ensure!(
            refused.json["message"]
                .as_str()
                .is_some_and(|words| words.contains(seen)),
            "{behaviour}: {}",
            refused.json
        );
        serves_on(&gateway).await.context(behaviour)?;
    }
    Ok(())
}

#[tokio::test]
async fn a_plugin_that_takes_everything_costs_the_sends_of_other_sessions_nothing() -> Result<()> {
    let entry = "[[plugin]]\nname = 'greedy'\nsessions = ['greedy']\non_error = 'allow'\ncpu = '10s'\ntimeout = '1s'\n";
    let house = House::build(plan(entry)).await?;
    let gateway = house.open().await?;
    gateway
        .api
        .post("/v1/sessions", &json!({"id": "greedy", "start": false}))
        .await?
        .expect(201)?;
    let body = json!({"number": NUMBER, "message": "hello"});
    let of_greedy = |_| {
        gateway
            .api
            .post_async("/api/whatsapp/send?clientId=greedy", &body)
    };
    let others = async {
        for _ in 0..20 {
            gateway.api.send_async(NUMBER, "hello").await?.expect(202)?;
            gateway.api.get("/readyz").await?.expect(200)?;
        }
        serves_on(&gateway).await
    };
    let (answers, others) = tokio::join!(join_all((0..120).map(of_greedy)), others);
    others?;
    let mut busy = 0;
    for answer in answers {
        let answer = answer?;
        // 202: the plugin's time was over and `on_error = 'allow'` accepts the message. 503: there
        // was no instance to ask the plugin, which `on_error` does not cover.
        match answer.status {
            202 => {}
            503 if answer.json["code"] == "busy" && answer.header("retry-after") == "1" => {
                busy += 1
            }
            _ => bail!("{}: {}", answer.status, answer.json),
        }
    }
    ensure!(busy > 0, "calls beyond its share had room");
    Ok(())
}

/// Name and settings of a plugin, and words that the reason contains.
const UNUSABLE: [(&str, &str, &str); 6] = [
    ("no-validate", "", "`validate`"),
    ("wrong-version", "", "0.3.0"),
    ("no-lifecycle", "", "lifecycle"),
    ("foreign-import", "", "test:guests/telepathy"),
    ("odd", "config.behaviour = 7", "/behaviour"),
    ("stuck", "cpu = '50ms'", "over_cpu"),
];

#[tokio::test]
async fn a_plugin_that_cannot_be_loaded_stops_the_start_and_is_named() -> Result<()> {
    for (name, settings, words) in UNUSABLE {
        let said = refusal(
            &House::build(plan(&format!("[[plugin]]\nname = '{name}'\n{settings}\n"))).await?,
        )
        .await
        .context(name)?;
        ensure!(
            said.contains(name) && said.contains(words),
            "{name}: {words:?} is not in {said}"
        );
    }
    Ok(())
}

#[tokio::test]
async fn one_that_is_not_required_is_left_out_and_named_and_the_others_work() -> Result<()> {
    let entries: String = UNUSABLE
        .iter()
        .map(|(name, settings, _)| {
            format!("[[plugin]]\nname = '{name}'\nrequired = false\n{settings}\n")
        })
        .collect();
    let house = House::build(plan(&entries)).await?;
    let gateway = house.open().await?;
    for (name, _, words) in UNUSABLE {
        let what = format!("{name}: {words:?} in the log");
        gateway
            .until_log(&what, SOON, |line| {
                line.contains(name) && line.contains(words)
            })
            .await?;
    }
    gateway.api.send_async(NUMBER, "hello").await?.expect(202)?;
    serves_on(&gateway).await
}
