//! check, inspect, run and bench, on guests that behave and on guests that do not.

use serde_json::{Value, json};

use crate::support::Desk;

const MESSAGE: &str = r#"{"to": "+4915123456789", "text": "hello"}"#;

/// Runs the guest `odd` with a behaviour; returns its exit status and its only line of JSON.
fn odd(behaviour: &str, entry: &str, more: &[&str]) -> (i32, Value) {
    let desk = Desk::with(&["odd.wasm"]);
    desk.write(
        "gateway.toml",
        &format!("[[plugin]]\nname = \"odd\"\n{entry}\nconfig.behaviour = \"{behaviour}\"\n"),
    );
    let mut arguments = vec![
        "run",
        "odd.wasm",
        "--json",
        "--input",
        "-",
        "--config",
        "gateway.toml",
    ];
    arguments.extend(more);
    let ran = desk.pipe(&arguments, MESSAGE);
    let mut lines = ran.json();
    assert_eq!(lines.len(), 1, "{ran:#?}");
    (ran.status, lines.remove(0))
}

#[test]
fn a_validator_answers_each_message_and_its_calls_are_measured() {
    let desk = Desk::with(&["good.wasm"]);
    let inputs = format!("{MESSAGE}\n{{\"to\": \"77@lid\", \"text\": \"forbidden\"}}");
    let ran = desk
        .pipe(&["run", "good.wasm", "--json", "--input", "-"], &inputs)
        .exits(0);
    let lines = ran.json();
    assert_eq!(
        lines[0]["answer"],
        json!({"verdict": "allow", "decision": "allow"})
    );
    let rejected = &lines[1]["answer"];
    assert_eq!(rejected["verdict"], "reject");
    assert_eq!(rejected["code"], "forbidden_word");
    assert_eq!(rejected["retryAfterMs"], 1500);
    for line in &lines {
        let calls = line["calls"].as_array().expect("calls");
        assert_eq!(calls.len(), 1, "{line}");
        let (wall, fresh) = (&calls[0]["wallMicros"], &calls[0]["instantiationMicros"]);
        assert_eq!(calls[0]["function"], "validate");
        assert!(
            fresh.as_u64() > Some(0) && wall.as_u64() > fresh.as_u64(),
            "{line}"
        );
        assert!(calls[0]["cpuMicros"].as_u64() > Some(0), "{line}");
        // A Rust component has at least one page of 64 KiB and less than the default limit.
        let memory = calls[0]["memoryBytes"].as_u64().expect("bytes");
        assert!((65_536..32 << 20).contains(&memory), "{line}");
    }
}

#[test]
fn a_template_and_an_event_are_given_to_their_extension_points() {
    let desk = Desk::with(&["good.wasm"]);
    let chat = json!({"chat": "15551234567@c.us"});
    let event = json!({"type": "message.received", "id": "3EB0", "chat": chat, "sender": chat, "from_me": false, "sent_at": 1, "content": {"kind": "text", "body": "hi"}});
    let inputs = [
        json!({"to": "77@lid", "template": "greeting", "variables": {"who": "Ada"}}),
        json!({"to": "77@lid", "template": "greeting"}),
        json!({"event": event, "metadata": {"team": "blue"}, "answer": {"status": 410}}),
        json!({"event": event, "answer": {"unreachable": "refused"}}),
        json!({"event": {"type": "session.state", "before": "loading", "after": "ready"}}),
    ];
    let text: String = inputs.iter().map(Value::to_string).collect();
    let ran = desk
        .pipe(&["run", "good.wasm", "--json", "--input", "-"], &text)
        .exits(0);
    let answers: Vec<Value> = ran
        .json()
        .iter()
        .map(|line| line["answer"].clone())
        .collect();
    assert_eq!(answers[0]["content"]["text"], "Hello Ada");
    assert_eq!(answers[1]["error"], "missing_variable");
    let target = &answers[2]["targets"][0];
    assert_eq!(target["target"], "here");
    assert_eq!(target["request"]["url"], "https://hooks.example.org/in");
    assert!(
        target["refused"]
            .as_str()
            .is_some_and(|why| why.contains("https://hooks.example.org is not granted")),
        "{target}"
    );
    assert_eq!(
        target["request"]["body"],
        "message.received here default hi team=blue"
    );
    assert_eq!(
        target["judgement"],
        json!({"giveUp": "refused by the receiver"})
    );
    assert_eq!(
        answers[3]["targets"][0]["judgement"],
        json!({"retryAfterMs": 250})
    );
    assert_eq!(answers[4], json!({"interested": false}));
}

