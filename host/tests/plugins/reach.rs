//! The table of grants and calls: what each call of each extension point reaches with a grant and
//! without it.
//!
//! The guest `reach` tries in every function, so a function that was forgotten when capabilities
//! are given to an instance, or one that gets more than the others, is a line of this table.

use wharf::{
    model::{Address, Content, Envelope, Event, EventId, InboundMessage, MessageId, Timestamp},
    plugins::{AttemptResult, Judgement, Notifiers, Pipeline, PluginHost, RenderRequest},
};

use crate::{
    support::{Place, rejected, subject, text},
    web::Web,
};

/// Every function in which a plugin can reach something.
const CALLS: [&str; 5] = ["validate", "render", "route", "request", "judge"];

fn envelope(event: Event) -> Envelope {
    Envelope {
        id: EventId::new("01J"),
        at: Timestamp(1_700_000_000_000),
        session: "odd".parse().expect("a client id"),
        account: None,
        replayed: false,
        event,
    }
}

fn other() -> Envelope {
    envelope(Event::Other {
        kind: "e.1".into(),
        json: "{}".into(),
    })
}

/// What the guest saw in this call for a session.
async fn seen(host: &PluginHost, call: &str, session: &str) -> String {
    let subject = subject(session);
    match call {
        "validate" => {
            let (rejection, _) = rejected(host.validate(&subject, text("hello")).await);
            assert_eq!(rejection.code, "seen", "{rejection:?}");
            rejection.reason.into()
        }
        "render" => {
            let request = RenderRequest {
                template: "reach".into(),
                locale: None,
                variables: std::collections::BTreeMap::new(),
            };
            let content = host.render(&subject, &request).await.expect("renders");
            content.body().expect("a text").to_owned()
        }
        "route" => routed(host, session, &other()).await,
        "request" => {
            let request = host.request("reach", &subject, "here", &other()).await;
            String::from_utf8(request.expect("a request").body).expect("text")
        }
        _ => {
            let nothing = AttemptResult::Unreachable("nobody".into());
            let judged = host.judge("reach", &subject, "here", &nothing).await;
            match judged.expect("a judgement") {
                Judgement::GiveUp(reason) => reason.into(),
                other => panic!("{other:?}"),
            }
        }
    }
}

async fn routed(host: &PluginHost, session: &str, envelope: &Envelope) -> String {
    let targets = host.route("reach", &subject(session), envelope).await;
    targets.expect("a target")[0].clone().into()
}

async fn host(place: &Place, grants: &str, config: &str) -> PluginHost {
    let entry = format!(
        "[[plugin]]\nname = \"reach\"\ntimeout = \"5s\"\ncpu = \"1s\"\ngrants = {{ {grants} }}\nconfig = {{ {config} }}\n"
    );
    place.load(&entry).await.expect("it loads")
}

#[tokio::test]
async fn each_grant_is_what_every_call_reaches_and_nothing_else() {
    let web = Web::start().await;
    let (origin, port) = (web.origin(), web.port());
    let http = format!("what = \"http\", url = \"{origin}/ok\"");
    let by_name = format!("what = \"http\", url = \"http://localhost:{port}/ok\"");
    let private = "http_private = true";
    let table: [(&str, String, String); 11] = [
        // Without grants nothing is reached.
        ("", http.clone(), "NotGranted(".into()),
        ("", "what = \"kv\"".into(), "kv is not granted".into()),
        ("", "what = \"secret\"".into(), "no secret".into()),
        // A grant is not more than it says.
        (private, http.clone(), "NotGranted(".into()),
        (
            "kv_shared = true",
            "what = \"kv\"".into(),
            "kv is not granted".into(),
        ),
        (
            "http = [\"https://hooks.example\"]",
            http.clone(),
            "NotGranted(".into(),
        ),
        (
            "http = [\"ORIGIN\"]",
            http.clone(),
            "PrivateAddress(".into(),
        ),
        (
            "http = [\"http://localhost:PORT\"]",
            by_name.clone(),
            "PrivateAddress(".into(),
        ),
        // With the grants it is reached.
        (
            "http = [\"ORIGIN\"], http_private = true",
            http,
            "200 5 hello".into(),
        ),
        (
            "http = [\"http://localhost:PORT\"], http_private = true",
            by_name,
            "200 5 hello".into(),
        ),
        (
            "secrets = [\"WHARF_TEST_SECRET\"]",
            "what = \"secret\"".into(),
            "open sesame".into(),
        ),
    ];
    let place = Place::with(&["reach.wasm"]).await;
    for (grants, config, wanted) in table {
        let grants = grants
            .replace("ORIGIN", &origin)
            .replace("PORT", &port.to_string());
        let host = host(&place, &grants, &config).await;
        for call in CALLS {
            let seen = seen(&host, call, "odd").await;
            assert!(
                seen.starts_with(&wanted),
                "{call} with {{ {grants} }} and {config}: {seen}"
            );
        }
    }
    assert_eq!(
        web.asked(),
        2 * CALLS.len(),
        "refused requests are not made"
    );
}

