//! `wharf deliveries …`: shows and changes the deliveries of the running gateway.

use reqwest::{Method, StatusCode};
use serde_json::Value;

use super::local::LocalGateway;
use crate::{
    cli::{Deliveries, Which},
    config::{Config, Sources},
};

/// Deliveries requested per call; the API's maximum.
const PAGE: usize = 200;

/// Runs a command and returns the lines to show.
///
/// # Errors
/// A message for the operator that says what to do.
pub async fn run(
    config: &Config,
    sources: &Sources,
    command: &Deliveries,
) -> Result<Vec<String>, String> {
    let gateway = LocalGateway::of(config, sources).map_err(|error| error.to_string())?;
    let base = gateway.base();
    match gateway.alive().await {
        Ok(status) if status.is_success() => {}
        Ok(status) => {
            return Err(format!(
                "another program answers at {base} ({status}); check [server] port"
            ));
        }
        Err(_) => {
            return Err(format!(
                "no gateway answers at {base}: this command works through the running gateway. Start it, or check [server] host and port"
            ));
        }
    }
    match command {
        Deliveries::Receivers => {
            let all = call(&gateway, Method::GET, "/v1/deliveries/receivers", &[]).await?;
            let lines: Vec<String> = array(&all["receivers"]).iter().map(receiver).collect();
            Ok(if lines.is_empty() {
                vec!["no deliveries are waiting, and there are no dead letters".into()]
            } else {
                lines
            })
        }
        Deliveries::List {
            which,
            state,
            limit,
        } => list(&gateway, which, state, *limit).await,
        Deliveries::Show { id } => Ok(shown(
            &call(&gateway, Method::GET, &one(id, ""), &[]).await?,
        )),
        Deliveries::Retry { id: Some(id), .. } => {
            call(&gateway, Method::POST, &one(id, "/retry"), &[]).await?;
            Ok(vec![format!("{id} is delivered again")])
        }
        Deliveries::Retry {
            id: None,
            which,
            state,
        } => {
            let done = call(
                &gateway,
                Method::POST,
                "/v1/deliveries/retry",
                &query(which, state),
            )
            .await?;
            Ok(vec![format!("delivered again: {}", done["retried"])])
        }
        Deliveries::Purge { id: Some(id), .. } => {
            call(&gateway, Method::DELETE, &one(id, ""), &[]).await?;
            Ok(vec![format!("{id} is deleted")])
        }
        Deliveries::Purge {
            id: None,
            which,
            state,
        } => {
            let done = call(
                &gateway,
                Method::DELETE,
                "/v1/deliveries",
                &query(which, state),
            )
            .await?;
            Ok(vec![format!("deleted: {}", done["purged"])])
        }
    }
}

async fn list(
    gateway: &LocalGateway,
    which: &Which,
    state: &str,
    limit: usize,
) -> Result<Vec<String>, String> {
    let (mut lines, mut cursor): (Vec<String>, Option<String>) = (Vec::new(), None);
    loop {
        let rows = limit.saturating_sub(lines.len()).clamp(1, PAGE).to_string();
        let mut query = query(which, state);
        query.push(("limit", &rows));
        if let Some(cursor) = &cursor {
            query.push(("cursor", cursor));
        }
        let page = call(gateway, Method::GET, "/v1/deliveries", &query).await?;
        lines.extend(array(&page["deliveries"]).iter().map(delivery));
        cursor = page["next"].as_str().map(str::to_owned);
        if cursor.is_none() || lines.len() >= limit {
            break;
        }
    }
    if cursor.is_some() {
        lines.push(format!(
            "there may be more: --limit {}",
            limit.saturating_mul(2)
        ));
    } else if lines.is_empty() {
        lines.push(format!("no {state} deliveries"));
    }
    Ok(lines)
}

fn query<'a>(which: &'a Which, state: &'a str) -> Vec<(&'static str, &'a str)> {
    let Which {
        plugin,
        target,
        since,
        until,
    } = which;
    let given = [
        ("plugin", plugin),
        ("target", target),
        ("since", since),
        ("until", until),
    ];
    let mut all = vec![("state", state)];
    all.extend(
        given
            .into_iter()
            .filter_map(|(name, value)| Some((name, value.as_deref()?))),
    );
    all
}

