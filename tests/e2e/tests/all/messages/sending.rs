//! Sends of a session that is ready: with and without waiting, scheduled, held back by a pause, and
//! one message to many recipients.

use std::time::Duration;

use anyhow::{Result, ensure};
use reqwest::Method;
use serde_json::{Value, json};
use wharf_e2e::{Api, House, api, house::BOOT, until};

use super::{NUMBER, SEND};

pub(super) async fn waited_for(house: &House, api: &Api) -> Result<()> {
    let sent = api
        .post(SEND, &json!({"to": NUMBER, "text": "at once"}))
        .await?
        .expect(200)?
        .json;
    ensure!(
        sent["state"] == "sent"
            && sent["outcome"]["outcome"] == "sent"
            && house.arrived("at once") == 1,
        "{sent}"
    );
    let outcome = &sent["outcome"];
    ensure!(
        outcome["messageKey"] == sent["messageKey"]
            && outcome["at"].as_str().is_some_and(|at| at.ends_with('Z')),
        "{outcome}"
    );
    let rendered = json!({"to": NUMBER, "template": "greeting", "locale": "de", "variables": {"name": "Ada", "order": "7"}});
    api.post(SEND, &rendered).await?.expect(200)?;
    ensure!(house.arrived("Hallo Ada, deine Bestellung 7 ist unterwegs.") == 1);
    let nobody = api
        .post(SEND, &json!({"to": "99912345678", "text": "anybody?"}))
        .await?
        .problem(422, "not_on_whatsapp")?;
    ensure!(
        nobody["id"]
            .as_str()
            .is_some_and(|id| id.starts_with("out_")),
        "{nobody}"
    );
    Ok(())
}

pub(super) async fn later(house: &House, api: &Api) -> Result<()> {
    let at = jiff::Timestamp::now() + Duration::from_secs(3);
    let accepted = api
        .post(
            SEND,
            &json!({"to": NUMBER, "text": "later", "sendAt": at.to_string()}),
        )
        .await?
        .expect(202)?
        .json;
    let body = json!({"to": NUMBER, "text": "much later", "sendAt": at.as_millisecond() + 60_000, "expiresAt": at.as_millisecond() + 60_001});
    api.post(SEND, &body).await?.expect(202)?;
    api.post(SEND, &json!({"to": NUMBER, "text": "meanwhile"}))
        .await?
        .expect(200)?;
    ensure!(house.arrived("later") == 0, "it did not wait");
    until("the later one", BOOT, async || {
        Ok((house.arrived("later") == 1).then_some(()))
    })
    .await?;
    ensure!(jiff::Timestamp::now() >= at);
    let message = api
        .message(accepted["id"].as_str().unwrap_or_default())
        .await?;
    let judged: Vec<&Value> = message["history"]
        .as_array()
        .into_iter()
        .flatten()
        .filter(|step| step["when"] == "dispatch")
        .collect();
    ensure!(
        judged.len() == 1,
        "it is judged again when it is sent: {message}"
    );
    Ok(())
}

pub(super) async fn paused(house: &House, api: &Api) -> Result<()> {
    let sending = "/v1/sessions/default/sending";
    let now = api
        .post_nothing(&format!("{sending}/pause"))
        .await?
        .expect(200)?
        .json;
    ensure!(
        now["paused"] == true && now["pausedAt"].is_string() && now["session"] == "default",
        "{now}"
    );
    let accepted = api
        .post_async(SEND, &json!({"to": NUMBER, "text": "after the pause"}))
        .await?
        .expect(202)?
        .json;
    api.post_async(SEND, &json!({"to": NUMBER, "text": "and this"}))
        .await?
        .expect(202)?;
    let soon = jiff::Timestamp::now() + Duration::from_secs(1);
    let late = json!({"to": NUMBER, "text": "too late", "expiresAt": soon.to_string()});
    let late = api.post_async(SEND, &late).await?.expect(202)?.json;
    let late = late["id"].as_str().unwrap_or_default().to_owned();
    until(
        "the end of a message in time of the pause",
        BOOT,
        async || {
            let message = api.message(&late).await?;
            let expired = message["state"] == "not_sent" && message["outcome"]["code"] == "expired";
            Ok(expired.then_some(()))
        },
    )
    .await?;
    let id = accepted["id"].as_str().unwrap_or_default();
    ensure!(api.message(id).await?["state"] == "queued");
    let resumed = jiff::Timestamp::now();
    ensure!(
        api.post_nothing(&format!("{sending}/resume"))
            .await?
            .expect(200)?
            .json["paused"]
            == false
    );
    until("both", BOOT, async || {
        Ok((house.arrived("after the pause") == 1 && house.arrived("and this") == 1).then_some(()))
    })
    .await?;
    ensure!(
        house.arrived("too late") == 0,
        "an expired message was sent"
    );
    let message = api.message(id).await?;
    let begun = message["history"]
        .as_array()
        .into_iter()
        .flatten()
        .find(|step| step["what"] == "sending")
        .and_then(|step| step["at"].as_str()?.parse::<jiff::Timestamp>().ok());
    // Times of the gateway have whole milliseconds.
    ensure!(
        begun.is_some_and(|at| at.as_millisecond() >= resumed.as_millisecond()),
        "a paused session sends: {message}"
    );
    ensure!(
        api.get(sending).await?.expect(200)?.json["firstSendAt"].is_null(),
        "nothing is counted without pacing"
    );
    api.post_nothing(&format!("{sending}/faster"))
        .await?
        .problem(404, "not_found")?;
    api.post_nothing("/v1/sessions/nobody/sending/pause")
        .await?
        .problem(404, "unknown_client")?;
    Ok(())
}