#[tokio::test]
async fn all_calls_of_a_session_have_one_storage_and_kv_shared_makes_it_one_of_all() {
    let place = Place::with(&["reach.wasm"]).await;
    for (grants, other_session) in [("kv = \"1MiB\"", 1), ("kv = \"1MiB\", kv_shared = true", 6)] {
        let host = host(&place, grants, "what = \"kv\"").await;
        for (before, call) in CALLS.iter().enumerate() {
            assert_eq!(
                seen(&host, call, "odd").await,
                format!("count {}", before + 1),
                "{call} with {grants}"
            );
        }
        assert_eq!(
            seen(&host, "validate", "other").await,
            format!("count {other_session}"),
            "{grants}"
        );
    }
}

#[tokio::test]
async fn codes_and_bodies_are_in_events_only_with_their_grants() {
    let chat = Address {
        chat: "15551234567@c.us".into(),
        pn: None,
        lid: None,
    };
    let message = envelope(Event::MessageReceived(InboundMessage {
        id: MessageId("3EB0".into()),
        sender: chat.clone(),
        chat,
        from_me: false,
        push_name: None,
        sent_at: Timestamp(1_700_000_000_000),
        content: Content::text("a text"),
        reply_to: None,
    }));
    let qr = envelope(Event::Qr {
        code: "2@abc".into(),
        expires_at: Timestamp(0),
        attempt: 1,
    });
    let place = Place::with(&["reach.wasm"]).await;
    for (grants, body, code) in [
        ("", "body \"a text\"", false),
        ("bodies = true", "body \"a text\"", false),
        ("bodies = false", "body \"\"", false),
        ("qr = true", "body \"a text\"", true),
        ("qr = true, bodies = false", "body \"\"", true),
    ] {
        let host = host(&place, grants, "what = \"event\"").await;
        assert_eq!(routed(&host, "odd", &message).await, body, "{grants}");
        let offered: &[&str] = if code { &["reach"] } else { &[] };
        assert_eq!(host.interested(&qr), offered, "{grants}");
        if code {
            assert_eq!(routed(&host, "odd", &qr).await, "code 2@abc", "{grants}");
        }
        // A validator judges the text whatever the grants say about events.
        assert_eq!(
            seen(&host, "validate", "odd").await,
            "nothing to reach in \"event\"",
            "{grants}"
        );
    }
}

#[tokio::test]
async fn a_new_version_of_a_plugin_keeps_what_the_old_one_has_stored() {
    let place = Place::with(&["reach.wasm"]).await;
    let entry = "[[plugin]]\nname = \"reach\"\ngrants.kv = \"1MiB\"\nconfig.what = \"kv\"\n";
    let old = place.load(entry).await.expect("it loads");
    assert_eq!(seen(&old, "validate", "odd").await, "count 1");
    // Another component of the same name: a custom section changes its digest and nothing else.
    let file = place.dir.path().join("plugins/reach.wasm");
    let mut component = std::fs::read(&file).expect("the component");
    component.extend_from_slice(&[0, 5, 1, b'v', b'2', b'.', b'0']);
    std::fs::write(&file, component).expect("the new version");
    let new = place.load(entry).await.expect("it loads");
    assert_ne!(old.reports()[0].component, new.reports()[0].component);
    assert_eq!(seen(&new, "validate", "odd").await, "count 2");
}
