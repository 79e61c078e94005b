//! Decisions lose what messages say together with the messages, and go with them.

use std::sync::Arc;

use super::*;
use crate::{
    plugins::{
        CallFacts, CallRecord, Difference, DifferenceDetails, DifferenceFacts, DifferenceSide,
        FoundValue, RecordedContext, StorageStep, StorageTrace, Words, WriteAnswer,
    },
    store::{
        Accept, CallDetails, DecisionFile, Range, StoreError, StoredDecision, assert_indexed,
        decisions, differences, forget::refusals,
    },
};

/// A call of a plugin that saw `input`, and read and said what has the word `body-…` in it.
fn call(plugin: &str, input: &Arc<OutboundMessage>, changed: Option<&str>) -> Arc<CallRecord> {
    let found = FoundValue {
        version: 3,
        bytes: 9,
        sha256: "00".into(),
        value: Some("Ym9keS1rdg==".into()),
    };
    Arc::new(CallRecord {
        facts: CallFacts {
            plugin: plugin.into(),
            component: "c0".into(),
            config: "cf".into(),
            verdict: "reject".into(),
            monitored: true,
            code: Some("no".into()),
            retry_after_ms: Some(1500),
            micros: 7,
            context: RecordedContext {
                call_id: "01J".into(),
                traceparent: "00-1-2-01".into(),
                now: 5,
                attempt: 1,
                budget_ms: 2000,
            },
            secrets: vec!["TOKEN".into()],
        },
        input: Arc::clone(input),
        changed: changed.map(|text| Arc::new(message(text))),
        explanation: Some("it says body-quoted".into()),
        storage: StorageTrace {
            steps: vec![
                StorageStep::Get {
                    key: "body-key".into(),
                    found: Some(found),
                },
                StorageStep::Get {
                    key: "absent".into(),
                    found: None,
                },
                StorageStep::Set {
                    key: "n".into(),
                    answer: WriteAnswer::Conflict,
                },
                StorageStep::List {
                    prefix: "p/".into(),
                    cursor: None,
                    limit: 10,
                    keys: vec!["p/body-listed".into()],
                },
            ],
            cut: true,
        },
    })
}

/// The verdicts of two plugins, of which the second one changes the message.
fn verdicts(name: &str, when: &str) -> Vec<Step> {
    let input = Arc::new(message(&format!("body-{name}")));
    let step = |call| Step::verdict(json!({"when": when}), call);
    vec![
        step(call("first", &input, None)),
        step(call("second", &input, Some("body-changed"))),
    ]
}

fn judged(name: &str) -> NewRow {
    let mut new = row(name, &format!("body-{name}"));
    new.history.extend(verdicts(name, "accept"));
    new
}

async fn decisions(store: &Store, name: &str) -> Vec<StoredDecision> {
    store.decisions(&OutboxId(name.into())).await.expect("read")
}

/// The details of every call.
fn details(decisions: &[StoredDecision]) -> Vec<&CallDetails> {
    let calls = decisions.iter().flat_map(|decision| &decision.calls);
    calls
        .flat_map(|(_, calls)| calls)
        .filter_map(|call| call.details.as_ref())
        .collect()
}

