//! Plugins of earlier lines of the contract, as they were built then: they load and run, and lose
//! nothing that their line cannot say.

use std::{collections::BTreeMap, fs, path::Path, time::Duration};

use wharf::{
    model::{
        Account, AckLevel, Address, Content, Envelope, Event, EventId, InboundMessage, Media,
        MediaDetails, MediaKind, MediaTrait, MessageId, OutboundMessage, SessionState, Timestamp,
    },
    plugins::{
        AttemptResult, CallFacts, Judgement, Notifiers, NotifyRequest, Pipeline, PluginHost,
        PluginState, RecordedCall, RenderFailure, RenderRequest, ReplayWith, StorageTrace,
    },
};

use crate::support::{Place, allowed, guest, rejected, subject, text};

/// The plugins that were built last under the line 0.1, and their names.
const KEPT: [(&str, &str); 5] = [
    ("good", "good.wasm"),
    ("number-policy", "number_policy.wasm"),
    ("relay-a", "relay_a_1.wasm"),
    ("templates", "templates.wasm"),
    ("webhook", "webhook.wasm"),
];

/// A place with these kept plugins, under the names of their files.
async fn kept(files: &[&str]) -> Place {
    let place = Place::with(&[]).await;
    for file in files {
        let from = Path::new("../tests/kept/0.1.0").join(file);
        let bytes = fs::read(&from).unwrap_or_else(|error| panic!("{}: {error}", from.display()));
        fs::write(place.plugins().join(file), bytes).expect("a copy");
    }
    place
}

async fn loaded(place: &Place, entries: &str) -> PluginHost {
    place.load(entries).await.expect("it loads")
}

fn lines(host: &PluginHost) -> Vec<(String, Option<&'static str>)> {
    let reports = host.reports().into_iter();
    reports
        .map(|report| {
            assert_eq!(report.state, PluginState::Loaded, "{}", report.name);
            (report.name, report.line)
        })
        .collect()
}

#[tokio::test]
async fn every_kept_plugin_loads_and_its_line_is_reported() {
    let place = kept(&KEPT.map(|(_, file)| file)).await;
    let entries: String = KEPT
        .iter()
        .map(|(name, file)| {
            let config = match *name {
                "webhook" => "config.targets = [{ name = \"a\", url = \"https://a.example\" }]",
                _ => "",
            };
            format!("[[plugin]]\nname = \"{name}\"\nfile = \"{file}\"\n{config}\n")
        })
        .collect();
    let host = loaded(&place, &entries).await;
    let expected: Vec<_> = KEPT
        .iter()
        .map(|(name, _)| ((*name).to_owned(), Some("0.1")))
        .collect();
    assert_eq!(lines(&host), expected);

    let place = Place::with(&["good.wasm"]).await;
    let host = loaded(&place, "[[plugin]]\nname = \"good\"\n").await;
    assert_eq!(lines(&host), [("good".to_owned(), Some("0.2"))]);
}

#[tokio::test]
async fn a_kept_validator_allows_and_rejects() {
    let place = kept(&["good.wasm", "number_policy.wasm"]).await;
    let entries = "[[plugin]]\nname = \"good\"\n[[plugin]]\nname = \"number-policy\"\ngrants = { kv = \"1MiB\" }\nconfig = { daily_cap = 1 }\n";
    let host = loaded(&place, entries).await;
    let (_, verdicts) = allowed(host.validate(&subject("any"), text("hello")).await);
    assert_eq!(verdicts.len(), 2);
    let (rejection, _) = rejected(host.validate(&subject("any"), text("forbidden")).await);
    assert_eq!(
        (&*rejection.code, rejection.retry_after),
        ("forbidden_word", Some(Duration::from_millis(1500)))
    );
    // Its storage is that of the gateway: the cap was counted in the first call.
    let mut second = subject("any");
    second.id = "out_2".into();
    let (rejection, _) = rejected(host.validate(&second, text("hello")).await);
    assert_eq!(&*rejection.code, "daily_cap");
}

