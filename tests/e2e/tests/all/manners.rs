//! The manners of `/v1`: one form of refusals, words of the API and not of its language, nothing ignored that may have
//! meant something. No session is linked here; what is accepted stays in the line.

use std::{fs, io, time::Duration};

use anyhow::{Context, Result, ensure};
use reqwest::Method;
use serde_json::{Value, json};
use wharf::model::Timestamp;
use wharf_e2e::{Answer, Api, Gateway, House, Plan, api, until};

const ANN: &str = "4915123456789";
const SEND: &str = "/v1/sessions/default/messages";
const SEED: &str = "/api/whatsapp/send";
const KEY: &str = "a-key-that-is-long-enough-to-be-one";

/// Words that mean something to who wrote the gateway, not to who calls it.
const RUST: [&str; 27] = [
    "serde",
    "struct ",
    "enum ",
    "f64",
    "u32",
    "u64",
    "i64",
    "usize",
    "String",
    "Vec<",
    "Option",
    "Some(",
    "None",
    "BTreeMap",
    "tuple",
    "newtype",
    "sequence",
    "invalid type",
    "invalid value",
    "missing field",
    "unknown field",
    "duplicate field",
    "unknown variant",
    "expected one of",
    "deserialize",
    "at line",
    "`",
];

/// Every path of `/v1`, with a method it takes.
const PATHS: [(&str, &str); 37] = [
    ("GET", "/v1/sessions"),
    ("POST", "/v1/sessions"),
    ("GET", "/v1/sessions/default"),
    ("DELETE", "/v1/sessions/default"),
    ("GET", "/v1/sessions/default/qr"),
    ("POST", "/v1/sessions/default/pairing-code"),
    ("DELETE", "/v1/sessions/default/pairing-code"),
    ("GET", "/v1/sessions/default/passkey"),
    ("POST", "/v1/sessions/default/passkey"),
    ("DELETE", "/v1/sessions/default/passkey"),
    ("POST", "/v1/sessions/default/passkey/confirm"),
    ("POST", "/v1/sessions/default/start"),
    ("POST", "/v1/sessions/default/logout"),
    ("POST", SEND),
    ("GET", "/v1/sessions/default/sending"),
    ("POST", "/v1/sessions/default/sending/pause"),
    ("GET", "/v1/sessions/default/held"),
    ("POST", "/v1/sessions/default/held/release"),
    ("POST", "/v1/bulk"),
    ("GET", "/v1/bulk/bulk_0"),
    ("GET", "/v1/bulk/bulk_0/recipients"),
    ("POST", "/v1/bulk/bulk_0/cancel"),
    ("GET", "/v1/messages"),
    ("DELETE", "/v1/messages"),
    ("GET", "/v1/messages/out_0"),
    ("POST", "/v1/messages/out_0/cancel"),
    ("POST", "/v1/messages/out_0/retry"),
    ("GET", "/v1/deliveries"),
    ("DELETE", "/v1/deliveries"),
    ("GET", "/v1/deliveries/receivers"),
    ("POST", "/v1/deliveries/retry"),
    ("GET", "/v1/deliveries/dlv_0"),
    ("DELETE", "/v1/deliveries/dlv_0"),
    ("POST", "/v1/deliveries/dlv_0/retry"),
    ("POST", "/v1/sessions/default/stop"),
    ("POST", "/v1/sessions/default/restart"),
    ("POST", "/v1/sessions/default/reconnect"),
];

/// A gateway without a browser it could start.
fn bare() -> Plan {
    Plan { overlay: "[browser]\nexecutable = '/nowhere/chromium'\n".into(), ..Plan::default() }
}

#[tokio::test]
async fn the_own_layer_has_one_form_and_the_seed_keeps_its_own() -> Result<()> {
    let house = House::build(bare()).await?;
    let gateway = house.open().await?;
    let api = &gateway.api;
    forms(api).await.context("forms")?;
    paths(api).await.context("paths")?;
    parameters(api).await.context("parameters")?;
    sessions(api).await.context("unknown sessions")?;
    wrong_bodies(api).await.context("wrong bodies")?;
    not_yet(api).await.context("what cannot be sent yet")?;
    cards(api).await.context("cards")?;
    ensure!(api.get("/v1/messages").await?.expect(200)?.json["messages"] == json!([]), "something was stored");
    nulls_and_times(api).await.context("nulls and times")?;
    inside(&house, &gateway).await.context("errors inside")?;
    Ok(())
}