#[test]
fn a_panic_is_shown_in_the_plugins_own_words_with_its_place() {
    let (status, line) = odd("quote", "", &[]);
    assert_eq!(status, 1);
    let answer = &line["answer"];
    assert_eq!(answer["verdict"], "trapped");
    assert_eq!(answer["decision"], "reject");
    let detail = answer["detail"].as_str().expect("a detail");
    assert!(
        detail.contains("odd.rs:") && !detail.contains("hello"),
        "{detail}"
    );
    let stderr = line["calls"][0]["stderr"].as_str().expect("its words");
    assert!(
        stderr.contains("nothing can be made of \"hello\""),
        "{stderr}"
    );
}

#[test]
fn each_limit_ends_a_call_as_it_does_in_a_gateway() {
    for (behaviour, entry, outcome) in [
        ("spin", "cpu = \"20ms\"", "over_cpu"),
        ("bomb", "memory = \"4MiB\"", "over_memory"),
        ("sleep", "timeout = \"50ms\"", "timed_out"),
        ("exit", "", "trapped"),
        ("unavailable", "", "failed"),
        ("modify", "", "failed"),
    ] {
        let (status, line) = odd(behaviour, entry, &[]);
        assert_eq!(
            (status, &line["answer"]["verdict"]),
            (1, &json!(outcome)),
            "{behaviour}: {line}"
        );
    }
    let (status, line) = odd("exit", "on_error = \"allow\"", &[]);
    assert_eq!((status, &line["answer"]["decision"]), (1, &json!("allow")));
    let (status, line) = odd("modify", "may_modify = true", &[]);
    assert_eq!(
        (status, &line["answer"]["message"]["text"]),
        (0, &json!("HELLO"))
    );
}

#[test]
fn grants_on_the_command_line_take_the_place_of_those_of_the_entry() {
    let (status, line) = odd("count", "", &[]);
    assert_eq!((status, &line["failed"]), (1, &json!(true)), "{line}");
    assert_eq!(line["calls"][0]["notGranted"], json!(["kv"]));
    let (status, line) = odd("count", "", &["--grants", "kv = \"1KiB\""]);
    assert_eq!(
        (status, &line["calls"][0]["notGranted"]),
        (0, &json!([])),
        "{line}"
    );
    let desk = Desk::with(&["good.wasm"]);
    let ran = desk.pipe(
        &[
            "run",
            "good.wasm",
            "--input",
            "-",
            "--grants",
            "disk = true",
        ],
        MESSAGE,
    );
    let err = ran.exits(2).err;
    assert!(
        err.contains("--grants: ") && err.contains("disk") && err.contains("kv"),
        "{err}"
    );
}

#[test]
fn the_time_of_the_calls_can_be_set() {
    let desk = Desk::with(&["number_policy.wasm"]);
    desk.write(
        "gateway.toml",
        "[[plugin]]\nname = \"number-policy\"\n[plugin.config]\nzone = \"UTC\"\nquiet_hours = [{ from = \"21:00\", to = \"08:00\" }]\n",
    );
    for (now, verdict) in [
        ("2026-01-31T22:00:00Z", "reject"),
        ("2026-01-31T12:00:00Z", "allow"),
    ] {
        let ran = desk.pipe(
            &[
                "run",
                "number_policy.wasm",
                "--json",
                "--input",
                "-",
                "--config",
                "gateway.toml",
                "--now",
                now,
            ],
            MESSAGE,
        );
        assert_eq!(
            ran.exits(0).json()[0]["answer"]["verdict"],
            verdict,
            "{now}"
        );
    }
}

