//! Numbers, opaque ids and groups: who is whom, and what that does to order, strangers and plugins.

use super::{queue::until_stored, *};

const NUMBER: &str = "4915123456789";
const LID: &str = "77@lid";
const GROUP: &str = "120363041477902123@g.us";

async fn accept(gateway: &Gateway, to: &str, text: &str) -> Accepted {
    gateway
        .outbox
        .accept(SendRequest {
            to: to.parse().expect("recipient"),
            ..request(text, None)
        })
        .await
        .expect("accepted")
}

async fn queues(gateway: &Gateway, all: &[&Accepted]) -> Vec<String> {
    let mut queues = Vec::new();
    for accepted in all {
        queues.push(
            gateway
                .outbox
                .get(&accepted.id)
                .await
                .expect("read")
                .expect("there")
                .queue
                .to_string(),
        );
    }
    queues
}

#[tokio::test]
async fn two_queues_that_turn_out_to_be_one_go_in_the_order_of_acceptance() {
    let dir = tempfile::tempdir().expect("tempdir");
    let gateway = Gateway::start(dir.path()).await;
    let first = accept(&gateway, LID, "first").await;
    let second = accept(&gateway, NUMBER, "second").await;
    let third = accept(&gateway, LID, "third").await;
    assert_eq!(
        queues(&gateway, &[&first, &second, &third]).await,
        [LID, NUMBER, LID]
    );
    gateway
        .store
        .learn(&client(), &chat())
        .await
        .expect("learned");
    let fourth = accept(&gateway, LID, "fourth").await;
    assert_eq!(
        queues(&gateway, &[&first, &second, &third, &fourth]).await,
        [NUMBER; 4]
    );

    // The look-up of the number fails: what goes to the id waits behind it.
    let whatsapp = Arc::new(FakeWhatsApp::default());
    whatsapp
        .lookups_fail
        .lock()
        .expect("lock")
        .insert(NUMBER.into());
    gateway.page(&whatsapp);
    until_stored(&whatsapp, 1).await;
    gateway
        .row(&second.id, |row| row.retry_at > Timestamp(0))
        .await;
    assert_eq!(
        *whatsapp.order.lock().expect("lock"),
        std::slice::from_ref(&first.message_id)
    );
    whatsapp.lookups_fail.lock().expect("lock").clear();
    until_stored(&whatsapp, 4).await;
    assert_eq!(
        *whatsapp.order.lock().expect("lock"),
        [first, second, third, fourth].map(|accepted| accepted.message_id)
    );
    let chats: Vec<String> = whatsapp
        .got
        .lock()
        .expect("lock")
        .iter()
        .map(|send| send.chat.clone())
        .collect();
    assert_eq!(chats, [LID; 4]);
}

#[tokio::test]
async fn what_is_taken_up_again_stands_in_the_line_of_who_it_is_known_to_be() {
    let dir = tempfile::tempdir().expect("tempdir");
    let gateway = Gateway::start(dir.path()).await;
    let ended = accept(&gateway, LID, "ended").await;
    gateway.outbox.cancel(&ended.id).await.expect("cancelled");
    gateway
        .store
        .learn(&client(), &chat())
        .await
        .expect("learned");
    gateway
        .outbox
        .retry(&ended.id)
        .await
        .expect("taken up again");
    assert_eq!(queues(&gateway, &[&ended]).await, [NUMBER]);
}