#[tokio::test]
async fn a_caller_without_a_key_is_refused_in_the_layers_form() -> Result<()> {
    let house = House::build(Plan { environment: vec![("WHARF_API_KEY".into(), KEY.into())], ..bare() }).await?;
    let gateway = house.open().await?;
    problem(&gateway.api.get("/v1/sessions").await?, 401, "missing_api_key")?;
    problem(&gateway.api.get("/v1/nothing").await?, 401, "missing_api_key")?;
    envelope(&gateway.api.get("/api/whatsapp/status").await?, 401, "missing_api_key")?;
    Ok(())
}

async fn raw(api: &Api, path: &str, body: &str) -> Result<Answer> {
    api::answer(api.request(Method::POST, path).header("content-type", "application/json").body(body.to_owned())).await
}

async fn call(api: &Api, method: &str, path: &str) -> Result<Answer> {
    let request = api.request(method.parse()?, path);
    let request = if method == "POST" { request.header("content-type", "application/json").body("{}") } else { request };
    api::answer(request).await
}

/// A problem document; its words.
fn problem(answer: &Answer, status: u16, code: &str) -> Result<String> {
    let json = &answer.json;
    ensure!(answer.status == status && json["code"] == code, "{status} {code} is not said: {} {json}", answer.status);
    ensure!(answer.header("content-type") == "application/problem+json", "{json} is {}", answer.header("content-type"));
    ensure!(json["status"] == status && json["title"].is_string() && json["type"] == "about:blank" && json["success"].is_null(), "{json}");
    ensure!(!answer.header("x-request-id").is_empty(), "no request id");
    Ok(json["detail"].as_str().context("no detail")?.to_owned())
}

/// The envelope of the original service; its words.
fn envelope(answer: &Answer, status: u16, code: &str) -> Result<String> {
    let json = &answer.json;
    ensure!(answer.status == status && json["code"] == code, "{status} {code} is not said: {} {json}", answer.status);
    ensure!(answer.header("content-type") == "application/json" && json["success"] == false && json["error"].is_string(), "{json}");
    ensure!(json["timestamp"].is_string() && json["title"].is_null(), "{json}");
    Ok(json["message"].as_str().context("no message")?.to_owned())
}

async fn forms(api: &Api) -> Result<()> {
    let foreign = |path: &'static str| api::answer(api.request(Method::GET, path).header("host", "evil.example"));
    problem(&foreign("/v1/sessions").await?, 403, "host_not_loopback")?;
    envelope(&foreign("/api/whatsapp/status").await?, 403, "host_not_loopback")?;
    let plain = |path: &'static str| api::answer(api.request(Method::POST, path).header("content-type", "text/plain").body("{}"));
    problem(&plain(SEND).await?, 415, "unsupported_media_type")?;
    envelope(&plain(SEED).await?, 415, "unsupported_media_type")?;
    let large = "x".repeat(2 << 20);
    problem(&raw(api, "/v1/sessions", &large).await?, 413, "body_too_large")?;
    problem(&raw(api, SEND, &large).await?, 413, "body_too_large")?;
    envelope(&raw(api, SEED, &large).await?, 413, "body_too_large")?;
    problem(&api.get("/v1/messages/%ff").await?, 400, "invalid_path")?;
    problem(&raw(api, SEND, "[").await?, 400, "invalid_body")?;
    envelope(&raw(api, SEED, "[").await?, 400, "invalid_json")?;
    envelope(&api.get("/api/whatsapp/status?clientId=a&clientId=b").await?, 400, "duplicate_parameter")?;
    ensure!(api.get("/api/whatsapp/status?verbose=1&verbose=2").await?.status == 200, "the seed's calls ignore what they do not know");
    Ok(())
}

