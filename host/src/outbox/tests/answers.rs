//! Any answer of the page has the same consequences for a message from the queue and for one on the
//! fast path.

use super::{in_doubt::still, *};

/// What can be observed of a message and of its events.
type Seen = (
    RowState,
    Option<FailureCode>,
    Option<String>,
    Option<String>,
    bool,
    Vec<String>,
    Vec<String>,
);

#[derive(Debug, Clone, Copy)]
enum Path {
    Queue,
    Fast,
}

/// Sends one message, which the page refuses with `refusal` or accepts; the page may die of `death`
/// meanwhile. Returns what is observed directly afterwards, and after the page was asked about
/// messages in doubt.
async fn sent(path: Path, refusal: Option<PageError>, death: Option<Death>) -> [Seen; 2] {
    let dir = tempfile::tempdir().expect("tempdir");
    let (store, outbox, sender) = still(dir.path(), config::Send::default()).await;
    let whatsapp = Arc::new(FakeWhatsApp::default());
    let page: Arc<dyn PageSending> = Arc::<FakeWhatsApp>::clone(&whatsapp);
    *whatsapp.refuses.lock().expect("lock") = refusal;
    *whatsapp.dies.lock().expect("lock") = death;
    store
        .cache_address(
            &client(),
            &"4915123456789".parse().expect("number"),
            &chat(),
        )
        .await
        .expect("known");
    let accepted = match path {
        Path::Queue => {
            let accepted = outbox
                .accept(request("hello", None))
                .await
                .expect("accepted");
            assert_eq!(accepted.state, RowState::Queued);
            sender.pass(&page).await.expect("passed");
            accepted
        }
        Path::Fast => {
            let mut receiver = sender.open_fast_path();
            let accepted = outbox
                .accept(request("hello", None))
                .await
                .expect("accepted");
            assert_eq!(accepted.state, RowState::Sending);
            let begun = receiver.try_next().expect("begun");
            sender.give_begun(&page, begun).await.expect("given");
            accepted
        }
    };
    assert_eq!(whatsapp.got.lock().expect("lock").len(), 1);
    let at_once = seen(&store, &outbox, &accepted.id).await;
    sender.settle(&page).await.expect("asked");
    let later = seen(&store, &outbox, &accepted.id).await;
    store.close().await;
    // Each run has ids of its own.
    [at_once, later].map(|seen| {
        (
            seen.0,
            seen.1,
            seen.2,
            seen.3.map(|key| key.replace(&accepted.message_id.0, "ID")),
            seen.4,
            seen.5,
            seen.6,
        )
    })
}

async fn seen(store: &Store, outbox: &Outbox, id: &OutboxId) -> Seen {
    let row = outbox.get(id).await.expect("read").expect("there");
    let history = outbox
        .history(&row)
        .await
        .expect("history")
        .into_iter()
        .map(|step| step.kind)
        .collect();
    let events = store
        .events_after(0, 100)
        .await
        .expect("events")
        .iter()
        .map(|event| event.envelope.event.kind().to_owned())
        .collect();
    (
        row.state,
        row.code,
        row.reason,
        row.message_key,
        row.retry_at > Timestamp(0),
        history,
        events,
    )
}

#[tokio::test]
async fn both_paths_come_to_the_same_whatever_the_page_answers() {
    let answers = [
        (None, RowState::Sending),
        (
            Some(PageError::Refused {
                what: "send",
                reason: "no".into(),
            }),
            RowState::NotSent,
        ),
        (
            Some(PageError::ContractBroken {
                what: "send",
                missing: vec!["Chat".into()],
            }),
            RowState::NotSent,
        ),
        (
            Some(PageError::QuoteNotFound {
                reason: "gone".into(),
            }),
            RowState::NotSent,
        ),
        (Some(PageError::NoSuchChat), RowState::NotSent),
        (Some(PageError::Booting { what: "send" }), RowState::Queued),
        (
            Some(PageError::Timeout {
                what: "send",
                limit: LIMIT,
            }),
            RowState::Sending,
        ),
        (Some(gone()), RowState::Sending),
    ];
    for (refusal, state) in answers {
        let [queue, fast] = [
            sent(Path::Queue, refusal.clone(), None).await,
            sent(Path::Fast, refusal.clone(), None).await,
        ];
        assert_eq!(queue, fast, "{refusal:?}");
        assert_eq!(queue[0].0, state, "{refusal:?}");
    }
    for (death, state) in [
        (Death::BeforeStoring, RowState::Queued),
        (Death::AfterStoring, RowState::Sent),
    ] {
        let [queue, fast] = [
            sent(Path::Queue, None, Some(death)).await,
            sent(Path::Fast, None, Some(death)).await,
        ];
        assert_eq!(queue, fast, "{death:?}");
        assert_eq!(
            (queue[0].0, queue[1].0),
            (RowState::Sending, state),
            "in doubt, then found out: {death:?}"
        );
    }
}

#[tokio::test]
async fn who_waits_until_the_page_has_a_message_hears_of_it_though_its_answer_was_lost() {
    let dir = tempfile::tempdir().expect("tempdir");
    let (store, outbox, sender) = still(dir.path(), config::Send::default()).await;
    let whatsapp = Arc::new(FakeWhatsApp {
        unsent: AtomicBool::new(true),
        ..FakeWhatsApp::default()
    });
    let page: Arc<dyn PageSending> = Arc::<FakeWhatsApp>::clone(&whatsapp);
    *whatsapp.dies.lock().expect("lock") = Some(Death::AfterStoring);
    let accepted = outbox
        .accept(request("hello", None))
        .await
        .expect("accepted");
    sender.pass(&page).await.expect("passed");
    let asked = async {
        // Until the caller has read the row, in which there is no key yet.
        while !outbox.inner.waiters.has_name(&accepted.id) {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        sender.settle(&page).await.expect("asked");
    };
    let (waited, ()) = tokio::join!(outbox.wait(&accepted.id, Until::Stored, LIMIT), asked);
    let (row, outcome) = waited.expect("read").expect("there");
    assert_eq!((row.state, outcome), (RowState::Sending, None));
    assert!(row.message_key.is_some());
    store.close().await;
}
