//! Incoming messages: the event of each kind, with its sender and its chat, one to one and in a
//! group.

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use wharf_e2e::{House, house::BOOT};
use wharf_standin::Inbound;

use super::{ANN, BOB};

pub(super) async fn what_arrives(house: &House) -> Result<()> {
    let group = "120363041234567890@g.us";
    let from_bob = |body: &str| Inbound {
        from: BOB.into(),
        body: body.into(),
        pushname: Some("Bob".into()),
        ..Inbound::default()
    };
    let payload = async |what: &str, wanted: &(dyn Fn(&Value) -> bool + Sync)| {
        let call = house
            .receiver
            .until_call(what, BOOT, |call| {
                call.event() == "message" && wanted(&call.json["payload"])
            })
            .await?;
        Ok::<_, anyhow::Error>(call.json["payload"].clone())
    };
    house.standin.inbound(from_bob("one to one"))?;
    house.standin.inbound(Inbound {
        group: Some(group.into()),
        mentions: vec![format!("{ANN}@c.us")],
        ..from_bob("in a group @4915123456789")
    })?;
    let alone = payload("a text", &|payload| payload["body"] == "one to one").await?;
    let both = alone["_data"]["chat"].clone();
    ensure!(
        both["pn"] == format!("{BOB}@c.us")
            && both["lid"] == both["id"]
            && alone["_data"]["sender"] == both,
        "{alone}"
    );
    let grouped = payload("a text in a group", &|payload| payload["from"] == group).await?;
    ensure!(
        grouped["_data"]["sender"] == both && grouped["_data"]["chat"]["id"] == group,
        "{grouped}"
    );
    ensure!(
        grouped["_data"]["mentions"] == json!([format!("{ANN}@c.us")]),
        "{grouped}"
    );

    let of = |kind: &str, fields: Value| {
        Ok::<_, anyhow::Error>(Inbound {
            kind: Some(kind.into()),
            fields: serde_json::from_value(fields)?,
            ..from_bob("")
        })
    };
    house.standin.inbound(of(
        "image",
        json!({"mimetype": "image/png", "size": 7, "caption": "a picture"}),
    )?)?;
    let options = json!([{"name": "now", "localId": 0}, {"name": "later", "localId": 1}]);
    house.standin.inbound(of(
        "poll_creation",
        json!({"pollName": "When?", "pollOptions": options, "pollSelectableOptionsCount": 0}),
    )?)?;
    house.standin.inbound(of(
        "vcard",
        json!({"body": "BEGIN:VCARD", "vcardFormattedName": "Ada"}),
    )?)?;
    house.standin.inbound(of("multi_vcard", json!({}))?)?;
    let picture = payload("a picture", &|payload| payload["body"] == "a picture").await?;
    ensure!(
        picture["hasMedia"] == true && picture["media"]["mimetype"] == "image/png",
        "{picture}"
    );
    let poll = payload("a poll", &|payload| payload["poll"].is_object()).await?;
    ensure!(
        poll["poll"]
            == json!({"name": "When?", "options": ["now", "later"], "multipleAnswers": true})
            && poll["body"] == "When?",
        "{poll}"
    );
    let card = payload("a card", &|payload| {
        payload["vCards"] == json!(["BEGIN:VCARD"])
    })
    .await?;
    ensure!(card["_data"]["vcardFormattedName"] == "Ada", "{card}");
    payload("something else", &|payload| {
        payload["_data"]["type"] == "multi_vcard"
    })
    .await?;
    Ok(())
}
