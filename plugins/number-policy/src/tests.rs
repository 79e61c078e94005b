//! The plugin as the gateway uses it: configuration in, verdicts out.

use wharf_plugin::{
    Address, ConfigIssue, Content, Envelope, Event, InboundMessage, Notifier, OutboundMessage,
    Validator, Verdict,
    testing::{Host, configure, json},
};

use crate::NumberPolicy;

const DAY: u64 = 86_400_000;
/// 2026-01-15 12:00 UTC, where the host's clock stands.
const NOON: u64 = 1_768_478_400_000;

fn policy(config: serde_json::Value) -> NumberPolicy {
    configure(config).expect("a good configuration")
}

fn issues(config: serde_json::Value) -> Vec<ConfigIssue> {
    configure::<NumberPolicy>(config).expect_err("a bad configuration")
}

fn message(number: &str) -> OutboundMessage {
    OutboundMessage::new(Address::of_number(number), Content::text("Hello"))
}

fn ask(
    policy: &NumberPolicy,
    host: &Host,
    subject: &str,
    message: &OutboundMessage,
) -> Option<(String, Option<u32>)> {
    match policy
        .validate(&host.call(subject), message)
        .expect("a verdict")
    {
        Verdict::Allow => None,
        Verdict::Reject(rejection) => Some((rejection.code, rejection.retry_after_ms)),
        other => panic!("number-policy only allows and rejects: {other:?}"),
    }
}

fn received(sender: Address, body: &str) -> Envelope {
    let message = InboundMessage::new("3EB0", sender, NOON, Content::text(body));
    Envelope::new(
        "evt_1",
        NOON,
        "message.received",
        Event::MessageReceived(message),
    )
}

#[test]
fn without_configuration_only_implausible_numbers_are_refused() {
    let host = Host::new();
    let policy = policy(json!({}));
    assert_eq!(ask(&policy, &host, "1", &message("4915123456789")), None);
    assert_eq!(
        ask(&policy, &host, "2", &message("49")),
        Some(("invalid_number_length".into(), None))
    );
    let group = OutboundMessage::new(Address::new("12036304@g.us"), Content::text("Hello"));
    assert_eq!(ask(&policy, &host, "3", &group), None);
}

#[test]
fn recipients_without_a_number_can_be_refused() {
    let host = Host::new();
    let policy = policy(json!({"without_number": "reject"}));
    let group = OutboundMessage::new(Address::new("12036304@g.us"), Content::text("Hello"));
    assert_eq!(
        ask(&policy, &host, "1", &group),
        Some(("number_unknown".into(), None))
    );
    let known = Address::new("77@lid")
        .pn("4915123456789@c.us")
        .lid("77@lid");
    assert_eq!(
        ask(
            &policy,
            &host,
            "2",
            &OutboundMessage::new(known, Content::text("Hello"))
        ),
        None
    );
}

#[test]
fn a_message_asked_about_twice_counts_once() {
    let host = Host::new();
    let policy = policy(json!({"daily_cap": 2}));
    let to = message("4915123456789");
    for subject in ["a", "a", "b", "a", "b"] {
        assert_eq!(ask(&policy, &host, subject, &to), None, "{subject}");
    }
    // Noon in London is 13:00 in Berlin: 11 hours to midnight.
    assert_eq!(
        ask(&policy, &host, "c", &to),
        Some(("daily_cap".into(), Some(11 * 3_600_000)))
    );
    assert_eq!(
        ask(&policy, &host, "b", &to),
        None,
        "counted before the cap was reached"
    );
    assert_eq!(
        ask(&policy, &host, "c", &message("4915123456780")),
        None,
        "another recipient"
    );
    assert_eq!(
        host.kv_keys(),
        [
            "cap/4915123456780/2026-01-15",
            "cap/4915123456789/2026-01-15"
        ]
    );
}

