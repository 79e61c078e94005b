//! The kinds of messages in the API: the options of a text, locations and contacts, kinds that
//! cannot be sent yet, and incoming messages.

mod inbound;
mod outbound;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use wharf_e2e::{Api, House, Plan, house::BOOT};
use wharf_standin::Received;

const ANN: &str = "4915123456789";
const BOB: &str = "4915198765432";
const SEND: &str = "/v1/sessions/default/messages";

#[tokio::test]
async fn each_kind_does_what_the_docs_say() -> Result<()> {
    let house = House::build(Plan::default()).await?;
    let gateway = house.open_linked().await?;
    let api = &gateway.api;
    wrong_requests_store_nothing(api)
        .await
        .context("wrong requests")?;
    outbound::mentions(&house, api).await.context("mentions")?;
    outbound::places_and_cards(&house, api)
        .await
        .context("places and cards")?;
    outbound::previews(&house, api).await.context("previews")?;
    outbound::answers(&house, api).await.context("answers")?;
    seed_and_bulk(&house, api)
        .await
        .context("the seed's call and bulk orders")?;
    inbound::what_arrives(&house)
        .await
        .context("what arrives")?;
    let log = gateway.stop_for_log(BOOT).await?;
    log.lacks(&["BEGIN:VCARD", "how much", "example.org"])?;
    ensure!(
        house.standin.view().reports.is_empty(),
        "{:?}",
        house.standin.view().reports
    );
    Ok(())
}

/// The message as its recipient got it.
fn received(house: &House, sent: &Value) -> Result<Received> {
    let id = sent["messageId"].as_str().context("no id")?;
    house
        .standin
        .view()
        .messages
        .into_iter()
        .find(|message| message.id == id || id.ends_with(&message.id))
        .context("it did not arrive")
}

async fn send(api: &Api, body: &Value) -> Result<Value> {
    Ok(api.post(SEND, body).await?.expect(200)?.json)
}

async fn content(api: &Api, sent: &Value) -> Result<Value> {
    let id = sent["id"].as_str().context("no id")?;
    Ok(api.message(id).await?["content"].clone())
}

async fn wrong_requests_store_nothing(api: &Api) -> Result<()> {
    let target = json!({"messageId": "3EB0AA", "emoji": "👍"});
    for (body, status, code, words) in [
        (
            json!({"text": "hi Ann", "mentions": [ANN]}),
            400,
            "mention_not_in_text",
            "@4915123456789",
        ),
        (
            json!({"text": "hi @49151234567890", "mentions": [ANN]}),
            400,
            "mention_not_in_text",
            "mentions[0]",
        ),
        (
            json!({"text": "hi @x", "mentions": ["x@g.us"]}),
            400,
            "invalid_mention",
            "@lid",
        ),
        (
            json!({"text": "hi", "mentions": vec![ANN; 51]}),
            400,
            "too_many_mentions",
            "50",
        ),
        (
            json!({"mentions": [ANN], "location": {"latitude": 1, "longitude": 2}}),
            400,
            "text_missing",
            "belong to a text",
        ),
        (
            json!({"text": "x", "location": {"latitude": 1, "longitude": 2}}),
            400,
            "several_kinds",
            "text or location",
        ),
        (
            json!({"text": "x", "template": "greeting"}),
            400,
            "message_and_template",
            "not both",
        ),
        (
            json!({"location": {"latitude": 91, "longitude": 2}}),
            400,
            "invalid_location",
            "-90",
        ),
        (
            json!({"location": {"latitude": 1, "longitude": 2, "lat": 3}}),
            400,
            "invalid_body",
            "lat",
        ),
        (
            json!({"contact": {"displayName": "Ada", "vcard": "Ada"}}),
            400,
            "invalid_contact",
            "BEGIN:VCARD",
        ),
        (
            json!({"text": "x", "replyTo": "out_01kaz"}),
            400,
            "invalid_message_id",
            "3EB0",
        ),
        (
            json!({"reaction": {"messageId": "", "emoji": 5}}),
            422,
            "kind_not_supported",
            "reaction",
        ),
        (
            json!({"poll": {"question": "When?", "options": ["now", "later"]}}),
            422,
            "kind_not_supported",
            "text, location, contact",
        ),
        (
            json!({"reaction": target}),
            422,
            "kind_not_supported",
            "reaction",
        ),
        (
            json!({"edit": {"messageId": "3EB0AA", "text": "better"}}),
            422,
            "kind_not_supported",
            "edit",
        ),
        (
            json!({"delete": {"messageId": "3EB0AA"}}),
            422,
            "kind_not_supported",
            "delete",
        ),
        (
            json!({"media": {"kind": "image", "mimeType": "image/png"}}),
            422,
            "kind_not_supported",
            "media",
        ),
        (json!({}), 400, "missing_fields", "location"),
    ] {
        let mut body = body;
        body["to"] = ANN.into();
        let detail = api
            .post(SEND, &body)
            .await?
            .problem_detail(status, code)
            .with_context(|| body.to_string())?;
        ensure!(detail.contains(words), "{words:?} is not in: {detail}");
    }
    ensure!(
        api.get("/v1/messages").await?.expect(200)?.json["messages"] == json!([]),
        "something was stored"
    );
    Ok(())
}