#[tokio::test]
async fn the_page_is_asked_whose_an_id_is_and_who_is_known_by_one_form_is_known_by_both() {
    let dir = tempfile::tempdir().expect("tempdir");
    let gateway = Gateway::start(dir.path()).await;
    gateway
        .store
        .know(&client(), vec![LID.parse().expect("lid")])
        .await
        .expect("noted");
    let by_number: Recipient = NUMBER.parse().expect("number");
    assert_eq!(gateway.store.knows(&client(), &by_number).await, Ok(false));
    let accepted = accept(&gateway, LID, "hello").await;
    let whatsapp = Arc::new(FakeWhatsApp::default());
    gateway.page(&whatsapp);
    let row = gateway.until_stored(&accepted.id).await;
    assert_eq!(
        (row.queue.to_string().as_str(), row.message.to),
        (NUMBER, chat())
    );
    assert_eq!(
        *whatsapp.looked_up.lock().expect("lock"),
        0,
        "an id is not looked up"
    );
    assert_eq!(gateway.store.knows(&client(), &by_number).await, Ok(true));
    assert_eq!(
        gateway
            .store
            .knows(&client(), &LID.parse().expect("lid"))
            .await,
        Ok(true)
    );
}

#[tokio::test]
async fn plugins_judge_the_address_that_is_used() {
    let dir = tempfile::tempdir().expect("tempdir");
    let gateway = Gateway::start(dir.path()).await;
    let whatsapp = Arc::new(FakeWhatsApp::default());
    let accepted = accept(&gateway, NUMBER, "not by id").await;
    gateway.page(&whatsapp);
    let row = gateway.until(&accepted.id, RowState::NotSent).await;
    assert_eq!(row.code, Some(FailureCode::Rejected));
    assert!(
        whatsapp.got.lock().expect("lock").is_empty(),
        "it left before it was judged"
    );
    // From now on it is known, and said at once.
    let again = gateway
        .outbox
        .accept(SendRequest {
            to: NUMBER.parse().expect("number"),
            ..request("not by id", None)
        })
        .await;
    assert!(matches!(again, Err(AcceptError::Rejected(_))), "{again:?}");
}

#[tokio::test]
async fn a_group_is_written_to_by_its_id_or_refused_as_none() {
    let dir = tempfile::tempdir().expect("tempdir");
    let gateway = Gateway::start(dir.path()).await;
    let whatsapp = Arc::new(FakeWhatsApp {
        groups: HashSet::from([GROUP.to_owned()]),
        ..FakeWhatsApp::default()
    });
    let there = accept(&gateway, GROUP, "hello all").await;
    let nowhere = accept(&gateway, "120363000000000000@g.us", "hello nobody").await;
    gateway.page(&whatsapp);
    assert_eq!(
        gateway.until_stored(&there.id).await.queue.to_string(),
        GROUP
    );
    assert_eq!(
        gateway.until(&nowhere.id, RowState::NotSent).await.code,
        Some(FailureCode::ChatNotFound)
    );
    assert_eq!(*whatsapp.looked_up.lock().expect("lock"), 0);
    assert_eq!(
        gateway
            .store
            .knows(&client(), &GROUP.parse().expect("group"))
            .await,
        Ok(true),
        "nobody in it is written to out of the blue"
    );
}

#[tokio::test]
async fn a_number_that_whatsapp_writes_otherwise_is_the_same_chat() {
    let dir = tempfile::tempdir().expect("tempdir");
    let gateway = Gateway::start(dir.path()).await;
    // As in Brazil, where a ninth digit is asked for and not used.
    let (asked, canonical) = ("5511987654321", "551187654321");
    let address = Address {
        chat: "88@lid".into(),
        pn: Some(format!("{canonical}@c.us")),
        lid: Some("88@lid".into()),
    };
    let before = accept(&gateway, asked, "before").await;
    gateway
        .store
        .cache_address(&client(), &asked.parse().expect("number"), &address)
        .await
        .expect("cached");
    let after = accept(&gateway, asked, "after").await;
    let by_id = accept(&gateway, "88@lid", "by id").await;
    let short = accept(&gateway, canonical, "short").await;
    assert_eq!(
        queues(&gateway, &[&before, &after, &by_id, &short]).await,
        [canonical; 4]
    );
    gateway
        .store
        .know(&client(), vec![canonical.parse().expect("number")])
        .await
        .expect("noted");
    assert_eq!(
        gateway
            .store
            .knows(&client(), &asked.parse().expect("number"))
            .await,
        Ok(true)
    );
}