#[test]
fn what_the_gateway_refuses_is_refused_with_the_same_reason() {
    let guests = [
        ("no_validate.wasm", "send-validation is not whole"),
        (
            "no_lifecycle.wasm",
            "does not export wharf:plugin/lifecycle",
        ),
        ("no_points.wasm", "exports no extension point"),
        ("foreign_import.wasm", "test:guests/telepathy"),
        ("wrong_version.wasm", "this gateway speaks 0.1.x and 0.2.x"),
        ("schema_bomb.wasm", "its config schema has more than"),
    ];
    let files: Vec<&str> = guests.iter().map(|(file, _)| *file).collect();
    let desk = Desk::with(&files);
    for (file, reason) in guests {
        let err = desk.run(&["check", file]).exits(2).err;
        assert!(err.contains(file) && err.contains(reason), "{file}: {err}");
    }
    desk.write("core.wasm", "\0asm\x01\0\0\0");
    let err = desk.run(&["check", "core.wasm"]).exits(2).err;
    assert!(err.contains("wasm32-wasip2"), "{err}");
    let err = desk.run(&["check", "nothing.wasm"]).exits(2).err;
    assert!(
        err.contains("nothing.wasm") && err.contains("wharf plugin build"),
        "{err}"
    );
}

#[test]
fn check_needs_the_configuration_that_the_plugin_needs() {
    let desk = Desk::with(&["odd.wasm"]);
    let err = desk.run(&["check", "odd.wasm"]).exits(2).err;
    assert!(err.contains("behaviour"), "{err}");
    desk.write(
        "gateway.toml",
        "[[plugin]]\nname = \"odd\"\ngrants.qr = true\nconfig.behaviour = \"allow\"\n[[plugin]]\nname = \"other\"\n",
    );
    let out = desk
        .run(&["check", "odd.wasm", "--config", "gateway.toml"])
        .exits(0)
        .out;
    assert!(
        out.contains("odd 0.0.1: a gateway loads it with gateway.toml")
            && out.contains("extension points: send-validation")
            && out.contains("warning: `grants.qr` has no effect"),
        "{out}"
    );
    desk.write("other.toml", "[[plugin]]\nname = \"other\"\n");
    let err = desk
        .run(&["check", "odd.wasm", "--config", "other.toml"])
        .exits(2)
        .err;
    assert!(
        err.contains("no [[plugin]] entry with name = \"odd\"") && err.contains("[\"other\"]"),
        "{err}"
    );
    desk.write(
        "wrong.toml",
        "[[plugin]]\nname = \"odd\"\ntimout = \"1s\"\n",
    );
    let err = desk
        .run(&["check", "odd.wasm", "--config", "wrong.toml"])
        .exits(2)
        .err;
    assert!(
        err.contains("wrong.toml") && err.contains("timout"),
        "{err}"
    );
}