async fn seed_and_bulk(house: &House, api: &Api) -> Result<()> {
    house
        .standin
        .set(json!({"linkPreview": {"title": "Example"}, "linkPreviewError": null}));
    let seed = async |body: Value| api.post("/api/whatsapp/send", &body).await;
    let text = format!("@{BOB}: example.org");
    let sent =
        seed(json!({"number": ANN, "message": text, "mentions": [BOB], "linkPreview": false}))
            .await?
            .expect(200)?;
    ensure!(sent.data("message") == &json!(text), "{}", sent.json);
    let arrived = received(house, &sent.json["data"])?;
    ensure!(
        arrived.mentions == [format!("{BOB}@c.us")] && arrived.preview.is_none(),
        "{arrived:?}"
    );
    let answer = seed(json!({"number": ANN, "message": "yes", "replyTo": sent.data("messageId")}))
        .await?
        .expect(200)?;
    ensure!(
        received(house, &answer.json["data"])?
            .quoted
            .context("no quote")?["body"]
            == json!(text)
    );
    for (body, status, code) in [
        (
            json!({"number": ANN, "message": "x", "mentions": ANN}),
            400,
            "invalid_field",
        ),
        (
            json!({"number": ANN, "message": "x", "mentions": [ANN]}),
            400,
            "mention_not_in_text",
        ),
        (
            json!({"number": ANN, "message": "x", "linkPreview": "no"}),
            400,
            "invalid_field",
        ),
        (
            json!({"number": ANN, "message": "x", "replyTo": "3EB0FFFFFFFFFFFFFFFFFF"}),
            422,
            "quote_not_found",
        ),
    ] {
        ensure!(
            seed(body.clone()).await?.expect(status)?.json["code"] == code,
            "{body}"
        );
    }

    let order = json!({"session": "default", "text": format!("all of us, @{BOB} too"), "mentions": [BOB], "recipients": [{"to": ANN}, {"to": BOB}]});
    let place = api
        .post("/v1/bulk", &order)
        .await?
        .expect(202)?
        .header("location")
        .to_owned();
    let of_order = |message: &&Received| message.body.starts_with("all of us");
    let view = house
        .standin
        .wait_for("the order", BOOT, |view| {
            view.messages.iter().filter(of_order).count() == 2
        })
        .await?;
    ensure!(
        view.messages
            .iter()
            .filter(of_order)
            .all(|message| message.mentions == [format!("{BOB}@c.us")]),
        "{place}"
    );
    api.post(
        "/v1/bulk",
        &json!({"session": "default", "text": "x", "mentions": [BOB], "recipients": [{"to": ANN}]}),
    )
    .await?
    .problem_detail(400, "mention_not_in_text")?;
    Ok(())
}
