//! Kinds of messages through the API: what belongs to a text, places and cards, what cannot be sent yet, what arrives.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use reqwest::Method;
use serde_json::{Value, json};
use wharf_e2e::{Answer, Api, Call, House, Plan, api, house::BOOT};
use wharf_standin::{Inbound, Received};

const ANN: &str = "4915123456789";
const BOB: &str = "4915198765432";
const SEND: &str = "/v1/sessions/default/messages";

#[tokio::test]
async fn each_kind_does_what_the_docs_say() -> Result<()> {
    let house = House::build(Plan::default()).await?;
    let gateway = house.open_linked().await?;
    let api = &gateway.api;
    wrong_requests_store_nothing(api).await.context("wrong requests")?;
    mentions(&house, api).await.context("mentions")?;
    places_and_cards(&house, api).await.context("places and cards")?;
    previews(&house, api).await.context("previews")?;
    answers(&house, api).await.context("answers")?;
    seed_and_bulk(&house, api).await.context("the seed's call and bulk orders")?;
    what_arrives(&house).await.context("what arrives")?;
    let told = |line: &String| ["BEGIN:VCARD", "how much", "example.org"].iter().any(|words| line.contains(words));
    ensure!(!gateway.log().lines().iter().any(told), "what a message says is in the log");
    ensure!(house.standin.view().reports.is_empty(), "{:?}", house.standin.view().reports);
    Ok(())
}

/// What the recipient of a message got.
fn received(house: &House, sent: &Value) -> Result<Received> {
    let id = sent["messageId"].as_str().context("no id")?;
    house.standin.view().messages.into_iter().find(|message| message.id == id || id.ends_with(&message.id)).context("it did not arrive")
}

async fn send(api: &Api, body: &Value) -> Result<Value> {
    Ok(api.post(SEND, body).await?.expect(200)?.json)
}

async fn content(api: &Api, sent: &Value) -> Result<Value> {
    let id = sent["id"].as_str().context("no id")?;
    Ok(api.get(&format!("/v1/messages/{id}")).await?.expect(200)?.json["content"].clone())
}

fn problem(answer: Answer, status: u16, code: &str) -> Result<String> {
    let answer = answer.expect(status)?;
    ensure!(answer.json["code"] == code, "{} instead of {code}", answer.json);
    Ok(answer.json["detail"].as_str().context("no detail")?.to_owned())
}

async fn wrong_requests_store_nothing(api: &Api) -> Result<()> {
    let target = json!({"messageId": "3EB0AA", "emoji": "👍"});
    for (body, status, code, words) in [
        (json!({"text": "hi Ann", "mentions": [ANN]}), 400, "mention_not_in_text", "@4915123456789"),
        (json!({"text": "hi @49151234567890", "mentions": [ANN]}), 400, "mention_not_in_text", "mentions[0]"),
        (json!({"text": "hi @x", "mentions": ["x@g.us"]}), 400, "invalid_mention", "@lid"),
        (json!({"text": "hi", "mentions": vec![ANN; 51]}), 400, "too_many_mentions", "50"),
        (json!({"mentions": [ANN], "location": {"latitude": 1, "longitude": 2}}), 400, "text_missing", "belong to a text"),
        (json!({"text": "x", "location": {"latitude": 1, "longitude": 2}}), 400, "several_kinds", "text or location"),
        (json!({"text": "x", "template": "greeting"}), 400, "message_and_template", "not both"),
        (json!({"location": {"latitude": 91, "longitude": 2}}), 400, "invalid_location", "-90"),
        (json!({"location": {"latitude": 1, "longitude": 2, "lat": 3}}), 400, "invalid_body", "lat"),
        (json!({"contact": {"displayName": "Ada", "vcard": "Ada"}}), 400, "invalid_contact", "BEGIN:VCARD"),
        (json!({"text": "x", "replyTo": "out_01kaz"}), 400, "invalid_message_id", "3EB0"),
        (json!({"reaction": {"messageId": "", "emoji": 5}}), 422, "kind_not_supported", "reaction"),
        (json!({"poll": {"question": "When?", "options": ["now", "later"]}}), 422, "kind_not_supported", "text, location, contact"),
        (json!({"reaction": target}), 422, "kind_not_supported", "reaction"),
        (json!({"edit": {"messageId": "3EB0AA", "text": "better"}}), 422, "kind_not_supported", "edit"),
        (json!({"delete": {"messageId": "3EB0AA"}}), 422, "kind_not_supported", "delete"),
        (json!({"media": {"kind": "image", "mimeType": "image/png"}}), 422, "kind_not_supported", "media"),
        (json!({}), 400, "missing_fields", "location"),
    ] {
        let mut body = body;
        body["to"] = ANN.into();
        let detail = problem(api.post(SEND, &body).await?, status, code).with_context(|| body.to_string())?;
        ensure!(detail.contains(words), "{words:?} is not in: {detail}");
    }
    ensure!(api.get("/v1/messages").await?.expect(200)?.json["messages"] == json!([]), "something was stored");
    Ok(())
}