pub(super) async fn to_many(house: &House, api: &Api) -> Result<()> {
    let to = |number: &str, name: &str| json!({"to": number, "variables": {"name": name}});
    let order = |recipients: Value| json!({"session": "default", "template": "greeting", "variables": {"order": "9"}, "recipients": recipients});
    let twice = order(json!([to(NUMBER, "Ada"), to("+49 1512 3456789", "Ada")]));
    ensure!(
        api.post("/v1/bulk", &twice)
            .await?
            .problem(400, "duplicate_recipient")?["recipient"]
            == 1
    );
    ensure!(
        api.post("/v1/bulk", &order(json!([to("hello", "Ada")])))
            .await?
            .problem(400, "invalid_number")?["recipient"]
            == 0
    );
    api.post("/v1/bulk", &order(json!([])))
        .await?
        .problem(400, "invalid_recipients")?;
    api.post(
        "/v1/bulk",
        &json!({"session": "nobody", "text": "x", "recipients": [{"to": NUMBER}]}),
    )
    .await?
    .problem(404, "unknown_client")?;
    api.get("/v1/bulk/bulk_nobody")
        .await?
        .problem(404, "not_found")?;
    let unknown =
        json!({"session": "default", "template": "no such", "recipients": [{"to": NUMBER}]});
    api.post("/v1/bulk", &unknown)
        .await?
        .problem(422, "unknown_template")?;

    let good = order(
        json!([to("4915100000011", "Ada"), {"to": "4915100000012"}, to("4915100000013", "Bob"), to("99912345678", "nobody")]),
    );
    let send = async || {
        api::answer(
            api.request(Method::POST, "/v1/bulk")
                .header("Idempotency-Key", "bulk-1")
                .json(&good),
        )
        .await?
        .expect(202)
    };
    let (first, again) = (send().await?, send().await?);
    let place = first.header("location").to_owned();
    ensure!(
        first.json["total"] == 4 && again.header("location") == place,
        "{} {}",
        first.json,
        again.json
    );
    let wanted = json!({"sent": 2, "refused": 1, "not_sent": 1});
    until("the report", BOOT, async || {
        Ok((api.get(&place).await?.expect(200)?.json["counts"] == wanted).then_some(()))
    })
    .await?;
    ensure!(
        house.arrived("Hello Ada, your order 9 is on its way.") == 1
            && house.arrived("Hello Bob, your order 9 is on its way.") == 1
    );
    let recipients = api
        .get(&format!("{place}/recipients"))
        .await?
        .expect(200)?
        .json["recipients"]
        .clone();
    ensure!(
        recipients[1]["code"] == "missing_variable" && recipients[3]["code"] == "not_on_whatsapp",
        "{recipients}"
    );
    ensure!(
        api.message(recipients[0]["message"].as_str().unwrap_or_default())
            .await?["priority"]
            == "bulk"
    );
    let sent = api
        .get(&format!("{place}/recipients?state=sent"))
        .await?
        .expect(200)?
        .json;
    ensure!(
        sent["recipients"]
            .as_array()
            .is_some_and(|rows| rows.len() == 2)
            && sent["next"].is_null(),
        "{sent}"
    );
    ensure!(
        api.post_nothing(&format!("{place}/cancel"))
            .await?
            .expect(200)?
            .json["cancelled"]
            == 0
    );
    Ok(())
}
