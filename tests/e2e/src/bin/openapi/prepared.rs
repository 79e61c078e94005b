//! Prepares what generated calls refer to: sessions, messages, bulk orders and deliveries that
//! exist.

use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::{Value, json};
use wharf_e2e::{Api, House, house::BOOT, until};
use wharf_standin::{Account, Inbound};

use crate::KEY;

const SOON: Duration = Duration::from_secs(20);

/// The ids of what was prepared.
#[derive(Debug)]
pub(crate) struct Prepared {
    /// Messages in several states.
    pub(crate) messages: Vec<String>,
    /// Bulk orders.
    pub(crate) orders: Vec<String>,
    /// Deliveries, dead and delivered.
    pub(crate) deliveries: Vec<String>,
}

impl Prepared {
    /// Links the default session and creates the messages, orders and deliveries.
    pub(crate) async fn new(house: &House, url: &str) -> Result<Self> {
        let api = Api::with_key(url, KEY)?;
        let qr = api.until_qr(BOOT).await?;
        house.standin.scan(Some(&qr), Account::default()).await?;
        api.until_state("ready", BOOT).await?;
        // Generated calls may command and delete this session, so that the sessions of the other
        // calls stay.
        api.post("/v1/sessions", &json!({"id": "spare", "start": false}))
            .await?
            .expect(201)?;

        let send = async |body: Value| -> Result<String> {
            let sent = api.post("/v1/sessions/default/messages", &body).await?;
            sent.json["id"]
                .as_str()
                .map(str::to_owned)
                .with_context(|| format!("no message: {}", sent.json))
        };
        let later = (jiff::Timestamp::now().as_millisecond()) + 86_400_000;
        let messages = vec![
            send(json!({"to": "4915123456789", "text": "sent"})).await?,
            send(json!({"to": "4915123456789", "text": "scheduled", "sendAt": later, "metadata": {"order": "9"}})).await?,
            send(json!({"to": "4915123456789", "location": {"latitude": 52.5163, "longitude": 13.3777}, "sendAt": later})).await?,
        ];
        let order = json!({"session": "default", "template": "greeting", "variables": {"order": "9"}, "sendAt": later,
            "recipients": [{"to": "4915123456780", "variables": {"name": "Ada"}}, {"to": "4915123456781", "variables": {"name": "Bob"}}]});
        let order = api.post("/v1/bulk", &order).await?.expect(202)?;
        let orders = order.json["id"]
            .as_str()
            .map(str::to_owned)
            .into_iter()
            .collect();

        // The receiver answers 410 to these, so they become dead letters.
        house.receiver.refuse(&[410, 410, 410]);
        for body in ["one", "two", "three"] {
            house.standin.inbound(Inbound {
                from: "4915123456789".into(),
                body: body.into(),
                ..Inbound::default()
            })?;
        }
        let ids = async |state: &str| -> Result<Vec<String>> {
            let list = api
                .get(&format!("/v1/deliveries?state={state}&limit=3"))
                .await?
                .expect(200)?;
            let all = list.json["deliveries"]
                .as_array()
                .cloned()
                .unwrap_or_default();
            Ok(all
                .iter()
                .filter_map(|delivery| delivery["id"].as_str().map(str::to_owned))
                .collect())
        };
        let mut deliveries = until("a dead letter", SOON, async || {
            Ok(Some(ids("dead").await?).filter(|ids| !ids.is_empty()))
        })
        .await?;
        deliveries.extend(ids("delivered").await?);
        Ok(Self {
            messages,
            orders,
            deliveries,
        })
    }
}