/// A decision as it was stored when the gateway had no other line.
#[tokio::test]
async fn a_stored_decision_of_a_kept_validator_is_made_again() {
    let place = kept(&["good.wasm"]).await;
    let host = loaded(&place, "[[plugin]]\nname = \"good\"\n").await;
    let facts = r#"{"plugin":"good","component":"dc57dcea5c16aaf13bb95b3aec0324df64e08d6480e461739d6f31ad1c5cdaa4","config":"44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a","verdict":"reject","monitored":false,"code":"forbidden_word","retryAfterMs":1500,"micros":91,"context":{"callId":"01K","traceparent":"00-a-b-01","now":1768478400000,"attempt":1,"budgetMs":2000}}"#;
    let input = r#"{"to":{"chat":"15551234567@c.us","pn":"15551234567@c.us","lid":null},"content":{"kind":"text","v":1,"body":"a forbidden word","mentions":[],"preview_links":true},"reply_to":null,"send_at":null,"metadata":[]}"#;
    let facts: CallFacts = serde_json::from_str(facts).expect("stored facts");
    let input: OutboundMessage = serde_json::from_str(input).expect("a stored message");
    let recorded = RecordedCall {
        session: &subject("any").session,
        message: "out_1",
        facts: &facts,
        input: &input,
        storage: &StorageTrace::default(),
    };
    let again = host
        .replay(recorded, ReplayWith::default())
        .await
        .expect("the same file");
    assert_eq!(
        (
            again.answer.verdict,
            again.answer.code.as_ref(),
            again.answer.retry_after_ms
        ),
        ("reject", facts.code.as_ref(), facts.retry_after_ms)
    );
    assert_eq!(again.config, facts.config);
}

fn request(template: &str, variables: &[(&str, &str)]) -> RenderRequest {
    RenderRequest {
        template: template.into(),
        locale: None,
        variables: variables
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).into()))
            .collect::<BTreeMap<_, _>>(),
    }
}

#[tokio::test]
async fn a_kept_templater_renders_and_says_what_is_missing() {
    let place = kept(&["good.wasm", "templates.wasm"]).await;
    let entries = "[[plugin]]\nname = \"good\"\n[[plugin]]\nname = \"templates\"\n[plugin.config.templates.order]\nvariables = { number = { kind = \"text\", required = true } }\nbodies = { en = \"Order {{ number }}\" }\n";
    let host = loaded(&place, entries).await;
    let any = subject("any");
    let content = host
        .render(&any, &request("greeting", &[("who", "Ada")]))
        .await;
    assert_eq!(content.expect("rendered").body(), Some("Hello Ada"));
    let content = host
        .render(&any, &request("order", &[("number", "7")]))
        .await;
    assert_eq!(content.expect("rendered").body(), Some("Order 7"));
    for (template, variable) in [("greeting", "who"), ("order", "number")] {
        let failure = host.render(&any, &request(template, &[])).await;
        assert!(
            matches!(&failure, Err(RenderFailure::MissingVariable { variable: missing, .. }) if &**missing == variable),
            "{failure:?}"
        );
    }
}

fn chat() -> Address {
    Address {
        chat: "15551234567@c.us".into(),
        pn: Some("15551234567@c.us".into()),
        lid: None,
    }
}

fn file() -> Media {
    Media {
        kind: MediaKind::Video,
        mime_type: "video/mp4".into(),
        size_bytes: 9,
        sha256: vec![1, 2],
        file_name: Some("cat.mp4".into()),
        caption: Some("@77 look".into()),
        details: MediaDetails {
            mentions: vec!["77@lid".into()],
            width: Some(640),
            height: Some(480),
            duration_ms: Some(1500),
            traits: [MediaTrait::Gif, MediaTrait::ViewOnce].into(),
            reference: Some("med_1".into()),
        },
    }
}

fn outbound(content: Content) -> OutboundMessage {
    OutboundMessage {
        to: chat(),
        content,
        reply_to: Some(MessageId("3EB0BB".into())),
        send_at: Some(Timestamp(7)),
        metadata: vec![("campaign".into(), "x".into())],
    }
}

