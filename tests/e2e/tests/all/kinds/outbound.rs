//! Sending through `/v1`: mentions, locations, contacts, link previews, and replies to other
//! messages.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use reqwest::Method;
use serde_json::{Value, json};
use wharf_e2e::{Api, Call, House, api, house::BOOT};
use wharf_standin::Inbound;

use super::{ANN, BOB, SEND, content, received, send};

pub(super) async fn mentions(house: &House, api: &Api) -> Result<()> {
    let body = json!({"to": ANN, "text": format!("@{BOB} and @77 will come"), "mentions": ["+49 1519 8765432", "77@lid", format!("{BOB}@c.us")]});
    let once = async |body: &Value| {
        api::answer(
            api.request(Method::POST, SEND)
                .header("Idempotency-Key", "mentions")
                .json(body),
        )
        .await
    };
    let sent = once(&body).await?.expect(200)?.json;
    let wids = [format!("{BOB}@c.us"), "77@lid".to_owned()];
    ensure!(
        received(house, &sent)?.mentions == wids,
        "{:?}",
        received(house, &sent)?
    );
    let shown = content(api, &sent).await?;
    ensure!(
        shown
            == json!({"kind": "text", "text": body["text"], "mentions": wids, "linkPreview": true}),
        "{shown}"
    );

    ensure!(
        once(&body).await?.expect(200)?.json["id"] == sent["id"],
        "another message for the same key"
    );
    let mut other = body.clone();
    other["mentions"] = json!(["77@lid"]);
    once(&other)
        .await?
        .problem_detail(422, "idempotency_key_reused")?;
    Ok(())
}

pub(super) async fn places_and_cards(house: &House, api: &Api) -> Result<()> {
    let place = json!({"latitude": 52.5163, "longitude": 13.3777, "name": "Brandenburg Gate"});
    let sent = send(api, &json!({"to": ANN, "location": place})).await?;
    let arrived = received(house, &sent)?;
    ensure!(
        arrived.location
            == Some(json!({"lat": 52.5163, "lng": 13.3777, "loc": "Brandenburg Gate"})),
        "{arrived:?}"
    );
    ensure!(content(api, &sent).await? == json!({"kind": "location", "location": place}));

    let card =
        json!({"displayName": "Ada", "vcard": "BEGIN:VCARD\nVERSION:3.0\nFN:Ada\nEND:VCARD"});
    let sent = send(
        api,
        &json!({"to": ANN, "contact": card, "replyTo": sent["messageId"]}),
    )
    .await?;
    let arrived = received(house, &sent)?;
    ensure!(
        json!(arrived.body) == card["vcard"]
            && arrived.contact.as_deref() == Some("Ada")
            && arrived.quoted.is_some(),
        "{arrived:?}"
    );
    ensure!(
        content(api, &sent).await? == json!({"kind": "contact", "contact": card})
            && sent["state"] == "sent",
        "{sent}"
    );
    Ok(())
}

pub(super) async fn previews(house: &House, api: &Api) -> Result<()> {
    house
        .standin
        .set(json!({"linkPreview": {"title": "Example"}}));
    let body = json!({"to": ANN, "text": "see https://example.org/1"});
    let preview = received(house, &send(api, &body).await?)?
        .preview
        .context("no preview")?;
    ensure!(
        preview["title"] == "Example" && preview["matchedText"] == "https://example.org/1",
        "{preview}"
    );
    let mut without = body.clone();
    without["linkPreview"] = false.into();
    ensure!(
        received(house, &send(api, &without).await?)?
            .preview
            .is_none(),
        "unwanted"
    );

    house.standin.set(json!({"linkPreviewDelay": 60_000}));
    let begun = Instant::now();
    let late = received(house, &send(api, &body).await?)?;
    ensure!(
        late.preview.is_none()
            && late.body == "see https://example.org/1"
            && late.transmissions == 1,
        "{late:?}"
    );
    ensure!(
        begun.elapsed() < Duration::from_secs(20),
        "{:?}",
        begun.elapsed()
    );
    hold_up_nobody(house, api)
        .await
        .context("links while the phone is off")?;
    house
        .standin
        .set(json!({"linkPreviewDelay": 0, "linkPreviewError": 500}));
    ensure!(
        received(house, &send(api, &body).await?)?.preview.is_none(),
        "there was none"
    );
    Ok(())
}

