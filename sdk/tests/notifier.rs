//! Tests of the notifier example, which uses nothing but the prelude.

use wharf_plugin::{
    prelude::*,
    testing::{Host, configure},
};

#[path = "../examples/notifier.rs"]
#[expect(
    unreachable_pub,
    reason = "the example shows what an author has to write"
)]
mod notifier;

use notifier::Teller;

fn received(from_me: bool) -> Envelope {
    let chat = Address::of_number("4915123456789");
    let mut message = InboundMessage::new("3EB0", chat, 1_768_478_400_000, Content::text("hello"));
    message.from_me = from_me;
    Envelope::new(
        "evt_1",
        message.sent_at,
        "message.received",
        Event::MessageReceived(message),
    )
}

#[test]
fn the_prelude_has_all_that_a_notifier_names() {
    let source = include_str!("../examples/notifier.rs");
    assert!(
        include_str!("../README.md").contains(source),
        "the README shows the example as it is"
    );
    let uses: Vec<&str> = source
        .lines()
        .filter(|line| line.trim_start().starts_with("use "))
        .collect();
    assert_eq!(uses, ["use wharf_plugin::prelude::*;"]);
}

#[test]
fn it_can_be_tested_natively() {
    let host = Host::new();
    host.set_secret("TELLER_TOKEN", "open sesame");
    let teller: Teller = configure(json!({"url": "https://example.org/in"}))
        .unwrap_or_else(|issues| panic!("{issues:?}"));
    let ctx = host.call("dlv_1");
    assert_eq!(
        teller.route(&ctx, &received(false)),
        Ok(vec!["service".into()])
    );
    assert_eq!(teller.route(&ctx, &received(true)), Ok(vec![]));
    let request = teller
        .request(&ctx, "service", &received(false))
        .expect("a request");
    assert_eq!(
        String::from_utf8_lossy(&request.body),
        r#"{"from":"4915123456789@c.us","id":"evt_1","session":"default","text":"hello"}"#
    );
    assert!(
        request
            .headers
            .contains(&("authorization".into(), "Bearer open sesame".into()))
    );
    let answered = |status| AttemptResult::Answered(HttpResponse::new(status));
    assert_eq!(
        teller.judge(&ctx, "service", &answered(204)),
        Ok(Judgement::Delivered)
    );
    assert_eq!(
        teller.judge(&ctx, "service", &answered(503)),
        Ok(Judgement::RetryAfter(1000))
    );
    assert!(matches!(
        teller.judge(&ctx, "service", &answered(410)),
        Ok(Judgement::GiveUp(_))
    ));
    let lines = host.logs();
    assert_eq!(
        lines[0].fields,
        [
            ("target".to_owned(), "service".to_owned()),
            ("attempt".to_owned(), "1".to_owned())
        ]
    );
}
