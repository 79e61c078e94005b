//! The content of messages is deleted after its retention time; their outcome and history are kept.

use std::{fs, time::Duration};

use anyhow::{Context, Result, ensure};
use reqwest::Method;
use serde_json::{Value, json};
use wharf_e2e::{House, Plan, api, house::BOOT, until};
use wharf_standin::Inbound;

const NUMBER: &str = "4915123456789";

fn id(message: &Value) -> Result<String> {
    Ok(message["id"].as_str().context("no id")?.to_owned())
}

#[tokio::test]
async fn texts_are_deleted_after_their_time_and_the_rest_is_still_told() -> Result<()> {
    let house = House::build(Plan {
        overlay: "[storage]\nkeep_bodies = '0s'".into(),
        ..Plan::default()
    })
    .await?;
    let gateway = house.open_linked().await?;
    let send = "/v1/sessions/default/messages";
    let sent = id(&gateway
        .api
        .post(
            send,
            &json!({"to": NUMBER, "text": "zebra", "metadata": {"order": "7"}}),
        )
        .await?
        .expect(200)?
        .json)?;
    let later = json!({"to": NUMBER, "text": "giraffe", "sendAt": (jiff::Timestamp::now() + Duration::from_secs(3600)).to_string()});
    let [cancelled, waits] = [
        gateway.api.post(send, &later).await?,
        gateway.api.post(send, &later).await?,
    ]
    .map(|answer| id(&answer.json));
    let (cancelled, waits) = (cancelled?, waits?);
    gateway
        .api
        .post_nothing(&format!("/v1/messages/{cancelled}/cancel"))
        .await?
        .expect(200)?;
    house.standin.inbound(Inbound {
        from: "4915198765432".into(),
        body: "okapi".into(),
        ..Inbound::default()
    })?;
    house
        .receiver
        .until_call("the inbound message", BOOT, |call| {
            call.json["payload"]["body"] == "okapi"
        })
        .await?;
    let before = gateway.api.message(&sent).await?;
    ensure!(gateway.stop(Duration::from_secs(40)).await?.success());

    // The gateway deletes at its start and then every minute.
    let gateway = house.open().await?;
    let redacted = async |id: &str| {
        let gone = async || {
            Ok(Some(gateway.api.message(id).await?)
                .filter(|message| message["content"] == json!({"kind": "redacted"})))
        };
        until("a text to be deleted", BOOT, gone).await
    };
    let (mut after, _) = (redacted(&sent).await?, redacted(&cancelled).await?);
    ensure!(
        after["history"]
            .as_array()
            .is_some_and(|steps| steps.len() >= 4),
        "{after}"
    );
    after["content"] = before["content"].clone();
    // Acknowledgements may have come meanwhile.
    for late in ["history", "ack"] {
        after[late] = before[late].clone();
    }
    ensure!(after == before, "{after} instead of {before}");
    let refused = gateway
        .api
        .post_nothing(&format!("/v1/messages/{cancelled}/retry"))
        .await?
        .expect(409)?
        .json;
    ensure!(refused["code"] == "body_gone", "{refused}");
    let refused = gateway
        .api
        .post_nothing(&format!("/v1/messages/{sent}/retry"))
        .await?
        .expect(409)?
        .json;
    ensure!(refused["code"] == "wrong_state", "{refused}");
    ensure!(
        gateway.api.message(&waits).await?["content"]["text"] == "giraffe",
        "what is still to be sent keeps its text"
    );
    api::answer(
        gateway
            .api
            .request(Method::DELETE, "/v1/messages?state=queued&session=default"),
    )
    .await?
    .expect(200)?;
    ensure!(gateway.stop(Duration::from_secs(40)).await?.success());

    let gateway = house.open().await?;
    let database = || {
        let files = ["wharf.db", "wharf.db-wal"]
            .map(|name| fs::read(house.folder().join("session").join(name)).unwrap_or_default());
        files.concat()
    };
    let gone = async || {
        let raw = database();
        let found = |word: &str| {
            raw.windows(word.len())
                .any(|window| window == word.as_bytes())
        };
        Ok((!["zebra", "giraffe", "okapi"].into_iter().any(found)).then_some(()))
    };
    until("no text in the files of the database", BOOT, gone).await?;
    ensure!(gateway.stop(Duration::from_secs(40)).await?.success());
    Ok(())
}