/// Sends twenty links to twenty recipients, then a code to another one. The code must not wait
/// until the phone has made the previews of the links.
async fn hold_up_nobody(house: &House, api: &Api) -> Result<()> {
    let link = "all of it: https://example.org/2";
    for n in 0..20 {
        let body = json!({"to": format!("49151100000{n:02}"), "text": link});
        api.post_async(SEND, &body).await?.expect(202)?;
    }
    send(api, &json!({"to": "4915120000000", "text": "code 123456"})).await?;
    let before = house.arrived(link);
    ensure!(before < 20, "the code waited for every link");
    house
        .standin
        .wait_for("the links", BOOT, |view| {
            view.messages
                .iter()
                .filter(|message| message.body == link)
                .count()
                == 20
        })
        .await?;
    Ok(())
}

pub(super) async fn answers(house: &House, api: &Api) -> Result<()> {
    house.standin.inbound(Inbound {
        from: ANN.into(),
        body: "how much is it?".into(),
        ..Inbound::default()
    })?;
    let wanted = |call: &Call| {
        call.event() == "message" && call.json["payload"]["body"] == "how much is it?"
    };
    let question = house
        .receiver
        .until_call("the question", BOOT, wanted)
        .await?;
    let key = question.json["payload"]["id"]
        .as_str()
        .context("no key")?
        .to_owned();
    let id = key.rsplit('_').next().unwrap_or_default();
    let quoted = |sent: &Value| {
        Ok::<_, anyhow::Error>(received(house, sent)?.quoted.context("no quote")?["body"].clone())
    };
    ensure!(
        quoted(&send(api, &json!({"to": ANN, "text": "ten", "replyTo": id})).await?)?
            == "how much is it?"
    );
    let sent = send(
        api,
        &json!({"to": ANN, "text": "or eleven", "replyTo": key}),
    )
    .await?;
    ensure!(
        quoted(&sent)? == "how much is it?",
        "by the key that events say"
    );

    // After the reload the question is only in the page's database.
    let connections = house.standin.view().connections;
    house.standin.push(None, json!({"type": "navigate"}));
    house
        .standin
        .wait_for("the page to be loaded anew", BOOT, |view| {
            view.connections > connections && !view.online.is_empty()
        })
        .await?;
    api.until_state("ready", BOOT).await?;
    ensure!(
        quoted(
            &send(
                api,
                &json!({"to": ANN, "text": "after the reload", "replyTo": id})
            )
            .await?
        )? == "how much is it?"
    );
    ensure!(
        quoted(
            &send(
                api,
                &json!({"to": ANN, "text": "still", "replyTo": sent["messageId"]})
            )
            .await?
        )? == "or eleven",
        "one's own"
    );

    for (to, target) in [(ANN, "3EB0FFFFFFFFFFFFFFFFFF"), (BOB, id)] {
        let answer = api
            .post(
                SEND,
                &json!({"to": to, "text": "to whom?", "replyTo": target}),
            )
            .await?;
        let message = answer.json["id"].as_str().unwrap_or_default().to_owned();
        ensure!(
            answer
                .problem_detail(422, "quote_not_found")?
                .contains("in this chat")
        );
        let row = api.message(&message).await?;
        ensure!(
            row["state"] == "not_sent"
                && row["outcome"]["code"] == "quote_not_found"
                && row["replyTo"] == target,
            "{row}"
        );
    }
    ensure!(
        house.arrived("to whom?") == 0,
        "it was sent without its quote"
    );
    Ok(())
}