async fn paths(api: &Api) -> Result<()> {
    for (method, path, nearest) in [
        ("GET", "/v1/session", "/v1/sessions"),
        ("GET", "/v1/sessions/", "/v1/sessions"),
        ("GET", "/v1/sessions/default/mesages", "/v1/sessions/{id}/messages"),
        ("POST", "/v1/sessions/default/sending/resum", "/v1/sessions/{id}/sending/resume"),
        ("GET", "/v1/sessions/default/nothing", "/v1/sessions/{id}"),
        ("GET", "/v1/message/out_0", "/v1/messages/{id}"),
        ("POST", "/v2/bulk", "/v1/bulk"),
    ] {
        let answer = call(api, method, path).await?;
        ensure!(answer.status == 404 && answer.header("allow").is_empty(), "{method} {path}: {} {}", answer.status, answer.json);
        let told = answer.json["nearest"].as_str().or(answer.json["data"]["nearest"].as_str()).unwrap_or_default();
        ensure!(told.contains(nearest), "{path}: {}", answer.json);
    }
    ensure!(problem(&api.get("/v1/message").await?, 404, "not_found")?.ends_with("the nearest is /v1/messages"));
    ensure!(problem(&call(api, "POST", "/v1/sessions/default/strat").await?, 404, "not_found")?.contains("restart"));
    ensure!(envelope(&api.get("/api/whatsapp/statsu").await?, 404, "not_found")?.ends_with("/api/whatsapp/status"));
    for (method, path, allow) in [("POST", "/v1/messages", "DELETE"), ("PUT", SEND, "POST"), ("DELETE", "/v1/bulk/bulk_0", "GET")] {
        let answer = call(api, method, path).await?;
        ensure!(problem(&answer, 405, "method_not_allowed")?.contains(allow), "{}", answer.json);
        ensure!(answer.header("allow").contains(allow), "{:?}", answer.headers);
    }
    let answer = api.get(SEED).await?;
    ensure!(envelope(&answer, 405, "method_not_allowed")?.contains("POST") && answer.header("allow") == "POST", "{:?}", answer.headers);
    Ok(())
}

async fn parameters(api: &Api) -> Result<()> {
    for (method, path) in PATHS {
        let answer = call(api, method, &format!("{path}?nonsense=1")).await?;
        let words = problem(&answer, 400, "unknown_parameter").with_context(|| format!("{method} {path}"))?;
        ensure!(words.starts_with("nonsense is not known here") && answer.json["parameter"] == "nonsense", "{words}");
    }
    for (query, code, words) in [
        ("stat=queued", "unknown_parameter", "did you mean state?"),
        ("state=queued&state=sent", "duplicate_parameter", "state is given twice"),
        ("state=lost", "invalid_query", "state must be one of queued, sending, unknown, sent, not_sent"),
        ("limit=many", "invalid_query", "limit must be a whole number"),
        ("limit=0", "invalid_query", "limit must be 1 to 200"),
        ("cursor=x", "invalid_query", "cursor must be a whole number"),
        ("since=yesterday", "invalid_time", "since must be a time"),
    ] {
        let said = problem(&api.get(&format!("/v1/messages?{query}")).await?, 400, code).with_context(|| query.to_owned())?;
        ensure!(said.contains(words), "{query}: {said}");
    }
    for query in ["since=1769850000000", "since=2026-01-31T09:00:00Z", "since=2026-01-31T09:00:00%2B01:00", "until=2026-01-31T09:00:00+01:00"] {
        for path in ["/v1/messages", "/v1/deliveries"] {
            ensure!(api.get(&format!("{path}?{query}")).await?.status == 200, "{path}?{query}");
        }
    }
    let said = problem(&call(api, "POST", &format!("{SEND}?until=soon")).await?, 400, "invalid_query")?;
    ensure!(said.contains("accepted, stored, sent"), "{said}");
    let said = problem(&call(api, "DELETE", "/v1/sessions/default?profile=burn").await?, 400, "invalid_query")?;
    ensure!(said.contains("keep, delete"), "{said}");
    Ok(())
}