async fn mentions(house: &House, api: &Api) -> Result<()> {
    let body = json!({"to": ANN, "text": format!("@{BOB} and @77 will come"), "mentions": ["+49 1519 8765432", "77@lid", format!("{BOB}@c.us")]});
    let once = async |body: &Value| api::answer(api.request(Method::POST, SEND).header("Idempotency-Key", "mentions").json(body)).await;
    let sent = once(&body).await?.expect(200)?.json;
    let wids = [format!("{BOB}@c.us"), "77@lid".to_owned()];
    ensure!(received(house, &sent)?.mentions == wids, "{:?}", received(house, &sent)?);
    let shown = content(api, &sent).await?;
    ensure!(shown == json!({"kind": "text", "text": body["text"], "mentions": wids, "linkPreview": true}), "{shown}");

    ensure!(once(&body).await?.expect(200)?.json["id"] == sent["id"], "another message for the same key");
    let mut other = body.clone();
    other["mentions"] = json!(["77@lid"]);
    problem(once(&other).await?, 422, "idempotency_key_reused")?;
    Ok(())
}

async fn places_and_cards(house: &House, api: &Api) -> Result<()> {
    let place = json!({"latitude": 52.5163, "longitude": 13.3777, "name": "Brandenburg Gate"});
    let sent = send(api, &json!({"to": ANN, "location": place})).await?;
    let arrived = received(house, &sent)?;
    ensure!(arrived.location == Some(json!({"lat": 52.5163, "lng": 13.3777, "loc": "Brandenburg Gate"})), "{arrived:?}");
    ensure!(content(api, &sent).await? == json!({"kind": "location", "location": place}));

    let card = json!({"displayName": "Ada", "vcard": "BEGIN:VCARD\nVERSION:3.0\nFN:Ada\nEND:VCARD"});
    let sent = send(api, &json!({"to": ANN, "contact": card, "replyTo": sent["messageId"]})).await?;
    let arrived = received(house, &sent)?;
    ensure!(json!(arrived.body) == card["vcard"] && arrived.contact.as_deref() == Some("Ada") && arrived.quoted.is_some(), "{arrived:?}");
    ensure!(content(api, &sent).await? == json!({"kind": "contact", "contact": card}) && sent["state"] == "sent", "{sent}");
    Ok(())
}

async fn previews(house: &House, api: &Api) -> Result<()> {
    house.standin.set(json!({"linkPreview": {"title": "Example"}}));
    let body = json!({"to": ANN, "text": "see https://example.org/1"});
    let preview = received(house, &send(api, &body).await?)?.preview.context("no preview")?;
    ensure!(preview["title"] == "Example" && preview["matchedText"] == "https://example.org/1", "{preview}");
    let mut without = body.clone();
    without["linkPreview"] = false.into();
    ensure!(received(house, &send(api, &without).await?)?.preview.is_none(), "unwanted");

    house.standin.set(json!({"linkPreviewDelay": 60_000}));
    let begun = Instant::now();
    let late = received(house, &send(api, &body).await?)?;
    ensure!(late.preview.is_none() && late.body == "see https://example.org/1" && late.transmissions == 1, "{late:?}");
    ensure!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
    hold_up_nobody(house, api).await.context("links while the phone is off")?;
    house.standin.set(json!({"linkPreviewDelay": 0, "linkPreviewError": 500}));
    ensure!(received(house, &send(api, &body).await?)?.preview.is_none(), "there was none");
    Ok(())
}

