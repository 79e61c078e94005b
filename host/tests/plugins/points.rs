//! The extension points for templates and notifications, with the guest `good`.

use std::{collections::BTreeMap, time::Duration};

use wharf::{
    model::{
        Address, Content, Envelope, Event, EventId, InboundMessage, MessageId, SessionState,
        Timestamp,
    },
    plugins::{
        AttemptResult, FailureKind, HttpGrant, Judgement, Notifiers, Pipeline, PluginHost,
        RenderFailure, RenderRequest,
    },
};

use crate::support::{Place, subject};

async fn good(settings: &str) -> PluginHost {
    let place = Place::with(&["good.wasm"]).await;
    place
        .load(&format!(
            "[[plugin]]\nname = \"good\"\nsessions = [\"odd\"]\n{settings}\n"
        ))
        .await
        .expect("it loads")
}

fn template(name: &str, variables: &[(&str, serde_json::Value)]) -> RenderRequest {
    let variables = variables
        .iter()
        .map(|(name, value)| ((*name).to_owned(), value.clone()))
        .collect::<BTreeMap<_, _>>();
    RenderRequest {
        template: name.into(),
        locale: Some("en".into()),
        variables,
    }
}

fn envelope(event: Event) -> Envelope {
    let session = "odd".parse().expect("a client id");
    Envelope {
        id: EventId::new("01J"),
        at: Timestamp(1_700_000_000_000),
        session,
        account: None,
        replayed: false,
        event,
    }
}

fn received(body: &str) -> Event {
    let chat = Address {
        chat: "15551234567@c.us".into(),
        pn: None,
        lid: None,
    };
    Event::MessageReceived(InboundMessage {
        id: MessageId("3EB0".into()),
        sender: chat.clone(),
        chat,
        from_me: false,
        push_name: None,
        sent_at: Timestamp(1_700_000_000_000),
        content: Content::text(body),
        reply_to: None,
    })
}

fn qr() -> Event {
    Event::Qr {
        code: "2@abc".into(),
        expires_at: Timestamp(0),
        attempt: 1,
    }
}

#[tokio::test]
async fn a_template_is_rendered_by_the_plugin_that_has_it() {
    let host = good("").await;
    let content = host
        .render(
            &subject("odd"),
            &template("greeting", &[("who", "Ada".into())]),
        )
        .await
        .expect("renders");
    assert_eq!(content.body(), Some("Hello Ada"));
}

#[tokio::test]
async fn what_a_template_lacks_is_named() {
    let host = good("").await;
    let missing = host
        .render(&subject("odd"), &template("greeting", &[]))
        .await
        .expect_err("a variable is missing");
    assert_eq!(
        missing,
        RenderFailure::MissingVariable {
            template: "greeting".into(),
            variable: "who".into()
        }
    );
    let bad = host
        .render(&subject("odd"), &template("greeting", &[("who", 7.into())]))
        .await
        .expect_err("a variable is bad");
    assert!(matches!(bad, RenderFailure::BadVariable { variable, .. } if variable == "who"));
    let unknown = host
        .render(&subject("odd"), &template("farewell", &[]))
        .await
        .expect_err("there is no such template");
    assert_eq!(
        unknown,
        RenderFailure::UnknownTemplate {
            template: "farewell".into(),
            known: vec!["greeting".into()]
        }
    );
    let elsewhere = host
        .render(&subject("other"), &template("greeting", &[]))
        .await
        .expect_err("not for this session");
    assert_eq!(
        elsewhere,
        RenderFailure::UnknownTemplate {
            template: "greeting".into(),
            known: vec![]
        }
    );
}

#[tokio::test]
async fn only_wanted_events_of_served_sessions_are_offered() {
    let host = good("").await;
    assert_eq!(host.interested(&envelope(received("hello"))), ["good"]);
    let state = Event::SessionState {
        before: SessionState::Loading,
        after: SessionState::Ready,
        reason: None,
    };
    assert!(host.interested(&envelope(state)).is_empty());
    let elsewhere = Envelope {
        session: "other".parse().expect("a client id"),
        ..envelope(received("hello"))
    };
    assert!(host.interested(&elsewhere).is_empty());
}