async fn sessions(api: &Api) -> Result<()> {
    for (method, path) in PATHS {
        let path = path.replace("/sessions/default", "/sessions/nobody");
        if path.contains("nobody")
            && !["/messages", "/pairing-code", "/passkey", "/confirm"].iter().any(|end| path.ends_with(end) && method == "POST")
        {
            problem(&call(api, method, &path).await?, 404, "unknown_client").with_context(|| format!("{method} {path}"))?;
        }
    }
    problem(&api.get("/v1/messages?session=nobody").await?, 404, "unknown_client")?;
    problem(&call(api, "DELETE", "/v1/messages?session=nobody&state=queued").await?, 404, "unknown_client")?;
    let text = json!({"to": ANN, "text": "x"});
    problem(&api.post("/v1/sessions/nobody/messages", &text).await?, 404, "unknown_client")?;
    problem(&api.post("/v1/sessions/nobody/pairing-code", &json!({"number": ANN})).await?, 404, "unknown_client")?;
    problem(&api.post("/v1/sessions/nobody/passkey/confirm", &json!({"code": "ABCD-EFGH"})).await?, 404, "unknown_client")?;
    problem(&api.post("/v1/bulk", &json!({"session": "nobody", "text": "x", "recipients": [{"to": ANN}]})).await?, 404, "unknown_client")?;
    Ok(())
}