/// Twenty links to twenty people, then a code to somebody else: the code does not wait for the phone.
async fn hold_up_nobody(house: &House, api: &Api) -> Result<()> {
    let link = "all of it: https://example.org/2";
    for n in 0..20 {
        let body = json!({"to": format!("49151100000{n:02}"), "text": link});
        api::answer(api.request(Method::POST, SEND).header("Prefer", "respond-async").json(&body)).await?.expect(202)?;
    }
    send(api, &json!({"to": "4915120000000", "text": "code 123456"})).await?;
    let before = house.arrived(link);
    ensure!(before < 20, "the code waited for every link");
    house.standin.wait_for("the links", BOOT, |view| view.messages.iter().filter(|message| message.body == link).count() == 20).await?;
    Ok(())
}

async fn answers(house: &House, api: &Api) -> Result<()> {
    house.standin.inbound(Inbound { from: ANN.into(), body: "how much is it?".into(), ..Inbound::default() })?;
    let wanted = |call: &Call| call.event() == "message" && call.json["payload"]["body"] == "how much is it?";
    let question = house.receiver.until_call("the question", BOOT, wanted).await?;
    let key = question.json["payload"]["id"].as_str().context("no key")?.to_owned();
    let id = key.rsplit('_').next().unwrap_or_default();
    let quoted = |sent: &Value| Ok::<_, anyhow::Error>(received(house, sent)?.quoted.context("no quote")?["body"].clone());
    ensure!(quoted(&send(api, &json!({"to": ANN, "text": "ten", "replyTo": id})).await?)? == "how much is it?");
    let sent = send(api, &json!({"to": ANN, "text": "or eleven", "replyTo": key})).await?;
    ensure!(quoted(&sent)? == "how much is it?", "by the key that events say");

    // Then the question is in the page's database only.
    let connections = house.standin.view().connections;
    house.standin.push(None, json!({"type": "navigate"}));
    house.standin.wait_for("the page to be loaded anew", BOOT, |view| view.connections > connections && !view.online.is_empty()).await?;
    api.until_state("ready", BOOT).await?;
    ensure!(quoted(&send(api, &json!({"to": ANN, "text": "after the reload", "replyTo": id})).await?)? == "how much is it?");
    ensure!(quoted(&send(api, &json!({"to": ANN, "text": "still", "replyTo": sent["messageId"]})).await?)? == "or eleven", "one's own");

    for (to, target) in [(ANN, "3EB0FFFFFFFFFFFFFFFFFF"), (BOB, id)] {
        let answer = api.post(SEND, &json!({"to": to, "text": "to whom?", "replyTo": target})).await?;
        let message = answer.json["id"].as_str().unwrap_or_default().to_owned();
        ensure!(problem(answer, 422, "quote_not_found")?.contains("in this chat"));
        let row = api.get(&format!("/v1/messages/{message}")).await?.expect(200)?.json;
        ensure!(row["state"] == "not_sent" && row["outcome"]["code"] == "quote_not_found" && row["replyTo"] == target, "{row}");
    }
    ensure!(house.arrived("to whom?") == 0, "it was sent without its quote");
    Ok(())
}

