//! `wharf kv …`: shows and changes what plugins store in the running gateway.

use reqwest::Method;
use serde_json::{Value, json};

use super::{
    command::{array, call, connect, lacks, number, plugin_path},
    local::RunningGateway,
};
use crate::{
    cli::{Kv, Place},
    config::{Config, Sources},
    model::ClientId,
};

/// Keys requested per call; the API's maximum.
const PAGE: usize = 1000;

/// Runs a command and returns the lines to show.
///
/// # Errors
/// A message for the operator that says what to do.
pub async fn run(config: &Config, sources: &Sources, command: &Kv) -> Result<Vec<String>, String> {
    let gateway = connect(config, sources).await?;
    match command {
        Kv::List {
            plugin,
            session: None,
            shared: false,
            ..
        } => overview(&gateway, plugin).await,
        Kv::List {
            plugin,
            session,
            prefix,
            limit,
            ..
        } => list(&gateway, plugin, session.as_ref(), prefix, *limit).await,
        Kv::Get { place, base64 } => {
            let entry = at(&gateway, Method::GET, place).await?;
            value(&entry, *base64).map(|value| vec![value])
        }
        Kv::Set {
            place,
            value,
            base64,
            ttl,
            if_version,
        } => {
            let mut body = json!({ if *base64 { "base64" } else { "text" }: value });
            if let Some(seconds) = ttl {
                body["ttlMs"] = seconds.saturating_mul(1000).into();
            }
            if let Some(version) = if_version {
                body["ifVersion"] = (*version).into();
            }
            let path = path(&place.plugin, "/entry")?;
            let session = place.session.as_ref().map(ClientId::as_str);
            let query = query(session, Some(&place.key));
            let entry = gateway.post(&path, &query, &body).await;
            let entry = entry.map_err(|error| error.to_string())?;
            Ok(vec![format!(
                "written, version {}",
                number(&entry, "version")?
            )])
        }
        Kv::Delete { place } => {
            let done = at(&gateway, Method::DELETE, place).await?;
            number(&done, "deleted")?;
            Ok(vec!["deleted".into()])
        }
    }
}

/// Calls the API about one key.
async fn at(gateway: &RunningGateway, method: Method, place: &Place) -> Result<Value, String> {
    let path = path(&place.plugin, "/entry")?;
    let session = place.session.as_ref().map(ClientId::as_str);
    call(gateway, method, &path, &query(session, Some(&place.key))).await
}

/// The namespace, and the key if the call is about one. Without a session the shared namespace is
/// meant, as the arguments require one of both.
fn query<'a>(session: Option<&'a str>, key: Option<&'a str>) -> Vec<(&'static str, &'a str)> {
    let namespace = session.map_or(("shared", "true"), |session| ("session", session));
    let mut query = vec![namespace];
    query.extend(key.map(|key| ("key", key)));
    query
}

async fn overview(gateway: &RunningGateway, plugin: &str) -> Result<Vec<String>, String> {
    let found = call(gateway, Method::GET, &path(plugin, "")?, &[]).await?;
    let grant = &found["grant"];
    let mut lines = vec![if grant.is_null() {
        format!("{plugin} has no kv grant")
    } else {
        let shared = if grant["shared"] == true {
            "all sessions share one namespace"
        } else {
            "one namespace for each session"
        };
        format!(
            "{shared}, at most {} bytes in each",
            number(grant, "quota")?
        )
    }];
    for namespace in array(&found, "namespaces")? {
        let name = match namespace["session"].as_str() {
            Some(session) => format!("session {session}"),
            None => "shared".to_owned(),
        };
        lines.push(format!("{name}: {} bytes", number(namespace, "bytes")?));
    }
    if lines.len() == 1 {
        lines.push("nothing is stored".into());
    }
    Ok(lines)
}

async fn list(
    gateway: &RunningGateway,
    plugin: &str,
    session: Option<&ClientId>,
    prefix: &str,
    limit: usize,
) -> Result<Vec<String>, String> {
    let (mut lines, mut cursor): (Vec<String>, Option<String>) = (Vec::new(), None);
    let path = path(plugin, "/keys")?;
    loop {
        let rows = limit.saturating_sub(lines.len()).clamp(1, PAGE).to_string();
        let mut query = query(session.map(ClientId::as_str), None);
        query.push(("limit", &rows));
        if !prefix.is_empty() {
            query.push(("prefix", prefix));
        }
        if let Some(cursor) = &cursor {
            query.push(("cursor", cursor));
        }
        let page = call(gateway, Method::GET, &path, &query).await?;
        for key in array(&page, "keys")? {
            lines.push(line(key)?);
        }
        cursor = page["next"].as_str().map(str::to_owned);
        if cursor.is_none() || lines.len() >= limit {
            break;
        }
    }
    if cursor.is_some() {
        lines.push(format!(
            "there are more: --limit {}",
            limit.saturating_mul(2)
        ));
    } else if lines.is_empty() {
        lines.push("no keys".into());
    }
    Ok(lines)
}