/// The path of one delivery. Ids consist of letters, digits and `_`; other characters are removed.
fn one(id: &str, verb: &str) -> String {
    let clean: String = id
        .chars()
        .filter(|c| c.is_ascii_alphanumeric() || *c == '_')
        .collect();
    format!("/v1/deliveries/{clean}{verb}")
}

async fn call(
    gateway: &LocalGateway,
    method: Method,
    path: &str,
    query: &[(&str, &str)],
) -> Result<Value, String> {
    let answer = gateway
        .call(method, path, query)
        .await
        .map_err(|error| format!("the gateway at {} does not answer: {error}", gateway.base()))?;
    let status = answer.status();
    let body: Value = answer.json().await.unwrap_or_default();
    if status.is_success() {
        return Ok(body);
    }
    if status == StatusCode::UNAUTHORIZED {
        return Err("the gateway requires an API key: set WHARF_API_KEY to one of its keys".into());
    }
    Err(body["detail"]
        .as_str()
        .or_else(|| body["message"].as_str())
        .map_or_else(|| format!("the gateway answered {status}"), str::to_owned))
}

fn array(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// Names a receiver as `<notifier>/<target>`.
fn name(value: &Value) -> String {
    match value["target"].as_str() {
        Some(target) => format!("{}/{target}", text(&value["plugin"])),
        None => format!("{} (receiver not known yet)", text(&value["plugin"])),
    }
}

fn receiver(value: &Value) -> String {
    let failing = &value["failing"];
    let state = if failing.is_null() {
        String::new()
    } else {
        format!(
            ", failing since {} ({} times, the last: {})",
            text(&failing["since"]),
            failing["failures"],
            text(&failing["reason"])
        )
    };
    format!(
        "{}: {} waiting, {} dead{state}",
        name(value),
        value["pending"],
        value["dead"]
    )
}

fn delivery(value: &Value) -> String {
    let event = &value["event"];
    let about = if event.is_null() {
        "an event that was deleted".to_owned()
    } else {
        format!(
            "{} of {} at {}",
            text(&event["kind"]),
            text(&event["session"]),
            text(&event["at"])
        )
    };
    let reason = value["reason"]
        .as_str()
        .map(|reason| format!(": {reason}"))
        .unwrap_or_default();
    format!(
        "{} {} {}, {about}, {} attempts{reason}",
        text(&value["id"]),
        text(&value["state"]),
        name(value),
        value["attempt"]
    )
}

fn shown(value: &Value) -> Vec<String> {
    let line = |(name, value): (&String, &Value)| {
        format!(
            "{name}: {}",
            value
                .as_str()
                .map_or_else(|| value.to_string(), str::to_owned)
        )
    };
    let mut lines: Vec<String> = value
        .as_object()
        .into_iter()
        .flatten()
        .filter(|(name, _)| *name != "event")
        .map(line)
        .collect();
    lines.extend(
        value["event"]
            .as_object()
            .into_iter()
            .flatten()
            .map(line)
            .map(|line| format!("event {line}")),
    );
    lines
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_line_says_what_an_operator_asks_first() {
        let event = json!({"kind": "message.received", "session": "shop", "at": "2026-01-31T09:00:00.000Z"});
        let value = json!({"id": "dlv_1", "plugin": "webhook", "target": "crm", "state": "dead", "attempt": 15, "reason": "status 404", "event": event});
        assert_eq!(
            delivery(&value),
            "dlv_1 dead webhook/crm, message.received of shop at 2026-01-31T09:00:00.000Z, 15 attempts: status 404"
        );
        let value = json!({"id": "dlv_2", "plugin": "number-policy", "target": null, "state": "pending", "attempt": 1, "reason": null, "event": null});
        assert_eq!(
            delivery(&value),
            "dlv_2 pending number-policy (receiver not known yet), an event that was deleted, 1 attempts"
        );
        let failing = json!({"since": "2026-01-31T09:00:00.000Z", "failures": 7, "reason": "no answer within 10s"});
        let value = json!({"plugin": "webhook", "target": "crm", "pending": 40, "dead": 2, "failing": failing});
        assert_eq!(
            receiver(&value),
            "webhook/crm: 40 waiting, 2 dead, failing since 2026-01-31T09:00:00.000Z (7 times, the last: no answer within 10s)"
        );
        assert_eq!(one("dlv_1/../x?", "/retry"), "/v1/deliveries/dlv_1x/retry");
    }
}
