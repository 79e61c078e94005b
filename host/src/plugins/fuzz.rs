//! Fuzzing of what operators and plugins give to the plugin host: entries with grants, component
//! bytes, config schemas, and the values that a plugin returns.

use wasmtime::component::Component;

use super::{
    bindings::wharf::plugin::messages,
    check, compile_cost,
    engine::PluginEngine,
    pattern::Pattern,
    points::send_validation::forbidden_change,
    schema,
    text::{Code, PluginText, TargetName},
};
use crate::{
    config,
    fuzz::{self, Values},
    model::{Address, Content, OutboundMessage},
};

#[test]
fn any_entry_grants_what_it_says_or_is_refused() {
    let words = [
        "http = [\"https://a.example\"]",
        "kv = \"1MiB\"",
        "\"18446744073709551615\"",
        "\"99999999999TiB\"",
        "sessions = [\"*\"]",
        "https://a@b.example",
        "http://[::1]:1",
        "https://ä.example",
        "*",
        "\\u0000",
        "0.5",
        "inf",
    ];
    fuzz::run("grants", &words, |input| {
        let text = String::from_utf8_lossy(input);
        let Ok(entry) = toml::from_str::<config::Plugin>(&text) else {
            return Ok(());
        };
        for name in entry.sessions.iter().chain(&entry.grants.secrets) {
            let _ = Pattern::new(name).matches("message.received");
        }
        let _ = (check::sessions(&entry), check::http_requests(&entry));
        let Ok(grant) = check::http(&entry.grants) else {
            return Ok(());
        };
        if grant.origins.len() != entry.grants.http.len() {
            return Err("an origin is lost".into());
        }
        // What was read means the same when it is read again.
        let again = config::Grants {
            http: grant.origins.clone(),
            ..entry.grants.clone()
        };
        match check::http(&again) {
            Ok(again) if again == grant => Ok(()),
            other => Err(format!("{:?} is read again as {other:?}", grant.origins)),
        }
    });
}

#[test]
fn any_component_is_compiled_or_refused() {
    let engine = PluginEngine::new(1).expect("an engine").engine;
    let words = ["wharf:plugin/", "@0.1.0", "\0asm", "memory", "\u{7f}"];
    fuzz::run("component", &words, |input| {
        let refused = check::is_component(input)
            .and_then(|()| check::size(input))
            .and_then(|()| compile_cost::check(input));
        if refused.is_err() {
            return Ok(());
        }
        let Ok(component) = Component::from_binary(&engine, input) else {
            return Ok(());
        };
        match check::interfaces(&engine, &component) {
            Err(reason) if reason.is_empty() => Err("it is refused without a reason".into()),
            _ => Ok(()),
        }
    });
}

#[test]
fn any_config_schema_is_applied_or_refused() {
    let words = [
        "\"$ref\":\"#/$defs/a\"",
        "\"$defs\":{",
        "\"pattern\":\"^a$\"",
        "\"allOf\":[",
        "\"multipleOf\":",
        "1e308",
        "-0.0",
        "18446744073709551615",
        "\"minLength\":",
        "\"unevaluatedProperties\":false",
        "\"format\":\"date-time\"",
    ];
    let config =
        serde_json::json!({"word": "a", "n": 1.5, "list": [1, "b", null], "more": {"x": true}});
    fuzz::run("schema", &words, |input| {
        let text = String::from_utf8_lossy(input);
        match schema::check(Some(&text), &config) {
            Err(reason) if reason.is_empty() => Err("it is refused without a reason".into()),
            _ => Ok(()),
        }
    });
}

#[test]
fn any_text_of_a_plugin_is_one_bounded_line() {
    let words = [
        "\u{202e}",
        "\u{1b}[31m",
        "\r\n",
        "\0",
        "👩‍👩‍👧",
        "…",
        "\u{e0001}",
    ];
    fuzz::run("text", &words, |input| {
        let text = String::from_utf8_lossy(input);
        for most in [0, 1, 2, 3, 4, 64, 1024] {
            let cut = PluginText::truncated(most, &text);
            if cut.len() > most.max("…".len()) || cut.chars().any(char::is_control) {
                return Err(format!("{cut:?} in {most} bytes"));
            }
        }
        let whole = PluginText::from(&*text);
        let again = PluginText::from(&*whole);
        if whole != again {
            return Err(format!("{whole:?} is cut twice"));
        }
        let code = Code::from(&*text);
        let is_snake =
            |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
        if !(1..=64).contains(&code.len()) || !code.bytes().all(is_snake) {
            return Err(format!("the code {code:?}"));
        }
        match text.parse::<TargetName>() {
            Ok(name) if *name != *text => Err(format!("the target {name:?}")),
            _ => Ok(()),
        }
    });
}

fn content(values: &mut Values<'_>) -> messages::Content {
    match values.byte() % 6 {
        0 => messages::Content::Text(messages::Text {
            body: values.text(),
            mentions: vec![values.text()],
            preview_links: values.byte() > 9,
        }),
        1 => messages::Content::Location(messages::Location {
            latitude: f64::from_bits(values.number()),
            longitude: f64::from_bits(values.number()),
            name: Some(values.text()),
        }),
        2 => messages::Content::Contact(messages::Contact {
            display_name: values.text(),
            vcard: values.text(),
        }),
        3 => messages::Content::Poll(messages::Poll {
            question: values.text(),
            options: vec![values.text(), values.text()],
            selectable: u32::from(values.byte()),
        }),
        4 => messages::Content::Reaction(messages::Reaction {
            target: values.text(),
            emoji: values.text(),
        }),
        _ => messages::Content::Other(messages::OtherContent {
            kind: values.text(),
            json: values.text(),
        }),
    }
}

#[test]
fn any_message_of_a_plugin_is_refused_or_can_be_stored() {
    let words = ["\0", "\n", "\u{1}", "3EB0", "ä", "{}"];
    let to = Address {
        chat: "1@c.us".into(),
        pn: None,
        lid: None,
    };
    let before = OutboundMessage {
        to,
        content: Content::text("hello"),
        reply_to: None,
        send_at: None,
        metadata: vec![],
    };
    fuzz::run("message", &words, |input| {
        let mut values = Values(input);
        let mut given = messages::OutboundMessage::from(&before);
        given.content = content(&mut values);
        given.send_at = (values.byte() > 99).then(|| values.number());
        given.reply_to = (values.byte() > 99).then(|| values.text());
        while !values.is_empty() {
            given.metadata.push((values.text(), values.text()));
        }
        let changed = OutboundMessage::from(given);
        if forbidden_change(true, &before, &changed).is_some() {
            return Ok(());
        }
        let stored = serde_json::to_string(&changed).map_err(|error| error.to_string())?;
        match serde_json::from_str::<OutboundMessage>(&stored) {
            Ok(read) if read == changed => Ok(()),
            other => Err(format!("{stored} is read as {other:?}")),
        }
    });
}
