//! Recipients: a sender's address can be used as a recipient unchanged, and an address that is not
//! understood is refused.

use anyhow::{Context, Result, ensure};
use reqwest::Method;
use serde_json::{Value, json};
use wharf_e2e::{Api, House, Plan, api, house::BOOT, until};
use wharf_standin::Inbound;

const BOB: &str = "4915198765432";
const GROUP: &str = "120363041234567890@g.us";
const SEED: &str = "/api/whatsapp/send";
const SEND: &str = "/v1/sessions/default/messages";

#[tokio::test]
async fn what_came_can_be_answered_as_it_stands_and_the_rest_is_refused_by_name() -> Result<()> {
    let house = House::build(Plan::default()).await?;
    let gateway = house.open_linked().await?;
    let api = &gateway.api;
    nothing_is_guessed(&house, api)
        .await
        .context("what is not understood")?;
    answered(&house, api).await.context("what came")?;
    found_again(api).await.context("the search")?;
    places_without_a_chat(&house, api)
        .await
        .context("what cannot be written to")?;
    api.until_all_sent(BOOT).await?;
    ensure!(house.arrived("tell nobody") == 0, "something was sent");
    let log = gateway.stop_for_log(BOOT).await?;
    log.lacks(&["tell nobody"])
}

async fn raw(api: &Api, path: &str, body: &str) -> Result<(u16, Value)> {
    let answer = api::answer(
        api.request(Method::POST, path)
            .header("content-type", "application/json")
            .body(body.to_owned()),
    )
    .await?;
    Ok((answer.status, answer.json))
}

