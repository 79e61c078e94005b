//! Checks a gateway that is running on this configuration: its sessions, its receivers, and which
//! parts of the contract with WhatsApp Web its pages keep.

use reqwest::Method;
use serde_json::Value;

use super::finding::Finding;
use crate::{
    config::{Config, Sources},
    gateway::local::{CallError, LocalError, LocalGateway, RunningGateway},
};

/// Checks the running gateway. Returns `None` if no gateway answers, or if the configuration does
/// not say where one would.
///
/// What cannot be looked at is a finding too: a doctor that was refused has not found that all is
/// well.
pub(super) async fn examine(config: &Config, sources: &Sources) -> Option<Vec<Finding>> {
    let gateway = match recognise(config, sources).await {
        Ok(gateway) => gateway,
        Err(LocalError::NoPort | LocalError::Silent { .. }) => return None,
        Err(LocalError::Foreign { base, seen }) => {
            let seen = format!("another program answers at {base} ({seen})");
            let advice = "stop that program, or set [server] port";
            return Some(vec![Finding::look(seen, advice)]);
        }
        Err(error @ LocalError::Client(_)) => {
            let advice = "without it a running gateway cannot be asked";
            return Some(vec![Finding::look(error.to_string(), advice)]);
        }
    };
    let base = gateway.base();
    let mut findings = vec![Finding::good(format!("a gateway runs at {base}"))];
    findings.extend(readiness(&gateway).await);
    // With `[api] open_metrics` they need no key.
    let metrics = gateway.text(Method::GET, "/metrics", &[]).await;
    findings.extend(metrics.as_ref().ok().and_then(|text| unreadable(text)));
    let sessions = get(&gateway, "/v1/sessions").await;
    if matches!(sessions, Err(CallError::NoKey)) {
        // The other calls need a key too.
        findings.push(Finding::look(
            "it requires an API key",
            "set WHARF_API_KEY to one of its keys to check the sessions too",
        ));
        return Some(findings);
    }
    findings.extend(metrics.err().map(|error| unseen("/metrics", &error)));
    for session in rows("/v1/sessions", sessions, "sessions", &mut findings) {
        let Some(id) = session["id"].as_str() else {
            findings.push(incomplete("/v1/sessions", "id"));
            continue;
        };
        let path = format!("/v1/sessions/{id}");
        match get(&gateway, &path).await {
            Ok(info) if info["state"].is_string() => findings.extend(self::session(id, &info)),
            Ok(_) => findings.push(incomplete(&path, "state")),
            Err(error) => findings.push(unseen(&path, &error)),
        }
    }
    let path = "/v1/deliveries/receivers";
    let receivers = get(&gateway, path).await;
    let receivers = rows(path, receivers, "receivers", &mut findings);
    findings.extend(receivers.iter().filter_map(receiver));
    Some(findings)
}

async fn recognise(config: &Config, sources: &Sources) -> Result<RunningGateway, LocalError> {
    LocalGateway::of(config, sources)?.recognise().await
}

async fn get(gateway: &RunningGateway, path: &str) -> Result<Value, CallError> {
    gateway.json(Method::GET, path, &[]).await
}

/// Reports a gateway that does not accept messages; `None` if it does.
async fn readiness(gateway: &RunningGateway) -> Option<Finding> {
    let (status, said) = match gateway.probe("/readyz").await {
        Ok(answer) => answer,
        Err(error) => {
            let seen = format!("it does not answer /readyz: {error}");
            return Some(Finding::look(seen, LOG));
        }
    };
    if status.is_success() && said["status"] == "ready" {
        return None;
    }
    let seen = match said["problems"][0].as_str() {
        Some(problem) => format!("it does not accept messages at the moment: {problem}"),
        None => format!("it does not say whether it accepts messages: {status}"),
    };
    Some(Finding::look(
        seen,
        "see \"When the database is in trouble\" in docs/operations.md",
    ))
}

/// The list of this name in an answer. An answer without it becomes a finding.
fn rows(
    path: &str,
    answer: Result<Value, CallError>,
    name: &str,
    findings: &mut Vec<Finding>,
) -> Vec<Value> {
    match answer.map(|mut answer| answer.get_mut(name).map(Value::take)) {
        Ok(Some(Value::Array(rows))) => return rows,
        Ok(_) => findings.push(incomplete(path, name)),
        Err(error) => findings.push(unseen(path, &error)),
    }
    vec![]
}

const LOG: &str = "look at its log";

/// Reports what could not be looked at.
fn unseen(path: &str, error: &CallError) -> Finding {
    let (seen, advice) = match error {
        CallError::Refused { status, detail } => (
            detail.as_ref().map_or_else(
                || status.to_string(),
                |detail| format!("{status}: {detail}"),
            ),
            match status.as_u16() {
                403 => "set WHARF_API_KEY to a key for all sessions with the scopes read and admin",
                429 => "it has too much to do at the moment: try again later",
                _ => LOG,
            },
        ),
        CallError::NoKey => (error.to_string(), "set WHARF_API_KEY to one of its keys"),
        CallError::Silent { .. } | CallError::Unreadable { .. } => (error.to_string(), LOG),
    };
    Finding::look(format!("{path} could not be checked: {seen}"), advice)
}

