//! `/v1/messages` and the calls that send: accepted, found, taken back, taken up again, sent, with the history of each.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use reqwest::Method;
use serde_json::{Value, json};
use wharf_e2e::{Answer, Api, Gateway, House, Plan, api, house::BOOT, until};
use wharf_standin::Account;

const NUMBER: &str = "4915123456789";
const SEND: &str = "/v1/sessions/default/messages";

#[tokio::test]
async fn each_call_about_messages_does_what_the_docs_say() -> Result<()> {
    let house = House::build(Plan { overlay: "[send]\ntimeout = '10s'".into(), ..Plan::default() }).await?;
    let gateway = house.open().await?;
    wrong_requests_store_nothing(&gateway.api).await.context("wrong requests")?;
    let kept = before_there_is_a_login(&gateway.api).await.context("before there is a login")?;
    let qr = gateway.api.until_qr(BOOT).await?;
    house.standin.scan(Some(&qr), Account::default()).await?;
    gateway.api.until_state("ready", BOOT).await?;
    taken_up_again_and_sent(&house, &gateway.api, &kept).await.context("a message that was taken up again")?;
    waited_for(&house, &gateway.api).await.context("a send that is waited for")?;
    later(&house, &gateway.api).await.context("a send for later")?;
    paused(&house, &gateway.api).await.context("a paused session")?;
    to_many(&house, &gateway.api).await.context("one message to many")?;
    found_after_a_crash(&house, gateway, &kept).await.context("after a crash")
}

/// RFC 9457, with a code.
fn problem(answer: Answer, status: u16, code: &str) -> Result<Value> {
    let answer = answer.expect(status)?;
    ensure!(answer.header("content-type") == "application/problem+json", "{}", answer.header("content-type"));
    let json = answer.json;
    ensure!(json["status"] == status && json["code"] == code && json["title"].is_string() && json["detail"].is_string(), "{code}: {json}");
    Ok(json)
}

async fn send_async(api: &Api, key: Option<&str>, body: &Value) -> Result<Answer> {
    let mut request = api.request(Method::POST, SEND).header("Prefer", "respond-async").json(body);
    if let Some(key) = key {
        request = request.header("Idempotency-Key", key);
    }
    api::answer(request).await
}

async fn all(api: &Api, query: &str) -> Result<Vec<Value>> {
    let answer = api.get(&format!("/v1/messages?{query}")).await?.expect(200)?;
    Ok(answer.json["messages"].as_array().context("no messages")?.clone())
}

async fn whole(api: &Api, id: &str) -> Result<Value> {
    Ok(api.get(&format!("/v1/messages/{id}")).await?.expect(200)?.json)
}

fn steps(message: &Value) -> Vec<&str> {
    message["history"].as_array().into_iter().flatten().filter_map(|step| step["what"].as_str()).collect()
}

async fn wrong_requests_store_nothing(api: &Api) -> Result<()> {
    let good = json!({"to": NUMBER, "text": "x"});
    let with = |name: &str, value: Value| {
        let mut body = good.clone();
        body[name] = value;
        body
    };
    for (body, status, code) in [
        (with("sendat", json!("2099-01-01T00:00:00Z")), 400, "invalid_body"),
        (with("to", json!("hello")), 400, "invalid_number"),
        (with("text", json!("")), 400, "missing_fields"),
        (with("template", json!("greeting")), 400, "message_and_template"),
        (with("text", json!("x".repeat(4097))), 400, "message_too_long"),
        (with("sendAt", json!("yesterday")), 400, "invalid_time"),
        (with("expiresAt", json!("2020-01-01T00:00:00Z")), 400, "invalid_time"),
        (with("priority", json!("urgent")), 400, "invalid_body"),
        (with("to", json!("19005550199")), 422, "blocked_prefix"),
        (json!({"to": NUMBER, "template": "no such"}), 422, "unknown_template"),
        (with("text", json!("x".repeat(2 << 20))), 413, "body_too_large"),
    ] {
        let answer = send_async(api, None, &body).await?;
        ensure!((answer.header("connection") == "close") == (status == 413), "{answer:?}");
        problem(answer, status, code)?;
    }
    let nobody = api.post("/v1/sessions/nobody/messages", &good).await?;
    problem(nobody, 404, "unknown_client")?;
    problem(api.post(SEND, &good).await?, 503, "not_ready")?;
    let seed = api.post("/api/whatsapp/send", &json!({"number": NUMBER, "message": "x", "mesage": "y"})).await?.expect(400)?;
    ensure!(seed.json["code"] == "unknown_field" && seed.json["message"].as_str().is_some_and(|words| words.contains("mesage")), "{}", seed.json);
    let large = api.post("/api/whatsapp/send", &json!({"number": NUMBER, "message": "x".repeat(2 << 20)})).await?.expect(413)?;
    ensure!(large.json["code"] == "body_too_large", "{}", large.json);
    ensure!(all(api, "").await?.is_empty(), "something was stored");
    for query in ["state=lost", "limit=0", "limit=201", "cursor=x", "since=now", "sort=up"] {
        ensure!(api.get(&format!("/v1/messages?{query}")).await?.status == 400, "{query}");
    }
    problem(api.get("/v1/messages/out_nobody").await?, 404, "not_found")?;
    Ok(())
}

