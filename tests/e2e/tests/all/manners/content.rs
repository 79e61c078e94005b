//! The content of a message: kinds that cannot be sent yet, vCards, and fields that are null or a
//! time.

use anyhow::{Context, Result, ensure};
use reqwest::Method;
use serde_json::{Value, json};
use wharf::model::Timestamp;
use wharf_e2e::{Api, api};

use super::{ANN, SEED, SEND, raw};

pub(super) async fn not_yet(api: &Api) -> Result<()> {
    for kind in ["poll", "reaction", "edit", "delete", "media"] {
        for fields in [
            "{}",
            "7",
            r#"{"messageId": "", "kind": "hologram"}"#,
            "[]",
            "true",
        ] {
            for rest in [
                "",
                r#", "to": "4915123456789""#,
                r#", "to": true, "priority": 7"#,
                r#", "text": "x""#,
            ] {
                let body = format!(r#"{{"{kind}": {fields}{rest}}}"#);
                let said = raw(api, SEND, &body)
                    .await?
                    .problem_detail(422, "kind_not_supported")
                    .with_context(|| body.clone())?;
                ensure!(
                    said.contains(kind) && said.contains("text, location, contact"),
                    "{said}"
                );
            }
        }
        let answer = raw(
            api,
            SEND,
            &format!(r#"{{"to": "4915123456789", "{kind}": null}}"#),
        )
        .await?;
        answer
            .problem_detail(400, "missing_fields")
            .with_context(|| format!("{kind} that is null is left out"))?;
    }
    for kind in ["location", "contact", "media"] {
        let order = json!({"session": "default", kind: {}, "recipients": [{"to": ANN}]});
        ensure!(
            api.post("/v1/bulk", &order)
                .await?
                .problem_detail(422, "kind_not_supported")?
                .contains(kind)
        );
    }
    Ok(())
}

pub(super) async fn cards(api: &Api) -> Result<()> {
    let cases: Value = serde_json::from_str(include_str!("../../../../cases/vcards.json"))?;
    for case in cases["vcards"].as_array().context("no cases")? {
        let Some(words) = case["refused"].as_str() else {
            continue;
        };
        let body = json!({"to": ANN, "contact": {"displayName": "Ada", "vcard": case["vcard"]}});
        let said = api
            .post(SEND, &body)
            .await?
            .problem_detail(400, "invalid_contact")
            .with_context(|| case.to_string())?;
        ensure!(said.contains(words), "{case}: {said}");
    }
    Ok(())
}

async fn accepted(api: &Api, body: &str) -> Result<Value> {
    let request = api
        .request(Method::POST, SEND)
        .header("Prefer", "respond-async")
        .header("content-type", "application/json");
    let answer = api::answer(request.body(body.to_owned()))
        .await?
        .expect(202)?;
    let id = answer.json["id"].as_str().context("no id")?;
    api.message(id).await
}

pub(super) async fn nulls_and_times(api: &Api) -> Result<()> {
    let cases: Value = serde_json::from_str(include_str!("../../../../cases/vcards.json"))?;
    for case in cases["vcards"]
        .as_array()
        .context("no cases")?
        .iter()
        .filter(|case| case["refused"].is_null())
    {
        let body = json!({"to": ANN, "contact": {"displayName": "Ada", "vcard": case["vcard"]}});
        accepted(api, &body.to_string())
            .await
            .with_context(|| case.to_string())?;
    }
    let all = r#""mentions": null, "linkPreview": null, "locale": null, "location": null, "contact": null, "poll": null, "media": null,
        "replyTo": null, "sendAt": null, "expiresAt": null, "priority": null"#;
    let text =
        accepted(api, &format!("\u{feff}{{\"to\": \"{ANN}\", \"text\": \"x\", \"template\": null, \"variables\": null, \"metadata\": null, {all}}}"))
            .await?;
    ensure!(
        text["priority"] == "interactive" && text["metadata"] == json!({}),
        "{text}"
    );
    let pairs = accepted(
        api,
        &format!(r#"{{"to": "{ANN}", "text": "x", "metadata": {{"a": null, "b": "1"}}}}"#),
    )
    .await?;
    ensure!(pairs["metadata"] == json!({"b": "1"}), "{pairs}");
    let place = accepted(
        api,
        &format!(
            r#"{{"to": "{ANN}", "location": {{"latitude": 1, "longitude": 2, "name": null}}}}"#
        ),
    )
    .await?;
    ensure!(place["content"]["location"]["name"].is_null(), "{place}");
    let variables = r#"{"name": "Ada", "order": "9", "more": null}"#;
    accepted(api, &format!(r#"{{"to": "{ANN}", "text": null, "template": "greeting", "variables": {variables}, {all}}}"#)).await?;
    let seed = format!(
        "\u{feff}{{\"number\": \"{ANN}\", \"message\": \"x\", \"template\": null, \"variables\": null, \"clientId\": null, \"mentions\": null,
        \"linkPreview\": null, \"replyTo\": null, \"sendAt\": null, \"expiresAt\": null, \"priority\": null, \"locale\": null}}"
    );
    let request = api
        .request(Method::POST, SEED)
        .header("Prefer", "respond-async")
        .header("content-type", "application/json");
    api::answer(request.body(seed)).await?.expect(202)?;
    let order = json!({"session": "default", "text": null, "template": "greeting", "variables": {"name": null, "order": "9"}, "mentions": null,
        "linkPreview": null, "locale": null, "sendAt": "2099-01-01T00:00:00Z", "expiresAt": null, "priority": null, "metadata": null,
        "recipients": [{"to": ANN, "variables": {"name": "Ada", "order": null}}, {"to": "4915198765432", "variables": null}]});
    api.post("/v1/bulk", &order)
        .await?
        .problem_detail(400, "invalid_time")?;
    let mut order = order;
    order["sendAt"] = Value::Null;
    api.post("/v1/bulk", &order).await?.expect(202)?;
    let session = json!({"id": "shop", "start": false, "metadata": {"a": null}});
    api.post("/v1/sessions", &session).await?.expect(201)?;
    let session = json!({"id": "shop2", "start": null, "metadata": null});
    api.post("/v1/sessions", &session).await?.expect(201)?;

    // The same key: fields that are null are left out of the comparison too.
    let keyed = |metadata: Value| {
        let body = json!({"to": ANN, "text": "once", "metadata": metadata});
        api::answer(
            api.request(Method::POST, SEND)
                .header("Idempotency-Key", "null")
                .header("Prefer", "respond-async")
                .json(&body),
        )
    };
    let first = keyed(json!({"a": null})).await?.expect(202)?;
    ensure!(
        keyed(Value::Null).await?.expect(202)?.json["id"] == first.json["id"],
        "another message"
    );

    let at = Timestamp::now().plus_millis(3_600_000);
    let planned = accepted(
        api,
        &json!({"to": ANN, "text": "x", "sendAt": at, "expiresAt": at.plus_millis(1000)})
            .to_string(),
    )
    .await?;
    let first = &planned["history"][0];
    ensure!(
        planned["sendAt"] == at.rfc3339() && first["sendAt"] == at.rfc3339(),
        "{planned}"
    );
    ensure!(
        first["expiresAt"] == at.plus_millis(1000).rfc3339(),
        "{planned}"
    );
    let id = planned["id"].as_str().context("no id")?;
    let cancelled = api
        .post_nothing(&format!("/v1/messages/{id}/cancel"))
        .await?
        .expect(200)?
        .json;
    ensure!(cancelled["outcome"]["code"] == "cancelled", "{cancelled}");
    Ok(())
}