#[test]
fn a_person_has_one_cap_under_both_forms_of_their_address() {
    let host = Host::new();
    let policy = policy(json!({"daily_cap": 2, "zone": "UTC"}));
    let by_id = |number: Option<&str>| {
        let mut person = Address::new("77@lid").lid("77@lid");
        person.pn = number.map(|number| format!("{number}@c.us"));
        OutboundMessage::new(person, Content::text("Hello"))
    };
    assert_eq!(ask(&policy, &host, "a", &by_id(None)), None);
    assert_eq!(
        ask(&policy, &host, "a", &by_id(Some("4915123456789"))),
        None,
        "asked again when the number is known"
    );
    assert_eq!(
        ask(&policy, &host, "b", &by_id(Some("4915123456789"))),
        None
    );
    assert_eq!(
        ask(&policy, &host, "c", &by_id(Some("4915123456789")))
            .map(|refusal| refusal.0)
            .as_deref(),
        Some("daily_cap")
    );
    let group = OutboundMessage::new(
        Address::new("120363041477902123@g.us"),
        Content::text("Hello"),
    );
    let refusals = ["a", "b", "c"]
        .map(|subject| ask(&policy, &host, subject, &group).map(|refusal| refusal.0));
    assert_eq!(
        refusals,
        [None, None, Some("daily_cap".into())],
        "a group is one recipient"
    );
}

#[test]
fn the_cap_begins_anew_at_the_recipients_midnight() {
    let host = Host::new();
    let policy = policy(json!({"daily_cap": 1}));
    let to = message("4915123456789");
    host.set_now(NOON + 11 * 3_600_000 - 1);
    assert_eq!(ask(&policy, &host, "a", &to), None);
    assert_eq!(
        ask(&policy, &host, "b", &to),
        Some(("daily_cap".into(), Some(1)))
    );
    host.set_now(NOON + 11 * 3_600_000);
    assert_eq!(ask(&policy, &host, "b", &to), None);
    host.set_now(NOON + 4 * DAY);
    assert_eq!(host.kv_keys(), Vec::<String>::new(), "old days disappear");
}