/// The id of a message that waits.
async fn before_there_is_a_login(api: &Api) -> Result<String> {
    let accepted = send_async(api, Some("key-1"), &json!({"to": NUMBER, "text": "kept", "metadata": {"order": "7"}})).await?.expect(202)?;
    let id = accepted.json["id"].as_str().context("no id")?.to_owned();
    ensure!(accepted.json["state"] == "queued" && accepted.json["messageId"].is_string(), "{}", accepted.json);
    ensure!(accepted.header("location") == format!("/v1/messages/{id}") && accepted.header("preference-applied") == "respond-async");
    let again = send_async(api, Some("key-1"), &json!({"metadata": {"order": "7"}, "text": "kept", "to": "+49 1512 3456789"})).await?.expect(202)?;
    ensure!(again.json == accepted.json, "another message for the same key: {}", again.json);

    let message = whole(api, &id).await?;
    ensure!(steps(&message) == ["accepted", "verdict"], "{message}");
    ensure!(message["history"][1]["plugin"] == "number-policy" && message["history"][1]["verdict"] == "allow", "{message}");
    ensure!(message["content"]["text"] == "kept" && message["metadata"]["order"] == "7" && message["session"] == "default", "{message}");

    let seed = api::answer(
        api.request(Method::POST, "/api/whatsapp/send")
            .header("Prefer", "respond-async")
            .json(&json!({"number": "4915100000002", "message": "seed"})),
    );
    let seed = seed.await?.expect(202)?;
    ensure!(seed.json["success"] == true && seed.data("state") == "queued" && seed.data("location") == seed.header("location"), "{}", seed.json);
    for text in ["bulk 1", "bulk 2"] {
        let body = json!({"to": "4915100000003", "text": text, "priority": "bulk", "sendAt": "2099-01-01T00:00:00Z"});
        problem(api.post(SEND, &body).await?, 400, "invalid_time")?;
        send_async(api, None, &json!({"to": "4915100000003", "text": text, "priority": "bulk"})).await?.expect(202)?;
    }
    ensure!(all(api, "state=queued&session=default").await?.len() == 4);
    ensure!(all(api, "to=%2B49%20151%2000000003").await?.len() == 2, "by recipient");
    ensure!(all(api, "to=4915100000002%40c.us").await?.len() == 1, "by the id of the same recipient");
    problem(api.get("/v1/messages?to=49151000%2F2").await?, 400, "invalid_number")?;
    ensure!(all(api, "q=key-1").await?[0]["id"] == id, "by idempotency key");
    ensure!(all(api, &format!("q={}", accepted.json["messageId"].as_str().unwrap_or_default())).await?[0]["id"] == id, "by WhatsApp's id");
    ensure!(all(api, "until=2020-01-01T00:00:00Z").await?.is_empty() && all(api, "since=2020-01-01T00:00:00Z").await?.len() == 4);
    let page = api.get("/v1/messages?limit=3").await?.expect(200)?.json;
    let rest = all(api, &format!("limit=3&cursor={}", page["next"].as_str().context("no cursor")?)).await?;
    ensure!(rest.len() == 1 && rest[0]["id"] == id, "the oldest comes last: {rest:?}");

    let cancelled = api.post_nothing(&format!("/v1/messages/{id}/cancel")).await?.expect(200)?.json;
    ensure!(cancelled["state"] == "not_sent" && cancelled["outcome"]["code"] == "cancelled", "{cancelled}");
    problem(api.post_nothing(&format!("/v1/messages/{id}/cancel")).await?, 409, "wrong_state")?;
    problem(api.post_nothing("/v1/messages/out_nobody/retry").await?, 404, "not_found")?;

    let delete = async |query: &str| api::answer(api.request(Method::DELETE, &format!("/v1/messages?{query}"))).await;
    for query in ["", "state=queued", "session=default", "state=sent&session=default"] {
        problem(delete(query).await?, 400, "invalid_query")?;
    }
    problem(delete("state=queued&session=nobody").await?, 404, "unknown_client")?;
    let purged = delete("state=queued&session=default").await?.expect(200)?.json;
    ensure!(purged["cancelled"] == 3, "{purged}");
    ensure!(all(api, "state=queued").await?.is_empty());

    let retried = api.post_nothing(&format!("/v1/messages/{id}/retry")).await?.expect(202)?.json;
    ensure!(retried["state"] == "queued", "{retried}");
    Ok(id)
}