/// Checks that every send call refuses each address that must be refused. A guess could send the
/// message to the wrong person.
async fn nothing_is_guessed(house: &House, api: &Api) -> Result<()> {
    let cases: Value = serde_json::from_str(include_str!("../../../cases/recipients.json"))?;
    let refused = cases["recipients"]
        .as_array()
        .context("no cases")?
        .iter()
        .filter(|case| case["right"] == json!(["refuse"]));
    for json in refused.filter_map(|case| case["json"].as_str()) {
        for (path, body) in [
            (
                SEED,
                format!(r#"{{"number": {json}, "message": "tell nobody"}}"#),
            ),
            (SEND, format!(r#"{{"to": {json}, "text": "tell nobody"}}"#)),
            (
                "/v1/bulk",
                format!(
                    r#"{{"session": "default", "text": "tell nobody", "recipients": [{{"to": {json}}}]}}"#
                ),
            ),
        ] {
            let (status, answer) = raw(api, path, &body).await?;
            ensure!(
                (400..500).contains(&status) && answer["code"].is_string(),
                "{path} {json}: {status} {answer}"
            );
        }
    }
    // serde would read an array as the fields in their order.
    for (path, body) in [
        (SEED, r#"["4915123456789", "tell nobody"]"#),
        (SEND, r#"["4915123456789", "tell nobody"]"#),
        (
            SEND,
            r#"{"to": "4915123456789", "location": [52.5, 13.4, "tell nobody"]}"#,
        ),
        (
            "/v1/bulk",
            r#"{"session": "default", "text": "tell nobody", "recipients": [["4915123456789"]]}"#,
        ),
        ("/v1/sessions", r#"["another"]"#),
        ("/api/whatsapp/pairing-code", r#"["4915123456789"]"#),
    ] {
        let (status, answer) = raw(api, path, body).await?;
        ensure!(status == 400, "{path} {body}: {status} {answer}");
    }
    ensure!(
        api.get("/v1/messages").await?.json["messages"] == json!([]),
        "something was stored"
    );
    ensure!(house.arrived("tell nobody") == 0, "something was sent");
    Ok(())
}

async fn answered(house: &House, api: &Api) -> Result<()> {
    let from_bob = |body: &str| Inbound {
        from: BOB.into(),
        body: body.into(),
        ..Inbound::default()
    };
    house.standin.inbound(from_bob("hello"))?;
    house.standin.inbound(Inbound {
        group: Some(GROUP.into()),
        ..from_bob("hello all")
    })?;
    let payload = async |body: &str| {
        let call = house
            .receiver
            .until_call(body, BOOT, |call| {
                call.event() == "message" && call.json["payload"]["body"] == body
            })
            .await?;
        Ok::<_, anyhow::Error>(call.json["payload"].clone())
    };
    let lid = payload("hello").await?["from"]
        .as_str()
        .context("no sender")?
        .to_owned();
    ensure!(lid.ends_with("@lid"), "{lid}");
    let group = payload("hello all").await?["from"]
        .as_str()
        .context("no sender")?
        .to_owned();
    ensure!(group == GROUP);

    let seed = api.send(&lid, "to whom it came from").await?.expect(200)?;
    ensure!(seed.data("to") == lid.as_str(), "{}", seed.json);
    let sent = api
        .post(SEND, &json!({"to": lid, "text": "and again"}))
        .await?
        .expect(200)?
        .json;
    ensure!(
        sent["recipient"] == lid && sent["number"] == BOB && sent["to"] == lid,
        "{sent}"
    );
    let by_number = api
        .post(SEND, &json!({"to": BOB, "text": "by number"}))
        .await?
        .expect(200)?
        .json;
    ensure!(
        by_number["recipient"] == BOB && by_number["to"] == lid,
        "{by_number}"
    );

    for (body, kind) in [
        (json!({"to": group, "text": "hello you all"}), "chat"),
        (
            json!({"to": group, "location": {"latitude": 52.5, "longitude": 13.4}}),
            "location",
        ),
        (
            json!({"to": group, "contact": {"displayName": "Ada", "vcard": "BEGIN:VCARD\nVERSION:3.0\nFN:Ada\nEND:VCARD"}}),
            "vcard",
        ),
    ] {
        let sent = api.post(SEND, &body).await?.expect(200)?.json;
        ensure!(
            sent["recipient"] == GROUP && sent["number"].is_null(),
            "{sent}"
        );
        let id = sent["messageId"].as_str().context("no id")?.to_owned();
        let view = house.standin.view();
        let arrived = view
            .messages
            .iter()
            .find(|message| message.id == id)
            .context("it did not arrive")?;
        ensure!(arrived.to == GROUP && arrived.kind == kind, "{arrived:?}");
    }
    let order = json!({"session": "default", "text": "to all of them", "recipients": [{"to": lid}, {"to": group}, {"to": "4915123456789"}]});
    let place = api
        .post("/v1/bulk", &order)
        .await?
        .expect(202)?
        .header("location")
        .to_owned();
    until("the order", BOOT, async || {
        Ok((house.arrived("to all of them") == 3).then_some(()))
    })
    .await?;
    let rows = api
        .get(&format!("{place}/recipients"))
        .await?
        .expect(200)?
        .json;
    let who: Vec<&Value> = rows["recipients"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|row| &row["to"])
        .collect();
    ensure!(
        who == [&json!(lid), &json!(group), &json!("4915123456789")],
        "{rows}"
    );
    Ok(())
}

async fn found_again(api: &Api) -> Result<()> {
    let count = async |to: &str| {
        let answer = api
            .get(&format!("/v1/messages?to={}", to.replace('@', "%40")))
            .await?
            .expect(200)?;
        Ok::<_, anyhow::Error>(answer.json["messages"].as_array().map_or(0, Vec::len))
    };
    let lid = api
        .get(&format!("/v1/messages?to={BOB}&limit=1"))
        .await?
        .json["messages"][0]["to"]
        .as_str()
        .context("no chat")?
        .to_owned();
    ensure!(
        count(BOB).await? == 4
            && count(&lid).await? == 4
            && count(&format!("{BOB}@c.us")).await? == 4,
        "one person under three names"
    );
    ensure!(count(GROUP).await? == 4, "a group");
    Ok(())
}

async fn places_without_a_chat(house: &House, api: &Api) -> Result<()> {
    for to in [
        "status@broadcast",
        "120363041477902@newsletter",
        "49151234567@broadcast",
        "867051314767696@bot",
    ] {
        for (path, body) in [
            (SEED, json!({"number": to, "message": "tell nobody"})),
            (SEND, json!({"to": to, "text": "tell nobody"})),
        ] {
            let answer = api.post(path, &body).await?.expect(422)?;
            ensure!(
                answer.json["code"] == "recipient_not_supported",
                "{to}: {}",
                answer.json
            );
        }
    }
    let answer = api
        .post(
            SEND,
            &json!({"to": "120363000000000000@g.us", "text": "tell nobody"}),
        )
        .await?
        .expect(422)?;
    ensure!(answer.json["code"] == "chat_not_found", "{}", answer.json);
    ensure!(house.arrived("tell nobody") == 0, "something was sent");
    Ok(())
}