#[tokio::test]
async fn a_message_that_a_kept_plugin_gives_back_keeps_what_its_line_cannot_say() {
    let place = kept(&["relay_a_1.wasm"]).await;
    let entries = "[[plugin]]\nname = \"relay-a\"\nfile = \"relay_a_1.wasm\"\nmay_modify = true\n";
    let host = loaded(&place, entries).await;
    let before = outbound(Content::Media(file()));
    let (mut after, verdicts) = allowed(host.validate(&subject("any"), before.clone()).await);
    assert_eq!(verdicts[0].verdict, "modify");
    assert_eq!(after.metadata.len(), 2, "{:?}", after.metadata);
    after.metadata.truncate(1);
    assert_eq!(after, before);
}

/// One event of every kind, and of every report.
fn events() -> Vec<Event> {
    let at = "2023-11-14T22:13:20.007Z";
    let report = |kind: &str, json: serde_json::Value| Event::Other {
        kind: kind.into(),
        json: json.to_string(),
    };
    let received = |content| {
        Event::MessageReceived(InboundMessage {
            id: MessageId("3EB0".into()),
            chat: chat(),
            sender: chat(),
            from_me: false,
            push_name: Some("Ada".into()),
            sent_at: Timestamp(1_700_000_000_000),
            content,
            reply_to: None,
        })
    };
    let id = || MessageId("3EB0AA".into());
    vec![
        Event::SessionState {
            before: SessionState::Loading,
            after: SessionState::MaxReconnectExceeded,
            reason: Some("why".into()),
        },
        Event::Qr {
            code: "2@abc".into(),
            expires_at: Timestamp(1_700_000_000_000),
            attempt: 2,
        },
        Event::PairingCode {
            code: "ABCD-EFGH".into(),
            expires_at: Timestamp(1_700_000_000_007),
            attempt: 3,
        },
        Event::MessageSent {
            id: id(),
            message: outbound(Content::text("hi")),
        },
        Event::MessageFailed {
            id: id(),
            code: "not_on_whatsapp".into(),
            reason: "no account".into(),
            message: outbound(Content::text("hi")),
        },
        Event::MessageAck {
            id: id(),
            chat: chat(),
            level: AckLevel::Read,
        },
        received(Content::text("hello")),
        received(Content::Media(file())),
        report(
            "bridge.fault",
            serde_json::json!({"place": "take", "error": "TypeError", "count": 1, "since": at}),
        ),
        report(
            "message.unknown",
            serde_json::json!({"id": "3EB0", "reason": "r", "to": {"chat": "1@c.us", "pn": null, "lid": null}, "final": true}),
        ),
        report(
            "plugin.quarantined",
            serde_json::json!({"plugin": "a", "component": "00", "outcome": "trapped", "failures": 3, "withinMs": 9, "until": at}),
        ),
        report("session.notices", serde_json::json!({"notices": ["n"]})),
        report(
            "session.relinked",
            serde_json::json!({"previous": {"pn": "1@c.us", "lid": null, "pushName": null}, "account": null, "held": {"messages": 1, "recipients": 2}}),
        ),
        report(
            "session.restriction",
            serde_json::json!({"kind": "new_chat_limit", "code": 475, "active": true, "since": 1_700_000_000_007_u64, "until": 1_700_000_000_008_u64}),
        ),
        report(
            "session.passkey",
            serde_json::json!({"stage": "requested", "purpose": "link", "publicKey": {"challenge": "AA"}, "askedAt": at, "codeWithout": null, "expiresAt": at, "reason": null}),
        ),
        report(
            "session.passkey",
            serde_json::json!({"stage": "done", "purpose": "link", "reason": "linked"}),
        ),
        report("later.kind", serde_json::json!({"n": 1})),
    ]
}

fn envelope(event: Event) -> Envelope {
    Envelope {
        id: EventId::new("01J"),
        at: Timestamp(1_700_000_000_000),
        session: "any".parse().expect("a client id"),
        account: Some(Account {
            pn: Some("49@c.us".into()),
            lid: None,
            push_name: Some("Shop".into()),
        }),
        replayed: false,
        event,
    }
}