#[tokio::test]
async fn a_decision_is_stored_with_the_message_and_read_as_it_was() {
    let (dir, store) = scratch().await;
    // One batch, in which only some messages were judged.
    let batch = ["a", "b", "c", "d"].map(|name| {
        store.accept(if name < "c" {
            judged(name)
        } else {
            row(name, "body-plain")
        })
    });
    for stored in join_all(batch).await {
        assert_eq!(stored, Ok(Accept::New));
    }
    assert!(decisions(&store, "c").await.is_empty());
    let token = store.lease(&client()).await.expect("leased");
    let before = get(&store, "b").await;
    let begun = Begin {
        token,
        counted: None,
    };
    let again = verdicts("b", "dispatch");
    assert_eq!(
        store
            .begin_send(&before, &before.message, again, begun)
            .await,
        Ok(Begun::Yes)
    );

    let found = decisions(&store, "b").await;
    let when: Vec<&str> = found
        .iter()
        .flat_map(|decision| &decision.calls)
        .map(|(when, _)| when.as_str())
        .collect();
    assert_eq!(when, ["accept", "dispatch"]);
    for decision in &found {
        let (_, calls) = decision.calls.as_ref().expect("readable");
        assert_eq!(
            (decision.session.clone(), decision.refused),
            (client(), false)
        );
        let input = Arc::new(message("body-b"));
        let wanted = [
            call("first", &input, None),
            call("second", &input, Some("body-changed")),
        ];
        assert_eq!(calls.len(), wanted.len());
        for (stored, wanted) in calls.iter().zip(wanted) {
            assert_eq!(stored.facts, wanted.facts);
            let details = stored.details.as_ref().expect("details");
            assert_eq!(
                (&details.input, &details.changed, &details.explanation),
                (&wanted.input, &wanted.changed, &wanted.explanation)
            );
            assert_eq!(details.storage, wanted.storage);
        }
    }
    let once = "SELECT (length(details) - length(replace(details, 'body-a', ''))) / 6 FROM decision WHERE id / 4096 = (SELECT seq FROM outbox WHERE id = 'a')";
    assert_eq!(
        count(&store, once).await,
        1,
        "the message, for both plugins"
    );

    // Another process reads the file while the gateway has it open.
    let mut file = DecisionFile::open(&dir.path().join("wharf.db"))
        .await
        .expect("opened");
    assert_eq!(file.of(&OutboxId("b".into())).await, Ok(found));
    assert_eq!(file.knows(&OutboxId("c".into())).await, Ok(true));
    assert_eq!(file.knows(&OutboxId("z".into())).await, Ok(false));
    file.close().await;
    store.close().await;
}

#[tokio::test]
async fn a_rejected_message_has_a_decision_too_and_a_time_is_read_in_pages() {
    let (dir, store) = scratch().await;
    store.accept(judged("a")).await.expect("stored");
    let began = Timestamp::now();
    for n in 0..205 {
        let id = OutboxId(format!("out_{n:03}"));
        store
            .refused(&id, &client(), &verdicts("r", "accept"))
            .await
            .expect("stored");
    }
    let unjudged = OutboxId("out_plain".into());
    store
        .refused(&unjudged, &client(), &[Step::new("accepted", json!({}))])
        .await
        .expect("nothing to store");
    assert!(decisions(&store, "out_plain").await.is_empty());
    let refused = decisions(&store, "out_007").await;
    assert!(refused.len() == 1 && refused.iter().all(|decision| decision.refused));
    assert_eq!(details(&refused).len(), 2);

    let path = dir.path().join("wharf.db");
    let mut file = DecisionFile::open(&path).await.expect("opened");
    let mut seen = async |since: Timestamp, until: Timestamp| {
        let mut seen = Vec::new();
        file.each(Range { since, until }, async |decision: StoredDecision| {
            seen.push(decision.message.0);
        })
        .await
        .expect("read");
        seen
    };
    let all = seen(Timestamp(0), future()).await;
    assert_eq!(
        (all.len(), all.first().map(String::as_str)),
        (206, Some("a"))
    );
    assert!(seen(Timestamp(0), Timestamp(9)).await.is_empty());
    assert!(seen(began, future()).await.len() >= 205);
    let missing = DecisionFile::open(&dir.path().join("none.db")).await;
    assert!(
        matches!(&missing, Err(StoreError::Open { reason, .. }) if reason.contains("no such file")),
        "{missing:?}"
    );
}

#[tokio::test]
async fn what_plugins_saw_goes_with_what_the_message_said() {
    let (dir, store) = scratch().await;
    for name in ["ends", "waits"] {
        store.accept(judged(name)).await.expect("stored");
    }
    let refused = OutboxId("out_refused".into());
    store
        .refused(&refused, &client(), &verdicts("refused", "accept"))
        .await
        .expect("stored");
    fail(&store, "ends").await;
    route(&store).await;
    assert_eq!(store.redact(Timestamp(1)).await, Ok(false));
    assert_eq!(details(&decisions(&store, "ends").await).len(), 2);

    assert_eq!(store.redact(future()).await, Ok(true));
    for name in ["ends", "out_refused"] {
        let left = decisions(&store, name).await;
        assert!(details(&left).is_empty(), "{name}");
        let calls = left.iter().flat_map(|decision| &decision.calls);
        let facts: Vec<_> = calls
            .flat_map(|(_, calls)| calls)
            .map(|call| (call.facts.plugin.as_str(), call.facts.code.as_deref()))
            .collect();
        assert_eq!(facts, [("first", Some("no")), ("second", Some("no"))]);
    }
    assert_eq!(
        details(&decisions(&store, "waits").await).len(),
        2,
        "it is still to be sent"
    );
    // By the writer, which overwrites what it deletes.
    store.spoil("DELETE FROM outbox WHERE id = 'waits'").await;
    settle(&store).await;
    assert_eq!(bodies(dir.path()), Vec::<String>::new());
    let raw = fs::read(dir.path().join("wharf.db")).expect("read");
    assert!(
        !raw.windows(8).any(|window| window == b"Ym9keS1r"),
        "values of the storage"
    );

    assert_eq!(store.prune_outbox(future(), future()).await, Ok(true));
    assert!(decisions(&store, "ends").await.is_empty());
    assert!(decisions(&store, "out_refused").await.is_empty());
    let rows = "SELECT (SELECT count(*) FROM decision) + (SELECT count(*) FROM refusal)";
    assert_eq!(count(&store, rows).await, 0);
}

