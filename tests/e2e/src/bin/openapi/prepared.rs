//! Prepares what generated calls refer to: sessions, messages, bulk orders and deliveries that
//! exist.
//!
//! A call can use up an object: a message can be cancelled only once. Because the same call is
//! generated many times, such objects exist many times, and no other call gets the same ones.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use wharf_e2e::{Api, House, house::BOOT, until};
use wharf_standin::{Account, Inbound};

use crate::KEY;

const SOON: Duration = Duration::from_secs(20);

/// The recipient of the messages.
const NUMBER: &str = "4915123456789";

/// How many objects exist of each kind that a call uses up.
const USED_UP: usize = 12;

/// How many dead letters exist for the calls about several deliveries at once.
const OLD_LETTERS: usize = 3;

/// What was prepared.
#[derive(Debug)]
pub(crate) struct Prepared {
    api: Api,
    /// The ids, by the names that `tests/openapi/hooks.py` uses.
    things: Value,
}

impl Prepared {
    /// Links the default session and creates the messages, orders and deliveries.
    pub(crate) async fn new(house: &House, url: &str) -> Result<Self> {
        let api = Api::with_key(url, KEY)?;
        let qr = api.until_qr(BOOT).await?;
        house.standin.scan(Some(&qr), Account::default()).await?;
        api.until_state("ready", BOOT).await?;
        // Generated calls may command this session, so that the sessions of the other calls stay.
        api.post("/v1/sessions", &json!({"id": "spare", "start": false}))
            .await?
            .expect(201)?;
        let (messages, waiting, ended) = messages(&api).await?;
        let order = json!({"session": "default", "template": "greeting", "variables": {"order": "9"}, "sendAt": tomorrow(),
            "recipients": [{"to": "4915123456780", "variables": {"name": "Ada"}}, {"to": "4915123456781", "variables": {"name": "Bob"}}]});
        let order = id(&api.post("/v1/bulk", &order).await?.expect(202)?.json)?;
        let old = dead_letters(house, &api, 0, OLD_LETTERS).await?;
        let before = jiff::Timestamp::now().as_millisecond();
        let mut dead = dead_letters(house, &api, before, 2 * USED_UP).await?;
        let purged = dead.split_off(USED_UP.min(dead.len()));
        // Generated calls write one key and delete the other.
        for key in ["kept", "gone"] {
            let path = format!("/v1/plugins/number-policy/kv/entry?shared=true&key={key}");
            let value = json!({"text": "prepared"});
            api.post(&path, &value).await?.expect(200)?;
        }
        let mut deliveries = deliveries(&api, "state=delivered&limit=3").await?;
        deliveries.extend(old);
        Ok(Self {
            things: json!({
                "number": NUMBER,
                "messages": messages, "waiting": waiting, "ended": ended,
                "orders": [order],
                "deliveries": deliveries, "dead": dead, "purged": purged, "before": before,
                "plugins": ["number-policy"], "kept": "kept", "gone": "gone",
                "tokens": [challenge(house, &api).await?],
            }),
            api,
        })
    }

    /// The ids for a run about `session`. Creates the sessions that its calls may delete.
    pub(crate) async fn things(&self, session: &str) -> Result<Value> {
        let mut deletable = Vec::new();
        for place in 0..USED_UP {
            let id = format!("deletable-{session}-{place}");
            self.api
                .post("/v1/sessions", &json!({"id": id, "start": false}))
                .await?
                .expect(201)?;
            deletable.push(id);
        }
        let mut things = self.things.clone();
        things["session"] = session.into();
        things["deletable"] = deletable.into();
        Ok(things)
    }
}

fn tomorrow() -> i64 {
    jiff::Timestamp::now().as_millisecond() + 86_400_000
}

fn id(json: &Value) -> Result<String> {
    let id = json["id"].as_str().map(str::to_owned);
    id.with_context(|| format!("no id: {json}"))
}

/// Creates messages of several kinds and in several states, queued messages, and messages that were
/// not sent.
async fn messages(api: &Api) -> Result<(Vec<String>, Vec<String>, Vec<String>)> {
    let send = async |session: &str, body: Value| -> Result<String> {
        let path = format!("/v1/sessions/{session}/messages");
        id(&api.post(&path, &body).await?.json)
    };
    let card = "BEGIN:VCARD\nVERSION:3.0\nFN:Ada\nEND:VCARD";
    let later = tomorrow();
    let mut several = vec![
        send("default", json!({"to": NUMBER, "text": "sent"})).await?,
        send("default", json!({"to": NUMBER, "text": "scheduled", "sendAt": later, "metadata": {"order": "9"}})).await?,
        send("default", json!({"to": NUMBER, "location": {"latitude": 52.5163, "longitude": 13.3777}, "sendAt": later})).await?,
        send("default", json!({"to": NUMBER, "contact": {"displayName": "Ada", "vcard": card}, "sendAt": later})).await?,
    ];
    let (mut waiting, mut ended) = (Vec::new(), Vec::new());
    for _ in 0..USED_UP {
        let body = json!({"to": NUMBER, "text": "waits", "sendAt": later});
        waiting.push(send("default", body.clone()).await?);
        let cancelled = send("default", body).await?;
        api.post_nothing(&format!("/v1/messages/{cancelled}/cancel"))
            .await?
            .expect(200)?;
        ended.push(cancelled);
    }
    // Generated calls may purge the queue of this session.
    send(
        "spare",
        json!({"to": NUMBER, "text": "purged", "sendAt": later}),
    )
    .await?;
    several.extend(ended.pop());
    Ok((several, waiting, ended))
}

/// Creates `count` more dead letters and returns those created at `since` or later, in milliseconds
/// since the Unix epoch.
async fn dead_letters(house: &House, api: &Api, since: i64, count: usize) -> Result<Vec<String>> {
    let dead = async || deliveries(api, "state=dead&limit=200").await;
    let wanted = dead().await?.len() + count;
    // The receiver answers 410 to the next events, whichever they are, so they become dead letters.
    house.receiver.refuse(&vec![410; count]);
    for place in 0..count {
        house.standin.inbound(Inbound {
            from: NUMBER.into(),
            body: format!("message {place}"),
            ..Inbound::default()
        })?;
    }
    until("dead letters", SOON, async || {
        Ok((dead().await?.len() >= wanted).then_some(()))
    })
    .await?;
    let made = deliveries(api, &format!("state=dead&limit=200&since={since}")).await?;
    ensure!(!made.is_empty(), "no new dead letter");
    Ok(made)
}

async fn deliveries(api: &Api, query: &str) -> Result<Vec<String>> {
    let list = api
        .get(&format!("/v1/deliveries?{query}"))
        .await?
        .expect(200)?;
    let list = list.json["deliveries"].as_array().cloned();
    list.unwrap_or_default().iter().map(id).collect()
}

/// Lets WhatsApp ask the linked account for its passkey and returns the token of the helper page.
/// The session stays ready meanwhile.
async fn challenge(house: &House, api: &Api) -> Result<String> {
    house.standin.checkpoint();
    until("a challenge", SOON, async || {
        let passkey = api.get("/v1/sessions/default/passkey").await?;
        let helper = passkey.json["helper"].as_str();
        Ok(helper.and_then(|path| Some(path.strip_prefix("/passkey/")?.to_owned())))
    })
    .await
}