#[test]
fn a_scheduled_message_counts_on_its_own_day() {
    let host = Host::new();
    let policy = policy(json!({"daily_cap": 1, "zone": "UTC"}));
    let mut later = message("4915123456789");
    later.send_at = Some(NOON + 3 * DAY);
    assert_eq!(ask(&policy, &host, "later", &later), None);
    assert_eq!(
        ask(&policy, &host, "today", &message("4915123456789")),
        None
    );
    host.set_now(NOON + 3 * DAY + 1000);
    assert_eq!(
        ask(&policy, &host, "later", &later),
        None,
        "asked again at the moment of sending"
    );
    assert_eq!(
        host.kv("cap/4915123456789/2026-01-18").as_deref(),
        Some(&br#"["later"]"#[..])
    );
    assert_eq!(
        ask(&policy, &host, "more", &message("4915123456789"))
            .map(|refusal| refusal.0)
            .as_deref(),
        Some("daily_cap")
    );
}

#[test]
fn a_refused_message_takes_nothing_from_the_cap() {
    let host = Host::new();
    let policy = policy(json!({"daily_cap": 1, "text": {"max_length": 4}}));
    assert_eq!(
        ask(&policy, &host, "a", &message("4915123456789")),
        Some(("message_too_long".into(), None))
    );
    assert_eq!(host.kv_keys(), Vec::<String>::new());
}

#[test]
fn quiet_hours_are_those_of_the_recipient() {
    let host = Host::new();
    let policy = policy(json!({"quiet_hours": [{"from": "21:00", "to": "08:00"}]}));
    // 12:00 UTC is 21:00 in Tokyo, 07:00 in New York and 13:00 in Berlin.
    assert_eq!(
        ask(&policy, &host, "1", &message("819012345678")),
        Some(("quiet_hours".into(), Some(11 * 3_600_000)))
    );
    assert_eq!(
        ask(&policy, &host, "2", &message("12125550100")),
        Some(("quiet_hours".into(), Some(3_600_000)))
    );
    assert_eq!(ask(&policy, &host, "3", &message("4915123456789")), None);
}

#[test]
fn people_opt_out_and_in_by_a_word() {
    let host = Host::new();
    let policy = policy(
        json!({"opt_out": {"stop_words": ["STOP", "Abbestellen"], "start_words": ["START"]}}),
    );
    let person = Address::new("77@lid")
        .pn("4915123456789@c.us")
        .lid("77@lid");
    let tell = |body: &str| {
        assert_eq!(
            policy.route(&host.call("e"), &received(person.clone(), body)),
            Ok(Vec::new())
        )
    };

    tell("please do not stop");
    assert_eq!(host.kv_keys(), Vec::<String>::new());
    tell(" Stop! ");
    assert_eq!(host.kv_keys(), ["optout/4915123456789", "optout/77@lid"]);
    assert_eq!(
        ask(&policy, &host, "1", &message("4915123456789")),
        Some(("opted_out".into(), None))
    );
    let by_lid = OutboundMessage::new(Address::new("77@lid"), Content::text("Hello"));
    assert_eq!(
        ask(&policy, &host, "2", &by_lid),
        Some(("opted_out".into(), None))
    );

    tell("start");
    assert_eq!(ask(&policy, &host, "3", &message("4915123456789")), None);
    assert_eq!(ask(&policy, &host, "4", &by_lid), None);
}

#[test]
fn the_last_word_counts_by_when_it_was_written_however_late_it_is_heard() {
    let policy = policy(json!({"opt_out": {"stop_words": ["STOP"], "start_words": ["START"]}}));
    let person = || {
        Address::new("77@lid")
            .pn("4915123456789@c.us")
            .lid("77@lid")
    };
    for (heard, out) in [
        (&[("STOP", 1000), ("START", 2000)][..], false),
        (&[("START", 2000), ("STOP", 1000)], false),
        (&[("STOP", 3000), ("START", 2000)], true),
        (&[("START", 2000), ("STOP", 3000)], true),
        (&[("START", 1000), ("START", 4000), ("STOP", 3000)], false),
        (
            &[
                ("STOP", 5000),
                ("START", 2000),
                ("STOP", 1000),
                ("START", 4000),
            ],
            true,
        ),
    ] {
        let host = Host::new();
        for (body, sent_at) in heard {
            let mut told = received(person(), body);
            let Event::MessageReceived(message) = &mut told.event else {
                panic!("a message")
            };
            message.sent_at = *sent_at;
            assert_eq!(policy.route(&host.call("e"), &told), Ok(Vec::new()));
        }
        let refused = ask(&policy, &host, "1", &message("4915123456789")).is_some();
        assert_eq!(refused, out, "{heard:?}");
    }
    // A key written by hand has no time, so a START removes it.
    let host = Host::new();
    host.set_kv("optout/4915123456789", b"by hand");
    assert_eq!(
        policy.route(&host.call("e"), &received(person(), "START")),
        Ok(Vec::new())
    );
    assert_eq!(ask(&policy, &host, "1", &message("4915123456789")), None);
}

#[test]
fn a_word_that_comes_too_late_is_not_logged_as_recorded() {
    let policy = policy(json!({"opt_out": {"stop_words": ["STOP"], "start_words": ["START"]}}));
    let host = Host::new();
    let hear = |body: &str, sent_at: u64| {
        let mut told = received(Address::of_number("4915123456789"), body);
        if let Event::MessageReceived(message) = &mut told.event {
            message.sent_at = sent_at;
        }
        assert_eq!(policy.route(&host.call("e"), &told), Ok(Vec::new()));
        let lines = host.logs().into_iter();
        lines.map(|line| line.message).collect::<Vec<_>>()
    };
    let (out, back) = ("a recipient opted out", "a recipient opted in again");
    assert_eq!(hear("STOP", 2000), [out]);
    assert_eq!(hear("START", 1000), [out], "said before the STOP");
    assert_eq!(hear("START", 3000), [out, back]);
    assert_eq!(hear("STOP", 2500), [out, back], "said before the START");
}

#[test]
fn only_a_persons_own_word_counts() {
    let host = Host::new();
    let policy = policy(json!({"opt_out": {"stop_words": ["STOP"]}}));
    let mut mine = received(Address::of_number("4915123456789"), "STOP");
    if let Event::MessageReceived(message) = &mut mine.event {
        message.from_me = true;
    }
    let mut in_group = received(Address::of_number("4915123456789"), "STOP");
    if let Event::MessageReceived(message) = &mut in_group.event {
        message.chat.chat = "12036304@g.us".into();
    }
    let empty = received(Address::of_number("4915123456789"), "");
    for envelope in [mine, in_group, empty] {
        assert_eq!(policy.route(&host.call("e"), &envelope), Ok(Vec::new()));
    }
    assert_eq!(host.kv_keys(), Vec::<String>::new());
}

#[test]
fn an_operators_key_opts_a_number_out() {
    let host = Host::new();
    let policy = policy(json!({"opt_out": {}}));
    host.set_kv("optout/4915123456789", b"");
    assert_eq!(
        ask(&policy, &host, "1", &message("4915123456789")),
        Some(("opted_out".into(), None))
    );
}

#[test]
fn storage_is_asked_for_only_where_it_is_needed() {
    let host = Host::new();
    host.grant_kv(false);
    assert_eq!(
        ask(&policy(json!({})), &host, "1", &message("4915123456789")),
        None
    );
    for config in [json!({"daily_cap": 1}), json!({"opt_out": {}})] {
        let answer = policy(config).validate(&host.call("1"), &message("4915123456789"));
        assert!(
            matches!(answer, Err(wharf_plugin::Error::NotGranted(_))),
            "{answer:?}"
        );
    }
}

#[test]
fn a_value_nobody_writes_is_an_error_and_not_a_refusal() {
    let host = Host::new();
    host.set_kv("cap/4915123456789/2026-01-15", b"3");
    let answer =
        policy(json!({"daily_cap": 1})).validate(&host.call("1"), &message("4915123456789"));
    assert!(
        matches!(answer, Err(wharf_plugin::Error::Internal(_))),
        "{answer:?}"
    );
}

#[test]
fn every_issue_of_a_configuration_is_reported() {
    let found = issues(json!({
        "block_prefixes": ["x"], "text": {"min_length": 2, "max_length": 1}, "zone": "Nowhere",
        "quiet_hours": [{"from": "25:00", "to": "08:00"}], "daily_cap": 0,
    }));
    let paths: Vec<_> = found.iter().map(|issue| issue.path.as_str()).collect();
    assert_eq!(
        paths,
        [
            "/block_prefixes/0",
            "/text/min_length",
            "/zone",
            "/quiet_hours/0/from",
            "/daily_cap"
        ]
    );
}

#[test]
fn a_word_that_no_message_can_match_is_an_issue() {
    let found =
        issues(json!({"opt_out": {"stop_words": ["STOP", "🛑", "!"], "start_words": [" "]}}));
    let paths: Vec<_> = found.iter().map(|issue| issue.path.as_str()).collect();
    assert_eq!(
        paths,
        [
            "/opt_out/stop_words/1",
            "/opt_out/stop_words/2",
            "/opt_out/start_words/0"
        ]
    );
}

#[test]
fn unknown_keys_are_issues() {
    assert_eq!(issues(json!({"daily_cop": 1})).len(), 1);
    assert_eq!(
        issues(json!({"text": {"max": 1}}))
            .first()
            .map(|issue| issue.path.as_str()),
        Some("/text/max")
    );
}
