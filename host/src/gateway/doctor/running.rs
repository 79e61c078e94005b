//! Checks a gateway that is running on this configuration: its sessions, its receivers, and which
//! parts of the contract with WhatsApp Web its pages keep.

use reqwest::{Method, StatusCode};
use serde_json::Value;

use super::finding::Finding;
use crate::{
    config::{Config, Sources},
    gateway::local::LocalGateway,
};

/// Checks the running gateway. Returns `None` if no gateway answers.
pub(super) async fn examine(config: &Config, sources: &Sources) -> Option<Vec<Finding>> {
    let gateway = LocalGateway::of(config, sources).ok()?;
    let base = gateway.base();
    let alive = gateway.alive().await.ok()?;
    if !alive.is_success() {
        let seen = format!("another program answers at {base} ({alive})");
        return Some(vec![Finding::look(
            seen,
            "stop that program, or set [server] port",
        )]);
    }
    let mut findings = vec![Finding::good(format!("a gateway runs at {base}"))];
    let get = async |path: &str| gateway.call(Method::GET, path, &[]).await;
    if let Ok(answer) = get("/readyz").await
        && !answer.status().is_success()
    {
        let said: Value = answer.json().await.unwrap_or_default();
        let seen = format!(
            "it does not accept messages at the moment: {}",
            said["problems"][0]
                .as_str()
                .unwrap_or("it does not say why")
        );
        findings.push(Finding::look(
            seen,
            "see \"When the database is in trouble\" in docs/operations.md",
        ));
    }
    if let Ok(answer) = get("/metrics").await
        && answer.status().is_success()
    {
        findings.extend(unreadable(&answer.text().await.unwrap_or_default()));
    }
    match get("/v1/sessions").await {
        Ok(answer) if answer.status() == StatusCode::UNAUTHORIZED => {
            findings.push(Finding::look(
                "it requires an API key",
                "set WHARF_API_KEY to one of its keys to check the sessions too",
            ));
        }
        Ok(answer) => {
            let list: Value = answer.json().await.unwrap_or_default();
            for session in list["sessions"].as_array().into_iter().flatten() {
                let id = session["id"].as_str().unwrap_or_default();
                let info: Value = match get(&format!("/v1/sessions/{id}")).await {
                    Ok(answer) => answer.json().await.unwrap_or_default(),
                    Err(_) => Value::Null,
                };
                findings.extend(self::session(id, &info));
            }
        }
        Err(error) => findings.push(Finding::look(
            format!("it does not answer /v1/sessions: {error}"),
            "look at its log",
        )),
    }
    if let Ok(answer) = get("/v1/deliveries/receivers").await
        && answer.status().is_success()
    {
        let list: Value = answer.json().await.unwrap_or_default();
        findings.extend(
            list["receivers"]
                .as_array()
                .into_iter()
                .flatten()
                .filter_map(receiver),
        );
    }
    Some(findings)
}

/// Reports a receiver of events that fails or has dead letters; `None` for any other.
fn receiver(report: &Value) -> Option<Finding> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let name = report["target"].as_str().map_or_else(
        || text(&report["plugin"]),
        |target| format!("{}/{target}", text(&report["plugin"])),
    );
    let failing = &report["failing"];
    if !failing.is_null() {
        let seen = format!(
            "receiver {name}: failing since {}: {}; {} waiting",
            text(&failing["since"]),
            text(&failing["reason"]),
            report["pending"]
        );
        return Some(Finding::look(
            seen,
            "repair the receiver or its entry in gateway.toml; what is waiting is then delivered automatically",
        ));
    }
    let dead = report["dead"].as_u64().filter(|dead| *dead > 0)?;
    let seen = format!("receiver {name}: {dead} dead letters");
    Some(Finding::look(
        seen,
        "look at them with wharf deliveries list, then wharf deliveries retry or purge (docs/operations.md)",
    ))
}