#[test]
fn a_component_is_described_with_and_without_a_configuration() {
    let desk = Desk::with(&["good.wasm", "odd.wasm", "templates.wasm"]);
    let ran = desk.run(&["inspect", "good.wasm", "--json"]).exits(0);
    let found: Value = serde_json::from_str(&ran.out).expect("JSON");
    assert_eq!(found["name"], "good");
    assert_eq!(
        found["points"],
        json!([
            "send-validation",
            "message-templating",
            "event-notification"
        ])
    );
    assert_eq!(found["events"], json!(["message.*", "session.qr"]));
    assert_eq!(found["templates"][0]["name"], "greeting");
    assert_eq!(found["templates"][0]["variables"][0]["name"], "who");
    let names = |what: &str| found[what].as_array().expect("names").clone();
    assert!(names("exports").contains(&json!("wharf:plugin/send-validation@0.2.0")));
    assert!(
        names("imports")
            .iter()
            .any(|name| name.as_str().is_some_and(|name| name.starts_with("wasi:"))),
        "{found}"
    );
    assert_eq!(found["memories"], 1);
    assert!(found["functions"].as_u64() > Some(10), "{found}");
    assert_eq!(
        found["bytes"].as_u64(),
        Some(
            std::fs::metadata(desk.path("good.wasm"))
                .expect("a file")
                .len()
        )
    );

    let out = desk.run(&["inspect", "odd.wasm"]).exits(0).out;
    assert!(
        out.starts_with("odd 0.0.1") && out.contains("it refuses this configuration"),
        "{out}"
    );
    desk.write(
        "gateway.toml",
        "[[plugin]]\nname = \"templates\"\n[plugin.config]\ndefault_locale = \"en\"\n[plugin.config.templates.hello]\nvariables = { who = { kind = \"text\" } }\nbodies = { en = \"Hi {{ who }}\" }\n",
    );
    let ran = desk.run(&["inspect", "templates.wasm", "--config", "gateway.toml"]);
    let out = ran.exits(0).out;
    assert!(
        out.contains("hello [en]: who (text") && !out.contains("refuses"),
        "{out}"
    );
}

#[test]
fn a_wrong_input_is_refused_before_anything_is_compiled() {
    let desk = Desk::with(&["good.wasm", "odd.wasm"]);
    for (input, words) in [
        (
            r#"{"to": "77@lid", "txt": "hi"}"#,
            "the input: txt is unknown; did you mean text?",
        ),
        (r#"{"to": "#, "standard input is not JSON"),
        ("", "standard input is empty"),
        (
            r#"{"event": {"type": "message.recieved"}}"#,
            "event.type \"message.recieved\" is unknown",
        ),
    ] {
        let err = desk
            .pipe(&["run", "good.wasm", "--input", "-"], input)
            .exits(2)
            .err;
        assert!(err.contains(words), "{input}: {err}");
    }
    let template = r#"{"to": "77@lid", "template": "greeting"}"#;
    desk.write(
        "gateway.toml",
        "[[plugin]]\nname = \"odd\"\nconfig.behaviour = \"allow\"\n",
    );
    let arguments = [
        "run",
        "odd.wasm",
        "--config",
        "gateway.toml",
        "--input",
        "-",
    ];
    let err = desk.pipe(&arguments, template).exits(2).err;
    assert!(
        err.contains("does not export message-templating; it exports send-validation"),
        "{err}"
    );
    let arguments = ["run", "good.wasm", "--point", "notifier", "--input", "-"];
    let err = desk.pipe(&arguments, template).exits(2).err;
    assert!(err.contains("--point notifier needs an event"), "{err}");
}

#[test]
fn bench_measures_answers_and_refuses_failures() {
    let desk = Desk::with(&["good.wasm", "odd.wasm"]);
    let arguments = [
        "bench",
        "good.wasm",
        "--input",
        "-",
        "--calls",
        "50",
        "--json",
    ];
    let lines = desk.pipe(&arguments, MESSAGE).exits(0).json();
    assert_eq!(lines.len(), 1);
    let measured = &lines[0];
    assert_eq!(
        (&measured["function"], &measured["calls"]),
        (&json!("validate"), &json!(50))
    );
    let of = |name: &str| measured[name].as_u64().expect("a number");
    assert!(
        0 < of("p50Micros")
            && of("p50Micros") <= of("p99Micros")
            && of("p99Micros") <= of("maxMicros"),
        "{measured}"
    );
    let share = measured["instantiationPercent"].as_f64().expect("a share");
    assert!(0.0 < share && share < 100.0, "{measured}");

    desk.write(
        "gateway.toml",
        "[[plugin]]\nname = \"odd\"\nconfig.behaviour = \"panic\"\n",
    );
    let arguments = [
        "bench",
        "odd.wasm",
        "--input",
        "-",
        "--config",
        "gateway.toml",
    ];
    let err = desk.pipe(&arguments, MESSAGE).exits(2).err;
    assert!(
        err.contains("the plugin fails, so it is not measured"),
        "{err}"
    );
}
