//! A repeated request is one message.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use reqwest::Method;
use serde_json::{Value, json};
use wharf_e2e::{
    Api, House, Plan,
    api::{Answer, answer},
    house::BOOT,
    until,
};

const NUMBER: &str = "4915123456789";

#[tokio::test]
async fn a_key_makes_repeating_a_send_safe() -> Result<()> {
    let house = House::build(Plan {
        overlay: "[send]\ntimeout = '3s'".into(),
        ..Plan::default()
    })
    .await?;
    let gateway = house.open_linked().await?;
    let api = &gateway.api;

    let first = api.send_once("key-1", NUMBER, "once").await?.expect(200)?;
    let again = api.send_once("key-1", NUMBER, "once").await?.expect(200)?;
    ensure!(
        first.data("messageId") == again.data("messageId"),
        "two ids: {} {}",
        first.json,
        again.json
    );
    ensure!(
        house.arrived("once") == 1,
        "{:?}",
        house.standin.view().messages
    );

    let other = api
        .send_once("key-1", NUMBER, "something else")
        .await?
        .expect(422)?;
    ensure!(
        other.json["code"] == "idempotency_key_reused",
        "{}",
        other.json
    );

    // A request that created no message does not use its key.
    let rejected = api
        .send_once("key-2", "19005550199", "no")
        .await?
        .expect(422)?;
    ensure!(
        rejected.json["code"] == "blocked_prefix",
        "{}",
        rejected.json
    );
    api.send_once("key-2", NUMBER, "allowed")
        .await?
        .expect(200)?;

    house.standin.set(json!({"ackDelay": null}));
    let begun = api.clone();
    let waiting = tokio::spawn(async move { begun.send_once("key-3", NUMBER, "in flight").await });
    house
        .standin
        .wait_for("the message", BOOT, |view| {
            view.messages.iter().any(|m| m.body == "in flight")
        })
        .await?;
    let meanwhile = api
        .send_once("key-3", NUMBER, "in flight")
        .await?
        .expect(409)?;
    ensure!(
        meanwhile.json["code"]
            .as_str()
            .is_some_and(|code| code.contains("in_flight")),
        "{}",
        meanwhile.json
    );
    let unknown = waiting.await??.expect(504)?;
    ensure!(
        unknown.json["code"] == "outcome_unknown",
        "{}",
        unknown.json
    );

    // A new page is asked for the message's outcome; from then on the key has it.
    house.standin.set(json!({"ackDelay": 5}));
    api.post_nothing("/api/whatsapp/reconnect")
        .await?
        .expect(200)?;
    let known = until(
        "the reconciled outcome under the key",
        Duration::from_secs(60),
        async || {
            let answer = api.send_once("key-3", NUMBER, "in flight").await?;
            Ok((answer.status == 200).then_some(answer))
        },
    );
    let known = known.await?;
    let id = house
        .standin
        .view()
        .messages
        .iter()
        .find(|m| m.body == "in flight")
        .map(|m| m.id.clone())
        .unwrap_or_default();
    ensure!(
        known
            .data("messageId")
            .as_str()
            .is_some_and(|key| key.contains(&id)),
        "{} is not about {id}",
        known.json
    );
    ensure!(
        house.arrived("in flight") == 1,
        "{:?}",
        house.standin.view().messages
    );
    ensure!(house.arrived("something else") == 0);
    Ok(())
}

const SEND: &str = "/v1/sessions/default/messages";

async fn keyed(
    api: &Api,
    path: &str,
    key: &str,
    body: &Value,
    prefer: Option<&str>,
) -> Result<Answer> {
    let mut request = api
        .request(Method::POST, path)
        .header("Idempotency-Key", key)
        .json(body);
    if let Some(prefer) = prefer {
        request = request.header("Prefer", prefer);
    }
    answer(request).await
}

fn ahead(seconds: u64) -> String {
    (jiff::Timestamp::now() + Duration::from_secs(seconds)).to_string()
}