/// Reports an answer that lacks what every such answer has.
fn incomplete(path: &str, name: &str) -> Finding {
    Finding::look(
        format!("{path} could not be checked: its answer has no {name:?}"),
        "run the doctor of the same version as the gateway",
    )
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
    use crate::gateway::fake::{FakeProgram, json as answer};

    /// A healthy gateway, but for the paths that `other` answers.
    async fn examined(other: impl Fn(&str) -> Option<String> + Send + 'static) -> Vec<String> {
        let program = FakeProgram::start(move |path| {
            other(path).unwrap_or_else(|| match path {
                "/livez" => answer(200, r#"{"status":"ok"}"#),
                "/readyz" => answer(200, r#"{"status":"ready","problems":[]}"#),
                "/metrics" => answer(200, "# TYPE wharf_events_total counter\n"),
                "/v1/sessions" => answer(200, r#"{"sessions":[{"id":"shop"}]}"#),
                "/v1/sessions/shop" => answer(200, r#"{"state":"ready","reason":"connected"}"#),
                "/v1/deliveries/receivers" => answer(200, r#"{"receivers":[]}"#),
                _ => answer(404, ""),
            })
        })
        .await;
        let findings = examine(&program.config(), &FakeProgram::sources()).await;
        let findings = findings.expect("a program answers");
        findings.iter().map(ToString::to_string).collect()
    }

    #[tokio::test]
    async fn a_healthy_gateway_has_nothing_to_look_at() {
        let said = examined(|_| None).await;
        assert!(said.iter().all(|line| line.starts_with("ok")), "{said:?}");
        assert_eq!(said.len(), 2, "{said:?}");
    }

    #[tokio::test]
    async fn what_cannot_be_looked_at_is_a_finding_with_status_and_detail() {
        for path in [
            "/metrics",
            "/v1/sessions",
            "/v1/sessions/shop",
            "/v1/deliveries/receivers",
        ] {
            for (status, body, seen) in [
                (
                    403,
                    r#"{"detail":"the key lacks it"}"#,
                    "403 Forbidden: the key lacks it",
                ),
                (429, "", "429 Too Many Requests"),
                (
                    500,
                    r#"{"detail":"an internal error"}"#,
                    "500 Internal Server Error: an internal error",
                ),
                (
                    503,
                    r#"{"message":"busy"}"#,
                    "503 Service Unavailable: busy",
                ),
                (200, "<html></html>", "is not the expected JSON"),
                (200, r#"{"sess"#, "is not the expected JSON"),
                (200, "{}", "its answer has no"),
                (204, "", "its answer has no"),
            ] {
                if path == "/metrics" && status < 400 {
                    // Its body is text, and may have no lines.
                    continue;
                }
                let said =
                    examined(move |asked| (asked == path).then(|| answer(status, body))).await;
                let look = said
                    .iter()
                    .filter(|line| line.starts_with("LOOK"))
                    .collect::<Vec<_>>();
                let wanted = format!("{path} could not be checked: ");
                assert!(
                    look.len() == 1 && look[0].contains(&wanted) && look[0].contains(seen),
                    "{path} {status} {body}: {said:?}"
                );
            }
        }
    }

    #[tokio::test]
    async fn readiness_is_what_the_gateway_says_and_not_a_status() {
        let full =
            r#"{"status":"not_ready","code":"storage_full","problems":["the disk is full"]}"#;
        for (status, body, seen) in [
            (
                503,
                full,
                "it does not accept messages at the moment: the disk is full",
            ),
            (
                200,
                "<html></html>",
                "it does not say whether it accepts messages: 200 OK",
            ),
            (500, "", "it does not say whether it accepts messages: 500"),
        ] {
            let said =
                examined(move |path| (path == "/readyz").then(|| answer(status, body))).await;
            assert!(said[1].contains(seen), "{said:?}");
        }
    }

    #[tokio::test]
    async fn a_missing_key_is_said_once() {
        let said = examined(|path| path.starts_with("/v1/").then(|| answer(401, ""))).await;
        assert_eq!(said.len(), 2, "{said:?}");
        assert!(said[1].contains("it requires an API key"), "{said:?}");
    }

    #[tokio::test]
    async fn another_program_is_sent_no_key() {
        let program = FakeProgram::start(|_| answer(200, "<html></html>")).await;
        let findings = examine(&program.config(), &FakeProgram::sources()).await;
        let findings = findings.expect("a program answers");
        assert!(
            findings.len() == 1 && findings[0].seen.contains("another program answers at"),
            "{findings:?}"
        );
        assert_eq!(program.asked(), ["/livez"]);
        assert!(program.keys_received().is_empty());
    }

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
