//! The queues of deliveries: each receiver is read from its own beginning.

use crate::{
    model::{Envelope, Event, EventId, Timestamp},
    store::{Delivery, NewDelivery, Store, Update, scratch},
};

async fn event(store: &Store, name: &str) -> i64 {
    let event = Event::Other {
        kind: name.into(),
        json: "{}".into(),
    };
    let envelope = Envelope {
        id: EventId(name.into()),
        at: Timestamp(0),
        session: "s".parse().expect("id"),
        account: None,
        replayed: false,
        event,
    };
    store.append_event(envelope).await.expect("appended")
}

fn new(id: String, plugin: &str, target: &str) -> NewDelivery {
    NewDelivery {
        id,
        plugin: plugin.into(),
        target: target.into(),
        attempt: 0,
        again: None,
    }
}

#[tokio::test]
async fn each_receiver_is_read_from_its_own_beginning_however_much_another_has() {
    let (_dir, store) = scratch().await;
    let mut all = vec![];
    for n in 0..2000 {
        let mut of_one = vec![new(format!("big-{n:04}"), "webhook", "big")];
        if n >= 1998 {
            of_one.push(new(format!("small-{n}"), "webhook", "small"));
            of_one.push(new(format!("unnamed-{n}"), "policy", ""));
        }
        all.push((event(&store, &format!("e{n}")).await, of_one));
    }
    store.route("deliveries", all).await.expect("routed");
    let of = |lines: &[Delivery], target: &str| {
        lines
            .iter()
            .filter(|row| row.target == target)
            .map(|row| row.id.clone())
            .collect::<Vec<_>>()
    };
    let lines = store.delivery_lines(3).await.expect("read");
    assert_eq!(of(&lines, "big"), ["big-0000", "big-0001", "big-0002"]);
    assert_eq!(of(&lines, "small"), ["small-1998", "small-1999"]);
    assert_eq!(of(&lines, ""), ["unnamed-1998", "unnamed-1999"]);
    let done: Vec<_> = ["big-0000", "small-1998", "unnamed-1998"]
        .iter()
        .map(|id| ((*id).to_owned(), Update::Delivered))
        .collect();
    store.attempted(&done).await.expect("noted");
    store
        .attempted(&[(
            "small-1999".into(),
            Update::Retry(Timestamp::now().plus_millis(60_000), "r".into()),
        )])
        .await
        .expect("noted");
    let lines = store.delivery_lines(1).await.expect("read");
    let ids: Vec<&str> = lines.iter().map(|row| row.id.as_str()).collect();
    assert_eq!(ids, ["big-0001", "unnamed-1999", "small-1999"]);
    let counts = store.delivery_counts().await.expect("read");
    let counts: Vec<_> = counts
        .iter()
        .map(|count| (count.target.as_str(), count.pending, count.dead))
        .collect();
    assert_eq!(counts, [("", 1, 0), ("big", 1999, 0), ("small", 1, 0)]);
}

#[tokio::test]
async fn an_event_that_cannot_be_read_is_named_and_the_others_are_read() {
    let (_dir, store) = scratch().await;
    let (good, bad) = (event(&store, "good").await, event(&store, "bad").await);
    let sql = sqlx::query("UPDATE event SET envelope = '{\"from\":\"tomorrow\"}' WHERE id = 'bad'");
    store.writer.statement(sql).await.expect("written");
    let read = store.envelopes(&[good, bad, 99]).await.expect("read");
    assert!(
        read[&good].is_ok() && read[&bad].is_err() && !read.contains_key(&99),
        "{read:?}"
    );
}
