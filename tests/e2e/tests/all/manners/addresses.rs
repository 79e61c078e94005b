//! The address of a call: unknown paths, methods, parameters and sessions are each refused with
//! their own code.

use anyhow::{Context, Result, ensure};
use reqwest::Method;
use serde_json::json;
use wharf_e2e::{Api, api};

use super::{ANN, SEED, SEND, call, envelope};

/// Every path of `/v1`, with a method that it accepts.
const PATHS: [(&str, &str); 42] = [
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
    ("GET", "/v1/sessions/default/plugins"),
    ("PUT", "/v1/sessions/default/plugins/none"),
    ("DELETE", "/v1/sessions/default/plugins/none"),
    ("GET", "/v1/plugins"),
    ("POST", "/v1/plugins/none/reload"),
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

pub(super) async fn paths(api: &Api) -> Result<()> {
    for (method, path, nearest) in [
        ("GET", "/v1/session", "/v1/sessions"),
        ("GET", "/v1/sessions/", "/v1/sessions"),
        (
            "GET",
            "/v1/sessions/default/mesages",
            "/v1/sessions/{id}/messages",
        ),
        (
            "POST",
            "/v1/sessions/default/sending/resum",
            "/v1/sessions/{id}/sending/resume",
        ),
        ("GET", "/v1/sessions/default/nothing", "/v1/sessions/{id}"),
        ("GET", "/v1/message/out_0", "/v1/messages/{id}"),
        ("POST", "/v2/bulk", "/v1/bulk"),
    ] {
        let answer = call(api, method, path).await?;
        ensure!(
            answer.status == 404 && answer.header("allow").is_empty(),
            "{method} {path}: {} {}",
            answer.status,
            answer.json
        );
        let told = answer.json["nearest"]
            .as_str()
            .or(answer.json["data"]["nearest"].as_str())
            .unwrap_or_default();
        ensure!(told.contains(nearest), "{path}: {}", answer.json);
    }
    ensure!(
        api.get("/v1/message")
            .await?
            .problem_detail(404, "not_found")?
            .ends_with("the nearest is /v1/messages")
    );
    ensure!(
        call(api, "POST", "/v1/sessions/default/strat")
            .await?
            .problem_detail(404, "not_found")?
            .contains("restart")
    );
    ensure!(
        envelope(&api.get("/api/whatsapp/statsu").await?, 404, "not_found")?
            .ends_with("/api/whatsapp/status")
    );
    for (method, path, allow) in [
        ("POST", "/v1/messages", "DELETE"),
        ("PUT", SEND, "POST"),
        ("DELETE", "/v1/bulk/bulk_0", "GET"),
    ] {
        let answer = call(api, method, path).await?;
        ensure!(
            answer
                .problem_detail(405, "method_not_allowed")?
                .contains(allow),
            "{}",
            answer.json
        );
        ensure!(
            answer.header("allow").contains(allow),
            "{:?}",
            answer.headers
        );
    }
    let answer = api.get(SEED).await?;
    ensure!(
        envelope(&answer, 405, "method_not_allowed")?.contains("POST")
            && answer.header("allow") == "POST",
        "{:?}",
        answer.headers
    );
    Ok(())
}

pub(super) async fn parameters(api: &Api) -> Result<()> {
    for (method, path) in PATHS {
        let answer = call(api, method, &format!("{path}?nonsense=1")).await?;
        let words = answer
            .problem_detail(400, "unknown_parameter")
            .with_context(|| format!("{method} {path}"))?;
        ensure!(
            words.starts_with("nonsense is unknown") && answer.json["parameter"] == "nonsense",
            "{words}"
        );
    }
    for (query, code, words) in [
        ("stat=queued", "unknown_parameter", "did you mean state?"),
        (
            "state=queued&state=sent",
            "duplicate_parameter",
            "state is given twice",
        ),
        (
            "state=lost",
            "invalid_query",
            "state must be one of queued, sending, unknown, sent, not_sent",
        ),
        (
            "limit=many",
            "invalid_query",
            "limit must be a whole number",
        ),
        ("limit=0", "invalid_query", "limit must be 1 to 200"),
        ("cursor=x", "invalid_query", "cursor must be a whole number"),
        ("since=yesterday", "invalid_time", "since must be a time"),
    ] {
        let said = api
            .get(&format!("/v1/messages?{query}"))
            .await?
            .problem_detail(400, code)
            .with_context(|| query.to_owned())?;
        ensure!(said.contains(words), "{query}: {said}");
    }
    for query in [
        "since=1769850000000",
        "since=2026-01-31T09:00:00Z",
        "since=2026-01-31T09:00:00%2B01:00",
        "until=2026-01-31T09:00:00+01:00",
    ] {
        for path in ["/v1/messages", "/v1/deliveries"] {
            ensure!(
                api.get(&format!("{path}?{query}")).await?.status == 200,
                "{path}?{query}"
            );
        }
    }
    let said = call(api, "POST", &format!("{SEND}?until=soon"))
        .await?
        .problem_detail(400, "invalid_query")?;
    ensure!(said.contains("accepted, stored, sent"), "{said}");
    let said = call(api, "DELETE", "/v1/sessions/default?profile=burn")
        .await?
        .problem_detail(400, "invalid_query")?;
    ensure!(said.contains("keep, delete"), "{said}");
    Ok(())
}

pub(super) async fn sessions(api: &Api) -> Result<()> {
    for (method, path) in PATHS {
        let path = path.replace("/sessions/default", "/sessions/nobody");
        // Calls that need a body follow below.
        if path.contains("nobody")
            && method != "PUT"
            && !["/messages", "/pairing-code", "/passkey", "/confirm"]
                .iter()
                .any(|end| path.ends_with(end) && method == "POST")
        {
            call(api, method, &path)
                .await?
                .problem_detail(404, "unknown_client")
                .with_context(|| format!("{method} {path}"))?;
        }
    }
    api.get("/v1/messages?session=nobody")
        .await?
        .problem_detail(404, "unknown_client")?;
    call(api, "DELETE", "/v1/messages?session=nobody&state=queued")
        .await?
        .problem_detail(404, "unknown_client")?;
    let switch = api.request(Method::PUT, "/v1/sessions/nobody/plugins/none");
    api::answer(switch.json(&json!({"enabled": true})))
        .await?
        .problem_detail(404, "unknown_client")?;
    let text = json!({"to": ANN, "text": "x"});
    api.post("/v1/sessions/nobody/messages", &text)
        .await?
        .problem_detail(404, "unknown_client")?;
    api.post("/v1/sessions/nobody/pairing-code", &json!({"number": ANN}))
        .await?
        .problem_detail(404, "unknown_client")?;
    api.post(
        "/v1/sessions/nobody/passkey/confirm",
        &json!({"code": "ABCD-EFGH"}),
    )
    .await?
    .problem_detail(404, "unknown_client")?;
    api.post(
        "/v1/bulk",
        &json!({"session": "nobody", "text": "x", "recipients": [{"to": ANN}]}),
    )
    .await?
    .problem_detail(404, "unknown_client")?;
    Ok(())
}