async fn told(host: &PluginHost, plugin: &str, envelope: &Envelope) -> Option<NotifyRequest> {
    let delivery = subject("any");
    let kind = envelope.event.kind();
    let targets = host.route(plugin, &delivery, envelope).await;
    let targets = targets.unwrap_or_else(|failure| panic!("{kind}: {failure}"));
    let target = targets.first()?.to_string();
    let request = host.request(plugin, &delivery, &target, envelope).await;
    Some(request.unwrap_or_else(|failure| panic!("{kind}: {failure}")))
}

/// What a receiver gets does not depend on the line of the plugin: the kept webhook plugin reads the
/// untyped form of events that its line does not have, the present one their types.
#[tokio::test]
async fn a_kept_notifier_tells_of_every_event_what_the_present_one_tells() {
    let entry = "[[plugin]]\nname = \"webhook\"\ngrants = { qr = true, http = [\"https://a.example\"] }\nconfig.targets = [{ name = \"a\", url = \"https://a.example/in\", events = [\"*\", \"session.qr\", \"session.pairing_code\"] }]\n";
    let earlier = kept(&["webhook.wasm"]).await;
    let earlier = loaded(&earlier, entry).await;
    let now = Place::with(&["webhook.wasm"]).await;
    let now = loaded(&now, entry).await;
    assert_eq!(lines(&earlier), [("webhook".to_owned(), Some("0.1"))]);
    assert_eq!(lines(&now), [("webhook".to_owned(), Some("0.2"))]);
    for event in events() {
        let envelope = envelope(event);
        let kind = envelope.event.kind();
        let body = |request: Option<NotifyRequest>| {
            let request = request.unwrap_or_else(|| panic!("{kind} has no target"));
            serde_json::from_slice::<serde_json::Value>(&request.body).expect("JSON")
        };
        let first = body(told(&earlier, "webhook", &envelope).await);
        let second = body(told(&now, "webhook", &envelope).await);
        assert_eq!(first, second, "{kind}");
    }
    let answered = |status| AttemptResult::Answered {
        status,
        headers: vec![],
        body: vec![],
    };
    for host in [&earlier, &now] {
        let judged = async |attempt| {
            host.judge("webhook", &subject("any"), "a", &attempt)
                .await
                .expect("judged")
        };
        assert_eq!(judged(answered(204)).await, Judgement::Delivered);
        assert!(matches!(judged(answered(410)).await, Judgement::GiveUp(_)));
        assert!(matches!(
            judged(AttemptResult::Unreachable("dns".into())).await,
            Judgement::RetryAfter(_)
        ));
    }
}

#[tokio::test]
async fn a_kept_notifier_without_the_sdk_gets_every_event() {
    let place = kept(&["good.wasm"]).await;
    let host = loaded(&place, "[[plugin]]\nname = \"good\"\ngrants.qr = true\n").await;
    for event in events() {
        let envelope = envelope(event);
        let request = told(&host, "good", &envelope).await.expect("a target");
        let body = String::from_utf8(request.body).expect("text");
        assert!(
            body.starts_with(&format!("{} here any", envelope.event.kind())),
            "{body}"
        );
    }
}

#[tokio::test]
async fn a_plugin_of_two_lines_is_refused_with_both_lines_named() {
    let place = Place::with(&[]).await;
    // The export of one point belongs to the earlier line, as if two SDKs were linked together.
    let (name, earlier) = (
        b"wharf:plugin/send-validation@0.2.0",
        b"wharf:plugin/send-validation@0.1.0",
    );
    let mut component = guest("good.wasm");
    let mut at = 0;
    while at + name.len() <= component.len() {
        if &component[at..at + name.len()] == name {
            component[at..at + name.len()].copy_from_slice(earlier);
        }
        at += 1;
    }
    fs::write(place.plugins().join("good.wasm"), component).expect("a component");
    let error = place
        .load("[[plugin]]\nname = \"good\"\n")
        .await
        .expect_err("refused")
        .to_string();
    for word in [
        "lifecycle of line 0.2",
        "send-validation of line 0.1",
        "one version of the SDK",
    ] {
        assert!(error.contains(word), "{word:?} is not in: {error}");
    }
}