fn difference(message: &str, words: &str) -> Difference {
    let side = |component: &str, verdict: &str| DifferenceSide {
        component: component.into(),
        config: "cf".into(),
        verdict: verdict.into(),
        code: None,
        retry_after_ms: None,
    };
    Difference {
        plugin: "p".into(),
        session: client(),
        message: message.into(),
        facts: DifferenceFacts {
            differs: vec!["verdict".into()],
            plugin: side("c0", "allow"),
            candidate: side("c1", "reject"),
        },
        details: Some(DifferenceDetails {
            candidate: Words {
                explanation: Some(words.into()),
                changed: None,
            },
            ..DifferenceDetails::default()
        }),
    }
}

#[tokio::test]
async fn differences_of_a_candidate_are_bounded_and_go_with_what_the_message_said() {
    let (dir, store) = scratch().await;
    for name in ["ends", "waits"] {
        store.accept(row(name, "plain")).await.expect("stored");
    }
    for name in ["ends", "waits", "out_refused"] {
        let difference = difference(name, &format!("body-{name}"));
        store.add_difference(&difference).await.expect("stored");
    }
    let listed = async || store.differences("p", None, 10).await.expect("read");
    let found = listed().await;
    let newest: Vec<_> = found
        .iter()
        .map(|one| one.difference.message.as_str())
        .collect();
    assert_eq!(newest, ["out_refused", "waits", "ends"]);
    assert_eq!(found[2].difference, difference("ends", "body-ends"));
    let page = store
        .differences("p", Some(found[1].id), 1)
        .await
        .expect("read");
    assert_eq!(page, found[2..]);
    assert_eq!(store.differences("q", None, 10).await, Ok(vec![]));

    fail(&store, "ends").await;
    while store.redact_sends(future()).await.expect("redacted") {}
    let kept: Vec<_> = listed()
        .await
        .iter()
        .map(|one| one.difference.details.is_some())
        .collect();
    assert_eq!(kept, [true, true, false], "with the message");
    store.redact(future()).await.expect("redacted");
    let kept = listed().await;
    assert!(kept.iter().all(|one| one.difference.details.is_none()));
    settle(&store).await;
    assert_eq!(bodies(dir.path()), Vec::<String>::new());

    store.spoil("DELETE FROM outbox WHERE id = 'waits'").await;
    assert_eq!(listed().await.len(), 2);
    store
        .prune_outbox(future(), future())
        .await
        .expect("pruned");
    assert!(listed().await.is_empty());

    let more = "WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < 1500) INSERT INTO candidate_difference (plugin, client, message, at, facts) SELECT 'p', 'test', 'm', 1, '{}' FROM n";
    store.spoil(more).await;
    store
        .add_difference(&difference("last", "x"))
        .await
        .expect("stored");
    let rows = "SELECT count(*) FROM candidate_difference";
    assert_eq!(count(&store, rows).await, differences::KEPT);
}

#[tokio::test]
async fn refusals_are_found_by_their_age() {
    let (_dir, store) = scratch().await;
    for (sql, index) in [
        (refusals::REDACT, "refusal_body"),
        (refusals::PRUNE, "refusal_age"),
    ] {
        assert_indexed(&store, sql, "refusal", &[index]).await;
    }
    for (sql, index) in [
        (refusals::REDACT_DIFFERENCES, "candidate_difference_body"),
        (refusals::PRUNE_DIFFERENCES, "candidate_difference_age"),
        (differences::BOUND, "candidate_difference_plugin"),
        (differences::PAGE, "candidate_difference_plugin"),
    ] {
        assert_indexed(&store, sql, "candidate_difference", &[index]).await;
    }
    assert_indexed(&store, decisions::RANGE, "decision", &["decision_age"]).await;
}