async fn taken_up_again_and_sent(house: &House, api: &Api, id: &str) -> Result<()> {
    let sent = until("the message", BOOT, async || Ok(Some(whole(api, id).await?).filter(|message| message["state"] == "sent"))).await?;
    // The address that the look-up found is judged again.
    let wanted = ["accepted", "verdict", "not_sent", "retried", "verdict", "sending", "sent", "ack"];
    ensure!(steps(&sent)[..8] == wanted && sent["history"][4]["when"] == "dispatch", "{sent}");
    ensure!(house.arrived("kept") == 1 && house.arrived("seed") == 0 && house.arrived("bulk 1") == 0, "what was purged does not leave");
    for verb in ["retry", "cancel"] {
        let refused = problem(api.post_nothing(&format!("/v1/messages/{id}/{verb}")).await?, 409, "wrong_state")?;
        ensure!(refused["state"] == "sent", "{refused}");
    }
    let by_chat = sent["to"].as_str().context("no chat")?.replace('@', "%40");
    ensure!(all(api, &format!("to={by_chat}")).await?[0]["id"] == id);
    Ok(())
}

async fn waited_for(house: &House, api: &Api) -> Result<()> {
    let sent = api.post(SEND, &json!({"to": NUMBER, "text": "at once"})).await?.expect(200)?.json;
    ensure!(sent["state"] == "sent" && sent["outcome"]["outcome"] == "sent" && house.arrived("at once") == 1, "{sent}");
    let outcome = &sent["outcome"];
    ensure!(outcome["messageKey"] == sent["messageKey"] && outcome["at"].as_str().is_some_and(|at| at.ends_with('Z')), "{outcome}");
    let rendered = json!({"to": NUMBER, "template": "greeting", "locale": "de", "variables": {"name": "Ada", "order": "7"}});
    api.post(SEND, &rendered).await?.expect(200)?;
    ensure!(house.arrived("Hallo Ada, deine Bestellung 7 ist unterwegs.") == 1);
    let nobody = problem(api.post(SEND, &json!({"to": "99912345678", "text": "anybody?"})).await?, 422, "not_on_whatsapp")?;
    ensure!(nobody["id"].as_str().is_some_and(|id| id.starts_with("out_")), "{nobody}");
    Ok(())
}

async fn later(house: &House, api: &Api) -> Result<()> {
    let at = jiff::Timestamp::now() + Duration::from_secs(3);
    let accepted = api.post(SEND, &json!({"to": NUMBER, "text": "later", "sendAt": at.to_string()})).await?.expect(202)?.json;
    let body = json!({"to": NUMBER, "text": "too late", "sendAt": at.as_millisecond() + 60_000, "expiresAt": at.as_millisecond() + 60_001});
    api.post(SEND, &body).await?.expect(202)?;
    api.post(SEND, &json!({"to": NUMBER, "text": "meanwhile"})).await?.expect(200)?;
    ensure!(house.arrived("later") == 0, "it did not wait");
    until("the later one", BOOT, async || Ok((house.arrived("later") == 1).then_some(()))).await?;
    ensure!(jiff::Timestamp::now() >= at);
    let message = whole(api, accepted["id"].as_str().unwrap_or_default()).await?;
    let judged: Vec<&Value> = message["history"].as_array().into_iter().flatten().filter(|step| step["when"] == "dispatch").collect();
    ensure!(judged.len() == 1, "it is judged again when it is sent: {message}");
    Ok(())
}