/// Bodies that are wrong in one way, and what is said of each.
async fn wrong_bodies(api: &Api) -> Result<()> {
    let words = |code: &'static str, said: &'static str| (code, said);
    let own = [
        (r#""hello""#, words("invalid_body", "the body must be a JSON object; it is a text")),
        ("", words("invalid_body", "the body must be a JSON object; it is empty")),
        (r#"{"to": "1", "text": "x""#, words("invalid_body", "the body is not JSON: line 1, column")),
        (r#"{"to": "1", "text": "x"} {}"#, words("invalid_body", "the body is not JSON")),
        (r#"{"text": "x"}"#, words("invalid_body", "to is missing")),
        (r#"{"to": null, "text": "x"}"#, words("invalid_body", "to is missing")),
        (r#"{"to": true, "text": "x"}"#, words("invalid_body", "to must be a text or a whole number; it is true")),
        (r#"{"to": 1.5, "text": "x"}"#, words("invalid_body", "to must be a text, such as")),
        (r#"{"to": "1", "text": 5}"#, words("invalid_body", "text must be a text; it is a number")),
        (r#"{"to": "1", "text": "x", "mentions": "2"}"#, words("invalid_body", "mentions must be a list; it is a text")),
        (r#"{"to": "1", "text": "x", "mentions": ["2", {}]}"#, words("invalid_body", "mentions[1] must be a text; it is an object")),
        (r#"{"to": "1", "text": "x", "linkPreview": 1}"#, words("invalid_body", "linkPreview must be true or false; it is a number")),
        (r#"{"to": "1", "text": "x", "priority": "urgent"}"#, words("invalid_body", "priority must be one of interactive, bulk")),
        (r#"{"to": "1", "text": "x", "metadata": {"a": 1}}"#, words("invalid_body", "metadata.a must be a text; it is a number")),
        (r#"{"to": "1", "text": "x", "metadata": []}"#, words("invalid_body", "metadata must be a JSON object; it is a list")),
        (r#"{"to": "1", "text": "x", "sendAt": {}}"#, words("invalid_time", "sendAt must be a time: RFC 3339")),
        (r#"{"to": "1", "text": "x", "sendat": 1}"#, words("invalid_body", "sendat is not known here; did you mean sendAt?")),
        (r#"{"to": "1", "sticker": {}}"#, words("invalid_body", "sticker is not known here; there are to, text, mentions")),
        (r#"{"to": "1", "text": "x", "text": "y"}"#, words("duplicate_field", "text is given twice")),
        (r#"{"to": "1", "text": "x", "metadata": {"a": "1", "a": "2"}}"#, words("duplicate_field", "metadata.a is given twice")),
        (
            r#"{"to": "1", "template": "greeting", "variables": {"a": [{"b": 1, "b": 1}]}}"#,
            words("duplicate_field", "variables.a[0].b is given twice"),
        ),
        (
            r#"{"to": "1", "location": {"latitude": "north", "longitude": 1}}"#,
            words("invalid_body", "location.latitude must be a number from -90 to 90"),
        ),
        (r#"{"to": "1", "location": {"latitude": 1}}"#, words("invalid_body", "location.longitude is missing")),
        (r#"{"to": "1", "location": [1, 2]}"#, words("invalid_body", "location must be a JSON object; it is a list")),
        (r#"{"to": "1", "location": {"latitude": 1, "longitude": 2, "lat": 3}}"#, words("invalid_body", "location.lat is not known here")),
        (r#"{"to": "1", "contact": {"vcard": "x"}}"#, words("invalid_body", "contact.displayName is missing")),
        (r#"{"to": "1", "template": "greeting", "variables": "x"}"#, words("invalid_body", "variables must be a JSON object; it is a text")),
        (r#"{"to": "1", "text": "\ud800"}"#, words("invalid_body", "half of a surrogate pair")),
        ("{\"to\": \"1\", \"text\": \"\u{1}\"}", words("invalid_body", "the body is not JSON")),
    ];
    for (body, (code, said)) in own {
        let answer = raw(api, SEND, body).await?;
        let detail = problem(&answer, 400, code).with_context(|| body.to_owned())?;
        ensure!(detail.contains(said), "{body}: {detail}");
        plain(&answer, body)?;
        // The same body is as wrong for the original service, and said in its form.
        let seed = raw(api, SEED, &body.replace("\"to\"", "\"number\"").replace("\"text\"", "\"message\"")).await?;
        ensure!(seed.json["success"] == false && seed.json["code"].is_string(), "{body}: {}", seed.json);
        plain(&seed, body)?;
    }
    for (path, body, code, said) in [
        ("/v1/sessions", r#"{"id": 7}"#, "invalid_body", "id must be a text; it is a number"),
        ("/v1/sessions", r#"{"id": "../x"}"#, "invalid_body", "1 to 64 characters"),
        ("/v1/sessions", r#"{"id": "a", "start": "yes"}"#, "invalid_body", "start must be true or false; it is a text"),
        ("/v1/sessions", r#"{"id": "a", "id": "b"}"#, "duplicate_field", "id is given twice"),
        ("/v1/sessions/default/pairing-code", "{}", "invalid_body", "number is missing"),
        ("/v1/sessions/default/pairing-code", r#"{"number": "1", "clientId": "x"}"#, "invalid_body", "clientId is not known here"),
        ("/v1/sessions/default/passkey/confirm", r#"{"code": 1}"#, "invalid_body", "code must be a text; it is a number"),
        ("/v1/bulk", r#"{"text": "x", "recipients": []}"#, "invalid_body", "session is missing"),
        ("/v1/bulk", r#"{"session": "default", "text": "x", "recipients": "1"}"#, "invalid_body", "recipients must be a list; it is a text"),
        (
            "/v1/bulk",
            r#"{"session": "default", "text": "x", "recipients": [{"to": "1"}, "2"]}"#,
            "invalid_body",
            "recipients[1] must be a JSON object",
        ),
        (
            "/v1/bulk",
            r#"{"session": "default", "text": "x", "recipients": [{"to": "1", "to": "2"}]}"#,
            "duplicate_field",
            "recipients[0].to is given",
        ),
        ("/v1/bulk", r#"{"session": "default", "text": "x", "recipients": [{"To": "1"}]}"#, "invalid_body", "did you mean to?"),
        (
            "/v1/bulk",
            r#"{"session": "default", "template": "a", "recipients": [{"to": "1", "variables": []}]}"#,
            "invalid_body",
            "recipients[0].variables",
        ),
    ] {
        let answer = raw(api, path, body).await?;
        let detail = problem(&answer, 400, code).with_context(|| format!("{path} {body}"))?;
        ensure!(detail.contains(said), "{path} {body}: {detail}");
        plain(&answer, body)?;
    }
    let twice = raw(api, SEED, r#"{"number": "4915123456789", "message": "x", "message": "y"}"#).await?;
    ensure!(envelope(&twice, 400, "duplicate_field")?.contains("message is given twice"), "{}", twice.json);
    let deep = format!(r#"{{"to": "1", "template": "a", "variables": {{"a": {}{}}}}}"#, "[".repeat(200_000), "]".repeat(200_000));
    ensure!(problem(&raw(api, SEND, &deep).await?, 400, "invalid_body")?.contains("levels deep"));
    Ok(())
}

/// No answer speaks of the language the gateway is written in.
fn plain(answer: &Answer, body: &str) -> Result<()> {
    let words = answer.json["detail"].as_str().or(answer.json["message"].as_str()).context("no words")?;
    let foreign: Vec<&str> = RUST.into_iter().filter(|word| words.contains(word)).collect();
    ensure!(foreign.is_empty(), "{foreign:?} of {body}: {words}");
    Ok(())
}

async fn not_yet(api: &Api) -> Result<()> {
    for kind in ["poll", "reaction", "edit", "delete", "media"] {
        for fields in ["{}", "7", r#"{"messageId": "", "kind": "hologram"}"#, "[]", "true"] {
            for rest in ["", r#", "to": "4915123456789""#, r#", "to": true, "priority": 7"#, r#", "text": "x""#] {
                let body = format!(r#"{{"{kind}": {fields}{rest}}}"#);
                let said = problem(&raw(api, SEND, &body).await?, 422, "kind_not_supported").with_context(|| body.clone())?;
                ensure!(said.contains(kind) && said.contains("text, location, contact"), "{said}");
            }
        }
        let answer = raw(api, SEND, &format!(r#"{{"to": "4915123456789", "{kind}": null}}"#)).await?;
        problem(&answer, 400, "missing_fields").with_context(|| format!("{kind} that is null is left out"))?;
    }
    for kind in ["location", "contact", "media"] {
        let order = json!({"session": "default", kind: {}, "recipients": [{"to": ANN}]});
        ensure!(problem(&api.post("/v1/bulk", &order).await?, 422, "kind_not_supported")?.contains(kind));
    }
    Ok(())
}

async fn cards(api: &Api) -> Result<()> {
    let cases: Value = serde_json::from_str(include_str!("../../../cases/vcards.json"))?;
    for case in cases["vcards"].as_array().context("no cases")? {
        let Some(words) = case["refused"].as_str() else { continue };
        let body = json!({"to": ANN, "contact": {"displayName": "Ada", "vcard": case["vcard"]}});
        let said = problem(&api.post(SEND, &body).await?, 400, "invalid_contact").with_context(|| case.to_string())?;
        ensure!(said.contains(words), "{case}: {said}");
    }
    Ok(())
}

async fn accepted(api: &Api, body: &str) -> Result<Value> {
    let request = api.request(Method::POST, SEND).header("Prefer", "respond-async").header("content-type", "application/json");
    let answer = api::answer(request.body(body.to_owned())).await?.expect(202)?;
    let id = answer.json["id"].as_str().context("no id")?;
    Ok(api.get(&format!("/v1/messages/{id}")).await?.expect(200)?.json)
}

async fn nulls_and_times(api: &Api) -> Result<()> {
    let cases: Value = serde_json::from_str(include_str!("../../../cases/vcards.json"))?;
    for case in cases["vcards"].as_array().context("no cases")?.iter().filter(|case| case["refused"].is_null()) {
        let body = json!({"to": ANN, "contact": {"displayName": "Ada", "vcard": case["vcard"]}});
        accepted(api, &body.to_string()).await.with_context(|| case.to_string())?;
    }
    let all = r#""mentions": null, "linkPreview": null, "locale": null, "location": null, "contact": null, "poll": null, "media": null,
        "replyTo": null, "sendAt": null, "expiresAt": null, "priority": null"#;
    let text =
        accepted(api, &format!("\u{feff}{{\"to\": \"{ANN}\", \"text\": \"x\", \"template\": null, \"variables\": null, \"metadata\": null, {all}}}"))
            .await?;
    ensure!(text["priority"] == "interactive" && text["metadata"] == json!({}), "{text}");
    let pairs = accepted(api, &format!(r#"{{"to": "{ANN}", "text": "x", "metadata": {{"a": null, "b": "1"}}}}"#)).await?;
    ensure!(pairs["metadata"] == json!({"b": "1"}), "{pairs}");
    let place = accepted(api, &format!(r#"{{"to": "{ANN}", "location": {{"latitude": 1, "longitude": 2, "name": null}}}}"#)).await?;
    ensure!(place["content"]["location"]["name"].is_null(), "{place}");
    let variables = r#"{"name": "Ada", "order": "9", "more": null}"#;
    accepted(api, &format!(r#"{{"to": "{ANN}", "text": null, "template": "greeting", "variables": {variables}, {all}}}"#)).await?;
    let seed = format!(
        "\u{feff}{{\"number\": \"{ANN}\", \"message\": \"x\", \"template\": null, \"variables\": null, \"clientId\": null, \"mentions\": null,
        \"linkPreview\": null, \"replyTo\": null, \"sendAt\": null, \"expiresAt\": null, \"priority\": null, \"locale\": null}}"
    );
    let request = api.request(Method::POST, SEED).header("Prefer", "respond-async").header("content-type", "application/json");
    api::answer(request.body(seed)).await?.expect(202)?;
    let order = json!({"session": "default", "text": null, "template": "greeting", "variables": {"name": null, "order": "9"}, "mentions": null,
        "linkPreview": null, "locale": null, "sendAt": "2099-01-01T00:00:00Z", "expiresAt": null, "priority": null, "metadata": null,
        "recipients": [{"to": ANN, "variables": {"name": "Ada", "order": null}}, {"to": "4915198765432", "variables": null}]});
    problem(&api.post("/v1/bulk", &order).await?, 400, "invalid_time")?;
    let mut order = order;
    order["sendAt"] = Value::Null;
    api.post("/v1/bulk", &order).await?.expect(202)?;
    let session = json!({"id": "shop", "start": false, "metadata": {"a": null}});
    api.post("/v1/sessions", &session).await?.expect(201)?;
    let session = json!({"id": "shop2", "start": null, "metadata": null});
    api.post("/v1/sessions", &session).await?.expect(201)?;

    // The same key: what is null is left out of what is compared, too.
    let keyed = |metadata: Value| {
        let body = json!({"to": ANN, "text": "once", "metadata": metadata});
        api::answer(api.request(Method::POST, SEND).header("Idempotency-Key", "null").header("Prefer", "respond-async").json(&body))
    };
    let first = keyed(json!({"a": null})).await?.expect(202)?;
    ensure!(keyed(Value::Null).await?.expect(202)?.json["id"] == first.json["id"], "another message");

    let at = Timestamp::now().plus_millis(3_600_000);
    let planned = accepted(api, &json!({"to": ANN, "text": "x", "sendAt": at, "expiresAt": at.plus_millis(1000)}).to_string()).await?;
    let first = &planned["history"][0];
    ensure!(planned["sendAt"] == at.rfc3339() && first["sendAt"] == at.rfc3339(), "{planned}");
    ensure!(first["expiresAt"] == at.plus_millis(1000).rfc3339(), "{planned}");
    let id = planned["id"].as_str().context("no id")?;
    let cancelled = api.post_nothing(&format!("/v1/messages/{id}/cancel")).await?.expect(200)?.json;
    ensure!(cancelled["outcome"]["code"] == "cancelled", "{cancelled}");
    Ok(())
}

/// The folder of the logins is none any more: the caller is told an id, the log the reason.
async fn inside(house: &House, gateway: &Gateway) -> Result<()> {
    let folder = house.folder().join("session/.wwebjs_auth");
    fs::remove_dir_all(&folder).or_else(|error| if error.kind() == io::ErrorKind::NotFound { Ok(()) } else { Err(error) })?;
    fs::write(&folder, "no folder")?;
    let answer = gateway.api.post_nothing("/api/whatsapp/cleanup-sessions").await?;
    let words = envelope(&answer, 500, "cleanup_failed")?;
    let id = answer.header("x-request-id").to_owned();
    ensure!(answer.json["requestId"] == id && !words.contains("os error") && !words.contains("wwebjs"), "{}", answer.json);
    let told = until("the log", Duration::from_secs(10), async || {
        let lines: Vec<String> = gateway.log().lines().into_iter().filter(|line| line.contains(&id)).collect();
        Ok((!lines.is_empty()).then_some(lines))
    })
    .await?;
    ensure!(told.len() == 1 && told[0].contains("ERROR") && told[0].contains("os error"), "{told:?}");
    Ok(())
}