async fn seed_and_bulk(house: &House, api: &Api) -> Result<()> {
    house.standin.set(json!({"linkPreview": {"title": "Example"}, "linkPreviewError": null}));
    let seed = async |body: Value| api.post("/api/whatsapp/send", &body).await;
    let text = format!("@{BOB}: example.org");
    let sent = seed(json!({"number": ANN, "message": text, "mentions": [BOB], "linkPreview": false})).await?.expect(200)?;
    ensure!(sent.data("message") == &json!(text), "{}", sent.json);
    let arrived = received(house, &sent.json["data"])?;
    ensure!(arrived.mentions == [format!("{BOB}@c.us")] && arrived.preview.is_none(), "{arrived:?}");
    let answer = seed(json!({"number": ANN, "message": "yes", "replyTo": sent.data("messageId")})).await?.expect(200)?;
    ensure!(received(house, &answer.json["data"])?.quoted.context("no quote")?["body"] == json!(text));
    for (body, status, code) in [
        (json!({"number": ANN, "message": "x", "mentions": ANN}), 400, "invalid_field"),
        (json!({"number": ANN, "message": "x", "mentions": [ANN]}), 400, "mention_not_in_text"),
        (json!({"number": ANN, "message": "x", "linkPreview": "no"}), 400, "invalid_field"),
        (json!({"number": ANN, "message": "x", "replyTo": "3EB0FFFFFFFFFFFFFFFFFF"}), 422, "quote_not_found"),
    ] {
        ensure!(seed(body.clone()).await?.expect(status)?.json["code"] == code, "{body}");
    }

    let order = json!({"session": "default", "text": format!("all of us, @{BOB} too"), "mentions": [BOB], "recipients": [{"to": ANN}, {"to": BOB}]});
    let place = api.post("/v1/bulk", &order).await?.expect(202)?.header("location").to_owned();
    let of_order = |message: &&Received| message.body.starts_with("all of us");
    let view = house.standin.wait_for("the order", BOOT, |view| view.messages.iter().filter(of_order).count() == 2).await?;
    ensure!(view.messages.iter().filter(of_order).all(|message| message.mentions == [format!("{BOB}@c.us")]), "{place}");
    problem(
        api.post("/v1/bulk", &json!({"session": "default", "text": "x", "mentions": [BOB], "recipients": [{"to": ANN}]})).await?,
        400,
        "mention_not_in_text",
    )?;
    Ok(())
}

async fn what_arrives(house: &House) -> Result<()> {
    let group = "120363041234567890@g.us";
    let from_bob = |body: &str| Inbound { from: BOB.into(), body: body.into(), pushname: Some("Bob".into()), ..Inbound::default() };
    let payload = async |what: &str, wanted: &(dyn Fn(&Value) -> bool + Sync)| {
        let call = house.receiver.until_call(what, BOOT, |call| call.event() == "message" && wanted(&call.json["payload"])).await?;
        Ok::<_, anyhow::Error>(call.json["payload"].clone())
    };
    house.standin.inbound(from_bob("one to one"))?;
    house.standin.inbound(Inbound { group: Some(group.into()), mentions: vec![format!("{ANN}@c.us")], ..from_bob("in a group @4915123456789") })?;
    let alone = payload("a text", &|payload| payload["body"] == "one to one").await?;
    let both = alone["_data"]["chat"].clone();
    ensure!(both["pn"] == format!("{BOB}@c.us") && both["lid"] == both["id"] && alone["_data"]["sender"] == both, "{alone}");
    let grouped = payload("a text in a group", &|payload| payload["from"] == group).await?;
    ensure!(grouped["_data"]["sender"] == both && grouped["_data"]["chat"]["id"] == group, "{grouped}");
    ensure!(grouped["_data"]["mentions"] == json!([format!("{ANN}@c.us")]), "{grouped}");

    let of = |kind: &str, fields: Value| {
        Ok::<_, anyhow::Error>(Inbound { kind: Some(kind.into()), fields: serde_json::from_value(fields)?, ..from_bob("") })
    };
    house.standin.inbound(of("image", json!({"mimetype": "image/png", "size": 7, "caption": "a picture"}))?)?;
    let options = json!([{"name": "now", "localId": 0}, {"name": "later", "localId": 1}]);
    house.standin.inbound(of("poll_creation", json!({"pollName": "When?", "pollOptions": options, "pollSelectableOptionsCount": 0}))?)?;
    house.standin.inbound(of("vcard", json!({"body": "BEGIN:VCARD", "vcardFormattedName": "Ada"}))?)?;
    house.standin.inbound(of("multi_vcard", json!({}))?)?;
    let picture = payload("a picture", &|payload| payload["body"] == "a picture").await?;
    ensure!(picture["hasMedia"] == true && picture["media"]["mimetype"] == "image/png", "{picture}");
    let poll = payload("a poll", &|payload| payload["poll"].is_object()).await?;
    ensure!(poll["poll"] == json!({"name": "When?", "options": ["now", "later"], "multipleAnswers": true}) && poll["body"] == "When?", "{poll}");
    let card = payload("a card", &|payload| payload["vCards"] == json!(["BEGIN:VCARD"])).await?;
    ensure!(card["_data"]["vcardFormattedName"] == "Ada", "{card}");
    payload("something else", &|payload| payload["_data"]["type"] == "multi_vcard").await?;
    Ok(())
}