async fn paused(house: &House, api: &Api) -> Result<()> {
    let sending = "/v1/sessions/default/sending";
    let now = api.post_nothing(&format!("{sending}/pause")).await?.expect(200)?.json;
    ensure!(now["paused"] == true && now["pausedAt"].is_string() && now["session"] == "default", "{now}");
    let accepted = send_async(api, None, &json!({"to": NUMBER, "text": "after the pause"})).await?.expect(202)?.json;
    // The sender looks at the line at every accept; the second would be sent behind the first.
    send_async(api, None, &json!({"to": NUMBER, "text": "and this"})).await?.expect(202)?;
    tokio::time::sleep(Duration::from_millis(1200)).await;
    ensure!(house.arrived("after the pause") == 0, "a paused session sends");
    let id = accepted["id"].as_str().unwrap_or_default();
    ensure!(whole(api, id).await?["state"] == "queued");
    ensure!(api.post_nothing(&format!("{sending}/resume")).await?.expect(200)?.json["paused"] == false);
    until("both", BOOT, async || Ok((house.arrived("after the pause") == 1 && house.arrived("and this") == 1).then_some(()))).await?;
    ensure!(api.get(sending).await?.expect(200)?.json["firstSendAt"].is_null(), "nothing is counted without pacing");
    problem(api.post_nothing(&format!("{sending}/faster")).await?, 404, "not_found")?;
    problem(api.post_nothing("/v1/sessions/nobody/sending/pause").await?, 404, "unknown_client")?;
    Ok(())
}

async fn to_many(house: &House, api: &Api) -> Result<()> {
    let to = |number: &str, name: &str| json!({"to": number, "variables": {"name": name}});
    let order = |recipients: Value| json!({"session": "default", "template": "greeting", "variables": {"order": "9"}, "recipients": recipients});
    let twice = order(json!([to(NUMBER, "Ada"), to("+49 1512 3456789", "Ada")]));
    ensure!(problem(api.post("/v1/bulk", &twice).await?, 400, "duplicate_recipient")?["recipient"] == 1);
    ensure!(problem(api.post("/v1/bulk", &order(json!([to("hello", "Ada")]))).await?, 400, "invalid_number")?["recipient"] == 0);
    problem(api.post("/v1/bulk", &order(json!([]))).await?, 400, "invalid_recipients")?;
    problem(api.post("/v1/bulk", &json!({"session": "nobody", "text": "x", "recipients": [{"to": NUMBER}]})).await?, 404, "unknown_client")?;
    problem(api.get("/v1/bulk/bulk_nobody").await?, 404, "not_found")?;
    let unknown = json!({"session": "default", "template": "no such", "recipients": [{"to": NUMBER}]});
    problem(api.post("/v1/bulk", &unknown).await?, 422, "unknown_template")?;

    let good = order(json!([to("4915100000011", "Ada"), {"to": "4915100000012"}, to("4915100000013", "Bob"), to("99912345678", "nobody")]));
    let send = async || api::answer(api.request(Method::POST, "/v1/bulk").header("Idempotency-Key", "bulk-1").json(&good)).await?.expect(202);
    let (first, again) = (send().await?, send().await?);
    let place = first.header("location").to_owned();
    ensure!(first.json["total"] == 4 && again.header("location") == place, "{} {}", first.json, again.json);
    let wanted = json!({"sent": 2, "refused": 1, "not_sent": 1});
    until("the report", BOOT, async || Ok((api.get(&place).await?.expect(200)?.json["counts"] == wanted).then_some(()))).await?;
    ensure!(house.arrived("Hello Ada, your order 9 is on its way.") == 1 && house.arrived("Hello Bob, your order 9 is on its way.") == 1);
    let recipients = api.get(&format!("{place}/recipients")).await?.expect(200)?.json["recipients"].clone();
    ensure!(recipients[1]["code"] == "missing_variable" && recipients[3]["code"] == "not_on_whatsapp", "{recipients}");
    ensure!(whole(api, recipients[0]["message"].as_str().unwrap_or_default()).await?["priority"] == "bulk");
    let sent = api.get(&format!("{place}/recipients?state=sent")).await?.expect(200)?.json;
    ensure!(sent["recipients"].as_array().is_some_and(|rows| rows.len() == 2) && sent["next"].is_null(), "{sent}");
    ensure!(api.post_nothing(&format!("{place}/cancel")).await?.expect(200)?.json["cancelled"] == 0);
    Ok(())
}

async fn found_after_a_crash(house: &House, gateway: Gateway, id: &str) -> Result<()> {
    let before = whole(&gateway.api, id).await?;
    gateway.crash().await?;
    let gateway = house.open().await?;
    let after = whole(&gateway.api, id).await?;
    ensure!(after["history"] == before["history"], "the history is another one: {after}");
    ensure!(gateway.stop(Duration::from_secs(40)).await?.success());
    Ok(())
}