/// A repeated request is recognised however much time has passed, and even if a new request would
/// now be refused.
#[tokio::test]
async fn a_repeated_request_is_recognised_before_anything_is_judged() -> Result<()> {
    let house = House::build(Plan {
        overlay: "[send]\ndefault_region = 'DE'".into(),
        ..Plan::default()
    })
    .await?;
    let gateway = house.open_linked().await?;
    let api = &gateway.api;

    // Requests with a time, through both APIs and as a bulk order.
    let own = json!({"to": NUMBER, "text": "scheduled", "sendAt": ahead(2)});
    let seed = json!({"number": NUMBER, "message": "scheduled too", "sendAt": ahead(2)});
    let many = json!({"session": "default", "text": "to many", "sendAt": ahead(2), "recipients": [{"to": "4915123456780"}]});
    let soon = json!({"to": NUMBER, "text": "soon", "expiresAt": ahead(2)});
    let many_soon = json!({"session": "default", "text": "to many soon", "expiresAt": ahead(2), "recipients": [{"to": "4915123456781"}]});
    // Up to a minute ago counts as now; a few seconds later this time is too old.
    let past = json!({"to": NUMBER, "text": "a minute ago", "sendAt": (jiff::Timestamp::now() - Duration::from_secs(57)).to_string()});
    let id = keyed(api, SEND, "a", &own, None).await?.expect(202)?.json["id"].clone();
    let again = keyed(api, SEND, "a", &own, None).await?.expect(202)?;
    ensure!(again.json["id"] == id, "{again:?}");
    let seed_id = keyed(api, "/api/whatsapp/send", "seed", &seed, None)
        .await?
        .expect(202)?
        .data("id")
        .clone();
    let order = keyed(api, "/v1/bulk", "bulk", &many, None)
        .await?
        .expect(202)?
        .json["id"]
        .clone();
    let order_soon = keyed(api, "/v1/bulk", "bulk-soon", &many_soon, None)
        .await?
        .expect(202)?
        .json["id"]
        .clone();
    let soon_id = keyed(api, SEND, "b", &soon, None).await?.expect(200)?.json["id"].clone();
    let past_id = keyed(api, SEND, "past", &past, None)
        .await?
        .expect(200)?
        .json["id"]
        .clone();
    for text in ["scheduled", "scheduled too", "to many", "to many soon"] {
        until(text, BOOT, async || {
            Ok((house.arrived(text) == 1).then_some(()))
        })
        .await?;
    }
    // A message has arrived before its acknowledgement is recorded.
    for id in [&id, &seed_id] {
        let path = format!("/v1/messages/{}", id.as_str().context("no id")?);
        until("the outcome", BOOT, async || {
            let state = api.get(&path).await?.expect(200)?.json["state"].take();
            Ok((state == "sent").then_some(()))
        })
        .await?;
    }
    // Until every time of these requests has passed, also that of the request which counted as now.
    let time = |value: &Value| Ok::<_, anyhow::Error>(value.as_str().context("no time")?.parse()?);
    let now_is_over: jiff::Timestamp = time(&past["sendAt"])?;
    let passed = [
        time(&own["sendAt"])?,
        time(&soon["expiresAt"])?,
        now_is_over + Duration::from_secs(60),
    ];
    until("the times of the requests to pass", BOOT, async || {
        let now = jiff::Timestamp::now();
        Ok(passed.iter().all(|time| *time < now).then_some(()))
    })
    .await?;

    let later = keyed(api, SEND, "a", &own, None).await?.expect(200)?;
    ensure!(
        later.json["id"] == id && later.json["state"] == "sent",
        "{later:?}"
    );
    let later = keyed(api, SEND, "a", &own, Some("respond-async"))
        .await?
        .expect(202)?;
    ensure!(later.json["id"] == id, "{later:?}");
    let later = keyed(api, "/api/whatsapp/send", "seed", &seed, None)
        .await?
        .expect(200)?;
    ensure!(
        later.data("id") == &seed_id && later.data("message") == "scheduled too",
        "{later:?}"
    );
    ensure!(keyed(api, SEND, "b", &soon, None).await?.expect(200)?.json["id"] == soon_id);
    ensure!(
        keyed(api, SEND, "past", &past, None)
            .await?
            .expect(200)?
            .json["id"]
            == past_id
    );
    ensure!(
        keyed(api, "/v1/bulk", "bulk", &many, None)
            .await?
            .expect(202)?
            .json["id"]
            == order
    );
    ensure!(
        keyed(api, "/v1/bulk", "bulk-soon", &many_soon, None)
            .await?
            .expect(202)?
            .json["id"]
            == order_soon
    );
    // Through the other API, and with the time in another form.
    let other = json!({"number": NUMBER, "message": "scheduled", "sendAt": own["sendAt"].as_str().unwrap_or_default().parse::<jiff::Timestamp>()?.as_millisecond()});
    ensure!(
        keyed(api, "/api/whatsapp/send", "a", &other, None)
            .await?
            .expect(200)?
            .data("id")
            == &id
    );
    // With another content it is another request.
    let mut moved = own.clone();
    moved["sendAt"] = ahead(60).into();
    ensure!(
        keyed(api, SEND, "a", &moved, None).await?.expect(422)?.json["code"]
            == "idempotency_key_reused"
    );
    // An invalid request is refused before its key is compared.
    ensure!(
        keyed(
            api,
            SEND,
            "a",
            &json!({"to": NUMBER, "text": "x", "sendAt": "soon"}),
            None
        )
        .await?
        .expect(400)?
        .json["code"]
            == "invalid_time"
    );

    // From here on, everything that validates a request decides differently.
    let national = json!({"to": "0151 23456789", "text": "national"});
    let long = json!({"to": NUMBER, "text": "longer than ten characters"});
    let rendered =
        json!({"to": NUMBER, "template": "greeting", "variables": {"name": "Ada", "order": "9"}});
    let blocked = json!({"session": "default", "template": "greeting", "variables": {"name": "Ada", "order": "9"}, "recipients": [{"to": "0151 23456782"}]});
    let mut ids = Vec::new();
    for (key, body) in [
        ("national", &national),
        ("long", &long),
        ("rendered", &rendered),
    ] {
        ids.push(keyed(api, SEND, key, body, None).await?.expect(200)?.json["id"].clone());
    }
    let order = keyed(api, "/v1/bulk", "judged", &blocked, None)
        .await?
        .expect(202)?
        .json["id"]
        .clone();
    gateway.stop(Duration::from_secs(40)).await?;
    let file = house.folder().join("gateway.toml");
    let mut config: toml::Table = std::fs::read_to_string(&file)?.parse()?;
    config.insert(
        "send".into(),
        toml::Table::from_iter([("max_length".to_owned(), toml::Value::from(10))]).into(),
    );
    let plugins = config
        .get_mut("plugin")
        .and_then(toml::Value::as_array_mut)
        .context("plugins")?;
    plugins.retain(|plugin| plugin.get("name").and_then(toml::Value::as_str) != Some("templates"));
    let policy = plugins
        .iter_mut()
        .find_map(|plugin| plugin.get_mut("config")?.as_table_mut())
        .context("number-policy")?;
    policy.insert(
        "block_prefixes".into(),
        vec![toml::Value::from("49")].into(),
    );
    std::fs::write(&file, toml::to_string(&config)?)?;
    let gateway = house.open().await?;
    let api = &gateway.api;
    // The answers do not wait for the session either.
    for ((key, body), id) in [
        ("national", &national),
        ("long", &long),
        ("rendered", &rendered),
    ]
    .into_iter()
    .zip(&ids)
    {
        ensure!(
            keyed(api, SEND, key, body, None).await?.expect(200)?.json["id"] == *id,
            "{key}"
        );
        let refused = keyed(
            api,
            SEND,
            &format!("new {key}"),
            body,
            Some("respond-async"),
        )
        .await?;
        ensure!(
            matches!(refused.status, 400 | 422),
            "a new request is judged: {refused:?}"
        );
    }
    ensure!(
        keyed(api, "/v1/bulk", "judged", &blocked, None)
            .await?
            .expect(202)?
            .json["id"]
            == order
    );
    api.until_state("ready", BOOT).await?;
    api.until_all_sent(BOOT).await?;
    for text in [
        "scheduled",
        "scheduled too",
        "soon",
        "a minute ago",
        "to many",
        "to many soon",
        "national",
        "longer than ten characters",
    ] {
        ensure!(
            house.arrived(text) == 1,
            "{text} arrived {} times",
            house.arrived(text)
        );
    }
    gateway.stop(Duration::from_secs(40)).await?;
    Ok(())
}