/// Reports the unreadable rows of the database, from the gateway's metrics.
fn unreadable(metrics: &str) -> Option<Finding> {
    let rows = metrics.lines().filter_map(|line| {
        line.strip_prefix("wharf_unreadable_rows_total{table=\"")?
            .split_once("\"} ")
    });
    let named: Vec<String> = rows
        .map(|(table, count)| format!("{count} of {table}"))
        .collect();
    let seen = format!("rows of its database cannot be read: {}", named.join(", "));
    (!named.is_empty()).then(|| {
        Finding::look(
            seen,
            "they were written by another version or are corrupt; the gateway's log names them",
        )
    })
}

/// Reports the state of a session, its notices, and the contract with its page.
fn session(id: &str, info: &Value) -> Vec<Finding> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let (state, reason) = (text(&info["state"]), text(&info["reason"]));
    let seen = format!("session {id}: {state} ({reason})");
    let advice = match state.as_str() {
        "ready" | "loading" | "authenticated" => None,
        "reconnecting" => Some("it tries again by itself; the reason says what has failed"),
        "qr_ready"
            if info["passkey"]["stage"]
                .as_str()
                .is_some_and(|stage| stage != "failed") =>
        {
            Some(
                "WhatsApp asks for the account's passkey: open the link in GET /v1/sessions/<id>/passkey (docs/passkey.md)",
            )
        }
        "qr_ready" => Some("scan the QR: GET /v1/sessions/<id>/qr, or link by phone number"),
        "error" | "auth_failure" | "max_reconnect_exceeded" => {
            Some("solve what the reason says, then POST /v1/sessions/<id>/reconnect")
        }
        _ => Some("POST /v1/sessions/<id>/start starts it"),
    };
    let mut findings = vec![match advice {
        None => Finding::good(seen),
        Some(advice) => Finding::look(seen, advice.replace("<id>", id)),
    }];
    for notice in info["notices"].as_array().into_iter().flatten() {
        findings.push(Finding::look(
            format!("session {id}: {}", text(notice)),
            "the session stays ready; docs/sessions.md explains the notices",
        ));
    }
    let contract = &info["whatsapp"]["contract"];
    let version = text(&contract["version"]);
    let capabilities = contract["capabilities"]
        .as_array()
        .cloned()
        .unwrap_or_default();
    for broken in capabilities.iter().filter(|one| one["ok"] == false) {
        let missing: Vec<String> = broken["missing"]
            .as_array()
            .into_iter()
            .flatten()
            .map(text)
            .collect();
        let seen = format!(
            "session {id}: WhatsApp Web {version} lacks {}: {} is lost",
            missing.join(", "),
            text(&broken["feature"])
        );
        findings.push(Finding::look(
            seen,
            "the rest works; a newer gateway or [whatsapp] bridge_script is needed for this",
        ));
    }
    if contract["loader"] == "import" {
        let seen = format!(
            "session {id}: WhatsApp Web {version} has a module map that no known build has; modules are imported by name"
        );
        findings.push(Finding::look(
            seen,
            "it works; report this build to the developers of the gateway, so that the next release knows it",
        ));
    }
    for renamed in contract["renamed"].as_array().into_iter().flatten() {
        let now = renamed["now"].as_str().map_or_else(
            || "cannot be found".to_owned(),
            |name| format!("is called {name:?}"),
        );
        let seen = format!(
            "session {id}: in WhatsApp Web {version} {:?} of {} {now}",
            text(&renamed["expected"]),
            text(&renamed["what"])
        );
        findings.push(Finding::look(
            seen,
            "the gateway does not depend on it; other programs that read the page may",
        ));
    }
    if !capabilities.is_empty() && capabilities.iter().all(|one| one["ok"] == true) {
        findings.push(Finding::good(format!(
            "session {id}: WhatsApp Web {version} has all {} capabilities",
            capabilities.len()
        )));
    }
    findings
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn rows_that_cannot_be_read_are_counted_by_table() {
        assert!(
            unreadable(
                "# TYPE wharf_events_total counter\nwharf_events_total{kind=\"message\"} 3\n"
            )
            .is_none()
        );
        let metrics = "wharf_unreadable_rows_total{table=\"outbox\"} 2\nwharf_unreadable_rows_total{table=\"event\"} 1\n";
        assert!(
            unreadable(metrics)
                .expect("a finding")
                .to_string()
                .contains("2 of outbox, 1 of event")
        );
    }

    #[test]
    fn what_is_broken_is_named_with_what_to_do() {
        let contract = json!({"version": "2.3000.1", "capabilities": [
            {"name": "send_text", "feature": "sending", "ok": true, "missing": []},
            {"name": "reply", "feature": "answers to messages", "ok": false, "missing": ["WAWebMsgReply.canReplyMsg"]}],
            "loader": "import", "renamed": [{"what": "MsgKey", "expected": "_serialized", "now": "$1"}]});
        let info = json!({"state": "qr_ready", "reason": "a QR can be scanned", "notices": ["a dialog"], "whatsapp": {"contract": contract}});
        let said: Vec<String> = session("shop", &info)
            .iter()
            .map(ToString::to_string)
            .collect();
        assert!(said[0].contains("/v1/sessions/shop/qr"), "{said:?}");
        assert!(said[1].contains("a dialog"), "{said:?}");
        assert!(
            said[2]
                .contains("2.3000.1 lacks WAWebMsgReply.canReplyMsg: answers to messages is lost"),
            "{said:?}"
        );
        assert!(said[3].contains("no known build has"), "{said:?}");
        assert!(
            said[4].contains("\"_serialized\" of MsgKey is called \"$1\""),
            "{said:?}"
        );
        assert_eq!(said.len(), 5);
    }

    #[test]
    fn a_receiver_that_fails_or_has_dead_letters_needs_somebody() {
        let failing = json!({"since": "2026-01-31T09:00:00.000Z", "failures": 7, "reason": "no answer within 10s", "circuit": "open"});
        let said = |target: Value, pending: u64, dead: u64, failing: &Value| {
            receiver(&json!({"plugin": "webhook", "target": target, "pending": pending, "dead": dead, "failing": failing})).map(|it| it.to_string())
        };
        let one = said(json!("crm"), 40, 2, &failing).expect("it fails");
        assert!(one.contains("webhook/crm: failing since 2026-01-31T09:00:00.000Z: no answer within 10s; 40 waiting"), "{one}");
        let one = said(Value::Null, 0, 2, &Value::Null).expect("letters");
        assert!(
            one.contains("receiver webhook: 2 dead letters")
                && one.contains("wharf deliveries retry"),
            "{one}"
        );
        assert_eq!(said(json!("crm"), 3, 0, &Value::Null), None);
    }

    #[test]
    fn a_passkey_that_is_awaited_comes_before_a_scan() {
        let advice = |stage: Value| {
            let info = json!({"state": "qr_ready", "reason": "", "passkey": {"stage": stage}});
            session("shop", &info)
                .remove(0)
                .advice
                .unwrap_or_default()
                .to_string()
        };
        assert!(advice(json!("signing")).contains("/v1/sessions/shop/passkey"));
        assert!(
            advice(json!("failed")).contains("/v1/sessions/shop/qr")
                && advice(Value::Null).contains("/qr")
        );
    }

    #[test]
    fn a_session_that_is_well_needs_nothing() {
        let contract = json!({"version": "2.3000.1", "capabilities": [{"name": "send_text", "ok": true, "missing": []}]});
        let info = json!({"state": "ready", "reason": "connected and synced", "notices": [], "whatsapp": {"contract": contract}});
        assert!(
            session("shop", &info)
                .iter()
                .all(|finding| finding.advice.is_none())
        );
    }
}