/// One key. A plugin chooses its keys, so their control characters are escaped.
fn line(key: &Value) -> Result<String, String> {
    let name = key["key"].as_str().ok_or_else(|| lacks("key"))?;
    let name = if name.chars().any(char::is_control) {
        format!("{name:?}")
    } else {
        name.to_owned()
    };
    let expires = key["expiresAt"]
        .as_str()
        .map(|at| format!(", expires {at}"))
        .unwrap_or_default();
    Ok(format!(
        "{name}: {} bytes, version {}{expires}",
        number(key, "bytes")?,
        number(key, "version")?
    ))
}

/// The value of an entry. Bytes that a terminal would interpret are printed only in base64.
fn value(entry: &Value, base64: bool) -> Result<String, String> {
    let encoded = entry["base64"].as_str().ok_or_else(|| lacks("base64"))?;
    if base64 {
        return Ok(encoded.to_owned());
    }
    entry["text"]
        .as_str()
        .filter(|text| {
            text.chars()
                .all(|c| !c.is_control() || matches!(c, '\n' | '\t'))
        })
        .map(str::to_owned)
        .ok_or_else(|| "the value is not plain text; --base64 prints it in base64".into())
}

/// The path of a plugin's storage.
fn path(plugin: &str, rest: &str) -> Result<String, String> {
    plugin_path(plugin, &format!("/kv{rest}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gateway::fake::{FakeProgram, json as answer};

    fn place(plugin: &str) -> Place {
        Place {
            plugin: plugin.into(),
            key: "a/b".into(),
            session: None,
            shared: true,
        }
    }

    #[test]
    fn what_a_terminal_would_interpret_is_not_printed_as_it_is() {
        let entry = |text: Option<&str>| json!({"base64": "AAE=", "text": text});
        assert_eq!(value(&entry(Some("a\tb\n")), false), Ok("a\tb\n".into()));
        assert_eq!(value(&entry(None), true), Ok("AAE=".into()));
        for text in [None, Some("\u{1b}[31m"), Some("\0")] {
            let said = value(&entry(text), false).expect_err("no text");
            assert!(said.contains("--base64"), "{said}");
        }
        let key = json!({"key": "a\u{1b}[31m", "bytes": 1, "version": 2, "expiresAt": null});
        assert_eq!(
            line(&key),
            Ok("\"a\\u{1b}[31m\": 1 bytes, version 2".into())
        );
    }

    #[test]
    fn a_name_that_would_be_another_path_is_refused() {
        for name in ["", "a/b", "..", ".", "a?b", "a b", "ä", "a%2f"] {
            let said = path(name, "").expect_err(name);
            assert!(
                said.contains(&format!("{name:?} is not the name")),
                "{said}"
            );
        }
        assert_eq!(
            path("number-policy", "/keys"),
            Ok("/v1/plugins/number-policy/kv/keys".into())
        );
    }

    #[tokio::test]
    async fn another_program_is_sent_no_key_and_an_odd_answer_is_an_error() {
        let commands = || {
            [
                Kv::List {
                    plugin: "p".into(),
                    session: None,
                    shared: false,
                    prefix: String::new(),
                    limit: 1,
                },
                Kv::List {
                    plugin: "p".into(),
                    session: None,
                    shared: true,
                    prefix: String::new(),
                    limit: 1,
                },
                Kv::Get {
                    place: place("p"),
                    base64: false,
                },
                Kv::Set {
                    place: place("p"),
                    value: "x".into(),
                    base64: false,
                    ttl: Some(1),
                    if_version: None,
                },
                Kv::Delete { place: place("p") },
            ]
        };
        let program = FakeProgram::start(|_| answer(200, "<html></html>")).await;
        for command in commands() {
            let said = run(&program.config(), &FakeProgram::sources(), &command)
                .await
                .expect_err("another program");
            assert!(said.contains("another program answers at"), "{said}");
        }
        assert!(program.keys_received().is_empty());
        for body in ["{}", "[]", "<html></html>", r#"{"keys":[{}]}"#] {
            for command in commands() {
                let program = FakeProgram::start(move |path| match path {
                    "/livez" => answer(200, r#"{"status":"ok"}"#),
                    _ => answer(200, body),
                })
                .await;
                let done = run(&program.config(), &FakeProgram::sources(), &command).await;
                assert!(done.is_err(), "{command:?} {body} {done:?}");
            }
        }
    }
}