#[tokio::test]
async fn a_qr_is_a_credential_and_needs_its_grant() {
    assert!(good("").await.interested(&envelope(qr())).is_empty());
    assert_eq!(
        good("grants.qr = true").await.interested(&envelope(qr())),
        ["good"]
    );
}

#[tokio::test]
async fn an_event_becomes_a_call_with_the_operators_limits_on_it() {
    let host = good("grants.http = [\"HTTPS://Hooks.Example.org\", \"http://10.0.0.1:8080\"]\ngrants.http_private = true").await;
    host.set_metadata(
        "odd".parse().expect("a client id"),
        vec![("team".into(), "blue".into())],
    );
    let envelope = envelope(received("hello"));
    assert_eq!(
        host.route("good", &subject("odd"), &envelope).await,
        Ok(vec!["here".parse().expect("a name")])
    );
    let request = host
        .request("good", &subject("odd"), "here", &envelope)
        .await
        .expect("a request");
    assert_eq!(
        (request.method.as_str(), request.url.as_str()),
        ("POST", "https://hooks.example.org/in")
    );
    let [delivery, (name, traceparent)] = request.headers.as_slice() else {
        panic!("{:?}", request.headers)
    };
    assert_eq!(*delivery, ("x-delivery".to_owned(), "out_1".to_owned()));
    assert_eq!((name.as_str(), traceparent.len()), ("traceparent", 55));
    let again = host
        .request("good", &subject("odd"), "here", &envelope)
        .await
        .expect("a request");
    let again = &again.headers[1].1;
    assert_eq!(again[..35], traceparent[..35], "the same trace");
    assert_ne!(again, traceparent, "another call");
    assert_eq!(
        String::from_utf8_lossy(&request.body),
        "message.received here odd hello team=blue"
    );
    assert_eq!(request.timeout, Some(Duration::from_millis(700)));
    let origins = vec![
        "https://hooks.example.org:443".to_owned(),
        "http://10.0.0.1:8080".to_owned(),
    ];
    assert_eq!(
        request.allowed,
        HttpGrant {
            origins,
            private: true
        }
    );
}

#[tokio::test]
async fn without_the_grant_the_body_stays_here() {
    let host = good("grants.bodies = false").await;
    let request = host
        .request(
            "good",
            &subject("odd"),
            "here",
            &envelope(received("a secret")),
        )
        .await
        .expect("a request");
    let body = String::from_utf8_lossy(&request.body).into_owned();
    assert!(
        body.starts_with("message.received here odd") && !body.contains("secret"),
        "{body}"
    );
}

#[tokio::test]
async fn an_attempt_is_judged_by_the_plugin() {
    let host = good("").await;
    let answered = |status| AttemptResult::Answered {
        status,
        headers: vec![],
        body: vec![],
    };
    let judge = async |attempt| host.judge("good", &subject("odd"), "here", &attempt).await;
    assert_eq!(judge(answered(204)).await, Ok(Judgement::Delivered));
    assert_eq!(
        judge(answered(410)).await,
        Ok(Judgement::GiveUp("refused by the receiver".into()))
    );
    assert_eq!(
        judge(AttemptResult::Unreachable("refused".into())).await,
        Ok(Judgement::RetryAfter(Duration::from_millis(250)))
    );
}

#[tokio::test]
async fn a_notifier_that_is_gone_is_a_failure_of_the_host() {
    let host = good("").await;
    let failure = host
        .route("gone", &subject("odd"), &envelope(received("hello")))
        .await
        .expect_err("there is no such plugin");
    assert_eq!(
        (failure.plugin.as_str(), failure.kind),
        ("gone", FailureKind::Host)
    );
}
