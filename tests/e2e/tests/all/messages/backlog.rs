//! Messages that are accepted before there is a login: they wait, are found and cancelled, and are
//! sent after the login.

use anyhow::{Context, Result, ensure};
use reqwest::Method;
use serde_json::{Value, json};
use wharf_e2e::{Answer, Api, House, api, house::BOOT, until};

use super::{NUMBER, SEND, all};

fn steps(message: &Value) -> Vec<&str> {
    message["history"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|step| step["what"].as_str())
        .collect()
}

/// Lets the gateway accept a message under the key `key-1`.
async fn keyed(api: &Api, body: &Value) -> Result<Answer> {
    let request = api
        .request(Method::POST, SEND)
        .header("Prefer", "respond-async")
        .header("Idempotency-Key", "key-1");
    api::answer(request.json(body)).await
}

/// Returns the id of a message that waits.
pub(super) async fn before_there_is_a_login(api: &Api) -> Result<String> {
    let accepted = keyed(
        api,
        &json!({"to": NUMBER, "text": "kept", "metadata": {"order": "7"}}),
    )
    .await?
    .expect(202)?;
    let id = accepted.json["id"].as_str().context("no id")?.to_owned();
    ensure!(
        accepted.json["state"] == "queued" && accepted.json["messageId"].is_string(),
        "{}",
        accepted.json
    );
    ensure!(
        accepted.header("location") == format!("/v1/messages/{id}")
            && accepted.header("preference-applied") == "respond-async"
    );
    let again = keyed(
        api,
        &json!({"metadata": {"order": "7"}, "text": "kept", "to": "+49 1512 3456789"}),
    )
    .await?
    .expect(202)?;
    ensure!(
        again.json == accepted.json,
        "another message for the same key: {}",
        again.json
    );

    let message = api.message(&id).await?;
    ensure!(steps(&message) == ["accepted", "verdict"], "{message}");
    ensure!(
        message["history"][1]["plugin"] == "number-policy"
            && message["history"][1]["verdict"] == "allow",
        "{message}"
    );
    ensure!(
        message["content"]["text"] == "kept"
            && message["metadata"]["order"] == "7"
            && message["session"] == "default",
        "{message}"
    );

    let seed = api.send_async("4915100000002", "seed").await?.expect(202)?;
    ensure!(
        seed.json["success"] == true
            && seed.data("state") == "queued"
            && seed.data("location") == seed.header("location"),
        "{}",
        seed.json
    );
    for text in ["bulk 1", "bulk 2"] {
        let body = json!({"to": "4915100000003", "text": text, "priority": "bulk", "sendAt": "2099-01-01T00:00:00Z"});
        api.post(SEND, &body).await?.problem(400, "invalid_time")?;
        api.post_async(
            SEND,
            &json!({"to": "4915100000003", "text": text, "priority": "bulk"}),
        )
        .await?
        .expect(202)?;
    }
    ensure!(all(api, "state=queued&session=default").await?.len() == 4);
    ensure!(
        all(api, "to=%2B49%20151%2000000003").await?.len() == 2,
        "by recipient"
    );
    ensure!(
        all(api, "to=4915100000002%40c.us").await?.len() == 1,
        "by the id of the same recipient"
    );
    api.get("/v1/messages?to=49151000%2F2")
        .await?
        .problem(400, "invalid_number")?;
    ensure!(
        all(api, "q=key-1").await?[0]["id"] == id,
        "by idempotency key"
    );
    ensure!(
        all(
            api,
            &format!(
                "q={}",
                accepted.json["messageId"].as_str().unwrap_or_default()
            )
        )
        .await?[0]["id"]
            == id,
        "by WhatsApp's id"
    );
    ensure!(
        all(api, "until=2020-01-01T00:00:00Z").await?.is_empty()
            && all(api, "since=2020-01-01T00:00:00Z").await?.len() == 4
    );
    let page = api.get("/v1/messages?limit=3").await?.expect(200)?.json;
    let rest = all(
        api,
        &format!(
            "limit=3&cursor={}",
            page["next"].as_str().context("no cursor")?
        ),
    )
    .await?;
    ensure!(
        rest.len() == 1 && rest[0]["id"] == id,
        "the oldest comes last: {rest:?}"
    );

    let cancelled = api
        .post_nothing(&format!("/v1/messages/{id}/cancel"))
        .await?
        .expect(200)?
        .json;
    ensure!(
        cancelled["state"] == "not_sent" && cancelled["outcome"]["code"] == "cancelled",
        "{cancelled}"
    );
    api.post_nothing(&format!("/v1/messages/{id}/cancel"))
        .await?
        .problem(409, "wrong_state")?;
    api.post_nothing("/v1/messages/out_nobody/retry")
        .await?
        .problem(404, "not_found")?;

    let delete = async |query: &str| {
        api::answer(api.request(Method::DELETE, &format!("/v1/messages?{query}"))).await
    };
    for query in [
        "",
        "state=queued",
        "session=default",
        "state=sent&session=default",
    ] {
        delete(query).await?.problem(400, "invalid_query")?;
    }
    delete("state=queued&session=nobody")
        .await?
        .problem(404, "unknown_client")?;
    let purged = delete("state=queued&session=default")
        .await?
        .expect(200)?
        .json;
    ensure!(purged["cancelled"] == 3, "{purged}");
    ensure!(all(api, "state=queued").await?.is_empty());

    let retried = api
        .post_nothing(&format!("/v1/messages/{id}/retry"))
        .await?
        .expect(202)?
        .json;
    ensure!(retried["state"] == "queued", "{retried}");
    Ok(id)
}

pub(super) async fn taken_up_again_and_sent(house: &House, api: &Api, id: &str) -> Result<()> {
    let sent = until("the message", BOOT, async || {
        Ok(Some(api.message(id).await?).filter(|message| message["state"] == "sent"))
    })
    .await?;
    // The address that the look-up found is validated again.
    let wanted = [
        "accepted", "verdict", "not_sent", "retried", "verdict", "sending", "sent", "ack",
    ];
    ensure!(
        steps(&sent)[..8] == wanted && sent["history"][4]["when"] == "dispatch",
        "{sent}"
    );
    ensure!(
        house.arrived("kept") == 1 && house.arrived("seed") == 0 && house.arrived("bulk 1") == 0,
        "what was purged does not leave"
    );
    for verb in ["retry", "cancel"] {
        let refused = api
            .post_nothing(&format!("/v1/messages/{id}/{verb}"))
            .await?
            .problem(409, "wrong_state")?;
        ensure!(refused["state"] == "sent", "{refused}");
    }
    let by_chat = sent["to"].as_str().context("no chat")?.replace('@', "%40");
    ensure!(all(api, &format!("to={by_chat}")).await?[0]["id"] == id);
    Ok(())
}
