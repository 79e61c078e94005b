//! What is said about answers that are the same, and about those that differ. That plugins are asked
//! again is tested with the running binary.

use std::sync::Arc;

use super::*;
use crate::{
    model::{Address, Content, OutboundMessage},
    plugins::{Answered, CallFacts, RecordedContext, StorageTrace},
    store::CallDetails,
};

fn message(text: &str) -> Arc<OutboundMessage> {
    Arc::new(OutboundMessage {
        to: Address {
            chat: "1@c.us".into(),
            pn: None,
            lid: None,
        },
        content: Content::text(text),
        reply_to: None,
        send_at: None,
        metadata: vec![],
    })
}

fn recorded(verdict: &str, code: Option<&str>, changed: Option<&str>) -> StoredCall {
    StoredCall {
        facts: CallFacts {
            plugin: "p".into(),
            component: "c1".into(),
            config: "f1".into(),
            verdict: verdict.into(),
            monitored: verdict.starts_with("would_"),
            code: code.map(str::to_owned),
            retry_after_ms: None,
            micros: 1,
            context: RecordedContext {
                call_id: "01J".into(),
                traceparent: "00".into(),
                now: 1,
                attempt: 1,
                budget_ms: 1,
            },
            secrets: vec![],
        },
        details: Some(CallDetails {
            input: message("secret input"),
            changed: changed.map(message),
            explanation: code.map(|_| "why".into()),
            storage: StorageTrace::default(),
        }),
    }
}

fn replayed(verdict: &'static str, code: Option<&str>, changed: Option<&str>) -> Replayed {
    Replayed {
        component: "c1".into(),
        config: "f1".into(),
        answer: Answered {
            verdict,
            code: code.map(str::to_owned),
            explanation: code.map(|_| "why".into()),
            retry_after_ms: None,
            changed: changed.map(message),
        },
        unrecorded: vec![],
        asked_network: false,
    }
}

#[test]
fn an_answer_is_compared_in_all_its_parts_and_no_text_is_shown() {
    let say = |call: &StoredCall, now: Replayed| {
        let (lines, same) = shown(call, Ok(now));
        (lines.join("\n"), same)
    };
    let same = say(
        &recorded("allow", None, None),
        replayed("allow", None, None),
    );
    assert_eq!(same, ("  p: the same: allow".into(), true));
    let monitored = say(
        &recorded("would_reject", Some("no"), None),
        replayed("reject", Some("no"), None),
    );
    assert_eq!(monitored, ("  p: the same: reject (no)".into(), true));
    let (words, same) = say(
        &recorded("allow", None, None),
        replayed("reject", Some("no"), None),
    );
    assert!(!same && words.contains("differs: allow → reject (no)") && words.contains("now: why"));
    let (words, same) = say(
        &recorded("modify", None, Some("secret one")),
        replayed("modify", None, Some("secret two")),
    );
    assert!(!same && words.contains("it changed the message otherwise: the content"));
    assert!(!words.contains("secret"), "{words}");
    let mut later = replayed("reject", Some("no"), None);
    later.answer.retry_after_ms = Some(5);
    later.answer.explanation = Some("another".into());
    later.config = "f2".into();
    later.unrecorded.push("the key \"k\"".into());
    let (words, same) = say(&recorded("reject", Some("no"), None), later);
    for part in [
        "another time after which to try again",
        "another explanation: why → another",
        "another config: f1 → f2",
        "not in the record: the key \"k\"",
    ] {
        assert!(!same && words.contains(part), "{part}: {words}");
    }
}

#[test]
fn a_report_counts_each_kind_and_names_the_first_messages() {
    let mut report = Report::default();
    let id = |n: usize| OutboxId(format!("out_{n}"));
    report.add(
        &id(0),
        &recorded("allow", None, None),
        &replayed("allow", None, None),
    );
    for n in 1..=7 {
        report.add(
            &id(n),
            &recorded("allow", None, None),
            &replayed("reject", Some("quiet_hours"), None),
        );
    }
    let mut other = replayed("reject", Some("no"), None);
    other.answer.explanation = Some("of this message only".into());
    report.add(&id(8), &recorded("reject", Some("no"), None), &other);
    report.not_replayed(&id(9), &recorded("allow", None, None), "gone".into());
    report.unreadable(&id(10));
    let range = Range {
        since: Timestamp(0),
        until: Timestamp(1000),
    };
    let Outcome { lines, same } = report.outcome(range);
    assert!(!same);
    assert_eq!(
        lines,
        [
            "11 calls from 1970-01-01T00:00:00.000Z to 1970-01-01T00:00:01.000Z",
            "the same: 1",
            "differ: 8",
            "  7: p: allow → reject (quiet_hours), e.g. out_1, out_2, out_3, out_4, out_5",
            "  1: p: reject (no) with another explanation, e.g. out_8",
            "not replayed: 2",
            "  1: p: gone, e.g. out_9",
            "  1: the decision cannot be read, e.g. out_10",
        ]
    );
}

#[test]
fn a_time_is_a_duration_before_now_or_a_moment() {
    let now = Timestamp(100_000_000);
    let read = |word: &str| moment("--since", Some(word), now);
    assert_eq!(read("1h"), Ok(Some(Timestamp(96_400_000))));
    assert_eq!(read("24h"), Ok(Some(Timestamp(13_600_000))));
    assert_eq!(read("1970-01-01T00:00:09Z"), Ok(Some(Timestamp(9000))));
    assert_eq!(read("9000"), Ok(Some(Timestamp(9000))));
    assert_eq!(moment("--since", None, now), Ok(None));
    for wrong in ["yesterday", "1 month", "1970-01-01", ""] {
        let error = read(wrong).expect_err(wrong);
        assert!(error.contains("24h") && error.contains(wrong), "{error}");
    }
}
