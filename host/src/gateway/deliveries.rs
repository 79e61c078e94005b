//! `wharf deliveries …`: shows and changes the deliveries of the running gateway.

use reqwest::Method;
use serde_json::Value;

use super::{
    command::{array, call, connect, lacks, number},
    local::RunningGateway,
};
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
    let gateway = connect(config, sources).await?;
    match command {
        Deliveries::Receivers => {
            let all = call(&gateway, Method::GET, "/v1/deliveries/receivers", &[]).await?;
            let lines: Vec<String> = array(&all, "receivers")?.iter().map(receiver).collect();
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
        Deliveries::Show { id } => shown(&call(&gateway, Method::GET, &one(id, "")?, &[]).await?),
        Deliveries::Retry { id: Some(id), .. } => {
            call(&gateway, Method::POST, &one(id, "/retry")?, &[]).await?;
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
            Ok(vec![format!(
                "delivered again: {}",
                number(&done, "retried")?
            )])
        }
        Deliveries::Purge { id: Some(id), .. } => {
            call(&gateway, Method::DELETE, &one(id, "")?, &[]).await?;
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
            Ok(vec![format!("deleted: {}", number(&done, "purged")?)])
        }
    }
}

async fn list(
    gateway: &RunningGateway,
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
        lines.extend(array(&page, "deliveries")?.iter().map(delivery));
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

/// The path of one delivery. An id with other characters than letters, digits and `_` is refused:
/// without them it could be the id of another delivery.
fn one(id: &str, verb: &str) -> Result<String, String> {
    if id.is_empty() || !id.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
        return Err(format!(
            "{id:?} is not the id of a delivery: an id consists of letters, digits and '_', as `wharf deliveries list` shows it"
        ));
    }
    Ok(format!("/v1/deliveries/{id}{verb}"))
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

fn shown(value: &Value) -> Result<Vec<String>, String> {
    // Every delivery has an id.
    if !value["id"].is_string() {
        return Err(lacks("id"));
    }
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
    Ok(lines)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::gateway::fake::{FakeProgram, json as answer};

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
        assert_eq!(
            one("dlv_1", "/retry"),
            Ok("/v1/deliveries/dlv_1/retry".into())
        );
    }

    #[test]
    fn an_id_with_foreign_characters_is_refused_and_not_repaired() {
        for id in ["dlv-_1", "dlv_1/../x?", "dlv_1 ", "dlv_ü", ""] {
            let said = one(id, "").expect_err(id);
            assert!(said.contains(&format!("{id:?} is not the id")), "{said}");
        }
    }

    fn purge_one() -> Deliveries {
        Deliveries::Purge {
            id: Some("dlv_1".into()),
            which: Which::default(),
            state: "dead".into(),
        }
    }

    #[tokio::test]
    async fn another_program_is_sent_no_key() {
        let program = FakeProgram::start(|_| answer(200, "<html></html>")).await;
        for command in [Deliveries::Receivers, purge_one()] {
            let said = run(&program.config(), &FakeProgram::sources(), &command)
                .await
                .expect_err("another program");
            assert!(said.contains("another program answers at"), "{said}");
        }
        assert_eq!(program.asked(), ["/livez", "/livez"]);
        assert!(program.keys_received().is_empty());
    }

    #[tokio::test]
    async fn an_answer_that_is_not_the_expected_json_is_not_taken_for_no_deliveries() {
        let commands = || {
            let which = Which {
                target: Some("crm".into()),
                ..Which::default()
            };
            let (state, id) = (|| "dead".to_owned(), None);
            [
                Deliveries::Receivers,
                Deliveries::List {
                    which: which.clone(),
                    state: state(),
                    limit: 50,
                },
                Deliveries::Show { id: "dlv_1".into() },
                Deliveries::Retry {
                    id: id.clone(),
                    which: which.clone(),
                    state: state(),
                },
                Deliveries::Purge {
                    id,
                    which,
                    state: state(),
                },
            ]
        };
        let asked = async |body: &'static str, command: &Deliveries| {
            let program = FakeProgram::start(move |path| match path {
                "/livez" => answer(200, r#"{"status":"ok"}"#),
                _ => answer(200, body),
            })
            .await;
            run(&program.config(), &FakeProgram::sources(), command).await
        };
        for body in ["<html></html>", r#"{"receivers":[{"plug"#, "{}", "[]", ""] {
            for command in commands() {
                let said = asked(body, &command).await.expect_err(body);
                assert!(
                    said.contains("is not the expected JSON") || said.contains("answer has no"),
                    "{command:?}: {said}"
                );
            }
        }
        assert_eq!(
            asked(r#"{"receivers":[]}"#, &Deliveries::Receivers).await,
            Ok(vec![
                "no deliveries are waiting, and there are no dead letters".into()
            ])
        );
        // What one delivery's retry or purge answers is not read; it may be nothing.
        assert_eq!(
            asked("", &purge_one()).await,
            Ok(vec!["dlv_1 is deleted".into()])
        );
    }
}
